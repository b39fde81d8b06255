"""What the daemon does again and again: each stage run, counted and logged, and never the end of the others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import structlog

from flowaudit import sql
from flowaudit.app import App
from flowaudit.collect import Workers, collect
from flowaudit.coverage import coverage
from flowaudit.detect import detect
from flowaudit.discover import discover
from flowaudit.doctor import capabilities
from flowaudit.errors import FlowauditError, Stopped
from flowaudit.metrics import Metrics
from flowaudit.model import CollectReport, DetectReport, DiscoverReport, Window

TOLD = 10
"""How many of one collect's problems are logged one by one."""
COVERED = timedelta(hours=24)
"""How much of the past the metrics of coverage speak of."""
REST = 300.0
"""Seconds after which coverage is looked at again: it reads a whole day of records."""
OPEN = "SELECT detector, severity, count(*) AS n FROM findings_current WHERE state = 'open' GROUP BY detector, severity"

log = structlog.stdlib.get_logger("flowaudit.daemon")


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one full cycle did; `failures` has one line for each source, detector or query file that failed.

    `warnings` has one for each account or API that did not answer: the rest goes on without it.
    """

    collect: CollectReport
    detect: DetectReport
    failures: tuple[str, ...] = ()
    discover: DiscoverReport = field(default_factory=DiscoverReport)
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 3 if anything failed, be it one log object; findings are no failure."""
        return FlowauditError.exit_code if self.failures or self.collect.failed else 0

    def summary(self) -> dict[str, Any]:
        """What `run --once --format json` prints."""
        discover = {"regions": len(self.discover.regions), "interfaces": sum(self.discover.interfaces.values())}
        detect = {"windows": self.detect.windows, "events": self.detect.events, "seconds": self.detect.seconds}
        stages = {"discover": discover, "collect": self.collect.summary(), "detect": detect}
        return stages | {"warnings": list(self.warnings), "failures": list(self.failures)}


@dataclass(slots=True)
class Failures:
    """What failed in one run of a stage, a line each; counted and logged as it happens."""

    stage: str
    metrics: Metrics
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def caught(self, **where: str) -> Iterator[None]:
        """Let nothing out but what ends the process; a stop is no failure."""
        try:
            yield
        except Stopped:
            pass
        except FlowauditError as error:
            self._add(error, str(error))
            log.error("job failed", job=self.stage, error=str(error), **where)  # noqa: TRY400  the message says it all
        except Exception as error:  # a fault in one run must not end all later ones
            self._add(error, f"{type(error).__name__}: {error} (a fault in flowaudit: see the log)")
            log.exception("job failed", job=self.stage, error=repr(error), **where)

    def _add(self, error: BaseException, line: str) -> None:
        self.lines.append(line)
        self.metrics.failed(self.stage, error)


