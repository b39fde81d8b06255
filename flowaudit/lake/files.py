"""Parquet files that lie in a table's folder and belong to it only once a commit names them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from flowaudit.lake.disk import sync
from flowaudit.schema import TABLES

TEXT = pa.dictionary(pa.int32(), pa.string())
SCATTERED = frozenset(("bytes",))
"""Columns whose values hardly repeat: a dictionary of them is work for nothing."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Delta and Hive call the folder of rows without a partition value."""


@dataclass(frozen=True, slots=True)
class Written:
    """One finished file: all that a commit needs to know of it, as plain values that survive as JSON."""

    path: str
    size: int
    day: str | None
    statistics: str

    def action(self, *, partitioned: bool, data_change: bool = True) -> AddAction:
        """Return the commit's action that makes the file part of its table."""
        partition = {"day": self.day} if partitioned else {}
        return AddAction(self.path, self.size, partition, int(time.time() * 1000), data_change, self.statistics)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


class TableFiles:
    """Writes rows into new files of one table, one file a day; nothing counts until it is committed."""

    def __init__(self, filesystem: pa_fs.FileSystem, table: str, folder: Path | None = None) -> None:
        """Write into `filesystem`, whose root is the table's `folder`; None: it is on no disk of this machine."""
        self._filesystem, self._root = filesystem, folder
        self._table = TABLES[table]
        columns = [f for f in self._table.schema if f.name not in self._table.partition_by]
        self._schema = _as_written(pa.schema(columns))
        self._open: dict[date | None, _OpenFile] = {}

    def write(self, rows: pa.Table) -> None:
        """Append `rows` as one row group a day. Columns of the table that `rows` lacks are null.

        In a table partitioned by `day`, a row's day is that of `start_time`, else of `end_time`, else its `day`.
        """
        for day, part in self._by_day(rows):
            if day not in self._open:
                self._open[day] = _OpenFile(
                    self._filesystem, self._schema, self._table.statistics, day, self._folder(day)
                )
            self._open[day].write(_complete(part, self._schema))

    def close(self) -> list[Written]:
        """Finish the files, which are on the disk then, and return them."""
        files = [file.close() for file in self._open.values()]
        self._open = {}
        if self._root is not None:
            for file in files:
                sync(self._root, self._root / file.path)
        return files

    def discard(self) -> None:
        """Remove what was written so far."""
        for file in self._open.values():
            file.discard()
        self._open = {}

    def _folder(self, day: date | None) -> str:
        return f"day={day or NO_DAY}/" if self._table.partition_by else ""

    def _by_day(self, rows: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
        if not self._table.partition_by:
            yield None, rows
            return
        days = _days(rows)
        rows = rows.drop_columns(["day"])
        distinct = pc.unique(days).to_pylist()
        for day in distinct:
            if len(distinct) == 1:
                yield day, rows
            else:
                yield day, rows.filter(pc.is_null(days) if day is None else pc.equal(days, day))


class _OpenFile:
    """One Parquet file that is being written."""

    def __init__(
        self,
        filesystem: pa_fs.FileSystem,
        schema: pa.Schema,
        statistics: tuple[str, ...],
        day: date | None,
        folder: str,
    ) -> None:
        self.path = f"{folder}part-{uuid.uuid4().hex}.zstd.parquet"
        self._filesystem, self._statistics, self._day = filesystem, statistics, day
        if folder:
            filesystem.create_dir(folder.rstrip("/"), recursive=True)
        self._footers: list[pq.FileMetaData] = []
        self._stream = filesystem.open_output_stream(self.path)
        self._writer = pq.ParquetWriter(
            self._stream,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[f.name for f in schema if f.name not in SCATTERED],
            write_statistics=list(statistics),
            store_schema=False,
            metadata_collector=self._footers,
        )

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))

    def close(self) -> Written:
        self._writer.close()
        self._stream.close()
        size = self._filesystem.get_file_info(self.path).size
        day = None if self._day is None else self._day.isoformat()
        return Written(self.path, size, day, json.dumps(_statistics(self._footers[0], self._statistics)))

    def discard(self) -> None:
        with suppress(OSError):  # on a full disk not even the end can be written
            self._writer.close()
        with suppress(OSError):
            self._stream.close()
        with suppress(FileNotFoundError):
            self._filesystem.delete_file(self.path)


def _days(rows: pa.Table) -> pa.ChunkedArray:
    times = [rows.column(name) for name in ("start_time", "end_time") if name in rows.column_names]
    return pc.coalesce(*(pc.cast(times, pa.date32(), safe=False) for times in times), rows.column("day"))


def _as_written(schema: pa.Schema) -> pa.Schema:
    """Return the schema that the writer is given: text as dictionaries, which Parquet takes over as they are."""
    return pa.schema([f.with_type(TEXT) if pa.types.is_string(f.type) else f for f in schema])


def _complete(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `rows` with exactly the columns of `schema`, in its order."""
    missing = {type_: _nulls(type_, rows.num_rows) for type_ in {f.type for f in schema}}
    columns = [
        _encoded(rows.column(f.name), f.type) if f.name in rows.column_names else missing[f.type] for f in schema
    ]
    return pa.table(columns, schema=schema)


def _nulls(type_: pa.DataType, length: int) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.DictionaryArray.from_arrays(pa.nulls(length, pa.int32()), pa.array([], pa.string()))
    return pa.nulls(length, type_)


def _encoded(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    is_plain_text = pa.types.is_dictionary(type_) and not pa.types.is_dictionary(column.type)
    return column.dictionary_encode() if is_plain_text else column


def _statistics(footer: pq.FileMetaData, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return Delta's statistics of a file: row count, and least, greatest and null count of some columns."""
    columns = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    lows, highs, nulls = {}, {}, {}
    for name in names:
        parts = [footer.row_group(g).column(columns[name]).statistics for g in range(footer.num_row_groups)]
        if any(part is None for part in parts):
            continue
        nulls[name] = sum(part.null_count or 0 for part in parts)
        if all(part.has_min_max or part.null_count == part.num_values + part.null_count for part in parts):
            ranged = [part for part in parts if part.has_min_max]
            if ranged:
                lows[name], highs[name] = (_plain(min(p.min for p in ranged)), _plain(max(p.max for p in ranged)))
    return {"numRecords": footer.num_rows, "minValues": lows, "maxValues": highs, "nullCount": nulls}


def _plain(value: Any) -> Any:  # noqa: ANN401  a statistic is of its column's type
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value
