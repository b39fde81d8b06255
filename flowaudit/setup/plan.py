"""What a change set changes: resource by resource, what was changed by hand, and what cuts open connections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flowaudit.setup.stack import ChangeSet, StackResource


class Action(StrEnum):
    """What happens to a resource."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    MAY_REPLACE = "may replace"
    REMOVE = "remove"
    RELEASE = "release"
    """It leaves the stack, and stays."""
    RECORD = "record"
    """Nothing happens to it: the stack's record is brought in line with what is really there."""
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Property:
    """A property that differs; values as CloudFormation shows them, "" for none.

    Where it was changed by hand, `deployed` is its value at the last deployment, and `before` what is really there.
    """

    path: str
    before: str
    after: str
    by_hand: bool = False
    deployed: str = ""
    requires_recreation: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, and why; `gone` if somebody deleted it by hand.

    `in_new_table`: it is a route that is added to a route table which the same change set makes.
    """

    action: Action
    logical_id: str
    type: str
    physical_id: str = ""
    properties: tuple[Property, ...] = ()
    gone: bool = False
    in_new_table: bool = False

    @property
    def by_hand(self) -> bool:
        """True if it was changed or deleted by hand since the last deployment."""
        return self.gone or any(each.by_hand for each in self.properties)


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes of a stack, in the order of the template, what is kept, and what to know before they are made."""

    changes: tuple[Change, ...]
    kept: tuple[StackResource, ...] = ()
    warnings: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    """Resources that CloudFormation did not compare with what is really there."""

    def count(self, action: Action) -> int:
        """Return how many resources an action is done to."""
        return len(self.kept) if action is Action.KEEP else sum(each.action is action for each in self.changes)


def plan(change_set: ChangeSet | None, resources: Sequence[StackResource] = (), *, in_use: bool = True) -> Plan:
    """Return what a change set does to a stack with these resources; None changes nothing.

    With `in_use` workloads may already run in the VPC: what cuts their connections is among the warnings.
    """
    described = change_set.changes if change_set else ()
    known = {each.logical_id: each.physical_id for each in resources}
    changes = tuple(_change(each, known) for each in described)
    changed = {each.logical_id for each in changes}
    return Plan(
        changes=changes,
        kept=tuple(each for each in resources if each.logical_id not in changed),
        warnings=(*(change_set.warnings if change_set else ()), *(_warnings(changes) if in_use else ())),
        unchecked=tuple(
            each["LogicalResourceId"]
            for each in described
            if each.get("ResourceDriftStatus") in ("UNKNOWN", "UNSUPPORTED")
        ),
    )


def _change(described: Mapping[str, Any], known: Mapping[str, str]) -> Change:
    return Change(
        action=_action(described),
        logical_id=described["LogicalResourceId"],
        type=described["ResourceType"],
        physical_id=described.get("PhysicalResourceId") or known.get(described["LogicalResourceId"], ""),
        properties=tuple(_properties(described.get("Details", ()))),
        gone=described.get("ResourceDriftStatus") == "DELETED",
        in_new_table=_NEW_TABLE.search(described.get("AfterContext", "")) is not None,
    )


def _action(described: Mapping[str, Any]) -> Action:
    match described["Action"], described.get("Replacement"):
        case "Add" | "Import", _:
            return Action.ADD
        case "Remove", _:
            retained = described.get("PolicyAction") == "Retain"
            return Action.RELEASE if retained else Action.REMOVE
        case "SyncWithActual", _:
            return Action.RECORD
        case _, "True":
            return Action.REPLACE
        case _, "Conditional":
            return Action.MAY_REPLACE
    return Action.CHANGE


def _properties(details: Sequence[Mapping[str, Any]]) -> Iterator[Property]:
    """Yield each property once: one that changes with another resource is described twice."""
    seen: set[tuple[str, str, str]] = set()
    for detail in details:
        target = detail["Target"]
        path = target.get("Path") or target.get("Name") or target.get("Attribute", "")
        drift = target.get("Drift")
        one = Property(
            path=path.removeprefix("/Properties/"),
            before=drift.get("ActualValue", "") if drift else target.get("BeforeValue", ""),
            after=target.get("AfterValue", ""),
            by_hand=drift is not None,
            deployed=drift.get("PreviousValue", "") if drift else "",
            requires_recreation=target.get("RequiresRecreation", "Never") != "Never",
        )
        if (key := (one.path, one.before, one.after)) not in seen:
            seen.add(key)
            yield one


UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What CloudFormation shows for the id of a resource that is not made yet."""
_NEW_TABLE = re.compile(rf'"RouteTableId": ?"{re.escape(UNKNOWN)}"')

_CUTS: Mapping[str, str] = {
    "AWS::EC2::NatGateway": "connections over it are cut, and its public address may change",
    "AWS::EC2::EIP": "a NAT gateway gets another public address: allow lists elsewhere name the old one",
    "AWS::EC2::InternetGateway": "connections to the internet are cut",
    "AWS::EC2::VPCGatewayAttachment": "connections to the internet are cut",
    "AWS::EC2::SubnetRouteTableAssociation": "its subnet gets other routes: open connections over them are cut",
    "AWS::EC2::RouteTable": "its subnets get other routes: open connections over them are cut",
    "AWS::EC2::Subnet": "its network interfaces have to be deleted first: workloads in it stop",
    "AWS::EC2::SecurityGroup": "workloads that have it keep it: it cannot be deleted before they are",
    "AWS::EC2::VPC": "everything in it has to be deleted first",
    "AWS::EC2::FlowLog": "the new flow log has another id, and begins within minutes of the end of the old one",
    "AWS::EC2::VPCEndpoint": "open connections over it are cut",
}
"""What replacing or removing a resource of a type does to those who use it."""


def _warnings(changes: Sequence[Change]) -> Iterator[str]:
    """Yield what changes of a VPC that is in use do to open connections."""
    for change in changes:
        if change.action is Action.RECORD:
            continue
        name = f"{change.logical_id} ({change.action})"
        if change.type == "AWS::EC2::Route" and not change.in_new_table:
            yield f"{name}: switches a route: open connections over it are cut"
        elif change.type == "AWS::EC2::VPCEndpoint" and _switches_s3(change):
            yield f"{name}: switches the route to S3: open connections to S3 are cut, retries succeed"
        elif change.action in (Action.REPLACE, Action.MAY_REPLACE, Action.REMOVE) and change.type in _CUTS:
            yield f"{name}: {_CUTS[change.type]}"


def _switches_s3(change: Change) -> bool:
    is_gateway = change.logical_id == "S3Endpoint"
    tables = any(each.path.startswith("RouteTableIds") for each in change.properties)
    return is_gateway and (change.action is not Action.CHANGE or tables)
