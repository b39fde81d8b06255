"""Loop 2: lake → detector → findings.

Each detector looks at whole windows, aligned to the epoch: those that new batches have touched since it last looked,
or those that it is told to look at. What it saw there before is replaced, so looking twice changes nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Event
from typing import Any, TypeAlias

import pyarrow as pa

from flowaudit import findings, sentences, sql
from flowaudit.catalogue import Catalogue, Detector
from flowaudit.config import Mute
from flowaudit.errors import QueryError
from flowaudit.findings import Covered, Look
from flowaudit.lake import Lake, retried
from flowaudit.lake.maintenance import expired
from flowaudit.model import DetectReport, Sighting, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MARGIN = timedelta(hours=1)
"""How far around a day records may lie that say what an interface of that day is."""
DAYS = 1 << 20
"""More days than any record's: a detector's progress is one number, of its newest batch and its last day."""
SHARED = ("transit_interfaces", "recorded_twice", "nat_conversations", "interface_workloads", "workload_addresses")
"""Views that every detector asks for and that are the same for all windows of a day."""
REPLACED = """
SELECT DISTINCT before.first_record, before.last_record FROM objects AS before
JOIN objects AS now ON now.object_key = before.object_key AND now.batch > before.batch
WHERE now.batch > $since AND before.kept > 0 AND before.first_record IS NOT NULL
"""
"""Spans of records that new batches took the place of: what was found there may be gone."""
EXPOSED = "SELECT DISTINCT interface_id FROM flows WHERE batch > $since AND vantage IS NOT NULL"
"""Interfaces that new batches show to be no workload's: what was found of them that day is none."""
KNOWN_TRANSIT = """
SELECT DISTINCT interface_id FROM interfaces
WHERE owner IN (
    'nat_gateway', 'transit_gateway', 'vpc_endpoint', 'gateway_load_balancer_endpoint', 'network_load_balancer'
  )
"""
"""Interfaces that the inventory has come to know as no workload's, maybe after their records were looked at."""
LIMITS = sql.Limits()
"""What one query of a detector may use."""


def hidden(_key: Mapping[str, Any], _window: Window) -> bool:
    """Tell that nothing is known of what was covered, so that no silence proves anything."""
    return False


def detect(  # noqa: PLR0913  all that a run depends on, most of it by name
    lake: Lake,
    catalogue: Catalogue,
    window: Window | None = None,
    only: Collection[str] | None = None,
    stop: Event | None = None,
    *,
    mutes: Sequence[Mute] = (),
    covered: Covered = hidden,
    now: datetime | None = None,
) -> DetectReport:
    """Run the detectors and write the events that follow.

    Without `window` each detector looks at what is new to it, and findings that were silent for its resolve time while
    they were `covered` are resolved; with one, it looks at every window of its own that overlaps it, and silence is not
    judged. Each day is written once it was looked at: a conflict or a crash costs one day. `only` names the detectors
    to run; `mutes`, the configuration's, concern all findings. `now` is when the events happen, by default the time of
    day. Raises LakeError; a detector that fails is reported and stops no other.
    """
    started = time.monotonic()
    lake.create()
    chosen = [d for d in catalogue.detectors.values() if only is None or d.id in only]

    run = _Run(lake, catalogue, stop or Event(), now or datetime.now(UTC), mutes, covered)
    return replace(run.run(chosen, window), seconds=round(time.monotonic() - started, 3))


@dataclass(slots=True)
class _Tally:
    """Results of a run so far."""

    sightings: int = 0
    events: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)


Due: TypeAlias = Mapping[str, Sequence[Window]]
"""The windows to look at, by detector id."""


