"""What moto shows of the scenario's cloud, and what its log objects say, is what AWS would: else it proves nothing."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from flowaudit.readers import read
from tests.scenario.cloud import CIDR, CIDR6, DEAD_CIDR, INSPECTED, PEER_CIDR, SECOND_CIDR, Cloud, build, serving
from tests.scenario.flows import FORMATS, TIMES, Traffic, text, traffic

TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
)
LOCAL = {CIDR: "local", SECOND_CIDR: "local", CIDR6: "local"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve one cloud to all tests."""
    with serving() as url:
        yield url


@pytest.fixture
def cloud(url: str) -> Cloud:
    """Return a network of its own for each test."""
    return build(url)


def _table(cloud: Cloud, name: str) -> dict[str, Any]:
    return cloud.ec2.describe_route_tables(RouteTableIds=[cloud.tables[name]])["RouteTables"][0]


def _routes(cloud: Cloud, name: str) -> dict[str, str]:
    """Return the target of each destination that the local routes do not serve."""
    routes = {
        next(value for key, value in route.items() if key.startswith("Destination")): next(
            route[key] for key in TARGETS if key in route
        )
        for route in _table(cloud, name)["Routes"]
    }
    assert LOCAL.items() <= routes.items()
    return {destination: target for destination, target in routes.items() if destination not in LOCAL}


def test_each_subnet_has_the_routes_of_its_kind(cloud: Cloud) -> None:
    """Every way out is a route, S3's a prefix list, and all three of the VPC's own ranges are local."""
    ways = cloud.gateways
    dead = _routes(cloud, "a").pop(DEAD_CIDR)
    assert dead.startswith("pcx-")
    assert _routes(cloud, "a") == {
        "0.0.0.0/0": ways["nat"],
        INSPECTED: cloud.interfaces["appliance"].id,
        PEER_CIDR: ways["peering"],
        DEAD_CIDR: dead,
        cloud.prefix_list: ways["s3"],
    }
    assert _routes(cloud, "b") == {"0.0.0.0/0": ways["nat"], "::/0": ways["igw"]}
    assert _routes(cloud, "c") == {"0.0.0.0/0": cloud.interfaces["appliance"].id}
    assert _routes(cloud, "d") == {"::/0": ways["eigw"]}
    assert _routes(cloud, "e") == {"0.0.0.0/0": ways["regional"]}
    assert _routes(cloud, "public") == {"0.0.0.0/0": ways["igw"]}


def test_the_route_to_a_deleted_peering_is_a_black_hole(cloud: Cloud) -> None:
    """Its state says so, and no other route's does."""
    states = {route.get("DestinationCidrBlock"): route["State"] for route in _table(cloud, "a")["Routes"]}
    assert {destination for destination, state in states.items() if state == "blackhole"} == {DEAD_CIDR}


def test_subnet_e_is_left_to_the_main_table(cloud: Cloud) -> None:
    """No table names subnet e; the main one names no subnet; every other subnet is named by its table."""
    main = _table(cloud, "e")["Associations"]
    assert [(each["Main"], each.get("SubnetId")) for each in main] == [(True, None)]
    named = {
        name: {each["SubnetId"] for each in _table(cloud, name)["Associations"]} for name in cloud.tables if name != "e"
    }
    assert named == {name: {id} for name, id in cloud.subnets.items() if name != "e"}


def test_the_change_moves_subnet_b_to_the_internet_gateway_and_to_the_endpoint(cloud: Cloud) -> None:
    """Its default route and its way to S3 are others afterwards; the other subnets' are as they were."""
    before = {name: _routes(cloud, name) for name in cloud.tables if name != "b"}
    cloud.change_routes()
    ways = cloud.gateways
    assert _routes(cloud, "b") == {"0.0.0.0/0": ways["igw"], "::/0": ways["igw"], cloud.prefix_list: ways["s3"]}
    assert {name: _routes(cloud, name) for name in before} == before
    endpoint = cloud.ec2.describe_vpc_endpoints(VpcEndpointIds=[ways["s3"]])["VpcEndpoints"][0]
    assert set(endpoint["RouteTableIds"]) == {cloud.tables["a"], cloud.tables["b"]}


