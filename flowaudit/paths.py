"""Which way did a flow go, and how is that known? Decided from the record's own fields, once per distinct case.

Sources: VPC User Guide, "Flow log records" (traffic-path, next-hop and interface-type codes), "Flow log limitations"
(which next-hop fields are left empty), "Flow log record examples" (what a NAT gateway's own records look like).
Nothing is ever presumed: a way that the fields do not prove is `unknown`, with `none` for evidence.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.schema import VERDICT

SCOPES = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    "link_local": ("169.254.0.0/16", "fe80::/10"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "reserved": ("0.0.0.0/8", "240.0.0.0/4", "::/128"),
}
"""Addresses that no route on the internet leads to (RFC 1918, 6598, 4193, 6890). All others are `public`."""

INTERNET_GATEWAY_OR_ENDPOINT = 2
WITHIN_VPC = 1
TRAFFIC_PATHS = {
    3: "virtual_private_gateway",
    4: "vpc_peering",
    5: "vpc_peering",
    6: "local_zone",
    7: "gateway_endpoint",
    8: "internet_gateway",
}
"""traffic-path codes that name one way. 1 and 2 do not. 6 was a local gateway in older editions of the page."""

NEXT_HOPS = {
    "nat_gateway": "nat_gateway",
    "regional_nat_gateway": "nat_gateway",
    "transit_gateway": "transit_gateway",
    "network_load_balancer": "same_vpc",
}
"""next-hop-interface-type values that name one way whatever the destination; `vpc_endpoint` depends on it."""

TRANSIT_TYPES = frozenset(
    ("nat_gateway", "regional_nat_gateway", "transit_gateway", "vpc_endpoint", "network_load_balancer")
)
"""interface-type values of recorders that pass on other interfaces' traffic."""

