"""The daemon: the jobs on their schedule, signals, and the HTTP endpoints."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType

import structlog

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.daemon.endpoints import Endpoints
from flowaudit.daemon.jobs import Cycle, Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.log import configure
from flowaudit.daemon.reload import Prepared, Reload, check
from flowaudit.daemon.schedule import Job, Schedule
from flowaudit.daemon.stages import PATIENCE, STAGES
from flowaudit.daemon.systemd import Notifier
from flowaudit.errors import FlowauditError, LeaseLost
from flowaudit.model import ConfigReport

__all__ = ["Cycle", "Daemon", "configure", "run"]

GRACE = 8.0
"""Seconds that running jobs have to come to an end once a stop was asked for."""
STOP, RELOAD = (signal.SIGTERM, signal.SIGINT), signal.SIGHUP
DONE, LOST, RELOADED = "done", "lease lost", "reloaded"
"""Words in the queue, beside the names of signals."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


def run(app: App, *, once: bool = False, standby: bool = False, load: Callable[[], App] | None = None) -> Cycle | None:
    """Run one full cycle and return what it did, or go on until SIGTERM or SIGINT.

    One daemon leads a lake; with `standby` another waits to take over. `load` reads the configuration again, for
    SIGHUP; without it only the queries are. Raises FlowauditError where it cannot even start: no sources, a wrong
    configuration, an address that is taken, a lake that another daemon leads; and LeaseLost where another one has
    taken over.
    """
    configure(logging.WARNING if once else logging.INFO)
    daemon = Daemon(app, load)
    if once:
        return daemon.once()
    daemon.serve(standby=standby)
    return None


class Daemon:
    """The jobs of one configuration, with their metrics; to be run from the main thread, which gets the signals."""

    def __init__(self, app: App, load: Callable[[], App] | None = None) -> None:
        """Load the queries; raises ConfigError, also where there is nothing to collect."""
        check(app)
        self._app = app
        self.stop = threading.Event()
        self._schedule = Schedule(_jobs(app), self._run, self._left_out)
        self.jobs = Jobs(app, self.stop, self._schedule.moved)
        self.metrics = self.jobs.metrics
        self._leader = Leader(app.lake, app.lease(), self.metrics.record)
        self._web = Endpoints(app, self.jobs, self._schedule, self._leader)
        self._notifier, self._unhealthy = Notifier(), ""
        self._arrived: SimpleQueue[str] = SimpleQueue()
        self._reload = Reload(load or partial(replace, app), lambda: self._arrived.put(RELOADED))
        problems = app.catalogue.problems
        self.metrics.catalogue_errors(len(problems))
        for problem in problems:
            log.error("query left out", problem=str(problem))

    def once(self) -> Cycle:
        """Run one full cycle; a signal ends it early."""
        with _signals(self._arrived, STOP), ThreadPoolExecutor(1, "cycle") as thread:
            cycle = thread.submit(self.jobs.cycle)
            cycle.add_done_callback(lambda _: self._arrived.put(DONE))
            if self._arrived.get() != DONE:
                self.stop.set()
                with _deadline():
                    return cycle.result()
            return cycle.result()

    def serve(self, started: Callable[[str], None] = lambda _: None, *, standby: bool = False) -> None:
        """Run the jobs on their schedule until a signal comes; `started` is told the URL of the endpoints.

        The endpoints answer while it waits to lead. Raises LeaseTaken, and LeaseLost after a stop.
        """
        with _signals(self._arrived, (*STOP, RELOAD)):
            server = self._web.server()
            server.start()
            log.info("started", version=__version__, url=server.url, lake=self._app.lake.uri)
            try:
                self._notifier.ready()
                word = self._wait_to_lead(standby=standby)
                if not word:
                    self._leader.keep(lambda: self._arrived.put(LOST))
                    self._schedule.start()
                    started(server.url)
                    while not (word := self._next(self._notifier.beat)):
                        pass
                log.info("stopping", reason=word)
                self._notifier.stopping()
                self.stop.set()
            finally:
                with _deadline():
                    self._schedule.close()
                    self._leader.close()
                    server.close()
        log.info("stopped")
        if word == LOST:
            raise LeaseLost("another daemon leads this lake now: start this one with --standby to take over after it")

    def _wait_to_lead(self, *, standby: bool) -> str:
        """Take the lease and return ""; else the signal that came meanwhile. Raises LeaseTaken and LakeError."""
        word = ""

        def wait(seconds: float) -> bool:
            nonlocal word
            word = self._next(min(seconds, self._notifier.beat))
            return bool(word)

        self._leader.take(standby=standby, wait=wait)
        return word

    def _next(self, seconds: float) -> str:
        """Wait for a word that ends the daemon, so long at most, and return it, "" where none came.

        Meanwhile a reload is begun or ended. The watchdog is fed here, by the thread that drives all this, and only
        while each job keeps its intervals.
        """
        self._beat()
        try:
            word = self._arrived.get(timeout=seconds)
        except Empty:
            return ""
        if word == RELOAD.name:
            self._notifier.reloading()
            self._reload.ask(self._app.config)
        elif word == RELOADED:
            self._take_over(self._reload.result())
        else:
            return word
        return ""

    def _beat(self) -> None:
        unhealthy = self._web.unhealthy()
        if unhealthy and unhealthy.split(":")[0] != self._unhealthy.split(":")[0]:
            log.error("job late", problem=unhealthy)
        self._unhealthy = unhealthy
        self._notifier.status(unhealthy or self._leader.unready() or "collects and detects")
        if not unhealthy:
            self._notifier.alive()

    def _take_over(self, found: Prepared | str) -> None:
        """Run with a new configuration, or go on with the old one and report why."""
        if isinstance(found, str):
            log.error("configuration not reloaded", error=found)
            self._web.refused(found)
            self.metrics.record(ConfigReport(is_current=False, at=0))
        else:
            self._app = found.app
            self._leader.use(found.app.lake)
            self.jobs.use(found.app, found.work)
            self._schedule.change({job.name: job.every for job in _jobs(found.app)})
            self._web.use(found.app)
            self.metrics.catalogue_errors(0)
            self.metrics.record(ConfigReport(at=time.time()))
            log.info("configuration reloaded")
        if self._reload.asked_again():
            self._reload.ask(self._app.config)
        else:
            self._notifier.ready()

    def _run(self, job: str) -> None:
        try:
            self.jobs.run(job)
        except Exception as error:  # a fault in one run must not end all later ones
            self.metrics.failed(job, error)
            log.exception("job broken", job=job, error=repr(error))

    def _left_out(self, job: str, missed: int, overlapped: int) -> None:
        self.metrics.left_out(job, missed, overlapped)
        log.warning("starts left out", job=job, missed=missed, overlapped=overlapped)


def _jobs(app: App) -> list[Job]:
    """Return the stages as the schedule runs them."""
    patience = PATIENCE.total_seconds()
    return [Job(stage.name, stage.every(app).total_seconds(), stage.after, patience) for stage in STAGES]


@contextmanager
def _signals(arrived: SimpleQueue[str], numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Queue the names of signals.

    Not into an Event: its lock may be held by the very thread that the signal interrupts.
    """

    def put(number: int, _: FrameType | None) -> None:
        arrived.put(signal.Signals(number).name)

    before = {each: signal.signal(each, put) for each in numbers}
    try:
        yield
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
