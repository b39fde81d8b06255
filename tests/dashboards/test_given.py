"""Panels that calculate show what follows from given series, as Prometheus computes it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from tests.dashboards.panels import filled
from tests.dashboards.tried import ASKED, BY_SERIES, CALCULATING, VALUES, Key, calculates, told_of

NOW = 3600
"""The second that expressions are evaluated at; each series has a sample each minute until then."""
PRECISE = 1e6
GIVEN = {"__rate_interval": "5m", "__range": "1h", "__range_s": "3600"}
STAGES = ("discover", "collect", "detect", "coverage", "deliver", "maintain")
A, B = ('job="flowaudit",instance="a"', 'job="flowaudit",instance="b"')
OTHER = 'job="node",instance="c"'


@dataclass(frozen=True)
class Case:
    """Series, and what panels show of them: by dashboard, panel and letter, each result's labels and value."""

    name: str
    series: Mapping[str, str]
    shows: Mapping[Key, Mapping[str, float]]
    variables: Mapping[str, str] = field(default_factory=dict)


def still(value: float) -> str:
    """Return the samples of a series that does not change."""
    return f"{value:.17g}x60"


def grows(by: float, start: float = 1e12) -> str:
    """Return the samples of a counter that has counted before, and grows by so much each minute."""
    return f"{start:.17g}+{by:.17g}x60"


def of(board: str, panel: int, ref: str = "A") -> Key:
    """Return a query's key."""
    return f"flowaudit-{board}", panel, ref


def per_stage(panel: int, value: Callable[[int], float]) -> dict[Key, dict[str, float]]:
    """Return one number for each stage's query of a panel, by the stage's place."""
    return {of("health", panel, chr(ord("A") + place)): {"": value(place)} for place in range(len(STAGES))}


def buckets(metric: str) -> dict[str, str]:
    """Return a histogram of which 4 of 20 observations a minute are at most 1, and all at most 5."""
    counts = {"0.5": 0, "1": 4, "5": 20, "+Inf": 20}
    return {f'flowaudit_{metric}_bucket{{{A},le="{le}"}}': grows(count, 1000) for le, count in counts.items()}


def sent(instance: str, workload: str, **paths: float) -> dict[str, str]:
    """Return what a daemon measured of a workload's traffic."""
    labels = f'{instance},workload_kind="endpoint",workload="{workload}"'
    return {
        f'flowaudit_traffic_workload_bytes{{{labels},path="{path}"}}': still(value) for path, value in paths.items()
    }


def through_nat(**services: float) -> dict[str, str]:
    """Return counters of bytes through NAT gateways, which grow by so many GB a minute."""
    return {
        f'flowaudit_collect_nat_bytes_total{{{A},service="{name}"}}': grows(gb * 1e9) for name, gb in services.items()
    }


def success(stage: str, at: float, instance: str = A) -> dict[str, str]:
    """Return when a stage last succeeded."""
    return {f"flowaudit_{stage}_last_success_timestamp_seconds{{{instance}}}": still(at)}


def final(**states: float) -> dict[str, str]:
    """Return how many seconds of each state become final in a minute."""
    name = "flowaudit_coverage_final_seconds_total"
    return {f'{name}{{{A},state="{state}"}}': grows(seconds) for state, seconds in states.items()}


def quantiles(panel: int, letters: str, value: float) -> dict[Key, dict[str, float]]:
    """Return the same number for several queries of a panel."""
    return {of("health", panel, letter): {"": value} for letter in letters}


COVERED = {
    f'flowaudit_coverage_interface_seconds{{{who},state="{state}"}}': still(value)
    for who, states in (
        (A, {"covered": 750, "missing": 150, "skipped": 60, "not_monitored": 40, "pending": 900}),
        (B, {"covered": 500}),
    )
    for state, value in states.items()
}
SINCE = {
    f'flowaudit_findings_open_since_timestamp_seconds{{{A},detector="{detector}",severity="{severity}"}}': still(at)
    for detector, severity, at in (("late", "critical", 2000), ("early", "critical", 1000), ("none", "critical", 0))
} | {f'flowaudit_findings_open_since_timestamp_seconds{{{A},detector="other",severity="high"}}': still(500)}
OPEN = {
    f'flowaudit_findings_open{{{A},detector="{detector}",severity="{severity}"}}': still(count)
    for detector, severity, count in (("late", "critical", 1), ("early", "critical", 1), ("none", "critical", 0))
}
LOST = {"nat_gateway": 750.0, "internet_gateway": 200.0, "vpc_peering": 50.0}
MIXED = through_nat(S3=1, KINESIS=0.5, none=9, DYNAMODB=0)

