"""One batch of log objects on its way into the lake: all of it, once, or nothing.

A batch is numbered by the application transaction of the commit that adds its rows to `flows`. That commit also
carries, as its metadata, what the ledger and the quarantine are to say of the batch; two more commits, to
`quarantine` and `objects`, repeat it there under the same number. Whoever is killed between them is completed by
whoever comes next, and two collectors that prepare the same number are told apart by Delta itself: one is refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import RemoveAction

from flowaudit.errors import LakeConflict, LakeError
from flowaudit.lake.commit import REWRITE, commit
from flowaudit.lake.commit import number as commit_number
from flowaudit.lake.files import TableFiles, Written
from flowaudit.model import LogObject, ObjectReport, Outcome
from flowaudit.schema import OBJECTS

if TYPE_CHECKING:
    from flowaudit.lake import Lake

APPLICATION = "flowaudit/collect"
"""The application id of the transactions that number batches, in each of the three tables."""
METADATA = "flowaudit"
"""The key of a batch's metadata in the commit that added its rows."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one log object: the newest attempt at it, and how many of its rows are in `flows`."""

    etag: str
    outcome: str
    attempts: int
    kept: int
    at: datetime


class Batch:
    """A numbered batch: give its rows to `files()`, then `commit`."""

    def __init__(self, lake: Lake) -> None:
        """Take the next number, once the ledger tells of all batches before it; raises LakeError.

        In this order: a batch that is committed after the snapshot takes the number away, one before it is settled.
        """
        self._lake = lake
        self._flows = lake.open("flows")
        self.number = last(self._flows) + 1
        settle(lake, self._flows)

    def files(self) -> TableFiles:
        """Return new, uncommitted files of `flows`; safe to fill in a thread of one's own."""
        return self._lake.new_files("flows")

    def quarantine_files(self) -> TableFiles:
        """Return new, uncommitted files of `quarantine`."""
        return self._lake.new_files("quarantine")

    def explained(self) -> AbstractContextManager[None]:
        """Turn what goes wrong while the batch is written into a LakeError that names the lake."""
        return self._lake.explained("cannot be written")

    def forget(self, files: Sequence[Written], quarantine: Sequence[Written]) -> None:
        """Remove files of this batch that no commit names."""
        self._lake.forget("flows", files)
        self._lake.forget("quarantine", quarantine)

    def commit(
        self,
        files: Sequence[Written],
        reports: Sequence[ObjectReport],
        quarantine: Sequence[Written] = (),
        replaced: Collection[str] = (),
    ) -> None:
        """Add the batch to the lake: rows, ledger and quarantine, in place of the rows of `replaced` object keys.

        Raises LakeConflict if another collector took the number, and LeaseLost if another daemon leads: the files that
        no commit names are the caller's to forget. After any other error they must be left alone: they may be
        committed.
        """
        rewritten, removed = self._without(replaced)
        metadata = {
            "batch": self.number,
            "objects": _ledger(reports, self.number),
            "quarantine": [file.as_json() for file in quarantine],
        }
        with self.explained():
            try:
                commit(
                    self._flows,
                    "flows",
                    [*files, *rewritten],
                    {APPLICATION: self.number},
                    lease=self._lake.lease,
                    removed=removed,
                    metadata={METADATA: json.dumps(metadata)},
                )
            except CommitFailedError as error:
                self._explain(error, files, removed)
            complete(self._lake, metadata)

    def _explain(self, error: CommitFailedError, files: Sequence[Written], removed: Sequence[RemoveAction]) -> None:
        """Raise what a refused commit means; return if it was not refused after all but failed on its way out."""
        now = self._lake.open("flows")
        paths = set(pa.table(now.get_add_actions()).column("path").to_pylist())
        if any(file.path in paths for file in files):
            return
        if last(now) >= self.number:
            raise LakeConflict(f"another collector committed batch {self.number} to {self._lake.uri} first") from error
        if removed and commit_number(now, REWRITE) != commit_number(self._flows, REWRITE):
            raise LakeConflict(f"maintenance of {self._lake.uri} replaced files of `flows` first") from error
        raise error

    def _without(self, keys: Collection[str]) -> tuple[list[Written], list[RemoveAction]]:
        """Rewrite the files that hold rows of `keys` without them."""
        rewritten: list[Written] = []
        removed = []
        for path, day, size in self._holding(keys) if keys else ():
            rows = self._lake.read_file("flows", path)
            kept = rows.filter(pc.invert(pc.is_in(rows.column("object_key"), pa.array(sorted(keys)))))
            if kept.num_rows == rows.num_rows:
                continue
            removed.append(RemoveAction(path, True, int(time.time() * 1000), size, {"day": day}))
            if kept.num_rows:
                files = self._lake.new_files("flows")
                days = pa.repeat(pa.scalar(day).cast(pa.date32()), kept.num_rows)
                files.write(kept.append_column("day", days))
                rewritten += files.close()
        return rewritten, removed

    def _holding(self, keys: Collection[str]) -> list[tuple[str, str | None, int]]:
        """Return path, day and size of the files whose statistics do not rule `keys` out."""
        actions = pa.table(self._flows.get_add_actions(flatten=True)).to_pylist()
        return [
            (action["path"], str(action["partition.day"]) if action["partition.day"] else None, action["size_bytes"])
            for action in actions
            if any((action.get("min.object_key") or "") <= key <= (action.get("max.object_key") or key) for key in keys)
        ]


