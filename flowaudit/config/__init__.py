"""The configuration: one TOML file and FLOWAUDIT_… variables, checked as a whole into frozen values.

Every key has a default but `sources`. Relative paths start at the folder the program was started in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, computed_field, field_validator

from flowaudit.config.loading import Origin, read
from flowaudit.config.mistakes import describe
from flowaudit.config.setup import ENDPOINT_SERVICES, LINUX_REPOSITORIES, Setup
from flowaudit.config.sinks import SINK_TYPES, Secret, Sink, SinkSettings
from flowaudit.config.values import (
    INTERNET_PATHS,
    LAKE_TABLES,
    Duration,
    FieldNames,
    InternetPath,
    Interval,
    Kind,
    LakeUri,
    List,
    Listen,
    LocalPath,
    Moment,
    Name,
    Network,
    Pattern,
    Retention,
    Role,
    S3Uri,
    Section,
    ServiceCode,
    Text,
    WebAddress,
    parse_duration,
    parse_time,
    written_out,
)
from flowaudit.errors import ConfigError
from flowaudit.model import Severity

__all__ = [
    "ENDPOINT_SERVICES",
    "INTERNET_PATHS",
    "LAKE_TABLES",
    "LINUX_REPOSITORIES",
    "NO_EFFECT_YET",
    "Attribution",
    "Aws",
    "Config",
    "Description",
    "Detector",
    "Http",
    "LakeSettings",
    "LocalSource",
    "Mute",
    "Policy",
    "Queries",
    "S3Source",
    "Schedule",
    "Scope",
    "Secret",
    "Setup",
    "Sink",
    "SinkSettings",
    "keys",
    "load",
    "no_effect",
    "parse_duration",
    "parse_time",
    "shipped",
    "source",
]

NO_EFFECT_YET = frozenset(
    {
        "schedule.posture",
    }
)
"""Keys whose names are settled, that are checked, and that no room acts on yet: `no_effect` tells of them."""


class LakeSettings(Section):
    """Where the lake lies, and how long each table's rows are kept in it."""

    uri: LakeUri = "./lake"
    retention: Retention = Field(default_factory=dict)


class Aws(Section):
    """Where AWS is asked; empty: the region and the account of the credential chain."""

    regions: List[Name] = ()
    assume_roles: List[Role] = ()


class LocalSource(Section):
    """Flow logs in a file, a folder or a glob; `format` names the fields of objects that lack a header."""

    type: Literal["local"]
    uri: LocalPath
    format: FieldNames | None = None


class S3Source(Section):
    """Flow logs in a bucket; objects that arrive `lookback` late are still found."""

    type: Literal["s3"]
    uri: S3Uri
    lookback: Duration = timedelta(hours=24)
    format: FieldNames | None = None


class Scope(Section):
    """Whose records are kept; the lists are the operator's own word that these are SageMaker's."""

    keep: Literal["sagemaker", "all"] = "sagemaker"
    interfaces: List[Name] = ()
    subnets: List[Name] = ()
    security_groups: List[Name] = ()


class Description(Section):
    """A description of interfaces that tells the kind of their workload, and its name in a group `name`, if any."""

    pattern: Pattern
    kind: Kind


class Attribution(Section):
    """How interfaces are known to be SageMaker's, beside what is built in."""

    tag: Name = "ManagedByAmazonSageMakerResource"
    descriptions: List[Description] = ()


class Policy(Section):
    """What is allowed: ways to the internet, and what may be spoken to there; an empty list allows none of it.

    `allowed_destinations` are networks, by default all there are; `allowed_services` are AWS's, wherever they lie.
    """

    internet_paths: List[InternetPath] = ("nat_gateway",)
    allowed_destinations: List[Network] = ("0.0.0.0/0", "::/0")
    allowed_services: List[ServiceCode] = ()
    require_encryption: bool = False

    @computed_field  # type: ignore[prop-decorator]  # mypy takes no decorator on top of property
    @property
    def allowed_prefixes(self) -> tuple[str, ...]:
        """The allowed networks as queries compare them: beginnings of addresses that are written out in digits."""
        return tuple(prefix for network in self.allowed_destinations for prefix in written_out(network))


class Schedule(Section):
    """How often the daemon runs each of its stages.

    Runs that fail count for readiness after `recovery`; one without progress hangs after `longest_run`.
    """

    discover: Interval = timedelta(minutes=5)
    collect: Interval = timedelta(minutes=1)
    detect: Interval = timedelta(minutes=1)
    coverage: Interval = timedelta(minutes=5)
    deliver: Interval = timedelta(seconds=5)
    posture: Interval = timedelta(hours=1)
    maintain: Interval = timedelta(hours=1)
    recovery: Duration = timedelta(minutes=5)
    longest_run: Interval = timedelta(hours=1)


