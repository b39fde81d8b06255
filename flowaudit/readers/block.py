"""What every reader yields: blocks of records, and the lines that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

QUARANTINE_LINES = 1000
"""How many bad lines of one object are kept; all are counted."""

QUARANTINE_TEXT = 500
"""How many characters of a bad line are kept."""

BAD_LINES = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())])
"""The shape of `Block.quarantined`: line number (1 = first; row number in Parquet), reason, text (cut)."""

NO_RECORDS = pa.table({})


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive records of one object.

    `records` has a subset of the record columns of `schema.RECORDS` in lake types (strings may be dictionaries),
    `quarantined` has the columns of `BAD_LINES`, at most `QUARANTINE_LINES` of them over a whole object, while
    `bad` counts them all; `diverted` counts Transit Gateway records.
    """

    records: pa.Table
    quarantined: pa.Table = field(default_factory=BAD_LINES.empty_table)
    bad: int = 0
    diverted: int = 0


class BadLine(NamedTuple):
    """A line (or Parquet row) that could not be read: its number from 1, why, and what it said."""

    line: int
    reason: str
    text: str


class Quarantine:
    """The room left for one object's bad lines."""

    def __init__(self, room: int = QUARANTINE_LINES) -> None:
        self._room = room

    def table(self, bad: Sequence[BadLine]) -> pa.Table:
        """Those of `bad` that there is room for, texts cut, in the columns of BAD_LINES."""
        kept = sorted(bad)[: self._room]
        self._room -= len(kept)
        rows = [{"line": at, "reason": reason, "text": text[:QUARANTINE_TEXT]} for at, reason, text in kept]
        return pa.Table.from_pylist(rows, BAD_LINES)
