"""Events are what schema.ocsf.io/1.6.0 says a Detection Finding is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

from flowaudit.cli.findings import State
from flowaudit.config import INTERNET_PATHS
from flowaudit.exchange import Case, ocsf
from flowaudit.exchange.case import STANDINGS
from tests.exchange.conftest import texts

REQUIRED = {
    "": {
        "activity_id",
        "category_uid",
        "class_uid",
        "cloud",
        "finding_info",
        "metadata",
        "severity_id",
        "time",
        "type_uid",
    },
    "metadata": {"product", "version"},
    "cloud": {"provider"},
    "finding_info": {"uid"},
    "finding_info.analytic": {"type_id"},
    "evidences.connection_info": {"direction_id"},
    "remediation": {"desc"},
}
"""The attributes that 1.6.0 requires, with the profile cloud, by the object they are in."""

AT_LEAST_ONE = {
    "cloud.account": {"name", "uid"},
    "metadata.product": {"name", "uid"},
    "resources": {"name", "uid"},
    "evidences": {"connection_info", "dst_endpoint", "src_endpoint", "data"},
    "evidences.src_endpoint": {"ip", "uid", "name", "interface_uid"},
    "evidences.dst_endpoint": {"ip", "uid", "name", "interface_uid"},
    "finding_info.analytic": {"name", "uid"},
    "finding_info.attacks": {"tactic", "technique", "sub_technique"},
    "finding_info.attacks.technique": {"name", "uid"},
    "finding_info.attacks.sub_technique": {"name", "uid"},
}
"""1.6.0's constraints `at_least_one`, as far as they name what we write."""

BOUNDARIES = {
    0: "Unknown",
    1: "Localhost",
    2: "Internal",
    3: "External",
    4: "Same VPC",
    5: "Internet/VPC Gateway",
    6: "Virtual Private Gateway",
    7: "Intra-region VPC",
    8: "Inter-region VPC",
    9: "Local Gateway",
    10: "Gateway VPC",
    11: "Internet Gateway",
}
"""The captions of 1.6.0's `network_connection_info.boundary_id`; 99 has the source's own words."""

