"""The dashboard Health: does flowaudit see everything, and does the daemon work?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.grafana.delivery import http, process, sinks
from dashboards.grafana.detection import detectors
from dashboards.grafana.frame import daemons, folded, framed
from dashboards.grafana.intake import aws, collection, coverage
from dashboards.grafana.lake import lake
from dashboards.grafana.panels import ANY_IS_BAD, Column, Face, Panel, Query, lines, number, rows, word, words
from dashboards.grafana.terms import LATE, PER_DAEMON, SEEN, age
from dashboards.grafana.trust import covered, newest
from dashboards.prometheus.alerts import STAGES

NEVER = words(1e9, "never", "red")


def by_stage(expr: str, legend: str = "") -> list[Query]:
    """Return a query for each stage; `$stage` is its name."""
    return [Query(expr.replace("$stage", stage), f"{stage}{legend}") for stage in STAGES]


def summary() -> list[Panel]:
    """Return the first row."""
    return [
        number(
            Face(
                1,
                "Daemon",
                "Whether Prometheus can scrape each daemon that it scraped in the last hour. Down: open the runbook.",
                "none",
                4,
                4,
                steps=((None, "red"), (1, "green")),
                mappings=(word(0, "down", "red"), word(1, "up", "green")),
                empty="none is scraped",
                runbook="FlowauditDown",
            ),
            Query(f"max {PER_DAEMON} (up{{$selector}}) and on (job, instance) {SEEN}", "{{instance}}"),
            background=True,
        ),
        newest(2),
        covered(3),
        *_counts(),
    ]


def _counts() -> list[Panel]:
    faults = (
        (4, "Sinks down", "sum by (job, instance) (1 - flowaudit_sink_up{$selector})", "FlowauditSinkDown", "no sink"),
        (
            5,
            "AWS APIs without an answer",
            'sum by (job, instance) (flowaudit_discover_failed_apis{$selector,reason!="unsupported"})',
            "FlowauditAwsApisFailing",
            "no data",
        ),
        (6, "Errors in query files", "flowaudit_catalogue_errors{$selector}", "FlowauditQueryFilesBroken", "no data"),
    )
    next_step = {
        4: "Sinks that accept no events. They are sent later: flowaudit sinks list.",
        5: "The last known inventory stays in use: flowaudit doctor names the missing permissions.",
        6: "A file with an error does not run: flowaudit check names it.",
    }
    return [
        number(
            Face(id, title, next_step[id], "short", 4, 4, steps=ANY_IS_BAD, empty=empty, runbook=runbook),
            Query(expr, "{{instance}}"),
        )
        for id, title, expr, runbook, empty in faults
    ]


def stages() -> list[Panel]:
    """Return how the stages run."""
    success = {f"Value #{chr(ord('A') + place)}": stage for place, stage in enumerate(STAGES)}
    return [
        rows(
            Face(
                10,
                "Time since the last success",
                f"Collect and detect should be below {LATE // 60} minutes, maintain below 70, the others below 30. "
                "Late: the panel Failures names the component, the daemon's log the reason.",
                "s",
                24,
                4,
                runbook="FlowauditCollectionLate",
            ),
            {"instance": Column("Daemon")} | {name: Column(stage, "s", (NEVER,)) for name, stage in success.items()},
            *by_stage(age("$stage")),
            sort="collect",
        ),
        lines(
            Face(
                11,
                "Runs",
                "Runs a minute, failed ones too. A line that ends: the stage hangs, see Starts left out.",
                "opm",
                12,
                10,
                bounds=(0, None),
            ),
            *by_stage("sum(rate(flowaudit_$stage_runs_total{$selector}[$__rate_interval])) * 60"),
            interval="10m",
        ),
        lines(
            Face(
                12,
                "Failures",
                "Failed runs by stage and component. Unexpected is a fault in flowaudit: report it with the traceback "
                "in the log. docs/metrics.md explains the others.",
                "short",
                12,
                10,
                bounds=(0, None),
                empty="no failure",
                runbook="FlowauditUnexpectedFailure",
            ),
            *by_stage(
                "sum by (kind) (increase(flowaudit_$stage_failures_total{$selector}[$__rate_interval])) > 0",
                ": {{kind}}",
            ),
            events=True,
            interval="10m",
        ),
    ]


def pace() -> list[Panel]:
    """Return how long runs take."""
    return [
        *(
            lines(
                Face(
                    id,
                    f"Duration, {part:.0%} of runs",
                    "Runs are at most this long. Longer than the stage's interval in [schedule]: starts are left out.",
                    "s",
                    8,
                    10,
                    bounds=(0, None),
                ),
                *by_stage(
                    f"histogram_quantile({part}, "
                    "sum by (le) (rate(flowaudit_$stage_duration_seconds_bucket{$selector}[$__rate_interval])))"
                ),
                interval="10m",
            )
            for id, part in ((13, 0.5), (14, 0.95))
        ),
        lines(
            Face(
                15,
                "Starts left out",
                "Starts skipped because the previous run had not ended (overlapped) or no thread was free (missed). "
                "Often: raise the stage's interval in [schedule].",
                "short",
                8,
                10,
                bounds=(0, None),
                empty="none",
                runbook="FlowauditJobsOverlapping",
            ),
            *(
                Query(
                    f"sum by (task) (increase(flowaudit_task_{what}_total{{$selector}}[$__rate_interval])) > 0",
                    f"{{{{task}}}} {what}",
                )
                for what in ("overlapped", "missed")
            ),
            events=True,
            interval="10m",
        ),
    ]


def health() -> Dashboard:
    """Return the dashboard."""
    board = framed(
        "health", "Health", "Does flowaudit see everything: collection, coverage, detectors, sinks, the daemon."
    )
    daemons(board)
    for panel in (*summary(), *stages(), *pace()):
        board.with_panel(panel)
    folded(board, 100, "Collection", collection())
    folded(board, 200, "Coverage", coverage())
    folded(board, 300, "Detectors", detectors())
    folded(board, 400, "Sinks", sinks())
    folded(board, 500, "AWS APIs", aws())
    folded(board, 600, "Process", process())
    folded(board, 700, "HTTP server", http())
    folded(board, 800, "Lake", lake())
    return board
