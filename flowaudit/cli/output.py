"""How results look: formats on stdout; everything else goes to stderr.

Log files hold what strangers wrote, so nothing of it reaches a terminal as a control character or as markup.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from shutil import copyfileobj, get_terminal_size
from tempfile import SpooledTemporaryFile
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from flowaudit.errors import ConfigError, QueryError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1_000
"""Rows of a table that a terminal is shown."""
LEAST_WIDTH = 12
"""Characters a column needs on a terminal; where they are not to be had, rows are shown one below the other."""
SPOOLED = 64 << 20
"""Bytes of a JSON document that are held in memory until it is known to be whole."""
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Format(StrEnum):
    """What a result is printed as."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"


_Format = TypeVar("_Format", bound=StrEnum)


def fits(format: _Format) -> _Format:
    """Refuse, before any work is done, to write bytes on a terminal."""
    if format.value == Format.PARQUET.value and sys.stdout.isatty():
        raise ConfigError(
            "parquet is not for the terminal: send it to a file, as in … --format parquet > result.parquet"
        )
    return format


FormatOption = Annotated[Format, typer.Option("--format", callback=fits, help="How the result is printed.")]


def say(text: str) -> None:
    """Print a message on stderr."""
    print("\n".join(map(printable, text.splitlines())), file=sys.stderr)


def printable(text: str) -> str:
    """Return text with its control characters, line ends among them, as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of cells that are ready to be shown; `right` is where numbers stand."""

    name: str
    cells: Sequence[str]
    right: bool = False


def write(table: pa.Table, format: Format, documents: Collection[str] = ()) -> None:
    """Print a table; the columns `documents` hold JSON text, which the JSON formats put in as it is.

    Raises QueryError where a value, such as a year beyond 9999, cannot be printed.
    """
    table = _with_distinct_names(table)
    match format:
        case Format.JSON | Format.NDJSON:
            write_objects(_rows(table, documents), format)
        case Format.CSV:
            _write_csv(table)
        case Format.PARQUET:
            _write_parquet(table)
        case Format.MARKDOWN:
            show_markdown(columns(table))
        case Format.TABLE:
            show(columns(_cut(table)))


def write_objects(objects: Iterable[Mapping[str, Any]], format: Format) -> None:
    """Print plain objects: one a line in NDJSON, else as one list."""
    if format is Format.NDJSON:
        sys.stdout.writelines(f"{_json(one)}\n" for one in objects)
    else:
        _print_json(objects)


def write_one(row: Mapping[str, Any], format: Format) -> None:
    """Print one thing: an object in the JSON formats, else a table of one row, or its facts below each other."""
    if format in (Format.JSON, Format.NDJSON):
        print(_json(plain(row)))
    elif format is Format.TABLE:
        facts(row)
    else:
        import pyarrow as pa

        cells = {name: _text(plain(value)) if isinstance(value, dict | list) else value for name, value in row.items()}
        write(pa.Table.from_pylist([cells]), format)


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values below each other."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        print(f"{name:<{width}}  {printable(_words(plain(value)))}".rstrip())


def _words(value: Any) -> str:  # noqa: ANN401
    """Return a plain value as a line for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(member)}" for name, member in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return _text(value)


def columns(table: pa.Table) -> list[Column]:
    """Return a table's columns as they are shown."""
    import pyarrow as pa

    return [
        Column(
            field.name,
            [printable(_text(plain(value))) for value in _values(column)],
            pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type),
        )
        for field, column in zip(table.schema, table.columns, strict=True)
    ]


def show(shown: Sequence[Column]) -> None:
    """Print columns: with a frame and colours on a terminal, else aligned with spaces."""
    if not sys.stdout.isatty():
        _print_aligned(shown)
        return
    from rich.console import Console

    console = Console()
    if len(shown) * LEAST_WIDTH > console.width:
        _print_below_each_other(shown)
    else:
        console.print(_framed(shown))


def tell(prose: str) -> None:
    """Print paragraphs, each after an empty line, as wide as the terminal but no wider than is good to read."""
    width = min(get_terminal_size().columns, 100)
    for paragraph in prose.split("\n\n") if prose else ():
        print(f"\n{fill(printable(' '.join(paragraph.split())), width)}")


def volume(size: float) -> str:
    """Return a number of bytes as people read it: 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:  # noqa: PLR2004
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"


def count(number: int, noun: str) -> str:
    """Return a number of things: 1 flow, 1,234 flows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, or, after two days, its date."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes >= 2 * 24 * 60:
        return f"{moment:%Y-%m-%d}"
    return f"{minutes // 60}h ago" if minutes >= 60 else f"{max(minutes, 0)}m ago"  # noqa: PLR2004


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


