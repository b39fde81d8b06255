"""One operation on a stack: resources are made, changed and deleted, with their events, and undone on failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from flowaudit.simulate.cloudformation.changes import desired
from flowaudit.simulate.cloudformation.cloud import Cloud, Properties
from flowaudit.simulate.cloudformation.differences import differences, same
from flowaudit.simulate.cloudformation.errors import Failed
from flowaudit.simulate.cloudformation.resources import KINDS, Made
from flowaudit.simulate.cloudformation.stacks import ChangeSet, Deployed, Operation, Stack, now
from flowaudit.simulate.cloudformation.template import Declared, Template, resolved

_NEW_ONE = "Requested update requires the creation of a new physical resource; hence creating one."


@dataclass
class Deployment:
    """One operation on a stack."""

    stack: Stack
    cloud: Cloud
    operation: Operation
    lock: AbstractContextManager[Any]
    fail: Mapping[str, str] = field(default_factory=dict)
    """By resource type or logical id: the reason for which it cannot be made or changed."""
    delay: float = 0.0
    """Seconds that each resource takes."""
    _undo: list[Callable[[], None]] = field(default_factory=list)
    _replaced: list[Deployed] = field(default_factory=list)

    def deploy(self, wanted: ChangeSet, names: dict[str, Any], *, retain_except_on_create: bool) -> None:
        """Bring the stack to what the change set asks for; on failure, back to what it was."""
        creates = wanted.type == "CREATE"
        verb, before = ("CREATE" if creates else "UPDATE"), dict(self.stack.standing())
        if failed := self._apply(wanted, names):
            reason = f"The following resource(s) failed to {verb.lower()}: [{', '.join(failed)}]."
            self._fail(wanted, reason, before, retain_except_on_create=retain_except_on_create)
            return
        with self.lock:
            self.stack.template, self.stack.parameters = wanted.template, wanted.parameters
            self.stack.outputs = _outputs(wanted.template, names)
        if not creates:
            self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            self._clean_up(wanted.template)
        self._status(f"{verb}_COMPLETE")
        with self.lock:
            wanted.execution = "EXECUTE_COMPLETE"

    def _apply(self, wanted: ChangeSet, names: dict[str, Any]) -> list[str]:
        """Make and change resources, each after all that it needs; return those that failed, first of all the cause."""
        for wave in wanted.template.waves():
            steps = []
            for declared in wave:
                properties = desired(declared, names, list(wanted.asked.get("Tags", [])))
                if step := self._step(declared, properties, reverts=wanted.reverts):
                    steps.append(step)
                    self._record(replace(step.resource, status=f"{step.verb}_IN_PROGRESS", reason=step.reason))
            for number, step in enumerate(steps):
                if failure := self._attempt(step):
                    rest = steps[number + 1 :]
                    noun = "creation" if step.verb == "CREATE" else "update"
                    for each in rest:
                        self._record(
                            replace(each.resource, status=f"{each.verb}_FAILED", reason=f"Resource {noun} cancelled")
                        )
                    return [failure, *(each.resource.declared.name for each in rest)]
            for declared in wave:
                names |= self.stack.resources[declared.name].names()
        return []

    def _step(self, declared: Declared, wanted: Properties, *, reverts: bool) -> _Step | None:
        """Return what has to be done for a resource, None where nothing is."""
        kind, before = KINDS[declared.type], self.stack.standing().get(declared.name)
        if before is None:
            return _Step("CREATE", Deployed(declared, properties=wanted), lambda: self._create(declared, wanted))
        actual = kind.actual(self.cloud, before.id, before.properties) if reverts else before.properties
        if actual is None:
            return _Step("CREATE", Deployed(declared, properties=wanted), lambda: self._create(declared, wanted))
        found = differences(actual, wanted)
        after = replace(before, declared=declared, properties=wanted)
        if not found:
            if not same(before.properties, wanted) or declared != before.declared:
                with self.lock:
                    self.stack.resources[declared.name] = after
            return None
        if any(each.name in kind.immutable for each in found):
            return _Step("UPDATE", after, lambda: self._replace(before, declared, wanted), _NEW_ONE)
        return _Step("UPDATE", after, lambda: self._update(after, actual))

    def _attempt(self, step: _Step) -> str:
        """Do a step; return the name of the resource if it failed."""
        declared = step.resource.declared
        time.sleep(self.delay)
        try:
            self._fail_if_told(declared)
            made = step.do()
        except (ClientError, BotoCoreError, Failed) as error:
            self._record(replace(step.resource, status=f"{step.verb}_FAILED", reason=_reason(error)))
            return declared.name
        self._record(replace(made, status=f"{step.verb}_COMPLETE", reason="", at=now()))
        return ""

    def _fail_if_told(self, declared: Declared) -> None:
        if reason := self.fail.get(declared.name) or self.fail.get(declared.type):
            raise Failed(reason)

    def _create(self, declared: Declared, wanted: Properties) -> Deployed:
        kind, name = KINDS[declared.type], f"{self.stack.name[:24]}-{declared.name[:24]}-{uuid4().hex[:12]}"
        made: Made = kind.create(self.cloud, name, wanted)
        self._undo.append(lambda: kind.drop(self.cloud, made.id, wanted))
        return Deployed(declared, made.id, made.attributes, wanted)

    def _replace(self, before: Deployed, declared: Declared, wanted: Properties) -> Deployed:
        made = self._create(declared, wanted)
        self._replaced.append(before)
        return made

    def _update(self, after: Deployed, actual: Properties) -> Deployed:
        kind = KINDS[after.declared.type]
        self._undo.append(lambda: kind.update(self.cloud, after.id, after.properties, actual))
        kind.update(self.cloud, after.id, actual, after.properties)
        return after

    def _fail(
        self, wanted: ChangeSet, reason: str, before: dict[str, Deployed], *, retain_except_on_create: bool
    ) -> None:
        """Undo what has been done: a new stack is rolled back or deleted, an old one is as before."""
        with self.lock:
            wanted.execution = "EXECUTE_FAILED"
        if wanted.type == "UPDATE":
            self._roll_back(reason, before)
            return
        on_failure = wanted.asked.get("OnStackFailure", "ROLLBACK")
        if on_failure == "DO_NOTHING":
            self._status("CREATE_FAILED", reason)
        elif on_failure == "DELETE":
            self.delete(f"{reason} Delete requested by user.", keep=not retain_except_on_create)
        else:
            self._status("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
            left = self._delete_all(keep=not retain_except_on_create, skip=())
            self._status("ROLLBACK_FAILED" if left else "ROLLBACK_COMPLETE", _left(left))

    def _roll_back(self, reason: str, before: dict[str, Deployed]) -> None:
        self._status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        for undo in reversed(self._undo):
            try:
                undo()
            except (ClientError, BotoCoreError, Failed) as error:
                self._status("UPDATE_ROLLBACK_FAILED", _reason(error))
                return
        touched = [name for name, each in self.stack.resources.items() if each is not before.get(name)]
        for name in touched:
            old = before.get(name)
            gone = replace(self.stack.resources[name], status="DELETE_COMPLETE", reason="")
            self._record(replace(old, status="UPDATE_COMPLETE", reason="", at=now()) if old else gone)
        self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._status("UPDATE_ROLLBACK_COMPLETE")

    def _clean_up(self, template: Template) -> None:
        """Delete what has been replaced, and what the template has no more."""
        for each in reversed(self._replaced):
            current = self.stack.resources[each.declared.name]
            self._drop(each, keep=each.declared.retained_if_replaced)
            with self.lock:
                self.stack.resources[each.declared.name] = current
        removed = [each for each in self.stack.in_order() if each.declared.name not in template.resources]
        for each in reversed(removed):
            self._drop(each, keep=each.declared.retained)

    def delete(self, reason: str = "", *, keep: bool = True, skip: tuple[str, ...] = (), force: bool = False) -> None:
        """Delete the stack; `keep`: resources that are retained stay; `force`: the stack goes even if some do not."""
        self._status("DELETE_IN_PROGRESS", reason)
        left = self._delete_all(keep=keep, skip=skip)
        if left and not force:
            self._status("DELETE_FAILED", _left(left))
            return
        with self.lock:
            for name in left:
                self.stack.record_of(self.operation, replace(self.stack.resources[name], status="DELETE_SKIPPED"))
            self.stack.record(self.operation, "DELETE_COMPLETE")
            self.stack.deleted = now()

    def _delete_all(self, *, keep: bool, skip: tuple[str, ...]) -> list[str]:
        """Delete resources in the reverse of the order of their creation; return those that could not be."""
        left: list[str] = []
        needed: set[str] = set()
        for each in reversed(list(self.stack.in_order())):
            declared = each.declared
            retained = (keep and declared.retained) or declared.name in skip
            if declared.name in needed and not retained:
                needed |= declared.needs  # what failed to be deleted needs it
            elif not self._drop(each, keep=retained):
                left.append(declared.name)
                needed |= declared.needs
        return left

    def _drop(self, resource: Deployed, *, keep: bool) -> bool:
        """Delete a resource, or let it be; return whether the stack is rid of it."""
        if keep:
            self._record(replace(resource, status="DELETE_SKIPPED", reason=""))
            return True
        self._record(replace(resource, status="DELETE_IN_PROGRESS", reason=""))
        time.sleep(self.delay)
        try:
            KINDS[resource.declared.type].drop(self.cloud, resource.id, resource.properties)
        except (ClientError, BotoCoreError, Failed) as error:
            self._record(replace(resource, status="DELETE_FAILED", reason=_reason(error)))
            return False
        self._record(replace(resource, status="DELETE_COMPLETE", reason=""))
        return True

    def _status(self, status: str, reason: str = "") -> None:
        with self.lock:
            self.stack.record(self.operation, status, reason)

    def _record(self, resource: Deployed) -> None:
        with self.lock:
            self.stack.record_of(self.operation, resource)


@dataclass(frozen=True)
class _Step:
    """What has to be done for a resource, and the resource as it is then but for its id."""

    verb: str
    resource: Deployed
    do: Callable[[], Deployed]
    reason: str = ""


def _outputs(template: Template, names: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "OutputKey": name,
            "OutputValue": str(resolved(each["Value"], names)),
            **({"Description": each["Description"]} if "Description" in each else {}),
        }
        for name, each in template.outputs.items()
    ]


def _left(names: list[str]) -> str:
    return f"The following resource(s) failed to delete: [{', '.join(names)}]. " if names else ""


def _reason(error: Exception) -> str:
    """Return the reason of an event: the words of the service, as a handler of AWS hands them on."""
    if not isinstance(error, ClientError):
        return str(error)
    told = error.response["Error"]
    request = f"(Service: {error.operation_name}, Status Code: 400, Request ID: {uuid4()})"
    code = "AccessDenied" if told["Code"] == "UnauthorizedOperation" else "InvalidRequest"
    message = f'Resource handler returned message: "{told["Message"]} {request}"'
    return f"{message} (RequestToken: {uuid4()}, HandlerErrorCode: {code})"
