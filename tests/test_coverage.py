"""Coverage: real flow log text and an inventory in, spans of each interface's life out; minutes count from START."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowaudit import catalogue
from flowaudit.collect import collect
from flowaudit.config import shipped
from flowaudit.coverage import MINUTE, Coverage, coverage, line, statement
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.paths import Atlas
from flowaudit.sources.local import LocalSource
from flowaudit.topology import Discovery, FlowLog, Interface, Network, VpcConfig, Workload
from tests.flowlogs import START, V2, write

ACCOUNT, REGION, ENI = "123456789012", "us-east-1", "eni-0a"
VIEWS = catalogue.load([shipped("queries")]).views
HOUR = 60
ALL = FlowLog(flow_log_id="fl-1a", resource_id="vpc-1", traffic_type="ALL", status="ACTIVE", delivery_status="SUCCESS")
FAST = replace(ALL, max_aggregation_interval=60)
SLOW = replace(ALL, max_aggregation_interval=600)
ACCEPT = replace(FAST, traffic_type="ACCEPT")
FAILED = replace(FAST, delivery_status="FAILED", delivery_error="Access error")


def at(minute: float) -> datetime:
    """The time of a minute."""
    return datetime.fromtimestamp(START, UTC) + minute * MINUTE


def eni(interface_id: str = ENI, attached: float | None = 0, **more: Any) -> Interface:
    """One of SageMaker's interfaces in vpc-1."""
    place = {"account_id": ACCOUNT, "region": REGION, "vpc_id": "vpc-1", "subnet_id": "subnet-1", "status": "in-use"}
    attached_at = None if attached is None else at(attached)
    return Interface(**{**place, "owner": "sagemaker", "attached_at": attached_at} | more, interface_id=interface_id)


def text(start: int, seconds: int = 50, *, status: str = "OK", interface: str = ENI) -> str:
    """A record of `seconds` from second `start` on."""
    first = START + start
    if status == "OK":
        head = f"2 {ACCOUNT} {interface} 10.0.0.5 203.0.113.9 40000 443 6 10 99 {first} {first + seconds} ACCEPT OK"
    else:
        head = f"2 {ACCOUNT} {interface} - - - - - - - {first} {first + seconds} - {status}"
    return f"{head} vpc-1 subnet-1"


def every(first: int, last: int, step: int = 1, **more: Any) -> list[str]:
    """A record of nearly a whole interval, each `step` minutes, from minute `first` to before `last`."""
    return [text(60 * minute + 5, 60 * step - 10, **more) for minute in range(first, last, step)]


@dataclass(frozen=True)
class Look:
    """What AWS says at a minute; `networks` False: it could not be asked for them."""

    minute: float
    interfaces: tuple[Interface, ...] = (eni(),)
    logs: tuple[FlowLog, ...] = (FAST,)
    workloads: tuple[Workload, ...] = ()
    unknown: tuple[str, ...] = ()

    def record(self, lake: Lake) -> None:
        """Put it into the lake."""
        network = Network(vpc_id="vpc-1", account_id=ACCOUNT, region=REGION, flow_logs=self.logs, unknown=self.unknown)
        found = Discovery(
            account_id=ACCOUNT,
            region=REGION,
            at=at(self.minute),
            interfaces=self.interfaces,
            workloads=self.workloads,
            networks=(network,),
        )
        history.record(lake, found)


@dataclass
class House:
    """A lake, and a folder of logs for it."""

    folder: Path
    objects: int = 0
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.lake = Lake(str(self.folder / "lake"))
        self.lake.create()

    def deliver(self, lines: Iterable[str], flow_log: str = "fl-1a") -> None:
        """Collect an object of a flow log."""
        self.objects += 1
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_20260101T0000Z_{self.objects}.log.gz"
        write(self.folder / "logs" / name, *lines, header=f"{V2} vpc-id subnet-id")
        collect([(LocalSource(str(self.folder / "logs")), None)], self.lake, atlas=Atlas(everything=True))

    def coverage(self, now: float, span: tuple[float, float] | None = None) -> Coverage:
        """Look at coverage."""
        return coverage(self.lake, VIEWS, span and Window(at(span[0]), at(span[1])), at(now))


