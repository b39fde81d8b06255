"""Runs `flowaudit demo`, and a Prometheus that scrapes it each second, for as long as a drawing takes."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from dashboards.draw.page import DrawError
from flowaudit.cli.demo import demo

ROOT = Path(__file__).parents[2]
HURRIED = timedelta(seconds=5)
"""The interval of fresh flow logs in a hurried demo."""
START = 120
"""Seconds until the demo has to serve metrics, and Prometheus to have scraped them."""


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLOWAUDIT_"))}
    own = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "COLUMNS": "80"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=kept | own) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def scraped(prometheus: str) -> bool:
    """Return whether Prometheus has an answer of the demo already."""
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?query=flowaudit_build_info", timeout=5) as answer:
            return bool(json.load(answer)["data"]["result"])
    except OSError:
        return False


@contextmanager
def demonstrated(folder: Path, *, hurried: bool = False) -> Iterator[dict[str, str]]:
    """Yield the addresses of Prometheus and the daemon once one has scraped the other; raises DrawError.

    A `hurried` demo shows a change after seconds rather than a minute.
    What the demo says is in `demo/log` in the folder, and its lake beside that.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise DrawError("prometheus is not on PATH: install it")
    daemon, prometheus = f"127.0.0.1:{_port()}", f"127.0.0.1:{_port()}"
    target = {"job_name": "flowaudit", "static_configs": [{"targets": [daemon]}]}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [target]}), "utf-8")
    options = [f"--config.file={config}", "--storage.tsdb.path=data", f"--web.listen-address={prometheus}"]
    with ExitStack() as stack:
        command = [__name__, daemon] if hurried else ["flowaudit", "demo", "--listen", daemon]
        stack.enter_context(_running([sys.executable, "-m", *command], folder / "demo"))
        stack.enter_context(_running([program, *options], folder / "prometheus"))
        deadline = time.monotonic() + START
        while not scraped(f"http://{prometheus}"):
            if time.monotonic() > deadline:
                raise DrawError(f"the demo did not start: {(folder / 'demo' / 'log').read_text('utf-8')[-500:]}")
            time.sleep(0.5)
        yield {"prometheus": f"http://{prometheus}", "daemon": f"http://{daemon}"}


if __name__ == "__main__":
    sys.exit(demo(once=False, listen=sys.argv[1], fresh=HURRIED))
