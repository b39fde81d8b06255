"""`flowaudit lake`: its size, its maintenance, whether it is whole, copies of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flowaudit.cli.options import UntilOption, app_of, closest, lake_of, span
from flowaudit.cli.output import Format, FormatOption, count, printable, say, write, write_one
from flowaudit.errors import ConfigError, FlowauditError

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The lake itself: its size, its maintenance.")


@group.command()
def info(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """List the tables with rows, bytes, files and days.

    Reads the tables' logs only.
    """
    import pyarrow as pa

    from flowaudit.lake.state import State, states

    found = states(lake_of(app_of(ctx)))
    write(pa.table({name: [getattr(each, name) for each in found] for name in State.__slots__}), format)


@group.command()
def maintain(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; count what would be done.")] = False,
    format: FormatOption = Format.TABLE,
) -> None:
    """Remove expired rows, merge small files, delete files that nothing names.

    The daemon does so by itself; readers and collectors go on meanwhile.
    """
    from flowaudit.maintain import maintain as maintain_in

    app = app_of(ctx)
    report = maintain_in(lake_of(app), app.config.lake.retention, dry_run=dry_run)
    for conflict in report.conflicts:
        say(f"left for the next run: {conflict}")
    for failure in report.failures:
        say(f"failed {failure}")
    write_one(report.summary(), format)
    if report.failures:
        raise typer.Exit(FlowauditError.exit_code)


@group.command()
def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="From when on: -24h, -7d or RFC 3339.")],
    until: UntilOption = None,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Write rows of a span of time as Parquet files.

    A file for each table; the folder is there only if all of it is.
    """
    from flowaudit.lake.export import export as export_from
    from flowaudit.schema import TABLES

    window = span(since, until, datetime.now(UTC))
    if window is None:
        raise ConfigError("--since is missing: say where the span starts, as in --since -7d")
    for unknown in (name for name in table or () if name not in TABLES):
        hint = closest(unknown, TABLES) or f": there are {', '.join(TABLES)}"
        raise ConfigError(f"the lake has no table {unknown!r}{hint}")
    rows = export_from(lake_of(app_of(ctx)), dict.fromkeys(table or TABLES), window, folder)
    write_one({"folder": str(folder), "rows": rows}, format)


@group.command()
def check(
    ctx: typer.Context,
    rows: Annotated[
        bool, typer.Option("--rows", help="Also read all files, and count the rows of each object.")
    ] = False,
) -> None:
    """Show what does not fit together in the lake; exit code 3 if anything does not.

    Compares the logs of the tables with each other, and with the files that are there. Changes nothing.
    """
    from flowaudit.deliver import application
    from flowaudit.lake.check import problems

    app = app_of(ctx)
    sinks = [application(settings.name) for settings in app.config.sinks]
    found = list(problems(lake_of(app), sinks, rows=rows))
    for problem in found:
        print(printable(problem))
    say(f"{app.lake.uri}: {count(len(found), 'problem')}" if found else f"{app.lake.uri}: whole")
    if found:
        raise typer.Exit(FlowauditError.exit_code)


@group.command()
def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
) -> None:
    """Copy the lake to a new folder, while it is read and written; the copy is checked.

    The folder appears once it is whole.
    """
    from flowaudit.lake.backup import backup as backup_to

    lake = lake_of(app_of(ctx))
    files = backup_to(lake, folder)
    say(f"{folder}: {count(sum(files.values()), 'file')} of {count(len(files), 'table')}")


@group.command()
def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder that `lake backup` made.")],
) -> None:
    """Make the lake from a backup, which is checked before and after; there must not be a lake yet."""
    from flowaudit.lake.backup import restore as restore_from

    lake = app_of(ctx).lake
    files = restore_from(lake, folder)
    say(f"{lake.uri}: {count(sum(files.values()), 'file')} of {count(len(files), 'table')}")
