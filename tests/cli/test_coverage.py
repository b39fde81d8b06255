"""`flowaudit coverage`, and the line that other verbs end with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.topology import Discovery, FlowLog, Interface, Network, Workload
from tests.cli.conftest import START, Run

LINE = "coverage: 100 % of 5 interface-minutes in the 1m to 2026-05-04T10:01Z; the newest record is "
UNKNOWN = "; without an inventory (`flowaudit discover`) what has no record is unknown\n"


def interface(number: int, **more: Any) -> Interface:
    """The interface with this number, attached ten minutes before its record."""
    place = {"account_id": "123456789012", "region": "us-east-1", "vpc_id": "vpc-1", "owner": "sagemaker"}
    attached = datetime.fromtimestamp(START - 600, UTC)
    return Interface(**place | more, interface_id=f"eni-0a1b2c3d4e5f6071{number}", attached_at=attached)


@pytest.fixture
def known(lake: Path, tmp_path: Path, run: Run, logs: Path) -> Path:
    """A lake with an inventory as well: a notebook's interface, one of nobody known, and a job without any."""
    folder = tmp_path / "known"
    run("--lake", folder, "collect", logs)
    log = FlowLog(flow_log_id="fl-1a", resource_id="vpc-1", traffic_type="ALL", max_aggregation_interval=60)
    job = Workload(
        arn="arn:aws:sagemaker:us-east-1:123456789012:training-job/x",
        kind="training_job",
        name="train\x1b[31m",
        account_id="123456789012",
        region="us-east-1",
        running=True,
    )
    mine = {"workload_kind": "notebook_instance", "workload": "research", "workload_arn": "arn:n", "attribution": "tag"}
    found = Discovery(
        account_id="123456789012",
        region="us-east-1",
        at=datetime.fromtimestamp(START, UTC),
        interfaces=(interface(1, **mine), interface(2), interface(9)),
        workloads=(job,),
        networks=(Network(vpc_id="vpc-1", account_id="123456789012", region="us-east-1", flow_logs=(log,)),),
    )
    history.record(Lake(str(folder)), found)
    return folder


SPAN = ("--since", "2026-05-04T09:50:00Z", "--until", "2026-05-04T10:10:00Z")


def test_a_page_reads_well_at_80_columns(run: Run, known: Path) -> None:
    """The line, figures, the gaps and who is blind; nobody's control characters; exit 0."""
    ended = run("--lake", known, "coverage", *SPAN)
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out
    words = [line.split() for line in ended.out.splitlines()]
    assert ["notebook_instance", "research", "20", "100", "%", "0"] in words
    assert ["workload", "minutes", "covered", "missing"] in words
    assert "    missing: fl-1a delivered nothing" in ended.out.splitlines()
    assert "  training_job train\\x1b[31m\n    no VpcConfig: it has no interface in a VPC of yours\n" in ended.out


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("workload", [(None, None), ("notebook_instance", "research")]),
        ("interface", ["eni-0a1b2c3d4e5f60711", "eni-0a1b2c3d4e5f60712", "eni-0a1b2c3d4e5f60719"]),
        ("vpc", ["vpc-1"]),
    ],
)
def test_figures_are_by_what_was_asked_for(run: Run, known: Path, by: str, names: list[Any]) -> None:
    """Workload, interface or VPC; their minutes add up to all."""
    told = run("--lake", known, "coverage", *SPAN, "--by", by, "--format", "json").json
    columns = {"workload": ("workload_kind", "workload"), "interface": ("interface_id",), "vpc": ("vpc_id",)}[by]
    rows = [tuple(row[name] for name in columns) for row in told["by"]]
    assert sorted(rows, key=str) == sorted([(n,) if isinstance(n, str) else n for n in names], key=str)
    assert sum(row["minutes"] for row in told["by"]) == sum(told["minutes"].values()) == 60
    assert told["statement"].startswith("coverage: ")
    assert [row["workload"] for row in told["blind"]] == ["train\x1b[31m"]


@pytest.mark.parametrize("format", ["csv", "markdown", "ndjson", "parquet"])
def test_the_other_formats(run: Run, known: Path, format: str) -> None:
    """Figures for other programs."""
    ended = run("--lake", known, "coverage", *SPAN, "--by", "interface", "--format", format)
    assert (ended.code, b"eni-0a1b2c3d4e5f60719" in ended.stdout) == (0, True)


def test_without_an_inventory_what_has_no_record_is_unknown(run: Run, lake: Path) -> None:
    """And that is said."""
    out = " ".join(run("--lake", lake, "coverage").out.split())
    assert out.startswith(LINE)
    assert UNKNOWN.strip() in out


def test_verbs_end_with_the_line(run: Run, lake: Path, logs: Path) -> None:
    """`findings` on stderr; `detect` in its object too; no findings are never told of without it."""
    listed = run("--lake", lake, "findings", "--state", "resolved")
    first, last = listed.err.splitlines()
    assert (listed.out, first) == ("", "no findings")
    assert last.startswith(LINE)
    run("--lake", "lake", "collect", logs)
    assert run("--lake", "lake", "detect", "--format", "json").json["coverage"].startswith(LINE)
    assert run("--lake", "lake", "detect").err.startswith(LINE)


def test_a_cycle_ends_with_the_line(run: Run, logs: Path, tmp_path: Path) -> None:
    """`run --once` tells of coverage beside what it did."""
    config = tmp_path / "flowaudit.toml"
    config.write_text(f'[aws]\nregions = []\n[[sources]]\ntype = "local"\nuri = "{logs}"\n', "utf-8")
    ended = run("--config", config, "--lake", "lake", "run", "--once", "--format", "json")
    assert ended.json["coverage"].startswith(LINE)
    assert ended.err.splitlines()[-1].startswith(LINE)


def test_coverage_is_no_reason_to_fail(run: Run, lake: Path, tmp_path: Path) -> None:
    """A view of one's own that breaks it: the line says so, and the verb goes on."""
    folder = tmp_path / "queries" / "views"
    folder.mkdir(parents=True)
    (folder / "coverage_terms.sql").write_text("SELECT 1 AS moment", "utf-8")
    config = tmp_path / "flowaudit.toml"
    config.write_text(f'[queries]\npaths = ["{tmp_path / "queries"}"]\n', "utf-8")
    ended = run("--config", config, "--lake", lake, "findings", "--format", "json")
    assert (ended.code, len(ended.json)) == (0, 4)
    assert ended.err.startswith("coverage: ")
