"""The schedule: a thread for each job, on the monotonic clock, which no change of the time of day moves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

JITTER, MOST_JITTER = 0.1, 30.0
"""A start is this share of the interval early or late at most, and no more than so many seconds."""
LATE_RUNS, LATE = 3, 60.0
"""A job is late where no run has ended for so many of its intervals, and not before so many seconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, with the seconds from start to start.

    Its first run waits for the first run of the job `after`, for `patience` seconds at most.
    """

    name: str
    every: float
    after: str | None = None
    patience: float = 0.0


@dataclass(slots=True)
class Timer:
    """The starts of one job, in seconds of the monotonic clock.

    Instances: a job never runs twice at once. Coalescing: starts that fall due during a run become one, at its end.
    Misfires: so do starts that fall due while the process is paused, at once when it goes on.
    """

    every: float
    due: float
    ended: float
    """End of the last run; before the first one, the beginning of the schedule."""
    started: float | None = None
    """Start of the run under way, None while there is none."""
    moved: float = 0.0
    """Last sign of life of that run."""
    runs: int = 0

    def start(self, now: float) -> int:
        """Begin a run; return how many further starts fell due before it: nothing ran."""
        self.started = self.moved = now
        return max(0, int((now - self.due) / self.every))

    def end(self, now: float, jitter: float) -> int:
        """End the run and set the next start; return how many starts fell due during the run."""
        begun = now if self.started is None else self.started
        self.started, self.ended, self.due = None, now, max(now, begun + self.every + jitter)
        self.runs += 1
        return int((now - begun) / self.every)

    def late(self, now: float, longest_run: float) -> str:
        """Return in which respect the job does not keep its interval, "" where it does."""
        usual = max(LATE_RUNS * self.every, LATE)
        if self.started is None:
            return f"no run for {span(now - self.ended)}" if now > max(self.due, self.ended + usual) else ""
        if now - self.moved <= max(longest_run, LATE_RUNS * self.every):
            return ""
        return (
            f"a run hangs: it began {span(now - self.started)} ago, its last progress was {span(now - self.moved)} ago"
        )


class Schedule:
    """Runs jobs, each in a thread of its own."""

    def __init__(
        self,
        jobs: Sequence[Job],
        run: Callable[[str], None],
        left_out: Callable[[str, int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run nothing yet; `left_out` is called with a job and the numbers of its missed and overlapped starts."""
        self._jobs, self._run, self._left_out, self._clock = jobs, run, left_out, clock
        self._timers = self._at(clock())
        self._changed = Condition()
        self._is_over = False
        self._threads = {
            job.name: Thread(target=self._loop, args=[job], name=f"job-{job.name}", daemon=True) for job in jobs
        }

    def start(self) -> None:
        """Begin: the first runs start at once, in the order of the jobs."""
        self._timers = self._at(self._clock())
        for thread in self._threads.values():
            thread.start()

    def close(self) -> None:
        """Start no more runs, and return once those under way have ended."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads.values():
            if thread.ident is not None:
                thread.join()

    def change(self, every: Mapping[str, float]) -> None:
        """Set new intervals, in seconds by job; they count from now on."""
        with self._changed:
            now = self._clock()
            for name, timer in self._timers.items():
                timer.every = every[name]
                timer.due = min(timer.due, now + timer.every)
            self._changed.notify_all()

    def moved(self, name: str) -> None:
        """Note a sign of life of a run under way."""
        self._timers[name].moved = self._clock()

    def late(self, longest_run: float) -> dict[str, str]:
        """Return the jobs that do not keep their interval, and in which respect."""
        now = self._clock()
        found = {}
        for name, timer in self._timers.items():
            thread = self._threads[name]
            if thread.ident is not None and not thread.is_alive() and not self._is_over:
                found[name] = "its thread has ended"
            elif why := timer.late(now, longest_run):
                found[name] = why
        return found

    def due_in(self, name: str) -> float | None:
        """Return the seconds until a job's next start, None while it runs or is not scheduled."""
        timer = self._timers.get(name)
        return None if timer is None or timer.started is not None else max(0.0, timer.due - self._clock())

    def _at(self, now: float) -> dict[str, Timer]:
        return {job.name: Timer(job.every, now + (job.patience if job.after else 0), now) for job in self._jobs}

    def _loop(self, job: Job) -> None:
        while self._wait(job.name):
            try:
                self._run(job.name)
            finally:
                self._end(job)

    def _wait(self, name: str) -> bool:
        """Wait for the next start of a job and note it; return False once the schedule is over."""
        timer = self._timers[name]
        with self._changed:
            while not self._is_over and (left := timer.due - self._clock()) > 0:
                self._changed.wait(left)
            if self._is_over:
                return False
            missed = timer.start(self._clock())
        self._count(name, missed, 0)
        return True

    def _end(self, job: Job) -> None:
        timer = self._timers[job.name]
        with self._changed:
            now, most = self._clock(), min(JITTER * timer.every, MOST_JITTER)
            overlapped = timer.end(now, random.uniform(-most, most))  # noqa: S311  not for secrets
            for other in self._jobs:
                waiting = self._timers[other.name]
                if other.after == job.name and not waiting.runs and waiting.started is None:
                    waiting.due = min(waiting.due, now)
            self._changed.notify_all()
        self._count(job.name, 0, overlapped)

    def _count(self, name: str, missed: int, overlapped: int) -> None:
        if missed or overlapped:
            self._left_out(name, missed, overlapped)


def span(seconds: float) -> str:
    """Return a span in words: 75 → 75 s, 300 → 5 min."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
