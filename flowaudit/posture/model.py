"""What a VPC is expected to be, and what came of the comparison with what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from flowaudit.errors import PolicyError

if TYPE_CHECKING:
    from flowaudit.posture.live import Live


class Status(StrEnum):
    """Whether a property is as expected; `unknown`: AWS did not let it be read."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class Reach(StrEnum):
    """A peer that the security group of workloads has rules for."""

    S3 = "s3"
    ENDPOINTS = "endpoints"
    INTERNET = "internet"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class Property:
    """A property of one resource, as expected and as found; `why` says what follows, or what to do."""

    subject: str
    name: str
    expected: str
    found: str
    status: Status
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A property, and the check and guideline that it belongs to."""

    check: str
    guideline: str
    subject: str
    property: str
    expected: str
    found: str
    status: Status
    why: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check; its title states the compliant state. One that yields no property has nothing to compare with."""

    id: str
    guideline: str
    title: str
    run: Run


@dataclass(frozen=True, slots=True)
class Access:
    """Actions on a resource in S3, whether a policy has to allow them, and if to its own account only.

    `bucket` is the ARN of the bucket as the policy may have it, with wildcards; empty: without any.
    """

    name: str
    actions: tuple[str, ...]
    resource: str
    allowed: bool = True
    own: bool = True
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class FlowLogExpectation:
    """A flow log: its id ("" for any of the VPC), fields, destination and files; None leaves one open.

    `tag_fields` are the tags that are recorded, by the type of resource, in the order of their fields.
    """

    flow_log_id: str = ""
    fields: tuple[str, ...] | None = None
    tag_fields: Mapping[str, tuple[str, ...]] | None = None
    interval: int | None = 60
    destination_type: Literal["s3", "cloud-watch-logs"] | None = None
    destination: str | None = None
    file_format: Literal["parquet", "plain-text"] | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class BucketPolicyExpectation:
    """Buckets whose data only requests over the S3 endpoint reach, and principals that reach it from anywhere."""

    buckets: tuple[str, ...]
    break_glass: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuardrailExpectation:
    """The IAM policy that denies actions without, or outside of, these subnets and security groups.

    Without an ARN it is wanted, but nobody made it.
    """

    policy_arn: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a VPC is expected to be; None, or an empty tuple, is no expectation.

    `zones` are AZ ids. `free_addresses` is for each subnet. `reach` is all that workloads have rules for. `access` is
    what the policy of the S3 endpoint has to allow or not, `s3_policy` the document that it has to be. `services` are
    those of interface endpoints. `own_account_only`: endpoints deny credentials of other accounts. `tagged` are the
    resources that have `tags`.
    """

    vpc_id: str
    subnets: tuple[str, ...] = ()
    zones: tuple[str, ...] | None = None
    free_addresses: int | None = None
    own_route_tables: bool = False
    internet: Literal["none", "nat"] | None = None
    nat: Literal["one_per_az", "single", "regional"] | None = None
    s3_endpoint: bool = False
    access: tuple[Access, ...] = ()
    s3_policy: Mapping[str, object] | None = None
    services: tuple[str, ...] = ()
    own_account_only: bool = False
    workload_groups: tuple[str, ...] = ()
    reach: frozenset[Reach] | None = None
    default_group_empty: bool = False
    default_dns: bool = True
    default_tenancy: bool = True
    flow_log: FlowLogExpectation | None = None
    bucket_policy: BucketPolicyExpectation | None = None
    guardrail: GuardrailExpectation | None = None
    block_public_access: str | None = None
    encryption_controls: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    tagged: tuple[str, ...] = ()


Run: TypeAlias = "Callable[[Expected, Live], Iterator[Property]]"


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands in for what could not be read: the IAM action that it needs, and why AWS did not answer."""

    action: str
    reason: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.action}: {self.reason}" if self.action else self.reason


class Unseen(Exception):
    """A check needs what could not be read: its property is unknown."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(str(missing))
        self.missing = missing


def compared(subject: str, name: str, expected: str, found: str, *, ok: bool, why: str = "") -> Property:
    """Return a property that passes or fails; `why` is for the failure."""
    return Property(subject, name, expected, found, Status.PASS if ok else Status.FAIL, "" if ok else why)


def guarded(subject: str, name: str, properties: Iterator[Property]) -> Iterator[Property]:
    """Yield the properties, and one that is unknown where one of them needs what could not be read or evaluated."""
    try:
        yield from properties
    except Unseen as unseen:
        yield Property(subject, name, "", "", Status.UNKNOWN, str(unseen.missing))
    except PolicyError as error:
        yield Property(subject, name, "", "", Status.UNKNOWN, str(error))
