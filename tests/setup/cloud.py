"""A template applied to AWS's mock, resource by resource: moto's own CloudFormation drops properties."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.setup.policies import ACCOUNT, resolved
from tests.setup.wishes import references

REGION = "us-east-1"
NOT_IN_MOTO = ("AWS::EC2::VPCBlockPublicAccessOptions", "AWS::EC2::VPCEncryptionControl")


@dataclass
class Cloud:
    """What has been made so far: `names` are the ids and attributes of it."""

    names: dict[str, str] = field(default_factory=dict)
    ec2: Any = field(default_factory=lambda: boto3.client("ec2", REGION))
    s3: Any = field(default_factory=lambda: boto3.client("s3", REGION))
    iam: Any = field(default_factory=lambda: boto3.client("iam", REGION))
    logs: Any = field(default_factory=lambda: boto3.client("logs", REGION))

    def apply(self, document: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        """Make each resource once all that it refers to is made; a cycle is a failure."""
        zones = self.ec2.describe_availability_zones()["AvailabilityZones"]
        self.names |= {"AWS::AccountId": ACCOUNT, "AZs": ",".join(zone["ZoneName"] for zone in zones)}
        self.names |= {name: each["Default"] for name, each in document["Parameters"].items() if "Default" in each}
        self.names |= parameters
        waiting = dict(document["Resources"])
        while waiting:
            ready = [name for name, each in waiting.items() if not self._needs(each) & set(waiting)]
            assert ready, f"they refer to each other: {sorted(waiting)}"
            for name in ready:
                resource = waiting.pop(name)
                self._make(name, resource["Type"], resolved(resource.get("Properties", {}), self.names))

    def _needs(self, resource: Mapping[str, Any]) -> set[str]:
        """Return what has to be there before a resource: what it refers to, also in Fn::Sub, and what it waits for."""
        within = re.findall(r"\$\{(\w+)", json.dumps(resource))
        return {*references(resource), *resource.get("DependsOn", []), *within}

    def _make(self, name: str, kind: str, properties: dict[str, Any]) -> None:
        if kind in NOT_IN_MOTO:
            return
        tags = properties.pop("Tags", [])
        self.names[name] = self._makers()[kind](name, properties)
        if tags and kind.startswith("AWS::EC2::"):
            self.ec2.create_tags(Resources=[self.names[name]], Tags=tags)
        elif kind == "AWS::S3::Bucket":
            self.s3.put_bucket_tagging(Bucket=self.names[name], Tagging={"TagSet": tags})

    def _makers(self) -> dict[str, Callable[[str, dict[str, Any]], str]]:
        ec2 = self.ec2
        return {
            "AWS::EC2::VPC": self._vpc,
            "AWS::EC2::DHCPOptions": lambda _, each: ec2.create_dhcp_options(
                DhcpConfigurations=[
                    {"Key": "domain-name", "Values": [each["DomainName"]]},
                    {"Key": "domain-name-servers", "Values": each["DomainNameServers"]},
                ]
            )["DhcpOptions"]["DhcpOptionsId"],
            "AWS::EC2::VPCDHCPOptionsAssociation": lambda _, each: str(ec2.associate_dhcp_options(**each)),
            "AWS::EC2::Subnet": lambda _, each: ec2.create_subnet(
                **{key: value for key, value in each.items() if key != "MapPublicIpOnLaunch"}
            )["Subnet"]["SubnetId"],
            "AWS::EC2::RouteTable": lambda _, each: ec2.create_route_table(**each)["RouteTable"]["RouteTableId"],
            "AWS::EC2::SubnetRouteTableAssociation": lambda _, each: ec2.associate_route_table(**each)["AssociationId"],
            "AWS::EC2::InternetGateway": lambda _, __: ec2.create_internet_gateway()["InternetGateway"][
                "InternetGatewayId"
            ],
            "AWS::EC2::VPCGatewayAttachment": lambda _, each: str(ec2.attach_internet_gateway(**each)),
            "AWS::EC2::Route": lambda _, each: str(ec2.create_route(**each)),
            "AWS::EC2::EIP": self._address,
            "AWS::EC2::NatGateway": self._nat,
            "AWS::EC2::SecurityGroup": self._group,
            "AWS::EC2::SecurityGroupIngress": lambda _, each: str(
                ec2.authorize_security_group_ingress(GroupId=each.pop("GroupId"), IpPermissions=[permission(each)])
            ),
            "AWS::EC2::SecurityGroupEgress": lambda _, each: str(
                ec2.authorize_security_group_egress(GroupId=each.pop("GroupId"), IpPermissions=[permission(each)])
            ),
            "AWS::EC2::VPCEndpoint": lambda _, each: ec2.create_vpc_endpoint(
                **{**each, "PolicyDocument": json.dumps(each["PolicyDocument"])}
            )["VpcEndpoint"]["VpcEndpointId"],
            "AWS::EC2::FlowLog": self._flow_log,
            "AWS::S3::Bucket": self._bucket,
            "AWS::S3::BucketPolicy": self._bucket_policy,
            "AWS::Logs::LogGroup": self._log_group,
            "AWS::IAM::Role": self._role,
            "AWS::IAM::ManagedPolicy": lambda name, each: self.iam.create_policy(
                PolicyName=name, PolicyDocument=json.dumps(each["PolicyDocument"])
            )["Policy"]["Arn"],
        }

    def _vpc(self, _: str, each: dict[str, Any]) -> str:
        wanted = {key: {"Value": each.pop(key)} for key in ("EnableDnsSupport", "EnableDnsHostnames")}
        made = self.ec2.create_vpc(**each)["Vpc"]["VpcId"]
        for key, value in wanted.items():
            self.ec2.modify_vpc_attribute(VpcId=made, **{key: value})
        return made

    def _address(self, name: str, each: dict[str, Any]) -> str:
        made = self.ec2.allocate_address(**each)
        self.names[f"{name}.AllocationId"] = made["AllocationId"]
        return made["AllocationId"]

    def _nat(self, _: str, each: dict[str, Any]) -> str:
        return self.ec2.create_nat_gateway(**each)["NatGateway"]["NatGatewayId"]

    def _group(self, name: str, each: dict[str, Any]) -> str:
        made = self.ec2.create_security_group(
            GroupName=name, Description=each["GroupDescription"], VpcId=each["VpcId"]
        )["GroupId"]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self.ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything)  # as CloudFormation does
        for rule in each["SecurityGroupEgress"]:
            self.ec2.authorize_security_group_egress(GroupId=made, IpPermissions=[permission(rule)])
        return made

    def _flow_log(self, _: str, each: dict[str, Any]) -> str:
        each["ResourceIds"] = [each.pop("ResourceId")]
        made = self.ec2.create_flow_logs(**each)
        assert made["Unsuccessful"] == []
        return made["FlowLogIds"][0]

    def _bucket(self, name: str, each: dict[str, Any]) -> str:
        bucket = name.lower()
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=each["PublicAccessBlockConfiguration"]
        )
        (rule,) = each["LifecycleConfiguration"]["Rules"]
        lifecycle = {**rule, "ID": rule.pop("Id"), "Filter": {}, "Expiration": {"Days": rule.pop("ExpirationInDays")}}
        lifecycle = {key: value for key, value in lifecycle.items() if key not in ("Id", "ExpirationInDays")}
        self.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [lifecycle]})
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=each["VersioningConfiguration"])
        self.names[f"{name}.Arn"] = f"arn:aws:s3:::{bucket}"
        return bucket

    def _bucket_policy(self, _: str, each: dict[str, Any]) -> str:
        if each["Bucket"] not in self.names.values():
            self.s3.create_bucket(Bucket=each["Bucket"])  # the user's own, made elsewhere
        self.s3.put_bucket_policy(Bucket=each["Bucket"], Policy=json.dumps(each["PolicyDocument"]))
        return each["Bucket"]

    def _log_group(self, name: str, each: dict[str, Any]) -> str:
        self.logs.create_log_group(logGroupName=name)
        self.logs.put_retention_policy(logGroupName=name, retentionInDays=each["RetentionInDays"])
        self.names[f"{name}.Arn"] = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
        return name

    def _role(self, name: str, each: dict[str, Any]) -> str:
        trust = json.dumps(each["AssumeRolePolicyDocument"])
        self.names[f"{name}.Arn"] = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for policy in each["Policies"]:
            document = json.dumps(policy["PolicyDocument"])
            self.iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
        return name


def permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of CloudFormation as EC2's API has it."""
    told = {"Description": rule["Description"]}
    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    if "CidrIp" in rule:
        return {**ports, "IpRanges": [{**told, "CidrIp": rule["CidrIp"]}]}
    if "DestinationPrefixListId" in rule:
        return {**ports, "PrefixListIds": [{**told, "PrefixListId": rule["DestinationPrefixListId"]}]}
    group = rule.get("SourceSecurityGroupId") or rule["DestinationSecurityGroupId"]
    return {**ports, "UserIdGroupPairs": [{**told, "GroupId": group}]}
