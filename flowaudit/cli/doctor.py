"""`flowaudit doctor`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from shutil import get_terminal_size
from textwrap import fill, shorten
from typing import TYPE_CHECKING, Any

import typer

from flowaudit.cli.options import app_of, lake_of
from flowaudit.cli.output import Column, Format, FormatOption, ago, count, printable, say, show, write_one
from flowaudit.errors import ConfigError

if TYPE_CHECKING:
    from flowaudit.doctor import Diagnosis


def doctor(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """Tell what flowaudit can see, and what it cannot.

    Detectors full, degraded or blind by what the newest records hold; APIs that do not answer; interfaces of nobody.
    """
    from flowaudit.doctor import examine

    app = app_of(ctx)
    found = examine(lake_of(app), app.catalogue)
    if format is Format.TABLE:
        _page(found, datetime.now(UTC))
    elif format in (Format.JSON, Format.NDJSON):
        write_one(_plain(found), format)
    else:
        raise ConfigError(f"--format {format}: a diagnosis is no table: choose table, json or ndjson")


def _plain(found: Diagnosis) -> dict[str, Any]:
    looked = [{"account_id": a, "region": r, "looked_at": at} for (a, r), at in found.looked_at.items()]
    return asdict(found) | {"looked_at": looked}


def _page(found: Diagnosis, now: datetime) -> None:
    newest = f"{ago(found.newest_record, now)}" if found.newest_record else "none: run `flowaudit collect`"
    print(f"newest record: {newest}\n")
    detectors = [f"{each.detector}" for each in found.capabilities]
    show([Column("detector", detectors), Column("visibility", [str(each.visibility) for each in found.capabilities])])
    for reason in dict.fromkeys(reason for each in found.capabilities for reason in each.reasons):
        print(f"  {printable(reason)}")
    _inventory(found, now)
    if found.twice.get("records"):
        records, interfaces = (count(found.twice[n], n.removesuffix("s")) for n in ("records", "interfaces"))
        print(f"\n{records} of {interfaces} are in more than one flow log, and counted once")
    sys.stdout.flush()


def _inventory(found: Diagnosis, now: datetime) -> None:
    print()
    if not found.looked_at:
        say("AWS was never asked what exists: `flowaudit discover`; without it routes and owners are unknown")
    for (account, region), at in found.looked_at.items():
        print(f"discovered {account} {region}: {ago(at, now)}")
    if found.owners:
        names = ("owner", "interfaces", "attributed", "ambiguous", "only_in_logs")
        show([Column(n.replace("_", " "), [str(row[n]) for row in found.owners], n != "owner") for n in names])
    _gaps(found)


def _gaps(found: Diagnosis) -> None:
    """Print what does not answer, one block for each account, region, service and reason."""
    blocks: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for gap in found.gaps:
        place = tuple(gap[name] for name in ("account_id", "region", "service", "reason"))
        blocks.setdefault(place, []).append(gap)
    width = min(get_terminal_size().columns, 100)
    for (account, region, service, reason), gaps in blocks.items():
        print(f"\nno answer from {service} in {account} {region}: {reason}")
        operations = ", ".join(gap["operation"] for gap in gaps)
        for text in (operations, printable(shorten(gaps[0]["message"], 2 * width))):
            print(fill(text, width, initial_indent="  ", subsequent_indent="  "))
