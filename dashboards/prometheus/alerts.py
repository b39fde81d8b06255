"""The alerts: expression, summary and description of each. Numbers and severities are in config.toml.

In `expr`, `$selector` is the configured one, `$threshold` a number, `$window` a range, `$age` a duration in seconds.
"""

from dataclasses import dataclass, field
from string import Template

FOUND = ("severity", "keep_firing_for")
WAITS = ("severity", "for")
PLACEHOLDERS = ("age", "threshold", "window")
STAGES = ("discover", "collect", "detect", "coverage", "deliver", "maintain")


@dataclass(frozen=True)
class Alert:
    """One alerting rule; `keys` are its settings in config.toml besides the placeholders of `expr`."""

    name: str
    expr: str
    summary: str
    description: str
    keys: tuple[str, ...] = WAITS
    labels: dict[str, str] = field(default_factory=dict)

    def settings(self) -> tuple[str, ...]:
        """Return every key that the configuration has to have for this alert."""
        used = Template(self.expr).get_identifiers()
        return (*self.keys, *(name for name in PLACEHOLDERS if name in used))


def _of_finding(metric: str, severity: str, shown: str) -> str:
    """Return the part of a description that queries another metric of the same detector."""
    series = f"{metric}{{job='%s',instance='%s',detector='%s',severity='{severity}'}}"
    lookup = f'printf "{series}" $labels.job $labels.instance $labels.detector | query'
    return f"{{{{ with {lookup} }}}}{shown}{{{{ end }}}}"


def _finding(name: str, severity: str, summary: str) -> Alert:
    """Return the alert on open findings of one severity, an alert for each detector."""
    sent = _of_finding("flowaudit_findings_open_bytes", severity, ", {{ . | first | value | humanize1024 }}B in all")
    since = _of_finding(
        "flowaudit_findings_open_since_timestamp_seconds",
        severity,
        ", the oldest since {{ . | first | value | humanizeTimestamp }}",
    )
    return Alert(
        name,
        f'flowaudit_findings_open{{$selector,severity="{severity}"}} > 0',
        summary,
        f"{{{{ $labels.instance }}}}: {{{{ $value | humanize }}}} open finding"
        f"{{{{ if ne $value 1.0 }}}}s{{{{ end }}}} of severity {severity} by "
        f"{{{{ $labels.detector }}}}{sent}{since}. "
        "Next: flowaudit findings --state open --detector {{ $labels.detector }}",
        FOUND,
    )


def _late(name: str, stage: str, summary: str, lost: str) -> Alert:
    """Return the alert on a stage without a recent success; 0, before the first, is the oldest."""
    never, once = "has not succeeded since it started", "last succeeded {{ $value | humanizeDuration }} ago"
    ago = f"{{{{ if gt $value 1e9 }}}}{never}{{{{ else }}}}{once}{{{{ end }}}}"
    return Alert(
        name,
        f"time() - flowaudit_{stage}_last_success_timestamp_seconds{{$selector}} > $age",
        summary,
        f"{{{{ $labels.instance }}}}: {stage} {ago}. {lost}",
    )


FINDINGS = (
    _finding("FlowauditLeakFound", "critical", "Data leaves a workload by a path that is not allowed."),
    _finding("FlowauditFindingHigh", "high", "A workload has network traffic that the policy does not allow."),
    _finding("FlowauditFindingMedium", "medium", "A workload has network traffic to review."),
)

COVERAGE = (
    Alert(
        "FlowauditInterfacesUncovered",
        "flowaudit_coverage_gaps{$selector} > $threshold",
        "Network interfaces of workloads are missing from the flow logs.",
        "{{ $labels.instance }}: flow logs do not cover the newest minutes of {{ $value | humanize }} interfaces, "
        "so that nothing can be found there. Next: flowaudit coverage --by interface",
    ),
    Alert(
        "FlowauditWorkloadsUnobservable",
        "flowaudit_coverage_blind_workloads{$selector} > $threshold",
        "Workloads have traffic that no flow log records.",
        "{{ $labels.instance }}: {{ $value | humanize }} workloads have no interface in your VPC for all or part of "
        "their traffic. Next: flowaudit coverage",
    ),
)

