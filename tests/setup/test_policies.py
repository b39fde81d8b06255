"""What the policies of a template allow and deny, request by request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowaudit.policies import Request
from flowaudit.setup.guardrail import MAY_NAME_A_VPC, MUST_NAME_A_VPC
from flowaudit.setup.s3_endpoint import WRITE_OBJECTS
from tests.setup.policies import ACCOUNT, allows, denies, resolved
from tests.setup.wishes import ADMIN, WISHES, document, of_type

GUIDE = {
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:GetBucketLocation",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
}
"""The actions in AWS's guide, "Create an Amazon S3 VPC Endpoint"."""
NAMES = {
    "AWS::AccountId": ACCOUNT,
    "S3Endpoint": "vpce-1",
    "PrivateSubnet1": "subnet-1",
    "PrivateSubnet2": "subnet-2",
    "WorkloadSecurityGroup": "sg-1",
    "FlowLogBucket": "logs",
    "FlowLogBucket.Arn": "arn:aws:s3:::logs",
}
OURS = {"aws:PrincipalAccount": ACCOUNT}
THEIRS = {"aws:PrincipalAccount": "999999999999"}


def endpoint(**wish: Any) -> Any:
    """Return the policy of the S3 endpoint."""
    return resolved(of_type(document(**wish), "AWS::EC2::VPCEndpoint")["S3Endpoint"]["PolicyDocument"], NAMES)


def on(bucket: str, action: str = "s3:GetObject", context: Any = OURS) -> Request:
    """Return a request on an object in a bucket, or on the bucket."""
    of_bucket = action in ("s3:ListBucket", "s3:GetBucketLocation")
    return Request(action, f"arn:aws:s3:::{bucket}" + "/model.tar.gz" * (not of_bucket), context=context)


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"])
def test_models_read_their_buckets(action: str) -> None:
    """A read-only bucket can be read, listed and located."""
    assert allows(endpoint(), on("amzn-example-models", action))


@pytest.mark.parametrize("action", sorted(GUIDE - {"s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"}))
def test_what_is_read_only_cannot_be_written(action: str) -> None:
    """A read-only bucket is neither written to nor deleted from; a bucket for both is."""
    assert not allows(endpoint(), on("amzn-example-models", action))
    assert allows(endpoint(), on("amzn-example-outputs", action))


def test_the_actions_are_those_of_the_guide() -> None:
    """Over all statements with the user's buckets, exactly the guide's actions are allowed."""
    statements = [each for each in endpoint()["Statement"] if each["Effect"] == "Allow"]
    assert {action for each in statements for action in each["Action"]} == GUIDE
    assert set(WRITE_OBJECTS) < GUIDE


@pytest.mark.parametrize("bucket", ["somebody-elses", "amzn-example-models-2", "prod-us-east-1-starport-layer-bucket"])
def test_no_other_bucket_is_reached(bucket: str) -> None:
    """A bucket that is not named cannot be read, whoever's it is, nor one whose name begins alike."""
    assert not allows(endpoint(), on(bucket))


def test_credentials_of_another_account_are_refused() -> None:
    """Neither to read nor to write: with them data would leave unseen."""
    assert not allows(endpoint(), on("amzn-example-outputs", "s3:PutObject", THEIRS))
    assert not allows(endpoint(), on("amzn-example-models", "s3:ListBucket", THEIRS))
    assert not allows(endpoint(), on("amzn-example-models", "s3:GetObject", {}))


@pytest.mark.parametrize("wish", [{"interface_endpoints": {"ecr": True}}, {"profile": "nat"}])
def test_images_of_ecr_are_pulled_where_ecr_is_reached(wish: dict[str, Any]) -> None:
    """Layers, whose requests ECR signs itself, come over the S3 endpoint, be ECR reached by endpoint or NAT."""
    policy = endpoint(**wish)
    assert allows(policy, on("prod-us-east-1-starport-layer-bucket", context=THEIRS))
    assert not allows(policy, on("prod-us-east-1-starport-layer-bucket", "s3:PutObject", THEIRS))
    assert not allows(policy, on("prod-eu-west-1-starport-layer-bucket", context=THEIRS))


