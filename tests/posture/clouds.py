"""A VPC that is as expected, in AWS's mock: the stack deployed, and what CloudFormation cannot do done by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from flowaudit.config import Setup
from flowaudit.posture import Expected, Live, Result, Status, audit, read
from flowaudit.setup import to_json
from flowaudit.setup.expecting import expected
from flowaudit.simulate.cloudformation import Engine
from tests.setup.wishes import made, setup

ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass
class Deployed:
    """The section, the outputs of its stack, the ids of its resources by their names in the template, and clients."""

    setup: Setup
    engine: Engine
    outputs: dict[str, str]
    names: Mapping[str, str]
    ec2: Any = field(default_factory=lambda: boto3.client("ec2", REGION))
    s3: Any = field(default_factory=lambda: boto3.client("s3", REGION))
    logs: Any = field(default_factory=lambda: boto3.client("logs", REGION))

    @property
    def expected(self) -> Expected:
        """What verify expects."""
        return expected(self.setup, self.outputs)

    def live(self, refused: tuple[str, ...] = ()) -> Live:
        """Return the VPC as it is read."""
        return read(ACCOUNT, REGION, lambda service: Refusing(boto3.client(service, REGION), refused), self.expected)

    def results(self, refused: tuple[str, ...] = ()) -> list[Result]:
        """Return the results of every check, but those that do not apply."""
        return [each for each in audit(self.expected, self.live(refused)) if each.status is not Status.NOT_APPLICABLE]

    def wrong(self, refused: tuple[str, ...] = ()) -> list[Result]:
        """Return the properties that are not as expected."""
        return [each for each in self.results(refused) if each.status is not Status.PASS]

    def __getitem__(self, name: str) -> str:
        """The id of a resource by its name in the template."""
        return self.names[name]


class Refusing:
    """A boto3 client whose credentials lack permissions: the named operations are denied, as AWS words it."""

    def __init__(self, client: Any, refused: tuple[str, ...]) -> None:
        self._client, self._refused = client, refused

    def __getattr__(self, name: str) -> Any:
        """Return the operation, or one that is denied."""
        return self._denied(name) if name in self._refused else getattr(self._client, name)

    def get_paginator(self, operation: str) -> Any:
        """Return the pages of an operation, or such that are denied."""
        if operation not in self._refused:
            return self._client.get_paginator(operation)

        class Pages:
            paginate = staticmethod(self._denied(operation))

        return Pages

    @staticmethod
    def _denied(operation: str) -> Callable[..., Any]:
        def call(**_: Any) -> Iterator[Any]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "is not authorized"}}, operation)

        return call


def deployed(**wish: Any) -> Deployed:
    """Return the VPC as verify expects it: the default security group's rules removed, the guardrail attached."""
    it = fresh(**wish)
    if arn := it.outputs.get("GuardrailPolicyArn"):
        iam = boto3.client("iam")
        iam.create_group(GroupName="data-scientists")
        iam.attach_group_policy(GroupName="data-scientists", PolicyArn=arn)
    filters = [{"Name": "vpc-id", "Values": [it["Vpc"]]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = it.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    it.ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    return it


def fresh(**wish: Any) -> Deployed:
    """Return the VPC of these keys as CloudFormation leaves it; buckets that get a policy are there before."""
    wanted, engine = setup(**wish), Engine(boto3.client)
    if wanted.bucket_policy.enabled:
        for name in (*wanted.buckets.read_only, *wanted.buckets.read_write):
            boto3.client("s3", REGION).create_bucket(Bucket=name)
    named = {"StackName": wanted.name, "ChangeSetName": "first"}
    change_set = {
        "ChangeSetType": "CREATE",
        "TemplateBody": to_json(made(**wish)),
        "Parameters": [{"ParameterKey": "S3PrefixListId", "ParameterValue": prefix_list()}],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    engine.ask("CreateChangeSet", named | change_set, REGION)
    engine.ask("ExecuteChangeSet", named, REGION)
    engine.join()
    (stack,) = engine.ask("DescribeStacks", named, REGION)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    resources = engine.ask("DescribeStackResources", named, REGION)["StackResources"]
    names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    return Deployed(wanted, engine, outputs, names)


def prefix_list() -> str:
    """Return the id of the prefix list of S3."""
    lists = boto3.client("ec2", REGION).describe_managed_prefix_lists()["PrefixLists"]
    return next(each["PrefixListId"] for each in lists if each["PrefixListName"] == f"com.amazonaws.{REGION}.s3")
