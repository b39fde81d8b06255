"""An explanation in sentences, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowaudit.formats import plain
from flowaudit.paths import DIRECTIONS
from flowaudit.sentences import count, volume

if TYPE_CHECKING:
    from flowaudit.explain import Explanation
    from flowaudit.explain.values import Destination, GatewayEndpoint, Look, Match, Other, Records, Routing, Whose

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
CODES = {
    1: "some interface in the VPC",
    2: "internet gateway or gateway endpoint",
    3: "virtual private gateway",
    4: "peering in the region",
    5: "peering between regions",
    6: "Local Zone or Wavelength Zone",
    7: "gateway endpoint",
    8: "internet gateway",
}
"""What traffic-path codes mean (VPC User Guide, "Flow log records")."""
EVIDENCE = {
    "next_hop": "the record's next hop proves it",
    "traffic_path": "the record's traffic-path proves it",
    "traffic_path+routes": "the record's traffic-path and the routes of then prove it",
    "destination": "the address proves it",
    "nat_record": "the NAT gateway's own record proves it",
    "routes": "by the routes of then",
    "routes_assumed": "by routes that are assumed to have held then",
    "none": "nothing proves a way",
}
SERVICE_BY = {
    "prefix_list": "by the region's prefix list",
    "record": "by the record",
    "ranges": "by AWS's published ranges",
}


def headline(answer: Explanation) -> str:
    """Return what is explained, in a line."""
    verdict = answer.verdict
    way = _way(verdict.path, verdict.evidence) if verdict.path else "no path"
    of = f", finding {answer.finding}: {answer.title}" if answer.finding else ""
    told = "" if answer.records else ", without a record"
    return f"{answer.interface_id} to {answer.remote} at {when(answer.at)}: {way}{told}{of}"


def sections(answer: Explanation) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield each section's heading and sentences, in the order of the argument."""
    yield "What was recorded", _records(answer.records)
    yield "Whose interface", _whose(answer.interface)
    yield "Which route", _routing(answer.routing)
    yield "Which service, which endpoint", _destination(answer.destination)
    yield "What decided", _verdict(answer)


def other(one: Other) -> str:
    """Return a line about another remote of a finding."""
    service = f", {one.service}" if one.service else ""
    size = f"{volume(one.bytes)} in {count(one.count, 'record')}" if one.count else "no record any longer"
    return f"{one.remote}{service}: {size}" + (f", {_way(one.path, one.evidence)}" if one.path else "")


def when(moment: datetime) -> str:
    """Return a time to the second."""
    return str(plain(moment.replace(microsecond=0)))


def _way(path: str | None, evidence: str | None) -> str:
    return f"{path} ({evidence})" if evidence else str(path)


# --- what was recorded ------------------------------------------------------------------------------------------------


def _records(records: Records | None) -> Iterator[str]:
    if records is None:
        yield "No record: what follows is what the network would do."
        return
    span = f" from {when(records.first)} to {when(records.last)}" if records.first and records.last else ""
    yield f"{count(records.count, 'record')}, {volume(records.bytes)},{span}; {_actions(records)}."
    if records.elsewhere:
        also = count(records.elsewhere, "record")
        yield f"Another flow log has {also} of the same traffic, not counted again."
    if records.other_ways:
        yield f"{count(records.other_ways, 'further record')} with this address took another way."
    yield (
        f"The telling one: {_end(records.srcaddr, records.srcport)} to {_end(records.dstaddr, records.dstport)}, "
        f"{PROTOCOLS.get(records.protocol or 0, f'protocol {records.protocol}')}"
        + (f", {when(records.start)} to {when(records.end)}." if records.start and records.end else ".")
    )
    yield f"It is {records.direction or 'of no direction'}: {DIRECTIONS[records.direction_by]}."
    fields = [f"{name} {_meaning(name, value)}" for name, value in records.fields.items()]
    yield f"It says {', '.join(fields)}." if fields else "It has no field that names a way."
    if records.vantage:
        yield f"The interface passes on others' traffic ({records.vantage}): this is no workload's own egress."
    yield f"Flow log {records.flow_log_id or 'not named'}, object {records.object_key}."


