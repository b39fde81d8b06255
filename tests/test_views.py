"""The views, over a lake of hand-made observations and records: what held when, and what counts once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowaudit import catalogue, sql
from flowaudit.config import shipped
from flowaudit.lake import Lake
from flowaudit.schema import TABLES, row_of
from flowaudit.topology import (
    Endpoint,
    FlowLog,
    Gateway,
    Interface,
    Network,
    Owner,
    PrefixList,
    Route,
    RouteTable,
    Subnet,
    Workload,
)

EVER = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ONE, TWO, THREE, FOUR = (NOON + timedelta(hours=n) for n in range(4))
HERE: dict[str, Any] = {"account_id": "123456789012", "region": "eu-west-1"}
JOB, TWIN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/a", "arn:…:training-job/b"
VIEWS = catalogue.load([shipped("queries")]).views

Observation = tuple[datetime, datetime | None, Any]
"""When it was made, since when it can have come about, and the thing; a thing in a list: it is gone."""


Case = tuple[list[Observation], list[Any]]


def lake_of(folder: Path, flows: Iterable[Mapping[str, Any]] = (), **tables: Iterable[Observation]) -> Lake:
    """A lake with these records and observations."""
    lake = Lake(str(folder / "lake"))
    lake.create()
    for table, observations in tables.items():
        rows = [_row(*each) for each in observations]
        lake.log(table).commit(pa.Table.from_pylist(rows, TABLES[table].schema), {})
    batch = lake.batch()
    files = batch.files()
    records = [{"batch": batch.number, "day": date(2026, 5, 4), **each} for each in flows]
    files.write(pa.Table.from_pylist(records, TABLES["flows"].schema))
    batch.commit(files.close(), [])
    return lake


def _row(at: datetime, since: datetime | None, thing: Any) -> dict[str, Any]:
    is_there = not isinstance(thing, list)
    return {"observed_at": at, "not_before": since, "present": is_there} | row_of(thing if is_there else thing[0])


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over all views."""
    with sql.connect(lake, views=VIEWS) as engine:
        return [tuple(row.values()) for row in engine.ask(query).to_pylist()]


def interface(arn: str | None = None, **more: Any) -> Interface:
    """An interface of SageMaker's, attributed to this workload."""
    told = {"interface_id": "eni-1", **HERE, "owner": Owner.SAGEMAKER, "workload_arn": arn}
    return Interface(**told | {"workload": arn[-1] if arn else None} | more)


def workload(status: str = "InProgress", **more: Any) -> Workload:
    """A training job."""
    return Workload(**{"arn": JOB, "kind": "training_job", "name": "a", "status": status, **HERE, **more})


LIVES: dict[str, Case] = {
    "nobody had looked": ([(ONE, None, interface())], [("", EVER, None)]),
    "new since a look": ([(TWO, ONE, interface())], [("", ONE, None)]),
    "changed": (
        [(ONE, None, interface()), (THREE, TWO, interface(description="new"))],
        [("", EVER, THREE), ("new", THREE, None)],
    ),
    "gone": ([(ONE, None, interface()), (TWO, ONE, [interface()])], [("", EVER, TWO)]),
    "back": (
        [(ONE, None, interface()), (TWO, ONE, [interface()]), (FOUR, THREE, interface(description="back"))],
        [("", EVER, TWO), ("back", FOUR, None)],
    ),
}
"""Observations of an interface, and the spans in which it was as its description says."""

