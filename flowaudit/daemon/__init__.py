"""The daemon: the jobs on their schedule, signals, and the HTTP endpoints."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import FrameType

import structlog

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.daemon.endpoints import Endpoints
from flowaudit.daemon.jobs import Cycle, Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.log import configure
from flowaudit.daemon.schedule import Job, Schedule
from flowaudit.daemon.stages import PATIENCE, STAGES
from flowaudit.errors import ConfigError, FlowauditError, LeaseLost

__all__ = ["Cycle", "Daemon", "configure", "run"]

GRACE = 8.0
"""Seconds that running jobs have to come to an end once a stop was asked for."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
DONE, LOST = "done", "lease lost"
"""What is queued beside the names of signals."""

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
        self._schedule = Schedule(_jobs(app), self._run, self._left_out)
        self.jobs = Jobs(app, self.stop, self._schedule.moved)
        self.metrics = self.jobs.metrics
        self._leader = Leader(app.lake, app.lease(), self.metrics.record)
        self._web = Endpoints(app, self.jobs, self._schedule, self._leader)
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
            server = self._web.server()
            server.start()
            log.info("started", version=__version__, url=server.url, lake=self._app.lake.uri)
            try:
                word = self._wait_to_lead(arrived, standby=standby)
                if not word:
                    self._leader.keep(lambda: arrived.put(LOST))
                    self._schedule.start()
                    started(server.url)
                    word = arrived.get()
                log.info("stopping", reason=word)
                self.stop.set()
            finally:
                with _deadline():
                    self._schedule.close()
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
