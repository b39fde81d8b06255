"""Logs: one constant event and its keys, on stderr; JSON where nobody is looking, other libraries' words included."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

import structlog

_CHAIN: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
)


def configure(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send our own logs from `level` on, and warnings of the libraries, to `stream` (None: stderr)."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=_rendering(stream), foreign_pre_chain=list(_CHAIN))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("flowaudit").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_CHAIN,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _rendering(stream: TextIO) -> list[structlog.typing.Processor]:
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if stream.isatty():
        # A plain traceback: the pretty ones show local variables, and with them secrets.
        plain = structlog.dev.plain_traceback
        colors = "NO_COLOR" not in os.environ
        return [strip, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, timestamp_key="time")]
    return [strip, structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(default=str)]


def _in_order(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put what every line has before the keys of its event."""
    return {name: entry[name] for name in ("time", "level", "event")} | dict(entry)
