"""AWS's sinks and OCSF's, connected to moto and to a folder, with hooks on the clients to make calls fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar, Self

import boto3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from flowaudit.config.sinks import EventBridgeSink, OcsfSink, SecurityHubSink, SnsSink, SqsSink
from flowaudit.sinks import Sink
from flowaudit.sinks.eventbridge import EventBridge
from flowaudit.sinks.ocsf_lines import OcsfFile, OcsfS3
from flowaudit.sinks.security_hub import Accounts, SecurityHub
from flowaudit.sinks.sns import Sns
from flowaudit.sinks.sqs import Sqs
from tests.sinks.harness import ACCOUNT, REGION, Failure, Received

SECRET, KEY = "not-to-be-told", "AKIDEXAMPLE"
CALLS: frozenset[Failure] = frozenset(("down", "throttled", "denied", "none"))
CODES: dict[str, tuple[str, int]] = {
    "throttled": ("ThrottlingException", 400),
    "denied": ("AccessDeniedException", 400),
}

Answer = Callable[[str, Mapping[str, Any]], dict[str, Any] | None]
"""What a call is answered, by operation and parameters; None: what moto answers."""


class Wire:
    """A client's calls: what was asked, what was accepted, and the answer that stands in for moto's."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.accepted: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self.answer: Answer = lambda *_: None
        client.meta.events.register_first("before-parameter-build.*.*", self._asked)
        client.meta.events.register_first("before-call.*.*", self._called)
        client.meta.events.register("after-call.*.*", self._answered)

    def _asked(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.asked.append((model.name, dict(params)))

    def _called(self, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        answer = self.answer(*self.asked[-1])
        if answer is None:
            return None
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return SimpleNamespace(status_code=status), answer

    def _answered(self, parsed: Mapping[str, Any], **_: Any) -> None:
        if "Error" not in parsed:
            self.accepted.append((self.asked[-1][1], parsed))


def error(code: str, status: int = 400, words: str = "", **headers: str) -> dict[str, Any]:
    """An answer by which AWS refuses a call as a whole."""
    return {
        "Error": {"Code": code, "Message": words},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


def refusing(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """An answer by which AWS takes a call and finds fault with each of its entries."""
    words = "this entry is malformed"
    if operation == "PutEvents":
        entries = [{"ErrorCode": "MalformedDetail", "ErrorMessage": words} for _ in params["Entries"]]
        return {"FailedEntryCount": len(entries), "Entries": entries}
    if operation == "BatchImportFindings":
        ids = [finding["Id"] for finding in params["Findings"]]
        failed = [{"Id": id, "ErrorCode": "InvalidInput", "ErrorMessage": words} for id in ids]
        return {"FailedCount": len(failed), "SuccessCount": 0, "FailedFindings": failed}
    entries = params.get("PublishBatchRequestEntries") or params["Entries"]
    fault = {"Code": "InvalidParameterValue", "Message": words, "SenderFault": True}
    return {"Failed": [{"Id": entry["Id"], **fault} for entry in entries]}


def down(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """No connection."""
    raise EndpointConnectionError(endpoint_url=f"https://{KEY}:{SECRET}@aws.example/")


class _Aws:
    """A mock of AWS for as long as the context lasts."""

    kind: str = ""
    can: frozenset[Failure] = CALLS | {"refusing"}
    service: ClassVar[str] = ""
    client: Any
    wire: Wire

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(mock_aws())
        self._taken: list[str] = []
        self.client = self.make(self.service)
        self.queue = ""
        self.prepare()
        self.wire = Wire(self.client)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._stack.close()

    def prepare(self) -> None:
        """Make what the sink sends to."""

    def make(self, service: str, **keys: Any) -> Any:
        """A client that does not try again, with made-up keys."""
        made_up = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client(service, REGION, config=config, **made_up | keys)

    def fail(self, how: Failure) -> None:
        """Answer calls in moto's place."""
        if how in CODES:
            answer = error(*CODES[how])
            self.wire.answer = lambda *_: answer
        else:
            answers: dict[str, Answer] = {"down": down, "refusing": refusing, "none": lambda *_: None}
            self.wire.answer = answers[how]

    def listen(self, name: str = "heard", **attributes: str) -> str:
        """Make a queue that `texts` reads, and return its ARN."""
        sqs = self.make("sqs")
        self.queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        (arn,) = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"].values()
        return arn

    def texts(self) -> list[str]:
        """The bodies of all messages that arrived in the queue so far."""
        self._taken += [message["Body"] for message in messages(self.make("sqs"), self.queue)]
        return self._taken


def messages(sqs: Any, queue: str) -> Iterator[dict[str, Any]]:
    """Take the messages out of a queue, with their attributes."""
    every = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"], "MaxNumberOfMessages": 10}
    while some := sqs.receive_message(QueueUrl=queue, **every).get("Messages"):
        for message in some:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        yield from some


class SnsHarness(_Aws):
    """A topic, and a queue that is subscribed to it."""

    kind = service = "sns"

    def prepare(self) -> None:
        """Make the topic and subscribe the queue."""
        self.topic = self.client.create_topic(Name="findings")["TopicArn"]
        self.client.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.listen())

    def sink(self, **settings: Any) -> Sink:
        """A sink to the topic."""
        values = {"type": "sns", "name": "topic", "topic_arn": self.topic} | settings
        return Sns(SnsSink.model_validate(values), self.client)

    def received(self) -> Sequence[Received]:
        """What came through the subscription: SNS's envelope."""
        return [Received(json.loads(json.loads(text)["Message"])["id"], text) for text in self.texts()]


class SqsHarness(_Aws):
    """A queue."""

    kind = service = "sqs"

    def prepare(self) -> None:
        """Make the queue."""
        self.listen("findings")

    def sink(self, **settings: Any) -> Sink:
        """A sink to the queue."""
        values = {"type": "sqs", "name": "queue", "queue_url": self.queue} | settings
        return Sqs(SqsSink.model_validate(values), self.client)

    def received(self) -> Sequence[Received]:
        """The messages."""
        return [Received(json.loads(text)["id"], text) for text in self.texts()]


class EventBridgeHarness(_Aws):
    """A bus, with a rule that sends events of flowaudit to a queue."""

    kind, service = "eventbridge", "events"

    def prepare(self) -> None:
        """Make bus, rule and queue."""
        self.client.create_event_bus(Name="security")
        rule = {"Name": "findings", "EventBusName": "security"}
        self.client.put_rule(EventPattern=json.dumps({"source": ["flowaudit"]}), **rule)
        target = {"Id": "queue", "Arn": self.listen()}
        self.client.put_targets(Rule=rule["Name"], EventBusName=rule["EventBusName"], Targets=[target])

    def sink(self, **settings: Any) -> Sink:
        """A sink to the bus."""
        values = {"type": "eventbridge", "name": "bus", "bus": "security"} | settings
        return EventBridge(EventBridgeSink.model_validate(values), self.client)

    def received(self) -> Sequence[Received]:
        """What the rule matched."""
        return [Received(json.loads(text)["detail"]["id"], text) for text in self.texts()]


class SecurityHubHarness(_Aws):
    """A hub in the account of the harness' events."""

    kind, service = "security_hub", "securityhub"

    def prepare(self) -> None:
        """Enable the hub."""
        self.client = self.of(ACCOUNT)

    def of(self, account: str) -> Any:
        """A client of an account's enabled hub."""
        asked = self.make("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/hub", RoleSessionName="test")
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        parts = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        client = self.make(
            "securityhub", **{name: asked["Credentials"][part] for name, part in zip(names, parts, strict=True)}
        )
        client.enable_security_hub()
        return client

    def sink(self, **settings: Any) -> Sink:
        """A sink to the hub."""
        values = {"type": "security_hub", "name": "hub"} | settings
        return SecurityHub(SecurityHubSink.model_validate(values), lambda: Accounts({ACCOUNT: self.client}, ACCOUNT))

    def received(self) -> Sequence[Received]:
        """Every finding of each import that succeeded: the hub itself keeps the newest only."""
        found = []
        for asked, answer in self.wire.accepted:
            failed = {failure["Id"] for failure in answer.get("FailedFindings", ())}
            found += [finding for finding in asked["Findings"] if finding["Id"] not in failed]
        return [
            Received(finding["ProductFields"]["flowaudit/event_id"], json.dumps(finding, ensure_ascii=False))
            for finding in found
        ]


class OcsfS3Harness(_Aws):
    """A bucket."""

    kind, service = "ocsf", "s3"
    can = CALLS

    def prepare(self) -> None:
        """Make the bucket."""
        self.client.create_bucket(Bucket="findings")

    def sink(self, **settings: Any) -> Sink:
        """A sink to a prefix in the bucket."""
        values = {"type": "ocsf", "name": "archive", "uri": "s3://findings/ocsf/"} | settings
        return OcsfS3(OcsfSink.model_validate(values), self.client)

    def received(self) -> Sequence[Received]:
        """Every line of each object, in the order of the keys."""
        s3 = self.make("s3")
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="findings").get("Contents", ())]
        bodies = [s3.get_object(Bucket="findings", Key=key)["Body"].read() for key in keys]
        return list(_lines(b"".join(bodies)))


class OcsfFileHarness:
    """A folder."""

    kind = "ocsf"
    can: frozenset[Failure] = frozenset(("down", "none"))

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory()
        self.path = Path(self._folder.name) / "made" / "findings.ndjson"
        self._aside = Path(self._folder.name) / "aside"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._folder.cleanup()

    def sink(self, **settings: Any) -> Sink:
        """A sink to a file in the folder."""
        values = {"type": "ocsf", "name": "lines", "uri": str(self.path)} | settings
        return OcsfFile(OcsfSink.model_validate(values))

    def received(self) -> Sequence[Received]:
        """Every line."""
        path = self._aside if self.path.is_dir() else self.path
        return list(_lines(path.read_bytes())) if path.exists() else []

    def fail(self, how: Failure) -> None:
        """Put a folder in the file's place, or the file back."""
        if how == "down" and not self.path.is_dir():
            self.path.parent.mkdir(exist_ok=True)
            if self.path.exists():
                self.path.rename(self._aside)
            self.path.mkdir()
        elif how == "none" and self.path.is_dir():
            self.path.rmdir()
            if self._aside.exists():
                self._aside.rename(self.path)


def _lines(content: bytes) -> Iterator[Received]:
    for line in content.decode().splitlines():
        yield Received(json.loads(line)["metadata"]["uid"], line)
