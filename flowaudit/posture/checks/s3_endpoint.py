"""The gateway endpoint of S3: there, on every route table that is used, and what its policy allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain

from flowaudit.policies import Policy, Request
from flowaudit.policies.arns import bucket_arn
from flowaudit.posture.checks.routes import tables
from flowaudit.posture.live import Live
from flowaudit.posture.model import Access, Check, Expected, Property, compared
from flowaudit.posture.named import offers, principals, sample, strangers
from flowaudit.posture.trial import FOREIGN_ACCOUNT, Wish, allows_everything, of_principal, role, tried
from flowaudit.topology import Endpoint

GUIDE = "Create an Amazon S3 VPC Endpoint"
MANAGEMENT = ("s3:DeleteBucket", "s3:PutBucketPolicy")
"""Actions that no model needs."""
FOREIGN_BUCKET = "flowaudit-verify-foreign-bucket"


def gateway_endpoint(live: Live) -> Endpoint | None:
    """Return the gateway endpoint of S3; raises Unseen."""
    service = f"com.amazonaws.{live.region}.s3"
    found = [each for each in live.endpoints if (each.type, each.service) == ("Gateway", service)]
    return min(found, key=lambda each: (each.state != "available", each.endpoint_id), default=None)


def _present(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.s3_endpoint:
        return
    endpoint = gateway_endpoint(live)
    subject, state = (endpoint.endpoint_id, endpoint.state) if endpoint else (expected.vpc_id, "absent")
    why = "models cannot reach S3 without the internet"
    yield compared(subject, "S3 gateway endpoint", "available", state, ok=state == "available", why=why)


def _routes(expected: Expected, live: Live) -> Iterator[Property]:
    """Compare each route table that subnets use: AWS adds the route to the tables that the endpoint names."""
    endpoint = gateway_endpoint(live)
    if not expected.s3_endpoint or endpoint is None:
        return
    for table in tables(expected, live):
        route = next((each for each in table.routes if each.target == endpoint.endpoint_id), None)
        if table.route_table_id not in endpoint.route_table_ids:
            found = "not of the endpoint"
        else:
            found = route.state if route else "no route"
        why = "the subnets of this route table do not reach S3 over the endpoint"
        yield compared(table.route_table_id, "route to S3", "active", found, ok=found == "active", why=why)


def _custom_policy(expected: Expected, live: Live) -> Iterator[Property]:
    endpoint = gateway_endpoint(live)
    if not expected.s3_endpoint or endpoint is None:
        return
    open_ = endpoint.policy is None or allows_everything(endpoint.policy)
    found = "the default policy: everything is allowed" if open_ else "custom"
    why = "data can be copied to any bucket of any account"
    yield compared(endpoint.endpoint_id, "policy", "custom", found, ok=not open_, why=why)


def _policy(expected: Expected, live: Live) -> Iterator[Property]:
    endpoint = gateway_endpoint(live)
    if endpoint is None or endpoint.policy is None:
        return
    if expected.s3_policy is not None:
        same = json.loads(endpoint.policy) == expected.s3_policy
        found = "as configured" if same else "another"
        yield compared(endpoint.endpoint_id, "policy document", "as configured", found, ok=same)
    if not expected.access:
        return
    policy, subject = Policy.parse(endpoint.policy), endpoint.endpoint_id
    own, others = role(live, live.account_id), strangers(live, endpoint.policy)
    for each in expected.access:
        wish = Wish.ALLOWED if each.allowed else Wish.REFUSED
        yield tried(subject, policy, each.name, wish, _requests(live, endpoint, each, own))
        if each.allowed and each.own and expected.own_account_only:
            name = f"{each.name}, with credentials of another account"
            requests = (request for other in others for request in _requests(live, endpoint, each, other))
            yield tried(subject, policy, name, Wish.REFUSED, requests)
    yield from _never(expected, live, endpoint, policy)


def _never(expected: Expected, live: Live, endpoint: Endpoint, policy: Policy) -> Iterator[Property]:
    """Yield what no policy has to allow: other buckets, and the management of buckets."""
    own = [each for each in expected.access if each.allowed and each.own]
    actions = tuple(dict.fromkeys(chain.from_iterable(each.actions for each in own)))
    foreign = bucket_arn(live.region, FOREIGN_BUCKET)
    context, by = {"aws:ResourceAccount": FOREIGN_ACCOUNT}, role(live, live.account_id)
    requests = [
        request
        for resource in (f"{foreign}/key", foreign)
        for request in _requests(live, endpoint, Access("", actions, resource), by, context)
    ]
    beyond = _beyond(expected, live, endpoint.policy or "", policy)
    never = beyond.pop("", ())
    yield tried(endpoint.endpoint_id, policy, "buckets that are not named", Wish.REFUSED, requests, never)
    managed = dict.fromkeys(each.resource.partition("/")[0] for each in own)
    for bucket in dict.fromkeys((*managed, *beyond)):
        asked = _requests(live, endpoint, Access("", MANAGEMENT if bucket in managed else (), bucket), by)
        name = f"management of {bucket}"
        yield tried(endpoint.endpoint_id, policy, name, Wish.REFUSED, asked, beyond.get(bucket, ()))


def _beyond(expected: Expected, live: Live, text: str, policy: Policy) -> dict[str, list[Request]]:
    """Return requests that the policy offers beyond what is expected, by bucket; "": by a bucket that is not named."""
    by = [role(live, live.account_id), *map(sample, principals(text))]
    found: dict[str, list[Request]] = {}
    for action, offered in offers(policy):
        resource = offered if ":" in offered else bucket_arn(live.region, f"{FOREIGN_BUCKET}/key")
        bucket = resource.partition("/")[0]
        accesses = [
            each for each in expected.access if fnmatchcase(bucket, each.bucket or each.resource.partition("/")[0])
        ]
        if any(action.lower() == each.lower() for access in accesses for each in access.actions):
            continue
        named = any(each.allowed for each in accesses)
        owner = {} if named else {"aws:ResourceAccount": FOREIGN_ACCOUNT}
        context = {"aws:PrincipalIsAWSService": "false", "aws:SecureTransport": "true", **owner}
        requests = [Request(action, resource, each, context) for each in by]
        found.setdefault(bucket if named else "", []).extend(requests)
    return found


def _requests(
    live: Live, endpoint: Endpoint, access: Access, principal: str, context: dict[str, str] | None = None
) -> list[Request]:
    keys = of_principal(live, principal) | {"aws:SourceVpce": endpoint.endpoint_id} | (context or {})
    return [Request(action, access.resource, principal, keys) for action in access.actions]


CHECKS = (
    Check("s3-endpoint", f"G4 {GUIDE}", "S3 gateway endpoint is available", _present),
    Check("s3-endpoint-routes", f"G10 {GUIDE}", "Every route table of the subnets has the endpoint's route", _routes),
    Check("s3-endpoint-custom-policy", f"G5 {GUIDE}", "S3 endpoint has a policy of its own", _custom_policy),
    Check(
        "s3-endpoint-policy",
        f"G6 G7 {GUIDE}",
        "S3 endpoint policy allows what models need, and nothing else",
        _policy,
    ),
)
