"""Requests that a policy has to allow, must not allow, or has to deny, put to the evaluator of policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from flowaudit.policies import Decision, Policy, Request, Verdict
from flowaudit.policies.arns import partition
from flowaudit.posture.live import Live
from flowaudit.posture.model import Property, compared

FOREIGN_ACCOUNT = "999999999999"
"""Stands for every account but that of the VPC."""


class Wish(StrEnum):
    """What a policy has to decide: a request that is only not allowed may be allowed by another policy."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    DENIED = "denied"
    NOT_DENIED = "not denied"

    def accepts(self, decision: Decision) -> bool:
        """Return whether a decision is what is wished for."""
        return {
            Wish.ALLOWED: decision is Decision.ALLOWED,
            Wish.REFUSED: decision is not Decision.ALLOWED,
            Wish.DENIED: decision is Decision.DENIED,
            Wish.NOT_DENIED: decision is not Decision.DENIED,
        }[self]


def tried(
    subject: str, policy: Policy, name: str, wish: Wish, requests: Iterable[Request], never: Iterable[Request] = ()
) -> Property:
    """Return a property that passes if the policy decides on all requests as is wished for.

    Those that it must `never` allow are refused whatever the condition keys are that they do not have.
    """
    verdicts = [(request, policy.decide(request)) for request in requests]
    wrong = [(request, verdict) for request, verdict in verdicts if not wish.accepts(verdict.decision)]
    said = [_said(request, verdict) for request, verdict in wrong]
    said += [f"{each.action} on {each.resource} allowed" for each in never if policy.may_allow(each)]
    return compared(subject, name, wish.value, ", ".join(dict.fromkeys(said)) or wish.value, ok=not said)


def _said(request: Request, verdict: Verdict) -> str:
    by = f" by {verdict.statement}" if verdict.statement else ""
    return f"{request.action} {verdict.decision.value}{by}"


def of_account(live: Live, account_id: str) -> dict[str, str]:
    """Return the condition keys of a request with credentials of an account, in the VPC and by HTTPS."""
    return {
        "aws:PrincipalAccount": account_id,
        "aws:PrincipalArn": role(live, account_id),
        "aws:PrincipalIsAWSService": "false",
        "aws:ResourceAccount": live.account_id,
        "aws:SecureTransport": "true",
        "aws:SourceVpc": live.network.vpc_id,
    }


def of_principal(live: Live, arn: str) -> dict[str, str]:
    """Return the condition keys of a request by a principal, in the VPC and by HTTPS."""
    return {**of_account(live, arn.split(":")[4]), "aws:PrincipalArn": arn}


def role(live: Live, account_id: str) -> str:
    """Return the ARN of some role of an account."""
    return f"arn:{partition(live.region)}:iam::{account_id}:role/flowaudit-verify"


def allows_everything(text: str) -> bool:
    """Return whether a policy is the default one of endpoints, or says the same; raises PolicyError."""
    policy = Policy.parse(text)
    probe = Request("flowaudit:Anything", "arn:aws:flowaudit:::anything", "*", _NOBODY)
    return policy.decide(probe).decision is Decision.ALLOWED


_NOBODY: Mapping[str, str] = {}
