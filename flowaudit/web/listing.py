"""Findings of the lake for pages: bounded, and with how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowaudit import sql
from flowaudit.app import App
from flowaudit.findings import Finding
from flowaudit.web.labels import Row, row
from flowaudit.web.threads import LIMITS

COUNTED = "SELECT state, detector, severity, count(*) AS findings FROM findings_current GROUP BY ALL ORDER BY ALL"
LISTED = """
SELECT id, state, count(*) OVER (PARTITION BY state) AS total
FROM findings_current
WHERE list_contains($states, state) AND ($detector IS NULL OR detector = $detector)
  AND (state <> 'resolved' OR updated_at >= $since)
QUALIFY row_number() OVER (PARTITION BY state ORDER BY {order}) <= $most
ORDER BY list_position($states, state), {order}
"""
ORDER = "list_position(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, id"
NAMED = "SELECT {columns} FROM findings_current WHERE list_contains($ids, id)"
BEGINNING = "SELECT id FROM findings_current WHERE starts_with(id, $id) ORDER BY id LIMIT $most"
HISTORY = """
SELECT event, "at", until, owner, reason, muted_by FROM findings
WHERE id = $id AND event <> 'seen' ORDER BY seq DESC LIMIT $most
"""
SEEN = """SELECT count(*) AS times, max("at") AS newest FROM findings WHERE id = $id AND event = 'seen'"""
MOST_EVENTS, MOST_IDS = 50, 50


@dataclass(frozen=True, slots=True)
class Listed:
    """Some findings of one state, and how many there are in all."""

    rows: tuple[Row, ...] = ()
    total: int = 0

    @property
    def more(self) -> int:
        """Number of those left out."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Listing:
    """Findings by state, and the counts of all by state, detector and severity."""

    states: Mapping[str, Listed]
    counts: Sequence[Mapping[str, Any]]

    def open(self) -> dict[str, int]:
        """Return the number of open findings by severity."""
        found: dict[str, int] = {}
        for each in self.counts:
            if each["state"] == "open":
                found[each["severity"]] = found.get(each["severity"], 0) + each["findings"]
        return found

    def count(self, state: str | None = None, detector: str | None = None) -> int:
        """Return the number of findings in a state, of a detector, or all."""
        return sum(
            each["findings"]
            for each in self.counts
            if state in (None, each["state"]) and detector in (None, each["detector"])
        )

    def detectors(self) -> list[str]:
        """Return the detectors that have found anything."""
        return sorted({each["detector"] for each in self.counts})


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with its events, newest first; `seen` has how often it was seen again, and when it last was."""

    finding: Finding
    events: Sequence[Mapping[str, Any]] = field(default_factory=list)
    seen: Mapping[str, Any] = field(default_factory=dict)


class Findings:
    """The findings of an application's lake; raises LakeError, QueryError."""

    def __init__(self, app: App) -> None:
        self._app = app

    def listing(self, states: Sequence[str], since: datetime, most: int, detector: str | None = None) -> Listing:
        """Return the worst findings of some states, at most so many of each, resolved ones from a time on."""
        params = {"states": list(states), "detector": detector, "since": since, "most": most}
        with self._engine() as engine:
            counts = engine.query(COUNTED).to_pylist()
            listed = engine.query(LISTED.format(order=ORDER), params).to_pylist()
            known = _read(engine, [each["id"] for each in listed])
        found = {}
        for state in states:
            of_it = [each for each in listed if each["state"] == state]
            rows = tuple(row(known[each["id"]]) for each in of_it if each["id"] in known)
            found[state] = Listed(rows, of_it[0]["total"] if of_it else 0)
        return Listing(found, counts)

    def beginning(self, id: str) -> list[Row]:
        """Return the findings whose id begins like this, or the one that has just this id."""
        with self._engine() as engine:
            ids = engine.query(BEGINNING, {"id": id, "most": MOST_IDS}).column(0).to_pylist()
            known = _read(engine, [id] if id in ids else ids)
        return [row(known[each], 2_000) for each in sorted(known)]

    def found(self, finding: Finding) -> Found:
        """Return a finding with its events."""
        with self._engine() as engine:
            events = engine.query(HISTORY, {"id": finding.id, "most": MOST_EVENTS}).to_pylist()
            return Found(finding, events, engine.query(SEEN, {"id": finding.id}).to_pylist()[0])

    def _engine(self) -> sql.Connection:
        views = {"findings_current": self._app.catalogue.views["findings_current"]}
        return sql.connect(self._app.lake, tables=("findings",), views=views, limits=LIMITS)


def _read(engine: sql.Connection, ids: Sequence[str]) -> dict[str, Finding]:
    """Return findings by id; evidence is large, and read of these only."""
    if not ids:
        return {}
    query = NAMED.format(columns=", ".join(Finding.__slots__))
    return {each["id"]: Finding.of(each) for each in engine.query(query, {"ids": list(ids)}).to_pylist()}
