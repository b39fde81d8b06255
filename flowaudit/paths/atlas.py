"""Topology → what it says of one destination, from one place, at one time.

Answers are looked up for distinct values only. All prefixes that matter, taken together, cut the addresses into
segments within which nothing differs; all snapshots cut time into eras; subnets are places. So a table of a million
records asks a few hundred questions, and each is answered once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowaudit.paths.addresses import EDGES, Address, Prefixes, kind_of, parse, parse_cidr
from flowaudit.topology import Endpoint, Interface, IpRange, Network, Owner, Route, Snapshot, Topology

GOOD_FOR = timedelta(hours=1)
"""How long after it was last confirmed the newest snapshot still vouches for how things stand."""
REMEMBERED = 1 << 20
"""How many answers are kept."""
MOMENT = timedelta(microseconds=1)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

WAYS = {
    "local": "same_vpc",
    "igw-": "internet_gateway",
    "eigw-": "egress_only_internet_gateway",
    "nat-": "nat_gateway",
    "tgw-": "transit_gateway",
    "arn:": "transit_gateway",
    "vgw-": "virtual_private_gateway",
    "pcx-": "vpc_peering",
    "eni-": "middlebox",
    "i-": "middlebox",
    "cagw-": "local_zone",
    "lgw-": "local_zone",
}
"""What the target of a route begins with, and the way that it names. An ARN is a core network's (Cloud WAN)."""
SERVICES = {"s3": "S3", "s3express": "S3", "dynamodb": "DYNAMODB"}
"""Services that have prefix lists of their own, by the last part of the list's name, as flow logs call them."""
WITH_ADDRESSES = ("Interface", "Resource", "ServiceNetwork")
"""Types of VPC endpoints that are reached by an address of their own."""
CATCH_ALL = ("AMAZON", "EC2")
"""Services whose ranges hold those of others too: what names another service is the better answer."""


@dataclass(frozen=True, slots=True)
class Bearing:
    """What topology says of a destination, seen from one subnet at one time.

    `kind` is the address's scope with its family, `vpc` inside the VPC's own CIDRs. `way` is what the matching route
    leads to, `blackhole` where it leads nowhere or no route matches; None where it is not known. `evidence` is
    `routes`, or `routes_assumed` where no snapshot is of that time. `endpoint`: it is the address of an interface
    endpoint of the VPC. `listed`: the service is from the region's own prefix list.
    """

    kind: str | None = None
    way: str | None = None
    evidence: str | None = None
    endpoint: bool = False
    service: str | None = None
    region: str | None = None
    listed: bool = False


