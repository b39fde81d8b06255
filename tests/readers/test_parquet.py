"""Parquet in, table out: AWS's own types, and what other writers make of them."""

from __future__ import annotations

import decimal
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.errors import ReadError, SkipObject
from flowaudit.readers import read
from flowaudit.readers.parquet import read_parquet
from flowaudit.schema import FIELDS, RECORDS
from tests.readers.objects import SSH, V2, Reading, pipe, reading, stream, text

AWS: dict[str, pa.Array] = {
    "version": pa.array([2], pa.int32()),
    "account_id": pa.array(["012345678901"]),
    "interface_id": pa.array(["eni-1235b8ca123456789"]),
    "srcaddr": pa.array(["172.31.16.139"]),
    "dstaddr": pa.array(["172.31.16.21"]),
    "srcport": pa.array([20641], pa.int32()),
    "dstport": pa.array([22], pa.int32()),
    "protocol": pa.array([6], pa.int32()),
    "packets": pa.array([20], pa.int64()),
    "bytes": pa.array([4249], pa.int64()),
    "start": pa.array([1418530010], pa.int64()),
    "end": pa.array([1418530070], pa.int64()),
    "action": pa.array(["ACCEPT"]),
    "log_status": pa.array(["OK"]),
}


def parquet(columns: Mapping[str, Any], *, compression: str = "gzip", **how: Any) -> bytes:
    """A Parquet object of these columns, packed as AWS packs."""
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, compression=compression, **how)
    return sink.getvalue()


def test_aws_types() -> None:
    """A file of AWS's own types reads as the same record does in text."""
    line = SSH.replace("123456789010", "012345678901")
    assert reading(parquet(AWS)).rows == reading(text(V2, line)).rows


def test_types_are_the_lakes() -> None:
    """Every field has the lake's column and type, also when it was written as text."""
    (block,) = reading(parquet({field.name.replace("-", "_"): ["1"] for field in FIELDS})).blocks
    for field in block.records.schema:
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        assert plain == RECORDS.field(field.name).type


def test_subset_in_any_order_and_spelling() -> None:
    """Columns come in any order, as few as there are, in any case, with hyphens or underscores."""
    found = reading(parquet({"Log-Status": ["OK"], "BYTES": [5], "pkt_Dst-Aws_service": ["S3"]}))
    assert found.rows == [{"log_status": "OK", "bytes": 5, "pkt_dst_aws_service": "S3"}]


@pytest.mark.parametrize("missing", ["-", "None", "", None])
@pytest.mark.parametrize("type", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_missing_text(missing: str | None, type: pa.DataType) -> None:
    """A dash, NULL and the text None are all nothing, whatever kind of text they are."""
    columns = {"srcaddr": [missing, "10.0.0.1"], "dstport": [missing, "443"], "start": [missing, "1418530010"]}
    found = reading(parquet({name: pa.array(column).cast(type) for name, column in columns.items()}))
    assert found.rows == [
        {"srcaddr": None, "dstport": None, "start_time": None},
        {"srcaddr": "10.0.0.1", "dstport": 443, "start_time": datetime.fromtimestamp(1418530010, UTC)},
    ]


@pytest.mark.parametrize(
    "ports",
    [
        pa.array([443, None], pa.int64()),
        pa.array([443, None], pa.uint16()),
        pa.array([443.0, float("nan")], pa.float64()),
        pa.array(["443", "-"]),
        pa.array([decimal.Decimal(443), None]),
    ],
    ids=lambda array: str(array.type),
)
def test_odd_numbers(ports: pa.Array) -> None:
    """Whole numbers of any width or spelling are cast."""
    assert reading(parquet({"dstport": ports})).column("dstport") == [443, None]


def test_account_as_number() -> None:
    """An account written as a number gets its leading zeros back."""
    assert reading(parquet({"account_id": [12345678901, None]})).column("account_id") == ["012345678901", None]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1616729292], pa.int64()),
        pa.array([1616729292], pa.int32()),
        pa.array([1616729292000], pa.int64()),
        pa.array(["1616729292"]),
        *(pa.array([1616729292], pa.timestamp("s")).cast(pa.timestamp(unit)) for unit in ("ms", "us", "ns")),
        pa.array([1616729292], pa.timestamp("s", "UTC")).cast(pa.timestamp("us", "Europe/Berlin")),
    ],
    ids=lambda array: str(array.type),
)
def test_times(times: pa.Array) -> None:
    """Times are seconds, milliseconds or timestamps; those without a zone are UTC."""
    assert reading(parquet({"end": times})).column("end_time") == [datetime.fromtimestamp(1616729292, UTC)]


