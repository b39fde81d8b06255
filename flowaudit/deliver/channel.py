"""One sink and its progress: accepted and refused events, and the time of the next attempt."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event as Stop
from threading import Thread
from traceback import format_tb
from typing import Any

import structlog

from flowaudit.config import SinkSettings
from flowaudit.errors import ConfigError, SinkDisabled, SinkError
from flowaudit.sinks import Event, Result, Sink

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until a sink that failed is tried again: the first time, and at most; doubled with each failure."""
STUCK = 60.0
"""Seconds after which a sink that is still sending the same events counts as one that takes nothing."""
ATTEMPTS = 10
"""How often an event is sent that fails while the sink takes others, before it becomes a dead letter."""

log = structlog.stdlib.get_logger("flowaudit.deliver")


class _Again(SinkError):
    """Events of a batch failed, each counted by itself, while the sink took the batch."""


@dataclass(slots=True)
class Channel:
    """One sink's progress in this process. Its thread, while one sends, is the only one to touch it.

    `watermark` is the number up to which every event is settled (None: not known yet), `settled` are the numbers above
    it that are; `committed` is the watermark in the lake. `letters` are dead letters that are not in the lake yet.
    """

    sink: Sink
    settings: SinkSettings
    watermark: int | None = None
    committed: int | None = None
    settled: set[int] = field(default_factory=set)
    letters: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    is_disabled: bool = False
    retry_at: float = 0.0
    failures_in_a_row: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    refreshed_at: float | None = None
    pending: int = 0
    oldest_pending: datetime | None = None
    counted: tuple[int, int] | None = None
    last_success: float = 0.0
    moved_at: float = 0.0
    accepted: int = 0
    failures: int = 0
    refused: int = 0
    _thread: Thread | None = None

    @property
    def name(self) -> str:
        """The sink's name."""
        return self.settings.name

    @property
    def is_busy(self) -> bool:
        """Whether it is sending."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def may_send(self) -> bool:
        """Whether it is idle, wants events, and is not waiting after a failure."""
        return not (self.is_busy or self.is_disabled) and time.monotonic() >= self.retry_at

    @property
    def trouble(self) -> str | None:
        """Why it takes nothing at present, None if it does."""
        if self.error is None and self.is_busy and time.monotonic() - self.moved_at >= STUCK:
            return f"sink {self.name}: a send has not ended for {STUCK:.0f} seconds"
        return self.error

    def place(self, watermark: int, committed: int | None) -> None:
        """Follow the log from a watermark on; what was known of a log that is no more is forgotten."""
        self.watermark, self.committed, self.counted = watermark, committed, None
        self.settled, self.letters, self.attempts = set(), [], {}

    def skip(self, watermark: int) -> None:
        """Go on from a watermark that another process has come to."""
        self.watermark = self.committed = watermark
        self.settled = {number for number in self.settled if number > watermark}

    def start(self, events: Sequence[Event], until: int, stop: Stop) -> None:
        """Send events from a thread of its own; once all are settled, so is everything up to `until`."""
        self.moved_at = time.monotonic()
        self._thread = Thread(target=self.send, args=(events, until, stop), name=f"sink-{self.name}", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the thread."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def send(self, events: Sequence[Event], until: int, stop: Stop) -> None:
        """Send events in order, up to the first failure."""
        left = [event for event in events if not self._is_settled(event)]
        try:
            left = self._pass_over(left)
            for start in range(0, len(left), self.sink.batch):
                if stop.is_set():
                    break
                self._send(left[start : start + self.sink.batch])
                self._advance(events, until)
        except SinkDisabled as error:
            self.is_disabled = True
            self._fail(error)
        except _Again as error:
            self._fail(error)
        except (SinkError, ConfigError) as error:
            self._fail(error)
            self._count(left)
        self._advance(events, until)

    def _send(self, batch: Sequence[Event]) -> None:
        """Send a batch; where the sink itself is at fault one by one, so that only the event that it fails at waits."""
        try:
            result = Result() if self.settings.dry_run else self.sink.send(batch)
        except (SinkError, ConfigError):
            raise
        except Exception as error:  # noqa: BLE001  one sink's fault must not end the others
            if len(batch) == 1:
                self._break(batch[0], error)
            else:
                for event in batch:
                    self._send([event])
        else:
            self._settle(batch, result)

    def _break(self, event: Event, error: Exception) -> None:
        """Take up a fault at an event: its class and place, for its text may hold a secret. Raises SinkError."""
        fault, where = type(error).__name__, "".join(format_tb(error.__traceback__))
        log.error("sink failed", sink=self.name, error=fault, id=event.id, traceback=where)
        reason = f"{fault} (a fault in flowaudit: see the log)"
        if self.sink.refresh is None:
            raise SinkError(reason)
        self._settle([event], Result(failed={event.id: reason}))

    def _pass_over(self, events: list[Event]) -> list[Event]:
        """Find out whether the first event, which has failed often, is to blame, and return the events that are left.

        An event of another finding goes first. If that is accepted and the first fails once more, the first is refused.
        """
        if not events or self.sink.refresh is not None or self.attempts.get(events[0].id, 0) < ATTEMPTS:
            return events
        first = events[0]
        other = next((event for event in events if event.case.finding.id != first.case.finding.id), None)
        if other is None:
            return events
        self._send([other])
        try:
            self._send([first])
        except SinkDisabled:
            raise
        except _Again:
            if not self._is_settled(first):
                raise
        except SinkError as error:
            self._refuse(first, f"failed {ATTEMPTS} times while another event was accepted: {error}")
        return [event for event in events if not self._is_settled(event)]

    def _settle(self, batch: Sequence[Event], result: Result) -> None:
        """Record the result of a batch; raises _Again where an event is to be sent again.

        A sink that keeps no history gets all of it again anyway: nothing is retried or given up.
        """
        waiting: set[str] = set()  # findings: behind the first of their events that failed, others were not sent
        for event in batch:
            if self.sink.refresh is not None and event.id in {**result.refused, **result.failed}:
                continue
            if reason := result.refused.get(event.id):
                self._refuse(event, reason)
            elif event.id in result.failed:
                if event.case.finding.id not in waiting:
                    self._retry(event, result.failed[event.id])
                waiting.add(event.case.finding.id)
            else:
                self._accept(event)
        if result.failed and self.sink.refresh is None:
            raise _Again(next(iter(result.failed.values())))
        self.failures_in_a_row, self.retry_at, self.last_success = 0, 0.0, time.time()
        self.moved_at = time.monotonic()
        self.error = next(iter(result.failed.values()), None)
        self.failures += bool(result.failed)

    def _is_settled(self, event: Event) -> bool:
        is_behind = self.sink.refresh is None and self.watermark is not None and event.number <= self.watermark
        return is_behind or event.number in self.settled

    def _accept(self, event: Event) -> None:
        if self.settings.dry_run:
            log.info("dry run", sink=self.name, kind=event.kind, finding=event.case.finding.id)
        self.settled.add(event.number)
        self.attempts.pop(event.id, None)
        self.accepted += 1

    def _refuse(self, event: Event, reason: str) -> None:
        self.settled.add(event.number)
        self.attempts.pop(event.id, None)
        self.refused += 1
        self.letters.append(letter(self.name, event, "refused", reason))
        log.error("event refused", sink=self.name, id=event.id, reason=reason)

    def _retry(self, event: Event, reason: str) -> None:
        """Note that one event failed where others did not."""
        self.attempts[event.id] = self.attempts.get(event.id, 0) + 1
        if self.attempts[event.id] >= ATTEMPTS:
            self._refuse(event, f"failed {ATTEMPTS} times: {reason}")

    def _count(self, left: Sequence[Event]) -> None:
        """Count a failed attempt for the first event that is not settled: it may be the cause."""
        first = next((event for event in left if not self._is_settled(event)), None)
        if first is not None:
            self.attempts[first.id] = self.attempts.get(first.id, 0) + 1

    def _fail(self, error: SinkError | ConfigError) -> None:
        """Pause: longer with each failure, with jitter, and at least as long as the sink asks for."""
        self.error, self.failures = str(error), self.failures + 1
        self.failures_in_a_row += 1
        longest = LONGEST_PAUSE if self.sink.refresh is None else self.sink.refresh.total_seconds()
        pause = min(longest, FIRST_PAUSE * 2 ** min(self.failures_in_a_row - 1, 16))
        asked = getattr(error, "retry_after", None) or 0.0
        self.retry_at = time.monotonic() + max(asked, pause * random.uniform(0.5, 1.0))  # noqa: S311  not for secrets

    def _advance(self, events: Sequence[Event], until: int) -> None:
        """Move the watermark up to the first event that is not settled: what is behind it is not sent again."""
        if self.sink.refresh is not None:
            self.settled.clear()
            if self.error is not None and self.failures_in_a_row:
                self.refreshed_at = None  # due again once the pause is over
            return
        waiting = [event.number for event in events if not self._is_settled(event)]
        self.watermark = min(waiting) - 1 if waiting else until
        self.settled = {number for number in self.settled if number > self.watermark}


def letter(sink: str, event: Event, outcome: str, reason: str) -> dict[str, Any]:
    """Return a row of the table `dead_letters`."""
    return {
        "sink": sink,
        "event_number": event.number,
        "event_id": event.id,
        "at": datetime.now(UTC),
        "outcome": outcome,
        "reason": reason,
    }
