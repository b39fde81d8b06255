"""The stack, driven by CloudFormation's API in the shapes of 2026; each answer is one that AWS gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from flowaudit.errors import SetupError
from flowaudit.setup.plan import Action, Plan, plan
from flowaudit.setup.request import is_ready, unchanged
from flowaudit.setup.stack import ChangeSet, Event, Found, Patience, Stack, StackResource

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/sagemaker/8f1c0a10"
SET = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/flowaudit-1/77aa"
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIVE = Found(STACK_ID, "CREATE_COMPLETE", description="Made by flowaudit setup render.")


class Clock:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds


class Script:
    """CloudFormation's answers, in order; a call that is not the next one fails the test."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudformation", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        self.stub = Stubber(self.client)
        self.clock = Clock()
        self.stack = Stack(self.client, "sagemaker", Patience(sleep=self.clock.sleep, clock=lambda: self.clock.now))

    def answers(self, operation: str, answer: dict[str, Any], **expected: Any) -> Script:
        """Add an answer; `expected` are the parameters of the call."""
        self.stub.add_response(operation, answer, expected or None)
        return self

    def fails(self, operation: str, code: str, message: str = "") -> Script:
        """Add an error."""
        self.stub.add_client_error(operation, code, message)
        return self

    def proposes(self, changes: list[dict[str, Any]], **more: Any) -> Script:
        """Add a change set that is ready."""
        self.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
        for _ in ("is it ready?", "what is in it?"):
            self.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": changes, **more})
        return self.answers("describe_events", {"OperationEvents": []})

    def discards(self, status: str | None = "CREATE_COMPLETE") -> Script:
        """Add the end of a change set that was not executed; `status` is the stack's after it, None: no stack."""
        self.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE"})
        self.answers("delete_change_set", {}, ChangeSetName=SET)
        return self.is_now(status)

    def proposes_alone(self) -> Script:
        """Add a list of change sets: there is no other."""
        return self.answers("list_change_sets", {"Summaries": [{"ChangeSetId": SET}]}, StackName=STACK_ID)

    def executed(self, status: str = "CREATE_COMPLETE") -> Script:
        """Add the end of a change set that was executed."""
        self.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_COMPLETE"})
        return self.is_now(status)

    def is_now(self, status: str | None, reason: str = "") -> Script:
        """Add a description of the stack."""
        if status is None:
            return self.fails("describe_stacks", "ValidationError", "Stack with id sagemaker does not exist")
        stack = {
            "StackId": STACK_ID,
            "StackName": "sagemaker",
            "CreationTime": START,
            "StackStatus": status,
            "StackStatusReason": reason,
        }
        return self.answers("describe_stacks", {"Stacks": [stack]})

    def happened(self, *events: dict[str, Any], token: str = "") -> Script:
        """Add a page of events, newest first."""
        page = {"StackEvents": list(events), **({"NextToken": token} if token else {})}
        return self.answers("describe_stack_events", page)


@pytest.fixture
def aws() -> Iterator[Script]:
    """A script whose answers are all asked for."""
    script = Script()
    with script.stub:
        yield script
    script.stub.assert_no_pending_responses()


def deploy(aws: Script, found: Found | None) -> list[Event]:
    """Propose a change set and execute it."""
    with aws.stack.proposed(found) as change_set:
        assert change_set is not None
        return list(aws.stack.execute(change_set))


def event(number: int, name: str, status: str, reason: str = "", kind: str = "AWS::EC2::NatGateway") -> dict[str, Any]:
    """Return an event of a resource, or of the stack itself."""
    is_stack = name == "sagemaker"
    return {
        "StackId": STACK_ID,
        "StackName": "sagemaker",
        "EventId": f"e{number}",
        "Timestamp": START + timedelta(seconds=number),
        "LogicalResourceId": name,
        "PhysicalResourceId": STACK_ID if is_stack else f"{name.lower()}-1",
        "ResourceType": "AWS::CloudFormation::Stack" if is_stack else kind,
        "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
    }


def change(action: str, name: str = "S3Endpoint", kind: str = "AWS::EC2::VPCEndpoint", **more: Any) -> dict[str, Any]:
    """Return a change of a change set."""
    return {
        "Type": "Resource",
        "ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **more},
    }


