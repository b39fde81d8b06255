"""`flowaudit setup`: a verb in each module."""

from __future__ import annotations

import typer

from flowaudit.cli.setup.render import render
from flowaudit.cli.setup.verify import verify

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="A private VPC for SageMaker.")


@group.callback()
def _group() -> None:
    """A private VPC for SageMaker, as AWS recommends."""


for _verb in (render, verify):
    group.command()(_verb)
