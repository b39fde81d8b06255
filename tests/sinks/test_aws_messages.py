"""SNS, SQS and EventBridge: what arrives, limits at their edges, and batches of which a part is not taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flowaudit.errors import SinkError
from flowaudit.model import FindingEvent
from flowaudit.sinks.aws_messages import MOST_BYTES, ROOM, batches, body, fitted, size
from flowaudit.sinks.eventbridge import DETAIL_TYPES
from flowaudit.sinks.sns import MOST_SUBJECT, subject
from tests.sinks.harness import ACCOUNT, REGION, event
from tests.sinks.harness_aws import EventBridgeHarness, SnsHarness, SqsHarness, error, messages

EVENTS = [event(seq=seq, id=f"{seq:012x}") for seq in range(1, 12)]
OF_ONE = [event(seq=seq) for seq in range(1, 5)]


@pytest.fixture
def sns() -> Iterator[SnsHarness]:
    """A topic."""
    with SnsHarness() as place:
        yield place


@pytest.fixture
def sqs() -> Iterator[SqsHarness]:
    """A queue."""
    with SqsHarness() as place:
        yield place


@pytest.fixture
def bus() -> Iterator[EventBridgeHarness]:
    """A bus."""
    with EventBridgeHarness() as place:
        yield place


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of a call that has room for two events."""
    monkeypatch.setattr("flowaudit.sinks.aws_messages.MOST_BYTES", int(2.5 * (size(body(event())) + ROOM)))


def wide(bytes: int, text: str = "x") -> dict[str, Any]:
    """A document of exactly so many bytes."""
    finding = {"id": "0123456789ab", "sentence": "short", "top_remotes": ""}
    told = {"version": "1", "id": "0123456789ab-1", "type": "finding.opened", "finding": finding}
    finding["top_remotes"] = text * ((bytes - size(fitted(told, MOST_BYTES))) // size(text))
    return told


@pytest.mark.parametrize("text", ["x", "\N{PILE OF POO}"])
def test_a_document_that_fits_is_whole(text: str) -> None:
    """Up to the limit nothing is left out, in bytes of UTF-8; beyond, the largest member gives way and is named."""
    told = wide(10_000, text)
    exactly = len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())
    assert size(fitted(told, exactly)) == exactly
    assert json.loads(fitted(told, exactly)) == told
    finding = json.loads(fitted(told, exactly - 1))["finding"]
    assert finding == {"id": "0123456789ab", "sentence": "short", "left_out": ["top_remotes"]}


def test_a_document_is_what_sqs_takes() -> None:
    """Characters that SQS refuses are replaced, so that one text does not cost a whole batch."""
    text = fitted({"finding": {"id": "x", "title": "a\ud800b\uffffc\x00d"}}, 1000)
    assert json.loads(text)["finding"]["title"] == "a\ufffdb\ufffdc\x00d"
    assert "\x00" not in text


