"""The stages as jobs: each run is counted and logged, and never the end of the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.daemon.runs import Run
from flowaudit.daemon.schedule import span
from flowaudit.daemon.stages import STAGES, Work, labels
from flowaudit.errors import FlowauditError
from flowaudit.metrics import Labels, Metrics
from flowaudit.model import ConfigReport, LeaderReport, WebReport
from flowaudit.states import JobStatus, Part


@dataclass(frozen=True, slots=True)
class Cycle:
    """One run of every stage: its report by name, where there is one.

    `failures` has one line for each source, detector or query file that failed; `warnings` one for each account, API
    or sink that did not answer: the rest goes on without it.
    """

    reports: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 3 if anything failed, be it one log object; findings are no failure."""
        is_whole = not self.failures and not any(getattr(report, "failed", 0) for report in self.reports.values())
        return 0 if is_whole else FlowauditError.exit_code

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` prints."""
        stages = {name: report.summary() for name, report in self.reports.items()}
        return stages | {"warnings": list(self.warnings), "failures": list(self.failures)}


class Jobs:
    """The stages over one configuration, and what became of them so far; one thread at a time for each."""

    def __init__(self, app: App, stop: Event, moved: Callable[[str], None] = lambda _: None) -> None:
        """Prepare every stage; raises ConfigError where the configuration is wrong.

        `moved` is called with the stage of a long run, whenever a part of it is done.
        """
        self._app, self._stop, self._moved = app, stop, moved
        self._work = dict(work(app))
        self._next: dict[str, tuple[Work, Labels]] = {}
        before = {name: work.before for name, work in self._work.items()}
        others = [WebReport(), LeaderReport(), ConfigReport(at=time.time())]
        self.metrics = Metrics(__version__, before, labels(app), others=others)
        self._before = before
        self._done: set[str] = set()
        self._failing: dict[str, float] = {}
        self._status = {stage.name: JobStatus(stage.name, stage.every(app)) for stage in STAGES}
        self._ended = {stage.name: Event() for stage in STAGES}
        for ended in self._ended.values():
            ended.set()

    def run(self, stage: str, *, once: bool = False) -> tuple[Any, Run]:
        """Run one stage; return its report (that before any run where there is none), and what failed."""
        self._wait(stage)
        run, started = Run(stage, self.metrics, self._stop, once, partial(self._moved, stage)), time.monotonic()
        report = None
        self._note(stage, is_running=True, started=datetime.now(UTC))
        with self._busy(stage), run.caught():
            report = self._adopt(stage)(run)
        stopped, seconds = self._stop.is_set(), time.monotonic() - started
        well = not (run.failures or run.warnings or stopped)
        self.metrics.ended(stage, seconds, well=well)
        ended = datetime.now(UTC)
        is_warning = not run.failures and bool(run.warnings)
        self._note(stage, is_running=False, ended=ended, seconds=seconds, error=_last(run), is_warning=is_warning)
        if well:
            self._note(stage, succeeded=ended)
        self._note(stage, parts=_merged(self._status[stage].parts, run.parts))
        if report is not None:
            self._note(stage, summary=report.summary(), report=report)
        if report is not None and not stopped:
            self._done.add(stage)
            self._failing.pop(stage, None)
        elif not stopped:
            self._failing.setdefault(stage, time.monotonic())
        return self._before[stage] if report is None else report, run

    def use(self, app: App, work: Mapping[str, Work]) -> None:
        """Use another configuration from the next run of each stage on; a run under way ends with the old one."""
        known = labels(app)
        self._app, self._next = app, {name: (each, known) for name, each in work.items()}

    def status(self) -> Sequence[JobStatus]:
        """Return the state of each job, in the order of one cycle."""
        app = self._app
        return [replace(self._status[stage.name], every=stage.every(app)) for stage in STAGES]

    def _adopt(self, stage: str) -> Work:
        """Return the work of a stage by the newest configuration."""
        if stage in self._next:
            self._work[stage], known = self._next.pop(stage)
            self.metrics.relabel(self._before[stage], known)
        return self._work[stage]

    def _note(self, stage: str, **changed: Any) -> None:  # noqa: ANN401  fields of JobStatus
        self._status[stage] = replace(self._status[stage], **changed)

    def _wait(self, name: str) -> None:
        """Wait for the run under way that this stage waits for."""
        for stage in STAGES:
            if stage.name == name and stage.waits and stage.after:
                self._ended[stage.after].wait(stage.every(self._app).total_seconds() / 2)

    @contextmanager
    def _busy(self, stage: str) -> Iterator[None]:
        """Let others know that a stage runs."""
        self._ended[stage].clear()
        try:
            yield
        finally:
            self._ended[stage].set()

    def cycle(self) -> Cycle:
        """Run every stage once, in order."""
        runs = {stage.name: self.run(stage.name, once=True) for stage in STAGES}
        stopped = ["stopped before the cycle was done: run it again"] if self._stop.is_set() else []
        broken = map(str, self._app.catalogue.problems)
        return Cycle(
            {name: report for name, (report, _) in runs.items()},
            (*broken, *(line for _, run in runs.values() for line in run.failures), *stopped),
            tuple(line for _, run in runs.values() for line in run.warnings),
        )

    def unready(self) -> str:
        """Return why there is nothing to rely on, "" if there is; raises LakeError.

        A stage whose runs fail counts once that has lasted for the recovery time.
        """
        if self._stop.is_set():
            return "stopping"
        recovery = self._app.config.schedule.recovery.total_seconds()
        for stage in STAGES:
            trouble = self._status[stage.name].error
            if stage.is_needed and stage.name not in self._done:
                return f"no {stage.name} has succeeded yet" + (f": {trouble}" if trouble else "")
            failing = time.monotonic() - self._failing.get(stage.name, math.inf)
            if failing >= recovery:
                return f"{stage.name} has failed for {span(failing)}: {trouble}"
        return "" if self._app.lake.exists() else f"there is no lake at {self._app.lake.uri} any more"


def work(app: App) -> Mapping[str, Work]:
    """Return the work of every stage, by name; raises ConfigError where the configuration is wrong."""
    return {stage.name: stage.work(app) for stage in STAGES}


def _merged(before: Mapping[str, Part], now: Mapping[str, Part]) -> Mapping[str, Part]:
    """Return the states of parts after a run: a success and the newest record of earlier runs stay."""
    return {**before, **{name: _after(before.get(name, Part()), part) for name, part in now.items()}}


def _after(before: Part, now: Part) -> Part:
    newest = max(filter(None, (before.newest, now.newest)), default=None)
    return replace(now, succeeded=now.succeeded or before.succeeded, newest=newest)


def _last(run: Run) -> str:
    """Return the last failure of a run, else its last warning, "" where there was neither."""
    return next((lines[-1] for lines in (run.failures, run.warnings) if lines), "")
