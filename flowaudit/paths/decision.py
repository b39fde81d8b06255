"""The decision table: what a record says and what is known of the network → direction, path, evidence, vantage.

Sources: VPC User Guide, "Flow log records" (traffic-path, next-hop and interface-type codes), "Flow log limitations"
(which next-hop fields are left empty), "Flow log record examples" (what a NAT gateway's own records look like).
Nothing is ever presumed: a way that nothing proves is `unknown`, with `none` for evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from flowaudit.paths.addresses import scope
from flowaudit.paths.atlas import NOWHERE, WAYS, Bearing
from flowaudit.topology import Owner

INTERNET_GATEWAY_OR_ENDPOINT = 2
WITHIN_VPC = 1
INTERNET_GATEWAY = 8
TRAFFIC_PATHS = {
    3: "virtual_private_gateway",
    4: "vpc_peering",
    5: "vpc_peering",
    6: "local_zone",
    7: "gateway_endpoint",
    8: "internet_gateway",
}
"""traffic-path codes that name one way. 1 and 2 do not. 6 was a local gateway in older editions of the page."""
BEHIND_CODE = {
    INTERNET_GATEWAY_OR_ENDPOINT: frozenset(("internet_gateway", "gateway_endpoint", "egress_only_internet_gateway")),
    WITHIN_VPC: frozenset(("nat_gateway", "transit_gateway", "middlebox", "same_vpc", "local_zone")),
}
"""Ways that an ambiguous code may stand for: routes that name another one contradict the record, and prove nothing."""

NEXT_HOPS = {
    "nat_gateway": "nat_gateway",
    "regional_nat_gateway": "nat_gateway",
    "transit_gateway": "transit_gateway",
    "network_load_balancer": "same_vpc",
}
"""next-hop-interface-type values that name one way whatever the destination; `vpc_endpoint` depends on it."""

PATHS = tuple(
    sorted(
        {"unknown", "vpc_resource", "interface_endpoint", "gateway_endpoint", "middlebox", "blackhole"}
        | {*TRAFFIC_PATHS.values(), *NEXT_HOPS.values(), *WAYS.values()}
    )
)
"""Every path that a verdict may name, in alphabetical order."""

TRANSIT_TYPES = frozenset(
    ("nat_gateway", "regional_nat_gateway", "transit_gateway", "vpc_endpoint", "network_load_balancer")
)
"""interface-type values of recorders that pass on other interfaces' traffic."""
TRANSIT_OWNERS = {
    "middlebox": "middlebox",
    Owner.NAT_GATEWAY: "nat_gateway",
    Owner.TRANSIT_GATEWAY: "transit_gateway",
    Owner.VPC_ENDPOINT: "vpc_endpoint",
    Owner.GATEWAY_LOAD_BALANCER_ENDPOINT: "vpc_endpoint",
    Owner.NETWORK_LOAD_BALANCER: "network_load_balancer",
}
"""What the inventory knows to pass on other interfaces' traffic, and the `vantage` of its records."""

ENDPOINT_SERVICES = frozenset(("S3", "DYNAMODB", "AMAZON"))
"""Services that a gateway endpoint may serve, and the catch-all code that may hide them."""
PUBLIC = ("public", "public6")
IN_REACH = ("private", "private6", "vpc", "vpc6")
"""Kinds of addresses that an interface endpoint may have."""

DIRECTIONS = {
    "flow_direction": "flow-direction, as recorded",
    "own_address": "only one of the addresses is the interface's own",
    "inside_vpc": "only one of the addresses lies in the VPC",
    "scopes": "one address is private, the other public",
    "no_traffic": "the record is of no traffic, or lacks an address",
    "nothing": "nothing tells: the record has no flow-direction, and its addresses are of one kind",
}
"""What may tell the direction of a record."""

