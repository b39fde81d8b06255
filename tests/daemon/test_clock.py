"""A change of the time of day, as NTP makes it, stops no job and makes nothing look late."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import flowlogs
from tests.running import Running

YEAR = 365 * 24 * 3600
pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="needs a C compiler, to put the clock off"
)


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A library that puts off the time of day of the process that it is loaded into."""
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


@pytest.mark.parametrize("offsets", [(0, -YEAR, YEAR), (-YEAR, 0)], ids=["set-back-then-forward", "before-ntp"])
def test_jobs_go_on_whatever_the_time_of_day(
    start: Callable[..., Running],
    configured: Callable[..., list[str]],
    logs: Path,
    tmp_path: Path,
    clock: Path,
    offsets: tuple[int, ...],
) -> None:
    """What lands after a jump of a year is collected within seconds; health and readiness say ok, with good reason."""
    offset = tmp_path / "offset"

    def jump(seconds: int) -> None:
        fresh = offset.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(offset)

    jump(offsets[0])
    daemon = start(*configured(logs), LD_PRELOAD=str(clock), CLOCK_OFFSET=str(offset))
    daemon.started()
    daemon.until(lambda: daemon.get("/readyz")[0] == 200)
    for number, seconds in enumerate(offsets[1:], start=1):
        jump(seconds)
        flowlogs.write(logs / f"later-{number}.log.gz", flowlogs.egress(10 + number))
        daemon.until(lambda wanted=3 + number: daemon.metric("collect_records_kept_total") == wanted)  # type: ignore[misc]
        detected = daemon.metric("detect_runs_total")
        daemon.until(lambda before=detected: daemon.metric("detect_runs_total") > before + 1)  # type: ignore[misc]
        assert [daemon.get(page) for page in ("/healthz", "/readyz")] == [(200, "ok\n")] * 2
    assert daemon.metric('collect_failures_total{kind="unexpected"}') == 0
    assert daemon.end() == 0
