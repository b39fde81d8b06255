"""Findings as a log of the Static Analysis Results Interchange Format, 2.1.0 (OASIS): detectors are its rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flowaudit import __version__
from flowaudit.catalogue import Detector
from flowaudit.exchange.case import PRODUCT, Case, clean, fit, section, stamp

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"low": "note", "medium": "warning", "high": "error", "critical": "error"}
SCORES = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""`security-severity` as code scanning reads it: in the middle of each band of CVSS."""


def log(cases: Sequence[Case], detectors: Iterable[Detector]) -> dict[str, Any]:
    """Return findings as they stand as one run; `detectors` are those that could have found something."""
    rules = {detector.id: _rule(detector) for detector in detectors}
    for case in cases:
        rules.setdefault(case.finding.detector, {"id": clean(case.finding.detector)})
    places = {id: place for place, id in enumerate(rules)}
    driver = {"name": PRODUCT, "organization": PRODUCT, "version": __version__, "rules": list(rules.values())}
    results = [_result(case, places[case.finding.detector]) for case in cases]
    return {"$schema": SCHEMA, "version": VERSION, "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(detector: Detector) -> dict[str, Any]:
    title, prose = clean(detector.title), "\n\n".join(map(clean, detector.prose.split("\n\n")))
    return {
        "id": detector.id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": section(detector.prose, "What it means") or title},
        "help": {"text": prose or title},
        "defaultConfiguration": {"level": LEVELS[detector.severity]},
        "properties": {
            "security-severity": SCORES[detector.severity],
            "tags": list(dict.fromkeys(("security", *map(clean, detector.attack)))),
        },
    }


def _result(case: Case, rule: int) -> dict[str, Any]:
    """Return a finding: `fail` while it stands, `pass` once nothing of it is left, suppressed while it is muted."""
    finding, standing = case.finding, case.standing
    return {
        "ruleId": clean(finding.detector),
        "ruleIndex": rule,
        "kind": standing.kind,
        "level": LEVELS[finding.severity] if standing.kind == "fail" else "none",
        "message": {"text": case.summary},
        "locations": [{"logicalLocations": [_location(case)]}],
        "partialFingerprints": {"flowauditFindingId/v1": finding.id},
        "suppressions": [{"kind": "external", "status": "accepted"}] if standing.suppressed else [],
        "provenance": {
            "firstDetectionTimeUtc": stamp(finding.first_seen),
            "lastDetectionTimeUtc": stamp(finding.last_seen),
        },
        "properties": {
            "state": finding.state,
            "severity": finding.severity,
            "flows": finding.flows,
            "bytes": finding.bytes,
            "key": fit(finding.key),
            "evidence": fit(finding.evidence),
        },
    }


def _location(case: Case) -> dict[str, str]:
    return {"name": case.interface or case.subject, "fullyQualifiedName": case.subject, "kind": "resource"}