def test_jumpstart_is_read_when_asked_for() -> None:
    """The bucket of JumpStart in this region is read and listed, and only then."""
    policy = endpoint(buckets={"read_only": ["amzn-example-models"], "jumpstart": True})
    assert allows(policy, on("jumpstart-cache-prod-us-east-1"))
    assert allows(policy, on("jumpstart-cache-prod-us-east-1", "s3:ListBucket"))
    assert not allows(endpoint(), on("jumpstart-cache-prod-us-east-1"))


REPOSITORIES = [
    "packages.us-east-1.amazonaws.com",
    "repo.us-east-1.amazonaws.com",
    "amazonlinux.us-east-1.amazonaws.com",
    "amazonlinux-2-repos-us-east-1",
    "al2023-repos-us-east-1-de612dc2",
    "al2023-us-east-1",
]
"""Those of the guide, then those of today: Amazon Linux 2 and AL2023."""


@pytest.mark.parametrize("bucket", REPOSITORIES)
def test_packages_are_denied_or_allowed(bucket: str) -> None:
    """The repositories of Amazon Linux are denied outright by default, and readable when allowed."""
    assert denies(endpoint(), on(bucket))
    allowing = endpoint(amazon_linux_repositories="allow")
    assert allows(allowing, on(bucket))
    assert not allows(allowing, on(bucket, "s3:PutObject"))


