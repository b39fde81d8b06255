"""The flow log records behind a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowaudit.cli.output import Format, say, write

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.findings import Finding


def write_records(app: App, finding: Finding, limit: int | None, format: Format) -> None:
    """Print the records behind a finding; raises ConfigError where its key has no column of flow log records."""
    from flowaudit.findings.records import READ, records

    columns = READ if format in (Format.TABLE, Format.MARKDOWN) else ()  # other programs get all
    found = records(app.lake, app.catalogue.views, finding, columns, limit)
    if not found.num_rows and format is Format.TABLE:
        say("no records: they have been removed from the lake, or taken back")
    else:
        write(found, format)
