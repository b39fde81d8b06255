"""Flow logs in files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from glob import has_magic
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from flowaudit.errors import SourceError, TransientSourceError
from flowaudit.model import LogObject, Window
from flowaudit.sources import keys

DELTA_LOG = "_delta_log"
"""What makes a folder a Delta table: its Parquet files are somebody's lake, very likely our own, and no logs."""


class LocalSource:
    """A file, a folder with all below it, or a glob (`**` spans folders).

    In a folder, files ending in .log, .gz, .txt or .parquet are taken; a named file or a glob's match is taken
    whatever its suffix. Hidden files and folders are left alone, and so are Delta tables: a lake may lie beside logs.
    A file's key is its resolved path, its etag its size and time of modification.
    """

    def __init__(self, uri: str, declared: tuple[str, ...] | None = None) -> None:
        self.uri = uri
        self.declared = declared

    def objects(self, window: Window | None) -> Iterator[LogObject]:
        """List the files in the order of their paths; raises SourceError where there is nothing, or it is barred."""
        for path in sorted({found.resolve() for found in self._found()}, key=str):
            facts = keys.parse(path.as_posix())
            status = _status(path)
            if status is None or not S_ISREG(status.st_mode) or not facts.may_lie_in(window):
                continue
            yield LogObject(
                source=self.uri,
                key=str(path),
                etag=_etag(status),
                size=status.st_size,
                modified=datetime.fromtimestamp(status.st_mtime, UTC),
                day=facts.day,
                flow_log_id=facts.flow_log_id,
                account_id=facts.account_id,
                region=facts.region,
            )

    @contextmanager
    def open(self, log_object: LogObject) -> Iterator[BinaryIO]:
        """Open a listed file; raises SourceError (gone, barred) and TransientSourceError (replaced since)."""
        try:
            raw = _File(log_object.key)
        except FileNotFoundError as error:
            message = f"{log_object.key} was deleted between listing and reading: keep log files until collected"
            raise SourceError(message) from error
        except OSError as error:
            raise _barred(log_object.key, "read", error) from error
        with io.BufferedReader(raw) as stream:
            if _etag(os.fstat(raw.fileno())) != log_object.etag:
                raise TransientSourceError(f"{log_object.key} was replaced before it was read; it will be read again")
            yield stream

    def _found(self) -> Iterator[Path]:
        path = Path(self.uri).expanduser()
        if _status(path) is None and has_magic(self.uri):
            yield from _matches(path)
        elif path.is_dir():
            yield from _below(path)
        elif _status(path) is None:
            raise SourceError(f"there is no file or folder {self.uri}: check the path, or create it first")
        else:
            yield path


class _File(io.FileIO):
    """A file whose reads fail as a source's reads do."""

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer, unnamed before Python 3.12
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _broken(self.name, error) from error

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise _broken(self.name, error) from error


def _below(top: Path) -> Iterator[Path]:
    """Walk a folder, through links too, but into each folder once: links may form a loop."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(top, onerror=_refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if DELTA_LOG in folders:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(folder, name) for name in files if not name.startswith("."))
        yield from (path for path in paths if keys.is_log(path.as_posix()))


def _matches(pattern: Path) -> Iterator[Path]:
    """Match a glob; pathlib's does not follow links, so that it ends."""
    fixed = next(n for n, part in enumerate(pattern.parts) if has_magic(part))
    # A last `**` means files only from Python 3.13 on.
    wild = [*pattern.parts[fixed:], *(["*"] if pattern.name == "**" else [])]
    top = Path(*pattern.parts[:fixed])
    for path in top.glob("/".join(wild)):
        below = path.relative_to(top).parts
        if not any(part.startswith(".") and part not in wild for part in below) and not _in_table(path, top):
            yield path


def _in_table(path: Path, top: Path) -> bool:
    """Tell whether a path below `top` belongs to a Delta table, as the files of a lake do."""
    return any((folder / DELTA_LOG).is_dir() for folder in path.parents if folder.is_relative_to(top))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _barred(str(path), "listed", error) from error


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _refuse(error: OSError) -> None:
    raise _barred(str(error.filename), "listed", error) from error


def _barred(path: str, verb: str, error: OSError) -> SourceError:
    user = os.environ.get("USER", "this process")
    return SourceError(f"{path} cannot be {verb} ({error.strerror}): give {user} permission to read it")


def _broken(path: object, error: OSError) -> TransientSourceError:
    return TransientSourceError(f"{path} broke off while it was read ({error.strerror}): check the disk it lies on")