def test_a_denial_holds_against_a_wider_statement() -> None:
    """Whoever widens the policy by hand does not open the repositories with it, nor closes the buckets."""
    policy = endpoint()
    policy["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    assert not allows(policy, on("al2023-repos-us-east-1-de612dc2"))
    assert allows(policy, on("amzn-example-models"))


def test_statements_fit_their_resources() -> None:
    """Actions on objects name objects, actions on buckets name buckets: the other would allow nothing."""
    for each in endpoint()["Statement"]:
        of_bucket = set(each["Action"]) <= {"s3:ListBucket", "s3:GetBucketLocation"}
        assert all(("/" in arn) != of_bucket for arn in each["Resource"]), each["Sid"]


def test_another_partition_has_its_own_arns() -> None:
    """In GovCloud every ARN begins as it does there."""
    statements = endpoint(region="us-gov-west-1")["Statement"]
    assert all(arn.startswith("arn:aws-us-gov:s3:::") for each in statements for arn in each["Resource"])


def test_interface_endpoints_are_for_the_own_account() -> None:
    """No interface endpoint has AWS's default policy: credentials of another account are refused."""
    endpoints = of_type(document(), "AWS::EC2::VPCEndpoint")
    for name in endpoints.keys() - {"S3Endpoint"}:
        policy = resolved(endpoints[name]["PolicyDocument"], NAMES)
        assert allows(policy, Request("logs:PutLogEvents", "arn:aws:logs:us-east-1:1:log-group:x", context=OURS))
        assert not allows(policy, Request("logs:PutLogEvents", "arn:aws:logs:us-east-1:1:log-group:x", context=THEIRS))


def guardrail() -> Any:
    """Return the policy that keeps SageMaker in the VPC."""
    (policy,) = of_type(document(guardrail=True), "AWS::IAM::ManagedPolicy").values()
    return resolved(policy["PolicyDocument"], NAMES)


def naming(action: str, subnets: list[str] | None, groups: list[str] | None) -> Request:
    """Return a request that names subnets and security groups; None: that says nothing of them."""
    keys = {"sagemaker:VpcSubnets": subnets, "sagemaker:VpcSecurityGroupIds": groups}
    return Request(action, context={key: value for key, value in keys.items() if value is not None})


OUR_SUBNETS, OUR_GROUPS = ["subnet-1", "subnet-2"], ["sg-1"]


@pytest.mark.parametrize("action", MUST_NAME_A_VPC)
@pytest.mark.parametrize(
    ("subnets", "groups", "denied"),
    [
        (OUR_SUBNETS, OUR_GROUPS, False),
        (["subnet-1"], OUR_GROUPS, False),
        (None, None, True),
        (OUR_SUBNETS, None, True),
        (None, OUR_GROUPS, True),
        (["subnet-1", "subnet-9"], OUR_GROUPS, True),
        (OUR_SUBNETS, ["sg-1", "sg-9"], True),
    ],
)
def test_what_is_created_is_in_the_vpc(
    action: str, subnets: list[str] | None, groups: list[str] | None, denied: bool
) -> None:
    """Without a VPC, and with one foreign subnet or group among ours, nothing is created."""
    assert denies(guardrail(), naming(action, subnets, groups)) == denied


@pytest.mark.parametrize("action", MAY_NAME_A_VPC)
def test_what_has_its_vpc_elsewhere_may_be_silent(action: str) -> None:
    """An endpoint configuration whose models have the VPC is not denied; one with a foreign subnet is."""
    assert not denies(guardrail(), naming(action, None, None))
    assert denies(guardrail(), naming(action, ["subnet-9"], None))


def test_the_guardrail_is_for_nothing_else() -> None:
    """It denies no other action, and allows none at all."""
    assert not denies(guardrail(), naming("sagemaker:InvokeEndpoint", None, None))
    assert {each["Effect"] for each in guardrail()["Statement"]} == {"Deny"}


def test_the_guardrail_is_optional() -> None:
    """Without it there is no IAM resource, and no capability to acknowledge."""
    assert not of_type(document(), "AWS::IAM::ManagedPolicy")


def bucket_policy() -> Any:
    """Return the policy of the first bucket."""
    policies = of_type(document(**WISHES["everything"]), "AWS::S3::BucketPolicy")
    assert [policies[f"BucketPolicy{number}"]["Bucket"] for number in (1, 2)] == [
        "amzn-example-models",
        "amzn-example-outputs",
    ]
    return resolved(policies["BucketPolicy1"]["PolicyDocument"], NAMES)


WHO = {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/x", "aws:PrincipalIsAWSService": "false"}


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion", "s3:ListBucket"])
@pytest.mark.parametrize(
    ("context", "denied"),
    [
        ({**WHO, "aws:SourceVpce": "vpce-1"}, False),
        ({**WHO, "aws:SourceVpce": "vpce-9"}, True),
        (WHO, True),
        ({}, True),
        ({**WHO, "aws:PrincipalArn": ADMIN}, False),
        ({**WHO, "aws:PrincipalIsAWSService": "true"}, False),
    ],
)
def test_data_is_reached_over_the_endpoint(action: str, context: dict[str, str], denied: bool) -> None:
    """From elsewhere, or over another endpoint, data is denied but to break-glass principals and AWS's services."""
    assert denies(bucket_policy(), on("amzn-example-models", action, context)) == denied


@pytest.mark.parametrize("action", ["s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicy"])
def test_nobody_is_locked_out_of_the_policy_itself(action: str) -> None:
    """The bucket's policy can be taken away from outside the VPC."""
    assert not denies(bucket_policy(), Request(action, "arn:aws:s3:::amzn-example-models", context=WHO))


def delivery() -> Any:
    """Return the policy of the bucket of the flow logs."""
    return resolved(of_type(document(), "AWS::S3::BucketPolicy")["FlowLogBucketPolicy"]["PolicyDocument"], NAMES)


SERVICE = {
    "aws:SourceAccount": ACCOUNT,
    "aws:SourceArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:delivery-source:x",
    "s3:x-amz-acl": "bucket-owner-full-control",
    "aws:SecureTransport": "true",
}
LOGS = "delivery.logs.amazonaws.com"
KEY = f"arn:aws:s3:::logs/AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=us-east-1/x.parquet"


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (Request("s3:PutObject", KEY, LOGS, context=SERVICE), True),
        (Request("s3:GetBucketAcl", "arn:aws:s3:::logs", LOGS, context=SERVICE), True),
        (Request("s3:PutObject", KEY, LOGS, context={**SERVICE, "aws:SourceAccount": "999999999999"}), False),
        (Request("s3:PutObject", KEY, LOGS, context={**SERVICE, "aws:SourceArn": "arn:aws:logs:eu-west-1:1:x"}), False),
        (Request("s3:PutObject", KEY, LOGS, context={**SERVICE, "aws:SecureTransport": "false"}), False),
        (Request("s3:PutObject", KEY, LOGS, context={**SERVICE, "s3:x-amz-acl": "public-read"}), False),
        (Request("s3:PutObject", KEY.replace(ACCOUNT, "999999999999"), LOGS, context=SERVICE), False),
        (Request("s3:GetObject", KEY, LOGS, context=SERVICE), False),
    ],
)
def test_flow_logs_are_delivered_for_this_account_only(request_: Request, allowed: bool) -> None:
    """Log delivery writes this account's records, over TLS, and reads none."""
    assert allows(delivery(), request_) == allowed
    assert not allows(delivery(), replace(request_, principal="ec2.amazonaws.com"))
