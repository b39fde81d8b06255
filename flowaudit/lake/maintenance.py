"""Compaction and retention of one table: files are replaced in one commit, and only if nobody replaced files since.

A step reads some files, writes their rows into new ones, and commits both. Until then the new files belong to nothing:
whoever is killed leaves files that `vacuum` deletes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import RemoveAction

from flowaudit.errors import LakeConflict
from flowaudit.lake.commit import commit, number
from flowaudit.lake.files import Written
from flowaudit.schema import TABLES

if TYPE_CHECKING:
    from flowaudit.lake import Lake

STEP_ROWS, STEP_BYTES = 250_000, 32 << 20
"""What one step of compaction reads at most, and holds in memory: some 300 MB."""
ROW_GROUP = 125_000
"""Rows of one row group: what a query of an hour of a day can skip."""

EXPIRED = "flowaudit/expired"
"""The application id whose number is the day, counted from the epoch, before which a table's days were removed."""
EPOCH = date(1970, 1, 1)

Keep = Callable[[pa.Table], pa.Array]
"""Returns, of rows of a table, which are kept."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a table's snapshot."""

    path: str
    day: date | None
    rows: int
    bytes: int
    first: datetime | int | None

    @property
    def is_small(self) -> bool:
        """Whether compaction merges it with others: two small files always fit into one step."""
        return self.rows < STEP_ROWS // 2 and self.bytes < STEP_BYTES // 2


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a commit replaced: files before and after, and rows that are gone."""

    files: int = 0
    into: int = 0
    rows: int = 0

    def plus(self, other: Rewritten) -> Rewritten:
        """Return the sum of both."""
        return Rewritten(self.files + other.files, self.into + other.into, self.rows + other.rows)


def files(table: DeltaTable, name: str) -> list[File]:
    """Return the files of a table's snapshot, by day and by the least value of its first sort column."""
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    order = f"min.{TABLES[name].sort_by[0]}"
    found = [
        File(each["path"], each.get("partition.day"), each["num_records"] or 0, each["size_bytes"], each.get(order))
        for each in actions
    ]
    return sorted(found, key=lambda file: (str(file.day), file.first is not None, file.first or 0, file.path))


def steps(table: DeltaTable, name: str) -> list[list[File]]:
    """Return the files that compaction has to merge, a list for each step."""
    small = (file for file in files(table, name) if file.is_small)
    return [step for _, day in groupby(small, attrgetter("day")) for step in _steps(day) if len(step) > 1]


def _steps(small: Iterable[File]) -> Iterator[list[File]]:
    """Cut files into steps of bounded size."""
    step: list[File] = []
    for file in small:
        is_full = sum(each.rows for each in step) + file.rows > STEP_ROWS
        if step and (is_full or sum(each.bytes for each in step) + file.bytes > STEP_BYTES):
            yield step
            step = []
        step.append(file)
    yield step


def compact(lake: Lake, name: str, step: Sequence[File]) -> Rewritten:
    """Merge the files of a step into one that is sorted; raises LakeConflict where another process replaced some.

    Nothing happens where one of them is no longer in the table.
    """
    with lake.explained("cannot be compacted"):
        table = lake.open(name)
        if not {file.path for file in step} <= {file.path for file in files(table, name)}:
            return Rewritten()
        rows = _sorted(pa.concat_tables([_read(lake, name, file) for file in step], promote_options="default"), name)
        written = _write(lake, name, step[0].day, rows)
        replace_files(lake, table, name, step, written, data_change=False)
    return Rewritten(len(step), len(written))


def drop_days(lake: Lake, name: str, before: date, *, dry_run: bool = False) -> Rewritten:
    """Remove the partitions of days before `before`; raises LakeConflict where another process replaced files."""
    with lake.explained("cannot be expired"):
        table = lake.open(name)
        old = [file for file in files(table, name) if file.day is not None and file.day < before]
        if old and not dry_run:
            replace_files(
                lake, table, name, old, [], numbers={EXPIRED: max(number(table, EXPIRED), (before - EPOCH).days)}
            )
    return Rewritten(len(old), rows=sum(file.rows for file in old))


