"""Slack's messages: within its limits, nothing but text, and no closer than a second to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowaudit.errors import SinkDisabled, SinkError
from flowaudit.sinks import Result
from flowaudit.sinks import slack as module
from flowaudit.sinks.slack import Slack, digest, escape, message
from tests.sinks.harness import event
from tests.sinks.harness_http import Reply, SlackHarness

REMOTE = {"address": "2001:db8:1111:2222:3333:4444:5555:6666", "port": 65535, "bytes": 2**62, "flows": 1}


@pytest.fixture
def harness() -> Iterator[SlackHarness]:
    """A receiver that answers as Slack does."""
    with SlackHarness() as receiver:
        yield receiver


def texts(payload: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Each text of a message, and the characters that Slack allows it."""
    for block in payload["blocks"]:
        if "text" in block:
            yield block["text"]["text"], 150 if block["type"] == "header" else 3000
        for part in [*block.get("fields", []), *block.get("elements", [])]:
            yield part["text"], 2000


@pytest.mark.parametrize("make", [message, lambda one: digest([one] * Slack.batch)])
@pytest.mark.parametrize("character", ["x", "&", "<", "é", "\n", "<!channel> @here "])
def test_every_limit_is_kept(make: Callable[[Any], dict[str, Any]], character: str) -> None:
    """A message has at most 50 blocks, 10 fields and 13,000 characters, and each text the length that Slack allows."""
    long = character * 10_000
    evidence = {"workload": long, "top_remotes": [REMOTE] * 50}
    payload = make(event(title=long, sentence=long, evidence=evidence, key={"path": long}))
    assert 1 <= len(payload["blocks"]) <= 50
    assert all(len(block.get("fields", [])) <= 10 for block in payload["blocks"])
    assert all(0 < len(text) <= most for text, most in texts(payload))
    assert len(json.dumps(payload["blocks"], ensure_ascii=False)) <= 13_000
    assert len(payload["text"]) <= 3000


@pytest.mark.parametrize("length", [149, 150, 151])
def test_text_is_cut_with_a_mark(length: int) -> None:
    """Text that is too long ends in an ellipsis; text of just the length is left alone."""
    cut = escape("x" * length, 150)
    assert len(cut) == min(length, 150)
    assert cut.endswith("…") is (length > 150)


@pytest.mark.parametrize("most", range(2, 14))
def test_no_escape_is_cut_in_two(most: int) -> None:
    """A text that is cut never ends within `&amp;`, which would be read as something else."""
    cut = escape("a&<>b" * 3, most)
    assert len(cut) <= most
    assert not any(part and ";" not in part for part in cut.split("&")[1:])


@pytest.mark.parametrize("words", ["<!channel>", "<!here>", "<@U012AB3CD>", "<https://evil.example|Slack>", "@channel"])
def test_nobody_is_called(words: str) -> None:
    """What looks like a mention or a link in evidence is shown as it is written, and calls nobody."""
    for payload in (message(event(sentence=words, title=words)), digest([event(sentence=words)])):
        told = json.dumps(payload, ensure_ascii=False)
        assert words not in told
        assert "<" not in told


def test_a_message_tells_severity_state_and_what_to_do() -> None:
    """Severity, state and the commands for details are in the message, and a line for notifications."""
    payload = message(event())
    told = [text for text, _ in texts(payload)]
    assert told[0] == "CRITICAL opened: Traffic leaves to the internet past the NAT gateway"
    assert {"Severity: critical", "State: open", "Volume: 1.2 GB", "Workload: fraud-training"} <= set(told)
    assert any("`flowaudit findings show 0123456789ab`" in text for text in told)
    assert payload["text"].startswith("CRITICAL opened: Traffic leaves")


def test_a_line_of_evidence_makes_no_line_of_its_own() -> None:
    """A newline in a sentence does not begin a line that looks like ours."""
    sent = event(sentence="x\nState: resolved")
    assert "x State: resolved" in [text for text, _ in texts(message(sent))]
    assert digest([sent])["blocks"][1]["text"]["text"].count("\n") == 2