ENDPOINT_SERVICES = frozenset(("S3", "DYNAMODB", "AMAZON"))
"""Services that a gateway endpoint may serve, and the catch-all code that may hide them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides a verdict: one distinct combination of a table's values."""

    log_status: str | None = None
    flow_direction: str | None = None
    traffic_path: int | None = None
    next_hop_interface_type: str | None = None
    next_hop_known: bool = False
    interface_type: str | None = None
    resource_known: bool = False
    pkt_src_aws_service: str | None = None
    pkt_dst_aws_service: str | None = None
    service_collected: bool = False
    next_hop_type_collected: bool = False
    src: str | None = None
    dst: str | None = None
    pkt_src: str | None = None
    pkt_dst: str | None = None
    src_rewritten: bool = False
    dst_rewritten: bool = False

    @property
    def direction(self) -> str | None:
        """`egress` or `ingress`: as recorded, else from which of the two addresses is private; None if undecided."""
        if self.log_status not in (None, "OK") or self.src is None or self.dst is None:
            return None
        if self.flow_direction in ("egress", "ingress"):
            return self.flow_direction
        return {("private", "public"): "egress", ("public", "private"): "ingress"}.get(
            (scope(self.src), scope(self.dst))
        )

    @property
    def remote(self) -> str | None:
        """Scope and family of the remote address."""
        return {"egress": self.pkt_dst or self.dst, "ingress": self.pkt_src or self.src}.get(self.direction or "")

    @property
    def service(self) -> str | None:
        """AWS service that owns the remote address, as recorded."""
        return {"egress": self.pkt_dst_aws_service, "ingress": self.pkt_src_aws_service}.get(self.direction or "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The derived columns that do not hold addresses."""

    direction: str | None
    remote_scope: str | None
    remote_service: str | None
    path: str | None
    path_evidence: str | None
    vantage: str | None


def verdict(records: pa.Table) -> pa.Table:
    """Return `records` with the columns of `schema.VERDICT`: directions, remote side, path and its evidence.

    Works on distinct combinations of values; text columns may be plain or dictionaries, any column may be missing.
    """
    addresses = _addresses(records)
    cases, codes = _distinct(_facts(records, addresses))
    verdicts = [judge(case) for case in cases]
    columns = {name: _spread(codes, [getattr(v, name) for v in verdicts]) for name in Verdict.__slots__}
    columns |= _sides(records, addresses, _spread(codes, [v.direction == "egress" for v in verdicts], pa.bool_()))
    columns["remote_region"] = pa.nulls(records.num_rows, pa.string())
    undirected = _spread(codes, [v.direction is None for v in verdicts], pa.bool_())
    for name in ("local_addr", "remote_addr", "remote_port"):
        columns[name] = _blank(columns[name], undirected)
    for name in VERDICT.names:
        records = records.append_column(name, columns[name])
    return records


def judge(facts: Facts) -> Verdict:
    """Decide one distinct case."""
    if facts.log_status not in (None, "OK"):
        return Verdict(None, None, None, None, None, None)
    path, evidence = (None, None) if facts.direction == "ingress" else _path(facts)
    return Verdict(
        facts.direction,
        scope(facts.remote) if facts.remote else None,
        facts.service,
        path,
        evidence,
        _vantage(facts),
    )


def scope(kind: str) -> str:
    """`private`, `public`, `link_local`, `loopback`, `multicast` or `reserved`: a kind without its family."""
    return kind.removesuffix("6")


def _ranges(version: int) -> list[tuple[bytes, bytes, str]]:
    networks = [(ip_network(text), name) for name, texts in SCOPES.items() for text in texts]
    return [(n[0].packed, n[-1].packed, name) for n, name in networks if n.version == version]


_RANGES = {socket.AF_INET: _ranges(4), socket.AF_INET6: _ranges(6)}


@lru_cache(maxsize=1 << 17)
def kind(address: str | None) -> str | None:
    """Scope of one address, with a `6` behind it for IPv6; None for what is no address."""
    family = socket.AF_INET6 if ":" in (address or "") else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address or "")
    except (OSError, ValueError):
        return None
    name = next((name for low, high, name in _RANGES[family] if low <= packed <= high), "public")
    return name if family == socket.AF_INET else name + "6"


def _path(facts: Facts) -> tuple[str, str]:
    if facts.direction is None:
        return "unknown", "none"
    return _by_next_hop_type(facts) or _by_traffic_path(facts) or _by_next_hop(facts) or ("unknown", "none")


def _by_next_hop_type(facts: Facts) -> tuple[str, str] | None:
    hop = facts.next_hop_interface_type
    if hop in ("vpc_endpoint", "network_load_balancer") and facts.traffic_path in TRAFFIC_PATHS:
        return None  # the receiving interface lies in another VPC: the way there is what traffic-path says
    if hop in NEXT_HOPS:
        return NEXT_HOPS[hop], "next_hop"
    if hop != "vpc_endpoint":
        return None
    # An interface endpoint is reached by its own private address. A public IPv4 destination behind an endpoint is a
    # Gateway Load Balancer's; an IPv6 one may be either.
    by_kind = {"private": "interface_endpoint", "private6": "interface_endpoint", "public": "middlebox"}
    return by_kind.get(facts.remote or "", "vpc_resource"), "next_hop"


def _by_traffic_path(facts: Facts) -> tuple[str, str] | None:
    code = facts.traffic_path
    if code in TRAFFIC_PATHS:
        return TRAFFIC_PATHS[code], "traffic_path"
    if code == INTERNET_GATEWAY_OR_ENDPOINT:
        is_public = facts.remote in ("public", "public6")
        if is_public and facts.service_collected and facts.service not in ENDPOINT_SERVICES:
            return "internet_gateway", "traffic_path"
        return None
    if code == WITHIN_VPC:
        return _by_next_hop(facts) or ("vpc_resource", "traffic_path")
    return None


