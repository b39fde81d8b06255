"""Tables of the lake as plain Parquet files in a folder: all of them, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_ds
import pyarrow.parquet as pq

from flowaudit.errors import LakeError
from flowaudit.model import Window

if TYPE_CHECKING:
    from flowaudit.lake import Lake

TIMES = {
    "flows": "start_time",
    "objects": "collected_at",
    "findings": "at",
    "dead_letters": "at",
    "interfaces": "observed_at",
    "workloads": "observed_at",
    "topology": "observed_at",
    "gaps": "observed_at",
    "ip_ranges": "created_at",
}
"""The column by which each table is exported. Lines of `quarantine` are of the time of their batch."""
ROW_GROUP = 125_000


def export(lake: Lake, tables: Iterable[str], window: Window, folder: Path) -> dict[str, int]:
    """Write the rows of a window to `folder`, a file `TABLE.parquet` each; return their numbers.

    The folder must not be there yet, and is there afterwards only if it is whole. Raises LakeError.
    """
    if folder.exists():
        raise LakeError(f"{folder} is there already and stays as it is: name a folder that is not")
    unfinished = folder.with_name(f".{folder.name}-{uuid4().hex}")
    unfinished.mkdir(parents=True)
    try:
        with lake.explained("cannot be exported"):
            written = {table: _write(lake, table, window, unfinished / f"{table}.parquet") for table in tables}
            unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return written


def _write(lake: Lake, table: str, window: Window, path: Path) -> int:
    """Write one table, a block of rows at a time; return how many."""
    rows = 0
    found = lake.dataset(table, window if table == "flows" else None)
    blocks = found.scanner(filter=_condition(lake, table, window), batch_size=ROW_GROUP).to_batches()
    with pq.ParquetWriter(path, found.schema, compression="zstd") as out:
        for block in blocks:
            if block.num_rows:
                out.write_table(pa.Table.from_batches([block]), row_group_size=ROW_GROUP)
                rows += block.num_rows
    return rows


def _condition(lake: Lake, table: str, window: Window) -> pa_ds.Expression:
    if table == "quarantine":
        ledger = lake.dataset("objects").to_table(["batch"], filter=_within("collected_at", window))
        return pc.field("batch").isin(ledger.column("batch").unique())
    return _within(TIMES[table], window)


def _within(column: str, window: Window) -> pa_ds.Expression:
    return (pc.field(column) >= pa.scalar(window.since)) & (pc.field(column) < pa.scalar(window.until))
