"""README.md's policy for discovery allows exactly what discovery asks: no more, and nothing is missing."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from flowaudit.inventory.asking import action
from flowaudit.inventory.network import PARTS
from flowaudit.inventory.workloads.kinds import KINDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SESSION = Session()
WHO = {"sts:GetCallerIdentity", "sts:AssumeRole"}
"""What `app` asks to know which account it is in, and to be in another."""


@pytest.fixture(scope="module")
def policies() -> list[set[str]]:
    """The actions of each policy in README.md."""
    found = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]
    statements = [[statement["Action"] for statement in policy["Statement"]] for policy in found]
    return [{one for each in some for one in ([each] if isinstance(each, str) else each)} for some in statements]


def written() -> set[tuple[str, str]]:
    """Every operation that stands in a question of the inventory's source: `ask.all("ec2", "describe_vpcs", …)`."""
    calls = (
        node
        for file in (ROOT / "flowaudit" / "inventory").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("all", "one", "each")
    )
    said = [[each.value for each in call.args[:2] if isinstance(each, ast.Constant)] for call in calls]
    return {(str(each[0]), str(each[1])) for each in said if len(each) == 2}


def tabled() -> set[tuple[str, str]]:
    """Every operation that the tables of networks and of workloads name."""
    lists = {("sagemaker", kind.list_operation) for kind in KINDS}
    described = {("sagemaker", kind.describe_operation) for kind in KINDS if kind.described}
    return {("ec2", operation) for operation, _ in PARTS.values()} | lists | described


def actions(asked: set[tuple[str, str]]) -> set[str]:
    """The IAM actions of clients' methods, as discovery counts them."""
    clients = {service: SESSION.create_client(service, region_name="us-east-1") for service, _ in asked}
    return {action(clients[service], service, operation) for service, operation in asked}


def test_discoverys_policy_is_what_discovery_asks(policies: list[set[str]]) -> None:
    """Each action by name, both ways."""
    assert {("ec2", "describe_vpcs"), ("efs", "describe_mount_targets")} <= written()
    assert policies[-1] == actions(written() | tabled()) | WHO


def test_no_policy_allows_to_change_anything_but_the_lake(policies: list[set[str]]) -> None:
    """Discovery reads: it lists, describes, gets and becomes; no wildcard stands for what is not named."""
    harmless = ("list_", "describe_", "get_", "assume_role")
    assert all(xform_name(one.partition(":")[2]).startswith(harmless) for one in policies[-1])
    assert not [one for policy in policies for one in policy if "*" in one]
