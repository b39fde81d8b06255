"""The flow log records behind a finding."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flowaudit.cli.output import Format, say, write
from flowaudit.errors import ConfigError
from flowaudit.model import Window

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.findings import Finding

TOLD = (
    *("start_time", "end_time", "interface_id", "local_addr", "remote_addr", "remote_port", "protocol"),
    *("packets", "bytes", "action", "path", "path_evidence"),
)
"""The columns that people are shown; other programs get all."""
RECORDS = """
SELECT {columns} FROM egress
WHERE start_time >= $since AND start_time <= $until AND {key}
ORDER BY start_time, end_time, remote_addr, remote_port LIMIT {limit}
"""


def write_records(app: App, finding: Finding, limit: int | None, format: Format) -> None:
    """Print what left the finding's interfaces, as far as its key says, from its first to its last sighting.

    That is more than the detector saw where it looks at other columns as well. Raises ConfigError where no column of
    its key is one of flow log records.
    """
    from flowaudit import sql
    from flowaudit.schema import FLOWS

    key = {name: value for name, value in finding.key.items() if name in FLOWS.names}
    if not key:
        raise ConfigError(f"{finding.id} has none of the columns of flow log records in its key: ask `flowaudit sql`")
    conditions = " AND ".join(f"CAST({name} AS VARCHAR) IS NOT DISTINCT FROM ${name}" for name in key)
    columns = ", ".join(TOLD) if format in (Format.TABLE, Format.MARKDOWN) else "*"
    query = RECORDS.format(columns=columns, key=conditions, limit="ALL" if limit is None else limit)
    params = {"since": finding.first_seen, "until": finding.last_seen} | {n: _text(v) for n, v in key.items()}
    around = Window(finding.first_seen - timedelta(hours=1), finding.last_seen + timedelta(hours=1))
    with sql.connect(app.lake, views=app.catalogue.views, window=around) as lake:
        records = lake.query(query, params)
    if not records.num_rows and format is Format.TABLE:
        say("no records: they have been removed from the lake, or taken back")
    else:
        write(records, format)


def _text(value: Any) -> str | None:  # noqa: ANN401  JSON
    """Return a value of a key as DuckDB writes it."""
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
