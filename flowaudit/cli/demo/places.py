"""What a planted leak and a finding have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

EXPECTED = {"leak:internet_gateway": "internet-egress-bypasses-nat", "leak:s3_via_nat": "s3-bypasses-endpoint"}
"""The detector that is to find each kind of leak."""

Figures: TypeAlias = tuple[int, int]
"""Flows and bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """What makes a leak and a finding the same."""

    detector: str
    interface: str
    path: str
