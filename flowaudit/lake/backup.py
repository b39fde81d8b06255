"""A consistent copy of a lake that is written to meanwhile, and the lake made from one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pa_fs
from deltalake import DeltaTable

from flowaudit.errors import LakeError
from flowaudit.lake.batch import last
from flowaudit.lake.check import in_order, problems
from flowaudit.lake.commit import LOG

if TYPE_CHECKING:
    from flowaudit.lake import Lake

CHUNK = 8 << 20
TRIES = 20


def backup(lake: Lake, folder: Path) -> dict[str, int]:
    """Copy a lake to a new folder and return the number of files of each table; raises LakeError.

    The folder appears once it is whole, and has been checked. The lake may be read and written meanwhile.
    """
    if not lake.exists():
        raise lake.missing()
    with _new(lake, folder) as part:
        return {name: _copy_table(lake, name, table, part) for name, table in _snapshots(lake).items()}


def restore(lake: Lake, folder: Path) -> dict[str, int]:
    """Make the lake from a backup and return the number of files of each table; raises LakeError.

    There must not be a lake yet: nothing is written over.
    """
    if lake.exists():
        raise LakeError(f"there is a lake at {lake.uri}: move it away, or name another with --lake")
    saved = type(lake)(str(folder))
    if wrong := list(problems(saved)):
        raise LakeError(f"{folder} is no whole backup: {wrong[0]}")
    counts = {}
    for name in in_order():  # `flows`, by which a lake is known, comes last
        with lake.explained("cannot be restored"):
            counts[name] = _copy_all(saved.filesystem(name), lake.filesystem(name))
    if wrong := list(problems(lake)):
        raise LakeError(f"the lake at {lake.uri} is not whole after it was restored: {wrong[0]}")
    return counts


def _snapshots(lake: Lake) -> dict[str, DeltaTable]:
    """Return a snapshot of each table, of one time but for a batch that `flows` is ahead; raises LakeError."""
    for _ in range(TRIES):
        with lake.explained("cannot be copied"):
            tables = {name: lake.open(name) for name in in_order()}
            if last(tables["flows"]) - min(last(tables["objects"]), last(tables["quarantine"])) <= 1:
                return tables
    raise LakeError(f"the lake at {lake.uri} cannot be copied: batches come faster than its tables can be opened")


@contextmanager
def _new(lake: Lake, folder: Path) -> Iterator[Path]:
    """Make a folder that appears with all its files; raises LakeError where there is one already."""
    if folder.exists():
        raise LakeError(f"{folder} exists: name a new folder")
    part = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        part.mkdir(parents=True)
        yield part
        if wrong := list(problems(type(lake)(str(part)))):
            raise LakeError(f"the copy is not whole, and was removed: {wrong[0]}")
        part.rename(folder)
    except OSError as error:
        raise LakeError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy_table(lake: Lake, name: str, table: DeltaTable, part: Path) -> int:
    """Copy what a snapshot consists of, its log up to that version first, and return the number of data files."""
    with lake.explained("cannot be copied"):
        source, target = lake.filesystem(name), part / name
        (target / LOG).mkdir(parents=True)
        log = source.get_file_info(pa_fs.FileSelector(LOG, allow_not_found=False))
        kept = [each.path for each in log if each.is_file and _belongs(each.path, table.version())]
        data = [unquote(path) for path in pa.table(table.get_add_actions()).column("path").to_pylist()]
        for path in (*kept, *data):
            _copy(source, path, target / path)
        return len(data)


def _belongs(path: str, version: int) -> bool:
    """Return whether a file of the log is of a version up to this one; the pointer to a checkpoint may not be."""
    name = path.rpartition("/")[2]
    head = name.partition(".")[0]
    return head.isdigit() and int(head) <= version


def _copy(source: pa_fs.FileSystem, path: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open_input_stream(path) as stream, target.open("wb") as copy:
        shutil.copyfileobj(stream, copy, CHUNK)
        copy.flush()
        os.fsync(copy.fileno())


def _copy_all(source: pa_fs.FileSystem, target: pa_fs.FileSystem) -> int:
    """Copy every file of a table, its data before its log, and return the number of its data files."""
    found = [each.path for each in source.get_file_info(pa_fs.FileSelector("", recursive=True)) if each.is_file]
    target.create_dir(LOG, recursive=True)  # the table's own folder too: some tables have their files in it
    for path in sorted(found, key=lambda each: each.startswith(LOG)):
        if folder := path.rpartition("/")[0]:
            target.create_dir(folder, recursive=True)
        with source.open_input_stream(path) as stream, target.open_output_stream(path) as copy:
            shutil.copyfileobj(stream, copy, CHUNK)
    return sum(not path.startswith(LOG) for path in found)