def test_few_events_are_a_message_each_and_many_are_one(harness: SlackHarness) -> None:
    """Up to three events of a send are a message each; more are one message with a paragraph each."""
    events = [event(id=f"{number:012x}") for number in range(Slack.batch)]
    sink = harness.sink()
    sink.send(events[:3])
    assert len(harness.server.accepted) == 3
    sink.send(events)
    assert len(harness.server.accepted) == 4
    assert len(harness.server.accepted[3].json["blocks"]) == 1 + Slack.batch


def test_a_digest_that_is_refused_is_sent_in_parts(harness: SlackHarness) -> None:
    """Where one event spoils the message about many, each is sent by itself, and only that one is refused."""
    harness.fail("refusing")
    events = [event(id=name) for name in ("aaaaaaaaaaa1", "bad000000000", "aaaaaaaaaaa2", "aaaaaaaaaaa3")]
    assert set(harness.sink().send(events).refused) == {"bad000000000-1"}
    assert [one.key for one in harness.received()] == ["aaaaaaaaaaa1-1", "aaaaaaaaaaa2-1", "aaaaaaaaaaa3-1"]


def test_what_slack_took_is_not_sent_again(harness: SlackHarness) -> None:
    """Where Slack stops in between, only the events behind are to be sent again."""
    harness.server.answer = lambda request: Reply(503 if harness.server.accepted else 200)
    result = harness.sink().send([event(), event(seq=2), event(seq=3)])
    assert result == Result(failed={f"0123456789ab-{seq}": result.failed[f"0123456789ab-{seq}"] for seq in (2, 3)})
    assert "answered 503 Service Unavailable" in result.failed["0123456789ab-2"]


def test_messages_are_a_second_apart(harness: SlackHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack takes a message a second: the sink waits for the rest of it, also between sends."""
    now, waits = [100.0], list[float]()

    class Time:
        monotonic = staticmethod(lambda: now[0])

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    sink = harness.sink()
    assert isinstance(sink, Slack)
    sink._sleep = sleep
    monkeypatch.setattr(module, "time", Time)
    sink.send([event(), event(seq=2)])
    now[0] += 0.25
    sink.send([event(seq=3)])
    now[0] += 5
    sink.send([event(seq=4)])
    assert waits == [1.0, 0.75]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, "action_prohibited", "an admin of the workspace forbids the message"),
        (403, "invalid_token", "the URL is no longer valid"),
        (404, "no_service", "the webhook is disabled or removed: create a new one"),
        (404, "channel_not_found", "the channel was deleted"),
        (500, "rollup_error", "Slack failed"),
    ],
)
def test_slacks_answers_are_put_into_words(harness: SlackHarness, status: int, body: str, told: str) -> None:
    """The error holds Slack's code and the remedy."""
    harness.server.answer = lambda request: Reply(status, body.encode())
    with pytest.raises(SinkError, match=f"answered {status} {body}: {told}"):
        harness.sink().send([event()])


def test_an_archived_channel_disables_the_sink(harness: SlackHarness) -> None:
    """A channel that is archived gets nothing more."""
    harness.server.answer = lambda request: Reply(410, b"channel_is_archived")
    with pytest.raises(SinkDisabled, match="channel_is_archived: unarchive the channel"):
        harness.sink().send([event()])


def test_a_message_that_slack_cannot_read_is_refused(harness: SlackHarness) -> None:
    """A message that is too long or malformed to Slack is refused for good."""
    harness.server.answer = lambda request: Reply(400, b"msg_blocks_too_long")
    refused = harness.sink().send([event()]).refused
    assert refused == {"0123456789ab-1": "400 msg_blocks_too_long: the message is too long for Slack"}


def test_a_login_page_is_not_slack(harness: SlackHarness) -> None:
    """An answer 200 other than `ok` is not Slack's, and the event is sent again."""
    harness.server.answer = lambda request: Reply(200, b"<html>Sign in</html>")
    with pytest.raises(SinkError, match="the answer is not Slack's"):
        harness.sink().send([event()])
