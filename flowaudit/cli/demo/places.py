"""The identity of a planted leak, and of its finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

EXPECTED = {"leak:internet_gateway": "internet-egress-bypasses-nat", "leak:s3_via_nat": "s3-bypasses-endpoint"}
"""The detector that is to find each kind of leak."""

Figures: TypeAlias = tuple[int, int]
"""Flows and bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Detector, interface and path: the same for a leak and its finding."""

    detector: str
    interface: str
    path: str
