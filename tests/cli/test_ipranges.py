"""`flowaudit ipranges`, run as a whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flowaudit import ipranges
from tests.cli.conftest import Run
from tests.mirror import ENTRIES, Mirror, body, document, many, redirect, running

SHIPPED = ipranges.shipped()
LATER = ipranges.created_at(SHIPPED) + timedelta(hours=1)
LATER_TEXT = f"{LATER:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server that answers what a test tells it to, asked directly."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running() as server:
        yield server


def test_show_needs_nothing(run: Run) -> None:
    """Without a lake the shipped ranges are told of: their date, their number, by service and by region."""
    ended = run("ipranges", "show")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["created", "at", f"{ipranges.created_at(SHIPPED):%Y-%m-%dT%H:%M:%SZ}"]
    assert lines[1] == "source      shipped with flowaudit"
    assert lines[2].split() == ["ranges", str(SHIPPED.num_rows)]
    assert ["service", "ipv4", "ipv6"] in [line.split() for line in lines]
    assert ["region", "ipv4", "ipv6"] in [line.split() for line in lines]
    assert not list(Path().iterdir())


def test_show_counts_in_every_format(run: Run) -> None:
    """The other formats have a row for each service and region, and their sum is the number of ranges."""
    rows = run("ipranges", "show", "--format", "json").json
    assert set(rows[0]) == {"created_at", "service", "region", "ipv4", "ipv6"}
    assert sum(row["ipv4"] + row["ipv6"] for row in rows) == SHIPPED.num_rows
    assert [json.loads(line) for line in run("ipranges", "show", "--format", "ndjson").out.splitlines()] == rows
    assert len(list(csv.DictReader(io.StringIO(run("ipranges", "show", "--format", "csv").out)))) == len(rows)
    parquet = run("ipranges", "show", "--format", "parquet").stdout
    assert pq.read_table(io.BytesIO(parquet)).num_rows == len(rows)
    assert run("ipranges", "show", "--format", "markdown").out.count("\n") == len(rows) + 2


@pytest.fixture
def updated(run: Run) -> Path:
    """A lake with the ranges of the documentation."""
    Path("ranges.json").write_bytes(document(LATER))
    assert run("--lake", "lake", "ipranges", "update", "--from", "ranges.json", "--force").code == 0
    return Path("lake").absolute()


def test_show_tells_the_newest(run: Run, updated: Path) -> None:
    """After an update the lake's ranges are told of."""
    out = run("--lake", updated, "ipranges", "show").out
    assert f"created at  {LATER_TEXT}\nsource      {updated}\nranges      {len(ENTRIES)}\n" in out


def test_show_tells_which_ranges_hold_an_address(run: Run, updated: Path) -> None:
    """Every range around an address has a row, the most specific first; an address in none has one without."""
    ended = run("--lake", updated, "ipranges", "show", "192.0.2.200", "203.0.113.9")
    assert [line.split() for line in ended.out.splitlines()] == [
        ["address", "prefix", "region", "service"],
        ["192.0.2.200", "192.0.2.128/25", "GLOBAL", "AMAZON"],
        ["192.0.2.200", "192.0.2.0/24", "eu-west-1", "S3"],
        ["192.0.2.200", "192.0.2.0/24", "eu-west-1", "EC2"],
        ["192.0.2.200", "192.0.2.0/24", "eu-west-1", "AMAZON"],
        ["203.0.113.9"],
    ]
    assert run("--lake", updated, "ipranges", "show", "203.0.113.9", "--format", "json").json == [
        {"address": "203.0.113.9", "prefix": None, "region": None, "service": None}
    ]


@pytest.mark.parametrize("text", ["192.0.2.300", "192.0.2.0/24", "example.com"])
def test_what_is_no_address_is_refused(run: Run, text: str) -> None:
    """Only addresses can be looked up."""
    ended = run("ipranges", "show", text)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: {text!r} is no IP address: give one like 192.0.2.1 or 2001:db8::1\n"


def test_update_from_a_mirror(run: Run, mirror: Mirror) -> None:
    """A mirror's ranges go into a lake, which is made if need be; SQL sees them. A second time nothing is written."""
    count = SHIPPED.num_rows
    url = mirror.answer("/ip-ranges.json", redirect("/there"))
    mirror.answer("/there", body(document(LATER, many(count))))
    ended = run("--lake", "lake", "ipranges", "update", "--from", f"{url}?token=secret", "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    told = {"created_at": LATER_TEXT, "from": url, "lake": str(Path("lake").absolute()), "ranges": count + 1}
    assert ended.json == told | {"added": count + 1}
    assert run("--lake", "lake", "ipranges", "update", "--from", url, "--format", "json").json == told | {"added": 0}
    query = "SELECT count(*) AS n, max(created_at) AS at FROM ip_ranges"
    assert run("--lake", "lake", "sql", query, "--format", "json").json == [{"n": count + 1, "at": LATER_TEXT}]


def test_update_refuses_and_says_why(run: Run, mirror: Mirror) -> None:
    """A refusal, a page instead of JSON, and doubtful ranges end in one message and code 3, and leave no lake."""
    cases = {
        mirror.answer("/404", body(b"", 404)): "cannot be fetched: HTTP 404, Not Found",
        mirror.answer("/html", body(b"<html>")): "is not AWS's ip-ranges.json: it is not JSON",
        mirror.answer("/few", body(document(LATER))): "less than half of the",
        mirror.answer("/old", body(document(LATER - timedelta(days=9)))): "--force writes them for the record",
        mirror.answer("/far", body(document(LATER + timedelta(days=36500)))): "in the future",
        "none.json": "none.json cannot be read: No such file or directory",
    }
    for source, told in cases.items():
        ended = run("--lake", "lake", "ipranges", "update", "--from", source)
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.startswith("error: ")
        assert told in ended.err
        assert ended.err.count("\n") == 1
    assert not Path("lake").exists()


def test_update_takes_http_and_files(run: Run) -> None:
    """Another kind of address is a mistake on the command line."""
    ended = run("ipranges", "update", "--from", "s3://bucket/ip-ranges.json")
    assert ended.code == 2
    assert "--from takes a file, or an address like" in ended.err
