"""What AWS's sinks and OCSF's have in common, each against its receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions, parsers

from flowaudit.errors import SinkError
from flowaudit.model import FindingEvent
from flowaudit.sinks import Sink
from tests.sinks import harness_aws
from tests.sinks.harness import Failure, event
from tests.sinks.harness_aws import KEY, SECRET, error

KINDS = [str(kind) for kind in FindingEvent]
HARNESSES: list[Any] = [
    harness_aws.SnsHarness,
    harness_aws.SqsHarness,
    harness_aws.EventBridgeHarness,
    harness_aws.SecurityHubHarness,
    harness_aws.OcsfS3Harness,
    harness_aws.OcsfFileHarness,
]
CALLING = HARNESSES[:-1]
FAILURES = [
    pytest.param(harness, how, id=f"{harness.__name__}-{how}")
    for harness in HARNESSES
    for how in ("down", "throttled", "denied")
    if how in harness.can
]
HOSTILE = "\x1b[2J\x00\u202e\ud800\uffff \n" + "x" * 10_000
LARGE = [{"address": "203.0.113.9", "port": port % 65536, "note": HOSTILE[:200]} for port in range(25_000)]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A receiver, by the class of its harness."""
    with request.param() as harness:
        yield harness


def each(harnesses: list[Any]) -> pytest.MarkDecorator:
    """Run a test for each kind of sink."""
    return pytest.mark.parametrize("place", harnesses, indirect=True, ids=lambda harness: harness.__name__)


@each(HARNESSES)
def test_every_event_arrives_once_in_order(place: Any) -> None:
    """Each kind of event arrives, once and in order, by its idempotency key, and the same one when sent again."""
    sink: Sink = place.sink()
    events = [event(kind, seq) for seq, kind in enumerate(KINDS, 1)]
    result = sink.send(events)
    assert (result.refused, result.failed) == ({}, {})
    assert [one.key for one in place.received()] == [one.id for one in events]
    sink.send(events[-1:])
    assert place.received()[-1].key == events[-1].id


@pytest.mark.parametrize(("place", "how"), FAILURES, indirect=["place"])
def test_a_sink_that_takes_nothing_is_an_error(place: Any, how: Failure) -> None:
    """No connection, throttling and missing permission raise, without a secret, nothing arrives, and later all does."""
    sink: Sink = place.sink()
    place.fail(how)
    with pytest.raises(SinkError) as caught:
        sink.send([event()])
    assert sink.name in str(caught.value)
    assert SECRET not in str(caught.value)
    assert KEY not in str(caught.value)
    assert list(place.received()) == []
    place.fail("none")
    sink.send([event()])
    assert [one.key for one in place.received()] == [event().id]


@each(CALLING[:-1])
def test_a_malformed_event_is_refused(place: Any) -> None:
    """What AWS finds fault with is refused, with AWS's code and words, and is not sent again."""
    sink: Sink = place.sink()
    place.fail("refusing")
    result = sink.send([event()])
    assert set(result.refused) == {event().id}
    assert "this entry is malformed" in result.refused[event().id]
    assert result.failed == {}


@each(CALLING[:-1])
def test_a_call_refused_for_one_event_is_made_for_each(place: Any) -> None:
    """Where AWS refuses a whole call for what is in it, events go one by one, and only the culprit is refused."""
    events = [event(seq=seq, id=f"{seq:012x}") for seq in (1, 2, 3)]
    place.wire.answer = lambda _, params: error("ValidationException") if events[1].id in str(params) else None
    result = place.sink().send(events)
    assert set(result.refused) == {events[1].id}
    assert result.failed == {}
    assert [one.key for one in place.received()] == [events[0].id, events[2].id]


@each(HARNESSES)
def test_hostile_texts_stay_text(place: Any) -> None:
    """Control characters, lone surrogates and five megabytes of evidence arrive, within limits, as text."""
    evidence = event().case.finding.evidence | {"note": HOSTILE, "workload": HOSTILE, "top_remotes": LARGE}
    hostile = event(title=HOSTILE, detector=HOSTILE, sentence=HOSTILE, key={HOSTILE: HOSTILE}, evidence=evidence)
    result = place.sink().send([hostile])
    assert (result.refused, result.failed) == ({}, {})
    (arrived,) = place.received()
    assert arrived.key == hostile.id
    assert len(arrived.text) < 300_000
    assert "\x1b" not in json.dumps(json.loads(arrived.text), ensure_ascii=False)
    arrived.text.encode()


