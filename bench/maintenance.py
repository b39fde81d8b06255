"""A lake of many small files, before and after maintenance: what collect, findings and detect cost on it.

Three lakes hold the same rows: `fresh`, collected at once; `small`, as a daemon without maintenance leaves it, with a
file for each few rows; and `maintained`, that lake after `flowaudit lake maintain`. Each verb is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data import Shape, make_text
from flowaudit.lake import Lake
from flowaudit.lake.maintenance import files, replace_files
from flowaudit.lake.state import states

OBJECTS = 864
"""Log objects of five minutes each: those of three days, the last of which is collected at the end."""
VERBS = ("collect", "findings", "detect", "sql")
PROGRAM = """
import atexit, re, sys
from pathlib import Path
peak = Path(sys.argv.pop(1))
status = Path("/proc/self/status")
atexit.register(lambda: peak.write_text(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]))
from flowaudit.cli import main
main()
"""
"""The program, which also tells its own peak memory: what the kernel counts for a child begins with its parent's."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds and peak memory of each verb on each lake, and the ratios of CPU time to the fresh one."""
    folder = arguments.folder / f"maintenance-{arguments.records}-{arguments.files}"
    shutil.rmtree(folder, ignore_errors=True)
    objects = make_text(arguments.folder / "text", Shape(records=arguments.records, objects=OBJECTS))
    logs, last = folder / "logs", folder / "last"
    for place, some in ((logs, objects[:-1]), (last, objects[-1:])):
        place.mkdir(parents=True)
        for each in some:
            shutil.copy(each, place)
    fresh, small, maintained = (folder / name for name in ("fresh", "small", "maintained"))
    _run(fresh, "collect", str(logs))
    _run(fresh, "detect")
    shutil.copytree(fresh, small)
    _scatter(Lake(str(small)), arguments.files)
    shutil.copytree(small, maintained)
    maintenance = _run(maintained, "lake", "maintain")
    lakes = (fresh, small, maintained)
    sizes = {each.name: sum(state.files for state in states(Lake(str(each)))) for each in lakes}
    costs = {each.name: _costs(each, last) for each in lakes}
    ratios = {
        name: {verb: round(costs[name][verb]["cpu_seconds"] / costs["fresh"][verb]["cpu_seconds"], 2) for verb in VERBS}
        for name in ("small", "maintained")
    }
    return {"what": "maintenance", "files": sizes, "maintain": maintenance, **costs, "ratio_vs_fresh": ratios}


def _costs(lake: Path, last: Path) -> dict[str, dict[str, float]]:
    words: dict[str, Sequence[str]] = {
        "collect": ("collect", str(last)),
        "findings": ("findings", "--format", "json"),
        "detect": ("detect",),
        "sql": ("sql", "SELECT path, sum(bytes) FROM flows GROUP BY path"),
    }
    return {verb: _run(lake, *words[verb]) for verb in VERBS}


def _scatter(lake: Lake, number: int) -> None:
    """Let the rows of `flows` and `objects` lie in so many files: one for each object, the rest for flows."""
    for name, wanted in (("flows", max(1, number - OBJECTS)), ("objects", OBJECTS)):
        table = lake.open(name)
        old = files(table, name)
        rows = lake.dataset(name).to_table()
        size = max(1, rows.num_rows // wanted)
        new = []
        for start in range(0, rows.num_rows, size):
            out = lake.new_files(name)
            out.write(rows.slice(start, size))
            new += out.close()
        replace_files(lake, table, name, old, new, data_change=False)


def _run(lake: Path, *words: str) -> dict[str, float]:
    """Run a verb and return what it cost."""
    peak = lake.parent / "peak"
    started = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", PROGRAM, str(peak), "--lake", str(lake), *words],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"flowaudit {' '.join(words)} failed on {lake}")
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_rss_mb": round(int(peak.read_text()) / 1024),
    }
