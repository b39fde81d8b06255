"""An update: what is changed in place, what is replaced, and what is removed."""

from __future__ import annotations

from typing import Any

import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import NO_ENDPOINTS, made
from tests.simulate.cloudformation.road import Road
from tests.simulate.cloudformation.small import body, network, resource


def test_tags_and_policies_change_in_place(road: Road) -> None:
    """The change set says so with both values, no id changes, and EC2 has the new ones."""
    road.create()
    before = road.ids()
    wish = {"tags": {"team": "ml"}, "buckets": {"read_only": ["other-bucket"], "read_write": ["amzn-example-outputs"]}}
    changes = road.changes(to_yaml(made(**wish)))
    assert {each["Action"] for each in changes.values()} == {"Modify"}
    assert {each["Replacement"] for each in changes.values()} == {"False"}
    assert changes["Vpc"]["Scope"] == ["Tags"]
    assert changes["S3Endpoint"]["Scope"] == ["Properties", "Tags"]
    targets = [each["Target"] for each in changes["S3Endpoint"]["Details"] if each["Target"]["Name"] != "Tags"]
    assert targets[0]["Path"] == "/Properties/PolicyDocument/Statement/0/Resource/0"
    assert targets[0]["BeforeValue"] == "arn:aws:s3:::amzn-example-models/*"
    assert targets[0]["AfterValue"] == "arn:aws:s3:::other-bucket/*"
    assert targets[0]["RequiresRecreation"] == "Never"
    assert road.update(wish) == "UPDATE_COMPLETE"
    assert road.ids() == before
    (endpoint,) = road.ec2.describe_vpc_endpoints(VpcEndpointIds=[before["S3Endpoint"]])["VpcEndpoints"]
    assert "other-bucket" in endpoint["PolicyDocument"]
    assert {"Key": "team", "Value": "ml"} in endpoint["Tags"]
    assert road.update() == "UPDATE_COMPLETE"
    (vpc,) = road.ec2.describe_vpcs(VpcIds=[before["Vpc"]])["Vpcs"]
    assert "team" not in {each["Key"] for each in vpc["Tags"]}


def test_a_flow_log_is_replaced(road: Road) -> None:
    """Its fields cannot be changed: a new flow log is made first, and the old one is deleted after that."""
    road.create()
    old = road.ids()["FlowLog"]
    wish = {"flow_logs": {"fields": ["version", "bytes"]}}
    change = road.changes(to_yaml(made(**wish)))["FlowLog"]
    assert (change["Action"], change["Replacement"], change["PolicyAction"]) == ("Modify", "True", "ReplaceAndDelete")
    assert {each["Target"]["RequiresRecreation"] for each in change["Details"]} == {"Always"}
    assert road.update(wish) == "UPDATE_COMPLETE"
    (log,) = road.ec2.describe_flow_logs()["FlowLogs"]
    assert log["FlowLogId"] == road.ids()["FlowLog"] != old
    assert log["LogFormat"] == "${version} ${bytes}"
    told = [each["ResourceStatus"] for each in road.events() if each["LogicalResourceId"] == "FlowLog"]
    assert told[2:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


def test_what_refers_to_a_replaced_resource_is_replaced(road: Road) -> None:
    """A new subnet needs a new association; until then its id is not known."""
    road.create(body=network())
    before = road.ids()
    changes = road.changes(network("10.1.1.0/24"))
    assert set(changes) == {"Subnet", "Association"}
    (detail,) = changes["Association"]["Details"]
    assert detail["Target"]["AfterValue"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    assert detail["Evaluation"] == "Dynamic"
    assert road.update(body=network("10.1.1.0/24")) == "UPDATE_COMPLETE"
    after = road.ids()
    assert {name for name in after if after[name] != before[name]} == {"Subnet", "Association"}
    (subnet,) = road.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [after["Vpc"]]}])["Subnets"]
    assert subnet["CidrBlock"] == "10.1.1.0/24"


@pytest.mark.parametrize("wish", [{"interface_endpoints": NO_ENDPOINTS}, {"profile": "nat"}])
def test_parts_come_and_go(road: Road, wish: dict[str, Any]) -> None:
    """Back at the first template, the cloud has what it had, and nothing of the other template is left."""
    road.create()
    before = {name: len(each) for name, each in road.left().items()}
    assert road.update(wish) == "UPDATE_COMPLETE"
    assert {name: len(each) for name, each in road.left().items()} != before
    changes = road.changes(to_yaml(made()))
    assert {each["PolicyAction"] for each in changes.values() if each["Action"] == "Remove"} <= {"Delete"}
    assert road.update() == "UPDATE_COMPLETE"
    assert {name: len(each) for name, each in road.left().items()} == before


