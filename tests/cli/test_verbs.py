"""What each verb does with good input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from flowaudit import __version__
from flowaudit.model import COLLECT_FIGURES
from tests.cli.conftest import HEADER, START, Run, record

FINDING = "id detector severity state sentence key first_seen last_seen flows bytes evidence title until owner reason"


def test_version(run: Run) -> None:
    """--version prints one line and nothing else."""
    assert run("--version").out == f"flowaudit {__version__}\n"


def test_collect_needs_neither_config_nor_aws(run: Run, logs: Path, tmp_path: Path) -> None:
    """--lake DIR collect DIR2 is all it takes; stdout is one JSON document with the ten figures."""
    ended = run("--lake", tmp_path / "lake", "collect", logs, "--format", "json")
    assert ended.code == 0
    assert tuple(ended.json) == COLLECT_FIGURES
    assert ended.json | {"bytes": 0, "seconds": 0} == {
        "objects": 1, "skipped": 1, "failed": 0, "records": 6, "kept": 5,
        "out_of_scope": 0, "quarantined": 1, "diverted": 0, "bytes": 0, "seconds": 0,
    }  # fmt: skip
    assert ended.err.startswith(f"skipped {logs / 'headless.log'}: ")


def test_collecting_again_brings_nothing(run: Run, logs: Path, tmp_path: Path) -> None:
    """What is in the lake already is not read again."""
    for _ in range(2):
        ended = run("--lake", tmp_path / "lake", "collect", logs, "--format", "json")
    assert (ended.json["objects"], ended.json["records"]) == (0, 0)


def test_collect_since_leaves_older_objects(run: Run, tmp_path: Path) -> None:
    """--since and --until choose by the time in the object's key."""
    for day in (3, 4):
        folder = tmp_path / f"AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/05/0{day}"
        folder.mkdir(parents=True)
        name = f"123456789012_vpcflowlogs_eu-west-1_fl-0123456789abcdef0_202605{day:02}T1000Z_abcdef01.log"
        (folder / name).write_text(f"{HEADER}\n{record(1, '203.0.113.1', 8, 1)}\n", "utf-8")
    span = ("--since", "2026-05-04T00:00:00Z", "--until", "2026-05-05")
    ended = run("--lake", tmp_path / "lake", "collect", tmp_path / "AWSLogs", *span, "--format", "json")
    assert ended.json["objects"] == 1


def test_many_problems_are_cut_short(run: Run, tmp_path: Path) -> None:
    """Twenty problems are told one by one; the rest is a number and the query that lists them all."""
    (tmp_path / "logs").mkdir()
    for number in range(23):
        (tmp_path / "logs" / f"{number:02}.log").write_text(record(1, "203.0.113.1", 8, 1) + "\n", "utf-8")
    lines = run("--lake", "lake", "collect", "logs").err.splitlines()
    assert len(lines) == 21
    assert lines[-1].startswith("… and 3 more: flowaudit sql ")
    ended = run("--lake", "lake", "sql", lines[-1].split('"')[1], "--format", "json")
    assert len(ended.json) == 23


def test_a_failed_object_is_exit_3(run: Run, tmp_path: Path, logs: Path) -> None:
    """One object that cannot be read fails the command, but not the other objects."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "broken.log.gz").write_bytes(b"\x1f\x8b\x08\x00cut off")
    (tmp_path / "logs" / "good.log").write_bytes((logs / "good.log").read_bytes())
    ended = run("--lake", "lake", "collect", "logs", "--format", "json")
    assert (ended.code, ended.json["failed"], ended.json["objects"]) == (3, 1, 1)
    assert ended.err.startswith("failed ")
    assert "broken.log.gz" in ended.err


def test_an_empty_look_back_is_told_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where S3 has nothing new, stderr says how to look further back, and stdout is still one document."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="flow-logs")
        ended = run("--lake", "lake", "collect", "s3://flow-logs/", "--format", "json")
    assert (ended.code, ended.json["objects"]) == (0, 0)
    assert "--since -7d looks further back" in ended.err


def test_detect_says_what_happened(run: Run, logs: Path) -> None:
    """Detect's document has windows, sightings, events by kind, failures by detector and seconds."""
    run("--lake", "lake", "collect", logs)
    report = run("--lake", "lake", "detect", "--format", "json").json
    assert list(report) == ["windows", "sightings", "events", "failures", "seconds", "coverage"]
    assert (report["events"], report["failures"]) == ({"opened": report["sightings"]}, {})


