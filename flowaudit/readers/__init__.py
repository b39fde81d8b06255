"""Bytes to Arrow: each reader turns one log object into blocks of records."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol, cast

import pyarrow as pa

from flowaudit.errors import ReadError
from flowaudit.readers.block import BAD_LINES, QUARANTINE_LINES, Block
from flowaudit.readers.parquet import read_parquet
from flowaudit.readers.text import read_gzip, read_text

__all__ = ["BAD_LINES", "QUARANTINE_LINES", "READERS", "Block", "Reader", "read"]


class Reader(Protocol):
    """Reads one kind of log object."""

    def __call__(self, stream: BinaryIO, declared: Sequence[str] | None) -> Iterator[Block]:
        """Yield the object's blocks; raises ReadError (broken as a whole) or SkipObject (not readable as it is)."""
        ...


READERS: Mapping[str, Reader] = {"parquet": read_parquet, "gzip": read_gzip, "text": read_text}
"""Every reader by the kind of object it reads."""

_MAGIC = {b"PAR1": "parquet", b"\x1f\x8b": "gzip"}
_HEAD = 4


def read(stream: BinaryIO, declared: Sequence[str] | None) -> Iterator[Block]:
    """Yield the blocks of an object of any kind, told by its first bytes; `stream` need not be seekable.

    Raises ReadError and SkipObject as the Reader of that kind, at the first block or at any later one.
    """
    head = b""
    while len(head) < _HEAD and (more := stream.read(_HEAD - len(head))):
        head += more
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "text")
    try:
        yield from READERS[kind](_put_back(head, stream), declared)
    except pa.ArrowException as error:  # none is known to come through, and one object must not keep the others out
        raise ReadError(f"it cannot be read as {kind} ({error}): nothing of it is kept; it will be retried") from error


def _put_back(head: bytes, stream: BinaryIO) -> BinaryIO:
    if stream.seekable():
        stream.seek(-len(head), io.SEEK_CUR)
        return stream
    return cast("BinaryIO", io.BufferedReader(_Rejoined(head, stream)))


class _Rejoined(io.RawIOBase):
    """A stream that cannot go back, with the bytes already taken from it in front again."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._stream.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
