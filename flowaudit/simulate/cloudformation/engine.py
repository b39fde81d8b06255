"""The operations of CloudFormation's API: each takes a request as botocore has it and returns the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import RLock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from flowaudit.simulate.cloudformation import answers
from flowaudit.simulate.cloudformation.answers import Answer
from flowaudit.simulate.cloudformation.changes import Comparison
from flowaudit.simulate.cloudformation.cloud import Cloud, MakeClient
from flowaudit.simulate.cloudformation.deployment import Deployment
from flowaudit.simulate.cloudformation.errors import Refused, invalid
from flowaudit.simulate.cloudformation.resources import KINDS
from flowaudit.simulate.cloudformation.stacks import ChangeSet, Event, Operation, Stack, now
from flowaudit.simulate.cloudformation.template import Template, check_capabilities, parameters_of, parsed

ACCOUNT = "123456789012"
LARGEST_BODY = 51_200
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
NOT_VALID = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation]. To troubleshoot Early "
    "Validation errors, use the DescribeEvents API for detailed failure information."
)

Request = Mapping[str, Any]


class Engine:
    """CloudFormation of one account, in every Region.

    `fail` and `deny` are for tests: reasons for which a resource type or a logical id cannot be made or changed, and
    actions that are not allowed, as in `ec2:CreateNatGateway` or `cloudformation:CreateChangeSet`.
    """

    def __init__(
        self,
        make_client: MakeClient,
        *,
        account: str = ACCOUNT,
        fail: Mapping[str, str] | None = None,
        delay: float = 0.0,
        page: int = 100,
    ) -> None:
        self.make_client = make_client
        self.account = account
        self.fail = dict(fail or {})
        self.deny: set[str] = set()
        self.delay = delay
        self.page = page
        self.clouds: dict[str, Cloud] = {}
        self.stacks: list[Stack] = []
        self.lock = RLock()
        self._threads: list[Thread] = []

    def ask(self, action: str, request: Request, region: str) -> Answer:
        """Return the answer to a request; raises Refused."""
        if action not in OPERATIONS:
            raise Refused("InvalidAction", f"The stand-in has no operation {action}")
        if f"cloudformation:{action}" in self.deny:
            who = f"arn:aws:iam::{self.account}:user/stand-in"
            told = f"User: {who} is not authorized to perform: cloudformation:{action}"
            raise Refused("AccessDenied", f"{told} because no identity-based policy allows the action")
        with self.lock:
            return OPERATIONS[action](self, request, region)

    def join(self) -> None:
        """Wait until all operations are over."""
        for thread in self._threads:
            thread.join()

    def cloud(self, region: str) -> Cloud:
        """Return the account in a Region."""
        with self.lock:
            if region not in self.clouds:
                self.clouds[region] = Cloud(self.account, region, self.make_client, deny=self.deny)
            return self.clouds[region]

    def create_change_set(self, request: Request, region: str) -> Answer:
        """Compare a template with a stack; a change set of type CREATE makes the stack."""
        stack, kind = self._target(request, region)
        body = stack.template.body if request.get("UsePreviousTemplate") else self._body(request, region)
        template = parsed(body, frozenset(KINDS))
        parameters = parameters_of(template, request.get("Parameters", []), stack.parameters)
        check_capabilities(template, request.get("Capabilities", []))
        name = request["ChangeSetName"]
        asked = {"Tags": stack.tags, **request}
        arn = f"arn:aws:cloudformation:{region}:{self.account}:changeSet/{name}/{uuid4()}"
        wanted = ChangeSet(name, arn, kind, template, parameters, asked)
        self._compare(stack, wanted, region)
        if stack not in self.stacks:
            self.stacks.append(stack)
            stack.record(Operation("CREATE_STACK"), "REVIEW_IN_PROGRESS", "User Initiated")
        stack.change_sets[name] = wanted
        return {"Id": wanted.id, "StackId": stack.id}

    def _target(self, request: Request, region: str) -> tuple[Stack, str]:
        """Return the stack that a change set is for, and the type of the change set."""
        kind, name, change_set = (
            request.get("ChangeSetType", "UPDATE"),
            request["StackName"],
            request["ChangeSetName"],
        )
        stack = self._find(name, region)
        if kind == "CREATE":
            stack = stack or Stack(name, f"arn:aws:cloudformation:{region}:{self.account}:stack/{name}/{uuid4()}")
            if stack.status != "REVIEW_IN_PROGRESS":
                raise invalid(
                    f"Stack [{name}] already exists and cannot be created again with the changeSet [{change_set}]."
                )
        elif stack is None:
            raise invalid(f"Stack [{name}] does not exist")
        elif request.get("OnStackFailure") == "DELETE":
            raise invalid("OnStackFailure DELETE is not supported for change set type UPDATE")
        elif stack.is_busy or not _can_be_updated(stack.status):
            raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        if change_set in stack.change_sets:
            raise Refused(
                "AlreadyExistsException",
                f"ChangeSet {change_set} cannot be created due to a mismatch with existing attribute ChangeSetName",
            )
        return stack, kind

    def _body(self, request: Request, region: str) -> str:
        if url := request.get("TemplateURL"):
            bucket, key = _in_s3(str(url))
            return str(self.cloud(region).client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        body = str(request.get("TemplateBody", ""))
        if not body:
            raise invalid("Either Template URL or Template Body must be specified.")
        if len(body.encode()) > LARGEST_BODY:
            what = f"Member must have length less than or equal to {LARGEST_BODY}"
            raise invalid(f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: {what}")
        return body

    def _compare(self, stack: Stack, wanted: ChangeSet, region: str) -> None:
        """Find the changes; a change set of wrong properties, or without changes, has failed."""
        if wrong := list(_wrong_properties(wanted.template, wanted.operation)):
            stack.events += wrong
            wanted.status, wanted.execution, wanted.reason = "FAILED", "UNAVAILABLE", NOT_VALID
            return
        compared = Comparison(self.cloud(region), stack.standing(), reverts=wanted.reverts)
        names = self._names(stack, wanted.parameters, region)
        compared.compare(wanted.template, names, list(wanted.asked["Tags"]))
        wanted.changes, wanted.drifted = compared.changes, compared.drifted
        if not wanted.changes and wanted.type == "UPDATE" and wanted.template.outputs == stack.template.outputs:
            wanted.status, wanted.execution, wanted.reason = "FAILED", "UNAVAILABLE", NO_CHANGES

    def _names(self, stack: Stack, parameters: Mapping[str, str], region: str) -> dict[str, Any]:
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": region,
            "AWS::Partition": "aws-us-gov" if region.startswith("us-gov-") else "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack.name,
            "AWS::StackId": stack.id,
            "Fn::GetAZs": self.cloud(region).zones,
            **parameters,
        }

    def execute_change_set(self, request: Request, region: str) -> Answer:
        """Start what a change set asks for; the other change sets of the stack are obsolete."""
        stack, wanted = self._change_set(request, region)
        if wanted.execution != "AVAILABLE" or stack.is_busy:
            current = f"status of [{wanted.status}]"
            if wanted.status == "CREATE_COMPLETE":
                current = f"execution status of [{wanted.execution}]"
            told = f"ChangeSet [{wanted.id}] cannot be executed in its current {current}"
            raise Refused("InvalidChangeSetStatus", told)
        verb = "CREATE" if wanted.type == "CREATE" else "UPDATE"
        if request.get("DisableRollback"):
            wanted.asked = {**wanted.asked, "OnStackFailure": "DO_NOTHING"}
        for each in stack.change_sets.values():
            each.execution = "OBSOLETE" if each.execution == "AVAILABLE" else each.execution
        wanted.execution = "EXECUTE_IN_PROGRESS"
        stack.change_set, stack.tags = wanted.id, list(wanted.asked["Tags"])
        stack.capabilities, stack.updated = list(wanted.asked.get("Capabilities", [])), now()
        deployment = self._deployment(stack, Operation(f"{verb}_STACK"), region)
        stack.record(deployment.operation, f"{verb}_IN_PROGRESS", "User Initiated")
        names = self._names(stack, wanted.parameters, region)
        retain = bool(request.get("RetainExceptOnCreate"))
        self._start(deployment, lambda: deployment.deploy(wanted, names, retain_except_on_create=retain))
        return {}

    def delete_change_set(self, request: Request, region: str) -> Answer:
        """Delete a change set that is not being executed."""
        stack, wanted = self._change_set(request, region)
        if wanted.execution == "EXECUTE_IN_PROGRESS":
            told = f"ChangeSet [{wanted.id}] cannot be deleted in its current status"
            raise Refused("InvalidChangeSetStatus", told)
        del stack.change_sets[wanted.name]
        return {}

    def delete_stack(self, request: Request, region: str) -> Answer:
        """Start the deletion of a stack; one that does not exist is deleted already."""
        stack = self._find(request["StackName"], region)
        if stack is None or stack.deleted:
            return {}
        if stack.is_busy and not stack.status.startswith("DELETE"):
            raise invalid(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
        if stack.is_busy:
            return {}
        skip = tuple(request.get("RetainResources", []))
        if skip and stack.status != "DELETE_FAILED":
            raise invalid("Invalid operation on stack. RetainResources is for stacks in DELETE_FAILED state only.")
        force = request.get("DeletionMode") == "FORCE_DELETE_STACK"
        if force and stack.status != "DELETE_FAILED":
            raise invalid("Invalid operation on stack. FORCE_DELETE_STACK is for stacks in DELETE_FAILED state only.")
        deployment = self._deployment(stack, Operation("DELETE_STACK"), region)
        stack.change_sets.clear()
        stack.status = "DELETE_IN_PROGRESS"
        self._start(deployment, lambda: deployment.delete("User Initiated", skip=skip, force=force))
        return {"OperationId": deployment.operation.id}

    def _deployment(self, stack: Stack, operation: Operation, region: str) -> Deployment:
        return Deployment(stack, self.cloud(region), operation, self.lock, self.fail, self.delay)

    def _start(self, deployment: Deployment, do: Callable[[], None]) -> None:
        def run() -> None:
            try:
                do()
            except Exception:  # a defect of the stand-in: who waits for the stack is to see an end
                deployment.give_up()
                raise

        thread = Thread(target=run, daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def describe_change_set(self, request: Request, region: str) -> Answer:
        """Return a change set, a page of its changes at a time."""
        stack, wanted = self._change_set(request, region)
        told = answers.change_set(stack, wanted, values=bool(request.get("IncludePropertyValues")))
        return {**told, "NextToken": None, **self._page(told["Changes"], request, "Changes")}

    def list_change_sets(self, request: Request, region: str) -> Answer:
        """Return the change sets of a stack."""
        stack = self._stack(request["StackName"], region)
        told = [answers.change_set_summary(stack, each) for each in stack.change_sets.values()]
        return self._page(told, request, "Summaries")

    def describe_stacks(self, request: Request, region: str) -> Answer:
        """Return the stacks that are there, or the one that is named."""
        if name := request.get("StackName"):
            return {"Stacks": [answers.stack(self._stack(name, region))]}
        told = [answers.stack(each) for each in self.stacks if not each.deleted and f":{region}:" in each.id]
        return self._page(told, request, "Stacks")

    def list_stack_resources(self, request: Request, region: str) -> Answer:
        """Return the resources of a stack, a page at a time."""
        stack = self._stack(request["StackName"], region)
        told = [answers.resource(stack, each, time="LastUpdatedTimestamp") for each in stack.resources.values()]
        return self._page(told, request, "StackResourceSummaries")

    def describe_stack_resources(self, request: Request, region: str) -> Answer:
        """Return the resources of a stack."""
        stack, name = self._stack(request["StackName"], region), request.get("LogicalResourceId")
        found = [each for each in stack.resources.values() if name in (None, each.declared.name)]
        return {"StackResources": [answers.resource(stack, each, time="Timestamp") for each in found]}

    def describe_stack_events(self, request: Request, region: str) -> Answer:
        """Return the events of a stack, newest first, a page at a time."""
        stack = self._stack(request["StackName"], region)
        found = [each for each in reversed(stack.events) if each.event_type != "VALIDATION_ERROR"]
        return self._page([answers.stack_event(stack, each) for each in found], request, "StackEvents")

    def describe_events(self, request: Request, region: str) -> Answer:
        """Return the events of an operation, a change set or a stack, newest first, a page at a time."""
        operation = request.get("OperationId")
        if request.get("ChangeSetName"):
            stack, wanted = self._change_set(request, region)
            operation = wanted.operation.id
        elif request.get("StackName"):
            stack = self._stack(request["StackName"], region)
        else:
            stack = self._of_operation(operation)
        only_failures = request.get("Filters", {}).get("FailedEvents")
        found = [
            answers.operation_event(stack, each)
            for each in reversed(stack.events)
            if operation in (None, each.operation.id) and (answers.is_failure(each) or not only_failures)
        ]
        return self._page(found, request, "OperationEvents")

    def get_template(self, request: Request, region: str) -> Answer:
        """Return the template of a stack, or of a change set."""
        if request.get("ChangeSetName"):
            body = self._change_set(request, region)[1].template.body
        else:
            body = self._stack(request["StackName"], region).template.body
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def _page(self, told: list[Answer], request: Request, key: str) -> Answer:
        return answers.page(told, request.get("NextToken"), self.page, key)

    def _find(self, name: str, region: str) -> Stack | None:
        """Return the stack of a name, or of an id: that also once it is deleted."""
        for each in reversed(self.stacks):
            if each.id == name or (each.name == name and not each.deleted and f":{region}:" in each.id):
                return each
        return None

    def _stack(self, name: str, region: str) -> Stack:
        if stack := self._find(name, region):
            return stack
        raise invalid(f"Stack with id {name} does not exist")

    def _of_operation(self, operation: str | None) -> Stack:
        for stack in self.stacks:
            if any(each.operation.id == operation for each in stack.events):
                return stack
        raise invalid(f"Operation {operation} does not exist")

    def _change_set(self, request: Request, region: str) -> tuple[Stack, ChangeSet]:
        name = request["ChangeSetName"]
        if not name.startswith("arn:") and not request.get("StackName"):
            raise invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stacks = [self._stack(request["StackName"], region)] if request.get("StackName") else self.stacks
        for stack in stacks:
            for each in stack.change_sets.values():
                if name in (each.name, each.id):
                    return stack, each
        raise Refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")


OPERATIONS = {
    "CreateChangeSet": Engine.create_change_set,
    "DeleteChangeSet": Engine.delete_change_set,
    "DeleteStack": Engine.delete_stack,
    "DescribeChangeSet": Engine.describe_change_set,
    "DescribeEvents": Engine.describe_events,
    "DescribeStackEvents": Engine.describe_stack_events,
    "DescribeStackResources": Engine.describe_stack_resources,
    "DescribeStacks": Engine.describe_stacks,
    "ExecuteChangeSet": Engine.execute_change_set,
    "GetTemplate": Engine.get_template,
    "ListChangeSets": Engine.list_change_sets,
    "ListStackResources": Engine.list_stack_resources,
}
"""What the stand-in answers to."""


def _can_be_updated(status: str) -> bool:
    return status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def _in_s3(url: str) -> tuple[str, str]:
    """Return bucket and key of a URL of S3: the bucket is in the name of the host, or leads the path."""
    host, path = urlsplit(url).netloc, unquote(urlsplit(url).path).lstrip("/")
    if ".s3." in host or ".s3-" in host:
        return host.split(".s3")[0], path
    bucket, key = path.split("/", 1)
    return bucket, key


def _wrong_properties(template: Template, operation: Operation) -> Iterator[Event]:
    """Yield an event for each property that a type does not have, or that is missing."""
    for declared in template.resources.values():
        kind = KINDS[declared.type]
        wrong = [(name, f"extraneous key [{name}] is not permitted") for name in set(declared.properties) - kind.known]
        wrong += [("", f"required key [{name}] not found") for name in kind.required - set(declared.properties)]
        for name, told in sorted(wrong):
            path = f"/Resources/{declared.name}/Properties" + (f"/{name}" if name else "")
            details = {
                "ValidationName": "PROPERTY_VALIDATION",
                "ValidationStatus": "FAILED",
                "ValidationFailureMode": "FAIL",
                "ValidationStatusReason": f"#: {told}",
                "ValidationPath": path,
            }
            yield Event(operation, declared.name, declared.type, "", "", "", "VALIDATION_ERROR", details)
