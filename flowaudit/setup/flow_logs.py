"""Flow logs of the VPC, and where they are kept: a bucket, or a log group of CloudWatch Logs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from flowaudit.config import Setup
from flowaudit.errors import ConfigError
from flowaudit.policies.arns import partition
from flowaudit.schema import FIELD_BY_NAME, FIELDS
from flowaudit.setup.naming import VPC, tags
from flowaudit.setup.nat import REGIONAL
from flowaudit.setup.template import ACCOUNT, Noted, Output, Part, Resource, Value, attribute, ref, sub

BUCKET, BUCKET_POLICY = "FlowLogBucket", "FlowLogBucketPolicy"
GROUP, ROLE = "FlowLogGroup", "FlowLogRole"
TAG_FIELDS = (
    ("network-interface", "interface-tag", ("ManagedByAmazonSageMakerResource", "Name")),
    ("instance", "instance-tag", ("Name", "flowaudit:setup")),
    ("auto-scaling-group", "asg-tag", ("Name", "flowaudit:setup")),
)
"""A resource with tags, the field for the value of the first tag (the second ends in -2), and which tags they are."""


def flow_logs(setup: Setup) -> Part:
    """Return the flow log of the VPC, that of a regional NAT gateway, and their destination; raises ConfigError."""
    names = fields(setup)
    to_bucket = setup.flow_logs.destination == "s3"
    target = _bucket(setup) if to_bucket else _group(setup)
    logs = [_flow_log(setup, "FlowLog", "VPC", VPC, names)]
    if setup.profile == "nat" and setup.nat == "regional" and not setup.existing_vpc.id:
        untagged = [name for name in names if not name.removesuffix("-2").endswith("-tag")]
        logs.append(_flow_log(setup, "NatFlowLog", "RegionalNatGateway", REGIONAL, untagged))
    where = (
        Output("FlowLogSource", "The uri of flowaudit's [[sources]].", sub(f"s3://${{{BUCKET}}}/AWSLogs/"))
        if to_bucket
        else Output("FlowLogGroupName", "The log group of the flow logs.", ref(GROUP))
    )
    return Part(resources=(*target, *logs), outputs=(where, Output("FlowLogId", "The flow log.", ref("FlowLog"))))


def fields(setup: Setup) -> list[str]:
    """Return the fields that are recorded, by default all; raises ConfigError for one that AWS does not know."""
    names = list(setup.flow_logs.fields) or [field.name for field in FIELDS]
    for number, name in enumerate(names):
        if name not in FIELD_BY_NAME:
            near = difflib.get_close_matches(name, FIELD_BY_NAME, n=1)
            hint = f": did you mean {near[0]}?" if near else ": docs/operations.md has them all"
            raise ConfigError(f"setup.flow_logs.fields[{number}]: {name!r} is no field of flow logs{hint}")
    return names


def _flow_log(setup: Setup, name: str, kind: str, of: str, names: list[str]) -> Resource:
    wanted, to_bucket = setup.flow_logs, setup.flow_logs.destination == "s3"
    destination: dict[str, Value] = {"LogDestinationType": wanted.destination}
    if to_bucket:
        destination["LogDestination"] = attribute(BUCKET, "Arn")
        destination["DestinationOptions"] = Noted(
            {
                "FileFormat": "parquet" if wanted.format == "parquet" else "plain-text",
                "HiveCompatiblePartitions": True,
                "PerHourPartition": True,
            },
            "Cannot be changed: CloudFormation replaces the flow log.",
        )
    else:
        destination |= {"LogGroupName": ref(GROUP), "DeliverLogsPermissionArn": attribute(ROLE, "Arn")}
    tagged: list[Value] = [{"ResourceType": type_, "TagKeys": list(keys)} for type_, keys in tag_fields(names)]
    what = "all network interfaces in the VPC, present and future" if kind == "VPC" else "the regional NAT gateway"
    return Resource(
        name,
        "AWS::EC2::FlowLog",
        f"Flow log of {what}.",
        {
            "ResourceType": kind,
            "ResourceId": ref(of),
            "TrafficType": Noted("ALL", "Accepted and rejected traffic."),
            "MaxAggregationInterval": 60,
            **destination,
            "LogFormat": " ".join(f"${{{field}}}" for field in names),
            **({"TagFieldSpecifications": tagged} if tagged else {}),
            "Tags": tags(setup, "flow-log" if kind == "VPC" else "nat-flow-log"),
        },
        depends_on=(BUCKET_POLICY,) if to_bucket else (),
    )


def tag_fields(names: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the tags whose values the fields for tags have, by the type of resource."""
    for kind, field, keys in TAG_FIELDS:
        if field in names or f"{field}-2" in names:
            yield kind, keys[: 2 if f"{field}-2" in names else 1]


