"""`flowaudit setup drift`."""

from __future__ import annotations

import typer

from flowaudit.cli.output import count, say
from flowaudit.cli.setup.plan import PlanFormat, PlanFormatOption
from flowaudit.cli.setup.wanted import drift_lines, plan_rows, wanted
from flowaudit.formats import json_text

DRIFTED = 1
"""The exit code where something was changed by hand."""


def drift(ctx: typer.Context, format: PlanFormatOption = PlanFormat.TEXT) -> None:
    """Show what was changed by hand since the last deployment.

    Compares each resource of the stack with its last deployment, not with the configuration. Exit code 1: something
    was changed. What was added beside the stack, such as a route, is found by verify.
    """
    from flowaudit.setup.plan import plan
    from flowaudit.setup.request import is_ready, unchanged

    want = wanted(ctx)
    found = want.found()
    is_ready(found, want.setup.name)
    with want.stack.proposed(found, **unchanged(found)) as change_set:
        changes = plan(change_set, want.stack.resources())
    drifted = [each for each in changes.changes if each.by_hand]
    if format is PlanFormat.JSON:
        print(json_text(plan_rows(changes)))
    else:
        for line in drift_lines(drifted):
            print(line)
        if changes.unchecked:
            print(f"not compared, as CloudFormation cannot: {', '.join(changes.unchecked)}")
        compared = len(changes.changes) + len(changes.kept) - len(changes.unchecked)
        print(f"{count(compared, 'resource')} compared, {len(drifted)} changed by hand")
        if drifted:
            say("next: flowaudit setup apply changes them back")
    if drifted:
        raise typer.Exit(DRIFTED)
