"""`flowaudit setup destroy`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from flowaudit.cli.output import count, say
from flowaudit.cli.setup.apply import YesOption
from flowaudit.cli.setup.wanted import Wanted, confirmed, follow, interruptible, wanted
from flowaudit.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowaudit.inventory.attribution import Rules
    from flowaudit.setup.interfaces import Remaining
    from flowaudit.setup.stack import Found, StackResource


def destroy(ctx: typer.Context, yes: YesOption = False) -> None:
    """Delete the VPC, but keep its flow logs.

    Asks first. Refuses while network interfaces of SageMaker, or of anybody else, are in the VPC, and lists them with
    their owners and the commands that remove them.
    """
    from flowaudit.app import App
    from flowaudit.cli.options import config_of
    from flowaudit.setup.request import check_at_rest, check_ours

    want = wanted(ctx)
    found = want.stack.find()
    if found is None:
        say(f"there is no stack {want.setup.name} in {want.setup.region}: nothing to do")
        return
    check_ours(found, want.setup.name)
    check_at_rest(found, want.setup.name)
    resources = want.stack.resources()
    rules = App(config_of(ctx)).rules
    left = _remaining(want, resources, rules)
    say(f"stack {want.setup.name} in {want.setup.region}: {count(len(resources), 'resource')}")
    for orphan in left.orphans:
        say(f"also deleted: network interface {orphan.interface.interface_id}, {orphan.reason}")
    if not confirmed(f"Delete stack {want.setup.name}?", yes=yes):
        say("nothing was changed")
        raise typer.Exit(1)
    with interruptible(want):
        _delete(want, found, left, rules)
    _show_kept(want, resources)


def _delete(want: Wanted, found: Found, left: Remaining, rules: Rules) -> None:
    """Delete the orphans and the stack, once more where orphans were left behind meanwhile; raises SetupError."""
    _delete_orphans(want, left)
    try:
        follow(want.stack.delete(found))
    except SetupError:
        left = _remaining(want, want.stack.resources(), rules)
        if not left.orphans:
            raise
        _delete_orphans(want, left)
        follow(want.stack.delete(found))


def _remaining(want: Wanted, resources: Sequence[StackResource], rules: Rules) -> Remaining:
    """Return what is still in the VPC; raises SetupError where anything of it is in use, or cannot be seen."""
    from flowaudit.setup.interfaces import remaining, stack_network
    from flowaudit.setup.refusing import refusal

    network = stack_network(want.setup, ((each.type, each.physical_id) for each in resources))
    left = remaining(want.asker(), network, rules, datetime.now(UTC))
    if why := refusal(left):
        raise SetupError(why)
    return left


def _delete_orphans(want: Wanted, left: Remaining) -> None:
    from flowaudit.setup.interfaces import delete_orphans

    deletion = delete_orphans(want.client("ec2"), left.orphans)
    for interface_id in deletion.deleted:
        say(f"network interface {interface_id} deleted")
    if deletion.failed:
        raise SetupError("\n".join(f"network interface {name}: {why}" for name, why in deletion.failed.items()))


def _show_kept(want: Wanted, resources: Sequence[StackResource]) -> None:
    from flowaudit.setup.refusing import kept

    retained = {each.name for each in want.template.resources if each.retained}
    if words := kept((each.type, each.physical_id) for each in resources if each.logical_id in retained):
        say(words)
