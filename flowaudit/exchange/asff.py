"""Findings in the AWS Security Finding Format, as Security Hub's BatchImportFindings takes them.

Names and limits are those of the Security Hub API reference, `AwsSecurityFinding`. Fields that
customers manage are left alone: Note, UserDefinedFields, VerificationState and Workflow. Severity and types are in
FindingProviderFields, the place for a provider's values (API reference, "BatchImportFindings").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flowaudit.errors import ConfigError
from flowaudit.exchange.case import PRODUCT, Case, Remote, clean, stamp

SCHEMA_VERSION = "2018-10-08"
NO_ACCOUNT = "000000000000"
"""The account where flow logs do not name one: a finding has to have one, and nobody has this."""
MOST_DESCRIPTION, MOST_REMEDY, MOST_FIELDS, MOST_FIELD_NAME, MOST_FIELD = 1024, 512, 50, 128, 1024
MOST_COMPONENT, MOST_REMOTES = 32, 50
WORKLOADS = {"notebook_instance": "AwsSageMakerNotebookInstance"}
"""The kinds of workload that ASFF has a type for."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The account and the region that a finding is imported into, where these are not the finding's own."""

    account: str | None = None
    region: str | None = None


def finding(case: Case, hub: Hub = Hub()) -> dict[str, Any]:
    """Return a finding as it stands; raises ConfigError where its region, a part of ProductArn, is not known."""
    case = replace(case, home=case.home or hub.region)
    if case.region is None:
        raise ConfigError(
            f"finding {case.finding.id}: ASFF's ProductArn names a region, and neither the finding nor AWS's own chain "
            "has one; set AWS_REGION to the region of your Security Hub"
        )
    account = case.account or hub.account or NO_ACCOUNT
    product = f"arn:{case.partition}:securityhub:{hub.region or case.region}:{account}:product/{account}/default"
    told = {
        "SchemaVersion": SCHEMA_VERSION,
        "Id": f"{PRODUCT}/{case.region}/{account}/{case.finding.id}",
        "ProductArn": product,
        "ProductName": PRODUCT,
        "CompanyName": PRODUCT,
        "GeneratorId": clean(f"{PRODUCT}/{case.finding.detector}", 512),
        "AwsAccountId": account,
        "CreatedAt": stamp(case.opened),
        "UpdatedAt": stamp(case.updated),
        "FirstObservedAt": stamp(case.finding.first_seen),
        "LastObservedAt": stamp(case.finding.last_seen),
        "FindingProviderFields": {
            "Severity": {"Label": case.finding.severity.upper(), "Original": case.finding.severity},
            "Types": [case.type],
        },
        "Title": case.title,
        "Description": clean(case.meaning, MOST_DESCRIPTION),
        "Resources": _resources(case),
        "ProductFields": _fields(case),
        "RecordState": case.standing.record_state,
        "Remediation": case.remedy and {"Recommendation": {"Text": clean(case.remedy, MOST_REMEDY)}},
        "Network": case.remotes and _network(case.remotes[0]),
        "NetworkPath": _network_path(case),
    }
    return {name: value for name, value in told.items() if value}


def _resources(case: Case) -> list[dict[str, Any]]:
    place = {"Partition": case.partition, "Region": case.region}
    subject: dict[str, Any] = {"Type": "Other", "Id": case.subject, **place}
    if case.interface:
        details = {"AwsEc2NetworkInterface": {"NetworkInterfaceId": case.interface}}
        subject |= {"Type": "AwsEc2NetworkInterface", "Details": details}
    workload = case.told("workload_arn") or case.told("workload")
    if not workload:
        return [subject]
    return [subject, {"Type": WORKLOADS.get(case.told("workload_kind"), "Other"), "Id": clean(workload, 512), **place}]


def _network(remote: Remote) -> dict[str, Any]:
    """Return the remote that had the most."""
    port = {} if remote.port is None else {"DestinationPort": remote.port}
    return {"Direction": "OUT", f"DestinationIpV{remote.version}": remote.address, **port}


def _network_path(case: Case) -> list[dict[str, Any]]:
    """Return the interface, then what it went through, then where to; nothing where no path is known."""
    if not (case.interface and case.path):
        return []
    way = clean(case.path, MOST_COMPONENT)
    through: dict[str, Any] = {"ComponentId": way, "ComponentType": way}
    if case.remotes:
        through["Egress"] = {"Destination": _destination(case.remotes[:MOST_REMOTES])}
    return [{"ComponentId": case.interface[:MOST_COMPONENT], "ComponentType": "AwsEc2NetworkInterface"}, through]


def _destination(remotes: tuple[Remote, ...]) -> dict[str, Any]:
    ports = sorted({remote.port for remote in remotes if remote.port is not None})
    addresses = list(dict.fromkeys(remote.address for remote in remotes))
    return {"Address": addresses} | ({"PortRanges": [{"Begin": port, "End": port} for port in ports]} if ports else {})


def _fields(case: Case) -> dict[str, str]:
    """Return key, figures and the evidence's single values as text: ASFF's other attributes have no room for them."""
    found = case.finding
    values = {**found.evidence, **found.key, "flows": found.flows, "bytes": found.bytes}
    texts = {
        clean(f"{PRODUCT}/{name}", MOST_FIELD_NAME): clean(str(value), MOST_FIELD)
        for name, value in reversed(values.items())
        if isinstance(value, str | int | float)
    }
    return dict([(name, text) for name, text in texts.items() if text][:MOST_FIELDS])
