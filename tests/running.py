"""A daemon in a process of its own, as tests drive it."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30
"""Seconds until a test gives up waiting for what is to happen; none of it takes nearly as long."""


@dataclass
class Running:
    """A daemon in a process of its own."""

    process: subprocess.Popen[str]
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """Every line that it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def get(self, page: str, auth: str = "") -> tuple[int, str]:
        """Status and text of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port(), timeout=10)
        headers = {"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()} if auth else {}
        connection.request("GET", page, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metric(self, sample: str, prefix: str = "flowaudit_") -> float:
        """The value of one sample of `/metrics`, with its labels as they stand there."""
        (value,) = re.findall(rf"^{prefix}{re.escape(sample)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(value)

    def _port(self) -> int:
        (started,) = [event for event in self.events() if event["event"] == "started"]
        return int(re.findall(r":(\d+)/$", started["url"])[0])

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; fail if the daemon ends before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            if condition():
                return
            time.sleep(0.02)
        pytest.fail(f"in vain: {self.log.read_text()}")

    def started(self) -> None:
        """Wait until it serves."""
        self.until(lambda: any(event["event"] == "started" for event in self.events()))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; at most the ten seconds later that a stop may take."""
        self.process.send_signal(number)
        return self.process.wait(10)
