"""The one table of flow log fields, and the shapes of the lake's tables that follow from it.

Source of the fields, their order, versions and Parquet types: VPC User Guide, "Flow log records".
A field is known by three names: AWS's in text (`pkt-srcaddr`), AWS's in Parquet (`pkt_srcaddr`) and the lake's column,
which is the Parquet name, but for `start` and `end`: reserved words in SQL, they become `start_time`, `end_time`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa

from flowaudit.topology import Gap, Interface, Network, Workload

TIME = pa.timestamp("us", "UTC")
EXTRA = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True, slots=True)
class Field:
    """One flow log field: AWS's name in text, the version that brought it, its type in the lake, its meaning."""

    name: str
    version: int
    type: pa.DataType
    meaning: str

    @property
    def column(self) -> str:
        """The lake's column."""
        return {"start": "start_time", "end": "end_time"}.get(self.name, self.name.replace("-", "_"))


_TEXT, _INT, _LONG = pa.string(), pa.int32(), pa.int64()

FIELDS: tuple[Field, ...] = (
    Field("version", 2, _INT, "highest version among the fields of the flow log"),
    Field("account-id", 2, _TEXT, "owner of the interface; may be `unknown`"),
    Field("interface-id", 2, _TEXT, "the recording interface; none for a regional NAT gateway"),
    Field("srcaddr", 2, _TEXT, "source; on egress the interface's primary private address"),
    Field("dstaddr", 2, _TEXT, "destination; on ingress the interface's primary private address"),
    Field("srcport", 2, _INT, "source port"),
    Field("dstport", 2, _INT, "destination port"),
    Field("protocol", 2, _INT, "IANA protocol number"),
    Field("packets", 2, _LONG, "packets of the flow in the interval"),
    Field("bytes", 2, _LONG, "bytes of the flow in the interval"),
    Field("start", 2, TIME, "first packet in the interval; up to 60 s off"),
    Field("end", 2, TIME, "last packet in the interval; up to 60 s off"),
    Field("action", 2, _TEXT, "ACCEPT or REJECT"),
    Field("log-status", 2, _TEXT, "OK, NODATA (no traffic) or SKIPDATA (records were left out)"),
    Field("vpc-id", 3, _TEXT, "VPC of the interface"),
    Field("subnet-id", 3, _TEXT, "subnet of the interface; none for a regional NAT gateway"),
    Field("instance-id", 3, _TEXT, "instance of the interface; none for AWS-managed interfaces"),
    Field("tcp-flags", 3, _INT, "FIN 1, SYN 2, RST 4, SYN-ACK 18, or-ed over the interval"),
    Field("type", 3, _TEXT, "IPv4, IPv6 or EFA"),
    Field("pkt-srcaddr", 3, _TEXT, "source as written in the packet"),
    Field("pkt-dstaddr", 3, _TEXT, "destination as written in the packet"),
    Field("region", 4, _TEXT, "AWS region of the interface"),
    Field("az-id", 4, _TEXT, "Availability Zone id"),
    Field("sublocation-type", 4, _TEXT, "wavelength, outpost or localzone"),
    Field("sublocation-id", 4, _TEXT, "id of the sublocation"),
    Field("pkt-src-aws-service", 5, _TEXT, "AWS service that owns pkt-srcaddr"),
    Field("pkt-dst-aws-service", 5, _TEXT, "AWS service that owns pkt-dstaddr"),
    Field("flow-direction", 5, _TEXT, "ingress or egress, as the interface sees it"),
    Field("traffic-path", 5, _INT, "way that egress took, 1 to 8"),
    Field("ecs-cluster-arn", 7, _TEXT, "ECS cluster"),
    Field("ecs-cluster-name", 7, _TEXT, "ECS cluster's name"),
    Field("ecs-container-instance-arn", 7, _TEXT, "ECS container instance"),
    Field("ecs-container-instance-id", 7, _TEXT, "ECS container instance's id"),
    Field("ecs-container-id", 7, _TEXT, "first container of the task"),
    Field("ecs-second-container-id", 7, _TEXT, "second container of the task"),
    Field("ecs-service-name", 7, _TEXT, "ECS service"),
    Field("ecs-task-definition-arn", 7, _TEXT, "ECS task definition"),
    Field("ecs-task-arn", 7, _TEXT, "ECS task"),
    Field("ecs-task-id", 7, _TEXT, "ECS task's id"),
    Field("reject-reason", 8, _TEXT, "BPA (block public access) or EC (encryption controls)"),
    Field("resource-id", 9, _TEXT, "regional NAT gateway that recorded the flow"),
    Field("encryption-status", 10, _INT, "0 none, 1 Nitro, 2 application, 3 both"),
    Field("instance-tag", 11, _TEXT, "value of the first chosen instance tag, percent-encoded"),
    Field("instance-tag-2", 11, _TEXT, "value of the second chosen instance tag"),
    Field("interface-tag", 11, _TEXT, "value of the first chosen interface tag"),
    Field("interface-tag-2", 11, _TEXT, "value of the second chosen interface tag"),
    Field("asg-tag", 11, _TEXT, "value of the first chosen Auto Scaling group tag"),
    Field("asg-tag-2", 11, _TEXT, "value of the second chosen Auto Scaling group tag"),
    Field("interface-type", 11, _TEXT, "kind of the recording interface, where AWS manages it"),
    Field("next-hop-interface-id", 11, _TEXT, "interface that receives (egress) or sends (ingress) the flow"),
    Field("next-hop-subnet-id", 11, _TEXT, "subnet of the next hop"),
    Field("next-hop-az-id", 11, _TEXT, "Availability Zone id of the next hop"),
    Field("next-hop-vpc-id", 11, _TEXT, "VPC of the next hop"),
    Field("next-hop-interface-type", 11, _TEXT, "kind of the next hop's interface, where AWS manages it"),
)

