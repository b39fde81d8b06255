"""The scenario's cloud: a VPC with every kind of way out, built with plain EC2 calls against moto.

What moto leaves out is set where it keeps it: kinds of interfaces, addresses of managed interfaces, black holes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

import boto3
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import Route
from moto.server import ThreadedMotoServer

from flowaudit.schema import FIELDS

ACCOUNT, REGION = "123456789012", "us-east-1"
CIDR, SECOND_CIDR, PEER_CIDR, DEAD_CIDR = "10.40.0.0/16", "100.64.0.0/20", "10.50.0.0/16", "10.60.0.0/16"
INSPECTED = "52.217.0.0/24"
"""Addresses of S3 that subnet a has a more specific route for than the prefix list's."""
CIDR6 = "2001:db8:40::/56"
S3 = f"com.amazonaws.{REGION}.s3"
RUNTIME = f"com.amazonaws.{REGION}.sagemaker.runtime"

SUBNETS = {
    "public": ("10.40.0.0/24", "2001:db8:40:0::/64", "a"),
    "a": ("10.40.1.0/24", "2001:db8:40:1::/64", "a"),
    "b": ("10.40.2.0/24", "2001:db8:40:2::/64", "b"),
    "c": ("100.64.1.0/24", None, "c"),
    "d": ("10.40.4.0/24", "2001:db8:40:4::/64", "d"),
    "e": ("10.40.5.0/24", None, "b"),
}
"""CIDRs and zone of each. `e` has no route table of its own: the main one's routes hold."""

NATS = {
    "nat": ("10.40.0.220", "198.51.100.220", "nat_gateway"),
    "regional": ("10.40.0.221", "198.51.100.221", "regional_nat_gateway"),
}
"""Private and public address and kind of each NAT gateway."""
VERSIONS = {"v2": 2, "v3": 3, "v5": 5, "v11": 11, "subnet": 2}
"""Each flow log's version: it has all fields up to that."""

_DOMAIN = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain(d-g7example1234) - "
_NOTEBOOK = "[Do not delete] Network Interface created to access resources in your VPC for SageMaker Notebook Instance "
WORKLOADS = {
    "studio": ("a", "10.40.1.10", "2001:db8:40:1::10", f"{_DOMAIN}0123456789abcdef0123456789abcdef"),
    "scoring": ("a", "10.40.1.11", None, ""),
    "training": ("b", "10.40.2.10", "2001:db8:40:2::10", ""),
    "batch": ("c", "100.64.1.10", None, ""),
    "processing": ("d", "10.40.4.10", "2001:db8:40:4::10", ""),
    "tuning": ("e", "10.40.5.10", None, ""),
    "notebook": ("public", "10.40.0.10", None, f"{_NOTEBOOK}research"),
    "legacy": ("public", "10.40.0.11", None, f"{_NOTEBOOK}legacy"),
}
"""Subnet, addresses and description of each workload's interface; `legacy` runs on hardware older than Nitro."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as a flow log sees it."""

    id: str
    address: str
    subnet_id: str
    az_id: str
    vpc_id: str
    address6: str | None = None
    type: str = "-"
    instance_id: str = "-"


@dataclass(frozen=True, slots=True)
class Cloud:
    """What was built: ids by the names above; `interfaces` also holds `nat`, `endpoint`, `appliance` and `peer`."""

    ec2: Any
    vpc: str
    subnets: dict[str, str]
    tables: dict[str, str]
    interfaces: dict[str, Interface]
    gateways: dict[str, str]
    prefix_list: str
    flow_logs: dict[str, str]

    def change_routes(self) -> None:
        """Let subnet b leak: its default route goes to the internet gateway; and give it the endpoint for S3."""
        table = self.tables["b"]
        self.ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=self.gateways["igw"])
        self.ec2.modify_vpc_endpoint(VpcEndpointId=self.gateways["s3"], AddRouteTableIds=[table])
        # moto keeps the association and leaves out the route that AWS would make with it
        self.ec2.create_route(
            RouteTableId=table, DestinationPrefixListId=self.prefix_list, GatewayId=self.gateways["s3"]
        )


