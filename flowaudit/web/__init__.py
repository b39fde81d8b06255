"""The HTTP endpoints of the daemon: metrics, health, status page, reports. Nothing here writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from flowaudit.app import App
from flowaudit.errors import FlowauditError
from flowaudit.formats import json_text
from flowaudit.states import DaemonStatus, JobStatus
from flowaudit.web.api import Api
from flowaudit.web.guard import AUTHENTICATED, Guard
from flowaudit.web.pages import Pages
from flowaudit.web.server import Server
from flowaudit.web.status import document
from flowaudit.web.threads import Threads
from flowaudit.web.webconfig import WebConfigFile

__all__ = ["Daemon", "Server", "Threads", "WebConfigFile", "site"]

READY_SECONDS = 5.0
"""Seconds that /readyz waits for the lake."""

log = structlog.stdlib.get_logger("flowaudit.web")


class Daemon(Protocol):
    """Figures and states of the process that runs the jobs."""

    def exposition(self, accept: str, accept_encoding: str, names: Sequence[str]) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the metrics page."""

    def unhealthy(self) -> str:
        """Return why the process should be restarted, "" if it should not."""

    def unready(self) -> str:
        """Return why there is nothing to rely on yet, "" if there is; raises LakeError."""

    def jobs(self) -> Sequence[JobStatus]:
        """Return the state of each job, in the order of one cycle."""

    def status(self) -> DaemonStatus:
        """Return the state of all of it."""


def site(
    app: App,
    daemon: Daemon,
    file: WebConfigFile,
    answered: Callable[[int], None] = lambda _: None,
    threads: Threads | None = None,
) -> ASGIApp:
    """Return the ASGI application; `answered` is called with the status of each response.

    `threads` are closed by who gives them, before the process ends.
    """
    threads = threads or Threads()
    probes = _Probes(app, daemon, threads)
    routes = [
        Route("/metrics", probes.metrics),
        Route("/healthz", probes.healthz),
        Route("/readyz", probes.readyz),
        Route("/status", probes.status),
        *Pages(app, daemon, threads).routes,
        *Api(app, threads).routes,
    ]
    starlette = Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _failed})
    starlette.router.redirect_slashes = False
    return Guard(starlette, file, answered, is_local=app.config.http.is_local)


class _Probes:
    """Pages for machines."""

    def __init__(self, app: App, daemon: Daemon, threads: Threads) -> None:
        self._app, self._daemon, self._threads = app, daemon, threads
        self._asked: asyncio.Future[str] | None = None

    async def metrics(self, request: Request) -> Response:
        accept, encoding = (request.headers.get(name, "") for name in ("accept", "accept-encoding"))
        names = request.query_params.getlist("name[]")
        headers, body = await self._threads.quick(self._daemon.exposition, accept, encoding, names)
        return Response(body, headers=dict(headers))

    async def status(self, _: Request) -> Response:
        body = await self._threads.quick(lambda: document(self._app, self._daemon.status()))
        return Response(json_text(body) + "\n", media_type="application/json")

    async def healthz(self, request: Request) -> Response:
        return _ok_or_why(request, self._daemon.unhealthy())

    async def readyz(self, request: Request) -> Response:
        # Once at a time: a store that hangs would soon have all the threads that /metrics needs.
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(self._threads.quick(self._unready))
        await asyncio.wait([self._asked], timeout=READY_SECONDS)
        return _ok_or_why(request, await self._asked if self._asked.done() else "the lake does not answer")

    def _unready(self) -> str:
        try:
            return self._daemon.unready()
        except FlowauditError as error:
            return str(error)


def _ok_or_why(request: Request, why: str) -> Response:
    if not why:
        return PlainTextResponse("ok\n")
    shown = " ".join(why.split()) if getattr(request.state, AUTHENTICATED) else "not ok"
    return PlainTextResponse(f"{shown}\n", HTTPStatus.SERVICE_UNAVAILABLE)


async def _refused(_: Request, error: Exception) -> Response:
    """Answer what a page refuses, in its own words."""
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette's handlers are typed for any
    text = "no such page" if error.status_code == HTTPStatus.NOT_FOUND and error.detail == "Not Found" else error.detail
    return PlainTextResponse(f"{text}\n", error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("page failed", page=request.url.path, exc_info=error)
    return PlainTextResponse("this page failed: see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)
