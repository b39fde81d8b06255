"""Rows for the end of a table, one commit a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from flowaudit.errors import LakeConflict
from flowaudit.lake.commit import commit, number

if TYPE_CHECKING:
    from flowaudit.lake import Lake


def append(lake: Lake, name: str, rows: pa.Table) -> None:
    """Append `rows` to the table `name`; raises LakeConflict if another process appends at this moment.

    Every commit takes the number of `flowaudit/<name>` one further, so that two writers notice each other.
    """
    table, application = lake.open(name), f"flowaudit/{name}"
    before = number(table, application)
    files = lake.new_files(name)
    files.write(rows)
    written = files.close()
    try:
        commit(table, name, written, {application: before + 1})
    except CommitFailedError as error:
        if number(lake.open(name), application) == before:
            raise
        lake.forget(name, written)
        raise LakeConflict(f"another process wrote {name} to {lake.uri} at the same moment: try again") from error
