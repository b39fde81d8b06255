"""The gateway endpoint of S3, its policy, and the policies of the buckets behind it."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.config import LINUX_REPOSITORIES, Setup
from flowaudit.policies.arns import bucket_arn
from flowaudit.setup.naming import PREFIX_LIST, S3_ENDPOINT, VPC, private_route_tables, tags
from flowaudit.setup.policy_file import policy_file
from flowaudit.setup.template import ACCOUNT, Noted, Output, Parameter, Part, Resource, Value, ref

READ_OBJECTS = ("s3:GetObject",)
WRITE_OBJECTS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
)
BUCKET_ACTIONS = ("s3:ListBucket", "s3:GetBucketLocation")
DATA_ACTIONS = ("s3:*Object*", "s3:ListBucket*", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
"""Actions that a bucket policy denies from elsewhere: access to data, not the management of the bucket."""


def s3_endpoint(setup: Setup) -> Part:
    """Return the gateway endpoint on every private route table, and what it lets through."""
    endpoint = Resource(
        S3_ENDPOINT,
        "AWS::EC2::VPCEndpoint",
        "S3 without the internet, for buckets in this Region. Creating it drops open connections to S3 of route tables "
        "that are in use.",
        {
            "VpcId": ref(VPC),
            "VpcEndpointType": "Gateway",
            "ServiceName": f"com.amazonaws.{setup.region}.s3",
            "RouteTableIds": Noted(
                [ref(table) for table in private_route_tables(setup)],
                "Every private route table: SageMaker uses any of the subnets.",
            ),
            "PolicyDocument": policy_file(setup.s3_endpoint_policy)
            if setup.s3_endpoint_policy
            else {"Version": "2012-10-17", "Statement": list(statements(setup))},
            "Tags": tags(setup, "s3"),
        },
    )
    parameter = Parameter(
        PREFIX_LIST,
        "String",
        f"The prefix list of S3 in {setup.region}. aws ec2 describe-managed-prefix-lists --region {setup.region} "
        f"--filters Name=prefix-list-name,Values=com.amazonaws.{setup.region}.s3 "
        "--query PrefixLists[0].PrefixListId --output text",
        setup.s3_prefix_list,
        "^pl-[0-9a-f]{8,17}$",
        "the id of a prefix list, as in pl-0123456789abcdef0",
    )
    return Part(
        resources=(endpoint, *_bucket_policies(setup)),
        outputs=(Output("S3EndpointId", "The gateway endpoint of S3.", ref(S3_ENDPOINT)),),
        parameters=(parameter,),
    )


def statements(setup: Setup) -> Iterator[Value]:
    """Yield the statements of the endpoint's policy: what is allowed for which buckets, then what is denied."""
    buckets, region = setup.buckets, setup.region
    own: Value = Noted(
        {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
        "Denies credentials of other accounts: they could copy data out of the VPC.",
    )
    if buckets.read_only:
        yield _allow("ReadObjects", READ_OBJECTS, [bucket_arn(region, f"{name}/*") for name in buckets.read_only], own)
    if buckets.read_write:
        arns = [bucket_arn(region, f"{name}/*") for name in buckets.read_write]
        yield _allow("ReadAndWriteObjects", WRITE_OBJECTS, arns, own)
    arns = [bucket_arn(region, name) for name in (*buckets.read_only, *buckets.read_write)]
    yield _allow("ListAndLocateBuckets", BUCKET_ACTIONS, arns, own)
    if setup.interface_endpoints.ecr or setup.profile == "nat":
        yield Noted(
            _allow("EcrLayers", READ_OBJECTS, [bucket_arn(region, f"prod-{region}-starport-layer-bucket/*")]),
            "Amazon ECR stores image layers in this bucket of AWS, and signs the requests.",
        )
    if buckets.jumpstart:
        name = f"jumpstart-cache-prod-{region}"
        arns = [bucket_arn(region, name), bucket_arn(region, f"{name}/*")]
        yield Noted(_allow("JumpStart", ("s3:GetObject", "s3:ListBucket"), arns), "Models of SageMaker JumpStart.")
    yield from _repositories(setup)


def _repositories(setup: Setup) -> Iterator[Value]:
    """Yield the statements for the repositories of Amazon Linux, which are buckets of AWS."""
    if setup.amazon_linux_repositories == "allow":
        patterns = tuple(pattern for patterns in LINUX_REPOSITORIES.values() for pattern in patterns)
        repositories = [bucket_arn(setup.region, f"{pattern}/*") for pattern in patterns]
        yield Noted(
            _allow("AmazonLinuxRepositories", READ_OBJECTS, repositories),
            "Containers may install packages from the Amazon Linux repositories.",
        )
        return
    for number, (sid, patterns) in enumerate(LINUX_REPOSITORIES.items()):
        arns = [bucket_arn(setup.region, f"{pattern}/*") for pattern in patterns]
        deny: Value = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": list(READ_OBJECTS), "Resource": arns}
        comment = (
            "Denies packages from the Amazon Linux repositories, even if another statement allows more. The names that "
            "end in amazonaws.com are those of AWS's guide; today's repositories have the others."
        )
        yield Noted(deny, comment) if number == 0 else deny


def _allow(sid: str, actions: tuple[str, ...], resources: list[str], condition: Value | None = None) -> Value:
    statement: dict[str, Value] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return statement if condition is None else {**statement, "Condition": condition}


def _bucket_policies(setup: Setup) -> Iterator[Resource]:
    if not setup.bucket_policy.enabled:
        return
    names = (*setup.buckets.read_only, *setup.buckets.read_write)
    for number, name in enumerate(names, start=1):
        yield Resource(
            f"BucketPolicy{number}",
            "AWS::S3::BucketPolicy",
            f"Denies access to data in {name} unless it comes over the S3 endpoint. It is the whole policy of the "
            "bucket: if the bucket has one, add this statement to that instead.",
            {
                "Bucket": name,
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "OnlyOverTheEndpoint",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": Noted(
                                list(DATA_ACTIONS),
                                "Data only: the bucket and this policy can be managed from anywhere.",
                            ),
                            "Resource": [bucket_arn(setup.region, name), bucket_arn(setup.region, f"{name}/*")],
                            "Condition": {
                                "StringNotEquals": {"aws:SourceVpce": ref(S3_ENDPOINT)},
                                "ArnNotLike": Noted(
                                    {"aws:PrincipalArn": list(setup.bucket_policy.break_glass)},
                                    "Break-glass principals have access from anywhere.",
                                ),
                                "BoolIfExists": Noted(
                                    {"aws:PrincipalIsAWSService": "false"},
                                    "AWS services, such as log delivery, do not use the endpoint.",
                                ),
                            },
                        }
                    ],
                },
            },
        )
