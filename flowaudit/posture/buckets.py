"""How a bucket is configured, each part read by itself: one denied call hides one part of one bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.posture.asking import Place, one
from flowaudit.posture.model import Missing

PUBLIC_ACCESS_BLOCK = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket: S3's own words for each part, "" or empty where it has none, None: there is no such bucket."""

    name: str
    region: str | Missing | None
    policy: str | Missing
    encryption: str | Missing = ""
    public_access_block: frozenset[str] | Missing = frozenset()
    ownership: str | Missing = ""
    versioning: str | Missing = ""
    expires_after: int | Missing | None = None


def policy_of(place: Place, name: str) -> Bucket:
    """Return a bucket with its Region and policy only."""
    ask = place.asker()
    return Bucket(name=name, region=_region(ask, name), policy=_policy(ask, name))


def bucket(place: Place, name: str) -> Bucket:
    """Return a bucket with all its parts."""
    ask = place.asker()
    return Bucket(
        name=name,
        region=_region(ask, name),
        policy=_policy(ask, name),
        encryption=_encryption(ask, name),
        public_access_block=_public_access_block(ask, name),
        ownership=_ownership(ask, name),
        versioning=_versioning(ask, name),
        expires_after=_expires_after(ask, name),
    )


def _asked(ask: Asker, operation: str, permission: str, name: str, gone: str = "") -> Mapping[str, Any] | Missing:
    absent = ("NoSuchBucket", gone) if gone else ("NoSuchBucket",)
    return one(ask, "s3", operation, permission, gone=absent, Bucket=name)


def _region(ask: Asker, name: str) -> str | Missing | None:
    answer = _asked(ask, "get_bucket_location", "s3:GetBucketLocation", name)
    if isinstance(answer, Missing):
        return answer
    return (answer.get("LocationConstraint") or "us-east-1") if answer else None


def _policy(ask: Asker, name: str) -> str | Missing:
    answer = _asked(ask, "get_bucket_policy", "s3:GetBucketPolicy", name, "NoSuchBucketPolicy")
    return answer if isinstance(answer, Missing) else str(answer.get("Policy") or "")


def _encryption(ask: Asker, name: str) -> str | Missing:
    gone = "ServerSideEncryptionConfigurationNotFoundError"
    answer = _asked(ask, "get_bucket_encryption", "s3:GetEncryptionConfiguration", name, gone)
    if isinstance(answer, Missing):
        return answer
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or [{}]
    return str((rules[0].get("ApplyServerSideEncryptionByDefault") or {}).get("SSEAlgorithm") or "")


def _public_access_block(ask: Asker, name: str) -> frozenset[str] | Missing:
    gone = "NoSuchPublicAccessBlockConfiguration"
    answer = _asked(ask, "get_public_access_block", "s3:GetBucketPublicAccessBlock", name, gone)
    if isinstance(answer, Missing):
        return answer
    block = answer.get("PublicAccessBlockConfiguration") or {}
    return frozenset(setting for setting in PUBLIC_ACCESS_BLOCK if block.get(setting))


def _ownership(ask: Asker, name: str) -> str | Missing:
    gone = "OwnershipControlsNotFoundError"
    answer = _asked(ask, "get_bucket_ownership_controls", "s3:GetBucketOwnershipControls", name, gone)
    if isinstance(answer, Missing):
        return answer
    rules = (answer.get("OwnershipControls") or {}).get("Rules") or [{}]
    return str(rules[0].get("ObjectOwnership") or "")


def _versioning(ask: Asker, name: str) -> str | Missing:
    answer = _asked(ask, "get_bucket_versioning", "s3:GetBucketVersioning", name)
    return answer if isinstance(answer, Missing) else str(answer.get("Status") or "")


def _expires_after(ask: Asker, name: str) -> int | Missing | None:
    """Return after how many days all objects expire."""
    gone = "NoSuchLifecycleConfiguration"
    answer = _asked(ask, "get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration", name, gone)
    if isinstance(answer, Missing):
        return answer
    days = [
        rule["Expiration"]["Days"]
        for rule in answer.get("Rules") or ()
        if rule.get("Status") == "Enabled" and "Days" in (rule.get("Expiration") or {}) and _of_all(rule)
    ]
    return min(days, default=None)


def _of_all(rule: Mapping[str, Any]) -> bool:
    """Return whether a lifecycle rule is for every object."""
    narrowed = rule.get("Filter") or {}
    return not (rule.get("Prefix") or any(value for value in narrowed.values()))