@pytest.mark.parametrize(
    ("weights", "cut"),
    [
        ([1] * 10, [10]),
        ([1] * 11, [10, 1]),
        ([MOST_BYTES // 2] * 2, [2]),
        ([MOST_BYTES // 2, MOST_BYTES // 2 + 1], [1, 1]),
        ([MOST_BYTES, 1, 1], [1, 2]),
        ([], []),
    ],
)
def test_batches_keep_both_limits(weights: list[int], cut: list[int]) -> None:
    """A call has at most ten entries and 256 KiB, and their order is that of the events."""
    events = EVENTS[: len(weights)]
    found = list(batches(events, lambda one: weights[one.seq - 1]))
    assert [len(batch) for batch in found] == cut
    assert [one for batch in found for one in batch] == events


@pytest.mark.parametrize("harness", [SnsHarness, SqsHarness, EventBridgeHarness])
def test_large_events_go_by_several_calls(harness: Any, narrow: None) -> None:
    """Where ten documents are more than a call has room for they take several, and all arrive in order."""
    with harness() as place:
        place.sink().send(EVENTS[:10])
        assert len(place.wire.asked) == 5
        assert [one.key for one in place.received()] == [one.id for one in EVENTS[:10]]


@pytest.mark.parametrize("harness", [SnsHarness, SqsHarness, EventBridgeHarness])
def test_what_later_calls_did_not_take_failed(harness: Any, narrow: None) -> None:
    """Once a call was taken, an error of a later one makes its events and those after it fail, not those before."""
    with harness() as place:
        place.wire.answer = lambda _, params: error("Throttling") if EVENTS[2].id in str(params) else None
        result = place.sink().send(EVENTS[:6])
        assert set(result.failed) == {one.id for one in EVENTS[2:6]}
        assert "throttles requests" in result.failed[EVENTS[2].id]
        assert [one.key for one in place.received()] == [one.id for one in EVENTS[:2]]


PARTIAL = [
    {"Id": EVENTS[0].id, "Code": "InternalError", "Message": "later", "SenderFault": False},
    {"Id": EVENTS[1].id, "Code": "InvalidMessageContents", "Message": "never", "SenderFault": True},
    {"Id": EVENTS[2].id, "Code": "ThrottlingException", "Message": "slower", "SenderFault": True},
    {"Id": EVENTS[3].id, "Code": "KmsThrottled", "Message": "slower", "SenderFault": True},
    {"Id": EVENTS[4].id, "Code": "Unheard", "Message": "never", "SenderFault": True},
    {"Id": EVENTS[5].id, "Code": "Unheard", "Message": "later", "SenderFault": False},
]


@pytest.mark.parametrize("harness", [SnsHarness, SqsHarness])
def test_entries_fail_each_for_itself(harness: Any) -> None:
    """An entry at fault is refused, one that AWS failed or throttled is sent again, whoever AWS says is at fault."""
    with harness() as place:
        place.wire.answer = lambda *_: {"Failed": PARTIAL, "Successful": []}
        result = place.sink().send(EVENTS[:10])
    assert set(result.refused) == {EVENTS[1].id, EVENTS[4].id}
    assert set(result.failed) == {EVENTS[0].id, EVENTS[2].id, EVENTS[3].id, EVENTS[5].id}
    assert "never" in result.refused[EVENTS[1].id]


@pytest.mark.parametrize("harness", [SnsHarness, SqsHarness])
def test_all_entries_throttled_is_an_error(harness: Any) -> None:
    """Where every entry fails for a reason that is none's own, the sink as a whole takes nothing."""
    with harness() as place:
        place.wire.answer = lambda *_: {"Failed": PARTIAL[2:4], "Successful": []}
        with pytest.raises(SinkError, match="throttles requests"):
            place.sink().send(EVENTS[2:4])


@pytest.mark.parametrize("harness", [SnsHarness, SqsHarness, EventBridgeHarness])
def test_a_later_event_of_a_finding_does_not_overtake(harness: Any) -> None:
    """Where AWS fails at one event, later ones of its finding are not sent and fail with it; other events are sent."""
    events = [OF_ONE[0], EVENTS[4], OF_ONE[1], OF_ONE[2], EVENTS[5]]

    def answer(operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        if OF_ONE[0].id not in str(params):
            return None
        if operation == "PutEvents":
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}, {}]}
        return {"Failed": [PARTIAL[0] | {"Id": OF_ONE[0].id}]}

    with harness() as place:
        place.wire.answer = answer
        result = place.sink().send(events)
        assert set(result.failed) == {one.id for one in OF_ONE[:3]}
        assert not any(one.id in str(params) for one in OF_ONE[1:3] for _, params in place.wire.asked)
        assert EVENTS[5].id in str(place.wire.asked)


def test_a_subject_is_a_short_line_of_ascii() -> None:
    """How bad, what happened, to what: at most 99 characters, whatever the title is."""
    assert subject(event()) == "[CRITICAL] opened: Traffic leaves to the internet past the NAT gateway"
    for title in ("ä" * 80, "x" * 80, "x" * 81, "x\n\x1b\u2028y", "\ud800"):
        line = subject(event(title=title))
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= MOST_SUBJECT
    assert subject(event(title="x" * 80)).endswith("x" * 80)
    assert subject(event(title="x" * 81)).endswith("x...")


def test_subscriptions_filter(sns: SnsHarness) -> None:
    """A subscription gets what its filter policy asks for: by severity, detector and event."""
    arn = sns.listen("resolved")
    asked = {"FilterPolicy": json.dumps({"event": ["resolved"], "severity": ["critical"]})}
    sns.make("sns").subscribe(TopicArn=sns.topic, Protocol="sqs", Endpoint=arn, Attributes=asked)
    events = [event("opened"), event("resolved", 2), event("resolved", 3, severity="low")]
    sns.sink().send(events)
    (only,) = sns.received()
    envelope = json.loads(only.text)
    assert only.key == events[1].id
    assert envelope["Subject"].startswith("[CRITICAL] resolved: ")
    assert {name: each["Value"] for name, each in envelope["MessageAttributes"].items()} == {
        "severity": "critical",
        "detector": "internet-egress-bypasses-nat",
        "event": "resolved",
    }


FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}


def test_a_fifo_topic_drops_what_is_sent_again(sns: SnsHarness) -> None:
    """Its messages are grouped by finding and deduplicated by event."""
    topic = sns.make("sns").create_topic(Name="f.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    sns.make("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sns.listen("f.fifo", **FIFO))
    sink = sns.sink(topic_arn=topic)
    sink.send(OF_ONE[:3])
    sink.send(OF_ONE[1:4])
    assert [one.key for one in sns.received()] == [one.id for one in OF_ONE[:4]]
    (entry, *_) = sns.wire.asked[0][1]["PublishBatchRequestEntries"]
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("0123456789ab", "0123456789ab-1")


def test_a_fifo_queue_drops_what_is_sent_again(sqs: SqsHarness) -> None:
    """Its messages are grouped by finding and deduplicated by event."""
    sqs.listen("f.fifo", **FIFO)
    sink = sqs.sink(queue_url=sqs.queue)
    sink.send(OF_ONE[:3])
    sink.send(OF_ONE[1:4])
    found = list(messages(sqs.make("sqs"), sqs.queue))
    assert [json.loads(one["Body"])["id"] for one in found] == [one.id for one in OF_ONE[:4]]
    assert [one["Attributes"]["MessageGroupId"] for one in found] == [event().case.finding.id] * 4


def test_messages_have_attributes(sqs: SqsHarness) -> None:
    """Consumers see severity, detector and event without the body; none is empty."""
    sqs.sink().send([event("seen", detector="\n", severity="low")])
    (message,) = messages(sqs.make("sqs"), sqs.queue)
    found = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert found == {"severity": "low", "detector": "unknown", "event": "seen"}


def test_a_queue_that_is_gone(sqs: SqsHarness) -> None:
    """A queue that was deleted is an error that names it."""
    sqs.make("sqs").delete_queue(QueueUrl=sqs.queue)
    with pytest.raises(SinkError, match=r"queue findings at .* does not exist"):
        sqs.sink().send(EVENTS[:1])


def test_events_of_a_bus_can_be_matched(bus: EventBridgeHarness) -> None:
    """A rule sees source, detail-type, time, the resources by ARN and the document."""
    bus.sink().send([event("resolved")])
    (only,) = bus.received()
    arrived = json.loads(only.text)
    assert (arrived["source"], arrived["detail-type"]) == ("flowaudit", "Finding Resolved")
    assert arrived["time"] == "2026-05-04T12:01:00Z"
    assert arrived["resources"] == [
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0a11111111111111a",
        f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/fraud-training",
    ]
    assert arrived["detail"]["finding"]["id"] == event().case.finding.id


def test_every_event_has_a_detail_type(bus: EventBridgeHarness) -> None:
    """Each kind of event has one of its own, of at most 128 characters."""
    assert set(DETAIL_TYPES) == set(FindingEvent)
    assert len(set(DETAIL_TYPES.values())) == len(DETAIL_TYPES)
    assert max(map(len, DETAIL_TYPES.values())) <= 128
    bus.sink().send([event(str(kind), seq) for seq, kind in enumerate(DETAIL_TYPES, 1)])
    assert [json.loads(one.text)["detail-type"] for one in bus.received()] == list(DETAIL_TYPES.values())


def test_resources_are_arns_or_none(bus: EventBridgeHarness) -> None:
    """What looks like no ARN is no resource."""
    bus.sink().send([event(key={"day": "2026-05-04"}, evidence={"workload_arn": "arn:\x1b spaced"})])
    assert json.loads(bus.received()[0].text)["resources"] == []


def entries(**codes: str) -> Mapping[str, Any]:
    """An answer of PutEvents to three entries: an error code by an entry's number."""
    answer = [{"ErrorCode": codes[f"_{n}"], "ErrorMessage": "why"} if f"_{n}" in codes else {} for n in range(3)]
    return {"FailedEntryCount": len(codes), "Entries": answer}


def test_entries_of_a_bus_fail_each_for_itself(bus: EventBridgeHarness) -> None:
    """By their place in the answer: malformed ones are refused, and what EventBridge failed at is sent again."""
    bus.wire.answer = lambda *_: dict(entries(_0="MalformedDetail", _2="InternalFailure"))
    result = bus.sink().send(EVENTS[:3])
    assert (set(result.refused), set(result.failed)) == ({EVENTS[0].id}, {EVENTS[2].id})


def test_a_source_that_is_not_allowed_is_an_error(bus: EventBridgeHarness) -> None:
    """A bus whose policy allows no source `flowaudit` refuses no event for good: the permission is missing."""
    code = "NotAuthorizedForSourceException"
    bus.wire.answer = lambda *_: dict(entries(_0=code, _1=code, _2=code))
    with pytest.raises(SinkError, match="Allow events:PutEvents"):
        bus.sink().send(EVENTS[:3])


def test_a_bus_that_does_not_exist(bus: EventBridgeHarness) -> None:
    """A bus by a wrong name is an error that names it."""
    with pytest.raises(SinkError, match="event bus elsewhere in us-east-1 does not exist"):
        bus.sink(bus="elsewhere").send(EVENTS[:1])
