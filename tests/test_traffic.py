"""Which workloads metrics name: the few that send most, and those with the most severe findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowaudit import catalogue, sql
from flowaudit.collect import collect
from flowaudit.config import shipped
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.paths import Atlas
from flowaudit.schema import FINDINGS
from flowaudit.sources.local import LocalSource
from flowaudit.topology import Discovery, Interface
from flowaudit.traffic import MOST, workload_bytes, workload_findings
from tests.flowlogs import START, egress, write

HERE: dict[str, Any] = {"account_id": "123456789012", "region": "us-east-1"}
VIEWS = catalogue.load([shipped("queries")]).views
IGW, ENDPOINT = "internet_gateway", "gateway_endpoint"
UNATTRIBUTED = ("none", "unattributed")
NAMES = ['a "quoted" name', "two\nlines", "it's; DROP TABLE flows --", "unattributed", "x" * 300]


def at(minute: float) -> datetime:
    """The time of a minute from START on."""
    return datetime.fromtimestamp(START, UTC) + timedelta(minutes=minute)


@dataclass
class House:
    """A lake, and a folder of logs for it."""

    folder: Path
    objects: int = 0
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.lake = Lake(str(self.folder / "lake"))
        self.lake.create()

    def know(self, workloads: Mapping[str, tuple[str, str]], **more: Any) -> None:
        """Put into the inventory whose interfaces are: kind and name of the workload by interface."""
        found = tuple(
            Interface(
                **HERE,
                interface_id=interface,
                owner="sagemaker",
                workload_kind=kind,
                workload=name,
                workload_arn=f"arn:{interface}",
                **more,
            )
            for interface, (kind, name) in workloads.items()
        )
        history.record(self.lake, Discovery(**HERE, at=at(0), interfaces=found, workloads=(), networks=()))

    def deliver(self, *lines: str, flow_log: str = "fl-1a") -> None:
        """Collect an object of a flow log."""
        self.objects += 1
        name = f"123456789012_vpcflowlogs_us-east-1_{flow_log}_20260101T0000Z_{self.objects}.log.gz"
        write(self.folder / "logs" / name, *lines)
        collect([(LocalSource(str(self.folder / "logs")), None)], self.lake, atlas=Atlas(everything=True))

    def find(self, *findings: tuple[str, str, str | None]) -> None:
        """Write findings as detect would: severity, state and evidence of each."""
        rows = [
            {
                "id": f"{number:012x}",
                "seq": 0,
                "detector": "any",
                "event": "opened",
                "at": at(0),
                "state": state,
                "key": "{}",
                "severity": severity,
                "evidence": evidence,
            }
            for number, (severity, state, evidence) in enumerate(findings)
        ]
        self.lake.log("findings").commit(pa.Table.from_pylist(rows, FINDINGS), {})

    def bytes(self, minute: float) -> Mapping[tuple[str, str, str], int]:
        """Return the ranking by bytes as of a minute."""
        return workload_bytes(self.lake, VIEWS, at(minute))


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty lake."""
    return House(tmp_path)


def of(workload: str | None, kind: str | None = "endpoint") -> str:
    """Return evidence that names a workload."""
    return json.dumps({"workload_kind": kind, "workload": workload, "remotes": 3})


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_an_empty_lake_has_no_traffic(house: House, tmp_path: Path) -> None:
    """Neither has one that does not exist yet."""
    assert house.bytes(0) == {}
    assert workload_bytes(Lake(str(tmp_path / "none")), VIEWS, at(0)) == {}


