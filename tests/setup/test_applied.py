"""What a template makes, in AWS's mock: routes, rules, DNS, endpoints and flow logs as AWS describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.network import networks
from flowaudit.paths.atlas import Atlas
from flowaudit.schema import FIELDS
from flowaudit.topology import Snapshot, Topology
from tests.setup.applied import REGION, Cloud, applied
from tests.setup.policies import ACCOUNT
from tests.setup.wishes import NO_ENDPOINTS, WISHES, document


@pytest.fixture(autouse=True)
def _mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS is moto's, and nobody's credentials are around."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def routes(cloud: Cloud, table: str) -> dict[str, str]:
    """Return the routes of a table by their destination, with what they lead to."""
    (described,) = cloud.ec2.describe_route_tables(RouteTableIds=[cloud.names[table]])["RouteTables"]
    return {
        each.get("DestinationCidrBlock") or each["DestinationPrefixListId"]: each.get("NatGatewayId")
        or each["GatewayId"]
        for each in described["Routes"]
    }


@pytest.mark.parametrize("number", [1, 2])
def test_isolated_has_no_path_to_the_internet(number: int) -> None:
    """A private route table has the VPC's own route and that of the S3 endpoint, and there is no gateway at all."""
    cloud = applied()
    assert routes(cloud, f"PrivateRouteTable{number}") == {
        "10.0.0.0/16": "local",
        cloud.names["S3PrefixListId"]: cloud.names["S3Endpoint"],
    }
    assert cloud.ec2.describe_internet_gateways()["InternetGateways"] == []


@pytest.mark.parametrize(
    ("nat", "gateways"),
    [("one_per_az", ["NatGateway1", "NatGateway2"]), ("single", ["NatGateway1", "NatGateway1"])],
)
def test_nat_is_the_only_path_to_the_internet(nat: str, gateways: list[str]) -> None:
    """Private subnets lead to a NAT gateway, public ones to the internet gateway, and S3 keeps its endpoint."""
    cloud = applied(profile="nat", nat=nat)
    for number, gateway in enumerate(gateways, start=1):
        found = routes(cloud, f"PrivateRouteTable{number}")
        assert found["0.0.0.0/0"] == cloud.names[gateway]
        assert found[cloud.names["S3PrefixListId"]] == cloud.names["S3Endpoint"]
    assert routes(cloud, "PublicRouteTable")["0.0.0.0/0"] == cloud.names["InternetGateway"]
    described = cloud.ec2.describe_nat_gateways()["NatGateways"]
    public = {cloud.names[name] for name in cloud.names if name in ("PublicSubnet1", "PublicSubnet2")}
    assert {each["SubnetId"] for each in described} == public
    assert len(described) == len(set(gateways))


@pytest.mark.parametrize("wish", [{}, {"profile": "nat"}])
def test_every_private_subnet_has_its_route_table(wish: dict[str, Any]) -> None:
    """No private subnet falls back to the main route table, and the S3 endpoint is on each one's table."""
    cloud = applied(**wish)
    (endpoint,) = cloud.ec2.describe_vpc_endpoints(VpcEndpointIds=[cloud.names["S3Endpoint"]])["VpcEndpoints"]
    for number in (1, 2):
        filters = [{"Name": "association.subnet-id", "Values": [cloud.names[f"PrivateSubnet{number}"]]}]
        (table,) = cloud.ec2.describe_route_tables(Filters=filters)["RouteTables"]
        assert table["RouteTableId"] == cloud.names[f"PrivateRouteTable{number}"]
        assert table["RouteTableId"] in endpoint["RouteTableIds"]


def test_subnets_are_in_zones_of_their_own() -> None:
    """The zones differ by id, which is what SageMaker means by different zones, and nothing public is handed out."""
    cloud = applied()
    subnets = cloud.ec2.describe_subnets(SubnetIds=[cloud.names["PrivateSubnet1"], cloud.names["PrivateSubnet2"]])
    assert len({each["AvailabilityZoneId"] for each in subnets["Subnets"]}) == 2
    assert not any(each["MapPublicIpOnLaunch"] for each in subnets["Subnets"])
    assert all(each["AvailableIpAddressCount"] >= 50 * 2 * 2 for each in subnets["Subnets"])


