"""Which way did a flow go: the decision table, case by case."""

# ruff: noqa: E501  a decision table has a line a row

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.paths import PATHS, Bearing, Ends, Facts, judge
from flowaudit.topology import Owner

EGRESS = Facts(
    direction="egress",
    log_status="OK",
    service_collected=True,
    next_hop_type_collected=True,
    bearing=Bearing(kind="public"),
)
"""Egress of a workload to the internet, in a format with all fields, nothing known of the network."""
TO_PRIVATE = replace(EGRESS, bearing=Bearing(kind="private"))
TO_IPV6 = replace(EGRESS, bearing=Bearing(kind="public6"))
TO_VPC = replace(EGRESS, bearing=Bearing(kind="vpc", way="same_vpc", evidence="routes"))
TO_ENDPOINT = replace(EGRESS, bearing=Bearing(kind="vpc", way="same_vpc", evidence="routes", endpoint=True))
S3 = replace(EGRESS, pkt_dst_aws_service="S3")
WITHOUT_NEXT_HOP = replace(EGRESS, next_hop_type_collected=False)
DEFAULT_FORMAT = replace(EGRESS, service_collected=False, next_hop_type_collected=False)


def routed(facts: Facts, way: str, evidence: str = "routes", **more: Any) -> Facts:
    """What is known where a route leads that way."""
    return replace(facts, bearing=replace(facts.bearing, way=way, evidence=evidence, **more))


