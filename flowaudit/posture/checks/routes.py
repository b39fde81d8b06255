"""Where the route tables of the workloads' subnets lead."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TypeAlias

from flowaudit.paths.addresses import SCOPES
from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Missing, Property, Unseen, compared, guarded
from flowaudit.topology import Route, RouteTable

INTERNET_GATEWAYS = ("igw-", "eigw-", "cagw-")
"""Targets that give a subnet a direct path to the internet."""
PREFIX_LIST = "pl-"
PUBLIC_ROUTES = "routes to public addresses"
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_NOT_PUBLIC = tuple(ipaddress.ip_network(cidr) for cidrs in SCOPES.values() for cidr in cidrs)
GUIDE = "G11 Configure Your Private VPC for Amazon SageMaker Hosting"


def tables(expected: Expected, live: Live) -> Iterator[RouteTable]:
    """Yield each route table that subnets of workloads use, the main one among them, once; raises Unseen."""
    found = live.route_tables
    used = dict.fromkeys(each.route_table_id for each in workloads_subnets(expected, live))
    for each in used:
        if each in found:
            yield found[each]


def leads_out(route: Route, live: Live) -> bool:
    """Return whether a route is for public addresses, but not that of a gateway endpoint; raises Unseen."""
    if route.target == "local":
        return False
    if not route.destination.startswith(PREFIX_LIST):
        return _is_public(route.destination)
    if route.target.startswith("vpce-") and any(
        (each.endpoint_id, each.type) == (route.target, "Gateway") for each in live.endpoints
    ):
        return False
    live.need("prefix_lists")
    lists = (each for each in live.network.prefix_lists if each.prefix_list_id == route.destination)
    return any(_is_public(cidr) for each in lists for cidr in each.cidrs)


def _is_public(cidr: str) -> bool:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        raise Unseen(Missing("", f"{cidr!r} is no destination of a route that is known here")) from error
    return not any(_is_within(network, each) for each in _NOT_PUBLIC)


def _is_within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def _association(expected: Expected, live: Live) -> Iterator[Property]:
    live.need("route_tables")
    for each in workloads_subnets(expected, live):
        if not each.route_table_id:
            yield compared(each.subnet_id, "route table", "its own", "none", ok=False)
        elif expected.own_route_tables:
            yield compared(
                each.subnet_id,
                "route table",
                "its own",
                each.route_table_id if each.explicit else f"{each.route_table_id}, the main route table",
                ok=each.explicit,
                why="a route that is added to the main route table is also the subnet's",
            )


def _no_internet_gateway(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.internet is None:
        return
    for table in tables(expected, live):
        wrong = [each for each in table.routes if each.target.startswith(INTERNET_GATEWAYS)]
        yield compared(table.route_table_id, "routes to internet gateways", "none", _said(wrong), ok=not wrong)


def _default_routes(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.internet is None:
        return
    for table in tables(expected, live):
        yield from guarded(table.route_table_id, PUBLIC_ROUTES, _public_routes(expected, live, table))


def _public_routes(expected: Expected, live: Live, table: RouteTable) -> Iterator[Property]:
    out = [each for each in table.routes if not each.target.startswith(INTERNET_GATEWAYS) and leads_out(each, live)]
    if expected.internet == "none":
        yield compared(table.route_table_id, PUBLIC_ROUTES, "none", _said(out), ok=not out)
        return
    over_nat = [each for each in out if each.target.startswith("nat-")]
    whole = any(each.destination == "0.0.0.0/0" and each.state == "active" for each in over_nat)
    wanted, ok = "0.0.0.0/0 to a NAT gateway only", whole and over_nat == out
    yield compared(table.route_table_id, PUBLIC_ROUTES, wanted, _said(out), ok=ok)


def _no_blackhole(expected: Expected, live: Live) -> Iterator[Property]:
    for table in tables(expected, live):
        lost = [each for each in table.routes if each.state == "blackhole"]
        yield compared(
            table.route_table_id,
            "routes without target",
            "none",
            _said(lost),
            ok=not lost,
            why="the target is gone: packets are dropped",
        )


def _said(routes: list[Route]) -> str:
    return ", ".join(f"{each.destination} to {each.target or each.state}" for each in routes) or "none"


CHECKS = (
    Check("route-table", GUIDE, "Subnet has a route table of its own", _association),
    Check("internet-gateway-route", GUIDE, "Route table has no route to an internet gateway", _no_internet_gateway),
    Check(
        "default-route",
        "G13 Connect Resources Outside Your VPC",
        "Route table leads to the internet over NAT only, or not at all",
        _default_routes,
    ),
    Check("blackhole-route", GUIDE, "Each route has its target", _no_blackhole),
)
