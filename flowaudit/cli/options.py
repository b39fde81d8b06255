"""What verbs share of their options: where config and lake are, spans of time, what may be completed."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from flowaudit.errors import ConfigError
from flowaudit.model import Window

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.config import Config
    from flowaudit.lake import Lake


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the verb."""

    config: Path | None
    lake: str | None


def config_of(ctx: typer.Context) -> Config:
    """Load the configuration, with the lake of the command line in it; raises ConfigError."""
    from pydantic import ValidationError

    from flowaudit import config

    options: Options = ctx.find_root().obj
    loaded = config.load(options.config, os.environ)
    if options.lake is None:
        return loaded
    try:
        lake = config.LakeSettings.model_validate(loaded.lake.model_dump(exclude_unset=True) | {"uri": options.lake})
    except ValidationError as error:
        raise ConfigError(f"--lake: {error.errors()[0]['ctx']['error']}") from None
    return loaded.model_copy(update={"lake": lake})


def app_of(ctx: typer.Context) -> App:
    """Wire up what the configuration names; raises ConfigError."""
    from flowaudit.app import App

    return App(config_of(ctx))


def lake_of(app: App) -> Lake:
    """Return the lake, which has to be there already; raises LakeError."""
    if not app.lake.exists():
        raise app.lake.missing()
    return app.lake


def span(since: str | None, until: str | None, now: datetime) -> Window | None:
    """Return the window between two times as they were typed, None where there are none; raises ConfigError."""
    from flowaudit.config import parse_time

    if since is None:
        if until is not None:
            raise ConfigError("--until needs --since: say where the span starts, as in --since -7d")
        return None
    window = Window(parse_time(since, now), parse_time(until, now) if until else now)
    if window.since >= window.until:
        raise ConfigError(f"--since {since} is not before --until {until or 'now'}: exchange the two")
    return window


def known(ids: Collection[str], all_ids: Collection[str]) -> Collection[str]:
    """Return `ids` if each is a detector; raises ConfigError naming the nearest to the first that is not."""
    for unknown in (one for one in ids if one not in all_ids):
        near = difflib.get_close_matches(unknown, all_ids, n=1) or sorted(all_ids)
        raise ConfigError(f"there is no detector {unknown!r} that is enabled: did you mean {' or '.join(near)}?")
    return ids


def closest(name: str, names: Collection[str]) -> str:
    """Return a question for the name that was probably meant, "" where none is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f": did you mean {near[0]}?" if near else ""


Completion: TypeAlias = Callable[[typer.Context, str], Iterable[str]]


def _quiet(complete: Completion) -> Completion:
    """Complete nothing, rather than fail in the middle of somebody's typing."""

    @wraps(complete)
    def safe(ctx: typer.Context, incomplete: str) -> Iterable[str]:
        try:
            return [word for word in complete(ctx, incomplete) if word.startswith(incomplete)]
        except Exception:  # noqa: BLE001
            return []

    return safe


def _from_the_root(ctx: typer.Context) -> None:
    """Stand in for the callback before the verbs, which does not run while words are completed."""
    root = ctx.find_root()
    config, lake = (root.params.get(name) for name in ("config", "lake"))
    root.obj = Options(Path(config) if config else None, lake)


@_quiet
def detector_ids(ctx: typer.Context, incomplete: str) -> Iterable[str]:  # noqa: ARG001  its caller filters
    """Complete detectors' ids: the names of their files."""
    return sorted(_query_files(ctx, "detectors"))


@_quiet
def report_names(ctx: typer.Context, incomplete: str) -> Iterable[str]:  # noqa: ARG001
    """Complete reports' names: those of their files."""
    return sorted(_query_files(ctx, "reports"))


@_quiet
def report_params(ctx: typer.Context, incomplete: str) -> Iterable[str]:  # noqa: ARG001
    """Complete `name=` for each parameter of the report that was named before."""
    from flowaudit.catalogue import parameters

    files = _query_files(ctx, "reports")
    words = [ctx.params["name"], *ctx.args]  # the parser leaves off at the option that is being typed
    named = next(word for word in words if word in files)
    return [f"{name}=" for name in parameters(files[named])]


def _query_files(ctx: typer.Context, kind: str) -> dict[str, Path]:
    """Return the files of a kind of query by their names; they are not checked: that takes too long for a Tab."""
    from flowaudit.config import shipped

    _from_the_root(ctx)
    folders = [shipped("queries"), *config_of(ctx).queries.paths]
    return {file.stem: file for folder in folders for file in (folder / kind).glob("*.sql")}


@_quiet
def finding_ids(ctx: typer.Context, incomplete: str) -> Iterable[str]:  # noqa: ARG001
    """Complete findings' ids."""
    from flowaudit import sql

    _from_the_root(ctx)
    with sql.connect(lake_of(app_of(ctx)), tables=("findings",)) as lake:
        return lake.query("SELECT DISTINCT id FROM findings ORDER BY id").column("id").to_pylist()


@_quiet
def sink_names(ctx: typer.Context, incomplete: str) -> Iterable[str]:  # noqa: ARG001
    """Complete names of sinks."""
    _from_the_root(ctx)
    return sorted(each.name for each in config_of(ctx).sinks)


SinceOption = Annotated[str | None, typer.Option(metavar="TIME", help="From when on: -24h, -7d or RFC 3339.")]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="Until when, else now.")]
