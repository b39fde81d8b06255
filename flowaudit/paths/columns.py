"""Verdicts for whole tables: distinct cases are found, decided once each, and spread over the rows again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.paths.addresses import kind
from flowaudit.paths.atlas import Atlas
from flowaudit.paths.decision import Ends, Facts, Verdict, judge
from flowaudit.schema import VERDICT

T = TypeVar("T")

_ADDRESSES = ("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr")
_AS_THEY_ARE = (
    "log_status",
    "traffic_path",
    "next_hop_interface_type",
    "interface_type",
    "pkt_src_aws_service",
    "pkt_dst_aws_service",
)
JUDGED = (*_AS_THEY_ARE, *_ADDRESSES, "flow_direction", "next_hop_interface_id", "resource_id")
"""The columns that a verdict looks at, beside where and when it was recorded."""

_Column: TypeAlias = tuple[pa.Array, list[Any]]
"""Codes from 0, and the value that each stands for."""

_CODE = pa.int64()
_DENSE = 1 << 31
"""More combinations than this are renumbered before another column is combined: codes must fit `_CODE`."""
_NOTHING = Atlas()


def verdict(records: pa.Table, atlas: Atlas = _NOTHING) -> pa.Table:
    """Return `records` with the columns of `schema.VERDICT`: directions, remote side, path and its evidence.

    Works on distinct combinations of values; text columns may be plain or dictionaries, any column may be missing.
    """
    return _Judging(records, atlas).result()


def cases(records: pa.Table, atlas: Atlas = _NOTHING) -> list[tuple[Ends, Facts]]:
    """Return, for each record, what decides its direction and what its path: what `verdict` goes by."""
    return _Judging(records, atlas).cases()


def in_scope(records: pa.Table, atlas: Atlas) -> pa.Table:
    """Return the rows of interfaces that may be SageMaker's, or pass their traffic on: see `Atlas.in_scope`."""
    interfaces = _array(records, "interface_id")
    if interfaces is None:
        return records
    encoded = _encoded(interfaces)
    wanted = [atlas.in_scope(each) for each in encoded.dictionary.to_pylist()]
    if all(wanted):
        return records
    return records.filter(pc.fill_null(pc.take(pa.array(wanted, pa.bool_()), encoded.indices), True))


