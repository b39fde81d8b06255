"""One thing of a deployed VPC is changed by hand: exactly that property is not as expected any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto.ec2.models import ec2_backends

from flowaudit.posture import Status
from tests.posture.clouds import ACCOUNT, REGION, Deployed, deployed, fresh
from tests.setup.wishes import ADMIN, BUCKETS

ANYWHERE = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
NAT = {"profile": "nat"}
LOCKED = {"bucket_policy": {"enabled": True, "break_glass": [ADMIN]}}
GUARDED = {"guardrail": True}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        NAT,
        {**NAT, "nat": "single", "availability_zones": ["use1-az1", "use1-az2"], "inter_node": True},
        {"amazon_linux_repositories": "allow", "buckets": {**BUCKETS, "jumpstart": True}},
        {"flow_logs": {"destination": "cloud-watch-logs"}, **GUARDED, "tags": {"team": "ml"}},
        LOCKED,
        {"interface_endpoints": {"ecr": True, "studio": True, "codeartifact": True, "bedrock_runtime": True}},
    ],
)
def test_what_was_deployed_is_as_expected(wish: dict[str, Any]) -> None:
    """After the deployment, and with the default security group's rules removed, every property is as expected."""
    assert deployed(**wish).wrong() == []


Change = Callable[[Deployed], object]


def policy(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Return a change of the policy of an endpoint."""

    def apply(it: Deployed) -> None:
        (endpoint,) = it.ec2.describe_vpc_endpoints(VpcEndpointIds=[it[name]])["VpcEndpoints"]
        document = json.loads(endpoint["PolicyDocument"])
        change(document)
        it.ec2.modify_vpc_endpoint(VpcEndpointId=it[name], PolicyDocument=json.dumps(document))

    return apply


def statement(document: dict[str, Any], sid: str) -> dict[str, Any]:
    """Return the statement of a policy by its Sid."""
    return next(each for each in document["Statement"] if each["Sid"] == sid)


def without(*sids: str) -> Callable[[dict[str, Any]], object]:
    """Return a change that removes statements."""

    def change(document: dict[str, Any]) -> None:
        document["Statement"] = [each for each in document["Statement"] if each["Sid"] not in sids]

    return change


def also(**more: Any) -> Callable[[dict[str, Any]], object]:
    """Return a change that adds a statement."""
    return lambda document: document["Statement"].append({"Effect": "Allow", "Principal": "*", **more})


def bucket_policy(bucket: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Return a change of the policy of a bucket, by its name in the template or its own."""

    def apply(it: Deployed) -> None:
        name = it.names.get(bucket, bucket)
        document = json.loads(it.s3.get_bucket_policy(Bucket=name)["Policy"])
        change(document)
        it.s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))

    return apply


def ingress(group: str, rules: list[dict[str, Any]]) -> Change:
    """Return a change that adds inbound rules."""
    return lambda it: it.ec2.authorize_security_group_ingress(GroupId=it[group], IpPermissions=rules)


def egress(group: str, rules: list[dict[str, Any]]) -> Change:
    """Return a change that adds outbound rules."""
    return lambda it: it.ec2.authorize_security_group_egress(GroupId=it[group], IpPermissions=rules)


def open_default_group(it: Deployed) -> None:
    """Let the default security group reach everything, as AWS makes it."""
    filters = [{"Name": "vpc-id", "Values": [it["Vpc"]]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = it.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    it.ec2.authorize_security_group_egress(GroupId=group["GroupId"], IpPermissions=ANYWHERE)


def internet_route(it: Deployed) -> None:
    """Lead a private subnet to an internet gateway."""
    gateway = it.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    it.ec2.attach_internet_gateway(VpcId=it["Vpc"], InternetGatewayId=gateway)
    route(it, GatewayId=gateway)


def peering_route(it: Deployed) -> None:
    """Lead a private subnet to another VPC with the internet behind it."""
    other = it.ec2.create_vpc(CidrBlock="172.16.0.0/16")["Vpc"]["VpcId"]
    peering = it.ec2.create_vpc_peering_connection(VpcId=it["Vpc"], PeerVpcId=other)["VpcPeeringConnection"]
    route(it, VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])


def route(it: Deployed, **target: str) -> None:
    """Add a default route to a private route table."""
    it.ec2.create_route(RouteTableId=it["PrivateRouteTable1"], DestinationCidrBlock="0.0.0.0/0", **target)


def main_route_table(it: Deployed) -> None:
    """Leave a private subnet without a route table of its own."""
    filters = [{"Name": "association.subnet-id", "Values": [it["PrivateSubnet1"]]}]
    (table,) = it.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    (association,) = [each for each in table["Associations"] if each.get("SubnetId") == it["PrivateSubnet1"]]
    it.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def same_nat_gateway(it: Deployed) -> None:
    """Lead the first zone to the NAT gateway of the second."""
    table, target = it["PrivateRouteTable1"], it["NatGateway2"]
    it.ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=target)


