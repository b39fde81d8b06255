"""The one way into a table: files, and the numbers of the applications they are committed for, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import RemoveAction

from flowaudit.lake.files import Written
from flowaudit.schema import TABLES

REWRITE = "flowaudit/rewrite"
"""The application id of commits that remove files: Delta compares what appends remove with nothing."""


def commit(
    table: DeltaTable,
    name: str,
    files: Sequence[Written],
    numbers: Mapping[str, int],
    *,
    removed: Sequence[RemoveAction] = (),
    metadata: Mapping[str, str] | None = None,
    data_change: bool = True,
) -> None:
    """Make `files` part of the table `name` in place of `removed`, under a number for each application id.

    `data_change` is false where the same rows lie in other files than before. Raises CommitFailedError, also if an
    application's number has moved, or files were removed in place of others, since `table` was opened.
    """
    partition_by = TABLES[name].partition_by
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


def number(table: DeltaTable, application: str) -> int:
    """Return the number of an application's last commit to the table, 0 before the first."""
    return table.transaction_version(application) or 0
