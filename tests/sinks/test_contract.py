"""What every sink does alike; each `harness_*.py` brings the receivers of some."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowaudit.errors import ConfigError, SinkError
from flowaudit.sinks import Event, Result, Sink
from tests.sinks.harness import Failure, Harness, event

MODULES = [importlib.import_module(f"tests.sinks.{file.stem}") for file in Path(__file__).parent.glob("harness_*.py")]
HARNESSES: list[type[Any]] = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "kind")
    if value.__name__.endswith("Harness")
]
WITH_SECRET = [one for one in HARNESSES if getattr(one, "rotates", False)]
UNFIT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\\\\u(0000|001b|202e|d800)")
HOSTILE = '\x00\x1b[2J\u202e<!channel> @here "quoted" \\ \r\n* `code` \ud800 </script>'


def made(of: list[type[Any]]) -> pytest.MarkDecorator:
    """Run a test with each of these harnesses."""
    return pytest.mark.parametrize("kind", of, ids=lambda kind: kind.kind)


@pytest.fixture
def harness(kind: type[Any]) -> Iterator[Any]:
    """A receiver that works."""
    with kind() as receiver:
        yield receiver


def deliver(sink: Sink, events: Sequence[Event]) -> Result:
    """Send events in as many sends as the sink's batch asks for."""
    results = [sink.send(events[start : start + sink.batch]) for start in range(0, len(events), sink.batch)]
    refused = {key: reason for result in results for key, reason in result.refused.items()}
    failed = {key: reason for result in results for key, reason in result.failed.items()}
    return Result(refused, failed)


def keys(harness: Harness) -> list[str]:
    """The idempotency keys that arrived, in order."""
    return [one.key for one in harness.received()]


@made(HARNESSES)
def test_each_kind_of_event_arrives_once(harness: Harness) -> None:
    """Each kind of event that a sink gets arrives once, with its idempotency key and its finding's id."""
    sink = harness.sink()
    events = [event(kind.value, seq) for seq, kind in enumerate(sorted(sink.kinds), start=1)]
    assert [sink.send([one]) for one in events] == [Result()] * len(events)
    assert keys(harness) == [one.id for one in events]
    assert all(one.case.finding.id in got.text for one, got in zip(events, harness.received(), strict=True))


@made(HARNESSES)
def test_what_is_sent_again_has_the_same_key(harness: Harness) -> None:
    """An event that is sent twice carries the same key, so that receivers can drop the second."""
    sink, sent = harness.sink(), event()
    assert (sink.send([sent]), sink.send([sent])) == (Result(), Result())
    assert set(keys(harness)) == {sent.id}


@made(HARNESSES)
@pytest.mark.parametrize("count", [2, 7])
def test_a_batch_keeps_its_order(harness: Harness, count: int) -> None:
    """Events arrive in the order in which they were sent, few or many."""
    events = [event(id=f"{number:012x}", seq=number) for number in range(1, count + 1)]
    assert deliver(harness.sink(), events) == Result()
    assert keys(harness) == [one.id for one in events]


@made(HARNESSES)
@pytest.mark.parametrize("how", ["down", "throttled", "denied"])
def test_a_sink_that_takes_nothing_says_so(harness: Harness, how: Failure) -> None:
    """Without connection, throttled or without permission a sink raises SinkError, and works when that is over."""
    if how not in harness.can:
        pytest.skip(f"{harness.kind} has no {how}")
    sink, sent = harness.sink(), event()
    harness.fail(how)
    with pytest.raises(SinkError, match=r"\w"):
        sink.send([sent])
    assert keys(harness) == []
    harness.fail("none")
    assert sink.send([sent]) == Result()
    assert keys(harness) == [sent.id]


@made(HARNESSES)
def test_a_refused_event_holds_up_no_other(harness: Harness) -> None:
    """An event that the receiver refuses is named with the reason, and all others arrive."""
    if "refusing" not in harness.can:
        pytest.skip(f"{harness.kind} refuses nothing")
    events = [event(), event(id="bad000000000"), event(id="aaaaaaaaaaaa")]
    harness.fail("refusing")
    result = deliver(harness.sink(), events)
    assert events[1].id in result.refused
    assert all(result.refused.values())
    assert sorted([*result.refused, *keys(harness)]) == sorted(one.id for one in events)


@made(HARNESSES)
def test_hostile_words_stay_words(harness: Harness) -> None:
    """Whatever strangers write into evidence arrives as text, without what no line may hold, and within limits."""
    evidence = {**event().case.finding.evidence, "note": HOSTILE + "x" * 5_000_000, "workload": HOSTILE}
    key = {"interface_id": HOSTILE, "path": HOSTILE}
    sent = event(title=HOSTILE, sentence=HOSTILE * 1_000, evidence=evidence, key=key)
    assert deliver(harness.sink(), [sent]) == Result()
    (got,) = harness.received()
    assert got.key == sent.id
    assert UNFIT.search(got.text) is None
    assert len(got.text.encode()) < 256 * 1024


@made(WITH_SECRET)
@pytest.mark.parametrize("how", ["down", "throttled", "denied", "refusing"])
def test_no_message_holds_a_secret(harness: Any, how: Failure, caplog: pytest.LogCaptureFixture) -> None:
    """No error, refusal, log line, target or printed settings holds a secret, though the receiver repeats it."""
    caplog.set_level(logging.DEBUG)
    sink = harness.sink()
    harness.fail(how)
    try:
        told = str(sink.send([event(id="bad000000000")]))
    except SinkError as error:
        told = repr(error)
    secret = harness.secret.read_text()
    for part in (secret, secret.removeprefix("whsec_"), secret.rpartition("/")[2]):
        assert part not in f"{told} {sink.target} {sink!r} {vars(sink)!r} {caplog.text}"


@made(WITH_SECRET)
def test_a_rotated_secret_is_used_at_once(harness: Any) -> None:
    """A secret that changes in its file is used by the next send, without a restart."""
    sink = harness.sink()
    sink.send([event()])
    assert harness.used(harness.first_secret())
    harness.secret.write_text(harness.second_secret())
    sink.send([event()])
    assert harness.used(harness.second_secret())
    assert not harness.used(harness.first_secret())


@made(WITH_SECRET)
def test_a_missing_secret_names_its_place(harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there is a ConfigError that names the variable."""
    monkeypatch.delenv("FLOWAUDIT_TEST_SECRET", raising=False)
    sink = harness.without_secret("FLOWAUDIT_TEST_SECRET")
    with pytest.raises(ConfigError, match="FLOWAUDIT_TEST_SECRET"):
        sink.send([event()])
