"""Where routes lead: route tables, what they are associated with, and VPC endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowaudit.topology import Endpoint, Route, RouteTable

_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
# A route to an instance names its interface as well: that is where packets go.
_TARGETS = (
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    "GatewayId",
    "NetworkInterfaceId",
    "InstanceId",
)
_OVER = frozenset(
    {"deleted", "detached", "disassociating", "disassociated", "expired", "failed", "failing", "rejected"}
)
_TYPES = {kind.lower(): kind for kind in ("Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork")}


def holds(state: str | None) -> bool:
    """Tell whether something in such a state carries, or is about to carry, packets (EC2 spells states both ways)."""
    return (state or "").lower() not in _OVER


def associations(answer: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return the route table of each subnet that has one of its own, and of each VPC its main one."""
    return {
        one.get("SubnetId") or item["VpcId"]: item["RouteTableId"]
        for item in answer or ()
        for one in _associated(item)
        if one.get("SubnetId") or one.get("Main")
    }


def route_table(item: Mapping[str, Any]) -> RouteTable:
    """Return a route table of DescribeRouteTables."""
    associated = _associated(item)
    routes = map(_route, item.get("Routes") or ())
    return RouteTable(
        route_table_id=item["RouteTableId"],
        main=any(one.get("Main") for one in associated),
        routes=tuple(sorted(routes, key=lambda route: (route.destination, route.target, route.state, route.origin))),
        gateways=tuple(sorted(one["GatewayId"] for one in associated if one.get("GatewayId"))),
    )


def endpoint(item: Mapping[str, Any], addresses: Mapping[str, tuple[str, ...]]) -> Endpoint:
    """Return an endpoint of DescribeVpcEndpoints, with those `addresses` that its interfaces have."""
    kind = item.get("VpcEndpointType") or "Gateway"
    interfaces = tuple(sorted(item.get("NetworkInterfaceIds") or ()))
    services = (item.get(key) for key in ("ServiceName", "ServiceNetworkArn", "ResourceConfigurationArn"))
    return Endpoint(
        endpoint_id=item["VpcEndpointId"],
        type=_TYPES.get(kind.lower(), kind),
        service=next(filter(None, services), ""),
        state=(item.get("State") or "").lower(),
        policy=item.get("PolicyDocument"),
        private_dns=item.get("PrivateDnsEnabled", False),
        route_table_ids=tuple(sorted(item.get("RouteTableIds") or ())),
        subnet_ids=tuple(sorted(item.get("SubnetIds") or ())),
        interface_ids=interfaces,
        addresses=tuple(sorted(address for one in interfaces for address in addresses.get(one, ()))),
        security_groups=tuple(sorted(group["GroupId"] for group in item.get("Groups") or ())),
    )


def _associated(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    every = item.get("Associations") or ()
    return [one for one in every if holds((one.get("AssociationState") or {}).get("State"))]


def _route(item: Mapping[str, Any]) -> Route:
    return Route(
        destination=_first(item, _DESTINATIONS),
        target=_first(item, _TARGETS),
        state=(item.get("State") or "active").lower(),
        origin=item.get("Origin") or "CreateRoute",
    )


def _first(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    return next((item[key] for key in keys if item.get(key)), "")
