"""`flowaudit setup plan`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from flowaudit.cli.setup.wanted import plan_lines, plan_rows, wanted
from flowaudit.formats import json_text


class PlanFormat(StrEnum):
    """Format of a plan."""

    TEXT = "text"
    JSON = "json"


PlanFormatOption = Annotated[PlanFormat, typer.Option("--format", help="How the changes are printed.")]


def plan(ctx: typer.Context, format: PlanFormatOption = PlanFormat.TEXT) -> None:
    """Show what apply would change; change nothing.

    One line for each resource, its properties below it, and warnings before what cuts open connections. An existing
    stack is compared with its resources as they are now: changes by hand are shown property by property.
    """
    from flowaudit.setup.request import is_ready

    want = wanted(ctx)
    found = is_ready(want.stack.find(), want.setup.name)
    want.show_telemetry_rules(found.outputs if found else {})
    with want.proposed(found) as (_, changes):
        if format is PlanFormat.JSON:
            print(json_text(plan_rows(changes)))
        else:
            status = found.status if found and found.is_deployed else "new"
            print(f"stack {want.setup.name} in {want.setup.region}, {status}:")
            for line in plan_lines(changes):
                print(line)
