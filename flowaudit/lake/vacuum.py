"""Checkpoints, the end of old log files, and of files that nothing names: by the clock of the storage that holds them.

No other clock is read: one that is wrong on the machine that runs maintenance deletes nothing too early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake import DeltaTable

from flowaudit.lake import commit

if TYPE_CHECKING:
    from flowaudit.lake import Lake

GRACE = timedelta(days=1)
"""How long a file stays that the newest snapshot does not name: writers commit it later, readers still read it."""
LOG_KEPT = timedelta(days=7)
"""How long a table's log files stay; longer than `GRACE`, within which older snapshots are opened."""
CHECKPOINT_AFTER = 20
"""How many commits after the last checkpoint are worth another."""
LOG = f"{commit.LOG}/"
_COMMIT = re.compile(r"_delta_log/(\d{20})\.json")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint\..*parquet")
_VERSION = re.compile(r"_delta_log/(\d{20})\.")


@dataclass(frozen=True, slots=True)
class Deleted:
    """Files that are gone, and their bytes."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in a table's folder, and the storage's time just before it was listed."""

    filesystem: pa_fs.FileSystem
    now: datetime
    files: tuple[pa_fs.FileInfo, ...]

    def versions(self, pattern: re.Pattern[str]) -> dict[int, datetime]:
        """Return when log files of a kind were written, by version."""
        found = ((pattern.fullmatch(file.path), file.mtime) for file in self.files)
        return {int(match[1]): at for match, at in found if match}

    def delete(self, files: Iterable[pa_fs.FileInfo], *, dry_run: bool) -> Deleted:
        """Delete files; those that are gone already count as well."""
        number = size = 0
        for file in files:
            number, size = number + 1, size + (file.size or 0)
            if not dry_run:
                try:
                    self.filesystem.delete_file(file.path)
                except FileNotFoundError:
                    continue
        return Deleted(number, size)


def stored(lake: Lake, name: str) -> Stored:
    """List a table's folder."""
    filesystem = lake.filesystem(name)
    now = _now(filesystem)
    return Stored(filesystem, now, _listed(filesystem, ""))


def _listed(filesystem: pa_fs.FileSystem, folder: str) -> tuple[pa_fs.FileInfo, ...]:
    found = filesystem.get_file_info(pa_fs.FileSelector(folder, recursive=True))
    return tuple(file for file in found if file.type == pa_fs.FileType.File)


def vacuum(lake: Lake, name: str, *, dry_run: bool = False) -> Deleted:
    """Delete files that no snapshot of the last `GRACE` names and that are older than it."""
    with lake.explained("cannot be vacuumed"):
        there = stored(lake, name)
        limit = there.now - GRACE
        named = _named(lake, name, there, limit)
        if named is None:
            return Deleted()
        old = (file for file in there.files if file.mtime < limit and file.path not in named)
        return there.delete((file for file in old if _is_left_over(file.path)), dry_run=dry_run)


def _is_left_over(path: str) -> bool:
    """Return whether a file that is not named is waste: all are but the log's own."""
    return not path.startswith(LOG) or path.endswith(".tmp") or "#" in path


def _named(lake: Lake, name: str, there: Stored, limit: datetime) -> set[str] | None:
    """Return the files of the newest snapshot and of the one that was it at `limit`; None: that one is not known."""
    newest = lake.open(name)  # after the listing: what was committed since is in it
    young = [version for version, at in there.versions(_COMMIT).items() if at >= limit]
    then = min(young, default=newest.version() + 1) - 1
    if then < 0:
        return _paths(newest)
    known = {*there.versions(_COMMIT), *there.versions(_CHECKPOINT)}
    if then not in known:
        return None
    return _paths(newest) | _paths(DeltaTable(lake.address(name), version=then, storage_options=lake.storage_options))


def _paths(table: DeltaTable) -> set[str]:
    return {unquote(path) for path in pa.table(table.get_add_actions()).column("path").to_pylist()}


def checkpoint(lake: Lake, name: str) -> bool:
    """Write a checkpoint where many commits came after the last: opening the table reads each of them."""
    with lake.explained("cannot be written"):
        there = stored(lake, name)
        table = lake.open(name)
        last = max(there.versions(_CHECKPOINT), default=-1)
        if table.version() - last < CHECKPOINT_AFTER:
            return False
        table.create_checkpoint()
        return True


def clean_log(lake: Lake, name: str, *, dry_run: bool = False) -> Deleted:
    """Delete the log files before the newest checkpoint that is older than `LOG_KEPT`.

    Their batches have to be complete: the metadata of an unfinished one is in its commit.
    """
    with lake.explained("cannot be vacuumed"):
        there = stored(lake, name)
        limit = there.now - LOG_KEPT
        old = [version for version, at in there.versions(_CHECKPOINT).items() if at < limit]
        before = max(old, default=0)
        versions = ((_VERSION.match(file.path), file) for file in there.files)
        gone = (file for match, file in versions if match and int(match[1]) < before and file.mtime < limit)
        return there.delete(gone, dry_run=dry_run)


def checkpointed(lake: Lake, name: str) -> int | None:
    """Return the version of a table's last checkpoint, None where there is none."""
    with lake.explained("cannot be read"):
        found = (_CHECKPOINT.fullmatch(file.path) for file in _listed(lake.filesystem(name), commit.LOG))
        return max((int(match[1]) for match in found if match), default=None)


def _now(filesystem: pa_fs.FileSystem) -> datetime:
    """Return the storage's time: that of a file written just now."""
    path = f"_clock-{uuid4().hex}"
    pq.write_metadata(pa.schema([]), path, filesystem=filesystem)  # a stream into S3 takes no plain bytes
    try:
        return filesystem.get_file_info(path).mtime
    finally:
        filesystem.delete_file(path)