NOWHERE = Bearing()


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet of a VPC."""

    vpc_id: str
    subnet_id: str


class Atlas:
    """An index of what is known of the network; safe to use from several threads, and empty without a topology."""

    def __init__(self, topology: Topology = Topology(), *, everything: bool = False) -> None:  # noqa: B008  frozen
        """Index a topology: some 10 µs a prefix, once. With `everything` no interface is out of scope."""
        self._everything = everything
        self._chronicles = _chronicles(topology.snapshots)
        self._ranges = Prefixes(_best(topology.ip_ranges))
        self._interfaces = {interface.interface_id: interface for interface in topology.interfaces}
        self.places: tuple[Place | None, ...] = (None, *_places(topology.snapshots))
        self._place_of_subnet = {place.subnet_id: n for n, place in enumerate(self.places) if place}
        self.eras = sorted({edge for chronicle in self._chronicles.values() for edge in chronicle.edges})
        self._middleboxes = _middleboxes(topology)
        self._vpcs = {i.vpc_id for i in topology.interfaces if i.owner in (Owner.SAGEMAKER, Owner.UNKNOWN)}
        edges = [EDGES, self._ranges.edges, *(e for c in self._chronicles.values() for e in c.prefix_edges())]
        self._edges = {version: sorted({0}.union(*(each[version] for each in edges))) for version in EDGES}
        self._segments: dict[str | None, int] = {}
        self._bearings: dict[tuple[int, int, int], Bearing] = {}

    # --- what columns hold, as codes ---------------------------------------------------------------------------------

    def segment(self, address: str | None) -> int:
        """Return the code of the segment that an address lies in, 0 for what is no address."""
        found = self._segments.get(address)
        if found is None:
            if len(self._segments) >= REMEMBERED:
                self._segments.clear()
            found = self._segments[address] = self._located(parse(address))
        return found

    @property
    def segments(self) -> int:
        """How many codes `segment` may return."""
        return 1 + sum(map(len, self._edges.values()))

    def place(self, interface_id: str | None, subnet_id: str | None = None) -> int:
        """Return the code of the place of an interface, else of a subnet; 0 where neither is known."""
        interface = self._interfaces.get(interface_id or "")
        own = self._place_of_subnet.get((interface.subnet_id if interface else None) or "", 0)
        return own or self._place_of_subnet.get(subnet_id or "", 0)

    def recorder(self, interface_id: str | None) -> str | None:
        """Return what an interface is, a `topology.Owner` or `middlebox` (a route leads to it); None: unheard of."""
        if interface_id in self._middleboxes:
            return "middlebox"
        interface = self._interfaces.get(interface_id or "")
        return str(interface.owner) if interface else None

    def addresses(self, interface_id: str | None) -> tuple[str, ...]:
        """Return an interface's own addresses: its primary IPv4 address, which stands in its records, and IPv6 ones."""
        interface = self._interfaces.get(interface_id or "")
        return (*interface.private_addresses[:1], *interface.ipv6_addresses) if interface else ()

    def in_scope(self, interface_id: str | None) -> bool:
        """Tell whether an interface may be a SageMaker workload's, or passes on such workloads' traffic as a NAT does.

        Only what is positively something else is out of scope.
        """
        interface = self._interfaces.get(interface_id or "")
        if self._everything or interface is None or interface.owner in (Owner.SAGEMAKER, Owner.UNKNOWN):
            return True
        return interface.owner == Owner.NAT_GATEWAY and interface.vpc_id in self._vpcs

    # --- answers ------------------------------------------------------------------------------------------------------

    def bearing(self, place: int, era: int, segment: int) -> Bearing:
        """Return what is known of a segment's addresses from a place in an era (0: before `eras[0]`)."""
        key = place, era, segment
        found = self._bearings.get(key)
        if found is None:
            if len(self._bearings) >= REMEMBERED:
                self._bearings.clear()
            found = self._bearings[key] = self._look(*key)
        return found

    def at(self, interface_id: str, moment: datetime, address: str) -> Bearing:
        """Return what is known of one address from one interface at one moment."""
        return self.bearing(self.place(interface_id), self.era(moment), self.segment(address))

    def era(self, moment: datetime) -> int:
        """Return the code of the era that a moment lies in."""
        return bisect_right(self.eras, moment)

    def chronicle(self, vpc_id: str) -> Chronicle | None:
        """Return the history of a VPC's network."""
        return self._chronicles.get(vpc_id)

    def interface(self, interface_id: str) -> Interface | None:
        """Return what is known of an interface."""
        return self._interfaces.get(interface_id)

    def _located(self, address: Address | None) -> int:
        if address is None:
            return 0
        base = 0 if address.version == 4 else len(self._edges[4])  # noqa: PLR2004  the family
        return base + bisect_right(self._edges[address.version], address.number)

    def _first(self, segment: int) -> Address:
        """Return the first address of a segment: what holds for it holds for all of them."""
        four = len(self._edges[4])
        return (
            Address(4, self._edges[4][segment - 1])
            if segment <= four
            else Address(6, self._edges[6][segment - four - 1])
        )

    def _look(self, place: int, era: int, segment: int) -> Bearing:
        if not segment:
            return NOWHERE
        address = self._first(segment)
        service, region = next(iter(self._ranges.all(address)), (None, None))
        kind = kind_of(address)
        where = self.places[place]
        chronicle = self._chronicles.get(where.vpc_id) if where else None
        if where is None or chronicle is None:
            return Bearing(kind, service=service, region=region)
        moment = self.eras[era - 1] if era else BEGINNING
        return chronicle.bearing(where.subnet_id, moment, address, Bearing(kind, service=service, region=region))


