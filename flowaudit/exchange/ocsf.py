"""Findings as Detection Findings (class 2004) of the Open Cybersecurity Schema Framework, version 1.6.0.

Names and numbers are those of schema.ocsf.io/1.6.0: `detection_finding`, `network_connection_info`, profile `cloud`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowaudit import __version__
from flowaudit.exchange.case import PRODUCT, Case, Remote, clean, fit

VERSION = "1.6.0"
FINDINGS, DETECTION_FINDING = 2, 2004
ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
STATUSES = {1: "New", 3: "Suppressed", 4: "Resolved"}
SEVERITIES = {"low": 2, "medium": 3, "high": 4, "critical": 5}
RULE, ACTOR, AWS_ACCOUNT, OUTBOUND, UNKNOWN, OTHER = 1, 2, 10, 2, 0, 99
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}

TECHNIQUES = {
    "T1021": "Remote Services",
    "T1040": "Network Sniffing",
    "T1048": "Exfiltration Over Alternative Protocol",
    "T1071": "Application Layer Protocol",
    "T1071.004": "DNS",
    "T1133": "External Remote Services",
    "T1190": "Exploit Public-Facing Application",
    "T1537": "Transfer Data to Cloud Account",
    "T1562": "Impair Defenses",
    "T1562.008": "Disable or Modify Cloud Logs",
    "T1567": "Exfiltration Over Web Service",
    "T1567.002": "Exfiltration to Cloud Storage",
    "T1571": "Non-Standard Port",
}
"""Names of ATT&CK Enterprise (attack.mitre.org/techniques), which some readers require (py-ocsf-models)."""

BOUNDARIES = {
    "same_vpc": (4, "Same VPC"),
    "interface_endpoint": (4, "Same VPC"),
    "vpc_resource": (4, "Same VPC"),
    "virtual_private_gateway": (6, "Virtual Private Gateway"),
    "gateway_endpoint": (10, "Gateway VPC"),
    "internet_gateway": (11, "Internet Gateway"),
    "egress_only_internet_gateway": (11, "Internet Gateway"),
    "nat_gateway": (OTHER, "NAT Gateway"),
    "transit_gateway": (OTHER, "Transit Gateway"),
    "vpc_peering": (OTHER, "VPC Peering"),
    "middlebox": (OTHER, "Middlebox"),
    "local_zone": (OTHER, "Local Zone"),
    "blackhole": (OTHER, "Blackhole"),
    "unknown": (UNKNOWN, "Unknown"),
}
"""The boundary of each path: 4 to 11 are AWS's traffic-path 1 to 8 as it was. What has no number there is Other, with
the way's name: a NAT gateway is in the VPC but its traffic does not stay there, and of a peering the path does not say
whether it crosses regions (7 and 8 do)."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One event in a finding's life: a number of `ACTIVITIES`, its time, and its idempotency key."""

    id: int
    at: datetime
    uid: str


