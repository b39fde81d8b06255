"""Flow logs as Parquet: AWS's own types, and the odd ones that other writers leave.

AWS writes INT32, INT64 and UTF-8 strings, `-` for a missing string and NULL for a missing number (VPC User Guide,
"Flow log records"). A cell that does not fit its field costs its own row only.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flowaudit.errors import ReadError, SkipObject
from flowaudit.readers.block import NO_RECORDS, BadLine, Block, Quarantine
from flowaudit.readers.format import ADDRESS_BYTES, ADDRESSES, TEXT, Format, instants, limit, odd_addresses
from flowaudit.schema import FIELD_BY_NAME, TIME

BATCH_ROWS = 1 << 16
"""Rows converted at a time."""

MISSING = frozenset({"-", "None", ""})
"""Texts that say there is no value; `None` is what some Python writers make of it."""

_MISSING = pa.array(sorted(MISSING))
_BUFFER = 1 << 18  # bytes of a column read at a time, so that a large row group is never held whole
_ACCOUNT_DIGITS = 12


def read_parquet(
    stream: BinaryIO,
    declared: Sequence[str] | None,  # noqa: ARG001 - the Reader protocol
    *,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Block]:
    """Yield the records of a Parquet object, by its own column names (any case, hyphens or underscores).

    A stream that cannot seek is put on disk first. Raises ReadError if the file is broken, SkipObject if it is no
    flow log. `declared` is for objects that do not name their fields, and plays no part here.
    """
    with _seekable(stream) as seekable, _broken_as_read_error():
        file = pq.ParquetFile(seekable, buffer_size=_BUFFER, pre_buffer=False)
        format = _format(file.schema_arrow)
        if format.transit:
            yield Block(NO_RECORDS, diverted=file.metadata.num_rows)
            return
        quarantine, row = Quarantine(), 1
        for batch in file.iter_batches(batch_rows, use_threads=False):
            yield _block(batch, row, format, quarantine)
            row += batch.num_rows


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(stream, spool, 1 << 20)
        spool.seek(0)
        yield cast("BinaryIO", spool)


@contextmanager
def _broken_as_read_error() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:  # Arrow tells of rotten pages as OSError
        message = f"its Parquet data is corrupt or truncated ({error}): nothing of it is kept; it will be retried"
        raise ReadError(message) from error


def _format(schema: pa.Schema) -> Format:
    format = Format.of(schema.names)
    if not format.recognised:
        shown = ", ".join(schema.names[:5]) or "none"
        raise SkipObject(f"it is Parquet but no flow log: most of its columns are unknown ({shown} …)")
    return format


def _block(batch: pa.RecordBatch, first: int, format: Format, quarantine: Quarantine) -> Block:
    columns, reasons = [], dict[int, str]()
    for name, column in zip(format.names, batch.columns, strict=True):
        try:
            columns.append(_whole_column(name, column))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            values, faults = _cell_by_cell(name, column)
            columns.append(values)
            reasons = faults | reasons
    records = format.records(columns)
    if not reasons:
        return Block(records)
    bad = [BadLine(first + at, reason, _row(batch, at)) for at, reason in reasons.items()]
    return Block(records.filter(_but(batch.num_rows, reasons)), quarantine.table(bad), len(bad))


def _row(batch: pa.RecordBatch, at: int) -> str:
    return " ".join("-" if cell is None else str(cell) for cell in batch.slice(at, 1).to_pylist()[0].values())


def _but(rows: int, without: dict[int, str]) -> pa.Array:
    return pa.array([at not in without for at in range(rows)])


def _whole_column(name: str, column: pa.Array) -> pa.Array:
    """The column in its field's type; raises ArrowInvalid if any cell does not fit."""
    field = FIELD_BY_NAME.get(name)
    most = limit(name)
    plain = _plain(column)
    if most is None:
        return _texts(name, plain)
    if pa.types.is_timestamp(plain.type) and field is not None and field.type == TIME:
        return plain.cast(TIME, safe=False)
    numbers = _numbers(plain)
    ends = pc.min_max(numbers)
    if ends["min"].is_valid and (ends["min"].as_py() < 0 or ends["max"].as_py() > most):
        raise pa.ArrowInvalid(name)
    return instants(numbers) if field is not None and field.type == TIME else numbers.cast(FIELD_BY_NAME[name].type)


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionary or large offsets, and with a null for every text that says there is no value."""
    type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    textual = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if any(is_kind(type) for is_kind in (*textual, pa.types.is_fixed_size_binary, pa.types.is_string_view)):
        type = pa.string()
    column = column.cast(type)
    if type != pa.string():
        return column
    return pc.if_else(pc.is_in(column, _MISSING), pa.scalar(None, pa.string()), column)


def _numbers(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if not _numeric(column.type):
        raise pa.ArrowInvalid(f"{column.type} holds no numbers")
    return column.cast(pa.int64())


def _numeric(type: pa.DataType) -> bool:
    kinds: tuple[Callable[[pa.DataType], bool], ...] = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_string,
        pa.types.is_null,
    )
    return any(is_kind(type) for is_kind in kinds)


def _texts(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type):
        return pa.array([_text(name, value) for value in column.to_pylist()], pa.string()).cast(TEXT)
    texts = column.cast(pa.string())
    if name == "account-id" and not pa.types.is_string(column.type):
        texts = pc.utf8_lpad(texts, _ACCOUNT_DIGITS, "0")
    words = texts.dictionary_encode()
    if name in ADDRESSES and odd_addresses(words.dictionary):
        raise pa.ArrowInvalid(name)
    return words


def _cell_by_cell(name: str, column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """The column in its field's type, null where a cell does not fit, and the reason by place of each such cell."""
    field = FIELD_BY_NAME.get(name)
    convert: Callable[[str, Any], Any] = _text if limit(name) is None else _number
    values: list[Any] = []
    faults: dict[int, str] = {}
    for at, value in enumerate(_pylist(column)):
        try:
            values.append(convert(name, value))
        except ValueError as error:
            values.append(None)
            faults[at] = f"{name}: {error}"
    if field is not None and field.type == TIME:
        return instants(pa.array(values, pa.int64())), faults
    return pa.array(values, TEXT if convert is _text else FIELD_BY_NAME[name].type), faults


def _pylist(column: pa.Array) -> list[Any]:
    """Python values, text as bytes: it need not be UTF-8."""
    type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return column.cast(pa.binary() if any(is_kind(type) for is_kind in kinds) else type).to_pylist()


def _text(name: str, value: object) -> str | None:
    """A cell as text; raises ValueError where it is not UTF-8, or no address in an address field."""
    if value is None:
        return None
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    if "\ufffd" in text:
        raise ValueError(f"{text[:60]!r} is not UTF-8")
    if text in MISSING:
        return None
    if name in ADDRESSES and text.encode().translate(None, ADDRESS_BYTES):
        raise ValueError(f"{text[:60]!r} is no address")
    return text


def _number(name: str, value: object) -> int | None:
    """A cell as a whole number in its field's range; raises ValueError."""
    most = limit(name)
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if text is None or text in MISSING or (isinstance(text, float) and math.isnan(text)):
        return None
    digits = str(int(text) if isinstance(text, float) and text.is_integer() else text)
    number = int(digits) if digits.isdecimal() and len(digits) < 20 else -1  # noqa: PLR2004 - 2^63 has 19 digits
    if most is None or not 0 <= number <= most:
        raise ValueError(f"{str(text)[:60]!r} is no whole number from 0 to {most}")
    return number
