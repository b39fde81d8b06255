"""Each VPC of an account's region as one value, from a number of calls that does not grow with what lies in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.filters import network_acl, security_group
from flowaudit.inventory.gateways import GATEWAYS, gateways
from flowaudit.inventory.prefixes import PrefixLists, named, prefix_lists
from flowaudit.inventory.routing import associations, endpoint, holds, route_table
from flowaudit.topology import FlowLog, Network, Subnet

PARTS = {
    "subnets": ("describe_subnets", "Subnets"),
    "route_tables": ("describe_route_tables", "RouteTables"),
    "endpoints": ("describe_vpc_endpoints", "VpcEndpoints"),
    "security_groups": ("describe_security_groups", "SecurityGroups"),
    "network_acls": ("describe_network_acls", "NetworkAcls"),
    "flow_logs": ("describe_flow_logs", "FlowLogs"),
    "dhcp_options": ("describe_dhcp_options", "DhcpOptions"),
    **GATEWAYS,
}
"""What is asked once for all VPCs: the operation, and the member of its answer."""
_DNS = {"dns_support": "EnableDnsSupport", "dns_hostnames": "EnableDnsHostnames"}
_OF_EACH = frozenset({*_DNS, "domain_name", "domain_name_servers"})
_OWNERS = frozenset({"gateways", "endpoints", "flow_logs"})
_NO_OPTIONS = "default"

Answers = Mapping[str, list[dict[str, Any]] | None]


def networks(
    ask: Asker,
    addresses: Mapping[str, tuple[str, ...]] | None = None,
    interface_vpcs: Mapping[str, str] | None = None,
) -> tuple[Network, ...] | None:
    """Return every VPC, by id; None where DescribeVpcs itself does not answer.

    Asks 16 times (17 where a prefix list's entries are refused), twice for each VPC (its DNS attributes), once for each
    prefix list that counts, and for further pages; only once where there is no VPC. `addresses` are each interface's
    private ones, `interface_vpcs` the VPC of each: None where interfaces could not be asked, which leaves endpoints
    without addresses, and flow logs of single interfaces out. Flow logs of a transit gateway stand in each VPC that is
    attached to it, those of an attachment nowhere. Local gateways are in routes only. Gateways, endpoints and
    associations that are done with (deleted, failed, rejected) are left out.

    Of a VPC that another account shares there is what a participant sees (VPC User Guide, "Responsibilities and
    permissions for owners and participants"): its owner's gateways, endpoints and flow logs are unknown, and so is
    whatever else is empty.
    """
    vpcs = ask.all("ec2", "describe_vpcs", "Vpcs")
    if not vpcs:
        return None if vpcs is None else ()
    answers = {part: ask.all("ec2", operation, key) for part, (operation, key) in PARTS.items()}
    missing = _missing(answers, addresses, interface_vpcs)
    own = _own(ask, vpcs, answers)
    parts = _parts(answers, addresses or {}, interface_vpcs or {})
    found = [_network(ask, vpc, {**own[vpc["VpcId"]], **parts(vpc["VpcId"])}, missing) for vpc in vpcs]
    lists = prefix_lists(ask, frozenset().union(*map(named, found)))
    return tuple(_with_prefix_lists(network, lists) for network in sorted(found, key=lambda network: network.vpc_id))


def _network(ask: Asker, vpc: Mapping[str, Any], parts: Mapping[str, Any], missing: frozenset[str]) -> Network:
    unknown = missing | (_OF_EACH - parts.keys())
    if vpc.get("OwnerId", ask.account_id) != ask.account_id:
        unknown |= _OWNERS | {part for part in parts.keys() - _OF_EACH if not parts[part]}
    return Network(
        vpc_id=vpc["VpcId"],
        account_id=ask.account_id,
        region=ask.region,
        owner_id=vpc.get("OwnerId"),
        cidrs=_cidrs(vpc),
        tenancy=vpc.get("InstanceTenancy") or "default",
        unknown=tuple(sorted(unknown)),
        **parts,
    )


def _missing(answers: Answers, addresses: object, interface_vpcs: object) -> frozenset[str]:
    """Parts that are not there, or not in full, in any VPC."""
    missing = {part for part, answer in answers.items() if answer is None} - {"dhcp_options"}
    if not missing.isdisjoint(GATEWAYS):
        missing.add("gateways")
    if addresses is None and any(item.get("NetworkInterfaceIds") for item in answers["endpoints"] or ()):
        missing.add("endpoints.addresses")
    lists = (
        ("eni-", interface_vpcs),
        ("subnet-", answers["subnets"]),
        ("nat-", answers["gateways.nat_gateway"]),
        ("tgw-", answers["gateways.transit_gateway"]),
    )
    blind = tuple(prefix for prefix, known in lists if known is None)
    if any(item["ResourceId"].startswith(blind) for item in answers["flow_logs"] or ()):
        missing.add("flow_logs")
    return frozenset(missing)


def _own(ask: Asker, vpcs: Iterable[Mapping[str, Any]], answers: Answers) -> dict[str, dict[str, Any]]:
    """What each VPC has just once: its DNS attributes and DHCP options, as far as they are to be seen."""
    options = {item["DhcpOptionsId"]: item for item in answers["dhcp_options"] or ()}
    own = {vpc["VpcId"]: _dhcp(vpc.get("DhcpOptionsId") or _NO_OPTIONS, options) for vpc in vpcs}
    wanted = [(vpc_id, part, attribute) for vpc_id in own for part, attribute in _DNS.items()]
    asked = [{"VpcId": vpc_id, "Attribute": attribute[0].lower() + attribute[1:]} for vpc_id, _, attribute in wanted]
    answered = ask.each("ec2", "describe_vpc_attribute", asked, gone=("NotFound",))
    for (vpc_id, part, attribute), answer in zip(wanted, answered, strict=True):
        if answer is not None:
            own[vpc_id][part] = answer[attribute]["Value"]
    return own


def _dhcp(options_id: str, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A VPC's domain name and servers; nothing where its options are not to be seen, which is not to have none."""
    if options_id == _NO_OPTIONS:
        return {"domain_name": None, "domain_name_servers": ()}
    if options_id not in options:
        return {}
    said = {
        one["Key"]: tuple(value["Value"] for value in one.get("Values") or ())
        for one in options[options_id].get("DhcpConfigurations") or ()
    }
    # Servers stay in their order: it is that in which they are tried.
    return {
        "domain_name": " ".join(said.get("domain-name", ())) or None,
        "domain_name_servers": said.get("domain-name-servers", ()),
    }


def _parts(
    answers: Answers, addresses: Mapping[str, tuple[str, ...]], interface_vpcs: Mapping[str, str]
) -> Callable[[str], dict[str, Any]]:
    """What lies in a VPC, by its id."""
    ways, tables = gateways(answers), associations(answers["route_tables"])
    acls = {
        one["SubnetId"]: one["NetworkAclId"]
        for item in answers["network_acls"] or ()
        for one in item.get("Associations") or ()
    }
    here: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for part in ("subnets", "route_tables", "endpoints", "security_groups", "network_acls"):
        for item in answers[part] or ():
            here[item["VpcId"], part].append(item)

    def parts(vpc_id: str) -> dict[str, Any]:
        subnets = _sorted(_subnet(item, tables, acls) for item in here[vpc_id, "subnets"])
        watched = {vpc_id, *(one.subnet_id for one in subnets), *(one.gateway_id for one in ways.get(vpc_id, ()))}
        logs = (
            item
            for item in answers["flow_logs"] or ()
            if item["ResourceId"] in watched or interface_vpcs.get(item["ResourceId"]) == vpc_id
        )
        endpoints = (endpoint(item, addresses) for item in here[vpc_id, "endpoints"])
        return {
            "subnets": subnets,
            "route_tables": _sorted(map(route_table, here[vpc_id, "route_tables"])),
            "gateways": ways.get(vpc_id, ()),
            "endpoints": _sorted(one for one in endpoints if holds(one.state)),
            "security_groups": _sorted(map(security_group, here[vpc_id, "security_groups"])),
            "network_acls": _sorted(map(network_acl, here[vpc_id, "network_acls"])),
            "flow_logs": _sorted(map(_flow_log, logs)),
        }

    return parts


def _sorted(values: Iterable[Any]) -> tuple[Any, ...]:
    """Values in the order of their id, their first field: AWS promises none."""
    return tuple(sorted(values, key=lambda value: getattr(value, fields(value)[0].name)))


def _subnet(item: Mapping[str, Any], tables: Mapping[str, str], acls: Mapping[str, str]) -> Subnet:
    subnet_id = item["SubnetId"]
    return Subnet(
        subnet_id=subnet_id,
        az_id=item.get("AvailabilityZoneId"),
        availability_zone=item.get("AvailabilityZone"),
        cidrs=_cidrs(item),
        route_table_id=tables.get(subnet_id) or tables.get(item["VpcId"]),
        explicit=subnet_id in tables,
        network_acl_id=acls.get(subnet_id),
        map_public_ip_on_launch=item.get("MapPublicIpOnLaunch", False),
        assign_ipv6_on_creation=item.get("AssignIpv6AddressOnCreation", False),
    )


def _cidrs(item: Mapping[str, Any]) -> tuple[str, ...]:
    """A VPC's or subnet's CIDRs of both families: its first one, and those that are associated."""
    found = {item.get("CidrBlock")}
    for of, cidr, state in (
        ("CidrBlockAssociationSet", "CidrBlock", "CidrBlockState"),
        ("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", "Ipv6CidrBlockState"),
    ):
        found |= {one[cidr] for one in item.get(of) or () if holds(one[state]["State"])}
    return tuple(sorted(filter(None, found)))


def _flow_log(item: Mapping[str, Any]) -> FlowLog:
    return FlowLog(
        flow_log_id=item["FlowLogId"],
        resource_id=item["ResourceId"],
        traffic_type=item.get("TrafficType") or "",
        status=item.get("FlowLogStatus") or "",
        delivery_status=item.get("DeliverLogsStatus") or "",
        delivery_error=item.get("DeliverLogsErrorMessage"),
        destination_type=item.get("LogDestinationType") or "cloud-watch-logs",
        destination=item.get("LogDestination") or item.get("LogGroupName") or "",
        format=item.get("LogFormat") or "",
        max_aggregation_interval=item.get("MaxAggregationInterval"),
    )


def _with_prefix_lists(network: Network, lists: PrefixLists) -> Network:
    wanted = named(network) | lists.services
    unknown = set(network.unknown)
    if not lists.answered or wanted - lists.found.keys():
        unknown.add("prefix_lists")
    found = tuple(lists.found[prefix_list_id] for prefix_list_id in sorted(wanted & lists.found.keys()))
    return replace(network, prefix_lists=found, unknown=tuple(sorted(unknown)))