REFUSALS = [
    ("ThrottlingException", 400, "throttles requests"),
    ("RequestThrottled", 403, "throttles requests"),
    ("SlowDown", 503, "throttles requests"),
    ("Unheard", 429, "throttles requests"),
    ("AccessDenied", 403, "Allow {action}"),
    ("AuthorizationError", 403, "Allow {action}"),
    ("Unheard", 403, "Allow {action}"),
    ("KMSAccessDeniedException", 400, "kms:GenerateDataKey"),
    ("ExpiredToken", 403, "Log in again"),
    ("InvalidClientTokenId", 403, "Log in again"),
    ("SignatureDoesNotMatch", 403, "Log in again"),
    ("RequestTimeTooSkewed", 403, "clock"),
    ("ResourceNotFoundException", 404, "does not exist"),
    ("InternalFailure", 500, "an internal error"),
    ("Unheard", 599, "an internal error"),
    ("Unheard", 400, "API reference of {action}"),
]
ACTIONS = {
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "eventbridge": "events:PutEvents",
    "security_hub": "securityhub:BatchImportFindings",
    "ocsf": "s3:PutObject",
}


@each(CALLING)
def test_a_denied_action_is_named(place: Any) -> None:
    """Where access is denied the message names the missing IAM action of the sink."""
    place.wire.answer = lambda *_: error("AccessDenied", 403)
    with pytest.raises(SinkError, match=f"Allow {ACTIONS[place.kind]} on "):
        place.sink().send([event()])


@each([harness_aws.SqsHarness])
@pytest.mark.parametrize(("code", "status", "words"), REFUSALS)
def test_a_refusal_has_a_remedy(place: Any, code: str, status: int, words: str) -> None:
    """Each code has a message with a remedy, without AWS's own words, which may hold a key."""
    place.wire.answer = lambda *_: error(code, status, f"{KEY} {SECRET}")
    with pytest.raises(SinkError) as caught:
        place.sink().send([event()])
    assert words.format(action=ACTIONS[place.kind]) in str(caught.value)
    assert code in str(caught.value)
    assert SECRET not in str(caught.value)


@each([harness_aws.SqsHarness])
def test_a_key_that_is_denied_is_named(place: Any) -> None:
    """Where access is denied for a key of KMS, it is the key's permission that is missing."""
    place.wire.answer = lambda *_: error("AccessDenied", 403, "not authorized to perform: kms:GenerateDataKey")
    with pytest.raises(SinkError, match="kms:GenerateDataKey and kms:Decrypt"):
        place.sink().send([event()])


@each([harness_aws.SqsHarness])
@pytest.mark.parametrize(
    ("wait", "seconds"), [("7", 7.0), ("9" * 400, 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_aws_says_how_long_to_wait(place: Any, wait: str, seconds: float | None) -> None:
    """Seconds of Retry-After are handed on, at most an hour."""
    place.wire.answer = lambda *_: error("ThrottlingException", 429, **{"retry-after": wait})
    with pytest.raises(SinkError) as caught:
        place.sink().send([event()])
    assert caught.value.retry_after == seconds


OWN_ERRORS = [
    (exceptions.NoCredentialsError(), "Log in again"),
    (exceptions.CredentialRetrievalError(provider="sso", error_msg=SECRET), "Log in again"),
    (exceptions.SSLError(endpoint_url="https://aws.example", error=SECRET), "AWS_CA_BUNDLE"),
    (exceptions.ProxyConnectionError(proxy_url=f"http://ada:{SECRET}@proxy.example"), "does not answer"),
    (exceptions.ReadTimeoutError(endpoint_url="https://aws.example"), "does not answer"),
    (exceptions.ConnectionClosedError(endpoint_url="https://aws.example"), "does not answer"),
    (exceptions.UnknownServiceError(service_name=SECRET, known_service_names=""), "takes no events at present"),
    (parsers.ResponseParserError(f"<html>{SECRET}"), "Check the network, the proxy"),
]


@each([harness_aws.SqsHarness])
@pytest.mark.parametrize(("raised", "words"), OWN_ERRORS, ids=lambda value: type(value).__name__)
def test_what_botocore_raises_is_explained(place: Any, raised: Exception, words: str) -> None:
    """Missing credentials, certificates, proxies and timeouts have a message each, without a secret."""

    def fails(*_: Any) -> None:
        raise raised

    place.wire.answer = fails
    with pytest.raises(SinkError, match=words) as caught:
        place.sink().send([event()])
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@each(HARNESSES)
def test_a_target_is_told_without_its_url(place: Any) -> None:
    """The target names the place, and neither scheme nor path of an HTTP address."""
    assert place.sink().target
    assert "http" not in place.sink().target