OWNERS: dict[str, Case] = {
    "at once": ([(ONE, None, interface(JOB))], [("a", EVER, None)]),
    "late": ([(ONE, None, interface()), (TWO, ONE, interface(JOB))], [("a", EVER, None)]),
    "late, unknown before": (
        [(ONE, None, interface(owner="unknown")), (TWO, ONE, interface(JOB))],
        [("a", EVER, None)],
    ),
    "ambiguous, then unique": (
        [(ONE, None, interface(candidates=(JOB, TWIN))), (TWO, ONE, interface(JOB))],
        [("a", EVER, None)],
    ),
    "other change": (
        [(ONE, None, interface(JOB)), (TWO, ONE, interface(JOB, description="new"))],
        [("a", EVER, None)],
    ),
    "other workload": (
        [(ONE, None, interface(JOB)), (TWO, ONE, interface(TWIN))],
        [("a", EVER, TWO), ("b", TWO, None)],
    ),
    "other workload and back": (
        [(ONE, None, interface(JOB)), (TWO, ONE, interface(TWIN)), (THREE, TWO, interface(JOB))],
        [("a", EVER, TWO), ("b", TWO, THREE), ("a", THREE, None)],
    ),
    "forgotten": ([(ONE, None, interface(JOB)), (TWO, ONE, interface())], [("a", EVER, None)]),
    "forgotten and found again": (
        [(ONE, None, interface(JOB)), (TWO, ONE, interface()), (THREE, TWO, interface(JOB))],
        [("a", EVER, None)],
    ),
    "gone": ([(ONE, None, interface(JOB)), (TWO, ONE, [interface(JOB)])], [("a", EVER, None)]),
    "never": ([(ONE, None, interface()), (TWO, ONE, interface(candidates=(JOB, TWIN)))], [(None, EVER, None)]),
    "not of SageMaker": ([(ONE, None, interface(JOB, owner="ec2_instance"))], []),
}
"""Observations of an interface, and the spans in which it was a workload's."""

JOBS: dict[str, Case] = {
    "created after a look": ([(TWO, ONE, workload(created_at=NOON))], [("InProgress", NOON, None)]),
    "created, nobody had looked": ([(TWO, None, workload(created_at=ONE))], [("InProgress", ONE, None)]),
    "new since a look": ([(TWO, ONE, workload())], [("InProgress", ONE, None)]),
    "ever": ([(TWO, None, workload())], [("InProgress", EVER, None)]),
    "changed and gone": (
        [(TWO, ONE, workload()), (THREE, TWO, workload("Completed")), (FOUR, THREE, [workload("Completed")])],
        [("InProgress", ONE, THREE), ("Completed", THREE, FOUR)],
    ),
}
"""Observations of a workload, and the spans of its statuses."""


