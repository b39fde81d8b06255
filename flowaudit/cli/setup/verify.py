"""`flowaudit setup verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.output import Format, FormatOption, say, write
from flowaudit.cli.setup.wanted import Wanted, wanted

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.posture import Result

FAILED, UNKNOWN = 1, 3
"""Exit codes: something is not as expected; nothing is that, but something could not be read."""
SHOWN = ("status", "check", "subject", "property", "expected", "found")


def verify(
    ctx: typer.Context,
    format: FormatOption = Format.TABLE,
    all: Annotated[bool, typer.Option("--all", help="Also what is as expected, or does not apply.")] = False,  # noqa: A002
) -> None:
    """Compare the live VPC with [setup], property by property.

    Reads the VPC itself: a complete stack is no proof. Exit code 1: a property is not as expected; 3: none is that,
    but some could not be read.
    """
    from flowaudit.posture import audit, read
    from flowaudit.setup.expecting import expected

    want = wanted(ctx)
    expectation = expected(want.setup, _outputs(want))
    live = read(want.account, want.setup.region, want.client, expectation)
    results = list(audit(expectation, live))
    shown = results if all else [each for each in results if each.status in ("fail", "unknown")]
    if shown or format is not Format.TABLE:
        write(_table(shown, format), format)
    say(summary(results))
    _exit(results)


def _outputs(want: Wanted) -> Mapping[str, str]:
    """Return the outputs of the stack, none of an existing VPC without one; raises SetupError."""
    if want.setup.existing_vpc.id and not want.stack.find():
        return {}
    return want.found().outputs


def _table(results: Sequence[Result], format: Format) -> pa.Table:
    """Return the results as a table; on a terminal what is unknown stands as found."""
    import pyarrow as pa

    from flowaudit.posture import Result

    names = [*Result.__dataclass_fields__]
    rows = [asdict(each) for each in results]
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))
    if format is not Format.TABLE:
        return table
    found = [" ".join(filter(None, (each.found, each.why and f"({each.why})"))) for each in results]
    return table.set_column(names.index("found"), "found", pa.array(found, pa.string())).select(SHOWN)


def summary(results: Sequence[Result]) -> str:
    """Return how many properties are as expected, how many are not, and what hides the others."""
    from flowaudit.posture import Status

    numbers = {status: sum(each.status is status for each in results) for status in Status}
    properties = len(results) - numbers[Status.NOT_APPLICABLE]
    line = f"{properties:,} {'property' if properties == 1 else 'properties'}: {numbers[Status.PASS]} as expected"
    if numbers[Status.FAIL]:
        line += f", {numbers[Status.FAIL]} not"
    if numbers[Status.UNKNOWN]:
        reasons = dict.fromkeys(each.why for each in results if each.status is Status.UNKNOWN)
        line += f", {numbers[Status.UNKNOWN]} unknown ({'; '.join(reasons)})"
    return line


def _exit(results: Sequence[Result]) -> None:
    statuses = {each.status.value for each in results}
    if "fail" in statuses:
        raise typer.Exit(FAILED)
    if "unknown" in statuses:
        raise typer.Exit(UNKNOWN)
