"""The dashboard Workload: which paths does one workload use, and what was found?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.grafana.frame import chosen, daemons, framed, several
from dashboards.grafana.labels import KINDS, PATHS, SEVERITIES
from dashboards.grafana.panels import (
    ANY_IS_BAD,
    ANY_IS_ODD,
    Column,
    Face,
    Panel,
    Query,
    lines,
    number,
    rows,
)
from dashboards.grafana.terms import either

ALLOWED = tuple(PATHS)[:4]
WORKLOAD = '$selector,workload=~"$workload"'
# Daemons that share a lake measure the same workloads: each once.
BYTES = f"max by (workload_kind, workload, path) (flowaudit_traffic_workload_bytes{{{WORKLOAD}}})"
OTHER = f'max by (workload_kind, workload, path) (flowaudit_traffic_workload_bytes{{{WORKLOAD},path!~"$allowed"}})'
FINDINGS = f"max by (workload_kind, workload, severity) (flowaudit_traffic_workload_findings{{{WORKLOAD}}})"
CRITICAL = (
    f'sum(max by (workload_kind, workload) (flowaudit_traffic_workload_findings{{{WORKLOAD},severity="critical"}}))'
)
SHARE = f"{either(f'sum({OTHER})')}\n/ (sum({BYTES}) > 0)"


def summary() -> list[Panel]:
    """Return the first row."""
    return [
        number(
            Face(
                1,
                "Open critical findings",
                "Data leaves the workload by a path that is not allowed; open the runbook.",
                "short",
                6,
                4,
                steps=ANY_IS_BAD,
                runbook="FlowauditLeakFound",
            ),
            Query(either(CRITICAL), "critical"),
        ),
        number(
            Face(
                2,
                "Open findings",
                "Findings of every severity. Read them on the dashboard Findings, or with flowaudit findings.",
                "short",
                6,
                4,
                steps=ANY_IS_ODD,
            ),
            Query(either(f"sum({FINDINGS})"), "all severities"),
        ),
        number(
            Face(
                3,
                "Share not over allowed paths",
                "Part of the bytes of the newest hour that took a path which Allowed paths does not name. "
                "Choose there what your [policy] allows, then look below for who sent the rest.",
                "percentunit",
                6,
                4,
                steps=((None, "green"), (0.000001, "orange"), (0.05, "red")),
                decimals=1,
                bounds=(0, 1),
                empty="no traffic",
            ),
            Query(SHARE, "not allowed"),
        ),
        number(
            Face(
                4,
                "Bytes in the last hour",
                "Sent over all paths in the newest hour with records. No traffic: not among the 20 that sent most.",
                "decbytes",
                6,
                4,
                empty="no traffic",
            ),
            Query(f"sum({BYTES})", "bytes"),
        ),
    ]


def over_time() -> list[Panel]:
    """Return bytes, shares and findings over time."""
    return [
        lines(
            Face(
                10,
                "Bytes by path",
                "Bytes sent in the hour before each point. A path that appears: flowaudit query run workload-timeline.",
                "decbytes",
                12,
                10,
            ),
            Query(f"sum by (path) ({BYTES})", "{{path}}"),
            stacked=True,
            labels=PATHS,
        ),
        lines(
            Face(
                11,
                "Open findings by severity",
                "Findings that are open and not muted. Begin with critical.",
                "short",
                12,
                10,
                decimals=0,
                bounds=(0, None),
                empty="no open finding",
            ),
            Query(f"sum by (severity) ({FINDINGS})", "{{severity}}"),
            stacked=True,
            labels=SEVERITIES,
        ),
        *_by_workload(),
    ]


def _by_workload() -> list[Panel]:
    return [
        lines(
            Face(
                12,
                "Share not over allowed paths, by workload",
                "Part of each workload's bytes that took a path which Allowed paths does not name.",
                "percentunit",
                12,
                10,
                bounds=(0, 1),
            ),
            Query(
                f"sum by (workload_kind, workload) ({OTHER})\n/ (sum by (workload_kind, workload) ({BYTES}) > 0)",
                "{{workload}} ({{workload_kind}})",
            ),
            spaced=True,
        ),
        lines(
            Face(
                13,
                "Bytes by workload",
                "Bytes sent in the hour before each point. One that grows: flowaudit query run top-talkers.",
                "decbytes",
                12,
                10,
            ),
            Query(f"sum by (workload_kind, workload) ({BYTES})", "{{workload}} ({{workload_kind}})"),
            spaced=True,
        ),
        rows(
            Face(
                14,
                "Workloads and paths",
                "Bytes of the last hour for each workload and path. Allow a path in [policy], or close it.",
                "short",
                24,
                10,
                empty="no traffic",
            ),
            {
                "workload_kind": Column("Kind", labels=KINDS),
                "workload": Column("Workload"),
                "path": Column("Path", labels=PATHS),
                "Value": Column("Bytes", "decbytes"),
            },
            Query(BYTES),
            sort="Bytes",
        ),
    ]


def workload() -> Dashboard:
    """Return the dashboard."""
    board = framed(
        "workload", "Workload", "Which paths a workload's traffic takes, how much, and what was found there."
    )
    daemons(board)
    board.with_variable(
        chosen(
            "workload",
            "Workload",
            'label_values(flowaudit_traffic_workload_bytes{job=~"$job",instance=~"$instance"}, workload)',
            "The 20 workloads that sent most in the last hour.",
        )
    )
    board.with_variable(
        several(
            "allowed",
            "Allowed paths",
            {value: label.text for value, label in PATHS.items()},
            ALLOWED,
            "Paths that your policy allows: [policy] internet_paths.",
        )
    )
    for panel in (*summary(), *over_time()):
        board.with_panel(panel)
    return board
