"""`flowaudit sql`."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowaudit.cli.options import app_of, lake_of
from flowaudit.cli.output import Format, FormatOption, write
from flowaudit.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.app import App
    from flowaudit.sql import Limits


TimeoutOption = Annotated[str, typer.Option(metavar="DURATION", help="How long a query may take.")]
MemoryOption = Annotated[str, typer.Option(metavar="SIZE", help="How much memory it may take.")]


def sql(
    ctx: typer.Context,
    query: Annotated[
        str | None, typer.Argument(help="One SELECT; - reads it from stdin; without it a terminal gets a shell.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", exists=True, dir_okay=False, readable=True, help="Read it from here.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Value of $NAME in the query; may be repeated.")
    ] = None,
    timeout: TimeoutOption = "30s",
    memory: MemoryOption = "1GB",
    format: FormatOption = Format.TABLE,
) -> None:
    """Ask the lake in SQL.

    A query sees the lake's tables and views and nothing else: no file, no network, no setting.
    """
    if query is not None and file is not None:
        raise ConfigError("a query is given twice, as text and with --file: choose one")
    params = parameters(param or (), datetime.now(UTC))
    limits = limits_of(timeout, memory)
    if query is None and file is None and sys.stdin.isatty():
        from flowaudit.cli.shell import shell

        shell(asker(app_of(ctx), limits), lambda table: write(table, format))
    else:
        text = _text(query, file)
        write(asker(app_of(ctx), limits)(text, params), format)


Ask = Callable[[str, dict[str, Any]], "pa.Table"]


def asker(app: App, limits: Limits) -> Ask:
    """Return what answers each query from the lake as it is at that moment."""
    from flowaudit import sql

    def ask(query: str, params: dict[str, Any]) -> pa.Table:
        with sql.connect(lake_of(app), views=app.catalogue.views, limits=limits) as lake:
            return lake.ask(query, params)

    return ask


def parameters(pairs: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return the parameters that `name=value` pairs name; raises ConfigError.

    A value is what it would be in TOML (12, true, 'text', [1, 2]), else a time (-24h, RFC 3339), else text.
    """
    return {name: _value(text, now) for name, text in texts(pairs).items()}


def texts(pairs: Sequence[str]) -> dict[str, str]:
    """Return what `name=value` pairs say, by name; raises ConfigError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"--param {pair!r}: write NAME=VALUE, as in --param since=-24h")
        if name in found:
            raise ConfigError(f"--param {name} is given twice: choose one value")
        found[name] = text
    return found


def _value(text: str, now: datetime) -> Any:  # noqa: ANN401  as many kinds as TOML has
    from flowaudit.config import parse_time

    try:
        return parse_time(text, now)
    except ConfigError:
        pass
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def limits_of(timeout: str, memory: str) -> Limits:
    """Return what `--timeout` and `--memory` allow; raises ConfigError."""
    from flowaudit.config import parse_duration
    from flowaudit.sql import Limits

    seconds = parse_duration(timeout).total_seconds()
    if not seconds:
        raise ConfigError("--timeout 0 leaves no time for a query: write 30s or 5m")
    return Limits(seconds=seconds, memory=memory)


def _text(query: str | None, file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text("utf-8")
        return sys.stdin.read() if query in (None, "-") else str(query)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file or 'stdin'}: is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
