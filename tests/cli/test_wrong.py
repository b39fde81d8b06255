"""What the program says, and how it exits, where something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["colect"], 2, "Did you mean 'collect'?"),
        (["--config", "none.toml", "check"], 2, "none.toml: there is no such file"),
        (["--lake", "http://x", "check"], 2, "--lake: must be a folder, or s3://bucket/prefix"),
        (["collect"], 2, "no source is named"),
        (["collect", "nowhere"], 3, "there is no file or folder nowhere"),
        (["collect", "ftp://x"], 2, "'ftp://x' is no source"),
        (["collect", "s3://"], 2, "'s3://' is no source"),
        (["collect", ".", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["collect", ".", "--since", "2026-05-04T10:00:00"], 2, "does not say its zone"),
        (["collect", ".", "--until", "now"], 2, "--until needs --since"),
        (["collect", ".", "--since", "-1h", "--until", "-2h"], 2, "--since -1h is not before --until -2h"),
        (["collect", ".", "--format", "xml"], 2, "--format"),
        *(([verb, "--format", "ocsf"], 2, "'ocsf' is not one of") for verb in ("check", "collect", "detect", "run")),
        (["sql", "SELECT 1", "--format", "sarif"], 2, "'sarif' is not one of"),
        (["findings", "--severity", "awful"], 2, "--severity"),
        (["findings"], 3, "there is no lake at"),
        (["detect"], 3, "there is no lake at"),
        (["sql", "SELECT 1"], 3, "there is no lake at"),
        (["sql", "-f", "none.sql"], 2, "none.sql"),
        (["sql", "SELECT 1", "--timeout", "soon"], 2, "'soon' is no duration"),
        (["sql", "SELECT 1", "--timeout", "0s"], 2, "--timeout"),
        (["sql", "SELECT $x", "--param", "x"], 2, "write NAME=VALUE"),
        (["sql", "SELECT $x", "--param", "x=1", "--param", "x=2"], 2, "given twice"),
    ],
)
def test_bad_usage(run: Run, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    """Each mistake ends in a message that says what is wrong, an exit code and an empty stdout; no lake is made."""
    ended = run(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert "Traceback" not in ended.err
    if code == 2:
        assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1; SELECT 2", "exactly one SELECT"),
        ("DROP TABLE flows", "exactly one SELECT"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM flows", "nothing"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT $x AS x", "--param x="),
        ("", "exactly one SELECT"),
    ],
)
def test_bad_sql(run: Run, lake: Path, query: str, message: str) -> None:
    """SQL that is refused or wrong is exit 2, with nothing on stdout."""
    ended = run("--lake", lake, "sql", query, "--format", "json")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--param", "x=1"], "there is no parameter $x"),
        (["--memory", "lots"], "Memory must have a number"),
        (["-f", "query.sql"], "given twice"),
    ],
)
def test_bad_options_of_sql(run: Run, lake: Path, tmp_path: Path, options: list[str], message: str) -> None:
    """Parameters that the query does not have, sizes that are none and two queries at once are refused."""
    (tmp_path / "query.sql").write_text("SELECT 2", "utf-8")
    ended = run("--lake", lake, "sql", "SELECT 1", *options)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_sql_gives_up_in_time(run: Run, lake: Path) -> None:
    """A query that takes longer than --timeout is stopped, and the message names the limit."""
    ended = run(
        "--lake", lake, "sql", "SELECT count(*) FROM range(1000000000000) AS r(i) WHERE i % 7 = 3", "--timeout", "1s"
    )
    assert (ended.code, ended.out) == (2, "")
    assert "stopped after 1 s" in ended.err


def test_a_value_that_cannot_be_printed_leaves_no_half_document(run: Run, lake: Path) -> None:
    """A year beyond 9999 is told of before anything is printed."""
    query = "SELECT CASE WHEN i < 9000 THEN TIMESTAMP '2026-05-04' ELSE 'infinity' END AS t FROM range(9001) AS r(i)"
    for format in ("json", "csv"):
        ended = run("--lake", lake, "sql", query, "--format", format)
        assert (ended.code, ended.out) == (2, "")
        assert "CAST" in ended.err


def test_query_file_that_is_no_text(run: Run, lake: Path, tmp_path: Path) -> None:
    """A file that is not UTF-8 is named."""
    (tmp_path / "query.sql").write_bytes(b"SELECT '\xff'")
    ended = run("--lake", lake, "sql", "-f", "query.sql")
    assert ended.code == 2
    assert "query.sql: is not UTF-8" in ended.err


@pytest.mark.parametrize("verb", ["detect", "findings"])
def test_unknown_detector(run: Run, lake: Path, verb: str) -> None:
    """The nearest detector's name is told."""
    ended = run("--lake", lake, verb, "--detector", "s3-bypass-endpoint")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean s3-bypasses-endpoint?" in ended.err


