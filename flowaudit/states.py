"""The state of a running daemon, as its pages show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """State of a part of a job: a source or a detector. `error` is of its last run; `newest` the newest record."""

    ran: datetime | None = None
    succeeded: datetime | None = None
    error: str = ""
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a job of the daemon; times are None before the first.

    `seconds` and `error` are of the last run that ended: `error` is its last failure or warning, "" where it had none;
    with `is_warning` nothing failed. `summary` is that of the last report. `late` is in which respect it does not keep
    its interval, "" where it does; `next_run` is None while it runs.
    """

    name: str
    every: timedelta
    is_running: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    succeeded: datetime | None = None
    seconds: float | None = None
    error: str = ""
    is_warning: bool = False
    summary: Mapping[str, Any] = field(default_factory=dict)
    report: Any = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    next_run: datetime | None = None
    late: str = ""


@dataclass(frozen=True, slots=True)
class LeaderStatus:
    """Who leads the lake, "" where that is not known; in standby this daemon waits to."""

    owner: str = ""
    generation: int = 0
    leads: bool = False
    is_standby: bool = True


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """When the configuration that holds was read, and why the last reload was refused, "" where it was not."""

    loaded: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """State of the daemon: when it started, why it should be restarted ("": it should not), who leads, its jobs."""

    since: datetime
    unhealthy: str
    leader: LeaderStatus
    config: ConfigStatus
    jobs: Sequence[JobStatus]
