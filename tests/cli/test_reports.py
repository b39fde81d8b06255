"""Each report that comes with flowaudit, run by name on a lake that was made from flow log text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flowaudit import catalogue
from flowaudit.config import shipped
from flowaudit.lake import Lake
from tests.cli import auditable
from tests.cli.conftest import Run

REPORTS = catalogue.load([shipped("queries")]).reports
DAY = {"since": "2026-05-04", "until": "2026-05-05"}
NEEDED = {"address": "203.0.113.9", "interface": auditable.TRAIN, "workload": "train-1", "subnet": "subnet-0a"}
"""Values of parameters that have no default."""

TEN, ELEVEN = "2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z"
NAT, IGW, GATEWAY = "nat_gateway", "internet_gateway", "gateway_endpoint"
EPOCH = "1970-01-01T00:00:00Z"

CASES: list[tuple[str, dict[str, str], str, list[tuple[Any, ...]]]] = [
    ("top-talkers", DAY | {"top": "3"}, "interface_id workload remote_addr path bytes flows", [
        ("eni-0train", "train-1", "52.216.0.9", NAT, 2_000_000_000, 1),
        ("eni-0twin", "train-1", "52.216.0.9", GATEWAY, 4000, 1),
        ("eni-0train", "train-1", "203.0.113.9", IGW, 1500, 2),
    ]),
    ("bytes-by-path", DAY, "span path path_evidence bytes flows", [
        (TEN, NAT, "routes_assumed", 2_000_000_600, 2),
        (TEN, GATEWAY, "traffic_path", 4000, 1),
        (TEN, "same_vpc", "routes_assumed", 1600, 2),
        (TEN, IGW, "traffic_path", 1350, 3),
        (TEN, "unknown", "none", 60, 1),
        (ELEVEN, IGW, "traffic_path", 500, 1),
    ]),
    ("bytes-by-path", DAY | {"step": "1d"}, "span path bytes", [
        ("2026-05-04T00:00:00Z", NAT, 2_000_000_600),
        ("2026-05-04T00:00:00Z", GATEWAY, 4000),
        ("2026-05-04T00:00:00Z", IGW, 1850),
        ("2026-05-04T00:00:00Z", "same_vpc", 1600),
        ("2026-05-04T00:00:00Z", "unknown", 60),
    ]),
    ("bytes-by-workload", DAY, "workload_kind workload path remote_scope action interfaces bytes", [
        ("training_job", "train-1", NAT, "public", "ACCEPT", 1, 2_000_000_000),
        ("training_job", "train-1", GATEWAY, "public", "ACCEPT", 1, 4000),
        ("training_job", "train-1", "same_vpc", "vpc", "ACCEPT", 1, 1600),
        ("training_job", "train-1", IGW, "public", "ACCEPT", 1, 1500),
        ("endpoint", "serve-1", NAT, "public", "ACCEPT", 1, 600),
        ("endpoint", "serve-1", IGW, "public", "ACCEPT", 1, 300),
        (None, None, "unknown", "public", "ACCEPT", 1, 60),
        (None, None, IGW, "public", "ACCEPT", 1, 50),
        ("training_job", "train-1", IGW, "public", "REJECT", 1, 0),
    ]),
    ("gateway-endpoint-savings", DAY, "subnet_id service region path bytes_sent bytes_received usd usd_if_nat", [
        ("subnet-0a", "S3", "us-east-1", NAT, 2_000_000_000, 8_000_000_000, 0.45, None),
    ]),
    ("gateway-endpoint-savings", DAY | {"usd_per_gb": "0.052"}, "usd", [(0.52,)]),
    ("aws-services-over-nat", DAY, "service region path interfaces workloads bytes", [
        ("KINESIS_VIDEO_STREAMS", "us-east-1", NAT, 1, 1, 600),
    ]),
    ("aws-services-over-nat", DAY | {"paths": "transit_gateway, middlebox"}, "service", []),
    ("rejected-by-reason", DAY, "direction reason remote_scope interfaces remotes flows packets bytes", [
        ("ingress", "other", "public", 1, 1, 2, 8, 80),
        ("egress", "BPA", "public", 1, 1, 1, 4, 0),
    ]),
    ("rejected-by-port", DAY, "direction protocol port flows first_seen last_seen", [
        ("ingress", 6, 22, 2, TEN, "2026-05-04T10:01:00Z"),
        ("egress", 6, 25, 1, TEN, TEN),
    ]),
    ("who-spoke-to", DAY | {"address": "203.0.113.9"}, "interface_id workload direction port path flows bytes", [
        ("eni-0train", "train-1", "egress", 443, IGW, 2, 1500),
    ]),
    ("who-spoke-to", DAY | {"address": "198.51.100.8"}, "interface_id direction port path bytes", [
        ("eni-0serve", "egress", 8443, IGW, 300),
        ("eni-0serve", "ingress", 8443, None, 200),
    ]),
    ("interface-timeline", DAY | {"interface": "eni-0train"}, "moment what path remotes records bytes", [
        (TEN, "no traffic", None, 0, 1, None),
        (TEN, "received", None, 1, 1, 8_000_000_000),
        (TEN, "sent", IGW, 1, 1, 1000),
        (TEN, "sent", NAT, 1, 1, 2_000_000_000),
        (TEN, "sent", "same_vpc", 2, 2, 1600),
        (TEN, "sent, rejected", IGW, 1, 1, 0),
        (ELEVEN, "sent", IGW, 1, 1, 500),
        ("2026-05-04T12:00:00Z", "records skipped", None, 0, 1, None),
    ]),
    ("interface-timeline", {"interface": "eni-0serve", "since": "1970-01-01", "until": "2026-05-04"},
     "moment what detail bytes", [
        (EPOCH, "inventory", "sagemaker serve-1 in-use", None),
        ("2026-05-03T10:00:00Z", "sent", None, 5),
    ]),
    ("workload-timeline", DAY | {"workload": "train-1"}, "moment what path detail interfaces remotes bytes", [
        ("2026-05-04T09:30:00Z", "status", None, "InService", None, None, None),
        (TEN, "received", None, None, 1, 1, 8_000_000_000),
        (TEN, "sent", GATEWAY, None, 1, 1, 4000),
        (TEN, "sent", IGW, None, 1, 1, 1000),
        (TEN, "sent", NAT, None, 1, 1, 2_000_000_000),
        (TEN, "sent", "same_vpc", None, 1, 2, 1600),
        (TEN, "sent, rejected", IGW, None, 1, 1, 0),
        (ELEVEN, "sent", IGW, None, 1, 1, 500),
    ]),
    ("what-changed", {"before": "2026-05-03", "after": "2026-05-04T23:00:00Z"},
     "change who path remote bytes_before bytes_after", [
        ("gone", "serve-1", IGW, "203.0.113.77", 5, 0),
        ("gone", "train-1", IGW, "203.0.113.99", 5, 0),
        ("grew", "train-1", IGW, "203.0.113.9", 10, 1500),
        ("new", "train-1", NAT, "S3 us-east-1", 0, 2_000_000_000),
        ("new", "train-1", GATEWAY, "S3 us-east-1", 0, 4000),
        ("new", "train-1", "same_vpc", "10.0.1.6", 0, 900),
        ("new", "train-1", "same_vpc", "10.0.2.7", 0, 700),
        ("new", "serve-1", NAT, "KINESIS_VIDEO_STREAMS us-east-1", 0, 600),
        ("new", "serve-1", IGW, "198.51.100.8", 0, 300),
        ("new", "eni-0old", "unknown", "203.0.113.5", 0, 60),
        ("new", "eni-0lost", IGW, "203.0.113.77", 0, 50),
    ]),
    ("what-changed", {"before": "2026-05-04", "after": "2026-05-03", "factor": "1000"}, "change who remote", [
        ("gone", "train-1", "S3 us-east-1"), ("gone", "train-1", "S3 us-east-1"), ("gone", "train-1", "10.0.1.6"),
        ("gone", "train-1", "10.0.2.7"), ("gone", "serve-1", "KINESIS_VIDEO_STREAMS us-east-1"),
        ("gone", "serve-1", "198.51.100.8"), ("gone", "eni-0old", "203.0.113.5"),
        ("gone", "eni-0lost", "203.0.113.77"),
        ("new", "serve-1", "203.0.113.77"), ("new", "train-1", "203.0.113.99"),
    ]),
    ("new-destinations", DAY | {"past": "2026-04-20"}, "who remote path bytes known_to", [
        ("train-1", "S3 us-east-1", NAT, 2_000_000_000, 0),
        ("train-1", "S3 us-east-1", GATEWAY, 4000, 0),
        ("serve-1", "KINESIS_VIDEO_STREAMS us-east-1", NAT, 600, 0),
        ("serve-1", "198.51.100.8", IGW, 300, 0),
        ("eni-0old", "203.0.113.5", "unknown", 60, 0),
        ("eni-0lost", "203.0.113.77", IGW, 50, 1),
    ]),
    ("long-conversations", DAY | {"least_duration": "1h"}, "interface_id srcport remote_addr seconds flows bytes", [
        ("eni-0train", 40001, "52.216.0.9", 50, 1, 2_000_000_000),
        ("eni-0train", 40000, "203.0.113.9", 4250, 2, 1500),
    ]),
    ("reached-from-outside", DAY, "interface_id protocol port remote_scope evidence remotes flows bytes_sent", [
        ("eni-0serve", 6, 8443, "public", "tcp_flags", 1, 1, 300),
        ("eni-0serve", 6, 8443, "private", "tcp_flags", 1, 1, 0),
    ]),
    ("lateral-traffic", DAY, "interface_id workload to_interface_id to_workload port action bytes", [
        ("eni-0train", "train-1", "eni-0serve", "serve-1", 8443, "ACCEPT", 700),
    ]),
    ("lateral-traffic", DAY | {"within": "true"}, "interface_id to_interface_id port bytes", [
        ("eni-0train", "eni-0twin", 7777, 900),
        ("eni-0train", "eni-0serve", 8443, 700),
    ]),
    ("route-history", {"subnet": "subnet-0a"}, "destination target state valid_from valid_to", [
        ("0.0.0.0/0", "nat-0a", "active", EPOCH, "2026-05-04T12:00:00Z"),
        ("10.0.0.0/16", "local", "active", EPOCH, None),
        ("0.0.0.0/0", "igw-0a", "active", "2026-05-04T12:00:00Z", None),
    ]),
    ("workload-interfaces", {"workload": "train-1"}, "interface_id addresses attribution first_record bytes_sent", [
        ("eni-0train", ["10.0.1.5"], "tag", "2026-05-03T10:00:00Z", 2_000_003_115),
        ("eni-0twin", ["10.0.1.6"], "tag", TEN, 4000),
    ]),
    ("unattributed-interfaces", DAY, "interface_id vpc_id owner flows bytes", [
        ("eni-0old", None, None, 1, 60),
        ("eni-0lost", "vpc-0a", None, 1, 50),
    ]),
    ("flow-log-formats", {}, "flow_log_id status version records lacks", [
        ("fl-0aaaaaaaaaaaaaaaa", "ACTIVE", 8, 21,
         ["interface-type", "next-hop-interface-id", "next-hop-interface-type"]),
        ("fl-0bbbbbbbbbbbbbbbb", None, 2, 1, None),
    ]),
    ("flow-log-formats", {}, "never_set", [
        (["interface-type", "next-hop-interface-id", "next-hop-interface-type"],),
        (["pkt-srcaddr", "pkt-dstaddr", "pkt-dst-aws-service", "flow-direction", "traffic-path", "tcp-flags",
          "vpc-id", "subnet-id", "region", "reject-reason", "interface-type", "next-hop-interface-id",
          "next-hop-interface-type"],),
    ]),
    ("skipped-records", DAY, "interface_id flow_log_id skipped records share first_skipped last_skipped", [
        ("eni-0train", "fl-0aaaaaaaaaaaaaaaa", 1, 9, 0.1111, "2026-05-04T12:10:00Z", "2026-05-04T12:10:50Z"),
    ]),
    ("uncollected-objects", {}, "outcome records quarantined", [("skipped", 0, 0), ("collected", 19, 1)]),
    ("findings", {"state": "all"}, "id", []),  # of a lake with findings: test_findings.py
    ("undecided-bytes", DAY, "flow_log_id path reason bytes", [
        ("fl-0bbbbbbbbbbbbbbbb", "unknown", "neither traffic-path nor next-hop fields", 60),
    ]),
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auditable lake, not to be written to."""
    return auditable.build(tmp_path_factory.mktemp("auditable"))


