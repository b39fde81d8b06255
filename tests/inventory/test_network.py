"""Each VPC as one value: what is in it, what could not be asked, and how often AWS is asked for it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.network import PARTS, networks
from flowaudit.topology import FlowLog, Gateway, Network, Route, SecurityGroupRule
from tests.inventory.vpcs import (
    ACCOUNT,
    OPERATIONS,
    REGION,
    VPC,
    Answer,
    asker,
    attributes,
    cloud,
    only,
    subnet,
    table,
    vpc,
)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are nobody's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")


@pytest.fixture
def moto() -> Iterator[None]:
    """AWS in this process, without the VPCs that it comes with."""
    with mock_aws():
        ec2 = boto3.client("ec2", REGION)
        for part in ("Subnet", "Vpc"):
            for item in getattr(ec2, f"describe_{part.lower()}s")()[f"{part}s"]:
                getattr(ec2, f"delete_{part.lower()}")(**{f"{part}Id": item[f"{part}Id"]})
        yield


def rich(ec2: Any, subnets: int = 2) -> dict[str, str]:
    """Build a VPC with a bit of everything that moto can make; the ids of it."""
    made = {"vpc": ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]}
    ec2.associate_vpc_cidr_block(VpcId=made["vpc"], CidrBlock="10.1.0.0/16")
    ec2.modify_vpc_attribute(VpcId=made["vpc"], EnableDnsHostnames={"Value": True})
    ids = [
        ec2.create_subnet(VpcId=made["vpc"], CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(subnets)
    ]
    made |= {"private": ids[0], "public": ids[1]}
    made["table"] = ec2.create_route_table(VpcId=made["vpc"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=made["table"], SubnetId=made["private"])
    made["igw"] = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made["igw"], VpcId=made["vpc"])
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=made["public"], AllocationId=address)["NatGateway"]
    made["nat"] = nat["NatGatewayId"]
    ec2.create_route(RouteTableId=made["table"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=made["nat"])
    made["group"] = ec2.create_security_group(GroupName="job", Description="job", VpcId=made["vpc"])["GroupId"]
    service = f"com.amazonaws.{REGION}"
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    made["s3"] = ec2.create_vpc_endpoint(
        VpcEndpointType="Gateway",
        VpcId=made["vpc"],
        ServiceName=f"{service}.s3",
        RouteTableIds=[made["table"]],
        PolicyDocument=policy,
    )["VpcEndpoint"]["VpcEndpointId"]
    made["sts"] = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=made["vpc"],
        ServiceName=f"{service}.sts",
        SubnetIds=[made["private"]],
        SecurityGroupIds=[made["group"]],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]["VpcEndpointId"]
    options = [
        {"Key": "domain-name", "Values": ["example.internal"]},
        {"Key": "domain-name-servers", "Values": ["10.0.0.9", "10.0.0.3"]},
    ]
    dhcp = ec2.create_dhcp_options(DhcpConfigurations=options)["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=dhcp, VpcId=made["vpc"])
    made["log"] = ec2.create_flow_logs(
        ResourceIds=[made["vpc"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="flows",
        DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/flows",
        MaxAggregationInterval=60,
    )["FlowLogIds"][0]
    return made


def look(ask: Asker) -> Network:
    """The one VPC there is, by somebody who knows its interfaces."""
    client = boto3.client("ec2", REGION)
    interfaces = client.describe_network_interfaces()["NetworkInterfaces"]
    addresses = {one["NetworkInterfaceId"]: (one["PrivateIpAddress"],) for one in interfaces}
    return only(networks(ask, addresses, {one["NetworkInterfaceId"]: one["VpcId"] for one in interfaces}))


def test_a_vpc_is_there_with_all_that_is_in_it(moto: None) -> None:
    """Addresses, DNS, DHCP, subnets, routes, gateways, endpoints, lists, groups, ACLs, flow logs: as they were made."""
    ec2 = boto3.client("ec2", REGION)
    made, ask = rich(ec2), asker()
    network = look(ask)
    assert (network.vpc_id, network.account_id, network.region) == (made["vpc"], ACCOUNT, REGION)
    assert network.cidrs[:2] == ("10.0.0.0/16", "10.1.0.0/16")
    assert [cidr.partition("/")[2] for cidr in network.cidrs] == ["16", "16", "56"]
    assert (network.dns_support, network.dns_hostnames, network.tenancy) == (True, True, "default")
    assert (network.domain_name, network.domain_name_servers) == ("example.internal", ("10.0.0.9", "10.0.0.3"))
    assert (network.unknown, ask.gaps) == ((), ())

    tables = {one.route_table_id: one for one in network.route_tables}
    (main,) = (one for one in network.route_tables if one.main)
    subnets = {one.subnet_id: one for one in network.subnets}
    private, public = subnets[made["private"]], subnets[made["public"]]
    assert (private.route_table_id, private.explicit) == (made["table"], True)
    assert (public.route_table_id, public.explicit) == (main.route_table_id, False)
    (acl,) = network.network_acls
    assert (acl.network_acl_id, acl.default) == (private.network_acl_id, True)
    assert (private.cidrs, private.az_id is None) == (("10.0.0.0/24",), False)

    (lists,) = (one for one in network.prefix_lists if one.name == f"com.amazonaws.{REGION}.s3")
    assert (lists.owner_id, lists.cidrs) == ("AWS", ("3.5.0.0/19", "52.216.0.0/15", "54.231.0.0/16"))
    assert Route(destination="0.0.0.0/0", target=made["nat"]) in tables[made["table"]].routes
    assert (lists.prefix_list_id, made["s3"]) in {(one.destination, one.target) for one in tables[made["table"]].routes}

    gateways = {one.kind: one for one in network.gateways}
    assert gateways["internet_gateway"] == Gateway(kind="internet_gateway", gateway_id=made["igw"], state="available")
    nat = gateways["nat_gateway"]
    assert (nat.gateway_id, nat.subnet_id, nat.state) == (made["nat"], made["public"], "available")
    assert (nat.connectivity, nat.availability) == ("public", "zonal")
    assert [len(one) for one in (nat.interface_ids, nat.private_addresses, nat.public_addresses)] == [1, 1, 1]

    endpoints = {one.type: one for one in network.endpoints}
    assert endpoints["Gateway"].route_table_ids == (made["table"],)
    assert json.loads(endpoints["Gateway"].policy or "")["Statement"] == []
    sts = endpoints["Interface"]
    assert (sts.service, sts.private_dns, sts.subnet_ids) == (f"com.amazonaws.{REGION}.sts", True, (made["private"],))
    assert (len(sts.interface_ids), len(sts.addresses), sts.security_groups) == (1, 1, (made["group"],))

    (job,) = (one for one in network.security_groups if one.name == "job")
    assert SecurityGroupRule(egress=True, protocol="-1", peer="0.0.0.0/0") in job.rules
    (log,) = network.flow_logs
    assert (log.flow_log_id, log.resource_id, log.traffic_type) == (made["log"], made["vpc"], "ALL")
    assert (log.status, log.delivery_status, log.destination_type) == ("ACTIVE", "FAILED", "cloud-watch-logs")
    assert log.delivery_error == "Access error"  # the role that it is to write with is not there
    assert (log.destination, log.max_aggregation_interval, log.format[:10]) == ("flows", 60, "${version}")


def test_the_same_vpc_is_the_same_value(moto: None) -> None:
    """Two looks at a VPC that has not changed are equal, in whatever order AWS answers and whatever else has moved."""
    ec2 = boto3.client("ec2", REGION)
    made = rich(ec2)
    before = look(asker())
    # Takes an address from the subnet: its AvailableIpAddressCount changes.
    ec2.create_network_interface(SubnetId=made["private"])
    turned = {operation: {key: _turned(getattr(ec2, operation)()[key])} for operation, key in OPERATIONS.items()}
    assert look(asker(**turned)) == before


def _turned(items: Any) -> Any:
    """An answer with all its lists the other way round, but those of DHCP options, whose order says something."""
    if isinstance(items, list):
        return [_turned(item) for item in reversed(items)]
    if isinstance(items, dict):
        return {key: value if key == "DhcpConfigurations" else _turned(value) for key, value in items.items()}
    return items


def test_what_changes_in_a_vpc_changes_the_value(moto: None) -> None:
    """A route that is taken away, and nothing else, makes another value."""
    ec2 = boto3.client("ec2", REGION)
    made = rich(ec2)
    before = look(asker())
    ec2.delete_route(RouteTableId=made["table"], DestinationCidrBlock="0.0.0.0/0")
    after = look(asker())
    assert {field.name for field in fields(Network) if getattr(before, field.name) != getattr(after, field.name)} == {
        "route_tables"
    }


@pytest.mark.parametrize("subnets", [2, 50])
def test_the_number_of_calls_is_that_of_the_vpcs_not_of_what_is_in_them(moto: None, subnets: int) -> None:
    """Sixteen calls, two for the VPC, one for each prefix list that counts: with 50 subnets as with 2."""
    ec2 = boto3.client("ec2", REGION)
    rich(ec2, subnets)
    ask = asker()
    network = look(ask)
    assert len(network.subnets) == subnets
    assert [one.name.rpartition(".")[2] for one in sorted(network.prefix_lists, key=lambda one: one.name)] == [
        "dynamodb",
        "s3",
    ]
    counts = dict(ask.calls)
    assert counts.pop("ec2:DescribeVpcAttribute") == 2
    assert counts.pop("ec2:GetManagedPrefixListEntries") == 2
    assert set(counts.values()) == {1}
    assert len(counts) == 16


LOST = {operation: part for part, (operation, _) in PARTS.items()} | {
    "describe_managed_prefix_lists": "prefix_lists",
    "get_managed_prefix_list_entries": "prefix_lists",
}


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """What moto answers about the rich VPC, once for all who ask."""
    with mock_aws():
        ec2 = boto3.client("ec2", REGION, aws_access_key_id="nobody", aws_secret_access_key="nobody")
        here = {"Filters": [{"Name": "vpc-id", "Values": [rich(ec2)["vpc"]]}]}
        lists = ("describe_managed_prefix_lists", "describe_prefix_lists")
        answered = {operation: getattr(ec2, operation)() for operation in (*OPERATIONS, *lists)}
        answered["describe_vpcs"] = ec2.describe_vpcs(**here)
        entries = {
            one["PrefixListId"]: {
                "Entries": ec2.get_managed_prefix_list_entries(PrefixListId=one["PrefixListId"])["Entries"]
            }
            for one in answered["describe_managed_prefix_lists"]["PrefixLists"]
        }
    for answer in answered.values():
        del answer["ResponseMetadata"]
    return {
        **answered,
        "get_managed_prefix_list_entries": lambda asked: entries[asked["PrefixListId"]],
        "describe_vpc_attribute": attributes,
    }


@pytest.mark.parametrize("operation", LOST)
def test_what_is_denied_is_unknown_and_the_rest_is_there(answers: dict[str, Answer], operation: str) -> None:
    """One API that is denied is one gap, and empties what it alone tells, by name."""
    whole = only(networks(asker(**answers), {}, {}))
    ask = asker(**answers | {operation: "UnauthorizedOperation"})
    network = only(networks(ask, {}, {}))
    assert whole.unknown == ()
    assert [(gap.operation, gap.reason, gap.transient) for gap in ask.gaps] == [(operation, "denied", False)]
    assert network == _without(whole, LOST[operation])


def _without(network: Network, part: str) -> Network:
    """The network as it is to somebody who may not ask for the part."""
    kind = part.removeprefix("gateways.")
    if kind != part:
        others = tuple(one for one in network.gateways if one.kind != kind)
        return replace(network, gateways=others, unknown=("gateways", part))
    if part == "dhcp_options":
        return replace(
            network, domain_name=None, domain_name_servers=(), unknown=("domain_name", "domain_name_servers")
        )
    subnets = network.subnets
    if part == "route_tables":
        subnets = tuple(replace(one, route_table_id=None, explicit=False) for one in subnets)
    if part == "network_acls":
        subnets = tuple(replace(one, network_acl_id=None) for one in subnets)
    left: dict[str, Any] = {"subnets": subnets, part: (), "unknown": (part,)}
    return replace(network, **left)


def test_vpcs_that_cannot_be_asked_are_not_no_vpcs() -> None:
    """Where DescribeVpcs is denied there is no answer, and nothing else is asked."""
    ask = cloud(describe_vpcs="UnauthorizedOperation")
    assert networks(ask) is None
    assert dict(ask.calls) == {"ec2:DescribeVpcs": 1}


def test_a_region_without_vpcs_costs_one_call() -> None:
    """Where there is no VPC there is nothing to ask about."""
    ask = cloud(describe_vpcs={"Vpcs": []})
    assert networks(ask) == ()
    assert dict(ask.calls) == {"ec2:DescribeVpcs": 1}


def test_vpcs_are_in_the_order_of_their_ids_and_keep_to_themselves() -> None:
    """What belongs to one VPC is not in another."""
    ask = cloud(
        describe_vpcs={"Vpcs": [vpc("vpc-2"), vpc("vpc-1")]},
        describe_subnets={"Subnets": [subnet("subnet-b", VpcId="vpc-2"), subnet("subnet-a")]},
    )
    found = networks(ask) or ()
    assert [(one.vpc_id, [each.subnet_id for each in one.subnets]) for one in found] == [
        ("vpc-1", ["subnet-a"]),
        ("vpc-2", ["subnet-b"]),
    ]


def test_answers_of_several_pages_are_put_together() -> None:
    """What is on the second page is there, and the page is counted."""
    pages: dict[str | None, dict[str, Any]] = {
        None: {"Subnets": [subnet("subnet-1")], "NextToken": "more"},
        "more": {"Subnets": [subnet("subnet-2")]},
    }
    ask = cloud(describe_subnets=lambda asked: pages[asked.get("NextToken")])
    assert [one.subnet_id for one in only(networks(ask)).subnets] == ["subnet-1", "subnet-2"]
    assert ask.calls["ec2:DescribeSubnets"] == 2


def test_a_second_page_that_is_refused_leaves_nothing_half_known() -> None:
    """A list that broke off is no list: it is unknown, and named."""

    def answer(asked: Mapping[str, str]) -> Mapping[str, Any] | str:
        return "RequestLimitExceeded" if "NextToken" in asked else {"Subnets": [subnet("subnet-1")], "NextToken": "2"}

    ask = cloud(describe_subnets=answer)
    network = only(networks(ask))
    assert (network.subnets, network.unknown) == ((), ("subnets",))
    assert [(gap.reason, gap.transient) for gap in ask.gaps] == [("throttled", True)]


def test_cidrs_that_are_no_longer_associated_are_left_out() -> None:
    """Of both families, what is associated or about to be."""

    def associated(cidr: str, state: str, six: str = "") -> dict[str, Any]:
        return {f"{six}CidrBlock": cidr, f"{six}CidrBlockState": {"State": state}}

    four = [associated("10.0.0.0/16", "associated"), associated("10.2.0.0/16", "disassociated")]
    six = [
        associated("2001:db8::/56", "associating", "Ipv6"),
        associated("2001:db8:0:100::/56", "failed", "Ipv6"),
    ]
    one = vpc(CidrBlockAssociationSet=four, Ipv6CidrBlockAssociationSet=six, InstanceTenancy="dedicated")
    only_six = {"SubnetId": "subnet-1", "VpcId": VPC, "Ipv6Native": True, "Ipv6CidrBlockAssociationSet": six[:1]}
    network = only(networks(cloud(describe_vpcs={"Vpcs": [one]}, describe_subnets={"Subnets": [only_six]})))
    assert (network.cidrs, network.tenancy) == (("10.0.0.0/16", "2001:db8::/56"), "dedicated")
    assert network.subnets[0].cidrs == ("2001:db8::/56",)


def test_no_dhcp_options_are_not_unknown_ones() -> None:
    """EC2's word for no options is `default`; options that are named and not to be seen are unknown."""
    network = only(networks(cloud()))
    assert (network.domain_name, network.domain_name_servers, network.unknown) == (None, (), ())
    network = only(networks(cloud(describe_vpcs={"Vpcs": [vpc(DhcpOptionsId="dopt-1")]})))
    assert network.unknown == ("domain_name", "domain_name_servers")


