"""A VPC that is as expected, in AWS's mock: the template applied, and what a template cannot do done by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.exceptions import ClientError

from flowaudit.config import Setup
from flowaudit.posture import Expected, Live, Result, Status, audit, read
from flowaudit.posture.live import Files
from flowaudit.setup.expecting import expected
from tests.setup.cloud import REGION, Cloud
from tests.setup.policies import ACCOUNT, resolved
from tests.setup.wishes import document, of_type, setup

PARQUET = Files("parquet", hive=True, hourly=True)


@dataclass
class Deployed:
    """The cloud, the section that it was made from, and the outputs of its stack."""

    cloud: Cloud
    setup: Setup
    outputs: dict[str, str]

    @property
    def expected(self) -> Expected:
        """What verify expects."""
        return expected(self.setup, self.outputs)

    def live(self, refused: tuple[str, ...] = ()) -> Live:
        """Return the VPC as it is read; moto forgets how flow logs write files, so that it is put in here."""
        found = read(ACCOUNT, REGION, lambda service: Refusing(boto3.client(service, REGION), refused), self.expected)
        if isinstance(found.files, dict):
            return replace(found, files=dict.fromkeys(found.files, PARQUET))
        return found

    def results(self, refused: tuple[str, ...] = ()) -> list[Result]:
        """Return the results of every check, but those that do not apply."""
        return [each for each in audit(self.expected, self.live(refused)) if each.status is not Status.NOT_APPLICABLE]

    def wrong(self, refused: tuple[str, ...] = ()) -> list[Result]:
        """Return the properties that are not as expected."""
        return [each for each in self.results(refused) if each.status is not Status.PASS]

    def __getitem__(self, name: str) -> str:
        """The id of a resource by its name in the template."""
        return self.cloud.names[name]


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
    """Return the cloud of these keys, as `setup verify` expects it: with the default security group's rules removed."""
    cloud = Cloud()
    lists = cloud.ec2.describe_managed_prefix_lists()["PrefixLists"]
    (prefix_list,) = [each["PrefixListId"] for each in lists if each["PrefixListName"] == f"com.amazonaws.{REGION}.s3"]
    template = document(**wish)
    cloud.apply(template, {"S3PrefixListId": prefix_list})
    complete(cloud, template)
    outputs = {name: resolved(each["Value"], cloud.names) for name, each in template["Outputs"].items()}
    made = Deployed(cloud, setup(**wish), outputs)
    close_default_group(cloud, made["Vpc"])
    return made


def complete(cloud: Cloud, template: dict[str, Any]) -> None:
    """Set the properties that Cloud leaves out."""
    for name in of_type(template, "AWS::EC2::Subnet"):
        cloud.ec2.modify_subnet_attribute(SubnetId=cloud.names[name], MapPublicIpOnLaunch={"Value": False})
    if "FlowLogBucket" not in cloud.names:
        return
    properties, bucket = template["Resources"]["FlowLogBucket"]["Properties"], cloud.names["FlowLogBucket"]
    cloud.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=properties["OwnershipControls"])
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rule = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
    cloud.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def close_default_group(cloud: Cloud, vpc: str) -> None:
    """Remove the rules of the default security group, by hand."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = cloud.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    for key, revoke in (
        ("IpPermissions", cloud.ec2.revoke_security_group_ingress),
        ("IpPermissionsEgress", cloud.ec2.revoke_security_group_egress),
    ):
        if group[key]:
            revoke(GroupId=group["GroupId"], IpPermissions=group[key])
