"""Which events a finding goes through: opened, seen, resolved, reopened, muted, unmuted.

A detector looks at whole windows. What it saw of a key in a window replaces what it saw there before, so a window may
be looked at again, in any order: where nothing changed there is no event, and nothing is counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, TypeAlias

from flowaudit.config import Mute
from flowaudit.model import Sighting, Window

Row: TypeAlias = Mapping[str, Any]
Covered: TypeAlias = Callable[[Mapping[str, Any], Window], bool]
"""Tells whether flow logs saw all that the subject of a finding (its key) did in a window."""

OPEN, MUTED, RESOLVED = "open", "muted", "resolved"
SETTLED = timedelta(hours=1)
"""How old a moment must be before its silence counts: records arrive late (VPC User Guide, "Flow log records")."""
MUTE = ("until", "owner", "reason", "muted_by")
"""The columns of the mute that is in force; all null where there is none."""
COMMAND, CONFIG = "command", "config"
SEEN = ("window_start", "window_end", "first_seen", "last_seen", "flows", "bytes", "severity", "title")
"""With `evidence` and `sentence` of the window itself: what a look at a window tells of a finding."""


def identity(detector: str, key: Mapping[str, Any]) -> str:
    """Return the short, stable id of a finding: twelve hex digits of a hash over detector and key."""
    return sha256(f"{detector} {_json(key)}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Look:
    """What one detector saw in the windows it looked at.

    `resolve` is how long a finding has to be silent to be resolved; None: silence is not judged, for there may be
    records that the detector has not looked at.
    """

    detector: str
    windows: Collection[Window]
    sightings: Sequence[Sighting]
    resolve: timedelta | None = None

    def rows(self) -> dict[tuple[str, datetime], dict[str, Any]]:
        """Return what was seen, by finding and start of the window."""
        return {(row["id"], row["window_start"]): row for row in map(_row, self.sightings)}


def changes(look: Look, history: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Return what the look tells that `history` does not know, by finding; withdrawn windows come last.

    `history` is the newest of each finding and window that was looked at, and may hold more.
    """
    past = {(row["id"], row["window_start"]): row for row in history}
    seen, looked_at = look.rows(), {window.since for window in look.windows}
    gone = {
        place: {**row, "flows": 0, "bytes": 0, "evidence": "{}"}
        for place, row in past.items()
        if row["flows"] and place[1] in looked_at and place not in seen
    }
    changed: dict[str, list[dict[str, Any]]] = {}
    for rows in (seen, gone):
        for place, row in sorted(rows.items(), key=lambda item: item[0]):
            before = past.get(place)
            if before is None or any(before[name] != row[name] for name in (*SEEN, "evidence", "sentence")):
                changed.setdefault(place[0], []).append({**row, "detector": look.detector})
    return changed


def shrinks(row: Row, before: Row | None) -> bool:
    """Tell whether a window now reaches less far than it did: then first and last are to be looked up anew."""
    if before is None:
        return False
    return not row["flows"] or row["first_seen"] > before["first_seen"] or row["last_seen"] < before["last_seen"]


@dataclass(slots=True)
class Story:
    """One finding through one detect: how it stood (None: never heard of), and the events that are added to that.

    `windows` is what is known of its windows, by their start; `whole` if those are all there are.
    """

    id: str
    standing: Row | None
    mutes: Sequence[Mute]
    now: datetime
    windows: dict[datetime, Row] = field(default_factory=dict)
    whole: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    def look(self, row: Row) -> None:
        """Take up what was seen in one window, in place of what is known of it."""
        was, before = self.standing, self.windows.get(row["window_start"])
        self.windows[row["window_start"]] = row
        whole = self.whole or was is None
        now = _added_up(self.windows.values()) if whole else _extended(was or {}, before, row)
        self.whole = whole
        event, state = _event(was, now)
        own = {name: row[name] if row[name] != now[name] else None for name in ("evidence", "sentence")}
        self._add(event, state, row, {**now, **{f"window_{name}": value for name, value in own.items()}})

    def hear(self, resolve: Mapping[str, timedelta], covered: Covered) -> None:
        """Resolve the finding if it was silent for its detector's resolve time while nothing was hidden."""
        was = self.standing
        if was is not None and is_over(was, resolve, covered, self.now):
            silence = quiet(resolve[was["detector"]], self.now)
            self._add("resolved", RESOLVED, {"window_start": silence.since, "window_end": silence.until})

    def settle(self, before: Row | None) -> None:
        """Say so where another mute is in force than `before`, or one where there was none."""
        was = self.standing
        if was is not None and is_muted_anew(was, before, self.mutes, self.now):
            self._add("muted" if mute_in_force(was, self.mutes, self.now)["until"] else "unmuted", OPEN, {})

    def mute(self, until: datetime, owner: str, reason: str) -> None:
        """Put the finding under a mute of somebody's own."""
        self._add("muted", MUTED, {}, dict(zip(MUTE, (until, owner, reason, COMMAND), strict=True)))

    def unmute(self, state: str) -> None:
        """Take the mute from the finding, which is then open or, if it was, still resolved."""
        self._add("unmuted", state, {}, dict.fromkeys(MUTE))

    def _add(self, event: str, state: str, window: Row, carried: Row | None = None) -> None:
        """Append an event: what `window` tells of its own, and how the finding stands now."""
        was = self.standing or {}
        mute = mute_in_force({**was, **window}, self.mutes, self.now)
        row = {
            **{name: was.get(name) for name in _CARRIED},
            **{name: window.get(name) for name in SEEN if name not in ("severity", "title")},
            **{name: window[name] for name in ("id", "detector", "key", "severity", "title") if name in window},
            **mute,
            **(carried or {}),
            "seq": was.get("seq", 0) + 1,
            "event": event,
            "at": self.now,
        }
        row["state"] = MUTED if state == OPEN and row["until"] else state
        self.events.append(row)
        self.standing = row


