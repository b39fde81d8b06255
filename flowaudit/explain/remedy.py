"""What would put it right, as commands of the AWS CLI with the ids filled in; nothing here runs any of them.

A verdict is about then, a remedy about now: it goes by the newest snapshot of the network.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from flowaudit.explain.network import GATEWAY_SERVICES, look
from flowaudit.explain.values import Destination, Look, Match, Records, Remedy, Routing, Whose
from flowaudit.paths import Chart
from flowaudit.schema import FIELDS
from flowaudit.topology import FlowLog, Gateway

Arguments: TypeAlias = "tuple[str | Arguments, ...]"
"""Words of a command; a command among them stands for what it prints."""

NOT_RECOMMENDED = ("sublocation-", "ecs-", "instance-tag", "interface-tag", "asg-tag")
"""How the names of fields begin that no verdict needs and not every account has."""
RECOMMENDED = " ".join(f"${{{each.name}}}" for each in FIELDS if not each.name.startswith(NOT_RECOMMENDED))
"""The format that a flow log should have: what decides a path, and where."""
TELLING = ("${flow-direction}", "${traffic-path}", "${pkt-dst-aws-service}", "${next-hop-interface-type}")
"""Fields without which a path may stay undecided."""
SOME_BUCKET = "arn:aws:s3:::BUCKET/PREFIX/"
UNDECIDED = ("unknown", "vpc_resource")
DROPPED = (
    "Open connections to {service} from subnets with this route table are dropped, and their source addresses become "
    "private: let running jobs end, and see that no policy asks for public ones."
)
"""What a new route to a gateway endpoint does (AWS PrivateLink Guide, "Gateway endpoints for Amazon S3")."""
KEPT = ("gateway_endpoint", "interface_endpoint", "same_vpc")
"""Paths that stay with the VPC and its endpoints."""
DISCOVER = Remedy(
    what="The inventory does not have this network: let flowaudit look.", commands=("flowaudit discover",)
)


def command(*words: str | Arguments) -> str:
    """Return a command as a POSIX shell reads it."""
    return " ".join(shlex.quote(word) if isinstance(word, str) else f'"$({command(*word)})"' for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a remedy depends on: the verdict, and the network as it stands now (None: nobody has looked)."""

    path: str | None
    moment: datetime
    remote: str
    destination: Destination
    routing: Routing
    records: Records | None
    interface: Whose | None
    interface_id: str
    chart: Chart | None
    allowed: Collection[str]
    vpc_id: str | None
    region: str | None

    def aws(self, operation: str, *words: str | Arguments) -> str:
        """Return a command for this region."""
        return command("aws", "ec2", operation, *words, *(("--region", self.region) if self.region else ()))

    @property
    def now(self) -> Look | None:
        """What the newest snapshot says of the way."""
        subnet = self.routing.subnet_id
        return look(self.chart, subnet, self.remote) if self.chart and subnet else None

    def elsewhere(self, now: Look, done: str) -> Remedy:
        """Say that the newest route is not the way that was taken: changed since, and `done`, or a contradiction."""
        target = f"{now.routes[0].target} ({now.way})" if now.routes else str(now.way)
        seen = f"{now.until:%Y-%m-%dT%H:%M:%SZ}"
        if now.observed_at > self.moment:
            return Remedy(what=f"By the newest look ({seen}) the route leads to {target}: {done}.")
        return Remedy(
            what=f"The newest look at the routes ({seen}) does not go with this: there it leads to {target}. Look "
            "again.",
            commands=("flowaudit discover",),
        )


def remedies(case: Situation) -> tuple[Remedy, ...]:
    """Return what to do, the most to the point first; nothing where nothing is amiss."""
    return tuple(_remedies(case))


def _remedies(case: Situation) -> Iterator[Remedy]:
    if case.path is None or case.path in KEPT:
        return
    if case.routing.standing == "never_discovered":
        yield DISCOVER
    yield from _endpoint(case)
    if case.path in UNDECIDED:
        yield from _undecided(case)
    elif case.path == "blackhole" or (case.destination.scope == "public" and case.path not in case.allowed):
        yield from _way(case)


# --- S3 and DynamoDB --------------------------------------------------------------------------------------------------


def _endpoint(case: Situation) -> Iterator[Remedy]:
    """Have the gateway endpoint serve what it can: the own region's S3 and DynamoDB."""
    short = next((name for name, service in GATEWAY_SERVICES.items() if service == case.destination.service), None)
    now, where = case.now, case.destination
    if short is None or case.chart is None or now is None or case.path == "unknown":
        return
    if where.region != where.vpc_region:
        yield Remedy(
            what=f"This is {where.service} in {where.region or 'a region that is not known'}, and a gateway endpoint "
            f"serves its own region only ({where.vpc_region}): find out whose it is and whether it is wanted."
        )
    elif now.way == "gateway_endpoint":
        yield case.elsewhere(now, f"nothing is left to do for {where.service}")
    elif now.route_table_id:
        yield _associate(case, short, now.route_table_id)


