"""Findings are what Security Hub's own service model, and moto's Security Hub, take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import boto3
import botocore.loaders
import pytest
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator
from moto import mock_aws

from flowaudit.errors import ConfigError
from flowaudit.exchange import Case, asff

HUB = ServiceModel(botocore.loaders.Loader().load_service_model("securityhub", "service-2"))
FINDING = HUB.shape_for("AwsSecurityFinding")
LONGEST = {
    "Id": 512,
    "ProductArn": 2048,
    "GeneratorId": 512,
    "AwsAccountId": 12,
    "Title": 256,
    "Description": 1024,
    "ComponentId": 32,
    "ComponentType": 32,
    "Text": 512,
}
"""Characters, from the API reference's prose: the service model itself does not hold them."""
REQUIRED = {
    "SchemaVersion",
    "Id",
    "ProductArn",
    "GeneratorId",
    "AwsAccountId",
    "CreatedAt",
    "UpdatedAt",
    "Title",
    "Description",
    "Resources",
}


def texts(value: Any, shape: Shape, name: str = "") -> Iterator[tuple[str, str, Shape]]:
    """Every text of a finding, with the name of its attribute and its shape."""
    if isinstance(shape, StructureShape):
        for member, below in value.items():
            yield from texts(below, shape.members[member], member)
    elif isinstance(shape, ListShape):
        for member in value:
            yield from texts(member, shape.member, name)
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from ((name, text, shape.value) for text in (key, member))
    elif isinstance(value, str):
        yield name, value, shape


def test_findings_are_valid(case: Case) -> None:
    """Whatever the finding, names, kinds, enumerations and lengths are those of the service model."""
    finding = asff.finding(case)
    report = ParamValidator().validate({"Findings": [finding]}, HUB.shape_for("BatchImportFindingsRequest"))
    assert not report.has_errors(), report.generate_report()
    assert set(FINDING.required_members) == REQUIRED <= set(finding)
    for name, text, shape in texts(finding, FINDING):
        assert text.strip()
        assert text.isprintable()
        assert len(text) <= LONGEST.get(name, 1024)
        assert not shape.enum or text in shape.enum


def test_fields_of_the_product_are_few(cases: dict[str, Case]) -> None:
    """There are at most fifty, short ones, and the key and the figures are always among them."""
    fields = asff.finding(cases["hostile"])["ProductFields"]
    assert len(fields) == 50
    assert max(map(len, fields)) <= 128
    assert fields["flowaudit/bytes"] == "12000000"