def test_dns_attributes_that_are_denied_are_unknown() -> None:
    """Neither on nor off, one gap; a VPC that is gone meanwhile is no gap."""
    for code, gaps in (("UnauthorizedOperation", 1), ("InvalidVpcID.NotFound", 0)):
        ask = cloud(describe_vpc_attribute=code)
        network = only(networks(ask))
        assert (network.dns_support, network.dns_hostnames) == (None, None)
        assert (network.unknown, len(ask.gaps)) == (("dns_hostnames", "dns_support"), gaps)


def _log(resource_id: str, **more: Any) -> dict[str, Any]:
    return {"FlowLogId": f"fl-{resource_id}", "ResourceId": resource_id, "FlowLogStatus": "ACTIVE", **more}


def watching(*resource_ids: str, **answers: Answer) -> Asker:
    """Ask a region with flow logs of a VPC's parts."""
    rest: dict[str, Answer] = {
        "describe_flow_logs": {"FlowLogs": [_log(resource_id) for resource_id in resource_ids]},
        "describe_subnets": {"Subnets": [subnet("subnet-1")]},
        "describe_nat_gateways": {"NatGateways": [{"NatGatewayId": "nat-1", "VpcId": VPC, "State": "available"}]},
        "describe_transit_gateway_vpc_attachments": {
            "TransitGatewayVpcAttachments": [{"TransitGatewayId": "tgw-1", "VpcId": VPC, "State": "available"}]
        },
    }
    return cloud(**rest | answers)


