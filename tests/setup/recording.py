"""The calls that boto3 clients make, by IAM action."""

from __future__ import annotations

from typing import Any

OTHERWISE = {
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
}
"""Operations whose IAM action is called otherwise (Service Authorization Reference, "Actions for Amazon S3")."""


def action_of(service: Any, operation: str) -> str:
    """Return the IAM action of an operation of a service, as botocore models it."""
    action = f"{service.signing_name}:{operation}"
    return OTHERWISE.get(action, action)


def recorded(*clients: Any) -> set[str]:
    """Return the IAM actions of every call that these clients make from now on: the set fills up as they are made."""
    made: set[str] = set()

    def record(model: Any, **_: Any) -> None:
        made.add(action_of(model.service_model, model.name))

    for client in clients:
        client.meta.events.register_first("before-parameter-build", record)  # asked of stubs and mocks too
    return made
