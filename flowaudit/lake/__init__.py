"""The lake: a folder or `s3://` prefix of Delta tables. The only room that imports deltalake."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_ds
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from flowaudit.errors import LakeError
from flowaudit.lake.batch import Batch, Known, known, last, settle
from flowaudit.lake.check import different_times
from flowaudit.lake.commit import LEADER, LOG, number
from flowaudit.lake.disk import sync
from flowaudit.lake.files import TableFiles, Written
from flowaudit.lake.lease import FolderStore, Lease
from flowaudit.lake.log import Log, retried
from flowaudit.model import Window
from flowaudit.schema import TABLES

__all__ = [
    "Batch",
    "FolderStore",
    "Known",
    "Lake",
    "Lease",
    "Log",
    "S3Store",
    "Size",
    "TableFiles",
    "Written",
    "retried",
]

UNREADABLE = "cannot be read"
CHECKPOINT_EVERY = 20
"""Commits from checkpoint to checkpoint of a table: a reader reads those since the last, in a folder a thread each."""


@dataclass(frozen=True, slots=True)
class Size:
    """Rows, bytes and files of a table's newest snapshot."""

    rows: int
    bytes: int
    files: int


class Lake:
    """Arrow in, Arrow out, exactly once; readers are never locked out and see whole commits."""

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Name the lake at `uri`, a local path or `s3://bucket/prefix`; does no I/O.

        `storage_options` are object_store's, for example `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`.
        """
        self.is_local = "://" not in uri
        self.uri = str(Path(uri).expanduser().absolute()) if self.is_local else uri.rstrip("/")
        self.storage_options = dict(storage_options or {})
        self._is_known = False
        self.lease: Lease | None = None
        """The lease of this process, if it leads: each commit carries its generation."""

    def lead(self, lease: Lease) -> None:
        """Take a lease, so that each commit carries its generation; raises LeaseTaken and LakeError."""
        self.create()
        with self.explained(UNREADABLE):
            committed = max(number(self.open(name), LEADER) for name in TABLES)
        lease.acquire(committed)
        self.lease = lease

    def create(self) -> None:
        """Make the tables that are missing; raises LakeError, also where there was a lake before, and it is gone."""
        if self._is_known and not self.exists():
            raise LakeError(f"the lake at {self.uri} is gone: is its disk mounted? No new one is made while this runs")
        with self.explained("cannot be created"):
            for name, table in sorted(TABLES.items(), key=lambda each: each[0] == "flows"):  # a lake is known by it
                if not self._exists(name):
                    DeltaTable.create(
                        self.address(name),
                        table.schema,
                        mode="ignore",
                        partition_by=list(table.partition_by),
                        name=name,
                        configuration={"delta.checkpointInterval": str(CHECKPOINT_EVERY)},
                        storage_options=self.storage_options,
                    )
                    if self.is_local:
                        folder = Path(self.address(name))
                        sync(folder.parent.parent, folder / LOG / f"{0:020}.json")
        self._is_known = True

    def verify(self) -> None:
        """Raise LakeError where tables are of different times, as after a backup that is not one: by their numbers."""
        with self.explained(UNREADABLE):
            for problem in different_times(self):
                raise LakeError(f"the lake at {self.uri} is not whole: {problem}")

    def exists(self) -> bool:
        """Tell whether there is a lake at all."""
        with self.explained(UNREADABLE):
            there = self._exists("flows")
        self._is_known |= there
        return there

    def missing(self) -> LakeError:
        """Return what to raise where a lake is needed and there is none."""
        hint = "run `flowaudit collect` first, or name another with --lake"
        return LakeError(f"there is no lake at {self.uri} yet: {hint}")

    def batch(self) -> Batch:
        """Complete what a stopped collector left, then return the next batch."""
        with self.explained(UNREADABLE):
            return Batch(self)

    def settle(self) -> None:
        """Complete what a stopped collector left."""
        with self.explained(UNREADABLE):
            settle(self, self.open("flows"))

    def known(self, days: Collection[date | None] | None = None) -> dict[str, Known]:
        """Return, by object key, the ledger's newest word on objects of these key days (None: on all objects)."""
        with self.explained(UNREADABLE):
            return known(self, days)

    def last_batch(self) -> int:
        """Return the number of the newest batch that the ledger holds, 0 before the first."""
        with self.explained(UNREADABLE):
            return last(self.open("objects"))

    def files(self, table: str, window: Window | None = None) -> list[str]:
        """Return the files of a table's newest snapshot: absolute paths, or `s3://` addresses.

        With a window, only files that may hold rows whose `start_time` lies in it, or that have none.
        """
        with self.explained(UNREADABLE):
            try:
                delta = self.open(table)
            except TableNotFoundError:
                return []
            self._check_columns(table, delta)
            actions = pa.table(delta.get_add_actions(flatten=True))
            if window is not None:
                actions = actions.filter(_overlaps(actions, window))
            return [f"{self.address(table)}/{unquote(path)}" for path in actions.column("path").to_pylist()]

    def dataset(self, table: str, window: Window | None = None) -> pa_ds.Dataset:
        """Return a table's newest snapshot as an Arrow dataset, for engines that cannot read the files themselves."""
        schema = TABLES[table].schema
        prefix = self.address(table) + "/"
        paths = [path.removeprefix(prefix) for path in self.files(table, window)]
        partitioning = pa_ds.partitioning(pa.schema([("day", pa.date32())]), flavor="hive")
        return pa_ds.dataset(paths, schema, "parquet", self.filesystem(table), partitioning)

    def log(self, table: str) -> Log:
        """Return an append-only table as it is now, to read and then to append to; raises LakeError."""
        with self.explained(UNREADABLE):
            return Log(self, table)

    def versions(self, *tables: str) -> tuple[int, ...]:
        """Return the version of each table's newest snapshot, -1 where there is none: what was read of it holds."""
        with self.explained(UNREADABLE):
            return tuple(self.open(table).version() if self._exists(table) else -1 for table in tables)

    def sizes(self) -> dict[str, Size]:
        """Return the size of each table by its log: no data is read; raises LakeError."""
        with self.explained(UNREADABLE):
            found = {}
            for name in TABLES:
                if self._exists(name):
                    actions = pa.table(self.open(name).get_add_actions())
                    rows, size = (pc.sum(actions.column(each)).as_py() or 0 for each in ("num_records", "size_bytes"))
                    found[name] = Size(rows=rows, bytes=size, files=actions.num_rows)
            return found

    # --- for this room -----------------------------------------------------------------------------------------------

    def open(self, table: str) -> DeltaTable:
        """Return a fresh handle on a table's newest snapshot."""
        return DeltaTable(self.address(table), storage_options=self.storage_options)

    def new_files(self, table: str) -> TableFiles:
        """Return a writer of new, uncommitted files of a table."""
        return TableFiles(self.filesystem(table), table, Path(self.address(table)) if self.is_local else None)

    def forget(self, table: str, files: Sequence[Written]) -> None:
        """Remove files, but none that a commit names: one that was reported to have failed may have landed."""
        if not files:
            return
        named = set(pa.table(self.open(table).get_add_actions()).column("path").to_pylist())
        for file in files:
            if file.path not in named:
                self.filesystem(table).delete_file(file.path)

    def read_file(self, table: str, path: str) -> pa.Table:
        """Read one file of a table as it lies there (without its partition's column)."""
        return pq.read_table(unquote(path), filesystem=self.filesystem(table), partitioning=None)

    def filesystem(self, table: str) -> pa_fs.FileSystem:
        """Return a filesystem whose root is the table's folder."""
        if self.is_local:
            return pa_fs.SubTreeFileSystem(self.address(table), pa_fs.LocalFileSystem())
        return pa_fs.PyFileSystem(DeltaStorageHandler(self.address(table), self.storage_options))

    def _check_columns(self, table: str, delta: DeltaTable) -> None:
        """Raise LakeError where a table lacks columns: before 1.0 lakes are not migrated."""
        missing = set(TABLES[table].schema.names) - {field.name for field in delta.schema().fields}
        if missing:
            raise LakeError(
                f"the lake at {self.uri} was made by an earlier version of flowaudit: its table {table} has no column "
                f"{min(missing)}. Name a new lake with --lake or lake.uri, and collect again"
            )

    def address(self, table: str) -> str:
        """Return where a table lies."""
        return f"{self.uri}/{table}"

    def _exists(self, table: str) -> bool:
        return DeltaTable.is_deltatable(self.address(table), self.storage_options)

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn what Delta and the file system say into one message that names the lake."""
        try:
            yield
        except (DeltaError, OSError, pa.ArrowException) as error:
            if isinstance(error, TableNotFoundError) and what == UNREADABLE:
                raise self.missing() from error
            raise LakeError(f"the lake at {self.uri} {what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _overlaps(actions: pa.Table, window: Window) -> pa.ChunkedArray:
    """Tell which files may hold rows of the window, by their statistics; without statistics a file may."""
    if "min.start_time" not in actions.column_names:
        return pa.chunked_array([pa.repeat(True, actions.num_rows)])
    low, high = (actions.column(f"{end}.start_time") for end in ("min", "max"))
    since, until = (pa.scalar(t, low.type) for t in (window.since, window.until))
    return pc.and_(
        pc.fill_null(pc.less(low, until), True),
        pc.fill_null(pc.greater_equal(high, since), True),
    )
