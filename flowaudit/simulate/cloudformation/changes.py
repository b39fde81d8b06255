"""What a change set changes: desired, last deployed and, where drift is reverted, actual state compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties
from flowaudit.simulate.cloudformation.differences import Difference, at, differences
from flowaudit.simulate.cloudformation.errors import invalid
from flowaudit.simulate.cloudformation.resources import KINDS
from flowaudit.simulate.cloudformation.stacks import Deployed, now
from flowaudit.simulate.cloudformation.template import UNKNOWN, Declared, Template, resolved

VALUES = ("BeforeValue", "AfterValue", "BeforeContext", "AfterContext", "PreviousDeploymentContext")
"""What DescribeChangeSet leaves out unless it is asked for."""


def desired(declared: Declared, names: Mapping[str, Any], tags: list[dict[str, str]]) -> Properties:
    """Return the properties that a resource is to have; the tags of the stack are on every resource with tags."""
    properties: Properties = resolved(dict(declared.properties), names)
    if tags and "Tags" in KINDS[declared.type].known:
        own = properties.get("Tags", [])
        keys = {each["Key"] for each in own}
        properties["Tags"] = [*own, *(each for each in tags if each["Key"] not in keys)]
    return properties


class Comparison:
    """The changes between what a stack has and what a template asks for."""

    def __init__(self, cloud: Cloud, standing: Mapping[str, Deployed], *, reverts: bool) -> None:
        self.cloud = cloud
        self.standing = standing
        self.reverts = reverts
        self.changes: list[dict[str, Any]] = []
        self.drifted = False

    def compare(self, template: Template, names: dict[str, Any], tags: list[dict[str, str]]) -> None:
        """Collect the changes in the order of their deployment; names of what is new are not known yet."""
        for wave in template.waves():
            for declared in wave:
                wanted = desired(declared, names, tags)
                before = self.standing.get(declared.name)
                if before and before.declared.type != declared.type:
                    raise invalid(f"Update of resource type is not permitted. [{declared.name}]")
                names |= self._one(declared, wanted, before)
        for name in reversed([name for name in self.standing if name not in template.resources]):
            self._removed(self.standing[name])

    def _one(self, declared: Declared, wanted: Properties, before: Deployed | None) -> dict[str, str]:
        """Collect the change of one resource; return what its names stand for from then on."""
        if before is None:
            self._add(declared, wanted)
            return {declared.name: UNKNOWN}
        kind = KINDS[declared.type]
        actual = kind.actual(self.cloud, before.id, before.properties) if self.reverts else before.properties
        if actual is None:
            self.drifted = True
            self._add(declared, wanted, ResourceDriftStatus="DELETED", PreviousDeploymentContext=_context(before))
            return {declared.name: UNKNOWN}
        drift = bool(differences(before.properties, actual))
        self.drifted |= drift
        found = differences(actual, wanted)
        replaced = any(each.name in kind.immutable for each in found)
        if found or drift:
            self._modify(declared, wanted, before, actual, found)
        elif declared.retained != before.declared.retained:
            self._append(declared, "Modify", before.id, Replacement="False", Scope=["DeletionPolicy"])
        return {declared.name: UNKNOWN} if replaced else before.names()

    def _add(self, declared: Declared, wanted: Properties, **more: str) -> None:
        self._append(declared, "Add", "", AfterContext=_json(wanted), **more)

    def _removed(self, before: Deployed) -> None:
        policy = "Retain" if before.declared.retained else "Delete"
        self._append(before.declared, "Remove", before.id, PolicyAction=policy, BeforeContext=_context(before))

    def _modify(
        self, declared: Declared, wanted: Properties, before: Deployed, actual: Properties, found: list[Difference]
    ) -> None:
        """Collect a change of properties; where the actual ones are already as desired, only the record changes."""
        immutable = KINDS[declared.type].immutable
        shown = found or differences(before.properties, wanted) or differences(before.properties, actual)
        replaced = any(each.name in immutable for each in found)
        more: dict[str, Any] = {}
        if replaced:
            more["PolicyAction"] = "ReplaceAndRetain" if declared.retained_if_replaced else "ReplaceAndDelete"
        if self.reverts:
            more["ResourceDriftStatus"] = "MODIFIED" if differences(before.properties, actual) else "IN_SYNC"
            more["PreviousDeploymentContext"] = _context(before)
        self._append(
            declared,
            "Modify" if found else "SyncWithActual",
            before.id,
            Replacement="True" if replaced else "False",
            Scope=sorted({_attribute(each) for each in shown}),
            Details=[self._detail(each, before, actual, immutable, synced=not found) for each in shown],
            BeforeContext=_json(actual),
            AfterContext=_json(wanted),
            **more,
        )

    def _detail(
        self, each: Difference, before: Deployed, actual: Properties, immutable: frozenset[str], *, synced: bool
    ) -> dict[str, Any]:
        previous = at(before.properties, each.path)
        target: dict[str, Any] = {
            "Attribute": _attribute(each),
            "Name": each.name,
            "Path": each.path,
            "RequiresRecreation": "Always" if each.name in immutable else "Never",
            "BeforeValue": each.before,
            "AfterValue": each.after,
            "BeforeValueFrom": "ACTUAL_STATE" if self.reverts else "PREVIOUS_DEPLOYMENT_STATE",
            "AfterValueFrom": "TEMPLATE",
            "AttributeChangeType": "SyncWithActual" if synced else each.type,
        }
        now_there = at(actual, each.path)
        is_drift = self.reverts and bool(
            [found for found in differences(before.properties, actual) if found.name == each.name]
        )
        if is_drift:
            target["Drift"] = {
                "PreviousValue": previous,
                "ActualValue": each.before if not synced else now_there,
                "DriftDetectionTimestamp": now(),
            }
        return {
            "Target": target,
            "Evaluation": "Dynamic" if UNKNOWN in (each.after or "") else "Static",
            "ChangeSource": "NoModification" if is_drift and previous == each.after else "DirectModification",
        }

    def _append(self, declared: Declared, action: str, id: str, **more: Any) -> None:  # noqa: ANN401  AWS's members
        change = {
            "Action": action,
            "LogicalResourceId": declared.name,
            "PhysicalResourceId": id or None,
            "ResourceType": declared.type,
            "Scope": [],
            "Details": [],
            **more,
        }
        self.changes.append({"Type": "Resource", "ResourceChange": change})


def _attribute(difference: Difference) -> str:
    return "Tags" if difference.name == "Tags" else "Properties"


def _json(properties: Properties) -> str:
    return json.dumps({"Properties": properties})


def _context(deployed: Deployed) -> str:
    return _json(deployed.properties)


def without_values(change: dict[str, Any]) -> dict[str, Any]:
    """Return a change without the values of properties."""
    told = {key: value for key, value in change["ResourceChange"].items() if key not in VALUES}
    told["Details"] = [
        {**each, "Target": {key: value for key, value in each["Target"].items() if key not in VALUES}}
        for each in told["Details"]
    ]
    return {**change, "ResourceChange": told}
