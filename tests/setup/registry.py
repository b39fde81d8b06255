"""Permissions that the handlers of resource types declare, as the CloudFormation registry has them (by cfn-lint)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"

LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    # Address transfers, and addresses of instances.
    "AWS::EC2::EIP": ("ec2:AcceptAddressTransfer", "ec2:AssociateAddress"),
    # Secondary addresses.
    "AWS::EC2::NatGateway": ("ec2:*NatGatewayAddress",),
    # IPv6.
    "AWS::EC2::Subnet": ("ec2:*SubnetCidrBlock",),
    # A property that the template has as a resource of its own; other tenancies than default.
    "AWS::EC2::VPC": ("ec2:CreateVpcEncryptionControl", "ec2:ModifyVpcTenancy"),
    # VPC Lattice, and services of other Regions.
    "AWS::EC2::VPCEndpoint": ("vpc-lattice:*", "vpce:*"),
    # Virtual private gateways.
    "AWS::EC2::VPCGatewayAttachment": ("ec2:AttachVpnGateway", "ec2:DetachVpnGateway"),
    # Whoever the policy is attached to is not the template's business.
    "AWS::IAM::ManagedPolicy": ("iam:Attach*", "iam:Detach*"),
    # Managed policies, boundaries, and the properties of a role that the template does not set.
    "AWS::IAM::Role": ("iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:*PermissionsBoundary", "iam:UpdateRole*"),
    # Data protection, indexes, resource policies, bearer tokens, KMS keys, and delivery to other places.
    "AWS::Logs::LogGroup": (
        *("firehose:*", "s3:*", "logs:*LogDelivery", "logs:*KmsKey", "logs:PutBearer*", "logs:PutLogGroupDeletion*"),
        *("logs:PutDataProtection*", "logs:DeleteDataProtection*", "logs:PutIndex*", "logs:DeleteIndex*"),
        *("logs:PutResourcePolicy", "logs:DeleteResourcePolicy"),
    ),
    # Properties of a bucket that the template does not set, and its objects.
    "AWS::S3::Bucket": (
        *(
            "s3tables:*",
            "iam:PassRole",
            "s3:DeleteObject",
            "s3:PutObject*",
            "s3:*MetadataTable*",
            "s3:UpdateBucketMeta*",
        ),
        *(f"s3:Put{each}" for each in ("Accelerate*", "Analytics*", "Inventory*", "Metrics*", "Replication*")),
        *(f"s3:Put{each}" for each in ("IntelligentTiering*", "BucketAbac", "BucketAcl", "BucketCORS")),
        *(f"s3:PutBucket{each}" for each in ("Logging", "Notification", "ObjectLock*", "Replication", "Website")),
        *(f"s3:DeleteBucket{each}" for each in ("Analytics*", "Cors", "Metrics*", "Replication", "Website")),
    ),
}
"""Permissions, by type, that are for properties which no template of flowaudit sets."""


@cache
def _files() -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text("utf-8"))
    return found


def handlers(kind: str) -> Mapping[str, set[str]]:
    """Return the permissions of a type's handlers: create, read, update, delete; its tags are part of an update."""
    name = _files()[kind].removesuffix(".json")
    schema: Mapping[str, Any] = json.loads((SCHEMAS / "resources" / f"{name}.json").read_text("utf-8"))
    return {
        handler: set(told.get("permissions", ())) for handler, told in schema["handlers"].items() if handler != "list"
    }
