"""Values and tables in the formats that other programs read: JSON and CSV."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from flowaudit.errors import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text with its control characters, line ends among them, as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def plain(value: Any) -> Any:  # noqa: ANN401, C901, PLR0911  one line for each kind of value that SQL has
    """Return a value as JSON can hold it: times RFC 3339 in UTC, NaN and infinity null, bytes as hex digits."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.replace(tzinfo=None).isoformat() + "Z"  # all times in the lake and its SQL are UTC
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case dict():
            return {str(plain(name)): plain(member) for name, member in value.items()}
        case tuple() if hasattr(value, "nanoseconds"):  # Arrow's interval
            months, days, nanoseconds = value
            return f"P{months}M{days}DT{nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".") + "S"
        case list() | tuple():
            return [plain(member) for member in value]
        case _:
            return str(value)


def as_text(value: Any) -> str:  # noqa: ANN401
    """Return a plain value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:  # noqa: ANN401
    """Return a plain value as JSON text on one line."""
    return json.dumps(value, separators=(", ", ": "))


def rows(table: pa.Table, documents: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield rows as plain objects; the columns `documents` hold JSON text, which is put in as it is."""
    for batch in table.to_batches(max_chunksize=4096):
        columns = [values(column) for column in batch.columns]
        for row in zip(*columns, strict=True):
            cells = dict(zip(batch.schema.names, map(plain, row), strict=True))
            yield cells | {name: json.loads(cells[name] or "null") for name in documents if name in cells}


def values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return the values of a column; raises QueryError where one, such as a year beyond 9999, cannot be printed."""
    try:
        return column.to_pylist(maps_as_pydicts="lossy")
    except (OverflowError, ValueError) as error:
        message = f"a value cannot be printed: {error}; cast it in the query, as in CAST(… AS VARCHAR)"
        raise QueryError(message) from error


def distinct(table: pa.Table) -> pa.Table:
    """Return a table whose columns all have names of their own."""
    names: list[str] = []
    for name in table.column_names:
        candidates = (name if n == 1 else f"{name}_{n}" for n in range(1, table.num_columns + 1))
        names.append(next(candidate for candidate in candidates if candidate not in names))
    return table.rename_columns(names)


def to_csv(table: pa.Table, file: IO[bytes]) -> None:
    """Write a table as CSV with a header; raises QueryError where a value cannot be written."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    kinds = (pa.types.is_nested, pa.types.is_interval, pa.types.is_binary)
    table = pa.table(
        [_times(column) if pa.types.is_timestamp(column.type) else wordless(column, kinds) for column in table.columns],
        names=table.column_names,
    )
    pa_csv.write_csv(table, file)


def wordless(column: pa.ChunkedArray, kinds: Iterable[Callable[[pa.DataType], bool]]) -> pa.ChunkedArray:
    """Return a column as text if its type is one of those that a format has no word for."""
    import pyarrow as pa

    if not any(is_one(column.type) for is_one in kinds):
        return column
    texts = (None if value is None else as_text(plain(value)) for value in values(column))
    return pa.chunked_array([pa.array(texts, pa.string())])


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of times as RFC 3339 text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values(pa.array([pc.min(column), pc.max(column)]))  # strftime would make up years beyond 9999
    text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return pc.replace_substring_regex(text, pattern=r"\.0+Z$", replacement="Z")
