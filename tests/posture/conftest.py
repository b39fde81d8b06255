"""AWS is moto's in these tests, and nobody's credentials are around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from flowaudit.posture import Expected, Live
from tests.posture.clouds import deployed


@pytest.fixture(autouse=True)
def _mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def isolated() -> Iterator[tuple[Expected, Live]]:
    """What is expected of an isolated VPC, and that VPC."""
    yield from _once()


@pytest.fixture(scope="module")
def nat() -> Iterator[tuple[Expected, Live]]:
    """What is expected of a VPC with a NAT gateway in each zone, and that VPC."""
    yield from _once(profile="nat", guardrail=True)


def _once(**wish: Any) -> Iterator[tuple[Expected, Live]]:
    with mock_aws():
        it = deployed(**wish)
        yield it.expected, it.live()
