"""Which workloads send most, and which have the most severe findings: the few that metrics name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from flowaudit import sql
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.sql.internal import statement

MOST = 20
"""Workloads that metrics name: as many as a dashboard shows; ever new jobs must not fill Prometheus."""
HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=10)
"""How far around a window records may lie that say which of its records count: the spans of `recorded_twice`."""
MOMENT = timedelta(microseconds=1)
TABLES = ("flows", "interfaces", "workloads", "topology")
"""The tables that `workload_egress` reads."""
NEWEST = "SELECT max(last_record) AS newest FROM objects WHERE kept > 0"
RECORDED = "SELECT EXISTS (SELECT 1 FROM flows WHERE start_time >= $since AND start_time < $until) AS recorded"

Ranking: TypeAlias = Mapping[tuple[str, str, str], int]
"""A number by workload kind, workload, and a third label."""


def workload_bytes(lake: Lake, views: Mapping[str, str], now: datetime) -> Ranking:
    """Return what the workloads that sent most sent in the hour before `now`, in bytes by kind, workload and path.

    Where that hour has no records, the hour before the newest record counts. Raises LakeError, QueryError.
    """
    sent = _sent(lake, views, Window(now - HOUR, now))
    if sent is None and (newest := _newest(lake)):
        until = newest + MOMENT
        sent = _sent(lake, views, Window(until - HOUR, until))
    return sent or {}


def workload_findings(lake: Lake, views: Mapping[str, str]) -> Ranking:
    """Return how many open findings the workloads with the most severe ones have, by kind, workload and severity.

    A finding is of the workload that its evidence names. Raises LakeError, QueryError.
    """
    with sql.connect(lake, tables=("findings",), views=views) as engine:
        rows = engine.query(statement("workload_findings"), {"most": MOST}).to_pylist()
    return {(row["workload_kind"], row["workload"], row["severity"]): row["findings"] for row in rows}


def _newest(lake: Lake) -> datetime | None:
    with sql.connect(lake, tables=("objects",)) as ledger:
        newest: datetime | None = ledger.query(NEWEST).column("newest")[0].as_py()
    return newest


def _sent(lake: Lake, views: Mapping[str, str], window: Window) -> Ranking | None:
    """Return the figures of a window, None where it has no records; files of other times are not read."""
    around = Window(window.since - MARGIN, window.until + MARGIN)
    bounds = {"since": window.since, "until": window.until}
    with sql.connect(lake, tables=TABLES, views=views, window=around) as engine:
        if not engine.query(RECORDED, bounds).column("recorded")[0].as_py():
            return None
        rows = engine.query(statement("workload_bytes"), bounds | {"most": MOST}).to_pylist()
    return {(row["workload_kind"], row["workload"], row["path"]): row["bytes"] for row in rows}