def given(params: dict[str, str]) -> list[str]:
    """Parameters as arguments."""
    return [word for name, value in params.items() for word in ("--param", f"{name}={value}")]


@pytest.mark.parametrize(("name", "params", "columns", "rows"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_a_report_says_what_it_promises(
    name: str, params: dict[str, str], columns: str, rows: list[tuple[Any, ...]], run: Run, lake: Path
) -> None:
    """Exactly these rows, in this order; of each the columns that matter."""
    ended = run("--lake", lake, "query", "run", name, *given(params), "--format", "json")

    assert ended.code == 0, ended.err
    assert [tuple(_in_order(row[column]) for column in columns.split()) for row in ended.json] == [
        tuple(map(_in_order, row)) for row in rows
    ]


def _in_order(value: Any) -> Any:
    """Lists of a group's members have no order in SQL."""
    return sorted(value) if isinstance(value, list) else value


def test_every_report_has_a_case() -> None:
    """No report is shipped that nobody has seen to be right."""
    assert {case[0] for case in CASES} == set(REPORTS)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_on_a_lake_without_data_has_no_rows(name: str, run: Run, tmp_path: Path) -> None:
    """Columns and no rows, exit 0: nothing to tell is no failure."""
    Lake(str(tmp_path / "empty")).create()
    needed = {param: NEEDED[param] for param in REPORTS[name].params if REPORTS[name].params[param].required}

    ended = run("--lake", tmp_path / "empty", "query", "run", name, *given(needed), "--format", "csv")

    assert (ended.code, len(ended.out.splitlines())) == (0, 1), ended.err


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_report_says_what_it_is_for(report: catalogue.Report) -> None:
    """What it answers, how to read it, what it cannot see; parameters with a meaning; SQL that 80 columns hold."""
    headings = re.findall(r"(?:\A|\n\n)(\w[\w ]*):", report.prose)
    assert headings == ["What it answers", "How to read it", "Blind spots"]
    assert all(param.help.endswith(".") for param in report.params.values())
    assert all(len(line) <= 80 for line in report.select.splitlines())
