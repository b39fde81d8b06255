"""The scenario's log objects are what AWS would write, so that what is made of them can be held against the truth."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from flowaudit.readers import read
from tests.scenario.cloud import Cloud, build, serving
from tests.scenario.flows import FORMATS, TIMES, Traffic, text, traffic


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """Return the cloud as built; its ids outlive it."""
    with serving() as url:
        return build(url)


@pytest.fixture(scope="module")
def scenario(cloud: Cloud) -> Traffic:
    """Return all flows and records."""
    return traffic(cloud)


@pytest.mark.parametrize("format", FORMATS)
def test_every_line_is_read(format: str, scenario: Traffic) -> None:
    """Each format's text is read without a line in quarantine, and has all of its fields and no other."""
    for records in scenario.records.values():
        blocks = list(read(io.BytesIO(text(records, format).encode()), None))
        assert sum(block.bad for block in blocks) == 0
        assert sum(block.records.num_rows for block in blocks) == len(records)
        assert {len(block.records.column_names) for block in blocks} == {len(FORMATS[format])}


def test_every_flow_is_recorded_once_by_its_workload(scenario: Traffic) -> None:
    """Among all records there is one egress record with each flow's ports and bytes."""
    recorded = Counter(
        (record["interface-id"], int(record["srcport"]), int(record["dstport"]), int(record["bytes"]))
        for records in scenario.records.values()
        for record in records
        if record["flow-direction"] == "egress"
    )
    assert [recorded[*flow.key, flow.bytes] for flow in scenario.flows] == [1] * len(scenario.flows)
    assert {flow.time for flow in scenario.flows} == set(TIMES)


def test_a_zonal_nat_gateway_records_four_times_what_the_workload_records_twice(
    cloud: Cloud, scenario: Traffic
) -> None:
    """Inside it shows its own private address and, beside it, the packet's; outside only its own."""
    nat, studio = cloud.interfaces["nat"], cloud.interfaces["studio"]
    flow = next(flow for flow in scenario.flows if (flow.workload, flow.destination) == ("studio", "internet"))
    outside = str(flow.port + 20_000)
    ends = [
        (record["srcaddr"], record["dstaddr"], record["pkt-srcaddr"], record["pkt-dstaddr"], record["flow-direction"])
        for record in scenario.records[flow.time]
        if record["interface-id"] == nat.id and {record["srcport"], record["dstport"]} & {str(flow.port), outside}
    ]
    assert ends == [
        (studio.address, nat.address, studio.address, "203.0.113.9", "ingress"),
        (nat.address, "203.0.113.9", nat.address, "203.0.113.9", "egress"),
        ("203.0.113.9", nat.address, "203.0.113.9", nat.address, "ingress"),
        (nat.address, studio.address, "203.0.113.9", studio.address, "egress"),
    ]
