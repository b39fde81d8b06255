"""Findings as other products read them, from the program as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowaudit.cli.findings import EXCHANGED, FindingFormat
from flowaudit.cli.output import Format
from flowaudit.config import shipped
from tests.cli.conftest import Run


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region in AWS's own chain."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


def test_findings_have_the_formats_of_every_verb() -> None:
    """What findings are printed as is every format there is, and those that other products read."""
    assert {str(format) for format in FindingFormat} == {*map(str, Format), *map(str, EXCHANGED)}


def test_ocsf_is_an_event_a_line(run: Run, lake: Path, region: None) -> None:
    """Each finding is one Detection Finding, in the order of the list."""
    listed = run("--lake", lake, "findings", "--format", "json").json
    events = [json.loads(line) for line in run("--lake", lake, "findings", "--format", "ocsf").out.splitlines()]
    assert [event["finding_info"]["uid"] for event in events] == [one["id"] for one in listed]
    assert {event["class_uid"] for event in events} == {2004}
    assert {event["cloud"]["region"] for event in events} == {"eu-west-1"}


def test_asff_is_one_list(run: Run, lake: Path, region: None) -> None:
    """All findings are one JSON document, and what the log says of when they were found is in it."""
    findings = run("--lake", lake, "findings", "--format", "asff").json
    assert len(findings) == 4
    assert all(one["FirstObservedAt"] < one["CreatedAt"] <= one["UpdatedAt"] for one in findings)


def test_sarif_is_one_log(run: Run, lake: Path) -> None:
    """All findings are one run, without any need of AWS."""
    (log,) = run("--lake", lake, "findings", "--format", "sarif").json["runs"]
    assert len(log["results"]) == 4
    shipped_ones = {file.stem for file in (shipped("queries") / "detectors").glob("*.sql")}
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == shipped_ones


@pytest.mark.parametrize("format", ["ocsf", "asff", "sarif"])
def test_one_finding_alone(run: Run, lake: Path, region: None, format: str) -> None:
    """`findings show` prints one finding as the list does."""
    id = run("--lake", lake, "findings", "--format", "json").json[0]["id"]
    shown = run("--lake", lake, "findings", "show", id, "--format", format)
    assert shown.code == 0
    assert len(shown.out.splitlines()) == (3 if format == "asff" else 1)
    assert id in shown.out


@pytest.mark.parametrize(("format", "empty"), [("ocsf", None), ("asff", []), ("sarif", [])])
def test_no_findings_are_an_empty_document(run: Run, lake: Path, format: str, empty: list[Any] | None) -> None:
    """Where nothing is found there is no event, an empty list, a run without results; and no error."""
    ended = run("--lake", lake, "findings", "--state", "resolved", "--format", format)
    assert ended.code == 0
    if empty is None:
        assert ended.out == ""
    else:
        document = ended.json
        assert (document["runs"][0]["results"] if format == "sarif" else document) == empty


def test_fail_on_goes_with_every_format(run: Run, lake: Path) -> None:
    """The exit code tells of bad findings whatever they are printed as."""
    assert run("--lake", lake, "findings", "--format", "sarif", "--fail-on", "high").code == 1


def test_asff_without_a_region_is_refused(run: Run, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is printed, and the message says which variable to set."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    ended = run("--lake", lake, "findings", "--format", "asff")
    assert (ended.code, ended.out) == (2, "")
    assert "set AWS_REGION" in ended.err


def test_a_broken_profile_is_told_of(run: Run, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not there is no traceback."""
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    ended = run("--lake", lake, "findings", "--format", "ocsf")
    assert (ended.code, ended.out) == (2, "")
    assert "nobodys" in ended.err
    assert "Traceback" not in ended.err
