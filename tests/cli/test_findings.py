"""What can be done with one finding: look at its records, mute it, unmute it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run

ID = "60b9bc79427f"
WHY = ("--reason", "moving house")
NAMES = ("sentence", "bytes", "flows", "severity", "state", "detector", "title", "first_seen", "last_seen")


@pytest.fixture
def mine(lake: Path, tmp_path: Path) -> Path:
    """A lake that may be written to."""
    return Path(shutil.copytree(lake, tmp_path / "mine"))


def test_a_finding_has_a_sentence(run: Run, lake: Path) -> None:
    """List, page and document say in one sentence what happened."""
    sentence = (
        "eni-0a1b2c3d4e5f60711 sent 12.0 MB to 1 public address by internet_gateway "
        "from 2026-05-04 10:00 to 2026-05-04 10:00"
    )
    document = run("--lake", lake, "findings", "show", ID, "--format", "json").json
    assert document["sentence"] == sentence
    assert sentence in run("--lake", lake, "findings").out
    assert sentence in " ".join(run("--lake", lake, "findings", "show", ID).out.split())


def test_findings_are_a_report_too(run: Run, mine: Path) -> None:
    """The report `findings` has the open ones by default, else those of a state, or all."""
    run("--lake", mine, "findings", "mute", ID, "--until", "2099-01-01", *WHY)
    report = ("--lake", mine, "query", "run", "findings", "--format", "json")
    listed = {one["id"]: one for one in run("--lake", mine, "findings", "--format", "json").json}

    by_state = {
        state: [one["id"] for one in run(*report, "--param", f"state={state}").json]
        for state in ("open", "muted", "all")
    }
    assert by_state["muted"] == [ID]
    assert sorted(by_state["open"] + by_state["muted"]) == sorted(by_state["all"]) == sorted(listed)
    assert [one["id"] for one in run(*report).json] == by_state["open"]
    for one in run(*report, "--param", "state=all").json:
        assert {name: one[name] for name in ("sentence", "bytes", "flows", "severity", "state")}.items() <= listed[
            one["id"]
        ].items()
        assert one["interface_id"] == listed[one["id"]]["key"].get("interface_id")


def test_the_records_behind_a_finding(run: Run, lake: Path) -> None:
    """--records prints what its interface sent by its path, and nothing else, in every format."""
    show = ("--lake", lake, "findings", "show", ID, "--records", "--format")
    (document,) = run(*show, "json").json
    assert (document["remote_addr"], document["bytes"], document["traffic_path"]) == ("203.0.113.1", 12_000_000, 8)
    assert pq.read_table(io.BytesIO(run(*show, "parquet").stdout)).num_rows == 1
    for format in ("table", "markdown", "csv", "ndjson"):
        lines = [line for line in run(*show, format).out.splitlines() if "203.0.113" in line]
        assert [("203.0.113.1" in line) for line in lines] == [True]


def test_records_can_be_limited(run: Run, lake: Path) -> None:
    """--limit belongs to --records and is at least 1."""
    show = ("--lake", lake, "findings", "show", ID)
    assert len(run(*show, "--records", "--limit", "1", "--format", "json").json) == 1
    alone, none = run(*show, "--limit", "1"), run(*show, "--records", "--limit", "0")
    assert (alone.code, none.code) == (2, 2)
    assert "--limit is for the records: add --records" in alone.err


def test_a_muted_finding_does_not_count(run: Run, mine: Path) -> None:
    """It is listed as muted, with end, owner and reason, and --fail-on passes over it until it is unmuted."""
    critical = ("--lake", mine, "findings", "--detector", "internet-egress-bypasses-nat", "--fail-on", "low")
    for one in run(*critical, "--format", "json").json:
        muted = run("--lake", mine, "findings", "mute", one["id"][:8], "--until", "2099-01-01", *WHY, "--owner", "kim")
        assert (muted.code, muted.err) == (0, f"{one['id']} is muted until 2099-01-01T00:00:00Z\n")
    assert run(*critical).code == 0

    (first, _) = run("--lake", mine, "findings", "--state", "muted", "--format", "json").json
    assert (first["until"], first["owner"], first["reason"]) == ("2099-01-01T00:00:00Z", "kim", "moving house")
    page = run("--lake", mine, "findings", "show", first["id"]).out
    assert "muted until" in page
    assert "moving house" in page

    unmuted = run("--lake", mine, "findings", "unmute", first["id"])
    assert (unmuted.code, unmuted.err) == (0, f"{first['id']} is muted no longer\n")
    assert run(*critical).code == 1


def test_the_owner_is_who_is_logged_in(run: Run, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --owner it is $USER."""
    monkeypatch.setenv("USER", "robin")
    run("--lake", mine, "findings", "mute", ID, "--until", "30d", *WHY)
    assert run("--lake", mine, "findings", "show", ID, "--format", "json").json["owner"] == "robin"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("zzz", "--until", "30d", *WHY), "'zzz' names no one finding, there is none"),
        (("", "--until", "30d", *WHY), "4 begin with it"),
        ((ID, "--until", "2020-01-01", *WHY), "2020-01-01 00:00 UTC has passed"),
        ((ID, "--until", "-1d", *WHY), "has passed"),
        ((ID, "--until", "soon", *WHY), "'soon' is no time"),
        ((ID, "--until", "30d", "--reason", " "), "a mute needs a reason"),
        ((ID, "--until", "30d", *WHY, "--owner", ""), "a mute needs an owner"),
        ((ID, *WHY), "--until"),
        ((ID, "--until", "30d"), "--reason"),
    ],
)
def test_a_mute_that_makes_no_sense(run: Run, lake: Path, arguments: tuple[str, ...], expected: str) -> None:
    """It is refused with the reason, and nothing is written."""
    ended = run("--lake", lake, "findings", "mute", *arguments)
    assert ended.code == 2
    assert expected in ended.err
    assert run("--lake", lake, "findings", "--state", "muted", "--format", "json").json == []


