"""What the log of events says, as far as a detect needs to know it, and what follows from looks upon that.

What is read is bounded: the newest event of each finding and window that was looked at, and how those findings stand
that were seen, that may be silent, or that a mute may concern. Only where a window reaches less far than it did, or
something withdrawn comes back, are all windows of that finding read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from flowaudit import sql
from flowaudit.config import Mute
from flowaudit.findings.lifecycle import (
    MUTE,
    Covered,
    Look,
    Row,
    Story,
    changes,
    is_muted_anew,
    is_over,
    quiet,
    shrinks,
)
from flowaudit.schema import FINDINGS

_STANDING = f"""
WITH newest AS (SELECT id, max(seq) AS seq FROM findings GROUP BY id)
SELECT id, seq, detector, state, key, severity, title, sentence, evidence, evidence_window,
  total_flows, total_bytes, first_seen_ever, last_seen_ever, {", ".join(MUTE)}
FROM newest JOIN findings USING (id, seq)
"""
_THESE = f"{_STANDING} WHERE id IN (SELECT unnest($ids))"
_LIVING = f"""
WITH newest AS (SELECT id, max(seq) AS seq FROM findings GROUP BY id)
SELECT id, detector, state, key, last_seen_ever, {", ".join(MUTE)}
FROM newest JOIN findings USING (id, seq)
WHERE state <> 'resolved' AND (
  muted_by IS NOT NULL OR list_contains($muted, detector)
  OR (list_contains($judged, detector) AND last_seen_ever <= $silent))
"""
"""Findings that silence or a mute may change: there may be many, so without their texts."""
_WINDOWS = """
SELECT id, key, severity, title, window_start, window_end, first_seen, last_seen, flows, bytes,
  coalesce(window_evidence, evidence) AS evidence, coalesce(window_sentence, sentence) AS sentence
FROM findings
WHERE flows IS NOT NULL AND {which}
QUALIFY row_number() OVER (PARTITION BY id, window_start ORDER BY seq DESC) = 1
"""
_LOOKED_AT = _WINDOWS.format(which="detector = $detector AND window_start IN (SELECT unnest($starts))")
_WHOLE = _WINDOWS.format(which="id IN (SELECT unnest($ids))")
SEEN_WITHIN = f"""
SELECT DISTINCT key, window_start, window_end
FROM ({_WINDOWS.format(which="detector = $detector AND window_start < $until AND window_end > $since")})
WHERE flows > 0
"""
"""Where one detector's findings were seen, and still are, in windows that overlap a span."""


def follow(
    log: sql.Connection, looks: Sequence[Look], mutes: Sequence[Mute], covered: Covered, now: datetime
) -> pa.Table:
    """Return the events (columns of `schema.FINDINGS`) that bring the log up to what was seen, is silent, or is muted.

    `log` sees the table `findings` as it is.
    """
    news: dict[str, list[dict[str, Any]]] = {}
    history: dict[tuple[str, datetime], Row] = {}
    for look in looks:
        known = _looked_at(log, look)
        history |= {(row["id"], row["window_start"]): row for row in known}
        news |= changes(look, known)
    resolve = {look.detector: look.resolve for look in looks if look.resolve is not None}
    changing = _changing(log, resolve, mutes, covered, now)
    ids = sorted({*news, *changing})
    standing = {row["id"]: row for row in (log.query(_THESE, {"ids": ids}).to_pylist() if ids else ())}
    whole = _whole(log, news, history, standing)
    events: list[dict[str, Any]] = []
    for id in ids:
        rows = news.get(id, ())
        starts = [row["window_start"] for row in rows if (id, row["window_start"]) in history]
        windows = whole.get(id, {start: history[id, start] for start in starts})
        story = Story(id, standing.get(id), mutes, now, windows, id in whole)
        events += _told(story, rows, resolve, covered)
    return pa.Table.from_pylist(events, FINDINGS)


def standing(log: sql.Connection, id: str) -> Row | None:
    """Return how one finding stands, by its whole id; None if there is none."""
    rows = log.query(f"{_STANDING} WHERE id = $id", {"id": id}).to_pylist()
    return rows[0] if rows else None


def _told(
    story: Story, rows: Sequence[Row], resolve: Mapping[str, timedelta], covered: Covered
) -> list[dict[str, Any]]:
    """Return one finding's events: what was seen first, then silence, then mutes."""
    before = story.standing
    for row in rows:
        story.look(row)
    story.hear(resolve, covered)
    story.settle(before)
    return story.events


def _looked_at(log: sql.Connection, look: Look) -> list[Row]:
    if not look.windows:
        return []
    starts = [window.since for window in look.windows]
    return log.query(_LOOKED_AT, {"detector": look.detector, "starts": starts}).to_pylist()


def _changing(
    log: sql.Connection, resolve: Mapping[str, timedelta], mutes: Sequence[Mute], covered: Covered, now: datetime
) -> list[str]:
    """Return the ids of findings that silence resolves, or that another mute holds than before."""
    params = {
        "muted": sorted({mute.detector for mute in mutes}),
        "judged": list(resolve),
        "silent": quiet(min(resolve.values(), default=timedelta()), now).since,
    }
    living = log.query(_LIVING, params).to_pylist()
    return [row["id"] for row in living if is_muted_anew(row, row, mutes, now) or is_over(row, resolve, covered, now)]


def _whole(
    log: sql.Connection,
    news: Mapping[str, Sequence[Row]],
    history: Mapping[tuple[str, datetime], Row],
    standing: Mapping[str, Row],
) -> dict[str, dict[datetime, Row]]:
    """Return all windows of those findings whose first, last or newest sighting cannot be carried on, by id."""
    ids = [
        id
        for id, rows in news.items()
        if id in standing
        and (
            not standing[id]["total_flows"] or any(shrinks(row, history.get((id, row["window_start"]))) for row in rows)
        )
    ]
    whole: dict[str, dict[datetime, Row]] = {}
    for row in log.query(_WHOLE, {"ids": ids}).to_pylist() if ids else ():
        whole.setdefault(row["id"], {})[row["window_start"]] = row
    return whole
