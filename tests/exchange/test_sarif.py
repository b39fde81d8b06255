"""Logs are what the JSON schema of SARIF 2.1.0 (OASIS, errata 01) says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flowaudit.catalogue import Detector
from flowaudit.exchange import Case, sarif
from tests.exchange.conftest import texts

SCHEMA: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"results"}),
    "tool": ({"driver"}, set()),
    "driver": ({"name"}, {"organization", "version", "rules"}),
    "rule": (
        {"id"},
        {"shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"},
    ),
    "result": (
        {"message"},
        {
            "ruleId",
            "ruleIndex",
            "kind",
            "level",
            "locations",
            "partialFingerprints",
            "suppressions",
            "provenance",
            "properties",
        },
    ),
    "location": (set(), {"logicalLocations"}),
    "logicalLocation": (set(), {"name", "fullyQualifiedName", "kind"}),
    "suppression": ({"kind"}, {"status"}),
    "text": ({"text"}, set()),
    "provenance": (set(), {"firstDetectionTimeUtc", "lastDetectionTimeUtc"}),
    "configuration": (set(), {"level"}),
}
"""What the schema requires of each object, and what we may write beside it: the schema allows no other names."""
LEVELS = {"none", "note", "warning", "error"}
KINDS = {"notApplicable", "pass", "fail", "review", "open", "informational"}


def objects(log: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a log, with what it is."""
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    yield from (("log", log), ("run", run), ("tool", run["tool"]), ("driver", driver))
    for rule in driver["rules"]:
        yield "rule", rule
        yield from (("text", rule[name]) for name in ("shortDescription", "fullDescription", "help") if name in rule)
        yield "configuration", rule.get("defaultConfiguration", {})
    for result in run["results"]:
        yield from (("result", result), ("text", result["message"]), ("provenance", result["provenance"]))
        yield from (("suppression", one) for one in result["suppressions"])
        for location in result["locations"]:
            yield "location", location
            yield from (("logicalLocation", one) for one in location["logicalLocations"])


def test_logs_are_valid(case: Case, detectors: dict[str, Detector]) -> None:
    """Whatever the finding, each object has what it must have and no name that the schema does not know."""
    log = sarif.log([case], detectors.values())
    assert json.loads(json.dumps(log)) == log
    assert log["version"] == "2.1.0"
    for kind, found in objects(log):
        required, allowed = SCHEMA[kind]
        assert required <= set(found) <= required | allowed, kind


def test_results_point_at_their_rules(case: Case, detectors: dict[str, Detector]) -> None:
    """Each result names a rule that is there, at the index it says, with words of the schema; `pass` has no level."""
    (run,) = sarif.log([case], detectors.values())["runs"]
    (result,) = run["results"]
    rules = run["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert result["kind"] in KINDS
    assert result["level"] in LEVELS
    assert (result["level"] == "none") == (result["kind"] == "pass")
    assert set(result["partialFingerprints"].values()) == {case.finding.id}
    for text in (result["message"]["text"], result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]):
        assert text.strip()
        assert text.isprintable()
    for moment in result["provenance"].values():
        assert datetime.fromisoformat(moment).tzinfo


def test_detectors_are_rules(detectors: dict[str, Detector]) -> None:
    """Without any finding the log is whole: one run, every detector with its words, severity and techniques."""
    (run,) = sarif.log([], detectors.values())["runs"]
    assert run["results"] == []
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(rules) == set(detectors)
    rule = rules["s3-bypasses-endpoint"]
    assert rule["shortDescription"] == {"text": "S3 traffic bypasses the VPC endpoint"}
    assert "Blind spots:" in rule["help"]["text"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"] == {"security-severity": "8.0", "tags": ["security", "T1537", "T1567.002"]}
    assert all(0 < float(rule["properties"]["security-severity"]) <= 10 for rule in rules.values())
    assert sarif.log([], [])["runs"][0]["tool"]["driver"]["rules"] == []


def test_nobody_writes_on_the_readers_terminal(cases: dict[str, Case], detectors: dict[str, Detector]) -> None:
    """Texts from logs lose their control characters and are cut; only a detector's own words have lines."""
    log = sarif.log([cases["hostile"]], detectors.values())
    json.dumps(log, allow_nan=False)
    for text in texts(log["runs"][0]["results"]):
        assert text.isprintable()
        assert len(text) <= 4096


def test_a_state_is_a_kind(cases: dict[str, Case], detectors: dict[str, Detector]) -> None:
    """An open finding fails, a resolved one passes, a muted one is suppressed; a result always says which."""
    log = sarif.log([cases["open"], cases["resolved"], cases["muted"]], detectors.values())
    told = [(one["kind"], one["level"], one["suppressions"]) for one in log["runs"][0]["results"]]
    assert told == [
        ("fail", "error", []),
        ("pass", "none", []),
        ("fail", "error", [{"kind": "external", "status": "accepted"}]),
    ]


def test_a_result_is_where_its_interface_is(cases: dict[str, Case], detectors: dict[str, Detector]) -> None:
    """A finding has no file: its place is the interface, by ARN where account and region are known."""
    results = sarif.log([cases["open"], cases["another key"]], detectors.values())["runs"][0]["results"]
    assert [result["locations"][0]["logicalLocations"][0] for result in results] == [
        {
            "name": "eni-0a1b2c3d4e5f60711",
            "fullyQualifiedName": "arn:aws:ec2:eu-west-1:123456789012:network-interface/eni-0a1b2c3d4e5f60711",
            "kind": "resource",
        },
        {"name": "day=2026-05-04", "fullyQualifiedName": "day=2026-05-04", "kind": "resource"},
    ]