def settle(lake: Lake, flows: DeltaTable) -> None:
    """Complete ledger and quarantine of a batch whose collector has added the rows and then was stopped, or is slow."""
    number = last(flows)
    if number <= last(lake.open("objects")):
        return
    for entry in flows.history():
        metadata = json.loads(entry.get(METADATA, "{}"))
        if metadata.get("batch") == number:
            complete(lake, metadata)
            return
    message = (
        f"{lake.uri}: the log of `flows` no longer tells what batch {number} held; restore _delta_log from a backup"
    )
    raise LakeError(message)


def complete(lake: Lake, metadata: dict[str, Any]) -> None:
    """Write a batch's metadata to quarantine and ledger, each unless it is there already."""
    number = metadata["batch"]
    quarantine, objects = lake.open("quarantine"), lake.open("objects")
    if last(quarantine) < number:
        _commit_if_first(lake, "quarantine", quarantine, [Written(**file) for file in metadata["quarantine"]], number)
    if last(objects) < number:
        files = lake.new_files("objects")
        rows = pa.Table.from_pylist([_typed(row) for row in metadata["objects"]], OBJECTS)
        if rows.num_rows:
            files.write(rows)
        written = files.close()
        if not _commit_if_first(lake, "objects", objects, written, number):
            lake.forget("objects", written)


def known(lake: Lake, days: Collection[date | None] | None) -> dict[str, Known]:
    """Return what the ledger says of each object whose key's day is among `days` (None: of all objects)."""
    ledger = lake.dataset("objects")
    columns = ["object_key", "etag", "outcome", "attempts", "kept", "collected_at", "batch"]
    condition = None
    if days is not None:
        told = pa.array([day for day in days if day], pa.date32())
        condition = pa_ds.field("day").isin(told) | pa_ds.field("day").is_null()
    rows = ledger.to_table(columns, filter=condition).sort_by("batch")
    newest: dict[str, Known] = {}
    for key, etag, outcome, attempts, kept, at, _ in zip(*(rows.column(c).to_pylist() for c in columns), strict=True):
        if outcome != Outcome.COLLECTED and key in newest:
            kept = newest[key].kept  # noqa: PLW2901  what could not be read replaced nothing
        newest[key] = Known(etag, outcome, attempts, kept, at)
    return newest


def last(table: DeltaTable) -> int:
    """Return the number of the last batch that reached a table, 0 before the first."""
    return commit_number(table, APPLICATION)


def _commit_if_first(lake: Lake, name: str, table: DeltaTable, files: Sequence[Written], number: int) -> bool:
    """Commit, unless another process completes the same batch at this moment."""
    try:
        commit(table, name, files, {APPLICATION: number}, lease=lake.lease)
    except CommitFailedError:
        return False
    return True


def _ledger(reports: Sequence[ObjectReport], number: int) -> list[dict[str, Any]]:
    """Return the ledger's rows of a batch as JSON values."""
    now = datetime.now(UTC)
    rows = [_row(report) | {"batch": number, "collected_at": now} for report in reports]
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in rows
    ]


def _row(report: ObjectReport) -> dict[str, Any]:
    log_object: LogObject = report.object
    of_object = {name: getattr(log_object, name) for name in LogObject.__slots__ if name != "key"}
    of_report = {name: getattr(report, name) for name in ObjectReport.__slots__ if name in OBJECTS.names}
    return {"object_key": log_object.key, **of_object, **of_report, "outcome": str(report.outcome)}


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a ledger row's times and day back from JSON."""
    times = {f.name for f in OBJECTS if pa.types.is_timestamp(f.type)}
    typed = {name: datetime.fromisoformat(v) if name in times and v else v for name, v in row.items()}
    return typed | {"day": datetime.fromisoformat(row["day"]).date() if row["day"] else None}
