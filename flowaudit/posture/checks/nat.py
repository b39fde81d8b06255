"""NAT gateways that the workloads' route tables lead to."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared
from flowaudit.topology import Gateway

GUIDE = "G13 Connect Resources Outside Your VPC"


def _gateways(expected: Expected, live: Live) -> dict[str, Gateway | None]:
    """Return the NAT gateway of each subnet, by subnet, None where its route table has none; raises Unseen."""
    found, tables = live.gateways("nat_gateway"), live.route_tables
    of: dict[str, Gateway | None] = {}
    for subnet in workloads_subnets(expected, live):
        table = tables.get(subnet.route_table_id or "")
        routes = [each for each in table.routes if each.destination == "0.0.0.0/0"] if table else []
        of[subnet.subnet_id] = found.get(routes[0].target) if routes else None
    return of


def used_gateways(expected: Expected, live: Live) -> list[Gateway]:
    """Return the NAT gateways that subnets of workloads lead to; raises Unseen."""
    gateways = {each.gateway_id: each for each in _gateways(expected, live).values() if each}
    return list(gateways.values())


def _available(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.internet != "nat":
        return
    for each in used_gateways(expected, live):
        found = f"{each.state}, {each.connectivity}"
        yield compared(each.gateway_id, "state", "available, public", found, ok=found == "available, public")


def _public_subnet(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.internet != "nat":
        return
    subnets, tables = live.subnets, live.route_tables
    for each in used_gateways(expected, live):
        if each.availability == "regional":
            continue  # it has a route table of its own, and no subnet
        subnet = subnets.get(each.subnet_id or "")
        table = tables.get(subnet.route_table_id or "") if subnet else None
        out = [route for route in table.routes if route.destination == "0.0.0.0/0"] if table else []
        ok = any(route.target.startswith("igw-") and route.state == "active" for route in out)
        found = f"{out[0].target or out[0].state}" if out else "no route"
        yield compared(
            each.gateway_id, "0.0.0.0/0 of its subnet", "an internet gateway", found, ok=ok, why="NAT has no way out"
        )


def _zones(expected: Expected, live: Live) -> Iterator[Property]:
    """Compare where the NAT gateway of each subnet is with where it is expected."""
    if expected.nat is None:
        return
    subnets, of = live.subnets, _gateways(expected, live)
    if expected.nat == "single":
        used = sorted({each.gateway_id for each in of.values() if each})
        yield compared(expected.vpc_id, "NAT gateways", "1", " ".join(used) or "none", ok=len(used) == 1)
        return
    for subnet_id, each in of.items():
        if expected.nat == "regional":
            wanted, found = "regional", each.availability if each else "none"
        else:
            wanted, home = subnets[subnet_id].az_id or "?", subnets.get((each.subnet_id if each else None) or "")
            found = (home.az_id if home else each.availability if each else None) or "none"
        yield compared(
            subnet_id,
            "NAT gateway's Availability Zone",
            wanted,
            found or "none",
            ok=found == wanted,
            why="if that Availability Zone fails, this one loses the internet too",
        )


CHECKS = (
    Check("nat-gateway", GUIDE, "NAT gateway is available", _available),
    Check(
        "nat-public-subnet", GUIDE, "NAT gateway is in a subnet with a route to the internet gateway", _public_subnet
    ),
    Check("nat-zones", GUIDE, "NAT gateways are in the Availability Zones that need them", _zones),
)
