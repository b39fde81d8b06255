"""Flow logs as text, plain or gzip: streamed in blocks of whole lines.

A block goes through Arrow's CSV parser in one sweep. Only where that finds something odd is the block read line by
line, so that a bad line is named and its neighbours are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from gzip import BadGzipFile
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip
from isal.igzip_lib import IsalError
from pyarrow import csv

from flowaudit.errors import ReadError, SkipObject
from flowaudit.readers.block import NO_RECORDS, BadLine, Block, Quarantine
from flowaudit.readers.format import (
    ADDRESS_BYTES,
    ADDRESSES,
    FIELD_NAMES,
    TEXT,
    Format,
    header,
    instants,
    limit,
    odd_addresses,
)
from flowaudit.schema import FIELD_BY_NAME, TIME

MAX_LINE = 1 << 20
"""The longest line, in bytes, that is looked at; real ones are some hundred bytes long."""

BLOCK_SIZE = 1 << 21
"""Bytes inflated at a time: one and two MiB measured best."""

# An empty line is an error to the parser, so that what it accepts has exactly a line for every record.
_SINGLE_SPACES = csv.ParseOptions(
    delimiter=" ",
    quote_char=False,
    double_quote=False,
    escape_char=False,
    newlines_in_values=False,
    ignore_empty_lines=False,
)


def read_text(stream: BinaryIO, declared: Sequence[str] | None, *, block_size: int = BLOCK_SIZE) -> Iterator[Block]:
    """Yield the records of a plain text object; raises SkipObject where no header or declared format says what is what.

    A header may come anywhere, and from there on its format holds.
    """
    return _read(_chunks(stream, block_size), declared)


def read_gzip(stream: BinaryIO, declared: Sequence[str] | None, *, block_size: int = BLOCK_SIZE) -> Iterator[Block]:
    """Yield the records of a gzip object of one or several members, as read_text; raises ReadError if it is broken."""
    return _read(_inflated(stream, block_size), declared)


def _chunks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk


def _inflated(stream: BinaryIO, size: int) -> Iterator[bytes]:
    try:
        with igzip.IGzipFile(fileobj=stream) as plain:  # type: ignore[no-untyped-call]
            yield from _chunks(cast("BinaryIO", plain), size)
    except EOFError as error:
        raise ReadError("its gzip data is truncated: nothing of it is kept; it will be retried") from error
    except (BadGzipFile, IsalError) as error:  # type: ignore[misc]
        raise ReadError(f"its gzip data is corrupt ({error}): nothing of it is kept; it will be retried") from error


def _read(chunks: Iterator[bytes], declared: Sequence[str] | None) -> Iterator[Block]:
    lines = _Lines(declared)
    for block in _whole_lines(chunks):
        yield from lines.read(block)


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks at line ends; of a line over MAX_LINE only the start comes through, still too long to be accepted."""
    rest = b""
    skipping = False
    for chunk in chunks:
        if skipping:
            end = chunk.find(b"\n")
            skipping = end < 0
            chunk = b"" if skipping else chunk[end + 1 :]  # noqa: PLW2901 - the endless line's rest is gone
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + memoryview(chunk)[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > MAX_LINE:
            yield rest[: MAX_LINE + 1] + b"\n"
            rest, skipping = b"", True
    if rest:
        yield rest


@dataclass(slots=True)
class _Run:
    """Consecutive lines of one format, sorted into those to parse (number, line, tokens) and the rest."""

    good: list[tuple[int, bytes, list[bytes]]] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    diverted: int = 0


class _Lines:
    """Reads one object's blocks of whole lines in turn: knows the format that holds and the number of the next line."""

    def __init__(self, declared: Sequence[str] | None) -> None:
        self._declared = declared
        self._format: Format | None = None
        self._line = 1
        self._quarantine = Quarantine()

    def read(self, block: bytes) -> Iterator[Block]:
        if self._format is None:
            block = self._open(block)
        if not block or self._format is None:
            return
        table = None if self._format.transit else _swiftly(block, self._format)
        if table is None:
            yield from self._patiently(block, self._format)
        else:
            self._line += table.num_rows
            yield Block(_records(table, self._format))

    def _open(self, block: bytes) -> bytes:
        """Take blank lines and a header off the object's start; what is left is read by the format now known."""
        start = 0
        while start < len(block):
            end = block.find(b"\n", start) + 1 or len(block)
            tokens = block[start:end].split()
            self._format = header(tokens) if tokens else None
            if tokens and self._format is None:
                self._format = self._agreed()
                break
            start, self._line = end, self._line + 1
            if self._format is not None:
                break
        return block[start:]

    def _agreed(self) -> Format:
        if self._declared is None:
            raise SkipObject(
                "its first line is no header, and what its fields are is never guessed: name them, in order, as "
                '`format = "version account-id …"` in the [[sources]] section it comes from'
            )
        return Format.of(self._declared)

    def _patiently(self, block: bytes, format: Format) -> Iterator[Block]:
        """Read line by line: a block for every format met."""
        run = _Run()
        lines = block.splitlines()
        for number, line in enumerate(lines, self._line):
            tokens = line.split()
            if not tokens:
                continue
            found = header(tokens)
            if found == format:
                continue
            if found:
                yield from self._settled(run, format)
                run, format, self._format = _Run(), found, found
            elif format.transit:
                run.diverted += 1
            elif reason := _misshapen(line, tokens, format):
                run.bad.append(_bad_line(number, reason, line))
            else:
                run.good.append((number, line, tokens))
        self._line += len(lines)
        yield from self._settled(run, format)

    def _settled(self, run: _Run, format: Format) -> Iterator[Block]:
        table = _swiftly(_joined(run), format) if run.good else None
        if run.good and table is None:
            _judge(run, format)
            table = _parse(_joined(run), format) if run.good else None
        records = NO_RECORDS if table is None else _records(table, format)
        if records.num_rows or run.bad or run.diverted:
            yield Block(records, self._quarantine.table(run.bad), len(run.bad), run.diverted)


def _bad_line(number: int, reason: str, line: bytes) -> BadLine:
    return BadLine(number, reason, line[:2000].decode(errors="replace"))


def _joined(run: _Run) -> bytes:
    return b"\n".join(b" ".join(tokens) for _, _, tokens in run.good)


def _misshapen(line: bytes, tokens: Sequence[bytes], format: Format) -> str | None:
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE} bytes"
    if len(tokens) != len(format.names):
        return f"{len(tokens)} token{'s'[: len(tokens) != 1]} where the format has {len(format.names)}"
    return None