def test_a_retained_resource_is_let_go(road: Road) -> None:
    """A bucket that the template has no more is retained: it stays, and is no part of the stack."""
    road.create()
    bucket = road.ids()["FlowLogBucket"]
    wish = {"flow_logs": {"destination": "cloud-watch-logs"}}
    assert road.changes(to_yaml(made(**wish)))["FlowLogBucket"]["PolicyAction"] == "Retain"
    assert road.update(wish) == "UPDATE_COMPLETE"
    assert road.left()["buckets"] == [bucket]


def test_tags_of_the_stack_are_on_its_resources(road: Road) -> None:
    """They are added to those of the template, and kept by a change set that names none."""
    road.create(body=network(), Tags=[{"Key": "team", "Value": "ml"}])
    (vpc,) = road.ec2.describe_vpcs(VpcIds=[road.ids()["Vpc"]])["Vpcs"]
    assert vpc["Tags"] == [{"Key": "team", "Value": "ml"}]
    assert road.plan(network())["Status"] == "FAILED"
    assert road.stack()["Tags"] == vpc["Tags"]


def test_previous_values_are_used(road: Road) -> None:
    """UsePreviousTemplate and UsePreviousValue together are no change."""
    road.create()
    request = road.request("", ChangeSetName="same", UsePreviousTemplate=True)
    request["Parameters"] = [{"ParameterKey": "S3PrefixListId", "UsePreviousValue": True}]
    del request["TemplateBody"]
    made_of_it = road.cloudformation.create_change_set(**request)
    planned = road.cloudformation.describe_change_set(ChangeSetName=made_of_it["Id"])
    assert "didn't contain changes" in planned["StatusReason"]


def test_other_change_sets_are_obsolete_once_one_is_executed(road: Road) -> None:
    """They compare with what is no more; neither they nor the executed one can be executed."""
    road.create(body=network())
    other = road.plan(network(public=True))
    done = road.plan(network("10.1.1.0/24"))
    road.cloudformation.execute_change_set(ChangeSetName=done["ChangeSetId"])
    road.wait(done["StackId"])
    for each, state in ((other, "OBSOLETE"), (done, "EXECUTE_COMPLETE")):
        found = road.cloudformation.describe_change_set(ChangeSetName=each["ChangeSetId"])
        assert found["ExecutionStatus"] == state
        with pytest.raises(road.cloudformation.exceptions.InvalidChangeSetStatusException, match=state):
            road.cloudformation.execute_change_set(ChangeSetName=each["ChangeSetId"])


def test_a_failed_update_is_rolled_back(road: Road) -> None:
    """What was changed is changed back, what was made is deleted, and the stack can be updated again."""
    road.create(body=network())
    before, left = road.ids(), road.left()
    road.engine.fail = {"AWS::EC2::NatGateway": "NAT gateway limit exceeded."}
    more: dict[str, Any] = {
        "Address": resource("EIP", Domain="vpc"),
        "Gateway": resource(
            "NatGateway", SubnetId={"Ref": "Subnet"}, AllocationId={"Fn::GetAtt": ["Address", "AllocationId"]}
        ),
    }
    assert road.update(body=network(public=True, **more)) == "UPDATE_ROLLBACK_COMPLETE"
    assert {name: road.ids()[name] for name in before} == before
    assert road.left() == left
    statuses = [each["ResourceStatus"] for each in road.events() if each["LogicalResourceId"] == "sagemaker"]
    assert statuses[-3:] == [
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    road.engine.fail = {}
    assert road.update(body=network(public=True, **more)) == "UPDATE_COMPLETE"


def test_outputs_alone_can_change(road: Road) -> None:
    """A change set that changes no resource has no changes in it, and can be executed."""
    vpc = {"Vpc": resource("VPC", CidrBlock="10.1.0.0/16")}
    road.create(body=body(**vpc))
    template = body(**vpc)[:-1] + ', "Outputs": {"Id": {"Value": {"Ref": "Vpc"}}}}'
    planned = road.plan(template)
    assert (planned["Status"], planned["Changes"]) == ("CREATE_COMPLETE", [])
    assert road.update(body=template) == "UPDATE_COMPLETE"
    assert road.outputs() == {"Id": road.ids()["Vpc"]}
