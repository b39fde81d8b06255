"""/status is one document about each job, source, sink and detector, which answers while the lake does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.endpoints import Endpoints
from flowaudit.daemon.jobs import Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.schedule import Job, Schedule
from flowaudit.web.status import document
from tests import flowlogs
from tests.running import Running

LEAK = "internet-egress-bypasses-nat"


def test_the_whole_document(
    start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
) -> None:
    """Times are of UTC; a source that fails has its error, the other its newest record; a sink has what waits."""
    sink = f'[[sinks]]\ntype = "ocsf"\nname = "file"\nuri = "{tmp_path / "none"}/ocsf"\nstart = "beginning"\n'
    daemon = start(*configured(logs, tmp_path / "missing", more=sink))
    daemon.started()
    daemon.until(lambda: daemon.get("/readyz")[0] == 200)

    def found() -> dict[str, Any]:
        status, text = daemon.get("/status")
        assert status == 200
        body: dict[str, Any] = json.loads(text)
        return body

    daemon.until(lambda: all(job["last_end"] for job in found()["jobs"]))
    body = found()
    assert list(body) == [
        *("version", "since", "healthy", "unhealthy", "leader", "config", "jobs", "sources", "sinks", "detectors")
    ]
    assert (body["healthy"], body["unhealthy"]) == (True, "")
    assert datetime.now(UTC) - datetime.fromisoformat(body["since"]) < timedelta(minutes=2)
    assert {"generation": 1, "leads": True, "standby": False}.items() <= body["leader"].items()
    jobs = {job["name"]: job for job in body["jobs"]}
    assert list(jobs) == ["discover", "collect", "detect", "deliver", "coverage", "maintain"]
    assert (jobs["detect"]["every_seconds"], jobs["detect"]["error"], jobs["detect"]["late"]) == (1, "", "")
    assert jobs["detect"]["last_success"] == jobs["detect"]["last_end"]
    assert datetime.fromisoformat(jobs["coverage"]["next_run"]) > datetime.fromisoformat(jobs["coverage"]["last_end"])
    assert "check the path" in jobs["collect"]["error"]
    good, bad = body["sources"]
    assert (good["uri"], good["error"], good["newest_record"][:11]) == (str(logs), "", _day(flowlogs.START))
    assert "check the path" in bad["error"]
    assert (bad["last_success"], bad["newest_record"], bool(bad["last_run"])) == (None, None, True)
    (sent,) = body["sinks"]
    assert (sent["name"], sent["pending"] is not None) == ("file", True)
    (leak,) = [each for each in body["detectors"] if each["id"] == LEAK]
    assert (leak["open_findings"], leak["error"]) == (1, "")
    assert leak["last_success"] is not None
    assert leak["visibility"] in ("full", "partial", "none")
    assert daemon.end() == 0


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT")


@pytest.fixture
def only(tmp_path: Path, logs: Path) -> App:
    """An application with one source, that counts failures at once."""
    sources = [{"type": "local", "uri": str(logs)}]
    return App(
        Config.model_validate(
            {"lake": {"uri": str(tmp_path / "lake")}, "sources": sources, "schedule": {"recovery": "0s"}}
        )
    )


def endpoints(app: App, jobs: Jobs, clock: Callable[[], float]) -> Endpoints:
    """Return the endpoints of a daemon that leads."""
    leader = Leader(app.lake, app.lease(), lambda _: None)
    assert leader.take(standby=False, wait=lambda _: False)
    every = Job("collect", 60)
    return Endpoints(app, jobs, Schedule([every], lambda _: None, lambda *_: None, clock), leader)


def test_a_success_outlives_a_failure(only: App, logs: Path) -> None:
    """The error is of the last run, the last success and the newest record are of the run that had them."""
    jobs, now = Jobs(only, Event()), [0.0]
    shown = endpoints(only, jobs, lambda: now[0])
    jobs.run("collect")
    (before,) = document(only, shown.status())["sources"]
    shutil.rmtree(logs)
    jobs.run("collect")
    (after,) = document(only, shown.status())["sources"]
    assert "check the path" in after["error"]
    assert after["last_run"] > before["last_run"]
    assert (after["last_success"], after["newest_record"]) == (before["last_success"], before["newest_record"])


@pytest.mark.parametrize(("recovery", "is_ready"), [("0s", False), ("5m", True)])
def test_a_failure_counts_for_readiness_after_the_recovery_time(
    only: App, tmp_path: Path, logs: Path, recovery: str, *, is_ready: bool
) -> None:
    """A job that has succeeded and fails now may recover; then readiness names it, until it succeeds again."""
    kept_sections = only.config.model_dump(include={"lake", "sources"})
    app = App(Config.model_validate(kept_sections | {"schedule": {"recovery": recovery}}))
    jobs, now = Jobs(app, Event()), [0.0]
    shown = endpoints(app, jobs, lambda: now[0])
    jobs.run("collect")
    jobs.run("detect")
    assert shown.unready() == ""
    kept = logs.rename(tmp_path / "elsewhere")
    jobs.run("collect")
    assert (shown.unready() == "") is is_ready
    if not is_ready:
        assert shown.unready().startswith("collect has failed for 0 s: ")
    kept.rename(logs)
    jobs.run("collect")
    assert shown.unready() == ""


def test_a_late_job_is_named_by_all_three(only: App) -> None:
    """By the monotonic clock: health and readiness fail, and the document says which and since when."""
    jobs, now = Jobs(only, Event()), [0.0]
    shown = endpoints(only, jobs, lambda: now[0])
    jobs.run("collect")
    jobs.run("detect")
    assert (shown.unhealthy(), shown.unready()) == ("", "")
    now[0] = 181
    assert shown.unhealthy() == shown.unready() == "collect: no run for 3 min"
    assert [job["late"] for job in document(only, shown.status())["jobs"]] == ["", "no run for 3 min", "", "", "", ""]
    assert document(only, shown.status())["healthy"] is False
