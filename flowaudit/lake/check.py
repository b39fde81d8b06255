"""Whether the tables of a lake fit together: what does not is named, and nothing works on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_ds
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from flowaudit.errors import LakeError
from flowaudit.lake.batch import last
from flowaudit.lake.commit import number
from flowaudit.schema import TABLES

if TYPE_CHECKING:
    from flowaudit.lake import Lake

NAMED = 5
"""Files that a line names; of more, how many there are."""
RESTORE = "restore the lake from a backup (flowaudit lake restore), or collect anew into another one"


LAST = ("findings", "quarantine", "flows")
"""Tables that others refer to, in this order: each is opened, and copied, later than those that refer to it.

Delivery follows `findings`, detectors and the ledger follow `flows`: the table that is referred to then also has what
is committed meanwhile. A batch that `flows` has, and the ledger lacks, is completed from `flows` by the next write.
"""


def in_order() -> list[str]:
    """Return the tables, those that others refer to last."""
    return sorted(TABLES, key=lambda name: LAST.index(name) if name in LAST else -1)


def problems(lake: Lake, sinks: Collection[str] = (), *, files: bool = True, rows: bool = False) -> Iterator[str]:
    """Yield a line for each thing that does not fit; `sinks` are the ids that sinks have in `dead_letters`.

    By the logs of the tables alone: their numbers, and that each table can be opened. With `files` also whether each
    file that a log names is there, as large as it says; with `rows` whether it can be read and has as many rows, and
    whether `flows` has the rows of each object that the ledger counts. Raises LakeError where there is no lake.
    """
    if not lake.exists():
        raise lake.missing()
    tables: dict[str, DeltaTable] = {}
    for name in in_order():
        try:
            tables[name] = lake.open(name)
        except (DeltaError, OSError) as error:
            yield f"table {name} cannot be opened: {str(error).splitlines()[0]}: {RESTORE}"
    yield from _numbers(tables, sinks)
    for name, table in tables.items():
        if files or rows:
            yield from _files(lake, name, table, read=rows)
    if rows and {"flows", "objects"} <= tables.keys():
        yield from _ledger(lake)


def different_times(lake: Lake) -> Iterator[str]:
    """Yield where ledger or quarantine is ahead of `flows`: of `problems` what each collect has to know."""
    yield from _batches({name: lake.open(name) for name in ("objects", "quarantine", "flows")})


def _numbers(tables: Mapping[str, DeltaTable], sinks: Collection[str]) -> Iterator[str]:
    """Yield where a table is ahead of the one that is committed before it."""
    yield from _batches(tables)
    if {"findings", "dead_letters"} <= tables.keys():
        written = number(tables["findings"], "flowaudit/findings")
        for sink in sinks:
            if (delivered := number(tables["dead_letters"], sink) - 1) > written:
                yield (
                    f"{sink} has delivered event {delivered}, and findings has only {written} events: findings is of "
                    f"an earlier time: {RESTORE}"
                )


def _batches(tables: Mapping[str, DeltaTable]) -> Iterator[str]:
    batches = {name: last(tables[name]) for name in ("flows", "quarantine", "objects") if name in tables}
    for name in ("quarantine", "objects"):
        if name in batches and batches[name] > batches.get("flows", batches[name]):
            yield (
                f"table {name} has batch {batches[name]}, and flows only batch {batches['flows']}, which is committed "
                f"first: flows is of an earlier time: {RESTORE}"
            )


def _files(lake: Lake, name: str, table: DeltaTable, *, read: bool) -> Iterator[str]:
    """Yield what is wrong with the files that a table's newest snapshot names."""
    actions = pa.table(table.get_add_actions())
    wanted = zip(*(actions.column(each).to_pylist() for each in ("path", "size_bytes", "num_records")), strict=True)
    filesystem = lake.filesystem(name)
    found = {each.path: each.size for each in filesystem.get_file_info(pa_fs.FileSelector("", recursive=True))}
    wrong: dict[str, list[str]] = {}
    for path, size, rows in wanted:
        if why := _wrong(filesystem, path, size, rows, found.get(path), read=read):
            wrong.setdefault(why, []).append(path)
    for why, paths in wrong.items():
        more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
        yield f"table {name}: {', '.join(paths[:NAMED])}{more}: {why}: {RESTORE}"


def _wrong(filesystem: pa_fs.FileSystem, path: str, size: int, rows: int, there: int | None, *, read: bool) -> str:
    """Return what is wrong with one file, "" if nothing is."""
    if there is None:
        return "the log names it, and it is not there"
    if there != size:
        return "it has another size than the log says"
    if read:
        try:
            with filesystem.open_input_file(path) as stream:
                table = pq.ParquetFile(stream)
                if table.metadata.num_rows != rows:
                    return "it has another number of rows than the log says"
                for group in range(table.num_row_groups):
                    table.read_row_group(group)
        except (OSError, pa.ArrowException) as error:
            return f"it cannot be read ({str(error).splitlines()[0]})"
    return ""


def _ledger(lake: Lake) -> Iterator[str]:
    """Yield where `flows` has not as many rows of an object as the ledger says.

    Left out are the batch under way, which the ledger does not have yet, and objects whose rows retention has dropped.
    """
    try:
        settled, known = last(lake.open("objects")), lake.known()
        counted: Counter[str] = Counter()
        rows = lake.dataset("flows").to_batches(columns=["object_key"], filter=pa_ds.field("batch") <= settled)
        for batch in rows:
            counted.update(
                {each["values"]: each["counts"] for each in pc.value_counts(batch["object_key"]).to_pylist()}
            )
    except (LakeError, DeltaError, OSError, pa.ArrowException) as error:
        yield f"rows of objects cannot be counted: {str(error).splitlines()[0]}"
        return
    for key, there in counted.items():
        said = known[key].kept if key in known else 0
        if there != said:
            yield f"flows has {there:,} rows of {key}, and the ledger says {said:,}: {RESTORE}"
