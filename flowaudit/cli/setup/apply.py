"""`flowaudit setup apply`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from flowaudit.cli.output import count, say
from flowaudit.cli.setup.wanted import Wanted, confirmed, follow, interruptible, plan_lines, show_vpc_config, wanted

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def apply(
    ctx: typer.Context,
    yes: YesOption = False,
    watch_config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the configuration of flowaudit that watches this VPC to a new file."),
    ] = None,
) -> None:
    """Create or change the VPC, and print its VpcConfig.

    By a CloudFormation change set, after a question. VpcConfig is the parameter of CreateModel. What was changed by
    hand is changed back. What fails is rolled back; a first apply that fails leaves nothing.
    """
    from flowaudit.setup.request import is_ready
    from flowaudit.setup.watching import check_new, watching, write_new

    want = wanted(ctx)
    found = is_ready(want.stack.find(), want.setup.name)
    outputs = found.outputs if found else {}
    if watch_config is not None:
        check_new(watch_config, watching(want.setup, outputs) if outputs else "")
    want.show_telemetry_rules(outputs)
    with interruptible(want), want.proposed(found) as (change_set, changes):
        for line in plan_lines(changes):
            say(line)
        if change_set is not None:
            if not confirmed(f"Apply this to stack {want.setup.name} in {want.setup.region}?", yes=yes):
                say("nothing was changed")
                raise typer.Exit(1)
            follow(want.stack.execute(change_set))
    outputs = want.found().outputs
    _remove_default_rules(want, outputs)
    show_vpc_config(outputs)
    if watch_config is not None:
        write_new(watch_config, watching(want.setup, outputs))
        say(f"{watch_config}: run flowaudit --config {watch_config} run")
    say("next: flowaudit setup verify")


def _remove_default_rules(want: Wanted, outputs: Mapping[str, str]) -> None:
    """Remove the rules of the default security group of a VPC that is the stack's own."""
    from flowaudit.setup.default_group import remove_default_rules

    if not want.setup.existing_vpc.id and (removed := remove_default_rules(want.client("ec2"), outputs["VpcId"])):
        say(f"{count(removed, 'rule')} of the default security group removed, which CloudFormation cannot do")