FIELD_BY_NAME = {field.name: field for field in FIELDS}

RECORDS = pa.schema([(field.column, field.type) for field in FIELDS] + [("extra", EXTRA)])
"""What readers read: every field of a record, and fields this version does not know yet in `extra`."""

VERDICT = pa.schema(
    [
        ("direction", pa.string()),
        ("local_addr", pa.string()),
        ("remote_addr", pa.string()),
        ("remote_port", pa.int32()),
        ("remote_scope", pa.string()),
        ("remote_service", pa.string()),
        ("remote_region", pa.string()),
        ("path", pa.string()),
        ("path_evidence", pa.string()),
        ("vantage", pa.string()),
    ]
)
"""What `paths` adds: which way a flow went, and how that is known."""

PROVENANCE = pa.schema([("flow_log_id", pa.string()), ("object_key", pa.string()), ("batch", pa.int64())])
"""Which object a record came from, and with which batch it entered the lake."""

FLOWS = pa.schema([*RECORDS, *VERDICT, *PROVENANCE, ("day", pa.date32())])
"""One row per flow log record, partitioned by `day`: of `start_time`, else of `end_time`, else of the object."""

OBJECTS = pa.schema(
    [
        ("source", pa.string()),
        ("object_key", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("modified", TIME),
        ("flow_log_id", pa.string()),
        ("account_id", pa.string()),
        ("region", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("records", pa.int64()),
        ("kept", pa.int64()),
        ("out_of_scope", pa.int64()),
        ("quarantined", pa.int64()),
        ("diverted", pa.int64()),
        ("first_record", TIME),
        ("last_record", TIME),
        ("attempts", pa.int32()),
        ("batch", pa.int64()),
        ("collected_at", TIME),
        ("day", pa.date32()),
    ]
)
"""The ledger: one row per log object and attempt, partitioned by the day in its key; a key's newest batch counts."""

QUARANTINE = pa.schema(
    [
        ("object_key", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("text", pa.string()),
        ("batch", pa.int64()),
    ]
)
"""One row per line that could not be read; bounded per object."""

FINDINGS = pa.schema(
    [
        ("event_number", pa.int64()),
        ("id", pa.string()),
        ("seq", pa.int64()),
        ("detector", pa.string()),
        ("event", pa.string()),
        ("at", TIME),
        ("window_start", TIME),
        ("window_end", TIME),
        ("first_seen", TIME),
        ("last_seen", TIME),
        ("flows", pa.int64()),
        ("bytes", pa.int64()),
        ("window_sentence", pa.string()),
        ("window_evidence", pa.string()),
        ("state", pa.string()),
        ("key", pa.string()),
        ("severity", pa.string()),
        ("title", pa.string()),
        ("first_seen_ever", TIME),
        ("last_seen_ever", TIME),
        ("total_flows", pa.int64()),
        ("total_bytes", pa.int64()),
        ("sentence", pa.string()),
        ("evidence", pa.string()),
        ("evidence_window", TIME),
        ("until", TIME),
        ("owner", pa.string()),
        ("reason", pa.string()),
        ("muted_by", pa.string()),
    ]
)
"""One row per event of a finding; `key` and the evidences are JSON objects. Its `seq` is one more than the last one's.

`event_number` grows over all events, in the order in which they were committed; numbers may be left out.
What stands before `state` speaks of one window (of none where `flows` is null); a window's newest event holds. `state`
and what follows is the finding as it stands after the event, so its newest event is the finding.
"""

DEAD_LETTERS = pa.schema(
    [
        ("sink", pa.string()),
        ("event_number", pa.int64()),
        ("event_id", pa.string()),
        ("at", TIME),
        ("outcome", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One row per event that a sink refused (`outcome` is `refused`) or, later, took when it was replayed (`replayed`).

The newest row of an event and sink holds. How far each sink has come is an application transaction of this table.
"""


T = TypeVar("T")
PAIR = ("key", "value")
"""What the two members of a pair are called in the lake."""


def arrow_type(hint: Any) -> pa.DataType:  # noqa: ANN401  an annotation may be anything
    """Return the Arrow type that holds values of an annotation: tuples are lists, dataclasses structs."""
    if get_origin(hint) is UnionType:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is tuple:
        member, rest = get_args(hint)
        return pa.list_(arrow_type(member)) if rest is Ellipsis else pa.struct(_pair(member, rest))
    if is_dataclass(hint):
        return pa.struct(columns_of(hint))
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), datetime: TIME}[hint]


def _pair(*members: Any) -> list[pa.Field]:  # noqa: ANN401
    return [pa.field(name, arrow_type(member)) for name, member in zip(PAIR, members, strict=True)]


def columns_of(kind: Any) -> list[pa.Field]:  # noqa: ANN401
    """Return a column for each field of a dataclass, in its order."""
    return [pa.field(name, arrow_type(hint)) for name, hint in _hints(kind).items()]


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the annotations of a dataclass; looking them up takes longer than a row does."""
    return get_type_hints(kind)


def row_of(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a dataclass as a row of the columns that `columns_of` gives it."""
    return {name: _cell(getattr(value, name), hint) for name, hint in _hints(value.__class__).items()}


def value_of(kind: Callable[..., T], row: Mapping[str, Any]) -> T:
    """Return the dataclass that a row was made of; columns beside its fields are passed over."""
    return kind(**{name: _value(row[name], hint) for name, hint in _hints(kind).items()})


def _cell(value: Any, hint: Any) -> Any:  # noqa: ANN401
    if get_origin(hint) is tuple:
        member, rest = get_args(hint)
        return [_cell(each, member) for each in value] if rest is Ellipsis else dict(zip(PAIR, value, strict=True))
    return row_of(value) if is_dataclass(hint) else value


def _value(cell: Any, hint: Any) -> Any:  # noqa: ANN401
    if get_origin(hint) is tuple:
        member, rest = get_args(hint)
        return tuple(_value(each, member) for each in cell or ()) if rest is Ellipsis else tuple(cell[k] for k in PAIR)
    return value_of(hint, cell) if isinstance(hint, type) and is_dataclass(hint) else cell


OBSERVED = (pa.field("observed_at", TIME), pa.field("not_before", TIME), pa.field("present", pa.bool_()))
"""What every observation begins with: when it was made, since when it can have come about (null: nobody had looked
before), and whether the thing is there. A row is written only where the content differs from the newest row's."""

INTERFACES = pa.schema([*OBSERVED, *columns_of(Interface)])
"""One row per observation of an interface: `topology.Interface`."""

WORKLOADS = pa.schema([*OBSERVED, *columns_of(Workload)])
"""One row per observation of a SageMaker resource: `topology.Workload`."""

TOPOLOGY = pa.schema([*OBSERVED, *columns_of(Network)])
"""One row per observation of a VPC's whole network: `topology.Network`."""

GAPS = pa.schema([*OBSERVED, *columns_of(Gap)])
"""One row per observation of an AWS API that does not answer: `topology.Gap`; not `present`: it answers again."""

IP_RANGES = pa.schema(
    [
        ("created_at", TIME),
        ("prefix", pa.string()),
        ("region", pa.string()),
        ("service", pa.string()),
    ]
)
"""AWS's public address ranges (VPC User Guide, "AWS IP address ranges"): all rows of the newest `created_at` hold."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake: its columns, what it is partitioned by, and the columns whose statistics prune files.

    `sort_by` is the order of rows in compacted files; the first column has statistics.
    """

    schema: pa.Schema
    partition_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()


TABLES = {
    "flows": Table(
        FLOWS,
        ("day",),
        ("interface_id", "start_time", "end_time", "object_key", "batch", "vantage"),
        ("start_time", "interface_id"),
    ),
    "objects": Table(OBJECTS, ("day",), ("batch", "first_record", "last_record"), ("batch", "object_key")),
    "quarantine": Table(QUARANTINE, (), ("batch",), ("batch", "object_key", "line")),
    "findings": Table(FINDINGS, (), ("at", "window_start", "window_end", "event_number"), ("event_number",)),
    "dead_letters": Table(DEAD_LETTERS, (), ("event_number",), ("event_number", "at")),
    "interfaces": Table(INTERFACES, (), ("observed_at", "interface_id"), ("observed_at", "interface_id")),
    "workloads": Table(WORKLOADS, (), ("observed_at", "arn"), ("observed_at", "arn")),
    "topology": Table(TOPOLOGY, (), ("observed_at", "vpc_id"), ("observed_at", "vpc_id")),
    "gaps": Table(GAPS, (), ("observed_at",), ("observed_at", "service", "operation")),
    "ip_ranges": Table(IP_RANGES, (), ("created_at",), ("created_at", "prefix", "service")),
}
"""Every table of the lake by name."""
