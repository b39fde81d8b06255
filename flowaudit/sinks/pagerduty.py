"""PagerDuty's Events API v2 (developer.pagerduty.com, "Send an alert event"): one incident for each finding."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from flowaudit.config.sinks import PagerDutySink
from flowaudit.errors import SinkError
from flowaudit.exchange.case import PRODUCT, clean, stamp
from flowaudit.model import FindingEvent
from flowaudit.sinks import MESSAGES, Event, Result, each
from flowaudit.sinks.document import document, encode
from flowaudit.sinks.http import Client, Clock, origin, place

MOST_SUMMARY, MOST_NAME = 1024, 255
SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
HEADERS = {"Content-Type": "application/json"}


class PagerDuty:
    """Triggers where a finding is open after an event, resolves where it is resolved or under a mute."""

    batch: ClassVar[int] = 1
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: PagerDutySink, clock: Clock = time.time) -> None:
        self.name = settings.name
        self._settings = settings
        self._client = Client(settings.name, settings, clock=clock)

    @property
    def target(self) -> str:
        """Scheme and host."""
        return origin(self._settings.url)

    def send(self, events: Sequence[Event]) -> Result:
        """Enqueue each event; raises SinkError, ConfigError."""
        return each(events, self._post)

    def _post(self, event: Event) -> str | None:
        routing_key = self._settings.routing_key.read()
        body = encode({"routing_key": routing_key, **_message(event)})
        refusal = self._client.post(self._settings.url, body, HEADERS, [routing_key]).refusal
        if refusal is not None and "routing_key" in refusal:
            raise SinkError(
                f"sink {self.name}: PagerDuty rejects the routing key in {place(self._settings.routing_key)}: "
                "it must be the integration key of a service's Events API v2 integration"
            )
        return refusal


def _message(event: Event) -> dict[str, Any]:
    is_open = event.case.finding.state == "open"
    return {
        "event_action": "trigger" if is_open else "resolve",
        "dedup_key": event.case.finding.id,
        "client": PRODUCT,
        "payload": _payload(event),
    }


def _payload(event: Event) -> dict[str, Any]:
    case = event.case
    fields = {
        "summary": clean(f"{case.title}: {case.finding.sentence}", MOST_SUMMARY),
        "source": clean(case.subject, MOST_NAME),
        "severity": SEVERITIES[case.finding.severity],
        "timestamp": stamp(event.at),
        "component": clean(case.told("workload"), MOST_NAME),
        "group": "/".join(filter(None, (case.account, case.region))),
        "class": clean(case.finding.detector, MOST_NAME),
        "custom_details": {"event_id": event.id, **document(event)["finding"]},
    }
    return {name: value for name, value in fields.items() if value}
