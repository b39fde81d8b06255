"""A failed resource in plain words: what the service said, and what to do."""

from __future__ import annotations

import pytest

from flowaudit.config import Setup, keys
from flowaudit.setup.permissions import denied_action
from flowaudit.setup.reasons import HINTS, in_plain_words, shortened

TOKEN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
USER = "arn:aws:sts::111122223333:assumed-role/dev/me"
EC2 = f"(Service: Ec2, Status Code: 400, Request ID: {TOKEN}) (SDK Attempt Count: 1)"
OLD = f"(Service: AmazonEC2; Status Code: 400; Error Code: {{}}; Request ID: {TOKEN}; Proxy: null)"


def handler(said: str, code: str = "GeneralServiceException", service: str = EC2) -> str:
    """A reason as a handler of the CloudFormation registry writes it."""
    return f'Resource handler returned message: "{said} {service}" (RequestToken: {TOKEN}, HandlerErrorCode: {code})'


DENIED = (
    f"You are not authorized to perform this operation. User: {USER} is not authorized to perform: "
    "ec2:CreateNatGateway on resource: arn:aws:ec2:us-east-1:111122223333:natgateway/* because no identity-based "
    "policy allows the ec2:CreateNatGateway action. Encoded authorization failure message: AbCd-1234_xyz"
)

REASONS = [
    (handler(DENIED, "UnauthorizedTaggingOperation"), "Permission ec2:CreateNatGateway is missing"),
    (
        "API: ec2:CreateNatGateway You are not authorized to perform this operation.",
        "Permission ec2:CreateNatGateway is missing",
    ),
    ("API: s3:CreateBucket Access Denied", "Permission s3:CreateBucket is missing"),
    (
        handler(f"User: {USER} is not authorized to perform: ec2:CreateVpc with an explicit deny in a service control"),
        "Permission ec2:CreateVpc is denied outright",
    ),
    (handler("Access Denied", "AccessDenied"), "One of the permissions ec2:CreateTags, ec2:CreateVpc, ec2:DeleteVpc"),
    (handler("The maximum number of VPCs has been reached."), "L-F678F1CE"),
    (f"The maximum number of VPCs has been reached. {OLD.format('VpcLimitExceeded')}", "VPCs per Region"),
    (handler("The maximum number of addresses has been reached."), "Elastic IPs"),
    (handler("Performing this operation would exceed the limit of 5 NAT gateways"), "NAT gateways per Availability"),
    (handler("The maximum number of internet gateways has been reached."), "Internet gateways per Region"),
    (handler("Too many things", "ServiceLimitExceeded"), "Service Quotas"),
    (handler("amzn-example-logs already exists", "AlreadyExists"), "Something has this name already"),
    (handler("The CIDR '10.0.1.0/24' conflicts with another subnet"), "set another setup.cidr"),
    (handler("The CIDR '10.9.0.0/24' is invalid."), "outside the VPC's addresses"),
    (
        handler("route table rtb-0123456789abcdef0 already has a route with destination-prefix-list-id pl-63a5400a"),
        "has an S3 gateway endpoint",
    ),
    (handler("The route identified by 0.0.0.0/0 already exists.", "AlreadyExists"), "a default route, already"),
    (
        handler(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            "logs.us-east-1.amazonaws.com in the VPC vpc-0123456789abcdef0"
        ),
        "private hosted zone for logs.us-east-1.amazonaws.com already",
    ),
    (
        handler("Found another vpc endpoint subnet in the availability zone of subnet-0123456789abcdef0."),
        "one subnet for each",
    ),
    (
        handler(
            "The VPC endpoint service com.amazonaws.us-east-1.studio does not support the availability zone of "
            "the subnet: subnet-0123456789abcdef0."
        ),
        "setup.availability_zones",
    ),
    (handler("The vpc 'vpc-0123456789abcdef0' has dependencies and cannot be deleted."), "setup destroy lists them"),
    (handler("resource sg-0123456789abcdef0 has a dependent object"), "setup destroy lists them"),
    (
        handler("There is an existing Flow Log with the same configuration and log destination."),
        "delete that one",
    ),
    (handler("The specified bucket does not exist", "NotFound"), "setup.buckets"),
    (handler("This functionality has been disabled by a Declarative Policy."), "managed by the organization"),
    (handler("Rate exceeded", "Throttling"), "run the command again"),
    ("Resource creation cancelled", "Another resource failed before"),
]


@pytest.mark.parametrize(("reason", "hint"), REASONS)
def test_the_usual_reasons_say_what_to_do(reason: str, hint: str) -> None:
    """Named are the permission, the quota or the key; request tokens and codes of handlers are not."""
    said = in_plain_words("AWS::EC2::VPC", "Vpc", reason)
    assert hint in said
    for noise in (
        TOKEN,
        "HandlerErrorCode",
        "Service: ",
        "Attempt Count",
        "AbCd-1234",
        "Resource handler",
        "\n",
        "..",
        '" (',
    ):
        assert noise not in said


@pytest.mark.parametrize("reason", ["", " ", f'Resource handler returned message: "" (RequestToken: {TOKEN})'])
def test_a_failure_without_a_reason(reason: str) -> None:
    """That there is none is said."""
    assert in_plain_words("AWS::EC2::VPC", "Vpc", reason) == "AWS gives no reason for Vpc"


def test_an_unknown_reason_is_handed_on() -> None:
    """What nobody has foreseen is what AWS says, and no more."""
    reason = handler("Volcano under eu-south-1 {again} (see the status page)")
    assert in_plain_words("AWS::EC2::VPC", "Vpc", reason) == ("Volcano under eu-south-1 {again} (see the status page)")


def test_what_is_in_brackets_and_no_noise_stays() -> None:
    """Only what handlers and SDKs add is removed."""
    assert shortened("The subnet (subnet-1) is full") == "The subnet (subnet-1) is full"


def test_each_hint_has_a_reason_that_shows_it() -> None:
    """The table has no row that another one hides, but those of error codes alone."""
    shown = {
        next(h.text for h in HINTS if h.pattern.search(reason))
        for reason, _ in REASONS
        if not denied_action(reason) and "Access Denied" not in reason
    }
    codes = {
        hint.text
        for reason in ("VpcEndpointLimitExceeded", "FlowLogsLimitExceeded", "TooManyBuckets", "BucketNotEmpty")
        for hint in HINTS
        if hint.pattern.search(reason)
    }
    assert {hint.text for hint in HINTS} == shown | codes


def test_hints_name_keys_that_there_are() -> None:
    """What is to be set in [setup] is a key of it."""
    known = set(keys(Setup, "setup.")) | {"setup.buckets", "setup.interface_endpoints"}
    told = {word.strip(".,:;") for hint in HINTS for word in hint.text.split() if word.startswith("setup.")}
    assert told
    assert told <= known
