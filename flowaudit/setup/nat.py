"""The path to the internet of the profile `nat`: internet gateway, public subnets, NAT gateways, default routes."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.config import Setup
from flowaudit.setup.naming import VPC, private_route_tables, tags
from flowaudit.setup.network import zone
from flowaudit.setup.template import Noted, Output, Part, Resource, attribute, joined, ref

REGIONAL = "RegionalNatGateway"
ATTACHMENT = "InternetGatewayAttachment"


def nat(setup: Setup) -> Part:
    """Return NAT gateways and the routes to them; nothing for the profile `isolated` and for a VPC that is there."""
    if setup.profile == "isolated" or setup.existing_vpc.id:
        return Part()
    names = gateways(setup)
    gateway = [_regional(setup)] if setup.nat == "regional" else _zonal(setup, names)
    return Part(
        resources=(*_internet(setup), *gateway, *_routes(setup, names)),
        outputs=(Output("NatGatewayIds", "The NAT gateways.", joined(names)),),
    )


def gateways(setup: Setup) -> list[str]:
    """Return the names of the NAT gateways."""
    if setup.nat == "regional":
        return [REGIONAL]
    return [f"NatGateway{number}" for number in range(1, setup.public_subnets + 1)]


def _internet(setup: Setup) -> Iterator[Resource]:
    yield Resource(
        "InternetGateway",
        "AWS::EC2::InternetGateway",
        "For the NAT gateways only: no private route table has a route to it.",
        {"Tags": tags(setup, "internet")},
    )
    yield Resource(
        ATTACHMENT,
        "AWS::EC2::VPCGatewayAttachment",
        "Attaches the internet gateway to the VPC.",
        {"VpcId": ref(VPC), "InternetGatewayId": ref("InternetGateway")},
    )


def _zonal(setup: Setup, names: list[str]) -> Iterator[Resource]:
    """Yield the public subnets with one NAT gateway in each."""
    yield Resource(
        "PublicRouteTable",
        "AWS::EC2::RouteTable",
        "Route table of the public subnets.",
        {"VpcId": ref(VPC), "Tags": tags(setup, "public")},
    )
    yield Resource(
        "PublicRoute",
        "AWS::EC2::Route",
        "The only route to the internet gateway.",
        {
            "RouteTableId": ref("PublicRouteTable"),
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": ref("InternetGateway"),
        },
        depends_on=(ATTACHMENT,),
    )
    for number, (name, block) in enumerate(zip(names, setup.layout.public, strict=True)):
        subnet, address, label = f"PublicSubnet{number + 1}", f"NatAddress{number + 1}", f"nat-{number + 1}"
        yield Resource(
            subnet,
            "AWS::EC2::Subnet",
            f"Public subnet of {name} only: never use it for SageMaker.",
            {
                "VpcId": ref(VPC),
                **zone(setup, number),
                "CidrBlock": str(block),
                "MapPublicIpOnLaunch": Noted(
                    False, "The NAT gateway has an Elastic IP address; nothing else gets a public address."
                ),
                "Tags": tags(setup, f"public-{number + 1}"),
            },
        )
        yield Resource(
            f"{subnet}RouteTable",
            "AWS::EC2::SubnetRouteTableAssociation",
            f"Associates PublicRouteTable with {subnet}.",
            {"SubnetId": ref(subnet), "RouteTableId": ref("PublicRouteTable")},
        )
        yield Resource(
            address,
            "AWS::EC2::EIP",
            f"Elastic IP address of {name}.",
            {"Domain": "vpc", "Tags": tags(setup, label)},
            depends_on=(ATTACHMENT,),
        )
        yield Resource(
            name,
            "AWS::EC2::NatGateway",
            f"NAT gateway of Availability Zone {number + 1}."
            if setup.nat == "one_per_az"
            else "The one NAT gateway: every Availability Zone depends on that of PublicSubnet1.",
            {
                "SubnetId": ref(subnet),
                "AllocationId": attribute(address, "AllocationId"),
                "Tags": tags(setup, label),
            },
        )


def _regional(setup: Setup) -> Resource:
    return Resource(
        REGIONAL,
        "AWS::EC2::NatGateway",
        "One regional NAT gateway for all Availability Zones. It needs no public subnet: it has its own route table, "
        "allocates its own addresses, and expands to each Availability Zone with network interfaces.",
        {"VpcId": ref(VPC), "AvailabilityMode": "regional", "ConnectivityType": "public", "Tags": tags(setup, "nat")},
        depends_on=(ATTACHMENT,),
    )


def _routes(setup: Setup, names: list[str]) -> Iterator[Resource]:
    for number, table in enumerate(private_route_tables(setup)):
        gateway = names[number if len(names) > 1 else 0]
        yield Resource(
            f"PrivateRoute{number + 1}",
            "AWS::EC2::Route",
            f"Internet access over {gateway}; S3 has the more specific route of its endpoint.",
            {
                "RouteTableId": ref(table),
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": ref(gateway),
            },
        )