CASES = (
    Case(
        "two open critical findings are a leak, whatever else",
        OPEN,
        {of("overview", 1): {A: 2}},
    ),
    Case(
        "an age is the time since, for each daemon",
        {
            f"flowaudit_collect_last_record_timestamp_seconds{{{A}}}": still(NOW - 300),
            f"flowaudit_collect_last_record_timestamp_seconds{{{B}}}": still(NOW - 4000),
        },
        {of("overview", 5): {A: 300, B: 4000}, of("health", 2): {A: 300, B: 4000}},
    ),
    Case(
        "the time since the last success is that of the stage; all time, where there was none",
        {name: at for place, stage in enumerate(STAGES) for name, at in success(stage, NOW - 10 * place - 5).items()}
        | success("detect", 0, B),
        {
            key: {A: age[""]} | ({B: NOW} if key[2] == "C" else {})
            for key, age in per_stage(10, lambda place: 10 * place + 5).items()
        },
    ),
    Case(
        "coverage is the covered share of what is not pending",
        COVERED,
        {of("overview", 4): {A: 0.75, B: 1}, of("health", 3): {A: 0.75, B: 1}},
    ),
    Case(
        "the uncovered share is of the minutes that became final; nothing where none did",
        final(covered=54, missing=4, skipped=2),
        {of("health", 202): {"": 0.1}},
    ),
    Case("no final minute", final(covered=0, missing=0), {of("health", 202): {}}),
    Case(
        "the oldest open critical finding says since when; those that are not open do not",
        SINCE | OPEN,
        {
            of("overview", 3): {A: 1_000_000},
            of("overview", 13, "C"): {
                f'{A},detector="late",severity="critical"': 2_000_000,
                f'{A},detector="early",severity="critical"': 1_000_000,
            },
        },
    ),
    Case(
        "sinks that are not up are counted for each daemon",
        {
            f'flowaudit_sink_up{{{who},sink="{sink}"}}': still(up)
            for who, sink, up in ((A, "soc", 0), (A, "siem", 0), (A, "pager", 1), (B, "soc", 1))
        },
        {of("health", 4): {A: 2, B: 0}},
    ),
    Case(
        "an event waits since its time; where none waits there is no age; a success is in milliseconds",
        {
            f'flowaudit_sink_oldest_pending_timestamp_seconds{{{A},sink="soc"}}': still(NOW - 600),
            f'flowaudit_sink_oldest_pending_timestamp_seconds{{{A},sink="siem"}}': still(0),
            f'flowaudit_sink_last_success_timestamp_seconds{{{A},sink="siem"}}': still(1200),
        },
        {
            of("health", 401, "C"): {f'{A},sink="soc"': 600},
            of("health", 401, "D"): {f'{A},sink="siem"': 1_200_000},
        },
    ),
    Case(
        "runs are those of a minute, of all daemons",
        {
            f"flowaudit_{stage}_runs_total{{{who}}}": grows(place + more)
            for place, stage in enumerate(STAGES)
            for who, more in ((A, 1), (B, 2))
        },
        per_stage(11, lambda place: 2 * place + 3),
    ),
    Case(
        "a quantile lies in its bucket as its rank does",
        {name: by for stage in STAGES for name, by in buckets(f"{stage}_duration_seconds").items()}
        | buckets("collect_delay_seconds"),
        per_stage(13, lambda _: 2.5)
        | per_stage(14, lambda _: 4.75)
        | quantiles(103, "A", 2.5)
        | quantiles(103, "B", 4.75),
    ),
    Case(
        "visibility is 2, 1 or 0",
        {
            f'flowaudit_detector_visibility{{{A},detector="{name}",visibility="{state}"}}': still(state == name)
            for name in ("full", "partial", "none")
            for state in ("full", "partial", "none")
        },
        {
            of("health", 301): {
                f'{A},detector="{name}"': value for name, value in (("full", 2), ("partial", 1), ("none", 0))
            }
        },
    ),
    Case(
        "a query takes its share of the time; a detector without queries has none",
        {
            f'flowaudit_detector_{what}_total{{{A},detector="{name}"}}': grows(by)
            for name, seconds, runs in (("slow", 3, 6), ("quick", 1, 8), ("idle", 0, 0))
            for what, by in (("duration_seconds", seconds), ("runs", runs))
        },
        {of("health", 304): {'detector="slow"': 0.5, 'detector="quick"': 0.125}},
    ),
    Case(
        "a daemon's start is in milliseconds; another program's is left out",
        {
            f'flowaudit_build_info{{{A},version="1"}}': still(1),
            f"process_start_time_seconds{{{A}}}": still(100),
            f"process_start_time_seconds{{{OTHER}}}": still(200),
        },
        {of("health", 604, "B"): {A: 100_000}},
    ),
    Case(
        "the share over paths that are not allowed has each byte once, however many daemons measured it",
        sent(A, "one", **LOST) | sent(B, "one", **LOST) | sent(A, "two", nat_gateway=1000, unknown=0),
        {
            of("workload", 3): {"": 0.125},
            of("workload", 12): {
                'workload_kind="endpoint",workload="one"': 0.25,
                'workload_kind="endpoint",workload="two"': 0,
            },
        },
    ),
    Case(
        "what is allowed is chosen",
        sent(A, "one", **LOST),
        {of("workload", 3): {"": 0.05}, of("workload", 12): {'workload_kind="endpoint",workload="one"': 0.05}},
        {"allowed": "nat_gateway|internet_gateway"},
    ),
    Case("all bytes took allowed paths", sent(A, "one", nat_gateway=5), {of("workload", 3): {"": 0}}),
    Case("no traffic has no share", sent(A, "one", nat_gateway=0), {of("workload", 3): {}, of("workload", 12): {}}),
    Case(
        "NAT's price is that of bytes to AWS services; S3 and DynamoDB would be free; endpoints cost GB and hours",
        MIXED,
        {
            of("cost", 1): {"": 90 * 0.045 * 720},
            of("cost", 2): {"": 60 * 0.045 * 720},
            of("cost", 3): {"": (30 * 0.01 + 2 * 0.01) * 720},
            of("cost", 4, "A"): {"": (90 * 0.045 - 30 * 0.01 - 2 * 0.01) * 720},
            of("cost", 4, "B"): {},
            of("cost", 12, "B"): {'service="S3"': 1944, 'service="KINESIS"': 972},
            of("cost", 12, "C"): {'service="S3"': 0, 'service="KINESIS"': 216 + 14.4},
        },
    ),
    Case(
        "prices, and the number of zones, are variables",
        MIXED,
        {
            of("cost", 1): {"": 90 * 0.1 * 720},
            of("cost", 3): {"": (30 * 0.02 + 3 * 0.05) * 720},
            of("cost", 4): {"": (90 * 0.1 - 30 * 0.02 - 3 * 0.05) * 720},
            of("cost", 12, "B"): {'service="S3"': 4320, 'service="KINESIS"': 2160},
            of("cost", 12, "C"): {'service="S3"': 0, 'service="KINESIS"': 432 + 108},
        },
        {"nat_price": "0.1", "endpoint_price": "0.02", "endpoint_hour": "0.05", "endpoint_zones": "3"},
    ),
    Case(
        "traffic that gateway endpoints carry needs no interface endpoint, and costs nothing with one",
        through_nat(S3=1, DYNAMODB=0.5, KINESIS=0, none=9),
        {
            of("cost", 1): {"": 90 * 0.045 * 720},
            of("cost", 2): {"": 90 * 0.045 * 720},
            of("cost", 3): {"": 0},
            of("cost", 4, "A"): {"": 90 * 0.045 * 720},
            of("cost", 4, "B"): {},
            of("cost", 12, "C"): {'service="S3"': 0, 'service="DYNAMODB"': 0},
        },
    ),
    Case(
        "each service with traffic needs an endpoint of its own; where that costs more than NAT, it is more expensive",
        through_nat(KINESIS=0.001, CODEBUILD=0.001) | through_nat(S3=0),
        {
            of("cost", 1): {"": 0.12 * 0.045 * 720},
            of("cost", 3): {"": (0.12 * 0.01 + 2 * 2 * 0.01) * 720},
            of("cost", 4, "A"): {},
            of("cost", 4, "B"): {"": (0.12 * 0.045 - 0.12 * 0.01 - 2 * 2 * 0.01) * 720},
        },
    ),
    Case(
        "an endpoint for a service is one, however many daemons count its bytes",
        {
            f'flowaudit_collect_nat_bytes_total{{{who},service="KINESIS"}}': grows(by)
            for who, by in ((A, 0.5e9), (B, 1e9))
        },
        {of("cost", 3): {"": (90 * 0.01 + 2 * 0.01) * 720}},
    ),
    Case(
        "bytes to others than AWS are not saved by any endpoint",
        through_nat(none=9),
        {of("cost", number): {"": 0} for number in (1, 2, 3, 4)} | {of("cost", 12, ref): {} for ref in "ABC"},
    ),
    Case(
        "without bytes through NAT gateways there is nothing to pay, and nothing to save",
        {},
        {of("cost", number): {"": 0} for number in (1, 2, 3, 4)} | {of("cost", 12, "B"): {}, of("cost", 4, "B"): {}},
    ),
    Case(
        "severities are ranked, critical highest; a detector without open findings is left out",
        {
            f'flowaudit_findings_open{{{A},detector="{severity}",severity="{severity}"}}': still(7)
            for severity in ("low", "medium", "high", "critical")
        }
        | {f'flowaudit_findings_open{{{A},detector="none",severity="critical"}}': still(0)},
        {
            of("overview", 13, "D"): {
                f'{A},detector="{severity}",severity="{severity}"': rank
                for rank, severity in enumerate(("low", "medium", "high", "critical"), 1)
            }
        },
    ),
)


