"""Log objects for the readers' tests: real log text, and what reading it gives."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from flowaudit.readers import Block, read

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
ENI = "eni-1235b8ca123456789"
SSH = f"2 123456789010 {ENI} 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
RDP = f"2 123456789010 {ENI} 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK"
IPV6 = f"2 123456789010 {ENI} 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8::8 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK"  # noqa: E501
NODATA = f"2 123456789010 {ENI} - - - - - - - 1431280876 1431280934 - NODATA"
SKIPDATA = f"2 123456789010 {ENI} - - - - - - - 1431280876 1431280934 - SKIPDATA"


def text(*lines: str, end: str = "\n") -> bytes:
    """The lines as an object, each ended by `end`."""
    return "".join(line + end for line in lines).encode()


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives few bytes at a time, as a network does."""

    def __init__(self, data: bytes, at_once: int = 7000) -> None:
        self._data = io.BytesIO(data)
        self._at_once = at_once

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `at_once` bytes."""
        return self._data.read(self._at_once if size < 0 else min(size, self._at_once))


@dataclass(frozen=True)
class Reading:
    """All blocks of an object."""

    blocks: list[Block]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every record as a dict, of all blocks in order."""
        return [row for block in self.blocks for row in block.records.to_pylist()]

    @property
    def quarantined(self) -> list[tuple[int, str, str]]:
        """Every bad line kept: number, reason, text."""
        return [tuple(row.values()) for block in self.blocks for row in block.quarantined.to_pylist()]

    @property
    def bad(self) -> int:
        """How many lines were bad."""
        return sum(block.bad for block in self.blocks)

    @property
    def diverted(self) -> int:
        """How many records were Transit Gateway's."""
        return sum(block.diverted for block in self.blocks)

    def column(self, name: str) -> list[Any]:
        """One column's values, None where a block has no such column."""
        return [row.get(name) for row in self.rows]


def stream(data: bytes) -> BinaryIO:
    """A stream that can seek."""
    return io.BytesIO(data)


def pipe(data: bytes) -> BinaryIO:
    """A stream that cannot."""
    return cast("BinaryIO", Pipe(data))


PACKINGS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress}


def reading(data: bytes, declared: Sequence[str] | None = None) -> Reading:
    """Read an object from its bytes."""
    return Reading(list(read(stream(data), declared)))


def same(tables: list[pa.Table]) -> pa.Table:
    """The tables as one, text no longer dictionaries."""
    decoded = [
        pa.table(
            {
                n: c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c
                for n, c in zip(t.column_names, t.columns, strict=True)
            }
        )
        for t in tables
    ]
    return pa.concat_tables(decoded, promote_options="default").combine_chunks()
