"""`flowaudit collect`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.options import SinceOption, UntilOption, app_of, span
from flowaudit.cli.output import Format, FormatOption, facts, say, volume, write_one
from flowaudit.errors import ConfigError, FlowauditError

if TYPE_CHECKING:
    from flowaudit.model import CollectReport, ObjectReport

MOST_PROBLEMS = 20
"""Problems told one by one; the ledger has them all."""


def collect(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="A file, folder, glob or s3://bucket/prefix/, else the configured."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Bring new flow logs into the lake.

    Each object's records are in the lake exactly once, however often this runs.
    """
    from flowaudit.collect import Workers
    from flowaudit.collect import collect as collect_from

    app, now = app_of(ctx), datetime.now(UTC)
    window = span(since, until, now)
    places = app.sources(sources or (), window, now)
    if not places:
        message = "no source is named: `flowaudit collect DIR`, `flowaudit collect s3://bucket/prefix/` or [[sources]]"
        raise ConfigError(f"{message} in the configuration")
    with _progress() as on_object, _explained():
        report = collect_from(places, app.lake, Workers(on_object=on_object), app.atlas())
    _tell(report)
    if not _seen(report) and window is None and any(source.uri.startswith("s3://") for source, _ in places):
        say("nothing new: S3 was listed from each source's look-back on; --since -7d looks further back")
    if format is Format.TABLE:
        facts(report.summary() | {"bytes": volume(report.bytes)})
    else:
        write_one(report.summary(), format)
    if report.failed:
        raise typer.Exit(FlowauditError.exit_code)


def _seen(report: CollectReport) -> int:
    return report.objects + report.skipped + report.failed


def _tell(report: CollectReport) -> None:
    for problem in report.problems[:MOST_PROBLEMS]:
        say(" ".join(problem.split()))
    if len(report.problems) > MOST_PROBLEMS:
        query = "SELECT object_key, reason FROM objects WHERE outcome <> 'collected'"
        say(f'… and {len(report.problems) - MOST_PROBLEMS:,} more: flowaudit sql "{query}"')


@contextmanager
def _explained() -> Iterator[None]:
    """Say, where somebody ends a collect, what that means for the lake."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.args = ("stopped: the lake has every finished batch; collect again to go on",)
        raise


@contextmanager
def _progress() -> Iterator[Callable[[ObjectReport], None]]:
    """Count objects and records on stderr as they are read, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    figures = TextColumn("{task.completed:,.0f} {task.description}")
    with Progress(SpinnerColumn(), TimeElapsedColumn(), figures, console=Console(stderr=True), transient=True) as bar:
        objects, records = (bar.add_task(what, total=None) for what in ("objects", "records"))

        def advance(report: ObjectReport) -> None:
            bar.advance(objects)
            bar.advance(records, report.records)

        yield advance
