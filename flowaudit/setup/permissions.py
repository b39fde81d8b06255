"""The IAM permissions that each verb of `flowaudit setup` needs: its own calls, and those of CloudFormation for it.

CloudFormation acts with the credentials of whoever calls it; without a service role these need both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from flowaudit.config import Setup
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.policies.arns import bucket_arn, partition
from flowaudit.setup import template
from flowaudit.setup.flow_logs import BUCKET, GROUP, ROLE
from flowaudit.setup.handlers import HANDLERS, Handlers
from flowaudit.setup.least_privilege.reading import READ
from flowaudit.setup.template import Template


def _of(service: str, names: str) -> frozenset[str]:
    return frozenset(f"{service}:{name}" for name in names.split())


_WHO = _of("sts", "GetCallerIdentity")
_CHANGE_SET = _of(
    "cloudformation",
    "CreateChangeSet DeleteChangeSet DescribeChangeSet DescribeEvents DescribeStacks ListStackResources",
)
_PROPOSAL = _CHANGE_SET | _of("cloudformation", "DeleteStack ListChangeSets") | _of("ec2", "DescribeManagedPrefixLists")
"""A stack that has nothing but a change set is deleted with it."""
_TELEMETRY = _of(
    "observabilityadmin",
    "GetTelemetryEvaluationStatus GetTelemetryRule GetTelemetryRuleForOrganization ListTelemetryRules "
    "ListTelemetryRulesForOrganization",
)
_INTERFACES = _of(
    "ec2",
    "DescribeNatGateways DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints",
)
_NETWORK = _of(
    "ec2",
    "DescribeCarrierGateways DescribeDhcpOptions DescribeEgressOnlyInternetGateways DescribeFlowLogs "
    "DescribeInternetGateways DescribeManagedPrefixLists DescribeNatGateways DescribeNetworkAcls DescribePrefixLists "
    "DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeTags DescribeTransitGatewayVpcAttachments "
    "DescribeVpcAttribute DescribeVpcBlockPublicAccessOptions DescribeVpcEncryptionControls DescribeVpcEndpoints "
    "DescribeVpcPeeringConnections DescribeVpcs DescribeVpnGateways GetManagedPrefixListEntries",
)
_BUCKETS = _of(
    "s3",
    "GetBucketLocation GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock GetBucketVersioning "
    "GetEncryptionConfiguration GetLifecycleConfiguration",
)


def _listing(resource: str, version: str, *, described: bool) -> Iterator[str]:
    yield f"sagemaker:List{resource}s"
    if described:
        yield f"sagemaker:Describe{resource}{version.upper().replace('_', '')}"


NEEDS = frozenset(action for kind in READ for action in _listing(kind.resource, kind.version, described=True))
"""What reads the S3 URIs of workloads: `flowaudit.setup.least_privilege`."""

WORKLOADS = frozenset(
    action for kind in KINDS for action in _listing(kind.resource, kind.version, described=kind.described)
) | _of("elasticfilesystem", "DescribeMountTargets")
"""What lists SageMaker's workloads: `flowaudit.inventory.workloads`."""

CALLS: Mapping[str, frozenset[str]] = {
    "plan": _PROPOSAL | _TELEMETRY | _WHO,
    "apply": _PROPOSAL
    | _of("cloudformation", "DescribeStackEvents ExecuteChangeSet")
    | _of("ec2", "DescribeSecurityGroups RevokeSecurityGroupEgress RevokeSecurityGroupIngress")
    | _TELEMETRY
    | _WHO,
    "status": _of("cloudformation", "DescribeStackEvents DescribeStacks ListStackResources"),
    "drift": _CHANGE_SET,
    "verify": _of("cloudformation", "DescribeStacks")
    | _NETWORK
    | _BUCKETS
    | _of("iam", "GetPolicy GetPolicyVersion")
    | _of("logs", "DescribeLogGroups")
    | _WHO,
    "destroy": _of("cloudformation", "DeleteStack DescribeStackEvents DescribeStacks ListStackResources")
    | _INTERFACES
    | _of("ec2", "DeleteNetworkInterface")
    | WORKLOADS
    | _WHO,
    "policy": NEEDS | _of("ec2", "DescribeSubnets DescribeVpcEndpoints") | _of("s3", "ListBucket") | _WHO,
}
"""The actions of the calls that flowaudit itself makes, by verb; `render` makes none."""

_LOOKUPS = _of("ec2", "DescribeAvailabilityZones DescribeSubnets DescribeVpcs") | _of(
    "cloudformation", "TagResource UntagResource"
)
"""For `Fn::GetAZs`, parameters that are ids of a VPC and of subnets, and the stack's own tags."""
_VALIDATION = _of("cloudwatch", "GetMetricData") | _of("servicequotas", "GetServiceQuota")
"""For the quotas that CloudFormation checks before a deployment; without them that check is left out."""

_NO_RESOURCE = re.compile(
    r"cloudformation:DescribeEvents|logs:(Create|Delete)LogDelivery|logs:Describe\w+|ec2:|autoscaling:|cloudwatch:"
    r"|servicequotas:|sagemaker:|elasticfilesystem:|observabilityadmin:|sts:"
)
"""Actions without permissions by resource, and those on resources whose ids nobody knows before."""
_OF_ANY_BUCKET: Mapping[str, frozenset[str]] = {"policy": _of("s3", "ListBucket")}
"""Actions on buckets that are not known before: `policy` asks for the Region of each that a workload names."""
_READS = re.compile(r"\w+:(Describe|Get|List)")


