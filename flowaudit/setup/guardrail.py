"""Guardrails that keep SageMaker in this VPC: an IAM policy, VPC Block Public Access, VPC Encryption Controls."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.config import Setup
from flowaudit.setup.naming import VPC, WORKLOADS, private_subnets, tags
from flowaudit.setup.template import Noted, Output, Part, Resource, Value, ref

MUST_NAME_A_VPC = tuple(
    f"sagemaker:Create{what}"
    for what in (
        "AutoMLJob",
        "AutoMLJobV2",
        "Cluster",
        "DataQualityJobDefinition",
        "Domain",
        "HyperParameterTuningJob",
        "Model",
        "ModelBiasJobDefinition",
        "ModelExplainabilityJobDefinition",
        "ModelQualityJobDefinition",
        "NotebookInstance",
        "ProcessingJob",
        "TrainingJob",
    )
)
"""Actions that make something that runs in a VPC only if the request names one."""

MAY_NAME_A_VPC = (
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateMonitoringSchedule",
    "sagemaker:UpdateCluster",
    "sagemaker:UpdateDomain",
    "sagemaker:UpdateMonitoringSchedule",
)
"""Actions whose VPC is already decided, by the model or the resource, where the request names none."""

USER_PROFILES = ("sagemaker:CreateUserProfile", "sagemaker:UpdateUserProfile")
"""Actions that name security groups only."""


def guardrail(setup: Setup) -> Part:
    """Return what was asked for of the three."""
    policy = [_policy(setup)] if setup.guardrail else []
    output = Output("GuardrailPolicyArn", "The policy to attach to whoever uses SageMaker.", ref("Guardrail"))
    return Part(resources=(*policy, *_controls(setup)), outputs=(output,) if policy else ())


def _policy(setup: Setup) -> Resource:
    return Resource(
        "Guardrail",
        "AWS::IAM::ManagedPolicy",
        "Denies SageMaker resources outside these subnets and this security group. It takes effect when it is "
        "attached to the users and roles that use SageMaker.",
        {
            "Description": f"SageMaker only in the VPC of {setup.name}",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": list(guardrail_statements(setup))},
        },
    )


def guardrail_statements(setup: Setup) -> Iterator[Value]:
    """Yield the denials: no VPC named, a foreign subnet, a foreign security group."""
    null = "Without VpcConfig the condition keys are missing, and the last two statements do not match: these two do."
    yield Noted(_deny("NoSubnets", MUST_NAME_A_VPC, {"Null": {"sagemaker:VpcSubnets": "true"}}), null)
    yield _deny("NoSecurityGroups", MUST_NAME_A_VPC, {"Null": {"sagemaker:VpcSecurityGroupIds": "true"}})
    subnets: list[Value] = [ref(name) for name in private_subnets(setup)]
    yield _deny(
        "ForeignSubnets",
        (*MUST_NAME_A_VPC, *MAY_NAME_A_VPC),
        {
            "ForAnyValue:StringNotEquals": Noted(
                {"sagemaker:VpcSubnets": subnets}, "One other subnet is enough to be denied."
            )
        },
    )
    yield _deny(
        "ForeignSecurityGroups",
        (*MUST_NAME_A_VPC, *MAY_NAME_A_VPC, *USER_PROFILES),
        {"ForAnyValue:StringNotEquals": {"sagemaker:VpcSecurityGroupIds": [ref(WORKLOADS)]}},
    )


def _deny(sid: str, actions: tuple[str, ...], condition: Value) -> Value:
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": "*", "Condition": condition}


def _controls(setup: Setup) -> Iterator[Resource]:
    if setup.block_public_access != "off":
        yield Resource(
            "BlockPublicAccess",
            "AWS::EC2::VPCBlockPublicAccessOptions",
            "A setting of the account in this Region: it affects every VPC without an exclusion, and is off again when "
            "the stack is deleted.",
            {"InternetGatewayBlockMode": setup.block_public_access},
        )
    if setup.encryption_controls != "off":
        exclusions: dict[str, Value] = {}
        if setup.profile == "nat" and setup.encryption_controls == "enforce":
            exclusions["InternetGatewayExclusionInput"] = Noted(
                "enable", "Enforce mode does not allow these gateways without an exclusion."
            )
            exclusions["NatGatewayExclusionInput"] = "enable"
        yield Resource(
            "EncryptionControl",
            "AWS::EC2::VPCEncryptionControl",
            "Adds encryption-status to flow logs; enforce mode also prevents resources that cannot encrypt traffic.",
            {
                "VpcId": ref(VPC),
                "Mode": setup.encryption_controls,
                **exclusions,
                "Tags": tags(setup, "encryption"),
            },
        )
