"""`flowaudit setup status`."""

from __future__ import annotations

import typer

from flowaudit.cli.output import Format, FormatOption, write_one
from flowaudit.cli.setup.wanted import wanted


def status(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """Show the stack: status, reason of its last failure, outputs."""
    want = wanted(ctx)
    found = want.found()
    failure = want.stack.first_failure(found)
    resources = want.stack.resources()
    write_one(
        {
            "stack": want.setup.name,
            "region": want.setup.region,
            "status": found.status,
            "reason": failure.failure if failure else found.reason,
            "created_at": found.created_at,
            "updated_at": found.updated_at,
            "resources": len(resources),
            "unfinished": [each.logical_id for each in resources if not each.status.endswith("_COMPLETE")],
            **found.outputs,
        },
        format,
    )
