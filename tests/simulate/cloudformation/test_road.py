"""CloudFormation as a client sees it: a stack is made, watched, changed, and deleted."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import WISHES, made
from tests.simulate.cloudformation.road import REGION, STACK, Road

PROFILES = {name: WISHES[name] for name in ("isolated", "nat per zone", "regional nat, both account controls")}


@pytest.mark.parametrize("wish", PROFILES.values(), ids=PROFILES)
def test_a_stack_lives_and_dies(road: Road, wish: dict[str, Any]) -> None:
    """It is created with outputs, has neither changes nor drift, and its deletion leaves the retained bucket only."""
    assert road.create(wish) == "CREATE_COMPLETE"
    config = json.loads(road.outputs()["VpcConfig"])
    assert config["Subnets"] == [road.ids()["PrivateSubnet1"], road.ids()["PrivateSubnet2"]]
    for mode in ({}, {"DeploymentMode": "REVERT_DRIFT"}):
        planned = road.plan(to_yaml(made(**wish)), **mode)
        assert (planned["Status"], planned["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
        assert planned["StatusReason"].startswith("The submitted information didn't contain changes.")
        assert planned.get("StackDriftStatus") == ("IN_SYNC" if mode else None)
    bucket = road.ids()["FlowLogBucket"]
    assert road.delete() == "DELETE_COMPLETE"
    assert road.left() == {"buckets": [bucket]}


def test_a_change_set_of_type_create_makes_a_stack_to_review(road: Road) -> None:
    """Until it is executed the stack is REVIEW_IN_PROGRESS, every change is an Add, and nothing is there."""
    before = road.left()
    changes = road.changes(to_yaml(made()), ChangeSetType="CREATE")
    assert road.stack()["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert {each["Action"] for each in changes.values()} == {"Add"}
    context = json.loads(changes["PrivateSubnet1"]["AfterContext"])
    assert context["Properties"]["VpcId"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    assert road.left() == before
    assert road.delete() == "DELETE_COMPLETE"


def test_events_follow_the_order_of_dependencies(road: Road) -> None:
    """Newest first, from IN_PROGRESS to COMPLETE, the VPC before its subnets, all of one operation."""
    road.create({"profile": "nat"})
    events = road.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    assert events[0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert events[0]["ResourceType"] == "AWS::CloudFormation::Stack"
    told = [(each["LogicalResourceId"], each["ResourceStatus"]) for each in road.events()]
    assert told[0] == (STACK, "REVIEW_IN_PROGRESS")
    assert told.index(("Vpc", "CREATE_COMPLETE")) < told.index(("PrivateSubnet1", "CREATE_IN_PROGRESS"))
    assert told.index(("InternetGatewayAttachment", "CREATE_COMPLETE")) < told.index(
        ("NatAddress1", "CREATE_IN_PROGRESS")
    )
    assert len({each["OperationId"] for each in road.events()[1:]}) == 1


def test_progress_can_be_watched(road: Road) -> None:
    """ExecuteChangeSet returns at once; what is not made yet is not among the resources."""
    road.engine.delay = 0.05
    planned = road.plan(to_yaml(made()), ChangeSetType="CREATE")
    road.cloudformation.execute_change_set(ChangeSetName=planned["ChangeSetId"])
    assert road.stack()["StackStatus"] == "CREATE_IN_PROGRESS"
    assert "FlowLog" not in road.ids()
    assert road.wait(planned["StackId"])["StackStatus"] == "CREATE_COMPLETE"
    assert road.ids()["FlowLog"].startswith("fl-")


def test_answers_come_in_pages(road: Road) -> None:
    """Changes, resources and events have a NextToken while there are more, and every one comes once."""
    road.engine.page = 4
    planned = road.plan(to_yaml(made()), ChangeSetType="CREATE")
    assert len(planned["Changes"]) == 4
    assert planned["NextToken"]
    pages = road.cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=planned["ChangeSetId"])
    names = [each["ResourceChange"]["LogicalResourceId"] for page in pages for each in page["Changes"]]
    assert sorted(names) == sorted(each.name for each in made().resources)
    road.cloudformation.execute_change_set(ChangeSetName=planned["ChangeSetId"])
    road.wait(planned["StackId"])
    assert set(road.ids()) == set(names)
    assert len({each["EventId"] for each in road.events()}) == len(road.events()) > 4
    with pytest.raises(road.cloudformation.exceptions.ClientError, match="Invalid NextToken"):
        road.cloudformation.describe_stack_events(StackName=STACK, NextToken="x")


def test_values_are_told_when_asked_for(road: Road) -> None:
    """Without IncludePropertyValues a change says what changes, not from what to what."""
    road.create()
    planned = road.plan(to_yaml(made(tags={"team": "ml"})))
    bare = road.cloudformation.describe_change_set(ChangeSetName=planned["ChangeSetId"])
    (change,) = [x["ResourceChange"] for x in bare["Changes"] if x["ResourceChange"]["LogicalResourceId"] == "Vpc"]
    assert change["Scope"] == ["Tags"]
    assert not {"BeforeContext", "AfterContext"} & set(change)
    assert not {"BeforeValue", "AfterValue"} & set(change["Details"][0]["Target"])


def test_the_template_is_given_back(road: Road) -> None:
    """GetTemplate has the text as it was submitted, of the stack and of a change set."""
    road.create()
    planned = road.plan(to_yaml(made(tags={"team": "ml"})))
    assert road.cloudformation.get_template(StackName=STACK)["TemplateBody"] == to_yaml(made())
    other = road.cloudformation.get_template(ChangeSetName=planned["ChangeSetId"])["TemplateBody"]
    assert other == to_yaml(made(tags={"team": "ml"}))


def test_a_large_template_comes_from_s3(road: Road) -> None:
    """A template above 51,200 bytes is refused as text and taken from a bucket."""
    for name in ("amzn-example-models", "amzn-example-outputs", "templates"):
        road.s3.create_bucket(Bucket=name)
    body = to_yaml(made(**WISHES["everything"]))
    with pytest.raises(road.cloudformation.exceptions.ClientError, match="less than or equal to 51200"):
        road.plan(body, ChangeSetType="CREATE")
    road.s3.put_object(Bucket="templates", Key="vpc.yaml", Body=body.encode())
    request = road.request(body, ChangeSetName="large", ChangeSetType="CREATE")
    del request["TemplateBody"]
    url = "https://templates.s3.us-east-1.amazonaws.com/vpc.yaml"
    made_of_it = road.cloudformation.create_change_set(TemplateURL=url, **request)
    road.cloudformation.execute_change_set(ChangeSetName=made_of_it["Id"])
    assert road.wait(made_of_it["StackId"])["StackStatus"] == "CREATE_COMPLETE"


def test_interfaces_are_those_of_their_service(road: Road) -> None:
    """Endpoints have one in each subnet with their group, NAT gateways one without a group; moto has no types."""
    road.create({"profile": "nat"})
    ids = road.ids()
    found = road.ec2.describe_network_interfaces()["NetworkInterfaces"]
    endpoints = [each for each in found if each["InterfaceType"] == "vpc_endpoint"]
    gateways = [each for each in found if each["InterfaceType"] == "nat_gateway"]
    assert len(endpoints) + len(gateways) == len(found)
    of_sts = [each for each in endpoints if each["Description"] == f"VPC Endpoint Interface {ids['StsEndpoint']}"]
    assert {each["SubnetId"] for each in of_sts} == {ids["PrivateSubnet1"], ids["PrivateSubnet2"]}
    assert {each["Groups"][0]["GroupId"] for each in endpoints} == {ids["EndpointSecurityGroup"]}
    assert {(each["SubnetId"], *each["Groups"]) for each in gateways} == {
        (ids["PublicSubnet1"],),
        (ids["PublicSubnet2"],),
    }
    assert all(each["Status"] == "in-use" for each in found)


def test_stacks_of_two_clients_do_not_meet(road: Road) -> None:
    """Two stacks are made at the same time, each with a VPC of its own; another Region knows neither."""
    road.engine.delay = 0.01
    first, second = road.cloudformation, boto3.client("cloudformation", REGION)
    ids = []
    for client, name in ((first, "one"), (second, "two")):
        request = road.request(to_yaml(made()), ChangeSetName="c", ChangeSetType="CREATE")
        planned = client.create_change_set(**{**request, "StackName": name})
        client.execute_change_set(ChangeSetName=planned["Id"])
        ids.append(planned["StackId"])
    assert {road.wait(each)["StackStatus"] for each in ids} == {"CREATE_COMPLETE"}
    vpcs = {
        second.describe_stack_resources(StackName=each, LogicalResourceId="Vpc")["StackResources"][0][
            "PhysicalResourceId"
        ]
        for each in ids
    }
    assert len(vpcs) == 2
    assert boto3.client("cloudformation", "eu-west-1").describe_stacks()["Stacks"] == []