class _Judging:
    """One table on its way to its verdicts."""

    def __init__(self, records: pa.Table, atlas: Atlas) -> None:
        self._records, self._atlas = records, atlas
        self._addresses = _addresses(records)
        self._texts = next(iter(self._addresses.values())).dictionary.to_pylist() if self._addresses else []
        self._place = self._places()

    def result(self) -> pa.Table:
        """Return the table with its verdicts."""
        directions, codes, columns = self._directed()
        facts = self._all_facts(directions, codes, columns)
        columns |= self._verdicts(facts) | {"direction": _spread(codes, directions)}
        undirected = _spread(codes, [direction is None for direction in directions], pa.bool_())
        for name in ("local_addr", "remote_addr", "remote_port"):
            columns[name] = _blank(columns[name], undirected)
        records = self._records
        for name in VERDICT.names:
            records = records.append_column(name, columns[name])
        return records

    def cases(self) -> list[tuple[Ends, Facts]]:
        """Return the distinct case of each row, one for its direction and one for its path."""
        ends, which = _distinct(self._ends(), Ends, self._records.num_rows)
        facts, codes = _distinct(self._all_facts(*self._directed()), Facts, self._records.num_rows)
        return [(ends[n], facts[m]) for n, m in zip(which.to_pylist(), codes.to_pylist(), strict=True)]

    def _directed(self) -> tuple[list[str | None], pa.Array, dict[str, pa.Array]]:
        """Return directions, which of them each row has, and the local and remote sides that follow."""
        cases, codes = _distinct(self._ends(), Ends, self._records.num_rows)
        directions = [case.direction for case in cases]
        egress = _spread(codes, [direction == "egress" for direction in directions], pa.bool_())
        return directions, codes, self._sides(egress)

    def _all_facts(
        self, directions: list[str | None], codes: pa.Array, columns: dict[str, pa.Array]
    ) -> dict[str, _Column]:
        return self._facts() | {"direction": (codes, directions), "bearing": self._bearings(columns["remote_addr"])}

    def _verdicts(self, facts: dict[str, _Column]) -> dict[str, pa.Array]:
        cases, codes = _distinct(facts, Facts, self._records.num_rows)
        verdicts = [judge(case) for case in cases]
        return {name: _spread(codes, [getattr(v, name) for v in verdicts]) for name in Verdict.__slots__}

    # --- what decides the direction -----------------------------------------------------------------------------------

    def _ends(self) -> dict[str, _Column]:
        columns = {"log_status": self._same(None)} | self._plain("log_status", "flow_direction")
        kinds = [kind(text) for text in self._texts]
        for side in ("src", "dst"):
            if (array := self._addresses.get(f"{side}addr")) is not None:
                columns[side] = _coded_by(array, kinds)
        return columns if self._is_directed() else columns | self._own() | self._inside()

    def _is_directed(self) -> bool:
        """Tell whether all records with addresses have their direction already."""
        recorded, source = _array(self._records, "flow_direction"), self._addresses.get("srcaddr")
        if recorded is None or source is None:
            return source is None
        return not pc.any(pc.and_(recorded.is_null(), source.is_valid())).as_py()

    def _own(self) -> dict[str, _Column]:
        """Tell which addresses are those of the recording interface itself."""
        interfaces = _array(self._records, "interface_id")
        if interfaces is None:
            return {}
        encoded, at = _encoded(interfaces), {text: n for n, text in enumerate(self._texts)}
        owned = [self._atlas.addresses(each) for each in encoded.dictionary.to_pylist()]
        columns: dict[str, _Column] = {}
        for side in ("src", "dst"):
            array = self._addresses.get(f"{side}addr")
            if array is None:
                continue
            own = pa.repeat(pa.scalar(False), len(array))
            for nth in range(max(map(len, owned), default=0)):
                codes = pa.array([at.get(each[nth]) if nth < len(each) else None for each in owned], pa.int32())
                own = pc.or_(own, pc.fill_null(pc.equal(pc.take(codes, encoded.indices), array.indices), False))
            columns[f"{side}_own"] = _flag(own)
        return columns

    def _inside(self) -> dict[str, _Column]:
        """Tell which addresses lie in the VPC of the recording interface."""
        columns: dict[str, _Column] = {}
        for side in ("src", "dst"):
            array = self._addresses.get(f"{side}addr")
            if array is not None and len(self._place[1]) > 1:
                codes, bearings = self._bearings(array)
                columns[f"{side}_inside"] = codes, [bearing.kind in ("vpc", "vpc6") for bearing in bearings]
        return columns

    # --- what decides the path ----------------------------------------------------------------------------------------

    def _facts(self) -> dict[str, _Column]:
        columns = self._plain(*_AS_THEY_ARE)
        flags = {
            "next_hop_known": "next_hop_interface_id",
            "resource_known": "resource_id",
            "interface_known": "interface_id",
        }
        for fact, name in flags.items():
            if (array := _array(self._records, name)) is not None:
                columns[fact] = _flag(array.is_valid())
        for fact, name in (("recorder", "interface_id"), ("next_hop_owner", "next_hop_interface_id")):
            if (array := _array(self._records, name)) is not None:
                encoded = _encoded(array)
                columns[fact] = _coded_by(
                    encoded, [self._atlas.recorder(each) for each in encoded.dictionary.to_pylist()]
                )
        collected = {"service_collected": "pkt_dst_aws_service", "next_hop_type_collected": "next_hop_interface_type"}
        for fact, name in collected.items():
            columns[fact] = self._same(name in self._records.column_names)
        return columns | self._rewriting()

    def _rewriting(self) -> dict[str, _Column]:
        """Return the packet's own addresses by kind, and whether the interface's record has others."""
        kinds = [kind(text) for text in self._texts]
        columns: dict[str, _Column] = {}
        for side in ("src", "dst"):
            own, packet = self._addresses.get(f"{side}addr"), self._addresses.get(f"pkt_{side}addr")
            if packet is not None:
                columns[f"pkt_{side}"] = _coded_by(packet, kinds)
            if own is not None and packet is not None:
                columns[f"{side}_rewritten"] = _flag(pc.not_equal(own.indices, packet.indices))
        return columns

    def _bearings(self, remote: pa.DictionaryArray) -> _Column:
        """Return what the atlas says of each row's remote address, from its place and at its time."""
        segments, places, eras = self._segments(remote), self._place, self._eras()
        columns = {"place": places, "era": eras, "segment": segments}
        cases, codes = _distinct(columns, lambda place, era, segment: (place, era, segment), len(remote))
        return _renumbered(codes, [self._atlas.bearing(*case) for case in cases])

    def _segments(self, remote: pa.DictionaryArray) -> _Column:
        return _coded_by(remote, [self._atlas.segment(text) for text in self._texts], nothing=0)

    def _places(self) -> _Column:
        """Return each row's place: of its interface, else of the subnet that the record names."""
        interfaces, subnets = (_array(self._records, name) for name in ("interface_id", "subnet_id"))
        place = self._same(0)
        if len(self._atlas.places) > 1:
            if interfaces is not None:
                encoded = _encoded(interfaces)
                place = _coded_by(
                    encoded, [self._atlas.place(each) for each in encoded.dictionary.to_pylist()], nothing=0
                )
            if subnets is not None and 0 in place[1]:
                encoded = _encoded(subnets)
                by_subnet = [self._atlas.place(None, each) for each in encoded.dictionary.to_pylist()]
                place = _first_known(place, _coded_by(encoded, by_subnet, nothing=0))
        return place

    def _eras(self) -> _Column:
        """Return the era in which each record ended, else began."""
        times = [pc.cast(a, _CODE) for n in ("end_time", "start_time") if (a := _array(self._records, n)) is not None]
        edges = self._atlas.eras
        if not times or not edges or not self._records.num_rows:
            return self._same(0)
        ended = pc.coalesce(*times)
        limits = [_micros(edge) for edge in edges]
        extent = pc.min_max(ended).as_py()
        low, high = (bisect_right(limits, extent[end] or 0) for end in ("min", "max"))
        codes = pa.repeat(pa.scalar(0, _CODE), len(ended))
        for limit in limits[low:high]:
            codes = pc.add(codes, _filled(pc.greater_equal(ended, limit).cast(_CODE), 0))
        return codes, list(range(low, high + 1))

    # --- columns ------------------------------------------------------------------------------------------------------

    def _same(self, value: object) -> _Column:
        return pa.repeat(pa.scalar(0, _CODE), self._records.num_rows), [value]

    def _plain(self, *names: str) -> dict[str, _Column]:
        return {name: _coded(array) for name in names if (array := _array(self._records, name)) is not None}

    def _sides(self, egress: pa.Array) -> dict[str, pa.Array]:
        """Return local and remote address and remote port, as if every row had a direction."""
        choose: Callable[..., pa.Array] = pc.if_else
        src, dst = _packet_side(self._addresses, "src"), _packet_side(self._addresses, "dst")
        sides = {"local_addr": choose(egress, src, dst), "remote_addr": choose(egress, dst, src)}
        dictionary = pa.array(self._texts, pa.string())
        columns = {name: pa.DictionaryArray.from_arrays(indices, dictionary) for name, indices in sides.items()}
        absent = pa.scalar(None, pa.int32())
        ports = [_array(self._records, name) for name in ("dstport", "srcport")]
        return columns | {"remote_port": choose(egress, *(absent if port is None else port for port in ports))}


