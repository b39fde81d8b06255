"""Which minutes of SageMaker's interfaces flow logs tell of, so that "no findings" means something.

The judging is the view `coverage_spans`; here it is asked for a window and put into figures, gaps and one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pyarrow as pa

from flowaudit import sql
from flowaudit.lake import Lake
from flowaudit.model import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ROUNDED, REMEMBERED = timedelta(minutes=10), 4
"""To what the windows of a `Witness` are widened, and how many of them it remembers."""
ALLOWANCE = timedelta(minutes=15)
"""How long after the end of its aggregation interval a record may arrive: S3 takes about ten minutes, best effort."""
MARGIN = timedelta(hours=1)
"""How far around a window records may lie that tell of its minutes."""
STALE = timedelta(minutes=30)
"""How old the newest record may be before its age is worth a word."""
NAMED = 3
"""How many interfaces with gaps the one line names."""
VIEWS = (
    "coverage_terms",
    "networks",
    "flow_logs",
    "transit_interfaces",
    "interface_workloads",
    "workload_history",
    "coverage_spans",
    "blind_workloads",
)
"""The views that are needed."""
TABLES = ("flows", "interfaces", "workloads", "topology")
"""The tables that these read."""
TERMS = "SELECT TIMESTAMPTZ '{moment}' AS moment, INTERVAL {allowance} SECOND AS allowance"
RECORDED = "SELECT min(first_record) AS oldest, max(last_record) AS newest FROM objects WHERE kept > 0"
INVENTORIED = """
SELECT EXISTS (SELECT 1 FROM topology UNION ALL SELECT 1 FROM interfaces WHERE status IS DISTINCT FROM 'seen_in_logs')
"""
SPANS = """
SELECT interface_id, vpc_id, state, greatest(since, $since) AS since, least(until, $until) AS until, why
FROM coverage_spans WHERE since < $until AND until > $since
"""
INTERFACES = f"""
SELECT
  spans.interface_id,
  any_value(spans.vpc_id) AS vpc_id,
  any_value(whose.workload_kind) AS workload_kind,
  any_value(whose.workload) AS workload,
  min(since) AS since,
  max(until) AS until,
  CAST(sum(epoch(until) - epoch(since)) // 60 AS BIGINT) AS minutes,
  arg_max(state, until) FILTER (WHERE state <> 'pending') AS latest,
  {{states}}
FROM ({SPANS}) AS spans
LEFT JOIN (
  SELECT interface_id, arg_max(workload_kind, valid_from) AS workload_kind, arg_max(workload, valid_from) AS workload
  FROM interface_workloads GROUP BY interface_id
) AS whose ON whose.interface_id = spans.interface_id
GROUP BY spans.interface_id ORDER BY spans.interface_id
"""
GAPS = f"""
SELECT interface_id, state, since, until, CAST((epoch(until) - epoch(since)) // 60 AS BIGINT) AS minutes, why
FROM ({SPANS}) AS spans WHERE state <> 'covered' ORDER BY interface_id, since
"""
BLIND = """
SELECT
  workload_kind, workload, workload_arn, why,
  min(since) AS since, nullif(max(coalesce(until, $until)), $until) AS until
FROM blind_workloads WHERE since < $until AND coalesce(until, $until) > $since
GROUP BY ALL ORDER BY workload_kind, workload, workload_arn, why
"""
LISTED = "SELECT DISTINCT interface_id FROM interfaces WHERE owner = 'sagemaker'"


class State(StrEnum):
    """What is known of a minute of an interface's life."""

    COVERED = "covered"
    SKIPPED = "skipped"
    MISSING = "missing"
    NOT_MONITORED = "not_monitored"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What flow logs tell of a window, as of `at`.

    `minutes` are interface-minutes by state. `interfaces` has a row each with its workload, VPC, minutes by state and
    the `latest` state that is not pending; `gaps` has one for each span that is not covered, `blind` one for each
    workload that sends by ways no flow log sees. `inventoried` tells whether AWS was ever asked: if not, interfaces
    are those in the records.
    """

    window: Window
    at: datetime
    newest_record: datetime | None
    inventoried: bool
    minutes: Mapping[str, int]
    interfaces: pa.Table
    gaps: pa.Table
    blind: pa.Table
    _known: frozenset[str]
    _lives: Mapping[str, Window] = field(repr=False)
    _gaps: Mapping[str, list[Window]] = field(repr=False)

    def covered(self, key: Mapping[str, Any], window: Window) -> bool:
        """Tell whether every minute of a window is covered for the interface that a finding's key names, or for all.

        Minutes before or after an interface's life count as covered where an inventory tells of its life.
        """
        if not (self.window.since <= window.since and window.until <= self.window.until):
            return False
        interface = key.get("interface_id")
        named = self._gaps if interface is None else [interface]
        if interface is not None and not self._tells_of(interface, window):
            return False
        return not any(_overlap(gap, window) for each in named for gap in self._gaps.get(each, ()))

    def silent(self) -> int:
        """Return the number of interfaces that live and whose newest minutes, as far as judged, are not covered."""
        rows = self.interfaces.select(["until", "latest"]).to_pylist()
        return sum(row["until"] == self.window.until and row["latest"] not in (None, State.COVERED) for row in rows)

    def blind_workloads(self) -> frozenset[str]:
        """Return the ARNs of workloads that send by ways no flow log sees."""
        return frozenset(self.blind.column("workload_arn").to_pylist())

    def _tells_of(self, interface: str, window: Window) -> bool:
        if self.inventoried:
            return interface in self._known
        life = self._lives.get(interface)
        return life is not None and life.since <= window.since and window.until <= life.until


def coverage(
    lake: Lake,
    views: Mapping[str, str],
    window: Window | None = None,
    now: datetime | None = None,
    allowance: timedelta = ALLOWANCE,
    limits: sql.Limits = sql.DEFAULT,
) -> Coverage:
    """Return what flow logs tell of a window, by default of the 24 hours before the newest record, or since the oldest.

    Raises LakeError, QueryError. Nothing is judged after `now`.
    """
    now = now or datetime.now(UTC)
    with sql.connect(lake, tables=("objects",), limits=limits) as ledger:
        recorded = ledger.query(RECORDED).to_pylist()[0]
    window = _whole(window or _recent(recorded["oldest"], recorded["newest"], now), now)
    terms = TERMS.format(moment=now.isoformat(), allowance=int(allowance.total_seconds()))
    needed = {name: select for name, select in views.items() if name in VIEWS} | {"coverage_terms": terms}
    around = Window(window.since - MARGIN, window.until + MARGIN)
    with sql.connect(
        lake, tables=TABLES, views=needed, once=("coverage_spans",), window=around, limits=limits
    ) as engine:
        return _read(engine, window, now, recorded["newest"])


class Witness:
    """Tells whether a finding's silence in a window proves anything: whether all of it was covered.

    Coverage is looked at once for ten minutes of windows: many findings ask for the same one.
    """

    def __init__(self, lake: Lake, views: Mapping[str, str]) -> None:
        self._lake, self._views = lake, views
        self._seen: dict[Window, Coverage] = {}

    def __call__(self, key: Mapping[str, Any], window: Window) -> bool:
        """Tell whether all of a window is covered, as `Coverage.covered` does; raises LakeError, QueryError."""
        around = Window(_floor(window.since), _floor(window.until) + ROUNDED)
        if around not in self._seen:
            self._seen = dict(list(self._seen.items())[1 - REMEMBERED :])
            self._seen[around] = coverage(self._lake, self._views, around)
        return self._seen[around].covered(key, window)


def _floor(moment: datetime) -> datetime:
    return EPOCH + (moment - EPOCH) // ROUNDED * ROUNDED


def _recent(oldest: datetime | None, newest: datetime | None, now: datetime) -> Window:
    if oldest is None or newest is None:
        return Window(now - DAY, now)
    until = min(newest, now)
    return Window(min(max(oldest, until - DAY), until), until)


def _whole(window: Window, now: datetime) -> Window:
    """Return the minutes that a window touches, as far as they have passed."""
    since, until, instant = ((moment - EPOCH) // MINUTE for moment in (window.since, window.until, now))
    until += (window.until - EPOCH) % MINUTE > timedelta()
    return Window(EPOCH + since * MINUTE, EPOCH + min(until, max(instant, since)) * MINUTE)


def _read(engine: sql.Connection, window: Window, now: datetime, newest: datetime | None) -> Coverage:
    bounds = {"since": window.since, "until": window.until}
    minutes = "CAST(coalesce(sum(epoch(until) - epoch(since)) FILTER (WHERE state = '{0}'), 0) // 60 AS BIGINT) AS {0}"
    interfaces = engine.query(INTERFACES.format(states=",\n  ".join(map(minutes.format, State))), bounds)
    gaps = engine.query(GAPS, bounds)
    uncovered: dict[str, list[Window]] = {}
    for gap in gaps.select(["interface_id", "since", "until"]).to_pylist():
        uncovered.setdefault(gap["interface_id"], []).append(Window(gap["since"], gap["until"]))
    lives = interfaces.select(["interface_id", "since", "until"]).to_pylist()
    return Coverage(
        window=window,
        at=now,
        newest_record=newest,
        inventoried=bool(engine.query(INVENTORIED).column(0)[0].as_py()),
        minutes={state: sum(interfaces.column(state).to_pylist()) for state in State},
        interfaces=interfaces,
        gaps=gaps,
        blind=engine.query(BLIND, bounds),
        _known=frozenset(engine.query(LISTED).column(0).to_pylist()),
        _lives={life["interface_id"]: Window(life["since"], life["until"]) for life in lives},
        _gaps=uncovered,
    )


def _overlap(one: Window, other: Window) -> bool:
    return one.since < other.until and other.since < one.until


def line(lake: Lake, views: Mapping[str, str], now: datetime | None = None) -> str:
    """Return `statement` of the newest records, or why there is none: no verb fails for what is said beside."""
    try:
        return statement(coverage(lake, views, now=now))
    except Exception as error:  # noqa: BLE001  whatever it is, the verb's own result stands
        return f"coverage: not known: {' '.join(str(error).split()) or type(error).__name__}"


def statement(found: Coverage) -> str:
    """Return in one line how much of the window is covered, and what is not."""
    parts = [_share_of(found), *_open(found)]
    if found.blind.num_rows:
        workloads = len(found.blind_workloads())
        verb = "workload sends" if workloads == 1 else "workloads send"
        parts.append(f"{workloads:,} {verb} by ways no flow log sees")
    if found.newest_record and found.at - found.newest_record > STALE:
        parts.append(f"the newest record is {_length(found.at - found.newest_record)} old")
    if not found.inventoried:
        parts.append("without an inventory (`flowaudit discover`) what has no record is unknown")
    return "coverage: " + "; ".join(parts)


def share(minutes: Mapping[str, int]) -> float | None:
    """Return the covered part, of 1, of the minutes that are not pending; None where there are none."""
    judged = sum(minutes.values()) - minutes[State.PENDING]
    return minutes[State.COVERED] / judged if judged else None


def percent(part: float) -> str:
    """Return a part of 1 in percent, rounded down: what is not all is not 100 %."""
    return "100 %" if part == 1 else f"{int(part * 1000) / 10:.1f} %"


def _share_of(found: Coverage) -> str:
    span = f"in the {_length(found.window.until - found.window.since)} to {found.window.until:%Y-%m-%dT%H:%MZ}"
    total = sum(found.minutes.values())
    if not total:
        return f"nothing to cover: no SageMaker interface {span}"
    part = share(found.minutes)
    judged = total - found.minutes[State.PENDING]
    return f"{percent(part)} of {judged:,} interface-minutes {span}" if part is not None else f"all is pending {span}"


def _open(found: Coverage) -> list[str]:
    """Return how many minutes are in each of the other states, with the first interfaces that miss some."""
    words = {State.MISSING: "missing", State.SKIPPED: "skipped by AWS", State.NOT_MONITORED: "not monitored"}
    parts = []
    for state, word in words.items():
        if minutes := found.minutes[state]:
            rows = zip(*(found.gaps.column(name).to_pylist() for name in ("interface_id", "state")), strict=True)
            names = sorted({interface for interface, each in rows if each == state})
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            parts.append(f"{minutes:,} {word} ({', '.join(names[:NAMED])}{more})")
    if found.minutes[State.PENDING]:
        parts.append(f"{found.minutes[State.PENDING]:,} pending")
    return parts


def _length(span: timedelta) -> str:
    """Return a length of time in its largest fitting unit: 24h, 3d, 12m."""
    minutes = int(span / MINUTE)
    if minutes >= 3 * 24 * 60:
        return f"{minutes // (24 * 60)}d"
    return f"{minutes // 60}h" if minutes >= 120 else f"{minutes}m"  # noqa: PLR2004
