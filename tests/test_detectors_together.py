"""The whole catalogue on simulated traffic: quiet where all is as it should be, and each leak is found by its detector.

One lake holds a day. In each hour the same ordinary traffic goes on, and in all but the first one thing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowaudit import catalogue, sql
from flowaudit.collect import collect
from flowaudit.config import Policy, shipped
from flowaudit.detect import detect
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.paths import Atlas
from flowaudit.simulate import FORMATS, FlowLog, Kind, Silence, Stream, default_network, generate, log_objects, streams
from flowaudit.simulate import Network as Simulated
from flowaudit.sources import KINDS
from flowaudit.topology import (
    Discovery,
    Endpoint,
    Interface,
    IpRange,
    Network,
    Owner,
    PrefixList,
    Route,
    RouteTable,
    Subnet,
    Workload,
)
from flowaudit.topology import FlowLog as KnownFlowLog

ACCOUNT, REGION = "123456789012", "us-east-1"
NOON = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/fraud"
ENDPOINT = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/scoring"
MODEL = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/scoring"
NETWORK = default_network(1)
NODES, COPIES = NETWORK.workloads[:6], NETWORK.workloads[6:]
"""Nodes of one training job, and two copies of an endpoint of an isolated model, which have nothing to say."""
ORDINARY = Simulated(NETWORK.vpc, tuple(each for each in NETWORK.interfaces if each not in COPIES))
ELSEWHERE = streams.remotes("192.0.2.128/28", service="S3")
APIS = streams.remotes("192.0.2.192/28", service="AMAZON")
NAT, CLIENT, FILES = (NETWORK.first(kind) for kind in (Kind.NAT_GATEWAY, Kind.CLIENT, Kind.FILE_SYSTEM))
OWNERS = {
    Kind.WORKLOAD: Owner.SAGEMAKER,
    Kind.NAT_GATEWAY: Owner.NAT_GATEWAY,
    Kind.TRANSIT_GATEWAY: Owner.TRANSIT_GATEWAY,
    Kind.VPC_ENDPOINT: Owner.VPC_ENDPOINT,
    Kind.FILE_SYSTEM: Owner.EFS,
    Kind.CLIENT: Owner.EC2_INSTANCE,
    Kind.MIDDLEBOX: Owner.EC2_INSTANCE,
}

Planted = tuple[Stream | Silence | None, set[str]]
PLANTED: dict[str, Planted] = {
    "nothing": (None, set()),
    "internet gateway": (streams.leak_by_internet_gateway(ORDINARY), {"internet-egress-bypasses-nat"}),
    "internet gateway, IPv6": (
        streams.leak_by_internet_gateway(ORDINARY, ipv6=True),
        {"internet-egress-bypasses-nat"},
    ),
    "S3 by NAT": (streams.leak_s3_by_nat(ORDINARY), {"s3-bypasses-endpoint"}),
    "S3 by internet gateway": (
        streams.leak_s3_by_internet_gateway(ORDINARY),
        {"s3-bypasses-endpoint", "internet-egress-bypasses-nat"},
    ),
    "S3 elsewhere": (
        Stream("leak:region", "nat_gateway", 1, NODES, 1, ELSEWHERE, via=NAT),
        {"s3-of-another-region"},
    ),
    "an API by NAT": (
        Stream("leak:api", "nat_gateway", 1, NODES, 1, APIS, via=NAT),
        {"service-bypasses-interface-endpoint"},
    ),
    "transit gateway": (streams.leak_by_transit_gateway(ORDINARY), {"public-address-over-private-way"}),
    "middlebox": (streams.leak_by_middlebox(ORDINARY), {"public-address-over-private-way"}),
    "attempts": (streams.refused(ORDINARY), {"internet-egress-bypasses-nat-attempted"}),
    "a caller from outside": (
        Stream("leak:inbound", "internet_gateway", 8, NODES, 1, streams.INTERNET, inbound=True),
        {"public-source-reaches-workload", "internet-egress-bypasses-nat"},
    ),
    "SSH": (
        Stream("leak:ssh", "same_vpc", 1, NODES, 1, peers=(CLIENT,), ports=(22,), inbound=True),
        {"unexpected-listener"},
    ),
    "job to endpoint": (
        Stream("leak:lateral", "same_vpc", 1, NODES, 1, peers=COPIES, ports=(8080,)),
        {"lateral-traffic"},
    ),
    "DNS": (
        Stream("leak:dns", "nat_gateway", 1, NODES, 1, streams.INTERNET, via=NAT, ports=(53,), protocol=17),
        {"dns-not-to-vpc-resolver"},
    ),
    "isolated, and talks": (
        Stream("leak:isolated", "same_vpc", 1, COPIES, 1, peers=(FILES,), ports=(2049,)),
        {"network-isolation-contradicted"},
    ),
    "records left out": (streams.skipdata(ORDINARY), {"skipdata"}),
    "silence": (None, {"silent-interface", "coverage-gap"}),
}
"""What is planted in each hour of the day, and who is to find it."""
SILENT = list(PLANTED).index("silence")


def span(hour: int) -> Window:
    """The window of an hour of the day."""
    return Window(NOON + hour * HOUR, NOON + (hour + 1) * HOUR)


def traffic(hour: int) -> Iterator[Stream | Silence]:
    """What goes on in an hour: compliant traffic, idle copies of the endpoint, and what is planted."""
    yield from streams.compliant(ORDINARY, 6)
    yield Silence(COPIES[:1] if hour == SILENT else COPIES, 1)
    planted, _ = list(PLANTED.values())[hour]
    if planted:
        yield planted


def interfaces() -> Iterator[Interface]:
    """What EC2 says of the simulated interfaces, and whose they are."""
    for each in NETWORK.interfaces:
        if each.kind is Kind.REGIONAL_NAT_GATEWAY:
            continue
        known = Interface(
            interface_id=each.id,
            account_id=ACCOUNT,
            region=REGION,
            vpc_id=NETWORK.vpc.id,
            subnet_id=each.subnet.id if each.subnet else None,
            status="in-use",
            private_addresses=(each.address,),
            ipv6_addresses=(each.ipv6,) if each.ipv6 else (),
            instance_id=each.instance_id,
            attached_at=NOON - HOUR,
            owner=OWNERS[each.kind],
        )
        arn = JOB if each in NODES else ENDPOINT
        kind, name = ("training_job", "fraud") if each in NODES else ("endpoint", "scoring")
        is_workload = each.kind is Kind.WORKLOAD
        yield replace(known, workload=name, workload_kind=kind, workload_arn=arn) if is_workload else known


def workloads() -> tuple[Workload, ...]:
    """A job, an endpoint, and the isolated model that it runs."""
    running: dict[str, Any] = {"account_id": ACCOUNT, "region": REGION, "created_at": NOON - HOUR}
    return (
        Workload(arn=JOB, kind="training_job", name="fraud", running=True, **running),
        Workload(arn=ENDPOINT, kind="endpoint", name="scoring", running=True, uses=(MODEL,), **running),
        Workload(arn=MODEL, kind="model", name="scoring", network_isolation=True, **running),
    )


def network() -> Network:
    """The VPC with a default route to the NAT gateway and endpoints for S3 and for an API."""
    subnets = sorted({each.subnet.id for each in NETWORK.interfaces if each.subnet})
    endpoint = NETWORK.first(Kind.VPC_ENDPOINT)
    listed = PrefixList(
        prefix_list_id="pl-0a", name=f"com.amazonaws.{REGION}.s3", owner_id="AWS", cidrs=("52.216.0.0/15",)
    )
    routes = (
        Route(destination="10.0.0.0/16", target="local"),
        Route(destination="pl-0a", target="vpce-0a"),
        Route(destination="0.0.0.0/0", target="nat-0a"),
        Route(destination="::/0", target="igw-0a"),
    )
    return Network(
        vpc_id=NETWORK.vpc.id,
        account_id=ACCOUNT,
        region=REGION,
        cidrs=("10.0.0.0/16", "2001:db8::/56"),
        domain_name_servers=("AmazonProvidedDNS",),
        subnets=tuple(Subnet(subnet_id=each, route_table_id="rtb-0a") for each in subnets),
        route_tables=(RouteTable(route_table_id="rtb-0a", main=True, routes=routes),),
        endpoints=(
            Endpoint(endpoint_id="vpce-0a", type="Gateway", service=f"com.amazonaws.{REGION}.s3"),
            Endpoint(
                endpoint_id="vpce-0b",
                type="Interface",
                service=f"com.amazonaws.{REGION}.sagemaker.api",
                addresses=(endpoint.address,),
            ),
        ),
        prefix_lists=(listed,),
        flow_logs=(
            KnownFlowLog(flow_log_id=FlowLog().id, resource_id=NETWORK.vpc.id, traffic_type="ALL", status="ACTIVE"),
        ),
    )


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with the day's records, judged by what was known of the network before and after."""
    folder = tmp_path_factory.mktemp("together")
    flow_log = FlowLog(fields=FORMATS["v11"])
    for hour in range(len(PLANTED)):
        for key, content in log_objects(generate(NETWORK, traffic(hour), span(hour)), flow_log, rows=100_000):
            file = folder / "logs" / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    lake = Lake(str(folder / "lake"))
    lake.create()
    found = Discovery(
        account_id=ACCOUNT,
        region=REGION,
        at=NOON - HOUR,
        interfaces=tuple(interfaces()),
        workloads=workloads(),
        networks=(network(),),
    )
    for at in (NOON - HOUR, NOON + timedelta(days=1)):
        history.record(lake, replace(found, at=at))
    elsewhere = IpRange(prefix="192.0.2.128/26", region="eu-west-1", service="S3")
    atlas = Atlas(replace(history.topology(lake), ip_ranges=(elsewhere,)))
    report = collect([(KINDS["local"](str(folder / "logs"), None), None)], lake, atlas=atlas)
    assert (report.quarantined, report.skipped, report.failed) == (0, 0, 0)
    return lake


def seen(lake: Lake, policy: Policy) -> dict[int, set[str]]:
    """Who finds something in which hour of the day."""
    queries = catalogue.load([shipped("queries")], policy=policy.model_dump())
    report = detect(lake, queries, Window(NOON, span(len(PLANTED) - 1).until))
    assert report.failures == {}
    with sql.connect(lake, tables=("findings",)) as log:
        rows = log.query("SELECT detector, window_start FROM findings WHERE flows > 0").to_pylist()
    hours: dict[int, set[str]] = {}
    for row in rows:
        hours.setdefault((row["window_start"] - NOON) // HOUR, set()).add(row["detector"])
    return hours


@pytest.fixture(scope="module")
def found(day: Lake) -> dict[int, set[str]]:
    """Who finds something in which hour, by the policy as it is by default."""
    return seen(day, Policy())


@pytest.mark.parametrize("planted", PLANTED)
def test_each_leak_is_found_by_the_detector_meant_for_it(planted: str, found: dict[int, set[str]]) -> None:
    """In each hour those detectors find something that are to, and no other: in the first nobody."""
    assert found.get(list(PLANTED).index(planted), set()) == PLANTED[planted][1]
