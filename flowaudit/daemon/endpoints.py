"""The HTTP endpoints of the daemon, and what they show of its jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from flowaudit.app import App
from flowaudit.daemon.jobs import Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.schedule import Schedule
from flowaudit.model import WebReport
from flowaudit.states import ConfigStatus, DaemonStatus, JobStatus
from flowaudit.web import Server, Threads, WebConfigFile, site


class Endpoints:
    """Pages, metrics, health and readiness."""

    def __init__(self, app: App, jobs: Jobs, schedule: Schedule, leader: Leader) -> None:
        """Load the web configuration; raises ConfigError."""
        self._app, self._jobs, self._schedule, self._leader = app, jobs, schedule, leader
        self._started, self._config = time.monotonic(), ConfigStatus(datetime.now(UTC))
        self._is_config_current = True
        self._file = WebConfigFile(app.config.http.web_config, self._reloaded)

        self._threads = Threads()
        self._site = self._of(app)

    def server(self) -> Server:
        """Take the address; raises DaemonError where it cannot be had."""
        http = self._app.config.http

        async def newest(scope: Scope, receive: Receive, send: Send) -> None:
            await self._site(scope, receive, send)

        return Server(http.host, http.port, newest, self._file, self._dropped, self._threads.close)

    def use(self, app: App) -> None:
        """Show another application from the next request on."""
        self._app, self._site, self._config = app, self._of(app), ConfigStatus(datetime.now(UTC))

    def exposition(self, accept: str, accept_encoding: str, names: Sequence[str]) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the metrics page."""
        return self._jobs.metrics.exposition(accept, accept_encoding, names)

    def unhealthy(self) -> str:
        """Return why the process should be restarted, "" if it should not."""
        return _listed(self._late())

    def unready(self) -> str:
        """Return why there is nothing to rely on, "" if there is; raises LakeError."""
        return self._leader.unready() or self._jobs.unready() or _listed(self._late())

    def jobs(self) -> Sequence[JobStatus]:
        """Return the state of each job."""
        late, now = self._late(), datetime.now(UTC)
        return [self._scheduled(job, late.get(job.name, ""), now) for job in self._jobs.status()]

    def status(self) -> DaemonStatus:
        """Return the state of all of it."""
        since = datetime.now(UTC) - timedelta(seconds=time.monotonic() - self._started)
        return DaemonStatus(since, self.unhealthy(), self._leader.status(), self._config, self.jobs())

    def refused(self, error: str) -> None:
        """Show why a reload was refused."""
        self._config = replace(self._config, error=error)

    def _scheduled(self, job: JobStatus, late: str, now: datetime) -> JobStatus:
        wait = None if self._leader.is_waiting else self._schedule.due_in(job.name)
        return replace(job, late=late, next_run=None if wait is None else now + timedelta(seconds=wait))

    def _of(self, app: App) -> ASGIApp:
        return site(app, self, self._file, self._answered, self._threads)

    def _late(self) -> Mapping[str, str]:
        if self._leader.is_waiting:
            return {}
        return self._schedule.late(self._app.config.schedule.longest_run.total_seconds())

    def _answered(self, status: int) -> None:
        self._record(requests={str(status): 1})

    def _dropped(self) -> None:
        self._record(dropped=1)

    def _reloaded(self, success: bool) -> None:
        self._is_config_current = success
        self._record()

    def _record(self, **counted: Any) -> None:  # noqa: ANN401  fields of WebReport
        self._jobs.metrics.record(WebReport(is_config_current=self._is_config_current, **counted))


def _listed(late: Mapping[str, str]) -> str:
    return "; ".join(f"{job}: {why}" for job, why in late.items())