Decision = tuple[str, str]
"""A path and its evidence."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What decides the direction of a record.

    `src` and `dst` are kinds of the addresses that the record has for its interface; `…_own` tells that it is an
    address of the interface itself, `…_inside` that it lies in the VPC.
    """

    log_status: str | None = None
    flow_direction: str | None = None
    src: str | None = None
    dst: str | None = None
    src_own: bool = False
    dst_own: bool = False
    src_inside: bool = False
    dst_inside: bool = False

    @property
    def direction(self) -> str | None:
        """`egress` or `ingress`, None if undecided.

        As recorded; else from which address is the interface's own, which lies in the VPC, which is private.
        """
        return self.told[0]

    @property
    def told(self) -> tuple[str | None, str]:
        """The direction, and what tells it: a key of `DIRECTIONS`."""
        if self.log_status not in (None, "OK") or self.src is None or self.dst is None:
            return None, "no_traffic"
        if self.flow_direction in ("egress", "ingress"):
            return self.flow_direction, "flow_direction"
        if self.src_own != self.dst_own:
            return "egress" if self.src_own else "ingress", "own_address"
        if self.src_inside != self.dst_inside:
            return "egress" if self.src_inside else "ingress", "inside_vpc"
        sides = {("private", "public"): "egress", ("public", "private"): "ingress"}
        found = sides.get((scope(self.src), scope(self.dst)))
        return found, "scopes" if found else "nothing"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides a verdict: one distinct combination of a table's values, and the bearing of the remote address.

    `interface_known` is False where interface-id was collected and is empty. `recorder` is what that interface is,
    `next_hop_owner` what the next hop's interface is, as the inventory knows them; `pkt_src` and `pkt_dst` are kinds of
    the packet's own addresses.
    """

    direction: str | None = None
    log_status: str | None = None
    traffic_path: int | None = None
    next_hop_interface_type: str | None = None
    next_hop_known: bool = False
    next_hop_owner: str | None = None
    interface_type: str | None = None
    resource_known: bool = False
    interface_known: bool = True
    recorder: str | None = None
    pkt_src_aws_service: str | None = None
    pkt_dst_aws_service: str | None = None
    service_collected: bool = False
    next_hop_type_collected: bool = False
    pkt_src: str | None = None
    pkt_dst: str | None = None
    src_rewritten: bool = False
    dst_rewritten: bool = False
    bearing: Bearing = NOWHERE

    @property
    def service(self) -> str | None:
        """AWS service that owns the remote address: by the region's prefix list, as recorded, by AWS's ranges."""
        recorded = {"egress": self.pkt_dst_aws_service, "ingress": self.pkt_src_aws_service}.get(self.direction or "")
        if self.direction is None or (self.bearing.kind not in PUBLIC and not recorded):
            return None
        return self.bearing.service if self.bearing.listed else recorded or self.bearing.service


@dataclass(frozen=True, slots=True)
class Verdict:
    """The derived columns that do not hold addresses."""

    remote_scope: str | None = None
    remote_service: str | None = None
    remote_region: str | None = None
    path: str | None = None
    path_evidence: str | None = None
    vantage: str | None = None


def judge(facts: Facts) -> Verdict:
    """Decide one distinct case."""
    if facts.log_status not in (None, "OK"):
        return Verdict()
    path, evidence = (None, None) if facts.direction == "ingress" else _path(facts)
    service = facts.service
    return Verdict(
        scope(facts.bearing.kind) if facts.direction and facts.bearing.kind else None,
        service,
        facts.bearing.region if service else None,
        path,
        evidence,
        _vantage(facts),
    )


def _path(facts: Facts) -> Decision:
    if facts.direction is None:
        return "unknown", "none"
    decided = (decision for rule in RULES if (decision := rule.decide(facts)))
    return next(decided, ("unknown", "none"))


def rule(facts: Facts) -> Rule:
    """Return the rule that decides the path of a case."""
    if facts.log_status not in (None, "OK"):
        return Rule("no_traffic", "NODATA and SKIPDATA records have no path.", _nothing)
    if facts.direction == "ingress":
        return Rule("ingress", "The path is the way out: ingress has none.", _nothing)
    if facts.direction is None:
        return Rule("undirected", "Without a direction the remote side, and so the way, is not known.", _nothing)
    deciding = (each for each in RULES if each.decide(facts))
    return next(deciding, Rule("undecided", "Neither the record nor the routes prove a way.", _nothing))


def _nothing(_: Facts) -> Decision | None:
    return None


def _by_next_hop_type(facts: Facts) -> Decision | None:
    hop = facts.next_hop_interface_type
    if hop in ("vpc_endpoint", "network_load_balancer") and facts.traffic_path in TRAFFIC_PATHS:
        return None  # the receiving interface lies in another VPC: the way there is what traffic-path says
    if hop in NEXT_HOPS:
        return NEXT_HOPS[hop], "next_hop"
    if hop != "vpc_endpoint":
        return None
    # An interface endpoint is reached by its own private address. A public IPv4 destination behind an endpoint is a
    # Gateway Load Balancer's; an IPv6 one may be either.
    if facts.bearing.endpoint or facts.bearing.kind in IN_REACH:
        return "interface_endpoint", "next_hop"
    if facts.bearing.kind == "public" or facts.bearing.way == "middlebox":
        return "middlebox", "next_hop"
    return "vpc_resource", "next_hop"


def _by_egress_only_route(facts: Facts) -> Decision | None:
    """Code 8 has no value of its own for egress-only internet gateways."""
    way = facts.bearing.way
    if facts.traffic_path == INTERNET_GATEWAY and way == "egress_only_internet_gateway":
        return way, _with_routes(facts)
    return None


def _by_traffic_path(facts: Facts) -> Decision | None:
    code = facts.traffic_path
    return (TRAFFIC_PATHS[code], "traffic_path") if code in TRAFFIC_PATHS else None


def _by_service(facts: Facts) -> Decision | None:
    """Judge code 2 by its destination: what no gateway endpoint serves went to the internet gateway."""
    if facts.traffic_path != INTERNET_GATEWAY_OR_ENDPOINT:
        return None
    if facts.bearing.kind in PUBLIC and facts.service_collected and facts.service not in ENDPOINT_SERVICES:
        return "internet_gateway", "traffic_path"
    return None


def _by_next_hop(facts: Facts) -> Decision | None:
    """Judge by the next hop's interface: what the inventory says it is, else for a public destination an appliance."""
    if not facts.next_hop_known or facts.traffic_path not in (None, WITHIN_VPC):
        return None
    is_public, owner = facts.bearing.kind in PUBLIC, facts.next_hop_owner
    if owner in (Owner.NAT_GATEWAY, Owner.TRANSIT_GATEWAY):
        return str(owner), "next_hop"
    if owner == Owner.VPC_ENDPOINT and not is_public:
        return "interface_endpoint", "next_hop"
    if owner == Owner.GATEWAY_LOAD_BALANCER_ENDPOINT:
        return "middlebox", "next_hop"
    is_appliance = facts.next_hop_type_collected and facts.next_hop_interface_type is None
    if is_public and (is_appliance or owner == "middlebox"):
        return "middlebox", "next_hop"
    return None


