"""Each job runs at its own interval on the monotonic clock; none delays another, and one that hangs is named."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from flowaudit.daemon.schedule import LATE, MOST_JITTER, Job, Schedule, Timer

PATIENCE = 20.0
"""Seconds until a test gives up waiting for what is to happen."""
LONG = 3600.0


class TestTimer:
    """The starts of one job, by a clock that is given."""

    def test_the_next_start_counts_from_the_last_start(self) -> None:
        """The length of a run does not shift the next one."""
        timer = Timer(60, due=100, ended=100)
        assert timer.start(100) == 0
        assert timer.end(140, jitter=0) == 0
        assert (timer.due, timer.ended) == (160, 140)

    @pytest.mark.parametrize(("jitter", "due"), [(-6, 154), (6, 166)])
    def test_a_start_comes_early_or_late_by_the_jitter(self, jitter: float, due: float) -> None:
        """Daemons that started together do not ask AWS together for ever."""
        timer = Timer(60, due=100, ended=100)
        timer.start(100)
        timer.end(101, jitter)
        assert timer.due == due

    def test_starts_that_fall_due_during_a_run_become_one(self) -> None:
        """A run of three and a half intervals left out three starts; the next is at once, and only one."""
        timer = Timer(60, due=100, ended=100)
        timer.start(100)
        assert timer.end(310, jitter=0) == 3
        assert timer.due == 310
        assert timer.start(310) == 0
        timer.end(311, jitter=0)
        assert timer.due == 370

    def test_starts_during_a_pause_become_one(self) -> None:
        """A process that was stopped for an hour makes up for one start, and counts the others as missed."""
        timer = Timer(60, due=100, ended=90)
        assert timer.start(3_700) == 60
        timer.end(3_701, jitter=0)
        assert timer.due == 3_760

    def test_a_job_that_does_not_start_is_late(self) -> None:
        """After three intervals, and not before a minute has passed: short intervals do not make it nervous."""
        timer = Timer(300, due=400, ended=100)
        assert timer.late(1_000, LONG) == ""
        assert timer.late(1_001, LONG) == "no run for 15 min"
        timer = Timer(1, due=101, ended=100)
        assert timer.late(100 + LATE, LONG) == ""
        assert timer.late(101 + LATE, LONG) == "no run for 61 s"

    def test_a_job_that_waits_for_its_first_start_is_not_late(self) -> None:
        """The wait for another job's first run does not count."""
        assert Timer(5, due=400, ended=100).late(300, LONG) == ""

    def test_a_run_that_hangs_is_late_with_its_age(self) -> None:
        """A run may take the longest time that is allowed; each sign of life begins it anew."""
        timer = Timer(60, due=0, ended=0)
        timer.start(0)
        assert timer.late(LONG, LONG) == ""
        assert timer.late(LONG + 1, LONG) == "a run hangs: it began 60 min ago, its last progress was 60 min ago"
        timer.moved = 3_000
        assert timer.late(LONG + 1, LONG) == ""
        assert timer.late(LONG + 3_001, LONG).endswith("its last progress was 60 min ago")


class Runs:
    """Counts the runs of jobs, and holds those that are to wait."""

    def __init__(self, *held: str) -> None:
        self.order: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.go = Event()
        self._held = set(held)

    def run(self, job: str) -> None:
        """Note a run, and wait where it is to."""
        self.order.append(job)
        if job in self._held:
            self.go.wait(PATIENCE)

    def note(self, job: str, missed: int, overlapped: int) -> None:
        """Note starts that were left out."""
        self.left_out[job] += missed + overlapped

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.order
            time.sleep(0.005)


@contextmanager
def scheduled(runs: Runs, *jobs: Job) -> Iterator[Schedule]:
    """Run a schedule for the length of a block."""
    schedule = Schedule(jobs, runs.run, runs.note)
    schedule.start()
    try:
        yield schedule
    finally:
        runs.go.set()
        schedule.close()


class TestSchedule:
    """Jobs in their threads."""

    def test_first_runs_come_at_once_in_order(self) -> None:
        """Without an interval of waiting: each after the first run of the job that it follows."""
        runs = Runs()
        jobs = Job("a", LONG), Job("b", LONG, "a", LONG), Job("c", LONG, "b", LONG)
        with scheduled(runs, *jobs):
            runs.until(lambda: len(runs.order) == 3)
        assert runs.order == ["a", "b", "c"]

    def test_the_first_run_waits_no_longer_than_its_patience(self) -> None:
        """A job whose predecessor hangs starts all the same, and once."""
        runs = Runs("a")
        with scheduled(runs, Job("a", LONG), Job("b", LONG, "a", 0.05)):
            runs.until(lambda: "b" in runs.order)
            runs.go.set()
            time.sleep(0.1)
            assert runs.order == ["a", "b"]

    def test_a_job_that_hangs_delays_no_other_and_is_named(self) -> None:
        """The others run at their interval; it does not run twice, and is late by its own clock."""
        runs = Runs("slow")
        with scheduled(runs, Job("slow", 0.02), Job("fast", 0.02)) as schedule:
            runs.until(lambda: runs.order.count("fast") >= 20)
            assert runs.order.count("slow") == 1
            runs.until(lambda: "slow" in schedule.late(longest_run=0.01))
            assert schedule.late(longest_run=LONG) == {}
            assert schedule.due_in("slow") is None
            runs.go.set()
            runs.until(lambda: runs.order.count("slow") > 1)
            runs.until(lambda: runs.left_out["slow"] > 3)

    def test_an_end_waits_for_runs_under_way_and_starts_none(self) -> None:
        """What is due at the end does not begin."""
        runs = Runs("a")
        with scheduled(runs, Job("a", 0.01)):
            runs.until(lambda: runs.order == ["a"])
        assert runs.order == ["a"]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_thread_that_ends_is_named(self) -> None:
        """Whatever ends it: nobody would run that job any more."""

        def run(_: str) -> None:
            raise SystemExit

        schedule = Schedule([Job("a", 1)], run, lambda *_: None)
        assert schedule.late(LONG) == {}
        schedule.start()
        Runs().until(lambda: schedule.late(LONG) == {"a": "its thread has ended"})
        schedule.close()

    def test_a_shorter_interval_counts_at_once(self) -> None:
        """A job that would start in an hour starts after the new interval."""
        runs = Runs()
        with scheduled(runs, Job("a", LONG)) as schedule:
            runs.until(lambda: runs.order == ["a"])
            schedule.change({"a": 0.01})
            runs.until(lambda: len(runs.order) > 2)

    def test_starts_are_spread(self) -> None:
        """No two intervals are equal, and none is shorter or longer by more than a tenth, or half a minute."""
        runs, now = Runs(), itertools.count(0.0)
        schedule = Schedule([Job("a", 600)], runs.run, runs.note, clock=lambda: next(now))
        timer = schedule._timers["a"]
        found = set()
        for _ in range(50):
            begun = schedule._clock()
            timer.start(begun)
            schedule._end(Job("a", 600))
            found.add(round(timer.due - begun - 600, 3))
        assert len(found) > 40
        assert max(map(abs, found)) <= MOST_JITTER
