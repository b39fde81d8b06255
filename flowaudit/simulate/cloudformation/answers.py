"""Stacks, resources, change sets and events as CloudFormation's API describes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flowaudit.simulate.cloudformation.changes import without_values
from flowaudit.simulate.cloudformation.errors import invalid
from flowaudit.simulate.cloudformation.stacks import ChangeSet, Deployed, Event, Stack

Answer = dict[str, Any]

_FAILED = ("PROVISIONING_ERROR", "VALIDATION_ERROR", "HOOK_INVOCATION_ERROR")


def stack(of: Stack) -> Answer:
    """Return a stack as DescribeStacks has it."""
    return {
        "StackId": of.id,
        "StackName": of.name,
        "ChangeSetId": of.change_set or None,
        "Description": of.template.description or None,
        "Parameters": _parameters(of.parameters),
        "CreationTime": of.created,
        "LastUpdatedTime": of.updated,
        "DeletionTime": of.deleted,
        "StackStatus": of.status,
        "StackStatusReason": of.reason or None,
        "Capabilities": of.capabilities,
        "Outputs": of.outputs,
        "Tags": of.tags,
        "EnableTerminationProtection": False,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def change_set(of: Stack, wanted: ChangeSet, *, values: bool) -> Answer:
    """Return a change set as DescribeChangeSet has it, with all of its changes."""
    return {
        "ChangeSetName": wanted.name,
        "ChangeSetId": wanted.id,
        "StackId": of.id,
        "StackName": of.name,
        "Description": wanted.asked.get("Description"),
        "Parameters": _parameters(wanted.parameters),
        "CreationTime": wanted.created,
        "ExecutionStatus": wanted.execution,
        "Status": wanted.status,
        "StatusReason": wanted.reason or None,
        "StackDriftStatus": ("DRIFTED" if wanted.drifted else "IN_SYNC") if wanted.reverts else None,
        "Capabilities": wanted.asked.get("Capabilities", []),
        "Tags": wanted.asked.get("Tags", []),
        "Changes": wanted.changes if values else [without_values(each) for each in wanted.changes],
        "OnStackFailure": wanted.asked.get("OnStackFailure"),
        "DeploymentMode": wanted.asked.get("DeploymentMode"),
    }


def change_set_summary(of: Stack, wanted: ChangeSet) -> Answer:
    """Return a change set as ListChangeSets has it."""
    named = ("ChangeSetName", "ChangeSetId", "StackId", "StackName", "Description", "CreationTime")
    told = change_set(of, wanted, values=False)
    return {key: told[key] for key in (*named, "ExecutionStatus", "Status", "StatusReason")}


def resource(of: Stack, deployed: Deployed, *, time: str) -> Answer:
    """Return a resource; `time` is the name that the operation has for when it last changed."""
    return {
        "StackId": of.id,
        "StackName": of.name,
        "LogicalResourceId": deployed.declared.name,
        "PhysicalResourceId": deployed.id or None,
        "ResourceType": deployed.declared.type,
        time: deployed.at,
        "ResourceStatus": deployed.status,
        "ResourceStatusReason": deployed.reason or None,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def stack_event(of: Stack, event: Event) -> Answer:
    """Return an event as DescribeStackEvents has it."""
    return {
        "StackId": of.id,
        "StackName": of.name,
        "EventId": event.id,
        "OperationId": event.operation.id,
        "LogicalResourceId": event.name,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.resource_type,
        "Timestamp": event.at,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or None,
        "ResourceProperties": _properties(event),
    }


def operation_event(of: Stack, event: Event) -> Answer:
    """Return an event as DescribeEvents has it."""
    common = {
        "EventId": event.id,
        "StackId": of.id,
        "OperationId": event.operation.id,
        "OperationType": event.operation.type,
        "EventType": event.event_type,
        "LogicalResourceId": event.name,
        "PhysicalResourceId": event.physical_id or None,
        "ResourceType": event.resource_type,
        "Timestamp": event.at,
    }
    if event.event_type == "VALIDATION_ERROR":
        return {**common, **event.details}
    status = {"ResourceStatus": event.status, "ResourceStatusReason": event.reason or None}
    return {**common, **status, "ResourceProperties": _properties(event)}


def is_failure(event: Event) -> bool:
    """Return whether an event is one of the filter `FailedEvents`."""
    return event.event_type in _FAILED


def page(answers: Sequence[Any], token: str | None, size: int, key: str) -> Answer:
    """Return one page of answers, and the token of the next."""
    if token is not None and not token.isdigit():
        raise invalid(f"Invalid NextToken: {token}")
    start = int(token or 0)
    more = {"NextToken": str(start + size)} if start + size < len(answers) else {}
    return {key: list(answers[start : start + size]), **more}


def _parameters(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _properties(event: Event) -> str | None:
    properties = event.details.get("properties")
    return json.dumps(properties) if properties else None