def detail(path: str, before: str, after: str, **more: Any) -> dict[str, Any]:
    """Return a property of a change."""
    target = {"Attribute": "Properties", "Path": path, "BeforeValue": before, "AfterValue": after, **more}
    return {"Target": target, "ChangeSource": "DirectModification", "Evaluation": "Static"}


# --- find -------------------------------------------------------------------------------------------------------------


def test_a_stack_that_does_not_exist_is_none(aws: Script) -> None:
    """AWS says it with a ValidationError."""
    aws.is_now(None)
    assert aws.stack.find() is None


def test_a_denied_call_names_the_missing_permission(aws: Script) -> None:
    """The message has the action, so that it can be added to the policy."""
    aws.fails(
        "describe_stacks",
        "AccessDenied",
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: cloudformation:DescribeStacks on "
        "resource: arn:aws:cloudformation:us-east-1:123456789012:stack/sagemaker/*",
    )
    with pytest.raises(SetupError, match="the permission cloudformation:DescribeStacks is missing"):
        aws.stack.find()


def test_throttling_that_does_not_end_is_an_error(aws: Script) -> None:
    """boto3 itself has retried by then."""
    aws.fails("describe_stacks", "Throttling", "Rate exceeded")
    with pytest.raises(
        SetupError, match="CloudFormation DescribeStacks in us-east-1 failed: Throttling: Rate exceeded"
    ):
        aws.stack.find()


# --- change sets ------------------------------------------------------------------------------------------------------


def test_a_new_stack_is_proposed_so_that_a_failure_leaves_nothing(aws: Script) -> None:
    """OnStackFailure is DELETE; a proposal that is not executed takes the stack in review with it."""
    aws.answers(
        "create_change_set",
        {"Id": SET, "StackId": STACK_ID},
        StackName="sagemaker",
        ChangeSetName=ANY,
        ChangeSetType="CREATE",
        OnStackFailure="DELETE",
        TemplateBody="{}",
    )
    aws.answers("describe_change_set", {"Status": "CREATE_PENDING"})
    aws.answers("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE"})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": [change("Add")]})
    aws.answers("describe_events", {"OperationEvents": []})
    aws.discards("REVIEW_IN_PROGRESS").proposes_alone().answers("delete_stack", {}, StackName=STACK_ID)
    aws.is_now("DELETE_IN_PROGRESS").is_now("DELETE_COMPLETE")
    with aws.stack.proposed(None, TemplateBody="{}") as change_set:
        assert change_set is not None
        assert plan(change_set).count(Action.ADD) == 1
    assert aws.clock.pauses == [0.25, 0.375, 0.25]


