"""Findings of every kind, as they are handed to each format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flowaudit import catalogue
from flowaudit.catalogue import Detector
from flowaudit.config import shipped
from flowaudit.exchange import Case
from flowaudit.findings import Finding

START, SEEN, NOTED = (datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in (10, 11, 12))
HOSTILE = "\x1b[2J\x00\u202e\ud800 \n" + "x" * 10_000
OPEN = Finding(
    id="60b9bc79427f",
    detector="internet-egress-bypasses-nat",
    severity="critical",
    state="open",
    key={"interface_id": "eni-0a1b2c3d4e5f60711", "path": "internet_gateway"},
    first_seen=START,
    last_seen=SEEN,
    flows=3,
    bytes=12_000_000,
    evidence={
        "account_id": "123456789012",
        "vpc_id": "vpc-0a1b2c3d",
        "subnet_id": "subnet-0a1b2c3d",
        "services": ["S3"],
        "top_remotes": [
            {"address": "203.0.113.1", "port": 443, "protocol": 6, "bytes": 11_000_000, "flows": 2},
            {"address": "198.51.100.7", "port": None, "bytes": 1_000_000, "flows": 1},
        ],
    },
    title="Internet egress bypasses the NAT gateway",
    sentence="",
    until=None,
    owner=None,
    reason=None,
)


def texts(value: Any) -> Iterator[str]:
    """Every text of a JSON document, names among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
    elif isinstance(value, dict):
        yield from texts([*value, *value.values()])


def with_evidence(**values: Any) -> Finding:
    """The open finding with other evidence."""
    return replace(OPEN, evidence=OPEN.evidence | values)


HOSTILE_REMOTES = [{"address": HOSTILE}, {"port": 1}, "x", {"address": "192.0.2.1", "port": 70_000, "bytes": -1}]
FINDINGS = {
    "open": OPEN,
    "resolved": replace(OPEN, state="resolved", flows=0, bytes=0, evidence={}),
    "muted": replace(OPEN, state="muted"),
    "low": replace(OPEN, severity="low"),
    "medium": replace(OPEN, severity="medium"),
    "high": replace(OPEN, severity="high"),
    "ipv6": with_evidence(top_remotes=[{"address": "2001:db8::1", "port": 443, "bytes": 1, "flows": 1}]),
    "no remotes": with_evidence(top_remotes=None),
    "unknown account": with_evidence(account_id=None),
    "undecided": replace(OPEN, key=OPEN.key | {"path": "unknown"}, detector="path-undecided"),
    "workload": with_evidence(
        workload="churn",
        workload_kind="notebook_instance",
        workload_arn="arn:aws:sagemaker:eu-west-1:123456789012:notebook-instance/churn",
    ),
    "another key": replace(OPEN, detector="gone", key={"day": "2026-05-04"}, evidence={}),
    "hostile": replace(
        OPEN,
        detector=HOSTILE,
        title=HOSTILE,
        key={"interface_id": HOSTILE, "path": HOSTILE, HOSTILE: HOSTILE},
        evidence={
            "account_id": HOSTILE,
            "region": HOSTILE,
            "workload": HOSTILE,
            "workload_kind": HOSTILE,
            "top_remotes": HOSTILE_REMOTES,
            "ratios": [float("nan"), {"most": float("inf")}],
            **{f"{n}{HOSTILE}": HOSTILE for n in range(60)},
        },
    ),
    "blank": replace(OPEN, title="\n", key={"": ""}, evidence={"region": "", "top_remotes": {}}),
}
"""Every finding that each format has to be valid with, by what is special about it."""


@pytest.fixture(scope="session")
def detectors() -> dict[str, Detector]:
    """The detectors that are shipped."""
    return dict(catalogue.load([shipped("queries")]).detectors)


@pytest.fixture(params=list(FINDINGS))
def case(request: pytest.FixtureRequest, detectors: dict[str, Detector]) -> Case:
    """Each of the findings, in a region that is known."""
    finding = FINDINGS[request.param]
    return Case(finding, SEEN, NOTED, detectors.get(finding.detector), "eu-west-1")


@pytest.fixture
def cases(detectors: dict[str, Detector]) -> dict[str, Case]:
    """All of the findings by what is special about them."""
    return {
        name: Case(finding, SEEN, NOTED, detectors.get(finding.detector), "eu-west-1")
        for name, finding in FINDINGS.items()
    }
