"""The policy that the endpoint has now, beside the one that is needed: decided request by request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from flowaudit.errors import PolicyError
from flowaudit.inventory.asking import Asker
from flowaudit.policies import Decision, Policy, Request, Statement
from flowaudit.policies.arns import bucket_arn
from flowaudit.policies.patterns import Pattern
from flowaudit.policies.requests import Context
from flowaudit.setup.least_privilege.document import ACTIONS, LISTED, Document, Scopes
from flowaudit.setup.least_privilege.needs import Access, Scope

SAMPLE = "flowaudit-sample"
"""What stands after a prefix in requests that are decided: any key that begins so."""
_ANOTHER_ACCOUNT = "000000000000"
_ANY_CHARACTER = "\ue000"
"""Stands for a wildcard; as it is in no key, only another wildcard matches it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An S3 gateway endpoint of the VPC, and the text of its policy."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the present policy lacks, and what it allows for nothing; `problem` says why it cannot be judged."""

    endpoint: Endpoint
    lacks: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    diff: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests come from: the account of the credentials, the region, the VPC and its endpoint."""

    account: str
    region: str
    vpc: str = ""
    endpoint: str = ""

    def request(self, action: str, resource: str, prefix: str | None = None, account: str | None = None) -> Request:
        """Return a request on a bucket, or on objects in one, as a workload in the VPC makes it."""
        context = {
            "aws:PrincipalAccount": account or self.account,
            "aws:PrincipalIsAWSService": "false",
            "aws:SecureTransport": "true",
            "aws:SourceVpc": self.vpc,
            "aws:SourceVpce": self.endpoint,
            "aws:RequestedRegion": self.region,
            **({} if prefix is None else {"s3:prefix": prefix}),
        }
        arn = bucket_arn(self.region, resource)
        return Request(action, arn, f"arn:aws:iam::{account or self.account}:role/workload", context)

    def requests(self, access: Access, scope: Scope, account: str | None = None) -> Iterator[Request]:
        """Yield what has to be allowed for a scope; of a wide one, for a sample of its keys."""
        key = scope.key + SAMPLE * scope.wide
        for action in ACTIONS[access]:
            yield self.request(action, f"{scope.bucket}/{key}", account=account)
        if access in LISTED:
            yield self.request("s3:ListBucket", scope.bucket, scope.key, account)
        yield self.request("s3:GetBucketLocation", scope.bucket, account=account)


def endpoints(ask: Asker, vpc: str) -> tuple[Endpoint, ...]:
    """Return the S3 gateway endpoints of a VPC; the asker notes a gap where EC2 does not answer."""
    filters = {
        "vpc-id": vpc,
        "service-name": f"com.amazonaws.{ask.region}.s3",
        "vpc-endpoint-type": "Gateway",
    }
    wanted = [{"Name": name, "Values": [value]} for name, value in filters.items()]
    found = ask.all("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=wanted) or ()
    some = (Endpoint(each["VpcEndpointId"], each.get("PolicyDocument") or "") for each in found)
    return tuple(sorted(some, key=lambda each: each.id))


def refused(policy: Policy, scopes: Iterable[tuple[Access, Scope]], place: Place) -> tuple[str, ...]:
    """Return a line for each scope that a policy does not allow in full: its actions, and by which statement."""
    lines = []
    for access, scope in sorted(scopes):
        verdicts = [(request, policy.decide(request)) for request in place.requests(access, scope)]
        wrong = [(request, verdict) for request, verdict in verdicts if verdict.decision is not Decision.ALLOWED]
        if wrong:
            actions = ", ".join(request.action for request, _ in wrong)
            denying = sorted({verdict.statement for _, verdict in wrong if verdict.statement})
            by = f" (denied by {', '.join(denying)})" if denying else ""
            lines.append(f"{scope}: {actions}{by}")
    return tuple(lines)


def compare(endpoint: Endpoint, document: Document, layers: bool, place: Place) -> Comparison:
    """Return how the present policy of an endpoint differs from the one that is needed."""
    try:
        present = Policy.parse(endpoint.text)
        text = json.dumps(json.loads(endpoint.text), indent=2)
    except (PolicyError, ValueError) as error:
        return Comparison(endpoint, problem=str(error))
    wanted = _Wanted(document.scopes, layers, place)
    lacks = list(refused(present, document.scopes, place))
    bucket = f"prod-{place.region}-starport-layer-bucket"
    foreign = place.request("s3:GetObject", f"{bucket}/{SAMPLE}", account=_ANOTHER_ACCOUNT)
    if layers and present.decide(foreign).decision is not Decision.ALLOWED:
        lacks.append(f"s3://{bucket}/*: s3:GetObject with the credentials of Amazon ECR")
    diff = unified_diff(
        text.splitlines(),
        json.dumps(json.loads(document.text), indent=2).splitlines(),
        "present",
        "needed",
        lineterm="",
    )
    excess = [line for each in present.statements if each.allow for line in wanted.excess(each)]
    return Comparison(
        endpoint, tuple(lacks), (*excess, *wanted.strangers(present)), _unjudged(present), "\n".join(diff)
    )


class _Wanted:
    """What is needed, as patterns: which part of a statement goes beyond them."""

    def __init__(self, scopes: Scopes, layers: bool, place: Place) -> None:
        self._scopes, self._place = scopes, place
        self._patterns: list[tuple[Pattern, set[str]]] = []
        for access, scope in scopes:
            objects = Pattern.parse(bucket_arn(place.region, f"{scope.bucket}/{scope.pattern}"), variables=True)
            self._patterns.append((objects, {action.lower() for action in ACTIONS[access]}))
            of_bucket = {"s3:getbucketlocation", *(["s3:listbucket"] if access in LISTED else [])}
            self._patterns.append((Pattern.parse(bucket_arn(place.region, scope.bucket)), of_bucket))
        if layers:
            arn = bucket_arn(place.region, f"prod-{place.region}-starport-layer-bucket/*")
            self._patterns.append((Pattern.parse(arn), {"s3:getobject"}))

    def excess(self, statement: Statement) -> Iterator[str]:
        """Yield a line for each resource of a statement with which it allows more than is needed."""
        actions = statement.actions
        for pattern in statement.resources.patterns:
            needed = self._needed(pattern) if not statement.resources.inverted else set()
            texts = [each.text for each in actions.patterns]
            spare = texts if actions.inverted else [text for text in texts if text.lower() not in needed]
            if spare:
                which = f"every action but {', '.join(spare)}" if actions.inverted else ", ".join(spare)
                but = "everything but " if statement.resources.inverted else ""
                yield f"{statement.label}: {which} on {but}{_words(pattern.text)}"

    def strangers(self, policy: Policy) -> Iterator[str]:
        """Yield a line where credentials of other accounts are allowed what only the own account's need."""
        some = [
            str(scope)
            for access, scope in sorted(self._scopes)
            for request in self._place.requests(access, scope, _ANOTHER_ACCOUNT)
            if policy.decide(request).decision is Decision.ALLOWED
        ]
        if some:
            yield f"credentials of any other account, for {len(set(some))} of the prefixes needed, as {some[0]}"

    def _needed(self, pattern: Pattern) -> set[str]:
        """Return the actions needed on all that a resource's pattern matches: its wildcards count as characters."""
        text = "".join(each if isinstance(each, str) else _ANY_CHARACTER for each in pattern.tokens)
        plain = Context({})
        return {action for wanted, actions in self._patterns if wanted.matches(text, plain) for action in actions}


def _words(resource: str) -> str:
    """Return a resource in words."""
    name = resource.split(":", 5)[-1]
    bucket, slash, key = name.partition("/")
    if bucket.strip("*") == "":
        return f"all buckets ({resource})" if not slash or key == "*" else f"keys {key} of all buckets ({resource})"
    if not slash:
        return f"buckets {bucket}" if "*" in bucket or "?" in bucket else f"bucket {bucket}"
    return f"every object in {bucket}" if key == "*" else f"s3://{name}"


def _unjudged(policy: Policy) -> tuple[str, ...]:
    """Return the condition keys of a policy whose values are not known here: they are taken as missing."""
    known = {key.lower() for key in Place("", "").request("", "", "").context}
    keys: Mapping[str, Any] = {
        each.key.lower(): each.key for statement in policy.statements for each in statement.conditions
    }
    return tuple(sorted(keys[key] for key in keys.keys() - known))