def test_interfaces_are_of_the_kind_and_address_that_records_show(cloud: Cloud) -> None:
    """Managed ones tell their type; every one has the address, the subnet and the VPC that its records name."""
    ids = {each.id: each for each in cloud.interfaces.values()}
    shown = cloud.ec2.describe_network_interfaces(NetworkInterfaceIds=list(ids))["NetworkInterfaces"]
    assert len(shown) == len(ids)
    for each in shown:
        known = ids[each["NetworkInterfaceId"]]
        assert each["InterfaceType"] == ("interface" if known.type == "-" else known.type)
        assert each["PrivateIpAddresses"] == [{"Primary": True, "PrivateIpAddress": known.address}]
        assert [six["Ipv6Address"] for six in each["Ipv6Addresses"]] == ([known.address6] if known.address6 else [])
        assert (each["SubnetId"], each["VpcId"]) == (known.subnet_id, known.vpc_id)
    nat = cloud.ec2.describe_nat_gateways(NatGatewayIds=[cloud.gateways["nat"]])["NatGateways"][0]
    (address,) = nat["NatGatewayAddresses"]
    assert (address["NetworkInterfaceId"], address["PrivateIp"]) == (cloud.interfaces["nat"].id, "10.40.0.220")


@pytest.fixture
def scenario(cloud: Cloud) -> Traffic:
    """Return all flows and records."""
    return traffic(cloud)


@pytest.mark.parametrize("format", FORMATS)
def test_every_line_is_read(format: str, scenario: Traffic) -> None:
    """Each format's text is read without a line in quarantine, and has all of its fields and no other."""
    for records in scenario.records.values():
        blocks = list(read(io.BytesIO(text(records, format).encode()), None))
        assert sum(block.bad for block in blocks) == 0
        assert sum(block.records.num_rows for block in blocks) == len(records)
        assert {len(block.records.column_names) for block in blocks} == {len(FORMATS[format])}


def test_every_flow_is_recorded_once_by_its_workload(scenario: Traffic) -> None:
    """Among all records there is one egress record with each flow's ports and bytes."""
    recorded = Counter(
        (record["interface-id"], int(record["srcport"]), int(record["dstport"]), int(record["bytes"]))
        for records in scenario.records.values()
        for record in records
        if record["flow-direction"] == "egress"
    )
    assert [recorded[*flow.key, flow.bytes] for flow in scenario.flows] == [1] * len(scenario.flows)
    assert {flow.time for flow in scenario.flows} == set(TIMES)


def test_a_zonal_nat_gateway_records_four_times_what_the_workload_records_twice(
    cloud: Cloud, scenario: Traffic
) -> None:
    """Inside it shows its own private address and, beside it, the packet's; outside only its own."""
    nat, studio = cloud.interfaces["nat"], cloud.interfaces["studio"]
    flow = next(flow for flow in scenario.flows if (flow.workload, flow.destination) == ("studio", "internet"))
    outside = str(flow.port + 20_000)
    ends = [
        (record["srcaddr"], record["dstaddr"], record["pkt-srcaddr"], record["pkt-dstaddr"], record["flow-direction"])
        for record in scenario.records[flow.time]
        if record["interface-id"] == nat.id and {record["srcport"], record["dstport"]} & {str(flow.port), outside}
    ]
    assert ends == [
        (studio.address, nat.address, studio.address, "203.0.113.9", "ingress"),
        (nat.address, "203.0.113.9", nat.address, "203.0.113.9", "egress"),
        ("203.0.113.9", nat.address, "203.0.113.9", nat.address, "ingress"),
        (nat.address, studio.address, "203.0.113.9", studio.address, "egress"),
    ]
