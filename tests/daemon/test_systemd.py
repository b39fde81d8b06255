"""Under systemd the daemon reports start, reload, end and signs of life, and the watchdog ends one that hangs."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from flowaudit.daemon.systemd import BEAT, Notifier
from tests.daemon.test_daemon import HANGING
from tests.running import PATIENCE, Running

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "flowaudit.service"


class Systemd:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.heard: list[str] = []

    def until(self, message: str) -> None:
        """Listen until a datagram begins with a text."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.listen(deadline - time.monotonic())
            if self.heard[-1].startswith(message):
                return
        pytest.fail(f"no {message}: {self.heard}")

    def listen(self, seconds: float) -> None:
        """Take one datagram."""
        self.socket.settimeout(seconds)
        self.heard.append(self.socket.recv(4096).decode())


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Systemd, str]]:
    """A listener, and the address that $NOTIFY_SOCKET has."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@flowaudit-{os.getpid()}-{time.time_ns()}"
    listener = Systemd(address)
    yield listener, address
    listener.socket.close()


def test_the_life_of_a_daemon(
    start: Callable[..., Running],
    configured: Callable[..., list[str]],
    logs: Path,
    systemd: tuple[Systemd, str],
) -> None:
    """Ready once it serves, alive while it works, reloading with its time in one datagram, ready again, stopping."""
    listener, address = systemd
    daemon = start(*configured(logs), NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
    listener.until("READY=1")
    assert not [each for each in listener.heard if each.startswith("WATCHDOG")]
    for _ in range(3):
        listener.until("WATCHDOG=1")
    assert "STATUS=collects and detects" in listener.heard
    before = time.monotonic_ns() // 1000
    daemon.process.send_signal(signal.SIGHUP)
    listener.until("RELOADING=1\nMONOTONIC_USEC=")
    assert before <= int(listener.heard[-1].rpartition("=")[2]) <= time.monotonic_ns() // 1000
    listener.until("READY=1")
    daemon.process.send_signal(signal.SIGTERM)
    listener.until("STOPPING=1")
    assert daemon.process.wait(10) == 0


def test_a_job_that_hangs_stops_the_signs_of_life(
    start: Callable[..., Running], tmp_path: Path, systemd: tuple[Systemd, str]
) -> None:
    """The status names it, and nothing feeds the watchdog from then on, though the process serves."""
    listener, address = systemd
    script = tmp_path / "hang.py"
    script.write_text(textwrap.dedent(HANGING.format(lake=tmp_path / "lake")))
    daemon = start(str(script), NOTIFY_SOCKET=address, WATCHDOG_USEC="1000000")
    listener.until("WATCHDOG=1")
    listener.until("STATUS=collect: a run hangs: it began ")
    until = time.monotonic() + 2
    with suppress(TimeoutError):
        while time.monotonic() < until:
            listener.listen(until - time.monotonic())
            assert listener.heard[-1].startswith("STATUS=collect: a run hangs")
    assert daemon.get("/healthz")[0] == 503
    assert [each["problem"].partition(":")[0] for each in daemon.events() if each["event"] == "job late"] == ["collect"]


def test_without_systemd_nothing_is_sent() -> None:
    """No variable, no socket; and another process's watchdog is not ours."""
    quiet = Notifier({})
    quiet.ready()
    assert quiet.beat == BEAT
    assert Notifier({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}).beat == BEAT
    assert Notifier({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}).beat == 1.0
    assert Notifier({"WATCHDOG_USEC": "nonsense"}).beat == BEAT


def test_a_socket_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    """It is logged; the daemon goes on."""
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_the_unit_is_sound(tmp_path: Path) -> None:
    """By systemd's own check: what it does not know it warns of."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/flowaudit/bin/flowaudit", shutil.which("true") or ""))
    checked = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_the_unit_waits_longer_than_a_stop_takes() -> None:
    """And it reloads by SIGHUP, restarts but for a wrong configuration, and is fed by the daemon itself."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["TimeoutStopSec"]) > 10
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["WatchdogSec"] == "5min"
