"""An SNS topic: each event is a message, in JSON (Amazon SNS API Reference, "PublishBatch")."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from flowaudit.config.sinks import SnsSink
from flowaudit.exchange.case import clean
from flowaudit.model import FindingEvent
from flowaudit.sinks import MESSAGES, Event, Result
from flowaudit.sinks.aws import Call, Refusal, in_order
from flowaudit.sinks.aws_messages import MOST_ENTRIES, ROOM, attributes, batches, body, order, size

MOST_SUBJECT = 99
"""Characters: "less than 100", without line breaks and control characters; ASCII, as e-mail once asked for."""


class Sns:
    """Publishes to a topic; subscriptions can filter by severity, detector and event."""

    batch: ClassVar[int] = MOST_ENTRIES
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = False
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: SnsSink, client: Any) -> None:  # noqa: ANN401  boto3's
        self.name = settings.name
        self._topic = settings.topic_arn
        self._client = client
        self._call = Call(self.name, self.target, "sns:Publish", self._topic, client)

    @property
    def target(self) -> str:
        """The topic's ARN."""
        return self._topic

    def send(self, events: Sequence[Event]) -> Result:
        """Publish each event; raises SinkError where the topic takes nothing."""
        entries = {event.id: self._entry(event) for event in events}
        calls = batches(events, lambda event: size(entries[event.id]["Message"]) + ROOM)
        return in_order(calls, lambda some: self._publish([entries[event.id] for event in some]))

    def _publish(self, entries: Sequence[dict[str, Any]]) -> Result:
        with self._call.explained():
            answer = self._client.publish_batch(TopicArn=self._topic, PublishBatchRequestEntries=entries)
        return self._call.settled(map(Refusal.of, answer.get("Failed", ())), len(entries))

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "Id": event.id,
            "Subject": subject(event),
            "Message": body(event),
            "MessageAttributes": attributes(event),
            **(order(event) if self._topic.endswith(".fifo") else {}),
        }


def subject(event: Event) -> str:
    """Return the subject of e-mail subscriptions: severity, event and title."""
    line = clean(f"[{event.case.finding.severity.upper()}] {event.kind}: {event.case.title}")
    text = line.encode("ascii", "replace").decode()
    return text if len(text) <= MOST_SUBJECT else f"{text[: MOST_SUBJECT - 3]}..."