def _associate(case: Situation, short: str, table: str) -> Remedy:
    network, service = (case.chart.snapshot.network if case.chart else None), case.destination.service
    endpoint = case.chart.gateway_endpoint(short) if case.chart else None
    if endpoint and table in endpoint.route_table_ids:
        return Remedy(
            what=f"Route table {table} is associated with {endpoint.endpoint_id}, whose prefix list does not have "
            f"{case.remote}: find out which {service} endpoint the workload is told to use."
        )
    mind = (DROPPED.format(service=service), *_shared(case, table))
    if endpoint:
        words = ("--vpc-endpoint-id", endpoint.endpoint_id, "--add-route-table-ids", table)
        what = f"Give route table {table} the route to {endpoint.endpoint_id}, the {service} endpoint of the VPC."
        return Remedy(what=what, commands=(case.aws("modify-vpc-endpoint", *words),), warnings=mind)
    words = (
        "--vpc-id",
        case.vpc_id or "",
        "--service-name",
        f"com.amazonaws.{network.region if network else ''}.{short}",
    )
    made = case.aws("create-vpc-endpoint", *words, "--vpc-endpoint-type", "Gateway", "--route-table-ids", table)
    what = f"The VPC has no gateway endpoint for {service}: make one, with a route in {table}."
    return Remedy(what=what, commands=(made,), warnings=mind)


# --- ways that are not allowed ----------------------------------------------------------------------------------------


def _way(case: Situation) -> Iterator[Remedy]:
    """Close the way, or name the route that makes it."""
    now = case.now
    if now is None:
        return
    if case.path == "internet_gateway":
        yield from _public_addresses(case)
    if now.way is not None and now.way != case.path:
        yield case.elsewhere(now, "nothing is left to close there")
        return
    route = now.routes[0] if now.routes else None
    table = now.route_table_id
    if table is None or route is None or now.way is None:
        yield from _no_route(case, table)
    elif case.path in ("internet_gateway", "egress_only_internet_gateway"):
        yield _off_the_gateway(case, table, route)
    elif case.path == "blackhole":
        yield _dead(case, table, now.routes)
    else:
        yield Remedy(
            what=f"Review the route for {_named(route)} to {route.target} in {table}: is this way wanted? Then name "
            f"{case.path} in [policy] internet_paths.",
            commands=(case.aws("describe-route-tables", "--route-table-ids", table),),
            warnings=_shared(case, table),
        )


def _no_route(case: Situation, table: str | None) -> Iterator[Remedy]:
    if table is None:
        yield Remedy(what="Which route table the subnet has is not known: see why `flowaudit discover` cannot tell.")
    elif case.path == "blackhole":
        yield Remedy(what=f"No route of {table} is for {case.remote}: whatever tries it in vain needs none, or one.")
    else:
        yield Remedy(
            what=f"Which route leads there cannot be told from {table}: look at it.",
            commands=(case.aws("describe-route-tables", "--route-table-ids", table),),
        )


def _public_addresses(case: Situation) -> Iterator[Remedy]:
    """Take away the public addresses without which an internet gateway does not pass IPv4 on."""
    if case.interface is None or ":" in case.remote:
        return
    for address in case.interface.public_addresses:
        found: Arguments = ("aws", "ec2", "describe-addresses", "--public-ips", address)
        if case.region:
            found += ("--region", case.region)
        found += ("--query", "Addresses[0].AssociationId", "--output", "text")
        yield Remedy(
            what=f"Take the public address {address} from {case.interface_id}: without one nothing leaves over the "
            "internet gateway.",
            commands=(case.aws("disassociate-address", "--association-id", found),),
            warnings=(
                "Open connections over this address are dropped.",
                "An address that is no Elastic IP has no association: it goes with its interface.",
            ),
        )


def _off_the_gateway(case: Situation, table: str, route: Match) -> Remedy:
    """Lead IPv4 to a NAT gateway of the VPC if there is one, else nowhere; IPv6 has none."""
    warnings = ("Open connections over this route are dropped.", *_shared(case, table))
    gateways = [] if ":" in case.remote or "nat_gateway" not in case.allowed else _nat_gateways(case)
    beside = [each for each in gateways if each.subnet_id and _table_of(case, each.subnet_id) == table]
    if beside:
        return Remedy(
            what=f"Move the workload to a private subnet: {table} is also the route table of NAT gateway "
            f"{beside[0].gateway_id}, which needs this route.",
            commands=(case.aws("describe-route-tables", "--route-table-ids", table),),
        )
    words = ("--route-table-id", table, *_destination(route))
    if gateways:
        nat = gateways[0].gateway_id
        return Remedy(
            what=f"Lead {_named(route)} in {table} to NAT gateway {nat} instead of {route.target}.",
            commands=(case.aws("replace-route", *words, "--nat-gateway-id", nat),),
            warnings=warnings,
        )
    return Remedy(
        what=f"Take the route for {_named(route)} to {route.target} out of {table}.",
        commands=(case.aws("delete-route", *words),),
        warnings=(*warnings, "Whatever else needs the internet from there loses it."),
    )