def gaps(found: Coverage) -> list[tuple[str, float, float]]:
    """The gaps of all interfaces, in minutes."""
    return [(r["state"], (r["since"] - at(0)) / MINUTE, (r["until"] - at(0)) / MINUTE) for r in found.gaps.to_pylist()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty lake."""
    return House(tmp_path)


@dataclass(frozen=True)
class Case:
    """What is known and what was delivered, and which minutes of the first hour are then not covered."""

    says: str
    lines: tuple[str, ...] = ()
    gaps: tuple[tuple[str, float, float], ...] = ()
    looks: tuple[Look, ...] = (Look(0),)
    minutes: int = HOUR
    now: float = 10 * HOUR
    flow_log: str = "fl-1a"


def gone(minute: float, before: float, **more: Any) -> Case:
    """A case of an interface that a look at `before` found and one at `minute` did not."""
    return Case(looks=(Look(0, ()), Look(before), Look(minute, ())), **more)


CASES = [
    Case("a record each minute", tuple(every(0, 60))),
    Case("a record each ten minutes", tuple(every(0, 60, 10)), looks=(Look(0, logs=(SLOW,)),)),
    Case(
        "one short record in each interval of ten minutes, early in one and late in the next",
        tuple(text(600 * n + 30 + 500 * (n % 2), 1) for n in range(6)),
        looks=(Look(0, logs=(SLOW,)),),
    ),
    Case("an unknown interval is taken for ten minutes", tuple(every(0, 60, 10)), looks=(Look(0, logs=(ALL,)),)),
    Case(
        "a record each ten minutes where there ought to be one a minute",
        tuple(text(600 * n, 50) for n in range(6)),
        tuple(("missing", 10 * n + 1, 10 * n + 10) for n in range(6)),
    ),
    Case("NODATA is as good", tuple(every(0, 60, status="NODATA"))),
    Case(
        "NODATA windows of 18 to 138 seconds that overlap",
        tuple(
            text(s, length, status="NODATA") for s, length in zip(range(0, 3600, 55), [18, 138, 59] * 40, strict=False)
        ),
    ),
    Case("times are up to a minute off", tuple(text(60 * n + (55 if n % 2 else 5), 1) for n in range(60))),
    Case("one interval is missing: within a minute", tuple(every(0, 20) + every(21, 60))),
    Case("two intervals are missing", tuple(every(0, 20) + every(22, 60)), (("missing", 20, 22),)),
    Case("half an hour is missing", tuple(every(0, 20) + every(50, 60)), (("missing", 20, 50),)),
    Case(
        "an interval of ten minutes is missing",
        tuple(every(0, 20, 10) + every(30, 60, 10)),
        (("missing", 20, 30),),
        looks=(Look(0, logs=(SLOW,)),),
    ),
    Case("nothing ever arrives", (), (("missing", 0, 60),)),
    Case(
        "SKIPDATA in the middle, whatever else there is of it",
        (*every(0, 60), text(60 * 30 + 5, 50, status="SKIPDATA")),
        (("skipped", 30, 31),),
    ),
    Case(
        "a SKIPDATA record within a second",
        (*every(0, 60), text(60 * 30, 0, status="SKIPDATA")),
        (("skipped", 30, 31),),
    ),
    Case("no flow log at all", (), (("not_monitored", 0, 60),), looks=(Look(0, logs=()),)),
    Case(
        "a flow log of another VPC",
        (),
        (("not_monitored", 0, 60),),
        looks=(Look(0, logs=(replace(FAST, resource_id="vpc-2"),)),),
    ),
    Case(
        "a flow log on the subnet", tuple(every(0, 60)), looks=(Look(0, logs=(replace(FAST, resource_id="subnet-1"),)),)
    ),
    Case(
        "a flow log on the interface that is silent",
        (),
        (("missing", 0, 60),),
        looks=(Look(0, logs=(replace(FAST, resource_id=ENI),)),),
    ),
    Case(
        "a flow log of accepted traffic only",
        tuple(every(0, 60)),
        (("not_monitored", 0, 60),),
        looks=(Look(0, logs=(ACCEPT,)),),
    ),
    Case(
        "accepted traffic in one flow log, everything in another",
        tuple(every(0, 60)),
        looks=(Look(0, logs=(replace(ACCEPT, flow_log_id="fl-2b"), FAST)),),
    ),
    Case("a delivery that fails", (), (("not_monitored", 0, 60),), looks=(Look(0, logs=(FAILED,)),)),
    Case("a delivery that is said to fail and arrives", tuple(every(0, 60)), looks=(Look(0, logs=(FAILED,)),)),
    Case(
        "a flow log made in the middle",
        tuple(every(30, 60)),
        (("not_monitored", 0, 30),),
        looks=(Look(0, logs=()), Look(35)),
    ),
    Case(
        "a flow log made in the middle that is silent",
        (),
        (("not_monitored", 0, 35), ("missing", 35, 60)),
        looks=(Look(0, logs=()), Look(35)),
    ),
    Case("records of a flow log that nobody listed", tuple(every(0, 60)), looks=(Look(0, logs=()),), flow_log="fl-9f"),
    Case(
        "an interface that is attached later", tuple(every(40, 60)), minutes=20, looks=(Look(45, (eni(attached=40),)),)
    ),
    Case(
        "an interface that is attached after it was made",
        tuple(every(25, 60)),
        minutes=35,
        looks=(Look(5, (eni(attached=None, status="available"),)), Look(28, (eni(attached=25),))),
    ),
    Case(
        "an interface whose attachment nobody knows lives since somebody saw it",
        (),
        (("missing", 20, 60),),
        looks=(Look(0, ()), Look(20, (eni(attached=None),))),
        minutes=40,
    ),
    Case(
        "… or since its first record",
        tuple(every(10, 60)),
        looks=(Look(0, ()), Look(20, (eni(attached=None),))),
        minutes=50,
    ),
    gone(60, 40, says="a life ends when it was last seen", lines=tuple(every(0, 40)), minutes=40),
    gone(60, 40, says="… or with its last record", lines=tuple(every(0, 47)), minutes=47),
    gone(
        60, 40, says="a life that ends in silence", lines=tuple(every(0, 30)), gaps=(("missing", 30, 40),), minutes=40
    ),
    Case(
        "two minutes of life, both logged",
        (text(60 * 10 + 20, 20), text(60 * 11 + 10, 30)),
        minutes=2,
        looks=(Look(0, ()), Look(12, (eni(attached=10.2),)), Look(22, ())),
    ),
    Case(
        "two minutes of life, told of by records alone",
        (text(60 * 10 + 20, 20), text(60 * 11 + 10, 30)),
        minutes=2,
        looks=(Look(0, ()), Look(20, (eni(attached=None, status="seen_in_logs"),))),
    ),
    Case(
        "two minutes of life, in silence",
        (),
        (("missing", 10, 12),),
        minutes=2,
        looks=(Look(0, ()), Look(12, (eni(attached=10.2),)), Look(22, ())),
    ),
    Case(
        "flow logs could not be asked for, records are there",
        tuple(every(0, 60)),
        looks=(Look(0, logs=(), unknown=("flow_logs",)),),
    ),
    Case(
        "flow logs could not be asked for, and silence",
        (),
        (("missing", 0, 60),),
        looks=(Look(0, logs=(), unknown=("flow_logs",)),),
    ),
    Case(
        "nobody ever asked AWS: from the first record to the last",
        tuple(every(10, 30) + every(40, 50)),
        looks=(),
        minutes=40,
    ),
    Case(
        "nobody ever asked AWS, and a long silence between",
        tuple(every(0, 10) + every(50, 60)),
        looks=(),
        gaps=(("missing", 19, 41),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_minute_is_covered_or_it_is_told_why_not(house: House, case: Case) -> None:
    """What was delivered decides, then whether it should have been; each minute of a life is in one state."""
    for look in case.looks:
        look.record(house.lake)
    if case.lines:
        house.deliver(case.lines, case.flow_log)
    found = house.coverage(case.now, (0, HOUR))
    assert gaps(found) == list(case.gaps)
    assert sum(found.minutes.values()) == case.minutes


def test_a_late_object_is_pending_then_missing_then_covered(house: House) -> None:
    """A minute is missing a quarter of an hour after the end of its interval, and covered once it arrives after all."""
    Look(0).record(house.lake)
    house.deliver(every(0, 30))

    assert gaps(house.coverage(40, (0, 40))) == [("pending", 30, 40)]
    assert gaps(house.coverage(56, (0, 40))) == [("missing", 30, 40)]
    assert gaps(house.coverage(50, (0, 40))) == [("missing", 30, 34), ("pending", 34, 40)]
    house.deliver(every(30, 40))
    assert gaps(house.coverage(56, (0, 40))) == []


def test_the_allowance_is_a_parameter(house: House) -> None:
    """Who knows a slower delivery waits longer."""
    Look(0).record(house.lake)
    found = coverage(house.lake, VIEWS, Window(at(0), at(40)), at(90), timedelta(hours=2))
    assert gaps(found) == [("pending", 0, 40)]


def test_nothing_is_judged_that_has_not_passed(house: House) -> None:
    """A window that reaches into the future ends at the present minute."""
    Look(0).record(house.lake)
    found = house.coverage(30.5, (10, 90))
    assert (found.window, gaps(found)) == (Window(at(10), at(30)), [("missing", 10, 14), ("pending", 14, 30)])


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (Look(0), "fl-1a delivered nothing"),
        (Look(0, logs=()), "no flow log on the interface, its subnet or its VPC"),
        (Look(0, logs=(ACCEPT,)), "fl-1a records ACCEPT only"),
        (Look(0, logs=(FAILED,)), "delivery of fl-1a fails: Access error"),
        (Look(0, logs=(replace(FAILED, delivery_error=None),)), "delivery of fl-1a fails"),
        (
            Look(0, logs=(ACCEPT, replace(FAILED, flow_log_id="fl-2b"))),
            "delivery of fl-2b fails: Access error; fl-1a records ACCEPT only",
        ),
        (Look(0, unknown=("flow_logs",), logs=()), "nothing arrived; whether there is a flow log is not known"),
    ],
)
def test_a_gap_has_its_reason(house: House, look: Look, why: str) -> None:
    """Who reads it knows which flow log to look at."""
    look.record(house.lake)
    assert house.coverage(10 * HOUR, (0, HOUR)).gaps.column("why").to_pylist() == [why]


def test_figures_are_by_interface_with_its_workload(house: House) -> None:
    """One interface is covered, another silent; a third is not SageMaker's and is not counted."""
    silent = eni("eni-0b", workload_kind="endpoint", workload="fraud", workload_arn="arn:x", attribution="tag")
    Look(0, (eni(), silent, eni("eni-0c", owner="lambda"))).record(house.lake)
    house.deliver(every(0, 60))
    found = house.coverage(10 * HOUR, (0, HOUR))
    assert [
        (r["interface_id"], r["workload"], r["vpc_id"], r["covered"], r["missing"])
        for r in found.interfaces.to_pylist()
    ] == [
        ("eni-0a", None, "vpc-1", 60, 0),
        ("eni-0b", "fraud", "vpc-1", 0, 60),
    ]
    assert found.minutes == {"covered": 60, "skipped": 0, "missing": 60, "not_monitored": 0, "pending": 0}


def test_without_an_inventory_gateways_are_left_out(house: House) -> None:
    """An interface that passes on others' traffic is none that has to be covered."""
    nat = text(0).replace("eni-0a 10.0.0.5", "eni-0d 10.0.0.220")
    columns = f"{V2} vpc-id subnet-id interface-type"
    name = f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-1a_20260101T0000Z_9.log.gz"
    write(house.folder / "logs" / name, f"{text(0)} -", f"{nat} nat_gateway", header=columns)
    house.deliver([])
    assert house.coverage(HOUR).interfaces.column("interface_id").to_pylist() == [ENI]


# --- what no flow log sees --------------------------------------------------------------------------------------------

NO_VPC = "no VpcConfig: it has no interface in a VPC of yours"
DIRECT = "direct internet access: by an interface of SageMaker's own"
PUBLIC = "PublicInternetOnly: its apps reach the internet by SageMaker"
SERVERLESS = "serverless: it has no interface"
IN_VPC = (VpcConfig(subnets=("subnet-1",), security_groups=("sg-1",)),)


def workload(kind: str, **more: Any) -> Workload:
    """A workload that runs."""
    known: dict[str, Any] = {
        "account_id": ACCOUNT,
        "region": REGION,
        "running": True,
        "status": "InService",
        "created_at": at(0),
    }
    return Workload(**known | more, arn=f"arn:{kind}", kind=kind, name=kind)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (workload("endpoint", instances=1), NO_VPC),
        (workload("endpoint", instances=1, vpc_configs=IN_VPC), None),
        (workload("endpoint", vpc_configs=IN_VPC), SERVERLESS),
        (workload("endpoint"), SERVERLESS),
        (workload("endpoint", vpc_configs=IN_VPC, status="Creating"), None),
        (workload("training_job"), NO_VPC),
        (workload("training_job", vpc_configs=IN_VPC), None),
        (workload("training_job", running=False), None),
        (workload("training_job", running=False, ended_at=at(30)), NO_VPC),
        (workload("training_job", running=False, created_at=at(-90), ended_at=at(-60)), None),
        (workload("processing_job"), NO_VPC),
        (workload("transform_job"), NO_VPC),
        (workload("cluster"), NO_VPC),
        (workload("notebook_instance"), NO_VPC),
        (workload("notebook_instance", vpc_configs=IN_VPC, internet="direct"), DIRECT),
        (workload("notebook_instance", vpc_configs=IN_VPC, internet="vpc"), None),
        (workload("domain", vpc_configs=IN_VPC, internet="direct"), PUBLIC),
        (workload("domain", vpc_configs=IN_VPC, internet="vpc"), None),
        (workload("app"), None),
        (workload("hyper_parameter_tuning_job"), None),
        (workload("model", running=False), None),
    ],
    ids=lambda each: f"{each.kind} {each.status} {each.internet}" if isinstance(each, Workload) else str(each),
)
def test_workloads_that_no_flow_log_sees(house: House, found: Workload, why: str | None) -> None:
    """What has no interface in the VPC, or another way beside it, is told of."""
    Look(40, (), workloads=(found,)).record(house.lake)
    rows = house.coverage(HOUR, (0, HOUR)).blind.to_pylist()
    assert [(row["workload"], row["why"]) for row in rows] == ([] if why is None else [(found.name, why)])


