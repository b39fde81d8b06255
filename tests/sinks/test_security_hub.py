"""Security Hub: accounts, what is newer, what is archived, and what a hub does not take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.config.sinks import SecurityHubSink
from flowaudit.errors import SinkError
from flowaudit.exchange import asff
from flowaudit.exchange.case import stamp
from flowaudit.sinks import Event
from flowaudit.sinks.security_hub import MOST_BYTES, Accounts, SecurityHub, imported, rounds, updated_at
from tests.sinks.harness import ACCOUNT, NOW, REGION, event
from tests.sinks.harness_aws import SecurityHubHarness, Wire, error

OTHER, THIRD = "444455556666", "777788889999"
HUB = asff.Hub(ACCOUNT, REGION)


@pytest.fixture
def hub() -> Iterator[SecurityHubHarness]:
    """A hub of one account."""
    with SecurityHubHarness() as place:
        yield place


def of(account: str, seq: int = 1, kind: str = "opened", **changes: Any) -> Event:
    """An event of a finding of an account."""
    evidence = event().case.finding.evidence | {"account_id": account}
    return event(kind, seq, **{"id": f"{account}", "evidence": evidence} | changes)


def shared(kind: str, seq: int, at: datetime) -> Event:
    """An event at a time that others may share."""
    one = event(kind, seq)
    return Event(seq, seq, one.kind, at, one.case)


class Newest:
    """A hub as Security Hub is: of each finding it keeps the newest, by UpdatedAt in milliseconds, silently."""

    def __init__(self) -> None:
        self.findings: dict[str, Mapping[str, Any]] = {}

    def take(self, _: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer BatchImportFindings."""
        for finding in params["Findings"]:
            known = self.findings.get(finding["Id"])
            if known is None or finding["UpdatedAt"] > known["UpdatedAt"]:
                self.findings[finding["Id"]] = finding
        return {"FailedCount": 0, "SuccessCount": len(params["Findings"]), "FailedFindings": []}


def test_events_of_one_moment_all_count(hub: SecurityHubHarness) -> None:
    """Opened, seen and resolved in the same millisecond, in one delivery, leave the finding resolved."""
    newest = Newest()
    hub.wire.answer = newest.take
    result = hub.sink().send([shared(kind, seq, NOW) for seq, kind in enumerate(("opened", "seen", "resolved"), 1)])
    assert (result.refused, result.failed) == ({}, {})
    (finding,) = newest.findings.values()
    assert finding["RecordState"] == "ARCHIVED"
    assert len(hub.wire.asked) == 3


def test_what_is_sent_again_does_not_undo(hub: SecurityHubHarness) -> None:
    """An older event that is sent again, after a newer one, changes nothing."""
    newest = Newest()
    hub.wire.answer = newest.take
    opened, resolved = shared("opened", 1, NOW), shared("resolved", 2, NOW)
    for one in (opened, resolved, opened):
        hub.sink().send([one])
    (finding,) = newest.findings.values()
    assert finding["RecordState"] == "ARCHIVED"


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=20))
def test_updated_at_grows_strictly(steps: list[int]) -> None:
    """Whatever microseconds lie between the events of a finding, none at all included, each is newer than the last."""
    at, stamps = NOW, []
    for seq, step in enumerate(steps, 1):
        at += timedelta(microseconds=step)
        stamps.append(stamp(updated_at(shared("seen", seq, at))))
    assert all(before < after for before, after in pairwise(stamps))


def test_updated_at_is_the_same_whenever_it_is_sent() -> None:
    """It is of the event alone, and within a second for a thousand events."""
    assert updated_at(shared("seen", 1000, NOW)) == NOW + timedelta(seconds=1)
    assert imported(event(), HUB) == imported(event(), HUB)


def test_a_resolved_finding_is_archived(hub: SecurityHubHarness) -> None:
    """The hub shows one finding: active while it is open, archived when it is resolved, active when it is reopened."""
    shown = []
    for seq, kind in enumerate(("opened", "resolved", "reopened", "muted", "unmuted"), 1):
        hub.sink().send([event(kind, seq)])
        (finding,) = hub.client.get_findings()["Findings"]
        shown.append((finding["ProductFields"]["flowaudit/event"], finding["RecordState"]))
    assert shown == [
        ("opened", "ACTIVE"),
        ("resolved", "ARCHIVED"),
        ("reopened", "ACTIVE"),
        ("muted", "ARCHIVED"),
        ("unmuted", "ACTIVE"),
    ]
    assert "Workflow" not in finding
    assert finding["FindingProviderFields"]["Severity"]["Label"] == "CRITICAL"


def test_each_account_imports_its_own(hub: SecurityHubHarness) -> None:
    """Findings of two accounts go by two calls, each by a client of the account, into a product of it."""
    other = hub.of(OTHER)
    wire = Wire(other)
    sink = SecurityHub(
        SecurityHubSink(type="security_hub", name="hub"), lambda: Accounts({ACCOUNT: hub.client, OTHER: other}, ACCOUNT)
    )
    sink.send([of(ACCOUNT), of(OTHER), of(OTHER, 2, id="0123456789cd")])
    assert (len(hub.wire.asked), len(wire.asked)) == (1, 1)
    for client, account, count in ((hub.client, ACCOUNT, 1), (other, OTHER, 2)):
        found = client.get_findings()["Findings"]
        assert {finding["AwsAccountId"] for finding in found} == {account}
        assert {finding["ProductArn"].split("/", 1)[1] for finding in found} == {f"{account}/default"}
        assert len(found) == count
    assert sink.target == "Security Hub of its own account in its own region"


