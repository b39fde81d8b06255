"""Logical names of the parts of the network, and their tags."""

from __future__ import annotations

from collections.abc import Sequence

from flowaudit.config import Setup
from flowaudit.setup.template import Value

VPC = "Vpc"
WORKLOADS = "WorkloadSecurityGroup"
ENDPOINTS = "EndpointSecurityGroup"
S3_ENDPOINT = "S3Endpoint"
PREFIX_LIST = "S3PrefixListId"


def private_subnets(setup: Setup) -> list[str]:
    """Return the names of the workloads' subnets, made or given."""
    count = len(setup.existing_vpc.subnets) if setup.existing_vpc.id else setup.zones
    return [f"PrivateSubnet{number}" for number in range(1, count + 1)]


def private_route_tables(setup: Setup) -> list[str]:
    """Return the names of their route tables, made or given."""
    count = len(setup.existing_vpc.route_tables) if setup.existing_vpc.id else setup.zones
    return [f"PrivateRouteTable{number}" for number in range(1, count + 1)]


def tags(setup: Setup, name: str) -> Sequence[Value]:
    """Return the tags of a resource: its name, the set-up that it belongs to, and the user's."""
    wanted = {"Name": f"{setup.name}-{name}" if name else setup.name, "flowaudit:setup": setup.name, **setup.tags}
    return [{"Key": key, "Value": value} for key, value in wanted.items()]
