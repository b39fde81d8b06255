"""Make the pictures of README and docs from the demo: a terminal session, the status page, the dashboards."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Sequence
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Error, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from dashboards.draw.demo import demonstrated
from dashboards.draw.page import DrawError

HERE = Path(__file__).parent
FLOWAUDIT = Path(sys.executable).parent / "flowaudit"
COLUMNS = 100
DESKTOP, TALL, PHONE = (1280, 800), (1280, 1300), (390, 844)
Command = Sequence[str | Path]


class Failure(Exception):
    """A picture cannot be made; the message says why and what to do."""


# --- the terminal -----------------------------------------------------------------------------------------------------


def terminal(commands: Sequence[tuple[str, Command]], title: str) -> str:
    """Return a terminal session as SVG: each command as it is shown, with what it really prints. Raises Failure."""
    screen = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, legacy_windows=False)
    for shown, command in commands:
        screen.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
        screen.print(Text.from_ansi(_in_terminal(command)), overflow="fold")
        screen.print()
    # Without the fonts that it would load from elsewhere: any monospace will do.
    return re.sub(r"@font-face \{.*?\}", "", screen.export_svg(title=title, theme=MONOKAI), flags=re.DOTALL)


def _in_terminal(command: Command) -> str:
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


def session(lake: str, id: str) -> str:
    """Return the session of the README: the list of findings, then the explanation of one. Raises Failure."""
    flowaudit: list[str | Path] = [FLOWAUDIT, "--lake", lake]
    explained = ("flowaudit explain " + id[:4], [*flowaudit, "explain", id])
    return terminal([("flowaudit findings", [*flowaudit, "findings"]), explained], "flowaudit")


# --- the browser ------------------------------------------------------------------------------------------------------


def photographs(url: str, id: str, folder: Path) -> None:
    """Write the status page and the page of a finding as a browser shows them; raises Failure."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise Failure("no Chromium on PATH: install it (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, page, (width, height), scheme in (
            ("status", "", DESKTOP, "light"),
            ("status-dark", "", DESKTOP, "dark"),
            ("status-phone", "", PHONE, "light"),
            ("finding", f"findings/{id}", TALL, "light"),
        ):
            shown = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            shown.goto(url + page)
            _write(shown.screenshot(), folder / f"{name}.png")
        browser.close()


def _write(picture: bytes, file: Path) -> None:
    """Write a picture in 256 colors, which text and lines need no more of."""
    with Image.open(BytesIO(picture)) as drawn:
        drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def _findings(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}api/v1/query/findings", timeout=30) as answer:
        return [row["id"] for row in json.load(answer)["rows"]]


def main(argv: Sequence[str]) -> int:
    """Make all pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Make the pictures of README and docs.")
    parser.add_argument("--output", type=Path, metavar="DIR", default=HERE, help="where they go (default: %(default)s)")
    parser.add_argument(
        "--no-dashboards", action="store_true", help="leave out the dashboards, which take five minutes"
    )
    given = parser.parse_args(argv)
    given.output.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix="flowaudit-") as name, demonstrated(Path(name)) as sources:
            url = sources["daemon"] + "/"
            id, *_ = _findings(url)
            (lake,) = Path(name).glob("demo/flowaudit-demo-*/lake")
            (given.output / "terminal.svg").write_text(session(str(lake), id), "utf-8")
            photographs(url, id, given.output)
        if not given.no_dashboards:
            draw = [HERE.parents[1] / "scripts" / "draw-dashboards", "--demo", "--output", given.output]
            subprocess.run(draw, check=True)
    except (Failure, DrawError, Error, subprocess.CalledProcessError) as error:
        print(f"scripts/screenshots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
