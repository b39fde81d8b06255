"""`[setup]` and the outputs of its stack → what the live VPC is expected to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowaudit.config import LINUX_REPOSITORIES, Setup
from flowaudit.config.subnets import PER_INSTANCE
from flowaudit.policies.arns import bucket_arn, partition
from flowaudit.posture import (
    Access,
    BucketPolicyExpectation,
    Expected,
    FlowLogExpectation,
    GuardrailExpectation,
    Reach,
)
from flowaudit.setup.flow_logs import fields, tag_fields
from flowaudit.setup.guardrail import MUST_NAME_A_VPC
from flowaudit.setup.policy_file import policy_file
from flowaudit.setup.s3_endpoint import BUCKET_ACTIONS, READ_OBJECTS, WRITE_OBJECTS
from flowaudit.setup.security_groups import has_endpoints

KEY = "flowaudit-verify"
"""An object that stands for all objects of a bucket."""


def expected(setup: Setup, outputs: Mapping[str, str]) -> Expected:
    """Return what the VPC is expected to be; without outputs that of [setup.existing_vpc] as far as it is known."""
    existing = setup.existing_vpc
    subnets = _ids(outputs, "PrivateSubnetIds") or existing.subnets
    groups = _ids(outputs, "WorkloadSecurityGroupId")
    zones, arn = setup.availability_zones, outputs.get("GuardrailPolicyArn", "")
    new = not existing.id
    return Expected(
        vpc_id=outputs.get("VpcId") or existing.id,
        subnets=subnets,
        zones=zones if isinstance(zones, tuple) else None,
        free_addresses=setup.instances * PER_INSTANCE if new else None,
        own_route_tables=new,
        internet="none" if setup.profile == "isolated" else "nat",
        nat=setup.nat if setup.profile == "nat" and new else None,
        s3_endpoint=True,
        access=() if setup.s3_endpoint_policy else tuple(_access(setup)),
        s3_policy=policy_file(setup.s3_endpoint_policy) if setup.s3_endpoint_policy else None,
        services=setup.interface_endpoints.services(setup.region),
        own_account_only=True,
        workload_groups=groups,
        reach=frozenset(_reach(setup)),
        default_group_empty=new,
        flow_log=_flow_log(setup, outputs),
        bucket_policy=BucketPolicyExpectation(_buckets(setup), setup.bucket_policy.break_glass)
        if setup.bucket_policy.enabled
        else None,
        guardrail=GuardrailExpectation(arn, MUST_NAME_A_VPC) if setup.guardrail else None,
        block_public_access=_unless_off(setup.block_public_access),
        encryption_controls=_unless_off(setup.encryption_controls),
        tags={"flowaudit:setup": setup.name, **setup.tags},
        tagged=tuple(_tagged(outputs, new=new)),
    )


def _ids(outputs: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, outputs.get(name, "").split(",")))


def _unless_off(mode: str) -> str | None:
    return None if mode == "off" else mode


def _buckets(setup: Setup) -> tuple[str, ...]:
    return (*setup.buckets.read_only, *setup.buckets.read_write)


def _reach(setup: Setup) -> Iterator[Reach]:
    yield Reach.S3
    if has_endpoints(setup):
        yield Reach.ENDPOINTS
    if setup.profile == "nat":
        yield Reach.INTERNET
    if setup.inter_node:
        yield Reach.NODES


def _access(setup: Setup) -> Iterator[Access]:
    """Yield what the policy of the S3 endpoint allows and what it does not: the statements of it, as requests."""
    region, only_read = setup.region, tuple(each for each in WRITE_OBJECTS if each not in READ_OBJECTS)
    for name in setup.buckets.read_only:
        objects = bucket_arn(region, f"{name}/{KEY}")
        yield Access(f"reading from {name}", READ_OBJECTS, objects)
        yield Access(f"writing to {name}", only_read, objects, allowed=False)
    for name in setup.buckets.read_write:
        yield Access(f"reading from and writing to {name}", WRITE_OBJECTS, bucket_arn(region, f"{name}/{KEY}"))
    for name in _buckets(setup):
        yield Access(f"listing {name}", BUCKET_ACTIONS, bucket_arn(region, name))
    if setup.interface_endpoints.ecr or setup.profile == "nat":
        layers = bucket_arn(region, f"prod-{region}-starport-layer-bucket/{KEY}")
        yield Access("image layers of Amazon ECR", READ_OBJECTS, layers, own=False)
    if setup.buckets.jumpstart:
        models = bucket_arn(region, f"jumpstart-cache-prod-{region}/{KEY}")
        yield Access("models of JumpStart", READ_OBJECTS, models, own=False)
        yield Access("listing models of JumpStart", ("s3:ListBucket",), models.removesuffix(f"/{KEY}"), own=False)
    allowed = setup.amazon_linux_repositories == "allow"
    for patterns in LINUX_REPOSITORIES.values():
        for pattern in patterns:
            repository = pattern.replace("*", region)
            packages = bucket_arn(region, f"{repository}/{KEY}")
            any_ = bucket_arn(region, pattern)
            yield Access(f"packages from {repository}", READ_OBJECTS, packages, allowed, own=False, bucket=any_)


def _flow_log(setup: Setup, outputs: Mapping[str, str]) -> FlowLogExpectation:
    wanted, source = setup.flow_logs, outputs.get("FlowLogSource", "")
    bucket = source.removeprefix("s3://").partition("/")[0]
    to_bucket = wanted.destination == "s3"
    group = outputs.get("FlowLogGroupName")
    return FlowLogExpectation(
        flow_log_id=outputs.get("FlowLogId", ""),
        fields=tuple(fields(setup)),
        tag_fields=dict(tag_fields(fields(setup))),
        destination_type=wanted.destination,
        destination=(f"arn:{partition(setup.region)}:s3:::{bucket}" if bucket else None) if to_bucket else group,
        file_format=("parquet" if wanted.format == "parquet" else "plain-text") if to_bucket else None,
        retention_days=wanted.days,
    )


def _tagged(outputs: Mapping[str, str], *, new: bool) -> Iterator[str]:
    """Yield the ids of the resources that the stack made and names."""
    made = ("S3EndpointId", "InterfaceEndpointIds", "WorkloadSecurityGroupId", "FlowLogId")
    for name in (*(("VpcId", "PrivateSubnetIds", "NatGatewayIds") if new else ()), *made):
        yield from _ids(outputs, name)
