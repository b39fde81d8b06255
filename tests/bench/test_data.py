"""What the benchmarks measure with."""

import gzip
from dataclasses import replace
from pathlib import Path

from bench.data import Shape, make_text

SMALL = Shape(records=3_001, objects=2, interfaces=20, remotes=100)


def test_made_once(tmp_path: Path) -> None:
    """Text of one shape is made once, and made anew, in place of the old, for another shape."""
    first = [(path, path.stat().st_mtime_ns) for path in make_text(tmp_path, SMALL)]
    again = [(path, path.stat().st_mtime_ns) for path in make_text(tmp_path, SMALL)]
    other = make_text(tmp_path, replace(SMALL, objects=1))

    assert first == again
    assert (len(first), len(other)) == (2, 1)
    assert sorted(tmp_path.glob("*.log.gz")) == other


def test_as_many_records_as_asked_for(tmp_path: Path) -> None:
    """Objects hold exactly the records asked for, each with a header and all fields."""
    texts = [gzip.decompress(path.read_bytes()).decode().splitlines() for path in make_text(tmp_path, SMALL)]

    assert [len(text) - 1 for text in texts] == [1_500, 1_501]
    assert {text[0] for text in texts} == {" ".join(SMALL.fields)}
    assert {len(line.split(" ")) for text in texts for line in text} == {29}
