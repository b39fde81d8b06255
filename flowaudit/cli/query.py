"""`flowaudit query list`, `flowaudit query show` and `flowaudit query run`: reports by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.options import app_of, closest, report_names, report_params
from flowaudit.cli.output import (
    Column,
    Format,
    FormatOption,
    facts,
    printable,
    say,
    show,
    show_markdown,
    tell,
    write,
    write_one,
)
from flowaudit.cli.sql import MemoryOption, TimeoutOption, asker, limits_of, texts
from flowaudit.errors import CatalogueError, ConfigError, QueryError

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.catalogue import Report

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Reports: queries that have a name.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=report_names, help="Which report.")]


@group.command("list")
def list_all(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """List the reports.

    Your own beside those that come with flowaudit.
    """
    import pyarrow as pa

    catalogue = app_of(ctx).catalogue
    for problem in catalogue.problems:
        say(f"left out: {problem}")
    rows = [
        {"name": name, "title": report.title, "params": " ".join(report.params)}
        for name, report in sorted(catalogue.reports.items())
    ]
    columns = pa.schema([(name, pa.string()) for name in ("name", "title", "params")])
    write(pa.Table.from_pylist(rows, columns), format)


@group.command("show")
def show_one(ctx: typer.Context, name: NameArgument, format: FormatOption = Format.TABLE) -> None:
    """Tell all about one report.

    What it answers, how to read it, its parameters, its SQL.
    """
    report = _report(app_of(ctx), name)
    if format is Format.TABLE:
        _page(report)
        return
    if format is Format.MARKDOWN:
        section(report)
        print(f"\n```sql\n{report.select}\n```")
        return
    params = [param.described() for param in report.params.values()]
    words = {"name": name, "title": report.title, "file": str(report.file), "prose": report.prose}
    write_one(words | {"params": params, "sql": report.select}, format)


@group.command()
def run(
    ctx: typer.Context,
    name: NameArgument,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", autocompletion=report_params, help="A parameter; may be repeated."),
    ] = None,
    timeout: TimeoutOption = "30s",
    memory: MemoryOption = "1GB",
    format: FormatOption = Format.TABLE,
) -> None:
    """Run a report.

    `flowaudit query show NAME` tells which parameters it takes.
    """
    from flowaudit.catalogue import values

    app, now = app_of(ctx), datetime.now(UTC)
    report, limits = _report(app, name), limits_of(timeout, memory)
    try:
        given = values(report.params, texts(param or ()), now)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    try:
        result = asker(app, limits)(report.sql, given)
    except QueryError as error:
        raise QueryError(f"{name} ({report.file}): {error}") from None
    write(result, format)


def _report(app: App, name: str) -> Report:
    """Return the report of a name; raises CatalogueError where its file is broken, ConfigError where there is none."""
    catalogue = app.catalogue
    if name in catalogue.reports:
        return catalogue.reports[name]
    if broken := [one for one in catalogue.problems if one.file.stem == name and one.file.parent.name == "reports"]:
        raise CatalogueError("\n".join(map(str, broken)))
    meant = closest(name, catalogue.reports)
    raise ConfigError(f"there is no report {name!r}{meant}; `flowaudit query list` lists all")


def section(report: Report) -> None:
    """Print all about a report but its SQL as a section in Markdown: docs/queries.md is made of these."""
    print(f"## {report.id}\n\n**{report.title}**\n\n{report.prose}")
    if report.params:
        print()
        show_markdown(_params(report))


def _page(report: Report) -> None:
    """Print all about a report."""
    print(f"{report.title}\n")
    facts({"name": report.id, "file": str(report.file)})
    tell(report.prose)
    if report.params:
        print()
        show(_params(report))
    print()
    for line in report.select.splitlines():
        print(printable(line))


def _params(report: Report) -> list[Column]:
    params = list(report.params.values())
    cells = {
        "param": [param.name for param in params],
        "kind": [param.kind for param in params],
        "default": ["(must be given)" if param.required else param.written or "(none)" for param in params],
        "meaning": [param.help for param in params],
    }
    return [Column(name, list(map(printable, column))) for name, column in cells.items()]