@pytest.fixture(scope="module")
def interfaces(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every case's interface in one lake."""
    cases = {**LIVES, **OWNERS}
    observed = [
        (at, since, _named(thing, "interface_id", case)) for case in cases for at, since, thing in cases[case][0]
    ]
    return lake_of(tmp_path_factory.mktemp("interfaces"), interfaces=observed)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every case's workload in one lake."""
    observed = [
        (at, since, _named(_named(thing, "name", case), "arn", case))
        for case in JOBS
        for at, since, thing in JOBS[case][0]
    ]
    return lake_of(tmp_path_factory.mktemp("jobs"), workloads=observed)


def _named(thing: Any, field: str, name: str) -> Any:
    return [_named(thing[0], field, name)] if isinstance(thing, list) else replace(thing, **{field: name})


class TestInterfaces:
    """Interfaces, and whose they were."""

    @pytest.mark.parametrize("case", LIVES)
    def test_history(self, interfaces: Lake, case: str) -> None:
        """An interface is as described from one observation to the next; while it is gone it has no row."""
        query = "SELECT description, valid_from, valid_to FROM interface_history WHERE interface_id = '{}' ORDER BY 2"
        assert ask(interfaces, query.format(case)) == LIVES[case][1]

    @pytest.mark.parametrize("case", OWNERS)
    def test_whose(self, interfaces: Lake, case: str) -> None:
        """An interface is one workload's for life: late attribution holds from the beginning, and silence ends none."""
        query = "SELECT workload, valid_from, valid_to FROM interface_workloads WHERE interface_id = '{}' ORDER BY 2"
        assert ask(interfaces, query.format(case)) == OWNERS[case][1]

    def test_the_ambiguous_name_their_candidates(self, tmp_path: Path) -> None:
        """Where several workloads would fit, the newest word names them."""
        lake = lake_of(tmp_path, interfaces=[(ONE, None, interface()), (TWO, ONE, interface(candidates=(JOB, TWIN)))])
        assert ask(lake, "SELECT workload_arn, candidates FROM interface_workloads") == [(None, [JOB, TWIN])]

    def test_one_interface_is_no_other(self, tmp_path: Path) -> None:
        """Each has its own spans."""
        others = [interface(interface_id="eni-2"), interface(TWIN, interface_id="eni-3")]
        observed = [(ONE, None, each) for each in (interface(JOB), *others)]
        lake = lake_of(tmp_path, interfaces=[*observed, (TWO, ONE, [others[1]])])
        query = "SELECT interface_id, workload, valid_to FROM interface_workloads ORDER BY 1"
        assert ask(lake, query) == [("eni-1", "a", None), ("eni-2", None, None), ("eni-3", "b", None)]
        query = "SELECT interface_id, valid_to FROM interface_history ORDER BY 1"
        assert ask(lake, query) == [("eni-1", None), ("eni-2", None), ("eni-3", TWO)]


class TestWorkloads:
    """SageMaker resources."""

    @pytest.mark.parametrize("case", JOBS)
    def test_history(self, jobs: Lake, case: str) -> None:
        """A workload is as described from its creation, from one observation to the next."""
        query = f"SELECT status, valid_from, valid_to FROM workload_history WHERE name = '{case}' ORDER BY 2"
        assert ask(jobs, query) == JOBS[case][1]


def network(number: int = 1, vpc_id: str = "vpc-1", **more: Any) -> Network:
    """A VPC with one of each, all of them with this number."""
    return Network(
        **HERE,
        vpc_id=vpc_id,
        subnets=(Subnet(subnet_id=f"subnet-{number}", route_table_id=f"rtb-{number}"),),
        route_tables=(
            RouteTable(
                route_table_id=f"rtb-{number}",
                routes=(Route(destination="10.0.0.0/16", target="local"), Route(destination="::/0", target="igw-1")),
            ),
        ),
        gateways=(Gateway(kind="nat_gateway", gateway_id=f"nat-{number}"),),
        endpoints=(Endpoint(endpoint_id=f"vpce-{number}", type="Gateway", service="s3"),),
        prefix_lists=(PrefixList(prefix_list_id=f"pl-{number}", cidrs=("192.0.2.0/25", "192.0.2.128/25")),),
        flow_logs=(FlowLog(flow_log_id=f"fl-{number}", resource_id=vpc_id),),
        **more,
    )


class TestNetworks:
    """VPCs and what lies in them."""

    @pytest.mark.parametrize(
        ("view", "column", "each"),
        [
            ("networks", "vpc_id", ["vpc-1"]),
            ("subnets", "subnet_id", ["subnet-{}"]),
            ("routes", "route_table_id || ' ' || destination", ["rtb-{} 10.0.0.0/16", "rtb-{} ::/0"]),
            ("gateways", "gateway_id", ["nat-{}"]),
            ("endpoints", "endpoint_id", ["vpce-{}"]),
            ("prefixes", "prefix_list_id || ' ' || cidr", ["pl-{} 192.0.2.0/25", "pl-{} 192.0.2.128/25"]),
            ("flow_logs", "flow_log_id", ["fl-{}"]),
        ],
    )
    def test_what_was_there_and_when(self, tmp_path: Path, view: str, column: str, each: list[str]) -> None:
        """It holds from when it was found, the first from ever; not while the VPC was gone, and not of another VPC."""
        observed: list[Observation] = [
            (ONE, None, network(1)),
            (TWO, ONE, network(2)),
            (THREE, TWO, [network(2)]),
            (FOUR, THREE, network(3)),
            (TWO, ONE, network(9, "vpc-9")),
        ]
        lake = lake_of(tmp_path, topology=observed)
        found = ask(lake, f"SELECT {column}, valid_from, valid_to FROM {view} WHERE vpc_id = 'vpc-1' ORDER BY 2, 1")
        spans = [(1, EVER, TWO), (2, TWO, THREE), (3, FOUR, None)]
        assert found == [(name.format(n), *span) for n, *span in spans for name in each]
        assert ask(lake, f"SELECT DISTINCT valid_from, valid_to FROM {view} WHERE vpc_id = 'vpc-9'") == [(TWO, None)]

    def test_what_one_account_sees_of_a_vpc_is_its_own(self, tmp_path: Path) -> None:
        """A shared VPC has a history for each account that sees it."""
        theirs = Network(vpc_id="vpc-1", account_id="210987654321", region="eu-west-1")
        lake = lake_of(tmp_path, topology=[(ONE, None, network()), (TWO, None, theirs)])
        query = "SELECT account_id, valid_from, valid_to FROM networks ORDER BY account_id"
        assert ask(lake, query) == [("123456789012", EVER, None), ("210987654321", EVER, None)]


def seconds(moment: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=moment)


def record(start: float, end: float, log: str | None = "fl-poor", **more: Any) -> dict[str, Any]:
    """A record of one workload's conversation with the internet, whose way is unknown."""
    told = {
        "interface_id": "eni-1",
        "srcport": 40000,
        "remote_port": 443,
        "protocol": 6,
        "bytes": 1,
        "action": "ACCEPT",
        "log_status": "OK",
        "direction": "egress",
        "local_addr": "10.0.0.5",
        "remote_addr": "203.0.113.9",
        "remote_scope": "public",
        "path": "unknown",
        "path_evidence": "none",
        "vpc_id": "vpc-1",
        "flow_log_id": log,
    }
    return told | {"start_time": seconds(start), "end_time": seconds(end)} | more


def rich(start: float, end: float, log: str = "fl-rich", **more: Any) -> dict[str, Any]:
    """As `record`, of a flow log that tells more."""
    return record(start, end, log, traffic_path=8, path="internet_gateway", path_evidence="traffic_path", **more)


class TestTransit:
    """Interfaces that pass on other interfaces' traffic."""

    @pytest.mark.parametrize(
        ("owner", "counts"),
        [
            ("nat_gateway", False),
            ("transit_gateway", False),
            ("vpc_endpoint", False),
            ("gateway_load_balancer_endpoint", False),
            ("network_load_balancer", False),
            ("sagemaker", True),
            ("unknown", True),
            ("load_balancer", True),
        ],
    )
    def test_the_inventory_knows_them(self, tmp_path: Path, owner: str, counts: bool) -> None:
        """What the inventory came to know only after the records is left out of what workloads sent."""
        lake = lake_of(tmp_path, [record(0, 50)], interfaces=[(ONE, None, interface(owner=owner))])
        assert ask(lake, "SELECT count(*) FROM egress") == [(int(counts),)]
        assert ask(lake, "SELECT count(*) FROM transit_interfaces") == [(int(not counts),)]

    def test_a_record_betrays_them(self, tmp_path: Path) -> None:
        """One record with a vantage is enough for all the others of its interface."""
        lake = lake_of(tmp_path, [record(0, 50), record(60, 110, vantage="nat_gateway")])
        assert ask(lake, "SELECT count(*) FROM egress") == [(0,)]


DOUBLES: dict[str, tuple[list[dict[str, Any]], dict[str, int]]] = {
    "two": ([record(0, 50), rich(0, 50)], {"fl-rich": 1}),
    "two alike: the first by its id": ([record(0, 50), record(0, 50, "fl-a")], {"fl-a": 1}),
    "three": ([record(0, 50), rich(0, 50), rich(0, 50, "fl-a")], {"fl-a": 1}),
    "one": ([record(0, 50), record(60, 110)], {"fl-poor": 2}),
    "two records each": ([record(0, 50), record(60, 110), rich(0, 50), rich(60, 110)], {"fl-rich": 2}),
    "other interface": ([record(0, 50), rich(0, 50, interface_id="eni-2")], {"fl-poor": 1, "fl-rich": 1}),
    "the richer records accepted traffic only": (
        [record(0, 50, action="REJECT"), record(0, 50), rich(0, 50)],
        {"fl-poor": 1, "fl-rich": 1},
    ),
    "the richer failed for a while": (
        [record(0, 50), record(1200, 1250), record(2400, 2450), rich(0, 50), rich(2400, 2450)],
        {"fl-poor": 1, "fl-rich": 2},
    ),
    "the richer takes over": (
        [record(0, 50), record(60, 110), record(120, 170), rich(120, 170), rich(180, 230)],
        {"fl-poor": 2, "fl-rich": 2},
    ),
    "the richer at shorter intervals": (
        [record(0, 590), *(rich(start, start + 50) for start in range(0, 600, 60))],
        {"fl-rich": 10},
    ),
    "the richer at longer intervals": (
        [rich(0, 590), *(record(start, start + 50) for start in range(0, 600, 60))],
        {"fl-rich": 1},
    ),
    "the richer over the edge of a span": (
        [rich(300, 890), record(300, 350), record(600, 650), record(840, 890)],
        {"fl-rich": 1},
    ),
    "records of no flow log": ([record(0, 50, None), rich(0, 50)], {"fl-rich": 1}),
    "no end": ([record(0, 50), rich(0, 50, log_status="OK", end_time=None)], {"fl-rich": 1}),
}
"""Records of flow logs, and how many of each count."""


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every case's records in one lake, each of an interface and of flow logs of its own."""
    flows = [
        each
        | {"interface_id": f"{case} {each['interface_id']}"}
        | {"flow_log_id": each["flow_log_id"] and f"{each['flow_log_id']} {case}"}
        for case, (records, _) in DOUBLES.items()
        for each in records
    ]
    return lake_of(tmp_path_factory.mktemp("twice"), flows)


class TestTwice:
    """What several flow logs record counts once."""

    @pytest.mark.parametrize("case", DOUBLES)
    def test_each_byte_once(self, twice: Lake, case: str) -> None:
        """The flow log that tells more counts, and where it has nothing the other one does."""
        query = (
            "SELECT split_part(flow_log_id, ' ', 1), count(*) FROM egress WHERE interface_id LIKE '{} eni%' GROUP BY 1"
        )
        assert dict(ask(twice, query.format(case))) == DOUBLES[case][1]


def nat(start: float, end: float, **more: Any) -> dict[str, Any]:
    """A zonal NAT gateway's record of the conversation: from the workload, to the destination in the packet."""
    told = {
        "interface_id": "eni-nat",
        "srcaddr": "10.0.0.5",
        "srcport": 40000,
        "dstaddr": "10.0.9.9",
        "pkt_dstaddr": "203.0.113.9",
        "dstport": 443,
        "protocol": 6,
        "action": "ACCEPT",
        "vantage": "nat_gateway",
        "vpc_id": "vpc-1",
    }
    return told | {"start_time": seconds(start), "end_time": seconds(end)} | more


PROOFS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "zonal": (record(0, 50), [nat(0, 50)], "nat_record"),
    "none": (record(0, 50), [], "none"),
    "regional": (
        record(0, 50),
        [
            nat(
                0,
                50,
                vantage="regional_nat_gateway",
                resource_id="nat-1",
                dstaddr="203.0.113.9",
                pkt_dstaddr=None,
                interface_id=None,
            )
        ],
        "nat_record",
    ),
    "vpc_resource": (record(0, 50, path="vpc_resource"), [nat(0, 50)], "nat_record"),
    "routes": (record(0, 50, path="nat_gateway", path_evidence="routes"), [nat(0, 50)], "nat_record"),
    "routes assumed": (
        record(0, 50, path="internet_gateway", path_evidence="routes_assumed"),
        [nat(0, 50)],
        "nat_record",
    ),
    "something stronger": (rich(0, 50), [nat(0, 50)], "traffic_path"),
    "other port": (record(0, 50), [nat(0, 50, srcport=40001)], "none"),
    "other remote port": (record(0, 50), [nat(0, 50, dstport=80)], "none"),
    "other protocol": (record(0, 50), [nat(0, 50, protocol=17)], "none"),
    "other source": (record(0, 50), [nat(0, 50, srcaddr="10.0.0.6")], "none"),
    "other destination": (record(0, 50), [nat(0, 50, pkt_dstaddr="203.0.113.8")], "none"),
    "the gateway itself was meant": (record(0, 50), [nat(0, 50, pkt_dstaddr="10.0.9.9", dstaddr="10.0.9.9")], "none"),
    "no NAT gateway": (record(0, 50), [nat(0, 50, vantage="middlebox")], "none"),
    "other VPC": (record(0, 50), [nat(0, 50, vpc_id="vpc-2")], "none"),
    "VPC of the gateway not told": (record(0, 50), [nat(0, 50, vpc_id=None)], "nat_record"),
    "VPC of the workload not told": (record(0, 50, vpc_id=None), [nat(0, 50)], "nat_record"),
    "the same addresses in two VPCs": (record(0, 50), [nat(0, 50), nat(0, 50, vpc_id="vpc-2")], "nat_record"),
    "and in the other one": (record(0, 50, vpc_id="vpc-2"), [nat(0, 50), nat(0, 50, vpc_id="vpc-2")], "nat_record"),
    "one VPC not told": (record(0, 50), [nat(0, 50, vpc_id=None), nat(0, 50, vpc_id="vpc-2")], "nat_record"),
    "60 s after": (record(0, 50), [nat(110, 150)], "nat_record"),
    "61 s after": (record(0, 50), [nat(111, 150)], "none"),
    "60 s before": (record(100, 150), [nat(0, 40)], "nat_record"),
    "61 s before": (record(100, 150), [nat(0, 39)], "none"),
    "next span": (record(299, 350), [nat(301, 350)], "nat_record"),
    "span before": (record(301, 350), [nat(200, 299)], "nat_record"),
    "a long one": (record(700, 750), [nat(0, 1300)], "nat_record"),
    "two records": (record(0, 50), [nat(-30, 20), nat(30, 80)], "nat_record"),
}
"""What a workload sent, what NAT gateways recorded, and what proves the way."""


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every case's records in one lake, each with addresses of its own."""
    flows = []
    for number, (flow, records, _) in enumerate(PROOFS.values(), 1):
        for each in (flow | {"interface_id": f"eni-{number}"}, *records):
            own = {n: each[n].replace("10.0.0.", f"10.1.{number}.") for n in ("srcaddr", "local_addr") if n in each}
            flows.append(each | own)
    return lake_of(tmp_path_factory.mktemp("nat"), flows)


class TestNatRecords:
    """What a NAT gateway recorded proves the way of what a workload sent."""

    @pytest.mark.parametrize("case", PROOFS)
    def test_a_record_of_the_same_conversation_proves_it(self, proven: Lake, case: str) -> None:
        """From the same port to the same one in the same VPC within a minute, and each flow is still there once."""
        number = list(PROOFS).index(case) + 1
        ((path, evidence),) = ask(proven, f"SELECT path, path_evidence FROM egress WHERE interface_id = 'eni-{number}'")
        assert evidence == PROOFS[case][2]
        assert path == "nat_gateway" or evidence != "nat_record"
