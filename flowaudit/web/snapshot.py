"""The data of the status page: read at most every few seconds, however often somebody reloads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import structlog

from flowaudit import coverage, sql
from flowaudit.app import App
from flowaudit.doctor import capabilities
from flowaudit.errors import FlowauditError
from flowaudit.lake import Size
from flowaudit.model import Capability
from flowaudit.states import JobStatus
from flowaudit.web import verdict
from flowaudit.web.labels import STATES
from flowaudit.web.listing import Findings, Listing
from flowaudit.web.threads import LIMITS
from flowaudit.web.verdict import Covered, Facts, Verdict

FRESH, FRESH_SLOW = timedelta(seconds=10), timedelta(seconds=60)
"""Maximum age of the data: findings; parts that take a scan of records or of the ledger."""
RESOLVED = timedelta(days=7)
MOST = 25
"""Rows of a list of findings."""
SOURCES = """
SELECT
  source,
  count(*) FILTER (WHERE outcome = 'collected') AS objects,
  count(*) FILTER (WHERE outcome = 'failed') AS failed,
  count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
  coalesce(CAST(sum(quarantined) AS BIGINT), 0) AS quarantined,
  max(last_record) AS newest,
  max(collected_at) AS collected
FROM (
  SELECT
    source,
    object_key,
    arg_max(outcome, (batch, collected_at)) AS outcome,
    arg_max(quarantined, (batch, collected_at)) AS quarantined,
    max(last_record) AS last_record,
    max(collected_at) AS collected_at
  FROM objects
  GROUP BY source, object_key
) AS newest
GROUP BY source ORDER BY source
"""
T = TypeVar("T")

log = structlog.stdlib.get_logger("flowaudit.web")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One part of a page, or why it is not known."""

    value: T | None = None
    error: str = ""

    @property
    def is_known(self) -> bool:
        """True if there is a value."""
        return not self.error


def part(name: str, call: Callable[[], T]) -> Part[T]:
    """Return what a call returns, or why it failed: a part that fails does not take the page with it."""
    try:
        return Part(call())
    except FlowauditError as error:
        return Part(error=" ".join(str(error).split()) or type(error).__name__)
    except Exception:
        log.exception("part of a page failed", part=name)
        return Part(error="a fault in flowaudit: see the log")


@dataclass(frozen=True, slots=True)
class Source:
    """A source with the figures of the ledger; `newest` is the time of its newest record, None: there is none."""

    uri: str
    type: str
    is_configured: bool
    objects: int = 0
    failed: int = 0
    skipped: int = 0
    quarantined: int = 0
    newest: datetime | None = None
    collected: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """A sink: `waiting` and `error` as of its last delivery, None and "" before the first."""

    name: str
    type: str
    target: str
    is_up: bool
    waiting: int | None
    dead_letters: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of the status page as of `at`; what takes long is as of `slow_at`, both also on a monotonic clock."""

    at: datetime
    clock: float
    slow_at: datetime
    slow_clock: float
    verdict: Verdict
    has_lake: Part[bool]
    findings: Part[Listing]
    coverage: Part[Covered]
    capabilities: Part[Sequence[Capability]]
    sources: Part[Sequence[Source]]
    sizes: Part[Mapping[str, Size]]
    dead_letters: Part[Mapping[str, int]]
    jobs: Sequence[JobStatus]
    sinks: Sequence[Sink]
    newest: datetime | None
    problems: tuple[str, ...]


class Jobs(Protocol):
    """The daemon's jobs."""

    def jobs(self) -> Sequence[JobStatus]:
        """Return the state of each job."""


