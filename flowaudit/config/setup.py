"""The section `[setup]`: the VPC that `flowaudit setup` renders."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from flowaudit.config.subnets import Layout, layout
from flowaudit.config.values import Interval, List, Section, Text

MOST_ZONES = 6
ENDPOINT_SERVICES: Mapping[str, tuple[str, ...]] = {
    "logs": ("com.amazonaws.{region}.logs",),
    "monitoring": ("com.amazonaws.{region}.monitoring",),
    "sagemaker_api": ("com.amazonaws.{region}.sagemaker.api",),
    "sagemaker_runtime": ("com.amazonaws.{region}.sagemaker.runtime",),
    "sts": ("com.amazonaws.{region}.sts",),
    "bedrock_runtime": ("com.amazonaws.{region}.bedrock-runtime",),
    "codeartifact": ("com.amazonaws.{region}.codeartifact.api", "com.amazonaws.{region}.codeartifact.repositories"),
    "codecommit": ("com.amazonaws.{region}.codecommit", "com.amazonaws.{region}.git-codecommit"),
    "ec2": ("com.amazonaws.{region}.ec2",),
    "ecr": ("com.amazonaws.{region}.ecr.api", "com.amazonaws.{region}.ecr.dkr"),
    "efs": ("com.amazonaws.{region}.elasticfilesystem",),
    "events": ("com.amazonaws.{region}.events",),
    "featurestore_runtime": ("com.amazonaws.{region}.sagemaker.featurestore-runtime",),
    "kms": ("com.amazonaws.{region}.kms",),
    "notebook": ("aws.sagemaker.{region}.notebook",),
    "sagemaker_metrics": ("com.amazonaws.{region}.sagemaker.metrics",),
    "secretsmanager": ("com.amazonaws.{region}.secretsmanager",),
    "servicecatalog": ("com.amazonaws.{region}.servicecatalog",),
    "ssm": ("com.amazonaws.{region}.ssm",),
    "studio": ("aws.sagemaker.{region}.studio",),
}
"""The endpoint services of each key of `[setup.interface_endpoints]`."""

LINUX_REPOSITORIES: Mapping[str, tuple[str, ...]] = {
    "AmazonLinuxAMIRepositoryAccess": ("packages.*.amazonaws.com", "repo.*.amazonaws.com"),
    "AmazonLinux2AMIRepositoryAccess": ("amazonlinux.*.amazonaws.com", "amazonlinux-2-repos-*"),
    "AmazonLinux2023RepositoryAccess": ("al2023-repos-*", "al2023-*"),
}
"""The buckets of the Amazon Linux repositories: those of AWS's guide, and those that are in use today."""

