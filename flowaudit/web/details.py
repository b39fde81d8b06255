"""The data of one finding's page: what was seen, why it says so, what to do, its records, its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flowaudit.app import App
from flowaudit.catalogue import Detector
from flowaudit.errors import ConfigError
from flowaudit.exchange.case import section
from flowaudit.explain import about, explain, words
from flowaudit.explain.values import Remedy
from flowaudit.findings import Finding
from flowaudit.findings.records import READ, records
from flowaudit.web.labels import Grid, Row, evidence, grid, spoken
from flowaudit.web.listing import Findings, Found
from flowaudit.web.snapshot import Part, part
from flowaudit.web.threads import LIMITS

MOST_RECORDS = 50
TOLD = frozenset({"workload", "workload_kind", "path", "top_remotes"})
"""Evidence that has a place of its own on the page."""


@dataclass(frozen=True, slots=True)
class Argument:
    """Why the traffic to one address took its path, in sentences under headings, and what to do about it.

    `others` are addresses whose path or proof differs, `alike` counts those of which it is the same.
    """

    interface: str
    remote: str
    at: datetime
    decided: Sequence[str]
    sections: Sequence[tuple[str, Sequence[str]]]
    remedies: Sequence[Remedy]
    others: Sequence[str]
    alike: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A finding's page; `argument` has neither value nor error where the finding is about no interface or no remotes.

    `records` has the first of those behind it, none where its key is not one of flow log records.
    """

    row: Row
    detector: Detector | None
    means: str
    advice: str
    blind: str
    facts: Sequence[tuple[str, str]]
    grids: Sequence[Grid]
    destinations: Grid | None
    argument: Part[Argument | None]
    records: Part[Grid | None]
    history: Part[Found]


def details(app: App, findings: Findings, row: Row) -> Details:
    """Return all about a finding."""
    finding, detector = row.finding, app.catalogue.detectors.get(row.finding.detector)
    prose = detector.prose if detector else ""
    facts, grids = evidence({**finding.key, **finding.evidence}, TOLD)
    top = finding.evidence.get("top_remotes")
    has_top = isinstance(top, list) and bool(top) and all(isinstance(each, dict) for each in top)
    return Details(
        row=row,
        detector=detector,
        means=section(prose, "What it means"),
        advice=section(prose, "What to do"),
        blind=section(prose, "Blind spots"),
        facts=facts,
        grids=grids,
        destinations=grid("top_remotes", top) if has_top and isinstance(top, list) else None,
        argument=part("explanation", lambda: _argument(app, finding)),
        records=part("records", lambda: _records(app, finding)),
        history=part("history", lambda: findings.found(finding)),
    )


def _argument(app: App, finding: Finding) -> Argument | None:
    """Return why the verdict is so, None where the finding is about no interface or no remotes."""
    try:
        question = about(finding)
    except ConfigError:
        return None
    answer = explain(app.lake, app.catalogue.views, app.atlas(), question, app.config.policy.internet_paths, LIMITS)
    sections = [(heading, [spoken(each) for each in told]) for heading, told in words.sections(answer)]
    verdict = answer.verdict.path, answer.verdict.evidence
    others = [each for each in answer.others if (each.path, each.evidence) != verdict]
    return Argument(
        interface=answer.interface_id,
        remote=answer.remote,
        at=answer.at,
        decided=sections[-1][1],
        sections=sections[:-1],
        remedies=answer.remedies,
        others=[spoken(words.other(each)) for each in others],
        alike=len(answer.others) - len(others),
    )


def _records(app: App, finding: Finding) -> Grid | None:
    """Return the first records behind a finding, None where its key has no column of flow log records."""
    try:
        found = records(app.lake, app.catalogue.views, finding, READ, MOST_RECORDS, LIMITS)
    except ConfigError:
        return None
    return grid("records", found.to_pylist(), READ, MOST_RECORDS)
