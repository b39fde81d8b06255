"""The flow log records behind a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa

from flowaudit import sql
from flowaudit.errors import ConfigError
from flowaudit.findings import Finding
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.schema import FLOWS

READ = (
    *("start_time", "end_time", "interface_id", "local_addr", "remote_addr", "remote_port", "protocol"),
    *("packets", "bytes", "action", "path", "path_evidence"),
)
"""The columns that people read."""
ALL = sql.Limits()
"""Default limits of reading them."""
RECORDS = """
SELECT {columns} FROM egress
WHERE start_time >= $since AND start_time <= $until AND {key}
ORDER BY start_time, end_time, remote_addr, remote_port LIMIT {limit}
"""


def records(
    lake: Lake,
    views: Mapping[str, str],
    finding: Finding,
    columns: Sequence[str] = (),
    limit: int | None = None,
    limits: sql.Limits = ALL,
) -> pa.Table:
    """Return what left the finding's interfaces, as far as its key says, from its first to its last sighting.

    That is more than the detector saw where it looks at other columns as well. All columns where none is named. Raises
    ConfigError where no column of its key is one of flow log records, LakeError, QueryError.
    """
    key = {name: value for name, value in finding.key.items() if name in FLOWS.names}
    if not key:
        raise ConfigError(f"{finding.id} has none of the columns of flow log records in its key: ask `flowaudit sql`")
    conditions = " AND ".join(f"CAST({name} AS VARCHAR) IS NOT DISTINCT FROM ${name}" for name in key)
    query = RECORDS.format(columns=", ".join(columns) or "*", key=conditions, limit="ALL" if limit is None else limit)
    params = {"since": finding.first_seen, "until": finding.last_seen} | {n: _text(v) for n, v in key.items()}
    around = Window(finding.first_seen - timedelta(hours=1), finding.last_seen + timedelta(hours=1))
    with sql.connect(lake, views=views, window=around, limits=limits) as engine:
        return engine.query(query, params)


def _text(value: Any) -> str | None:  # noqa: ANN401  JSON
    """Return a value of a key as DuckDB writes it."""
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