# --- one line ---------------------------------------------------------------------------------------------------------


def test_all_is_covered(house: House) -> None:
    """No gap, no word of one."""
    Look(0).record(house.lake)
    house.deliver(every(0, 60))
    assert statement(house.coverage(70)) == "coverage: 100 % of 60 interface-minutes in the 60m to 2026-01-01T01:00Z"


def test_gaps_and_blind_workloads_are_named(house: House) -> None:
    """How much is missing, of which interfaces, and how many workloads nobody sees."""
    Look(0, (eni(), eni("eni-0b"), eni("eni-0c")), workloads=(workload("training_job"),)).record(house.lake)
    house.deliver([*every(0, 50), text(3000, 50, status="SKIPDATA"), *every(51, 60)])
    assert statement(house.coverage(3 * HOUR, (0, HOUR))) == (
        "coverage: 32.7 % of 180 interface-minutes in the 60m to 2026-01-01T01:00Z; "
        "120 missing (eni-0b, eni-0c); 1 skipped by AWS (eni-0a); 1 workload sends by ways no flow log sees; "
        "the newest record is 2h old"
    )


def test_many_interfaces_are_counted(house: House) -> None:
    """Three are named, the others are a number; what is pending is no part of the whole."""
    Look(0, tuple(eni(f"eni-0{n}") for n in range(5)), logs=()).record(house.lake)
    assert statement(house.coverage(HOUR, (0, 10))) == (
        "coverage: 0.0 % of 50 interface-minutes in the 10m to 2026-01-01T00:10Z; "
        "50 not monitored (eni-00, eni-01, eni-02 and 2 more)"
    )


