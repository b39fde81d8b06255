"""What keeps SageMaker in this VPC: an IAM policy, VPC Block Public Access, VPC Encryption Controls."""

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
        "SageMaker runs in these subnets and with this security group, or not at all. It is attached to nobody: attach "
        "it to the roles that use SageMaker, or make it their permissions boundary together with what they may do.",
        {
            "Description": f"SageMaker only in the VPC of {setup.name}",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": list(guardrail_statements(setup))},
        },
    )


def guardrail_statements(setup: Setup) -> Iterator[Value]:
    """Yield the denials: no VPC named, a foreign subnet, a foreign security group."""
    null = "Where no VPC is named the comparisons below are true of nothing, and deny nothing: this statement does."
    yield Noted(_deny("NoSubnets", MUST_NAME_A_VPC, {"Null": {"sagemaker:VpcSubnets": "true"}}), null)
    yield _deny("NoSecurityGroups", MUST_NAME_A_VPC, {"Null": {"sagemaker:VpcSecurityGroupIds": "true"}})
    subnets: list[Value] = [ref(name) for name in private_subnets(setup)]
    yield _deny(
        "ForeignSubnets",
        (*MUST_NAME_A_VPC, *MAY_NAME_A_VPC),
        {
            "ForAnyValue:StringNotEquals": Noted(
                {"sagemaker:VpcSubnets": subnets}, "One foreign subnet among ours is enough to be denied."
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
            "For the whole account in this Region, not for this VPC alone: every VPC without an exclusion is closed, and "
            "open again when the stack is deleted.",
            {"InternetGatewayBlockMode": setup.block_public_access},
        )
    if setup.encryption_controls != "off":
        exclusions: dict[str, Value] = {}
        if setup.profile == "nat" and setup.encryption_controls == "enforce":
            exclusions["InternetGatewayExclusionInput"] = Noted(
                "enable", "Traffic beyond the gateways is not encrypted by AWS: enforcing refuses them without this."
            )
            exclusions["NatGatewayExclusionInput"] = "enable"
        yield Resource(
            "EncryptionControl",
            "AWS::EC2::VPCEncryptionControl",
            "Flow logs say of each flow whether it is encrypted; enforcing refuses resources that cannot encrypt.",
            {
                "VpcId": ref(VPC),
                "Mode": setup.encryption_controls,
                **exclusions,
                "Tags": tags(setup, "encryption"),
            },
        )
