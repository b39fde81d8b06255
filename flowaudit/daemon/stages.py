"""The stages of the daemon as data: one row each, from which schedule, metrics, `run --once` and readiness are made."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from typing import Any, Protocol

import structlog

from flowaudit import ipranges, paths, sql
from flowaudit.app import App
from flowaudit.collect import Workers, collect
from flowaudit.coverage import State, coverage
from flowaudit.daemon.runs import Run
from flowaudit.deliver import Deliverer
from flowaudit.detect import detect
from flowaudit.discover import discover
from flowaudit.doctor import capabilities
from flowaudit.errors import FlowauditError, LakeError
from flowaudit.inventory.asking import REASONS
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.maintain import MaintainReport, maintain
from flowaudit.metrics import Labels
from flowaudit.model import (
    CollectReport,
    CoverageReport,
    DeliverReport,
    DetectReport,
    DiscoverReport,
    FindingEvent,
    ObjectReport,
    Outcome,
    Visibility,
    Window,
)
from flowaudit.schema import TABLES
from flowaudit.topology import Owner
from flowaudit.traffic import workload_bytes, workload_findings

LOGGED = 10
"""How many of one collect's problems are logged one by one."""
OPEN = """
SELECT detector, severity, count(*) AS number, sum(bytes) AS bytes, epoch(min(first_seen)) AS since
FROM findings_current WHERE state = 'open' GROUP BY detector, severity
"""
DAY = timedelta(days=1)
FINAL = timedelta(minutes=30)
"""Age at which the coverage of a minute no longer changes, as a rule: records come up to 25 minutes late."""
OTHER = "other"
"""The label of AWS services that are not in the address ranges that come with flowaudit."""
STATUSES = (200, 300, 400, 401, 404, 405, 421, 422, 429, 500, 503)
"""HTTP statuses that requests are answered with."""
PATIENCE = timedelta(minutes=2)
"""How long the first run of a stage waits for the first run of the one before it to end."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


class Work(Protocol):
    """The work of one stage, for one application; keeps its state from run to run."""

    def __init__(self, app: App) -> None:
        """Prepare it; raises ConfigError where the configuration is wrong."""

    def __call__(self, run: Run) -> Any:  # noqa: ANN401
        """Run once and return the report, None where nothing was done; what is to be counted goes to `run.metrics`."""

    @property
    def before(self) -> Any:  # noqa: ANN401
        """The report before any run."""


class Discovery:
    """Inventory of what exists in AWS. AWS out of reach is a warning and no failure: the rest goes on without it."""

    before = DiscoverReport()

    def __init__(self, app: App) -> None:
        self._app, self._logged = app, set[str]()

    def __call__(self, run: Run) -> DiscoverReport:
        """Take the inventory."""
        places, unreachable = self._app.regions()
        found = discover(self._app.lake, places, self._app.rules, stop=run.stop)
        report = replace(found, unreachable=tuple(unreachable))
        run.metrics.record(report)
        run.warnings += [*unreachable, *map(str, report.gaps)]
        for line in run.warnings:
            if line not in self._logged:  # once for as long as it lasts
                log.warning("no answer from AWS", problem=line)
        self._logged = set(run.warnings)
        if any(report.changes.values()):
            log.info("inventory changed", **report.changes)
        return report


class Collection:
    """Log objects of every source, one source after the other."""

    before = CollectReport()

    def __init__(self, app: App) -> None:
        self._app, self._started = app, time.monotonic()
        self._services = _services()

    def __call__(self, run: Run) -> CollectReport | None:
        """Collect what is new."""
        reports = []
        for source, window in self._app.sources([], None, datetime.now(UTC)):
            if run.stop.is_set():
                break
            run.moved()
            report, failed = CollectReport(), len(run.failures)
            with run.caught(source=source.uri):
                workers = Workers(patient=True, stop=run.stop, on_batch=partial(self._count, run))
                report = collect([(source, window)], self._app.lake, workers, self._app.atlas())
                _log(source.uri, report)
                reports.append(report)
            run.ended(source.uri, next(iter(run.failures[failed:]), ""), report.last_record)
        # One source out of reach leaves the rest ready.
        return _together(reports) if reports else None

    def _count(self, run: Run, done: Sequence[ObjectReport]) -> None:
        """Count a batch that is in the lake."""
        run.moved()
        run.metrics.record(self._in(done))

    def _in(self, done: Sequence[ObjectReport]) -> CollectReport:
        """Return the report of a batch that is in the lake; delays are of objects that landed while this ran."""
        now = datetime.now(UTC)
        started = now - timedelta(seconds=time.monotonic() - self._started)  # by the time of day as it is known now
        landed = [each.object.modified for each in done if each.outcome is Outcome.COLLECTED]
        delays = tuple(max(0.0, (now - at).total_seconds()) for at in landed if at >= started)
        report = reduce(CollectReport.plus, done, CollectReport())
        return replace(report, delays=delays, nat_bytes=_by_known(report.nat_bytes, self._services))


class Detection:
    """Detectors whose turn it is, and the findings that are open afterwards."""

    def __init__(self, app: App) -> None:
        self._app, self._mutes = app, app.mutes
        self._next: dict[str, float] = {}

    @property
    def before(self) -> DetectReport:
        """The findings that are open in the lake: an alert on them goes on over a restart."""
        try:
            return self._with_open(DetectReport()) if self._app.lake.exists() else DetectReport()
        except FlowauditError as error:
            log.warning("open findings not known", error=str(error))
            return DetectReport()

    def __call__(self, run: Run) -> DetectReport:
        """Evaluate what is new."""
        app, due = self._app, self._due(time.monotonic())
        done = detect(app.lake, app.catalogue, only=set(due), stop=run.stop, mutes=self._mutes, covered=app.covered)
        self._next |= due
        for detector, message in done.failures.items():
            log.error("detector failed", detector=detector, error=message)
        run.failures += done.failures.values()
        for detector in due:
            run.ended(detector, done.failures.get(detector, ""))
        if done.events:
            log.info("findings changed", **done.events)
        report = self._with_open(done)
        run.metrics.record(report)
        return report

    def _with_open(self, report: DetectReport) -> DetectReport:
        with sql.connect(self._app.lake, tables=("findings",), views=self._app.catalogue.views) as lake:
            rows = {(row["detector"], row["severity"]): row for row in lake.query(OPEN).to_pylist()}
        return replace(
            report,
            open={labels: row["number"] for labels, row in rows.items()},
            open_bytes={labels: row["bytes"] for labels, row in rows.items()},
            open_since={labels: row["since"] for labels, row in rows.items()},
        )

    def _due(self, now: float) -> dict[str, float]:
        """Return the detectors whose turn it is, each with the time of its next one."""
        slack = self._app.config.schedule.detect.total_seconds() / 2
        detectors = self._app.catalogue.detectors.values()
        return {
            each.id: now + each.every.total_seconds() - slack
            for each in detectors
            if now >= self._next.get(each.id, now)
        }


class Delivery:
    """Events of findings to every sink."""

    def __init__(self, app: App) -> None:
        self._deliverer = Deliverer(app.events, app.sinks)
        self._logged: dict[str, str] = {}

    @property
    def before(self) -> DeliverReport:
        """Every sink is up."""
        return self._deliverer.report()

    def __call__(self, run: Run) -> DeliverReport:
        """Send what is due."""
        report = self._deliverer.run(run.stop, until_done=run.once)
        run.metrics.record(report)
        for sink, error in report.errors.items():
            if self._logged.get(sink) != error:  # once for as long as it lasts
                log.warning("sink takes no events", sink=sink, error=error)
        for sink in set(self._logged) - set(report.errors):
            log.info("sink takes events again", sink=sink)
        self._logged = dict(report.errors)
        run.warnings += [
            f"sink {sink}: {error.removeprefix(f'sink {sink}: ')}" for sink, error in report.errors.items()
        ]
        return report


class Covering:
    """How much of the lifetime of interfaces flow logs cover, how much detectors can see in them, who sends most."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._final: datetime | None = None

    @property
    def before(self) -> CoverageReport:
        """No detector sees anything yet."""
        return CoverageReport(visibility={(id, str(Visibility.NONE)): 1 for id in self._app.catalogue.detectors})

    def __call__(self, run: Run) -> CoverageReport:
        """Measure the last 24 hours, and the minutes that became final."""
        now = datetime.now(UTC)
        day = coverage(self._app.lake, self._app.catalogue.views, Window(now - DAY, now), now)
        until = (now - FINAL).replace(second=0, microsecond=0)
        since = self._final or until - self._app.config.schedule.coverage
        final: Mapping[str, int] = {}
        if since < until:  # else the clock was set back
            views = self._app.catalogue.views
            final = coverage(self._app.lake, views, Window(max(since, until - DAY), until), now).minutes
        self._final = until
        report = CoverageReport(
            interface_seconds={state: 60 * minutes for state, minutes in day.minutes.items()},
            final_seconds={state: 60 * minutes for state, minutes in final.items() if state != State.PENDING},
            gaps=day.silent(),
            visibility={
                (each.detector, str(visibility)): int(each.visibility is visibility)
                for each in capabilities(self._app.lake, self._app.catalogue)
                for visibility in Visibility
            },
            blind_workloads=len(day.blind_workloads()),
        )
        report = self._with_workloads(report, run, now)
        run.metrics.record(report)
        return report

    def _with_workloads(self, report: CoverageReport, run: Run, now: datetime) -> CoverageReport:
        """Add the workloads to be named; where they cannot be found out the rest stands, and none is named."""
        lake, views = self._app.lake, self._app.catalogue.views
        ranked: dict[str, Any] = {}
        with run.caught(figures="workload_bytes"):
            ranked["workload_bytes"] = workload_bytes(lake, views, now)
        with run.caught(figures="workload_findings"):
            ranked["workload_findings"] = workload_findings(lake, views)
        return replace(report, **ranked)


