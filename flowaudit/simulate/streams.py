"""What goes on in a simulated network: one stream per kind of traffic, each with a rate and the truth about it.

Values of `traffic-path` and of the next-hop fields: VPC User Guide, "Flow log records".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice

from flowaudit.simulate.network import Interface, Kind, Network

COMPLIANT = "compliant"
TCP = 6
NAT = (Kind.NAT_GATEWAY, Kind.REGIONAL_NAT_GATEWAY)


@dataclass(frozen=True, slots=True)
class Remotes:
    """Addresses outside the VPC, the busiest first, and the AWS service that owns them."""

    addresses: tuple[str, ...]
    service: str | None = None

    @property
    def ipv6(self) -> bool:
        """Whether these are IPv6 addresses."""
        return ":" in self.addresses[0]


def remotes(*networks: str, service: str | None = None, limit: int = 254) -> Remotes:
    """The first `limit` hosts of each network as remotes."""
    hosts = (str(host) for network in networks for host in islice(ip_network(network).hosts(), limit))
    return Remotes(tuple(hosts), service)


INTERNET = remotes("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/25")
INTERNET_IPV6 = remotes("2001:db8:ffff::/64", limit=64)
S3 = remotes("52.216.0.0/24", "52.217.8.0/24", service="S3", limit=64)
PEERED = remotes("10.200.0.0/24", limit=16)
ON_PREMISES = remotes("172.16.8.0/24", limit=16)


@dataclass(frozen=True, slots=True)
class Stream:
    """Conversations of one kind between `sources` and either `peers` (in the VPC) or `remotes` (outside it).

    `rate` counts conversations a minute over all sources, exactly. `path` names the way that egress took, `via` the
    interface it was handed to. With `beyond`, the interfaces further on record it too: two rows at a peer, four at a
    NAT gateway. `inbound` turns the initiator round; `rejected` leaves one row, the attempt. `sent` and `received`
    are median bytes of a conversation and minute, as the source sees it.
    """

    label: str
    path: str
    traffic_path: int | None
    sources: tuple[Interface, ...]
    rate: float
    remotes: Remotes | None = None
    peers: tuple[Interface, ...] = ()
    via: Interface | None = None
    ports: tuple[int, ...] = (443,)
    protocol: int = TCP
    ipv6: bool = False
    inbound: bool = False
    rejected: bool = False
    reject_reason: str | None = None
    beyond: bool = False
    sent: int = 4_000
    received: int = 40_000

    def __post_init__(self) -> None:
        """Raise ValueError where nobody talks, somebody to himself, or in a family he has no address of."""
        name = f"stream {self.label} ({self.path})"
        if not self.sources or (self.remotes is None) == (not self.peers):
            raise ValueError(f"{name} needs sources and either remotes or peers")
        if len(self.peers) == 1 and self.peers[0] in self.sources:
            raise ValueError(f"{name}: {self.peers[0].id} would talk to itself")
        if self.ipv6 and not all(interface.ipv6 for interface in (*self.sources, *self.peers)):
            raise ValueError(f"{name} is IPv6, and some of its interfaces have no IPv6 address")
        if self.remotes and self.remotes.ipv6 != self.ipv6:
            raise ValueError(f"{name}: its remotes are of the other address family")

    @property
    def rows(self) -> int:
        """Records of one conversation."""
        if self.rejected:
            return 1
        translated = self.via is not None and self.via.kind in NAT
        return 2 + (2 * bool(self.peers) + 4 * translated) * self.beyond


@dataclass(frozen=True, slots=True)
class Silence:
    """Records without traffic, `rate` a minute over all interfaces: `status` is NODATA or SKIPDATA."""

    interfaces: tuple[Interface, ...]
    rate: float
    status: str = "NODATA"

    @property
    def label(self) -> str:
        """The truth about such a row."""
        return self.status.lower()

    @property
    def rows(self) -> int:
        """Records of one silence."""
        return 1


Sources = Sequence[Interface]


def s3_by_endpoint(network: Network, rate: float = 20, sources: Sources = ()) -> Stream:
    """S3 through the gateway endpoint: path 7, no next hop."""
    return Stream(COMPLIANT, "gateway_endpoint", 7, _of(network, sources), rate, S3, received=400_000)


def api_by_endpoint(network: Network, rate: float = 20, sources: Sources = (), *, beyond: bool = True) -> Stream:
    """AWS APIs through an interface endpoint."""
    endpoint = network.first(Kind.VPC_ENDPOINT)
    peers = (endpoint,)
    return Stream(
        COMPLIANT, "interface_endpoint", 1, _of(network, sources), rate, peers=peers, via=endpoint, beyond=beyond
    )


def internet_by_nat(network: Network, rate: float = 20, sources: Sources = (), *, beyond: bool = True) -> Stream:
    """The internet through the NAT gateway; `beyond` adds the gateway's own records."""
    nat = network.first(Kind.NAT_GATEWAY)
    return Stream(
        COMPLIANT, "nat_gateway", 1, _of(network, sources), rate, INTERNET, via=nat, ports=(443, 443, 80), beyond=beyond
    )


def internet_by_regional_nat(
    network: Network, rate: float = 20, sources: Sources = (), *, beyond: bool = True
) -> Stream:
    """The internet through a regional NAT gateway, whose records name no interface."""
    nat = network.first(Kind.REGIONAL_NAT_GATEWAY)
    return Stream(COMPLIANT, "nat_gateway", 1, _of(network, sources), rate, INTERNET, via=nat, beyond=beyond)