def test_unknown_columns() -> None:
    """Columns of no known field go to `extra` as text, missing ones left out."""
    columns = {"bytes": [1, 2], "action": ["ACCEPT", "-"], "protocol": [6, 17], "new_field": ["x", "-"], "n": [None, 7]}
    found = reading(parquet(columns | {"nested": [["a"], None]} | {"type": ["IPv4", None]}))
    assert found.column("extra") == [[("new_field", "x"), ("nested", "['a']")], [("n", "7")]]
    assert found.column("action") == ["ACCEPT", None]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ({"dstport": ["22", "ssh", "80"]}, "dstport: 'ssh' is no whole number from 0 to 2147483647"),
        ({"dstport": [22, 2**31, 80]}, "dstport: '2147483648' is no whole number from 0 to 2147483647"),
        ({"dstport": [22, -1, 80]}, "dstport: '-1' is no whole number from 0 to 2147483647"),
        ({"dstport": [22.0, 1.5, 80.0]}, "dstport: '1.5' is no whole number from 0 to 2147483647"),
        ({"dstport": [22.0, float("inf"), 80.0]}, "dstport: 'inf' is no whole number from 0 to 2147483647"),
        ({"start": [22, 2**62, 80]}, f"start: '{2**62}' is no whole number from 0 to 253402300799999"),
        ({"start": ["22", "noon", "80"]}, "start: 'noon' is no whole number from 0 to 253402300799999"),
        ({"srcaddr": ["::1", "somewhere", "-"]}, "srcaddr: 'somewhere' is no address"),
        ({"action": [b"ACCEPT", b"caf\xe9", b"-"]}, "action: 'caf\ufffd' is not UTF-8"),
        ({"bytes": [True, False, None]}, f"bytes: 'False' is no whole number from 0 to {2**63 - 1}"),
    ],
)
def test_bad_cell(column: dict[str, list[Any]], reason: str) -> None:
    """A cell that does not fit costs its own row: number, reason and text are kept, the neighbours read."""
    found = reading(parquet({"packets": [1, 2, 3], "version": [2, 2, 2], **column}))
    others = [n for n in found.column("packets") if n != 2]
    assert found.column("packets") == others
    assert (2, reason) in [(line, why) for line, why, _ in found.quarantined]
    assert found.bad == 3 - len(others)


def test_bad_rows_are_numbered_over_batches() -> None:
    """Row numbers go on from batch to batch, and the first fault of a row names it."""
    data = parquet({"dstport": [*map(str, range(5)), "x", "6"], "srcport": ["0"] * 5 + ["y", "z"]})
    found = Reading(list(read_parquet(stream(data), None, batch_rows=2)))
    assert found.column("dstport") == [0, 1, 2, 3, 4]
    assert [(line, why.split(":")[0], text) for line, why, text in found.quarantined] == [
        (6, "dstport", "x y"),
        (7, "srcport", "6 z"),
    ]


def test_transit_gateway_is_diverted() -> None:
    """Records of a Transit Gateway are counted, not read."""
    found = reading(parquet({"version": [6, 6], "resource_type": ["TransitGateway"] * 2, "tgw_id": ["tgw-1"] * 2}))
    assert (found.rows, found.diverted, found.bad) == ([], 2, 0)


@pytest.mark.parametrize("columns", [{}, {"name": ["x"]}, {"name": ["x"], "size": [1], "bytes": [2]}])
def test_no_flow_log(columns: dict[str, list[Any]]) -> None:
    """Parquet of mostly unknown columns is skipped as no flow log."""
    with pytest.raises(SkipObject, match="no flow log"):
        reading(parquet(columns))


def test_column_twice() -> None:
    """Columns that differ in spelling only cannot be told apart: the object is skipped."""
    with pytest.raises(SkipObject, match="field start twice"):
        reading(parquet({"start": [1], "Start": [2]}))


def test_no_rows() -> None:
    """A file without rows has no records, which is no error."""
    found = reading(parquet({name: array.slice(0, 0) for name, array in AWS.items()}))
    assert (found.rows, found.bad) == ([], 0)


def test_broken_file() -> None:
    """Truncated or overwritten Parquet fails as a whole."""
    whole = parquet({name: pa.array(array.to_pylist() * 1000, array.type) for name, array in AWS.items()})
    for broken in (whole[:-1], whole[: len(whole) // 2], b"PAR1", whole[:4] + bytes(300) + whole[304:]):
        with pytest.raises(ReadError, match="corrupt or truncated"):
            reading(broken)


def test_stream_that_cannot_seek() -> None:
    """Parquet is read from a network stream too."""
    data = parquet({name: pa.array(array.to_pylist() * 10, array.type) for name, array in AWS.items()})
    assert Reading(list(read(pipe(data), None))).rows == reading(data).rows


def test_memory_does_not_grow_with_row_groups() -> None:
    """Of one row group of millions of rows only a batch or two is in memory at a time."""
    rows = 1_000_000
    numbers = pa.array(range(rows), pa.int64())
    data = parquet({"bytes": numbers, "packets": numbers}, compression="snappy", row_group_size=rows)
    del numbers
    before, peak, seen = pa.total_allocated_bytes(), 0, 0
    for block in read_parquet(stream(data), None):
        seen += block.records.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert seen == rows
    assert peak < 10 << 20


ROW = st.fixed_dictionaries(
    {
        "bytes": st.integers(0, 2**63 - 1),
        "action": st.sampled_from(["ACCEPT", "é", None]),
        "dstport": st.none() | st.integers(0, 2**31 - 1),
    }
)


@given(st.lists(ROW))
def test_reading_undoes_writing(rows: list[dict[str, Any]]) -> None:
    """What was written is read back, cut into batches anywhere."""
    schema = pa.schema([("bytes", pa.int64()), ("action", pa.string()), ("dstport", pa.int32())])
    data = parquet({name: pa.array([row[name] for row in rows], schema.field(name).type) for name in schema.names})
    assert Reading(list(read_parquet(stream(data), None, batch_rows=3))).rows == rows
