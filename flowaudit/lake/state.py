"""The state of each table by its log: size, small files, days, version and checkpoint; no data is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from flowaudit.lake.maintenance import files
from flowaudit.lake.vacuum import checkpointed
from flowaudit.schema import TABLES

if TYPE_CHECKING:
    from flowaudit.lake import Lake


@dataclass(frozen=True, slots=True)
class State:
    """One table: `small_files` are those that compaction merges, once a day has two; days are of partitions."""

    table: str
    rows: int
    bytes: int
    files: int
    small_files: int
    oldest: date | None
    newest: date | None
    version: int
    checkpoint: int | None


def states(lake: Lake) -> list[State]:
    """Return the state of every table; raises LakeError."""
    with lake.explained("cannot be read"):
        return [_state(lake, name) for name in TABLES if lake.versions(name) != (-1,)]


def _state(lake: Lake, name: str) -> State:
    table = lake.open(name)
    found = files(table, name)
    days = [file.day for file in found if file.day is not None]
    return State(
        table=name,
        rows=sum(file.rows for file in found),
        bytes=sum(file.bytes for file in found),
        files=len(found),
        small_files=sum(file.is_small for file in found),
        oldest=min(days, default=None),
        newest=max(days, default=None),
        version=table.version(),
        checkpoint=checkpointed(lake, name),
    )
