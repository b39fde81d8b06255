"""An event as JSON: the document that every sink with a format of our own sends."""

from __future__ import annotations

from typing import Any

from flowaudit.exchange.case import fit, stamp
from flowaudit.sinks import Event

VERSION = "1"


def document(event: Event) -> dict[str, Any]:
    """Return an event and its finding as one JSON object with names in snake_case."""
    found = event.case.finding
    finding = {
        "id": found.id,
        "event": str(event.kind),
        "seq": event.seq,
        "detector": found.detector,
        "severity": found.severity,
        "state": found.state,
        "title": found.title,
        "sentence": found.sentence,
        "key": found.key,
        "account": event.case.account,
        "region": event.case.region,
        "path": event.case.path,
        "first_seen": stamp(found.first_seen),
        "last_seen": stamp(found.last_seen),
        "flows": found.flows,
        "bytes": found.bytes,
        "evidence": found.evidence,
    }
    return {
        "version": VERSION,
        "id": event.id,
        "type": f"finding.{event.kind}",
        "time": stamp(event.at),
        "finding": fit(finding),
    }
