"""The row of the dashboard Health on detectors."""

from dashboards.grafana.labels import EVENTS, VISIBILITY
from dashboards.grafana.panels import Column, Face, Panel, Query, bars, lines, rows, word
from dashboards.grafana.terms import per_second


def detectors() -> list[Panel]:
    """Return what detectors see and how long they take."""
    visible = (word(2, "full", "green"), word(1, "partial", "yellow"), word(0, "none", "red"))
    one = '(flowaudit_detector_visibility{$selector,visibility="%s"})'
    return [
        rows(
            Face(
                301,
                "Visibility by detector",
                "None: the newest flow logs lack fields that the detector needs. Create the flow log with the format "
                "that flowaudit doctor prints.",
                "short",
                12,
                10,
                runbook="FlowauditDetectorBlind",
            ),
            {
                "detector": Column("Detector"),
                "instance": Column("Daemon", width=150),
                "Value": Column("Visibility", "short", visible, width=100),
            },
            Query(
                f"sum by (job, instance, detector) {one % 'full'} * 2\n"
                f"+ sum by (job, instance, detector) {one % 'partial'}"
            ),
            sort="Visibility",
            least=True,
        ),
        lines(
            Face(
                302,
                "Detectors by visibility",
                "How many detectors see everything, a part, or nothing of what they look for.",
                "short",
                12,
                10,
                decimals=0,
                runbook="FlowauditDetectorBlind",
            ),
            Query("sum by (visibility) (flowaudit_detector_visibility{$selector})", "{{visibility}}"),
            stacked=True,
            labels=VISIBILITY,
        ),
        *_work(),
    ]


def _work() -> list[Panel]:
    return [
        lines(
            Face(
                303,
                "Failures by detector",
                "Detection runs in which a detector failed. The daemon's log has the reason.",
                "short",
                12,
                empty="no failure",
                runbook="FlowauditDetectorFailing",
            ),
            Query(
                "sum by (detector) (increase(flowaudit_detector_failures_total{$selector}[$__rate_interval])) > 0",
                "{{detector}}",
            ),
            events=True,
            interval="5m",
        ),
        bars(
            Face(
                304,
                "Slowest detectors",
                "Mean duration of a detector's queries in the range, one for each window. Slow: shorten its window.",
                "s",
                12,
            ),
            Query(
                "topk(6, sum by (detector) (increase(flowaudit_detector_duration_seconds_total{$selector}[$__range]))\n"
                "/ (sum by (detector) (increase(flowaudit_detector_runs_total{$selector}[$__range])) > 0))",
                "{{detector}}",
            ),
        ),
        lines(
            Face(
                305,
                "Windows and matches",
                "Windows searched, and what detectors matched in them, a second. No windows: detection does not run.",
                "cps",
                12,
                runbook="FlowauditDetectionLate",
            ),
            Query(per_second("detect_windows_total"), "windows"),
            Query(per_second("detect_matches_total"), "matches"),
            interval="5m",
        ),
        _changes(),
    ]


def _changes() -> Panel:
    return lines(
        Face(
            306,
            "Findings opened, resolved, muted",
            "Events that detection runs wrote, but for those that say that a finding is still there. Many reopened: "
            "the cause is not removed.",
            "short",
            12,
            decimals=0,
            bounds=(0, None),
            empty="no change",
        ),
        Query(
            'sum by (event) (increase(flowaudit_findings_events_total{$selector,event!="seen"}[$__rate_interval])) > 0',
            "{{event}}",
        ),
        events=True,
        labels=EVENTS,
        interval="5m",
    )
