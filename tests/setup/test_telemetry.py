"""Telemetry rules of CloudWatch that make flow logs beside the stack's own, from answers of the real one's shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from flowaudit.inventory.asking import Asker
from flowaudit.setup.telemetry import Rule, Telemetry, in_words, telemetry

ACCOUNT, REGION, VPC = "123456789012", "us-east-1", "vpc-0123456789abcdef0"
ORGANIZATION = "list_telemetry_rules_for_organization"


def arn(name: str) -> str:
    """A rule's ARN."""
    return f"arn:aws:observabilityadmin:{REGION}:{ACCOUNT}:telemetry-rule/{name}"


def summary(name: str, **more: Any) -> dict[str, Any]:
    """A rule as a list has it."""
    return {
        "RuleName": name,
        "RuleArn": arn(name),
        "ResourceType": "AWS::EC2::VPC",
        "TelemetryType": "Logs",
        "TelemetrySourceTypes": ["VPC_FLOW_LOGS"],
        **more,
    }


def rule(name: str, **more: Any) -> dict[str, Any]:
    """A rule as it is described."""
    return {
        "RuleName": name,
        "RuleArn": arn(name),
        "TelemetryRule": {"ResourceType": "AWS::EC2::VPC", "TelemetryType": "Logs", **more},
    }