def _actions(records: Records) -> str:
    if records.accepted and records.rejected:
        return f"{records.accepted:,} accepted, {records.rejected:,} rejected"
    if records.rejected:
        return "all rejected" if records.rejected > 1 else "rejected"
    return "all accepted" if records.accepted > 1 else "accepted" if records.accepted else "of no action"


def _end(address: str | None, port: int | None) -> str:
    if address is None:
        return "an address that is not recorded"
    return f"{address} port {port}" if port is not None else address


def _meaning(name: str, value: Any) -> str:  # noqa: ANN401  a field's value
    return f"{value} ({CODES[value]})" if name == "traffic-path" and value in CODES else str(value)


# --- whose interface --------------------------------------------------------------------------------------------------


def _whose(whose: Whose | None) -> Iterator[str]:
    if whose is None:
        yield "The inventory has never heard of it: `flowaudit discover` asks AWS."
        return
    kind = f", type {whose.interface_type}" if whose.interface_type not in (None, "interface") else ""
    yield f"Owner {whose.owner}{kind}" + (f": {whose.owner_evidence}." if whose.owner_evidence else ".")
    if whose.status == "seen_in_logs":
        yield "Only flow logs tell of it: it was gone before anybody looked."
    elif not whose.is_of_then:
        yield "The inventory knows it from another time only."
    if whose.description and whose.description not in whose.owner_evidence:
        yield f"Its description: {whose.description}"
    addresses = [*whose.private_addresses, *(f"{each} (public)" for each in whose.public_addresses)]
    if addresses:
        yield f"Its addresses: {', '.join(addresses)}."
    if whose.is_past:
        yield "It is gone by now."
    yield from _workload(whose)


def _workload(whose: Whose) -> Iterator[str]:
    if whose.workload:
        yield f"Workload: {(whose.workload_kind or '').replace('_', ' ')} {whose.workload}, {whose.workload_arn}."
        more = whose.attribution_evidence if whose.attribution_evidence != whose.owner_evidence else ""
        yield f"Known by {whose.attribution}, confidence {whose.confidence:.0%}{f': {more}' if more else ''}."
    elif whose.candidates:
        yield f"Whose it is cannot be told: {len(whose.candidates)} workloads fit."
        yield from (f"- {arn}" for arn in whose.candidates)
    elif whose.owner == "sagemaker":
        yield "No workload is known that it could belong to."


# --- which route ------------------------------------------------------------------------------------------------------


def _routing(routing: Routing) -> Iterator[str]:
    if routing.standing == "never_discovered":
        where = f"Subnet {routing.subnet_id}" if routing.subnet_id else "Its subnet"
        yield f"{where} was never discovered: no route table is known. `flowaudit discover` asks AWS."
        return
    looks = routing.looks
    yield f"Subnet {routing.subnet_id} in {routing.vpc_id}."
    if routing.standing == "assumed":
        yield f"No snapshot is of that time: assumed from the one of {when(looks[0].observed_at)}."
    elif routing.standing == "between":
        said = "say the same" if routing.agree else "differ, so no way is known from them"
        yield (f"It changed between {when(looks[0].until)} and {when(looks[1].observed_at)}; the two looks {said}.")
    else:
        yield f"As seen {when(looks[0].observed_at)}" + (
            f" and still so {when(looks[0].until)}." if looks[0].until > looks[0].observed_at else "."
        )
    for look in looks:
        if len(looks) > 1:
            yield f"{when(look.observed_at)}: {' '.join(_look(look))}"
        else:
            yield from _look(look)