def _judge(run: _Run, format: Format) -> None:
    """Move the lines that have a wrong value from good to bad; what stays is sure to parse."""
    kept = []
    for number, line, tokens in run.good:
        reason = _fault(tokens, format)
        if reason is None:
            kept.append((number, line, tokens))
        else:
            run.bad.append(_bad_line(number, reason, line))
    run.good = kept


def _fault(tokens: Sequence[bytes], format: Format) -> str | None:
    for at, name, most in _checked(format):
        token = tokens[at]
        if token == b"-":
            continue
        if most is None:
            if token.translate(None, ADDRESS_BYTES):
                return f"{name}: {_shown(token)} is no address"
        elif not (token.isdigit() and len(token) < 20 and int(token) <= most):  # noqa: PLR2004 - 2^63 has 19 digits
            return f"{name}: {_shown(token)} is no whole number from 0 to {most}"
    for name, token in zip(format.names, tokens, strict=True):
        if not token.isascii() and "\ufffd" in token.decode(errors="replace"):
            return f"{name}: {_shown(token)} is not UTF-8"
    return None


@lru_cache(maxsize=64)
def _checked(format: Format) -> tuple[tuple[int, str, int | None], ...]:
    """Place, name and largest number (None: an address) of the fields whose values can be wrong."""
    named = ((at, name, limit(name)) for at, name in enumerate(format.names))
    return tuple((at, name, most) for at, name, most in named if most is not None or name in ADDRESSES)


def _shown(token: bytes) -> str:
    return repr(token[:60].decode(errors="replace"))


def _swiftly(block: bytes, format: Format) -> pa.Table | None:
    """Parse a block in which nothing is odd; None where something is or may be."""
    # Arrow would trim a tab off a number and keep it in a text.
    if b"\t" in block or (len(block) > MAX_LINE and block.find(b"\n", 0, MAX_LINE + 1) < 0):
        return None
    try:
        table = _parse(block, format)
    except pa.ArrowInvalid:
        return None
    return table if all(map(_sound, format.names, table.columns)) and not _hides_header(table, format) else None


def _parse(block: bytes, format: Format) -> pa.Table:
    """Parse lines of single-spaced tokens, columns named as in the format; raises ArrowInvalid."""
    whole = csv.ReadOptions(column_names=format.names, use_threads=False, block_size=len(block) + 1)
    return csv.read_csv(pa.py_buffer(block), whole, _SINGLE_SPACES, _conversion(format, block.isascii()))


@lru_cache(maxsize=64)
def _conversion(format: Format, ascii_only: bool) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        column_types={name: _type(name) for name in format.names},
        null_values=["-"],
        strings_can_be_null=True,
        check_utf8=not ascii_only,
    )


def _type(name: str) -> pa.DataType:
    if limit(name) is None:
        return TEXT
    return pa.int64() if FIELD_BY_NAME[name].type == TIME else FIELD_BY_NAME[name].type


def _sound(name: str, column: pa.ChunkedArray) -> bool:
    """Whether numbers are in range, no text is empty (that was a double space) and addresses look it."""
    most = limit(name)
    if most is not None:
        ends = pc.min_max(column)
        return not ends["min"].is_valid or (ends["min"].as_py() >= 0 and ends["max"].as_py() <= most)
    words = [chunk.dictionary for chunk in column.chunks]
    if any(pc.index(word, "").as_py() >= 0 for word in words):
        return False
    return name not in ADDRESSES or not any(map(odd_addresses, words))


def _hides_header(table: pa.Table, format: Format) -> bool:
    """Whether a format of nothing but text has let something through that might be a header."""
    if not format.textual:
        return False
    words = (chunk.dictionary for column in table.columns for chunk in column.chunks)
    return any(pc.any(pc.is_in(pc.utf8_lower(word), FIELD_NAMES)).as_py() for word in words)


def _records(table: pa.Table, format: Format) -> pa.Table:
    columns = zip(format.names, table.columns, strict=True)
    return format.records([instants(column) if _is_time(name) else column for name, column in columns])


def _is_time(name: str) -> bool:
    return name in FIELD_BY_NAME and FIELD_BY_NAME[name].type == TIME
