"""The catalogue: what a query file must be, and that every mistake is found at once, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from flowaudit import catalogue, sql
from flowaudit.catalogue import Override, Param
from flowaudit.config import Policy, shipped
from flowaudit.errors import CatalogueError, ConfigError
from flowaudit.model import Severity

HEADER = """\
/*---
title = "A title"
severity = "high"
attack = ["T1048"]
every = "5m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id"]

[params]
most = 10
---*/
"""
PROSE = """\
/*
What it means: something.
*/
"""
SELECT = """\
SELECT
  interface_id,
  min(start_time) AS first_seen,
  max(end_time) AS last_seen,
  sum(bytes)::BIGINT AS bytes,
  count(*) AS flows
FROM flows
WHERE start_time >= $since AND start_time < $until AND bytes > $most
GROUP BY interface_id
"""
GOOD = HEADER + PROSE + SELECT

NOW = datetime(2026, 5, 4, tzinfo=UTC)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files into a folder of queries, and returns the folder."""

    def _write(**files: str | bytes) -> Path:
        for place, text in files.items():
            kind, _, name = place.partition("__")
            path = tmp_path / kind / f"{name.replace('__', '-')}.sql"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return _write


def problems(folder: Path) -> list[str]:
    """What is wrong, file names without their folder."""
    found = catalogue.load([folder]).problems
    return [str(problem).replace(f"{folder}/", "") for problem in found]


# --- what comes with flowaudit ----------------------------------------------------------------------------------------


def test_the_shipped_queries_are_sound() -> None:
    """Every detector, view and report that comes with flowaudit passes its own checks, under the default policy."""
    queries = catalogue.load([shipped("queries")], policy=Policy().model_dump(), afresh=True)

    assert {name: detector.severity.value for name, detector in queries.detectors.items()} == {
        "coverage-gap": "medium",
        "dns-not-to-vpc-resolver": "medium",
        "internet-egress-bypasses-nat": "critical",
        "internet-egress-bypasses-nat-attempted": "medium",
        "internet-egress-off-allow-list": "high",
        "lateral-traffic": "medium",
        "network-isolation-contradicted": "high",
        "path-undecided": "low",
        "public-address-over-private-way": "high",
        "public-source-reaches-workload": "high",
        "s3-bypasses-endpoint": "high",
        "s3-bypasses-endpoint-attempted": "low",
        "s3-of-another-region": "medium",
        "service-bypasses-interface-endpoint": "medium",
        "silent-interface": "medium",
        "skipdata": "low",
        "unencrypted-traffic": "medium",
        "unexpected-listener": "medium",
    }
    assert {"egress", "findings_current", "transit_interfaces"} <= set(queries.views)
    assert queries.problems == ()


@pytest.mark.parametrize("detector", catalogue.load([shipped("queries")]).detectors.values(), ids=lambda d: d.id)
def test_a_shipped_detector_says_what_to_do(detector: catalogue.Detector) -> None:
    """Meaning, remedy and blind spots are told; findings are keyed by whose they are; ATT&CK ids look right."""
    for heading in ("What it means:", "What to do:", "Blind spots:"):
        assert heading in detector.prose
    assert detector.key[0] in ("interface_id", "workload_arn")
    assert detector.every == timedelta(minutes=15 if detector.id == "coverage-gap" else 1)
    assert detector.window == timedelta(hours=1)
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", technique) for technique in detector.attack)


# --- what a file says -------------------------------------------------------------------------------------------------


def test_a_detector_is_its_header_prose_and_statement(write: Write) -> None:
    """Every part of the file has its place in the value, in the type that fits it."""
    folder = write(detectors__big__talk=GOOD)
    detector = catalogue.load([folder]).detectors["big-talk"]

    assert detector == catalogue.Detector(
        id="big-talk",
        title="A title",
        severity=Severity.HIGH,
        attack=("T1048",),
        every=timedelta(minutes=5),
        window=timedelta(hours=1),
        key=("interface_id",),
        needs=("interface_id",),
        resolve=timedelta(hours=24),
        says="",
        params={"most": 10},
        prose="What it means: something.",
        sql=GOOD,
        file=folder / "detectors" / "big-talk.sql",
    )