def test_bytes_are_by_workload_and_path(house: House) -> None:
    """Accepted egress of the hour before; interfaces of no known workload are one row for each path."""
    house.know({"eni-0a": ("endpoint", "fraud"), "eni-0b": ("training_job", "llm")})
    house.deliver(
        egress(0, size=1),
        egress(59, size=2),
        egress(5, size=4, path="7"),
        egress(5, size=8, interface="eni-0b"),
        egress(5, size=16, interface="eni-0c"),
        egress(5, size=32, interface="eni-0d"),
        egress(5, size=64).replace("ACCEPT", "REJECT"),
        egress(5, size=128).replace(" egress 8", " ingress -"),
        egress(60, size=256),
        egress(-1, size=512),
    )
    assert house.bytes(60) == {
        ("endpoint", "fraud", IGW): 3,
        ("endpoint", "fraud", ENDPOINT): 4,
        ("training_job", "llm", IGW): 8,
        (*UNATTRIBUTED, IGW): 48,
    }


def test_the_figures_are_those_of_the_view(house: House) -> None:
    """They are what `flowaudit sql` says of the same hour."""
    house.know({f"eni-{n}": ("endpoint", f"e-{n % 3}") for n in range(6)})
    house.deliver(*(egress(n, interface=f"eni-{n % 7}", size=n, path=str(7 + n % 2)) for n in range(90)))
    asked = """
    SELECT coalesce(workload, 'unattributed') AS workload, path, CAST(sum(bytes) AS BIGINT) AS bytes
    FROM workload_egress WHERE action = 'ACCEPT' AND start_time >= $since AND start_time < $until GROUP BY ALL
    """
    with sql.connect(house.lake, views=VIEWS) as engine:
        rows = engine.query(asked, {"since": at(20), "until": at(80)}).to_pylist()
    found = {(workload, path): size for (_, workload, path), size in house.bytes(80).items()}
    assert found == {(row["workload"], row["path"]): row["bytes"] for row in rows}
    assert len(found) == 8


def test_traffic_that_two_flow_logs_record_counts_once(house: House) -> None:
    """A VPC's flow log and a subnet's have the same records."""
    house.know({"eni-0a": ("endpoint", "fraud")})
    house.deliver(egress(0, size=5), flow_log="fl-1a")
    house.deliver(egress(0, size=5), flow_log="fl-1b")
    assert house.bytes(60) == {("endpoint", "fraud", IGW): 5}


def test_without_records_in_the_last_hour_the_newest_hour_counts(house: House) -> None:
    """Flow logs stopped, or the lake is an old one: the newest record is in it, what is an hour older is not."""
    house.know({"eni-0a": ("endpoint", "fraud")})
    house.deliver(egress(0, size=1), egress(30, size=2), egress(89, size=4))
    assert house.bytes(60 * 24 * 365) == {("endpoint", "fraud", IGW): 6}


def test_an_idle_hour_is_no_reason_to_look_further_back(house: House) -> None:
    """Records without traffic are records: nobody sent anything."""
    house.know({"eni-0a": ("endpoint", "fraud")})
    idle = f"5 123456789012 eni-0a - - - - - - - {START + 7200} {START + 7250} - NODATA vpc-1 subnet-1 - -"
    house.deliver(egress(0, size=1), f"{idle} - - - us-east-1 use1-az1 - - - - - -")
    assert house.bytes(60) == {("endpoint", "fraud", IGW): 1}
    assert house.bytes(150) == {}


def test_only_so_many_workloads_are_named(house: House) -> None:
    """Those that sent most, all their paths together; the unattributed come on top."""
    house.know({f"eni-{n:02}": ("training_job", f"job-{n:02}") for n in range(MOST + 5)})
    lines = [egress(0, interface=f"eni-{n:02}", size=10 + n) for n in range(MOST + 4)]
    lines += [egress(0, interface=f"eni-{MOST + 4}", size=10, path=path) for path in ("7", "8")]
    house.deliver(*lines, egress(0, interface="eni-x", size=1))
    named = {workload for _, workload, _ in house.bytes(60)}
    assert named == {"unattributed", *(f"job-{n:02}" for n in range(5, MOST + 5))}


