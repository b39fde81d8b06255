"""Shared by the verbs of `setup`: the configuration, its stack, and the text of changes and events."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import typer

from flowaudit.cli.options import config_of
from flowaudit.cli.output import count, printable, say
from flowaudit.errors import ConfigError, FlowauditError, SetupError

if TYPE_CHECKING:
    from flowaudit.config import Setup
    from flowaudit.inventory.asking import Asker
    from flowaudit.setup.plan import Change, Plan, Property
    from flowaudit.setup.stack import ChangeSet, Event, Found, Stack
    from flowaudit.setup.template import Template

WIDEST_VALUE = 120
"""Characters of a property's value that are shown in text; JSON has all of them."""
SIGNS = {"add": "+", "change": "~", "replace": "±", "may replace": "±", "remove": "-", "release": "=", "record": "="}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The VPC of `[setup]`: its template, its stack, and AWS's clients in its region."""

    setup: Setup
    template: Template
    stack: Stack
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3's clients are made at run time
        """Return the boto3 client of a service in the region of the VPC; safe to call from several threads."""
        from flowaudit.app import client

        with self._lock:
            if service not in self._clients:
                self._clients[service] = client(service, self.setup.region)
            return self._clients[service]

    @property
    def account(self) -> str:
        """The account of the credentials; raises ConfigError."""
        from flowaudit.app.aws import account

        return account(self.setup.region)

    def request(self) -> dict[str, Any]:
        """Return the parameters of a change set that brings the stack to the template; raises SetupError."""
        from flowaudit.setup.request import request

        return request(self.setup, self.template, self.client("ec2"))

    def found(self) -> Found:
        """Return the stack; raises SetupError where it is not deployed, or not made by flowaudit."""
        from flowaudit.setup.request import check_ours

        found = self.stack.find()
        if found is None or not found.is_deployed:
            raise SetupError(f"there is no stack {self.setup.name} in {self.setup.region}: run flowaudit setup apply")
        check_ours(found, self.setup.name)
        return found

    def asker(self) -> Asker:
        """Return an asker of the account's region; raises ConfigError where the account is unknown."""
        from flowaudit.inventory.asking import Asker

        return Asker(self.account, self.setup.region, self.client)

    def show_telemetry_rules(self, outputs: Mapping[str, str]) -> None:
        """Print which telemetry rules of CloudWatch make flow logs beside that of the stack."""
        from flowaudit.setup.telemetry import in_words, telemetry

        if words := in_words(telemetry(self.asker()), outputs.get("VpcId") or self.setup.existing_vpc.id or "VPC-ID"):
            say(words)

    @contextmanager
    def proposed(self, found: Found | None) -> Iterator[tuple[ChangeSet | None, Plan]]:
        """Propose the change set that brings the stack to the template, with what it changes; raises SetupError."""
        from flowaudit.setup.plan import plan

        with self.stack.proposed(found, **self.request()) as change_set:
            resources = self.stack.resources() if found and found.is_deployed else []
            in_use = bool(resources or self.setup.existing_vpc.id)
            yield change_set, plan(change_set, resources, in_use=in_use)


def wanted(ctx: typer.Context) -> Wanted:
    """Return the VPC that the configuration wants; raises ConfigError."""
    from flowaudit.app import client
    from flowaudit.setup import template
    from flowaudit.setup.stack import Stack

    setup = config_of(ctx).setup
    made = template(setup)
    return Wanted(setup, made, Stack(client("cloudformation", setup.region), setup.name))


