"""Reports become numbers that Prometheus accepts, on the ways that go wrong as well."""

import gzip
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.jobs import Jobs
from flowaudit.daemon.stages import STAGES
from flowaudit.errors import FlowauditError, LakeConflict, SourceError, TransientSourceError
from flowaudit.metrics import Metrics, kind, kinds
from flowaudit.model import CollectReport, CoverageReport, DetectReport
from flowaudit.paths import PATHS

DOC = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text("utf-8")
RANKED = CoverageReport(
    workload_bytes={("endpoint", "fraud", "nat_gateway"): 7}, workload_findings={("endpoint", "fraud", "critical"): 1}
)
"""A report with what is on the page only while there is something to rank."""
HOSTILE = ['a "quoted" name', "two\nlines", "back\\slash\\n", "{braces=}", "ünï\u2028côde", "x" * 300, " ", "#"]
"""Names that nobody gives a workload, and that a forged log or answer may hold."""
LEAK, UNDECIDED = "internet-egress-bypasses-nat", "path-undecided"


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    """Metrics of a daemon that has done nothing yet."""
    sinks = [{"type": "ocsf", "uri": str(tmp_path / "events.ndjson")}]
    return Jobs(App(Config.model_validate({"lake": {"uri": str(tmp_path / "lake")}, "sinks": sinks})), Event()).metrics


def detect_metrics() -> Metrics:
    """Metrics of one stage, with two detectors."""
    pairs = [(LEAK, "critical"), (UNDECIDED, "low")]
    return Metrics("1.2.3", {"detect": DetectReport()}, {("detector", "severity"): pairs})


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of one sample, None where there is no such sample."""
    return metrics.registry.get_sample_value(f"flowaudit_{name}", labels)


def ours(metrics: Metrics) -> dict[str, set[str]]:
    """Every metric of ours as it is scraped, with its labels."""
    suffixes = {"counter": "_total", "info": "_info"}
    return {
        family.name + suffixes.get(family.type, ""): {label for sample in family.samples for label in sample.labels}
        - {"le"}
        for family in metrics.registry.collect()
        if family.name.startswith("flowaudit_")
    }


def test_a_collect_is_counted(metrics: Metrics) -> None:
    """Objects and records go to a total and to what became of them; the newest record's time never goes back."""
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    report = CollectReport(5, 2, 1, 100, 70, 15, 10, 5, 4096, last_record=newest)
    metrics.record(report)
    metrics.record(CollectReport(objects=1, last_record=datetime(2025, 1, 1, tzinfo=UTC)))
    expected = {
        "objects_total": 6,
        "objects_skipped_total": 2,
        "objects_failed_total": 1,
        "records_total": 100,
        "records_kept_total": 70,
        "records_out_of_scope_total": 15,
        "records_quarantined_total": 10,
        "records_transit_gateway_total": 5,
        "bytes_total": 4096,
        "last_record_timestamp_seconds": newest.timestamp(),
    }
    assert {name: value(metrics, f"collect_{name}") for name in expected} == expected


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_only_a_run_without_failure_is_a_success(metrics: Metrics, stage: str) -> None:
    """A run is counted and timed however it ends; the time of the last success moves only when it ends well."""
    metrics.failed(stage, SourceError("gone"))
    metrics.ended(stage, 2.0, well=False)
    assert value(metrics, f"{stage}_failures_total", kind="source") == 1
    assert value(metrics, f"{stage}_runs_total") == 1
    assert value(metrics, f"{stage}_duration_seconds_sum") == 2
    assert value(metrics, f"{stage}_last_success_timestamp_seconds") == 0
    metrics.ended(stage, 1.0, well=True)
    assert value(metrics, f"{stage}_last_success_timestamp_seconds") == pytest.approx(
        datetime.now(UTC).timestamp(), abs=60
    )


def test_a_detect_is_counted(metrics: Metrics) -> None:
    """Runs, time and failures are each detector's own; events are counted by what happened."""
    report = DetectReport(
        windows=3,
        sightings=2,
        events={"opened": 1, "seen": 1},
        failures={UNDECIDED: "no such column"},
        runs={LEAK: 2, UNDECIDED: 1},
        detector_seconds={LEAK: 0.5},
    )
    metrics.record(report)
    assert value(metrics, "detect_windows_total") == 3
    assert value(metrics, "detect_matches_total") == 2
    assert value(metrics, "detector_runs_total", detector=LEAK) == 2
    assert value(metrics, "detector_duration_seconds_total", detector=LEAK) == 0.5
    assert value(metrics, "detector_failures_total", detector=UNDECIDED) == 1
    assert value(metrics, "detector_failures_total", detector=LEAK) == 0
    assert value(metrics, "findings_events_total", event="opened") == 1