def test_workloads_of_one_name_are_told_apart_by_kind(house: House) -> None:
    """Those of one kind and name, in two regions, are one."""
    house.know({"eni-0a": ("endpoint", "fraud"), "eni-0b": ("training_job", "fraud"), "eni-0c": ("endpoint", "fraud")})
    house.deliver(*(egress(0, interface=f"eni-0{n}", size=size) for n, size in (("a", 1), ("b", 2), ("c", 4))))
    assert house.bytes(60) == {("endpoint", "fraud", IGW): 5, ("training_job", "fraud", IGW): 2}


def test_any_name_is_only_a_name(house: House) -> None:
    """Quotes, line breaks and SQL in a name are no more than that; one called `unattributed` has its kind."""
    house.know({f"eni-{n}": ("endpoint", name) for n, name in enumerate(NAMES)})
    house.deliver(*(egress(0, interface=f"eni-{n}", size=1) for n in range(len(NAMES))), egress(interface="eni-x"))
    assert {workload for kind, workload, _ in house.bytes(60) if kind == "endpoint"} == set(NAMES)
    assert house.bytes(60)[*UNATTRIBUTED, IGW] == 1000


def test_files_of_other_times_are_not_read(house: House) -> None:
    """A month of records costs nothing: the file of another day may even be gone."""
    house.know({"eni-0a": ("endpoint", "fraud")})
    house.deliver(egress(0, size=1))
    (old,) = house.lake.files("flows")
    house.deliver(egress(60 * 24 * 3, size=2))
    Path(old).unlink()
    assert house.bytes(60 * 24 * 3 + 1) == {("endpoint", "fraud", IGW): 2}


# --- findings ---------------------------------------------------------------------------------------------------------


def test_open_findings_are_by_workload_and_severity(house: House) -> None:
    """Resolved and muted ones are none; those whose evidence names no workload, or that have none, are one row."""
    house.find(
        ("critical", "open", of("fraud")),
        ("critical", "open", of("fraud")),
        ("low", "open", of("fraud")),
        ("high", "open", of("llm", "training_job")),
        ("critical", "resolved", of("llm", "training_job")),
        ("critical", "muted", of("bert")),
        ("medium", "open", of(None, None)),
        ("medium", "open", json.dumps({"remotes": 1})),
        ("medium", "open", "{not JSON"),
        ("medium", "open", None),
    )
    assert workload_findings(house.lake, VIEWS) == {
        ("endpoint", "fraud", "critical"): 2,
        ("endpoint", "fraud", "low"): 1,
        ("training_job", "llm", "high"): 1,
        (*UNATTRIBUTED, "medium"): 4,
    }


def test_no_findings(house: House, tmp_path: Path) -> None:
    """Nothing is open, and nothing is where there is no lake yet."""
    assert workload_findings(house.lake, VIEWS) == {}
    assert workload_findings(Lake(str(tmp_path / "none")), VIEWS) == {}


def test_one_critical_finding_outweighs_many_lesser_ones(house: House) -> None:
    """Of too many workloads those with the most severe findings are named, then those with more of them."""
    lesser = [("high", "open", of(f"high-{n:02}")) for n in range(MOST) for _ in range(2)]
    house.find(
        *lesser, ("critical", "open", of("leaky")), ("high", "open", of("one")), *[("low", "open", of("low"))] * 99
    )
    named = {workload for _, workload, _ in workload_findings(house.lake, VIEWS)}
    assert named == {"leaky", *(f"high-{n:02}" for n in range(MOST - 1))}


def test_any_name_in_evidence_is_only_a_name(house: House) -> None:
    """Evidence that a forged log made is told as it is; what is no text becomes text."""
    house.find(*(("low", "open", of(name)) for name in NAMES), ("low", "open", json.dumps({"workload": {"a": [1]}})))
    found = workload_findings(house.lake, VIEWS)
    assert found == {("endpoint", name, "low"): 1 for name in NAMES} | {("none", '{"a":[1]}', "low"): 1}
