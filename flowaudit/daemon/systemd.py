"""The daemon's words to systemd: sd_notify(3), for a unit with Type=notify."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import structlog

BEAT = 10.0
"""Seconds between two checks of the jobs where systemd does not ask for a shorter time."""
BEATS = 3
"""Beats in the time after which systemd's watchdog ends a process that is silent."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


class Notifier:
    """The socket that systemd names in $NOTIFY_SOCKET; says nothing where there is none."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read the variables; connects to nothing yet."""
        environ = os.environ if environ is None else environ
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = environ.get("WATCHDOG_USEC", "") if is_ours else ""
        self.beat = min(BEAT, int(limit) / 1e6 / BEATS) if limit.isdigit() and int(limit) else BEAT
        self._status = ""

    def ready(self) -> None:
        """Report that the start, or a reload, is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that a reload begins."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Report that the end begins."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Report that all is well: without this the watchdog ends the process."""
        self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Set the line that `systemctl status` shows."""
        if line != self._status:
            self._send(f"STATUS={line}")
            self._status = line

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("systemd not notified", message=message.splitlines()[0], error=str(error))
