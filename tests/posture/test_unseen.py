"""What could not be read is unknown, with the permission that it needs: never absent, never as expected."""

from __future__ import annotations

import boto3
import pytest

from flowaudit.posture import CHECKS, Result, Status, audit, read
from tests.posture.clouds import ACCOUNT, REGION, Deployed, Refusing, deployed
from tests.setup.wishes import ADMIN

EVERYTHING = {
    "profile": "nat",
    "guardrail": True,
    "bucket_policy": {"enabled": True, "break_glass": [ADMIN]},
}
NEEDS = {
    "describe_vpc_attribute": ("ec2:DescribeVpcAttribute", {"dns"}),
    "describe_dhcp_options": ("ec2:DescribeDhcpOptions", {"dhcp-options"}),
    "describe_nat_gateways": ("ec2:DescribeNatGateways", {"nat-gateway", "nat-public-subnet", "nat-zones"}),
    "describe_network_acls": ("ec2:DescribeNetworkAcls", {"network-acls"}),
    "describe_flow_logs": (
        "ec2:DescribeFlowLogs",
        {"flow-log", "flow-log-traffic", "flow-log-fields", "flow-log-destination", "flow-log-files"},
    ),
    "describe_security_groups": (
        "ec2:DescribeSecurityGroups",
        {
            "interface-endpoint-access",
            "workload-security-group",
            "endpoint-security-group",
            "default-security-group",
        },
    ),
    "describe_tags": ("ec2:DescribeTags", {"tags"}),
    "get_bucket_encryption": ("s3:GetEncryptionConfiguration", {"flow-log-bucket-encryption"}),
    "get_public_access_block": ("s3:GetBucketPublicAccessBlock", {"flow-log-bucket-public-access"}),
    "get_bucket_ownership_controls": ("s3:GetBucketOwnershipControls", {"flow-log-bucket-ownership"}),
    "get_bucket_versioning": ("s3:GetBucketVersioning", {"flow-log-bucket-versioning"}),
    "get_bucket_lifecycle_configuration": ("s3:GetLifecycleConfiguration", {"flow-log-retention"}),
    "get_bucket_policy": ("s3:GetBucketPolicy", {"flow-log-bucket-policy", "bucket-policies"}),
    "get_policy": ("iam:GetPolicy", {"guardrail"}),
    "get_policy_version": ("iam:GetPolicyVersion", {"guardrail"}),
}
"""The permission for each operation, and the checks that need it."""


@pytest.mark.parametrize(("operation", "needs"), NEEDS.items(), ids=NEEDS)
def test_a_denied_call_hides_what_needs_it(operation: str, needs: tuple[str, set[str]]) -> None:
    """The checks that need the call are unknown and name the permission; all others are as expected."""
    permission, checks = needs
    wrong = deployed(**EVERYTHING).wrong((operation,))
    assert {each.check for each in wrong} == checks
    assert {each.status for each in wrong} == {Status.UNKNOWN}
    assert {each.why for each in wrong} == {f"{permission}: denied"}


@pytest.mark.parametrize("operation", ["describe_subnets", "describe_route_tables", "describe_vpc_endpoints"])
def test_nothing_fails_for_lack_of_sight(operation: str) -> None:
    """Parts that many checks need make these unknown, and none of them a failure."""
    wrong = deployed(**EVERYTHING).wrong((operation,))
    assert len({each.check for each in wrong}) > 3
    assert {each.status for each in wrong} == {Status.UNKNOWN}
    action = "".join(word.capitalize() for word in operation.split("_"))
    assert {each.why for each in wrong} == {f"ec2:{action}: denied"}


def test_a_vpc_that_cannot_be_read_is_unknown() -> None:
    """Without DescribeVpcs nothing of the VPC itself is known to be as expected."""
    it = deployed()
    results = it.results(("describe_vpcs",))
    of_the_vpc = [each for each in results if not each.check.startswith(("flow-log-bucket", "flow-log-retention"))]
    assert {(each.check, each.status) for each in of_the_vpc if each.status is not Status.UNKNOWN} == {
        ("tags", Status.PASS)
    }
    assert "ec2:DescribeVpcs: denied" in {each.why for each in results}


def test_a_vpc_that_is_gone_fails() -> None:
    """The absence of the VPC is one failure; what would be in it is unknown."""
    it = deployed()
    it.outputs["VpcId"] = "vpc-0123456789abcdef0"
    wrong = it.wrong()
    assert [(each.check, each.found) for each in wrong if each.status is Status.FAIL] == [("vpc", "absent")]
    assert "there is no such VPC" in {each.why for each in wrong}


def test_one_denied_bucket_does_not_hide_the_next() -> None:
    """Permissions are given for each bucket: the policy of the other one is still compared."""
    it = deployed(**EVERYTHING)
    wrong = wrong_without_models(it)
    assert {(each.check, each.subject) for each in wrong} == {("bucket-policies", "amzn-example-models")}
    assert [each.status for each in wrong] == [Status.UNKNOWN]


def wrong_without_models(it: Deployed) -> list[Result]:
    """Return what is wrong where the policy of one bucket may not be read."""

    class OneBucket(Refusing):
        def __getattr__(self, name: str) -> object:
            real = getattr(self._client, name)
            if name != "get_bucket_policy":
                return real
            return lambda Bucket: self._denied(name)() if Bucket == "amzn-example-models" else real(Bucket=Bucket)  # noqa: N803

    live = read(ACCOUNT, REGION, lambda service: OneBucket(boto3.client(service, REGION), ()), it.expected)
    results = audit(it.expected, live)
    return [each for each in results if each.status in ("fail", "unknown")]


def test_every_check_has_a_result() -> None:
    """A check with nothing to compare says that it does not apply."""
    it = deployed()
    results = list(audit(it.expected, it.live()))
    assert {each.check for each in results} == {check.id for check in CHECKS}
    idle = {each.check for each in results if each.status is Status.NOT_APPLICABLE}
    assert idle == {
        "nat-gateway",
        "nat-public-subnet",
        "nat-zones",
        "bucket-policies",
        "guardrail",
        "block-public-access",
        "encryption-controls",
    }
