"""Requests that CloudFormation refuses, in its words, before anything is made."""

from __future__ import annotations

import json

import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import made
from tests.simulate.cloudformation.road import STACK, Road
from tests.simulate.cloudformation.small import body, network, resource

VPC = {"Ref": "Vpc"}
WRONG = {
    "not a mapping": ("[]", "unsupported structure"),
    "no YAML": ("Resources: {", r"YAML not well-formed. \(line 1, column"),
    "nothing in it": ("Resources: {}", "At least one Resources member must be defined"),
    "a section that is unknown": ('{"Resource": {}}', r"Invalid template property or properties \[Resource\]"),
    "a type that is unknown": (body(A=resource("Instance")), r"Unrecognized resource types: \[AWS::EC2::Instance\]"),
    "no type": ('{"Resources": {"A": {}}}', "must contain a Type member"),
    "a reference to nothing": (
        body(A=resource("Subnet", VpcId=VPC)),
        r"Unresolved resource dependencies \[Vpc\] in the Resources block",
    ),
    "a reference to nothing in text": (
        body(A=resource("VPC", CidrBlock={"Fn::Sub": "${Cidr}"})),
        r"Unresolved resource dependencies \[Cidr\]",
    ),
    "a dependency on nothing": (
        body(A={"Type": "AWS::EC2::VPC", "DependsOn": "B", "Properties": {"CidrBlock": "10.0.0.0/16"}}),
        r"Unresolved resource dependencies \[B\]",
    ),
    "an output of nothing": (
        '{"Resources": {"A": {"Type": "AWS::EC2::InternetGateway"}}, "Outputs": {"B": {"Value": {"Ref": "C"}}}}',
        r"\[C\] in the Outputs block",
    ),
    "a cycle": (
        body(A=resource("Subnet", VpcId={"Ref": "B"}), B=resource("RouteTable", VpcId={"Ref": "A"})),
        r"Circular dependency between resources: \[A, B\]",
    ),
    "a function that is unknown": (
        body(A=resource("VPC", CidrBlock={"Fn::ImportValue": "x"})),
        "the stand-in has no Fn::ImportValue",
    ),
}


@pytest.mark.parametrize(("template", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_template_is_refused(road: Road, template: str, words: str) -> None:
    """The change set is not made, and neither is a stack."""
    with pytest.raises(road.cloudformation.exceptions.ClientError, match=f"ValidationError.*{words}"):
        road.plan(template, ChangeSetType="CREATE")
    assert road.cloudformation.describe_stacks()["Stacks"] == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([], r"Parameters: \[S3PrefixListId\] must have values"),
        ([{"ParameterKey": "Other", "ParameterValue": "x"}], r"Parameters: \[Other\] do not exist in the template"),
        (
            [{"ParameterKey": "S3PrefixListId", "ParameterValue": "pl-x"}],
            "failed to satisfy constraint: the id of a pre",
        ),
        ([{"ParameterKey": "S3PrefixListId", "UsePreviousValue": True}], "Cannot specify usePreviousValue"),
    ],
)
def test_wrong_parameters_are_refused(road: Road, parameters: list[dict[str, str]], words: str) -> None:
    """One that is missing, unknown, does not match its pattern, or has no previous value."""
    request = {**road.request(to_yaml(made()), ChangeSetName="c", ChangeSetType="CREATE"), "Parameters": parameters}
    with pytest.raises(road.cloudformation.exceptions.ClientError, match=words):
        road.cloudformation.create_change_set(**request)


def test_iam_has_to_be_allowed(road: Road) -> None:
    """A template with a policy of IAM needs CAPABILITY_IAM."""
    request = road.request(to_yaml(made(guardrail=True)), ChangeSetName="c", ChangeSetType="CREATE", Capabilities=[])
    client = road.cloudformation
    with pytest.raises(client.exceptions.InsufficientCapabilitiesException, match=r"\[CAPABILITY_IAM\]"):
        client.create_change_set(**request)


def test_what_is_not_there_is_not_found(road: Road) -> None:
    """Stacks and change sets have their own errors; the deletion of no stack is fine."""
    client = road.cloudformation
    with pytest.raises(client.exceptions.ClientError, match="Stack with id none does not exist"):
        client.describe_stacks(StackName="none")
    with pytest.raises(client.exceptions.ClientError, match=r"Stack \[sagemaker\] does not exist"):
        road.plan(network(), ChangeSetType="UPDATE")
    road.create(body=network())
    with pytest.raises(client.exceptions.ChangeSetNotFoundException, match=r"ChangeSet \[none\] does not exist"):
        client.describe_change_set(StackName=STACK, ChangeSetName="none")
    client.delete_stack(StackName="none")


def test_names_are_taken_once(road: Road) -> None:
    """Neither a stack nor a change set is made twice."""
    road.create(body=network())
    client = road.cloudformation
    with pytest.raises(client.exceptions.ClientError, match="already exists and cannot be created again"):
        road.plan(network(), ChangeSetType="CREATE")
    request = road.request(network(public=True), ChangeSetName="c")
    client.create_change_set(**request)
    with pytest.raises(client.exceptions.AlreadyExistsException):
        client.create_change_set(**request)
    client.delete_change_set(StackName=STACK, ChangeSetName="c")
    client.create_change_set(**request)


def test_a_change_set_without_changes_cannot_be_executed(road: Road) -> None:
    """It has failed; its execution is InvalidChangeSetStatus."""
    road.create(body=network())
    planned = road.plan(network())
    client = road.cloudformation
    with pytest.raises(client.exceptions.InvalidChangeSetStatusException, match=r"status of \[FAILED\]"):
        client.execute_change_set(ChangeSetName=planned["ChangeSetId"])


def test_wrong_properties_fail_the_change_set(road: Road) -> None:
    """Validation runs before deployment: the events of the change set name the property, and its path."""
    template = json.loads(network())
    template["Resources"]["Subnet"]["Properties"]["Cidr"] = "10.1.0.0/24"
    del template["Resources"]["Table"]["Properties"]["VpcId"]
    planned = road.plan(json.dumps(template), ChangeSetType="CREATE")
    assert planned["Status"] == "FAILED"
    assert "AWS::EarlyValidation::PropertyValidation" in planned["StatusReason"]
    found = road.cloudformation.describe_events(ChangeSetName=planned["ChangeSetId"])["OperationEvents"]
    assert {each["EventType"] for each in found} == {"VALIDATION_ERROR"}
    told = {each["ValidationPath"]: each["ValidationStatusReason"] for each in found}
    assert told == {
        "/Resources/Subnet/Properties/Cidr": "#: extraneous key [Cidr] is not permitted",
        "/Resources/Table/Properties": "#: required key [VpcId] not found",
    }


def test_an_operation_that_the_stand_in_lacks_is_refused(road: Road) -> None:
    """It says so, rather than to answer nothing."""
    with pytest.raises(road.cloudformation.exceptions.ClientError, match="no operation ListStacks"):
        road.cloudformation.list_stacks()
