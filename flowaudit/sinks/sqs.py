"""An SQS queue: each event is a message, in JSON (Amazon SQS API Reference, "SendMessageBatch")."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flowaudit.config.sinks import SqsSink
from flowaudit.model import FindingEvent
from flowaudit.sinks import MESSAGES, Event, Result
from flowaudit.sinks.aws import Call, Refusal, in_order
from flowaudit.sinks.aws_messages import MOST_ENTRIES, ROOM, attributes, batches, body, order, size


class Sqs:
    """Sends to a queue; consumers see the idempotency key in the document and, in FIFO queues, as deduplication id."""

    batch: ClassVar[int] = MOST_ENTRIES
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: SqsSink, client: Any) -> None:  # noqa: ANN401  boto3's
        self.name = settings.name
        self._url = settings.queue_url
        self._client = client
        self._call = Call(self.name, self.target, "sqs:SendMessage", f"the queue {self._queue}", client)

    @property
    def target(self) -> str:
        """The queue's name and host."""
        return f"queue {self._queue} at {urlsplit(self._url).netloc}"

    def send(self, events: Sequence[Event]) -> Result:
        """Send each event; raises SinkError where the queue takes nothing."""
        entries = {event.id: self._entry(event) for event in events}
        calls = batches(events, lambda event: size(entries[event.id]["MessageBody"]) + ROOM)
        return in_order(calls, lambda some: self._enqueue([entries[event.id] for event in some]))

    @property
    def _queue(self) -> str:
        return self._url.rpartition("/")[2]

    def _enqueue(self, entries: Sequence[dict[str, Any]]) -> Result:
        with self._call.explained():
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return self._call.settled(map(Refusal.of, answer.get("Failed", ())), len(entries))

    def _entry(self, event: Event) -> dict[str, Any]:
        return {
            "Id": event.id,
            "MessageBody": body(event),
            "MessageAttributes": attributes(event),
            **(order(event) if self._url.endswith(".fifo") else {}),
        }
