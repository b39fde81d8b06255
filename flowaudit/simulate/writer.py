"""Records to log objects: AWS's text and Parquet, under AWS's keys.

Sources: VPC User Guide, "Flow log records" (fields, types), "Flow log files" (keys, layouts); Athena User Guide,
"Create and query tables for Amazon VPC flow logs in Apache Parquet format" (column names).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from isal import igzip
from pyarrow import csv

from flowaudit import schema
from flowaudit.schema import FIELD_BY_NAME, Field

Fields = tuple[str, ...]


def _until(version: int) -> Fields:
    return tuple(field.name for field in schema.FIELDS if field.version <= version)


FORMATS: dict[str, Fields] = {f"v{version}": _until(version) for version in (2, 3, 4, 5, 7, 8, 9, 10, 11)}
"""Every field up to a version, in AWS's order (`v2` is the default format); there is no version 6."""
FORMATS["v5-alphabetical"] = tuple(sorted(FORMATS["v5"]))

PUBLISHED_EVERY = 300
"""Seconds between the times in the names of log files."""


@dataclass(frozen=True, slots=True)
class FlowLog:
    """A flow log: which fields it records, and where in its bucket and in which layout its objects go."""

    id: str = "fl-0123456789abcdef0"
    account_id: str = "123456789012"
    region: str = "us-east-1"
    fields: Fields = FORMATS["v5"]
    parquet: bool = False
    hive: bool = False
    hourly: bool = False
    prefix: str = ""
    organization_id: str | None = None


def object_key(flow_log: FlowLog, time: datetime, digest: str) -> str:
    """The key of an object with the records of the five minutes from `time`; `digest` is eight hexadecimal digits."""
    log, time = flow_log, time.astimezone(UTC)
    if log.hive:
        owner = f"aws-account-id={log.account_id}/aws-service=vpcflowlogs/aws-region={log.region}"
        date = f"{time:year=%Y/month=%m/day=%d}" + (f"{time:/hour=%H}" if log.hourly else "")
    else:
        owner = f"{log.account_id}/vpcflowlogs/{log.region}"
        date = f"{time:%Y/%m/%d}" + (f"{time:/%H}" if log.hourly else "")
    suffix = "log.parquet" if log.parquet else "log.gz"
    name = f"{log.account_id}_vpcflowlogs_{log.region}_{log.id}_{time:%Y%m%dT%H%MZ}_{digest}.{suffix}"
    return "/".join(filter(None, (log.prefix.strip("/"), "AWSLogs", log.organization_id, owner, date, name)))


def log_objects(records: pa.Table, flow_log: FlowLog, *, rows: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Key and content of every object of `records`: one per five minutes of `end`, or several of at most `rows`."""
    published = pc.divide(records["end_time"].cast(pa.int64()), PUBLISHED_EVERY * 1_000_000)
    for number in sorted(pc.unique(published).to_pylist()):
        time = datetime.fromtimestamp(number * PUBLISHED_EVERY, UTC)
        batch = records.filter(pc.equal(published, number))
        for offset in range(0, batch.num_rows, rows or batch.num_rows):
            content = encode(batch.slice(offset, rows), flow_log.fields, parquet=flow_log.parquet)
            yield object_key(flow_log, time, hashlib.sha256(content).hexdigest()[:8]), content


def encode(records: pa.Table, fields: Sequence[str], *, parquet: bool = False, header: bool = True) -> bytes:
    """One whole object: gzipped text, or Parquet."""
    stream = io.BytesIO()
    if parquet:
        write_parquet([records], fields, stream)
    else:
        write_text([records], fields, stream, header=header)
    return stream.getvalue()


def project(records: pa.Table, fields: Sequence[str]) -> pa.Table:
    """The columns of `fields`, in their order and in lake types, with the version that this choice of fields makes."""
    chosen = _chosen(fields)
    table = records.select([field.column for field in chosen])
    if "version" not in fields:
        return table
    version = pa.scalar(max(field.version for field in chosen), pa.int32())
    return table.set_column(fields.index("version"), "version", pa.repeat(version, records.num_rows))


def write_text(
    blocks: Iterable[pa.Table], fields: Sequence[str], stream: BinaryIO, *, header: bool = True, level: int | None = 2
) -> None:
    """Write blocks as one text object: a header line, then a line a record; gzipped at `level` 0 to 3, None: plain."""
    options = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    with _gzipped(stream, level) as out:
        if header:
            out.write((" ".join(fields) + "\n").encode())
        for block in blocks:
            csv.write_csv(_tokens(project(block, fields)), out, options)


def write_parquet(blocks: Iterable[pa.Table], fields: Sequence[str], stream: BinaryIO) -> None:
    """Write blocks as one Parquet object, a row group each: `-` for missing text, NULL for missing numbers."""
    shape = pa.schema([(field.name.replace("-", "_"), _stored(field)) for field in _chosen(fields)])
    with pq.ParquetWriter(stream, shape, compression="gzip", store_schema=False) as out:
        for block in blocks:
            columns = [_dashed(_seconds(column)) for column in project(block, fields).columns]
            out.write_table(pa.table(columns, schema=shape))


def _gzipped(stream: BinaryIO, level: int | None) -> AbstractContextManager[Any]:
    if level is None:
        return nullcontext(stream)
    # Without a name and a time in its header, the same records give the same bytes.
    return igzip.IGzipFile(filename="", mode="wb", compresslevel=level, fileobj=stream, mtime=0)  # type: ignore[no-untyped-call]


def _chosen(fields: Sequence[str]) -> list[Field]:
    unknown = [name for name in fields if name not in FIELD_BY_NAME]
    if unknown or not fields:
        raise ValueError(f"not a choice of flow log fields: {', '.join(unknown) or 'none at all'}")
    return [FIELD_BY_NAME[name] for name in fields]


def _stored(field: Field) -> pa.DataType:
    return pa.int64() if field.type == schema.TIME else field.type


def _tokens(table: pa.Table) -> pa.Table:
    """What stands in a line of text: Unix seconds for times and `-` for whatever is missing."""
    columns = (_seconds(column) for column in table.columns)
    dashed = [_dashed(column.cast(pa.string()) if column.null_count else column) for column in columns]
    return pa.table(dashed, names=table.column_names)


def _seconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(column.cast(pa.int64()), 1_000_000) if column.type == schema.TIME else column


def _dashed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.string() or not column.null_count:
        return column
    return (
        pa.chunked_array([pa.repeat("-", len(column))]) if column.null_count == len(column) else column.fill_null("-")
    )
