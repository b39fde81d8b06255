"""The policy that the endpoint has, beside the one that is needed."""

from __future__ import annotations

import json
from typing import Any

from tests.sagemaker import ACCOUNT, REGION
from tests.setup.s3_needs import DEFAULT, Refusal, hosted

ECR = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/x:1"


def present(policy: Any, **more: Any) -> Any:
    """Return the comparison with a policy that the endpoint has at present."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz", "Image": ECR})
    text = policy if isinstance(policy, str) else json.dumps(policy)
    wire.answers["DescribeVpcEndpoints"] = {"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "PolicyDocument": text}]}
    (comparison,) = wire.plan(**more).comparisons
    return comparison


def test_the_default_policy_allows_more() -> None:
    """It lacks nothing; every action on all buckets, and any account's credentials, are more than is needed."""
    found = present(DEFAULT)
    assert found.lacks == ()
    assert found.excess == (
        "statement 1: * on all buckets (*)",
        "credentials of any other account, for 1 of the prefixes needed, as s3://models/m.tar.gz",
    )
    assert '-      "Action": "*",' in found.diff


def test_the_needed_policy_allows_what_is_needed() -> None:
    """Compared with itself it lacks nothing, allows nothing more and has no diff."""
    text = hosted({"ModelDataUrl": "s3://models/m.tar.gz", "Image": ECR}).plan().document.text
    found = present(text)
    assert (found.lacks, found.excess, found.unjudged, found.diff) == ((), (), (), "")


def test_what_the_present_policy_lacks_is_decided() -> None:
    """Request by request: a list without GetBucketLocation, an object that is denied, ECR's own credentials."""
    found = present(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Mine",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
                    "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
                    "Condition": {"StringEquals": {"aws:principalaccount": ACCOUNT}},
                },
                {
                    "Sid": "NotThis",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": "arn:aws:s3:::models/*.gz",
                    "Condition": {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}},
                },
            ],
        }
    )
    assert found.lacks == (
        "s3://models/m.tar.gz: s3:GetObject, s3:GetBucketLocation (denied by NotThis)",
        f"s3://prod-{REGION}-starport-layer-bucket/*: s3:GetObject with the credentials of Amazon ECR",
    )
    assert found.unjudged == ("aws:ResourceAccount",)
    assert found.excess == (
        "Mine: s3:GetObject, s3:PutObject on bucket models",
        "Mine: s3:GetObject, s3:ListBucket, s3:PutObject on every object in models",
    )


def test_a_present_policy_that_cannot_be_judged() -> None:
    """It is said to be so, in the evaluator's words."""
    assert "no JSON" in present("{").problem
    assert (
        "StringMatches"
        in present(
            {
                "Statement": [
                    {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringMatches": {"a": "b"}}}
                ]
            }
        ).problem
    )


def test_special_characters_of_a_present_policy() -> None:
    """A star that is a character of a key is not taken for a wildcard, nor the other way round."""
    wire = hosted({"ModelDataUrl": "s3://models/a*b"})
    text = wire.plan().document.text
    for policy, excess in (
        (text, ()),
        (text.replace("a${*}b", "a*b"), ("ReadObjects: s3:GetObject on s3://models/a*b",)),
    ):
        wire.answers["DescribeVpcEndpoints"] = {"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "PolicyDocument": policy}]}
        (found,) = wire.plan().comparisons
        assert (found.lacks, found.excess) == ((), excess)


def test_everything_but_is_said_so() -> None:
    """NotAction and NotResource allow all but what they name, which is more than is needed."""
    found = present(
        {"Statement": [{"Effect": "Allow", "NotAction": "s3:PutObject", "NotResource": "arn:aws:s3:::secret/*"}]}
    )
    assert found.lacks == ()
    assert found.excess[0] == "statement 1: every action but s3:PutObject on everything but every object in secret"


def test_ec2_that_refuses() -> None:
    """The policy is made all the same; that the present one is not known is a gap of its own."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    wire.answers["DescribeVpcEndpoints"] = Refusal("UnauthorizedOperation")
    made = wire.plan()
    assert [gap.operation for gap in made.gaps] == ["describe_vpc_endpoints"]
    assert (made.unread, made.comparisons) == ((), ())
    assert made.needs
