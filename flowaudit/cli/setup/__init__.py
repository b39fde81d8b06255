"""`flowaudit setup`: a verb in each module."""

from __future__ import annotations

import typer

from flowaudit.cli.setup.apply import apply
from flowaudit.cli.setup.destroy import destroy
from flowaudit.cli.setup.drift import drift
from flowaudit.cli.setup.plan import plan
from flowaudit.cli.setup.policy import policy
from flowaudit.cli.setup.render import render
from flowaudit.cli.setup.status import status
from flowaudit.cli.setup.verify import verify

group = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="A private VPC for SageMaker, as AWS recommends.",
)


@group.callback()
def _group() -> None:
    """A private VPC for SageMaker, as AWS recommends."""


for _verb in (render, plan, apply, status, verify, drift, policy, destroy):
    group.command()(_verb)
