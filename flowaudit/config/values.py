"""What single values of the configuration and of the command line may look like."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flowaudit.errors import ConfigError


class Section(BaseModel):
    """A table of the configuration: frozen, strict, with no key that is not known."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


LAKE_TABLES = (
    "flows",
    "objects",
    "quarantine",
    "findings",
    "dead_letters",
    "interfaces",
    "workloads",
    "topology",
    "gaps",
    "ip_ranges",
)
"""The tables of the lake (`schema.TABLES`)."""
INTERNET_PATHS = (
    "nat_gateway",
    "internet_gateway",
    "egress_only_internet_gateway",
    "transit_gateway",
    "virtual_private_gateway",
    "vpc_peering",
    "middlebox",
    "local_zone",
)
"""The paths that can lead to the internet, and so can be allowed to."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+)([smhd])", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?P<clock>[Tt ]\d\d:\d\d:\d\d(\.\d+)?(?P<zone>[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)
_SCHEME = re.compile(r"\w+:/", re.ASCII)
_S3 = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[^?#]*)?", re.ASCII)
_URL = re.compile(r"[!-~]+", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", re.ASCII)
_LISTEN = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[^\s:\[\]]+):(\d{1,5})", re.ASCII)
_LAST_PORT = 65535
_KIND = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_SERVICE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", re.ASCII)
_DIGITS = {4: (8, 3), 6: (4, 1)}
"""How many bits of an address go into how many digits when it is written out, by family."""
_FIELD_NAME = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The span that `30s`, `5m`, `24h` or `30d` names; raises ConfigError."""
    if not (found := _DURATION.fullmatch(text)):
        raise ConfigError(f"{text!r} is no duration: write a whole number and s, m, h or d, as in 30s, 5m, 24h, 30d")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except (OverflowError, ValueError) as error:
        raise ConfigError(f"{text[:20]!r} is too long a duration") from error


