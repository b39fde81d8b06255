"""Sizes and places of the subnets of a new VPC."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

PER_INSTANCE = 2
"""Addresses of a hosted instance: AWS's guide, "Ensure That Subnets Have Enough IP Addresses"."""
DEPLOYMENTS = 2
"""A blue/green deployment has both fleets at once."""
RESERVED = 5
"""Addresses of each subnet that AWS keeps: VPC User Guide, "Subnet sizing"."""
SMALLEST, LARGEST = 28, 16
"""Prefix lengths that subnets and VPCs can have: VPC User Guide, "VPC CIDR blocks"."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The subnets of a VPC, one private one for each zone; `needed` addresses have to fit into each private one."""

    private: tuple[IPv4Network, ...]
    public: tuple[IPv4Network, ...]
    needed: int


def needed(instances: int, endpoints: int) -> int:
    """Return the addresses that one private subnet takes.

    SageMaker places an interface in any one of the subnets, so that each has room for all of them.
    """
    return instances * PER_INSTANCE * DEPLOYMENTS + endpoints + RESERVED


def layout(cidr: str, private: int, public: int, instances: int, endpoints: int) -> Layout:
    """Return where the subnets lie, private ones first; raises ValueError that names the size needed."""
    vpc, size = IPv4Network(cidr), needed(instances, endpoints)
    prefix = min(SMALLEST, _prefix(size))
    total = private * _addresses(prefix) + public * _addresses(SMALLEST)
    what = f"{private} private subnets of /{prefix} ({size:,} addresses each)"
    what += f" and {public} public subnets of /{SMALLEST}" * bool(public)
    if _prefix(total) < LARGEST:
        raise ValueError(f"{what} are more than a /{LARGEST}, the largest VPC there is: lower instances, or zones")
    if total > vpc.num_addresses:
        raise ValueError(f"{vpc} has {vpc.num_addresses:,} addresses: {what} need a /{_prefix(total)}")
    start = int(vpc.network_address)
    blocks = [*[prefix] * private, *[SMALLEST] * public]
    networks = []
    for each in blocks:
        networks.append(IPv4Network((start, each)))
        start += _addresses(each)
    return Layout(tuple(networks[:private]), tuple(networks[private:]), size)


def _addresses(prefix: int) -> int:
    return 1 << (32 - prefix)


def _prefix(addresses: int) -> int:
    """Return the prefix length of the smallest network that has so many addresses."""
    return 32 - (addresses - 1).bit_length()
