"""An EventBridge event bus: each event is an event of source `flowaudit` (EventBridge API Reference, "PutEvents")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from flowaudit.config.sinks import EventBridgeSink
from flowaudit.exchange import Case
from flowaudit.model import FindingEvent
from flowaudit.sinks import MESSAGES, Event, Result
from flowaudit.sinks.aws import Call, Refusal, in_order
from flowaudit.sinks.aws_messages import MOST_ENTRIES, ROOM, batches, body, size

SOURCE = "flowaudit"
DETAIL_TYPES = {
    FindingEvent.OPENED: "Finding Opened",
    FindingEvent.SEEN: "Finding Updated",
    FindingEvent.REOPENED: "Finding Reopened",
    FindingEvent.RESOLVED: "Finding Resolved",
    FindingEvent.MUTED: "Finding Muted",
    FindingEvent.UNMUTED: "Finding Unmuted",
}
"""The detail-type of each event, for patterns of rules."""

_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:[\x21-\x7e]{1,512}")


class EventBridge:
    """Puts events on a bus; rules match them by source, detail-type, resources and the document."""

    batch: ClassVar[int] = MOST_ENTRIES
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: EventBridgeSink, client: Any) -> None:  # noqa: ANN401  boto3's
        self.name = settings.name
        self._bus = settings.bus
        self._client = client
        self._call = Call(self.name, self.target, "events:PutEvents", f"the {self.target}", client)

    @property
    def target(self) -> str:
        """The bus, by name or ARN, and its region."""
        return f"event bus {self._bus} in {self._client.meta.region_name}"

    def send(self, events: Sequence[Event]) -> Result:
        """Put each event on the bus; raises SinkError where the bus takes nothing."""
        entries = {event.id: self._entry(event) for event in events}
        calls = batches(events, lambda event: size(entries[event.id]["Detail"]) + ROOM)
        return in_order(calls, lambda some: self._put({event.id: entries[event.id] for event in some}))

    def _put(self, entries: Mapping[str, dict[str, Any]]) -> Result:
        """Put entries; the answer has one for each, in their order, and those with an error were not taken."""
        with self._call.explained():
            answer = self._client.put_events(Entries=list(entries.values()))
        refusals = (
            Refusal(id, one["ErrorCode"], one.get("ErrorMessage", ""))
            for id, one in zip(entries, answer["Entries"], strict=True)
            if one.get("ErrorCode")
        )
        return self._call.settled(refusals, len(entries))

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPES[event.kind],
            "Detail": body(event),
            "Resources": resources(event.case),
            "Time": event.at,
            "EventBusName": self._bus,
        }


def resources(case: Case) -> list[str]:
    """Return the ARNs of the interface and of the workload, as far as they are known."""
    return [arn for arn in (case.subject, case.told("workload_arn")) if _ARN.fullmatch(arn)]
