"""`flowaudit setup verify`, as it is typed: after the deployment, after changes by hand, without permissions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from flowaudit.posture import CHECKS
from flowaudit.simulate.cloudformation import serve
from tests.cli.conftest import Run, run
from tests.posture.clouds import REGION, Deployed, deployed

__all__ = ["run"]

PAGE = Path(__file__).parents[2] / "docs" / "setup.md"
CONFIG = f"""[setup]
region = "{REGION}"
buckets = {{ read_only = ["amzn-example-models"], read_write = ["amzn-example-outputs"] }}
"""


@pytest.fixture
def vpc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """A VPC that is as expected, and its configuration in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowaudit.toml").write_text(CONFIG, "utf-8")
    it = deployed()
    with serve(it.engine) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", url)
        yield it


def deny(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Let AWS deny an operation to every client."""
    real = BaseClient._make_api_call

    def call(self: BaseClient, name: str, params: object) -> object:
        if name == operation:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, name)
        return real(self, name, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def test_all_as_expected_is_0(run: Run, vpc: Deployed) -> None:
    """Nothing but the count is printed."""
    ended = run("setup", "verify")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith("as expected\n")
    number, _, rest = ended.err.partition(" properties: ")
    assert rest == f"{number} as expected\n"


def test_a_failure_is_1(run: Run, vpc: Deployed) -> None:
    """The failure stands in the table, with what is expected and found."""
    vpc.ec2.modify_vpc_attribute(VpcId=vpc["Vpc"], EnableDnsHostnames={"Value": False})
    ended = run("setup", "verify")
    assert ended.code == 1
    assert ended.out.splitlines()[1].split()[:6] == ["fail", "dns", vpc["Vpc"], "enableDnsHostnames", "true", "false"]
    assert ended.err.endswith(" as expected, 1 not\n")


def test_what_could_not_be_read_is_3(run: Run, vpc: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is named in the row and in the count."""
    deny(monkeypatch, "DescribeNetworkAcls")
    ended = run("setup", "verify")
    assert ended.code == 3
    assert "ec2:DescribeNetworkAcls: denied" in ended.out
    assert ended.err.endswith(" as expected, 1 unknown (ec2:DescribeNetworkAcls: denied)\n")


def test_a_failure_beside_what_is_unknown_is_1(run: Run, vpc: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is certain decides."""
    deny(monkeypatch, "DescribeNetworkAcls")
    vpc.ec2.modify_vpc_attribute(VpcId=vpc["Vpc"], EnableDnsHostnames={"Value": False})
    ended = run("setup", "verify")
    assert ended.code == 1
    assert " as expected, 1 not, 1 unknown (" in ended.err


def test_json_has_every_property(run: Run, vpc: Deployed) -> None:
    """With --all each check is in it, with its guideline."""
    rows = run("setup", "verify", "--all", "--format", "json").json
    assert {row["check"] for row in rows} == {check.id for check in CHECKS}
    assert {row["status"] for row in rows} == {"pass", "not_applicable"}
    assert all(row["guideline"].startswith("G") for row in rows)


def test_hostile_tags_stay_text(run: Run, vpc: Deployed) -> None:
    """A tag cannot move the cursor, color the terminal or break a table."""
    hostile = "\x9b31m|[bold]<b>"
    vpc.ec2.create_tags(Resources=[vpc["Vpc"]], Tags=[{"Key": "flowaudit:setup", "Value": hostile}])
    for format in ("table", "markdown", "ndjson"):
        ended = run("setup", "verify", "--format", format)
        assert ended.code == 1
        assert "\x9b" not in ended.out + ended.err
    assert "<b>" not in run("setup", "verify", "--format", "markdown").out


def test_without_a_stack_there_is_nothing_to_verify(run: Run, vpc: Deployed, tmp_path: Path) -> None:
    """The message names stack and Region, and what to do."""
    (tmp_path / "flowaudit.toml").write_text(f'{CONFIG}name = "other"\n', "utf-8")
    ended = run("setup", "verify")
    assert (ended.code, ended.out) == (3, "")
    assert f"there is no stack other in {REGION}" in ended.err


def test_an_existing_vpc_needs_no_stack(run: Run, vpc: Deployed, tmp_path: Path) -> None:
    """Its ids are in the configuration; what the stack would name is not compared."""
    subnets = vpc.outputs["PrivateSubnetIds"].split(",")
    existing = (
        f'name = "other"\n[setup.existing_vpc]\nid = "{vpc["Vpc"]}"\nsubnets = {subnets}\n'
        f'route_tables = ["{vpc["PrivateRouteTable1"]}"]\n'
    )
    (tmp_path / "flowaudit.toml").write_text(CONFIG + existing, "utf-8")
    ended = run("setup", "verify")
    assert (ended.code, ended.out) == (0, "")


def test_the_page_has_every_check() -> None:
    """docs/setup.md lists the checks with their titles, and no others."""
    section = PAGE.read_text("utf-8").partition("\n## Verify\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert [(row[0].strip("| `"), row[2].removesuffix(" |")) for row in rows] == [(one.id, one.title) for one in CHECKS]


def test_checks_are_named_as_the_house_names_them() -> None:
    """Ids are kebab-case and unique; titles state what is compliant, and ask for nothing."""
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.id == check.id.lower().replace("_", "-").replace(" ", "-")
        assert len(check.title) <= 150
        assert check.title.split()[0] not in ("Ensure", "Check", "Verify")
