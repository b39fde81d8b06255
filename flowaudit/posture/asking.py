"""One answer of AWS, or what is missing because there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flowaudit.inventory.asking import Asker
from flowaudit.posture.model import Missing, Unseen

T = TypeVar("T")

REASONS = {
    "denied": "denied",
    "unsupported": "not supported by this endpoint of AWS",
    "throttled": "throttled",
    "unreachable": "no connection",
}
"""Why an API did not answer, in words."""


def seen(sight: T | Missing) -> T:
    """Return what was read; raises Unseen where it could not be."""
    if isinstance(sight, Missing):
        raise Unseen(sight)
    return sight


@dataclass(frozen=True, slots=True)
class Place:
    """One account's region, and how its clients are made."""

    account_id: str
    region: str
    client: Callable[[str], Any] = field(repr=False)

    def asker(self) -> Asker:
        """Return a new asker: one refused call is not the refusal of the next bucket's."""
        return Asker(self.account_id, self.region, self.client)


def one(
    ask: Asker,
    service: str,
    operation: str,
    permission: str,
    *,
    gone: Sequence[str] = (),
    **params: Any,  # noqa: ANN401
) -> dict[str, Any] | Missing:
    """Return an answer, an empty one where there is no such thing, or what is missing."""
    answer = ask.one(service, operation, gone=gone, **params)
    if answer is not None:
        return answer
    return refused(ask, service, operation, permission) or {}


def every(
    ask: Asker,
    service: str,
    operation: str,
    key: str,
    permission: str,
    **params: Any,  # noqa: ANN401
) -> list[dict[str, Any]] | Missing:
    """Return what all pages hold, or what is missing."""
    answer = ask.all(service, operation, key, **params)
    if answer is not None:
        return answer
    return refused(ask, service, operation, permission) or Missing(permission, "no answer")


def refused(ask: Asker, service: str, operation: str, permission: str) -> Missing | None:
    """Return why an operation did not answer, None where it did."""
    gaps = [gap for gap in ask.gaps if (gap.service, gap.operation) == (service, operation)]
    return Missing(permission, REASONS.get(gaps[0].reason, gaps[0].message)) if gaps else None
