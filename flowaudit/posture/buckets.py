"""How a bucket is configured, each part read by itself: one denied call hides one part of one bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.posture.asking import Place, one
from flowaudit.posture.model import Missing

PUBLIC_ACCESS_BLOCK = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


FLOW_LOGS = "AWSLogs/"
"""What the keys of flow logs begin with."""
_LEGACY = {"EU": "eu-west-1"}
"""Words of GetBucketLocation that are no names of Regions."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """When flow logs in a bucket expire: after days, or on a date; `first`: some do so already after fewer days."""

    days: int | None = None
    first: int | None = None
    date: str = ""


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
    expires: Expiry | Missing | None = None


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
        expires=_expires(ask, name),
    )


def _asked(ask: Asker, operation: str, permission: str, name: str, gone: str = "") -> Mapping[str, Any] | Missing:
    absent = ("NoSuchBucket", gone) if gone else ("NoSuchBucket",)
    return one(ask, "s3", operation, permission, gone=absent, Bucket=name)


def _region(ask: Asker, name: str) -> str | Missing | None:
    answer = _asked(ask, "get_bucket_location", "s3:GetBucketLocation", name)
    if isinstance(answer, Missing):
        return answer
    found = str(answer.get("LocationConstraint") or "us-east-1")
    return _LEGACY.get(found, found) if answer else None


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


def _expires(ask: Asker, name: str) -> Expiry | Missing | None:
    """Return when flow logs expire; None: never."""
    gone = "NoSuchLifecycleConfiguration"
    answer = _asked(ask, "get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration", name, gone)
    if isinstance(answer, Missing):
        return answer
    return expiry(answer.get("Rules") or ())


def expiry(rules: Iterable[Mapping[str, Any]]) -> Expiry | None:
    """Return when flow logs expire by lifecycle rules; None: never."""
    some = [rule for rule in rules if rule.get("Status") == "Enabled" and _of_flow_logs(rule)]
    if date := min((str(rule["Expiration"]["Date"]) for rule in some if "Date" in _expiration(rule)), default=""):
        return Expiry(date=date)
    days: dict[bool, list[int]] = {True: [], False: []}
    for rule in some:
        if "Days" in _expiration(rule):
            days[_of_all(rule)].append(rule["Expiration"]["Days"])
    if not any(days.values()):
        return None
    return Expiry(min(days[True], default=None), min(days[False], default=None))


def _expiration(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    return rule.get("Expiration") or {}


def _narrowed(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a lifecycle rule is for: prefix, tags, sizes."""
    found = rule.get("Filter") or {}
    return {"Prefix": rule.get("Prefix"), **found, **(found.get("And") or {})}


def _of_flow_logs(rule: Mapping[str, Any]) -> bool:
    """Return whether a lifecycle rule is for some flow logs: log delivery gives its objects no tags."""
    narrowed = _narrowed(rule)
    prefix = str(narrowed.get("Prefix") or "")
    return not (narrowed.get("Tag") or narrowed.get("Tags")) and (
        prefix.startswith(FLOW_LOGS) or FLOW_LOGS.startswith(prefix)
    )


def _of_all(rule: Mapping[str, Any]) -> bool:
    """Return whether a lifecycle rule that is for flow logs is for all of them."""
    narrowed = _narrowed(rule)
    sizes = narrowed.get("ObjectSizeGreaterThan") or narrowed.get("ObjectSizeLessThan")
    return not sizes and FLOW_LOGS.startswith(str(narrowed.get("Prefix") or ""))