RECORDS = (
    Alert(
        "FlowauditRecordsOld",
        "time() - (flowaudit_collect_last_record_timestamp_seconds{$selector} > 0) > $age",
        "No new flow log records arrive.",
        "{{ $labels.instance }}: the newest record is {{ $value | humanizeDuration }} old. Collecting works, so either "
        "AWS delivers late, or the flow log or its workloads are gone. Next: flowaudit coverage",
    ),
    Alert(
        "FlowauditLogObjectsFailing",
        "increase(flowaudit_collect_objects_failed_total{$selector}[$window]) > $threshold",
        "Flow log objects cannot be read.",
        "{{ $labels.instance }}: {{ $value | humanize }} attempts at reading log objects failed in the last $window. "
        "Their records are not searched. The daemon's log has each object and the reason.",
        ("severity",),
    ),
    Alert(
        "FlowauditLinesQuarantined",
        "increase(flowaudit_collect_records_quarantined_total{$selector}[$window]) > $threshold",
        "Lines of flow logs cannot be parsed.",
        "{{ $labels.instance }}: {{ $value | humanize }} lines were quarantined in the last $window. "
        'Next: flowaudit sql "SELECT reason, count(*) FROM quarantine GROUP BY reason"',
        ("severity",),
    ),
)

STAGE = (
    _late("FlowauditCollectionLate", "collect", "Flow logs are not collected.", "Newer leaks are not found."),
    _late("FlowauditDetectionLate", "detect", "Detectors do not run.", "Newer leaks are not found."),
    _late(
        "FlowauditDiscoveryLate",
        "discover",
        "The inventory of AWS is not updated.",
        "New workloads and routes are not known. Next: flowaudit doctor",
    ),
    _late(
        "FlowauditCoverageLate",
        "coverage",
        "Coverage of the flow logs is not measured.",
        "Gaps in the flow logs are not noticed.",
    ),
    Alert(
        "FlowauditJobsOverlapping",
        "increase(flowaudit_task_overlapped_total{$selector}[$window])\n"
        "  + increase(flowaudit_task_missed_total{$selector}[$window])\n"
        "  > $threshold",
        "A stage takes longer than its interval.",
        "{{ $labels.instance }}: {{ $value | humanize }} starts of {{ $labels.task }} were skipped in the "
        "last $window, because the previous run had not ended or the process was paused.",
        ("severity",),
    ),
)

DETECTORS = (
    Alert(
        "FlowauditDetectorFailing",
        "increase(flowaudit_detector_failures_total{$selector}[$window]) > 0",
        "A detector fails.",
        "{{ $labels.instance }}: {{ $labels.detector }} failed {{ $value | humanize }} times in the last $window, and "
        "finds nothing while it fails. The daemon's log has the reason.",
    ),
    Alert(
        "FlowauditDetectorBlind",
        'flowaudit_detector_visibility{$selector,visibility="none"} > 0',
        "A detector lacks the fields that it needs.",
        "{{ $labels.instance }}: {{ $labels.detector }} cannot find anything in the newest flow logs. "
        "Next: flowaudit doctor",
    ),
    Alert(
        "FlowauditQueryFilesBroken",
        "flowaudit_catalogue_errors{$selector} > 0",
        "Query files have mistakes and are left out.",
        "{{ $labels.instance }}: {{ $value | humanize }} mistakes in query files; a file with one does not run. "
        "Next: flowaudit check",
    ),
)

AWS = (
    Alert(
        "FlowauditAwsApisFailing",
        # An API that a region does not have is nothing to act on.
        'flowaudit_discover_failed_apis{$selector,reason!="unsupported"} > 0',
        "AWS APIs that the inventory needs do not answer.",
        "{{ $labels.instance }}: {{ $value | humanize }} AWS APIs did not answer ({{ $labels.reason }}). The "
        "last known inventory stays in use. Next: flowaudit doctor",
    ),
    Alert(
        "FlowauditAccountsUnreachable",
        "flowaudit_discover_unreachable{$selector} > 0",
        "AWS accounts or regions cannot be queried at all.",
        "{{ $labels.instance }}: {{ $value | humanize }} accounts or regions could not be queried: no credentials, or "
        "a role that cannot be assumed. Next: flowaudit discover",
    ),
)