def test_a_report_needs_a_title_only(write: Write) -> None:
    """Reports have parameters if they like: each has a kind and a meaning, and a default unless it must be given."""
    folder = write(
        reports__plain='/*---\ntitle = "Plain"\n---*/\nSELECT 1 AS one',
        reports__windowed='/*---\ntitle = "W"\n[params.since]\nkind = "time"\ndefault = "-1d"\nhelp = "From."\n'
        '[params.least]\nkind = "integer"\nhelp = "Most."\n---*/\nSELECT $least FROM flows WHERE start_time >= $since',
    )
    reports = catalogue.load([folder]).reports

    assert (reports["plain"].title, reports["plain"].params) == ("Plain", {})
    assert reports["windowed"].params == {
        "since": Param(name="since", kind="time", help="From.", default="-1d"),
        "least": Param(name="least", kind="integer", help="Most."),
    }


def test_a_text_may_be_one_of_a_few(write: Write) -> None:
    """Anything else is refused, as a default too: a typing error must not look like an empty result."""
    param = '[params.state]\nkind = "{}"\nhelp = "State."\nchoices = ["open", "muted"]\ndefault = {}\n'
    head = f'/*---\ntitle = "R"\n{param}---*/\n'
    select = "SELECT 1 AS one WHERE $state = 'open'"
    report = catalogue.load([write(reports__r=head.format("text", '"open"') + select)]).reports["r"]
    assert report.params["state"].value("muted", NOW) == "muted"
    with pytest.raises(ConfigError, match="'opne' must be one of open, muted"):
        report.params["state"].value("opne", NOW)
    for kind, default in (("text", '"shut"'), ("integer", "1")):
        assert (
            "choices: are for a text, and a default must be one of them"
            in problems(write(reports__r=head.format(kind, default) + select))[0]
        )


def test_views_may_use_each_other_in_any_order(write: Write) -> None:
    """The order of their names does not matter, and detectors and reports may use them."""
    folder = write(
        views__a="/* From b. */ SELECT interface_id FROM b",
        views__b="SELECT * FROM c;",
        views__c="SELECT * FROM flows",
        reports__r='/*---\ntitle = "R"\n---*/ \nSELECT * FROM a',
    )
    queries = catalogue.load([folder])

    assert list(queries.views) == ["a", "b", "c"]
    with sql.connect(None, views=queries.views) as connection:
        assert connection.query(queries.reports["r"].sql).column_names == ["interface_id"]


def test_files_may_have_windows_line_ends(write: Write) -> None:
    """CRLF makes no difference."""
    assert problems(write(detectors__crlf=GOOD.replace("\n", "\r\n"))) == []


def test_folders_add_up(write: Write) -> None:
    """One's own queries stand beside the shipped ones and may use their views."""
    folder = write(detectors__mine=GOOD.replace("FROM flows", "FROM egress"))

    assert {"mine", "path-undecided"} <= set(catalogue.load([shipped("queries"), folder]).detectors)


# --- what is wrong with it --------------------------------------------------------------------------------------------