@contextmanager
def serving() -> Iterator[str]:
    """Serve an empty cloud on the loopback; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each call would bury what tests print
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        urlopen(Request(f"{url}/moto-api/reset", method="POST"), timeout=10).close()
        yield url
    finally:
        server.stop()


def client(service: str, url: str) -> Any:
    """Return a client of the served cloud."""
    return boto3.client(service, REGION, endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x")


def build(url: str) -> Cloud:
    """Build all of it as it is before the change."""
    ec2 = client("ec2", url)
    with patch("moto.ec2.models.vpcs.random_ipv6_cidr", return_value=CIDR6):
        vpc = ec2.create_vpc(CidrBlock=CIDR, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=SECOND_CIDR)
    subnets = {name: _subnet(ec2, vpc, *each) for name, each in SUBNETS.items()}
    group = ec2.create_security_group(VpcId=vpc, GroupName="sagemaker", Description="workloads")["GroupId"]
    interfaces = {name: _workload(ec2, subnets, group, each) for name, each in WORKLOADS.items()}
    gateways, others = _ways(ec2, vpc, subnets)
    tables = _routed(ec2, vpc, subnets, gateways, others["appliance"].id)
    gateways["s3"], prefix_list = _s3_endpoint(ec2, vpc, tables["a"])
    return Cloud(
        ec2=ec2,
        vpc=vpc,
        subnets={name: subnet["SubnetId"] for name, subnet in subnets.items()},
        tables=tables,
        interfaces=interfaces | others,
        gateways=gateways,
        prefix_list=prefix_list,
        flow_logs=_flow_logs(ec2, client("s3", url), vpc, subnets["a"]["SubnetId"]),
    )


def _subnet(ec2: Any, vpc: str, cidr: str, cidr6: str | None, zone: str) -> dict[str, Any]:
    six = {"Ipv6CidrBlock": cidr6} if cidr6 else {}
    return ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"{REGION}{zone}", **six)["Subnet"]


def _workload(ec2: Any, subnets: dict[str, Any], group: str, each: tuple[str, str, str | None, str]) -> Interface:
    subnet, address, address6, description = each
    six = {"Ipv6Addresses": [{"Ipv6Address": address6}]} if address6 else {}
    made = ec2.create_network_interface(
        SubnetId=subnets[subnet]["SubnetId"], PrivateIpAddress=address, Description=description, Groups=[group], **six
    )["NetworkInterface"]
    return _interface(made["NetworkInterfaceId"], subnets[subnet], address, address6)


def _interface(id: str, subnet: dict[str, Any], address: str, address6: str | None = None, **more: str) -> Interface:
    return Interface(
        id, address, subnet["SubnetId"], subnet["AvailabilityZoneId"], subnet["VpcId"], address6=address6, **more
    )


def _ways(ec2: Any, vpc: str, subnets: dict[str, Any]) -> tuple[dict[str, str], dict[str, Interface]]:
    """Make all that leads out of the VPC or to other interfaces in it: ids, and interfaces that pass traffic on."""
    six = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    gateways, public = {"igw": internet, "eigw": six["EgressOnlyInternetGatewayId"]}, subnets["public"]
    gateways["nat"], nat = _nat(ec2, public, *NATS["nat"])
    gateways["regional"], _ = _nat(ec2, public, *NATS["regional"])
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=RUNTIME, VpcEndpointType="Interface", SubnetIds=[subnets["a"]["SubnetId"]]
    )["VpcEndpoint"]["NetworkInterfaceIds"][0]
    _managed(endpoint, "10.40.1.99", "vpc_endpoint")
    instance = ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=public["SubnetId"], PrivateIpAddress="10.40.0.20"
    )["Instances"][0]
    appliance = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    peer_vpc = ec2.create_vpc(CidrBlock=PEER_CIDR)["Vpc"]["VpcId"]
    peer_subnet = ec2.create_subnet(VpcId=peer_vpc, CidrBlock="10.50.1.0/24")["Subnet"]
    peer = ec2.create_network_interface(SubnetId=peer_subnet["SubnetId"], PrivateIpAddress="10.50.1.10")
    gateways["peering"] = _peering(ec2, vpc, peer_vpc)
    return gateways, {
        "nat": _interface(nat, public, NATS["nat"][0], type="nat_gateway"),
        "endpoint": _interface(endpoint, subnets["a"], "10.40.1.99", type="vpc_endpoint"),
        "appliance": _interface(appliance, public, "10.40.0.20", instance_id=instance["InstanceId"]),
        "peer": _interface(peer["NetworkInterface"]["NetworkInterfaceId"], peer_subnet, "10.50.1.10"),
    }


def _nat(ec2: Any, subnet: dict[str, Any], address: str, public: str, type: str) -> tuple[str, str]:
    """Make a NAT gateway; moto knows no regional ones, so that one has an interface that records nothing."""
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet["SubnetId"], AllocationId=allocation)["NatGateway"]
    backend = ec2_backends[ACCOUNT][REGION]
    made = backend.nat_gateways[nat["NatGatewayId"]]
    made.address_set[0] |= {"privateIp": address, "publicIp": public}
    interface = nat["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    _managed(interface, address, type)
    return nat["NatGatewayId"], interface


def _managed(interface: str, address: str, type: str) -> None:
    """Give an interface that AWS manages the kind and an address of its subnet, both of which moto makes up."""
    made = ec2_backends[ACCOUNT][REGION].enis[interface]
    made.interface_type, made.requester_managed = type, True
    made.private_ip_address = address
    made.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]


def _peering(ec2: Any, vpc: str, peer: str) -> str:
    id = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    return id


def _routed(ec2: Any, vpc: str, subnets: dict[str, Any], gateways: dict[str, str], appliance: str) -> dict[str, str]:
    main = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    tables = {"e": main}
    for name in ("public", "a", "b", "c", "d"):
        tables[name] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=tables[name], SubnetId=subnets[name]["SubnetId"])
    deleted = _peering(ec2, vpc, ec2.create_vpc(CidrBlock=DEAD_CIDR)["Vpc"]["VpcId"])
    four, six = {"DestinationCidrBlock": "0.0.0.0/0"}, {"DestinationIpv6CidrBlock": "::/0"}
    for name, route in (
        ("public", four | {"GatewayId": gateways["igw"]}),
        ("a", four | {"NatGatewayId": gateways["nat"]}),
        ("a", {"DestinationCidrBlock": INSPECTED, "NetworkInterfaceId": appliance}),
        ("a", {"DestinationCidrBlock": PEER_CIDR, "VpcPeeringConnectionId": gateways["peering"]}),
        ("a", {"DestinationCidrBlock": DEAD_CIDR, "VpcPeeringConnectionId": deleted}),
        ("b", four | {"NatGatewayId": gateways["nat"]}),
        ("b", six | {"GatewayId": gateways["igw"]}),
        ("c", four | {"NetworkInterfaceId": appliance}),
        ("d", six | {"EgressOnlyInternetGatewayId": gateways["eigw"]}),
        ("e", four | {"NatGatewayId": gateways["regional"]}),
    ):
        ec2.create_route(RouteTableId=tables[name], **route)
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=deleted)
    for made in ec2_backends[ACCOUNT][REGION].get_route_table(tables["a"]).routes:
        if made.destination_cidr_block == DEAD_CIDR:
            made.__class__ = _BLACK_HOLE
    return tables


_BLACK_HOLE: Any = type("BlackHole", (Route,), {"state": "blackhole"})
"""A route whose target is gone: to moto every route is active."""


def _s3_endpoint(ec2: Any, vpc: str, table: str) -> tuple[str, str]:
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=S3, VpcEndpointType="Gateway", RouteTableIds=[table])
    named = [{"Name": "prefix-list-name", "Values": [S3]}]
    lists = ec2.describe_managed_prefix_lists(Filters=named)["PrefixLists"]
    return made["VpcEndpoint"]["VpcEndpointId"], lists[0]["PrefixListId"]


def _flow_logs(ec2: Any, s3: Any, vpc: str, subnet: str) -> dict[str, str]:
    """Watch the VPC in each format and subnet a in a flow log beside them, each to its own bucket."""
    ids = {}
    for name, version in VERSIONS.items():
        s3.create_bucket(Bucket=f"logs-{name}")
        watched = {"ResourceType": "Subnet" if name == "subnet" else "VPC", "TrafficType": "ALL"}
        to = {"LogDestinationType": "s3", "LogDestination": f"arn:aws:s3:::logs-{name}"}
        form = {"LogFormat": " ".join(f"${{{field.name}}}" for field in FIELDS if field.version <= version)}
        made = ec2.create_flow_logs(ResourceIds=[subnet if name == "subnet" else vpc], **watched, **to, **form)
        ids[name] = made["FlowLogIds"][0]
    return ids
