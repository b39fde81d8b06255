"""The ways out of each VPC: gateways of every kind, and connections to other VPCs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowaudit.inventory.routing import holds
from flowaudit.topology import Gateway

GATEWAYS = {
    "gateways.internet_gateway": ("describe_internet_gateways", "InternetGateways"),
    "gateways.egress_only_internet_gateway": (
        "describe_egress_only_internet_gateways",
        "EgressOnlyInternetGateways",
    ),
    "gateways.nat_gateway": ("describe_nat_gateways", "NatGateways"),
    "gateways.virtual_private_gateway": ("describe_vpn_gateways", "VpnGateways"),
    "gateways.transit_gateway": ("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"),
    "gateways.vpc_peering": ("describe_vpc_peering_connections", "VpcPeeringConnections"),
    "gateways.carrier_gateway": ("describe_carrier_gateways", "CarrierGateways"),
}
"""What is asked once for all VPCs, as the part `gateways` and the kind in it: the operation, its answer's member."""

_InVpc = Iterator[tuple[str, Gateway]]


def gateways(answers: Mapping[str, list[dict[str, Any]] | None]) -> dict[str, tuple[Gateway, ...]]:
    """Return each VPC's gateways that are not done with; `answers` are those to `GATEWAYS`."""
    found: defaultdict[str, list[Gateway]] = defaultdict(list)
    for part in GATEWAYS:
        kind = part.removeprefix("gateways.")
        for item in answers[part] or ():
            for vpc_id, gateway in _MADE[kind](kind, item):
                if holds(gateway.state):
                    found[vpc_id].append(gateway)
    return {
        vpc_id: tuple(sorted(ways, key=lambda way: (way.kind, way.gateway_id, way.state)))
        for vpc_id, ways in found.items()
    }


def _attached(name: str, attachments: str) -> Callable[[str, Mapping[str, Any]], _InVpc]:
    """What is attached to a VPC, and stands as its attachment does."""

    def made(kind: str, item: Mapping[str, Any]) -> _InVpc:
        for one in item.get(attachments) or ():
            yield one["VpcId"], Gateway(kind=kind, gateway_id=item[name], state=_state(one))

    return made


def _belonging(name: str) -> Callable[[str, Mapping[str, Any]], _InVpc]:
    """What names one VPC itself."""

    def made(kind: str, item: Mapping[str, Any]) -> _InVpc:
        yield item["VpcId"], Gateway(kind=kind, gateway_id=item[name], state=_state(item))

    return made


def _nat(kind: str, item: Mapping[str, Any]) -> _InVpc:
    """A NAT gateway; a regional one has no subnet, and addresses in several zones (VPC User Guide, "NAT gateways")."""
    addresses = [one for one in item.get("NatGatewayAddresses") or () if holds(one.get("Status"))]
    yield (
        item["VpcId"],
        Gateway(
            kind=kind,
            gateway_id=item["NatGatewayId"],
            state=_state(item),
            subnet_id=item.get("SubnetId"),
            interface_ids=_all(addresses, "NetworkInterfaceId"),
            private_addresses=_all(addresses, "PrivateIp"),
            public_addresses=_all(addresses, "PublicIp"),
            connectivity=(item.get("ConnectivityType") or "public").lower(),
            availability=(item.get("AvailabilityMode") or "zonal").lower(),
        ),
    )


def _peering(kind: str, item: Mapping[str, Any]) -> _InVpc:
    """A peering, once from each end: whoever is asked may own both."""
    ends = [(item.get(end) or {}).get("VpcId") for end in ("RequesterVpcInfo", "AccepterVpcInfo")]
    state = (item.get("Status") or {}).get("Code", "").lower()
    for vpc_id, peer in (ends, ends[::-1]):
        if vpc_id:
            yield vpc_id, Gateway(kind=kind, gateway_id=item["VpcPeeringConnectionId"], state=state, peer=peer)


def _state(item: Mapping[str, Any]) -> str:
    return (item.get("State") or "").lower()


def _all(items: list[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(sorted({item[key] for item in items if item.get(key)}))


_MADE: Mapping[str, Callable[[str, Mapping[str, Any]], _InVpc]] = {
    "internet_gateway": _attached("InternetGatewayId", "Attachments"),
    "egress_only_internet_gateway": _attached("EgressOnlyInternetGatewayId", "Attachments"),
    "nat_gateway": _nat,
    "virtual_private_gateway": _attached("VpnGatewayId", "VpcAttachments"),
    "transit_gateway": _belonging("TransitGatewayId"),
    "vpc_peering": _peering,
    "carrier_gateway": _belonging("CarrierGatewayId"),
}