def test_an_existing_stack_is_compared_with_what_is_really_there(aws: Script) -> None:
    """DeploymentMode is REVERT_DRIFT."""
    aws.answers(
        "create_change_set",
        {"Id": SET, "StackId": STACK_ID},
        StackName="sagemaker",
        ChangeSetName=ANY,
        ChangeSetType="UPDATE",
        DeploymentMode="REVERT_DRIFT",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "S3PrefixListId", "UsePreviousValue": True}],
        Capabilities=["CAPABILITY_IAM"],
    )
    reason = "The submitted information didn't contain changes. Submit different information to create a change set."
    aws.answers("describe_change_set", {"Status": "FAILED", "StatusReason": reason})
    aws.answers("describe_change_set", {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE"})
    aws.answers("delete_change_set", {}, ChangeSetName=SET).is_now("CREATE_COMPLETE")
    live = Found(STACK_ID, "CREATE_COMPLETE", parameters={"S3PrefixListId": "pl-1"})
    with aws.stack.proposed(live, **unchanged(live)) as change_set:
        assert change_set is None


def test_all_pages_of_a_change_set_are_read(aws: Script) -> None:
    """A template has more resources than a page."""
    aws.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE"})
    first = {"Status": "CREATE_COMPLETE", "Changes": [change("Add", "Vpc")], "NextToken": "2"}
    aws.answers("describe_change_set", first)
    second = {"Status": "CREATE_COMPLETE", "Changes": [change("Add", "Subnet")]}
    aws.answers("describe_change_set", second, ChangeSetName=SET, IncludePropertyValues=True, NextToken="2")
    aws.answers("describe_events", {"OperationEvents": []}).discards()
    with aws.stack.proposed(LIVE) as change_set:
        assert [each.logical_id for each in plan(change_set).changes] == ["Vpc", "Subnet"]


def test_a_refused_template_says_where(aws: Script) -> None:
    """CloudFormation's validation names the property; the change set and the stack in review are deleted."""
    aws.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
    aws.answers("describe_change_set", {"Status": "FAILED", "StatusReason": "Validation failed"})
    refused = {
        "EventType": "VALIDATION_ERROR",
        "ValidationFailureMode": "FAIL",
        "ValidationPath": "/Resources/Vpc/Properties/CidrBlock",
        "ValidationStatusReason": "is no CIDR",
    }
    aws.answers("describe_events", {"OperationEvents": [refused]}, ChangeSetName=SET)
    aws.discards("REVIEW_IN_PROGRESS").proposes_alone().answers("delete_stack", {}).is_now(None)
    with (
        pytest.raises(SetupError, match=r"refuses .*sagemaker: /Resources/Vpc/Properties/CidrBlock: is no CIDR"),
        aws.stack.proposed(None),
    ):
        pass


def test_warnings_of_the_validation_are_shown(aws: Script) -> None:
    """A quota that is nearly used up is a warning, not a failure."""
    aws.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE"})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": [change("Modify")]})
    warned = {
        "EventType": "VALIDATION_ERROR",
        "ValidationFailureMode": "WARN",
        "LogicalResourceId": "NatAddress1",
        "ValidationStatusReason": "quota of Elastic IP addresses",
    }
    aws.answers("describe_events", {"OperationEvents": [warned]}).discards()
    with aws.stack.proposed(LIVE) as change_set:
        assert plan(change_set).warnings == ("NatAddress1: quota of Elastic IP addresses",)


def test_warnings_that_cannot_be_read_are_not_taken_for_none(aws: Script) -> None:
    """Without the permission the plan says so."""
    aws.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE"})
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": [change("Modify")]})
    aws.fails("describe_events", "AccessDenied", "is not authorized to perform: cloudformation:DescribeEvents")
    aws.discards()
    with aws.stack.proposed(LIVE) as change_set:
        (warning,) = plan(change_set).warnings
    assert "unknown" in warning
    assert "cloudformation:DescribeEvents" in warning


