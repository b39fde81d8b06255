"""Verdicts for whole tables: which columns they get, and that each row gets what it would get alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit import paths
from flowaudit.paths import Atlas, columns
from flowaudit.schema import TIME, VERDICT
from flowaudit.topology import (
    Interface,
    Network,
    Owner,
    Route,
    RouteTable,
    Snapshot,
    Subnet,
    Topology,
)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.9.9", "private"),
        ("172.32.0.1", "public"),
        ("203.0.113.9", "public"),
        ("52.216.1.1", "public"),
        ("169.254.169.254", "link_local"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.251", "multicast"),
        ("0.0.0.0", "reserved"),
        ("240.0.0.1", "reserved"),
        ("2001:db8::1", "public6"),
        ("fd00::1", "private6"),
        ("fe80::1", "link_local6"),
        ("::1", "loopback6"),
        ("hello", None),
        (None, None),
    ],
)
def test_addresses_have_a_kind(address: str | None, kind: str | None) -> None:
    """Documentation ranges count as internet: a route there leaves the VPC like any other."""
    assert kind == paths.kind(address)


def _table(*rows: dict[str, Any]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


LEAK = {
    "srcaddr": "10.0.0.5",
    "dstaddr": "203.0.113.9",
    "srcport": 40000,
    "dstport": 443,
    "log_status": "OK",
    "flow_direction": "egress",
    "traffic_path": 8,
}


def test_a_table_gets_all_derived_columns() -> None:
    """An egress row, its answer and a NODATA row: sides, scopes and path, in the lake's columns and order."""
    answer = LEAK | {"srcaddr": "203.0.113.9", "dstaddr": "10.0.0.5", "srcport": 443, "dstport": 40000}
    answer |= {"flow_direction": "ingress", "traffic_path": None}

    judged = paths.verdict(_table(LEAK, answer, {"log_status": "NODATA"})).select(VERDICT.names).to_pylist()

    sides = {"local_addr": "10.0.0.5", "remote_addr": "203.0.113.9", "remote_port": 443, "remote_scope": "public"}
    nothing = dict.fromkeys(VERDICT.names)
    assert [
        nothing | sides | {"direction": "egress", "path": "internet_gateway", "path_evidence": "traffic_path"},
        nothing | sides | {"direction": "ingress"},
        nothing,
    ] == judged


def test_the_packet_address_is_the_remote_one() -> None:
    """A NAT gateway's row from an instance: the packet goes to the internet, though the interface took it in."""
    row = LEAK | {
        "dstaddr": "10.0.0.220",
        "pkt_srcaddr": "10.0.0.5",
        "pkt_dstaddr": "203.0.113.9",
        "flow_direction": "ingress",
    }

    judged = paths.verdict(_table(row)).to_pylist()[0]

    assert (judged["vantage"], judged["remote_addr"], judged["local_addr"]) == ("transit", "10.0.0.5", "203.0.113.9")


@pytest.mark.parametrize("names", [["log_status"], ["srcaddr"], ["interface_id"], ["flow_direction", "traffic_path"]])
def test_any_column_may_be_missing(names: list[str]) -> None:
    """A format with hardly any field gets verdicts too: nothing is decided, nothing breaks."""
    table = pa.table(
        {name: pa.array([None, None], pa.int32() if name == "traffic_path" else pa.string()) for name in names}
    )

    judged = paths.verdict(table)

    assert judged.column("remote_addr").to_pylist() == [None, None]
    assert (
        list(zip(*(judged.column(n).to_pylist() for n in ("path", "path_evidence")), strict=True))
        == [("unknown", "none")] * 2
    )


def test_no_rows_are_no_trouble() -> None:
    """An empty table stays empty and gets the columns."""
    assert VERDICT.names == paths.verdict(_table(LEAK).slice(0, 0)).column_names[-len(VERDICT.names) :]


@given(st.lists(st.sampled_from(["OK", "NODATA", "x", "y", "z"]), min_size=1), st.integers(0, 9))
def test_dense_codes_change_nothing(statuses: list[str], code: int) -> None:
    """However many distinct values there are, each row gets the verdict that it would get alone."""
    rows = [LEAK | {"log_status": status, "traffic_path": code} for status in statuses]
    before = columns._DENSE
    try:
        columns._DENSE = 1
        renumbered = paths.verdict(_table(*rows)).to_pylist()
    finally:
        columns._DENSE = before

    assert [paths.verdict(_table(row)).to_pylist()[0] for row in rows] == renumbered


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TABLE = RouteTable(route_table_id="rtb-1", routes=(Route(destination="10.0.0.0/16", target="local"),))
NETWORK = Network(
    vpc_id="vpc-1",
    account_id="111122223333",
    region="us-east-1",
    cidrs=("10.0.0.0/16",),
    subnets=(Subnet(subnet_id="subnet-1", cidrs=("10.0.0.0/24",), route_table_id="rtb-1"),),
    route_tables=(replace(TABLE, routes=(*TABLE.routes, Route(destination="0.0.0.0/0", target="nat-1"))),),
)
LEAKING = replace(
    NETWORK, route_tables=(replace(TABLE, routes=(*TABLE.routes, Route(destination="0.0.0.0/0", target="igw-1"))),)
)


def _interface(id: str, address: str, **more: Any) -> Interface:
    place = {"account_id": "111122223333", "region": "us-east-1", "vpc_id": "vpc-1", "subnet_id": "subnet-1"}
    return Interface(interface_id=id, private_addresses=(address,), **place | more)