def test_names_of_zones_and_ids_are_taken() -> None:
    """Zones that are named by id are those of the subnets."""
    cloud = applied(availability_zones=["use1-az2", "use1-az4"])
    subnets = cloud.ec2.describe_subnets(SubnetIds=[cloud.names["PrivateSubnet1"], cloud.names["PrivateSubnet2"]])
    assert {each["AvailabilityZoneId"] for each in subnets["Subnets"]} == {"use1-az2", "use1-az4"}


def test_default_dns_is_in_effect() -> None:
    """Both attributes are on, and the DHCP options have the two keys that SageMaker asks for."""
    cloud = applied()
    vpc = cloud.names["Vpc"]
    for key in ("enableDnsSupport", "enableDnsHostnames"):
        told = cloud.ec2.describe_vpc_attribute(VpcId=vpc, Attribute=key)
        assert told[key[0].upper() + key[1:]]["Value"], key
    (described,) = cloud.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    (options,) = cloud.ec2.describe_dhcp_options(DhcpOptionsIds=[described["DhcpOptionsId"]])["DhcpOptions"]
    told = {each["Key"]: [value["Value"] for value in each["Values"]] for each in options["DhcpConfigurations"]}
    assert told == {"domain-name": ["ec2.internal"], "domain-name-servers": ["AmazonProvidedDNS"]}
    assert described["InstanceTenancy"] == "default"


def egress(cloud: Cloud, group: str) -> list[tuple[str, int | None, str]]:
    """Return what a group may speak to: protocol, port, and whom."""
    return _rules(cloud, group, is_egress=True)


def ingress(cloud: Cloud, group: str) -> list[tuple[str, int | None, str]]:
    """Return who may speak to a group: protocol, port, and who."""
    return _rules(cloud, group, is_egress=False)


def _rules(cloud: Cloud, group: str, *, is_egress: bool) -> list[tuple[str, int | None, str]]:
    (described,) = cloud.ec2.describe_security_groups(GroupIds=[cloud.names[group]])["SecurityGroups"]
    names = {id: name for name, id in cloud.names.items() if "." not in name}
    told = []
    for each in described["IpPermissionsEgress" if is_egress else "IpPermissions"]:
        peers = [peer["CidrIp"] for peer in each["IpRanges"]]
        peers += [names[peer["PrefixListId"]] for peer in each["PrefixListIds"]]
        peers += [names[peer["GroupId"]] for peer in each["UserIdGroupPairs"]]
        told += [(each["IpProtocol"], each.get("FromPort"), peer) for peer in peers]
    return sorted(told)


@pytest.mark.parametrize(
    ("wish", "outbound", "inbound"),
    [
        ({}, [("tcp", 443, "EndpointSecurityGroup"), ("tcp", 443, "S3PrefixListId")], []),
        (
            {"profile": "nat"},
            [("tcp", 443, "0.0.0.0/0"), ("tcp", 443, "EndpointSecurityGroup"), ("tcp", 443, "S3PrefixListId")],
            [],
        ),
        ({"interface_endpoints": NO_ENDPOINTS}, [("tcp", 443, "S3PrefixListId")], []),
        (
            {"interface_endpoints": NO_ENDPOINTS, "inter_node": True},
            [("-1", None, "WorkloadSecurityGroup"), ("tcp", 443, "S3PrefixListId")],
            [("-1", None, "WorkloadSecurityGroup")],
        ),
    ],
)
def test_workloads_speak_to_what_is_listed(
    wish: dict[str, Any], outbound: list[tuple[str, int | None, str]], inbound: list[tuple[str, int | None, str]]
) -> None:
    """HTTPS to the endpoints and to S3, to the internet only with NAT, to each other only when asked for."""
    cloud = applied(**wish)
    assert egress(cloud, "WorkloadSecurityGroup") == outbound
    assert ingress(cloud, "WorkloadSecurityGroup") == inbound