def test_a_change_set_that_is_never_ready_ends_in_a_message(aws: Script) -> None:
    """The wait has a limit; the change set is deleted all the same."""
    aws.stack = Stack(aws.client, "sagemaker", Patience(limit=1.0, sleep=aws.clock.sleep, clock=lambda: aws.clock.now))
    aws.answers("create_change_set", {"Id": SET, "StackId": STACK_ID})
    for _ in range(4):
        aws.answers("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
    aws.discards()
    with pytest.raises(SetupError, match="is not ready"), aws.stack.proposed(LIVE):
        pass


# --- execute ----------------------------------------------------------------------------------------------------------


def test_events_arrive_once_and_in_order(aws: Script) -> None:
    """Those of earlier operations are left out; pages are read no further than what is new."""
    old = event(0, "sagemaker", "REVIEW_IN_PROGRESS")
    aws.proposes([change("Add")]).happened(old)
    aws.answers("execute_change_set", {}, ChangeSetName=SET, RetainExceptOnCreate=True)
    begun = event(1, "sagemaker", "CREATE_IN_PROGRESS")
    aws.is_now("CREATE_IN_PROGRESS").happened(begun, old)
    done = [event(3, "sagemaker", "CREATE_COMPLETE"), event(2, "NatGateway1", "CREATE_COMPLETE")]
    aws.is_now("CREATE_COMPLETE").happened(*done, begun, old)
    aws.is_now("CREATE_COMPLETE").executed()
    assert [each.event_id for each in deploy(aws, None)] == ["e1", "e2", "e3"]


def test_the_first_failure_is_the_reason(aws: Script) -> None:
    """Resources that were given up because of it are not."""
    aws.proposes([change("Add")]).happened().answers("execute_change_set", {})
    aws.is_now("DELETE_COMPLETE").happened(
        event(5, "sagemaker", "DELETE_COMPLETE"),
        event(4, "NatGateway1", "DELETE_COMPLETE"),
        event(3, "Subnet", "CREATE_FAILED", "Resource creation cancelled", "AWS::EC2::Subnet"),
        event(2, "NatGateway1", "CREATE_FAILED", "The maximum number of addresses has been reached."),
        event(1, "sagemaker", "CREATE_IN_PROGRESS"),
    )
    aws.is_now("DELETE_COMPLETE").executed("DELETE_COMPLETE")
    with pytest.raises(SetupError, match=r"nothing of it is left\. The reason: NatGateway1 .*addresses"):
        deploy(aws, None)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_ROLLBACK_COMPLETE", "it is as it was before"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name sagemaker"),
        ("ROLLBACK_FAILED", "flowaudit setup destroy removes it"),
    ],
)
def test_a_failure_says_how_the_stack_is_left(aws: Script, status: str, words: str) -> None:
    """Rolled back, stuck, or half-made: each has another next step."""
    aws.proposes([change("Modify")]).happened().answers("execute_change_set", {})
    aws.is_now(status).happened(event(1, "NatGateway1", "UPDATE_FAILED", "no"))
    aws.is_now(status).executed(status)
    with pytest.raises(SetupError, match=words):
        deploy(aws, LIVE)


def test_a_change_set_that_is_out_of_date_is_refused(aws: Script) -> None:
    """Somebody else changed the stack in between."""
    aws.proposes([change("Modify")]).happened()
    aws.fails("execute_change_set", "InvalidChangeSetStatus", "cannot be executed in its current status [OBSOLETE]")
    aws.discards()
    with pytest.raises(SetupError, match="changed by somebody else meanwhile: run the command again"):
        deploy(aws, LIVE)


def test_a_stack_in_review_with_another_change_set_stays(aws: Script) -> None:
    """Somebody else may be about to execute that one."""
    aws.proposes([change("Add")]).discards("REVIEW_IN_PROGRESS")
    aws.answers("list_change_sets", {"Summaries": [{"ChangeSetId": SET}, {"ChangeSetId": f"{SET}-of-another"}]})
    with aws.stack.proposed(None):
        pass


def test_the_wait_for_a_stack_has_a_limit(aws: Script) -> None:
    """The message names the verb that shows how it goes on; the change set is not touched."""
    aws.stack = Stack(aws.client, "sagemaker", Patience(limit=0.5, sleep=aws.clock.sleep, clock=lambda: aws.clock.now))
    aws.proposes([change("Modify")]).happened().answers("execute_change_set", {})
    for _ in range(3):
        aws.is_now("UPDATE_IN_PROGRESS").happened()
    aws.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_IN_PROGRESS"})
    aws.is_now("UPDATE_IN_PROGRESS")
    with pytest.raises(SetupError, match="flowaudit setup status"):
        deploy(aws, LIVE)


# --- delete -----------------------------------------------------------------------------------------------------------


def test_a_deleted_stack_is_followed_by_its_id(aws: Script) -> None:
    """By its name CloudFormation no longer finds it."""
    aws.happened().answers("delete_stack", {}, StackName=STACK_ID)
    aws.is_now("DELETE_IN_PROGRESS").happened(event(1, "sagemaker", "DELETE_IN_PROGRESS"))
    skipped = event(2, "FlowLogBucket", "DELETE_SKIPPED", kind="AWS::S3::Bucket")
    aws.is_now("DELETE_COMPLETE").happened(skipped, event(1, "sagemaker", "DELETE_IN_PROGRESS"))
    aws.is_now("DELETE_COMPLETE")
    assert [each.status for each in aws.stack.delete(LIVE)] == ["DELETE_IN_PROGRESS", "DELETE_SKIPPED"]