def test_an_account_without_a_role_is_refused(hub: SecurityHubHarness) -> None:
    """Its events are refused with what to configure, and those of other accounts arrive."""
    result = hub.sink().send([of(THIRD), of(ACCOUNT)])
    assert set(result.refused) == {of(THIRD).id}
    assert THIRD in result.refused[of(THIRD).id]
    assert "`roles`" in result.refused[of(THIRD).id]
    assert [one.key for one in hub.received()] == [of(ACCOUNT).id]


def test_a_finding_of_no_account_is_the_own_ones(hub: SecurityHubHarness) -> None:
    """Where flow logs name no account, or no region, the finding is the credential chain's account's and region's."""
    hub.sink().send([event(evidence={})])
    (finding,) = hub.client.get_findings()["Findings"]
    assert finding["AwsAccountId"] == ACCOUNT
    assert finding["ProductArn"] == f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"


def test_a_finding_of_another_region_is_imported_here(hub: SecurityHubHarness) -> None:
    """The product is of the hub's region, the resource of the finding's."""
    hub.sink().send([event(evidence=event().case.finding.evidence | {"region": "eu-west-1"})])
    (finding,) = hub.client.get_findings()["Findings"]
    assert finding["ProductArn"].split(":")[3] == REGION
    assert finding["Resources"][0]["Region"] == "eu-west-1"


def test_a_hub_that_is_not_enabled_is_named(hub: SecurityHubHarness) -> None:
    """The message says which service to enable, in which account and region, and how."""
    hub.wire.answer = lambda *_: error("InvalidAccessException", 401)
    with pytest.raises(SinkError, match="Security Hub CSPM is not enabled in that account in us-east-1") as caught:
        hub.sink().send([event()])
    assert ACCOUNT in str(caught.value)
    assert "aws securityhub enable-security-hub" in str(caught.value)


def test_one_account_does_not_hold_up_another(hub: SecurityHubHarness) -> None:
    """Where one of two accounts has no hub its events wait, and the other's arrive; where neither has one, all wait."""
    other = hub.of(OTHER)
    wire = Wire(other)
    wire.answer = lambda *_: error("InvalidAccessException", 401)
    sink = SecurityHub(
        SecurityHubSink(type="security_hub", name="hub"), lambda: Accounts({ACCOUNT: hub.client, OTHER: other}, ACCOUNT)
    )
    result = sink.send([of(OTHER), of(ACCOUNT)])
    assert (set(result.failed), result.refused) == ({of(OTHER).id}, {})
    assert [one.key for one in hub.received()] == [of(ACCOUNT).id]
    hub.wire.answer = wire.answer
    with pytest.raises(SinkError, match="not enabled"):
        sink.send([of(OTHER), of(ACCOUNT)])


def failing(**codes: str) -> Any:
    """Answers in which findings fail by their detector."""

    def answer(_: str, params: Mapping[str, Any]) -> dict[str, Any]:
        failed = [
            {"Id": finding["Id"], "ErrorCode": code, "ErrorMessage": "why"}
            for finding in params["Findings"]
            if (code := codes.get(finding["GeneratorId"].rpartition("/")[2]))
        ]
        succeeded = len(params["Findings"]) - len(failed)
        return {"FailedCount": len(failed), "SuccessCount": succeeded, "FailedFindings": failed}

    return answer


def test_findings_fail_each_for_itself(hub: SecurityHubHarness) -> None:
    """In an answer of 200 invalid input is refused for good, what the service failed at is sent again."""
    events = [event(id=name, detector=name) for name in ("bad", "late", "denied", "good")]
    hub.wire.answer = failing(bad="InvalidInput", late="InternalException", denied="InvalidAccess")
    result = hub.sink().send(events)
    assert set(result.refused) == {"bad-1"}
    assert set(result.failed) == {"late-1", "denied-1"}
    assert "Security Hub CSPM is not enabled" in result.failed["denied-1"]


def test_access_that_fails_for_all_is_an_error(hub: SecurityHubHarness) -> None:
    """InvalidAccess for every finding of an answer of 200 is no finding's own: the sink stops."""
    hub.wire.answer = failing(x="InvalidAccess")
    with pytest.raises(SinkError, match="Security Hub CSPM is not enabled"):
        hub.sink().send([event(id=name, detector="x") for name in "ab"])


def test_a_call_has_each_finding_once() -> None:
    """Events of one finding go by one call after another, in order; those of others come along."""
    events = [event(seq=1), event(seq=2), of(OTHER), event(seq=3), of(OTHER, 2)]
    found = rounds(events)
    assert [[one.id for one in each] for each in found] == [
        ["0123456789ab-1", f"{OTHER}-1"],
        ["0123456789ab-2", f"{OTHER}-2"],
        ["0123456789ab-3"],
    ]


def test_a_hundred_findings_are_one_call(hub: SecurityHubHarness) -> None:
    """The largest batch is what one call takes."""
    hub.sink().send([event(id=f"{n:012x}") for n in range(SecurityHub.batch)])
    assert [len(asked["Findings"]) for _, asked in hub.wire.asked] == [100]


def test_a_finding_stays_below_the_limit() -> None:
    """However much evidence there is, a finding has at most 240 KB, and says which event it is of."""
    wide = {f"{n}": "\N{PILE OF POO}" * 5000 for n in range(60)}
    remotes = [{"address": f"198.51.100.{n % 256}", "port": n} for n in range(60_000)]
    finding = imported(event(evidence={**event().case.finding.evidence, **wide, "top_remotes": remotes}), HUB)
    assert len(json.dumps(finding, ensure_ascii=False).encode()) <= MOST_BYTES
    assert finding["ProductFields"]["flowaudit/event_id"] == "0123456789ab-1"
    assert finding["ProductFields"]["flowaudit/bytes"] == "1200000000"
    assert len(imported(event(evidence={f"{n}": n for n in range(60)}), HUB)["ProductFields"]) == 50
