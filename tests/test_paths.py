"""Which way did a flow go: the decision table, case by case, and the tables it is applied to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit import paths
from flowaudit.paths import Facts, judge
from flowaudit.schema import VERDICT

EGRESS = Facts(
    log_status="OK",
    flow_direction="egress",
    service_collected=True,
    next_hop_type_collected=True,
    src="private",
    dst="public",
)
"""Egress of a workload to the internet, in a format with all fields."""
TO_PRIVATE = replace(EGRESS, dst="private")
TO_IPV6 = replace(EGRESS, src="public6", dst="public6")
S3 = replace(EGRESS, pkt_dst_aws_service="S3")
WITHOUT_NEXT_HOP = replace(EGRESS, next_hop_type_collected=False)

DECISIONS: list[tuple[str, Facts, dict[str, Any], str, str]] = [
    ("a NAT gateway receives it", EGRESS, {"next_hop_interface_type": "nat_gateway"}, "nat_gateway", "next_hop"),
    ("a regional NAT gateway", EGRESS, {"next_hop_interface_type": "regional_nat_gateway"}, "nat_gateway", "next_hop"),
    ("a NAT, though S3", S3, {"next_hop_interface_type": "nat_gateway", "traffic_path": 1}, "nat_gateway", "next_hop"),
    (
        "a transit gateway",
        EGRESS,
        {"next_hop_interface_type": "transit_gateway", "traffic_path": 1},
        "transit_gateway",
        "next_hop",
    ),
    (
        "an endpoint's interface",
        TO_PRIVATE,
        {"next_hop_interface_type": "vpc_endpoint"},
        "interface_endpoint",
        "next_hop",
    ),
    (
        "a Gateway Load Balancer's endpoint",
        EGRESS,
        {"next_hop_interface_type": "vpc_endpoint"},
        "middlebox",
        "next_hop",
    ),
    ("one of the two, over IPv6", TO_IPV6, {"next_hop_interface_type": "vpc_endpoint"}, "vpc_resource", "next_hop"),
    (
        "a peer's endpoint",
        TO_PRIVATE,
        {"next_hop_interface_type": "vpc_endpoint", "traffic_path": 4},
        "vpc_peering",
        "traffic_path",
    ),
    ("a load balancer", TO_PRIVATE, {"next_hop_interface_type": "network_load_balancer"}, "same_vpc", "next_hop"),
    ("a virtual private gateway", EGRESS, {"traffic_path": 3}, "virtual_private_gateway", "traffic_path"),
    ("peering within the region", TO_PRIVATE, {"traffic_path": 4}, "vpc_peering", "traffic_path"),
    ("peering across regions", TO_PRIVATE, {"traffic_path": 5}, "vpc_peering", "traffic_path"),
    ("a Local Zone", EGRESS, {"traffic_path": 6}, "local_zone", "traffic_path"),
    ("a gateway endpoint", S3, {"traffic_path": 7}, "gateway_endpoint", "traffic_path"),
    ("an internet gateway", EGRESS, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an internet gateway, IPv6", TO_IPV6, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an internet gateway, though S3", S3, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("either, to no AWS service", EGRESS, {"traffic_path": 2}, "internet_gateway", "traffic_path"),
    (
        "either, to a service without gateway endpoints",
        EGRESS,
        {"traffic_path": 2, "pkt_dst_aws_service": "EC2"},
        "internet_gateway",
        "traffic_path",
    ),
    ("either, to S3", S3, {"traffic_path": 2}, "unknown", "none"),
    ("either, to DynamoDB", EGRESS, {"traffic_path": 2, "pkt_dst_aws_service": "DYNAMODB"}, "unknown", "none"),
    ("either, to some AWS service", EGRESS, {"traffic_path": 2, "pkt_dst_aws_service": "AMAZON"}, "unknown", "none"),
    ("either, services not recorded", EGRESS, {"traffic_path": 2, "service_collected": False}, "unknown", "none"),
    (
        "within the VPC, to the internet, nothing else known",
        WITHOUT_NEXT_HOP,
        {"traffic_path": 1},
        "vpc_resource",
        "traffic_path",
    ),
    (
        "within the VPC, to S3",
        replace(S3, next_hop_type_collected=False),
        {"traffic_path": 1},
        "vpc_resource",
        "traffic_path",
    ),
    ("within the VPC, to a neighbour", TO_PRIVATE, {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    (
        "an appliance: next hop of no managed type",
        EGRESS,
        {"traffic_path": 1, "next_hop_known": True},
        "middlebox",
        "next_hop",
    ),
    (
        "an interface of a type not recorded",
        WITHOUT_NEXT_HOP,
        {"traffic_path": 1, "next_hop_known": True},
        "vpc_resource",
        "next_hop",
    ),
    ("a code nobody knows yet", EGRESS, {"traffic_path": 9}, "unknown", "none"),
    ("no field tells", replace(EGRESS, service_collected=False, next_hop_type_collected=False), {}, "unknown", "none"),
]


@pytest.mark.parametrize(
    ("facts", "given_too", "path", "evidence"), [pytest.param(*row[1:], id=row[0]) for row in DECISIONS]
)
def test_the_fields_decide_or_nothing_does(facts: Facts, given_too: dict[str, Any], path: str, evidence: str) -> None:
    """Each row of the table: what the record says, the path that follows and its evidence."""
    verdict = judge(replace(facts, **given_too))

    assert (path, evidence) == (verdict.path, verdict.path_evidence)


@given(
    st.builds(
        Facts,
        log_status=st.sampled_from(["OK", "NODATA", "SKIPDATA", None]),
        flow_direction=st.sampled_from(["egress", "ingress", None, "sideways"]),
        traffic_path=st.sampled_from([None, *range(10)]),
        next_hop_interface_type=st.sampled_from(
            [None, "transit_gateway", "vpc_endpoint", "network_load_balancer", "new"]
        ),
        next_hop_known=st.booleans(),
        interface_type=st.sampled_from([None, "nat_gateway", "new"]),
        resource_known=st.booleans(),
        pkt_dst_aws_service=st.sampled_from([None, "S3", "EC2"]),
        service_collected=st.booleans(),
        next_hop_type_collected=st.booleans(),
        src=st.sampled_from([None, "private", "public", "public6"]),
        dst=st.sampled_from([None, "private", "public", "link_local"]),
        src_rewritten=st.booleans(),
        dst_rewritten=st.booleans(),
    )
)
def test_the_verdict_never_says_nat_without_evidence(facts: Facts) -> None:
    """Where no next hop is a NAT gateway, no combination of the other fields makes one; a path has its evidence."""
    verdict = judge(facts)

    assert verdict.path != "nat_gateway"
    assert (verdict.path is None) == (verdict.path_evidence is None)
    assert (verdict.path == "unknown") == (verdict.path_evidence == "none")


@pytest.mark.parametrize(
    ("facts", "direction"),
    [
        (EGRESS, "egress"),
        (replace(EGRESS, flow_direction=None), "egress"),
        (replace(EGRESS, flow_direction=None, src="public", dst="private"), "ingress"),
        (replace(EGRESS, flow_direction=None, src="private", dst="private"), None),
        (replace(EGRESS, flow_direction=None, src="public6", dst="public6"), None),
        (replace(EGRESS, log_status="NODATA"), None),
        (replace(EGRESS, flow_direction=None, src=None), None),
    ],
)
def test_the_direction_is_recorded_or_follows_from_the_private_side(facts: Facts, direction: str | None) -> None:
    """Without flow-direction the private address is the interface's own; two of a kind decide nothing."""
    assert direction == judge(facts).direction


