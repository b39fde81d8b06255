"""The rule files of Prometheus as they are rendered, and the metrics that they may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus"
FILES = [RULES / "alerts.yaml", RULES / "recording_rules.yaml"]

# Every metric that the rules use, with its labels beside Prometheus' own `job` and `instance`.
METRICS: dict[str, set[str]] = {
    "flowaudit_findings_open": {"detector", "severity"},
    "flowaudit_findings_open_bytes": {"detector", "severity"},
    "flowaudit_findings_open_since_timestamp_seconds": {"detector", "severity"},
    "flowaudit_coverage_gaps": set(),
    "flowaudit_coverage_blind_workloads": set(),
    "flowaudit_coverage_interface_minutes_total": {"state"},
    "flowaudit_collect_delay_seconds_bucket": {"le"},
    "flowaudit_collect_delay_seconds_count": set(),
    "flowaudit_collect_last_record_timestamp_seconds": set(),
    "flowaudit_collect_objects_failed_total": set(),
    "flowaudit_collect_records_quarantined_total": set(),
    "flowaudit_collect_last_success_timestamp_seconds": set(),
    "flowaudit_detect_last_success_timestamp_seconds": set(),
    "flowaudit_discover_last_success_timestamp_seconds": set(),
    "flowaudit_coverage_last_success_timestamp_seconds": set(),
    "flowaudit_discover_failures_total": {"kind"},
    "flowaudit_collect_failures_total": {"kind"},
    "flowaudit_detect_failures_total": {"kind"},
    "flowaudit_coverage_failures_total": {"kind"},
    "flowaudit_deliver_failures_total": {"kind"},
    "flowaudit_job_overlapped_total": {"exported_job"},
    "flowaudit_job_missed_total": {"exported_job"},
    "flowaudit_detector_failures_total": {"detector"},
    "flowaudit_detector_visibility": {"detector", "visibility"},
    "flowaudit_catalogue_errors": set(),
    "flowaudit_discover_failed_apis": {"reason"},
    "flowaudit_discover_unreachable": set(),
    "flowaudit_sink_up": {"sink"},
    "flowaudit_sink_pending_events": {"sink"},
    "flowaudit_sink_dead_letters_total": {"sink"},
}
OF_PROMETHEUS = {"up"}
TARGET = {"job", "instance"}


def parsed(file: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(file.read_text("utf-8"))


def rules() -> list[dict[str, Any]]:
    """Return every rendered rule."""
    return [rule for file in FILES for group in parsed(file)["groups"] for rule in group["rules"]]
