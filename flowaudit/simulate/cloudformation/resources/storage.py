"""S3 buckets and their policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from flowaudit.simulate.cloudformation.cloud import Client, Cloud, Properties, tags
from flowaudit.simulate.cloudformation.resources.kind import Kind, Made

_DAYS = "ExpirationInDays"
_DEFAULT, _S3_DEFAULT = "ServerSideEncryptionByDefault", "ApplyServerSideEncryptionByDefault"
"""The default encryption, to CloudFormation and to S3."""


class Bucket(Kind):
    """A bucket."""

    type = "AWS::S3::Bucket"
    immutable = frozenset({"BucketName"})
    mutable = frozenset(
        {
            *("BucketEncryption", "LifecycleConfiguration", "OwnershipControls"),
            *("PublicAccessBlockConfiguration", "VersioningConfiguration", "Tags"),
        }
    )

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the bucket."""
        bucket = wanted.get("BucketName", name.lower())
        place = {} if cloud.region == "us-east-1" else {"LocationConstraint": cloud.region}
        cloud.client("s3").create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        self.update(cloud, bucket, {}, wanted)
        partition = "aws-us-gov" if cloud.region.startswith("us-gov-") else "aws"
        return Made(bucket, {"Arn": f"arn:{partition}:s3:::{bucket}", "DomainName": f"{bucket}.s3.amazonaws.com"})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as S3 has them."""
        s3 = cloud.client("s3")
        s3.head_bucket(Bucket=id)
        encryption = _answer(s3.get_bucket_encryption, id, "ServerSideEncryptionConfiguration")
        lifecycle = _answer(s3.get_bucket_lifecycle_configuration, id, "Rules")
        versioning = s3.get_bucket_versioning(Bucket=id).get("Status")
        return {
            "BucketName": id,
            "BucketEncryption": encryption and {"ServerSideEncryptionConfiguration": _plain(encryption["Rules"])},
            "LifecycleConfiguration": lifecycle and {"Rules": [_from_s3(each) for each in lifecycle]},
            "OwnershipControls": _answer(s3.get_bucket_ownership_controls, id, "OwnershipControls"),
            "PublicAccessBlockConfiguration": _answer(s3.get_public_access_block, id, "PublicAccessBlockConfiguration"),
            "VersioningConfiguration": versioning and {"Status": versioning},
            "Tags": tags({"Tags": _answer(s3.get_bucket_tagging, id, "TagSet") or []}),
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Put every setting that is wished for."""
        for key, value in new.items():
            if put := _PUTS.get(key):
                put(cloud.client("s3"), id, value)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the bucket; S3 refuses while objects are in it."""
        cloud.client("s3").delete_bucket(Bucket=id)


class BucketPolicy(Kind):
    """The policy of a bucket."""

    type = "AWS::S3::BucketPolicy"
    required = frozenset({"Bucket", "PolicyDocument"})
    immutable = frozenset({"Bucket"})
    mutable = frozenset({"PolicyDocument"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Put the policy; a bucket that has one already keeps it."""
        if _answer(cloud.client("s3").get_bucket_policy, wanted["Bucket"], "Policy"):
            told = f"The bucket policy already exists on bucket {wanted['Bucket']}."
            raise ClientError({"Error": {"Code": "AlreadyExists", "Message": told}}, "PutBucketPolicy")
        self.update(cloud, wanted["Bucket"], {}, wanted)
        return Made(wanted["Bucket"])

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the policy as S3 has it."""
        return {"Bucket": id, "PolicyDocument": json.loads(cloud.client("s3").get_bucket_policy(Bucket=id)["Policy"])}

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Put the policy."""
        cloud.client("s3").put_bucket_policy(Bucket=id, Policy=json.dumps(new["PolicyDocument"]))

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the policy."""
        cloud.client("s3").delete_bucket_policy(Bucket=id)


def _answer(get: Callable[..., dict[str, Any]], bucket: str, key: str) -> Any:  # noqa: ANN401
    """Return what S3 has set for a bucket, None if it has nothing; raises ClientError if there is no such bucket."""
    try:
        return get(Bucket=bucket)[key]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchBucket", "AccessDenied"):
            raise
        return None


def _plain(rules: list[Properties]) -> list[Properties]:
    """Return rules of encryption as CloudFormation has them, without what S3 adds."""
    return [{_DEFAULT: each[_S3_DEFAULT]} for each in rules]


def _to_s3(rule: Properties) -> Properties:
    told = {key: value for key, value in rule.items() if key not in ("Id", _DAYS)}
    expires = {"Expiration": {"Days": int(rule[_DAYS])}} if _DAYS in rule else {}
    return {**told, "ID": rule["Id"], "Filter": {"Prefix": rule.get("Prefix", "")}, **expires}


def _from_s3(rule: Properties) -> Properties:
    told = {key: value for key, value in rule.items() if key not in ("ID", "Filter", "Expiration", "Prefix")}
    expires = {_DAYS: rule["Expiration"]["Days"]} if "Expiration" in rule else {}
    return {**told, "Id": rule["ID"], **expires}


def _put_encryption(s3: Client, bucket: str, value: Properties) -> None:
    rules = [
        {_S3_DEFAULT if key == _DEFAULT else key: member for key, member in each.items()}
        for each in value["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _put_lifecycle(s3: Client, bucket: str, value: Properties) -> None:
    rules = [_to_s3(each) for each in value["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


_PUTS: dict[str, Callable[[Client, str, Any], object]] = {
    "BucketEncryption": _put_encryption,
    "LifecycleConfiguration": _put_lifecycle,
    "OwnershipControls": lambda s3, bucket, value: s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls=value
    ),
    "PublicAccessBlockConfiguration": lambda s3, bucket, value: s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=value
    ),
    "VersioningConfiguration": lambda s3, bucket, value: s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=value
    ),
    "Tags": lambda s3, bucket, value: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": value}),
}