class _Run:
    """One look of some detectors at some windows, a day at a time."""

    def __init__(
        self,
        lake: Lake,
        catalogue: Catalogue,
        stop: Event,
        now: datetime,
        mutes: Sequence[Mute],
        covered: Covered,
    ) -> None:
        self._lake, self._catalogue, self._stop, self._now = lake, catalogue, stop, now
        self._mutes, self._covered = mutes, covered
        self._log = lake.log("findings")
        self._newest = lake.last_batch()
        self._first = expired(lake, "flows")
        self._views = "".join(catalogue.views.values())
        self._news: dict[int, _News] = {}
        self._tally = _Tally()

    def run(self, detectors: list[Detector], window: Window | None) -> DetectReport:
        due = {d.id: [each for each in self._due(d, window) if self._has_flows(each)] for d in detectors}
        days = sorted({_floor(each.since, DAY) for windows in due.values() for each in windows})
        steps: Sequence[datetime | None] = days or [None]
        for day in steps:
            if not self._stop.is_set():
                self._step(detectors, due, day, is_last=day == steps[-1], judged=window is None)
        return DetectReport(
            windows=sum(map(len, due.values())),
            sightings=self._tally.sightings,
            events=dict(self._tally.events),
            failures=self._tally.failures,
            runs=dict(self._tally.runs),
            detector_seconds={name: round(s, 3) for name, s in self._tally.seconds.items()},
        )

    def _step(self, detectors: list[Detector], due: Due, day: datetime | None, *, is_last: bool, judged: bool) -> None:
        """Look at one day and write what follows; start over where another process wrote events meanwhile.

        The last day's events also tell of silence, for until then there are records that were not looked at.
        """
        windows = {id: [each for each in found if _floor(each.since, DAY) == day] for id, found in due.items()}
        asked = [d for d in detectors if is_last or windows[d.id]]

        def once() -> None:
            log = self._lake.log("findings")  # before anything is read: a later writer is then noticed
            seen = self._look(day, asked, windows) if day is not None else {}
            looked = [d for d in asked if d.id not in self._tally.failures and not self._stop.is_set()]
            looks = [
                Look(d.id, windows[d.id], seen.get(d.id, []), d.resolve if judged and is_last else None) for d in looked
            ]
            with sql.connect(self._lake, tables=("findings",)) as engine:
                events = findings.follow(engine, looks, self._mutes, self._covered, self._now)
            log.commit(events, self._marks(looked, day, is_last=is_last) if judged else {})
            self._tally.sightings += sum(map(len, seen.values()))
            self._tally.events += Counter(events.column("event").to_pylist())

        retried(once)

    def _marks(self, looked: Sequence[Detector], day: datetime | None, *, is_last: bool) -> dict[str, int]:
        """Return how far these detectors have come: all that is new, or all of it up to a day."""
        if is_last or day is None:
            return {self._application(detector): self._newest for detector in looked}
        return {self._progress(detector): self._newest * DAYS + max(0, (day - EPOCH).days) for detector in looked}

    def _due(self, detector: Detector, window: Window | None) -> Sequence[Window]:
        """Return the windows to look at; of what is new, not what a run that was stopped has looked at already."""
        if window is not None:
            return list(_windows(window, detector.window))
        since = self._log.watermark(self._application(detector))
        if since >= self._newest:
            return []
        newest, day = divmod(self._log.watermark(self._progress(detector)), DAYS)
        if newest <= since:
            return self._touched(since, detector)
        ended = EPOCH + (day + 1) * DAY
        left = [each for each in self._touched(since, detector) if each.since >= ended]
        newer = self._touched(newest, detector) if newest < self._newest else []
        return sorted({*left, *newer}, key=lambda each: each.since)

    def _has_flows(self, window: Window) -> bool:
        """Return whether retention removed no flow of a window: findings in it would seem to be gone."""
        return self._first is None or window.since.date() >= self._first

    def _touched(self, since: int, detector: Detector) -> list[Window]:
        """Return the windows that batches after `since` may have changed: they brought records, or took some away."""
        if since not in self._news:
            self._news[since] = _News(self._lake, since)
        news, length = self._news[since], detector.window
        return [Window(start, start + length) for start in sorted(news.starts(length) | self._shaken(news, detector))]

    def _shaken(self, news: _News, detector: Detector) -> set[datetime]:
        """Return where the windows start in which something was found that may be gone, or may have been none."""
        if (span := news.shaken) is None:
            return set()
        with sql.connect(self._lake, tables=("findings",)) as log:
            params = {"detector": detector.id, "since": span.since, "until": span.until}
            found = log.query(findings.SEEN_WITHIN, params).to_pylist()
        return {row["window_start"] for row in found if news.may_take_back(row)}

    def _application(self, detector: Detector) -> str:
        """Name a detector's watermark: one whose query, views or parameters have changed looks at everything again."""
        meaning = f"{detector.sql}{self._views}{sorted(detector.params.items())}{detector.severity}"
        return f"flowaudit/detect/{detector.id}/{sha256(meaning.encode()).hexdigest()[:12]}"

    def _progress(self, detector: Detector) -> str:
        """Name the watermark that tells how far a detector has come with what is new to it."""
        return f"{self._application(detector)}/days"

    def _look(self, day: datetime, detectors: Sequence[Detector], due: Due) -> dict[str, list[Sighting]]:
        """Return what detectors see in windows of one day; what an interface is, is judged by that day's records."""
        looks = [(window, detector) for detector in detectors for window in due[detector.id]]
        end = max(day + DAY, *(window.until for window, _ in looks))
        around = Window(day - MARGIN, end + MARGIN)
        views, seen = self._catalogue.views, dict[str, list[Sighting]]()
        with sql.connect(self._lake, views=views, once=SHARED, window=around, limits=LIMITS) as connection:
            for window, detector in looks:
                if detector.id not in self._tally.failures and not self._stop.is_set():
                    seen.setdefault(detector.id, []).extend(self._look_once(connection, window, detector))
        return seen

    def _look_once(self, connection: sql.Connection, window: Window, detector: Detector) -> list[Sighting]:
        started = time.monotonic()
        seen: list[Sighting] = []
        try:
            rows = connection.query(detector.sql, {**detector.params, "since": window.since, "until": window.until})
            seen = [_sighting(detector, window, row) for row in rows.to_pylist()]
        except (QueryError, ValueError, OverflowError) as error:  # the latter two: times that Python does not have
            self._tally.failures[detector.id] = f"{detector.file}: {error}"
        self._tally.runs[detector.id] += 1
        before = self._tally.seconds.get(detector.id, 0.0)
        self._tally.seconds[detector.id] = before + time.monotonic() - started
        return seen


