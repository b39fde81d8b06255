"""`flowaudit check`."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from flowaudit.cli.options import app_of
from flowaudit.cli.output import Format, FormatOption, say, write_one


def check(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """Check configuration and queries.

    Tells all mistakes at once, and asks nothing of AWS.
    """
    from flowaudit.config import no_effect

    app, now = app_of(ctx), datetime.now(UTC)
    catalogue = app.catalogue.sound()
    for key in no_effect(app.config):
        say(f"warning: {key} has no effect in this version")
    for mute in app.mutes:
        if mute.until <= now:
            say(f"warning: a mute of {mute.detector} has ended ({mute.until:%Y-%m-%d}): take it away, or prolong it")
    if not app.config.sources:
        say("warning: no [[sources]] are configured: `collect` and `run` have nothing to read")
    write_one(
        {
            "lake": app.lake.uri,
            "sources": [source.uri for source in app.config.sources],
            "detectors": list(catalogue.detectors),
            "views": list(catalogue.views),
            "reports": list(catalogue.reports),
        },
        format,
    )
