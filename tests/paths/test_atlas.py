"""What the network of a time says of a destination: the longest prefix, gateways, endpoints, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.paths import Atlas, Bearing
from flowaudit.paths.addresses import Address, Prefixes
from flowaudit.topology import (
    Endpoint,
    Interface,
    IpRange,
    Network,
    Owner,
    PrefixList,
    Route,
    RouteTable,
    Snapshot,
    Subnet,
    Topology,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LOCAL = (
    Route(destination="10.0.0.0/16", target="local", origin="CreateRouteTable"),
    Route(destination="2001:db8:1::/56", target="local", origin="CreateRouteTable"),
)
PRIVATE = RouteTable(
    route_table_id="rtb-private",
    routes=(
        *LOCAL,
        Route(destination="0.0.0.0/0", target="nat-1"),
        Route(destination="::/0", target="eigw-1"),
        Route(destination="pl-s3", target="vpce-s3"),
        Route(destination="192.168.0.0/16", target="pcx-1"),
        Route(destination="192.168.7.0/24", target="tgw-1"),
        Route(destination="172.16.0.0/12", target="vgw-1", origin="EnableVgwRoutePropagation"),
        Route(destination="172.16.0.0/12", target="pcx-1"),
        Route(destination="198.51.100.0/24", target="pcx-gone", state="blackhole"),
        Route(destination="203.0.113.0/25", target="eni-appliance"),
        Route(destination="203.0.113.128/25", target="vpce-firewall"),
        Route(destination="pl-own", target="lgw-1"),
        Route(destination="192.0.2.0/25", target="igw-1"),
        Route(destination="192.0.2.128/26", target="cagw-1", state="filtered"),
        Route(destination="100.64.0.0/10", target="arn:aws:networkmanager::111122223333:core-network/core-network-1"),
    ),
)
ISOLATED = RouteTable(route_table_id="rtb-main", main=True, routes=LOCAL)
NETWORK = Network(
    vpc_id="vpc-1",
    account_id="111122223333",
    region="eu-central-1",
    cidrs=("10.0.0.0/16", "2001:db8:1::/56"),
    subnets=(
        Subnet(subnet_id="subnet-private", route_table_id="rtb-private", explicit=True),
        Subnet(subnet_id="subnet-isolated", route_table_id="rtb-main"),
        Subnet(subnet_id="subnet-unclear"),
    ),
    route_tables=(ISOLATED, PRIVATE),
    endpoints=(
        Endpoint(endpoint_id="vpce-s3", type="Gateway", service="com.amazonaws.eu-central-1.s3"),
        Endpoint(endpoint_id="vpce-firewall", type="GatewayLoadBalancer", service="com.amazonaws.vpce.firewall"),
        Endpoint(
            endpoint_id="vpce-api",
            type="Interface",
            service="com.amazonaws.eu-central-1.sagemaker.api",
            addresses=("10.0.1.77",),
        ),
    ),
    prefix_lists=(
        PrefixList(prefix_list_id="pl-s3", name="com.amazonaws.eu-central-1.s3", cidrs=("52.219.0.0/17",)),
        PrefixList(prefix_list_id="pl-own", name="partners", cidrs=("192.0.2.0/25", "192.0.2.64/32")),
    ),
)
RANGES = (
    IpRange(prefix="52.216.0.0/15", region="us-east-1", service="S3"),
    IpRange(prefix="52.216.0.0/15", region="us-east-1", service="AMAZON"),
    IpRange(prefix="52.216.8.0/24", region="us-east-1", service="EC2"),
    IpRange(prefix="3.64.0.0/12", region="eu-central-1", service="EC2"),
    IpRange(prefix="3.64.0.0/12", region="eu-central-1", service="AMAZON"),
    IpRange(prefix="2600:1f00::/24", region="us-east-1", service="AMAZON"),
)


def _atlas(*networks: Network, **more: Any) -> Atlas:
    """What is known after looks at noon and every hour from then on, each of which found another network."""
    times = [NOON + timedelta(hours=n) for n in range(len(networks))]
    ends: list[datetime | None] = [*times[1:], None]
    snapshots = tuple(
        Snapshot(network=network, observed_at=at, until=at + timedelta(minutes=30), changed_at=end)
        for network, at, end in zip(networks, times, ends, strict=True)
    )
    interfaces = tuple(
        Interface(interface_id=f"eni-{name}", account_id="1", region="r", vpc_id="vpc-1", subnet_id=f"subnet-{name}")
        for name in ("private", "isolated", "unclear", "elsewhere")
    )
    return Atlas(Topology(snapshots=snapshots, interfaces=interfaces, ip_ranges=RANGES, **more))


def _way(network: Network, address: str, place: str = "private") -> str | None:
    return _atlas(network).at(f"eni-{place}", NOON, address).way


@pytest.mark.parametrize(
    ("address", "way"),
    [
        ("203.0.114.1", "nat_gateway"),
        ("10.0.9.9", "same_vpc"),
        ("10.1.0.1", "nat_gateway"),
        ("52.219.127.255", "gateway_endpoint"),
        ("52.219.128.0", "nat_gateway"),
        ("192.168.1.1", "vpc_peering"),
        ("192.168.7.1", "transit_gateway"),
        ("172.16.0.1", "vpc_peering"),
        ("198.51.100.7", "blackhole"),
        ("203.0.113.1", "middlebox"),
        ("203.0.113.200", "middlebox"),
        ("192.0.2.1", "internet_gateway"),
        ("192.0.2.64", "local_zone"),
        ("192.0.2.130", "nat_gateway"),
        ("100.64.1.1", "transit_gateway"),
        ("2001:db8:1::9", "same_vpc"),
        ("2001:db8:2::9", "egress_only_internet_gateway"),
        ("not an address", None),
    ],
)
def test_the_longest_prefix_decides(address: str, way: str | None) -> None:
    """CIDRs and prefix lists alike; of two alike a static route comes before a propagated one and a list's."""
    assert way == _way(NETWORK, address)


