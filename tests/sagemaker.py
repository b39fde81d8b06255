"""SageMaker's and EFS's answers for tests: real botocore clients, with a stand-in for the wire below them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.workloads import workloads
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.topology import VpcConfig, Workload

NOW = datetime(2024, 5, 3, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MADE, CHANGED, ENDED = NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR
ACCOUNT, REGION = "123456789012", "eu-central-1"
VPC = {"Subnets": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-1"]}
OWN = VpcConfig(subnets=("subnet-a", "subnet-b"), security_groups=("sg-1",))
OTHER = VpcConfig(subnets=("subnet-c",), security_groups=("sg-2",))
OTHER_VPC = {"Subnets": ["subnet-c"], "SecurityGroupIds": ["sg-2"]}
SESSION = botocore.session.Session()
SESSION.set_credentials("testing", "testing")
MODEL = SESSION.get_service_model("sagemaker")
OPERATIONS = {xform_name(name): name for name in MODEL.operation_names}
BY_KIND = {kind.kind: kind for kind in KINDS}


def arn(resource: str) -> str:
    """A SageMaker ARN of the tests' account."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def report(answer: dict[str, Any], shape: Any) -> str:
    """What botocore finds wrong with an answer of a shape."""
    return str(ParamValidator().validate(answer, shape).generate_report())


def mount(target: str, interface: str) -> dict[str, Any]:
    """A mount target of fs-1, as EFS describes it."""
    return {
        "MountTargetId": target,
        "FileSystemId": "fs-1",
        "SubnetId": "subnet-a",
        "LifeCycleState": "available",
        "NetworkInterfaceId": interface,
    }


class Refusal(NamedTuple):
    """An error that AWS answers with."""

    code: str
    message: str = "No."


class Wire:
    """What AWS would answer, below real clients: requests are botocore's own, answers are held to botocore's model.

    An answer is a dict, a Refusal, or what makes one from the parameters; an unknown list is empty, an unknown
    thing is not found.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._lock = Lock()
        self.clients = {name: SESSION.create_client(name, region_name=REGION) for name in ("sagemaker", "efs")}
        for client in self.clients.values():
            client.meta.events.register("before-parameter-build", self._remember)
            client.meta.events.register("before-call", self._answer)

    def look(
        self, before: tuple[Workload, ...] = (), since: datetime | None = None, now: datetime = NOW
    ) -> tuple[dict[str, Workload], frozenset[str], Asker]:
        """Look once; the workloads by name."""
        self.asked.clear()
        ask = Asker(ACCOUNT, REGION, self.clients.__getitem__)
        found, unlisted = workloads(ask, before, since, now)
        assert list(found) == sorted(found, key=lambda workload: workload.arn)
        assert len({workload.name for workload in found}) == len(found)
        return {workload.name: workload for workload in found}, unlisted, ask

    def described(self) -> list[str]:
        """Operations other than lists that were asked, in order."""
        return sorted(operation for operation, _ in self.asked if not operation.startswith("List"))

    def filters(self, operation: str) -> list[dict[str, Any]]:
        """What lists were filtered by."""
        return [
            {key: value for key, value in params.items() if key != "MaxResults"}
            for asked, params in self.asked
            if asked == operation
        ]

    @staticmethod
    def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        with self._lock:
            self.asked.append((model.name, context["asked"]))
        answer = self.answers.get(model.name, {} if model.name.startswith("List") else Refusal("ResourceNotFound"))
        answer = answer(context["asked"]) if callable(answer) else answer
        if isinstance(answer, Refusal):
            return AWSResponse("", 400, {}, None), {"Error": {"Code": answer.code, "Message": answer.message}}
        assert not re.findall(r"Unknown parameter.*|Invalid type.*", report(answer, model.output_shape))
        return AWSResponse("", 200, {}, None), {**answer, "ResponseMetadata": {}}


def row_lists(kind: str, field: str) -> bool:
    """Whether a kind's list has a field."""
    row = BY_KIND[kind]
    listing = MODEL.operation_model(OPERATIONS[row.list_operation]).output_shape
    return field in listing.members[row.key].member.members


def item(kind: str, name: str = "one", **more: Any) -> dict[str, Any]:
    """An item of a kind's list: its name, its ARN and its times, as far as that list has them."""
    row = BY_KIND[kind]
    told = {
        (row.names or (f"{row.resource}Name",))[-1]: name,
        row.arn or f"{row.resource}Arn": arn(f"{kind.replace('_', '-')}/{name}"),
        row.created: MADE,
        row.modified: CHANGED,
    }
    return {field: value for field, value in told.items() if row_lists(kind, field)} | more


def stands(kind: str, *items: dict[str, Any], describe: Any = None) -> dict[str, Any]:
    """Answers of a wire: a kind's list, and its description, one for all."""
    row = BY_KIND[kind]
    listing = {OPERATIONS[row.list_operation]: {row.key: list(items)}}
    return listing | ({} if describe is None else {OPERATIONS[row.describe_operation]: describe})


DOMAIN = {
    "DomainId": "d-1",
    "HomeEfsFileSystemId": "fs-1",
    "SubnetIds": ["subnet-b", "subnet-a"],
    "AppNetworkAccessType": "VpcOnly",
    "DefaultUserSettings": {"SecurityGroups": ["sg-1"]},
}
TARGETS = {"MountTargets": [mount("fsmt-1", "eni-2"), mount("fsmt-2", "eni-1")]}
