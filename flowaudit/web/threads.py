"""The threads that pages run in: a few, so that they take neither CPU nor memory from the jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from threading import Condition
from typing import ParamSpec, TypeVar

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request

from flowaudit.sql import Limits, Stopper

LIMITS = Limits(seconds=20.0, memory="512MB", threads=1, disk="")
"""Limits of one query of a page or a report: the jobs of the daemon come first."""
QUICK, SLOW = 4, 2
"""Pages at a time that read a little, and pages and queries that read the lake."""
WAITING = 16
"""Slow pages that may wait for their turn."""
P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Runs what blocks outside the event loop."""

    def __init__(self) -> None:
        self._quick, self._slow = anyio.CapacityLimiter(QUICK), anyio.CapacityLimiter(SLOW)
        self._running: set[Stopper] = set()
        self._changed = Condition()
        self._is_closed = False

    async def quick(self, call: Callable[..., T], *args: object) -> T:
        """Return what a call returns that takes milliseconds."""
        return await anyio.to_thread.run_sync(self._call, Stopper(), call, args, limiter=self._quick)

    async def slow(self, call: Callable[..., T], *args: object) -> T:
        """Return what a call returns that reads the lake; raises HTTPException 503 where too many wait already."""
        return await self._stoppable(Stopper(), call, args)

    async def query(self, request: Request, call: Callable[..., T], *args: object) -> T:
        """Do as `slow` does, and end the queries of the call where the client leaves; they raise QueryStopped."""
        stopper = Stopper()
        watch = asyncio.ensure_future(_watch(request, stopper))
        try:
            return await self._stoppable(stopper, call, args)
        finally:
            watch.cancel()

    def close(self) -> None:
        """End all queries, begin no more calls, and return once no call runs: Python waits for threads at its end."""
        with self._changed:
            self._is_closed = True
            while self._running:
                for stopper in self._running:
                    stopper.stop()
                self._changed.wait(0.1)

    async def _stoppable(self, stopper: Stopper, call: Callable[..., T], args: tuple[object, ...]) -> T:
        if self._slow.statistics().tasks_waiting >= WAITING:
            busy = "too many queries at a time: try again"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, busy, {"Retry-After": "5"})
        return await anyio.to_thread.run_sync(self._call, stopper, call, args, limiter=self._slow)

    def _call(self, stopper: Stopper, call: Callable[..., T], args: tuple[object, ...]) -> T:
        with self._changed:
            if self._is_closed:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "stopping")
            self._running.add(stopper)
        try:
            with stopper.over():
                return call(*args)
        finally:
            with self._changed:
                self._running.discard(stopper)
                self._changed.notify_all()


async def _watch(request: Request, stopper: Stopper) -> None:
    """Stop the queries once the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stopper.stop()