def _dead(case: Situation, table: str, routes: tuple[Match, ...]) -> Remedy:
    route, below = routes[0], routes[1:]
    then = f"{below[0].target}, by the route for {_named(below[0])}" if below else "nowhere"
    return Remedy(
        what=f"The route for {_named(route)} in {table} is dead: {route.target} is gone. Give it another target, or "
        "delete it.",
        commands=(case.aws("delete-route", "--route-table-id", table, *_destination(route)),),
        warnings=(f"Once it is deleted, this traffic goes to {then}.", *_shared(case, table)),
    )


# --- ways that cannot be told -----------------------------------------------------------------------------------------


def _undecided(case: Situation) -> Iterator[Remedy]:
    """Have more recorded, unless it is already."""
    hop = case.records.fields.get("next-hop-interface-id") if case.records else None
    if hop:
        yield Remedy(
            what=f"It went to interface {hop}, which the inventory does not have: see what it is.",
            commands=(case.aws("describe-network-interfaces", "--network-interface-ids", hop),),
        )
    logs = case.chart.snapshot.network.flow_logs if case.chart else ()
    watching = [each for each in logs if each.resource_id in (case.vpc_id, case.routing.subnet_id, case.interface_id)]
    full = next((each for each in watching if all(name in each.format for name in TELLING)), None)
    if full:
        yield Remedy(what=f"Flow log {full.flow_log_id} records what decides: see whether its newer records tell.")
    elif case.vpc_id:
        yield _flow_log(case, case.vpc_id, watching)


def _flow_log(case: Situation, vpc_id: str, watching: Iterable[FlowLog]) -> Remedy:
    bucket = _bucket(case, watching)
    made = case.aws(
        "create-flow-logs",
        *("--resource-type", "VPC", "--resource-ids", vpc_id, "--traffic-type", "ALL"),
        *("--max-aggregation-interval", "60", "--log-destination-type", "s3", "--log-destination", bucket),
        *("--log-format", RECOMMENDED),
    )
    unnamed = () if bucket != SOME_BUCKET else ("Put your own bucket in the place of BUCKET/PREFIX.",)
    return Remedy(
        what="Have the VPC's flow log record what decides. A format cannot be changed: make a second one, then delete "
        "the first.",
        commands=(made,),
        warnings=(*unnamed, "The way of what is on record already stays undecided."),
    )


def _bucket(case: Situation, watching: Iterable[FlowLog]) -> str:
    """Return where flow logs of this VPC go already, as far as it is known."""
    known = next((each.destination for each in watching if each.destination_type == "s3" and each.destination), None)
    key = (case.records.object_key if case.records else None) or ""
    found = re.match(r"s3://([^/]+)/(.*?/)?AWSLogs/", key)
    return known or (f"arn:aws:s3:::{found[1]}/{found[2] or ''}" if found else SOME_BUCKET)


# --- words and words of commands --------------------------------------------------------------------------------------


def _named(route: Match) -> str:
    return f"{route.destination} ({route.name})" if route.name else route.destination


def _destination(route: Match) -> tuple[str, str]:
    if route.destination.startswith("pl-"):
        return "--destination-prefix-list-id", route.destination
    return (
        "--destination-ipv6-cidr-block" if ":" in route.destination else "--destination-cidr-block",
        route.destination,
    )


def _shared(case: Situation, table: str) -> tuple[str, ...]:
    """Warn of other subnets that a change of a route table reaches."""
    subnets = case.chart.snapshot.network.subnets if case.chart else ()
    others = [s.subnet_id for s in subnets if s.route_table_id == table and s.subnet_id != case.routing.subnet_id]
    return (f"{table} is also the route table of {', '.join(others)}.",) if others else ()


def _table_of(case: Situation, subnet_id: str) -> str | None:
    return case.chart.table_of(subnet_id) if case.chart else None


def _nat_gateways(case: Situation) -> list[Gateway]:
    """Return the VPC's NAT gateways that lead to the internet, those of the subnet's own zone first."""
    if case.chart is None:
        return []
    network = case.chart.snapshot.network
    zones = {subnet.subnet_id: subnet.az_id for subnet in network.subnets}
    own = zones.get(case.routing.subnet_id or "")
    found = [
        each
        for each in network.gateways
        if each.kind == "nat_gateway" and each.state in ("", "available") and each.connectivity != "private"
    ]
    return sorted(found, key=lambda each: (zones.get(each.subnet_id or "") != own, each.gateway_id))
