"""`flowaudit coverage`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowaudit.cli.options import SinceOption, UntilOption, app_of, lake_of, span
from flowaudit.cli.output import Column, Format, FormatOption, count, printable, say, show, write, write_one

if TYPE_CHECKING:
    from flowaudit.app import App
    from flowaudit.coverage import Coverage

WIDTH = 80
"""Characters of a line of prose."""
MOST_GAPS = 20
"""How many gaps a page lists; the longest."""


class By(StrEnum):
    """What coverage is told of."""

    WORKLOAD = "workload"
    INTERFACE = "interface"
    VPC = "vpc"


NAMES = {By.WORKLOAD: ("workload_kind", "workload"), By.INTERFACE: ("interface_id",), By.VPC: ("vpc_id",)}
"""The columns that name each of them."""


def coverage(
    ctx: typer.Context,
    since: SinceOption = None,
    until: UntilOption = None,
    by: Annotated[By, typer.Option(help="What the figures are of.")] = By.WORKLOAD,
    format: FormatOption = Format.TABLE,
) -> None:
    """Tell which minutes of SageMaker's interfaces flow logs tell of.

    What is missing, skipped or not monitored, and which workloads send by ways that no flow log sees. Without --since
    the last 24 hours of records.
    """
    from flowaudit.coverage import coverage as look

    app, now = app_of(ctx), datetime.now(UTC)
    found = look(lake_of(app), app.catalogue.views, span(since, until, now), now)
    rows = _by(found, by)
    if format is Format.TABLE:
        _page(found, rows, by)
    elif format in (Format.JSON, Format.NDJSON):
        write_one(_plain(found, rows), format)
    else:
        import pyarrow as pa

        write(pa.Table.from_pylist(rows, _schema(by)), format)


def line(app: App) -> str:
    """Return in one line how much of the last 24 hours of records is covered."""
    from flowaudit.coverage import line as told

    return told(app.lake, app.catalogue.views)


def conclude(told: str) -> None:
    """Print that line behind a verb's result, folded on a terminal."""
    say(fill(told, get_terminal_size().columns - 1) if sys.stderr.isatty() else told)


def _schema(by: By) -> Any:  # noqa: ANN401  pyarrow is imported only where it is needed
    import pyarrow as pa

    from flowaudit.coverage import State

    numbers = [(name, pa.int64()) for name in ("interfaces", "minutes", *map(str, State))]
    return pa.schema([*((name, pa.string()) for name in NAMES[by]), *numbers, ("covered_share", pa.float64())])


def _by(found: Coverage, by: By) -> list[dict[str, Any]]:
    """Return interface-minutes by state for each workload, interface or VPC; the least covered first."""
    from flowaudit.coverage import State, share

    states = list(map(str, State))
    sums = [(name, "sum") for name in ("minutes", *states)]
    grouped = found.interfaces.group_by(list(NAMES[by])).aggregate([("interface_id", "count"), *sums])
    rows = []
    for row in grouped.to_pylist():
        minutes = {state: row[f"{state}_sum"] for state in states}
        named = {name: row[name] for name in NAMES[by]}
        total = {"interfaces": row["interface_id_count"], "minutes": row["minutes_sum"]}
        rows.append(named | total | minutes | {"covered_share": share(minutes)})
    return sorted(rows, key=lambda row: (row["covered_share"] is None, row["covered_share"], str(list(row.values()))))


def _plain(found: Coverage, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from flowaudit.coverage import share, statement

    return {
        "since": found.window.since,
        "until": found.window.until,
        "statement": statement(found),
        "inventoried": found.inventoried,
        "minutes": {str(state): number for state, number in found.minutes.items()},
        "covered_share": share(found.minutes),
        "by": list(rows),
        "gaps": found.gaps.to_pylist(),
        "blind": found.blind.to_pylist(),
    }


def _page(found: Coverage, rows: Sequence[Mapping[str, Any]], by: By) -> None:
    from flowaudit.coverage import statement

    print(fill(printable(statement(found)), WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    if rows:
        print()
        show([_named(rows, by), *_figures(rows)])
    _list_gaps(found)
    if found.blind.num_rows:
        print("\nsend by ways no flow log sees")
        for row in found.blind.to_pylist():
            print(f"  {printable(row['workload_kind'])} {printable(row['workload'])}\n    {printable(row['why'])}")
    sys.stdout.flush()


def _named(rows: Sequence[Mapping[str, Any]], by: By) -> Column:
    """Return what the rows are of; an interface of no known workload, or VPC, is told of as such."""
    names = [" ".join(filter(None, (row[name] for name in NAMES[by]))) or f"no known {by}" for row in rows]
    return Column(str(by), list(map(printable, names)))


def _figures(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    from flowaudit.coverage import State, percent

    shares = ["" if row["covered_share"] is None else percent(row["covered_share"]) for row in rows]
    words = {
        State.MISSING: "missing",
        State.SKIPPED: "skipped",
        State.NOT_MONITORED: "unwatched",
        State.PENDING: "pending",
    }
    there = {name: word for name, word in words.items() if any(row[name] for row in rows)}
    numbers = {"minutes": "minutes"} | there
    figures = [Column(word, [f"{row[name]:,}" for row in rows], right=True) for name, word in numbers.items()]
    return [figures[0], Column("covered", shares, right=True), *figures[1:]]


def _list_gaps(found: Coverage) -> None:
    gaps = found.gaps.sort_by([("minutes", "descending"), ("interface_id", "ascending"), ("since", "ascending")])
    if not gaps.num_rows:
        return
    print("\ngaps")
    for gap in gaps.slice(0, MOST_GAPS).to_pylist():
        times = f"{gap['since']:%Y-%m-%dT%H:%MZ} to {gap['until']:%Y-%m-%dT%H:%MZ}"
        print(f"  {printable(gap['interface_id'])}  {times}, {count(gap['minutes'], 'minute')}")
        print(f"    {gap['state'].replace('_', ' ')}: {printable(gap['why'])}")
    if gaps.num_rows > MOST_GAPS:
        print(f"  and {gaps.num_rows - MOST_GAPS:,} shorter ones: --format json has them all")
