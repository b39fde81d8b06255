"""A collector that is killed, at any instruction, and started again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flowaudit.lake import Lake
from tests.flowlogs import egress, write

OBJECTS = 60
COLLECTOR = """
import sys
from flowaudit import collect
from flowaudit.lake import Lake
from flowaudit.sources.local import LocalSource
collect.BATCH_OBJECTS, collect.PORTION_OBJECTS, collect.ROW_GROUP, collect.FIRST_PAUSE = 5, 2, 50, 0.01
print("ready", flush=True)
collect.collect([(LocalSource(sys.argv[1]), None)], Lake(sys.argv[2]))
"""
"""The real loop in a process of its own, with batches so small that a run makes a dozen of them."""


def _start(logs: Path, lake: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", COLLECTOR, logs, lake], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def _rows(lake: Lake, table: str, *leave_out: str) -> list[dict[str, Any]]:
    names = [name for name in lake.dataset(table).schema.names if name not in leave_out]
    return sorted(lake.dataset(table).to_table(names).to_pylist(), key=str)


@pytest.mark.slow
def test_killed_at_random_moments_every_row_is_there_exactly_once(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """SIGKILL again and again, on one lake after another: each ends row for row as a run that nobody disturbed.

    Between two kills some objects are replaced and a broken one waits, so that every kind of commit is hit.
    """
    chance = random.Random(20260101)
    kills = 0
    for round_ in count():
        if kills >= pytestconfig.getoption("--kills"):
            break
        logs, lake, undisturbed = (tmp_path / f"{name}-{round_}" for name in ("logs", "lake", "clean"))
        for number in range(OBJECTS):
            write(logs / f"{number:03}.log.gz", *(egress(n, size=number * 100 + n) for n in range(80)), "a bad line")
        (logs / "broken.log.gz").write_bytes(b"\x1f\x8b\x08")
        kills += _collect_under_fire(logs, lake, chance)
        assert _start(logs, undisturbed).wait(60) == 0
        clean, survivor = Lake(str(undisturbed)), Lake(str(lake))
        assert _rows(clean, "flows", "batch") == _rows(survivor, "flows", "batch")
        assert _rows(clean, "quarantine", "batch") == _newest_quarantine(survivor)
        assert {key: known.etag for key, known in clean.known().items()} == {
            key: known.etag for key, known in survivor.known().items()
        }


def _collect_under_fire(logs: Path, lake: Path, chance: random.Random) -> int:
    """Start collectors and kill them until one gets to its end; return how many were killed."""
    killed = 0
    while True:
        process = _start(logs, lake)
        time.sleep(chance.uniform(0, 0.6))  # the moment is the test
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            return killed
        killed += 1
        if killed % 5 == 0:
            number = chance.randrange(OBJECTS)
            write(logs / f"{number:03}.log.gz", *(egress(n, size=killed) for n in range(40)), "another bad line")


def _newest_quarantine(lake: Lake) -> list[dict[str, Any]]:
    """Return the quarantined lines of each object's newest batch: a replaced object's old lines stay, as history."""
    newest: dict[str, int] = {}
    rows = _rows(lake, "quarantine")
    for row in rows:
        newest[row["object_key"]] = max(row["batch"], newest.get(row["object_key"], 0))
    kept = [row for row in rows if row["batch"] == newest[row["object_key"]]]
    return [{name: value for name, value in row.items() if name != "batch"} for row in kept]


@pytest.mark.slow
def test_two_collecting_processes_at_once_do_what_one_does(tmp_path: Path) -> None:
    """Started together on one source and one lake: no row is missing, none is there twice, nothing is left over."""
    logs, lake, undisturbed = (tmp_path / name for name in ("logs", "lake", "clean"))
    for number in range(OBJECTS):
        write(logs / f"{number:03}.log.gz", *(egress(n, size=number * 100 + n) for n in range(80)), "a bad line")
    both = [_start(logs, lake) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert _start(logs, undisturbed).wait(60) == 0

    clean, shared = Lake(str(undisturbed)), Lake(str(lake))
    for table in ("flows", "quarantine"):
        assert _rows(clean, table, "batch") == _rows(shared, table, "batch")
        assert {Path(file) for file in shared.files(table)} == set((lake / table).rglob("part-*.parquet"))
    assert clean.known().keys() == shared.known().keys()
    assert len(_rows(shared, "objects")) == OBJECTS
