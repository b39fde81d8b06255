"""PagerDuty's events: one incident for each finding, open as long as the finding is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowaudit.errors import SinkError
from tests.sinks.harness import event
from tests.sinks.harness_http import PagerDutyHarness, Reply


@pytest.fixture
def harness() -> Iterator[PagerDutyHarness]:
    """A receiver that answers as PagerDuty does."""
    with PagerDutyHarness() as receiver:
        yield receiver


def sent(harness: PagerDutyHarness, kind: str = "opened", **changes: Any) -> Any:
    """What arrives of an event."""
    harness.sink().send([event(kind, **changes)])
    return harness.server.accepted[-1].json


@pytest.mark.parametrize(
    ("kind", "changes", "action"),
    [
        ("opened", {}, "trigger"),
        ("reopened", {}, "trigger"),
        ("unmuted", {}, "trigger"),
        ("resolved", {}, "resolve"),
        ("muted", {}, "resolve"),
        ("reopened", {"state": "muted"}, "resolve"),
        ("unmuted", {"state": "resolved"}, "resolve"),
    ],
)
def test_an_incident_is_open_while_the_finding_is(
    harness: PagerDutyHarness, kind: str, changes: dict[str, Any], action: str
) -> None:
    """A finding that is open triggers; one that is resolved or under a mute resolves, whatever the event is called."""
    told = sent(harness, kind, **changes)
    assert (told["event_action"], told["dedup_key"]) == (action, "0123456789ab")
    assert told["routing_key"] == harness.first_secret()


@pytest.mark.parametrize(
    ("ours", "theirs"), [("critical", "critical"), ("high", "error"), ("medium", "warning"), ("low", "info")]
)
def test_each_severity_has_its_counterpart(harness: PagerDutyHarness, ours: str, theirs: str) -> None:
    """PagerDuty knows critical, error, warning and info."""
    assert sent(harness, severity=ours)["payload"]["severity"] == theirs


def test_the_payload_tells_where_and_what(harness: PagerDutyHarness) -> None:
    """Interface, workload, account, region and detector have their places, the whole finding is in the details."""
    payload = sent(harness)["payload"]
    details = payload.pop("custom_details")
    assert payload == {
        "summary": "Traffic leaves to the internet past the NAT gateway: eni-0a11111111111111a sent 1.2 GB to 3 "
        "addresses through an internet gateway",
        "source": "arn:aws:ec2:us-east-1:111122223333:network-interface/eni-0a11111111111111a",
        "severity": "critical",
        "timestamp": "2026-05-04T12:01:00.000Z",
        "component": "fraud-training",
        "group": "111122223333/us-east-1",
        "class": "internet-egress-bypasses-nat",
    }
    assert (details["event_id"], details["explain"]) == ("0123456789ab-1", "flowaudit explain 0123456789ab")


def test_a_summary_has_at_most_1024_characters(harness: PagerDutyHarness) -> None:
    """PagerDuty refuses a longer summary, and one is never sent."""
    assert len(sent(harness, sentence="x" * 5000)["payload"]["summary"]) == 1024


def test_a_wrong_routing_key_is_no_fault_of_the_event(harness: PagerDutyHarness) -> None:
    """PagerDuty answers 400 to a wrong routing key too: events wait until it is put right."""
    errors = b'{"status":"invalid event","errors":["Length of \'routing_key\' is incorrect (should be 32 characters)"]}'
    harness.server.answer = lambda request: Reply(400, errors)
    with pytest.raises(SinkError, match="rejects the routing key in the file"):
        harness.sink().send([event()])
