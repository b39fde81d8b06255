"""Lake → sinks: each sink follows the log of events at its own pace.

How far a sink has come and what it refused (dead letters) is committed to the lake after the events were sent: an event
is sent at least once, each time with the same idempotency key. Each sink sends from a thread of its own, so one that
hangs delays no other; one that is down is tried again after a pause, and its events wait in the log.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event as Stop

import pyarrow as pa

from flowaudit.config import SinkSettings
from flowaudit.deliver.channel import Channel, letter
from flowaudit.deliver.events import Log, trial
from flowaudit.errors import ConfigError, SinkError
from flowaudit.lake import Lake, retried
from flowaudit.model import DeliverReport
from flowaudit.schema import DEAD_LETTERS
from flowaudit.sinks import Event, Sink

__all__ = ["Deliverer", "Log", "Standing", "application", "replay", "standing", "trial"]

WAIT, WAIT_ONCE = 4.0, 60.0
"""Seconds that one delivery waits for sinks: on schedule, and where it is to end with everything sent."""
KEPT = timedelta(minutes=15)
"""How long sinks that keep no history get resolved findings: as Prometheus does (`resolvedRetention`)."""


class Deliverer:
    """All sinks of a configuration. One thread at a time runs it."""

    def __init__(self, log: Log, sinks: Iterable[tuple[Sink, SinkSettings]], started: datetime | None = None) -> None:
        """Sinks that are new to the lake get the events from `started`, by default now, on, or all."""
        self._log, self._started = log, started or datetime.now(UTC)
        self._channels = [Channel(sink, settings) for sink, settings in sinks]

    def run(self, stop: Stop, *, until_done: bool = False) -> DeliverReport:
        """Send due events and return the results; raises LakeError, QueryError.

        On schedule this waits a few seconds for the sinks, whose threads go on; `until_done` it goes on until each
        sink has everything or fails, a minute at most.
        """
        if self._channels and self._log.lake.exists():
            if any(channel.watermark is None for channel in self._channels):
                self._log.lake.create()
            deadline = time.monotonic() + (WAIT_ONCE if until_done else WAIT)
            while self._pass(stop, deadline) and until_done and time.monotonic() < deadline:
                pass
        return self.report()

    def report(self) -> DeliverReport:
        """Return the state of the sinks, and the events they accepted and refused since the last report."""
        idle = [channel for channel in self._channels if not channel.is_busy]
        report = DeliverReport(
            events={channel.name: channel.accepted for channel in idle},
            failures={channel.name: channel.failures for channel in idle},
            dead_letters={channel.name: channel.refused for channel in idle},
            pending={channel.name: channel.pending for channel in self._channels},
            oldest_pending={
                channel.name: channel.oldest_pending.timestamp() if channel.oldest_pending else 0.0
                for channel in self._channels
            },
            up={channel.name: int(channel.trouble is None) for channel in self._channels},
            last_success={channel.name: channel.last_success for channel in self._channels},
            errors={channel.name: trouble for channel in self._channels if (trouble := channel.trouble) is not None},
        )
        for channel in idle:
            channel.accepted = channel.failures = channel.refused = 0
        return report

    def _catch_up(self, newest: int) -> None:
        """Read the progress of each sink that is behind: another daemon may have sent too.

        A sink that is new to the lake begins by its setting `start`. So does one that is ahead of the log: the lake was
        made anew, or is an older copy of itself.
        """
        behind = [channel for channel in self._channels if not channel.is_busy and channel.watermark != newest]
        if not behind:
            return
        known = self._log.lake.log("dead_letters")
        for channel in behind:
            stored = known.watermark(application(channel.name))
            committed = stored - 1 if stored else None
            if channel.watermark is None or channel.watermark > newest:
                is_new = committed is None and channel.settings.start == "now"
                begin = self._log.position(self._started) if is_new else committed or 0
                channel.place(min(begin, newest), committed)
            elif committed is not None and channel.watermark < committed <= newest:
                channel.skip(committed)
        self._commit(newest)

    def _pass(self, stop: Stop, deadline: float) -> bool:
        """Send each sink its next events and commit the results; return whether a sink may have more."""
        newest = self._log.newest()
        self._catch_up(newest)
        begun = [channel for channel in self._channels if channel.may_send and self._begin(channel, newest, stop)]
        for channel in self._channels:
            channel.join(deadline - time.monotonic())
        self._commit(newest)
        for channel in self._channels:
            self._count(channel, newest)
        return any(channel.error is None for channel in begun) and not stop.is_set()

    def _begin(self, channel: Channel, newest: int, stop: Stop) -> bool:
        if channel.sink.refresh is not None:
            return self._refresh(channel, newest, stop)
        if channel.watermark is None or channel.watermark >= newest:
            return False
        events, until = self._log.due(channel.sink, channel.settings, channel.watermark)
        if not events:
            channel.watermark = newest if until is None else until
            return until is not None
        channel.start(events, newest if until is None else until, stop)
        return True

    def _refresh(self, channel: Channel, newest: int, stop: Stop) -> bool:
        """Send the state of all findings, if that is due or has changed."""
        now = time.monotonic()
        is_due = channel.refreshed_at is None or now >= channel.refreshed_at + _seconds(channel.sink.refresh)
        if not is_due and channel.watermark == newest:
            return False
        events = self._log.standing(channel.sink, channel.settings, datetime.now(UTC) - KEPT)
        channel.refreshed_at, channel.watermark = now, newest
        channel.start(events, newest, stop)
        return False  # nothing waits for it

    def _count(self, channel: Channel, newest: int) -> None:
        """Count the waiting events, if the count can have changed."""
        if channel.is_busy or channel.watermark is None or channel.sink.refresh is not None:
            return
        if channel.watermark >= newest:
            channel.pending, channel.oldest_pending = 0, None
        elif channel.counted != (channel.watermark, newest):
            found = self._log.pending(channel.sink, channel.settings, channel.watermark)
            (channel.pending, channel.oldest_pending), channel.counted = found, (channel.watermark, newest)

    def _commit(self, newest: int) -> None:
        """Commit the progress of the sinks and the events they refused, unless they belong to another lake.

        Of a busy sink only the watermark, and only while it has no dead letter: both are committed together.
        """
        marks: dict[str, int] = {}
        idle = []
        for channel in self._channels:
            mark = channel.watermark  # first: a dead letter is recorded before the watermark passes its event
            if mark is None or mark > newest or (channel.is_busy and channel.letters):
                continue
            if channel.sink.refresh is None and mark != channel.committed:
                marks[channel.name] = mark
            if not channel.is_busy:
                idle.append(channel)
        letters = [row for channel in idle for row in channel.letters]
        if not letters and not marks:
            return
        _write(self._log.lake, letters, {application(name): mark + 1 for name, mark in marks.items()})
        for channel in self._channels:
            channel.committed = marks.get(channel.name, channel.committed)
        for channel in idle:
            channel.letters = []


def _seconds(span: timedelta | None) -> float:
    return span.total_seconds() if span else 0.0


def application(sink: str) -> str:
    """Return the id of the application transaction of a sink; its number is one more than the watermark."""
    return f"flowaudit/deliver/{sink}"


def _write(lake: Lake, letters: Sequence[dict[str, object]], marks: dict[str, int]) -> None:
    """Append dead letters and move watermarks; once more if another process came first."""
    rows = pa.Table.from_pylist(list(letters), DEAD_LETTERS)
    retried(lambda: lake.log("dead_letters").commit(rows, marks))


# --- for people -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A sink's state in the lake; `pending` None: it has never run."""

    sink: Sink
    settings: SinkSettings
    pending: int | None
    dead_letters: int


