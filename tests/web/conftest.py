"""A server on a free port of the loopback, and clients of it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.errors import FlowauditError
from flowaudit.states import ConfigStatus, DaemonStatus, JobStatus, LeaderStatus
from flowaudit.web import Server, Threads, WebConfigFile, site


@dataclass
class Jobs:
    """What a site shows of jobs, without any that run."""

    metrics: Callable[[], bytes] = lambda: b"flowaudit_up 1\n"
    why_unhealthy: str = ""
    why_unready: str | FlowauditError = ""
    statuses: Sequence[JobStatus] = (JobStatus("collect", timedelta(minutes=1)),)

    def exposition(self, accept: str, accept_encoding: str, names: Sequence[str]) -> tuple[Mapping[str, str], bytes]:
        """Return the metrics page."""
        return {"Content-Type": "text/plain; version=0.0.4"}, self.metrics()

    def unhealthy(self) -> str:
        """Return why not."""
        return self.why_unhealthy

    def unready(self) -> str:
        """Return why not."""
        if isinstance(self.why_unready, FlowauditError):
            raise self.why_unready
        return self.why_unready

    def jobs(self) -> Sequence[JobStatus]:
        """Return the states."""
        return self.statuses

    def status(self) -> DaemonStatus:
        """Return the state of all."""
        since = datetime(2030, 1, 1, tzinfo=UTC)
        return DaemonStatus(since, self.why_unhealthy, LeaderStatus(), ConfigStatus(), self.statuses)


@dataclass
class Reply:
    """An HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Running:
    """A server that serves, with what it counted."""

    server: Server
    file: WebConfigFile
    statuses: list[int] = field(default_factory=list)
    dropped: list[None] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server.url.rstrip("/").rpartition(":")[2])

    def get(self, page: str, method: str = "GET", tls: ssl.SSLContext | None = None, **headers: str) -> Reply:
        """Return the response to a request of a new connection."""
        address = ("127.0.0.1", self.port)
        connection = (
            http.client.HTTPSConnection(*address, timeout=20, context=tls)
            if tls
            else http.client.HTTPConnection(*address, timeout=20)
        )
        try:
            connection.request(method, page, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, answer.read(), names)
        finally:
            connection.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a server over a lake, with a web configuration file's text, if any."""
    running: list[Running] = []

    def started(web_config: str = "", jobs: Jobs | None = None, lake: Path | None = None, **sections: Any) -> Running:
        path = tmp_path / "web.yml"
        if web_config:
            path.write_text(web_config)
        app = App(Config.model_validate({"lake": {"uri": str(lake or tmp_path / "lake")}, **sections}))
        file = WebConfigFile(str(path) if web_config else "")
        statuses: list[int] = []
        dropped: list[None] = []
        threads = Threads()
        pages = site(app, jobs or Jobs(), file, statuses.append, threads)
        server = Server("127.0.0.1", 0, pages, file, lambda: dropped.append(None), threads.close)
        server.start()
        running.append(Running(server, file, statuses, dropped))
        return running[-1]

    yield started
    for each in running:
        each.server.close()