def checks(case: Case) -> Iterator[dict[str, Any]]:
    """Yield what promtool checks; values are compared to six places, as its own comparison is to the last bit."""
    for key, samples in case.shows.items():
        expr = filled(ASKED[key], VALUES[key[0]], {**GIVEN, **case.variables})
        expected = [
            {"labels": f"{{{labels}}}", "value": float(round(value * PRECISE))} for labels, value in samples.items()
        ]
        yield {"expr": f"round(({expr}) * {PRECISE:.0f})", "eval_time": f"{NOW}s", "exp_samples": expected}


def told(case: Case, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what promtool says of a case."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": list(checks(case))}
    (folder / "given.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), "utf-8")
    command = ["promtool", "test", "rules", "given.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_panel_shows_what_follows_from_its_series(
    case: Case, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Given some series, each of the panels has the values that the case says, and no others."""
    ran = told(case, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    record_property(BY_SERIES, json.dumps(list(case.shows)))


@pytest.mark.parametrize("key", CALCULATING, ids=lambda key: "-".join(map(str, key)))
def test_each_panel_that_calculates_has_a_case_with_a_value(key: Key) -> None:
    """A query that calculates is shown by a case to have a value, other than 0 in at least one."""
    assert any(value for case in CASES for value in case.shows.get(key, {}).values())


@pytest.mark.parametrize("wrong", [0.7500011, 0.7499989, 0])
def test_a_wrong_value_would_be_told(wrong: float, tmp_path: Path) -> None:
    """A value that differs in the sixth place fails a case."""
    ran = told(Case("wrong", COVERED, {of("health", 3): {A: wrong, B: 1}}), tmp_path)
    assert ran.returncode == 1
    assert "FAILED" in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("sum(rate(a_total[5m]))", False),
        ("a > 0 or b unless c", False),
        ("a > bool 0", True),
        ("sum(a / b)", True),
        ("topk(3, -a * 2)", True),
        ("time()", True),
        ("histogram_quantile(0.5, sum by (le) (rate(a_bucket[5m])))", True),
    ],
)
def test_what_calculates(expr: str, expected: bool) -> None:
    """Operators, the time and quantiles calculate, wherever they stand; sums, rates and filters do not."""
    assert calculates(promql.parse(expr)) is expected


def test_what_is_tried_is_told() -> None:
    """The line at the end of a run counts queries by passed tests only, each once; without any there is no line."""
    first, *_ = CALCULATING
    plain = next(key for key in ASKED if key not in CALCULATING)
    given = (BY_SERIES, json.dumps([first, plain]))
    (line,) = told_of([given, given, ("another", "property")])
    assert f"0 of {len(ASKED)} by value (0 %), 1 of the {len(CALCULATING)} that calculate by given series" in line
    assert told_of([]) == []
