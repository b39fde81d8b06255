"""The live VPC against what is expected of it, property by property. The checks know where no expectation is from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

from flowaudit.posture.checks import CHECKS
from flowaudit.posture.live import Live, read
from flowaudit.posture.model import (
    Access,
    BucketPolicyExpectation,
    Check,
    Expected,
    FlowLogExpectation,
    GuardrailExpectation,
    Reach,
    Result,
    Status,
    guarded,
)

__all__ = [
    "CHECKS",
    "Access",
    "BucketPolicyExpectation",
    "Check",
    "Expected",
    "FlowLogExpectation",
    "GuardrailExpectation",
    "Live",
    "Reach",
    "Result",
    "Status",
    "audit",
    "read",
]


def audit(expected: Expected, live: Live) -> Iterator[Result]:
    """Yield the results of every check, at least one of each."""
    for check in CHECKS:
        properties = list(guarded(expected.vpc_id, check.title, check.run(expected, live)))
        for each in properties:
            yield Result(check.id, check.guideline, *astuple(each))
        if not properties:
            yield Result(
                check.id, check.guideline, expected.vpc_id, check.title, "", "", Status.NOT_APPLICABLE, "not expected"
            )