def dhcp(**options: str) -> Change:
    """Return a change to DHCP options with these only."""

    def apply(it: Deployed) -> None:
        configurations = [{"Key": key.replace("_", "-"), "Values": [value]} for key, value in options.items()]
        made = it.ec2.create_dhcp_options(DhcpConfigurations=configurations)["DhcpOptions"]["DhcpOptionsId"]
        it.ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=it["Vpc"])

    return apply


def flow_log(**other: Any) -> Change:
    """Return a change that replaces the flow log: it cannot be changed."""

    def apply(it: Deployed) -> None:
        (log,) = it.ec2.describe_flow_logs()["FlowLogs"]
        it.ec2.delete_flow_logs(FlowLogIds=[it["FlowLog"]])
        kept = ("TrafficType", "LogDestinationType", "LogDestination", "LogFormat", "MaxAggregationInterval")
        wanted = {"ResourceType": "VPC", "ResourceIds": [it["Vpc"]], **{key: log[key] for key in kept}, **other}
        (made,) = it.ec2.create_flow_logs(**wanted)["FlowLogIds"]
        options = other.get("DestinationOptions", log.get("DestinationOptions"))
        tagged = other.get("TagFieldSpecifications", log.get("TagFieldSpecifications"))
        forgotten = {"destination_options": options, "tag_field_specifications": tagged}
        vars(ec2_backends[ACCOUNT][REGION].flow_logs[made]).update(forgotten)  # moto does not keep them
        it.ec2.create_tags(Resources=[made], Tags=[{"Key": "flowaudit:setup", "Value": "sagemaker"}])

    return apply


def acl_entry(*, outbound: bool, low: int, high: int) -> Change:
    """Return a change that denies TCP ports in the network ACL of the subnets."""

    def apply(it: Deployed) -> None:
        (acl,) = it.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [it["Vpc"]]}])["NetworkAcls"]
        it.ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"],
            RuleNumber=50,
            Protocol="6",
            RuleAction="deny",
            Egress=outbound,
            CidrBlock="0.0.0.0/0",
            PortRange={"From": low, "To": high},
        )

    return apply


def attribute(name: str) -> Change:
    """Return a change that turns an attribute of the VPC off."""
    return lambda it: it.ec2.modify_vpc_attribute(VpcId=it["Vpc"], **{name: {"Value": False}})


def bucket(operation: str, **params: Any) -> Change:
    """Return a change of the bucket of the flow log."""
    return lambda it: getattr(it.s3, operation)(Bucket=it["FlowLogBucket"], **params)


def endpoint(name: str, **params: Any) -> Change:
    """Return a change of an endpoint; values are names of the template."""

    def apply(it: Deployed) -> None:
        given = {
            key: [it[each] for each in value] if isinstance(value, list) else value for key, value in params.items()
        }
        it.ec2.modify_vpc_endpoint(VpcEndpointId=it[name], **given)

    return apply


def deleted(name: str) -> Change:
    """Return a change that deletes an endpoint."""
    return lambda it: it.ec2.delete_vpc_endpoints(VpcEndpointIds=[it[name]])


def rule(operation: str, group: str, index: int = 0) -> Change:
    """Return a change that revokes a rule of a security group."""

    def apply(it: Deployed) -> None:
        (found,) = it.ec2.describe_security_groups(GroupIds=[it[group]])["SecurityGroups"]
        key = "IpPermissionsEgress" if operation.endswith("egress") else "IpPermissions"
        getattr(it.ec2, operation)(GroupId=it[group], IpPermissions=[found[key][index]])

    return apply


