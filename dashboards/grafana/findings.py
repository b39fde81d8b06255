"""The dashboard Findings: rows of the daemon's API, read by the Infinity data source."""

from dataclasses import dataclass, field

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from dashboards.grafana.frame import framed, sources
from dashboards.grafana.labels import KINDS, PATHS, SCOPES, SEVERITIES
from dashboards.grafana.panels import Column, Face, Panel, answer

PLUGIN = "yesoreyeram-infinity-datasource"
SOURCE = DataSourceRef(PLUGIN, "${datasource}")
SPAN = {"since": "${__from:date:iso}", "until": "${__to:date:iso}"}
# How Infinity reads columns by the unit in which they are shown.
TYPES = {"dateTimeFromNow": "timestamp", "decbytes": "number", "short": "number", "s": "number"}


@dataclass
class Infinity(Dataquery):
    """A query of Infinity: the columns of a report of the daemon's API."""

    name: str
    columns: dict[str, Column]
    params: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return it as Infinity stores it."""
        given = {"format": "json"} | self.params
        return {
            "refId": "A",
            "datasource": SOURCE,
            "type": "json",
            "parser": "backend",
            "source": "url",
            "format": "table",
            "url": f"/api/v1/query/{self.name}",
            "url_options": {"method": "GET", "params": [{"key": key, "value": value} for key, value in given.items()]},
            "root_selector": "rows",
            "columns": [
                {"selector": name, "text": column.title, "type": TYPES.get(column.unit, "string")}
                for name, column in self.columns.items()
            ],
            "filters": [],
        }


def report(face: Face, name: str, columns: dict[str, Column], *, sort: str, **params: str) -> Panel:
    """Return the table of a report."""
    return answer(face, columns, Infinity(name, columns, params), SOURCE, sort=sort)


BYTES = Column("Bytes", "decbytes", width=90)
FIRST, LAST = (Column(title, "dateTimeFromNow", width=145) for title in ("First seen", "Last seen"))
PATH = Column("Path", labels=PATHS)
WORKLOAD = {"workload_kind": Column("Kind", labels=KINDS, width=140), "workload": Column("Workload")}


def tables() -> list[Panel]:
    """Return the tables, findings first."""
    return [
        report(
            Face(
                1,
                "Open findings",
                "Each open finding with the sentence that says what was seen. Next: flowaudit explain, with the ID of "
                "the row; docs/detectors.md says what to do.",
                "string",
                24,
                8,
                empty="no open finding",
                runbook="FlowauditLeakFound",
            ),
            "findings",
            {
                "severity": Column("Severity", labels=SEVERITIES, width=80),
                "detector": Column("Detector", width=230),
                "workload": Column("Workload", width=150),
                "sentence": Column("What was seen", wraps=True),
                "bytes": BYTES,
                "first_seen": FIRST,
                "last_seen": LAST,
                "id": Column("ID", width=160),
            },
            sort="",
            state="open",
        ),
        *_traffic(),
        *_more(),
    ]


def _traffic() -> list[Panel]:
    return [
        report(
            Face(
                2,
                "Bytes by workload and path",
                "Which path the traffic of each workload took in the range. A path that is not allowed: close it, or "
                "name it in [policy].",
                "string",
                24,
                10,
                empty="no traffic",
            ),
            "bytes-by-workload",
            {
                **WORKLOAD,
                "path": PATH,
                "remote_scope": Column("Destination", labels=SCOPES),
                "action": Column("Action", width=80),
                "bytes": BYTES,
                "flows": Column("Flows", "short", width=80),
                "remotes": Column("Addresses", "short", width=100),
                "last_seen": LAST,
            },
            sort="Bytes",
            **SPAN,
        ),
        report(
            Face(
                3,
                "Top talkers",
                "Who sent most to which address in the range. Who else did: flowaudit query run who-spoke-to.",
                "string",
                24,
                10,
                empty="no traffic",
            ),
            "top-talkers",
            {
                **WORKLOAD,
                "interface_id": Column("Interface", width=190),
                "remote_addr": Column("Address"),
                "remote_service": Column("AWS service"),
                "path": PATH,
                "bytes": BYTES,
                "flows": Column("Flows", "short", width=80),
                "first_seen": FIRST,
                "last_seen": LAST,
            },
            sort="Bytes",
            **SPAN,
        ),
    ]


def _more() -> list[Panel]:
    return [
        report(
            Face(
                4,
                "New destinations",
                "Public destinations of the range to which the workload sent nothing before, in the last 15 days. "
                "Seen before by: how many other workloads sent there in that time; 0: new to all.",
                "string",
                14,
                10,
                empty="nothing new",
            ),
            "new-destinations",
            {
                "who": Column("Workload"),
                "remote": Column("Destination"),
                "path": PATH,
                "bytes": BYTES,
                "first_seen": FIRST,
                "known_to": Column("Seen before by", "short", width=120),
            },
            sort="Bytes",
            **SPAN,
        ),
        report(
            Face(
                5,
                "Long or heavy conversations",
                "Connections to public addresses that stood for four hours or carried a GB: tunnels, bulk transfers.",
                "string",
                10,
                10,
                empty="none",
            ),
            "long-conversations",
            {
                "workload": Column("Workload"),
                "remote_addr": Column("Address"),
                "remote_port": Column("Port", width=70),
                "path": PATH,
                "bytes": BYTES,
                "seconds": Column("Duration", "s", width=100),
            },
            sort="Bytes",
            **SPAN,
        ),
    ]


def findings() -> Dashboard:
    """Return the dashboard."""
    board = framed(
        "findings",
        "Findings",
        "Each open finding, and the traffic behind it, row by row. Needs the data source Infinity, see README.md.",
    )
    sources(board, PLUGIN)
    for panel in tables():
        board.with_panel(panel)
    return board