def test_open_findings_fall_back_to_zero() -> None:
    """A detector without open findings says 0, also one that had some, and one that the catalogue does not know."""
    metrics = detect_metrics()
    metrics.record(
        DetectReport(open={(LEAK, "critical"): 2, ("retired", "low"): 1}, open_since={(LEAK, "critical"): 5})
    )
    assert value(metrics, "findings_open", detector=LEAK, severity="critical") == 2
    assert value(metrics, "findings_open", detector=UNDECIDED, severity="low") == 0
    assert value(metrics, "findings_open_since_timestamp_seconds", detector=LEAK, severity="critical") == 5
    metrics.record(DetectReport())
    assert value(metrics, "findings_open", detector=LEAK, severity="critical") == 0
    assert value(metrics, "findings_open", detector="retired", severity="low") == 0


def test_delays_are_observed(metrics: Metrics) -> None:
    """How long an object took from its source to the lake goes into a histogram, with a bucket at two minutes."""
    metrics.record(CollectReport(delays=(3.0, 100.0, 5000.0)))
    assert value(metrics, "collect_delay_seconds_count") == 3
    assert value(metrics, "collect_delay_seconds_bucket", le="120.0") == 2


def test_known_labels_stand_at_zero_from_the_start(metrics: Metrics) -> None:
    """increase() sees the first failure of every kind, detector, event and job."""
    assert all(value(metrics, "collect_failures_total", kind=each) == 0 for each in kinds())
    assert value(metrics, "detector_runs_total", detector=LEAK) == 0
    assert value(metrics, "findings_events_total", event="reopened") == 0
    assert value(metrics, "task_missed_total", task="detect") == 0
    assert value(metrics, "task_overlapped_total", task="collect") == 0
    assert all(value(metrics, "collect_egress_bytes_total", path=path) == 0 for path in PATHS)
    services = ("S3", "DYNAMODB", "AMAZON", "none")
    assert all(value(metrics, "collect_nat_bytes_total", service=service) == 0 for service in services)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SourceError("…"), "source"),
        (TransientSourceError("…"), "transient_source"),
        (LakeConflict("…"), "lake_conflict"),
        (FlowauditError("…"), "flowaudit"),
        (ZeroDivisionError("…"), "unexpected"),
    ],
)
def test_what_went_wrong_is_one_word_of_a_bounded_set(error: Exception, expected: str) -> None:
    """The class of a foreseen failure gives its kind; everything else is `unexpected`."""
    assert kind(error) == expected
    assert expected in kinds()


def test_jobs_and_problems_are_counted(metrics: Metrics) -> None:
    """Left out starts of jobs, and mistakes in query files, each have a number."""
    metrics.left_out("collect", 1, 0)
    metrics.left_out("detect", 0, 1)
    metrics.catalogue_errors(4)
    assert value(metrics, "task_missed_total", task="collect") == 1
    assert value(metrics, "task_overlapped_total", task="detect") == 1
    assert value(metrics, "catalogue_errors") == 4
    assert value(metrics, "build_info", version=__version__) == 1


def test_two_registries_do_not_meet() -> None:
    """Metrics are their registry's alone: a second set in one process starts from nothing."""
    first, second = Metrics("1", {}), Metrics("1", {})
    first.catalogue_errors(1)
    assert value(second, "catalogue_errors") == 0


def test_the_page_comes_in_the_form_that_was_asked_for(metrics: Metrics) -> None:
    """Text by default, OpenMetrics by Accept, gzip by Accept-Encoding, one metric by name; and no `_created` series."""
    headers, body = metrics.exposition()
    assert headers["Content-Type"].startswith("text/plain")
    assert b"_created" not in body
    assert {family.name for family in text_string_to_metric_families(body.decode())} >= {"flowaudit_findings_open"}
    headers, body = metrics.exposition("application/openmetrics-text; version=1.0.0", "gzip, deflate")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).endswith(b"# EOF\n")
    _, body = metrics.exposition(names=["flowaudit_detect_windows_total"])
    assert [line for line in body.decode().splitlines() if line[0] != "#"] == ["flowaudit_detect_windows_total 0.0"]


