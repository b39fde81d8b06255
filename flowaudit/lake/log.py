"""An append-only table of the lake (findings' events, observations): rows go in, one writer at a time, and stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from flowaudit.errors import LakeConflict, LeaseLost
from flowaudit.lake.commit import commit, number

if TYPE_CHECKING:
    from flowaudit.lake import Lake


T = TypeVar("T")

TRIES = 5
"""How often a write starts over because another process wrote to the same table at the same moment."""
NUMBER = "event_number"
"""The column that numbers a log's rows: a reader that has come to one of them follows from there."""


class Log:
    """A snapshot of an append-only table, and the right to append to it as long as nobody else has."""

    def __init__(self, lake: Lake, table: str) -> None:
        """Look at the newest snapshot; raises LakeError."""
        self._lake, self._name = lake, table
        self._table = lake.open(table)
        self._application = f"flowaudit/{table}"  # every append takes its number one further: two writers notice
        self._number = number(self._table, self._application)

    def watermark(self, application: str) -> int:
        """Return the number that the last commit for `application` recorded, 0 before the first."""
        return number(self._table, application)

    def commit(self, rows: pa.Table, watermarks: Mapping[str, int]) -> None:
        """Append `rows` (columns of the table's schema) and move the watermarks forward, all at once.

        Rows without an `event_number`, where the table has that column, get the next numbers.

        Commits nothing where there is nothing to say. Raises LakeConflict if somebody else appended since the
        snapshot: what was decided on its strength must be decided again.
        """
        ahead = {name: mark for name, mark in watermarks.items() if mark > self.watermark(name)}
        if not rows.num_rows and not ahead:
            return
        files = self._lake.new_files(self._name)
        if rows.num_rows:
            files.write(self._numbered(rows))
        written = files.close()
        newest = self._number + max(1, rows.num_rows)
        with self._lake.explained("cannot be written"):
            try:
                numbers = ahead | {self._application: newest}
                commit(self._table, self._name, written, numbers, lease=self._lake.lease)
            except LeaseLost:
                self._lake.forget(self._name, written)
                raise
            except CommitFailedError as error:
                if Log(self._lake, self._name)._number == self._number:  # noqa: SLF001  its own class
                    raise
                self._lake.forget(self._name, written)
                message = f"another process wrote {self._name} to {self._lake.uri} at the same moment"
                raise LakeConflict(message) from error

    @property
    def number(self) -> int:
        """The number of the newest row, or above it where watermarks moved since."""
        return self._number

    def _numbered(self, rows: pa.Table) -> pa.Table:
        index = rows.schema.get_field_index(NUMBER)
        if index < 0 or rows.column(index).null_count < rows.num_rows:
            return rows
        numbers = pa.array(range(self._number + 1, self._number + 1 + rows.num_rows), pa.int64())
        return rows.set_column(index, rows.schema.field(index), numbers)


def retried(write: Callable[[], T]) -> T:
    """Return the result of `write`, which starts over as long as another process commits first.

    `write` has to read what it decides on anew each time. Raises LakeConflict after `TRIES` attempts.
    """
    for _ in range(TRIES - 1):
        try:
            return write()
        except LakeConflict:
            continue
    return write()
