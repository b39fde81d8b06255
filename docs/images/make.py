"""Make the pictures of README and docs from the demo: a terminal session, the status page, the dashboards."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
FLOWAUDIT = Path(sys.executable).parent / "flowaudit"
COLUMNS = 100
START_SECONDS = 120.0
WIDE, PHONE = (1280, 1500), (390, 844)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Failure(Exception):
    """A picture cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Demo:
    """A demo that runs: its URL, which ends in a slash, and its lake."""

    url: str
    lake: str


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    """Yield a demo with its findings; it ends with the block. Raises Failure."""
    log = folder / "demo.log"
    command: list[str | Path] = [FLOWAUDIT, "demo", "--listen", "127.0.0.1:0"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        )
    try:
        yield _started(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _started(process: subprocess.Popen[bytes], log: Path) -> Demo:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        said = log.read_text("utf-8")
        lake, url = re.search(r"--lake (\S+) findings\b", said), re.search(r"(http://127\.0\.0\.1:\d+/)healthz", said)
        if lake and url and _is_ready(f"{url[1]}readyz"):
            return Demo(url[1], lake[1])
        time.sleep(0.5)
    raise Failure(f"the demo did not start: {log.read_text('utf-8')[-1000:]}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


# --- the terminal -----------------------------------------------------------------------------------------------------


def terminal(commands: Sequence[tuple[str, Sequence[str | Path]]], title: str) -> str:
    """Return a terminal session as SVG: each command as it is shown, with what it really prints."""
    screen = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, legacy_windows=False)
    for shown, command in commands:
        screen.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
        screen.print(Text.from_ansi(_in_terminal(command)), overflow="fold")
        screen.print()
    # Without the fonts that it would load from elsewhere: any monospace will do.
    return re.sub(r"@font-face \{.*?\}", "", screen.export_svg(title=title, theme=MONOKAI), flags=re.DOTALL)


def _in_terminal(command: Sequence[str | Path]) -> str:
    """Return what a program prints to a terminal; raises Failure where it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm-256color"}
    )
    os.close(theirs)
    printed = b""
    try:
        while read := os.read(ours, 65536):
            printed += read
    except OSError:  # Linux's word for the end of a terminal
        pass
    os.close(ours)
    if process.wait() not in (0, 1):
        raise Failure(f"{' '.join(map(str, command))}: exit code {process.returncode}: {printed.decode()}")
    return printed.decode().replace("\r\n", "\n").rstrip()


def session(running: Demo) -> str:
    """Return the session of the README: findings, then an explanation of the first."""
    flowaudit: list[str | Path] = [FLOWAUDIT, "--lake", running.lake]
    listed = subprocess.run([*flowaudit, "findings", "--format", "json"], capture_output=True, text=True, check=True)
    if not (findings := json.loads(listed.stdout)):
        raise Failure("the demo has no findings")
    id = findings[0]["id"]
    return terminal(
        [
            ("flowaudit findings", [*flowaudit, "findings"]),
            (f"flowaudit explain {id[:4]}", [*flowaudit, "explain", id]),
        ],
        "flowaudit",
    )


# --- the browser ------------------------------------------------------------------------------------------------------


def photograph(url: str, file: Path, size: tuple[int, int], folder: Path, *, dark: bool = False) -> None:
    """Write a page as a headless Chromium shows it; raises Failure."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise Failure("no Chromium on PATH: install it (on Debian: apt-get install chromium)")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'chromium'}",
        f"--window-size={size[0]},{size[1]}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--screenshot={file}",
        url,
    ]
    ended = subprocess.run([program, *options], capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode or not file.exists():
        raise Failure(f"{url}: no picture: {ended.stderr[-500:]}")


def main(argv: Sequence[str]) -> int:
    """Make all pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Make the pictures of README and docs.")
    parser.add_argument("--output", type=Path, metavar="DIR", default=HERE, help="where they go (default: %(default)s)")
    parser.add_argument("--no-dashboards", action="store_true", help="leave out the dashboards, which need Prometheus")
    given = parser.parse_args(argv)
    given.output.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix="flowaudit-") as name:
            folder = Path(name)
            with demo(folder) as running:
                (given.output / "terminal.svg").write_text(session(running), "utf-8")
                for dark in (False, True):
                    suffix = "-dark" if dark else ""
                    photograph(running.url, given.output / f"status{suffix}.png", WIDE, folder, dark=dark)
                photograph(running.url, given.output / "status-phone.png", PHONE, folder)
        if not given.no_dashboards:
            subprocess.run(
                [HERE.parents[1] / "scripts" / "draw-dashboards", "--demo", "--output", given.output], check=True
            )
    except (Failure, subprocess.CalledProcessError) as error:
        print(f"scripts/screenshots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
