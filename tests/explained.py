"""A VPC, flow logs of it, and looks at it, in small: what explanations are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowaudit import catalogue
from flowaudit.app import App
from flowaudit.collect import collect
from flowaudit.config import Config, LakeSettings, shipped
from flowaudit.explain import Explanation, Question, explain
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.schema import IP_RANGES
from flowaudit.sources.local import LocalSource
from flowaudit.topology import (
    Attribution,
    Discovery,
    Endpoint,
    FlowLog,
    Gateway,
    Interface,
    Network,
    Owner,
    PrefixList,
    Route,
    RouteTable,
    Subnet,
)
from tests.flowlogs import START, V2, V5, write

V11 = f"{V5} interface-type resource-id next-hop-interface-id next-hop-interface-type"
NOON = datetime.fromtimestamp(START, UTC) + timedelta(hours=12)
ACCOUNT, REGION = "123456789012", "us-east-1"
ENI, VPC, SUBNET, TABLE = "eni-0a", "vpc-0a", "subnet-0a", "rtb-0a"
S3_ADDRESS, ADDRESS, ADDRESS_6 = "198.51.100.7", "203.0.113.9", "2001:db8:9::9"
S3_ELSEWHERE, S3_UNLISTED = "192.0.2.130", "192.0.2.200"
RANGES = [
    {"created_at": NOON + timedelta(days=3650), "prefix": prefix, "region": region, "service": "S3"}
    for prefix, region in (("192.0.2.128/26", "eu-west-1"), ("192.0.2.192/26", "us-east-1"))
]
S3 = PrefixList(prefix_list_id="pl-0s3", name="com.amazonaws.us-east-1.s3", owner_id="AWS", cidrs=("198.51.100.0/24",))
GATEWAY = Endpoint(endpoint_id="vpce-0s3", type="Gateway", service="com.amazonaws.us-east-1.s3", state="available")
NAT = Gateway(kind="nat_gateway", gateway_id="nat-0a", state="available", subnet_id="subnet-0p", connectivity="public")
LOCAL = Route(destination="10.0.0.0/16", target="local", origin="CreateRouteTable")
JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud"


def network(*routes: Route, main: bool = False, **more: Any) -> Network:
    """Return a VPC whose workload's subnet has these routes beside the local one, and a public subnet of its own."""
    private = Subnet(
        subnet_id=SUBNET, az_id="use1-az1", cidrs=("10.0.0.0/24",), route_table_id=TABLE, explicit=not main
    )
    public = Subnet(subnet_id="subnet-0p", az_id="use1-az1", route_table_id="rtb-0p", explicit=True)
    outside = Route(destination="0.0.0.0/0", target="igw-0a")
    defaults: dict[str, Any] = {
        "cidrs": ("10.0.0.0/16",),
        "subnets": (private, public),
        "route_tables": (
            RouteTable(route_table_id=TABLE, main=main, routes=(LOCAL, *routes)),
            RouteTable(route_table_id="rtb-0p", routes=(LOCAL, outside)),
        ),
        "prefix_lists": (S3,),
    }
    return Network(vpc_id=VPC, account_id=ACCOUNT, region=REGION, **defaults | more)


def to(target: str, destination: str = "0.0.0.0/0", **more: Any) -> Route:
    """Return a route, by default the default one."""
    return Route(destination=destination, target=target, **more)


def interface(interface_id: str = ENI, **more: Any) -> Interface:
    """Return the interface of a training job."""
    defaults: dict[str, Any] = {
        "vpc_id": VPC,
        "subnet_id": SUBNET,
        "status": "in-use",
        "interface_type": "interface",
        "description": "[DO NOT DELETE] ENI managed by SageMaker",
        "private_addresses": ("10.0.0.5",),
        "owner": Owner.SAGEMAKER,
        "workload_kind": "training_job",
        "workload": "fraud",
        "workload_arn": JOB,
        "attribution": Attribution.SECURITY_GROUPS,
        "confidence": 0.8,
        "evidence": "its subnet and security groups are this job's alone",
    }
    return Interface(interface_id=interface_id, account_id=ACCOUNT, region=REGION, **defaults | more)


def record(minute: int = 0, header: str = V11, **fields: Any) -> str:
    """Return one line of egress that began so long after noon; names have _ for -, what is None is not recorded."""
    start = int(NOON.timestamp()) + 60 * minute
    remote = fields.get("dstaddr", ADDRESS)
    values: dict[str, Any] = {
        "version": 11, "account_id": ACCOUNT, "interface_id": ENI, "srcaddr": "10.0.0.5", "dstaddr": remote,
        "srcport": 40000, "dstport": 443, "protocol": 6, "packets": 10, "bytes": 1000, "start": start,
        "end": start + 50, "action": "ACCEPT", "log_status": "OK", "vpc_id": VPC, "subnet_id": SUBNET,
        "pkt_srcaddr": fields.get("srcaddr", "10.0.0.5"), "pkt_dstaddr": remote, "region": REGION,
        "flow_direction": "egress",
    }  # fmt: skip
    values |= fields
    told = (values.get(name.replace("-", "_")) for name in header.split())
    return " ".join("-" if value is None else str(value) for value in told)


@cache
def views() -> Mapping[str, str]:
    """Return the shipped views."""
    return catalogue.load([shipped("queries")]).views


@dataclass(frozen=True)
class Scene:
    """A lake to be filled and asked."""

    folder: Path

    @property
    def app(self) -> App:
        """The lake, wired up."""
        return App(Config(lake=LakeSettings(uri=str(self.folder / "lake"))))

    @property
    def lake(self) -> Lake:
        """The lake, which is there and knows two ranges of AWS's."""
        lake = self.app.lake
        if not lake.exists():
            lake.create()
            lake.log("ip_ranges").commit(pa.Table.from_pylist(RANGES, IP_RANGES), {})
        return lake

    def look(self, found: Network, *interfaces: Interface, minute: int = 0) -> None:
        """Let AWS be looked at so long after noon."""
        at = NOON + timedelta(minutes=minute)
        interfaces = interfaces or (interface(),)
        history.record(
            self.lake,
            Discovery(account_id=ACCOUNT, region=REGION, at=at, networks=(found,), interfaces=interfaces),
        )

    def collect(self, *records: str, flow_log: str = "fl-0a", header: str = V11) -> None:
        """Bring an object of a flow log into the lake, judged by what is known now."""
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_20260101T1200Z_abcdef0{len(records)}.log.gz"
        path = self.folder / f"logs/AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/01/01" / name
        write(path, *records, header=header)
        collect([(LocalSource(str(path)), None)], self.lake, atlas=self.app.atlas())

    def explain(
        self,
        remote: str = ADDRESS,
        *others: str,
        interface_id: str = ENI,
        allowed: tuple[str, ...] = ("nat_gateway",),
        **more: Any,
    ) -> Explanation:
        """Explain traffic with an address; where there is no record, as it would be half a minute after noon."""
        moment = NOON + timedelta(seconds=30)
        question = Question(interface_id=interface_id, remotes=(remote, *others), otherwise=moment, **more)
        return explain(self.lake, views(), self.app.atlas(), question, allowed)


FULL_LOG = FlowLog(
    flow_log_id="fl-0b",
    resource_id=VPC,
    destination_type="s3",
    destination="arn:aws:s3:::flow-logs/all/",
    format=" ".join(f"${{{name}}}" for name in V11.split()),
)
POOR_LOG = replace(FULL_LOG, flow_log_id="fl-0a", format=" ".join(f"${{{name}}}" for name in V2.split()))