@pytest.mark.parametrize(
    ("place", "address", "way"),
    [
        ("isolated", "10.0.9.9", "same_vpc"),
        ("isolated", "203.0.114.1", "blackhole"),
        ("unclear", "203.0.114.1", None),
        ("elsewhere", "203.0.114.1", None),
        ("unheard-of", "203.0.114.1", None),
    ],
)
def test_each_subnet_has_its_own_table(place: str, address: str, way: str | None) -> None:
    """The main table where there is no other; where no route matches nothing leaves; else nothing is known."""
    assert way == _way(NETWORK, address, place)


def test_a_prefix_list_without_entries_may_hold_any_address() -> None:
    """Where a list of a table could not be read, only the VPC's own addresses are certain."""
    blurred = replace(NETWORK, prefix_lists=NETWORK.prefix_lists[:1])

    assert [_way(blurred, address) for address in ("203.0.114.1", "10.0.9.9")] == [None, "same_vpc"]


def test_endpoint_addresses_are_known() -> None:
    """The address of an interface endpoint is one, its neighbour is not."""
    atlas = _atlas(NETWORK)

    assert [atlas.at("eni-private", NOON, a).endpoint for a in ("10.0.1.77", "10.0.1.78")] == [True, False]


@pytest.mark.parametrize(
    ("address", "kind", "service", "region", "listed"),
    [
        ("52.219.1.1", "public", "S3", "eu-central-1", True),
        ("52.217.1.1", "public", "S3", "us-east-1", False),
        ("52.216.8.1", "public", "S3", "us-east-1", False),
        ("3.64.1.1", "public", "EC2", "eu-central-1", False),
        ("2600:1f00::1", "public6", "AMAZON", "us-east-1", False),
        ("203.0.114.1", "public", None, None, False),
        ("10.0.0.1", "vpc", None, None, False),
        ("2001:db8:1::1", "vpc6", None, None, False),
        ("10.1.0.1", "private", None, None, False),
    ],
)
def test_whose_an_address_is(address: str, kind: str, service: str | None, region: str | None, listed: bool) -> None:
    """The region's own prefix list first, then AWS's ranges, those of a service before those that hold everything."""
    found = _atlas(NETWORK).at("eni-private", NOON, address)

    assert (kind, service, region, listed) == (found.kind, found.service, found.region, found.listed)