def event(case: Case, activity: Activity | None = None) -> dict[str, Any]:
    """Return a finding as it stands as one event: that of an activity, or else the one that its state implies."""
    finding, standing = case.finding, case.standing
    activity_id = activity.id if activity else standing.activity_id
    return _known(
        {
            "activity_id": activity_id,
            "activity_name": ACTIVITIES[activity_id],
            "category_uid": FINDINGS,
            "category_name": "Findings",
            "class_uid": DETECTION_FINDING,
            "class_name": "Detection Finding",
            "type_uid": DETECTION_FINDING * 100 + activity_id,
            "type_name": f"Detection Finding: {ACTIVITIES[activity_id]}",
            "severity_id": SEVERITIES[finding.severity],
            "severity": finding.severity.capitalize(),
            "status_id": standing.status_id,
            "status": STATUSES[standing.status_id],
            "is_alert": standing.activity_id == 1,
            "time": _milliseconds(activity.at if activity else case.opened),
            "start_time": _milliseconds(finding.first_seen),
            "end_time": _milliseconds(finding.last_seen),
            "message": case.summary,
            "metadata": _metadata(case) | ({"uid": activity.uid} if activity else {}),
            "cloud": _cloud(case),
            "finding_info": _info(case),
            "evidences": _evidences(case),
            "resources": _resources(case),
            "remediation": {"desc": case.remedy} if case.remedy else None,
            "unmapped": _unmapped(case),
        }
    )


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: OCSF has no nulls."""
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _metadata(case: Case) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": PRODUCT, "uid": PRODUCT, "vendor_name": PRODUCT, "version": __version__},
        "profiles": ["cloud"],
        "modified_time": _milliseconds(case.updated),
    }


def _cloud(case: Case) -> dict[str, Any]:
    """Return provider, region and account; its number is also its name, which some readers require (py-ocsf-models)."""
    known = {"uid": case.account, "name": case.account, "type": "AWS Account", "type_id": AWS_ACCOUNT}
    account = known if case.account else None
    return _known({"provider": "AWS", "region": case.region, "account": account})


def _info(case: Case) -> dict[str, Any]:
    detector = clean(case.finding.detector)
    return _known(
        {
            "uid": case.finding.id,
            "title": case.title,
            "desc": case.meaning,
            "types": [case.type],
            "analytic": {"uid": detector, "name": detector, "type": "Rule", "type_id": RULE},
            "attacks": list(map(_attack, case.techniques)) or None,
            "data_sources": ["VPC flow logs"],
            "created_time": _milliseconds(case.opened),
            "modified_time": _milliseconds(case.updated),
            "first_seen_time": _milliseconds(case.finding.first_seen),
            "last_seen_time": _milliseconds(case.finding.last_seen),
        }
    )


def _attack(technique: str) -> dict[str, Any]:
    """Return a technique, T1048, or one below it, T1567.002; an unknown name is the id."""
    parent, dot, _ = technique.partition(".")
    names = {id: {"uid": id, "name": TECHNIQUES.get(id, id)} for id in (parent, technique)}
    return {"technique": names[parent]} | ({"sub_technique": names[technique]} if dot else {})


def _evidences(case: Case) -> list[dict[str, Any]]:
    """Return each remote that is known, else the way alone."""
    if not case.remotes:
        return [_known({"connection_info": _connection(case), "src_endpoint": _source(case)})]
    return [
        _known(
            {
                "connection_info": _connection(case, remote),
                "src_endpoint": _source(case),
                "dst_endpoint": _known({"ip": remote.address, "port": remote.port}),
                "data": {"bytes": remote.bytes, "flows": remote.flows},
            }
        )
        for remote in case.remotes
    ]


def _connection(case: Case, remote: Remote | None = None) -> dict[str, Any]:
    """Return which way it went: paths are of egress, so a finding with one is of traffic that goes out."""
    boundary_id, boundary = BOUNDARIES.get(case.path or "unknown", (OTHER, case.path))
    return _known(
        {
            "direction_id": OUTBOUND if case.path else UNKNOWN,
            "direction": "Outbound" if case.path else "Unknown",
            "boundary_id": boundary_id,
            "boundary": boundary,
            "protocol_num": remote and remote.protocol,
            "protocol_name": PROTOCOLS.get(remote.protocol or -1) if remote else None,
            "protocol_ver_id": remote and remote.version,
        }
    )


def _source(case: Case) -> dict[str, Any] | None:
    if not case.interface:
        return None
    network = {"vpc_uid": case.told("vpc_id"), "subnet_uid": case.told("subnet_id")}
    return _known({"interface_uid": case.interface, **network})


def _resources(case: Case) -> list[dict[str, Any]]:
    """Return the interface, or what else the finding is about, and the workload if it is known."""
    place = {"cloud_partition": case.partition, "region": case.region, "role_id": ACTOR, "role": "Actor"}
    kind = "AWS::EC2::NetworkInterface" if case.interface else "Other"
    subject = _known({"uid": case.subject, "name": case.interface, "type": kind, **place})
    workload = {"uid": case.told("workload_arn"), "name": case.told("workload")}
    if not any(workload.values()):
        return [subject]
    return [subject, _known({**workload, "type": case.told("workload_kind"), **place})]


def _unmapped(case: Case) -> dict[str, Any]:
    """Return what OCSF has no attribute for."""
    finding = case.finding
    evidence = {name: value for name, value in fit(finding.evidence).items() if name != "top_remotes"}
    return {"key": fit(finding.key), "flows": finding.flows, "bytes": finding.bytes, "evidence": _known(evidence)}
