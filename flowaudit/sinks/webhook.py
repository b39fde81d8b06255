"""A webhook as Standard Webhooks 1.0 has it (github.com/standard-webhooks/standard-webhooks): signed JSON."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import ClassVar

from flowaudit.config.sinks import Secret, WebhookSink
from flowaudit.errors import ConfigError
from flowaudit.model import FindingEvent
from flowaudit.sinks import MESSAGES, Event, Result, each
from flowaudit.sinks.document import document, encode
from flowaudit.sinks.http import Client, Clock, origin, place, read_url

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret."""


class Webhook:
    """Posts each event by itself, signed with each of its secrets."""

    batch: ClassVar[int] = 1
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: WebhookSink, clock: Clock = time.time) -> None:
        self.name = settings.name
        self._settings, self._clock = settings, clock
        self._client = Client(settings.name, settings, clock=clock)

    @property
    def target(self) -> str:
        """Scheme and host."""
        return origin(self._settings.url)

    def send(self, events: Sequence[Event]) -> Result:
        """Post each event; raises SinkError, SinkDisabled, ConfigError."""
        return each(events, self._post)

    def _post(self, event: Event) -> str | None:
        body = encode(_body(event))
        secrets = [secret.read() for secret in self._settings.secrets]
        keys = [_key(text, secret) for text, secret in zip(secrets, self._settings.secrets, strict=True)]
        moment = str(int(self._clock()))
        signed = f"{event.id}.{moment}.".encode() + body
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": moment,
            "webhook-signature": " ".join(_signature(key, signed) for key in keys),
        }
        return self._client.post(read_url(self._settings.url), body, headers, secrets).refusal


def _body(event: Event) -> dict[str, object]:
    neutral = document(event)
    return {
        "type": neutral["type"],
        "timestamp": neutral["time"],
        "data": {"version": neutral["version"], **neutral["finding"]},
    }


def _signature(key: bytes, signed: bytes) -> str:
    return f"v1,{b64encode(hmac.digest(key, signed, sha256)).decode()}"


def _key(text: str, secret: Secret) -> bytes:
    """Return a secret's bytes; raises ConfigError with its variable or file."""
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except ValueError:
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise ConfigError(
            f"{place(secret)} contains no webhook secret: it must be whsec_ and base64 of 24 to 64 random bytes"
        )
    return key
