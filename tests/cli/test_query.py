"""`flowaudit query`: reports listed, told about and run by name, and what is wrong with how that was asked."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flowaudit import catalogue
from flowaudit.config import shipped
from tests.cli.conftest import Run

REPORTS = catalogue.load([shipped("queries")]).reports

Own = Callable[..., None]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Writes reports into a folder of one's own that the configuration names."""

    def _own(**reports: str) -> None:
        (tmp_path / "flowaudit.toml").write_text('[queries]\npaths = ["mine"]\n')
        (tmp_path / "mine" / "reports").mkdir(parents=True, exist_ok=True)
        for name, text in reports.items():
            (tmp_path / "mine" / "reports" / f"{name.replace('_', '-')}.sql").write_text(textwrap.dedent(text))

    return _own


SOUND = """\
/*---
title = "Flows of at least some size"

[params.least]
kind = "integer"
help = "Bytes at least."

[params.paths]
kind = "list"
default = ["internet_gateway", "vpc_resource"]
help = "Ways."

[params.interface]
kind = "interface"
default = ""
help = "Of this one only."
---*/
SELECT interface_id, bytes
FROM egress
WHERE bytes >= $least
  AND list_contains($paths, path)
  AND ($interface IS NULL OR interface_id = $interface)
ORDER BY bytes
"""
ENDLESS = (
    '/*---\ntitle = "Never ends"\n---*/\nSELECT sum(a.range * b.range) AS n FROM range(10000000) a, range(10000000) b\n'
)
HUNGRY = (
    '/*---\ntitle = "Eats"\n---*/\nSELECT range, count(*) AS n FROM range(30000000) GROUP BY range ORDER BY n, range\n'
)


def test_list_names_every_report(run: Run) -> None:
    """Name, title and parameters, by name; no lake is needed."""
    rows = run("query", "list", "--format", "json").json

    assert [row["name"] for row in rows] == sorted(REPORTS)
    assert {
        "name": "route-history",
        "title": "Routes of a subnet, and when they held",
        "params": "subnet",
    } in rows
    assert run("query", "list").out.splitlines()[0].split() == ["name", "title", "params"]


def test_show_tells_all_about_a_report(run: Run) -> None:
    """As JSON: title, prose, each parameter with kind, default and meaning, and the bare SQL."""
    shown = run("query", "show", "bytes-by-path", "--format", "json").json

    assert list(shown) == ["name", "title", "file", "prose", "params", "sql"]
    assert shown["params"][0] == {"name": "since", "kind": "time", "default": "-24h", "help": "From when on."}
    assert shown["prose"].startswith("What it answers:")
    assert shown["sql"].startswith("WITH timed AS (")
    assert "/*" not in shown["sql"]


def test_show_on_paper(run: Run) -> None:
    """For people: title, prose, a table of parameters, and the SQL; what must be given says so."""
    lines = run("query", "show", "who-spoke-to").out.splitlines()

    assert lines[0] == "Who spoke to an address"
    assert "address  address  (must be given)  The address at the other end." in lines
    assert "since    time     -7d              From when on." in lines
    assert lines[-1].startswith("ORDER BY")


@pytest.mark.parametrize("format", ["table", "json", "ndjson", "csv", "markdown", "parquet"])
def test_run_prints_every_format(format: str, run: Run, lake: Path, own: Own, tmp_path: Path) -> None:
    """The same two rows in each."""
    own(sized=SOUND)
    ended = run("--lake", lake, "query", "run", "sized", "--param", "least=100000", "--format", format)

    assert ended.code == 0, ended.err
    if format == "parquet":
        (tmp_path / "result.parquet").write_bytes(ended.stdout)
        assert pq.read_table(tmp_path / "result.parquet").column("bytes").to_pylist() == [1_000_000, 12_000_000]
    else:
        assert "12000000" in ended.out
        assert ended.out.index("1000000") < ended.out.index("12000000")
    if format == "json":
        assert json.loads(ended.out)[0]["interface_id"] == "eni-0a1b2c3d4e5f60715"


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        (["least=0"], 4),
        (["least=0", "paths=vpc_resource"], 2),
        (["least=0", "paths= vpc_resource , internet_gateway "], 4),
        (["least=0", "paths="], 0),
        (["least=0", "interface=eni-0a1b2c3d4e5f60711"], 1),
        (["least=0", "interface="], 4),
        (["least=-1"], 4),
    ],
)
def test_a_value_means_what_its_kind_says(params: list[str], rows: int, run: Run, lake: Path, own: Own) -> None:
    """Lists are cut at commas; an optional parameter that is empty restricts nothing."""
    own(sized=SOUND.replace("bytes >= $least", "bytes >= $least AND action = 'ACCEPT'"))
    args = [word for param in params for word in ("--param", param)]

    ended = run("--lake", lake, "query", "run", "sized", *args, "--format", "json")

    assert (ended.code, len(ended.json)) == (0, rows), ended.err