def _by_destination(facts: Facts) -> Decision | None:
    """An address of an interface endpoint in the VPC is reached directly."""
    if facts.bearing.endpoint and facts.traffic_path in (None, WITHIN_VPC):
        return "interface_endpoint", "destination"
    return None


def _by_routes(facts: Facts) -> Decision | None:
    """Judge by the route table of the time alone, where the record has no code."""
    if facts.traffic_path in BEHIND_CODE or facts.bearing.way is None:
        return None
    return facts.bearing.way, facts.bearing.evidence or "routes_assumed"


def _behind(code: int) -> Callable[[Facts], Decision | None]:
    """Return the rule for an ambiguous code: the way that the routes name, if the code may stand for it."""

    def decide(facts: Facts) -> Decision | None:
        way = facts.bearing.way
        return (way, _with_routes(facts)) if facts.traffic_path == code and way and way in BEHIND_CODE[code] else None

    return decide


def _with_routes(facts: Facts) -> str:
    return "traffic_path+routes" if facts.bearing.evidence == "routes" else "routes_assumed"


def _some_interface(facts: Facts) -> Decision | None:
    """Return what is left where only the existence of an interface in the VPC is known."""
    if facts.traffic_path not in (None, WITHIN_VPC):
        return None
    if facts.next_hop_known:
        return "vpc_resource", "next_hop"
    return ("vpc_resource", "traffic_path") if facts.traffic_path == WITHIN_VPC else None


class Rule(NamedTuple):
    """A rule of the decision table: its name, what it goes by in a sentence, and how it decides."""

    name: str
    sentence: str
    decide: Callable[[Facts], Decision | None]


RULES = (
    Rule("next_hop_type", "next-hop-interface-type names the kind of the next hop.", _by_next_hop_type),
    Rule(
        "egress_only_route",
        "traffic-path 8 stands for both internet gateways, and the route leads to an egress-only one.",
        _by_egress_only_route,
    ),
    Rule("traffic_path", "This traffic-path names one way.", _by_traffic_path),
    Rule(
        "gateway_or_endpoint",
        "traffic-path 2 is an internet gateway or a gateway endpoint; the route says which.",
        _behind(INTERNET_GATEWAY_OR_ENDPOINT),
    ),
    Rule(
        "service",
        "traffic-path 2 is an internet gateway or a gateway endpoint, and no endpoint serves this address.",
        _by_service,
    ),
    Rule("next_hop", "The next hop's interface is known, and what it is.", _by_next_hop),
    Rule("endpoint_address", "It is the address of an interface endpoint in the VPC.", _by_destination),
    Rule(
        "within_vpc",
        "traffic-path 1 is some interface in the VPC; the route says which kind.",
        _behind(WITHIN_VPC),
    ),
    Rule("routes", "No field names a way; the route that matches the address does.", _by_routes),
    Rule(
        "some_interface",
        "It went to some interface in the VPC, of which nothing proves the kind.",
        _some_interface,
    ),
)
"""In the order in which they are asked; the first that decides has decided."""


def _vantage(facts: Facts) -> str | None:
    """Name the kind of a transit recorder; `transit` where only the rewritten addresses betray it.

    Of all recorders only a regional NAT gateway has no interface.
    """
    if facts.interface_type in TRANSIT_TYPES:
        return facts.interface_type
    if facts.resource_known or not facts.interface_known:
        return "regional_nat_gateway"
    if facts.recorder in TRANSIT_OWNERS:
        return TRANSIT_OWNERS[facts.recorder]
    relays_in = facts.dst_rewritten and facts.pkt_dst in PUBLIC and facts.direction != "egress"
    relays_out = facts.src_rewritten and facts.pkt_src in PUBLIC and facts.direction != "ingress"
    return "transit" if relays_in or relays_out else None
