"""What was known of the network at the time: whose interface, which route, which endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from flowaudit import sql
from flowaudit.explain.values import Destination, GatewayEndpoint, Listed, Look, Match, Routing, Whose
from flowaudit.lake import Lake
from flowaudit.paths import WITH_ADDRESSES, Atlas, Chart, Facts, parse
from flowaudit.topology import PrefixList, Route

HISTORY = "SELECT * FROM {view} WHERE interface_id = $interface_id ORDER BY valid_from"
VIEWS = ("interface_history", "interface_workloads")
MOMENT = timedelta(microseconds=1)
GATEWAY_SERVICES = {"s3": "S3", "dynamodb": "DYNAMODB"}
"""Services that have gateway endpoints (AWS PrivateLink Guide, "Gateway endpoints"), as flow logs call them."""


def whose(
    lake: Lake, views: Mapping[str, str], interface_id: str, moment: datetime, limits: sql.Limits = sql.DEFAULT
) -> Whose | None:
    """Return whose an interface was, None where the inventory has never heard of it; raises LakeError."""
    needed = {name: views[name] for name in VIEWS}
    with sql.connect(lake, tables=("interfaces",), views=needed, limits=limits) as engine:
        described, told = (
            engine.query(HISTORY.format(view=view), {"interface_id": interface_id}).to_pylist() for view in VIEWS
        )
    if not described:
        return None
    then, newest = _of(described, moment), described[-1]
    workload = _of(told, moment) if told else {}
    return Whose(
        owner=then["owner"],
        interface_type=then["interface_type"],
        description=then["description"] or "",
        status=then["status"],
        owner_evidence=then["evidence"] or "",
        private_addresses=tuple(then["private_addresses"] or ()),
        public_addresses=tuple(newest["public_addresses"] or ()) if newest["valid_to"] is None else (),
        is_of_then=_holds(then, moment),
        is_past=newest["valid_to"] is not None,
        attribution_evidence=workload.get("evidence"),
        candidates=tuple(workload.get("candidates") or ()),
        **{
            name: workload.get(name)
            for name in ("workload_kind", "workload", "workload_arn", "attribution", "confidence")
        },
    )


def _holds(row: Mapping[str, Any], moment: datetime) -> bool:
    return row["valid_from"] <= moment and (row["valid_to"] is None or moment < row["valid_to"])


def _of(rows: Sequence[Mapping[str, Any]], moment: datetime) -> Mapping[str, Any]:
    """Return the row that held at a moment, else the last before it, else the first."""
    before = [row for row in rows if row["valid_from"] <= moment]
    return before[-1] if before else rows[0]


def routing(atlas: Atlas, interface_id: str, subnet_id: str | None, moment: datetime, address: str) -> Routing:
    """Return how the network routed an address at a moment."""
    place = atlas.places[atlas.place(interface_id, subnet_id)]
    chronicle = atlas.chronicle(place.vpc_id) if place else None
    parsed = parse(address)
    if place is None or chronicle is None or parsed is None:
        known = atlas.interface(interface_id)
        return Routing(
            standing="never_discovered",
            vpc_id=known.vpc_id if known else None,
            subnet_id=(known.subnet_id if known else None) or subnet_id,
        )
    charts, evidence = chronicle.standing(moment)
    standing = "assumed" if evidence == "routes_assumed" else "observed" if len(charts) == 1 else "between"
    looks = tuple(look(chart, place.subnet_id, address) for chart in charts)
    return Routing(standing=standing, vpc_id=place.vpc_id, subnet_id=place.subnet_id, looks=looks)


def charts(atlas: Atlas, route: Routing, moment: datetime) -> list[Chart]:
    """Return the snapshots that may have held at a moment; none where the network was never discovered."""
    chronicle = atlas.chronicle(route.vpc_id or "") if route.looks else None
    return chronicle.standing(moment)[0] if chronicle else []


def newest(atlas: Atlas, route: Routing) -> Chart | None:
    """Return the newest snapshot of the network."""
    chronicle = atlas.chronicle(route.vpc_id or "") if route.looks else None
    return chronicle.snapshots[-1] if chronicle else None


def look(chart: Chart, subnet_id: str, address: str) -> Look:
    """Return what one snapshot says of the way from a subnet to an address."""
    parsed = parse(address)
    table = chart.table_of(subnet_id)
    network = chart.snapshot.network
    routes = chart.routes(subnet_id, parsed) if parsed else ()
    return Look(
        observed_at=chart.snapshot.observed_at,
        until=chart.snapshot.until,
        changed_at=chart.snapshot.changed_at,
        route_table_id=table,
        explicit=any(each.explicit for each in network.subnets if each.subnet_id == subnet_id),
        is_known=any(each.route_table_id == table for each in network.route_tables),
        is_blurred=chart.is_blurred(subnet_id),
        routes=tuple(_match(chart, route, address) for route in routes),
        way=chart.way(subnet_id, parsed) if parsed else None,
    )


def _match(chart: Chart, route: Route, address: str) -> Match:
    listed = chart.lists.get(route.destination)
    return Match(
        destination=route.destination,
        name=listed.name if listed else None,
        prefix=entry(listed.cidrs, address) if listed else route.destination,
        target=route.target,
        state=route.state,
        way="blackhole" if route.state == "blackhole" else chart.target(route),
    )


def entry(cidrs: Iterable[str], address: str) -> str | None:
    """Return the longest of some CIDRs that holds an address."""
    parsed = ip_address(address)
    holding = [network for network in (ip_network(cidr, strict=False) for cidr in cidrs) if parsed in network]
    return str(max(holding, key=lambda network: network.prefixlen)) if holding else None


def destination(facts: Facts, charts: Sequence[Chart], subnet_id: str | None, address: str) -> Destination:
    """Return what an address is, and what the network at that time had for it."""
    bearing, service = facts.bearing, facts.service
    told = "prefix_list" if bearing.listed else "ranges" if facts.pkt_dst_aws_service is None else "record"
    known = Destination(
        scope=bearing.kind.removesuffix("6") if bearing.kind else None,
        service=service,
        region=bearing.region if service else None,
        service_by=told if service else None,
        vpc_region=charts[-1].snapshot.network.region if charts else None,
    )
    if not charts or subnet_id is None:
        return known
    return _with_endpoints(known, charts, subnet_id, address)


def _with_endpoints(known: Destination, charts: Sequence[Chart], subnet_id: str, address: str) -> Destination:
    network = charts[-1].snapshot.network
    held = ((each, entry(each.cidrs, address)) for each in network.prefix_lists)
    own = next((each for each in network.endpoints if each.type in WITH_ADDRESSES and address in each.addresses), None)
    return replace(
        known,
        prefix_lists=tuple(_listed(each, prefix) for each, prefix in held if prefix),
        gateway_endpoints=tuple(
            gateway(chart, subnet_id, name)
            for name, service in GATEWAY_SERVICES.items()
            if service == known.service
            for chart in charts
        ),
        interface_endpoint_id=own.endpoint_id if own else None,
        interface_endpoint_service=own.service if own else None,
    )


def _listed(each: PrefixList, prefix: str) -> Listed:
    return Listed(prefix_list_id=each.prefix_list_id, name=each.name, prefix=prefix)


def gateway(chart: Chart, subnet_id: str, service: str) -> GatewayEndpoint:
    """Return the VPC's gateway endpoint for a service (`s3`), as a subnet sees it."""
    found, table = chart.gateway_endpoint(service), chart.table_of(subnet_id)
    return GatewayEndpoint(
        observed_at=chart.snapshot.observed_at,
        service=GATEWAY_SERVICES[service],
        endpoint_id=found.endpoint_id if found else None,
        state=found.state if found else None,
        associated=bool(found and table in found.route_table_ids),
    )