def test_what_cannot_be_deleted_is_named(aws: Script) -> None:
    """A subnet with an interface in it: DependencyViolation."""
    aws.happened().answers("delete_stack", {})
    reason = "The subnet 'subnet-1' has dependencies and cannot be deleted. (Service: Ec2, Status Code: 400)"
    aws.is_now("DELETE_FAILED").happened(event(1, "PrivateSubnet1", "DELETE_FAILED", reason, "AWS::EC2::Subnet"))
    aws.is_now("DELETE_FAILED")
    with pytest.raises(SetupError, match=r"DELETE_FAILED\):\nPrivateSubnet1 \(AWS::EC2::Subnet\)"):
        list(aws.stack.delete(LIVE))


def test_the_last_failure_of_a_stack_is_found(aws: Script) -> None:
    """The first failure of the last operation, not that of an earlier one."""
    aws.happened(
        event(6, "sagemaker", "UPDATE_ROLLBACK_COMPLETE"),
        event(5, "S3Endpoint", "UPDATE_FAILED", "Resource update cancelled"),
        event(4, "NatGateway1", "UPDATE_FAILED", "the first"),
        event(3, "sagemaker", "UPDATE_IN_PROGRESS"),
        event(2, "Subnet", "CREATE_FAILED", "an earlier one"),
    )
    failure = aws.stack.first_failure(LIVE)
    assert failure is not None
    assert failure.reason == "the first"


# --- plan -------------------------------------------------------------------------------------------------------------


def planned(*changes: dict[str, Any], resources: tuple[StackResource, ...] = (), in_use: bool = True) -> Plan:
    """Return the plan of some changes."""
    return plan(ChangeSet(SET, STACK_ID, [each["ResourceChange"] for each in changes]), resources, in_use=in_use)


@pytest.mark.parametrize(
    ("described", "action"),
    [
        (change("Add"), Action.ADD),
        (change("Modify", Replacement="False"), Action.CHANGE),
        (change("Modify", Replacement="True", PolicyAction="ReplaceAndDelete"), Action.REPLACE),
        (change("Modify", Replacement="Conditional"), Action.MAY_REPLACE),
        (change("Remove", PolicyAction="Delete"), Action.REMOVE),
        (change("Remove", PolicyAction="Retain"), Action.RELEASE),
        (change("SyncWithActual"), Action.RECORD),
        (change("Import"), Action.ADD),
    ],
)
def test_each_change_is_one_action(described: dict[str, Any], action: Action) -> None:
    """What CloudFormation says in three members is one word."""
    (one,) = planned(described).changes
    assert one.action is action


def test_what_was_changed_by_hand_is_shown_property_by_property() -> None:
    """Deployed, by hand, and as configured."""
    by_hand = detail(
        "/Properties/RouteTableIds/1",
        "",
        "rtb-2",
        BeforeValueFrom="ACTUAL_STATE",
        Drift={"PreviousValue": "rtb-2", "ActualValue": "", "DriftDetectionTimestamp": START},
    )
    own = detail("/Properties/PolicyDocument", "{old}", "{new}", BeforeValueFrom="PREVIOUS_DEPLOYMENT_STATE")
    (one,) = planned(change("Modify", ResourceDriftStatus="MODIFIED", Details=[by_hand, own])).changes
    assert one.by_hand
    assert [(each.path, each.by_hand, each.deployed, each.before, each.after) for each in one.properties] == [
        ("RouteTableIds/1", True, "rtb-2", "", "rtb-2"),
        ("PolicyDocument", False, "", "{old}", "{new}"),
    ]


def test_what_was_deleted_by_hand_is_said_to_be_gone() -> None:
    """It is made anew."""
    (one,) = planned(change("Add", ResourceDriftStatus="DELETED")).changes
    assert (one.gone, one.by_hand, one.action) == (True, True, Action.ADD)


def test_a_property_that_is_described_twice_is_shown_once() -> None:
    """CloudFormation describes it for the change itself, and for the reference that causes it."""
    twice = detail("/Properties/SubnetIds/0", "a", "b")
    (one,) = planned(change("Modify", Details=[twice, twice])).changes
    assert len(one.properties) == 1