@pytest.mark.parametrize(
    ("given_too", "vantage"),
    [
        ({}, None),
        ({"interface_type": "nat_gateway"}, "nat_gateway"),
        ({"interface_type": "transit_gateway"}, "transit_gateway"),
        ({"interface_type": "a_type_of_next_year"}, None),
        ({"resource_known": True}, "regional_nat_gateway"),
        (
            {
                "flow_direction": "ingress",
                "src": "private",
                "dst": "private",
                "pkt_dst": "public",
                "dst_rewritten": True,
            },
            "transit",
        ),
        ({"dst": "private", "src": "private", "pkt_src": "public", "src_rewritten": True}, "transit"),
        ({"src": "private", "pkt_src": "private", "src_rewritten": True}, None),
    ],
)
def test_transit_interfaces_are_told_from_workloads(given_too: dict[str, Any], vantage: str | None) -> None:
    """A managed transit type, a regional NAT's id, or a public packet address that is not the interface's own."""
    assert vantage == judge(replace(EGRESS, **given_too)).vantage


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.9.9", "private"),
        ("172.32.0.1", "public"),
        ("203.0.113.9", "public"),
        ("52.216.1.1", "public"),
        ("169.254.169.254", "link_local"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.251", "multicast"),
        ("0.0.0.0", "reserved"),
        ("240.0.0.1", "reserved"),
        ("2001:db8::1", "public6"),
        ("fd00::1", "private6"),
        ("fe80::1", "link_local6"),
        ("::1", "loopback6"),
        ("hello", None),
        (None, None),
    ],
)
def test_addresses_have_a_kind(address: str | None, kind: str | None) -> None:
    """Documentation ranges count as internet: a route there leaves the VPC like any other."""
    assert kind == paths.kind(address)