def neighbours(network: Network, rate: float = 20, sources: Sources = ()) -> Stream:
    """Workloads of one VPC among themselves, as in distributed training; both ends record."""
    inside = _of(network, sources)
    return Stream(COMPLIANT, "same_vpc", 1, inside, rate, peers=network.workloads, ports=(7777, 50051), beyond=True)


def file_system(network: Network, rate: float = 10, sources: Sources = ()) -> Stream:
    """NFS to an EFS mount target in the VPC; both ends record."""
    peers = (network.first(Kind.FILE_SYSTEM),)
    return Stream(COMPLIANT, "same_vpc", 1, _of(network, sources), rate, peers=peers, ports=(2049,), beyond=True)


def invocations(network: Network, rate: float = 10, sources: Sources = ()) -> Stream:
    """Requests from a client in the VPC and the workloads' replies; both ends record."""
    peers = (network.first(Kind.CLIENT),)
    inside = _of(network, sources)
    return Stream(COMPLIANT, "same_vpc", 1, inside, rate, peers=peers, ports=(8080,), inbound=True, beyond=True)


def peering(network: Network, rate: float = 5, sources: Sources = (), *, inter_region: bool = False) -> Stream:
    """A peered VPC, of the same region or of another one."""
    return Stream(COMPLIANT, "vpc_peering", 5 if inter_region else 4, _of(network, sources), rate, PEERED)


def on_premises(network: Network, rate: float = 5, sources: Sources = ()) -> Stream:
    """A company network behind the virtual private gateway."""
    return Stream(COMPLIANT, "virtual_private_gateway", 3, _of(network, sources), rate, ON_PREMISES)


def other_vpcs(network: Network, rate: float = 5, sources: Sources = ()) -> Stream:
    """Private addresses behind the transit gateway."""
    return _by_transit_gateway(network, COMPLIANT, rate, sources, PEERED)


def leak_by_internet_gateway(network: Network, rate: float = 1, sources: Sources = (), *, ipv6: bool = False) -> Stream:
    """The internet straight through the internet gateway: path 8."""
    where = INTERNET_IPV6 if ipv6 else INTERNET
    inside = _of(network, sources)
    return Stream("leak:internet_gateway", "internet_gateway", 8, inside, rate, where, ipv6=ipv6, sent=2_000_000)


def leak_s3_by_nat(network: Network, rate: float = 1, sources: Sources = (), *, beyond: bool = True) -> Stream:
    """S3 through the NAT gateway instead of the endpoint."""
    nat = network.first(Kind.NAT_GATEWAY)
    inside = _of(network, sources)
    return Stream("leak:s3_via_nat", "nat_gateway", 1, inside, rate, S3, via=nat, beyond=beyond, sent=2_000_000)


def leak_s3_by_internet_gateway(network: Network, rate: float = 1, sources: Sources = ()) -> Stream:
    """S3 through the internet gateway instead of the endpoint."""
    return Stream("leak:s3_via_internet_gateway", "internet_gateway", 8, _of(network, sources), rate, S3)


def leak_by_transit_gateway(network: Network, rate: float = 1, sources: Sources = ()) -> Stream:
    """The internet through the transit gateway, as with central egress."""
    return _by_transit_gateway(network, "leak:transit_gateway", rate, sources, INTERNET)


def leak_by_middlebox(network: Network, rate: float = 1, sources: Sources = ()) -> Stream:
    """The internet through an instance that forwards: a next hop without a type."""
    box = network.first(Kind.MIDDLEBOX)
    return Stream("leak:middlebox", "middlebox", 1, _of(network, sources), rate, INTERNET, via=box)


def refused(network: Network, rate: float = 1, sources: Sources = (), *, reason: str | None = None) -> Stream:
    """Attempts to reach the internet that a security group, or with `reason` BPA a VPC, turned down."""
    inside = _of(network, sources)
    return Stream("reject", "internet_gateway", 8, inside, rate, INTERNET, rejected=True, reject_reason=reason)


def probes(network: Network, rate: float = 1, sources: Sources = ()) -> Stream:
    """Attempts of a client in the VPC to reach workloads, turned down by their security groups."""
    peers = (network.first(Kind.CLIENT),)
    inside = _of(network, sources)
    return Stream("reject", "same_vpc", 1, inside, rate, peers=peers, ports=(22, 3389), inbound=True, rejected=True)


def nodata(network: Network, rate: float = 2, sources: Sources = ()) -> Silence:
    """Minutes in which workloads were idle."""
    return Silence(_of(network, sources), rate)


def skipdata(network: Network, rate: float = 1, sources: Sources = ()) -> Silence:
    """Minutes of which AWS left out records."""
    return Silence(_of(network, sources), rate, "SKIPDATA")


def compliant(network: Network, rate: float = 100) -> tuple[Stream | Silence, ...]:
    """An ordinary day without fault, about `rate` conversations a minute."""
    share = rate / 100
    return (
        s3_by_endpoint(network, 30 * share),
        api_by_endpoint(network, 20 * share),
        internet_by_nat(network, 10 * share),
        neighbours(network, 20 * share),
        file_system(network, 10 * share),
        invocations(network, 8 * share),
        probes(network, 2 * share),
        nodata(network),
    )


def _of(network: Network, sources: Sources) -> tuple[Interface, ...]:
    return tuple(sources) or network.workloads


def _by_transit_gateway(network: Network, label: str, rate: float, sources: Sources, where: Remotes) -> Stream:
    hop = network.first(Kind.TRANSIT_GATEWAY)
    return Stream(label, "transit_gateway", 1, _of(network, sources), rate, where, via=hop)