def test_flow_logs_are_with_the_vpc_that_they_watch() -> None:
    """Its own, its subnets', its gateways' and its interfaces', and of no other VPC."""
    mine = (VPC, "subnet-1", "nat-1", "tgw-1", "eni-1")
    ask = watching("vpc-2", "subnet-2", "eni-2", "eni-3", *mine)
    network = only(networks(ask, None, {"eni-1": VPC, "eni-2": "vpc-2"}))
    assert {one.resource_id for one in network.flow_logs} == set(mine)
    assert network.unknown == ()


def test_flow_logs_that_cannot_be_placed_are_said_to_be_missing() -> None:
    """Those of interfaces, subnets, gateways where these could not be asked: what is left is there."""
    network = only(networks(watching(VPC, "eni-1")))
    assert ([one.resource_id for one in network.flow_logs], network.unknown) == ([VPC], ("flow_logs",))
    network = only(networks(watching(VPC, "subnet-1", describe_subnets="UnauthorizedOperation")))
    assert ([one.resource_id for one in network.flow_logs], network.unknown) == ([VPC], ("flow_logs", "subnets"))
    network = only(networks(watching(VPC, "nat-1", describe_nat_gateways="UnauthorizedOperation")))
    assert network.unknown == ("flow_logs", "gateways", "gateways.nat_gateway")


