"""The bucket or log group of the flow log: flow logs are audit evidence."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.policies import Policy, Request
from flowaudit.policies.arns import bucket_arn, partition
from flowaudit.posture.asking import seen
from flowaudit.posture.buckets import PUBLIC_ACCESS_BLOCK, Bucket, Expiry
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared
from flowaudit.posture.named import offers, strangers
from flowaudit.posture.trial import FOREIGN_ACCOUNT, Wish, of_principal, role, tried

GUIDE = "G17 Protect Endpoints by Using an Amazon Virtual Private Cloud"
DELIVERY = "delivery.logs.amazonaws.com"


def _bucket(expected: Expected, live: Live) -> Bucket | None:
    """Return the bucket of the flow log, None if there is none; raises Unseen."""
    if expected.flow_log is None:
        return None
    bucket = live.buckets.get(live.flow_log_bucket(expected) or "")
    return bucket if bucket and seen(bucket.region) else None


def _present(expected: Expected, live: Live) -> Iterator[Property]:
    name = live.flow_log_bucket(expected) if expected.flow_log else None
    if name:
        region = seen(live.buckets[name].region)
        why = "" if region else "records are lost"
        yield compared(
            name, "bucket of the flow log", live.region, region or "absent", ok=region == live.region, why=why
        )


def _encrypted(expected: Expected, live: Live) -> Iterator[Property]:
    if bucket := _bucket(expected, live):
        found = seen(bucket.encryption)
        yield compared(bucket.name, "default encryption", "present", found or "absent", ok=bool(found))


def _private(expected: Expected, live: Live) -> Iterator[Property]:
    if bucket := _bucket(expected, live):
        on = seen(bucket.public_access_block)
        off = [each for each in PUBLIC_ACCESS_BLOCK if each not in on]
        found = f"without {' '.join(off)}" if off else "all settings"
        yield compared(bucket.name, "Block Public Access", "all settings", found, ok=not off)


def _owned(expected: Expected, live: Live) -> Iterator[Property]:
    if bucket := _bucket(expected, live):
        wanted, found = "BucketOwnerEnforced", seen(bucket.ownership) or "absent"
        yield compared(bucket.name, "object ownership", wanted, found, ok=found == wanted)


def _versioned(expected: Expected, live: Live) -> Iterator[Property]:
    if bucket := _bucket(expected, live):
        found = seen(bucket.versioning) or "off"
        why = "overwritten and deleted flow logs cannot be restored"
        yield compared(bucket.name, "versioning", "Enabled", found, ok=found == "Enabled", why=why)


def _retention(expected: Expected, live: Live) -> Iterator[Property]:
    wanted = expected.flow_log
    if wanted is None or wanted.retention_days is None:
        return
    if wanted.destination_type == "cloud-watch-logs":
        days = seen(live.retention_days)
        subject, expires = wanted.destination or expected.vpc_id, None if days is None else Expiry(days)
    elif bucket := _bucket(expected, live):
        subject, expires = bucket.name, seen(bucket.expires)
    else:
        return
    told, found = f"{wanted.retention_days} days", _kept(expires)
    yield compared(subject, "retention", told, found, ok=found == told)


def _kept(expires: Expiry | None) -> str:
    """Return in words how long flow logs are kept."""
    if expires is None:
        return "for ever"
    if expires.date:
        return f"until {expires.date}"
    kept = "for ever" if expires.days is None else f"{expires.days} days"
    if expires.first is None or (expires.days is not None and expires.days <= expires.first):
        return kept
    return f"{kept}, some {expires.first} days only"


def _delivery(expected: Expected, live: Live) -> Iterator[Property]:
    bucket = _bucket(expected, live)
    if bucket is None:
        return
    text = seen(bucket.policy)
    if not text:
        yield compared(bucket.name, "policy", "present", "absent", ok=False, why="log delivery needs it")
        return
    policy, name = Policy.parse(text), bucket.name
    yield tried(name, policy, "log delivery of the account", Wish.ALLOWED, _writes(live, name, live.account_id))
    yield tried(name, policy, "log delivery of other accounts", Wish.REFUSED, _writes(live, name, FOREIGN_ACCOUNT))
    others = strangers(live, text)
    reads = [_read(live, name, other) for other in others]
    offered = [Request(*each, other, of_principal(live, other)) for each in offers(policy) for other in others]
    yield tried(name, policy, "reading by other accounts", Wish.REFUSED, reads, offered)
    insecure = [_read(live, name, role(live, live.account_id), "false")]
    yield tried(name, policy, "requests without TLS", Wish.DENIED, insecure)


def _writes(live: Live, bucket: str, account_id: str) -> list[Request]:
    """Return the requests of log delivery on behalf of an account."""
    context = {
        "aws:SourceAccount": account_id,
        "aws:SourceArn": f"arn:{partition(live.region)}:logs:{live.region}:{account_id}:*",
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": DELIVERY,
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    key = f"{bucket}/AWSLogs/aws-account-id={account_id}/aws-service=vpcflowlogs/log.parquet"
    return [
        Request("s3:PutObject", bucket_arn(live.region, key), DELIVERY, context),
        Request("s3:GetBucketAcl", bucket_arn(live.region, bucket), DELIVERY, context),
    ]


def _read(live: Live, bucket: str, principal: str, secure: str = "true") -> Request:
    context = {**of_principal(live, principal), "aws:SecureTransport": secure}
    return Request("s3:GetObject", bucket_arn(live.region, f"{bucket}/AWSLogs/key"), principal, context)


CHECKS = (
    Check("flow-log-bucket", GUIDE, "Bucket of the flow log is in the Region of the VPC", _present),
    Check("flow-log-bucket-encryption", GUIDE, "Bucket of the flow log is encrypted", _encrypted),
    Check("flow-log-bucket-public-access", GUIDE, "Bucket of the flow log blocks public access", _private),
    Check("flow-log-bucket-ownership", GUIDE, "Bucket of the flow log owns all its objects", _owned),
    Check("flow-log-bucket-versioning", GUIDE, "Bucket of the flow log is versioned", _versioned),
    Check("flow-log-retention", GUIDE, "Flow logs are kept as long as is expected", _retention),
    Check("flow-log-bucket-policy", GUIDE, "Bucket policy admits log delivery of the account over TLS only", _delivery),
)