def test_unknown_and_ambiguous_findings(run: Run, lake: Path) -> None:
    """An id that is none, and a beginning that many have, are refused; the latter with the candidates."""
    unknown, many = run("--lake", lake, "findings", "show", "zzz"), run("--lake", lake, "findings", "show", "")
    assert (unknown.code, many.code) == (2, 2)
    assert "there is none" in unknown.err
    assert "4 begin with it" in many.err


def test_check_tells_every_mistake(run: Run, tmp_path: Path) -> None:
    """All mistakes in the configuration are told at once."""
    (tmp_path / "flowaudit.toml").write_text(
        '[lake]\nurl = "x"\n[schedule]\ncollect = "soon"\n[[sources]]\ntype = "ftp"\nuri = "y"\n', "utf-8"
    )
    ended = run("check")
    assert (ended.code, ended.out) == (2, "")
    for place in ("lake.url", "schedule.collect", "sources[0].type"):
        assert place in ended.err


def test_check_tells_every_mistake_in_queries(run: Run, tmp_path: Path) -> None:
    """All mistakes in the user's own queries are told at once, each with file and line."""
    (tmp_path / "mine" / "detectors").mkdir(parents=True)
    (tmp_path / "mine" / "detectors" / "one.sql").write_text("SELECT 1\n", "utf-8")
    (tmp_path / "mine" / "detectors" / "two.sql").write_text('/*---\ntitle = "x"\n---*/\nSELECT 1\n', "utf-8")
    (tmp_path / "flowaudit.toml").write_text('[queries]\npaths = ["mine"]\n', "utf-8")
    ended = run("check")
    assert ended.code == 2
    assert "one.sql:1: " in ended.err
    assert "two.sql:" in ended.err


def test_a_broken_query_of_ones_own_leaves_reading_alone(run: Run, lake: Path, tmp_path: Path) -> None:
    """Findings and SQL answer although a detector of the user's is broken."""
    (tmp_path / "mine" / "detectors").mkdir(parents=True)
    (tmp_path / "mine" / "detectors" / "one.sql").write_text("SELECT 1\n", "utf-8")
    (tmp_path / "flowaudit.toml").write_text('[queries]\npaths = ["mine"]\n', "utf-8")
    assert run("--lake", lake, "findings", "--format", "json").json
    assert run("--lake", lake, "sql", "SELECT 1 AS n", "--format", "json").json == [{"n": 1}]


def test_a_lake_that_cannot_be_made(run: Run, logs: Path, tmp_path: Path) -> None:
    """A lake below a file ends in a message that names the lake."""
    (tmp_path / "file").write_text("", "utf-8")
    ended = run("--lake", tmp_path / "file" / "lake", "collect", logs)
    assert (ended.code, ended.out) == (3, "")
    assert f"the lake at {tmp_path / 'file' / 'lake'} cannot be" in ended.err


def test_debug_shows_where(run: Run) -> None:
    """With --debug the message comes after its traceback."""
    ended = run("--debug", "--lake", "none", "findings")
    assert ended.code == 3
    assert ended.err.startswith("Traceback")
    assert ended.err.splitlines()[-1].startswith("error: there is no lake")


def test_a_fault_of_ours_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw is told in one line that says how to learn more."""

    def broken(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("flowaudit.config.load", broken)
    ended = run("check")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: RuntimeError: oops; ")
    assert "--debug" in ended.err
    assert len(ended.err.splitlines()) == 1