def _table(*rows: dict[str, Any]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


LEAK = {
    "srcaddr": "10.0.0.5",
    "dstaddr": "203.0.113.9",
    "srcport": 40000,
    "dstport": 443,
    "log_status": "OK",
    "flow_direction": "egress",
    "traffic_path": 8,
}


def test_a_table_gets_all_derived_columns() -> None:
    """An egress row, its answer and a NODATA row: sides, scopes and path, in the lake's columns and order."""
    answer = LEAK | {"srcaddr": "203.0.113.9", "dstaddr": "10.0.0.5", "srcport": 443, "dstport": 40000}
    answer |= {"flow_direction": "ingress", "traffic_path": None}

    judged = paths.verdict(_table(LEAK, answer, {"log_status": "NODATA"})).select(VERDICT.names).to_pylist()

    sides = {"local_addr": "10.0.0.5", "remote_addr": "203.0.113.9", "remote_port": 443, "remote_scope": "public"}
    nothing = dict.fromkeys(VERDICT.names)
    assert [
        nothing | sides | {"direction": "egress", "path": "internet_gateway", "path_evidence": "traffic_path"},
        nothing | sides | {"direction": "ingress"},
        nothing,
    ] == judged


def test_the_packet_address_is_the_remote_one() -> None:
    """A NAT gateway's row from an instance: the packet goes to the internet, though the interface took it in."""
    row = LEAK | {
        "dstaddr": "10.0.0.220",
        "pkt_srcaddr": "10.0.0.5",
        "pkt_dstaddr": "203.0.113.9",
        "flow_direction": "ingress",
    }

    judged = paths.verdict(_table(row)).to_pylist()[0]

    assert (judged["vantage"], judged["remote_addr"], judged["local_addr"]) == ("transit", "10.0.0.5", "203.0.113.9")


@pytest.mark.parametrize("columns", [["log_status"], ["srcaddr"], ["interface_id"], ["flow_direction", "traffic_path"]])
def test_any_column_may_be_missing(columns: list[str]) -> None:
    """A format with hardly any field gets verdicts too: nothing is decided, nothing breaks."""
    table = pa.table(
        {name: pa.array([None, None], pa.int32() if name == "traffic_path" else pa.string()) for name in columns}
    )

    judged = paths.verdict(table)

    assert judged.column("remote_addr").to_pylist() == [None, None]
    assert (
        list(zip(*(judged.column(n).to_pylist() for n in ("path", "path_evidence")), strict=True))
        == [("unknown", "none")] * 2
    )


def test_no_rows_are_no_trouble() -> None:
    """An empty table stays empty and gets the columns."""
    assert VERDICT.names == paths.verdict(_table(LEAK).slice(0, 0)).column_names[-len(VERDICT.names) :]


@given(st.lists(st.sampled_from(["OK", "NODATA", "x", "y", "z"]), min_size=1), st.integers(0, 9))
def test_dense_codes_change_nothing(statuses: list[str], code: int) -> None:
    """However many distinct values there are, each row gets the verdict that it would get alone."""
    rows = [LEAK | {"log_status": status, "traffic_path": code} for status in statuses]
    before = paths._DENSE
    try:
        paths._DENSE = 1
        renumbered = paths.verdict(_table(*rows)).to_pylist()
    finally:
        paths._DENSE = before

    assert [paths.verdict(_table(row)).to_pylist()[0] for row in rows] == renumbered
