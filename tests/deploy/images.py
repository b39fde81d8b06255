"""Starts an image that `scripts/image-check` built as a container engine would: unprivileged, on a read-only root."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READY = 90
"""How many seconds a container has until it serves."""
SETUP = """
set -eu
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount --bind "$VOLUME" "$ROOT/var/lib/flowaudit"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -o remount,bind,ro "$ROOT"
ip link set lo up
exec chroot "$ROOT" """


class Container:
    """One command of an image as PID 1, in namespaces of its own without a network but the loopback."""

    def __init__(self, images: Path, target: str, volume: Path, *, command: Sequence[str] = (), log: Path) -> None:
        """Start the command, or the image's own."""
        self.config: dict[str, Any] = json.loads((images / f"{target}.json").read_text())["Docker"]["config"]
        self.root = Path((images / f"{target}.root").read_text().strip())
        self.log = log
        command = [*self.config["Entrypoint"], *(command or self.config["Cmd"])]
        unshared = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c"]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [*unshared, SETUP + shlex.join(self.entered(command))],
                env=os.environ | {"ROOT": str(self.root), "VOLUME": str(volume)},
                stdout=out,
                stderr=out,
            )

    def entered(self, command: Sequence[str]) -> list[str]:
        """Return the command as the image's user, with its environment and folder, and no capability at all."""
        user, _, group = self.config["User"].partition(":")
        drop = ["--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        return [
            *("/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", *drop),
            *("/usr/bin/env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}"),
            *self.config["Env"],
            *command,
        ]

    @property
    def pid(self) -> int:
        """The number of the container's PID 1 out here; 0 before it is started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as `docker exec` does."""
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "chroot", str(self.root)]
        return subprocess.run(
            [*inside, *self.entered(command)], capture_output=True, text=True, timeout=60, check=False
        )

    def get(self, path: str) -> str:
        """Return what the container serves under a path; an empty text where it does not yet."""
        if not self.pid:
            return ""
        program = (
            f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:9184{path}', timeout=5).read().decode())"
        )
        answer = self.run("python", "-c", program)
        return answer.stdout if answer.returncode == 0 else ""

    def until(self, path: str, wanted: str) -> str:
        """Return the page once it holds the text; raises AssertionError with the log where the container ends first."""
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and self.process.poll() is None:
            if wanted in (page := self.get(path)):
                return page
            time.sleep(0.5)
        raise AssertionError(f"no {wanted!r} on {path}:\n{self.log.read_text()}")

    def stop(self) -> tuple[int, float]:
        """Send the image's signal to PID 1, and return its exit code and how many seconds it took."""
        begun = time.monotonic()
        os.kill(self.pid, signal.Signals[self.config["StopSignal"]])
        return self.process.wait(30), time.monotonic() - begun

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
