"""The program, run as a whole, and flow logs for it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from flowaudit import catalogue
from flowaudit.cli import main
from flowaudit.collect import collect
from flowaudit.config import shipped
from flowaudit.detect import detect
from flowaudit.lake import Lake
from flowaudit.sources.local import LocalSource

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status pkt-srcaddr pkt-dstaddr pkt-dst-aws-service flow-direction traffic-path"
)
START = 1_777_888_800  # 2026-05-04T10:00:00Z


def record(
    number: int, remote: str, path: int, size: int, *, action: str = "ACCEPT", service: str = "-", start: int = START
) -> str:
    """One line of egress from the interface with this number; `path` is AWS's traffic-path."""
    local = f"10.0.0.{number}"
    seconds = f"{start + number} {start + number + 50}"
    return (
        f"5 123456789012 eni-0a1b2c3d4e5f6071{number} {local} {remote} 40000 443 6 10 {size} {seconds} {action} OK "
        f"{local} {remote} {service} egress {path}"
    )


RECORDS = [
    record(1, "203.0.113.1", 8, 12_000_000),
    record(2, "203.0.113.2", 8, 3_000),
    record(3, "198.51.100.7", 8, 77, action="REJECT"),
    record(4, "203.0.113.4", 1, 5_000),
    record(5, "10.0.0.9", 1, 1_000_000),
]
"""Two leaks over the internet gateway, an attempt at a third, a record whose way is undecided, and one that is fine."""


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good object, in which one line is bad, and an object without a header."""
    folder = tmp_path_factory.mktemp("flows") / "logs"
    folder.mkdir()
    (folder / "good.log").write_text("\n".join([HEADER, *RECORDS, "not a record", ""]), "utf-8")
    (folder / "headless.log").write_text(RECORDS[0] + "\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def lake(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake, not to be written to, in which these logs and what was found in them are."""
    folder = tmp_path_factory.mktemp("read-only") / "lake"
    collect([(LocalSource(str(logs)), None)], Lake(str(folder)))
    detect(Lake(str(folder)), catalogue.load([shipped("queries")]))
    return folder


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    stdout: bytes
    err: str

    @property
    def out(self) -> str:
        """What it printed."""
        return self.stdout.decode()

    @property
    def json(self) -> Any:
        """The one JSON document that it printed."""
        return json.loads(self.stdout)


class Run(Protocol):
    """Runs the program."""

    def __call__(self, *args: str | Path) -> Ended:
        """Run it with these arguments."""
        ...


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In an empty folder, with no configuration and no AWS around."""
    for name in os.environ:
        if name.startswith(("FLOWAUDIT_", "AWS_")) or name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The program as its console script starts it, in this process."""

    def started(*args: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["flowaudit", *map(str, args)])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        return Ended(int(ended.value.code or 0), out, err.decode())

    return started