def _by_next_hop(facts: Facts) -> tuple[str, str] | None:
    """Judge by a next hop of no AWS-managed type: for a public destination an appliance, else not proven."""
    if not facts.next_hop_known or facts.traffic_path not in (None, WITHIN_VPC):
        return None
    is_appliance = facts.next_hop_type_collected and facts.next_hop_interface_type is None
    if is_appliance and facts.remote in ("public", "public6"):
        return "middlebox", "next_hop"
    return "vpc_resource", "next_hop"


def _vantage(facts: Facts) -> str | None:
    """Name the kind of a transit recorder; `transit` where only the rewritten addresses betray it."""
    if facts.interface_type in TRANSIT_TYPES:
        return facts.interface_type
    if facts.resource_known:
        return "regional_nat_gateway"
    relays_in = facts.dst_rewritten and facts.pkt_dst in ("public", "public6") and facts.flow_direction != "egress"
    relays_out = facts.src_rewritten and facts.pkt_src in ("public", "public6") and facts.flow_direction != "ingress"
    return "transit" if relays_in or relays_out else None


# --- tables -----------------------------------------------------------------------------------------------------------

_ADDRESSES = ("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr")
_AS_THEY_ARE = (
    "log_status",
    "flow_direction",
    "traffic_path",
    "next_hop_interface_type",
    "interface_type",
    "pkt_src_aws_service",
    "pkt_dst_aws_service",
)

_Column: TypeAlias = tuple[pa.Array, list[Any]]
"""Codes from 0, and the value that each stands for."""

_CODE = pa.int64()
_DENSE = 1 << 31
"""More combinations than this are renumbered before another column is combined: codes must fit `_CODE`."""


def _array(records: pa.Table, name: str) -> pa.Array | None:
    """One column as a single array, None if it is missing."""
    if name not in records.column_names:
        return None
    column = records.column(name).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _encoded(array: pa.Array) -> pa.DictionaryArray:
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()


def _addresses(records: pa.Table) -> dict[str, pa.DictionaryArray]:
    """Return the address columns that are there, all over one dictionary, so that codes can be compared."""
    found = {name: array for name in _ADDRESSES if (array := _array(records, name)) is not None}
    if not found:
        return {}
    encoded = [_encoded(array).cast(pa.dictionary(pa.int32(), pa.string())) for array in found.values()]
    unified = pa.chunked_array(encoded).unify_dictionaries()
    return dict(zip(found, unified.chunks, strict=True)) if unified.num_chunks == len(found) else {}


def _facts(records: pa.Table, addresses: dict[str, pa.DictionaryArray]) -> dict[str, _Column]:
    columns = {name: _coded(array) for name in _AS_THEY_ARE if (array := _array(records, name)) is not None}
    for fact, name in (("next_hop_known", "next_hop_interface_id"), ("resource_known", "resource_id")):
        if (array := _array(records, name)) is not None:
            columns[fact] = _flag(array.is_valid())
    collected = {"service_collected": "pkt_dst_aws_service", "next_hop_type_collected": "next_hop_interface_type"}
    for fact, name in collected.items():
        columns[fact] = pa.repeat(pa.scalar(0, _CODE), records.num_rows), [name in records.column_names]
    if addresses:
        columns |= _address_facts(addresses)
    return columns


def _address_facts(addresses: dict[str, pa.DictionaryArray]) -> dict[str, _Column]:
    dictionary = next(iter(addresses.values())).dictionary
    kinds = [kind(address) for address in dictionary.to_pylist()]
    names: list[object] = [None, *sorted({k for k in kinds if k})]
    place = {name: at for at, name in enumerate(names)}
    codes = pa.array([place[k] for k in kinds], _CODE)
    columns: dict[str, _Column] = {}
    for column, array in addresses.items():
        columns[column.replace("addr", "")] = _filled(pc.take(codes, array.indices), 0), names
    for side in ("src", "dst"):
        own, packet = addresses.get(f"{side}addr"), addresses.get(f"pkt_{side}addr")
        if own is not None and packet is not None:
            columns[f"{side}_rewritten"] = _flag(pc.not_equal(own.indices, packet.indices))
    return columns


