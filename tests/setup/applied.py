"""A template applied in AWS's mock by the stand-in for CloudFormation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3

from flowaudit.simulate.cloudformation import Engine
from tests.setup.wishes import document

REGION = "us-east-1"
BUCKET_POLICY = "AWS::S3::BucketPolicy"


@dataclass(frozen=True)
class Cloud:
    """What a stack has made: `names` are the ids and attributes of its resources, and its parameters."""

    names: dict[str, str]
    outputs: dict[str, str]
    ec2: Any
    s3: Any
    logs: Any


def applied(**wish: Any) -> Cloud:
    """Return the cloud in which the template of these keys has been applied."""
    region, told = wish.get("region", REGION), document(**wish)
    ec2, s3, logs = (boto3.client(service, region) for service in ("ec2", "s3", "logs"))
    for bucket in (
        each["Properties"]["Bucket"] for each in told["Resources"].values() if each["Type"] == BUCKET_POLICY
    ):
        if isinstance(bucket, str):
            s3.create_bucket(Bucket=bucket)  # the user's own
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    (prefix_list,) = [each["PrefixListId"] for each in lists if each["PrefixListName"] == f"com.amazonaws.{region}.s3"]
    engine = Engine(boto3.client)
    request = {
        "StackName": "vpc",
        "ChangeSetName": "first",
        "ChangeSetType": "CREATE",
        "TemplateBody": json.dumps(told),
        "Parameters": [{"ParameterKey": "S3PrefixListId", "ParameterValue": prefix_list}],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    engine.ask("CreateChangeSet", request, region)
    engine.ask("ExecuteChangeSet", {"StackName": "vpc", "ChangeSetName": "first"}, region)
    engine.join()
    (stack,) = engine.stacks
    assert stack.status == "CREATE_COMPLETE", [each.reason for each in stack.events if each.reason]
    names = dict(stack.parameters)
    for each in stack.standing().values():
        names |= each.names()
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.outputs}
    return Cloud(names, outputs, ec2, s3, logs)
