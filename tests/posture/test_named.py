"""What a policy lets through for what only it names: a bucket, an account, a principal, a network, an endpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from flowaudit.posture import BucketPolicyExpectation, Live
from flowaudit.posture.buckets import Bucket
from tests.posture.clouds import ACCOUNT, REGION
from tests.posture.values import Case, changed, endpoint_policy, failed, wrong
from tests.setup.wishes import ADMIN

OWN_BUCKET = "arn:aws:s3:::amzn-example-models"
ATTACKER = "arn:aws:iam::444455556666:role/attacker"


def s3_statement(live: Live, **statement: Any) -> Live:
    """Return the VPC with one statement more in the policy of its S3 endpoint."""
    (endpoint,) = [each for each in live.network.endpoints if each.type == "Gateway"]
    document = json.loads(endpoint.policy or "")
    document["Statement"].append({"Effect": "Allow", "Principal": "*", **statement})
    return endpoint_policy(live, document)


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::attacker/*"},
        {"Action": "s3:Put*", "Resource": "arn:aws:s3:::amzn-example-*"},
        {"Action": "s3:GetObject", "Resource": "arn:aws:s3:us-east-1:444455556666:accesspoint/a/object/*"},
        {"NotAction": ["s3:GetObject", "s3:PutObject"], "Resource": "*"},
        {"NotAction": "s3:GetObject", "NotResource": f"{OWN_BUCKET}/*"},
        {
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::attacker/*",
            "Condition": {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/mine"}},
        },
        {
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::attacker/*",
            "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-0"}, "StringEquals": {"s3:x-amz-acl": "private"}},
        },
        {
            "Principal": {"AWS": "arn:aws:iam::123456789012:role/mine"},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::attacker/*",
        },
    ],
)
def test_a_bucket_that_somebody_added_is_seen(isolated: Case, statement: dict[str, Any]) -> None:
    """Whatever it is called, and whoever may use it on what condition."""
    expected, live = isolated
    results = wrong(expected, s3_statement(live, **statement))
    assert ("s3-endpoint-policy", "buckets that are not named") in {(each.check, each.property) for each in results}


@pytest.mark.parametrize(
    ("statement", "property_"),
    [
        ({"Action": "s3:PutObjectAcl", "Resource": f"{OWN_BUCKET}/*"}, f"management of {OWN_BUCKET}"),
        (
            {
                "Action": "s3:GetObject",
                "Resource": f"{OWN_BUCKET}/*",
                "Condition": {"StringEquals": {"aws:PrincipalAccount": "444455556666"}},
            },
            "reading from amzn-example-models, with credentials of another account",
        ),
        (
            {"Principal": {"AWS": ATTACKER}, "Action": "s3:GetObject", "Resource": f"{OWN_BUCKET}/*"},
            "reading from amzn-example-models, with credentials of another account",
        ),
    ],
)
def test_what_a_policy_allows_beyond_is_seen(isolated: Case, statement: dict[str, Any], property_: str) -> None:
    """Actions that no model needs, and accounts that the policy itself names."""
    expected, live = isolated
    assert [each.property for each in wrong(expected, s3_statement(live, **statement))] == [property_]


def test_own_buckets_of_the_account_are_no_foreign_ones(isolated: Case) -> None:
    """A condition that no foreign bucket meets keeps data in the account; what is denied is not allowed."""
    expected, live = isolated
    own = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    more = s3_statement(live, Action="s3:GetObject", Resource="arn:aws:s3:::other/*", Condition=own)
    denied = s3_statement(more, Action="s3:PutObject", Resource="arn:aws:s3:::attacker/*")
    denied = s3_statement(denied, Effect="Deny", Action="s3:PutObject", Resource="arn:aws:s3:::attacker/*")
    assert failed(expected, denied) == {}


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:DeleteObject", "Principal": "*"},
        {"Action": "s3:ListBucket", "Principal": {"AWS": ATTACKER}},
        {"Action": "s3:GetObject", "Principal": {"AWS": "444455556666"}},
        {"Action": "s3:GetObject", "Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
    ],
)
def test_others_that_reach_flow_logs_are_seen(isolated: Case, statement: dict[str, Any]) -> None:
    """By any action, as a named account or principal, or on a condition that somebody meets."""
    expected, live = isolated
    ((name, bucket),) = live.buckets.items()
    document = json.loads(str(bucket.policy))
    resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    document["Statement"].append({"Effect": "Allow", "Resource": resources, **statement})
    opened = replace(live, buckets={name: replace(bucket, policy=json.dumps(document))})
    results = wrong(expected, opened)
    assert [(each.check, each.property) for each in results] == [
        ("flow-log-bucket-policy", "reading by other accounts")
    ]


@pytest.mark.parametrize(
    ("condition", "property_"),
    [
        ({"ArnNotLike": {"aws:PrincipalArn": [ADMIN, f"arn:aws:iam::{ACCOUNT}:role/other"]}}, "from outside the VPC"),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "from outside the VPC"),
        ({"StringNotEquals": {"aws:SourceVpce": ["vpce-0a", "vpce-0b"]}}, "over another endpoint"),
    ],
)
def test_an_exception_of_a_bucket_policy_is_seen(isolated: Case, condition: dict[str, Any], property_: str) -> None:
    """One more principal, network or endpoint that reaches the data from elsewhere."""
    expected, live = isolated
    s3 = next(each for each in live.network.endpoints if each.type == "Gateway")
    own = changed(live, endpoints=(replace(s3, endpoint_id="vpce-0a"),))
    deny = {
        "StringNotEquals": {"aws:SourceVpce": ["vpce-0a"]},
        "ArnNotLike": {"aws:PrincipalArn": [ADMIN]},
    }
    resources = ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]
    base = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources}
    data = BucketPolicyExpectation(("data",), (ADMIN,))

    def found(conditions: dict[str, Any]) -> list[str]:
        text = json.dumps({"Version": "2012-10-17", "Statement": [{**base, "Condition": conditions}]})
        seen = replace(own, buckets={**live.buckets, "data": Bucket(name="data", region=REGION, policy=text)})
        results = wrong(replace(expected, bucket_policy=data), seen)
        return [each.property for each in results if each.check == "bucket-policies"]

    assert found(deny) == []
    assert found({**deny, **condition}) == [property_]
