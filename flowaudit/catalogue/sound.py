"""Which files are known to be sound: those that come with flowaudit, sealed, and those that an earlier run has tried.

Flowaudit's own queries are tried before a release; SHA256SUMS beside them names what was tried. Of the user's, a file
in the cache folder keeps digests. It is believed in nothing but that, and not even that where others could have written
it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp

import flowaudit
from flowaudit import sql
from flowaudit.catalogue.file import File
from flowaudit.schema import TABLES

SEAL = "SHA256SUMS"
"""The file beside flowaudit's queries, as sha256sum writes and checks it."""
MEMORY = "sound-queries"
"""The file in the cache folder: a digest a line, the newest last."""
MOST = 1_000
"""Digests that are kept: several configurations' worth."""

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


# --- what comes with flowaudit ----------------------------------------------------------------------------------------


def seal(folder: Path, files: Iterable[File]) -> None:
    """Write down the digests of a folder's files, all of which are sound."""
    lines = sorted((_place(file), _digest(file)) for file in files)
    (folder / SEAL).write_text("".join(f"{digest}  {place}\n" for place, digest in lines), "utf-8")


def sealed(folder: Path, files: Iterable[File]) -> frozenset[File]:
    """Return the files of a folder that are as they were sealed; none of them where one of its views is not."""
    own = {_place(file): file for file in files if file.path.parents[1] == folder}
    digests = _sealed(folder)
    same = {place for place, file in own.items() if digests.get(place) == _digest(file)}
    views = {place for place in {*own, *digests} if place.startswith("views/")}
    return frozenset(own[place] for place in same) if views <= same else frozenset()


def _sealed(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SEAL).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {found[2]: found[1] for found in map(_LINE.fullmatch, lines) if found}


def _place(file: File) -> str:
    return f"{file.kind}/{file.path.name}"


def _digest(file: File) -> str:
    return sha256(file.text.encode()).hexdigest()


# --- what was tried before --------------------------------------------------------------------------------------------


def remembered(files: Collection[File], views: Iterable[File]) -> frozenset[File]:
    """Return those of the files that an earlier run has found to be sound beside the same views."""
    if not files:
        return frozenset()
    known = frozenset(_read())
    return frozenset(file for file, mark in _marks(files, views).items() if mark in known)


def remember(files: Collection[File], views: Iterable[File]) -> None:
    """Keep in mind that files are sound beside these views; does nothing where that cannot be written privately."""
    if not files:
        return
    marks = _marks(files, views).values()
    kept = [mark for mark in _read() if mark not in marks]
    with suppress(OSError, RuntimeError):
        _write([*kept, *marks][-MOST:])


def _marks(files: Iterable[File], views: Iterable[File]) -> dict[File, str]:
    """Return a digest for each file of all that its soundness depends on."""
    tables = [(name, table.schema.to_string()) for name, table in TABLES.items()]
    around = [flowaudit.__version__, sql.ENGINE, tables, sorted((view.id, view.text) for view in views)]
    before = sha256(json.dumps(around).encode())
    marks = {}
    for file in files:
        mark = before.copy()
        mark.update(json.dumps([file.kind, file.id, file.text]).encode())
        marks[file] = mark.hexdigest()
    return marks


def _folder() -> Path:
    """Return the cache folder; raises RuntimeError where nobody is at home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "flowaudit"


def _read() -> list[str]:
    """Return the digests that are kept; none where the file is not private, or cannot be read."""
    try:
        folder = _folder()
        file = os.open(folder / MEMORY, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(file, encoding="ascii", errors="replace") as lines:  # noqa: PTH123  a descriptor, looked at itself
            if not (_is_private(folder.stat()) and _is_private(os.fstat(file))):
                return []
            return [line for line in lines.read(MOST * 65).splitlines() if _DIGEST.fullmatch(line)]
    except (OSError, RuntimeError):
        return []


def _write(marks: Iterable[str]) -> None:
    """Put the digests in the place of those before, at once; raises OSError, RuntimeError."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(folder.stat()):
        return
    file, path = mkstemp(dir=folder, prefix=f"{MEMORY}-")  # for its owner only
    try:
        with open(file, "w", encoding="ascii") as lines:  # noqa: PTH123
            lines.writelines(f"{mark}\n" for mark in marks)
        Path(path).replace(folder / MEMORY)
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise


def _is_private(found: os.stat_result) -> bool:
    """Return whether only this user can have written there."""
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
