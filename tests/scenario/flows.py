"""The scenario's flows: what each workload sent where and when, the way it really went, and who recorded it.

The truth stands in `WAYS`, written by hand from what the routes of `cloud` mean, and is computed by nothing. Records
are as AWS writes them: VPC User Guide, "Flow log records" and "Flow log record examples".
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from flowaudit.schema import FIELDS
from tests.scenario.cloud import ACCOUNT, NATS, REGION, Cloud, Interface

LOOKS = tuple(datetime(2026, 1, 15, hour, tzinfo=UTC) for hour in (10, 11, 12, 13))
"""When the cloud is looked at. The change comes between the second and the third look, at 11:20."""
TIMES = {
    "before any look": datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
    "between looks": datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
    "before the change": datetime(2026, 1, 15, 11, 19, tzinfo=UTC),
    "after the change": datetime(2026, 1, 15, 11, 20, 20, tzinfo=UTC),
    "after its discovery": datetime(2026, 1, 15, 12, 30, tzinfo=UTC),
}
CHANGED = ("after the change", "after its discovery")
UNSURE = ("before the change", "after the change")
"""Times that lie between the last look that saw the old routes and the first that saw the new ones."""

FORMATS = {
    name: tuple(field.name for field in FIELDS if field.version <= version)
    for name, version in (("v2", 2), ("v3", 3), ("v5", 5), ("v11", 11))
}
"""Each format's fields in AWS's order: 14, 21, 29 and all of them."""

REMOTES = {
    "S3": ("52.216.0.9", "S3"),
    "S3 elsewhere": ("52.95.128.179", "S3"),
    "S3, inspected": ("52.217.0.9", "S3"),
    "internet": ("203.0.113.9", "-"),
    "internet, IPv6": ("2001:db8:ffff::9", "-"),
    "internet, IPv6, no code": ("2001:db8:ffff::a", "-"),
    "dead peer": ("10.60.1.10", "-"),
}
"""Address and service of destinations that no interface here answers for;
S3's are in its region's prefix list, but for the one elsewhere."""

_NAT, _IGW, _SAME = "nat_gateway", "internet_gateway", "same_vpc"
_END = "interface_endpoint"
WAYS: dict[str, dict[str, str | tuple[str, str]]] = {
    "studio": {
        "S3": "gateway_endpoint",
        "S3 elsewhere": _NAT,
        "S3, inspected": "middlebox",
        "internet": _NAT,
        "internet, IPv6": "blackhole",
        "dead peer": "blackhole",
        "peer": "vpc_peering",
        "scoring": _SAME,
        "batch": _SAME,
        "training, IPv6": _SAME,
        "endpoint": _END,
    },
    "scoring": {"S3": "gateway_endpoint", "internet": _NAT, "endpoint": _END},
    "training": {
        "S3": (_NAT, "gateway_endpoint"),
        "S3 elsewhere": (_NAT, _IGW),
        "internet": (_NAT, _IGW),
        "internet, IPv6": _IGW,
        "batch": _SAME,
        "processing, IPv6": _SAME,
        "endpoint": _END,
    },
    "batch": {
        "S3": "middlebox",
        "S3 elsewhere": "middlebox",
        "internet": "middlebox",
        "scoring": _SAME,
        "endpoint": _END,
    },
    "processing": {
        "S3": "blackhole",
        "internet": "blackhole",
        "internet, IPv6": "egress_only_internet_gateway",
        "internet, IPv6, no code": "egress_only_internet_gateway",
        "studio, IPv6": _SAME,
        "endpoint": _END,
    },
    "tuning": {"S3": _NAT, "internet": _NAT, "scoring": _SAME, "endpoint": _END},
    "notebook": {"S3": _IGW, "S3 elsewhere": _IGW, "internet": _IGW, "tuning": _SAME, "endpoint": _END},
    "legacy": {"S3": _IGW, "S3 elsewhere": _IGW, "internet": _IGW, "endpoint": _END},
}
"""Workload → destination → the way that what it sends there takes; where there are two: before and after the change."""

CODES = {
    _NAT: "1",
    "middlebox": "1",
    _SAME: "1",
    "interface_endpoint": "1",
    "vpc_peering": "4",
    "gateway_endpoint": "7",
    _IGW: "8",
    "egress_only_internet_gateway": "8",
    "blackhole": "-",
}
"""traffic-path as AWS writes it; for the egress-only gateway it says nothing, so it is 8 once and once left out."""

Record = dict[str, str]
"""A record's fields by AWS's names; those that are left out are `-`."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A conversation's request, or an answer that is itself egress of a workload: what its record must come to.

    `source`, `port` and `remote_port` name the record among all of them; `routes_moved` tells whether the change has
    anything to do with it.
    """

    workload: str
    destination: str
    time: str
    truth: str
    source: str
    port: int
    remote_port: int
    bytes: int
    routes_moved: bool = False

    @property
    def key(self) -> tuple[str, int, int]:
        """What is unique to its record."""
        return self.source, self.port, self.remote_port

    @property
    def case(self) -> str:
        """The truth, and what else makes a difference to what can be known."""
        if self.truth == _IGW and self.workload == "legacy":
            return f"{_IGW}, code 2{' to S3' if self.destination == 'S3' else ''}"
        if self.truth == _IGW and "IPv6" in self.destination:
            return f"{_IGW}, IPv6"
        return f"{_NAT}, regional" if self.truth == _NAT and self.workload == "tuning" else self.truth


@dataclass(frozen=True, slots=True)
class Traffic:
    """All flows, and all records of them by time: workloads' own, answers, and those of interfaces on the way."""

    flows: tuple[Flow, ...]
    records: dict[str, tuple[Record, ...]]

    def of(self, subnet: str, *, halves: bool) -> Traffic:
        """Return what one subnet's interfaces recorded; in `halves`, as at shorter aggregation intervals."""
        cut = _halves if halves else lambda record: (record,)
        records = {
            time: tuple(part for record in records if record["subnet-id"] == subnet for part in cut(record))
            for time, records in self.records.items()
        }
        return Traffic(self.flows, records)


