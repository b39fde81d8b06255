"""The overview's verdict: green only where no leak is seen and one would be."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from dashboards.prometheus.settings import load, seconds
from tests.dashboards.panels import dashboards, filled, queries, variables

NOW = 7200
LIMITS = load(None)
OLD = seconds(str(LIMITS["alerts.FlowauditRecordsOld.age"]))
STALE = seconds(str(LIMITS["alerts.FlowauditCoverageLate.age"]))
LATE = seconds(str(LIMITS["alerts.FlowauditDetectionLate.age"]))
LEAK, NOT_KNOWN, NONE_SEEN = 2, -1, 0
(BOARD,) = (board for board in dashboards() if board["uid"] == "flowaudit-overview")
(VERDICT,) = (one.expr for one in queries([BOARD]) if one.panel == 1)
Series = Mapping[str, str]


def daemon(instance: str = "a", **changes: str) -> dict[str, str]:
    """Return the series of a daemon that works and has no finding; the value of each over two hours and more."""
    target = f'job="flowaudit",instance="{instance}"'
    nat, other = 'detector="internet-egress-bypasses-nat"', 'detector="lateral-traffic"'
    healthy = {
        "version": (f'flowaudit_build_info{{{target},version="1"}}', "1"),
        "critical": (f'flowaudit_findings_open{{{target},{nat},severity="critical"}}', "0"),
        "medium": (f'flowaudit_findings_open{{{target},{other},severity="medium"}}', "0"),
        "record": (f"flowaudit_collect_last_record_timestamp_seconds{{{target}}}", str(NOW - 300)),
        "detect": (f"flowaudit_detect_last_success_timestamp_seconds{{{target}}}", str(NOW - 60)),
        "measured": (f"flowaudit_coverage_last_success_timestamp_seconds{{{target}}}", str(NOW - 300)),
        "covered": (f'flowaudit_coverage_interface_seconds{{{target},state="covered"}}', "9950"),
        "missing": (f'flowaudit_coverage_interface_seconds{{{target},state="missing"}}', "50"),
        "pending": (f'flowaudit_coverage_interface_seconds{{{target},state="pending"}}', "900"),
        "blind": (f'flowaudit_detector_visibility{{{target},{nat},visibility="none"}}', "0"),
        "other_blind": (f'flowaudit_detector_visibility{{{target},{other},visibility="none"}}', "0"),
    }
    assert changes.keys() <= healthy.keys()
    return {name: f"{changes.get(key, value)}x150" for key, (name, value) in healthy.items()}


def judged(series: Series, expected: Mapping[str, int], folder: Path) -> None:
    """Assert the verdict on each daemon after two hours, as Prometheus computes it."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    expr = filled(VERDICT, variables(BOARD))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": f"{NOW}s", "exp_samples": samples}],
    }
    (folder / "verdict.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), "utf-8")
    ran = subprocess.run(
        ["promtool", "test", "rules", "verdict.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def of(instance: str) -> str:
    """Return the labels of a daemon's verdict."""
    return f'{{instance="{instance}", job="flowaudit"}}'


CASES: list[tuple[str, dict[str, str], int]] = [
    ("all is well", {}, NONE_SEEN),
    ("a leak", {"critical": "2"}, LEAK),
    ("a leak, however old the records are", {"critical": "2", "record": "1", "detect": "1", "covered": "0"}, LEAK),
    ("a finding that is no leak", {"medium": "3"}, NONE_SEEN),
    ("no record yet", {"record": "0"}, NOT_KNOWN),
    ("the newest record is old", {"record": str(NOW - OLD - 1)}, NOT_KNOWN),
    ("the newest record is almost old", {"record": str(NOW - OLD)}, NONE_SEEN),
    ("no detection yet", {"detect": "0"}, NOT_KNOWN),
    ("detection is late", {"detect": str(NOW - LATE - 1)}, NOT_KNOWN),
    ("coverage was never measured", {"measured": "0"}, NOT_KNOWN),
    ("coverage was measured long ago", {"measured": str(NOW - STALE - 1)}, NOT_KNOWN),
    ("coverage is low", {"missing": "110"}, NOT_KNOWN),
    ("much is pending", {"pending": "900000"}, NONE_SEEN),
    ("there are no interfaces", {"covered": "0", "missing": "0", "pending": "0"}, NOT_KNOWN),
    ("a critical detector is blind", {"blind": "1"}, NOT_KNOWN),
    ("another detector is blind", {"other_blind": "1"}, NONE_SEEN),
]


@pytest.mark.parametrize(("changes", "verdict"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_verdict_on_a_daemon(changes: dict[str, str], verdict: int, tmp_path: Path) -> None:
    """A leak is always shown; that none is seen only where collection, coverage and detection would show one."""
    judged(daemon(**changes), {of("a"): verdict}, tmp_path)


@pytest.mark.parametrize("gone", sorted(name for name in daemon() if "medium" not in name and "lateral" not in name))
def test_a_metric_that_is_missing_is_not_good_news(gone: str, tmp_path: Path) -> None:
    """Without one of the metrics the verdict is not known, whichever it is; the version does not matter."""
    series = {name: values for name, values in daemon().items() if name != gone}
    well = any(word in gone for word in ("build_info", '"missing"', '"pending"'))
    judged(series, {of("a"): NONE_SEEN if well else NOT_KNOWN}, tmp_path)


def test_a_daemon_that_has_stopped_is_not_known(tmp_path: Path) -> None:
    """A daemon whose series ended within the hour is shown as not known, beside one that works."""
    ended = {name: values.replace("x150", "x100") + " stale" for name, values in daemon("b").items()}
    judged(daemon("a") | ended, {of("a"): NONE_SEEN, of("b"): NOT_KNOWN}, tmp_path)


def test_no_daemon_is_not_known(tmp_path: Path) -> None:
    """Where nothing is scraped at all, the verdict is not known rather than empty."""
    judged({}, {"{}": NOT_KNOWN}, tmp_path)


def test_each_daemon_has_its_own_verdict(tmp_path: Path) -> None:
    """One that works does not hide a leak of another, nor one that is not known."""
    series = daemon("a") | daemon("b", critical="2") | daemon("c", record="0")
    judged(series, {of("a"): NONE_SEEN, of("b"): LEAK, of("c"): NOT_KNOWN}, tmp_path)