SINKS = (
    Alert(
        "FlowauditSinkDown",
        "flowaudit_sink_up{$selector} == 0",
        "Findings cannot be delivered to a sink.",
        "{{ $labels.instance }}: {{ $labels.sink }} accepts no events. They wait and are sent once it does. "
        "Next: flowaudit sinks test {{ $labels.sink }}",
    ),
    Alert(
        "FlowauditSinkBacklog",
        # From the lake, so it goes on over a restart of the daemon, which begins FlowauditSinkDown anew.
        "time() - (flowaudit_sink_oldest_pending_timestamp_seconds{$selector} > 0) > $age",
        "Events wait long for delivery to a sink.",
        "{{ $labels.instance }}: the oldest event for {{ $labels.sink }} has waited {{ $value | humanizeDuration }}. "
        "Next: flowaudit sinks list",
    ),
    Alert(
        "FlowauditEventsUndelivered",
        "increase(flowaudit_sink_dead_letters_total{$selector}[$window]) > 0",
        "Events became dead letters and are not delivered.",
        "{{ $labels.instance }}: about {{ $value | humanize }} events for {{ $labels.sink }} became dead letters in "
        "the last $window. Next: flowaudit sinks failed",
        ("severity",),
    ),
)

ITSELF = (
    Alert(
        "FlowauditDown",
        "up{$selector} == 0",
        "The flowaudit daemon does not answer.",
        "{{ $labels.instance }} of job {{ $labels.job }} cannot be scraped: the daemon has ended, hangs or is not "
        "reachable. Leaks are not found until it runs.",
    ),
    Alert(
        "FlowauditAbsent",
        "absent(up{$selector})",
        "Prometheus scrapes no flowaudit daemon.",
        "No target matches $selector: it is missing from the scrape configuration or service discovery. No leak would "
        "raise an alert.",
    ),
    Alert(
        "FlowauditWebConfigInvalid",
        "flowaudit_web_config_last_reload_successful{$selector} == 0",
        "A change of the web configuration file has no effect.",
        "{{ $labels.instance }}: the web configuration file was changed and cannot be used; the previous users, "
        "certificate and limits stay in use. The daemon's log has the reason. Next: flowaudit check",
    ),
    Alert(
        "FlowauditConfigInvalid",
        "flowaudit_config_last_reload_successful{$selector} == 0",
        "A change of the configuration or of a query has no effect.",
        "{{ $labels.instance }}: the last reload was refused; the previous configuration and queries stay in use. "
        "The daemon's log and /status have the reason. Next: flowaudit check",
    ),
    *(
        Alert(
            "FlowauditUnexpectedFailure",
            f'increase(flowaudit_{stage}_failures_total{{$selector,kind="unexpected"}}[$window]) > 0',
            "A stage of flowaudit fails with an unexpected exception.",
            f"{{{{ $labels.instance }}}}: {stage} failed about {{{{ $value | humanize }}}} times in the last "
            "$window through a bug in flowaudit. The daemon's log has the traceback.",
            ("severity",),
            {"stage": stage},
        )
        for stage in STAGES
    ),
    Alert(
        "FlowauditWatchdog",
        "vector(1)",
        "Alerts on flowaudit are evaluated and delivered.",
        "This alert always fires. Route it to a service that alerts when it stops arriving: then "
        "Prometheus, Alertmanager or the connection between them is broken.",
        (),
        {"severity": "none"},
    ),
)

GROUPS = {
    "flowaudit-findings": FINDINGS,
    "flowaudit-coverage": COVERAGE,
    "flowaudit-records": RECORDS,
    "flowaudit-stages": STAGE,
    "flowaudit-detectors": DETECTORS,
    "flowaudit-aws": AWS,
    "flowaudit-sinks": SINKS,
    "flowaudit-itself": ITSELF,
}