def test_endpoints_admit_workloads_and_nobody_else() -> None:
    """HTTPS from the workloads' group; what endpoints could speak to themselves does not exist."""
    cloud = applied()
    assert ingress(cloud, "EndpointSecurityGroup") == [("tcp", 443, "WorkloadSecurityGroup")]
    assert egress(cloud, "EndpointSecurityGroup") == [("-1", None, "127.0.0.1/32")]


def test_interface_endpoints_are_in_every_zone() -> None:
    """Each has private DNS, the endpoints' group, and both private subnets."""
    cloud = applied()
    filters = [{"Name": "vpc-endpoint-type", "Values": ["Interface"]}]
    endpoints = cloud.ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    assert {each["ServiceName"] for each in endpoints} == {
        f"com.amazonaws.us-east-1.{name}"
        for name in ("logs", "monitoring", "sagemaker.api", "sagemaker.runtime", "sts")
    }
    for each in endpoints:
        assert each["PrivateDnsEnabled"]
        assert set(each["SubnetIds"]) == {cloud.names["PrivateSubnet1"], cloud.names["PrivateSubnet2"]}
        assert [group["GroupId"] for group in each["Groups"]] == [cloud.names["EndpointSecurityGroup"]]
        assert json.loads(each["PolicyDocument"])["Statement"][0]["Sid"] == "OwnAccount"


def test_all_traffic_is_recorded_with_every_field() -> None:
    """The flow log is the whole VPC's, of accepted and rejected traffic, each minute, with all fields there are."""
    cloud = applied()
    (log,) = cloud.ec2.describe_flow_logs()["FlowLogs"]
    assert (log["ResourceId"], log["TrafficType"], log["MaxAggregationInterval"]) == (cloud.names["Vpc"], "ALL", 60)
    assert log["LogFormat"] == " ".join(f"${{{field.name}}}" for field in FIELDS)
    assert log["LogDestination"] == cloud.names["FlowLogBucket.Arn"]
    assert log["DestinationOptions"] == {
        "FileFormat": "parquet",
        "HiveCompatiblePartitions": True,
        "PerHourPartition": True,
    }
    assert document()["Resources"]["FlowLog"]["DependsOn"] == ["FlowLogBucketPolicy"]


def test_the_bucket_is_private_and_kept() -> None:
    """Nothing of the flow logs' bucket is public, versions are kept, and what is old expires."""
    cloud = applied(flow_logs={"retention": "90d"})
    bucket = cloud.names["FlowLogBucket"]
    block = cloud.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(block) == 4
    assert all(block.values())
    assert cloud.s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = cloud.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Expiration"]["Days"] == 90
    resource = document()["Resources"]["FlowLogBucket"]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_flow_logs_go_to_a_log_group() -> None:
    """With CloudWatch Logs there is a log group with its retention, a role, and no bucket."""
    cloud = applied(flow_logs={"destination": "cloud-watch-logs", "retention": "30d"})
    (log,) = cloud.ec2.describe_flow_logs()["FlowLogs"]
    assert (log["LogGroupName"], log["LogDestinationType"]) == (cloud.names["FlowLogGroup"], "cloud-watch-logs")
    assert log["DeliverLogsPermissionArn"] == cloud.names["FlowLogRole.Arn"]
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 30
    assert cloud.s3.list_buckets()["Buckets"] == []


def test_a_regional_nat_gateway_has_a_flow_log_of_its_own() -> None:
    """Its traffic is on no interface of the VPC; tags, which it has no fields for, are left out."""
    resources = document(profile="nat", nat="regional")["Resources"]
    log = resources["NatFlowLog"]["Properties"]
    assert (log["ResourceType"], log["ResourceId"]) == ("RegionalNatGateway", {"Ref": "RegionalNatGateway"})
    assert "-tag" not in log["LogFormat"]
    assert "${resource-id}" in log["LogFormat"]
    assert "TagFieldSpecifications" not in log
    assert resources["RegionalNatGateway"]["Properties"]["AvailabilityMode"] == "regional"
    assert not [each for each in resources if each.startswith("Public")]
    assert resources["PrivateRoute1"]["Properties"]["NatGatewayId"] == {"Ref": "RegionalNatGateway"}


