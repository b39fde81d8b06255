"""Sentences are made of a row's values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flowaudit.sentences import fill, mistakes


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("{who} sent {bytes}", {"who": "eni-1", "bytes": 1_234_000_000}, "eni-1 sent 1.2 GB"),
        ("{top_bytes} of {bytes}", {"top_bytes": 999, "bytes": 1000}, "999 B of 1.0 kB"),
        ("{n:flow|flows}, {m:flow|flows}", {"n": 1, "m": 12_000}, "1 flow, 12,000 flows"),
        ("{n}", {"n": 12_000}, "12,000"),
        ("port {port}, {dstport}", {"port": 8888, "dstport": 443}, "port 8888, 443"),
        ("{score}", {"score": 0.123456}, "0.1235"),
        ("from {at}", {"at": datetime(2026, 5, 4, 10, 0, 59, tzinfo=UTC)}, "from 2026-05-04 10:00"),
        ("to {services}", {"services": ["EC2", "S3"]}, "to EC2, S3"),
        ("to {services}", {"services": []}, "to none"),
        ("{who}", {"who": None}, "unknown"),
        ("{n:flow|flows}", {"n": None}, "unknown"),
        ("{{{who}}} {sure}", {"who": "{x}", "sure": True}, "{{x}} True"),
    ],
)
def test_values_are_for_people(template: str, values: dict[str, Any], expected: str) -> None:
    """Bytes have units, numbers commas but ports none, times no seconds; what a value holds is no template."""
    assert list(mistakes(template, values)) == []
    assert fill(template, values) == expected
