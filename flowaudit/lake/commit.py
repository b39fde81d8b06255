"""The one way into a table: files, and the numbers of the applications they are committed for, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import RemoveAction

from flowaudit.errors import LeaseLost
from flowaudit.lake.disk import sync
from flowaudit.lake.files import Written
from flowaudit.schema import TABLES

if TYPE_CHECKING:
    from flowaudit.lake.lease import Lease

LOG = "_delta_log"
LEADER = "flowaudit/leader"
"""The application id whose number is the generation of the daemon that leads."""
REWRITE = "flowaudit/rewrite"
"""The application id of commits that remove files: Delta compares what appends remove with nothing."""


def commit(
    table: DeltaTable,
    name: str,
    files: Sequence[Written],
    numbers: Mapping[str, int],
    *,
    lease: Lease | None,
    removed: Sequence[RemoveAction] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Make `files` part of the table `name` in place of `removed`, under a number for each application id.

    Where `removed` is no change of data, the same rows lie in other files. With a lease, its generation is one of
    the numbers, but of rewrites: they change no row, and last long. Raises LeaseLost where another daemon leads, and
    CommitFailedError, also if an application's number has moved, or files were removed in place of others, since
    `table` was opened.
    """
    data_change = not removed or all(each.data_change for each in removed)
    if lease is not None:
        generation = lease.check()
        if (newest := number(table, LEADER)) > generation:
            raise LeaseLost(f"generation {newest} of daemons has written {name}, and this one is {generation}")
        numbers = {**numbers, **({LEADER: generation} if data_change else {})}
    partition_by, before = TABLES[name].partition_by, table.version()
    if removed:
        numbers = {**numbers, REWRITE: number(table, REWRITE) + 1}
    table.create_write_transaction(
        [*(file.action(partitioned=bool(partition_by), data_change=data_change) for file in files), *removed],
        mode="append",
        schema=table.schema(),
        partition_by=list(partition_by),
        commit_properties=CommitProperties(
            custom_metadata=dict(metadata or {}),
            app_transactions=[Transaction(application, number) for application, number in numbers.items()],
        ),
    )
    _sync(table, before)


def _sync(table: DeltaTable, before: int) -> None:
    """Write the commits after a version through to the disk, where the table is in a folder."""
    uri = table.table_uri.removeprefix("file://")
    if "://" in uri:
        return
    log, version = Path(unquote(uri)) / LOG, before + 1
    written = [log / "_last_checkpoint"]
    while (file := log / f"{version:020}.json").exists():
        written += [file, log / f"{version:020}.checkpoint.parquet"]
        version += 1
    sync(log, *(file for file in written if file.exists()))


def number(table: DeltaTable, application: str) -> int:
    """Return the number of an application's last commit to the table, 0 before the first."""
    return table.transaction_version(application) or 0