MISTAKES = [
    (["run", "rout-history"], "there is no report 'rout-history': did you mean route-history?"),
    (["show", "xyzzy"], "there is no report 'xyzzy'; `flowaudit query list` lists all"),
    (["run", "route-history"], "route-history: subnet must be given, as in subnet=subnet-0123456789abcdef0"),
    (["run", "top-talkers", "--param", "sinc=-1d"], "top-talkers: there is no parameter 'sinc': did you mean since?"),
    (["run", "flow-log-formats", "--param", "x=1"], "flow-log-formats: there is no parameter 'x'; there are none"),
    (["run", "top-talkers", "--param", "top=ten"], "top: 'ten' is no whole number: write 10"),
    (["run", "top-talkers", "--param", "top=1e3"], "top: '1e3' is no whole number: write 10"),
    (["run", "top-talkers", "--param", "since=5 May"], "since: '5 May' is no time: write RFC 3339"),
    (["run", "top-talkers", "--param", "since=2026-05-04T10:00:00"], "since: '2026-05-04T10:00:00' does not say its"),
    (["run", "top-talkers", "--param", "since="], "since: '' is no time"),
    (["run", "bytes-by-path", "--param", "step=0s"], "step: '0s' is no duration: write 5m or 1h or 7d"),
    (["run", "bytes-by-path", "--param", "step=3600"], "step: '3600' is no duration"),
    (["run", "what-changed", "--param", "factor=nan"], "factor: 'nan' is no number: write 0.5"),
    (["run", "what-changed", "--param", "factor=much"], "factor: 'much' is no number"),
    (["run", "lateral-traffic", "--param", "within=yes"], "within: 'yes' is no boolean: write true or false"),
    (["run", "who-spoke-to", "--param", "address=example.com"], "address: 'example.com' is no IP address: write 192.0"),
    (["run", "interface-timeline", "--param", "interface=i-0a"], "interface: 'i-0a' is no network interface's id"),
    (["run", "route-history", "--param", "subnet=10.0.0.0/8"], "subnet: '10.0.0.0/8' is no subnet's id"),
    (["run", "workload-timeline", "--param", "workload=a b"], "workload: 'a b' is no workload's name or ARN"),
    (["run", "top-talkers", "--param", "top"], "--param 'top': write NAME=VALUE"),
    (["run", "top-talkers", "--param", "top=1", "--param", "top=2"], "--param top is given twice"),
    (["run", "top-talkers", "--timeout", "0s"], "--timeout 0 leaves no time for a query"),
    (["run", "top-talkers", "--memory", "much"], "Memory must have a number (e.g. 1GB)"),
]


@pytest.mark.parametrize(("args", "message"), MISTAKES, ids=[" ".join(mistake[0]) for mistake in MISTAKES])
def test_what_is_wrong_is_said_in_one_message(args: list[str], message: str, run: Run, lake: Path) -> None:
    """Exit 2, nothing on stdout, one line on stderr that names the parameter and what it should be."""
    ended = run("--lake", lake, "query", *args)

    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


def test_all_that_is_wrong_is_said_at_once(run: Run, lake: Path) -> None:
    """An unknown parameter, a missing one and a value of the wrong kind, together."""
    ended = run("--lake", lake, "query", "run", "interface-timeline", "--param", "stp=1h", "--param", "since=x")

    assert ended.err.startswith("error: interface-timeline: there is no parameter 'stp': did you mean step?; ")
    assert "; interface must be given, as in interface=eni-0123456789abcdef0: The interface.; " in ended.err
    assert "; since: 'x' is no time" in ended.err


def test_a_lake_that_is_not_there_is_no_empty_one(run: Run) -> None:
    """A misspelt lake is told of; it is not a lake in which nothing happened."""
    ended = run("--lake", "nowhere", "query", "run", "top-talkers")

    assert (ended.code, ended.out) == (3, "")
    assert "nowhere" in ended.err


def test_a_broken_report_stops_no_other(run: Run, lake: Path, own: Own) -> None:
    """It is left out and told of with file and line; by its name it says what is wrong; the others run."""
    own(
        sized=SOUND, broken=SOUND.replace("ORDER BY bytes", "ORDER BYTES"), writes='/*---\ntitle="W"\n---*/DROP TABLE x'
    )

    listed = run("query", "list", "--format", "json")
    broken = run("--lake", lake, "query", "run", "broken", "--param", "least=0")

    assert {"sized", "top-talkers"} <= {row["name"] for row in listed.json}
    assert not {"broken", "writes"} & {row["name"] for row in listed.json}
    assert [line.split(": ")[:2] for line in listed.err.splitlines()] == [
        ["left out", "mine/reports/broken.sql:23"],
        ["left out", "mine/reports/writes.sql:1"],
    ]
    assert (broken.code, broken.out) == (2, "")
    assert broken.err.startswith("error: mine/reports/broken.sql:23: Parser Error: syntax error")
    assert run("--lake", lake, "query", "run", "sized", "--param", "least=0").code == 0


def test_a_report_that_takes_too_long_is_stopped(run: Run, lake: Path, own: Own) -> None:
    """--timeout ends it, with the report's name, its file and what to do."""
    own(endless=ENDLESS)
    ended = run("--lake", lake, "query", "run", "endless", "--timeout", "1s")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: endless (mine/reports/endless.sql): stopped after 1 s, the time limit")


def test_a_report_that_takes_too_much_memory_is_stopped(run: Run, lake: Path, own: Own) -> None:
    """--memory bounds it, with the report's name, its file and what to do."""
    own(hungry=HUNGRY)
    ended = run("--lake", lake, "query", "run", "hungry", "--memory", "50MB")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: hungry (mine/reports/hungry.sql): stopped at 50MB, the memory limit")
