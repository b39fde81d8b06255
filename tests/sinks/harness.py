"""What the contract suite needs of each kind of sink: the sink, connected to a receiver that can be made to fail."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from flowaudit.exchange import Case
from flowaudit.findings import Finding
from flowaudit.model import FindingEvent
from flowaudit.sinks import Event, Sink

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "us-east-1"

Failure = Literal["down", "throttled", "denied", "refusing", "none"]
"""No connection or 5xx; asked to slow down; no permission; this event is malformed to the receiver; works."""


@dataclass(frozen=True, slots=True)
class Received:
    """One event as the receiver got it: its idempotency key, and the message in full as text."""

    key: str
    text: str


class Harness(AbstractContextManager["Harness"], Protocol):
    """A working receiver for as long as the context lasts, and sinks that send to it."""

    kind: str
    can: frozenset[Failure]
    """The failures that can be brought about here."""

    def sink(self, **settings: Any) -> Sink:
        """A sink of this kind that sends to the receiver; `settings` are its configuration's."""
        ...

    def received(self) -> Sequence[Received]:
        """Everything that the receiver has accepted so far, in order."""
        ...

    def fail(self, how: Failure) -> None:
        """Make what is sent from now on fail."""
        ...


def event(kind: str = "opened", seq: int = 1, **changes: Any) -> Event:
    """An event of a finding of a leak; `changes` are fields of the finding."""
    state = {"resolved": "resolved", "muted": "muted"}.get(kind, "open")
    until = NOW + timedelta(days=1) if kind == "muted" else None
    finding = Finding(
        id="0123456789ab",
        detector="internet-egress-bypasses-nat",
        severity="critical",
        state=state,
        sentence="eni-0a11111111111111a sent 1.2 GB to 3 addresses through an internet gateway",
        key={"interface_id": "eni-0a11111111111111a", "path": "internet_gateway"},
        first_seen=NOW - timedelta(hours=1),
        last_seen=NOW - timedelta(minutes=5),
        flows=42,
        bytes=1_200_000_000,
        evidence={
            "account_id": ACCOUNT,
            "region": REGION,
            "vpc_id": "vpc-0aaa1111111111111",
            "workload": "fraud-training",
            "workload_kind": "training_job",
            "workload_arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/fraud-training",
            "top_remotes": [{"address": "203.0.113.9", "port": 443, "protocol": 6, "bytes": 1_000, "flows": 2}],
        },
        title="Traffic leaves to the internet past the NAT gateway",
        until=until,
        owner="ada" if until else None,
        reason="known" if until else None,
    )
    at = NOW + timedelta(minutes=seq)
    case = Case(replace(finding, **changes), opened=NOW, updated=at, home=REGION)
    return Event(number=seq, seq=seq, kind=FindingEvent(kind), at=at, case=case)
