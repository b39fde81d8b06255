"""The log of events as sinks read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flowaudit import sql
from flowaudit.catalogue import Catalogue
from flowaudit.config import SinkSettings
from flowaudit.exchange import Case
from flowaudit.findings import Finding
from flowaudit.lake import Lake
from flowaudit.model import FindingEvent, Severity
from flowaudit.sinks import Event, Sink
from flowaudit.sql.internal import statement

TRIAL = "0" * 12
"""The id of the finding that tests a sink."""
MOST = 500
"""How many events are read at once for one sink."""


@dataclass(frozen=True, slots=True)
class Log:
    """The events in a lake; `home` is the region of findings that name none."""

    lake: Lake
    catalogue: Catalogue
    home: str | None = None

    def newest(self) -> int:
        """Return the number of the newest event, 0 where there is none; raises LakeError."""
        return self.lake.log("findings").number

    def position(self, before: datetime) -> int:
        """Return the number up to which all events happened before a time, 0 where there is none."""
        return int(self._rows("log_position", {"before": before})[0]["position"])

    def due(self, sink: Sink, settings: SinkSettings, after: int) -> tuple[list[Event], int | None]:
        """Return the next events for a sink, and the number up to which these are all; None: up to the newest.

        At most `MOST`: as many may be left.
        """
        rows = self._rows("due_events", _filter(sink, settings) | {"after": after, "most": MOST})
        until = rows[-1]["event_number"] if len(rows) == MOST else None
        return self._wanted(rows, settings), until

    def standing(self, sink: Sink, settings: SinkSettings, resolved_since: datetime) -> list[Event]:
        """Return the newest event of each finding that is open or was resolved since a time, for a sink."""
        params = _filter(sink, settings)
        del params["events"]
        return self._wanted(self._rows("standing_events", params | {"resolved_since": resolved_since}), settings)

    def pending(self, sink: Sink, settings: SinkSettings, after: int) -> tuple[int, datetime | None]:
        """Return how many events wait for a sink, and when the oldest of them happened."""
        rows = self._rows("pending_events", _filter(sink, settings) | {"after": after})
        wanted = [row for row in rows if settings.takes(row["detector"], row["account_id"])]
        return sum(row["events"] for row in wanted), min((row["oldest"] for row in wanted), default=None)

    def numbered(self, numbers: Sequence[int]) -> list[Event]:
        """Return events by their numbers, in the order of the log."""
        return [self._event(row) for row in self._rows("numbered_events", {"numbers": list(numbers)})]

    def dead_letters(self, sink: str | None) -> list[dict[str, Any]]:
        """Return the events that a sink (None: any) refused and that were not replayed since."""
        return self._rows("dead_letters", {"sink": sink})

    def _wanted(self, rows: Sequence[Mapping[str, Any]], settings: SinkSettings) -> list[Event]:
        events = map(self._event, rows)
        return [event for event in events if settings.takes(event.case.finding.detector, event.case.account)]

    def _event(self, row: Mapping[str, Any]) -> Event:
        detector = self.catalogue.detectors.get(row["detector"])
        case = Case(Finding.of(row), row["opened_at"], row["at"], detector, self.home)
        return Event(row["event_number"], row["seq"], FindingEvent(row["event"]), row["at"], case)

    def _rows(self, name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        with sql.connect(self.lake, tables=("findings", "dead_letters"), views=self.catalogue.views) as log:
            return log.query(statement(name), params).to_pylist()


def trial(log: Log, now: datetime) -> list[Event]:
    """Return two events of a finding that does not exist: opened, and resolved a second later.

    Both are past: Alertmanager shows an alert that ends in the future as active.
    """
    events, opened = [], now - timedelta(seconds=2)
    for seq, (kind, state) in enumerate([(FindingEvent.OPENED, "open"), (FindingEvent.RESOLVED, "resolved")], start=1):
        at = opened + timedelta(seconds=seq - 1)
        finding = Finding(
            id=TRIAL,
            detector="test",
            severity=str(Severity.LOW),
            state=state,
            sentence="This is a test by `flowaudit sinks test`: there is nothing to do.",
            key={"test": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
            first_seen=opened,
            last_seen=opened,
            flows=0,
            bytes=0,
            evidence={},
            title="Test of this sink by flowaudit",
            until=None,
            owner=None,
            reason=None,
        )
        events.append(Event(seq, seq, kind, at, Case(finding, opened, at, None, log.home)))
    return events


def _filter(sink: Sink, settings: SinkSettings) -> dict[str, Any]:
    events = sink.kinds if settings.events is None else settings.events
    return {
        "events": [str(event) for event in events],
        "severities": [str(each) for each in Severity if each.rank >= settings.min_severity.rank],
        "muted": sink.gets_muted,
    }