def lifecycle(days: int, **narrower: int) -> Change:
    """Return a change of the days after which flow logs expire: all, and those with a prefix."""
    every = {"": days, **{f"{prefix}/": some for prefix, some in narrower.items()}}
    rules = [
        {"ID": prefix or "all", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": some}}
        for prefix, some in every.items()
    ]
    return bucket("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})


def detached(it: Deployed) -> None:
    """Detach the guardrail from those who use SageMaker."""
    iam = boto3.client("iam")
    iam.detach_group_policy(GroupName="data-scientists", PolicyArn=it["Guardrail"])


MODELS, OUTPUTS = "amzn-example-models", "amzn-example-outputs"
TAGS = [
    {"ResourceType": "network-interface", "TagKeys": ["Name", "ManagedByAmazonSageMakerResource"]},
    {"ResourceType": "instance", "TagKeys": ["Name", "flowaudit:setup"]},
    {"ResourceType": "auto-scaling-group", "TagKeys": ["Name", "flowaudit:setup"]},
]
"""The tags of the first two fields in the wrong order."""
OUTSIDE = {"Action": "s3:*", "Resource": "*"}
CHANGES: list[tuple[dict[str, Any], Change, dict[str, str]]] = [
    ({}, internet_route, {"internet-gateway-route": "routes to internet gateways"}),
    ({}, peering_route, {"default-route": "routes to public addresses"}),
    (NAT, same_nat_gateway, {"nat-zones": "NAT gateway's Availability Zone"}),
    (
        {},
        lambda it: it.ec2.modify_subnet_attribute(SubnetId=it["PrivateSubnet2"], MapPublicIpOnLaunch={"Value": True}),
        {"subnet-public-addresses": "MapPublicIpOnLaunch"},
    ),
    ({}, attribute("EnableDnsHostnames"), {"dns": "enableDnsHostnames"}),
    ({}, dhcp(domain_name="ec2.internal"), {"dhcp-options": "domain-name-servers"}),
    ({}, dhcp(domain_name_servers="AmazonProvidedDNS"), {"dhcp-options": "domain-name"}),
    (
        {},
        dhcp(domain_name="ec2.internal", domain_name_servers="192.0.2.1"),
        {"dhcp-options": "domain-name-servers"},
    ),
    ({}, deleted("S3Endpoint"), {"s3-endpoint": "S3 gateway endpoint"}),
    (
        {},
        endpoint("S3Endpoint", RemoveRouteTableIds=["PrivateRouteTable2"]),
        {"s3-endpoint-routes": "route to S3"},
    ),
    (
        {},
        policy("S3Endpoint", lambda document: statement(document, "ReadObjects")["Action"].append("s3:PutObject")),
        {"s3-endpoint-policy": f"writing to {MODELS}"},
    ),
    (
        {},
        policy("S3Endpoint", lambda document: statement(document, "ReadAndWriteObjects").pop("Condition")),
        {
            "s3-endpoint-policy": f"reading from and writing to {OUTPUTS}, with credentials of another account",
        },
    ),
    (
        {},
        policy(
            "S3Endpoint", lambda document: statement(document, "ReadAndWriteObjects")["Action"].remove("s3:PutObject")
        ),
        {"s3-endpoint-policy": f"reading from and writing to {OUTPUTS}"},
    ),
    (
        {},
        policy("S3Endpoint", also(Action="s3:DeleteBucket", Resource=f"arn:aws:s3:::{MODELS}")),
        {"s3-endpoint-policy": f"management of arn:aws:s3:::{MODELS}"},
    ),
    (
        {},
        policy("S3Endpoint", also(Action="s3:GetObject", Resource="arn:aws:s3:::flowaudit-*")),
        {"s3-endpoint-policy": "buckets that are not named"},
    ),
    ({}, deleted("LogsEndpoint"), {"interface-endpoints": "interface endpoint"}),
    (
        {},
        endpoint("StsEndpoint", RemoveSubnetIds=["PrivateSubnet1"]),
        {"interface-endpoint-zones": "Availability Zones"},
    ),
    (
        {},
        policy("LogsEndpoint", lambda document: document["Statement"][0].pop("Condition")),
        {"interface-endpoint-policy": "policy"},
    ),
    (
        {},
        policy("LogsEndpoint", also(Action="logs:*", Resource="*")),
        {"interface-endpoint-policy": "credentials of another account"},
    ),
    ({}, egress("WorkloadSecurityGroup", ANYWHERE), {"workload-security-group": "other rules"}),
    ({}, ingress("WorkloadSecurityGroup", ANYWHERE), {"workload-security-group": "other rules"}),
    ({}, ingress("EndpointSecurityGroup", ANYWHERE), {"endpoint-security-group": "other rules"}),
    ({}, open_default_group, {"default-security-group": "rules of the default security group"}),
    ({}, acl_entry(outbound=True, low=443, high=443), {"network-acls": "HTTPS and its answers"}),
    ({}, acl_entry(outbound=False, low=5000, high=5000), {"network-acls": "HTTPS and its answers"}),
    ({}, flow_log(TrafficType="ACCEPT"), {"flow-log-traffic": "traffic"}),
    ({}, flow_log(MaxAggregationInterval=600), {"flow-log-traffic": "seconds of an aggregation interval"}),
    ({}, flow_log(LogFormat="${version} ${bytes}"), {"flow-log-fields": "fields"}),
    ({}, flow_log(TagFieldSpecifications=TAGS), {"flow-log-fields": "tags of network-interface"}),
    ({}, lifecycle(365, AWSLogs=1), {"flow-log-retention": "retention"}),
    (GUARDED, detached, {"guardrail": "users, groups and roles"}),
    ({}, lambda it: it.ec2.delete_flow_logs(FlowLogIds=[it["FlowLog"]]), {"flow-log": "flow log"}),
    (
        {},
        bucket("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        {"flow-log-bucket-versioning": "versioning"},
    ),
    ({}, bucket("delete_public_access_block"), {"flow-log-bucket-public-access": "Block Public Access"}),
    ({}, bucket("delete_bucket_ownership_controls"), {"flow-log-bucket-ownership": "object ownership"}),
    ({}, bucket("delete_bucket_encryption"), {"flow-log-bucket-encryption": "default encryption"}),
    ({}, bucket("delete_bucket_lifecycle"), {"flow-log-retention": "retention"}),
    ({}, bucket("delete_bucket_policy"), {"flow-log-bucket-policy": "policy"}),
    (
        {},
        bucket_policy("FlowLogBucket", without("DenyUnencryptedTransport")),
        {"flow-log-bucket-policy": "requests without TLS"},
    ),
    (
        {},
        bucket_policy("FlowLogBucket", without("AWSLogDeliveryWrite")),
        {"flow-log-bucket-policy": "log delivery of the account"},
    ),
    (
        {},
        bucket_policy("FlowLogBucket", also(Action="s3:GetObject", Resource="*")),
        {"flow-log-bucket-policy": "reading by other accounts"},
    ),
    (
        {"flow_logs": {"destination": "cloud-watch-logs"}},
        lambda it: it.logs.put_retention_policy(logGroupName=it["FlowLogGroup"], retentionInDays=1),
        {"flow-log-retention": "retention"},
    ),
    (
        LOCKED,
        bucket_policy(OUTPUTS, lambda document: document["Statement"][0]["Condition"].pop("ArnNotLike")),
        {"bucket-policies": f"{ADMIN} from outside the VPC"},
    ),
    (LOCKED, lambda it: it.s3.delete_bucket_policy(Bucket=OUTPUTS), {"bucket-policies": "bucket policy"}),
    (LOCKED, lambda it: it.s3.delete_bucket(Bucket=OUTPUTS), {"bucket-policies": "bucket policy"}),
    (
        {},
        lambda it: it.ec2.delete_tags(Resources=[it["PrivateSubnet1"]], Tags=[{"Key": "flowaudit:setup"}]),
        {"tags": "tags"},
    ),
]


@pytest.mark.parametrize(
    ("wish", "change", "wrong"), CHANGES, ids=[f"{next(iter(w))}-{n}" for n, (_, _, w) in enumerate(CHANGES)]
)
def test_one_change_is_one_failure(wish: dict[str, Any], change: Change, wrong: dict[str, str]) -> None:
    """The property that was changed fails, with what is expected and found, and no other one does."""
    it = deployed(**wish)
    change(it)
    found = it.wrong()
    assert {each.check: each.property for each in found} == wrong
    assert [each.status for each in found] == [Status.FAIL]
    assert all(each.expected != each.found for each in found)


def test_what_cloudformation_cannot_do_is_found() -> None:
    """Right after the deployment the default security group has its rules: the only failure, with what to do."""
    (result,) = fresh().wrong()
    assert (result.check, result.found) == ("default-security-group", "outbound to 0.0.0.0/0: all traffic")
    assert "flowaudit setup apply removes them" in result.why


def test_file_options_are_compared() -> None:
    """A flow log in text files, or without partitions, has to be replaced."""
    it = deployed()
    flow_log(DestinationOptions={"FileFormat": "plain-text", "HiveCompatiblePartitions": True})(it)
    assert {each.property for each in it.wrong()} == {"file format", "partition per hour"}