class Chronicle:
    """The snapshots of one VPC, in order of time."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self.snapshots = [Chart(snapshot) for snapshot in sorted(snapshots, key=lambda s: s.observed_at)]

    @property
    def edges(self) -> list[datetime]:
        """When what holds may change."""
        spans = [chart.snapshot for chart in self.snapshots]
        return [edge for each in spans for edge in (each.observed_at, _good_until(each) + MOMENT)]

    def prefix_edges(self) -> list[dict[int, set[int]]]:
        """Where what holds of an address may change."""
        return [edges for chart in self.snapshots for edges in chart.edges]

    def standing(self, moment: datetime) -> tuple[list[Chart], str]:
        """Return the snapshots that may have held at a moment, and `routes`, or `routes_assumed` if none is of then."""
        before = [chart for chart in self.snapshots if chart.snapshot.observed_at <= moment]
        if not before:
            return self.snapshots[:1], "routes_assumed"
        newest, later = before[-1], self.snapshots[len(before) :]
        if moment <= _good_until(newest.snapshot):
            return [newest], "routes"
        return ([newest, later[0]], "routes") if later else ([newest], "routes_assumed")

    def bearing(self, subnet_id: str, moment: datetime, address: Address, so_far: Bearing) -> Bearing:
        """Add what the network says to what is known of an address; where two snapshots differ no way is known."""
        charts, evidence = self.standing(moment)
        ways = {chart.way(subnet_id, address) for chart in charts}
        way = ways.pop() if len(ways) == 1 else None
        chart = charts[-1]
        listed = chart.service(address)
        inside = any(each.holds(address) for each in charts)
        return Bearing(
            kind=("vpc" if address.version == 4 else "vpc6") if inside else so_far.kind,  # noqa: PLR2004  the family
            way=way,
            evidence=evidence if way else None,
            endpoint=all(each.is_endpoint(address) for each in charts),
            service=listed or so_far.service,
            region=chart.snapshot.network.region if listed else so_far.region,
            listed=listed is not None,
        )


class Chart:
    """One snapshot of a VPC's network, indexed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        network = snapshot.network
        self.lists = {each.prefix_list_id: each for each in network.prefix_lists}
        self._cidrs = Prefixes((cidr, True) for cidr in network.cidrs)
        self._endpoints = Prefixes(
            (address, True) for each in network.endpoints if each.type in WITH_ADDRESSES for address in each.addresses
        )
        self._services = Prefixes((cidr, name) for name, cidrs in _service_lists(network) for cidr in cidrs)
        self._tables = {each.route_table_id: Prefixes(self._expanded(each.routes)) for each in network.route_tables}
        self._blurred = {
            each.route_table_id
            for each in network.route_tables
            if any(route.destination.startswith("pl-") and route.destination not in self.lists for route in each.routes)
        }
        self._table_of = {each.subnet_id: each.route_table_id for each in network.subnets}
        self._gateway_kinds = {each.endpoint_id: each for each in network.endpoints}

    @property
    def edges(self) -> list[dict[int, set[int]]]:
        """Where what holds of an address may change."""
        found = [self._cidrs.edges, self._endpoints.edges, self._services.edges]
        return found + [table.edges for table in self._tables.values()]

    def holds(self, address: Address) -> bool:
        """Tell whether an address lies in the VPC."""
        return self._cidrs.find(address) is not None

    def is_endpoint(self, address: Address) -> bool:
        """Tell whether an address is an interface endpoint's."""
        return self._endpoints.find(address) is not None

    def service(self, address: Address) -> str | None:
        """Return the service in whose prefix list an address is."""
        return self._services.find(address)

    def table_of(self, subnet_id: str) -> str | None:
        """Return the route table of a subnet, its own or the main one."""
        return self._table_of.get(subnet_id)

    def route(self, subnet_id: str, address: Address) -> Route | None:
        """Return the route that matches: the longest prefix, and of two alike the one that EC2 prefers."""
        return next(self.routes(subnet_id, address), None)

    def routes(self, subnet_id: str, address: Address) -> Iterator[Route]:
        """Yield all routes for an address, the one that matches first; of two for the same prefix only one."""
        table = self._tables.get(self._table_of.get(subnet_id) or "")
        yield from table.all(address) if table else ()

    def is_blurred(self, subnet_id: str) -> bool:
        """Tell whether a route of a subnet is for a prefix list whose entries are not known."""
        return self._table_of.get(subnet_id) in self._blurred

    def way(self, subnet_id: str, address: Address) -> str | None:
        """Return the way that the routes name, None where they are not known."""
        table_id = self._table_of.get(subnet_id)
        if table_id is None or table_id not in self._tables:
            return None
        route = self.route(subnet_id, address)
        if self.is_blurred(subnet_id) and (route is None or route.target != "local"):
            return None  # a prefix list whose entries are not known may hold the address
        if route is None or route.state == "blackhole":
            return "blackhole"
        return self.target(route)

    def target(self, route: Route) -> str | None:
        """Return the way that a route's target stands for."""
        if route.target.startswith("vpce-"):
            endpoint = self._gateway_kinds.get(route.target)
            is_gateway = endpoint.type == "Gateway" if endpoint else route.destination.startswith("pl-")
            return "gateway_endpoint" if is_gateway else "middlebox"
        return next((way for start, way in WAYS.items() if route.target.startswith(start)), None)

    def gateway_endpoint(self, service: str) -> Endpoint | None:
        """Return the VPC's gateway endpoint for a service (`s3`)."""
        found = (
            e for e in self.snapshot.network.endpoints if e.type == "Gateway" and e.service.endswith(f".{service}")
        )
        return next(found, None)

    def _expanded(self, routes: Iterable[Route]) -> Iterable[tuple[str, Route]]:
        """Yield each route with each CIDR that it is for.

        Of equal CIDRs the local route comes first, then a static one before a prefix list's and both before a
        propagated one (VPC User Guide, "Route priority").
        """
        for route in sorted((each for each in routes if each.state != "filtered"), key=_priority):
            if route.destination.startswith("pl-"):
                yield from ((cidr, route) for cidr in self._cidrs_of(route.destination))
            else:
                yield route.destination, route

    def _cidrs_of(self, prefix_list_id: str) -> tuple[str, ...]:
        found = self.lists.get(prefix_list_id)
        return found.cidrs if found else ()