LOG_GROUP_RETENTION = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The days that CloudWatch Logs accepts: PutRetentionPolicy."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
_ZONE = re.compile(r"[a-z]{2,4}[0-9]-az[0-9]{1,2}", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:(role|user|assumed-role)/\S+", re.ASCII)
_TAG_KEY = re.compile(r"(?!aws:)[\w +=.:/@-]{1,128}", re.ASCII | re.IGNORECASE)
_TAG_VALUE = re.compile(r"[\w +=.:/@-]{0,256}", re.ASCII)
_MOST_TAGS = 45
_DAY = timedelta(days=1)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 2 to 32 lowercase letters, digits and -, starting with a letter: it names resources")
    return value


def _region(value: str) -> str:
    if value and not _REGION.fullmatch(value):
        raise ValueError("must be an AWS region, as in us-east-1")
    if value.startswith("cn-"):
        raise ValueError("regions of China are not supported: their endpoint services have other names")
    return value


def _cidr(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        network = None
    if not isinstance(network, ipaddress.IPv4Network):
        raise ValueError(f"{value!r} is no IPv4 network: write one as in 10.0.0.0/16")  # noqa: TRY004  pydantic takes no TypeError for a mistake
    if not 16 <= network.prefixlen <= 28:  # noqa: PLR2004  VPC User Guide, "VPC CIDR blocks"
        raise ValueError(f"{value} is not between /16 and /28, the sizes that a VPC can have")
    return str(network)


def _zones(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 2 <= value <= MOST_ZONES:  # noqa: PLR2004  the guide's own number
            raise ValueError(f"must be 2 to {MOST_ZONES}: SageMaker needs subnets in two zones, even for one instance")
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(zone, str) for zone in value):
        raise ValueError('must be a number, or ids of zones, as in ["use1-az1", "use1-az2"]')
    if wrong := [zone for zone in value if not _ZONE.fullmatch(zone)]:
        raise ValueError(f"{wrong[0]!r} is no id of a zone: write ids, as in use1-az1; names differ between accounts")
    if not 2 <= len(value) <= MOST_ZONES or len(set(value)) < len(value):  # noqa: PLR2004
        raise ValueError(f"must be 2 to {MOST_ZONES} different zones: SageMaker needs two, even for one instance")
    return tuple(value)


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value) or ".." in value:
        raise ValueError(f"{value!r} is no name of a bucket: write the name alone, without s3:// and without a prefix")
    return value


def _principal(value: str) -> str:
    if not _PRINCIPAL.fullmatch(value):
        raise ValueError("must be the ARN of a role or a user, as in arn:aws:iam::111122223333:role/admin")
    return value


def _tags(value: Mapping[str, str]) -> Mapping[str, str]:
    if wrong := [key for key, text in value.items() if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(text)]:
        raise ValueError(
            f"{wrong[0]!r}: keys and values are letters, digits, spaces and +-=._:/@, without aws: in front"
        )
    if taken := {"Name", "flowaudit:setup"} & set(value):
        raise ValueError(f"{min(taken)!r} is set by flowaudit itself: remove it")
    if len(value) > _MOST_TAGS:
        raise ValueError(f"must be at most {_MOST_TAGS} tags: a resource has 50, some of them AWS's and ours")
    return dict(sorted(value.items()))


def _retention(value: timedelta) -> timedelta:
    if value % _DAY or value > timedelta(days=36_500):
        raise ValueError("must be whole days, as in 365d, and at most 36500d")
    return value


def _id(prefix: str) -> AfterValidator:
    def check(value: str) -> str:
        if value and not re.fullmatch(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", value):
            raise ValueError(f"{value!r} is no id: write one as in {prefix}-0123456789abcdef0")
        return value

    return AfterValidator(check)


BucketName = Annotated[str, AfterValidator(_bucket)]


class Buckets(Section):
    """S3 buckets that models may use, by name, and JumpStart's own."""

    read_only: List[BucketName] = ()
    read_write: List[BucketName] = ()
    jumpstart: bool = False

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [*self.read_only, *self.read_write]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is named twice: name it in read_only or in read_write")
        return self


class InterfaceEndpoints(Section):
    """The AWS services that get an interface endpoint; ENDPOINT_SERVICES has their names."""

    logs: bool = True
    monitoring: bool = True
    sagemaker_api: bool = True
    sagemaker_runtime: bool = True
    sts: bool = True
    bedrock_runtime: bool = False
    codeartifact: bool = False
    codecommit: bool = False
    ec2: bool = False
    ecr: bool = False
    efs: bool = False
    events: bool = False
    featurestore_runtime: bool = False
    kms: bool = False
    notebook: bool = False
    sagemaker_metrics: bool = False
    secretsmanager: bool = False
    servicecatalog: bool = False
    ssm: bool = False
    studio: bool = False

    def services(self, region: str) -> tuple[str, ...]:
        """Return the names of the endpoint services that are wanted."""
        wanted = (names for key, names in ENDPOINT_SERVICES.items() if getattr(self, key))
        return tuple(name.format(region=region) for names in wanted for name in names)


class FlowLogs(Section):
    """Destination and content of the VPC's flow logs; no `fields`: every field."""

    destination: Literal["s3", "cloud-watch-logs"] = "s3"
    format: Literal["parquet", "text"] = "parquet"
    fields: List[Text] = ()
    retention: Annotated[Interval, AfterValidator(_retention)] = timedelta(days=365)

    @property
    def days(self) -> int:
        """Retention in days."""
        return self.retention // _DAY

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.destination == "cloud-watch-logs" and self.days not in LOG_GROUP_RETENTION:
            near = min(LOG_GROUP_RETENTION, key=lambda days: abs(days - self.days))
            raise ValueError(f"retention: CloudWatch Logs does not offer {self.days}d: the nearest is {near}d")
        if self.destination == "cloud-watch-logs" and self.format == "parquet" and "format" in self.model_fields_set:
            raise ValueError('format: CloudWatch Logs has text only: remove it, or set destination = "s3"')
        if twice := sorted({name for name in self.fields if self.fields.count(name) > 1}):
            raise ValueError(f"fields: {twice[0]!r} is named twice")
        return self


class BucketPolicy(Section):
    """Policies of the configured buckets that admit requests over the S3 endpoint only, and the break-glass ones."""

    enabled: bool = False
    break_glass: List[Annotated[str, AfterValidator(_principal)]] = ()

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.enabled and not self.break_glass:
            raise ValueError(
                "break_glass: is missing: without it nobody outside the VPC can reach the buckets any more"
            )
        return self


class ExistingVpc(Section):
    """A VPC to complete instead of making a new one: its id, the subnets of the workloads, and their route tables."""

    id: Annotated[str, _id("vpc")] = ""
    subnets: List[Annotated[str, _id("subnet")]] = ()
    route_tables: List[Annotated[str, _id("rtb")]] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.id and (self.subnets or self.route_tables):
            raise ValueError("id: is missing: name the VPC that they belong to")
        if self.id and len(set(self.subnets)) < max(2, len(self.subnets)):
            raise ValueError("subnets: must be two different ones or more, each in a zone of its own")
        if self.id and (not self.route_tables or len(set(self.route_tables)) < len(self.route_tables)):
            raise ValueError("route_tables: must name each route table of the subnets, once")
        return self


class Setup(Section):
    """A VPC for SageMaker, as AWS's guide "Protect Endpoints by Using an Amazon Virtual Private Cloud" wants it."""

    name: Annotated[str, AfterValidator(_name)] = "sagemaker"
    region: Annotated[str, AfterValidator(_region)] = ""
    profile: Literal["isolated", "nat"] = "isolated"
    nat: Literal["one_per_az", "single", "regional"] = "one_per_az"
    cidr: Annotated[str, AfterValidator(_cidr)] = "10.0.0.0/16"
    availability_zones: Annotated[int | tuple[str, ...], BeforeValidator(_zones)] = 2
    instances: Annotated[int, Field(ge=1, le=16_000)] = 50
    inter_node: bool = False
    buckets: Buckets = Buckets()
    amazon_linux_repositories: Literal["allow", "deny"] = "deny"
    s3_endpoint_policy: str = ""
    s3_prefix_list: Annotated[str, _id("pl")] = ""
    interface_endpoints: InterfaceEndpoints = InterfaceEndpoints()
    flow_logs: FlowLogs = FlowLogs()
    bucket_policy: BucketPolicy = BucketPolicy()
    block_public_access: Literal["off", "block-ingress", "block-bidirectional"] = "off"
    encryption_controls: Literal["off", "monitor", "enforce"] = "off"
    guardrail: bool = False
    existing_vpc: ExistingVpc = ExistingVpc()
    tags: Annotated[Mapping[str, str], AfterValidator(_tags)] = Field(default_factory=dict)

    @property
    def zones(self) -> int:
        """Number of Availability Zones."""
        zones = self.availability_zones
        return zones if isinstance(zones, int) else len(zones)

    @property
    def public_subnets(self) -> int:
        """Number of public subnets for NAT gateways; a regional one takes none."""
        if self.profile == "isolated":
            return 0
        return {"one_per_az": self.zones, "single": 1, "regional": 0}[self.nat]

    @property
    def layout(self) -> Layout:
        """The subnets of a new VPC; raises ValueError where they do not fit."""
        endpoints = len(self.interface_endpoints.services(self.region))
        return layout(self.cidr, self.zones, self.public_subnets, self.instances, endpoints)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if problems := list(self._problems()):
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        """Yield what cannot be wished for together."""
        if self.existing_vpc.id:
            for key in ("cidr", "availability_zones", "instances", "nat", "encryption_controls"):
                if getattr(self, key) != _default(key):
                    yield f"{key}: belongs to a new VPC: remove it, or existing_vpc"
        else:
            try:
                _ = self.layout
            except ValueError as error:
                yield f"cidr: {error}"
        if self.profile == "nat" and self.block_public_access == "block-bidirectional":
            yield 'block_public_access: "block-bidirectional" closes the NAT gateway too: use "block-ingress"'
        names = [*self.buckets.read_only, *self.buckets.read_write]
        denied = LINUX_REPOSITORIES.values() if self.amazon_linux_repositories == "deny" else ()
        for name in names:
            if pattern := next((one for some in denied for one in some if fnmatchcase(name, one)), ""):
                why = f"matches {pattern}, a repository of Amazon Linux"
                yield f"buckets: {name!r} {why}, which are denied: rename it, or allow them"
        if self.bucket_policy.enabled and not names:
            yield "bucket_policy: there is no bucket to protect: name it in buckets"


def _default(key: str) -> Any:  # noqa: ANN401
    return Setup.model_fields[key].default