DECISIONS: list[tuple[str, Facts, dict[str, Any], str, str]] = [
    # The next hop's type, strongest of all.
    ("a NAT gateway receives it", EGRESS, {"next_hop_interface_type": "nat_gateway"}, "nat_gateway", "next_hop"),
    ("a regional NAT gateway", EGRESS, {"next_hop_interface_type": "regional_nat_gateway"}, "nat_gateway", "next_hop"),
    ("a NAT, though S3", S3, {"next_hop_interface_type": "nat_gateway", "traffic_path": 1}, "nat_gateway", "next_hop"),
    ("a NAT, though the route has changed since", routed(EGRESS, "internet_gateway"), {"next_hop_interface_type": "nat_gateway", "traffic_path": 1}, "nat_gateway", "next_hop"),
    ("a transit gateway", EGRESS, {"next_hop_interface_type": "transit_gateway", "traffic_path": 1}, "transit_gateway", "next_hop"),
    ("an endpoint's interface", TO_PRIVATE, {"next_hop_interface_type": "vpc_endpoint"}, "interface_endpoint", "next_hop"),
    ("an endpoint's interface, IPv6 in the VPC", replace(EGRESS, bearing=Bearing(kind="vpc6")), {"next_hop_interface_type": "vpc_endpoint"}, "interface_endpoint", "next_hop"),
    ("a Gateway Load Balancer's endpoint", EGRESS, {"next_hop_interface_type": "vpc_endpoint"}, "middlebox", "next_hop"),
    ("one of the two, over IPv6", TO_IPV6, {"next_hop_interface_type": "vpc_endpoint"}, "vpc_resource", "next_hop"),
    ("the balancer's, over IPv6, as the routes say", routed(TO_IPV6, "middlebox"), {"next_hop_interface_type": "vpc_endpoint"}, "middlebox", "next_hop"),
    ("a peer's endpoint", TO_PRIVATE, {"next_hop_interface_type": "vpc_endpoint", "traffic_path": 4}, "vpc_peering", "traffic_path"),
    ("a load balancer", TO_PRIVATE, {"next_hop_interface_type": "network_load_balancer"}, "same_vpc", "next_hop"),
    # traffic-path, where it names one way.
    ("a virtual private gateway", EGRESS, {"traffic_path": 3}, "virtual_private_gateway", "traffic_path"),
    ("peering within the region", TO_PRIVATE, {"traffic_path": 4}, "vpc_peering", "traffic_path"),
    ("peering across regions", TO_PRIVATE, {"traffic_path": 5}, "vpc_peering", "traffic_path"),
    ("a Local Zone", EGRESS, {"traffic_path": 6}, "local_zone", "traffic_path"),
    ("a gateway endpoint", S3, {"traffic_path": 7}, "gateway_endpoint", "traffic_path"),
    ("an internet gateway", EGRESS, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an internet gateway, IPv6", TO_IPV6, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an internet gateway, though S3", S3, {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an internet gateway, though the routes say NAT", routed(EGRESS, "nat_gateway"), {"traffic_path": 8}, "internet_gateway", "traffic_path"),
    ("an egress-only gateway, which has no code of its own", routed(TO_IPV6, "egress_only_internet_gateway"), {"traffic_path": 8}, "egress_only_internet_gateway", "traffic_path+routes"),
    ("an egress-only gateway, no code at all", routed(TO_IPV6, "egress_only_internet_gateway"), {}, "egress_only_internet_gateway", "routes"),
    # traffic-path 2: internet gateway or gateway endpoint.
    ("either, to no AWS service", EGRESS, {"traffic_path": 2}, "internet_gateway", "traffic_path"),
    ("either, to a service without gateway endpoints", EGRESS, {"traffic_path": 2, "pkt_dst_aws_service": "EC2"}, "internet_gateway", "traffic_path"),
    ("either, to S3", S3, {"traffic_path": 2}, "unknown", "none"),
    ("either, to DynamoDB", EGRESS, {"traffic_path": 2, "pkt_dst_aws_service": "DYNAMODB"}, "unknown", "none"),
    ("either, to some AWS service", EGRESS, {"traffic_path": 2, "pkt_dst_aws_service": "AMAZON"}, "unknown", "none"),
    ("either, services not recorded", EGRESS, {"traffic_path": 2, "service_collected": False}, "unknown", "none"),
    ("either, the routes lead to the endpoint", routed(S3, "gateway_endpoint"), {"traffic_path": 2}, "gateway_endpoint", "traffic_path+routes"),
    ("either, the routes lead to the gateway", routed(S3, "internet_gateway"), {"traffic_path": 2}, "internet_gateway", "traffic_path+routes"),
    ("either, by the routes of another time", routed(S3, "gateway_endpoint", "routes_assumed"), {"traffic_path": 2}, "gateway_endpoint", "routes_assumed"),
    ("either, the routes contradict the code", routed(S3, "nat_gateway"), {"traffic_path": 2}, "unknown", "none"),
    # traffic-path 1: some interface in the VPC.
    ("within the VPC, nothing else known", WITHOUT_NEXT_HOP, {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    ("within the VPC, to S3", replace(S3, next_hop_type_collected=False), {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    ("within the VPC, to a neighbour", TO_PRIVATE, {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    ("within the VPC, the routes lead to a NAT gateway", routed(WITHOUT_NEXT_HOP, "nat_gateway"), {"traffic_path": 1}, "nat_gateway", "traffic_path+routes"),
    ("within the VPC, by the routes of another time", routed(WITHOUT_NEXT_HOP, "nat_gateway", "routes_assumed"), {"traffic_path": 1}, "nat_gateway", "routes_assumed"),
    ("within the VPC, the routes lead to a transit gateway", routed(WITHOUT_NEXT_HOP, "transit_gateway"), {"traffic_path": 1}, "transit_gateway", "traffic_path+routes"),
    ("within the VPC, the routes lead to an appliance", routed(WITHOUT_NEXT_HOP, "middlebox"), {"traffic_path": 1}, "middlebox", "traffic_path+routes"),
    ("within the VPC, the routes contradict the code", routed(WITHOUT_NEXT_HOP, "internet_gateway"), {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    ("within the VPC, a dead route contradicts the code", routed(WITHOUT_NEXT_HOP, "blackhole"), {"traffic_path": 1}, "vpc_resource", "traffic_path"),
    ("within the VPC, to an address of the VPC", TO_VPC, {"traffic_path": 1}, "same_vpc", "traffic_path+routes"),
    ("within the VPC, to an interface endpoint", TO_ENDPOINT, {"traffic_path": 1}, "interface_endpoint", "destination"),
    # A next hop of no AWS-managed type, or whose type was not recorded.
    ("an appliance: next hop of no managed type", EGRESS, {"traffic_path": 1, "next_hop_known": True}, "middlebox", "next_hop"),
    ("an interface of a type not recorded", WITHOUT_NEXT_HOP, {"traffic_path": 1, "next_hop_known": True}, "vpc_resource", "next_hop"),
    ("an interface that is known to be a NAT gateway's", WITHOUT_NEXT_HOP, {"next_hop_known": True, "next_hop_owner": Owner.NAT_GATEWAY}, "nat_gateway", "next_hop"),
    ("an interface that is known to be an endpoint's", replace(TO_PRIVATE, next_hop_type_collected=False), {"next_hop_known": True, "next_hop_owner": Owner.VPC_ENDPOINT}, "interface_endpoint", "next_hop"),
    ("an interface that routes lead to", WITHOUT_NEXT_HOP, {"traffic_path": 1, "next_hop_known": True, "next_hop_owner": "middlebox"}, "middlebox", "next_hop"),
    ("a neighbour's interface", TO_VPC, {"traffic_path": 1, "next_hop_known": True}, "same_vpc", "traffic_path+routes"),
    # No field tells.
    ("a code nobody knows yet", EGRESS, {"traffic_path": 9}, "unknown", "none"),
    ("default format", DEFAULT_FORMAT, {}, "unknown", "none"),
    ("default format, to an interface endpoint", replace(TO_ENDPOINT, service_collected=False, next_hop_type_collected=False), {}, "interface_endpoint", "destination"),
    *(
        (f"default format, the routes lead to {way}", routed(DEFAULT_FORMAT, way), {}, way, "routes")
        for way in ("nat_gateway", "internet_gateway", "gateway_endpoint", "egress_only_internet_gateway", "vpc_peering", "transit_gateway", "virtual_private_gateway", "middlebox", "local_zone", "same_vpc", "blackhole")
    ),
    ("default format, by the routes of another time", routed(DEFAULT_FORMAT, "nat_gateway", "routes_assumed"), {}, "nat_gateway", "routes_assumed"),
    ("no direction", routed(DEFAULT_FORMAT, "nat_gateway"), {"direction": None}, "unknown", "none"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "given_too", "path", "evidence"), [pytest.param(*row[1:], id=row[0]) for row in DECISIONS]
)
def test_the_strongest_evidence_decides(facts: Facts, given_too: dict[str, Any], path: str, evidence: str) -> None:
    """Each row of the table: what the record and the network say, the path that follows and its evidence."""
    verdict = judge(replace(facts, **given_too))

    assert (path, evidence) == (verdict.path, verdict.path_evidence)


def test_the_list_of_paths_is_that_of_the_table() -> None:
    """Each path that a row of the table ends in is in the list, and no other: metrics are there for all from the start."""
    assert {path for *_, path, _ in DECISIONS} == set(PATHS)


WAYS = ["internet_gateway", "gateway_endpoint", "transit_gateway", "middlebox", "same_vpc", "blackhole", None]
FACTS = st.builds(
    Facts,
    direction=st.sampled_from(["egress", "ingress", None]),
    log_status=st.sampled_from(["OK", "NODATA", "SKIPDATA", None]),
    traffic_path=st.sampled_from([None, *range(10)]),
    next_hop_interface_type=st.sampled_from([None, "transit_gateway", "vpc_endpoint", "network_load_balancer", "new"]),
    next_hop_known=st.booleans(),
    next_hop_owner=st.sampled_from([None, "ec2_instance", "vpc_endpoint", "sagemaker", "middlebox"]),
    interface_type=st.sampled_from([None, "nat_gateway", "new"]),
    resource_known=st.booleans(),
    recorder=st.sampled_from([None, "nat_gateway", "sagemaker"]),
    pkt_dst_aws_service=st.sampled_from([None, "S3", "EC2"]),
    service_collected=st.booleans(),
    next_hop_type_collected=st.booleans(),
    pkt_dst=st.sampled_from([None, "private", "public", "link_local"]),
    src_rewritten=st.booleans(),
    dst_rewritten=st.booleans(),
    bearing=st.builds(
        Bearing,
        kind=st.sampled_from([None, "private", "public", "public6", "vpc", "link_local"]),
        way=st.sampled_from(WAYS),
        evidence=st.sampled_from(["routes", "routes_assumed"]),
        endpoint=st.booleans(),
        service=st.sampled_from([None, "S3"]),
        listed=st.booleans(),
    ),
)


@given(FACTS)
def test_the_verdict_never_says_nat_without_evidence(facts: Facts) -> None:
    """Where neither a next hop nor a route is a NAT gateway, no combination of all other facts makes one of it."""
    verdict = judge(facts)

    assert verdict.path != "nat_gateway"
    assert (verdict.path is None) == (verdict.path_evidence is None)
    assert (verdict.path == "unknown") == (verdict.path_evidence == "none")
    assert verdict.path in {None, *PATHS}


@given(FACTS)
def test_routes_of_another_time_are_never_called_proof(facts: Facts) -> None:
    """What rests on a route table that nobody saw at the time says so."""
    verdict = judge(replace(facts, bearing=replace(facts.bearing, evidence="routes_assumed")))

    assert verdict.path_evidence not in ("routes", "traffic_path+routes")


PRIVATE_TO_PUBLIC = Ends(log_status="OK", src="private", dst="public")


@pytest.mark.parametrize(
    ("ends", "direction"),
    [
        (replace(PRIVATE_TO_PUBLIC, flow_direction="egress"), "egress"),
        (replace(PRIVATE_TO_PUBLIC, flow_direction="ingress"), "ingress"),
        (PRIVATE_TO_PUBLIC, "egress"),
        (replace(PRIVATE_TO_PUBLIC, src="public", dst="private"), "ingress"),
        (replace(PRIVATE_TO_PUBLIC, dst="private"), None),
        (replace(PRIVATE_TO_PUBLIC, src="public6", dst="public6"), None),
        (replace(PRIVATE_TO_PUBLIC, src="public6", dst="public6", src_own=True), "egress"),
        (replace(PRIVATE_TO_PUBLIC, dst="private", dst_own=True), "ingress"),
        (replace(PRIVATE_TO_PUBLIC, dst="private", dst_own=True, src_inside=True), "ingress"),
        (replace(PRIVATE_TO_PUBLIC, dst="private", src_own=True, dst_own=True), None),
        (replace(PRIVATE_TO_PUBLIC, dst="private", src_inside=True), "egress"),
        (replace(PRIVATE_TO_PUBLIC, src="public", dst="public", dst_inside=True), "ingress"),
        (replace(PRIVATE_TO_PUBLIC, log_status="NODATA"), None),
        (replace(PRIVATE_TO_PUBLIC, src=None), None),
    ],
)
def test_the_direction_is_recorded_or_follows_from_whose_address_is_whose(ends: Ends, direction: str | None) -> None:
    """flow-direction, then the interface's own address, then the VPC's, then the private one; two of a kind: none."""
    assert direction == ends.direction


@pytest.mark.parametrize(
    ("given_too", "vantage"),
    [
        ({}, None),
        ({"interface_type": "nat_gateway"}, "nat_gateway"),
        ({"interface_type": "transit_gateway"}, "transit_gateway"),
        ({"interface_type": "a_type_of_next_year"}, None),
        ({"resource_known": True}, "regional_nat_gateway"),
        ({"interface_known": False}, "regional_nat_gateway"),
        ({"recorder": Owner.NAT_GATEWAY}, "nat_gateway"),
        ({"recorder": Owner.VPC_ENDPOINT}, "vpc_endpoint"),
        ({"recorder": Owner.GATEWAY_LOAD_BALANCER_ENDPOINT}, "vpc_endpoint"),
        ({"recorder": "middlebox"}, "middlebox"),
        ({"recorder": Owner.SAGEMAKER}, None),
        ({"recorder": Owner.EC2_INSTANCE}, None),
        ({"direction": "ingress", "pkt_dst": "public", "dst_rewritten": True}, "transit"),
        ({"direction": None, "pkt_dst": "public6", "dst_rewritten": True}, "transit"),
        ({"pkt_src": "public", "src_rewritten": True}, "transit"),
        ({"pkt_dst": "public", "dst_rewritten": True}, None),
        ({"pkt_src": "private", "src_rewritten": True}, None),
    ],
)
def test_transit_interfaces_are_told_from_workloads(given_too: dict[str, Any], vantage: str | None) -> None:
    """A managed type, a regional NAT's id, the inventory, or a public packet address that is not the interface's own."""
    assert vantage == judge(replace(EGRESS, **given_too)).vantage


LISTED = Bearing(kind="public", service="S3", region="eu-central-1", listed=True)
RANGED = Bearing(kind="public", service="EC2", region="us-east-1")


@pytest.mark.parametrize(
    ("given_too", "service", "region"),
    [
        ({"pkt_dst_aws_service": "S3"}, "S3", None),
        ({"pkt_dst_aws_service": "AMAZON", "bearing": LISTED}, "S3", "eu-central-1"),
        ({"bearing": LISTED}, "S3", "eu-central-1"),
        ({"bearing": RANGED}, "EC2", "us-east-1"),
        ({"pkt_dst_aws_service": "AMAZON", "bearing": RANGED}, "AMAZON", "us-east-1"),
        ({"pkt_src_aws_service": "S3"}, None, None),
        ({"direction": "ingress", "pkt_src_aws_service": "S3"}, "S3", None),
        ({"bearing": replace(RANGED, kind="vpc")}, None, None),
    ],
)
def test_the_regions_own_prefix_list_knows_s3_best(
    given_too: dict[str, Any], service: str | None, region: str | None
) -> None:
    """Service and region of the remote: the prefix list, then what was recorded, then AWS's published ranges."""
    verdict = judge(replace(EGRESS, **given_too))

    assert (service, region) == (verdict.remote_service, verdict.remote_region)