class Jobs:
    """The stages over one configuration, and what became of them so far; one thread at a time for each."""

    def __init__(self, app: App, metrics: Metrics, stop: Event) -> None:
        self._app, self._metrics, self._stop = app, metrics, stop
        self._mutes = app.mutes  # what is wrong with them is to be known now
        self._done: set[str] = set()
        self._trouble: dict[str, str] = {}
        self._next: dict[str, float] = {}
        self._warned: set[str] = set()
        self._covered_at: float | None = None

    def cycle(self) -> Cycle:
        """Run every stage once, in the order of the road."""
        broken = [str(problem) for problem in self._app.catalogue.problems]
        discovered, unanswered, lost = self.discover()
        collected, missed = self.collect()
        detected, failed = self.detect()
        stopped = ["stopped before the cycle was done: run it again"] if self._stop.is_set() else []
        failures = (*broken, *lost, *missed, *failed, *stopped)
        return Cycle(collected, detected, failures, discovered, tuple(unanswered))

    def discover(self) -> tuple[DiscoverReport, list[str], list[str]]:
        """Ask AWS what exists; return what was found, what did not answer and what failed.

        AWS out of reach is no failure of ours: it is told of once, counted each time, and the rest goes on.
        """
        failures, reports, started = Failures("discover", self._metrics), [], time.monotonic()
        unanswered: list[str] = []
        with failures.caught():
            places, unreached = self._app.regions()
            report = discover(self._app.lake, places, self._app.rules, stop=self._stop)
            reports.append(report)
            unanswered = [*unreached, *map(str, report.gaps)]
            self._metrics.discovered(report, len(unreached))
            self._warn(unanswered)
            self._metrics.capabilities(capabilities(self._app.lake, self._app.catalogue))
            if any(report.changes.values()):
                log.info("inventory changed", **report.changes)
        self._end(failures, started, done=bool(reports), well=not unanswered)
        return reports[-1] if reports else DiscoverReport(), unanswered, failures.lines

    def _warn(self, lines: list[str]) -> None:
        """Log what did not answer, each line once for as long as it stays so."""
        for line in lines:
            if line not in self._warned:
                log.warning("no answer from AWS", problem=line)
        self._warned = set(lines)

    def collect(self) -> tuple[CollectReport, list[str]]:
        """Collect from every source, one after the other; return what came and what failed."""
        failures, reports, started = Failures("collect", self._metrics), [], time.monotonic()
        with failures.caught():
            for source, window in self._app.sources([], None, datetime.now(UTC)):
                if self._stop.is_set():
                    break
                with failures.caught(source=source.uri):
                    workers = Workers(patient=True, stop=self._stop, on_batch=self._metrics.collected)
                    report = collect([(source, window)], self._app.lake, workers, self._app.atlas())
                    _tell(source.uri, report)
                    reports.append(report)
        # One source out of reach does not make the rest of the house unready.
        self._end(failures, started, done=bool(reports))
        return _together(reports), failures.lines

    def detect(self) -> tuple[DetectReport, list[str]]:
        """Run the detectors that are due; return what they saw and what failed."""
        failures, reports, started = Failures("detect", self._metrics), [], time.monotonic()
        due = self._due(started)
        with failures.caught():
            queries = self._app.catalogue
            report = detect(
                self._app.lake,
                queries,
                only=set(due),
                stop=self._stop,
                mutes=self._mutes,
                covered=self._app.covered,
            )
            self._next |= due
            reports.append(report)
            self._metrics.detected(report)
            self._metrics.findings(self._open())
            self._cover(started)
            for detector, message in report.failures.items():
                log.error("detector failed", detector=detector, error=message)
            failures.lines += report.failures.values()
            if report.events:
                log.info("findings changed", **report.events)
        self._end(failures, started, done=bool(reports))
        return reports[-1] if reports else DetectReport(), failures.lines

    def _cover(self, now: float) -> None:
        """Tell the metrics of coverage until now; that it cannot be told is no failure of the detectors."""
        if self._covered_at is not None and now < self._covered_at + REST:
            return
        self._covered_at, moment = now, datetime.now(UTC)
        try:
            window = Window(moment - COVERED, moment)
            found = coverage(self._app.lake, self._app.catalogue.views, window, moment)
        except FlowauditError as error:
            log.warning("coverage not known", error=str(error))
            return
        self._metrics.covered(found.minutes, found.silent(), len(found.blind_workloads()))

    def unready(self) -> str | None:
        """Return why there is nothing to rely on yet, None if there is; raises LakeError."""
        if self._stop.is_set():
            return "stopping"
        for stage in ("collect", "detect"):
            if stage not in self._done:
                return f"no {stage} has succeeded yet" + (f": {t}" if (t := self._trouble.get(stage)) else "")
        return None if self._app.lake.exists() else f"there is no lake at {self._app.lake.uri} any more"

    def _end(self, failures: Failures, started: float, *, done: bool, well: bool = True) -> None:
        stopped = self._stop.is_set()
        well = well and not failures.lines and not stopped
        self._metrics.ended(failures.stage, time.monotonic() - started, well=well)
        if failures.lines:
            self._trouble[failures.stage] = failures.lines[-1]
        if done and not stopped:
            self._done.add(failures.stage)

    def _due(self, now: float) -> dict[str, float]:
        """Return the detectors whose turn it is, each with the time of its next one."""
        slack = self._app.config.schedule.detect.total_seconds() / 2
        detectors = self._app.catalogue.detectors.values()
        return {
            each.id: now + each.every.total_seconds() - slack
            for each in detectors
            if now >= self._next.get(each.id, now)
        }

    def _open(self) -> Mapping[tuple[str, str], int]:
        view = {"findings_current": self._app.catalogue.views["findings_current"]}
        with sql.connect(self._app.lake, tables=("findings",), views=view) as lake:
            return {(row["detector"], row["severity"]): row["n"] for row in lake.query(OPEN).to_pylist()}


def _tell(source: str, report: CollectReport) -> None:
    if report.objects or report.problems:
        log.info("collected", source=source, **report.summary())
    for problem in report.problems[:TOLD]:
        log.warning("object not collected", problem=problem)
    if len(report.problems) > TOLD:
        log.warning("more objects not collected", number=len(report.problems) - TOLD)


def _together(reports: list[CollectReport]) -> CollectReport:
    """Add up the reports of several sources."""
    figures: Counter[str] = Counter()
    for report in reports:
        figures.update(report.summary())
    return CollectReport(
        **figures,
        last_record=max(filter(None, (report.last_record for report in reports)), default=None),
        problems=tuple(problem for report in reports for problem in report.problems),
    )