LEAKING = replace(
    NETWORK,
    route_tables=(ISOLATED, replace(PRIVATE, routes=(*LOCAL, Route(destination="0.0.0.0/0", target="igw-1")))),
)


@pytest.mark.parametrize(
    ("minutes", "way", "evidence"),
    [
        (-1, "nat_gateway", "routes_assumed"),
        (0, "nat_gateway", "routes"),
        (30, "nat_gateway", "routes"),
        (31, None, None),
        (59, None, None),
        (60, "internet_gateway", "routes"),
        (90 + 60, "internet_gateway", "routes"),
        (90 + 61, "internet_gateway", "routes_assumed"),
    ],
)
def test_snapshots_hold_as_long_as_somebody_saw_them(minutes: int, way: str | None, evidence: str | None) -> None:
    """From the look that found it to the last one that confirmed it; the newest for an hour longer."""
    found = _atlas(NETWORK, LEAKING).at("eni-private", NOON + timedelta(minutes=minutes), "203.0.114.1")

    assert (way, evidence) == (found.way, found.evidence)


def test_what_two_snapshots_agree_upon_is_certain() -> None:
    """Between two looks that differ elsewhere the local route is as certain as ever."""
    found = _atlas(NETWORK, LEAKING).at("eni-private", NOON + timedelta(minutes=45), "10.0.9.9")

    assert (found.way, found.evidence) == ("same_vpc", "routes")


def test_without_topology_only_addresses_are_known() -> None:
    """An empty atlas knows what kind an address is, and calls nothing proven."""
    assert Bearing(kind="public") == Atlas().at("eni-private", NOON, "203.0.113.1")


def test_interfaces_that_routes_lead_to_are_middleboxes() -> None:
    """By the interface's own id, or its instance's."""
    routes = (*LOCAL, Route(destination="0.0.0.0/0", target="i-1"))
    network = replace(NETWORK, route_tables=(replace(PRIVATE, routes=(*PRIVATE.routes, *routes)),))
    snapshot = Snapshot(network=network, observed_at=NOON, until=NOON)
    server = Interface(
        interface_id="eni-server", account_id="1", region="r", instance_id="i-1", owner=Owner.EC2_INSTANCE
    )
    atlas = Atlas(
        Topology(snapshots=(snapshot,), interfaces=(server, replace(server, interface_id="eni-x", instance_id="i-2")))
    )

    found = [atlas.recorder(id) for id in ("eni-appliance", "eni-server", "eni-x", "eni-new")]

    assert found == ["middlebox", "middlebox", Owner.EC2_INSTANCE, None]


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "2001:db8::/129", "10.0.0/8", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    """A prefix that cannot be is no prefix at all."""
    with pytest.raises(ValueError, match="is no network"):
        Prefixes([(text, True)])


NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: str(ip_network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1])))
)


@given(st.lists(NETWORKS, min_size=1, unique=True), st.integers(0, 2**32 - 1))
def test_the_longest_prefix_is_what_a_patient_search_finds(networks: list[str], number: int) -> None:
    """Of all prefixes that hold an address, in whatever order they come, the longest."""
    holding = [n for n in map(ip_network, networks) if ip_address(number) in n]

    found = Prefixes((network, network) for network in networks).find(Address(4, number))

    assert found == (str(max(holding, key=lambda n: n.prefixlen)) if holding else None)


@given(
    st.sampled_from(["10.0.0.0", "52.219.0.0", "203.0.113.0", "192.0.2.0", "0.0.0.0", "255.255.255.0"]),
    st.integers(0, 255),
)
def test_a_segment_is_as_good_as_each_of_its_addresses(network: str, host: int) -> None:
    """What is said of an address through its segment is what its own routes say."""
    atlas, address = _atlas(NETWORK), str(ip_address(network) + host)
    chronicle = atlas.chronicle("vpc-1")
    assert chronicle

    (chart,), _ = chronicle.standing(NOON)

    assert atlas.at("eni-private", NOON, address).way == chart.way(
        "subnet-private", Address(4, int(ip_address(address)))
    )