ATLAS = Atlas(
    Topology(
        snapshots=(
            Snapshot(
                network=NETWORK,
                observed_at=NOON,
                until=NOON + timedelta(minutes=5),
                changed_at=NOON + timedelta(minutes=10),
            ),
            Snapshot(network=LEAKING, observed_at=NOON + timedelta(minutes=10), until=NOON + timedelta(minutes=20)),
        ),
        interfaces=(
            _interface("eni-job", "10.0.0.5", ipv6_addresses=("2001:db8::5",)),
            _interface("eni-nat", "10.0.0.9", owner=Owner.NAT_GATEWAY),
            _interface("eni-web", "10.0.0.7", owner=Owner.EC2_INSTANCE),
        ),
    )
)
"""A VPC whose default route is moved from a NAT gateway to an internet gateway between 12:05 and 12:10."""


def _record(minute: float, **fields: Any) -> dict[str, Any]:
    """What a flow log in the default format has of one record."""
    end = NOON + timedelta(minutes=minute)
    record = {"interface_id": "eni-job", "srcaddr": "10.0.0.5", "dstaddr": "203.0.113.9", "log_status": "OK"}
    return record | {"start_time": end - timedelta(minutes=1), "end_time": end} | fields


def _judged(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    types = {"start_time": TIME, "end_time": TIME, "traffic_path": pa.int32()}
    table = pa.table({n: pa.array([row.get(n) for row in rows], types.get(n, pa.string())) for n in names})
    return paths.verdict(table, ATLAS).to_pylist()


@pytest.mark.parametrize(
    ("minute", "path", "evidence"),
    [
        (-600, "nat_gateway", "routes_assumed"),
        (0, "nat_gateway", "routes"),
        (5, "nat_gateway", "routes"),
        (7, "unknown", "none"),
        (10, "internet_gateway", "routes"),
        (30, "internet_gateway", "routes"),
        (300, "internet_gateway", "routes_assumed"),
    ],
)
def test_a_record_is_judged_by_the_routes_of_its_time(minute: float, path: str, evidence: str) -> None:
    """Before the first look and long after the last one it is an assumption; between two looks that differ, unknown."""
    judged = _judged(_record(minute))[0]

    assert (path, evidence) == (judged["path"], judged["path_evidence"])


def test_many_times_in_one_table_are_kept_apart() -> None:
    """The rows of one table may fall into any era, some have no time at all, and each is judged by its own."""
    rows = [_record(minute) for minute in (0, 7, 10, 0)] + [_record(0) | {"start_time": None, "end_time": None}]

    assert [row["path"] for row in _judged(*rows)] == [
        "nat_gateway",
        "unknown",
        "internet_gateway",
        "nat_gateway",
        "nat_gateway",
    ]


@pytest.mark.parametrize(
    ("fields", "direction"),
    [
        ({"dstaddr": "10.0.0.77"}, "egress"),
        ({"srcaddr": "10.0.0.77", "dstaddr": "10.0.0.5"}, "ingress"),
        ({"srcaddr": "2001:db8::5", "dstaddr": "2001:db8:1::1"}, "egress"),
        ({"srcaddr": "2001:db8:1::1", "dstaddr": "2001:db8::5"}, "ingress"),
        ({"interface_id": "eni-new", "dstaddr": "10.0.0.77"}, None),
        ({"interface_id": "eni-new", "dstaddr": "192.168.7.7", "subnet_id": "subnet-1"}, "egress"),
        (
            {"interface_id": "eni-new", "srcaddr": "192.168.7.7", "dstaddr": "10.0.0.5", "subnet_id": "subnet-1"},
            "ingress",
        ),
        ({"dstaddr": "10.0.0.77", "flow_direction": "ingress"}, "ingress"),
    ],
)
def test_the_interfaces_own_address_tells_the_direction(fields: dict[str, Any], direction: str | None) -> None:
    """Where flow-direction was not recorded: whose address is whose, else which of the two lies in the VPC."""
    assert direction == _judged(_record(0, **fields))[0]["direction"]


def test_a_subnet_in_the_record_will_do() -> None:
    """An interface that nobody has discovered yet is judged by the subnet that its record names."""
    judged = _judged(_record(0, interface_id="eni-new", subnet_id="subnet-1"), _record(0, interface_id="eni-new"))

    assert [row["path"] for row in judged] == ["nat_gateway", "unknown"]


def test_the_inventory_knows_transit_interfaces() -> None:
    """A NAT gateway's own record, in a format without interface-type, has a vantage all the same."""
    judged = _judged(_record(0, interface_id="eni-nat", srcaddr="10.0.0.9"), _record(0))

    assert [row["vantage"] for row in judged] == ["nat_gateway", None]


def test_only_what_is_positively_something_else_is_out_of_scope() -> None:
    """Of a web server, a NAT gateway of the workloads' VPC, a workload, a stranger and no interface: the first goes."""
    ids = ["eni-web", "eni-nat", "eni-job", "eni-new", None]

    kept = columns.in_scope(pa.table({"interface_id": ids}), ATLAS)

    assert ids[1:] == kept.column("interface_id").to_pylist()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([-9.0, 0, 7, 12, 99]),
            st.sampled_from(["eni-job", "eni-nat", "eni-new", None]),
            st.sampled_from(["10.0.0.5", "203.0.113.9", "2001:db8::5", "10.0.0.9", None]),
            st.sampled_from(["203.0.113.9", "10.0.0.9", "junk"]),
        ),
        min_size=1,
    )
)
def test_rows_do_not_depend_on_their_neighbours(rows: list[tuple[float, str | None, str | None, str]]) -> None:
    """A row of a table gets the verdict that it would get alone."""
    records = [_record(minute, interface_id=id, srcaddr=src, dstaddr=dst) for minute, id, src, dst in rows]

    assert [_judged(record)[0] for record in records] == _judged(*records)
