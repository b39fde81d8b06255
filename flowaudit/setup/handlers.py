"""What CloudFormation calls, with the credentials of the caller, for each resource type of the template.

From the permissions that the types' handlers declare in the CloudFormation registry (CloudFormation API,
`DescribeType`: `Schema`), without those for properties that no template of flowaudit sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handlers:
    """The IAM actions of the four operations on a resource."""

    create: frozenset[str]
    read: frozenset[str]
    update: frozenset[str]
    delete: frozenset[str]


def _handlers(service: str, *, create: str, read: str, delete: str, update: str = "") -> Handlers:
    """Return the actions of a type from their names; those without a prefix are of its own service."""
    return Handlers(*(_actions(service, names) for names in (create, read, update, delete)))


def _actions(service: str, names: str) -> frozenset[str]:
    return frozenset(name if ":" in name else f"{service}:{name}" for name in names.split())


HANDLERS: Mapping[str, Handlers] = {
    "AWS::EC2::DHCPOptions": _handlers(
        "ec2",
        create="CreateDhcpOptions CreateTags DescribeDhcpOptions",
        read="DescribeDhcpOptions DescribeTags",
        update="CreateTags DeleteTags DescribeDhcpOptions",
        delete="DeleteDhcpOptions DeleteTags DescribeDhcpOptions",
    ),
    "AWS::EC2::EIP": _handlers(
        "ec2",
        create="AllocateAddress CreateTags DescribeAddresses",
        read="DescribeAddresses",
        update="CreateTags DeleteTags DescribeAddresses DisassociateAddress",
        delete="DescribeAddresses DisassociateAddress ReleaseAddress",
    ),
    "AWS::EC2::FlowLog": _handlers(
        "ec2",
        create=(
            "autoscaling:DescribeTags CreateFlowLogs CreateTags DescribeFlowLogs DescribeTags "
            "iam:CreateServiceLinkedRole iam:PassRole logs:CreateLogDelivery s3:GetBucketPolicy "
            "s3:PutBucketPolicy"
        ),
        read="DescribeFlowLogs",
        update="CreateTags DeleteTags DescribeFlowLogs",
        delete="DeleteFlowLogs DescribeFlowLogs logs:DeleteLogDelivery",
    ),
    "AWS::EC2::InternetGateway": _handlers(
        "ec2",
        create="CreateInternetGateway CreateTags DescribeInternetGateways",
        read="DescribeInternetGateways",
        update="CreateTags DeleteTags DescribeInternetGateways",
        delete="DeleteInternetGateway DescribeInternetGateways",
    ),
    "AWS::EC2::NatGateway": _handlers(
        "ec2",
        create="CreateNatGateway CreateTags DescribeNatGateways",
        read="DescribeNatGateways",
        update="CreateTags DeleteTags DescribeNatGateways",
        delete="DeleteNatGateway DescribeNatGateways",
    ),
    "AWS::EC2::Route": _handlers(
        "ec2",
        create="CreateRoute DescribeNetworkInterfaces DescribeRouteTables",
        read="DescribeRouteTables",
        update="DescribeNetworkInterfaces DescribeRouteTables ReplaceRoute",
        delete="DeleteRoute DescribeRouteTables",
    ),
    "AWS::EC2::RouteTable": _handlers(
        "ec2",
        create="CreateRouteTable CreateTags DescribeRouteTables",
        read="DescribeRouteTables",
        update="CreateTags DeleteTags DescribeRouteTables",
        delete="DeleteRouteTable DescribeRouteTables",
    ),
    "AWS::EC2::SecurityGroup": _handlers(
        "ec2",
        create=(
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateSecurityGroup CreateTags "
            "DescribeSecurityGroups RevokeSecurityGroupEgress"
        ),
        read="DescribeSecurityGroups",
        update=(
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateTags DeleteTags "
            "DescribeSecurityGroups RevokeSecurityGroupEgress RevokeSecurityGroupIngress "
            "UpdateSecurityGroupRuleDescriptionsEgress UpdateSecurityGroupRuleDescriptionsIngress"
        ),
        delete="DeleteSecurityGroup DescribeInstances DescribeSecurityGroups",
    ),
    "AWS::EC2::SecurityGroupEgress": _handlers(
        "ec2",
        create="AuthorizeSecurityGroupEgress DescribeSecurityGroupRules RevokeSecurityGroupEgress",
        read="DescribeSecurityGroupRules",
        update="UpdateSecurityGroupRuleDescriptionsEgress",
        delete="DescribeSecurityGroupRules RevokeSecurityGroupEgress",
    ),
    "AWS::EC2::SecurityGroupIngress": _handlers(
        "ec2",
        create="AuthorizeSecurityGroupIngress DescribeSecurityGroupRules",
        read="DescribeSecurityGroupRules DescribeSecurityGroups",
        update="UpdateSecurityGroupRuleDescriptionsIngress",
        delete="DescribeSecurityGroupRules RevokeSecurityGroupIngress",
    ),
    "AWS::EC2::Subnet": _handlers(
        "ec2",
        create="CreateSubnet CreateTags DescribeSubnets ModifySubnetAttribute",
        read="DescribeNetworkAcls DescribeSubnets",
        update="CreateTags DeleteTags DescribeSubnets ModifySubnetAttribute",
        delete="DeleteSubnet DescribeSubnets",
    ),
    "AWS::EC2::SubnetRouteTableAssociation": _handlers(
        "ec2",
        create="AssociateRouteTable DescribeRouteTables DescribeSubnets ReplaceRouteTableAssociation",
        read="DescribeRouteTables",
        delete="DescribeRouteTables DescribeSubnets DisassociateRouteTable",
    ),
    "AWS::EC2::VPC": _handlers(
        "ec2",
        create="CreateTags CreateVpc DescribeVpcAttribute DescribeVpcs ModifyVpcAttribute",
        read=(
            "DescribeNetworkAcls DescribeSecurityGroups DescribeVpcAttribute DescribeVpcEncryptionControls DescribeVpcs"
        ),
        update="CreateTags DeleteTags DescribeVpcAttribute ModifyVpcAttribute",
        delete="DeleteVpc DescribeVpcs",
    ),
    "AWS::EC2::VPCBlockPublicAccessOptions": _handlers(
        "ec2",
        create="DescribeVpcBlockPublicAccessOptions ModifyVpcBlockPublicAccessOptions",
        read="DescribeVpcBlockPublicAccessOptions",
        update="DescribeVpcBlockPublicAccessOptions ModifyVpcBlockPublicAccessOptions",
        delete="DescribeVpcBlockPublicAccessOptions ModifyVpcBlockPublicAccessOptions",
    ),
    "AWS::EC2::VPCDHCPOptionsAssociation": _handlers(
        "ec2",
        create="AssociateDhcpOptions",
        read="DescribeVpcs",
        update="AssociateDhcpOptions",
        delete="AssociateDhcpOptions",
    ),
    "AWS::EC2::VPCEncryptionControl": _handlers(
        "ec2",
        create="CreateTags CreateVpcEncryptionControl DescribeVpcEncryptionControls",
        read="DescribeTags DescribeVpcEncryptionControls",
        update="CreateTags DeleteTags DescribeVpcEncryptionControls ModifyVpcEncryptionControl",
        delete="DeleteTags DeleteVpcEncryptionControl DescribeVpcEncryptionControls",
    ),
    "AWS::EC2::VPCEndpoint": _handlers(
        "ec2",
        create=(
            "CreateTags CreateVpcEndpoint DeleteTags DescribeSecurityGroups DescribeSubnets "
            "DescribeVpcEndpoints DescribeVpcs"
        ),
        read="DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints DescribeVpcs",
        update=(
            "CreateTags DeleteTags DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints DescribeVpcs "
            "ModifyVpcEndpoint"
        ),
        delete=(
            "CreateTags DeleteTags DeleteVpcEndpoints DescribeSecurityGroups DescribeSubnets "
            "DescribeVpcEndpoints DescribeVpcs"
        ),
    ),
    "AWS::EC2::VPCGatewayAttachment": _handlers(
        "ec2",
        create="AttachInternetGateway DescribeInternetGateways DescribeVpnGateways",
        read="DescribeInternetGateways DescribeVpnGateways",
        update="AttachInternetGateway DescribeInternetGateways DescribeVpnGateways DetachInternetGateway",
        delete="DescribeInternetGateways DescribeVpnGateways DetachInternetGateway",
    ),
    "AWS::IAM::ManagedPolicy": _handlers(
        "iam",
        create="CreatePolicy",
        read="GetPolicy GetPolicyVersion ListEntitiesForPolicy",
        update="CreatePolicyVersion DeletePolicyVersion GetPolicy ListPolicyVersions",
        delete="DeletePolicy DeletePolicyVersion GetPolicy ListEntitiesForPolicy ListPolicyVersions",
    ),
    "AWS::IAM::Role": _handlers(
        "iam",
        create="CreateRole GetRole GetRolePolicy PutRolePolicy TagRole UntagRole",
        read="GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies",
        update="DeleteRolePolicy PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy",
        delete="DeleteRole DeleteRolePolicy GetRole ListAttachedRolePolicies ListRolePolicies TagRole UntagRole",
    ),
    "AWS::Logs::LogGroup": _handlers(
        "logs",
        create=(
            "CreateLogGroup DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies "
            "GetDataProtectionPolicy PutRetentionPolicy TagResource"
        ),
        read=(
            "DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies GetDataProtectionPolicy "
            "ListTagsForResource"
        ),
        update=(
            "DeleteRetentionPolicy DescribeLogGroups DescribeResourcePolicies GetDataProtectionPolicy "
            "ListTagsForResource PutRetentionPolicy TagResource UntagResource"
        ),
        delete="DeleteLogGroup DescribeLogGroups",
    ),
    "AWS::S3::Bucket": _handlers(
        "s3",
        create=(
            "CreateBucket GetBucketAcl ListBucket PutBucketOwnershipControls PutBucketPublicAccessBlock "
            "PutBucketTagging PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration "
            "TagResource"
        ),
        read=(
            "GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketCORS GetBucketLogging "
            "GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls "
            "GetBucketPublicAccessBlock GetBucketTagging GetBucketVersioning GetBucketWebsite "
            "GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration "
            "GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration ListBucket "
            "ListTagsForResource"
        ),
        update=(
            "DeleteBucketEncryption DeleteBucketLifecycle ListBucket PutBucketOwnershipControls "
            "PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning PutEncryptionConfiguration "
            "PutLifecycleConfiguration TagResource UntagResource"
        ),
        delete="DeleteBucket ListBucket",
    ),
    "AWS::S3::BucketPolicy": _handlers(
        "s3",
        create="GetBucketPolicy PutBucketPolicy",
        read="GetBucketPolicy",
        update="GetBucketPolicy PutBucketPolicy",
        delete="DeleteBucketPolicy GetBucketPolicy",
    ),
}
