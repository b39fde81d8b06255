"""The VPC itself: addresses, private subnets, their route tables, DNS; or the VPC that is there already."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.config import Setup
from flowaudit.setup.naming import VPC, private_route_tables, private_subnets, tags
from flowaudit.setup.template import Intrinsic, Noted, Output, Parameter, Part, Resource, Value, joined, ref


def network(setup: Setup) -> Part:
    """Return the VPC with its private subnets, made or given."""
    if setup.existing_vpc.id:
        return Part(outputs=_outputs(setup), parameters=tuple(_given(setup)))
    return Part(resources=(*_vpc(setup), *_subnets(setup), *_route_tables(setup)), outputs=_outputs(setup))


def zone(setup: Setup, number: int) -> dict[str, Value]:
    """Return the property of a subnet that places it in the zone of a number, from 0."""
    zones = setup.availability_zones
    if isinstance(zones, int):
        return {"AvailabilityZone": Intrinsic("Select", [number, Intrinsic("GetAZs", "")])}
    return {"AvailabilityZoneId": zones[number]}


def _vpc(setup: Setup) -> Iterator[Resource]:
    domain = "ec2.internal" if setup.region == "us-east-1" else f"{setup.region}.compute.internal"
    yield Resource(
        VPC,
        "AWS::EC2::VPC",
        "The private VPC of models, jobs and notebooks.",
        {
            "CidrBlock": setup.cidr,
            "EnableDnsSupport": Noted(
                True,
                "Default DNS settings: standard URLs of S3 and private DNS names of interface endpoints resolve.",
            ),
            "EnableDnsHostnames": True,
            "InstanceTenancy": Noted(
                "default", "Training and compilation jobs run in subnets of default tenancy only."
            ),
            "Tags": tags(setup, ""),
        },
    )
    yield Resource(
        "DhcpOptions",
        "AWS::EC2::DHCPOptions",
        "SageMaker refuses a VPC whose DHCP options lack domain-name or domain-name-servers.",
        {
            "DomainName": domain,
            "DomainNameServers": ["AmazonProvidedDNS"],
            "Tags": tags(setup, "dhcp"),
        },
    )
    yield Resource(
        "DhcpOptionsAssociation",
        "AWS::EC2::VPCDHCPOptionsAssociation",
        "Associates the DHCP options with the VPC.",
        {"VpcId": ref(VPC), "DhcpOptionsId": ref("DhcpOptions")},
    )


def _subnets(setup: Setup) -> Iterator[Resource]:
    layout = setup.layout
    for number, (name, block) in enumerate(zip(private_subnets(setup), layout.private, strict=True)):
        yield Resource(
            name,
            "AWS::EC2::Subnet",
            f"Private subnet in Availability Zone {number + 1} of {setup.zones}. SageMaker may place all instances "
            f"in it: {setup.instances} instances, 2 addresses each, twice for blue/green deployments, and the "
            f"interface endpoints take {layout.needed} addresses.",
            {
                "VpcId": ref(VPC),
                **zone(setup, number),
                "CidrBlock": str(block),
                "MapPublicIpOnLaunch": Noted(False, "Network interfaces get no public address."),
                "Tags": tags(setup, f"private-{number + 1}"),
            },
        )


def _route_tables(setup: Setup) -> Iterator[Resource]:
    reason = (
        "No route to 0.0.0.0/0: no internet access. CloudFormation adds the route to S3 with the endpoint."
        if setup.profile == "isolated"
        else "Its route to 0.0.0.0/0 has a NAT gateway as its target, never the internet gateway."
    )
    pairs = zip(private_route_tables(setup), private_subnets(setup), strict=True)
    for number, (table, subnet) in enumerate(pairs, start=1):
        yield Resource(
            table,
            "AWS::EC2::RouteTable",
            f"Route table of {subnet}. {reason}",
            {"VpcId": ref(VPC), "Tags": tags(setup, f"private-{number}")},
        )
        yield Resource(
            f"{subnet}RouteTable",
            "AWS::EC2::SubnetRouteTableAssociation",
            f"Associates {table} with {subnet}.",
            {"SubnetId": ref(subnet), "RouteTableId": ref(table)},
        )


def _given(setup: Setup) -> Iterator[Parameter]:
    """Yield the parameters that take the place of resources, under the same names."""
    given = setup.existing_vpc
    yield Parameter(VPC, "AWS::EC2::VPC::Id", "The VPC to complete.", given.id)
    for name, subnet in zip(private_subnets(setup), given.subnets, strict=True):
        yield Parameter(
            name, "AWS::EC2::Subnet::Id", "A private subnet, the only one of them in its Availability Zone.", subnet
        )
    for name, table in zip(private_route_tables(setup), given.route_tables, strict=True):
        yield Parameter(
            name,
            "String",
            "Route table of these subnets, without an S3 gateway endpoint so far.",
            table,
            "^rtb-[0-9a-f]{8,17}$",
            "the id of a route table",
        )


def _outputs(setup: Setup) -> tuple[Output, ...]:
    return (
        Output("VpcId", "The VPC.", ref(VPC)),
        Output(
            "PrivateSubnetIds", "The private subnets, for models, jobs and notebooks.", joined(private_subnets(setup))
        ),
    )