def _priority(route: Route) -> tuple[bool, bool, bool]:
    return route.target != "local", route.origin == "EnableVgwRoutePropagation", route.destination.startswith("pl-")


def _good_until(snapshot: Snapshot) -> datetime:
    """Return until when a snapshot is known to hold; the newest is good for a while longer."""
    return snapshot.until if snapshot.changed_at else snapshot.until + GOOD_FOR


def _chronicles(snapshots: Iterable[Snapshot]) -> dict[str, Chronicle]:
    by_vpc: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        by_vpc.setdefault(snapshot.network.vpc_id, []).append(snapshot)
    return {vpc_id: Chronicle(each) for vpc_id, each in by_vpc.items()}


def _places(snapshots: Iterable[Snapshot]) -> list[Place]:
    found = {(s.network.vpc_id, subnet.subnet_id) for s in snapshots for subnet in s.network.subnets}
    return [Place(*each) for each in sorted(found)]


def _middleboxes(topology: Topology) -> frozenset[str]:
    """Return the interfaces that routes lead to, by their own id or their instance's."""
    targets = {r.target for s in topology.snapshots for t in s.network.route_tables for r in t.routes}
    ids = {i.interface_id for i in topology.interfaces if i.instance_id in targets} if targets else set()
    return frozenset(ids | {target for target in targets if target.startswith("eni-")})


def _service_lists(network: Network) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield the service and the CIDRs of each of AWS's own lists for the services that have gateway endpoints."""
    for each in network.prefix_lists:
        start, _, name = each.name.rpartition(".")
        if start == f"com.amazonaws.{network.region}" and name in SERVICES:
            yield SERVICES[name], each.cidrs


def _best(ranges: Iterable[IpRange]) -> Iterable[tuple[str, tuple[str, str]]]:
    """Yield each range once, under the service that says most; those of catch-alls only where no other holds them."""
    ordered = sorted(ranges, key=lambda each: each.service in CATCH_ALL)
    within = Prefixes((each.prefix, parse_cidr(each.prefix)[1]) for each in ordered if each.service not in CATCH_ALL)
    for each in ordered:
        if each.service in CATCH_ALL:
            first, length = parse_cidr(each.prefix)
            holder = within.find(first)
            if holder is not None and holder <= length:
                continue
        yield each.prefix, (each.service, each.region)