def test_the_configuration_mutes(run: Run, mine: Path, tmp_path: Path) -> None:
    """Detect mutes what matches, says so once, and unmute refuses, for the next detect would mute it again."""
    (tmp_path / "flowaudit.toml").write_text(
        '[[mutes]]\ndetector = "internet-egress-bypasses-nat"\nkey = { interface_id = "eni-*711" }\n'
        'until = 2099-01-01\nowner = "ops"\nreason = "a trial"\n',
        "utf-8",
    )
    reports = [run("--lake", mine, "detect", "--format", "json").json["events"] for _ in range(2)]
    assert reports == [{"muted": 1}, {}]
    ended = run("--lake", mine, "findings", "unmute", ID)
    assert ended.code == 2
    assert "muted by [[mutes]] of the configuration" in ended.err


@pytest.mark.parametrize(
    ("mute", "code", "expected"),
    [
        ('detector = "nobody"\nuntil = 2099-01-01', 2, "mutes[0].detector: there is no detector 'nobody'"),
        (
            'detector = "path-undecided"\nuntil = 2099-01-01\nkey = { interface = "eni-*" }',
            2,
            "mutes[0].key: path-undecided has no 'interface' in its key, which is interface_id, path",
        ),
        ('detector = "path-undecided"\nuntil = 2020-01-01', 0, "warning: a mute of path-undecided has ended"),
    ],
)
def test_check_knows_mutes_without_effect(run: Run, tmp_path: Path, mute: str, code: int, expected: str) -> None:
    """A mute of a detector or a column that there is not is a mistake; one that has ended is told of."""
    (tmp_path / "flowaudit.toml").write_text(f'[[mutes]]\nowner = "o"\nreason = "r"\n{mute}\n', "utf-8")
    ended = run("check")
    assert ended.code == code
    assert expected in ended.err


def test_a_mute_outlives_its_detector(run: Run, tmp_path: Path) -> None:
    """One of a detector that is turned off, or whose file has a mistake, is no mistake of its own."""
    (tmp_path / "mine" / "detectors").mkdir(parents=True)
    (tmp_path / "mine" / "detectors" / "broken.sql").write_text("SELECT 1", "utf-8")
    mute = '[[mutes]]\ndetector = "{}"\nuntil = 2099-01-01\nowner = "o"\nreason = "r"\n'
    (tmp_path / "flowaudit.toml").write_text(
        mute.format("broken") + mute.format("path-undecided") + "[detectors.path-undecided]\nenabled = false\n"
        '[queries]\npaths = ["mine"]\n[[sources]]\ntype = "local"\nuri = "logs"\n',
        "utf-8",
    )
    (tmp_path / "logs").mkdir()
    report = run("run", "--once", "--format", "json").json
    assert len(report["failures"]) == 1
    assert "broken.sql:1: must begin with a header" in report["failures"][0]