def test_what_is_pending_is_no_part_of_the_whole(house: House) -> None:
    """Nothing can be said of it yet."""
    Look(0).record(house.lake)
    assert statement(house.coverage(12, (0, 10))) == (
        "coverage: all is pending in the 10m to 2026-01-01T00:10Z; 10 pending"
    )


def test_nearly_all_is_not_all(house: House) -> None:
    """Percentages are rounded down: 100 % is said of all only."""
    Look(0).record(house.lake)
    house.deliver([*every(0, 1000), *every(1002, 3000)])
    assert statement(house.coverage(3000, (0, 2990))).startswith("coverage: 99.9 % of 2,990 interface-minutes")


def test_nothing_to_cover(house: House) -> None:
    """AWS was asked, and there is no interface of SageMaker's."""
    Look(0, ()).record(house.lake)
    told = statement(house.coverage(HOUR))
    assert told == "coverage: nothing to cover: no SageMaker interface in the 24h to 2026-01-01T01:00Z"


def test_an_empty_lake(house: House) -> None:
    """Neither records nor an inventory: nothing is known, and that is said."""
    assert statement(house.coverage(HOUR)) == (
        "coverage: nothing to cover: no SageMaker interface in the 24h to 2026-01-01T01:00Z; "
        "without an inventory (`flowaudit discover`) what has no record is unknown"
    )