def _halves(record: Record) -> tuple[Record, ...]:
    size, start = int(record["bytes"]), int(record["start"])
    early = {"packets": "4", "bytes": str(size // 2), "end": str(start + 20)}
    return record | early, record | {"packets": "6", "bytes": str(size - size // 2), "start": str(start + 30)}


def traffic(cloud: Cloud) -> Traffic:
    """Return every workload's flows to each of its destinations at each time."""
    numbers = count()
    flows: list[Flow] = []
    records = {}
    for time in TIMES:
        talks = [
            _Talk(cloud, workload, destination, time, way, next(numbers))
            for workload, ways in WAYS.items()
            for destination, way in ways.items()
        ]
        flows += [flow for talk in talks for flow in talk.flows()]
        records[time] = tuple(record for talk in talks for record in talk.records())
    return Traffic(tuple(flows), records)


class _Talk:
    """One conversation."""

    def __init__(
        self, cloud: Cloud, workload: str, destination: str, time: str, way: str | tuple[str, str], number: int
    ) -> None:
        self.cloud, self.workload, self.destination, self.time = cloud, workload, destination, time
        self.moved = isinstance(way, tuple)
        self.way = way if isinstance(way, str) else way[time in CHANGED]
        self.port, self.size = 20_000 + number, 1_000 + number
        self.own = cloud.interfaces[workload]
        name, six, _ = destination.partition(", IPv6")
        self.answering = cloud.interfaces.get(name)
        known = REMOTES.get(destination)
        answering = self.answering and (self.answering.address6 if six else self.answering.address)
        self.remote, self.service = known or (answering or "", "-")
        self.local = (self.own.address6 if ":" in self.remote else self.own.address) or ""

    def flows(self) -> Iterator[Flow]:
        names = (self.workload, self.destination, self.time, self.way)
        yield Flow(*names, self.own.id, self.port, 443, self.size, self.moved)
        if self.destination.partition(", ")[0] in WAYS:
            answering = self.answering or self.own
            back = (self.destination.partition(", ")[0], self.workload, self.time, _SAME)
            yield Flow(*back, answering.id, 443, self.port, 10 * self.size)

    def records(self) -> Iterator[Record]:
        there, back = (self.local, self.port, self.remote, 443), (self.remote, 443, self.local, self.port)
        hop = self._hop()
        yield self._egress(self.own, there, self._code(), hop) | {"pkt-dst-aws-service": self.service}
        if self.way == "blackhole":
            return
        yield self._ingress(self.own, back, hop) | {"pkt-src-aws-service": self.service}
        if self.answering and self.destination != "peer":
            account = {"account-id": "unknown"} if self.destination == "endpoint" else {}
            yield self._ingress(self.answering, there, _next(self.own)) | account
            yield self._egress(self.answering, back, "1", _next(self.own)) | account
        yield from self._on_the_way()

    def _on_the_way(self) -> Iterator[Record]:
        if self.way == "middlebox":
            yield from self._relayed(self.cloud.interfaces["appliance"])
        elif self.way == _NAT and self.workload == "tuning":
            yield from self._regional()
        elif self.way == _NAT:
            yield from self._relayed(self.cloud.interfaces["nat"])

    def _relayed(self, relay: Interface) -> Iterator[Record]:
        """What an interface that puts its own address in the workload's place records: the zonal NAT's example."""
        outside = 40_000 + self.port % 20_000
        services = {"pkt-dst-aws-service": self.service}, {"pkt-src-aws-service": self.service}
        inward = self._ingress(relay, (self.local, self.port, relay.address, 443), _next(self.own))
        yield inward | {"pkt-dstaddr": self.remote} | services[0]
        yield self._egress(relay, (relay.address, outside, self.remote, 443), "8") | services[0]
        yield self._ingress(relay, (self.remote, 443, relay.address, outside)) | services[1]
        outward = self._egress(relay, (relay.address, 443, self.local, self.port), "1", _next(self.own))
        yield outward | {"pkt-srcaddr": self.remote} | services[1]

    def _regional(self) -> Iterator[Record]:
        """What a regional NAT gateway records: it has no interface, and outside it shows its public address."""
        nowhere = Interface("-", "-", "-", "-", self.own.vpc_id, type="regional_nat_gateway")
        public, outside = NATS["regional"][1], 40_000 + self.port % 20_000
        for record in (
            self._ingress(nowhere, (self.local, self.port, self.remote, 443), _next(self.own)),
            self._egress(nowhere, (public, outside, self.remote, 443), "8"),
            self._ingress(nowhere, (self.remote, 443, public, outside)),
            self._egress(nowhere, (self.remote, 443, self.local, self.port), "1", _next(self.own)),
        ):
            yield record | {"resource-id": self.cloud.gateways["regional"]}

    def _code(self) -> str:
        if self.destination.endswith("no code"):
            return "-"
        return "2" if self.workload == "legacy" and self.way == _IGW else CODES[self.way]

    def _hop(self) -> Record:
        """The next hop's fields: there are some only where an interface receives, in the same VPC or a peer's."""
        if self.way == _NAT and self.workload == "tuning":
            return {"next-hop-vpc-id": self.own.vpc_id, "next-hop-interface-type": "regional_nat_gateway"}
        through = {_NAT: "nat", "middlebox": "appliance"}.get(self.way)
        receiving = self.cloud.interfaces[through] if through else self.answering
        return _next(receiving) if receiving else {}

    def _egress(self, at: Interface, ends: tuple[str, int, str, int], code: str, hop: Record | None = None) -> Record:
        return self._record(at, ends, f"egress {code}") | (hop or {})

    def _ingress(self, at: Interface, ends: tuple[str, int, str, int], hop: Record | None = None) -> Record:
        return self._record(at, ends, "ingress -") | (hop or {})

    def _record(self, at: Interface, ends: tuple[str, int, str, int], direction: str) -> Record:
        source, port, destination, remote_port = ends
        flags, size = (3, self.size) if remote_port == 443 else (19, 10 * self.size)
        start, family = int(TIMES[self.time].timestamp()), "IPv6" if ":" in source else "IPv4"
        line = (
            f"{ACCOUNT} {at.id} {source} {destination} {port} {remote_port} 6 10 {size} {start} {start + 50} ACCEPT OK"
            f" {at.vpc_id} {at.subnet_id} {at.instance_id} {flags} {family} {source} {destination}"
            f" {REGION} {at.az_id} - - - - {direction}"
        )
        return dict(zip(FORMATS["v5"][1:], line.split(), strict=True)) | {"interface-type": at.type}


def _next(hop: Interface) -> Record:
    return dict(zip(FORMATS["v11"][-5:], (hop.id, hop.subnet_id, hop.az_id, hop.vpc_id, hop.type), strict=True))


def text(records: Iterable[Record], format: str) -> str:
    """Return the text of a log object with its header."""
    fields = FORMATS[format]
    version = {"version": format.removeprefix("v")}
    lines = (" ".join((record | version).get(field, "-") for field in fields) for record in records)
    return "\n".join((" ".join(fields), *lines, ""))


def write(folder: Path, traffic: Traffic, format: str, flow_log: str) -> None:
    """Write a flow log's objects, one for each time."""
    days = folder / "AWSLogs" / ACCOUNT / "vpcflowlogs" / REGION / "2026" / "01" / "15"
    days.mkdir(parents=True, exist_ok=True)
    for time, records in traffic.records.items():
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_{TIMES[time]:%Y%m%dT%H%MZ}_0123abcd.log.gz"
        (days / name).write_bytes(gzip.compress(text(records, format).encode(), mtime=0))