class Snapshots:
    """The newest snapshot; one thread at a time reads a new one, others get the last."""

    def __init__(self, app: App, daemon: Jobs, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._daemon, self._clock = app, daemon, clock
        self._findings = Findings(app)
        self._lock = Lock()
        self._last: Snapshot | None = None

    def ready(self) -> Snapshot | None:
        """Return the last snapshot if that is to be shown: it is fresh, or a thread is reading a new one."""
        last = self._last
        return last if last and (self._is_fresh(last.clock, FRESH) or self._lock.locked()) else None

    def get(self) -> Snapshot:
        """Return a fresh snapshot; waits for the first one only."""
        if ready := self.ready():
            return ready
        with self._lock:
            if self._last is None or not self._is_fresh(self._last.clock, FRESH):
                self._last = self._read(self._last)
            return self._last

    def _is_fresh(self, clock: float, limit: timedelta) -> bool:
        return self._clock() - clock < limit.total_seconds()

    def _read(self, last: Snapshot | None) -> Snapshot:
        app, now, clock, jobs = self._app, datetime.now(UTC), self._clock(), self._daemon.jobs()
        findings = part("findings", lambda: self._findings.listing(STATES, now - RESOLVED, MOST))
        if last is None or not self._is_fresh(last.slow_clock, FRESH_SLOW):
            measured = part("coverage", lambda: _coverage(app, now))
            last = Snapshot(
                at=now,
                clock=clock,
                slow_at=now,
                slow_clock=clock,
                verdict=Verdict(verdict.State.UNKNOWN, ""),
                has_lake=part("lake", app.lake.exists),
                findings=findings,
                coverage=Part(measured.value[0] if measured.value else None, measured.error),
                capabilities=part("detectors", lambda: capabilities(app.lake, app.catalogue, LIMITS)),
                sources=part("sources", lambda: _sources(app)),
                sizes=part("lake", app.lake.sizes),
                dead_letters=part("sinks", lambda: _dead_letters(app)),
                jobs=jobs,
                sinks=(),
                newest=measured.value[1] if measured.value else None,
                problems=tuple(map(str, app.catalogue.problems)),
            )
        newest = last.newest or max((each.newest for each in last.sources.value or () if each.newest), default=None)
        read = replace(last, at=now, clock=clock, findings=findings, jobs=jobs, newest=newest)
        return replace(read, sinks=_sinks(app, read), verdict=verdict.verdict(_facts(read)))


def _facts(read: Snapshot) -> Facts:
    parts: dict[str, Part[Any]] = {
        verdict.FINDINGS: read.findings,
        verdict.COVERAGE: read.coverage,
        verdict.DETECTORS: read.capabilities,
        verdict.SOURCES: read.sources,
    }
    listing = read.findings.value
    return Facts(
        now=read.at,
        open=listing.open() if listing else None,
        muted=listing.count("muted") if listing else 0,
        newest=read.newest,
        covered=read.coverage.value,
        capabilities=read.capabilities.value,
        jobs=read.jobs,
        problems=len(read.problems),
        failed_objects=sum(each.failed for each in read.sources.value or ()),
        unknown={name: each.error for name, each in parts.items() if not each.is_known},
    )


def _coverage(app: App, now: datetime) -> tuple[Covered, datetime | None]:
    """Return what flow logs cover, and the time of the newest record."""
    found = coverage.coverage(app.lake, app.catalogue.views, now=now, limits=LIMITS)
    return Covered.of(found, coverage.statement(found)), found.newest_record


def _sources(app: App) -> Sequence[Source]:
    """Return the configured sources, then others that records came from."""
    with sql.connect(app.lake, tables=("objects",), limits=LIMITS) as ledger:
        known: dict[str, dict[str, Any]] = {row.pop("source"): row for row in ledger.query(SOURCES).to_pylist()}
    configured = [Source(each.uri, each.type, True, **known.pop(each.uri, {})) for each in app.config.sources]
    others = [Source(uri, "s3" if uri.startswith("s3://") else "local", False, **row) for uri, row in known.items()]
    return [*configured, *others]


def _dead_letters(app: App) -> dict[str, int]:
    if not app.config.sinks or not app.lake.exists():
        return {}
    found: dict[str, int] = {}
    for letter in app.events.dead_letters(None):
        found[letter["sink"]] = found.get(letter["sink"], 0) + 1
    return found


def _sinks(app: App, read: Snapshot) -> Sequence[Sink]:
    """Return the sinks as of the last delivery."""
    delivered: Mapping[str, Any] = next((job.summary for job in read.jobs if job.name == "deliver"), {})
    errors, pending = delivered.get("errors", {}), delivered.get("pending", {})
    dead = read.dead_letters.value or {}
    return [
        Sink(
            name=settings.name,
            type=getattr(settings, "type", ""),
            target=sink.target,
            is_up=settings.name not in errors,
            waiting=pending.get(settings.name),
            dead_letters=dead.get(settings.name, 0),
            error=errors.get(settings.name, "").removeprefix(f"sink {settings.name}: "),
        )
        for sink, settings in app.sinks
    ]