def permissions(setup: Setup, verb: str) -> dict[str, Any]:
    """Return the IAM policy that a verb needs, at least; raises KeyError for a verb that makes no call."""
    actions = CALLS[verb] | _of_cloudformation(template(setup), verb)
    grouped: dict[tuple[tuple[str, ...], str], set[str]] = {}
    for action in actions:
        resources = ("*",) if action in _OF_ANY_BUCKET.get(verb, ()) else _resources(setup, action)
        grouped.setdefault((resources, _condition(action)), set()).add(action)
    statements = [
        _statement(setup, resources, condition, some) for (resources, condition), some in sorted(grouped.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _of_cloudformation(made: Template, verb: str) -> frozenset[str]:
    """Return the actions of CloudFormation's calls: a plan reads, an apply may also have to roll back."""
    of: Iterable[tuple[Handlers, bool]] = [(HANDLERS[each.type], each.retained) for each in made.resources]
    match verb:
        case "plan" | "drift":
            found = [each.read for each, _ in of]
        case "apply":
            found = [each.create | each.read | each.update | each.delete for each, _ in of]
        case "destroy":
            found = [each.delete for each, retained in of if not retained]
        case _:
            return frozenset()
    extra = {"plan": _LOOKUPS | _VALIDATION, "apply": _LOOKUPS | _VALIDATION, "drift": _LOOKUPS}
    return extra.get(verb, frozenset()).union(*found)


def _resources(setup: Setup, action: str) -> tuple[str, ...]:
    """Return the ARNs that an action is needed on; CloudFormation names resources after their stack."""
    region, name, arn = setup.region, setup.name, f"arn:{partition(setup.region)}"
    service, _, operation = action.partition(":")
    if service == "s3":
        return tuple(bucket_arn(region, bucket) for bucket in _buckets(setup, operation))
    if service == "cloudformation" and not _NO_RESOURCE.match(action):
        of = f"{arn}:cloudformation:{region}:*"
        return (f"{of}:changeSet/flowaudit-*/*", f"{of}:stack/{name}/*")
    named = (
        (r"ec2:DeleteNetworkInterface", f"{arn}:ec2:{region}:*:network-interface/*"),
        (_NO_RESOURCE, "*"),
        (r"logs:", f"{arn}:logs:{region}:*:log-group:{name}-{GROUP}-*"),
        (r"iam:CreateServiceLinkedRole", f"{arn}:iam::*:role/aws-service-role/delivery.logs.amazonaws.com/*"),
        (r"iam:\w*Role", f"{arn}:iam::*:role/{name}-{ROLE}-*"),
        (r"iam:", f"{arn}:iam::*:policy/{name}-Guardrail-*"),
    )
    return (next(resource for pattern, resource in named if re.match(pattern, action)),)


def _buckets(setup: Setup, operation: str) -> Iterator[str]:
    """Yield the buckets that an action is needed on: that of the flow logs, and yours where their policy is."""
    yield f"{setup.name}-{BUCKET.lower()}-*"
    if setup.bucket_policy.enabled and operation in ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"):
        yield from (*setup.buckets.read_only, *setup.buckets.read_write)


def _condition(action: str) -> str:
    """Return the name of the condition that narrows an action, empty: none."""
    if action == "iam:PassRole":
        return "PassedToFlowLogs"
    return "InTheRegion" if action.startswith("ec2:") and not _READS.match(action) else ""


def _statement(setup: Setup, resources: tuple[str, ...], condition: str, actions: Iterable[str]) -> dict[str, Any]:
    conditions = {
        "PassedToFlowLogs": {"StringEquals": {"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}},
        "InTheRegion": {"StringEquals": {"aws:RequestedRegion": setup.region}},
    }
    resource = resources[0] if len(resources) == 1 else list(resources)
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}
    return {**statement, "Condition": conditions[condition]} if condition else statement


# --- what is missing --------------------------------------------------------------------------------------------------

_ACTION = r"(?P<action>[a-z][a-z0-9-]*:[A-Z]\w+)"
_DENIED = (
    re.compile(rf"not authori[sz]ed to perform:? (?:the )?{_ACTION}"),
    re.compile(rf"API: {_ACTION} (?:You are not authorized|Access Denied|User:)"),
    re.compile(rf"(?:don't|do not) have permissions? to (?:perform|call) {_ACTION}"),
    re.compile(rf"perform the action:? {_ACTION}"),
)
_NOT_ALLOWED = re.compile(
    r"(?i)not authori[sz]ed|access ?denied|UnauthorizedOperation|HandlerErrorCode: (?:AccessDenied|Unauthorized)"
)
_BY_OPERATION = {action.partition(":")[2]: action for actions in CALLS.values() for action in sorted(actions)}


def is_denial(text: str) -> bool:
    """Return whether a message is about a missing permission."""
    return bool(_NOT_ALLOWED.search(text))


def denied_action(text: str) -> str | None:
    """Return the IAM action that a message says was denied: `ec2:CreateVpc`; None: it names none."""
    found = next(filter(None, (pattern.search(text) for pattern in _DENIED)), None)
    return found["action"] if found else None


def missing_action(error: ClientError) -> str | None:
    """Return the IAM action that an error says is missing, else that of the call itself; None: it is no denial."""
    detail = error.response.get("Error", {})
    text = f"{detail.get('Code', '')} {detail.get('Message', '')}"
    if not is_denial(text):
        return None
    return denied_action(text) or _BY_OPERATION.get(error.operation_name, error.operation_name)