def _flag(array: pa.Array) -> _Column:
    return _filled(array.cast(_CODE), 0), [False, True]


def _coded(array: pa.Array) -> _Column:
    encoded = _encoded(array)
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.cast(_CODE)
    return (_filled(codes, len(values)), [*values, None]) if codes.null_count or not values else (codes, values)


def _filled(codes: pa.Array, code: int) -> pa.Array:
    """Put a code in the place of nulls, where there are any."""
    return pc.fill_null(codes, code) if codes.null_count else codes


def _distinct(columns: dict[str, _Column]) -> tuple[list[Facts], pa.Array]:
    """Return the distinct rows of `columns` as facts, and for each row which of them it is."""
    rows = len(next(iter(columns.values()))[0])
    varying = {name: column for name, column in columns.items() if len(column[1]) > 1}
    key, size = pa.repeat(pa.scalar(0, _CODE), rows), 1
    for codes, values in varying.values():
        key, size = (
            (pc.add(pc.multiply(key, len(values)), codes), size * len(values)) if size > 1 else (codes, len(values))
        )
        if size > _DENSE:
            encoded = _encoded(key)
            key, size = encoded.indices.cast(_CODE), len(encoded.dictionary)
    encoded = _encoded(key)
    examples = pc.index_in(encoded.dictionary, value_set=key)
    facts = {
        name: [values[code] for code in pc.take(codes, examples).to_pylist()]
        for name, (codes, values) in columns.items()
    }
    cases = [Facts(**dict(zip(facts, case, strict=True))) for case in zip(*facts.values(), strict=True)]
    return cases, encoded.indices


def _spread(codes: pa.Array, values: Iterable[Any], plain: pa.DataType | None = None) -> pa.Array:
    """Give each row its case's value: a dictionary of text, or a `plain` array."""
    values = list(values)
    if plain is not None:
        return pc.take(pa.array(values, plain), codes)
    names = sorted({v for v in values if v is not None})
    index = pa.array([None if v is None else names.index(v) for v in values], pa.int32())
    return pa.DictionaryArray.from_arrays(pc.take(index, codes), pa.array(names, pa.string()))


def _sides(records: pa.Table, addresses: dict[str, pa.DictionaryArray], egress: pa.Array) -> dict[str, pa.Array]:
    """Return local and remote address and remote port, as if every row had a direction."""
    choose: Callable[..., pa.Array] = pc.if_else
    src, dst = _packet_side(addresses, "src"), _packet_side(addresses, "dst")
    sides = {"local_addr": choose(egress, src, dst), "remote_addr": choose(egress, dst, src)}
    dictionary = next(iter(addresses.values())).dictionary if addresses else pa.array([], pa.string())
    columns = {name: pa.DictionaryArray.from_arrays(indices, dictionary) for name, indices in sides.items()}
    absent = pa.scalar(None, pa.int32())
    ports = [_array(records, name) for name in ("dstport", "srcport")]
    return columns | {"remote_port": choose(egress, *(absent if port is None else port for port in ports))}


def _packet_side(addresses: dict[str, pa.DictionaryArray], side: str) -> pa.Array | pa.Scalar:
    """Return the packet's own address where it is known, else the interface's view of it."""
    found = [addresses[name].indices for name in (f"pkt_{side}addr", f"{side}addr") if name in addresses]
    return pc.coalesce(*found) if found else pa.scalar(None, pa.int32())


def _blank(array: pa.Array, where: pa.Array) -> pa.Array:
    """Return `array` with nulls where `where` holds."""
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(_blank(array.indices, where), array.dictionary)
    return pc.if_else(where, pa.scalar(None, array.type), array)
