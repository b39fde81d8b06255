"""Queries that another thread ends before their time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from flowaudit.errors import QueryError

_CURRENT: ContextVar[Stopper | None] = ContextVar("stopper", default=None)


class QueryStopped(QueryError):
    """Somebody wants the result no more."""


class Stopper:
    """Ends the queries of a block of code, those that run and those that would begin."""

    def __init__(self) -> None:
        self._lock, self._is_stopped = Lock(), False
        self._running: set[Callable[[], None]] = set()

    def stop(self) -> None:
        """Interrupt what runs; may be repeated, for the engine forgets an interrupt that comes before its query."""
        with self._lock:
            self._is_stopped = True
            for interrupt in self._running:
                interrupt()

    def check(self) -> None:
        """Raise QueryStopped if it is."""
        if self._is_stopped:
            raise QueryStopped("stopped: its result is not needed any more")

    @contextmanager
    def over(self) -> Iterator[None]:
        """Apply to every query of the block, in this thread."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    @contextmanager
    def watching(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` if the block is to end; raises QueryStopped where it was ended, or was not to begin."""
        with self._lock:
            self.check()
            self._running.add(interrupt)
        try:
            yield
        except QueryError:
            self.check()
            raise
        finally:
            with self._lock:
                self._running.discard(interrupt)


def current() -> Stopper:
    """Return the stopper that applies here."""
    return _CURRENT.get() or Stopper()
