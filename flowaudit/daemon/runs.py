"""One run of a stage, and what became of it and of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

import structlog

from flowaudit.errors import FlowauditError, Stopped
from flowaudit.metrics import Metrics
from flowaudit.states import Part

log = structlog.stdlib.get_logger("flowaudit.daemon")


@dataclass(slots=True)
class Run:
    """One run of a stage, and what failed in it, a line each: counted and logged as it happens.

    A long run calls `moved` whenever a part of it is done: without that it counts as one that hangs.
    """

    stage: str
    metrics: Metrics
    stop: Event
    once: bool = False
    moved: Callable[[], None] = lambda: None
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)

    @contextmanager
    def caught(self, **where: str) -> Iterator[None]:
        """Let nothing out but what ends the process; a stop is no failure."""
        try:
            yield
        except Stopped:
            pass
        except FlowauditError as error:
            self.fail(error, str(error))
            log.error("job failed", job=self.stage, error=str(error), **where)  # noqa: TRY400  the message has everything
        except Exception as error:  # a fault in one run must not end all later ones
            self.fail(error, f"{type(error).__name__}: {error} (a fault in flowaudit: see the log)")
            log.exception("job failed", job=self.stage, error=repr(error), **where)

    def ended(self, part: str, error: str = "", newest: datetime | None = None) -> None:
        """Note what became of a part of it: a source, or a detector."""
        now = datetime.now(UTC)
        self.parts[part] = Part(now, None if error else now, error, newest)

    def fail(self, error: BaseException, line: str) -> None:
        """Note a failure."""
        self.failures.append(line)
        self.metrics.failed(self.stage, error)
