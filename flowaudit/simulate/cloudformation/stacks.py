"""Stacks, their resources, change sets and events, as the stand-in keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flowaudit.simulate.cloudformation.cloud import Properties
from flowaudit.simulate.cloudformation.template import Declared, Template

STACK = "AWS::CloudFormation::Stack"


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Deployed:
    """A resource as it was last deployed, with its functions resolved."""

    declared: Declared
    id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    properties: Properties = field(default_factory=dict)
    status: str = ""
    reason: str = ""
    at: datetime = field(default_factory=now)

    def names(self) -> dict[str, str]:
        """Return what Ref and Fn::GetAtt of the resource stand for."""
        name = self.declared.name
        return {name: self.id, **{f"{name}.{key}": value for key, value in self.attributes.items()}}


@dataclass(frozen=True)
class Operation:
    """One operation on a stack: its id, and its type as DescribeEvents has it."""

    type: str
    id: str = field(default_factory=lambda: str(uuid4()))


@dataclass(frozen=True)
class Event:
    """Something that happened to a stack or one of its resources."""

    operation: Operation
    name: str
    resource_type: str
    physical_id: str
    status: str
    reason: str
    event_type: str
    details: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))
    at: datetime = field(default_factory=now)


@dataclass
class ChangeSet:
    """A change set: what is asked for, and the changes that this makes."""

    name: str
    id: str
    type: str
    template: Template
    parameters: dict[str, str]
    asked: Mapping[str, Any]
    operation: Operation = field(default_factory=lambda: Operation("CREATE_CHANGESET"))
    created: datetime = field(default_factory=now)
    changes: list[dict[str, Any]] = field(default_factory=list)
    drifted: bool = False
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    execution: str = "AVAILABLE"

    @property
    def reverts(self) -> bool:
        """Return whether the change set compares with the actual state and reverts drift."""
        return self.asked.get("DeploymentMode") == "REVERT_DRIFT"


@dataclass
class Stack:
    """A stack."""

    name: str
    id: str
    status: str = "REVIEW_IN_PROGRESS"
    reason: str = ""
    template: Template = field(default_factory=Template)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    resources: dict[str, Deployed] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    change_set: str = ""
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether an operation is going on."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def record(self, operation: Operation, status: str, reason: str = "") -> None:
        """Take a status of the whole stack."""
        self.status, self.reason = status, reason
        self.events.append(Event(operation, self.name, STACK, self.id, status, reason, "STACK_EVENT"))

    def record_of(self, operation: Operation, resource: Deployed) -> None:
        """Take the status of a resource, as an event and, unless it is gone, among the resources."""
        declared, failed = resource.declared, resource.status.endswith("_FAILED")
        cancelled = resource.reason.endswith("cancelled")
        self.resources[declared.name] = resource
        self.events.append(
            Event(
                operation,
                declared.name,
                declared.type,
                resource.id,
                resource.status,
                resource.reason,
                "PROVISIONING_ERROR" if failed and not cancelled else "PROGRESS_EVENT",
                {"properties": resource.properties},
            )
        )

    def standing(self) -> dict[str, Deployed]:
        """Return the resources that are there."""
        gone = ("DELETE_COMPLETE", "DELETE_SKIPPED")
        return {name: each for name, each in self.resources.items() if each.id and each.status not in gone}

    def in_order(self) -> Iterator[Deployed]:
        """Yield the resources that are there, each after all that it needs."""
        standing = self.standing()
        for wave in Template(resources={name: each.declared for name, each in standing.items()}).waves():
            yield from (standing[each.name] for each in wave)
