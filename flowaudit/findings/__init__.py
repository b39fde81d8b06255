"""Findings: what makes two sightings one, what becomes of it, and who does not want to hear of it.

The log of events is all there is. Each event has two halves: what was seen in one window, and the finding as it stands
after the event, so that the newest event of a finding is the finding. Writers come one after another
(`Lake.log`), so sums that each event carries on from the one before are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowaudit.findings.lifecycle import OPEN, SETTLED, Covered, Look, identity
from flowaudit.findings.mutes import mute, unmute
from flowaudit.findings.past import SEEN_WITHIN, follow

__all__ = [
    "OPEN",
    "SEEN_WITHIN",
    "SETTLED",
    "Covered",
    "Finding",
    "Look",
    "follow",
    "identity",
    "mute",
    "unmute",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as it stands: what `findings --format json` prints of it."""

    id: str
    detector: str
    severity: str
    state: str
    sentence: str
    key: dict[str, Any]
    first_seen: datetime
    last_seen: datetime
    flows: int
    bytes: int
    evidence: dict[str, Any]
    title: str
    until: datetime | None
    owner: str | None
    reason: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Finding:
        """Return the finding of a row of the view `findings_current`."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {"key": _object(row["key"]), "evidence": _object(row["evidence"])})


def _object(text: str | None) -> dict[str, Any]:
    """Return a JSON object, empty where the text is none: one broken row must not keep the others from being read."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
