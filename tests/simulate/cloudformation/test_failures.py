"""What goes wrong: failed creations, deletions that something prevents, denied actions."""

from __future__ import annotations

import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import made
from tests.simulate.cloudformation.road import STACK, Road
from tests.simulate.cloudformation.small import body, network, resource

REASON = "Performing this operation would exceed the limit of 5 NAT gateways"


def test_a_failed_creation_leaves_nothing(road: Road) -> None:
    """With OnStackFailure DELETE and RetainExceptOnCreate everything is deleted, the bucket too, and the stack."""
    before = road.left()
    road.engine.fail = {"AWS::EC2::NatGateway": REASON}
    execute = {"RetainExceptOnCreate": True}
    assert road.create({"profile": "nat"}, OnStackFailure="DELETE", execute=execute) == "DELETE_COMPLETE"
    assert road.left() == before
    with pytest.raises(road.cloudformation.exceptions.ClientError, match=f"Stack with id {STACK} does not exist"):
        road.stack()
    assert road.engine.fail  # the reason was not used up: it is the same the next time
    assert road.create({"profile": "nat"}, OnStackFailure="DELETE", execute=execute) == "DELETE_COMPLETE"


def test_a_failed_creation_keeps_what_is_retained(road: Road) -> None:
    """Without RetainExceptOnCreate the bucket of a failed creation stays."""
    road.engine.fail = {"FlowLog": REASON}
    assert road.create(OnStackFailure="DELETE") == "DELETE_COMPLETE"
    assert list(road.left()) == ["buckets"]


def test_the_reason_of_a_failed_creation_is_told(road: Road) -> None:
    """DescribeEvents has the resource that failed, not those that were cancelled with it."""
    road.engine.fail = {"NatGateway1": REASON}
    assert road.create({"profile": "nat"}) == "ROLLBACK_COMPLETE"
    assert "failed to create: [NatGateway1" in next(
        each["ResourceStatusReason"] for each in road.events() if each["ResourceStatus"] == "ROLLBACK_IN_PROGRESS"
    )
    operation = road.events()[-1]["OperationId"]
    found = road.cloudformation.describe_events(OperationId=operation, Filters={"FailedEvents": True})
    (event,) = found["OperationEvents"]
    assert (event["LogicalResourceId"], event["EventType"]) == ("NatGateway1", "PROVISIONING_ERROR")
    assert (event["ResourceStatusReason"], event["OperationType"]) == (REASON, "CREATE_STACK")
    cancelled = [each for each in road.events() if each.get("ResourceStatusReason") == "Resource creation cancelled"]
    assert {each["ResourceStatus"] for each in cancelled} == {"CREATE_FAILED"}


def test_a_stack_that_was_rolled_back_can_only_be_deleted(road: Road) -> None:
    """After ROLLBACK_COMPLETE neither a creation nor an update is accepted."""
    road.engine.fail = {"Subnet": REASON}
    assert road.create(body=network()) == "ROLLBACK_COMPLETE"
    for kind, words in (("CREATE", "already exists"), ("UPDATE", "ROLLBACK_COMPLETE state and can not be updated")):
        with pytest.raises(road.cloudformation.exceptions.ClientError, match=words):
            road.plan(network(), ChangeSetType=kind)
    assert road.delete() == "DELETE_COMPLETE"


def test_a_denied_action_fails_the_resource(road: Road) -> None:
    """The reason names the action that is not allowed."""
    road.engine.deny.add("ec2:CreateFlowLogs")
    assert road.create() == "ROLLBACK_COMPLETE"
    (event,) = [each for each in road.events() if each["ResourceStatus"] == "CREATE_FAILED"]
    assert "not authorized to perform: ec2:CreateFlowLogs" in event["ResourceStatusReason"]
    assert "HandlerErrorCode: AccessDenied" in event["ResourceStatusReason"]


@pytest.mark.parametrize("action", ["ec2:CreateTags", "s3:PutBucketVersioning", "ec2:AuthorizeSecurityGroupEgress"])
def test_a_resource_that_cannot_be_completed_is_not_left(road: Road, action: str) -> None:
    """Where the second of the calls that make a resource is denied, what the first one has made is deleted."""
    road.engine.deny.add(action)
    assert road.create(execute={"RetainExceptOnCreate": True}) == "ROLLBACK_COMPLETE"
    assert road.left() == {}


