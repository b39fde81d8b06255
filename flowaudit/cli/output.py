"""How results look: formats on stdout; everything else goes to stderr.

Log files hold what strangers wrote, so nothing of it reaches a terminal as a control character or as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from shutil import copyfileobj, get_terminal_size
from tempfile import SpooledTemporaryFile
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from flowaudit.errors import ConfigError
from flowaudit.formats import as_text, distinct, json_text, plain, printable, rows, to_csv, values, wordless
from flowaudit.sentences import ago, count, volume

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Column",
    "Format",
    "FormatOption",
    "ago",
    "columns",
    "count",
    "facts",
    "plain",
    "printable",
    "say",
    "show",
    "show_markdown",
    "volume",
    "write",
    "write_one",
]

MOST_ROWS = 1_000
"""Rows of a table that a terminal is shown."""
LEAST_WIDTH = 12
"""Characters a column needs on a terminal; where they are not to be had, rows are shown one below the other."""
SPOOLED = 64 << 20
"""Bytes of a JSON document that are held in memory until it is known to be whole."""
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


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
    table = distinct(table)
    match format:
        case Format.JSON | Format.NDJSON:
            write_objects(rows(table, documents), format)
        case Format.CSV:
            sys.stdout.flush()
            to_csv(table, sys.stdout.buffer)
        case Format.PARQUET:
            _write_parquet(table)
        case Format.MARKDOWN:
            show_markdown(columns(table))
        case Format.TABLE:
            show(columns(_cut(table)))


def write_objects(objects: Iterable[Mapping[str, Any]], format: Format) -> None:
    """Print plain objects: one a line in NDJSON, else as one list."""
    if format is Format.NDJSON:
        sys.stdout.writelines(f"{json_text(one)}\n" for one in objects)
    else:
        _print_json(objects)


def write_one(row: Mapping[str, Any], format: Format) -> None:
    """Print one thing: an object in the JSON formats, else a table of one row, or its facts below each other."""
    if format in (Format.JSON, Format.NDJSON):
        print(json_text(plain(row)))
    elif format is Format.TABLE:
        facts(row)
    else:
        import pyarrow as pa

        cells = {
            name: as_text(plain(value)) if isinstance(value, dict | list) else value for name, value in row.items()
        }
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
    return as_text(value)


def columns(table: pa.Table) -> list[Column]:
    """Return a table's columns as they are shown."""
    import pyarrow as pa

    return [
        Column(
            field.name,
            [printable(as_text(plain(value))) for value in values(column)],
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


def _print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a list of objects, one a line; nothing at all where one of them cannot be printed."""
    with SpooledTemporaryFile(mode="w+", max_size=SPOOLED, encoding="ascii") as document:
        for number, row in enumerate(rows):
            document.write(f"{',' if number else '['}\n{json_text(row)}")
        document.write("\n]\n" if document.tell() else "[]\n")
        document.seek(0)
        copyfileobj(document, sys.stdout)


def _cut(table: pa.Table) -> pa.Table:
    if not sys.stdout.isatty() or table.num_rows <= MOST_ROWS:
        return table
    say(f"the first {MOST_ROWS:,} of {table.num_rows:,} rows; --format csv or a pipe gets them all")
    return table.slice(0, MOST_ROWS)


def _write_parquet(table: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.types.is_interval, pa.types.is_union)
    table = pa.table([wordless(column, kinds) for column in table.columns], names=table.column_names)
    sys.stdout.flush()
    pq.write_table(table, sys.stdout.buffer, compression="zstd")


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