def test_no_inventory(house: House) -> None:
    """Records alone tell of the interfaces that they have, and that is said."""
    house.deliver(every(0, 10))
    assert statement(house.coverage(20)) == (
        "coverage: 100 % of 10 interface-minutes in the 10m to 2026-01-01T00:10Z; "
        "without an inventory (`flowaudit discover`) what has no record is unknown"
    )


def test_by_default_the_last_day_of_records_counts(house: House) -> None:
    """From a day before the newest record on, at the earliest from the oldest; not until now."""
    Look(0).record(house.lake)
    house.deliver(every(0, 2))
    assert house.coverage(30 * HOUR).window == Window(at(0), at(2))
    house.deliver(every(1999, 2000))
    assert house.coverage(3000).window == Window(at(2000 - 24 * HOUR - 1), at(2000))


def test_the_line_never_fails(tmp_path: Path) -> None:
    """No lake, a broken view: the line says what is wrong."""
    assert line(Lake(str(tmp_path / "none")), VIEWS, at(0)).startswith("coverage: ")
    broken = {**VIEWS, "coverage_spans": "SELECT nonsense"}
    assert line(Lake(str(tmp_path / "none")), broken, at(0)).startswith("coverage: not known: ")


# --- for a finding's life ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "span", "covered"),
    [
        ({"interface_id": ENI, "path": "internet_gateway"}, (0, 20), True),
        ({"interface_id": ENI}, (0, 21), False),
        ({"interface_id": ENI}, (30, 40), True),
        ({"interface_id": ENI}, (50, 60), True),
        ({"interface_id": "eni-0b"}, (0, 10), False),
        ({"interface_id": "eni-0e"}, (30, 60), True),
        ({"interface_id": "eni-0f"}, (0, 10), False),
        ({"path": "internet_gateway"}, (50, 60), False),
        ({"interface_id": ENI}, (-10, 10), False),
        ({"interface_id": ENI}, (50, 90), False),
    ],
)
def test_a_finding_asks_whether_its_window_is_covered(
    house: House, key: dict[str, str], span: tuple[int, int], covered: bool
) -> None:
    """Every minute of its interface (or of all), after whose end there is nothing to see; else it is not known."""
    gone = eni("eni-0e")
    Look(0, (eni(), eni("eni-0b"), gone)).record(house.lake)
    Look(20, (eni(), eni("eni-0b"), gone)).record(house.lake)
    Look(30, (eni(), eni("eni-0b"))).record(house.lake)
    house.deliver([*every(0, 20), *every(30, 60)])
    found = house.coverage(10 * HOUR, (0, HOUR))
    assert found.covered(key, Window(at(span[0]), at(span[1]))) is covered


def test_without_an_inventory_silence_is_not_covered(house: House) -> None:
    """After its last record an interface may be there or not: nobody knows."""
    house.deliver(every(0, 20))
    found = house.coverage(10 * HOUR, (0, HOUR))
    assert found.covered({"interface_id": ENI}, Window(at(5), at(15)))
    assert not found.covered({"interface_id": ENI}, Window(at(10), at(30)))
    assert not found.covered({"interface_id": "eni-0b"}, Window(at(5), at(15)))