def expired(lake: Lake, name: str) -> date | None:
    """Return the day before which `drop_days` has removed a table's rows, None where it never did."""
    with lake.explained("cannot be read"):
        days = number(lake.open(name), EXPIRED)
    return EPOCH + timedelta(days=days) if days else None


def drop_rows(lake: Lake, name: str, judge: Callable[[], Keep | None], *, dry_run: bool = False) -> Rewritten:
    """Remove the rows that are not kept, whatever file they lie in; raises LakeConflict.

    `judge` reads the lake and returns what to keep, None: everything. It is called once the table is open: where
    somebody appends to the table or replaces its files meanwhile, nothing is removed.
    """
    with lake.explained("cannot be expired"):
        table = lake.open(name)
        if (keep := judge()) is None:
            return Rewritten()
        replaced, written, gone = [], [], 0
        for file in files(table, name):
            rows = _read(lake, name, file)
            kept = rows.filter(keep(rows))
            if kept.num_rows < rows.num_rows:
                gone += rows.num_rows - kept.num_rows
                replaced.append(file)
                written += _write(lake, name, file.day, kept) if kept.num_rows and not dry_run else []
        if replaced and not dry_run:
            appends = f"flowaudit/{name}"
            replace_files(lake, table, name, replaced, written, numbers={appends: number(table, appends) + 1})
    return Rewritten(len(replaced), len(written), gone)


def span(lake: Lake, name: str) -> tuple[date | None, date | None]:
    """Return the oldest and the newest day of a table, None where its files have none."""
    with lake.explained("cannot be read"):
        days = [file.day for file in files(lake.open(name), name) if file.day is not None]
    return min(days, default=None), max(days, default=None)


def replace_files(
    lake: Lake,
    table: DeltaTable,
    name: str,
    old: Sequence[File],
    new: Sequence[Written],
    *,
    numbers: Mapping[str, int] | None = None,
    data_change: bool = True,
) -> None:
    """Commit; raises LakeConflict, with the new files deleted, where another process was first."""
    now = int(time.time() * 1000)
    days = [{"day": str(file.day) if file.day else None} if TABLES[name].partition_by else {} for file in old]
    removed = [RemoveAction(file.path, data_change, now, file.bytes, day) for file, day in zip(old, days, strict=True)]
    try:
        commit(table, name, new, numbers or {}, lease=lake.lease, removed=removed)
    except CommitFailedError as error:
        lake.forget(name, new)
        raise LakeConflict(f"another process replaced files of {name} in {lake.uri} at the same moment") from error


def _read(lake: Lake, name: str, file: File) -> pa.Table:
    """Read one file, text as dictionaries: an eighth of the memory."""
    texts = [field.name for field in TABLES[name].schema if pa.types.is_string(field.type)]
    return pq.read_table(unquote(file.path), filesystem=lake.filesystem(name), partitioning=None, read_dictionary=texts)


def _sorted(rows: pa.Table, name: str) -> pa.Table:
    """Return the rows in the table's order, as one chunk a column."""
    columns = [column for column in TABLES[name].sort_by if column in rows.column_names]
    keys = pa.table({column: _plain(rows.column(column)) for column in columns})
    order = pc.sort_indices(keys, [(column, "ascending") for column in columns])
    return rows.unify_dictionaries().combine_chunks().take(order)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _write(lake: Lake, name: str, day: date | None, rows: pa.Table) -> list[Written]:
    """Write rows of one partition as uncommitted files; what cannot be finished is deleted."""
    out: Any = lake.new_files(name)
    if TABLES[name].partition_by:
        rows = rows.append_column("day", pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows))
    try:
        for start in range(0, rows.num_rows, ROW_GROUP):
            out.write(rows.slice(start, ROW_GROUP))
        written: list[Written] = out.close()
    except BaseException:
        out.discard()
        raise
    return written