def test_every_metric_is_documented(metrics: Metrics) -> None:
    """docs/metrics.md has a row for each metric there is, with its labels, and for no other; and every kind."""
    metrics.record(RANKED)
    rows = re.findall(r"^\| `(flowaudit_\w+)` \|(.*?)\|", DOC, re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == ours(metrics)
    assert all(f"`{each}`" in DOC.partition("## Kinds")[2] for each in kinds())


def test_no_label_says_where(metrics: Metrics) -> None:
    """Labels are few and bounded: no address, account, interface, object key or finding; workloads in two metrics."""
    metrics.record(RANKED)
    found = ours(metrics)
    assert set().union(*found.values()) == {
        *(
            "kind",
            "detector",
            "severity",
            "event",
            "task",
            "table",
            "version",
            "owner",
            "reason",
            "visibility",
            "state",
            "sink",
            "status",
        ),
        *("path", "service", "workload_kind", "workload"),
    }
    assert {name for name, labels in found.items() if "workload" in labels} == {
        "flowaudit_traffic_workload_bytes",
        "flowaudit_traffic_workload_findings",
    }


def test_bytes_are_counted_by_path_and_service(metrics: Metrics) -> None:
    """Each path and each service adds up by itself; those that no record had stay at 0."""
    metrics.record(CollectReport(egress_bytes={"nat_gateway": 5, "same_vpc": 1}, nat_bytes={"S3": 3, "none": 2}))
    metrics.record(CollectReport(egress_bytes={"nat_gateway": 2}, nat_bytes={"S3": 2}))
    assert value(metrics, "collect_egress_bytes_total", path="nat_gateway") == 7
    assert value(metrics, "collect_egress_bytes_total", path="same_vpc") == 1
    assert value(metrics, "collect_egress_bytes_total", path="internet_gateway") == 0
    assert value(metrics, "collect_nat_bytes_total", service="S3") == 5
    assert value(metrics, "collect_nat_bytes_total", service="none") == 2
    assert value(metrics, "collect_nat_bytes_total", service="DYNAMODB") == 0


def test_a_workload_that_is_ranked_no_more_leaves_the_page(metrics: Metrics) -> None:
    """Its series are gone, not at 0, and those of others stay; it comes back with what it has then."""
    name, path = "traffic_workload_bytes", "nat_gateway"
    first, second = ("endpoint", "fraud", path), ("training_job", "llm", path)
    metrics.record(CoverageReport(workload_bytes={first: 7, second: 5}))
    metrics.record(CoverageReport(workload_bytes={second: 6}))
    assert value(metrics, name, workload_kind="endpoint", workload="fraud", path=path) is None
    assert value(metrics, name, workload_kind="training_job", workload="llm", path=path) == 6
    assert b"fraud" not in metrics.exposition()[1]
    metrics.record(CoverageReport(workload_bytes={first: 1}))
    assert value(metrics, name, workload_kind="endpoint", workload="fraud", path=path) == 1
    metrics.record(CoverageReport())
    assert b"flowaudit_traffic_workload_bytes{" not in metrics.exposition()[1]


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"], ids=["text", "OpenMetrics"])
def test_any_name_of_a_workload_survives(metrics: Metrics, accept: str) -> None:
    """Quotes, line breaks, backslashes and long names come out as they went in: one sample each, on one line."""
    metrics.record(CoverageReport(workload_bytes={(name, name, "unknown"): 1 for name in HOSTILE}))
    _, body = metrics.exposition(accept)
    parse = openmetrics_families if accept else text_string_to_metric_families
    (family,) = (each for each in parse(body.decode()) if each.name == "flowaudit_traffic_workload_bytes")
    assert sorted(sample.labels["workload"] for sample in family.samples) == sorted(HOSTILE)
    assert all(sample.labels["workload_kind"] == sample.labels["workload"] for sample in family.samples)


def test_promtool_has_nothing_to_object_to(metrics: Metrics) -> None:
    """Names, units, types and help are as Prometheus wants them, and it can read any name of a workload."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: install Prometheus (Debian: apt-get install prometheus)")
    metrics.record(CollectReport(objects=1, last_record=datetime(2026, 1, 1, tzinfo=UTC)))
    metrics.record(CoverageReport(workload_bytes={(name, name, "unknown"): 1 for name in HOSTILE}))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.exposition()[1], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