def test_a_flow_log_says_whether_it_is_delivered() -> None:
    """Destination, format and interval, and the error that keeps it from being delivered."""
    log = _log(
        VPC,
        TrafficType="REJECT",
        DeliverLogsStatus="FAILED",
        DeliverLogsErrorMessage="Access error",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::logs/here/",
        LogFormat="${version} ${flow-direction}",
        MaxAggregationInterval=600,
    )
    assert only(networks(watching(describe_flow_logs={"FlowLogs": [log]}))).flow_logs == (
        FlowLog(
            flow_log_id=f"fl-{VPC}",
            resource_id=VPC,
            traffic_type="REJECT",
            status="ACTIVE",
            delivery_status="FAILED",
            delivery_error="Access error",
            destination_type="s3",
            destination="arn:aws:s3:::logs/here/",
            format="${version} ${flow-direction}",
            max_aggregation_interval=600,
        ),
    )


def test_of_a_shared_vpc_there_is_what_a_participant_sees() -> None:
    """Subnets and routes are there; what is the owner's alone, and what is empty, is unknown rather than none."""
    ask = cloud(
        describe_vpcs={"Vpcs": [vpc(OwnerId="210987654321")]},
        describe_subnets={"Subnets": [subnet("subnet-1", OwnerId="210987654321")]},
        describe_route_tables={"RouteTables": [table(associations=({"SubnetId": "subnet-1"},))]},
    )
    network = only(networks(ask))
    assert (network.account_id, network.owner_id) == (ACCOUNT, "210987654321")
    assert network.subnets[0].route_table_id == "rtb-1"
    assert network.unknown == ("endpoints", "flow_logs", "gateways", "network_acls", "security_groups")