def _look(look: Look) -> Iterator[str]:
    if look.route_table_id is None or not look.is_known:
        yield f"Route table {look.route_table_id or 'not known'}: its routes could not be asked."
        return
    how = "associated with the subnet" if look.explicit else "the VPC's main one, as the subnet has none of its own"
    yield f"Route table {look.route_table_id}, {how}."
    if look.is_blurred:
        yield "It has a route for a prefix list whose entries are not known."
    if not look.routes:
        yield "No route in it is for this address."
        return
    yield f"The route that matches: {_route(look.routes[0])}."
    if look.routes[1:]:
        yield f"Less specific, so passed over: {'; '.join(_route(route) for route in look.routes[1:])}."


def _route(route: Match) -> str:
    name = f" ({route.name}, there {route.prefix})" if route.destination.startswith("pl-") else ""
    way = f", {route.way}" if route.way else ""
    return f"{route.destination}{name} to {route.target}{way if route.state == 'active' else ', ' + route.state}"


# --- which service, which endpoint ------------------------------------------------------------------------------------


def _destination(destination: Destination) -> Iterator[str]:
    scope = {"vpc": "in the VPC itself"}.get(destination.scope or "", destination.scope or "of no known kind")
    service = (
        f"; AWS service {destination.service}"
        f"{f' in {destination.region}' if destination.region else ''}, {SERVICE_BY[destination.service_by or 'record']}"
        if destination.service
        else "; no AWS service is known there"
        if destination.scope == "public"
        else ""
    )
    yield f"The address is {scope}{service}."
    if destination.prefix_lists is not None and (destination.scope == "public" or destination.prefix_lists):
        listed = [f"{each.prefix_list_id} ({each.name}, there {each.prefix})" for each in destination.prefix_lists]
        yield f"It is in prefix list {', '.join(listed)}." if listed else "No prefix list that is known has it."
    endpoints = destination.gateway_endpoints or ()
    told = {_endpoint(each) for each in endpoints}
    for each in endpoints[: 1 if len(told) == 1 else None]:
        yield f"{when(each.observed_at)}: {_endpoint(each)}" if len(told) > 1 else _endpoint(each)
    if destination.interface_endpoint_id:
        yield (
            f"It is an address of interface endpoint {destination.interface_endpoint_id} "
            f"({destination.interface_endpoint_service})."
        )


def _endpoint(each: GatewayEndpoint) -> str:
    if each.endpoint_id is None:
        return f"The VPC had no gateway endpoint for {each.service}."
    tied = "associated" if each.associated else "not associated"
    return f"The VPC had gateway endpoint {each.endpoint_id} for {each.service}, {tied} with this route table."


# --- what decided -----------------------------------------------------------------------------------------------------


def _verdict(answer: Explanation) -> Iterator[str]:
    verdict = answer.verdict
    by = "by the routes, were there such traffic" if answer.records is None else ""
    why = by or EVIDENCE.get(verdict.evidence or "", "")
    if verdict.path:
        yield f"Path {verdict.path}, evidence {verdict.evidence}: {why}."
    rule = f"rule {verdict.rule}: {verdict.sentence}"
    if verdict.differs:
        recorded = _way(verdict.recorded_path, verdict.recorded_evidence)
        now = _way(verdict.now_path, verdict.now_evidence)
        yield f"So it was recorded, {recorded}, when it was collected."
        yield f"With what is known now it would be {now}, by {rule}"
    else:
        yield _capital(rule)
    ways = {look.way for look in answer.routing.looks}
    if (
        ways
        and answer.routing.agree
        and None not in ways
        and verdict.path not in (*ways, None, "unknown", "vpc_resource")
    ):
        yield f"The route names {''.join(filter(None, ways))}, but what proves more comes first."
    nat = verdict.nat_record
    if nat:
        yield (
            f"{nat.recorder} recorded the same conversation {when(nat.start)} to {when(nat.end)}: flow log "
            f"{nat.flow_log_id or 'not named'}, object {nat.object_key}."
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
