"""`[setup]` → the CloudFormation template of a VPC for SageMaker that keeps to AWS's guide.

Each part of the network is a module whose function returns a `Part`; nothing here asks anything of AWS.
"""

from __future__ import annotations

from flowaudit.config import Setup
from flowaudit.errors import ConfigError
from flowaudit.setup.flow_logs import flow_logs
from flowaudit.setup.guardrail import guardrail
from flowaudit.setup.interface_endpoints import interface_endpoints
from flowaudit.setup.naming import PREFIX_LIST
from flowaudit.setup.nat import nat
from flowaudit.setup.network import network
from flowaudit.setup.rendering import to_json, to_yaml
from flowaudit.setup.s3_endpoint import s3_endpoint
from flowaudit.setup.security_groups import security_groups
from flowaudit.setup.template import MADE_BY_FLOWAUDIT, Part, Template

__all__ = ["Template", "template", "to_json", "to_yaml"]

PARTS = (network, nat, s3_endpoint, security_groups, interface_endpoints, flow_logs, guardrail)
"""The parts of the network, in the order that a template has them in."""


def template(setup: Setup) -> Template:
    """Return the template of the VPC that is wished for; raises ConfigError where the wish is not whole."""
    if not setup.region:
        raise ConfigError("setup.region: is missing: name the region of the VPC, as in us-east-1")
    if not (setup.buckets.read_only or setup.buckets.read_write or setup.s3_endpoint_policy):
        raise ConfigError("setup.buckets: there is none: name in read_only or read_write the buckets that models need")
    parts: list[Part] = [part(setup) for part in PARTS]
    return Template(
        description=f"VPC for Amazon SageMaker, {_profile(setup)}. {MADE_BY_FLOWAUDIT} render.",
        head=_head(setup),
        parameters=tuple(each for part in parts for each in part.parameters),
        resources=tuple(each for part in parts for each in part.resources),
        outputs=tuple(each for part in parts for each in part.outputs),
    )


def _profile(setup: Setup) -> str:
    return "without a path to the internet" if setup.profile == "isolated" else "with NAT as the path to the internet"


def _head(setup: Setup) -> str:
    deploy = [f"aws cloudformation deploy --region {setup.region} --stack-name {setup.name} --template-file FILE"]
    if setup.guardrail or setup.flow_logs.destination != "s3":
        deploy.append("--capabilities CAPABILITY_IAM")
    lookup = ""
    if not setup.s3_prefix_list:
        lookup = (
            f"  PREFIX_LIST=$(aws ec2 describe-managed-prefix-lists --region {setup.region} \\\n"
            f"    --filters Name=prefix-list-name,Values=com.amazonaws.{setup.region}.s3 \\\n"
            "    --query 'PrefixLists[0].PrefixListId' --output text)\n"
        )
        deploy.append(f"--parameter-overrides {PREFIX_LIST}=$PREFIX_LIST")
    command = " \\\n    ".join(deploy)
    return (
        f"A VPC for Amazon SageMaker in {setup.region}, {_profile(setup)}, as AWS recommends in "
        '"Protect Endpoints by Using an Amazon Virtual Private Cloud".\n'
        "\n"
        "Deploy it:\n"
        f"{lookup}  {command}\n"
        "\n"
        "CloudFormation cannot remove the rules of the VPC's default security group: flowaudit setup apply does. "
        "Deployed by hand, remove them yourself, and do not use that group."
    )
