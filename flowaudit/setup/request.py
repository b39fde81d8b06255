"""`[setup]` → the parameters of CreateChangeSet, and the stack that may take them."""

from __future__ import annotations

import json
from typing import Any

from flowaudit.config import Setup
from flowaudit.errors import SetupError
from flowaudit.setup.calls import Calls, Client
from flowaudit.setup.naming import PREFIX_LIST
from flowaudit.setup.rendering import to_json, to_yaml
from flowaudit.setup.stack import Found
from flowaudit.setup.template import MADE_BY_FLOWAUDIT, Template

LONGEST_BODY = 51_200
"""Bytes of a template that CloudFormation takes in a request; a longer one it reads from S3."""


def request(setup: Setup, template: Template, ec2: Client) -> dict[str, Any]:
    """Return the parameters of CreateChangeSet for a template, the prefix list of S3 looked up; raises SetupError."""
    prefix_list = setup.s3_prefix_list or s3_prefix_list(setup.region, ec2)
    tags = {"flowaudit:setup": setup.name, **setup.tags}
    return {
        "TemplateBody": body(template),
        "Parameters": [{"ParameterKey": PREFIX_LIST, "ParameterValue": prefix_list}],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def s3_prefix_list(region: str, ec2: Client) -> str:
    """Return the id of the prefix list of S3 in a region; raises SetupError."""
    name = f"com.amazonaws.{region}.s3"
    filters = [{"Name": "prefix-list-name", "Values": [name]}]
    found = Calls(ec2).all("describe_managed_prefix_lists", "PrefixLists", Filters=filters)
    if len(found) != 1:
        raise SetupError(f"EC2 has {len(found)} prefix lists {name} in {region}: set setup.s3_prefix_list")
    return str(found[0]["PrefixListId"])


def body(template: Template) -> str:
    """Return a template as YAML, as JSON without spaces where that is too long; raises SetupError where both are."""
    text = to_yaml(template)
    if len(text.encode()) > LONGEST_BODY:
        text = json.dumps(json.loads(to_json(template)), separators=(",", ":"))
    if (size := len(text.encode())) > LONGEST_BODY:
        raise SetupError(
            f"the template has {size:,} bytes, CloudFormation takes {LONGEST_BODY:,}: "
            "run flowaudit setup render, and aws cloudformation deploy with --s3-bucket"
        )
    return text


def check_ours(found: Found, name: str) -> None:
    """Raise SetupError where a stack is somebody else's; one that is at work may not have its description yet."""
    if found.is_deployed and not found.is_busy and MADE_BY_FLOWAUDIT not in found.description:
        raise SetupError(f"stack {name} was not made from a template of flowaudit: choose another setup.name")


def check_at_rest(found: Found, name: str) -> None:
    """Raise SetupError where an operation on a stack is under way."""
    if found.is_busy:
        raise SetupError(f"stack {name} is {found.status}: wait until that is over, see flowaudit setup status")


def is_ready(found: Found | None, name: str) -> Found | None:
    """Return a stack that can be changed; raises SetupError where it is somebody else's, busy, or has to be deleted."""
    if found is None or not found.is_deployed:
        return found
    check_ours(found, name)
    check_at_rest(found, name)
    if found.status == "UPDATE_ROLLBACK_FAILED":
        raise SetupError(
            f"stack {name} is UPDATE_ROLLBACK_FAILED ({found.reason}): remove the reason, then run "
            f"aws cloudformation continue-update-rollback --stack-name {name}"
        )
    if found.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise SetupError(f"stack {name} is {found.status} ({found.reason}): run flowaudit setup destroy first")
    return found


def unchanged(found: Found) -> dict[str, Any]:
    """Return the parameters of CreateChangeSet that leave a stack's template and parameters as they are."""
    return {
        "UsePreviousTemplate": True,
        "Parameters": [{"ParameterKey": key, "UsePreviousValue": True} for key in found.parameters],
        "Capabilities": ["CAPABILITY_IAM"],
    }