def test_what_is_not_changed_is_kept() -> None:
    """By the resources that the stack has."""
    kept = StackResource("Vpc", "AWS::EC2::VPC", "vpc-1", "CREATE_COMPLETE")
    changed = StackResource("S3Endpoint", "AWS::EC2::VPCEndpoint", "vpce-1", "CREATE_COMPLETE")
    assert planned(change("Modify"), resources=(kept, changed)).kept == (kept,)


def test_resources_that_were_not_compared_are_named() -> None:
    """No sight is no agreement."""
    assert planned(change("Modify", ResourceDriftStatus="UNSUPPORTED")).unchecked == ("S3Endpoint",)


@pytest.mark.parametrize(
    "described",
    [
        change("Modify", "PrivateRoute1", "AWS::EC2::Route"),
        change("Remove", "PrivateRoute1", "AWS::EC2::Route"),
        change("Add", "PrivateRoute1", "AWS::EC2::Route"),
        change("Add"),
        change("Modify", Details=[detail("/Properties/RouteTableIds/0", "a", "b")]),
        change("Modify", "NatGateway1", "AWS::EC2::NatGateway", Replacement="True"),
        change("Modify", "NatAddress1", "AWS::EC2::EIP", Replacement="Conditional"),
        change("Remove", "PrivateSubnet1RouteTable", "AWS::EC2::SubnetRouteTableAssociation"),
        change("Modify", "LogsEndpoint", Replacement="True"),
    ],
    ids=lambda each: f"{each['ResourceChange']['Action']} {each['ResourceChange']['LogicalResourceId']}",
)
def test_what_cuts_open_connections_is_a_warning(described: dict[str, Any]) -> None:
    """In a VPC that is in use; in a new one nobody has any."""
    (warning,) = planned(described).warnings
    assert warning.startswith(described["ResourceChange"]["LogicalResourceId"])
    assert planned(described, in_use=False).warnings == ()


@pytest.mark.parametrize(
    "described",
    [
        change("Modify", Details=[detail("/Properties/PolicyDocument", "a", "b")]),
        change("Modify", "Vpc", "AWS::EC2::VPC", Details=[detail("/Properties/Tags", "a", "b")]),
        change(
            "Add",
            "PublicRoute",
            "AWS::EC2::Route",
            AfterContext='{"Properties": {"RouteTableId": "{{changeSet:KNOWN_AFTER_APPLY}}"}}',
        ),
        change("SyncWithActual", "PrivateRoute1", "AWS::EC2::Route"),
        change("Add", "LogsEndpoint"),
    ],
    ids=lambda each: f"{each['ResourceChange']['Action']} {each['ResourceChange']['LogicalResourceId']}",
)
def test_what_cuts_nothing_is_no_warning(described: dict[str, Any]) -> None:
    """A policy, a tag, a record."""
    assert planned(described).warnings == ()


# --- is_ready ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_IN_PROGRESS", "wait until that is over"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "wait until that is over"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("ROLLBACK_COMPLETE", "flowaudit setup destroy first"),
        ("DELETE_FAILED", "flowaudit setup destroy first"),
    ],
)
def test_a_stack_that_cannot_be_changed_says_what_to_do(status: str, words: str) -> None:
    """Busy, stuck or failed."""
    with pytest.raises(SetupError, match=words):
        is_ready(Found(STACK_ID, status, description=LIVE.description), "sagemaker")


def test_a_stack_of_somebody_else_is_left_alone() -> None:
    """It has the same name by accident."""
    with pytest.raises(SetupError, match=r"choose another setup\.name"):
        is_ready(Found(STACK_ID, "CREATE_COMPLETE", description="Our website"), "sagemaker")


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_at_rest_is_ready(status: str) -> None:
    """Also one whose last update was rolled back."""
    found = Found(STACK_ID, status, description=LIVE.description)
    assert is_ready(found, "sagemaker") is found


@pytest.mark.parametrize("found", [None, Found(STACK_ID, "REVIEW_IN_PROGRESS")])
def test_no_stack_yet_is_ready(found: Found | None) -> None:
    """A stack in review is what a change set that was left behind makes."""
    assert is_ready(found, "sagemaker") is found