# --- a plan -----------------------------------------------------------------------------------------------------------


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan: one for each resource, its properties below it, what to know, and the counts."""
    width = max((len(each.logical_id) for each in plan.changes), default=0)
    for change in plan.changes:
        yield from _change_lines(change, width)
    for line in plan.warnings:
        yield f"warning: {line}"
    if plan.unchecked:
        yield f"not compared with what is there, as CloudFormation cannot: {', '.join(plan.unchecked)}"
    yield counts(plan)


def counts(plan: Plan) -> str:
    """Return how many resources are added, changed, replaced, removed and kept."""
    from flowaudit.setup.plan import Action

    if not plan.changes:
        return f"no changes: {count(len(plan.kept), 'resource')} as wanted"
    said = [f"{plan.count(action):,} to {action}" for action in Action if plan.count(action)]
    by_hand = sum(each.by_hand for each in plan.changes)
    return ", ".join(said) + (f"; {by_hand} changed by hand" if by_hand else "")


def _change_lines(change: Change, width: int) -> Iterator[str]:
    name = f"{change.logical_id:<{width}}  {change.type}  {change.physical_id}".rstrip()
    yield f"{SIGNS[change.action]} {change.action:<11} {name}"
    if change.gone:
        yield "    was deleted by hand"
    for each in change.properties:
        yield from (f"    {line}" for line in _property_lines(each))


def _property_lines(each: Property) -> Iterator[str]:
    """Yield the lines that show a property: its values, and where it was changed by hand."""
    yield f"{each.path}{' (replaces the resource)' if each.requires_recreation else ''}"
    if each.by_hand:
        yield f"  deployed:      {_short(each.deployed)}"
        yield f"  by hand:       {_short(each.before)}"
    else:
        yield f"  now:           {_short(each.before)}"
    yield f"  as configured: {_short(each.after)}"


def _short(value: str) -> str:
    from flowaudit.setup.plan import UNKNOWN

    text = printable(" ".join(value.split())).replace(UNKNOWN, "(known after apply)") or "none"
    return text if len(text) <= WIDEST_VALUE else f"{text[:WIDEST_VALUE]} …"


def drift_lines(changes: Iterable[Change]) -> Iterator[str]:
    """Yield what was changed by hand: a line for each resource, its properties below it."""
    for change in changes:
        yield f"{change.logical_id}  {change.type}  {change.physical_id}{'  was deleted' if change.gone else ''}"
        for each in change.properties:
            if each.by_hand:
                yield f"    {each.path}"
                yield f"      deployed:  {_short(each.deployed)}"
                yield f"      by hand:   {_short(each.before)}"


def plan_rows(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    return {
        "changes": [
            {
                "action": str(change.action),
                "logical_id": change.logical_id,
                "type": change.type,
                "physical_id": change.physical_id,
                "deleted_by_hand": change.gone,
                "properties": [asdict(each) for each in change.properties],
            }
            for change in plan.changes
        ],
        "kept": [
            {"logical_id": each.logical_id, "type": each.type, "physical_id": each.physical_id} for each in plan.kept
        ],
        "warnings": list(plan.warnings),
        "not_compared": list(plan.unchecked),
    }


# --- work -------------------------------------------------------------------------------------------------------------


def follow(events: Iterable[Event]) -> None:
    """Print events as they arrive, on stderr; raises what they raise."""
    for event in events:
        reason = f"  {event.reason}" if event.reason and event.status.endswith(("_FAILED", "_SKIPPED")) else ""
        say(f"{event.at:%H:%M:%S}  {event.status:<28} {event.logical_id}  {event.type}{reason}")


@contextmanager
def interruptible(want: Wanted) -> Iterator[None]:
    """Say, where somebody ends a verb in the middle, that CloudFormation goes on with the stack."""
    try:
        yield
    except KeyboardInterrupt as stop:
        with suppress(FlowauditError):
            found = want.stack.find()
            if found and found.is_busy:
                where = f"stack {want.setup.name} in {want.setup.region}"
                stop.args = (
                    f"stopped, but CloudFormation goes on with {where}: flowaudit setup status shows how it ends",
                )
        raise


def confirmed(question: str, *, yes: bool) -> bool:
    """Return whether the user wants it; raises ConfigError where there is nobody to ask."""
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(f"{question} There is no terminal to answer: add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_vpc_config(outputs: Mapping[str, str]) -> None:
    """Print the JSON of VpcConfig, as CreateModel takes it, on stdout."""
    print(json.dumps(json.loads(outputs["VpcConfig"]), indent=2))
