"""What an explanation is made of: plain values in the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """A day's records of one interface and one remote address, each byte once, and what the telling one of them says.

    `elsewhere` counts records of other flow logs about the same traffic, `other_ways` those with another path than the
    finding's. `fields` are those of the telling record that
    decide, by AWS's name; times and addresses are in the lake's own columns. `direction_by` says what tells it.
    """

    count: int
    bytes: int
    first: datetime | None
    last: datetime | None
    accepted: int
    rejected: int
    elsewhere: int
    other_ways: int
    remote_ports: tuple[int, ...]
    srcaddr: str | None
    srcport: int | None
    dstaddr: str | None
    dstport: int | None
    protocol: int | None
    start: datetime | None
    end: datetime | None
    direction: str | None
    direction_by: str
    fields: Mapping[str, Any]
    vantage: str | None
    flow_log_id: str | None
    object_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What the interface was at the time, and whose; `is_past`: the inventory does not have it any longer.

    `is_of_then` is False where the inventory tells of other times only. `public_addresses` are today's.
    """

    owner: str
    interface_type: str | None
    description: str
    status: str | None
    owner_evidence: str
    private_addresses: tuple[str, ...]
    public_addresses: tuple[str, ...]
    is_of_then: bool
    is_past: bool
    workload_kind: str | None = None
    workload: str | None = None
    workload_arn: str | None = None
    attribution: str | None = None
    confidence: float | None = None
    attribution_evidence: str | None = None
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A route that is for the address: by `prefix`, its own or the one in the prefix list that is its destination."""

    destination: str
    name: str | None
    prefix: str | None
    target: str
    state: str
    way: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one snapshot of the network says: `routes` that are for the address, the one that decides first.

    `is_known` is False where the routes could not be asked; `is_blurred` where a prefix list's entries could not.
    """

    observed_at: datetime
    until: datetime
    changed_at: datetime | None
    route_table_id: str | None
    explicit: bool
    is_known: bool
    is_blurred: bool
    routes: tuple[Match, ...]
    way: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How the subnet routed the address.

    `standing` is `observed`, `between` (two looks, one before and one after), `assumed` (no look is of that time) or
    `never_discovered`.
    """

    standing: str
    vpc_id: str | None = None
    subnet_id: str | None = None
    looks: tuple[Look, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether all looks name the same way."""
        return len({look.way for look in self.looks}) <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A prefix list that holds the address, by which of its entries."""

    prefix_list_id: str
    name: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEndpoint:
    """Whether a look found a gateway endpoint for a service, and the subnet's route table associated with it."""

    observed_at: datetime
    service: str
    endpoint_id: str | None
    state: str | None
    associated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What the remote address is; `service_by` is `prefix_list`, `record` or `ranges`.

    `prefix_lists` and `gateway_endpoints` are None where the network is not known; there is an endpoint, or the lack
    of one, for each look that the routing rests on.
    """

    scope: str | None
    service: str | None
    region: str | None
    service_by: str | None
    vpc_region: str | None
    prefix_lists: tuple[Listed, ...] | None = None
    gateway_endpoints: tuple[GatewayEndpoint, ...] | None = None
    interface_endpoint_id: str | None = None
    interface_endpoint_service: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRecord:
    """A NAT gateway's own record of the same conversation."""

    recorder: str | None
    start: datetime
    end: datetime
    flow_log_id: str | None
    object_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdict: what counts, what was recorded when it was collected, and what is said now, by which rule.

    `path` and `evidence` are those of the view `egress`; without a record, what the network would do.
    """

    path: str | None
    evidence: str | None
    recorded_path: str | None
    recorded_evidence: str | None
    now_path: str | None
    now_evidence: str | None
    rule: str
    sentence: str
    nat_record: NatRecord | None = None

    @property
    def differs(self) -> bool:
        """Whether more, or something else, is known now than when the record was collected."""
        before, now = (self.recorded_path, self.recorded_evidence), (self.now_path, self.now_evidence)
        return self.recorded_path is not None and before != now


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do: commands that are ready for a POSIX shell and that nobody here runs, and what to mind."""

    what: str
    commands: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another remote address of the same finding, in short."""

    remote: str
    count: int
    bytes: int
    path: str | None
    evidence: str | None
    service: str | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The chain of evidence for a verdict; `at` is the time that it is about."""

    interface_id: str
    remote: str
    at: datetime
    finding: str | None = None
    title: str | None = None
    records: Records | None
    interface: Whose | None
    routing: Routing
    destination: Destination
    verdict: Decided
    remedies: tuple[Remedy, ...]
    others: tuple[Other, ...] = ()
