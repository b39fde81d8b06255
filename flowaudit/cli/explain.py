"""`flowaudit explain`: why a verdict is what it is, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.findings import the_one
from flowaudit.cli.options import app_of, finding_ids, lake_of
from flowaudit.cli.output import Format, printable, write_one
from flowaudit.errors import ConfigError

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.explain import Explanation, Question
    from flowaudit.explain.values import Remedy

WIDTH = 80
HOW = "give a finding's id, or --interface ENI and --remote ADDRESS"


class ExplainFormat(StrEnum):
    """What an explanation is printed as."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


def explain(
    ctx: typer.Context,
    finding: Annotated[
        str | None,
        typer.Argument(metavar="[FINDING_ID]", autocompletion=finding_ids, help="A finding's id, or how it begins."),
    ] = None,
    interface: Annotated[str | None, typer.Option(metavar="ENI", help="Instead: traffic of this interface …")] = None,
    remote: Annotated[str | None, typer.Option(metavar="ADDRESS", help="… with this address.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="At about this time: -24h, RFC 3339; else the newest record.")
    ] = None,
    format: Annotated[ExplainFormat, typer.Option("--format", help="How it is printed.")] = ExplainFormat.TABLE,
) -> None:
    """Tell why a verdict is what it is.

    The records, the interface, the route, the endpoints, the rule that decided, and commands that would put it right.
    None of them is run, and nothing is asked of AWS.
    """
    from flowaudit.explain import explain as explained

    app = app_of(ctx)
    question = _question(app, finding, interface, remote, at)
    answer = explained(lake_of(app), app.catalogue.views, app.atlas(), question, app.config.policy.internet_paths)
    if format is ExplainFormat.TABLE:
        print("\n".join(_page(answer)))
    else:
        write_one(asdict(answer), Format(format))


def _question(app: App, finding: str | None, interface: str | None, remote: str | None, at: str | None) -> Question:
    """Return what is asked; raises ConfigError where that is not one thing."""
    from flowaudit.config import parse_time
    from flowaudit.explain import Question, about

    now = datetime.now(UTC)
    moment = parse_time(at, now) if at else None
    if finding is not None:
        if interface or remote:
            raise ConfigError(f"a finding and --interface or --remote are two questions: {HOW}")
        return about(the_one(app, finding)[1], moment)
    if not interface or not remote:
        raise ConfigError(f"what is to be explained? {HOW}")
    try:
        address = str(ip_address(remote))
    except ValueError:
        raise ConfigError(f"--remote {remote!r} is no IP address: give one like 192.0.2.1 or 2001:db8::1") from None
    return Question(interface_id=interface, remotes=(address,), otherwise=moment or now, at=moment)


def _page(answer: Explanation) -> Iterator[str]:
    """Yield the lines of a page."""
    from flowaudit.explain import words

    yield from _wrapped(words.headline(answer), "")
    for heading, sentences in words.sections(answer):
        yield f"\n{heading}"
        for sentence in sentences:
            yield from _wrapped(sentence)
    yield "\nWhat to do"
    if not answer.remedies:
        yield "  Nothing: this way is allowed, or it is no workload's way out."
    for remedy in answer.remedies:
        yield from _remedy(remedy)
    if answer.others:
        yield "\nIts other remotes"
        yield from (line for other in answer.others for line in _wrapped(words.other(other)))


def _remedy(remedy: Remedy) -> Iterator[str]:
    yield from _wrapped(remedy.what)
    for command in remedy.commands:
        yield from _folded(command)
    for warning in remedy.warnings:
        yield from _wrapped(f"Mind: {warning}", "    ")


def _wrapped(sentence: str, indent: str = "  ") -> Iterable[str]:
    """Break a sentence into lines; ids and addresses stay whole."""
    text = printable(sentence)
    return wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _folded(command: str) -> Iterator[str]:
    """Break a command before its options, as a shell reads it: a backslash ends each line but the last."""
    line = "    "
    parts = re.split(r" (?=--)", printable(command))
    for part in parts:
        if line.strip() and len(line) + len(part) + 3 > WIDTH:
            yield f"{line.rstrip()} \\"
            line = "      "
        line += f"{part} "
    yield line.rstrip()