def _bucket(setup: Setup) -> Iterator[Resource]:
    yield Resource(
        BUCKET,
        "AWS::S3::Bucket",
        "Bucket of the flow logs. It is kept when the stack is deleted: flow logs are audit evidence.",
        {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "VersioningConfiguration": Noted(
                {"Status": "Enabled"}, "Overwritten and deleted flow logs can be restored."
            ),
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "Retention",
                        "Status": "Enabled",
                        "ExpirationInDays": setup.flow_logs.days,
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                    }
                ]
            },
            "Tags": tags(setup, "flow-logs"),
        },
        retained=True,
        metadata={
            "checkov": {
                "skip": [
                    {
                        "id": "CKV_AWS_18",
                        "comment": "It is a log bucket itself: server access logs need another bucket. CloudTrail "
                        "data events record who reads it.",
                    }
                ]
            }
        },
    )
    yield Resource(
        BUCKET_POLICY,
        "AWS::S3::BucketPolicy",
        "Lets log delivery write to the bucket, for this account and Region only.",
        {
            "Bucket": ref(BUCKET),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": _delivery(setup)},
        },
        retained=True,
    )


def _delivery(setup: Setup) -> list[Value]:
    arn, service = attribute(BUCKET, "Arn"), {"Service": "delivery.logs.amazonaws.com"}
    source = sub(f"arn:{partition(setup.region)}:logs:{setup.region}:${{AWS::AccountId}}:*")
    ours: dict[str, Value] = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": source},
    }
    return [
        {
            "Sid": "AWSLogDeliveryWrite",
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:PutObject",
            "Resource": sub(f"${{{BUCKET}.Arn}}/AWSLogs/aws-account-id=${{AWS::AccountId}}/*"),
            "Condition": Noted(
                {
                    **ours,
                    "StringEquals": {"aws:SourceAccount": ACCOUNT, "s3:x-amz-acl": "bucket-owner-full-control"},
                },
                "Prevents flow logs of other accounts (confused deputy).",
            ),
        },
        {
            "Sid": "AWSLogDeliveryAclCheck",
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:GetBucketAcl",
            "Resource": arn,
            "Condition": ours,
        },
        {
            "Sid": "DenyUnencryptedTransport",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, sub(f"${{{BUCKET}.Arn}}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


def _group(setup: Setup) -> Iterator[Resource]:
    group = f"arn:{partition(setup.region)}:logs:{setup.region}:${{AWS::AccountId}}:log-group:*"
    yield Resource(
        GROUP,
        "AWS::Logs::LogGroup",
        "Log group of the flow logs. It is kept when the stack is deleted: flow logs are audit evidence.",
        {"RetentionInDays": setup.flow_logs.days, "Tags": tags(setup, "flow-logs")},
        retained=True,
        metadata={
            "checkov": {
                "skip": [
                    {
                        "id": "CKV_AWS_158",
                        "comment": "CloudWatch Logs encrypts log groups by default; a KMS key of your own is optional.",
                    }
                ]
            }
        },
    )
    yield Resource(
        ROLE,
        "AWS::IAM::Role",
        "Lets flow logs write to the log group.",
        {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
                    }
                ],
            },
            "Policies": [
                {
                    "PolicyName": "write-flow-logs",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                                "Resource": attribute(GROUP, "Arn"),
                            },
                            {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": sub(group)},
                        ],
                    },
                }
            ],
            "Tags": tags(setup, "flow-logs"),
        },
    )