ENUMERATIONS = {
    "activity_id": {0: "Unknown", 1: "Create", 2: "Update", 3: "Close"},
    "severity_id": {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal"},
    "status_id": {0: "Unknown", 1: "New", 2: "In Progress", 3: "Suppressed", 4: "Resolved", 5: "Archived"},
    "direction_id": {0: "Unknown", 1: "Inbound", 2: "Outbound", 3: "Lateral"},
    "boundary_id": BOUNDARIES,
    "role_id": {0: "Unknown", 1: "Target", 2: "Actor", 3: "Affected", 4: "Related"},
}
"""Numbers with the captions that their siblings must have."""


def objects(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in an event that OCSF describes, with the names that lead to it."""
    if isinstance(value, list):
        for member in value:
            yield from objects(member, path)
    elif isinstance(value, dict):
        yield path, value
        for name, member in value.items():
            if name not in ("unmapped", "data"):
                yield from objects(member, f"{path}.{name}".strip("."))


def test_events_are_valid(case: Case) -> None:
    """Whatever the finding, what is required is there, captions fit their numbers, and nothing is null."""
    event = ocsf.event(case)
    assert json.loads(json.dumps(event)) == event
    for path, found in objects(event):
        assert REQUIRED.get(path, set()) <= set(found), path
        assert not AT_LEAST_ONE.get(path) or AT_LEAST_ONE[path] & set(found), path
        assert None not in found.values()
        for number, captions in ENUMERATIONS.items():
            if number in found and found[number] != 99:
                caption = "activity_name" if number == "activity_id" else number.removesuffix("_id")
                assert found[caption] == captions[found[number]]


def test_a_reader_takes_them(case: Case) -> None:
    """Whatever the finding, a library that others read OCSF with takes its event, of each activity."""
    DetectionFinding.model_validate(ocsf.event(case))
    for activity in ocsf.ACTIVITIES:
        event = ocsf.event(case, ocsf.Activity(activity, case.updated, "60b9bc79427f-2"))
        read = DetectionFinding.model_validate(event)
        assert (read.activity_id.value, read.type_uid, read.metadata.uid) == (
            activity,
            200400 + activity,
            "60b9bc79427f-2",
        )
        assert event["time"] == 1_777_896_000_000


def test_an_event_is_a_detection_finding(case: Case) -> None:
    """Class, category and type agree; times are milliseconds; ports and addresses are such."""
    event = ocsf.event(case)
    assert (event["class_uid"], event["category_uid"]) == (2004, 2)
    assert event["type_uid"] == 200400 + event["activity_id"]
    assert event["metadata"]["version"] == "1.6.0"
    assert event["time"] == event["finding_info"]["created_time"] == 1_777_892_400_000
    assert event["start_time"] == 1_777_888_800_000 < event["end_time"]
    for evidence in event["evidences"]:
        assert 0 <= evidence.get("dst_endpoint", {}).get("port", 0) <= 65535
        ip_address(evidence.get("dst_endpoint", {}).get("ip", "192.0.2.1"))


@pytest.mark.parametrize(
    ("name", "activity", "status", "alert"),
    [
        ("open", "Create", "New", True),
        ("resolved", "Close", "Resolved", False),
        ("muted", "Update", "Suppressed", False),
    ],
)
def test_a_state_is_an_activity_and_a_status(
    cases: dict[str, Case], name: str, activity: str, status: str, alert: bool
) -> None:
    """An open finding is created and alerts, a resolved one is closed, a muted one suppressed."""
    event = ocsf.event(cases[name])
    assert (event["activity_name"], event["status"], event["is_alert"]) == (activity, status, alert)


def test_every_state_has_its_words() -> None:
    """No state that a finding can have is without a row in the table of states."""
    assert set(State) <= set(STANDINGS)


PATHS = {
    "nat_gateway": (99, "NAT Gateway"),
    "internet_gateway": (11, "Internet Gateway"),
    "egress_only_internet_gateway": (11, "Internet Gateway"),
    "transit_gateway": (99, "Transit Gateway"),
    "virtual_private_gateway": (6, "Virtual Private Gateway"),
    "vpc_peering": (99, "VPC Peering"),
    "middlebox": (99, "Middlebox"),
    "local_zone": (99, "Local Zone"),
    "same_vpc": (4, "Same VPC"),
    "interface_endpoint": (4, "Same VPC"),
    "gateway_endpoint": (10, "Gateway VPC"),
    "vpc_resource": (4, "Same VPC"),
    "unknown": (0, "Unknown"),
    "blackhole": (99, "Blackhole"),
    "a way of somebody's own": (99, "a way of somebody's own"),
}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_has_a_boundary(cases: dict[str, Case], path: str) -> None:
    """Each way that a flow can take is one of OCSF's boundaries, with its caption, or Other with the way's name."""
    finding = replace(cases["open"].finding, key={"path": path})
    evidence, *_ = ocsf.event(replace(cases["open"], finding=finding))["evidences"]
    found = evidence["connection_info"]["boundary_id"], evidence["connection_info"]["boundary"]
    assert found == PATHS[path]
    assert found[1] == BOUNDARIES.get(found[0], found[1])


def test_no_path_is_forgotten() -> None:
    """Every way that can be allowed to lead to the internet has a boundary of its own."""
    assert set(INTERNET_PATHS) <= set(ocsf.BOUNDARIES) < set(PATHS)


def test_remotes_are_evidence(cases: dict[str, Case]) -> None:
    """Each remote is one piece of evidence: who sent, where to, by which protocol, over which boundary."""
    first, second = ocsf.event(cases["open"])["evidences"]
    assert first == {
        "connection_info": {
            "direction_id": 2,
            "direction": "Outbound",
            "boundary_id": 11,
            "boundary": "Internet Gateway",
            "protocol_num": 6,
            "protocol_name": "tcp",
            "protocol_ver_id": 4,
        },
        "src_endpoint": {
            "interface_uid": "eni-0a1b2c3d4e5f60711",
            "vpc_uid": "vpc-0a1b2c3d",
            "subnet_uid": "subnet-0a1b2c3d",
        },
        "dst_endpoint": {"ip": "203.0.113.1", "port": 443},
        "data": {"bytes": 11_000_000, "flows": 2},
    }
    assert second["dst_endpoint"] == {"ip": "198.51.100.7"}
    (ipv6,) = ocsf.event(cases["ipv6"])["evidences"]
    assert (ipv6["dst_endpoint"]["ip"], ipv6["connection_info"]["protocol_ver_id"]) == ("2001:db8::1", 6)
    (alone,) = ocsf.event(cases["no remotes"])["evidences"]
    assert "dst_endpoint" not in alone
    assert alone["connection_info"]["boundary"] == "Internet Gateway"


def test_what_looks_like_no_address_is_none(cases: dict[str, Case]) -> None:
    """Of a remote only what is an address, a port and a figure is told, and nothing else is taken for a remote."""
    (only,) = ocsf.event(cases["hostile"])["evidences"]
    assert only["dst_endpoint"] == {"ip": "192.0.2.1"}
    assert only["data"] == {"bytes": 0, "flows": 0}


def test_techniques_of_attack(cases: dict[str, Case], detectors: dict[str, Any]) -> None:
    """A technique has id and name, one below another with both; a detector without any, or gone, has none."""
    case = replace(cases["open"], detector=detectors["s3-bypasses-endpoint"])
    assert ocsf.event(case)["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1537", "name": "Transfer Data to Cloud Account"}},
        {
            "technique": {"uid": "T1567", "name": "Exfiltration Over Web Service"},
            "sub_technique": {"uid": "T1567.002", "name": "Exfiltration to Cloud Storage"},
        },
    ]
    unheard = replace(detectors["s3-bypasses-endpoint"], attack=("T9999.001",))
    assert ocsf.event(replace(case, detector=unheard))["finding_info"]["attacks"] == [
        {"technique": {"uid": "T9999", "name": "T9999"}, "sub_technique": {"uid": "T9999.001", "name": "T9999.001"}}
    ]
    assert "attacks" not in ocsf.event(cases["undecided"])["finding_info"]
    assert "attacks" not in ocsf.event(cases["another key"])["finding_info"]


def test_the_detectors_words_come_along(cases: dict[str, Case]) -> None:
    """What it means and what to do are the detector's prose; where there is none, what was seen stands in."""
    event = ocsf.event(cases["open"])
    assert event["finding_info"]["desc"].startswith("An interface sent traffic to a public address")
    assert event["remediation"]["desc"].startswith("Look up the interface's owner")
    assert "Blind spots" not in json.dumps(event)
    gone = ocsf.event(cases["another key"])
    assert gone["finding_info"]["desc"] == gone["message"]
    assert "remediation" not in gone


def test_whose_it_is(cases: dict[str, Case]) -> None:
    """Account, region, interface and workload are resources of the cloud; an account that is unknown is left out."""
    event = ocsf.event(cases["workload"])
    assert event["cloud"]["region"] == "eu-west-1"
    assert event["cloud"]["account"]["uid"] == "123456789012"
    assert [(resource["uid"], resource["name"]) for resource in event["resources"]] == [
        ("arn:aws:ec2:eu-west-1:123456789012:network-interface/eni-0a1b2c3d4e5f60711", "eni-0a1b2c3d4e5f60711"),
        ("arn:aws:sagemaker:eu-west-1:123456789012:notebook-instance/churn", "churn"),
    ]
    unknown = ocsf.event(cases["unknown account"])
    assert "account" not in unknown["cloud"]
    assert unknown["resources"][0]["uid"] == "eni-0a1b2c3d4e5f60711"
    assert "region" not in ocsf.event(replace(cases["open"], home=None))["cloud"]


def test_nobody_writes_on_the_readers_terminal(cases: dict[str, Case]) -> None:
    """Texts from logs lose their control characters and are cut."""
    event = ocsf.event(cases["hostile"])
    json.dumps(event, allow_nan=False)
    for text in texts(event):
        assert text.isprintable()
        assert len(text) <= 4096
