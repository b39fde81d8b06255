"""The findings' event log: append-only, one commit a detect, one writer at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from flowaudit.errors import LakeConflict
from flowaudit.lake.commit import commit, number

if TYPE_CHECKING:
    from flowaudit.lake import Lake

APPLICATION = "flowaudit/findings"
"""The application id whose number every commit of events takes one further, so that two writers notice each other."""


class Events:
    """A snapshot of the event log, and the right to append to it as long as nobody else has."""

    def __init__(self, lake: Lake) -> None:
        """Look at the newest snapshot; raises LakeError."""
        self._lake = lake
        self._table = lake.open("findings")
        self._number = number(self._table, APPLICATION)

    def watermark(self, application: str) -> int:
        """Return the number that the last commit for `application` recorded, 0 before the first."""
        return number(self._table, application)

    def commit(self, rows: pa.Table, watermarks: Mapping[str, int]) -> None:
        """Append `rows` (columns of `schema.FINDINGS`) and move the watermarks forward, all at once.

        Commits nothing where there is nothing to say. Raises LakeConflict if somebody else appended since the
        snapshot: what was decided on its strength must be decided again.
        """
        ahead = {name: mark for name, mark in watermarks.items() if mark > self.watermark(name)}
        if not rows.num_rows and not ahead:
            return
        files = self._lake.new_files("findings")
        if rows.num_rows:
            files.write(rows)
        written = files.close()
        with self._lake.explained("cannot be written"):
            try:
                commit(self._table, "findings", written, ahead | {APPLICATION: self._number + 1})
            except CommitFailedError as error:
                if Events(self._lake)._number == self._number:  # noqa: SLF001  its own class
                    raise
                self._lake.forget("findings", written)
                raise LakeConflict(f"another process wrote findings to {self._lake.uri} at the same moment") from error
