"""`flowaudit setup render`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowaudit.config import ENDPOINT_SERVICES
from tests.cli.conftest import Run

SECTION = '[setup]\nregion = "us-east-1"\nbuckets = { read_only = ["amzn-example-models"] }\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration of which a template can be made."""
    path = tmp_path / "flowaudit.toml"
    path.write_text(SECTION, "utf-8")
    return path


def test_the_template_is_on_stdout(run: Run, config: Path) -> None:
    """YAML by default, with nothing on stderr and no lake made."""
    ended = run("setup", "render")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("# A VPC for Amazon SageMaker in us-east-1, without a path to the internet")
    assert "AWSTemplateFormatVersion:" in ended.out
    assert list(config.parent.iterdir()) == [config]


def test_json_is_one_document(run: Run, config: Path) -> None:
    """JSON has the same resources."""
    ended = run("setup", "render", "--format", "json")
    assert ended.json["Resources"]["S3Endpoint"]["Properties"]["ServiceName"] == "com.amazonaws.us-east-1.s3"


def test_it_is_written_to_a_file(run: Run, config: Path, tmp_path: Path) -> None:
    """The file is what stdout would be; stderr says how much it is."""
    printed = run("setup", "render").out
    ended = run("setup", "render", "--output", tmp_path / "vpc.yaml")
    assert ended.code == 0
    assert ended.out == ""
    assert (tmp_path / "vpc.yaml").read_text("utf-8") == printed
    assert ended.err == f"{tmp_path}/vpc.yaml: 21 resources, {len(printed.encode()):,} bytes\n"


def test_a_file_that_cannot_be_written_is_a_failure(run: Run, config: Path, tmp_path: Path) -> None:
    """It is no usage mistake: 3, with the system's reason."""
    ended = run("setup", "render", "--output", tmp_path / "no" / "vpc.yaml")
    assert ended.code == 3
    assert "No such file or directory" in ended.err


def test_a_large_template_is_warned_of(run: Run, config: Path) -> None:
    """Above what a request may hold, CloudFormation wants it in S3."""
    keys = "\n".join(f"{key} = true" for key in ENDPOINT_SERVICES)
    config.write_text(
        f'{SECTION}profile = "nat"\navailability_zones = 6\n[setup.interface_endpoints]\n{keys}\n', "utf-8"
    )
    ended = run("setup", "render")
    assert ended.code == 0
    assert ended.err.startswith("warning: the template has 5")
    assert "--s3-bucket" in ended.err


@pytest.mark.parametrize("verb", [("setup", "render"), ("check",)])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[setup]\nname = "x1"', "error: setup.region: is missing: name the region of the VPC, as in us-east-1"),
        ('[setup]\nregion = "us-east-1"', "error: setup.buckets: there is none: name in read_only or read_write"),
        (f'{SECTION}flow_logs = {{ fields = ["bites"] }}', "error: setup.flow_logs.fields[0]: 'bites' is no field"),
        (f'{SECTION}cidr = "10.0.0.0/27"', "error: flowaudit.toml: setup: cidr: 10.0.0.0/27 has 32 addresses"),
    ],
)
def test_a_wrong_section_is_a_usage_mistake(
    run: Run, config: Path, verb: tuple[str, ...], text: str, expected: str
) -> None:
    """The template is not made, and `check` tells of it too: 2, and nothing on stdout."""
    config.write_text(text, "utf-8")
    ended = run(*verb)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(expected)


def test_check_asks_for_no_vpc(run: Run, config: Path) -> None:
    """Without the section nobody misses a region or a bucket."""
    config.write_text("", "utf-8")
    assert run("check").code == 0


def test_an_unknown_format_is_a_usage_mistake(run: Run, config: Path) -> None:
    """Typer says what there is."""
    ended = run("setup", "render", "--format", "table")
    assert ended.code == 2
    assert "yaml" in ended.err