def test_a_denied_request_is_refused(road: Road) -> None:
    """An action of CloudFormation that is not allowed is AccessDenied."""
    road.engine.deny.add("cloudformation:CreateChangeSet")
    with pytest.raises(road.cloudformation.exceptions.ClientError, match=r"AccessDenied.*CreateChangeSet"):
        road.plan(to_yaml(made()), ChangeSetType="CREATE")


def test_an_interface_prevents_the_deletion(road: Road) -> None:
    """Subnet and group say what AWS says, what they need stays, and a second try succeeds once it is gone."""
    road.create()
    ids = road.ids()
    left_behind = road.ec2.create_network_interface(
        SubnetId=ids["PrivateSubnet1"], Groups=[ids["WorkloadSecurityGroup"]]
    )["NetworkInterface"]["NetworkInterfaceId"]
    assert road.delete() == "DELETE_FAILED"
    told = road.stack()["StackStatusReason"]
    assert "PrivateSubnet1" in told
    assert "WorkloadSecurityGroup" in told
    assert "Vpc" not in told
    reasons = {
        each["LogicalResourceId"]: each["ResourceStatusReason"]
        for each in road.events()
        if each["ResourceStatus"] == "DELETE_FAILED" and each["LogicalResourceId"] != STACK
    }
    subnet, group = ids["PrivateSubnet1"], ids["WorkloadSecurityGroup"]
    assert f"The subnet '{subnet}' has dependencies and cannot be deleted." in reasons["PrivateSubnet1"]
    assert f"resource {group} has a dependent object" in reasons["WorkloadSecurityGroup"]
    road.ec2.delete_network_interface(NetworkInterfaceId=left_behind)
    assert road.delete() == "DELETE_COMPLETE"
    assert list(road.left()) == ["buckets"]


def test_resources_that_fail_can_be_left_behind(road: Road) -> None:
    """A deletion that failed can be repeated without them, or forced; a first one cannot."""
    road.create(body=network())
    road.ec2.create_network_interface(SubnetId=road.ids()["Subnet"])
    for wrong in ({"RetainResources": ["Subnet"]}, {"DeletionMode": "FORCE_DELETE_STACK"}):
        with pytest.raises(road.cloudformation.exceptions.ClientError, match="DELETE_FAILED"):
            road.cloudformation.delete_stack(StackName=STACK, **wrong)
    assert road.delete() == "DELETE_FAILED"
    assert road.delete(RetainResources=["Subnet"]) == "DELETE_FAILED"
    assert road.delete(DeletionMode="FORCE_DELETE_STACK") == "DELETE_COMPLETE"
    assert road.left()["vpcs"]


def test_a_vpc_with_something_of_others_in_it_is_not_deleted(road: Road) -> None:
    """A security group made by hand keeps the VPC."""
    road.create(body=body(Vpc=resource("VPC", CidrBlock="10.1.0.0/16")))
    vpc = road.ids()["Vpc"]
    road.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)
    assert road.delete() == "DELETE_FAILED"
    (event,) = [each for each in road.events() if each["LogicalResourceId"] == "Vpc" and "ResourceStatusReason" in each]
    assert event["ResourceStatus"] == "DELETE_FAILED"
    assert f"The vpc '{vpc}' has dependencies and cannot be deleted." in event["ResourceStatusReason"]


def test_a_stack_is_busy_while_it_is_made(road: Road) -> None:
    """No second operation starts, and its change set cannot be deleted."""
    road.engine.delay = 0.1
    planned = road.plan(network(), ChangeSetType="CREATE")
    client = road.cloudformation
    client.execute_change_set(ChangeSetName=planned["ChangeSetId"])
    with pytest.raises(client.exceptions.ClientError, match="CREATE_IN_PROGRESS"):
        road.plan(network(public=True))
    with pytest.raises(client.exceptions.ClientError, match="CREATE_IN_PROGRESS"):
        client.delete_stack(StackName=STACK)
    with pytest.raises(client.exceptions.InvalidChangeSetStatusException):
        client.delete_change_set(ChangeSetName=planned["ChangeSetId"])
    assert road.wait(planned["StackId"])["StackStatus"] == "CREATE_COMPLETE"
