"""Policies of the workloads' buckets: requests over the S3 endpoint only."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.policies import Policy, Request
from flowaudit.policies.arns import bucket_arn
from flowaudit.posture.asking import seen
from flowaudit.posture.checks.s3_endpoint import gateway_endpoint
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared, guarded
from flowaudit.posture.named import addresses, endpoints, principals, sample
from flowaudit.posture.trial import Wish, of_account, role, tried

NAME = "bucket policy"
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
ELSEWHERE = ("vpc-00000000000000000", "vpce-00000000000000000")
"""A VPC that is not ours, and its endpoint."""
OUTSIDE = "192.0.2.1"
"""An address on the internet."""


def _policies(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.bucket_policy is None:
        return
    for name in expected.bucket_policy.buckets:
        yield from guarded(name, NAME, _policy(expected, live, name))


def _policy(expected: Expected, live: Live, name: str) -> Iterator[Property]:
    bucket = live.buckets[name]
    if seen(bucket.region) is None:
        yield compared(name, NAME, "present", "there is no such bucket", ok=False)
        return
    text = seen(bucket.policy)
    if not text:
        yield compared(name, NAME, "present", "absent", ok=False, why="the data can be read from anywhere")
        return
    policy, anybody, endpoint = Policy.parse(text), role(live, live.account_id), gateway_endpoint(live)
    over = _over(live.network.vpc_id, endpoint.endpoint_id if endpoint else "")
    trusted = expected.bucket_policy.break_glass if expected.bucket_policy else ()
    outside = [(anybody, {"aws:SourceIp": each}) for each in (OUTSIDE, *addresses(text))]
    outside += [(sample(each), {}) for each in principals(text) if each not in trusted]
    elsewhere = [(anybody, _over(*ELSEWHERE))]
    elsewhere += [(anybody, _over(each, each)) for each in endpoints(text) if each not in over.values()]
    cases: list[tuple[str, Wish, list[tuple[str, dict[str, str]]]]] = [
        ("from outside the VPC", Wish.DENIED, outside),
        ("over another endpoint", Wish.DENIED, elsewhere),
        ("over the S3 endpoint", Wish.NOT_DENIED, [(anybody, over)]),
    ]
    cases += [(f"{each} from outside the VPC", Wish.NOT_DENIED, [(sample(each), {})]) for each in trusted]
    for where, wish, some in cases:
        yield tried(name, policy, where, wish, [each for one in some for each in _requests(live, name, *one)])


def _over(vpc_id: str, endpoint_id: str) -> dict[str, str]:
    """Return the condition keys of a request over an endpoint."""
    return {"aws:SourceVpc": vpc_id, "aws:SourceVpce": endpoint_id}


def _requests(live: Live, bucket: str, principal: str, over: dict[str, str]) -> list[Request]:
    """Return requests for data; without the keys of an endpoint they come from outside of any VPC."""
    context = of_account(live, live.account_id)
    del context["aws:SourceVpc"]
    context |= {"aws:PrincipalArn": principal, **over}
    return [
        *(Request(action, bucket_arn(live.region, f"{bucket}/key"), principal, context) for action in ACTIONS),
        Request("s3:ListBucket", bucket_arn(live.region, bucket), principal, context),
    ]


CHECKS = (
    Check(
        "bucket-policies",
        "G8 Create an Amazon S3 VPC Endpoint",
        "Bucket policy denies access to data from outside the VPC",
        _policies,
    ),
)