class Detector(Section):
    """What overrides a detector's own header; None: as its file says."""

    enabled: bool = True
    severity: Annotated[Severity, Field(strict=False)] | None = None
    every: Interval | None = None
    resolve: Interval | None = None
    params: Mapping[str, Any] = Field(default_factory=dict)


class Mute(Section):
    """Findings of one detector that nobody wants to hear of for a time: `key` has patterns, `*` and `?`, by column."""

    detector: Name
    key: Mapping[str, str] = Field(default_factory=dict)
    until: Moment
    owner: Text
    reason: Text


class Queries(Section):
    """Folders with the user's own detectors, views and reports."""

    paths: List[Annotated[Path, Field(strict=False)]] = ()


class Http(Section):
    """Address of metrics, health and pages; `web_config` names a file with TLS and authentication.

    `grafana_url` is where the status page links to for dashboards; "": nowhere.
    """

    listen: Listen = "127.0.0.1:9184"
    web_config: str = ""
    grafana_url: WebAddress = ""

    @property
    def host(self) -> str:
        """The address or name to bind, without the brackets of IPv6."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def port(self) -> int:
        """The port to bind; 0: any that is free."""
        return int(self.listen.rpartition(":")[2])


class Config(Section):
    """The whole configuration."""

    lake: LakeSettings = LakeSettings()
    aws: Aws = Aws()
    sources: List[Annotated[LocalSource | S3Source, Field(discriminator="type")]] = ()
    scope: Scope = Scope()
    attribution: Attribution = Attribution()
    policy: Policy = Policy()
    schedule: Schedule = Schedule()
    detectors: Mapping[str, Detector] = Field(default_factory=dict)
    mutes: List[Mute] = ()
    sinks: List[Annotated[Sink, Field(discriminator="type")]] = ()
    queries: Queries = Queries()
    http: Http = Http()
    setup: Setup = Setup()

    @field_validator("sinks")
    @classmethod
    def _name_sinks(cls, sinks: tuple[Sink, ...]) -> tuple[Sink, ...]:
        """Name each sink, by default after its type; names are unique."""
        named = tuple(each if each.name else each.model_copy(update={"name": each.type}) for each in sinks)
        twice = [name for name, number in Counter(each.name for each in named).items() if number > 1]
        if twice:
            raise ValueError(f"two sinks have the name {twice[0]!r}: give each its own name")
        return named


def load(path: Path | None, environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path`, $FLOWAUDIT_CONFIG or ./flowaudit.toml; raises ConfigError naming every mistake.

    Variables FLOWAUDIT_SECTION__KEY come before the file, and `options` (`{"lake.uri": …}`), the command line's, before
    both. With no file anywhere all is at its default.
    """
    tree, origin = read(path, environ, options or {})
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_report(error, origin)) from None


def _report(error: ValidationError, origin: Origin) -> str:
    """One line per mistake, never with a value that may be secret."""
    known = tuple(keys(Config))
    details = error.errors(include_url=False, include_input=False)
    lines = sorted(f"{origin(detail['loc'])}: {describe(detail, known)}" for detail in details)
    return "\n".join(lines)


def source(uri: str) -> LocalSource | S3Source:
    """The source that an address on the command line names; raises ConfigError."""
    try:
        return S3Source(type="s3", uri=uri) if uri.startswith("s3://") else LocalSource(type="local", uri=uri)
    except ValidationError:
        shown = uri.rpartition("@")[2]  # what stands before it may be a secret
        raise ConfigError(f"{shown!r} is no source: name a file, a folder, a glob or s3://bucket/prefix/") from None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key under `model`, dotted: `lake.uri`, `sources[].uri`, `detectors.ID.enabled`."""
    for name, field in model.model_fields.items():
        match name:
            case "sources":
                yield from dict.fromkeys([*keys(S3Source, "sources[]."), *keys(LocalSource, "sources[].")])
            case "sinks":
                yield from dict.fromkeys(key for kind in SINK_TYPES for key in keys(kind, "sinks[]."))
            case "descriptions":
                yield from (prefix + name, *keys(Description, f"{prefix}{name}[]."))
            case "mutes":
                yield from keys(Mute, "mutes[].")
            case "detectors" if not prefix:
                yield from keys(Detector, "detectors.ID.")
            case _ if field.annotation is Secret:
                yield prefix + name
            case _ if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from keys(field.annotation, f"{prefix}{name}.")
            case _:
                yield prefix + name


def no_effect(config: Config) -> tuple[str, ...]:
    """The keys that somebody has set and that do nothing in this version, dotted."""
    given = {f"{section}.{key}" for section in config.model_fields_set for key in _given(getattr(config, section))}
    return tuple(sorted(given & NO_EFFECT_YET))


def _given(section: object) -> set[str]:
    return section.model_fields_set if isinstance(section, BaseModel) else set()


def shipped(name: str) -> Path:
    """The folder `queries` or `dashboards`: inside an installed wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{package}: the folder {name!r} that comes with flowaudit is missing: install flowaudit again")
