"""The CloudFormation stack of `[setup]`: proposed by change sets, followed by its events, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from flowaudit.errors import SetupError
from flowaudit.setup.calls import Calls, Client, is_missing
from flowaudit.setup.reasons import in_plain_words

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
"""How CloudFormation says that there is nothing to change; the change set's status is FAILED all the same."""
SUCCESS = frozenset(("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"))
CANCELLED = "cancelled"
"""In the reason of resources that CloudFormation gave up because another one failed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A stack as CloudFormation describes it."""

    stack_id: str
    status: str
    reason: str = ""
    description: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_deployed(self) -> bool:
        """True if it has resources: a stack in review has a change set only."""
        return self.status not in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")

    @property
    def is_busy(self) -> bool:
        """True if an operation is under way."""
        return self.is_deployed and self.status.endswith("_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of the stack, by its logical and physical id."""

    logical_id: str
    type: str
    physical_id: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stack, or of a resource in it."""

    event_id: str
    at: datetime
    logical_id: str
    type: str
    status: str
    reason: str = ""
    physical_id: str = ""

    @property
    def is_failure(self) -> bool:
        """True if a resource failed by itself: not one that was given up because of another."""
        return self.status.endswith("_FAILED") and CANCELLED not in self.reason and self.type != STACK

    @property
    def failure(self) -> str:
        """The failure in plain words, with the resource's names."""
        return f"{self.logical_id} ({self.type}): {in_plain_words(self.type, self.logical_id, self.reason)}"


STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set: what CloudFormation says of it, and of each change (`ResourceChange`)."""

    arn: str
    stack_id: str
    changes: Sequence[Mapping[str, Any]] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited: pauses grow from `shortest` to `longest` seconds, up to `limit` seconds in all."""

    shortest: float = 0.25
    longest: float = 5.0
    limit: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Stack:
    """The stack of one name, in one account's region."""

    def __init__(self, client: Client, name: str, patience: Patience | None = None) -> None:
        """Drive the stack `name` with a boto3 client of CloudFormation."""
        self.name = name
        self._calls, self._patience = Calls(client), patience or Patience()

    def find(self, stack_id: str = "") -> Found | None:
        """Return the stack, None where there is none; by its id a deleted one is found as well. Raises SetupError."""
        answer = self._calls.one("describe_stacks", gone=is_missing, StackName=stack_id or self.name)
        if answer is None:
            return None
        (stack,) = answer["Stacks"]
        return Found(
            stack_id=stack["StackId"],
            status=stack["StackStatus"],
            reason=stack.get("StackStatusReason", ""),
            description=stack.get("Description", ""),
            outputs={each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())},
            parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", ())},
            created_at=stack.get("CreationTime"),
            updated_at=stack.get("LastUpdatedTime"),
        )

    def resources(self) -> list[StackResource]:
        """Return the resources that the stack has; raises SetupError."""
        listed = self._calls.all("list_stack_resources", "StackResourceSummaries", StackName=self.name)
        return [
            StackResource(
                each["LogicalResourceId"],
                each["ResourceType"],
                each.get("PhysicalResourceId", ""),
                each["ResourceStatus"],
            )
            for each in listed
            if each["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    @contextmanager
    def proposed(self, found: Found | None, **request: Any) -> Iterator[ChangeSet | None]:  # noqa: ANN401
        """Propose a change of the stack `found`: a change set, None where it changes nothing.

        `request` are parameters of CreateChangeSet. An existing stack is compared with what is really there
        (`REVERT_DRIFT`). At the end, whatever happens, a change set that was not executed is deleted, and with it a
        stack that has nothing else. Raises SetupError where CloudFormation refuses the template.
        """
        is_new = found is None or not found.is_deployed
        request |= (
            {"ChangeSetType": "CREATE", "OnStackFailure": "DELETE"}
            if is_new
            else {"ChangeSetType": "UPDATE", "DeploymentMode": "REVERT_DRIFT"}
        )
        name = f"flowaudit-{uuid4().hex[:12]}"
        made = self._calls.one("create_change_set", StackName=self.name, ChangeSetName=name, **request)
        arn, stack_id = made["Id"], made["StackId"]
        try:
            yield self._described(arn, stack_id)
        finally:
            self._discard(arn, stack_id)

    def execute(self, change_set: ChangeSet) -> Iterator[Event]:
        """Execute a change set and yield events as they arrive; raises SetupError with the first failure in it."""
        since = {event.event_id for event in self._events(change_set.stack_id)}
        asked = {"ChangeSetName": change_set.arn, "RetainExceptOnCreate": True}
        if self._calls.one("execute_change_set", gone=_is_obsolete, **asked) is None:
            raise SetupError(f"stack {self.name} was changed by somebody else meanwhile: run the command again")
        events: list[Event] = []
        for event in self._followed(change_set.stack_id, since):
            events.append(event)
            yield event
        found = self.find(change_set.stack_id)
        if found is None or found.status not in SUCCESS:
            raise SetupError(self._failure(found, events))

    def delete(self, found: Found) -> Iterator[Event]:
        """Delete the stack and yield events as they arrive; raises SetupError with each failure in it."""
        since = {event.event_id for event in self._events(found.stack_id)}
        self._calls.one("delete_stack", StackName=found.stack_id)
        events: list[Event] = []
        for event in self._followed(found.stack_id, since):
            events.append(event)
            yield event
        after = self.find(found.stack_id)
        if after is not None and after.status != "DELETE_COMPLETE":
            failures = "\n".join(event.failure for event in events if event.is_failure) or after.reason
            raise SetupError(f"stack {self.name} is not deleted ({after.status}):\n{failures}")

    def first_failure(self, found: Found) -> Event | None:
        """Return the first failure of the stack's last operation, None where it did not fail; raises SetupError."""
        failures: list[Event] = []
        for event in self._events(found.stack_id):  # newest first
            if event.is_failure:
                failures.append(event)
            elif event.type == STACK and event.logical_id == self.name and event.status in _BEGINNINGS:
                break
        return failures[-1] if failures else None

    # --- change sets --------------------------------------------------------------------------------------------------

    def _described(self, arn: str, stack_id: str) -> ChangeSet | None:
        pause = _Pause(self._patience, f"change set {arn} is not ready")
        while (answer := self._calls.one("describe_change_set", ChangeSetName=arn))["Status"].endswith(
            ("_PENDING", "_IN_PROGRESS")
        ):
            pause()
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "")
            if any(words in reason for words in NO_CHANGES):
                return None
            failures, _ = self._validation(arn)
            raise SetupError(f"CloudFormation refuses the template of stack {self.name}: {failures or reason}")
        changes = self._calls.all("describe_change_set", "Changes", ChangeSetName=arn, IncludePropertyValues=True)
        _, warnings = self._validation(arn)
        return ChangeSet(
            arn, stack_id, [each["ResourceChange"] for each in changes if "ResourceChange" in each], warnings
        )

    def _validation(self, arn: str) -> tuple[str, tuple[str, ...]]:
        """Return what CloudFormation's validation before the deployment refuses, and what it warns of."""
        try:
            events = self._calls.all("describe_events", "OperationEvents", ChangeSetName=arn)
        except SetupError as error:
            return "", (f"warnings of CloudFormation are unknown: {error}",)
        said = [
            (each.get("ValidationFailureMode") == "WARN", _validation_words(each))
            for each in events
            if each.get("EventType") == "VALIDATION_ERROR"
        ]
        failures = "; ".join(dict.fromkeys(words for is_warning, words in said if not is_warning))
        return failures, tuple(dict.fromkeys(words for is_warning, words in said if is_warning))

    def _discard(self, arn: str, stack_id: str) -> None:
        """Delete a change set that is not executed; the stack as well, where it has nothing else."""
        answer = self._calls.one("describe_change_set", gone=is_missing, ChangeSetName=arn)
        if answer is not None and answer.get("ExecutionStatus") not in ("EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE"):
            self._calls.one("delete_change_set", gone=is_missing, ChangeSetName=arn)
        found = self.find(stack_id)
        if found is not None and found.status == "REVIEW_IN_PROGRESS" and not self._others(arn, stack_id):
            self._calls.one("delete_stack", StackName=stack_id)
            pause = _Pause(self._patience, f"stack {self.name} is still being deleted")
            while (found := self.find(stack_id)) and found.status == "DELETE_IN_PROGRESS":
                pause()

    def _others(self, arn: str, stack_id: str) -> bool:
        """Return whether the stack has another change set: somebody else may be about to execute it."""
        listed = self._calls.each("list_change_sets", "Summaries", gone=is_missing, StackName=stack_id)
        return any(each["ChangeSetId"] != arn for each in listed)

    # --- events -------------------------------------------------------------------------------------------------------

    def _events(self, stack_id: str) -> Iterator[Event]:
        """Yield the stack's events, newest first, a page at a time."""
        for each in self._calls.each("describe_stack_events", "StackEvents", gone=is_missing, StackName=stack_id):
            yield Event(
                each["EventId"],
                each["Timestamp"],
                each["LogicalResourceId"],
                each["ResourceType"],
                each["ResourceStatus"],
                each.get("ResourceStatusReason", ""),
                each.get("PhysicalResourceId", ""),
            )

    def _followed(self, stack_id: str, seen: set[str]) -> Iterator[Event]:
        """Yield events that are not `seen` yet, oldest first, until the stack is at rest."""
        pause = _Pause(
            self._patience, f"stack {self.name} is still at work; `flowaudit setup status` shows how it ends"
        )
        while True:
            found = self.find(stack_id)  # before its events: none that precede its end are missed
            fresh = []
            for event in self._events(stack_id):
                if event.event_id in seen:
                    break
                fresh.append(event)
            seen |= {event.event_id for event in fresh}
            yield from reversed(fresh)
            if found is None or (not found.status.endswith("_IN_PROGRESS") and found.status != "REVIEW_IN_PROGRESS"):
                return
            if fresh:
                pause.reset()
            pause()

    def _failure(self, found: Found | None, events: list[Event]) -> str:
        first = next((event for event in events if event.is_failure), None)
        why = first.failure if first else (found.reason if found else "CloudFormation gives no reason")
        status = found.status if found else "DELETE_COMPLETE"
        kept = [event.physical_id for event in events if event.status == "DELETE_SKIPPED"]
        match status:
            case "DELETE_COMPLETE" | "ROLLBACK_COMPLETE" if not kept:
                after = "nothing of it is left"
            case "DELETE_COMPLETE":
                after = f"this is left, and has to be deleted by hand: {', '.join(kept)}"
            case "UPDATE_ROLLBACK_COMPLETE":
                after = "it is as it was before"
            case "UPDATE_ROLLBACK_FAILED":
                after = (
                    "and cannot be rolled back: remove the reason, then run "
                    f"aws cloudformation continue-update-rollback --stack-name {self.name}"
                )
            case _:
                after = f"its status is {status}: flowaudit setup destroy removes it"
        return f"stack {self.name} failed, {after}. The reason: {why}"


_BEGINNINGS = frozenset(("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"))


def _is_obsolete(error: ClientError) -> bool:
    """Return whether an error means that another change set was executed since, or this one deleted."""
    return is_missing(error) or error.response.get("Error", {}).get("Code", "").startswith("InvalidChangeSetStatus")


def _validation_words(event: Mapping[str, Any]) -> str:
    place = event.get("ValidationPath") or event.get("LogicalResourceId") or ""
    return f"{place}: {event.get('ValidationStatusReason', 'is refused')}".removeprefix(": ")


class _Pause:
    """Pauses that grow; raises SetupError where they come to more than the limit."""

    def __init__(self, patience: Patience, message: str) -> None:
        self._patience, self._message = patience, message
        self._until = patience.clock() + patience.limit
        self._next = patience.shortest

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._next = self._patience.shortest

    def __call__(self) -> None:
        """Wait; raises SetupError."""
        if self._patience.clock() > self._until:
            raise SetupError(f"after {self._patience.limit / 60:.0f} minutes {self._message}")
        self._patience.sleep(self._next)
        self._next = min(self._next * 1.5, self._patience.longest)
