"""The neutral JSON of an event, as sent to webhooks, topics, queues and event buses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowaudit.exchange.case import clean, fit, stamp
from flowaudit.sinks import Event

VERSION = "1"
"""Changes when a field changes its meaning or goes away; fields may be added without."""
MOST = 18_000
"""Bytes of a finding as JSON: with an envelope it stays below the 20 KB that Standard Webhooks 1.0 advises."""
MOST_KEY, MOST_REMOTES, MOST_WORDS, MOST_NAME = 3_000, 10, 1_000, 256


def document(event: Event) -> dict[str, Any]:
    """Return an event as JSON of less than 20 KB; `truncated` marks that parts of key or evidence are left out."""
    return {
        "version": VERSION,
        "id": event.id,
        "type": f"finding.{event.kind.value}",
        "time": stamp(event.at),
        "finding": _finding(event),
    }


def encode(value: Any) -> bytes:  # noqa: ANN401  JSON
    """Return compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")


def _finding(event: Event) -> dict[str, Any]:
    case, finding = event.case, event.case.finding
    key = _within(finding.key, MOST_KEY)
    fields = {
        "id": finding.id,
        "event": event.kind.value,
        "seq": event.seq,
        "detector": clean(finding.detector, MOST_NAME),
        "severity": finding.severity,
        "state": finding.state,
        "title": case.title,
        "sentence": clean(finding.sentence, MOST_WORDS),
        "key": key,
        "account": case.account,
        "region": case.region,
        "workload": clean(case.told("workload"), MOST_NAME) or None,
        "path": clean(case.path or "", MOST_NAME) or None,
        "opened": stamp(case.opened),
        "first_seen": stamp(finding.first_seen),
        "last_seen": stamp(finding.last_seen),
        "flows": finding.flows,
        "bytes": finding.bytes,
        "top_remotes": _remotes(event),
        "mute": _mute(event),
        "explain": f"flowaudit explain {finding.id}",
    }
    evidence = {name: value for name, value in finding.evidence.items() if name != "top_remotes"}
    room = _within(evidence, MOST - len(encode(fields)) - len('"evidence":,"truncated":false'))
    return {**fields, "evidence": room, "truncated": len(room) < len(evidence) or len(key) < len(finding.key)}


def _remotes(event: Event) -> list[dict[str, Any]]:
    names = ("address", "port", "protocol", "bytes", "flows")
    return [{name: getattr(remote, name) for name in names} for remote in event.case.remotes[:MOST_REMOTES]]


def _mute(event: Event) -> dict[str, Any] | None:
    finding = event.case.finding
    if finding.until is None:
        return None
    owner, reason = clean(finding.owner or "", MOST_NAME), clean(finding.reason or "", MOST_NAME)
    return {"until": stamp(finding.until), "owner": owner, "reason": reason}


def _within(values: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return as many of the values, in their order, as JSON of so many bytes holds; those too large are left out."""
    held: dict[str, Any] = {}
    left = most - len("{}")
    for name, value in values.items():
        member = fit({name: value})
        if (size := len(encode(member))) <= left:
            held |= member
            left -= size
    return held
