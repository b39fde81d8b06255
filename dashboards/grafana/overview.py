"""The dashboard Overview: is data leaking, and would it be seen?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.grafana.frame import daemons, framed
from dashboards.grafana.labels import PATHS, SEVERITIES
from dashboards.grafana.panels import (
    ANY_IS_BAD,
    Column,
    Face,
    Panel,
    Query,
    bars,
    lines,
    link,
    number,
    rows,
    word,
    words,
)
from dashboards.grafana.terms import COVERED, LEAKS, OLD, PER_DAEMON, VERDICT
from dashboards.grafana.trust import covered, newest

CRITICAL = '{$selector,severity="critical"}'

# A table sorts numbers by size, and words by the alphabet.
RANKS = {severity: place for place, severity in enumerate(reversed(list(SEVERITIES)), 1)}
RANKED = tuple(word(rank, SEVERITIES[severity].text, SEVERITIES[severity].color) for severity, rank in RANKS.items())
RANK = "\nor ".join(
    f'(flowaudit_findings_open{{$selector,severity="{severity}"}} > 0) * 0 + {rank}' for severity, rank in RANKS.items()
)
DRILL_DOWN = (
    "/d/flowaudit-workload?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"
    "&var-workload=${__field.labels.workload}"
)


def verdict() -> list[Panel]:
    """Return the first row: gauges that answer "are we leaking?"."""
    return [
        number(
            Face(
                1,
                "Are we leaking?",
                "Red: data leaves a workload by a path that is not allowed; open the runbook. Orange: "
                f"not known, because the newest record is older than {OLD // 60} minutes, detection is late, "
                f"coverage is below {COVERED:.0%} or not measured, a critical detector lacks fields, or the daemon "
                "has stopped; see the dashboard Health.",
                "none",
                4,
                4,
                steps=((None, "orange"), (0, "green"), (1, "red")),
                mappings=(word(-1, "not known", "orange"), word(0, "no leak seen", "green"), words(1, "leak", "red")),
                empty="not known",
                runbook="FlowauditLeakFound",
            ),
            Query(VERDICT, "{{instance}}"),
            background=True,
        ),
        number(
            Face(
                2,
                "Leaked bytes",
                "Bytes of the flows of open critical findings. List them: flowaudit findings --severity critical.",
                "decbytes",
                4,
                4,
                steps=ANY_IS_BAD,
                runbook="FlowauditLeakFound",
            ),
            Query(f"sum {PER_DAEMON} (flowaudit_findings_open_bytes{CRITICAL})", "{{instance}}"),
        ),
        number(
            Face(
                3,
                "Leaking since",
                "First flow of the oldest open critical finding. What changed then: flowaudit query run what-changed.",
                "dateTimeFromNow",
                4,
                4,
                steps=((None, "red"),),
                empty="no open leak",
                runbook="FlowauditLeakFound",
            ),
            Query(
                f"min {PER_DAEMON} (flowaudit_findings_open_since_timestamp_seconds{CRITICAL} > 0) * 1000",
                "{{instance}}",
            ),
        ),
        *trust(),
    ]


def trust() -> list[Panel]:
    """Return the other half of the first row: how much the verdict is worth."""
    return [
        covered(4),
        newest(5),
        number(
            Face(
                6,
                "Open critical findings",
                "Findings of severity critical that are open and not muted. Mute one that is wanted: "
                "flowaudit findings mute.",
                "short",
                4,
                4,
                steps=ANY_IS_BAD,
                runbook="FlowauditLeakFound",
            ),
            Query(LEAKS, "{{instance}}"),
        ),
    ]


def traffic() -> list[Panel]:
    """Return the panels of bytes and findings over time."""
    return [
        lines(
            Face(
                10,
                "Bytes by path",
                "What workloads sent, by the path that it took. A path that is not allowed has findings: "
                "flowaudit query run bytes-by-workload names who used it.",
                "Bps",
                12,
                10,
            ),
            Query(
                "sum by (path) (rate(flowaudit_collect_egress_bytes_total{$selector}[$__rate_interval])) > 0",
                "{{path}}",
            ),
            stacked=True,
            labels=PATHS,
            interval="1m",
        ),
        lines(
            Face(
                11,
                "Open findings by severity",
                "Findings that are open and not muted. Begin with critical: flowaudit findings --state open.",
                "short",
                12,
                10,
                decimals=0,
                bounds=(0, None),
                empty="no open finding",
            ),
            Query("sum by (instance, severity) (flowaudit_findings_open{$selector}) > 0", "{{severity}} {{instance}}"),
            stacked=True,
            labels=SEVERITIES,
            begins=True,
        ),
    ]


def details() -> list[Panel]:
    """Return what is found, and who sends most."""
    return [
        rows(
            Face(
                13,
                "Open findings by detector",
                "Which detectors found something, how much was sent and since when. docs/detectors.md says of each "
                "what it means and what to do.",
                "short",
                14,
                6,
                empty="no open finding",
            ),
            {
                "Value #D": Column("Severity", "none", RANKED, width=80, left=True),
                "detector": Column("Detector"),
                "instance": Column("Daemon", width=130),
                "Value #A": Column("Open", "short", width=55),
                "Value #B": Column("Bytes", "decbytes", width=80),
                "Value #C": Column("Since", "dateTimeFromNow", width=120),
            },
            *(
                Query(f"{total} and on (job, instance, detector, severity) flowaudit_findings_open{{$selector}} > 0")
                for total in (
                    "flowaudit_findings_open{$selector}",
                    "flowaudit_findings_open_bytes{$selector}",
                    "flowaudit_findings_open_since_timestamp_seconds{$selector} * 1000",
                )
            ),
            Query(RANK),
            sort="Severity",
            apart=("severity",),
        ),
        bars(
            Face(
                12,
                "Workloads that sent most",
                "The five that sent most in the newest hour with records. An unusual one: open it on the dashboard "
                "Workload.",
                "decbytes",
                10,
                6,
            ),
            Query(
                "topk(5, sum by (workload_kind, workload) (max by (workload_kind, workload, path) "
                "(flowaudit_traffic_workload_bytes{$selector})))",
                "{{workload}} ({{workload_kind}})",
            ),
            leads=link("Open the workload", DRILL_DOWN),
            spaced=True,
        ),
    ]


def overview() -> Dashboard:
    """Return the dashboard."""
    board = framed(
        "overview",
        "Overview",
        "Is data of SageMaker workloads leaking, since when, how much; and how far can that be relied on.",
    )
    daemons(board)
    for panel in (*verdict(), *traffic(), *details()):
        board.with_panel(panel)
    return board
