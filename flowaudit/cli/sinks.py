"""`flowaudit sinks list`, `test`, `failed` and `replay`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowaudit.cli.options import app_of, closest, lake_of, sink_names
from flowaudit.cli.output import Column, Format, FormatOption, count, plain, printable, say, show, write
from flowaudit.errors import ConfigError, FlowauditError

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.app import App
    from flowaudit.config import SinkSettings
    from flowaudit.sinks import Event, Sink

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and test sinks; send events again.")

SINKS = ("name", "type", "target", "min_severity", "events", "detectors", "dry_run", "pending", "dead_letters")
LETTERS = ("sink", "event_id", "event_number", "at", "reason", "detector", "severity", "event", "sentence")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=sink_names, help="Name of a sink.")]
SomeNameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", autocompletion=sink_names, help="Name of a sink; default: all.")
]


@group.command("list")
def list_sinks(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """List sinks, waiting events and dead letters."""
    from flowaudit.deliver import standing

    app = app_of(ctx)
    if not app.sinks:
        say("no [[sinks]] are configured: add one to flowaudit.toml, docs/sinks.md has an example of each type")
    rows = [
        {
            "name": each.settings.name,
            "type": getattr(each.settings, "type", ""),
            "target": each.sink.target,
            "min_severity": str(each.settings.min_severity),
            "events": sorted(map(str, each.sink.kinds if each.settings.events is None else each.settings.events)),
            "detectors": list(each.settings.detectors),
            "dry_run": each.settings.dry_run,
            "pending": each.pending,
            "dead_letters": each.dead_letters,
        }
        for each in standing(app.events, app.sinks)
    ]
    if format is Format.TABLE:
        _show(rows, "name", "type", "target", "min_severity", "pending", "dead_letters")
    else:
        write(_table(rows, SINKS), format)


@group.command()
def test(ctx: typer.Context, name: NameArgument) -> None:
    """Send a test finding, opened and resolved.

    It is sent regardless of the sink's events, min_severity, detectors and dry_run. It needs no lake.
    """
    from flowaudit.deliver import trial

    app = app_of(ctx)
    sink, _ = _sink(app, name)
    events = trial(app.events, datetime.now(UTC))
    for event in events:  # one by one: a sink that gets both at once may keep the newer only
        result = sink.send([event])
        if problems := {**result.refused, **result.failed}:
            raise FlowauditError(f"sink {name} did not accept the test: {next(iter(problems.values()))}")
    say(f"{name} accepted {count(len(events), 'test event')} for {printable(sink.target)}")


@group.command()
def failed(ctx: typer.Context, name: SomeNameArgument = None, format: FormatOption = Format.TABLE) -> None:
    """List dead letters: events that a sink refused.

    `flowaudit sinks replay` sends them again.
    """
    app = app_of(ctx)
    if name:
        _sink(app, name)
    lake_of(app).create()
    letters = app.events.dead_letters(name)
    if format is not Format.TABLE:
        write(_table(letters, LETTERS), format)
    elif letters:
        _show(letters, "sink", "event_id", "at", "event", "severity", "reason")
    else:
        say("there are no dead letters")


@group.command()
def replay(
    ctx: typer.Context,
    name: NameArgument,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[EVENT]...", help="Event ids of dead letters; default: all.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Send every event since then instead, as configured: -24h, -7d or RFC 3339."),
    ] = None,
) -> None:
    """Send dead letters again, or all events since a time.

    Each event keeps its idempotency key.
    """
    from flowaudit.deliver import replay as send

    app = app_of(ctx)
    sink, settings = _sink(app, name)
    lake_of(app).create()
    events = _since(app, sink, settings, since, ids) if since else _dead(app, name, ids or ())
    if not events:
        reason = "no event since then matches its settings" if since else "it has no dead letters"
        say(f"there is nothing to send to {name}: {reason}")
        return
    accepted, problems = send(app.events, sink, name, events)
    say(f"{name} accepted {accepted} of {count(len(events), 'event')}")
    for id, reason in problems.items():
        say(f"not accepted: {id}: {printable(reason)}")
    if problems:
        raise typer.Exit(FlowauditError.exit_code)


def _sink(app: App, name: str) -> tuple[Sink, SinkSettings]:
    """Return the sink of a name; raises ConfigError where there is none."""
    for sink, settings in app.sinks:
        if settings.name == name:
            return sink, settings
    names = [settings.name for _, settings in app.sinks]
    some = f": there are {', '.join(names)}" if names else ": no [[sinks]] are configured, see docs/sinks.md"
    hint = closest(name, names) or some
    raise ConfigError(f"no sink {name!r}{hint}")


def _dead(app: App, name: str, ids: Sequence[str]) -> list[Event]:
    """Return the dead letters of a sink, or some; raises ConfigError for an id that is none."""
    letters = {row["event_id"]: row["event_number"] for row in app.events.dead_letters(name)}
    if unknown := [id for id in ids if id not in letters]:
        raise ConfigError(f"no dead letter {unknown[0]!r} of {name}. List them with: flowaudit sinks failed {name}")
    return app.events.numbered([letters[id] for id in ids or letters])


def _since(app: App, sink: Sink, settings: SinkSettings, since: str, ids: Sequence[str] | None) -> list[Event]:
    """Return the events since a time that a sink is configured for."""
    from flowaudit.config import parse_time

    if ids:
        raise ConfigError("--since sends every event since a time: use either --since or event ids")
    after: int | None = app.events.position(parse_time(since, datetime.now(UTC)))
    events: list[Event] = []
    while after is not None:
        some, after = app.events.due(sink, settings, after)
        events += some
    return events


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    """Return rows as a table that has its columns even where there is no row."""
    import pyarrow as pa

    return pa.Table.from_pydict({name: [row[name] for row in rows] for name in names})


def _show(rows: Sequence[Mapping[str, Any]], *names: str) -> None:
    if rows:
        show([Column(name.replace("_", " "), [_cell(row[name]) for row in rows]) for name in names])


def _cell(value: Any) -> str:  # noqa: ANN401
    return "" if value is None else printable(plain(value) if isinstance(value, datetime) else str(value))
