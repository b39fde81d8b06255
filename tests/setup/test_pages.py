"""docs/setup.md and the templates beside it are what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowaudit.config import load
from flowaudit.setup import template, to_yaml
from tests.setup.wishes import WISHES, document

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "setup.md").read_text("utf-8")


@pytest.mark.parametrize("profile", ["isolated", "nat"])
def test_the_templates_are_up_to_date(profile: str) -> None:
    """To render one again: `flowaudit --config docs/setup/X.toml setup render --output docs/setup/X.yaml`."""
    rendered = to_yaml(template(load(DOCS / "setup" / f"{profile}.toml", {}).setup))
    assert (DOCS / "setup" / f"{profile}.yaml").read_text("utf-8") == rendered


def test_the_example_is_a_good_one(tmp_path: Path) -> None:
    """A template can be made of the section on the page."""
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "flowaudit.toml").write_text(example, "utf-8")
    assert template(load(tmp_path / "flowaudit.toml", {}).setup).resources


def test_parts_are_called_as_in_the_template() -> None:
    """What the page calls by a resource's name is one."""
    names = {name for wish in WISHES.values() for name in document(**wish)["Resources"]}
    told = set(re.findall(r"`((?:S3|Dhcp|Workload|Endpoint|Flow|Guardrail)[A-Za-z]*)`", PAGE)) - {"FlowLogSource"}
    assert told
    assert told <= names


def test_statements_are_called_as_in_the_policy() -> None:
    """The table of the endpoint policy names each statement there can be."""
    policies = [
        document(**wish)["Resources"]["S3Endpoint"]["Properties"]["PolicyDocument"]["Statement"]
        for wish in (*WISHES.values(), {"amazon_linux_repositories": "allow"})
    ]
    sids = {each["Sid"] for statements in policies for each in statements}
    assert {sid for sid in sids if not sid.startswith("AmazonLinux")} <= set(re.findall(r"`(\w+)`", PAGE))


def test_a_subnet_takes_what_the_page_says() -> None:
    """210 addresses for 50 instances and 5 endpoints."""
    assert "210 addresses" in PAGE
    assert "take 210 addresses" in to_yaml(template(load(DOCS / "setup" / "isolated.toml", {}).setup)).replace(
        "\n  # ", " "
    )