def test_detect_of_one_detector_in_a_span(run: Run, logs: Path) -> None:
    """--detector and --since choose what is looked at; a second look changes nothing."""
    run("--lake", "lake", "collect", logs)
    span = ("--since", "2026-05-04T10:00:00Z", "--until", "2026-05-04T11:00:00Z")
    reports = [
        run("--lake", "lake", "detect", "--detector", "internet-egress-bypasses-nat", *span, "--format", "json").json
        for _ in range(2)
    ]
    assert [report["events"] for report in reports] == [{"opened": 2}, {}]
    assert [report["windows"] for report in reports] == [1, 1]


def test_findings_are_documented_objects(run: Run, lake: Path) -> None:
    """Each finding has the documented keys in their order; the worst come first."""
    findings = run("--lake", lake, "findings", "--format", "json").json
    assert all(" ".join(finding) == FINDING for finding in findings)
    assert [finding["severity"] for finding in findings][:2] == ["critical", "critical"]
    worst = max(findings, key=lambda finding: (finding["severity"] == "critical", finding["bytes"]))
    assert worst["key"] == {"interface_id": "eni-0a1b2c3d4e5f60711", "path": "internet_gateway"}
    assert worst["evidence"]["top_remotes"] == [
        {"address": "203.0.113.1", "port": 443, "bytes": 12_000_000, "flows": 1}
    ]
    assert worst["first_seen"] == "2026-05-04T10:00:01Z"


def test_findings_severity_is_a_least_one(run: Run, lake: Path) -> None:
    """--severity medium lists medium and what is worse; --state and --detector narrow further."""
    severities = {
        one["severity"] for one in run("--lake", lake, "findings", "--severity", "medium", "--format", "json").json
    }
    assert severities == {"medium", "critical"}
    narrowed = ("--state", "open", "--detector", "path-undecided")
    assert [one["detector"] for one in run("--lake", lake, "findings", *narrowed, "--format", "json").json] == [
        "path-undecided"
    ]
    assert run("--lake", lake, "findings", "--state", "resolved", "--format", "json").json == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "high"], 1),
        (["--fail-on", "critical"], 1),
        (["--severity", "critical", "--fail-on", "low"], 1),
        (["--detector", "path-undecided", "--fail-on", "medium"], 0),
        (["--state", "resolved", "--fail-on", "low"], 0),
        ([], 0),
    ],
)
def test_fail_on(run: Run, lake: Path, options: list[str], code: int) -> None:
    """Exit 1 means: an open finding among those listed is at least as bad as --fail-on says."""
    assert run("--lake", lake, "findings", *options, "--format", "json").code == code


def test_show_takes_the_beginning_of_an_id(run: Run, lake: Path) -> None:
    """An unambiguous prefix is enough; the document is the finding itself."""
    finding = run("--lake", lake, "findings", "--format", "json").json[0]
    assert run("--lake", lake, "findings", "show", finding["id"][:6], "--format", "json").json == finding


def test_show_is_a_page(run: Run, lake: Path) -> None:
    """For people it says what was seen, the largest remotes, what it means and what to do."""
    finding = max(run("--lake", lake, "findings", "--format", "json").json, key=lambda one: one["bytes"])
    page = run("--lake", lake, "findings", "show", finding["id"]).out
    for expected in (
        "CRITICAL: Internet egress bypasses the NAT gateway",
        "12.0 MB in 1 flow",
        "203.0.113.1",
        "What it means:",
        "What to do:",
    ):
        assert expected in page
    assert max(map(len, page.splitlines())) <= 80