class _News:
    """What the batches after `since` brought and took away; looked up once, for all detectors."""

    def __init__(self, lake: Lake, since: int) -> None:
        self._lake, self._since = lake, since
        self._starts: dict[timedelta, set[datetime]] = {}
        with sql.connect(lake, tables=("objects", "interfaces")) as ledger:
            known = ledger.query(KNOWN_TRANSIT).column("interface_id").to_pylist()
            query = "SELECT min(first_record) AS first, max(last_record) AS last FROM objects WHERE batch > $since"
            row = ledger.query(query, {"since": since}).to_pylist()[0]
            self._replaced = ledger.query(REPLACED, {"since": since}).to_pylist()
        self._span = Window(row["first"] or EPOCH, (row["last"] or EPOCH) + timedelta(seconds=1))
        self._days = Window(_floor(self._span.since, DAY), _floor(self._span.until, DAY) + DAY)
        self._exposed = {*known, *self._flows(EXPOSED, {"since": since}).column("interface_id").to_pylist()}

    def starts(self, length: timedelta) -> set[datetime]:
        """Return where the windows of some length start that hold new records."""
        if length not in self._starts:
            query = (
                "SELECT DISTINCT CAST(floor(epoch(start_time) / $length) AS BIGINT) AS n FROM flows "
                "WHERE batch > $since AND start_time IS NOT NULL"
            )
            numbers = self._flows(query, {"length": length.total_seconds(), "since": self._since})
            self._starts[length] = {EPOCH + n * length for n in numbers.column("n").to_pylist()}
        return self._starts[length]

    @property
    def shaken(self) -> Window | None:
        """The span that all of what `may_take_back` tells of lies in."""
        spans = [(row["first_record"], row["last_record"]) for row in self._replaced]
        spans += [(self._days.since, self._days.until)] if self._exposed else []
        if not spans:
            return None
        return Window(min(since for since, _ in spans), max(until for _, until in spans) + timedelta(microseconds=1))

    def may_take_back(self, found: Mapping[str, Any]) -> bool:
        """Tell whether what was found in a window (a row of `findings.SEEN_WITHIN`) may be gone, or was none."""
        start, end = found["window_start"], found["window_end"]
        if any(start <= span["last_record"] and span["first_record"] < end for span in self._replaced):
            return True
        is_that_day = self._days.since <= start < self._days.until
        return is_that_day and json.loads(found["key"]).get("interface_id") in self._exposed

    def _flows(self, query: str, params: Mapping[str, Any]) -> pa.Table:
        with sql.connect(self._lake, tables=("flows",), window=self._span) as flows:
            return flows.query(query, params)


def _windows(span: Window, length: timedelta) -> Iterator[Window]:
    """Yield the windows of some length, aligned to the epoch, that overlap a span."""
    start = _floor(span.since, length)
    while start < span.until:
        yield Window(start, start + length)
        start += length


def _floor(moment: datetime, length: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // length * length


def _sighting(detector: Detector, window: Window, row: Mapping[str, Any]) -> Sighting:
    head = {*detector.key, "first_seen", "last_seen", "flows", "bytes"}
    for name in ("first_seen", "last_seen", "flows"):
        if row[name] is None:
            raise QueryError(f"a row of the result has no {name}: it must have one, as in coalesce({name}, …)")
    return Sighting(
        detector=detector.id,
        severity=detector.severity,
        title=detector.title,
        sentence=_sentence(detector, row),
        key={name: row[name] for name in detector.key},
        window=window,
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        flows=row["flows"],
        bytes=row["bytes"] or 0,
        evidence={name: _ordered(value) for name, value in row.items() if name not in head},
    )


def _sentence(detector: Detector, row: Mapping[str, Any]) -> str:
    """Say in a sentence what was seen; a detector that has no words for it has a title and a key."""
    if detector.says:
        return sentences.fill(detector.says, row)
    return f"{detector.title}: {sentences.fill(' '.join(f'{{{name}}}' for name in detector.key), row)}"


def _ordered(value: Any) -> Any:  # noqa: ANN401  evidence may be anything that SQL gives
    """Put lists of a group's members into one order: SQL promises none."""
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], dict):
        return sorted(value, key=lambda row: (-(row.get("bytes") or 0), str(row)))
    return sorted(value, key=str)
