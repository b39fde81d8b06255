"""Alertmanager's API v2 (prometheus.io, "Sending alerts"): an alert for each finding, sent repeatedly while it is open.

Alertmanager drops an alert at its `endsAt`, and resolved ones when it restarts. So, as Prometheus does
(rules/alerting.go), open findings are sent each minute to end four minutes from now, resolved ones for 15 minutes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flowaudit.config.sinks import AlertmanagerSink
from flowaudit.errors import ConfigError, SinkError
from flowaudit.exchange.case import PRODUCT, clean, stamp
from flowaudit.model import FindingEvent
from flowaudit.sinks import Event, Result
from flowaudit.sinks.document import encode
from flowaudit.sinks.http import Client, Clock, origin

ALERT = "FlowauditFinding"
PATH = "/api/v2/alerts"
HEADERS = {"Content-Type": "application/json"}
REFRESH = timedelta(seconds=60)
LASTS = 4 * REFRESH
"""How long an alert fires unless it is sent again."""
KEPT = timedelta(minutes=15)
"""How long a resolved alert is sent."""
SEVERITIES = {"critical": "critical", "high": "warning", "medium": "info", "low": "info"}
OWN = ("alertname", "severity", "detector", "finding", "account", "region", "source")
MOST_LABEL, MOST_WORDS = 256, 1024

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


class Alertmanager:
    """Posts to every peer: peers share silences and notifications, not alerts."""

    batch: ClassVar[int] = 200
    kinds: ClassVar[frozenset[FindingEvent]] = frozenset(FindingEvent)
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = REFRESH

    def __init__(self, settings: AlertmanagerSink, clock: Clock = time.time) -> None:
        """Raises ConfigError for a label that Alertmanager does not take, or that is flowaudit's own."""
        self.name = settings.name
        self._settings, self._clock = settings, clock
        self._client = Client(settings.name, settings, clock=clock)
        if wrong := [name for name in settings.labels if not _LABEL.fullmatch(name) or name in OWN]:
            own = ", ".join(OWN)
            rule = f"a name has letters, digits and _ only, and flowaudit sets {own} itself"
            raise ConfigError(f"sink {self.name}: the label {wrong[0]!r} cannot be in `labels`: {rule}")

    @property
    def target(self) -> str:
        """Scheme and host of each peer."""
        return ", ".join(map(origin, self._settings.urls))

    def send(self, events: Sequence[Event]) -> Result:
        """Post to each peer; where some take nothing, all events count as failed. Raises SinkError where none does."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        due = [event for event in events if _is_due(event, now)]
        refused: dict[str, str] = {}
        down: list[SinkError] = []
        for url in self._settings.urls if due else ():
            try:
                refused |= self._post(url, due, now)
            except SinkError as error:
                down.append(error)
        if len(down) == len(self._settings.urls):
            raise down[0]
        reason = "; ".join(map(str, down))
        return Result(refused=refused, failed={event.id: reason for event in due if reason and event.id not in refused})

    def _post(self, url: str, events: Sequence[Event], now: datetime) -> dict[str, str]:
        """Post to one peer; where it refuses, each by itself: it does not name the alert that it means."""
        body = encode([_alert(event, now, self._settings.labels) for event in events])
        refusal = self._client.post(url.rstrip("/") + PATH, body, HEADERS).refusal
        if refusal is None:
            return {}
        if len(events) == 1:
            return {events[0].id: refusal}
        return {name: why for event in events for name, why in self._post(url, [event], now).items()}


def _is_due(event: Event, now: datetime) -> bool:
    return event.case.finding.state == "open" or now - event.at <= KEPT


def _alert(event: Event, now: datetime, labels: Mapping[str, str]) -> dict[str, Any]:
    finding = event.case.finding
    ends = now + LASTS if finding.state == "open" else min(event.at, now)  # an end in the future fires
    return {
        "labels": {**labels, **_labels(event)},
        "annotations": {
            **({"workload": workload} if (workload := clean(event.case.told("workload"), MOST_LABEL)) else {}),
            "summary": event.case.title,
            "description": clean(finding.sentence, MOST_WORDS) or event.case.summary,
            "event": event.id,
            "command": f"flowaudit findings show {finding.id}",
        },
        "startsAt": stamp(min(finding.first_seen, ends)),
        "endsAt": stamp(ends),
    }


def _labels(event: Event) -> dict[str, str]:
    case = event.case
    labels = {
        "alertname": ALERT,
        "severity": SEVERITIES[case.finding.severity],
        "detector": clean(case.finding.detector, MOST_LABEL),
        "finding": case.finding.id,
        "account": case.account,
        "region": case.region,
        "source": PRODUCT,
    }
    return {name: value for name, value in labels.items() if value}