def _text(value: Any) -> str:  # noqa: ANN401
    """Return a plain value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, separators=(", ", ": "))


def _print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a list of objects, one a line; nothing at all where one of them cannot be printed."""
    with SpooledTemporaryFile(mode="w+", max_size=SPOOLED, encoding="ascii") as document:
        for number, row in enumerate(rows):
            document.write(f"{',' if number else '['}\n{_json(row)}")
        document.write("\n]\n" if document.tell() else "[]\n")
        document.seek(0)
        copyfileobj(document, sys.stdout)


def _rows(table: pa.Table, documents: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield rows as plain objects."""
    for batch in table.to_batches(max_chunksize=4096):
        values = [_values(column) for column in batch.columns]
        for row in zip(*values, strict=True):
            cells = dict(zip(batch.schema.names, map(plain, row), strict=True))
            yield cells | {name: json.loads(cells[name] or "null") for name in documents if name in cells}


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    try:
        return column.to_pylist(maps_as_pydicts="lossy")
    except (OverflowError, ValueError) as error:
        message = f"a value cannot be printed: {error}; cast it in the query, as in CAST(… AS VARCHAR)"
        raise QueryError(message) from error


def _with_distinct_names(table: pa.Table) -> pa.Table:
    names: list[str] = []
    for name in table.column_names:
        candidates = (name if n == 1 else f"{name}_{n}" for n in range(1, table.num_columns + 1))
        names.append(next(candidate for candidate in candidates if candidate not in names))
    return table.rename_columns(names)


def _cut(table: pa.Table) -> pa.Table:
    if not sys.stdout.isatty() or table.num_rows <= MOST_ROWS:
        return table
    say(f"the first {MOST_ROWS:,} of {table.num_rows:,} rows; --format csv or a pipe gets them all")
    return table.slice(0, MOST_ROWS)


def _write_csv(table: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    wordless = (pa.types.is_nested, pa.types.is_interval, pa.types.is_binary)
    table = pa.table(
        [
            _times(column) if pa.types.is_timestamp(column.type) else _as_text(column, wordless)
            for column in table.columns
        ],
        names=table.column_names,
    )
    sys.stdout.flush()
    pa_csv.write_csv(table, sys.stdout.buffer)


def _write_parquet(table: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wordless = (pa.types.is_interval, pa.types.is_union)
    table = pa.table([_as_text(column, wordless) for column in table.columns], names=table.column_names)
    sys.stdout.flush()
    pq.write_table(table, sys.stdout.buffer, compression="zstd")


def _as_text(column: pa.ChunkedArray, kinds: Iterable[Callable[[pa.DataType], bool]]) -> pa.ChunkedArray:
    """Return a column as text if its type is one of those that a format has no word for."""
    import pyarrow as pa

    if not any(is_one(column.type) for is_one in kinds):
        return column
    texts = (None if value is None else _text(plain(value)) for value in _values(column))
    return pa.chunked_array([pa.array(texts, pa.string())])


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of times as RFC 3339 text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    _values(pa.array([pc.min(column), pc.max(column)]))  # strftime would make up years beyond 9999
    text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return pc.replace_substring_regex(text, pattern=r"\.0+Z$", replacement="Z")


def show_markdown(shown: Sequence[Column]) -> None:
    """Print columns as a table in Markdown."""
    print(_markdown_line([column.name for column in shown]))
    print(_markdown_line(["---:" if column.right else "---" for column in shown]))
    for row in zip(*(column.cells for column in shown), strict=True):
        print(_markdown_line(row))


def _markdown_line(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _print_aligned(shown: Sequence[Column]) -> None:
    widths = [max(map(len, [column.name, *column.cells])) for column in shown]
    rows = zip(*([column.name, *column.cells] for column in shown), strict=True)
    for row in rows:
        cells = zip(row, widths, shown, strict=True)
        line = "  ".join(cell.rjust(width) if column.right else cell.ljust(width) for cell, width, column in cells)
        print(line.rstrip())


def _print_below_each_other(shown: Sequence[Column]) -> None:
    """Print rows that are too wide as blocks of the cells that are not empty."""
    for row in zip(*(column.cells for column in shown), strict=True):
        facts({column.name: cell for column, cell in zip(shown, row, strict=True) if cell})
        print()


def _framed(shown: Sequence[Column]) -> Any:  # noqa: ANN401  rich is imported only where it is needed
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        table.add_column(Text(column.name), justify="right" if column.right else "left", overflow="fold")
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*(Text(cell, style=STYLES.get(cell.partition("\n")[0], "")) for cell in row))
    return table
