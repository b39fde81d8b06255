"""The reason of a failed resource as CloudFormation gives it → what it says, and what to do.

Texts are those of the CloudFormation troubleshooting guide and of the services' own error codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowaudit.setup.handlers import HANDLERS
from flowaudit.setup.permissions import denied_action, is_denial

_NOISE = (
    re.compile(r"Resource handler returned message: "),
    re.compile(r"\(RequestToken: [^()]*?(?:, HandlerErrorCode: \w+)?\)"),
    re.compile(
        r"\((?:Service|AWS Error Code|Request ID|Status Code)[^()]*\)"
        r"(?:\s*\(SDK Attempt Count: \d+\))?|\(SDK Attempt Count: \d+\)"
    ),
    re.compile(
        r"(?:Service: [\w ]+|Status Code: \d+|Request ID: [\w-]+|Extended Request ID: [\w/+=-]+|Proxy: null)[;,] ?"
    ),
    re.compile(r"An error occurred \(\w[\w.]*\) when calling the \w+ operation(?: \(reached max retries: \d+\))?: "),
    re.compile(r"[,.]? ?Encoded authorization failure message: \S+", re.IGNORECASE),
    re.compile(r"^Properties validation failed for resource \w+ with message:\s*"),
)
"""What CloudFormation and the SDKs write around what a service says."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a reason looks like and what to do then; `{…}` are the groups of the pattern."""

    pattern: re.Pattern[str]
    text: str


def _hint(pattern: str, text: str) -> Hint:
    return Hint(re.compile(pattern, re.IGNORECASE), text)


HINTS = (
    _hint(
        r"Resource (?:creation|update|deletion) cancelled",
        "Another resource failed before: this one was stopped because of it",
    ),
    _hint(
        r"VpcLimitExceeded|maximum number of VPCs",
        "Quota VPCs per Region (L-F678F1CE): delete an unused VPC, or request an increase in Service Quotas",
    ),
    _hint(
        r"AddressLimitExceeded|maximum number of addresses",
        "Quota EC2-VPC Elastic IPs (L-0263D0A3): release unused addresses, request an increase, or set "
        'setup.nat = "single"',
    ),
    _hint(
        r"NatGatewayLimitExceeded|(?:maximum number|limit) of (?:\d+ )?NAT gateways",
        "Quota NAT gateways per Availability Zone (L-FE5A380F): request an increase in Service Quotas",
    ),
    _hint(
        r"VpcEndpointLimitExceeded|maximum number of (?:VPC )?endpoints",
        "Quota VPC endpoints per VPC (interface: L-29B6F2EB, gateway: L-1B52E74A): request an increase, or turn off "
        "endpoints in setup.interface_endpoints",
    ),
    _hint(
        r"InternetGatewayLimitExceeded|maximum number of internet gateways",
        "Quota Internet gateways per Region (L-A4707A72): request an increase in Service Quotas",
    ),
    _hint(
        r"FlowLogsLimitExceeded",
        "Quota Flow logs per resource: delete one of the VPC",
    ),
    _hint(
        r"TooManyBuckets",
        "Quota General purpose buckets of S3: request an increase in Service Quotas",
    ),
    _hint(
        r"LimitExceeded|HandlerErrorCode: ServiceLimitExceeded|quota",
        "A quota of the account is reached: request an increase in Service Quotas",
    ),
    _hint(
        r"private-dns-enabled cannot be set because there is already a conflicting DNS domain for (?P<domain>\S+)",
        "The VPC has an endpoint or a private hosted zone for {domain} already: turn this endpoint off in "
        "setup.interface_endpoints, or turn off private DNS of the other one",
    ),
    _hint(
        r"DuplicateSubnetsInSameZone|another vpc endpoint subnet in the availability zone",
        "Two of the subnets are in one Availability Zone: name one subnet for each in setup.existing_vpc.subnets",
    ),
    _hint(
        r"does not support the availability zone|not (?:supported|available) in (?:the |this |that )?availability zone",
        "Set setup.availability_zones to ids of zones that have the service: "
        "aws ec2 describe-vpc-endpoint-services shows them",
    ),
    _hint(
        r"RouteAlreadyExists|route identified by \S+ already exists|route table \S+ already has a route",
        "The route table has an S3 gateway endpoint, or a default route, already: remove that first, or leave the "
        "route table out of setup.existing_vpc.route_tables",
    ),
    _hint(
        r"InvalidSubnet\.Conflict|conflicts with another subnet",
        "Another subnet of the VPC has these addresses: set another setup.cidr",
    ),
    _hint(
        r"InvalidSubnet\.Range|The CIDR '[^']+' is invalid",
        "The subnet is outside the VPC's addresses: set another setup.cidr",
    ),
    _hint(
        r"FlowLogAlreadyExists|existing Flow Log with the same configuration",
        "The VPC has a flow log to the same destination with the same fields: delete that one",
    ),
    _hint(
        r"NoSuchBucket|bucket does not exist",
        "Create the bucket, or correct its name in setup.buckets",
    ),
    _hint(
        r"BucketAlreadyOwnedByYou|BucketAlreadyExists|bucket name is not available|HandlerErrorCode: AlreadyExists"
        r"|already exists|AlreadyExistsException|EntityAlreadyExists",
        "Something has this name already: delete it, import it into the stack, or set another setup.name",
    ),
    _hint(
        r"has dependencies and cannot be deleted|has a dependent object|DependencyViolation",
        "Something still uses it, mostly network interfaces: flowaudit setup destroy lists them with their owners",
    ),
    _hint(
        r"(?:declarative policy|managed by (?:the |your )?organi[sz]ation|organi[sz]ation.{0,40}managed)",
        "VPC Block Public Access is managed by the organization: set setup.block_public_access to "
        '"off", or ask the administrators of the organization',
    ),
    _hint(r"BucketNotEmpty|bucket you tried to delete is not empty", "Delete all versions of its objects first"),
    _hint(r"Throttl|Rate exceeded|RequestLimitExceeded", "AWS was asked too often: run the command again"),
)
"""The usual reasons, the more particular before the general."""


def in_plain_words(resource_type: str, logical_id: str, reason: str) -> str:
    """Return what the service said of a resource that failed, and what to do if that is known; on one line."""
    said = shortened(reason) or f"AWS gives no reason for {logical_id}"
    return ". ".join(filter(None, (said.rstrip("."), _what_to_do(resource_type, reason))))


def shortened(reason: str) -> str:
    """Return what a service said, without the tokens, codes and ids around it."""
    for noise in _NOISE:
        reason = noise.sub("", reason)
    return " ".join(reason.split()).strip(' "')


def _what_to_do(resource_type: str, reason: str) -> str:
    if is_denial(reason):
        return _permission(resource_type, reason)
    for hint in HINTS:
        if found := hint.pattern.search(reason):
            return hint.text.format(**{name: text.rstrip(".,") for name, text in found.groupdict().items()})
    return ""


def _permission(resource_type: str, reason: str) -> str:
    """Return which permission is missing: the one that is named, else those of the resource's type."""
    if action := denied_action(reason):
        what = f"Permission {action} is"
    elif known := HANDLERS.get(resource_type):
        what = f"One of the permissions {', '.join(sorted(known.create | known.delete))} is"
    else:
        what = "A permission is"
    if "explicit deny" in reason:
        return f"{what} denied outright: whoever wrote that policy has to change it"
    return f"{what} missing: docs/setup.md, Permissions, has the policies"
