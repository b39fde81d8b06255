"""The subnets of workloads: there, in different Availability Zones, private, with room for instances."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared
from flowaudit.topology import Subnet

LEAST_ZONES = 2
"""The guide's own number: "at least two subnets in different availability zones"."""


def workloads_subnets(expected: Expected, live: Live) -> list[Subnet]:
    """Return the subnets of workloads that are there; raises Unseen."""
    subnets = live.subnets
    return [subnets[each] for each in expected.subnets if each in subnets]


def _vpc(expected: Expected, live: Live) -> Iterator[Property]:
    exists = seen(live.exists)
    yield compared(expected.vpc_id, "VPC", "present", "present" if exists else "absent", ok=exists)


def _present(expected: Expected, live: Live) -> Iterator[Property]:
    subnets = live.subnets
    for each in expected.subnets:
        there = each in subnets
        yield compared(each, "subnet", "present", "present" if there else "absent", ok=there)


def _zones(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.subnets:
        return
    found = [each.az_id or "?" for each in workloads_subnets(expected, live)]
    wanted = expected.zones
    yield compared(
        expected.vpc_id,
        "Availability Zones of subnets",
        " ".join(wanted) if wanted else f"at least {LEAST_ZONES}",
        " ".join(found) or "none",
        ok=sorted(found) == sorted(wanted) if wanted else len(set(found)) >= LEAST_ZONES,
        why="SageMaker needs subnets in two Availability Zones, even for one instance",
    )


def _no_public_addresses(expected: Expected, live: Live) -> Iterator[Property]:
    for each in workloads_subnets(expected, live):
        for name, on in (
            ("MapPublicIpOnLaunch", each.map_public_ip_on_launch),
            ("AssignIpv6AddressOnCreation", each.assign_ipv6_on_creation),
        ):
            yield compared(each.subnet_id, name, "false", str(on).lower(), ok=not on)


def _room(expected: Expected, live: Live) -> Iterator[Property]:
    wanted = expected.free_addresses
    if wanted is None:
        return
    free = seen(live.free_addresses)
    for each in workloads_subnets(expected, live):
        found = free.get(each.subnet_id, 0)
        yield compared(
            each.subnet_id,
            "free addresses",
            f"at least {wanted}",
            str(found),
            ok=found >= wanted,
            why="an instance takes 2 addresses, in any one of the subnets",
        )


CHECKS = (
    Check("vpc", "G1 Configure a Model for Amazon VPC Access", "VPC is there", _vpc),
    Check("subnets", "G1 Configure a Model for Amazon VPC Access", "Subnets of workloads are in the VPC", _present),
    Check(
        "subnet-zones",
        "G2 Configure a Model for Amazon VPC Access",
        "Subnets are in different Availability Zones",
        _zones,
    ),
    Check(
        "subnet-addresses",
        "G3 Ensure That Subnets Have Enough IP Addresses",
        "Subnet has 2 free addresses for each instance",
        _room,
    ),
    Check(
        "subnet-public-addresses",
        "G11 Configure Your Private VPC for Amazon SageMaker Hosting",
        "Subnet assigns no public addresses",
        _no_public_addresses,
    ),
)
