"""`flowaudit check`."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flowaudit.cli.options import app_of
from flowaudit.cli.output import Format, FormatOption, say, write_one
from flowaudit.errors import ConfigError

if TYPE_CHECKING:
    from flowaudit.app import App


def check(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """Check configuration and queries.

    Tells all mistakes at once, and asks nothing of AWS.
    """
    from flowaudit.config import no_effect

    app, now = app_of(ctx), datetime.now(UTC)
    _check_sections(app)
    catalogue = app.catalogue.sound()
    for key in no_effect(app.config):
        say(f"warning: {key} has no effect in this version")
    for mute in app.mutes:
        if mute.until <= now:
            say(f"warning: a mute of {mute.detector} has ended ({mute.until:%Y-%m-%d}): take it away, or prolong it")
    for number, sink in enumerate(app.config.sinks):
        for pattern in sink.detectors:
            if not fnmatch.filter(catalogue.detectors, pattern):
                say(f"warning: sinks[{number}].detectors: {pattern!r} matches no enabled detector")
    for line in _missing_secrets(app):
        say(f"warning: {line}")
    if not app.config.sources:
        say("warning: no [[sources]] are configured: `collect` and `run` have nothing to read")
    write_one(
        {
            "lake": app.lake.uri,
            "sources": [source.uri for source in app.config.sources],
            "sinks": [settings.name for _, settings in app.sinks],
            "detectors": list(catalogue.detectors),
            "views": list(catalogue.views),
            "reports": list(catalogue.reports),
        },
        format,
    )


def _check_sections(app: App) -> None:
    """Check what only its own room can judge: the web configuration file, and the VPC; raises ConfigError."""
    if app.config.http.web_config:
        from flowaudit.config import web

        web.load(Path(app.config.http.web_config))
    if "setup" in app.config.model_fields_set:
        from flowaudit.setup import template

        template(app.config.setup)


def _missing_secrets(app: App) -> Iterator[str]:
    """Yield a line for each secret of a sink that cannot be read here."""
    from flowaudit.config import Secret

    for number, settings in enumerate(app.config.sinks):
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            for secret in value if isinstance(value, tuple) else (value,):
                if isinstance(secret, Secret):
                    try:
                        secret.read()
                    except ConfigError as error:
                        yield f"sinks[{number}].{name}: {error}"