MISTAKES: list[tuple[str, Mapping[str, str], str, str]] = [
    ("no header", {HEADER: ""}, ":1: ", "must begin with a header: TOML between a line /*--- and a line ---*/"),
    ("TOML that is none", {'"A title"': "A title"}, ":2: ", "the header is not TOML: Invalid value"),
    ("a missing key", {'severity = "high"\n': ""}, ":1: ", "severity: is missing from the header"),
    ("an unknown key", {"[params]": "everry = 1\n[params]"}, ":10: ",
     "everry: no such key in the header: did you mean every?"),
    ("an unknown severity", {'"high"': '"bad"'}, ":3: ", "severity: Input should be 'low', 'medium', 'high' or"),
    ("a duration that is none", {'"5m"': '"5 minutes"'}, ":5: ", "every: Value error, '5 minutes' is no duration"),
    ("no window at all", {'"1h"': '"0s"'}, ":6: ", "window: Value error, must be longer than nothing"),
    ("no key", {'["interface_id"]\nneeds': "[]\nneeds"}, ":7: ", "key: Tuple should have at least 1 item"),
    ("a need that is no column", {'needs = ["interface_id"]': 'needs = ["interface-id"]'}, ":8: ",
     "needs: there is no column 'interface-id' in flows: did you mean interface_id?"),
    ("a param that is not used", {"most = 10": "most = 10\nleast = 1"}, ":12: ",
     "params.least: is declared, but $least is not used"),
    ("a param that is not declared", {"$most": "$most + $least"}, ":23: ",
     "$least is used, but not declared under [params]"),
    ("the window's param", {"most = 10": 'most = 10\nsince = "x"'}, ":12: ",
     "params.since: is the window's and cannot be declared"),
    ("no look at the window", {"start_time < $until": "true"}, ":1: ", "$until is not used"),
    ("no prose", {PROSE: ""}, ":1: ", "says nothing after its header"),
    ("no statement", {SELECT: ""}, ":", "exactly one SELECT can be run here; this is nothing"),
    ("two statements", {SELECT: SELECT + "; SELECT 1"}, ":16: ", "exactly one SELECT can be run here; this is SELECT,"),
    ("no SELECT", {SELECT: "DELETE FROM flows"}, ":16: ", "exactly one SELECT can be run here; this is DELETE"),
    ("a syntax error", {"GROUP BY": "GRUOP BY"}, ":24: ", 'Parser Error: syntax error at or near "GRUOP"'),
    ("an unknown column", {"max(end_time)": "max(ended)"}, ":19: ", 'Referenced column "ended" not found'),
    ("an unknown table", {"FROM flows": "FROM flow"}, ":16: ", "there is no table 'flow' that SQL can see"),
    ("a file", {"FROM flows": "FROM read_csv('x.csv')"}, ":16: ", "read_csv() cannot be selected from"),
    ("no key column", {"  interface_id,\n": ""}, ":16: ", "the result has the column interface_id not"),
    ("no column of the head", {"count(*) AS flows": "count(*) AS n"}, ":16: ", "the result has the column flows not"),
    ("a column twice", {"count(*) AS flows": "count(*) AS flows, 1 AS flows"}, ":16: ",
     "the result has the column flows twice"),
    ("a time that is none", {"min(start_time)": "min(bytes)"}, ":16: ",
     "the result's first_seen is int64, no timestamp"),
    ("bytes that are none", {"sum(bytes)::BIGINT": "'many'"}, ":16: ", "the result's bytes is string, no integer"),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "place", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_its_line(edits: Mapping[str, str], place: str, message: str, write: Write) -> None:
    """Each mistake alone is one problem that names file, line, and what is wrong."""
    text = GOOD
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1)

    found = problems(write(detectors__bad=text))

    assert len(found) == 1
    assert found[0].startswith(f"detectors/bad.sql{place}")
    assert message in found[0]


COSTLY = [
    ("sum(a.range * b.range)", {"seconds": 0.5}, "stopped after 0.5 s, the time limit"),
    ("list(a.range * 1000000 + b.range)", {"memory": "50MB"}, "stopped at 50MB, the memory limit"),
]