def test_security_hub_imports_them(cases: dict[str, Case]) -> None:
    """All go into Security Hub in one call, and a resolved one comes out archived, with the times that were given."""
    with mock_aws():
        hub = boto3.client("securityhub", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
        hub.enable_security_hub()
        answer = hub.batch_import_findings(Findings=list(map(asff.finding, cases.values())))
        assert (answer["FailedCount"], answer["SuccessCount"]) == (0, len(cases))
        hub.batch_import_findings(Findings=[asff.finding(cases["resolved"])])
        id = asff.finding(cases["resolved"])["Id"]
        (found,) = (one for one in hub.get_findings()["Findings"] if one["Id"] == id)
    assert found["RecordState"] == "ARCHIVED"
    assert (found["CreatedAt"], found["UpdatedAt"]) == ("2026-05-04T11:00:00.000Z", "2026-05-04T12:00:00.000Z")


@pytest.mark.parametrize(("name", "record"), [("open", "ACTIVE"), ("resolved", "ARCHIVED"), ("muted", "ARCHIVED")])
def test_a_state_is_a_record_state(cases: dict[str, Case], name: str, record: str) -> None:
    """An open finding is active, a resolved or muted one archived, which hides it until it is active again."""
    assert asff.finding(cases[name])["RecordState"] == record


def test_what_is_the_customers_is_not_set(case: Case) -> None:
    """No finding touches what customers investigate with, and severity and types are given as the provider's."""
    finding = asff.finding(case)
    own = {"Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState"}
    provided = {"Confidence", "Criticality", "RelatedFindings", "Severity", "Types"}
    assert not (own | provided) & set(finding)
    assert set(finding["FindingProviderFields"]) == {"Severity", "Types"}
    assert finding["FindingProviderFields"]["Severity"]["Label"] == case.finding.severity.upper()


def test_a_hub_of_another_region_has_its_own_product(cases: dict[str, Case]) -> None:
    """The product is of the region imported into, resources stay where they are, an unknown account is the hub's."""
    finding = asff.finding(cases["unknown account"], asff.Hub("210987654321", "us-east-1"))
    assert finding["ProductArn"] == "arn:aws:securityhub:us-east-1:210987654321:product/210987654321/default"
    assert finding["AwsAccountId"] == "210987654321"
    assert finding["Resources"][0]["Region"] == "eu-west-1"
    assert asff.finding(cases["open"], asff.Hub("210987654321"))["AwsAccountId"] == "123456789012"
    assert asff.finding(replace(cases["open"], home=None), asff.Hub(None, "us-east-1"))["Resources"][0]["Region"]


def test_a_finding_says_where_it_went(cases: dict[str, Case]) -> None:
    """Network is the largest remote, NetworkPath the interface and what its traffic went through."""
    finding = asff.finding(cases["open"])
    assert finding["Network"] == {"Direction": "OUT", "DestinationIpV4": "203.0.113.1", "DestinationPort": 443}
    assert [component["ComponentId"] for component in finding["NetworkPath"]] == [
        "eni-0a1b2c3d4e5f60711",
        "internet_gateway",
    ]
    assert finding["NetworkPath"][1]["Egress"]["Destination"] == {
        "Address": ["203.0.113.1", "198.51.100.7"],
        "PortRanges": [{"Begin": 443, "End": 443}],
    }
    assert asff.finding(cases["ipv6"])["Network"]["DestinationIpV6"] == "2001:db8::1"
    assert "Network" not in asff.finding(cases["no remotes"])
    assert "NetworkPath" not in asff.finding(cases["another key"])


def test_a_finding_says_whose_it_is(cases: dict[str, Case]) -> None:
    """The interface is a resource by its ARN, and so is the workload; the product is the account's own."""
    finding = asff.finding(cases["workload"])
    assert finding["ProductArn"] == "arn:aws:securityhub:eu-west-1:123456789012:product/123456789012/default"
    assert [(resource["Type"], resource["Id"]) for resource in finding["Resources"]] == [
        (
            "AwsEc2NetworkInterface",
            "arn:aws:ec2:eu-west-1:123456789012:network-interface/eni-0a1b2c3d4e5f60711",
        ),
        ("AwsSageMakerNotebookInstance", "arn:aws:sagemaker:eu-west-1:123456789012:notebook-instance/churn"),
    ]
    unknown = asff.finding(cases["unknown account"])
    assert (unknown["AwsAccountId"], unknown["Resources"][0]["Id"]) == ("000000000000", "eni-0a1b2c3d4e5f60711")


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("ap-southeast-2", "aws")]
)
def test_a_partition_is_its_regions(cases: dict[str, Case], region: str, partition: str) -> None:
    """The evidence's region comes before that of the chain, and decides the partition of every ARN."""
    case = cases["open"]
    case = replace(case, finding=replace(case.finding, evidence=case.finding.evidence | {"region": region}))
    finding = asff.finding(case)
    assert finding["ProductArn"].startswith(f"arn:{partition}:securityhub:{region}:")
    assert finding["Resources"][0]["Id"].startswith(f"arn:{partition}:ec2:{region}:")


def test_without_a_region_there_is_no_finding(cases: dict[str, Case]) -> None:
    """A region that nobody knows is not made up: the message says what to set."""
    with pytest.raises(ConfigError, match="set AWS_REGION"):
        asff.finding(replace(cases["open"], home=None))


def test_times_can_be_read(case: Case) -> None:
    """Each time is ISO 8601 in UTC."""
    finding = asff.finding(case)
    for name in ("CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"):
        assert finding[name].endswith("Z")
        assert datetime.fromisoformat(finding[name]).tzinfo
