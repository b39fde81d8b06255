"""The threads that pages run in: a few, so that they take neither CPU nor memory from the jobs."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import ParamSpec, TypeVar

import anyio
from starlette.exceptions import HTTPException

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

    async def quick(self, call: Callable[..., T], *args: object) -> T:
        """Return what a call returns that takes milliseconds."""
        return await anyio.to_thread.run_sync(call, *args, limiter=self._quick)

    async def slow(self, call: Callable[..., T], *args: object) -> T:
        """Return what a call returns that reads the lake; raises HTTPException 503 where too many wait already."""
        if self._slow.statistics().tasks_waiting >= WAITING:
            busy = "too many queries at a time: try again"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, busy, {"Retry-After": "5"})
        return await anyio.to_thread.run_sync(call, *args, limiter=self._slow)
