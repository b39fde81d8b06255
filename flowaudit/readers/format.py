"""Which fields a log object has, in which order, and what may stand in them.

Source: VPC User Guide, "Flow log records"; for Transit Gateway fields, Transit Gateway Guide, "Flow log records".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.errors import SkipObject
from flowaudit.schema import EXTRA, FIELD_BY_NAME, FIELDS, TIME

TEXT = pa.dictionary(pa.int32(), pa.string())
"""How readers hold text: nearly every text field repeats itself."""

ADDRESSES = frozenset({"srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr"})
ADDRESS_BYTES = b"0123456789abcdefABCDEF.:"

FIELD_NAMES = pa.array([name for field in FIELDS for name in {field.name, field.name.replace("-", "_")}])

_NO_NAME = frozenset(b"%c" % byte for byte in b"-0123456789")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TRANSIT_NAME = re.compile(r"tgw(-[a-z]+)+")  # unlike the ids of transit gateways, which have digits
_LAST_SECOND = 2**31 - 1
_LAST_INSTANT = 253_402_300_799_999  # the year 9999 ends, in ms


@dataclass(frozen=True)
class Format:
    """The fields of a record in order, by AWS's names in text and lower case; unknown names are legal."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Format:
        """The format that `names` spell (any case, hyphens or underscores); raises SkipObject if one comes twice."""
        canonical = tuple(name.lower().replace("_", "-") for name in names)
        twice = [name for name, count in Counter(canonical).items() if count > 1]
        if twice:
            raise SkipObject(f"its format has the field {twice[0]} twice: a record's fields cannot be told apart")
        return cls(canonical)

    @property
    def recognised(self) -> bool:
        """Whether more than half of the names are fields of a flow log."""
        return 2 * sum(name in FIELD_BY_NAME or _transit(name) for name in self.names) > len(self.names)

    @cached_property
    def transit(self) -> bool:
        """Whether records are those of a Transit Gateway flow log, which AWS writes under the same prefix."""
        return any(map(_transit, self.names))

    @cached_property
    def textual(self) -> bool:
        """Whether there is no field but text, so that a header would pass for a record."""
        return all(limit(name) is None for name in self.names)

    def records(self, columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Table:
        """The columns, in the order of `names`, as record columns of the lake; unknown ones become `extra`."""
        by_name = dict(zip(self.names, columns, strict=True))
        known = {FIELD_BY_NAME[name].column: by_name[name] for name in self.names if name in FIELD_BY_NAME}
        unknown = {name.replace("-", "_"): by_name[name] for name in self.names if name not in FIELD_BY_NAME}
        return pa.table(known | ({"extra": _extra(unknown)} if unknown else {}))


def header(tokens: Sequence[bytes]) -> Format | None:
    """The format that a line of `tokens` announces, None where it is no header; raises SkipObject as Format.of."""
    # Nearly every line this is asked about is a record, and has a number or a dash among its first tokens.
    if any(token[:1] in _NO_NAME for token in tokens):
        return None
    names = b" ".join(tokens).removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace").lower().split()
    if not names or not Format(tuple(name.replace("_", "-") for name in names)).recognised:
        return None
    return Format.of(names) if all(map(_NAME.fullmatch, names)) else None


@lru_cache(maxsize=1024)
def limit(name: str) -> int | None:
    """The largest whole number that may stand in a field, None for a text field; the smallest is 0."""
    field = FIELD_BY_NAME.get(name)
    limits = {pa.int32(): 2**31 - 1, pa.int64(): 2**63 - 1, TIME: _LAST_INSTANT}
    return limits.get(field.type) if field else None


def odd_addresses(addresses: pa.Array) -> bool:
    """Whether any of these strings has a character that no IP address has: all that speed allows to ask."""
    # Arrow's own bytes in one sweep: parsing, or a regular expression, would cost a tenth of the whole reading.
    offsets = addresses.buffers()[1]
    if offsets is None or addresses.offset:
        return odd_addresses(pa.concat_arrays([addresses, pa.array(["."])])) if len(addresses) else False
    return bool(bytes(addresses.buffers()[2] or b"").translate(None, ADDRESS_BYTES))


def instants(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unix seconds as times; numbers past 2^31-1 are milliseconds, which SKIPDATA records are known to carry."""
    micros = pc.multiply(numbers, 1_000_000)
    late = pc.greater(numbers, _LAST_SECOND)
    if pc.any(late).as_py():
        micros = pc.if_else(late, pc.multiply(numbers, 1000), micros)
    return micros.cast(TIME)


def _transit(name: str) -> bool:
    return name == "resource-type" or _TRANSIT_NAME.fullmatch(name) is not None


def _extra(columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Array:
    """One map a row of the names and values of unknown fields; missing values are left out."""
    arrays = [_strings(column) for column in columns.values()]
    rows = len(arrays[0])
    row = pc.subtract(pc.cumulative_sum(pa.repeat(1, rows)), 1)
    cells = pa.table(
        {
            "row": pa.concat_arrays([row] * len(arrays)),
            "key": pa.concat_arrays([pa.repeat(name, rows) for name in columns]),
            "value": pa.concat_arrays(arrays),
        }
    )
    cells = cells.filter(pc.is_valid(cells["value"])).combine_chunks()
    cells = cells.take(pc.sort_indices(cells["row"])).combine_chunks()
    filled = pa.repeat(pa.scalar(0, pa.int32()), rows)
    for array in arrays:
        filled = pc.add(filled, pc.is_valid(array).cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(filled)])
    return pa.MapArray.from_arrays(offsets, _whole(cells["key"]), _whole(cells["value"])).cast(EXTRA)


def _strings(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return _whole(column).cast(pa.string())


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return pa.concat_arrays(chunked.chunks) if chunked.num_chunks else pa.array([], chunked.type)
