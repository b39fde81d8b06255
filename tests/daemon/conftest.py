"""A daemon, its configuration and what it collects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import flowlogs
from tests.running import Running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start programs that are ended at the latest with the test."""
    running: list[subprocess.Popen[str]] = []
    log = tmp_path / "stderr"

    def started(*arguments: str, **variables: str) -> Running:
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | variables,
            )
        running.append(process)
        return Running(process, log)

    yield started
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., list[str]]:
    """Write a configuration and return the arguments of `flowaudit run` with it."""

    def arguments(*sources: Path, more: str = "") -> list[str]:
        places = "".join(f'[[sources]]\ntype = "local"\nuri = "{source}"\n' for source in sources)
        file = tmp_path / "flowaudit.toml"
        file.write_text(
            f'[lake]\nuri = "{tmp_path / "lake"}"\n{places}'
            f'[http]\nlisten = "127.0.0.1:0"\n[schedule]\ncollect = "1s"\ndetect = "1s"\n{more}'
        )
        return ["-m", "flowaudit", "--config", str(file), "run"]

    return arguments


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with one log object: a leak of two records and a minute of silence."""
    flowlogs.write(tmp_path / "logs" / "one.log.gz", flowlogs.egress(0), flowlogs.egress(1), flowlogs.nodata(2))
    return tmp_path / "logs"
