"""Expressions that several dashboards share, with the limits of the alerts on the same numbers."""

from dashboards.grafana.panels import SETTINGS
from dashboards.prometheus.settings import seconds

OLD = seconds(str(SETTINGS["alerts.FlowauditRecordsOld.age"]))
LATE = seconds(str(SETTINGS["alerts.FlowauditDetectionLate.age"]))
STALE = seconds(str(SETTINGS["alerts.FlowauditCoverageLate.age"]))
COVERED = SETTINGS["slo.coverage.objective"]
PER_DAEMON = "by (job, instance)"


def age(stage: str) -> str:
    """Return the expression for the time since a stage last succeeded."""
    return f"time() - max {PER_DAEMON} (flowaudit_{stage}_last_success_timestamp_seconds{{$selector}})"


# 0/0 where there are no interfaces: NaN, which is not shown as a number and below no limit.
COVERAGE = (
    f'sum {PER_DAEMON} (flowaudit_coverage_interface_seconds{{$selector,state="covered"}})\n'
    f'/ sum {PER_DAEMON} (flowaudit_coverage_interface_seconds{{$selector,state!="pending"}})'
)
RECORD_AGE = f"time() - max {PER_DAEMON} (flowaudit_collect_last_record_timestamp_seconds{{$selector}})"
BLIND = (
    f'max {PER_DAEMON} (flowaudit_detector_visibility{{$selector,visibility="none"}}\n'
    '  and on (job, instance, detector) flowaudit_findings_open{$selector,severity="critical"})'
)
LEAKS = f'sum {PER_DAEMON} (flowaudit_findings_open{{$selector,severity="critical"}})'
SEEN = f"sum {PER_DAEMON} (last_over_time(flowaudit_build_info{{$selector}}[1h]))"

VERDICT = f"""\
{LEAKS} > 0
or
({RECORD_AGE} <= bool {OLD})
* ({age("detect")} <= bool {LATE})
* ({age("coverage")} <= bool {STALE})
* ({COVERAGE} >= bool {COVERED})
* ({BLIND} == bool 0)
- 1
or
{SEEN} * 0 - 1
or on ()
vector(-1)"""
"""The number of leaks; 0: none is seen, and one would be; -1: not known."""


def either(expr: str) -> str:
    """Return an expression with 0 where it has no series."""
    return f"({expr} or vector(0))"


def per_second(metric: str) -> str:
    """Return the expression for a counter's rate over all daemons."""
    return f"sum(rate(flowaudit_{metric}{{$selector}}[$__rate_interval]))"