_CARRIED = (
    *("id", "detector", "key", "severity", "title", "sentence", "evidence", "evidence_window"),
    *("total_flows", "total_bytes", "first_seen_ever", "last_seen_ever"),
)


def quiet(resolve: timedelta, now: datetime) -> Window:
    """Return the span that has to be silent for a finding to be resolved now."""
    return Window(now - SETTLED - resolve, now - SETTLED)


def is_over(finding: Row, resolve: Mapping[str, timedelta], covered: Covered, now: datetime) -> bool:
    """Tell whether a finding was silent for the resolve time of its detector, if that is judged, and nothing hidden."""
    time = resolve.get(finding["detector"])
    if time is None or finding["state"] == RESOLVED:
        return False
    silence = quiet(time, now)
    return finding["last_seen_ever"] <= silence.since and covered(json.loads(finding["key"]), silence)


def is_muted_anew(finding: Row, before: Row | None, mutes: Sequence[Mute], now: datetime) -> bool:
    """Tell whether a finding that stands is under another mute than `before`, or under none any longer."""
    return finding["state"] != RESOLVED and mute_in_force(finding, mutes, now) != _mute_of(before)


def mute_in_force(finding: Row, mutes: Sequence[Mute], now: datetime) -> dict[str, Any]:
    """Return the columns of the mute that holds a finding now: somebody's own comes before the configuration's."""
    own = _mute_of(finding)
    if own["muted_by"] == COMMAND and own["until"] > now:
        return own
    for mute in mutes:
        if mute.detector == finding["detector"] and mute.until > now and _matches(mute.key, finding["key"]):
            return {"until": mute.until, "owner": mute.owner, "reason": mute.reason, "muted_by": CONFIG}
    return dict.fromkeys(MUTE)


def _matches(patterns: Mapping[str, str], document: str) -> bool:
    key = json.loads(document)
    return all(name in key and fnmatchcase(str(key[name]), pattern) for name, pattern in patterns.items())


def _mute_of(row: Row | None) -> dict[str, Any]:
    return {name: (row or {}).get(name) for name in MUTE}


def _event(was: Row | None, now: Row) -> tuple[str, str]:
    """Name the event that a look is, and the state after it.

    A resolved finding reopens when it is seen later than ever. What comes to light of the time before its silence
    belongs to it and reopens nothing, for the silence is still true.
    """
    if was is None:
        return "opened", OPEN
    if was["state"] != RESOLVED:
        return ("seen", OPEN) if now["total_flows"] else ("resolved", RESOLVED)
    again = not was["total_flows"] or now["last_seen_ever"] > was["last_seen_ever"]
    return ("reopened", OPEN) if now["total_flows"] and again else ("seen", RESOLVED)


def _added_up(windows: Collection[Row]) -> dict[str, Any]:
    """Return how a finding stands by all of its windows; times and words outlast what was withdrawn."""
    standing = [row for row in windows if row["flows"]] or windows
    newest = max(standing, key=lambda row: row["window_start"])
    return {
        "total_flows": sum(row["flows"] for row in windows),
        "total_bytes": sum(row["bytes"] for row in windows),
        "first_seen_ever": min(row["first_seen"] for row in standing),
        "last_seen_ever": max(row["last_seen"] for row in standing),
        "evidence": newest["evidence"],
        "sentence": newest["sentence"],
        "evidence_window": newest["window_start"],
    }


def _extended(was: Row, before: Row | None, row: Row) -> dict[str, Any]:
    """Return the same from how it stood before, where one window came to reach further."""
    newest = row if row["window_start"] >= was["evidence_window"] else was
    return {
        "total_flows": was["total_flows"] + row["flows"] - (before["flows"] if before else 0),
        "total_bytes": was["total_bytes"] + row["bytes"] - (before["bytes"] if before else 0),
        "first_seen_ever": min(was["first_seen_ever"], row["first_seen"]),
        "last_seen_ever": max(was["last_seen_ever"], row["last_seen"]),
        "evidence": newest["evidence"],
        "sentence": newest["sentence"],
        "evidence_window": max(was["evidence_window"], row["window_start"]),
    }


def _row(sighting: Sighting) -> dict[str, Any]:
    return {
        "id": identity(sighting.detector, sighting.key),
        "key": _json(sighting.key),
        "severity": str(sighting.severity),
        "title": sighting.title,
        "sentence": sighting.sentence,
        "window_start": sighting.window.since,
        "window_end": sighting.window.until,
        "first_seen": sighting.first_seen,
        "last_seen": sighting.last_seen,
        "flows": sighting.flows,
        "bytes": sighting.bytes,
        "evidence": _json(sighting.evidence, sort=False),
    }


def _json(value: Mapping[str, Any], *, sort: bool = True) -> str:
    return json.dumps(value, sort_keys=sort, default=str, separators=(",", ":"))
