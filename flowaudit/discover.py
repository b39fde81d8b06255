"""Loop 0: AWS → inventory → lake, so that records can be judged and attributed.

Each account's region is asked in full, what differs from what is known is kept, and what does not answer is told of.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from threading import Event
from typing import Any, Protocol, TypeVar

from flowaudit.inventory import history
from flowaudit.inventory.asking import Asker
from flowaudit.inventory.attribution import Beginning, Rules, attribute
from flowaudit.inventory.interfaces import interfaces
from flowaudit.inventory.network import networks
from flowaudit.inventory.workloads import workloads
from flowaudit.lake import Lake, retried
from flowaudit.model import DiscoverReport
from flowaudit.topology import Discovery, Interface, Network, Owner

T = TypeVar("T")

OWNERS = {"nat_gateway": Owner.NAT_GATEWAY}
"""Gateways that have interfaces, and what these are."""
ENDPOINTS = {"Interface": Owner.VPC_ENDPOINT, "GatewayLoadBalancer": Owner.GATEWAY_LOAD_BALANCER_ENDPOINT}
"""Types of endpoints that have interfaces, and what these are."""


class Place(Protocol):
    """An account's region, and the boto3 clients that ask it."""

    @property
    def account_id(self) -> str: ...  # noqa: D102  its name says it
    @property
    def region(self) -> str: ...  # noqa: D102
    def client(self, service: str) -> Any: ...  # noqa: ANN401, D102


def discover(
    lake: Lake,
    places: Iterable[Place],
    rules: Rules | None = None,
    now: datetime | None = None,
    stop: Event | None = None,
) -> DiscoverReport:
    """Ask AWS what exists in each place and keep what has changed, then attribute interfaces that only records name.

    APIs that do not answer are gaps in the report, and leave what was known as it was. Raises LakeError, and Stopped
    where `stop` is set.
    """
    started, now, rules = time.monotonic(), now or datetime.now(UTC), rules or Rules()
    lake.create()
    reports = [_region(lake, place, rules, now, stop or Event()) for place in places]
    report = reduce(_plus, reports, DiscoverReport())
    unlisted = retried(lambda: _unlisted(lake, rules, now))
    return replace(report, unlisted=unlisted, seconds=round(time.monotonic() - started, 3))


def _region(lake: Lake, place: Place, rules: Rules, now: datetime, stop: Event) -> DiscoverReport:
    """Look at one account's region."""
    past = history.past(lake, place.account_id, place.region)
    ask = Asker(place.account_id, place.region, place.client, stop)
    found = interfaces(ask)
    nets = networks(ask, *_places(found))
    resources, unlisted = workloads(ask, past.workloads, past.looked_at, now)
    if found is not None:
        owners = _known_owners(nets or ())
        named = [_named(each, owners) for each in found]
        beginnings = _beginnings(lake, named, past.interfaces_at, now)
        before = {each.interface_id: each for each in past.interfaces}
        here = {each.arn for each in resources}
        vanished = [replace(each, running=False, ended_at=now) for each in past.workloads if each.arn not in here]
        found = attribute(named, (*resources, *vanished), before, beginnings, rules, now)
    discovery = Discovery(
        account_id=place.account_id,
        region=place.region,
        at=now,
        interfaces=found,
        workloads=resources,
        unlisted_kinds=unlisted,
        networks=nets,
        gaps=ask.gaps,
        calls=ask.calls,
    )
    return _report(discovery, retried(lambda: history.record(lake, discovery)))


def _places(found: Iterable[Interface] | None) -> tuple[Mapping[str, tuple[str, ...]] | None, Mapping[str, str] | None]:
    """Return the addresses and the VPC of each interface; None where interfaces could not be asked."""
    if found is None:
        return None, None
    listed = list(found)
    addresses = {each.interface_id: (*each.private_addresses, *each.ipv6_addresses) for each in listed}
    return addresses, {each.interface_id: each.vpc_id for each in listed if each.vpc_id}


def _named(interface: Interface, known: Mapping[str, str]) -> Interface:
    """Return an interface as the one that names it as its own says it is."""
    owner = known.get(interface.interface_id)
    if owner is None:
        return interface
    return replace(interface, owner=owner, evidence=f"AWS names it among the interfaces of a {owner}")


def _known_owners(nets: Iterable[Network]) -> dict[str, str]:
    """Return what interfaces are that gateways and endpoints name as theirs."""
    owners: dict[str, str] = {}
    for network in nets:
        for gateway in network.gateways:
            if gateway.kind in OWNERS:
                owners |= dict.fromkeys(gateway.interface_ids, OWNERS[gateway.kind])
        for endpoint in network.endpoints:
            owners |= dict.fromkeys(endpoint.interface_ids, ENDPOINTS.get(endpoint.type, Owner.VPC_ENDPOINT))
    return owners


def _beginnings(
    lake: Lake, found: Iterable[Interface], looked_at: datetime | None, now: datetime
) -> dict[str, Beginning]:
    """Return when each interface can have come about: after somebody looked in vain, before it was first seen."""
    seen = history.first_seen(lake)
    spans = {each.interface_id: seen.get(each.interface_id, (looked_at, now)) for each in found}
    attached = {each.interface_id: each.attached_at for each in found}
    return {id: Beginning(earliest, min(latest, attached[id] or latest)) for id, (earliest, latest) in spans.items()}


def _unlisted(lake: Lake, rules: Rules, now: datetime) -> int:
    """Keep interfaces that new records name and no inventory lists, attributed as far as the operator's word goes."""
    found, batch = history.unlisted(lake)
    attributed = attribute(found, (), {}, {}, rules, now)
    return history.record_unlisted(lake, attributed, batch, now)


def _report(found: Discovery, changes: Mapping[str, int]) -> DiscoverReport:
    return DiscoverReport(
        regions=((found.account_id, found.region),),
        interfaces=Counter(str(each.owner) for each in found.interfaces or ()),
        workloads=Counter(each.kind for each in found.workloads),
        networks=len(found.networks or ()),
        changes=changes,
        calls=found.calls,
        gaps=found.gaps,
    )


def _plus(one: DiscoverReport, other: DiscoverReport) -> DiscoverReport:
    return DiscoverReport(
        regions=(*one.regions, *other.regions),
        interfaces=_sum(one.interfaces, other.interfaces),
        workloads=_sum(one.workloads, other.workloads),
        networks=one.networks + other.networks,
        changes=_sum(one.changes, other.changes),
        calls=_sum(one.calls, other.calls),
        gaps=(*one.gaps, *other.gaps),
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Add figures up by name, those at zero too."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