class Maintenance:
    """Retention, compaction, checkpoints and vacuum of the lake, while everything else goes on."""

    before = MaintainReport()

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, run: Run) -> MaintainReport:
        """Maintain it."""
        run.metrics.record(report := maintain(self._app.lake, self._app.config.lake.retention, stop=run.stop))
        if report.did_something:
            log.info("lake maintained", **report.summary())
        for conflict in report.conflicts:
            log.warning("maintenance left for the next run", conflict=conflict)
        for failure in report.failures:
            with run.caught():
                raise LakeError(failure)
        return report


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: `name` is its key in [schedule], its label in metrics and its job.

    Its first run waits for the first run of the stage `after`; readiness waits for its first success if `is_needed`.
    If it `waits`, a run that falls due during a run of that stage starts when that has ended, half an interval later at
    most: else what that run is about to bring would wait for the next.
    """

    name: str
    work: Callable[[App], Work]
    after: str | None = None
    is_needed: bool = False
    waits: bool = False

    def every(self, app: App) -> timedelta:
        """Return its interval."""
        interval: timedelta = getattr(app.config.schedule, self.name)
        return interval


STAGES = (
    Stage("discover", Discovery),
    Stage("collect", Collection, after="discover", is_needed=True),
    Stage("detect", Detection, after="collect", is_needed=True, waits=True),
    Stage("deliver", Delivery),
    Stage("coverage", Covering, after="collect"),
    Stage("maintain", Maintenance, after="detect"),
)
"""Every stage, in the order of one cycle."""


def labels(app: App) -> Labels:
    """Return the values that labels of metrics are known to take."""
    detectors = app.catalogue.detectors.values()
    return {
        ("owner",): [(owner,) for owner in Owner],
        ("kind",): [(each.kind,) for each in KINDS],
        ("reason",): [(reason,) for reason in REASONS],
        ("detector",): [(each.id,) for each in detectors],
        ("detector", "severity"): [(each.id, str(each.severity)) for each in detectors],
        ("detector", "visibility"): [(each.id, str(visibility)) for each in detectors for visibility in Visibility],
        ("path",): [(path,) for path in paths.PATHS],
        ("service",): [(service,) for service in (*_services(), OTHER)],
        ("event",): [(event,) for event in FindingEvent],
        ("state",): [(state,) for state in State],
        ("sink",): [(settings.name,) for _, settings in app.sinks],
        ("table",): [(table,) for table in TABLES],
        ("status",): [(str(status),) for status in STATUSES],
    }


def _by_known(sizes: Mapping[str, int], known: AbstractSet[str]) -> Mapping[str, int]:
    """Return bytes by service with those of unknown services together: records can name any, and a label cannot."""
    bounded: Counter[str] = Counter()
    for service, size in sizes.items():
        bounded[service if service in known else OTHER] += size
    return bounded


def _services() -> set[str]:
    """Return the AWS services that addresses are known to be of, those with gateway endpoints among them, and none."""
    return {paths.NO_SERVICE, *paths.SERVICES.values(), *ipranges.shipped().column("service").unique().to_pylist()}


def _log(source: str, report: CollectReport) -> None:
    if report.objects or report.problems:
        log.info("collected", source=source, **report.summary())
    for problem in report.problems[:LOGGED]:
        log.warning("object not collected", problem=problem)
    if len(report.problems) > LOGGED:
        log.warning("more objects not collected", number=len(report.problems) - LOGGED)


def _together(reports: list[CollectReport]) -> CollectReport:
    """Add up the reports of several sources."""
    figures: Counter[str] = Counter()
    for report in reports:
        figures.update(report.summary())
    summed: dict[str, Any] = dict(figures)
    return CollectReport(
        **summed,
        last_record=max(filter(None, (report.last_record for report in reports)), default=None),
        problems=tuple(problem for report in reports for problem in report.problems),
    )
