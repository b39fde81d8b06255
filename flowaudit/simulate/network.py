"""The network that is simulated: a VPC and the interfaces in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

import numpy as np


class Kind(StrEnum):
    """What an interface belongs to."""

    WORKLOAD = "workload"
    CLIENT = "client"
    FILE_SYSTEM = "file_system"
    MIDDLEBOX = "middlebox"
    NAT_GATEWAY = "nat_gateway"
    REGIONAL_NAT_GATEWAY = "regional_nat_gateway"
    TRANSIT_GATEWAY = "transit_gateway"
    VPC_ENDPOINT = "vpc_endpoint"

    @property
    def interface_type(self) -> str | None:
        """What `interface-type` says of it (VPC User Guide, "Flow log records"): only these kinds have a value."""
        return str(self) if self in _TRANSIT else None


_TRANSIT = (Kind.NAT_GATEWAY, Kind.REGIONAL_NAT_GATEWAY, Kind.TRANSIT_GATEWAY, Kind.VPC_ENDPOINT)


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC, its owner and its region."""

    id: str
    account_id: str = "123456789012"
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet in one Availability Zone."""

    id: str
    az_id: str = "use1-az1"


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface and what it belongs to.

    A regional NAT gateway has no interface of its own in the VPC: its `id` is the gateway's (`nat-…`), its `subnet`
    None and its `address` public, as its records show them (VPC User Guide, "Regional NAT gateways").
    """

    id: str
    kind: Kind
    address: str
    subnet: Subnet | None = None
    ipv6: str | None = None
    workload: str | None = None
    workload_kind: str | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC with its interfaces; made by hand from ids that exist, or by `default_network`."""

    vpc: Vpc
    interfaces: tuple[Interface, ...]

    @property
    def workloads(self) -> tuple[Interface, ...]:
        """The interfaces of SageMaker workloads."""
        return self.all(Kind.WORKLOAD)

    def all(self, kind: Kind) -> tuple[Interface, ...]:
        """Every interface of one kind."""
        return tuple(interface for interface in self.interfaces if interface.kind is kind)

    def first(self, kind: Kind) -> Interface:
        """The first interface of one kind; raises ValueError where there is none."""
        found = self.all(kind)
        if not found:
            message = f"network {self.vpc.id} has no {kind} interface: add one, or leave out the traffic that needs it"
            raise ValueError(message)
        return found[0]


_WORKLOAD_KINDS = ("training", "processing", "endpoint", "notebook")
_OTHERS = tuple(kind for kind in Kind if kind not in (Kind.WORKLOAD, Kind.REGIONAL_NAT_GATEWAY))


def default_network(seed: int = 0, workloads: int = 8) -> Network:
    """A VPC of two private subnets and a public one with `workloads` SageMaker interfaces and one of each other kind.

    The same seed gives the same ids. IPv6 addresses are from the documentation range.
    """
    ids = _Ids(seed)
    subnets = tuple(Subnet(ids.next("subnet"), az) for az in ("use1-az1", "use1-az2", "use1-az1"))
    jobs = [_workload(ids, subnets, number) for number in range(workloads)]
    others = [_other(ids, subnets, kind, number) for number, kind in enumerate(_OTHERS)]
    regional = Interface(ids.next("nat"), Kind.REGIONAL_NAT_GATEWAY, "192.0.2.254")
    return Network(Vpc(ids.next("vpc")), (*jobs, *others, regional))


class _Ids:
    """AWS-like ids: a prefix and 17 hexadecimal digits."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def next(self, prefix: str) -> str:
        return f"{prefix}-{self._random.bytes(9).hex()[:17]}"


def _workload(ids: _Ids, subnets: tuple[Subnet, ...], number: int) -> Interface:
    place, kind = number % 2, _WORKLOAD_KINDS[number % len(_WORKLOAD_KINDS)]
    address, ipv6 = _addresses(place, 16 + number // 2)
    name = f"{kind}-{number + 1}"
    return Interface(ids.next("eni"), Kind.WORKLOAD, address, subnets[place], ipv6, name, kind)


def _other(ids: _Ids, subnets: tuple[Subnet, ...], kind: Kind, number: int) -> Interface:
    public = kind in (Kind.NAT_GATEWAY, Kind.MIDDLEBOX)
    place = 2 if public else 0
    address, ipv6 = _addresses(place, 4 + number)
    instance = ids.next("i") if kind in (Kind.CLIENT, Kind.MIDDLEBOX) else None
    return Interface(ids.next("eni"), kind, address, subnets[place], ipv6, instance_id=instance)


def _addresses(place: int, host: int) -> tuple[str, str]:
    """The addresses of one host of the subnet at `place`: a /20 and a /64."""
    inner, outer = IPv4Network(f"10.0.{16 * place}.0/20"), IPv6Network(f"2001:db8:0:{place + 1:x}::/64")
    return str(inner[host]), str(outer[host])
