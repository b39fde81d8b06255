"""The sections `[[sinks]]`: receivers, filters of events, and credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from flowaudit.config.values import Interval, List, Name, Network, Role, Section, Text, s3_uri
from flowaudit.errors import ConfigError
from flowaudit.model import FindingEvent, Severity

_SINK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_URL = re.compile(r"https?://[^/?#@\s]+(/[^\s]*)?", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]+(\.fifo)?", re.ASCII)
_QUEUE = re.compile(r"https?://[^\s/@]+(/[^\s]*)?/[A-Za-z0-9_-]+(\.fifo)?", re.ASCII)
_MOST_SECRET = 8192


def _sink_name(value: str) -> str:
    if not _SINK_NAME.fullmatch(value):
        raise ValueError("must be lowercase letters, digits, - and _, at most 63: it is a label of metrics")
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("must be http:// or https:// and a host, without a user name or password")
    return value


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError("must be an AWS region, as in us-east-1")
    return value


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("must be the ARN of a topic, as in arn:aws:sns:us-east-1:111122223333:findings")
    return value


def _queue(value: str) -> str:
    if not _QUEUE.fullmatch(value):
        raise ValueError("must be the URL of a queue, as in https://sqs.us-east-1.amazonaws.com/111122223333/findings")
    return value


def _account(value: str) -> str:
    if not _ACCOUNT.fullmatch(value):
        raise ValueError("must be an AWS account id: twelve digits in quotes")
    return value


SinkName = Annotated[str, AfterValidator(_sink_name)]
Url = Annotated[str, AfterValidator(_url)]
Region = Annotated[str, AfterValidator(_region)]
Topic = Annotated[str, AfterValidator(_topic)]
Queue = Annotated[str, AfterValidator(_queue)]
Account = Annotated[str, AfterValidator(_account)]
Event = Annotated[FindingEvent, Field(strict=False)]


class Secret(Section):
    """Where a secret is: an environment variable or a file; never the secret itself."""

    env: Name | None = None
    file: Annotated[Path, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError(
                'must be { env = "VARIABLE" } or { file = "/path" }: the configuration never contains a secret'
            )
        return self

    def read(self, environ: Mapping[str, str] | None = None) -> str:
        """Return the secret without surrounding white space, read anew each time; raises ConfigError."""
        if self.env is not None:
            if not (value := (os.environ if environ is None else environ).get(self.env, "").strip()):
                raise ConfigError(f"the environment variable {self.env} is not set: set it to the secret")
            return value
        try:
            with Path(self.file or "").open("rb") as file:
                value = file.read(_MOST_SECRET).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError(f"the secret file {self.file} cannot be read: {reason}") from None
        if not value:
            raise ConfigError(f"the secret file {self.file} is empty: write the secret to it")
        return value


def _reference(value: object) -> object:
    if isinstance(value, Secret | Mapping):
        return value
    raise ValueError('must be { env = "VARIABLE" } or { file = "/path" }: the configuration never contains a secret')


def _url_or_secret(value: object) -> object:
    if isinstance(value, Secret | Mapping):
        return Secret.model_validate(value)
    return _url(value) if isinstance(value, str) else _reference(value)


def _file_or_s3(value: str) -> str:
    if not value or value.endswith("/") != value.startswith("s3://"):
        raise ValueError("must be a file, or s3://bucket/prefix/ with / at the end")
    return s3_uri(value) if value.startswith("s3://") else value


SecretRef = Annotated[Secret, BeforeValidator(_reference)]
UrlOrSecret = Annotated[str | Secret, BeforeValidator(_url_or_secret)]
FileOrS3 = Annotated[str, AfterValidator(_file_or_s3)]


class SinkSettings(Section):
    """Settings of every sink: which events it gets.

    `events` None: those that suit the sink. `detectors` are patterns with `*` and `?`. `accounts` empty: all but
    `except_accounts`. `dry_run`: events are counted and logged, and none is sent. `start`: whether a new sink gets the
    events already in the lake.
    """

    name: SinkName = ""
    min_severity: Annotated[Severity, Field(strict=False)] = Severity.LOW
    events: List[Event] | None = None
    detectors: List[Name] = ("*",)
    accounts: List[Account] = ()
    except_accounts: List[Account] = ()
    dry_run: bool = False
    start: Literal["now", "beginning"] = "now"

    def takes(self, detector: str, account: str | None) -> bool:
        """Return whether findings of this detector and account (None: unknown) are sent."""
        return any(fnmatchcase(detector, pattern) for pattern in self.detectors) and self.takes_account(account)

    def takes_account(self, account: str | None) -> bool:
        """Return whether findings of this account (None: unknown) are sent."""
        return (not self.accounts or account in self.accounts) and account not in self.except_accounts


class HttpSink(SinkSettings):
    """Settings of sinks that are sent to by HTTP.

    `allowed_networks` may be connected to although they are private, loopback or link-local.
    """

    allowed_networks: List[Network] = ()
    timeout: Interval = Field(default="15s", validate_default=True)


class WebhookSink(HttpSink):
    """Standard Webhooks 1.0; while `secrets` rotate, each signs."""

    type: Literal["webhook"]
    url: UrlOrSecret
    secrets: Annotated[List[SecretRef], Field(min_length=1)]


class SlackSink(HttpSink):
    """A Slack incoming webhook, whose URL is a secret."""

    type: Literal["slack"]
    url: SecretRef


class PagerDutySink(HttpSink):
    """PagerDuty Events API v2."""

    type: Literal["pagerduty"]
    routing_key: SecretRef
    url: Url = "https://events.pagerduty.com/v2/enqueue"


class AlertmanagerSink(HttpSink):
    """Alertmanager API v2: every peer of a cluster, not a load balancer."""

    type: Literal["alertmanager"]
    urls: Annotated[List[Url], Field(min_length=1)]
    labels: Mapping[str, Text] = Field(default_factory=dict)


class SnsSink(SinkSettings):
    """An SNS topic."""

    type: Literal["sns"]
    topic_arn: Topic

    @property
    def region(self) -> str:
        """The topic's region, from its ARN."""
        return self.topic_arn.split(":")[3]


class SqsSink(SinkSettings):
    """An SQS queue; `region` None: the credential chain's."""

    type: Literal["sqs"]
    queue_url: Queue
    region: Region | None = None


class EventBridgeSink(SinkSettings):
    """An EventBridge event bus, by name or ARN."""

    type: Literal["eventbridge"]
    bus: Name = "default"
    region: Region | None = None


class SecurityHubSink(SinkSettings):
    """Security Hub CSPM: `roles` import findings of their own accounts; others are the credential chain's."""

    type: Literal["security_hub"]
    region: Region | None = None
    roles: List[Role] = ()


class OcsfSink(SinkSettings):
    """OCSF events as JSON lines: appended to a file, or an object under an S3 prefix for each delivery."""

    type: Literal["ocsf"]
    uri: FileOrS3


Sink: TypeAlias = (
    WebhookSink
    | SlackSink
    | PagerDutySink
    | AlertmanagerSink
    | SnsSink
    | SqsSink
    | EventBridgeSink
    | SecurityHubSink
    | OcsfSink
)
"""The settings of a sink; `type` decides which."""
SINK_TYPES: tuple[type[SinkSettings], ...] = Sink.__args__