def test_fields_for_tags_have_their_tags() -> None:
    """As many keys as fields, and none for a kind without a field; SageMaker's own tag is the first of interfaces."""
    told = document(flow_logs={"fields": ["version", "interface-tag", "asg-tag-2"]})["Resources"]["FlowLog"]
    assert told["Properties"]["TagFieldSpecifications"] == [
        {"ResourceType": "network-interface", "TagKeys": ["ManagedByAmazonSageMakerResource"]},
        {"ResourceType": "auto-scaling-group", "TagKeys": ["Name", "flowaudit:setup"]},
    ]


def test_an_existing_vpc_is_completed() -> None:
    """Endpoint, groups and flow log come to the VPC that is there; no network is made."""
    ec2 = boto3.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="172.16.0.0/16")["Vpc"]["VpcId"]
    zones = [f"{REGION}a", f"{REGION}b"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"172.16.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    existing = {"id": vpc, "subnets": subnets, "route_tables": [table]}
    before = len(ec2.describe_vpcs()["Vpcs"])
    cloud = applied(existing_vpc=existing)
    assert cloud.names["S3Endpoint"] in routes(cloud, "PrivateRouteTable1").values()
    (log,) = cloud.ec2.describe_flow_logs()["FlowLogs"]
    assert log["ResourceId"] == vpc
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


WHOLE = {name: wish for name, wish in WISHES.items() if "existing_vpc" not in wish}
"""Those that need nothing that is there before."""


@pytest.mark.parametrize("wish", WHOLE.values(), ids=WHOLE)
def test_every_part_can_be_made(wish: dict[str, Any]) -> None:
    """Each resource is made after what it refers to, and the outputs have its ids in them."""
    cloud, told = applied(**wish), document(**wish)["Resources"]
    assert set(told) <= set(cloud.names)
    assert cloud.ec2.describe_flow_logs()["FlowLogs"]
    config = json.loads(cloud.outputs["VpcConfig"])
    assert config["Subnets"] == cloud.outputs["PrivateSubnetIds"].split(",")
    assert config["Subnets"][0] == cloud.names["PrivateSubnet1"]
    assert config["SecurityGroupIds"] == [cloud.names["WorkloadSecurityGroup"]]


@pytest.mark.parametrize(
    ("wish", "internet"),
    [({}, "blackhole"), ({"profile": "nat"}, "nat_gateway"), ({"profile": "nat", "nat": "single"}, "nat_gateway")],
)
def test_flowaudit_itself_sees_the_paths(wish: dict[str, Any], internet: str) -> None:
    """Discovery reads the VPC, and path verdicts fit the profile: S3 over the endpoint, internet by NAT or none."""
    cloud = applied(**wish)
    found = networks(Asker(ACCOUNT, REGION, lambda _: cloud.ec2)) or ()
    (network,) = [each for each in found if each.vpc_id == cloud.names["Vpc"]]
    now = datetime.now(UTC)
    atlas = Atlas(Topology(snapshots=(Snapshot(network=network, observed_at=now, until=now),)))
    (entry, *_) = cloud.ec2.get_managed_prefix_list_entries(PrefixListId=cloud.names["S3PrefixListId"])["Entries"]
    s3 = str(IPv4Network(entry["Cidr"])[1])
    for name in ("PrivateSubnet1", "PrivateSubnet2"):
        place = atlas.place(None, cloud.names[name])
        ways = {
            address: atlas.bearing(place, atlas.era(now), atlas.segment(address)).way for address in (s3, "203.0.113.1")
        }
        assert ways == {s3: "gateway_endpoint", "203.0.113.1": internet}
    (log,) = network.flow_logs
    assert (log.resource_id, log.traffic_type) == (cloud.names["Vpc"], "ALL")
