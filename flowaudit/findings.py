"""What makes two sightings one finding, and which event each new sighting is.

A detector looks at whole windows. What it saw of a key in a window replaces what it saw there before, so a window may
be looked at again, in any order: where nothing changed there is no event, and nothing is counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa

from flowaudit.model import Sighting, Window
from flowaudit.schema import FINDINGS

HISTORY = """
SELECT id, key, severity, title, window_start, window_end, first_seen, last_seen, flows, bytes, evidence
FROM (SELECT *, row_number() OVER (PARTITION BY id, window_start ORDER BY "at" DESC) AS age FROM findings
      WHERE detector = $detector)
WHERE age = 1
"""
"""The newest event of each window of one detector's findings: what `transitions` compares with."""


def identity(detector: str, key: Mapping[str, Any]) -> str:
    """Return the short, stable id of a finding: twelve hex digits of a hash over detector and key."""
    return sha256(f"{detector} {_json(key)}".encode()).hexdigest()[:12]


def transitions(
    detector: str,
    windows: Collection[Window],
    sightings: Iterable[Sighting],
    history: Sequence[Mapping[str, Any]],
    now: datetime,
) -> pa.Table:
    """Return the events (columns of `schema.FINDINGS`) that bring `history` up to what was seen in `windows`.

    `history` holds rows of `HISTORY` for this detector.
    """
    past = {(row["id"], row["window_start"]): row for row in history}
    flows = _totals(history)
    looked_at = {window.since for window in windows}
    seen = {(row["id"], row["window_start"]): row for row in map(_row, sightings)}
    gone = {
        place: _withdrawn(row)
        for place, row in past.items()
        if row["flows"] and place[1] in looked_at and place not in seen
    }
    events = []
    for place, row in sorted((seen | gone).items(), key=lambda item: (item[0][1], item[0][0])):
        before = past.get(place)
        if before is not None and _same(before, row):
            continue
        was = flows.get(row["id"])
        flows[row["id"]] = (was or 0) - (before["flows"] if before else 0) + row["flows"]
        events.append(row | {"detector": detector, "event": _event(was, flows[row["id"]]), "at": now})
    return pa.Table.from_pylist(events, FINDINGS)


def _totals(history: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for row in history:
        totals[row["id"]] = totals.get(row["id"], 0) + row["flows"]
    return totals


def _event(was: int | None, now: int) -> str:
    """Name the event that takes a finding from `was` flows (None: never heard of) to `now`."""
    if was is None:
        return "opened"
    if not now:
        return "resolved"
    return "seen" if was else "reopened"


def _row(sighting: Sighting) -> dict[str, Any]:
    return {
        "id": identity(sighting.detector, sighting.key),
        "key": _json(sighting.key),
        "severity": str(sighting.severity),
        "title": sighting.title,
        "window_start": sighting.window.since,
        "window_end": sighting.window.until,
        "first_seen": sighting.first_seen,
        "last_seen": sighting.last_seen,
        "flows": sighting.flows,
        "bytes": sighting.bytes,
        "evidence": _json(sighting.evidence, sort=False),
    }


def _withdrawn(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a window's row once nothing is left of what was seen there."""
    return {**row, "flows": 0, "bytes": 0, "evidence": "{}"}


def _same(before: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(before[name] == value for name, value in row.items())


def _json(value: Mapping[str, Any], *, sort: bool = True) -> str:
    return json.dumps(value, sort_keys=sort, default=str, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as it stands: what `findings --format json` prints of it."""

    id: str
    detector: str
    severity: str
    state: str
    key: dict[str, Any]
    first_seen: datetime
    last_seen: datetime
    flows: int
    bytes: int
    evidence: dict[str, Any]
    title: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Finding:
        """Return the finding of a row of the view `findings_current`."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {"key": json.loads(row["key"]), "evidence": json.loads(row["evidence"] or "{}")})
