"""What holds for any log text: made up by hypothesis."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.readers.format import ADDRESSES
from flowaudit.readers.text import read_gzip, read_text
from flowaudit.schema import FIELD_BY_NAME, FIELDS, TIME
from tests.readers.objects import SSH, V2, Reading, same, stream

WORDS = st.text("abcxyzé09_./:%", min_size=1, max_size=8).filter(lambda word: word not in FIELD_BY_NAME)
ADDRESS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NUMBERS = {
    pa.int32(): st.integers(0, 2**31 - 1),
    pa.int64(): st.integers(0, 2**63 - 1),
    TIME: st.integers(0, 2**31 - 1),
}


def values(name: str) -> st.SearchStrategy[Any]:
    """Every value that a field may have, None included."""
    some = ADDRESS if name in ADDRESSES else NUMBERS.get(FIELD_BY_NAME[name].type, WORDS)
    return st.none() | some


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Some fields in some order, and some records of them."""
    names = draw(st.lists(st.sampled_from([field.name for field in FIELDS]), min_size=1, max_size=12, unique=True))
    return names, draw(st.lists(st.tuples(*map(values, names)), max_size=12))


def written(names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Lines as AWS writes them."""
    return [" ".join(names), *(" ".join("-" if v is None else str(v) for v in row) for row in rows)]


def expected(names: list[str], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """What reading gives."""
    return [{FIELD_BY_NAME[n].column: lake(n, v) for n, v in zip(names, row, strict=True)} for row in rows]


def lake(name: str, value: Any) -> Any:
    """A value as the lake has it."""
    is_time = FIELD_BY_NAME[name].type == TIME and value is not None
    return datetime.fromtimestamp(value, UTC) if is_time else value


@given(tables(), st.sampled_from([1, 7, 100, 1 << 20]))
def test_reading_undoes_writing(table: tuple[list[str], list[tuple[Any, ...]]], block_size: int) -> None:
    """Any subset of fields in any order is read back as it was written, cut into blocks anywhere."""
    data = "\n".join(written(*table)).encode()
    assert Reading(list(read_text(stream(data), None, block_size=block_size))).rows == expected(*table)
    packed = gzip.compress(data)
    assert Reading(list(read_gzip(stream(packed), None, block_size=block_size))).rows == expected(*table)


NOISE = st.sampled_from(
    [
        "",
        " ",
        "x",
        "bytes",
        "1 2 3 4",
        "-",
        "action bytes srcaddr",
        "ACCEPT 1  10.0.0.1",
        "tgw-id tgw-src-eni",
        "a\tb 1",
        "é 1 ::",
        "x -1 ::",
    ]
)
RECORD = st.tuples(WORDS, st.integers(0, 99), ADDRESS).map(lambda row: "{} {} {}".format(*row))


@given(st.lists(NOISE | RECORD, max_size=30), st.integers(1, 200))
def test_blocks_do_not_matter(lines: list[str], block_size: int) -> None:
    """Records, bad lines and their numbers are the same wherever the object is cut."""
    data = "\n".join(["interface-id bytes srcaddr", *lines]).encode()
    whole = Reading(list(read_text(stream(data), None)))
    cut = Reading(list(read_text(stream(data), None, block_size=block_size)))
    assert cut.rows == whole.rows
    assert (cut.quarantined, cut.bad, cut.diverted) == (whole.quarantined, whole.bad, whole.diverted)


@given(tables(), st.lists(NOISE, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_bad_lines_take_no_neighbours(
    table: tuple[list[str], list[tuple[Any, ...]]], noise: list[str], rng: random.Random
) -> None:
    """Lines that are no records, strewn among records, leave all of those as they were."""
    names, rows = table
    bad = [f"{line} {'x ' * (len(names) + 9)}" for line in noise]
    lines = written(names, rows)
    for line in bad:
        lines.insert(rng.randint(1, len(lines)), line)
    found = Reading(list(read_text(stream("\n".join(lines).encode()), None)))
    assert found.rows == expected(names, rows)
    assert [text for _, _, text in found.quarantined] == [line for line in lines if line in bad]


def test_both_ways_of_reading_agree() -> None:
    """Reading in one sweep and line by line gives the same table, types included."""
    lines = [V2, *(SSH.replace(" 22 ", f" {n} ").replace("172.31.16.21 ", f"10.0.{n % 250}.1 ") for n in range(2000))]
    data = "\n".join(lines).encode()
    swift = same([block.records for block in read_text(stream(data), None)])
    patient = same([block.records for block in read_text(stream(data.replace(b" 22 ", b"  22 ")), None)])
    assert swift.equals(patient)


class Endless(io.RawIOBase):
    """A hundred megabytes of records that never exist at once."""

    def __init__(self, size: int) -> None:
        lines = [SSH.replace(" 22 ", f" {n} ").replace(".16.21 ", f".{n % 250}.21 ") for n in range(1, 20_000)]
        self._lines = ("\n".join(lines) + "\n").encode()
        self._left = size
        self._started = False

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The header, then records."""
        if not self._started:
            self._started = True
            return f"{V2}\n".encode()
        self._left -= len(self._lines)
        return self._lines if self._left > 0 else b""


def test_memory_does_not_grow_with_the_object() -> None:
    """Of a hundred megabytes only a block or two is in memory at a time."""
    before = pa.total_allocated_bytes()
    peak = records = 0
    for block in read_text(cast("BinaryIO", Endless(100 << 20)), None):
        records += block.records.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert records > 800_000
    assert peak < 32 << 20