def test_sql_reads_argument_file_and_stdin(
    run: Run, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query may be an argument, a file, or come from stdin, with - or without."""
    query = "SELECT count(*) AS n FROM flows"
    (tmp_path / "query.sql").write_text(query, "utf-8")
    for arguments in ([query], ["-f", "query.sql"], ["-"], []):
        monkeypatch.setattr("sys.stdin", io.StringIO(query))
        assert run("--lake", lake, "sql", *arguments, "--format", "json").json == [{"n": 5}]


def test_sql_sees_the_views(run: Run, lake: Path) -> None:
    """Views of queries/views are there beside the tables."""
    query = "SELECT path, sum(bytes) AS bytes FROM egress GROUP BY path ORDER BY bytes DESC LIMIT 1"
    assert run("--lake", lake, "sql", query, "--format", "json").json == [
        {"path": "internet_gateway", "bytes": 12_003_077}
    ]


def test_sql_parameters_have_kinds(run: Run, lake: Path) -> None:
    """A parameter is a number, truth, list or quoted text as TOML writes it, a time, or else text."""
    pairs = {
        "a": "12",
        "b": "true",
        "c": "'12'",
        "d": "eni-1",
        "e": "[1, 2]",
        "f": "2026-05-04T10:00:00+02:00",
        "g": "",
    }
    options = [option for name, value in pairs.items() for option in ("--param", f"{name}={value}")]
    query = "SELECT $a AS a, $b AS b, $c AS c, $d AS d, $e AS e, $f AS f, $g AS g"
    assert run("--lake", lake, "sql", query, *options, "--format", "json").json == [
        {"a": 12, "b": True, "c": "12", "d": "eni-1", "e": [1, 2], "f": "2026-05-04T08:00:00Z", "g": ""}
    ]


def test_sql_relative_time_is_compared_as_a_time(run: Run, lake: Path) -> None:
    """--param since=-24h can be compared with the columns that hold times."""
    query = "SELECT count(*) AS n FROM flows WHERE start_time < $until"
    assert run("--lake", lake, "sql", query, "--param", "until=2026-05-04T10:00:03Z", "--format", "json").json == [
        {"n": 2}
    ]


EVERYTHING = """
SELECT 1 AS n, 1 AS n, 1.50::DECIMAL(9, 2) AS d, 'nan'::DOUBLE AS nan, sum(bytes) AS huge, min(start_time) AS t,
  TIMESTAMP '2026-05-04 10:00:00.25' AS naive, DATE '2026-05-04' AS day, list({'a': 1, 'b': ['x']}) AS nested,
  MAP {'k': TIMESTAMPTZ '2026-05-04 10:00:00Z'} AS m, INTERVAL 90 SECOND AS i, 'ab'::BLOB AS blob, NULL AS nothing,
  'a|"b' AS text, 9007199254740993 AS big
FROM flows WHERE remote_addr = '203.0.113.4'
"""


def test_json_of_every_kind_of_value(run: Run, lake: Path) -> None:
    """Times are RFC 3339 in UTC, NaN is null, numbers stay numbers, nested values are JSON, names are distinct."""
    assert run("--lake", lake, "sql", EVERYTHING, "--format", "json").json == [
        {
            "n": 1,
            "n_2": 1,
            "d": 1.5,
            "nan": None,
            "huge": 5000,
            "t": "2026-05-04T10:00:04Z",
            "naive": "2026-05-04T10:00:00.250000Z",
            "day": "2026-05-04",
            "nested": [{"a": 1, "b": ["x"]}],
            "m": {"k": "2026-05-04T10:00:00Z"},
            "i": "P0M0DT90S",
            "blob": "6162",
            "nothing": None,
            "text": 'a|"b',
            "big": 9007199254740993,
        }
    ]


def test_the_other_formats_hold_the_same(run: Run, lake: Path) -> None:
    """NDJSON has a document a line, CSV text for what is nested, Parquet the values themselves."""
    ask = ("--lake", lake, "sql", EVERYTHING, "--format")
    (expected,) = run(*ask, "json").json
    assert [json.loads(line) for line in run(*ask, "ndjson").out.splitlines()] == [expected]
    (row,) = csv.DictReader(io.StringIO(run(*ask, "csv").out))
    assert (row["t"], row["huge"], row["d"], row["text"]) == ("2026-05-04T10:00:04Z", "5000", "1.50", 'a|"b')
    assert json.loads(row["nested"]) == expected["nested"]
    table = pq.read_table(io.BytesIO(run(*ask, "parquet").stdout))
    assert table.column_names == list(expected)
    assert table.column("t").to_pylist()[0].timestamp() == START + 4


def test_markdown_is_a_table(run: Run, lake: Path) -> None:
    """Markdown has a rule, numbers to the right, and its own signs escaped."""
    out = run("--lake", lake, "sql", "SELECT 1 AS n, 'a|b<c' AS t", "--format", "markdown").out
    assert out == "| n | t |\n| ---: | --- |\n| 1 | a\\|b&lt;c |\n"


def test_an_empty_result_is_a_whole_document(run: Run, lake: Path) -> None:
    """No rows are [] in JSON, nothing in ndjson, a header in CSV."""
    ask = ("--lake", lake, "sql", "SELECT path FROM flows WHERE false", "--format")
    assert [run(*ask, format).out for format in ("json", "ndjson", "csv")] == ["[]\n", "", '"path"\n']


@pytest.mark.parametrize("format", ["csv", "parquet", "markdown", "ndjson", "table"])
def test_every_verb_knows_every_format(run: Run, lake: Path, logs: Path, format: str) -> None:
    """Each verb that prints a result prints something in each format, and exits with 0."""
    finding = run("--lake", lake, "findings", "--format", "json").json[0]["id"]
    for verb in (["check"], ["findings"], ["findings", "show", finding], ["sql", "SELECT 1 AS n"]):
        ended = run("--lake", lake, *verb, "--format", format)
        assert (ended.code, bool(ended.stdout)) == (0, True), verb
    for verb in (["collect", str(logs)], ["detect"]):
        ended = run("--lake", "lake", *verb, "--format", format)
        assert (ended.code, bool(ended.stdout)) == (0, True), verb


def test_piped_tables_are_plain_text(run: Run, lake: Path) -> None:
    """Without a terminal there are no frames, colours or cut cells, and one line a row."""
    lines = run("--lake", lake, "findings").out.splitlines()
    assert len(lines) == 5
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert "eni-0a1b2c3d4e5f60711 internet_gateway" in lines[2]


def test_what_strangers_wrote_cannot_drive_a_terminal(run: Run, lake: Path) -> None:
    """Control characters and line ends in a value are shown as escapes."""
    out = run("--lake", lake, "sql", "SELECT 'a' || chr(27) || '[31m' || chr(10) || chr(8238) || 'b' AS t").out
    assert out == "t\na\\x1b[31m\\n\\u202eb\n"


def test_check_names_what_it_checked(run: Run, tmp_path: Path) -> None:
    """Check prints lake, sources and queries, and warns of what has no effect."""
    (tmp_path / "flowaudit.toml").write_text(
        '[lake]\nuri = "here"\n[schedule]\nposture = "2h"\n[[sources]]\ntype = "local"\nuri = "logs"\n', "utf-8"
    )
    ended = run("check", "--format", "json")
    assert (ended.code, ended.json["lake"], ended.json["sources"]) == (0, str(tmp_path / "here"), ["logs"])
    assert "s3-bypasses-endpoint" in ended.json["detectors"]
    assert "findings_current" in ended.json["views"]
    assert ended.err == "warning: schedule.posture has no effect in this version\n"


def test_the_lake_of_the_command_line_comes_first(run: Run, tmp_path: Path) -> None:
    """--lake beats lake.uri in the file and $FLOWAUDIT_LAKE__URI."""
    (tmp_path / "other.toml").write_text('[lake]\nuri = "here"\n', "utf-8")
    lake = run("--config", "other.toml", "--lake", "there", "check", "--format", "json").json["lake"]
    assert lake == str(tmp_path / "there")