WHOLE = {
    "DestinationConfiguration": {
        "DestinationType": "cloud-watch-logs",
        "DestinationPattern": "/aws/vpc/<resourceId>",
        "RetentionInDays": 30,
        "VPCFlowLogParameters": {
            "LogFormat": "${version} ${srcaddr}",
            "TrafficType": "REJECT",
            "MaxAggregationInterval": 600,
        },
    },
    "Scope": "ou-abcd-12345678",
    "SelectionCriteria": "Tags.team = ml",
}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Asker, Stubber]]:
    """An asker whose CloudWatch answers what a test says, and nothing else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("observabilityadmin", REGION)
    with Stubber(client) as stubber:
        yield Asker(ACCOUNT, REGION, lambda _: client), stubber
        stubber.assert_no_pending_responses()


def answers(stubber: Stubber, *rules: tuple[dict[str, Any], dict[str, Any] | None], status: str = "RUNNING") -> None:
    """Let the account have rules, and the organization none."""
    stubber.add_response("list_telemetry_rules", {"TelemetryRuleSummaries": [each for each, _ in rules]}, {})
    for listed, described in rules:
        if described:
            stubber.add_response("get_telemetry_rule", described, {"RuleIdentifier": listed["RuleArn"]})
    stubber.add_response(ORGANIZATION, {"TelemetryRuleSummaries": []}, {})
    stubber.add_response("get_telemetry_evaluation_status", {"Status": status}, {})


def test_no_rule_is_nothing_to_say(stub: tuple[Asker, Stubber]) -> None:
    """Most accounts have none."""
    ask, stubber = stub
    answers(stubber)
    found = telemetry(ask)
    assert found == Telemetry(evaluation="RUNNING")
    assert in_words(found, VPC) is None


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "InternalServerException"])
def test_what_does_not_answer_is_a_gap(stub: tuple[Asker, Stubber], code: str) -> None:
    """An organization's list is denied to its member accounts: no error, and the account's own rules are there."""
    ask, stubber = stub
    stubber.add_response("list_telemetry_rules", {"TelemetryRuleSummaries": [summary("a")]}, {})
    stubber.add_response("get_telemetry_rule", rule("a"), {"RuleIdentifier": arn("a")})
    stubber.add_client_error(ORGANIZATION, code, "no", 400)
    stubber.add_response("get_telemetry_evaluation_status", {"Status": "RUNNING"}, {})
    found = telemetry(ask)
    assert found.rules == (Rule(name="a", organization=False),)
    assert [gap.operation for gap in found.gaps] == [ORGANIZATION]
    assert f"is not known in full: {ORGANIZATION}" in (in_words(found, VPC) or "")


def test_a_region_without_the_service_is_a_gap(stub: tuple[Asker, Stubber]) -> None:
    """Its address does not resolve."""
    ask, _ = stub

    def nowhere(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://observabilityadmin.nowhere")

    ask._client("observabilityadmin").meta.events.register_first("before-call", nowhere)
    found = telemetry(ask)
    assert (found.rules, found.evaluation) == ((), "")
    assert {gap.reason for gap in found.gaps} == {"unreachable"}


def test_a_botocore_without_the_service_is_a_gap() -> None:
    """That of a service that has none of the operations stands for an old one."""
    old = boto3.client("sts", REGION, aws_access_key_id="x", aws_secret_access_key="x")
    found = telemetry(Asker(ACCOUNT, REGION, lambda _: old))
    assert [gap.reason for gap in found.gaps] == ["unsupported"]
    assert "upgrade boto3" in (in_words(found, VPC) or "")


@pytest.mark.parametrize(
    "other",
    [
        {"ResourceType": "AWS::EKS::Cluster"},
        {"TelemetryType": "Metrics"},
        {"TelemetrySourceTypes": ["ROUTE53_RESOLVER_QUERY_LOGS"]},
    ],
)
def test_rules_for_something_else_are_left_out(stub: tuple[Asker, Stubber], other: dict[str, Any]) -> None:
    """They are not even described."""
    ask, stubber = stub
    answers(stubber, (summary("other", **other), None))
    assert telemetry(ask).rules == ()


@pytest.mark.parametrize(
    ("where", "applies"),
    [
        ({}, True),
        ({"Regions": [REGION]}, True),
        ({"AllRegions": True}, True),
        ({"AllRegions": True, "Regions": ["eu-west-1"]}, True),
        ({"Regions": ["eu-west-1"]}, False),
    ],
)
def test_a_rule_for_other_regions_does_not_apply(
    stub: tuple[Asker, Stubber], where: dict[str, Any], applies: bool
) -> None:
    """One that names no region is for the one that it is in."""
    ask, stubber = stub
    answers(stubber, (summary("a"), rule("a", **where)))
    assert bool(telemetry(ask).rules) == applies


def test_a_rule_that_is_gone_meanwhile_is_no_gap(stub: tuple[Asker, Stubber]) -> None:
    """It was deleted between the list and the question."""
    ask, stubber = stub
    stubber.add_response("list_telemetry_rules", {"TelemetryRuleSummaries": [summary("a")]}, {})
    stubber.add_client_error("get_telemetry_rule", "ResourceNotFoundException", "gone", 404)
    stubber.add_response(ORGANIZATION, {"TelemetryRuleSummaries": []}, {})
    stubber.add_response("get_telemetry_evaluation_status", {"Status": "RUNNING"}, {})
    assert telemetry(ask) == Telemetry(evaluation="RUNNING")


def test_a_rule_in_words(stub: tuple[Asker, Stubber]) -> None:
    """Where it writes, what, for whom; and that both flow logs stay, are counted once and paid for twice."""
    ask, stubber = stub
    answers(stubber, (summary("all-vpcs"), rule("all-vpcs", **WHOLE)))
    assert in_words(telemetry(ask), VPC) == (
        f"CloudWatch: telemetry rule all-vpcs writes flow logs of VPCs to CloudWatch Logs, /aws/vpc/{VPC} (fields: "
        "${version} ${srcaddr}; traffic: REJECT; interval: 600 s; retention: 30 days; scope: ou-abcd-12345678; "
        "tags: Tags.team = ml).\n"
        "The flow log of the stack stays, and both are kept: flowaudit reads the flow log in S3 only, so each record "
        "counts once; you pay for both."
    )


def test_rules_of_the_organization_are_found(stub: tuple[Asker, Stubber]) -> None:
    """From the management account; they are asked for by their own operation."""
    ask, stubber = stub
    stubber.add_response("list_telemetry_rules", {"TelemetryRuleSummaries": []}, {})
    stubber.add_response(ORGANIZATION, {"TelemetryRuleSummaries": [summary("org")]}, {})
    stubber.add_response("get_telemetry_rule_for_organization", rule("org"), {"RuleIdentifier": arn("org")})
    stubber.add_response("get_telemetry_evaluation_status", {"Status": "STOPPED"}, {})
    said = in_words(telemetry(ask), VPC) or ""
    assert f"the organization's telemetry rule org writes flow logs of VPCs to CloudWatch Logs, /aws/vpc/{VPC}." in said
    assert "does not evaluate the rules at present: the status is STOPPED" in said