def parse_time(text: str, now: datetime) -> datetime:
    """The moment, UTC, that RFC 3339 text, a date (its midnight, UTC), `now` or `-24h` names; raises ConfigError."""
    try:
        if text == "now":
            return now.astimezone(UTC)
        if text.startswith("-"):
            return now.astimezone(UTC) - parse_duration(text[1:])
        return _absolute(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{text!r} is no time: write RFC 3339 (2026-05-04T12:00:00Z), -24h, -7d or now") from error


def _absolute(text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    if found["clock"] and not found["zone"]:
        raise ConfigError(f"{text!r} does not say its zone: append Z for UTC, or +02:00")
    moment = datetime.fromisoformat(text.upper())
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_duration(value: object) -> object:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _as_moment(value: object) -> datetime:
    """The moment, UTC, that a date or a time of TOML's names, bare or in quotes; a date is its midnight."""
    if not isinstance(value, (date, str)):
        raise ValueError("must be a date, as in 2027-01-01, or a time, as in 2027-01-01T12:00:00Z")  # noqa: TRY004  pydantic takes no TypeError for a mistake
    try:
        return _absolute(value if isinstance(value, str) else value.isoformat())
    except ValueError:
        raise ValueError(f"{value!r} is no date: write one as in 2027-01-01") from None
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _some(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than nothing")
    return value


def s3_uri(value: str) -> str:
    """Return the address of a prefix in S3 as it is; raises ValueError."""
    if not _S3.fullmatch(value):
        raise ValueError("must be s3://bucket/prefix/ (credentials come from AWS's own chain)")
    return value


def _local_path(value: str) -> str:
    if not value or _SCHEME.match(value):
        raise ValueError("must be a path: a file, a folder or a glob")
    return value


def _lake_uri(value: str) -> str:
    if not value or (_SCHEME.match(value) and not _S3.fullmatch(value)):
        raise ValueError("must be a folder, or s3://bucket/prefix (credentials come from AWS's own chain)")
    return value


def _listen(value: str) -> str:
    found = _LISTEN.fullmatch(value)
    if not found or int(found[1]) > _LAST_PORT:
        raise ValueError("must be host:port, as in 127.0.0.1:9184 or [::1]:9184")
    return value


def _web_address(value: str) -> str:
    """Return the address of a web page, or ""; raises ValueError, without the value: it may hold a password."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not _URL.fullmatch(value):
        raise ValueError("must be an http or https URL, as in https://grafana.example.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or a password: everybody who sees the status page sees it")
    return value


def _internet_path(value: str) -> str:
    if value not in INTERNET_PATHS:
        raise ValueError(f"{value!r} is no path to the internet: those are {', '.join(INTERNET_PATHS)}")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is no network: write one as in 192.0.2.0/24 or 2001:db8::/32") from error


def written_out(network: str) -> Iterator[str]:
    """Yield what every address in a network, and no other, begins with when it is written out in digits.

    Written out, an address is its family and a fixed number of digits: 192.0.2.10 is `4192000002010`, 2001:db8:: is
    `620010db8` and 24 zeros. So any SQL can compare them as text; a network that ends within a digit becomes several.
    """
    whole = ipaddress.ip_network(network)
    bits, width = _DIGITS[whole.version]
    count = -(-whole.prefixlen // bits)
    for part in whole.subnets(new_prefix=count * bits):
        packed = part.network_address.packed
        digits = "".join(f"{octet:03}" for octet in packed) if whole.version == 4 else packed.hex()  # noqa: PLR2004  the family
        yield f"{whole.version}{digits[: count * width]}"


def _service_code(value: str) -> str:
    if not _SERVICE.fullmatch(value):
        raise ValueError("must be a service's code as flow logs have it, as in S3, DYNAMODB, API_GATEWAY")
    return value


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError("must be the ARN of a role, as in arn:aws:iam::111122223333:role/flowaudit")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


def _of_tables(value: Mapping[str, timedelta]) -> Mapping[str, timedelta]:
    for name in value:
        if name not in LAKE_TABLES:
            raise ValueError(f"the lake has no table {name!r}: there are {', '.join(LAKE_TABLES)}")
    return value


def _kind(value: str) -> str:
    if not _KIND.fullmatch(value):
        raise ValueError("must be a kind of workload in snake case, as in endpoint, training_job")
    return value


def _field_names(value: object) -> object:
    """The names in a log format, with or without the `${…}` that AWS puts around each."""
    if not isinstance(value, str):
        return value
    names = tuple(re.sub(r"\$\{([^${}]*)\}", r" \1 ", value).split())
    if not names or not all(map(_FIELD_NAME.fullmatch, names)):
        raise ValueError("must be AWS's field names separated by spaces, as in 'version account-id interface-id'")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names a field twice: {', '.join(twice)}")
    return names


_T = TypeVar("_T")
List = Annotated[tuple[_T, ...], Field(strict=False)]
"""TOML has lists; values are tuples."""
Duration = Annotated[timedelta, BeforeValidator(_as_duration)]
Interval = Annotated[Duration, AfterValidator(_some)]
FieldNames = Annotated[tuple[str, ...], BeforeValidator(_field_names)]
InternetPath = Annotated[str, AfterValidator(_internet_path)]
Kind = Annotated[str, AfterValidator(_kind)]
LakeUri = Annotated[str, AfterValidator(_lake_uri)]
Listen = Annotated[str, AfterValidator(_listen)]
Moment = Annotated[datetime, BeforeValidator(_as_moment)]
Text = Annotated[str, AfterValidator(_text)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
LocalPath = Annotated[str, AfterValidator(_local_path)]
Name = Annotated[str, Field(min_length=1)]
Network = Annotated[str, AfterValidator(_network)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Retention = Annotated[Mapping[str, Interval], AfterValidator(_of_tables)]
Role = Annotated[str, AfterValidator(_role)]
S3Uri = Annotated[str, AfterValidator(s3_uri)]
ServiceCode = Annotated[str, AfterValidator(_service_code)]
