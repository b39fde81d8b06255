"""Where events of findings are sent: one file for each kind of sink.

A sink sends and keeps nothing: which events are due, retries, pauses and dead letters are `deliver`'s. An event may
be sent twice (a process may die between sending and noting it), so each carries an idempotency key that receivers
see: `Event.id`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from flowaudit.exchange import Case
from flowaudit.model import FindingEvent

__all__ = ["LONGEST_PAUSE", "MESSAGES", "Event", "Result", "Sink", "each"]

LONGEST_PAUSE = 3600.0
"""Seconds: no receiver makes a sink wait longer, whatever its `Retry-After` says."""
MESSAGES = frozenset(FindingEvent) - {FindingEvent.SEEN}
"""The events that are messages by default: all but `seen`, which repeats with each window of an ongoing finding."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a finding, and in `case` the finding as it stands after it.

    `number` is its place in the log of all events, `seq` its place among those of its finding.
    """

    number: int
    seq: int
    kind: FindingEvent
    at: datetime
    case: Case

    @property
    def id(self) -> str:
        """The idempotency key: the same whenever this event is sent, in `[0-9a-f-]`."""
        return f"{self.case.finding.id}-{self.seq}"

    @property
    def is_muted(self) -> bool:
        """Whether the finding was under a mute when this happened; the event `muted` itself included."""
        return self.case.finding.until is not None


@dataclass(frozen=True, slots=True)
class Result:
    """Which events of a batch were not taken, by `Event.id`, each with the reason; all others were.

    Those `refused` never will be (they become dead letters); those `failed` may be if sent again.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def each(events: Sequence[Event], post: Callable[[Event], str | None]) -> Result:
    """Return the result of sending events one by one: `post` returns why an event is refused, None if it is not."""
    return Result(refused={event.id: refusal for event in events if (refusal := post(event)) is not None})


class Sink(Protocol):
    """A place that events are sent to. One thread at a time sends."""

    @property
    def name(self) -> str:
        """Its name in configuration, metrics and messages."""
        ...

    @property
    def batch(self) -> int:
        """How many events one `send` takes at most."""
        ...

    @property
    def kinds(self) -> frozenset[FindingEvent]:
        """The events it gets where the configuration does not choose."""
        ...

    @property
    def gets_muted(self) -> bool:
        """Whether it gets every event of muted findings; otherwise only the event `muted`."""
        ...

    @property
    def refresh(self) -> timedelta | None:
        """None: it gets each event once, in order.

        Else it keeps no history of its own: at this interval it gets the newest event of every finding that is open or
        was resolved within the last 15 minutes.
        """
        ...

    def send(self, events: Sequence[Event]) -> Result:
        """Send events, in order, within the time limit.

        Raises SinkError where the sink as a whole takes nothing at present (no connection, throttled, access denied:
        all of `events` will be sent again), SinkDisabled where it wants no more, ConfigError where a secret is
        missing. No message holds a secret, and a URL may be one: messages name the sink and the host.
        """
        ...

    @property
    def target(self) -> str:
        """Where it sends, for people: without secrets, and without a URL's path, which may be one."""
        ...
