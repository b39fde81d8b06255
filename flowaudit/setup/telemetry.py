"""CloudWatch telemetry enablement rules that already make flow logs of VPCs (CloudWatch API, `observabilityadmin`).

They write to CloudWatch Logs only, beside the flow log of the stack; a VPC that logs there already is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.topology import Gap

SERVICE = "observabilityadmin"
_LISTS = (
    ("list_telemetry_rules", "get_telemetry_rule", False),
    ("list_telemetry_rules_for_organization", "get_telemetry_rule_for_organization", True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that makes flow logs of VPCs; `scope` and `selection` (tags) are CloudWatch's own text, empty: all."""

    name: str
    organization: bool
    destination: str = ""
    retention_days: int | None = None
    fields: str = ""
    traffic: str = ""
    interval: int | None = None
    scope: str = ""
    selection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The rules for VPCs in a region, the status of their evaluation by CloudWatch, and what did not answer."""

    rules: tuple[Rule, ...] = ()
    evaluation: str = ""
    gaps: tuple[Gap, ...] = ()


def telemetry(ask: Asker) -> Telemetry:
    """Return the rules of the account and of its organization that make flow logs of VPCs in the asker's region.

    Whether `scope` and `selection` take in one VPC is CloudWatch's to decide: they are returned as text. A list that is
    denied, as that of the organization is to its member accounts, or a service that the region lacks, is a gap.
    """
    if not ask.knows(SERVICE, _LISTS[0][0]):
        return Telemetry(gaps=(_unknown(ask),))
    rules = tuple(rule for listing in _LISTS for rule in _rules(ask, *listing))
    status = ask.one(SERVICE, "get_telemetry_evaluation_status") or {}
    gaps = tuple(gap for gap in ask.gaps if gap.service == SERVICE)
    return Telemetry(rules=rules, evaluation=status.get("Status", ""), gaps=gaps)


def _unknown(ask: Asker) -> Gap:
    return Gap(
        account_id=ask.account_id,
        region=ask.region,
        service=SERVICE,
        operation=_LISTS[0][0],
        reason="unsupported",
        message="the installed botocore does not know it: upgrade boto3",
    )


def _rules(ask: Asker, listing: str, get: str, organization: bool) -> Iterator[Rule]:
    listed = ask.all(SERVICE, listing, "TelemetryRuleSummaries") or []
    asked = [{"RuleIdentifier": each["RuleArn"]} for each in listed if _of_vpcs(each)]
    for answer in ask.each(SERVICE, get, asked, gone=("ResourceNotFoundException",)):
        if answer and _in_region(answer, ask.region):
            yield _rule(answer, organization)


def _of_vpcs(rule: Mapping[str, Any]) -> bool:
    sources = rule.get("TelemetrySourceTypes") or ["VPC_FLOW_LOGS"]
    return (rule.get("ResourceType"), rule.get("TelemetryType")) == (
        "AWS::EC2::VPC",
        "Logs",
    ) and "VPC_FLOW_LOGS" in sources


def _in_region(answer: Mapping[str, Any], region: str) -> bool:
    """Return whether a rule is for a region; one that names none is for the region that it was found in."""
    rule = answer["TelemetryRule"]
    named = rule.get("Regions")
    return bool(rule.get("AllRegions")) or not named or region in named


def _rule(answer: Mapping[str, Any], organization: bool) -> Rule:
    rule = answer["TelemetryRule"]
    destination = rule.get("DestinationConfiguration") or {}
    parameters = destination.get("VPCFlowLogParameters") or {}
    return Rule(
        name=answer["RuleName"],
        organization=organization,
        destination=destination.get("DestinationPattern", ""),
        retention_days=destination.get("RetentionInDays"),
        fields=parameters.get("LogFormat", ""),
        traffic=parameters.get("TrafficType", ""),
        interval=parameters.get("MaxAggregationInterval"),
        scope=rule.get("Scope", ""),
        selection=rule.get("SelectionCriteria", ""),
    )


def in_words(found: Telemetry, vpc_id: str) -> str | None:
    """Return what the rules mean for the flow log of a stack; None: there is none, and everything has answered."""
    lines = [_line(rule, vpc_id) for rule in found.rules]
    if lines:
        lines.append(
            "The flow log of the stack stays, and both are kept: flowaudit reads the flow log in S3 only, so each "
            "record counts once; you pay for both."
        )
        if found.evaluation not in ("", "RUNNING"):
            lines.append(f"CloudWatch does not evaluate the rules at present: the status is {found.evaluation}.")
    if found.gaps:
        why = ", ".join(
            f"{gap.operation} {gap.message if gap.reason == 'unsupported' else gap.reason}" for gap in found.gaps
        )
        lines.append(f"Whether telemetry rules of CloudWatch make flow logs as well is not known in full: {why}.")
    return "\n".join(lines) or None


def _line(rule: Rule, vpc_id: str) -> str:
    whose = "the organization's telemetry rule" if rule.organization else "telemetry rule"
    details = {
        "fields": rule.fields,
        "traffic": rule.traffic,
        "interval": f"{rule.interval} s" if rule.interval else "",
        "retention": f"{rule.retention_days} days" if rule.retention_days else "",
        "scope": rule.scope,
        "tags": rule.selection,
    }
    told = "; ".join(f"{name}: {value}" for name, value in details.items() if value)
    where = rule.destination.replace("<resourceId>", vpc_id) or f"/aws/vpc/{vpc_id}"
    return (
        f"CloudWatch: {whose} {rule.name} writes flow logs of VPCs to CloudWatch Logs, {where}{told and f' ({told})'}."
    )
