"""`flowaudit detect`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from flowaudit.cli.coverage import conclude, line
from flowaudit.cli.options import SinceOption, UntilOption, app_of, detector_ids, known, lake_of, span
from flowaudit.cli.output import Format, FormatOption, say, write_one
from flowaudit.errors import FlowauditError

DetectorOption = Annotated[
    list[str] | None,
    typer.Option("--detector", metavar="ID", autocompletion=detector_ids, help="Only this one; may be repeated."),
]


def detect(
    ctx: typer.Context,
    detector: DetectorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Run the detectors and note findings.

    Each looks at what is new to it or, with --since, at every window of its own in that span.
    """
    from flowaudit.detect import detect as detect_in

    app = app_of(ctx)
    window = span(since, until, datetime.now(UTC))
    catalogue = app.catalogue.sound()
    only = known(detector, catalogue.detectors) if detector else None
    report = detect_in(lake_of(app), catalogue, window, only, mutes=app.mutes, covered=app.covered)
    covered = line(app)
    for message in report.failures.values():
        say(f"failed {message}")
    summary = {name: getattr(report, name) for name in ("windows", "sightings", "events", "failures", "seconds")}
    write_one(summary if format is Format.TABLE else summary | {"coverage": covered}, format)
    conclude(covered)
    if report.failures:
        raise typer.Exit(FlowauditError.exit_code)