def _micros(moment: Any) -> int:  # noqa: ANN401  a datetime
    return int(pa.scalar(moment, pa.timestamp("us", "UTC")).value)


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


def _flag(array: pa.Array) -> _Column:
    return _filled(array.cast(_CODE), 0), [False, True]


def _coded(array: pa.Array) -> _Column:
    encoded = _encoded(array)
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.cast(_CODE)
    return (_filled(codes, len(values)), [*values, None]) if codes.null_count or not values else (codes, values)


def _coded_by(array: pa.DictionaryArray, values: Sequence[T], nothing: T | None = None) -> _Column:
    """Return a column of what each of a dictionary's entries stands for; `nothing` is what a null stands for."""
    distinct = list(dict.fromkeys([nothing, *values]))
    place = {value: at for at, value in enumerate(distinct)}
    codes = pa.array([place[value] for value in values], _CODE)
    return _filled(pc.take(codes, array.indices), 0), distinct


def _renumbered(codes: pa.Array, values: Sequence[T]) -> _Column:
    """Return a column in which equal values have one code."""
    distinct = list(dict.fromkeys(values))
    place = {value: at for at, value in enumerate(distinct)}
    return pc.take(pa.array([place[value] for value in values], _CODE), codes), distinct or [None]


def _first_known(first: _Column, second: _Column) -> _Column:
    """Return the first column's values, and where they are 0 the second's."""
    (codes, values), (others, more) = first, second
    distinct = list(dict.fromkeys([*values, *more]))
    place = {value: at for at, value in enumerate(distinct)}
    one, other = (pa.array([place[value] for value in column], _CODE) for column in (values, more))
    return pc.if_else(pc.equal(codes, values.index(0)), pc.take(other, others), pc.take(one, codes)), distinct


def _filled(codes: pa.Array, code: int) -> pa.Array:
    """Put a code in the place of nulls, where there are any."""
    return pc.fill_null(codes, code) if codes.null_count else codes


def _distinct(columns: dict[str, _Column], case: Callable[..., T], rows: int) -> tuple[list[T], pa.Array]:
    """Return the distinct rows of `columns`, each as a `case` of its values by name, and for each row which it is."""
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
    found = {
        name: [values[code] for code in pc.take(codes, examples).to_pylist()]
        for name, (codes, values) in columns.items()
    }
    cases = [case(**dict(zip(found, each, strict=True))) for each in zip(*found.values(), strict=True)]
    return cases, encoded.indices


def _spread(codes: pa.Array, values: Iterable[Any], plain: pa.DataType | None = None) -> pa.Array:
    """Give each row its case's value: a dictionary of text, or a `plain` array."""
    values = list(values)
    if plain is not None:
        return pc.take(pa.array(values, plain), codes)
    names = sorted({v for v in values if v is not None})
    index = pa.array([None if v is None else names.index(v) for v in values], pa.int32())
    return pa.DictionaryArray.from_arrays(pc.take(index, codes), pa.array(names, pa.string()))


def _packet_side(addresses: dict[str, pa.DictionaryArray], side: str) -> pa.Array | pa.Scalar:
    """Return the packet's own address where it is known, else the interface's view of it."""
    found = [addresses[name].indices for name in (f"pkt_{side}addr", f"{side}addr") if name in addresses]
    return pc.coalesce(*found) if found else pa.scalar(None, pa.int32())


def _blank(array: pa.Array, where: pa.Array) -> pa.Array:
    """Return `array` with nulls where `where` holds."""
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(_blank(array.indices, where), array.dictionary)
    return pc.if_else(where, pa.scalar(None, array.type), array)