@pytest.mark.parametrize(("value", "limits", "message"), COSTLY, ids=["never ends", "takes all memory"])
def test_a_costly_query_is_refused(
    value: str, limits: dict[str, Any], message: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried on a lake without rows, it may take a few seconds and a little memory; the others have their turn."""
    head = "'eni-1' AS interface_id, max($since) AS first_seen, max($until) AS last_seen, 1 AS bytes, 1 AS flows"
    costly = f"SELECT {head}, {value} AS n FROM range(1000000) AS a, range(1000000) AS b WHERE a.range > $most"
    costly = HEADER + PROSE + costly
    monkeypatch.setattr("flowaudit.catalogue.TRIAL", sql.Limits(**{"seconds": 20, "disk": "", **limits}))
    queries = catalogue.load([write(detectors__costly=costly, detectors__good=GOOD)])

    assert list(queries.detectors) == ["good"]
    assert queries.problems[0].file.name == "costly.sql"
    assert message in queries.problems[0].message


def test_views_are_checked_too(write: Write) -> None:
    """A view that cannot be made is told, and so is what is built upon it."""
    found = problems(
        write(
            views__broken="/* First line. */\nSELECT\n  nonsense\nFROM flows",
            views__upon="SELECT * FROM broken",
            views__writing="DROP VIEW flows",
            views__asking="SELECT $a",
            views__flows="SELECT 1",
            views__sound="SELECT 1 AS one",
        )
    )

    lines = {"asking": 1, "broken": 3, "flows": 1, "upon": 1, "writing": 1}
    assert [line.split(" ")[0] for line in found] == [f"views/{name}.sql:{line}:" for name, line in lines.items()]
    assert "nonsense" in found[1]
    assert "already" in found[2]


def test_all_mistakes_of_all_files_are_told_at_once(write: Write, tmp_path: Path) -> None:
    """One error has a line for each, in the order of files and lines."""
    folder = write(
        detectors__first=GOOD.replace("attack =", "atack =").replace('"5m"', "5"),
        detectors__second=GOOD.replace("most = 10", "least = 1"),
        reports__third="SELECT 1",
    )
    with pytest.raises(CatalogueError) as raised:
        catalogue.load([folder]).sound()

    places = [line.replace(f"{tmp_path}/", "").split(" ")[0] for line in str(raised.value).splitlines()]
    assert places == [
        "detectors/first.sql:1:",
        "detectors/first.sql:4:",
        "detectors/first.sql:5:",
        "detectors/second.sql:11:",
        "detectors/second.sql:23:",
        "reports/third.sql:1:",
    ]


def test_sound_files_work_beside_broken_ones(write: Write) -> None:
    """What is sound is returned together with what is wrong, and refused by those who want all or nothing."""
    queries = catalogue.load([write(detectors__good=GOOD, detectors__bad="nonsense")])

    assert list(queries.detectors) == ["good"]
    assert len(queries.problems) == 1
    with pytest.raises(CatalogueError, match="must begin with a header"):
        queries.sound()


def test_two_files_of_one_name_are_refused(write: Write) -> None:
    """Nobody's detector takes the place of a shipped one unnoticed."""
    found = problems_beside_shipped(write(detectors__path__undecided=GOOD))

    assert len(found) == 1
    assert "/queries/detectors/path-undecided.sql has the same name: rename one of them" in found[0]


def problems_beside_shipped(folder: Path) -> list[str]:
    """What is wrong when a folder comes after the shipped ones."""
    return [str(problem) for problem in catalogue.load([shipped("queries"), folder]).problems]


def test_files_that_cannot_be_read_are_told(write: Write, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, names that are no ids, folders that are none."""
    assert "cannot be read" in problems(write(detectors__latin=GOOD.encode() + b"-- \xe9"))[0]
    assert "the file's name must match" in problems(write(reports__Bad_Name=GOOD))[-1]
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere:1: has none of the folders detectors, reports, views"
    ]


# --- configuration ----------------------------------------------------------------------------------------------------


def test_policy_fills_parameters_of_its_name() -> None:
    """What the policy allows is what the detectors are given; what they do not ask for does not matter."""
    queries = catalogue.load([shipped("queries")], policy=Policy(internet_paths=("transit_gateway",)).model_dump())

    assert queries.detectors["internet-egress-bypasses-nat"].params["internet_paths"] == ["transit_gateway"]
    assert "internet_paths" not in queries.detectors["path-undecided"].params


def test_overrides_come_last(write: Write) -> None:
    """Severity, rhythm and parameters of one detector, over header and policy; the others stay."""
    folder = write(detectors__one=GOOD, detectors__two=GOOD)
    override = Override(severity=Severity.LOW, every=timedelta(hours=1), params={"most": 3})
    one, two = catalogue.load([folder], policy={"most": 7}, overrides={"one": override}).detectors.values()

    assert (one.severity, one.every, one.params) == (Severity.LOW, timedelta(hours=1), {"most": 3})
    assert (two.severity, two.every, two.params) == (Severity.HIGH, timedelta(minutes=5), {"most": 7})


def test_a_disabled_detector_is_left_out(write: Write) -> None:
    """It is checked like the others, and not there."""
    folder = write(detectors__one=GOOD, detectors__two=GOOD)

    assert list(catalogue.load([folder], overrides={"one": Override(enabled=False)}).detectors) == ["two"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"bigtalk": {}}, "detectors.bigtalk: there is no such detector: did you mean big-talk?"),
        ({"zzz": {}}, "detectors.zzz: there is no such detector; there are big-talk"),
        (
            {"big-talk": {"params": {"mots": 1}}},
            "detectors.big-talk.params.mots: there is no such parameter: did you mean",
        ),
        (
            {"big-talk": {"params": {"most": "1"}}},
            "detectors.big-talk.params.most: must be of the kind of its default, 10",
        ),
    ],
)
def test_wrong_overrides_are_told(overrides: dict[str, Any], message: str, write: Write) -> None:
    """The message names the key and what is meant."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        catalogue.load(
            [write(detectors__big__talk=GOOD)],
            overrides={name: Override(**values) for name, values in overrides.items()},
        )


def test_overrides_of_a_broken_detector_are_no_mistake(write: Write) -> None:
    """What is broken is told once, as broken."""
    queries = catalogue.load([write(detectors__bad="nonsense")], overrides={"bad": Override()})

    assert len(queries.problems) == 1


# --- what a finding says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("{interface} sent", "detectors/big-talk.sql:9: says: there is no column 'interface' in the result"),
        ("{bytes", "detectors/big-talk.sql:9: says: is no template: expected '}' before end of string"),
        ("{}", "detectors/big-talk.sql:9: says: there is no column '' in the result"),
        (
            "{flows:flow}",
            "detectors/big-talk.sql:9: says: {flows} may only be written so, or as {flows:thing|things}",
        ),
        (
            "{flows!r}",
            "detectors/big-talk.sql:9: says: {flows} may only be written so, or as {flows:thing|things}",
        ),
    ],
)
def test_a_sentence_is_of_the_results_columns(write: Write, says: str, expected: str) -> None:
    """What stands in braces is a column of the result, and the message names the line of the header."""
    text = GOOD.replace("\n[params]", f'says = "{says}"\n\n[params]')
    assert problems(write(detectors__big__talk=text)) == [expected]


def test_resolve_and_says_are_taken_from_the_header(write: Write) -> None:
    """Both may be left out; the configuration may set another resolve time."""
    folder = write(detectors__big__talk=GOOD.replace("\n[params]", 'resolve = "2h"\nsays = "{bytes}"\n\n[params]'))

    detector = catalogue.load([folder]).detectors["big-talk"]
    assert (detector.resolve, detector.says) == (timedelta(hours=2), "{bytes}")
    overrides = {"big-talk": catalogue.Override(resolve=timedelta(days=2))}
    assert catalogue.load([folder], overrides=overrides).detectors["big-talk"].resolve == timedelta(days=2)


@pytest.mark.parametrize("detector", catalogue.load([shipped("queries")]).detectors.values(), ids=lambda d: d.id)
def test_a_shipped_detector_has_its_sentence(detector: catalogue.Detector) -> None:
    """It names who (a workload by its name), what sets the finding apart, how much, and from when to when."""
    told = {name for _, name, _, _ in Formatter().parse(detector.says)}
    assert {name.removesuffix("_arn") for name in detector.key} | {"first_seen", "last_seen"} <= told
    assert told & {"bytes", "flows", "others"}
