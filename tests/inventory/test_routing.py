"""Routes, gateways, endpoints and filters: each shape of AWS's answer, as the value that it becomes."""

from typing import Any

import pytest

from flowaudit.inventory.network import networks
from flowaudit.topology import AclEntry, Endpoint, Gateway, Route
from tests.inventory.vpcs import VPC, cloud, only, subnet, table, vpc

S3, CORPORATE = "pl-s3", "pl-corporate"

ROUTES: tuple[tuple[dict[str, Any], Route], ...] = (
    (
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable"},
        Route(destination="10.0.0.0/16", target="local", origin="CreateRouteTable"),
    ),
    (
        {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
        Route(destination="::/0", target="eigw-1"),
    ),
    ({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}, Route(destination="0.0.0.0/0", target="igw-1")),
    (
        {"DestinationCidrBlock": "172.16.0.0/12", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation"},
        Route(destination="172.16.0.0/12", target="vgw-1", origin="EnableVgwRoutePropagation"),
    ),
    ({"DestinationPrefixListId": S3, "GatewayId": "vpce-1"}, Route(destination=S3, target="vpce-1")),
    (
        {"DestinationCidrBlock": "192.0.2.0/24", "NatGatewayId": "nat-1"},
        Route(destination="192.0.2.0/24", target="nat-1"),
    ),
    (
        {"DestinationPrefixListId": CORPORATE, "TransitGatewayId": "tgw-1"},
        Route(destination=CORPORATE, target="tgw-1"),
    ),
    (
        {"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "blackhole"},
        Route(destination="10.9.0.0/16", target="pcx-1", state="blackhole"),
    ),
    (
        {"DestinationCidrBlock": "10.8.0.0/16", "InstanceId": "i-1", "NetworkInterfaceId": "eni-1"},
        Route(destination="10.8.0.0/16", target="eni-1"),
    ),
    ({"DestinationCidrBlock": "10.7.0.0/16", "InstanceId": "i-1"}, Route(destination="10.7.0.0/16", target="i-1")),
    (
        {"DestinationCidrBlock": "10.6.0.0/16", "LocalGatewayId": "lgw-1"},
        Route(destination="10.6.0.0/16", target="lgw-1"),
    ),
    (
        {"DestinationCidrBlock": "10.5.0.0/16", "CarrierGatewayId": "cagw-1"},
        Route(destination="10.5.0.0/16", target="cagw-1"),
    ),
    (
        {"DestinationCidrBlock": "10.4.0.0/16", "CoreNetworkArn": "arn:aws:networkmanager::1:core-network/c-1"},
        Route(destination="10.4.0.0/16", target="arn:aws:networkmanager::1:core-network/c-1"),
    ),
    (
        {"DestinationCidrBlock": "10.3.0.0/16", "State": "blackhole"},
        Route(destination="10.3.0.0/16", target="", state="blackhole"),
    ),
)


@pytest.mark.parametrize(("item", "route"), ROUTES, ids=[route.target or "nothing" for _, route in ROUTES])
def test_a_route_of_each_kind_names_where_it_leads(item: dict[str, Any], route: Route) -> None:
    """Of IPv4, IPv6 or a prefix list; to the VPC itself, a gateway, an endpoint, an interface; a dead end is one."""
    ask = cloud(describe_route_tables={"RouteTables": [table({"State": "active", **item})]})
    assert only(networks(ask)).route_tables[0].routes == (route,)


def test_a_subnet_without_a_route_table_of_its_own_has_the_main_one() -> None:
    """Explicit where associated, the main one where not or no longer; edge associations name their gateway."""
    gone = {"SubnetId": "subnet-2", "AssociationState": {"State": "disassociated"}}
    tables = [
        table(associations=({"Main": True},)),
        table(associations=({"Main": False, "SubnetId": "subnet-1"}, gone), RouteTableId="rtb-2"),
        table(associations=({"Main": False, "GatewayId": "igw-1"},), RouteTableId="rtb-3"),
    ]
    ask = cloud(
        describe_subnets={"Subnets": [subnet("subnet-1"), subnet("subnet-2")]},
        describe_route_tables={"RouteTables": tables},
    )
    network = only(networks(ask))
    assert [(one.route_table_id, one.explicit) for one in network.subnets] == [("rtb-2", True), ("rtb-1", False)]
    assert [(one.main, one.gateways) for one in network.route_tables] == [
        (True, ()),
        (False, ()),
        (False, ("igw-1",)),
    ]


def test_a_regional_nat_gateway_has_addresses_in_several_zones_and_no_subnet() -> None:
    """Zonal and regional, public and private; one that is deleted, and an address that failed, are left out."""
    regional = {
        "NatGatewayId": "nat-1",
        "VpcId": VPC,
        "State": "available",
        "ConnectivityType": "public",
        "AvailabilityMode": "regional",
        "NatGatewayAddresses": [
            {"PublicIp": "198.51.100.8", "Status": "succeeded", "AvailabilityZoneId": "euw1-az2"},
            {"PublicIp": "198.51.100.7", "Status": "succeeded", "AvailabilityZoneId": "euw1-az1"},
            {"PublicIp": "198.51.100.9", "Status": "failed"},
        ],
    }
    private = {
        "NatGatewayId": "nat-2",
        "VpcId": VPC,
        "SubnetId": "subnet-1",
        "State": "available",
        "ConnectivityType": "private",
        "NatGatewayAddresses": [
            {"NetworkInterfaceId": "eni-1", "PrivateIp": "10.0.0.8"},
            {"NetworkInterfaceId": "eni-1", "PrivateIp": "10.0.0.9"},
        ],
    }
    deleted = {"NatGatewayId": "nat-3", "VpcId": VPC, "State": "deleted"}
    network = only(networks(cloud(describe_nat_gateways={"NatGateways": [deleted, private, regional]})))
    assert network.gateways == (
        Gateway(
            kind="nat_gateway",
            gateway_id="nat-1",
            state="available",
            public_addresses=("198.51.100.7", "198.51.100.8"),
            connectivity="public",
            availability="regional",
        ),
        Gateway(
            kind="nat_gateway",
            gateway_id="nat-2",
            state="available",
            subnet_id="subnet-1",
            interface_ids=("eni-1",),
            private_addresses=("10.0.0.8", "10.0.0.9"),
            connectivity="private",
            availability="zonal",
        ),
    )


def test_gateways_of_every_kind_are_in_the_vpc_that_they_are_attached_to() -> None:
    """Attached ones, in the state of their attachment; a detached one and a deleted peering are in no VPC."""
    attached = {"VpcId": VPC, "State": "attached"}
    network = only(
        networks(
            cloud(
                describe_internet_gateways={
                    "InternetGateways": [
                        {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": VPC, "State": "Available"}]},
                        {"InternetGatewayId": "igw-2", "Attachments": []},
                    ]
                },
                describe_egress_only_internet_gateways={
                    "EgressOnlyInternetGateways": [{"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": [attached]}]
                },
                describe_vpn_gateways={
                    "VpnGateways": [
                        {"VpnGatewayId": "vgw-1", "VpcAttachments": [attached]},
                        {"VpnGatewayId": "vgw-2", "VpcAttachments": [{"VpcId": VPC, "State": "detached"}]},
                    ]
                },
                describe_transit_gateway_vpc_attachments={
                    "TransitGatewayVpcAttachments": [
                        {"TransitGatewayId": "tgw-1", "VpcId": VPC, "State": "available"},
                        {"TransitGatewayId": "tgw-1", "VpcId": "vpc-of-another-account", "State": "available"},
                    ]
                },
                describe_carrier_gateways={
                    "CarrierGateways": [{"CarrierGatewayId": "cagw-1", "VpcId": VPC, "State": "available"}]
                },
                describe_vpc_peering_connections={
                    "VpcPeeringConnections": [
                        _peering("pcx-1", VPC, "vpc-2", "active"),
                        _peering("pcx-2", "vpc-3", VPC, "pending-acceptance"),
                        _peering("pcx-3", VPC, "vpc-4", "deleted"),
                    ]
                },
            )
        )
    )
    assert {(one.kind, one.gateway_id, one.state, one.peer) for one in network.gateways} == {
        ("internet_gateway", "igw-1", "available", None),
        ("egress_only_internet_gateway", "eigw-1", "attached", None),
        ("virtual_private_gateway", "vgw-1", "attached", None),
        ("transit_gateway", "tgw-1", "available", None),
        ("carrier_gateway", "cagw-1", "available", None),
        ("vpc_peering", "pcx-1", "active", "vpc-2"),
        ("vpc_peering", "pcx-2", "pending-acceptance", "vpc-3"),
    }


def _peering(peering_id: str, requester: str, accepter: str, state: str) -> dict[str, Any]:
    return {
        "VpcPeeringConnectionId": peering_id,
        "RequesterVpcInfo": {"VpcId": requester},
        "AccepterVpcInfo": {"VpcId": accepter},
        "Status": {"Code": state},
    }


def test_a_peering_within_an_account_is_in_both_vpcs() -> None:
    """Each end names the other."""
    ask = cloud(
        describe_vpcs={"Vpcs": [vpc("vpc-1"), vpc("vpc-2")]},
        describe_vpc_peering_connections={"VpcPeeringConnections": [_peering("pcx-1", "vpc-1", "vpc-2", "active")]},
    )
    assert [[way.peer for way in one.gateways] for one in networks(ask) or ()] == [["vpc-2"], ["vpc-1"]]


ENDPOINTS = {
    "VpcEndpoints": [
        {
            "VpcEndpointId": "vpce-1",
            "VpcEndpointType": "GatewayLoadBalancer",
            "VpcId": VPC,
            "ServiceName": "com.amazonaws.vpce.eu-west-1.vpce-svc-1",
            "State": "Available",
            "SubnetIds": ["subnet-1"],
            "NetworkInterfaceIds": ["eni-1"],
        },
        {
            "VpcEndpointId": "vpce-2",
            "VpcEndpointType": "interface",
            "VpcId": VPC,
            "ServiceName": "com.amazonaws.eu-west-1.sts",
            "State": "available",
            "NetworkInterfaceIds": ["eni-3", "eni-2"],
        },
        {
            "VpcEndpointId": "vpce-3",
            "VpcEndpointType": "Resource",
            "VpcId": VPC,
            "ResourceConfigurationArn": "arn:aws:vpc-lattice:eu-west-1:123456789012:resourceconfiguration/rcfg-1",
            "State": "available",
        },
        {"VpcEndpointId": "vpce-4", "VpcEndpointType": "Interface", "VpcId": VPC, "State": "Deleted"},
    ]
}


def test_endpoints_of_every_type_have_the_addresses_of_their_interfaces() -> None:
    """IPv4 and IPv6, as the caller knows them; states and types are spelled one way; a deleted one is left out."""
    addresses = {"eni-1": ("10.0.0.4",), "eni-2": ("10.0.0.5", "2001:db8::5"), "eni-9": ("10.0.0.6",)}
    network = only(networks(cloud(describe_vpc_endpoints=ENDPOINTS), addresses))
    assert network.unknown == ()
    balancer, sts, resource = network.endpoints
    assert balancer == Endpoint(
        endpoint_id="vpce-1",
        type="GatewayLoadBalancer",
        service="com.amazonaws.vpce.eu-west-1.vpce-svc-1",
        state="available",
        subnet_ids=("subnet-1",),
        interface_ids=("eni-1",),
        addresses=("10.0.0.4",),
    )
    assert (sts.type, sts.state, sts.interface_ids) == ("Interface", "available", ("eni-2", "eni-3"))
    assert sts.addresses == ("10.0.0.5", "2001:db8::5")
    assert (resource.type, resource.service.rpartition("/")[2]) == ("Resource", "rcfg-1")


def test_endpoints_without_addresses_are_said_to_be_so() -> None:
    """Where interfaces could not be asked, the endpoints are there and their addresses are unknown."""
    network = only(networks(cloud(describe_vpc_endpoints=ENDPOINTS)))
    assert [one.addresses for one in network.endpoints] == [(), (), ()]
    assert network.unknown == ("endpoints.addresses",)


def test_the_rules_of_a_group_are_one_for_each_peer() -> None:
    """CIDRs of both families, lists and groups; all ports are None, and so are all types of ICMP."""
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "192.0.2.0/24"}, {"CidrIp": "192.0.2.0/24", "Description": "twice"}],
        "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
        "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "210987654321"}],
    }
    ping = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = {"GroupId": "sg-1", "VpcId": VPC, "IpPermissions": [permission, ping], "IpPermissionsEgress": [everything]}
    (found,) = only(networks(cloud(describe_security_groups={"SecurityGroups": [group]}))).security_groups
    assert len(found.rules) == 5
    assert {(one.egress, one.protocol, one.peer, one.from_port, one.to_port) for one in found.rules} == {
        (False, "tcp", "192.0.2.0/24", 443, 443),
        (False, "tcp", "2001:db8::/32", 443, 443),
        (False, "tcp", "sg-2", 443, 443),
        (False, "icmp", "10.0.0.0/8", 8, None),
        (True, "-1", "0.0.0.0/0", None, None),
    }


def test_entries_of_an_acl_are_in_the_order_of_their_numbers() -> None:
    """As EC2 weighs them: the lowest number first, whatever the order of the answer."""

    def entry(number: int, **more: Any) -> dict[str, Any]:
        return {"RuleNumber": number, "Egress": True, "RuleAction": "allow", "Protocol": "6", **more}

    entries = [
        entry(32767, CidrBlock="0.0.0.0/0", RuleAction="deny", Protocol="-1"),
        entry(200, Ipv6CidrBlock="::/0", Protocol="58", IcmpTypeCode={"Type": 128, "Code": -1}),
        entry(90, CidrBlock="10.0.0.0/8", PortRange={"From": 443, "To": 443}),
    ]
    acl = {"NetworkAclId": "acl-1", "VpcId": VPC, "Entries": entries}
    acl["Associations"] = [{"SubnetId": "subnet-1", "NetworkAclId": "acl-1"}]
    ask = cloud(describe_network_acls={"NetworkAcls": [acl]}, describe_subnets={"Subnets": [subnet("subnet-1")]})
    network = only(networks(ask))
    assert network.subnets[0].network_acl_id == "acl-1"
    assert network.network_acls[0].entries == (
        AclEntry(number=90, egress=True, action="allow", protocol="6", cidr="10.0.0.0/8", from_port=443, to_port=443),
        AclEntry(number=200, egress=True, action="allow", protocol="58", cidr="::/0", from_port=128),
        AclEntry(number=32767, egress=True, action="deny", protocol="-1", cidr="0.0.0.0/0"),
    )
