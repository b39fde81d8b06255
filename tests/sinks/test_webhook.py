"""The webhook, as a receiver of Standard Webhooks 1.0 sees it."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from typing import Any

import pytest
import standardwebhooks

from flowaudit.config.sinks import WebhookSink
from flowaudit.errors import ConfigError
from flowaudit.sinks import Event
from flowaudit.sinks.document import document, encode
from flowaudit.sinks.webhook import Webhook
from tests.sinks.harness import event
from tests.sinks.harness_http import LOOPBACK, SECRET, Request, Server

OLD = "whsec_" + base64.b64encode(b"o" * 64).decode()
NAMES = {
    *("id", "event", "seq", "detector", "severity", "state", "title", "sentence", "key", "account", "region"),
    *("workload", "path", "opened", "first_seen", "last_seen", "flows", "bytes", "top_remotes", "mute", "explain"),
    *("evidence", "truncated"),
}


def post(
    sent: Event, monkeypatch: pytest.MonkeyPatch, secrets: tuple[str, ...] = (SECRET,), times: tuple[float, ...] = ()
) -> list[Request]:
    """Send an event at each of the times, now if there is none, and return what arrived."""
    places = [{"env": f"FLOWAUDIT_SECRET_{number}"} for number, _ in enumerate(secrets)]
    for place, secret in zip(places, secrets, strict=True):
        monkeypatch.setenv(place["env"], secret)
    with Server() as server:
        told: dict[str, Any] = {"type": "webhook", "name": "here", "url": server.url, "secrets": places}
        settings = WebhookSink.model_validate({**told, "allowed_networks": LOOPBACK})
        for moment in times or (time.time(),):
            Webhook(settings, clock=partial(float, moment)).send([sent])
    return server.accepted


def test_the_signature_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference library takes the message with the secret, and with no other."""
    (request,) = post(event(), monkeypatch)
    told = standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers))
    assert told["type"] == "finding.opened"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify(request.body, dict(request.headers))


def test_while_secrets_rotate_each_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers with the old secret and receivers with the new one both take the message."""
    (request,) = post(event(), monkeypatch, (SECRET, OLD))
    for secret in (SECRET, OLD):
        assert standardwebhooks.Webhook(secret).verify(request.body, dict(request.headers))
    assert request.headers["webhook-signature"].count("v1,") == 2


def test_a_later_attempt_has_the_same_id_and_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second attempt keeps the id and has a fresh timestamp, so its age does not look like a replay."""
    first, second = post(event(), monkeypatch, times=(1_000_000.9, 1_009_999.0))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "0123456789ab-1"
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1000000", "1009999")
    assert first.body == second.body


def test_the_body_tells_of_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is compact JSON: type, time of the event, and the finding with a version."""
    (request,) = post(event("resolved", 3), monkeypatch)
    assert list(request.json) == ["type", "timestamp", "data"]
    assert (request.json["type"], request.json["timestamp"]) == ("finding.resolved", "2026-05-04T12:03:00.000Z")
    data = request.json["data"]
    assert set(data) == {"version", *NAMES}
    assert (data["version"], data["id"], data["seq"], data["state"]) == ("1", "0123456789ab", 3, "resolved")
    assert data["explain"] == "flowaudit explain 0123456789ab"
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == encode(request.json)


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600", '"', "\\", "x\n", "\x00", "\ud800"])
def test_a_body_stays_below_20_kb(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a finding holds, the body is below 20 KB, and `truncated` marks omissions."""
    long = character * 20_000
    remotes = [{"address": "2001:db8::1", "port": 443, "protocol": 6, "bytes": 2**62, "flows": 2**62}] * 99
    names = ("workload", "path", *(f"{character}{number}" for number in range(40)))
    evidence = {"top_remotes": remotes, "list": [long] * 9, **dict.fromkeys(names, long)}
    words: dict[str, Any] = dict.fromkeys(("title", "sentence", "owner", "reason", "detector"), long)
    key = {f"k{number}": long for number in range(50)}
    (request,) = post(event("muted", evidence=evidence, key=key, **words), monkeypatch)
    assert len(request.body) < 20_000
    data = request.json["data"]
    assert data["truncated"] is True
    assert len(data["top_remotes"]) == 10


def test_small_evidence_is_sent_whole() -> None:
    """Evidence and key that fit are all there, and nothing is marked."""
    finding = document(event())["finding"]
    assert finding["truncated"] is False
    assert finding["evidence"]["vpc_id"] == "vpc-0aaa1111111111111"
    assert finding["key"] == {"interface_id": "eni-0a11111111111111a", "path": "internet_gateway"}
    assert "top_remotes" not in finding["evidence"]


def test_numbers_that_json_has_not_are_null() -> None:
    """NaN and infinity, which JSON readers refuse, are null."""
    told = document(event(evidence={"share": float("nan"), "ratio": [float("inf")]}))
    assert json.loads(encode(told))["finding"]["evidence"] == {"share": None, "ratio": [None]}


@pytest.mark.parametrize(
    "secret",
    [
        "not-a-secret",
        "whsec_",
        "whsec_not base64!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        base64.b64encode(b"x" * 32).decode(),
        "whsec_\u00e9",
    ],
)
def test_a_malformed_secret_is_told_by_its_place(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is none is a ConfigError with its place, and without the secret."""
    with pytest.raises(ConfigError, match="FLOWAUDIT_SECRET_1 contains no webhook secret") as raised:
        post(event(), monkeypatch, (SECRET, secret))
    assert secret == "whsec_" or secret not in str(raised.value)