def standing(log: Log, sinks: Iterable[tuple[Sink, SinkSettings]]) -> list[Standing]:
    """Return the state of each sink; raises LakeError, QueryError."""
    if not log.lake.exists():
        return [Standing(sink, settings, None, 0) for sink, settings in sinks]
    log.lake.create()
    known, dead = log.lake.log("dead_letters"), [row["sink"] for row in log.dead_letters(None)]
    found = []
    for sink, settings in sinks:
        stored = known.watermark(application(settings.name))
        pending = log.pending(sink, settings, stored - 1)[0] if stored and sink.refresh is None else None
        found.append(Standing(sink, settings, pending, dead.count(settings.name)))
    return found


def replay(log: Log, sink: Sink, name: str, events: Sequence[Event]) -> tuple[int, dict[str, str]]:
    """Send events again with their idempotency keys; return how many were accepted, and why others were not, by id.

    Dead letters among them that are accepted are dead letters no more. Raises SinkError, with what was accepted noted.
    """
    letters: list[dict[str, object]] = []
    problems: dict[str, str] = {}
    accepted = 0
    try:
        for start in range(0, len(events), sink.batch):
            batch = events[start : start + sink.batch]
            problems |= _problems(sink, batch)
            taken = [event for event in batch if event.id not in problems]
            accepted += len(taken)
            letters += [letter(name, event, "replayed", "") for event in taken]
    except (SinkError, ConfigError) as error:
        raise SinkError(f"{accepted} of {len(events)} events were accepted, then: {error}") from error
    finally:
        if letters:
            _write(log.lake, letters, {})
    return accepted, problems


def _problems(sink: Sink, batch: Sequence[Event]) -> dict[str, str]:
    """Send a batch, one by one where the sink itself is at fault, and return why events were not accepted, by id."""
    try:
        result = sink.send(batch)
    except (SinkError, ConfigError):
        raise
    except Exception as error:  # noqa: BLE001  a fault at one event must not keep the others back
        if len(batch) == 1:
            return {batch[0].id: f"{type(error).__name__} (a fault in flowaudit)"}
        return {id: problem for event in batch for id, problem in _problems(sink, [event]).items()}
    return {**result.refused, **result.failed}
