"""The daemon: the jobs on their schedule, signals, and the HTTP endpoints. The only room that imports apscheduler."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

import structlog
from apscheduler import events
from apscheduler.executors.pool import ThreadPoolExecutor as JobThreads
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.daemon.jobs import Cycle, Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.log import configure
from flowaudit.daemon.stages import PATIENCE, STAGES
from flowaudit.errors import ConfigError, FlowauditError, LeaseLost
from flowaudit.model import JobStatus, WebReport
from flowaudit.web import Server, Threads, WebConfigFile, site

__all__ = ["Cycle", "Daemon", "configure", "run"]

GRACE = 8.0
"""Seconds that running jobs have to come to an end once a stop was asked for."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
DONE, LOST = "done", "lease lost"
"""What is queued beside the names of signals, and of jobs that have ended."""
FOLLOWERS = {
    stage.after: [each.name for each in STAGES if each.after == stage.after] for stage in STAGES if stage.after
}
"""The stages whose first run waits for another's to end, by that one."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


def run(app: App, *, once: bool = False, standby: bool = False) -> Cycle | None:
    """Run one full cycle and return what it did, or go on until SIGTERM or SIGINT.

    One daemon leads a lake; with `standby` another waits to take over. Raises FlowauditError where it cannot even
    start: no sources, a wrong configuration, an address that is taken, a lake that another daemon leads; and LeaseLost
    where another one has taken over.
    """
    configure(logging.WARNING if once else logging.INFO)
    daemon = Daemon(app)
    if once:
        return daemon.once()
    daemon.serve(standby=standby)
    return None


class Daemon:
    """The jobs of one configuration, with their metrics; to be run from the main thread, which gets the signals."""

    def __init__(self, app: App) -> None:
        """Load the queries; raises ConfigError, also where there is nothing to collect."""
        if not app.config.sources:
            raise ConfigError(
                'there is nothing to collect: name a place under [[sources]], e.g. type = "s3", uri = "…"'
            )
        app.sources([], None, datetime.now(UTC))  # what is wrong with them is to be known now
        self._app = app
        self.stop = threading.Event()
        self._woken: set[str] = set()
        self.jobs = Jobs(app, self.stop)
        self.metrics = self.jobs.metrics
        self._leader = Leader(app.lake, app.lease(), self.metrics.record)
        self._web = Web(app, self.jobs, self._leader)
        problems = app.catalogue.problems
        self.metrics.catalogue_errors(len(problems))
        for problem in problems:
            log.error("query left out", problem=str(problem))

    def once(self) -> Cycle:
        """Run one full cycle; a signal ends it early."""
        with _signals() as arrived, ThreadPoolExecutor(1, "cycle") as thread:
            cycle = thread.submit(self.jobs.cycle)
            cycle.add_done_callback(lambda _: arrived.put(DONE))
            if arrived.get() != DONE:
                self.stop.set()
                with _deadline():
                    return cycle.result()
            return cycle.result()

    def serve(self, started: Callable[[str], None] = lambda _: None, *, standby: bool = False) -> None:
        """Run the jobs on their schedule until a signal comes; `started` is told the URL of the endpoints.

        The endpoints answer while it waits to lead. Raises LeaseTaken, and LeaseLost after a stop.
        """
        with _signals() as arrived:
            scheduler = self._schedule(arrived)
            server = self._web.server(scheduler)
            server.start()
            log.info("started", version=__version__, url=server.url, lake=self._app.lake.uri)
            try:
                word = self._wait_to_lead(arrived, standby=standby)
                if not word:
                    self._leader.keep(lambda: arrived.put(LOST))
                    scheduler.start()
                    started(server.url)
                    while (word := arrived.get()) in FOLLOWERS:
                        for job in FOLLOWERS[word]:
                            self._wake(scheduler, job)
                log.info("stopping", reason=word)
                self.stop.set()
            finally:
                with _deadline():
                    if scheduler.running:
                        scheduler.shutdown(wait=True)
                    self._leader.close()
                    server.close()
        log.info("stopped")
        if word == LOST:
            raise LeaseLost("another daemon leads this lake now: start this one with --standby to take over after it")

    def _wait_to_lead(self, arrived: SimpleQueue[str], *, standby: bool) -> str:
        """Take the lease and return ""; else the signal that came meanwhile. Raises LeaseTaken and LakeError."""
        words: list[str] = []

        def wait(seconds: float) -> bool:
            with suppress(Empty):
                words.append(arrived.get(timeout=seconds))
            return bool(words)

        return "" if self._leader.take(standby=standby, wait=wait) else words[0]

    def _schedule(self, arrived: SimpleQueue[str]) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            # A thread for each, so that a slow detector cannot keep collect waiting.
            executors={stage.name: JobThreads(1) for stage in STAGES},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        now = datetime.now(UTC)
        for stage in STAGES:
            trigger = IntervalTrigger(seconds=max(1, round(stage.every(self._app).total_seconds())))
            # A stage that waits for another starts all the same where that one takes too long.
            first = now + PATIENCE if stage.after else now
            scheduler.add_job(
                self.jobs.run, trigger, [stage.name], id=stage.name, executor=stage.name, next_run_time=first
            )
        scheduler.add_listener(
            lambda event: self._heard(event, arrived),
            events.EVENT_JOB_EXECUTED
            | events.EVENT_JOB_ERROR
            | events.EVENT_JOB_MISSED
            | events.EVENT_JOB_MAX_INSTANCES,
        )
        return scheduler

    def _heard(self, event: events.JobEvent, arrived: SimpleQueue[str]) -> None:
        """Count and log what the scheduler has to say of a job, and tell of a job's end that another job waits for.

        Asks nothing of the scheduler: its locks are held by whoever waits in `shutdown` for the job to end.
        """
        match event.code:
            case events.EVENT_JOB_ERROR:
                self.metrics.failed(event.job_id, event.exception)
                log.error("job broken", job=event.job_id, error=repr(event.exception), traceback=event.traceback)
            case events.EVENT_JOB_MISSED:
                self.metrics.job_missed(event.job_id)
                log.warning("job missed", job=event.job_id)
            case events.EVENT_JOB_MAX_INSTANCES:
                self.metrics.job_overlapped(event.job_id)
                log.warning("job still running", job=event.job_id)
        if event.job_id in FOLLOWERS and event.code in {events.EVENT_JOB_EXECUTED, events.EVENT_JOB_ERROR}:
            arrived.put(event.job_id)

    def _wake(self, scheduler: BackgroundScheduler, job: str) -> None:
        """Start a job that waits for its first turn."""
        if job not in self._woken:
            self._woken.add(job)
            scheduler.modify_job(job, next_run_time=datetime.now(UTC))


class Web:
    """The HTTP endpoints, and what they show of the jobs."""

    def __init__(self, app: App, jobs: Jobs, leader: Leader) -> None:
        """Load the web configuration; raises ConfigError."""
        self._app, self._jobs, self._leader = app, jobs, leader
        self._scheduler: BackgroundScheduler | None = None
        self._is_config_current = True
        self._file = WebConfigFile(app.config.http.web_config, self._reloaded)

    def server(self, scheduler: BackgroundScheduler) -> Server:
        """Take the address; raises DaemonError where it cannot be had."""
        self._scheduler = scheduler
        http, threads = self._app.config.http, Threads()
        pages = site(self._app, self, self._file, self._answered, threads)
        return Server(http.host, http.port, pages, self._file, self._dropped, threads.close)

    def exposition(self, accept: str, accept_encoding: str, names: Sequence[str]) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the metrics page."""
        return self._jobs.metrics.exposition(accept, accept_encoding, names)

    def unhealthy(self) -> str:
        """Return why the process should be restarted, "" if it should not."""
        if self._leader.is_waiting:
            return ""
        return "" if self._scheduler and _alive(self._scheduler) else "the scheduler has ended"

    def unready(self) -> str:
        """Return why there is nothing to rely on yet, "" if there is; raises LakeError."""
        return self._leader.unready() or self._jobs.unready()

    def jobs(self) -> Sequence[JobStatus]:
        """Return the state of each job."""
        return self._jobs.status()

    def _answered(self, status: int) -> None:
        self._record(requests={str(status): 1})

    def _dropped(self) -> None:
        self._record(dropped=1)

    def _reloaded(self, success: bool) -> None:
        self._is_config_current = success
        self._record()

    def _record(self, **counted: Any) -> None:  # noqa: ANN401  fields of WebReport
        self._jobs.metrics.record(WebReport(is_config_current=self._is_config_current, **counted))


def _alive(scheduler: BackgroundScheduler) -> bool:
    return scheduler.running and any(thread.name == "APScheduler" for thread in threading.enumerate())


@contextmanager
def _signals() -> Iterator[SimpleQueue[str]]:
    """Queue the signals that ask for an end.

    Not into an Event: its lock may be held by the very thread that the signal interrupts.
    """
    arrived: SimpleQueue[str] = SimpleQueue()

    def put(number: int, _: FrameType | None) -> None:
        arrived.put(signal.Signals(number).name)

    before = {each: signal.signal(each, put) for each in SIGNALS}
    try:
        yield arrived
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _deadline() -> Iterator[None]:
    """End the process if the block takes too long: a read that hangs must not keep it, and the lake is always whole."""
    timer = threading.Timer(GRACE, _give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up() -> None:
    log.error("stop forced", after_seconds=GRACE, lost="nothing: what was begun is done again at the next start")
    sys.stderr.flush()
    os._exit(FlowauditError.exit_code)
