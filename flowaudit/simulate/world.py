"""Codes to records: everything that records speak of as lists, and columns of integers that point into them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowaudit import schema
from flowaudit.simulate.network import Interface, Kind, Network, Vpc
from flowaudit.simulate.streams import Remotes, Silence, Stream

TRUTH = pa.schema([(f"truth_{name}", pa.string()) for name in ("path", "direction", "label", "workload")])
"""What only the simulator knows: the way that egress took (None on other rows), the recording interface's direction,
`compliant`, `leak:…`, `reject`, `nodata`, `skipdata` or `transit` (a gateway's or an endpoint's own record), and the
workload whose interface recorded."""

SIMULATED = pa.schema([*schema.RECORDS, *TRUTH])
"""A record in full, as version 11 has it, and the truth."""

TRANSIT = "transit"

Ints = npt.NDArray[np.int64]
Codes = dict[str, Ints]
"""Columns of integers, one per record; text is a code into a list, -1 is null."""

COLUMNS = (
    *("recorder", "next_hop", "src", "dst", "pkt_src", "pkt_dst", "srcport", "dstport", "protocol", "packets", "bytes"),
    *("start", "end", "action", "status", "tcp_flags", "egress", "traffic_path", "reason", "label", "path"),
)
ACTIONS = ("ACCEPT", "REJECT")
STATUSES = ("OK", "NODATA", "SKIPDATA")
REASONS = ("BPA", "EC")
DIRECTIONS = ("ingress", "egress")


class World:
    """Everything that records speak of, as lists to be pointed into."""

    def __init__(self, network: Network, streams: Sequence[Stream | Silence]) -> None:
        self._vpc = network.vpc
        self._owners = [_owner(network.vpc, interface) for interface in network.interfaces]
        self._number = {interface: number for number, interface in enumerate(network.interfaces)}
        self._book: dict[str, int] = {}
        self._services: list[str | None] = []
        owned = [address for interface in network.interfaces for address in (interface.address, interface.ipv6 or "")]
        self._own = self._enter(owned, None).reshape(-1, 2)
        self.labels = [*dict.fromkeys(stream.label for stream in streams), TRANSIT]
        self.paths = [*dict.fromkeys(stream.path for stream in streams if isinstance(stream, Stream)), "same_vpc"]

    def _enter(self, addresses: Sequence[str], service: str | None) -> Ints:
        codes = [self._book.setdefault(address, len(self._book)) for address in addresses]
        self._services += [service] * (len(self._book) - len(self._services))
        return np.array(codes, np.int64)

    def remotes(self, remotes: Remotes) -> Ints:
        """Codes of addresses outside the VPC."""
        return self._enter(remotes.addresses, remotes.service)

    def numbers(self, interfaces: Sequence[Interface]) -> Ints:
        """Codes of interfaces."""
        strangers = [interface.id for interface in interfaces if interface not in self._number]
        if strangers:
            raise ValueError(f"not interfaces of network {self._vpc.id}: {', '.join(strangers)}")
        return np.array([self._number[interface] for interface in interfaces], np.int64)

    def own(self, interfaces: Ints, *, ipv6: bool) -> Ints:
        """Codes of the interfaces' primary addresses."""
        return self._own[interfaces, int(ipv6)]

    def table(self, codes: Codes) -> pa.Table:
        """The records that `codes` (every one of `COLUMNS`) stand for, in the shape of `SIMULATED`."""
        count = len(codes["recorder"])
        columns = self._traffic(codes) | self._recorder(codes) | self._next_hop(codes) | self._truth(codes)
        columns["version"] = pa.repeat(pa.scalar(max(field.version for field in schema.FIELDS), pa.int32()), count)
        filled = [columns.get(field.name, pa.nulls(count, field.type)) for field in SIMULATED]
        return pa.table(filled, schema=SIMULATED)

    def _traffic(self, codes: Codes) -> dict[str, pa.Array]:
        families = ["IPv6" if ":" in address else "IPv4" for address in self._book]
        columns = {name: _integers(codes[name], SIMULATED.field(name).type) for name in _FIGURES}
        columns |= {name: _texts(list(self._book), codes[code]) for name, code in _ADDRESSES.items()}
        columns |= {name: _texts(self._services, codes[code]) for name, code in _SERVICES.items()}
        return columns | {
            "type": _texts(families, codes["src"]),
            "start_time": _times(codes["start"]),
            "end_time": _times(codes["end"]),
            "action": _texts(ACTIONS, codes["action"]),
            "log_status": _texts(STATUSES, codes["status"]),
            "reject_reason": _texts(REASONS, codes["reason"]),
            "flow_direction": _texts(DIRECTIONS, codes["egress"]),
        }

    def _recorder(self, codes: Codes) -> dict[str, pa.Array]:
        recorder = codes["recorder"]
        spoke = np.where(codes["status"] == STATUSES.index("OK"), recorder, -1)
        # A record without traffic tells whose it is, and no more.
        said = dict.fromkeys(_PLACE, recorder) | dict.fromkeys(("resource_id", "interface_type"), spoke)
        return {name: _texts([owner[name] for owner in self._owners], number) for name, number in said.items()}

    def _next_hop(self, codes: Codes) -> dict[str, pa.Array]:
        names = ("interface_id", "subnet_id", "az_id", "vpc_id", "interface_type")
        hop = codes["next_hop"]
        return {f"next_hop_{name}": _texts([owner[name] for owner in self._owners], hop) for name in names}

    def _truth(self, codes: Codes) -> dict[str, pa.Array]:
        return {
            "truth_path": _texts(self.paths, codes["path"]),
            "truth_direction": _texts(DIRECTIONS, codes["egress"]),
            "truth_label": _texts(self.labels, codes["label"]),
        }


_PLACE = ("account_id", "region", "vpc_id", "subnet_id", "az_id", "interface_id", "instance_id", "truth_workload")
_FIGURES = ("srcport", "dstport", "protocol", "packets", "bytes", "tcp_flags", "traffic_path")
_ADDRESSES = {"srcaddr": "src", "dstaddr": "dst", "pkt_srcaddr": "pkt_src", "pkt_dstaddr": "pkt_dst"}
_SERVICES = {"pkt_src_aws_service": "pkt_src", "pkt_dst_aws_service": "pkt_dst"}


def _owner(vpc: Vpc, interface: Interface) -> dict[str, str | None]:
    """What a record says of its recorder, or of its next hop, by column."""
    regional = interface.kind is Kind.REGIONAL_NAT_GATEWAY
    return {
        "account_id": vpc.account_id,
        "region": vpc.region,
        "vpc_id": vpc.id,
        "subnet_id": interface.subnet.id if interface.subnet else None,
        "az_id": interface.subnet.az_id if interface.subnet else None,
        "interface_id": None if regional else interface.id,
        "instance_id": interface.instance_id,
        "resource_id": interface.id if regional else None,
        "interface_type": interface.kind.interface_type,
        "truth_workload": interface.workload,
    }


def _indices(codes: Ints) -> pa.Array:
    return pa.array(codes, pa.int64(), mask=codes < 0)


def _texts(values: Sequence[str | None], codes: Ints) -> pa.Array:
    return pa.array(values, pa.string()).take(_indices(codes))


def _integers(codes: Ints, kind: pa.DataType) -> pa.Array:
    return _indices(codes).cast(kind)


def _times(seconds: Ints) -> pa.Array:
    return pc.multiply(_indices(seconds), 1_000_000).cast(schema.TIME)
