"""The IAM policy that keeps SageMaker in these subnets and security groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowaudit.policies import Policy, Request
from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared
from flowaudit.posture.trial import Wish, tried

SUBNETS, GROUPS = "sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds"
FOREIGN = {SUBNETS: "subnet-00000000000000000", GROUPS: "sg-00000000000000000"}


def _guardrail(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.guardrail is None:
        return
    subject, text = expected.guardrail.policy_arn or "guardrail", seen(live.guardrail)
    if not text:
        yield compared(subject, "policy", "present", "absent", ok=False)
        return
    uses, why = seen(live.guardrail_uses), "it denies nothing: attach it to the users and roles that use SageMaker"
    yield compared(subject, "users, groups and roles", "at least 1", str(uses), ok=uses > 0, why=why)
    policy = Policy.parse(text)
    own: dict[str, Sequence[str]] = {SUBNETS: expected.subnets, GROUPS: expected.workload_groups}
    for name, wish, keys in (
        ("requests without a VPC", Wish.DENIED, {}),
        ("requests with these subnets and security groups", Wish.NOT_DENIED, own),
        ("requests with another subnet", Wish.DENIED, {**own, SUBNETS: (*expected.subnets, FOREIGN[SUBNETS])}),
        (
            "requests with another security group",
            Wish.DENIED,
            {**own, GROUPS: (*expected.workload_groups, FOREIGN[GROUPS])},
        ),
    ):
        yield tried(subject, policy, name, wish, _requests(expected.guardrail.actions, keys))


def _requests(actions: tuple[str, ...], keys: Mapping[str, Sequence[str]]) -> list[Request]:
    return [Request(action, "*", "*", keys) for action in actions]


CHECKS = (
    Check(
        "guardrail",
        "G22 Configure a Model for Amazon VPC Access",
        "Guardrail denies SageMaker resources outside the VPC",
        _guardrail,
    ),
)
