"""`flowaudit findings`, and what can be done with one: show, mute, unmute."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowaudit.cli.coverage import conclude, line
from flowaudit.cli.detect import DetectorOption
from flowaudit.cli.options import app_of, finding_ids, known, lake_of
from flowaudit.cli.output import (
    Column,
    Format,
    ago,
    count,
    facts,
    fits,
    plain,
    printable,
    say,
    show,
    show_markdown,
    tell,
    volume,
    write,
    write_objects,
    write_one,
)
from flowaudit.cli.records import write_records
from flowaudit.errors import ConfigError
from flowaudit.model import Severity

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.app import App
    from flowaudit.findings import Finding

FOUND = 1
"""The exit code of `--fail-on`."""

LISTED = """
SELECT {columns} FROM findings_current
WHERE ($state IS NULL OR state = $state) AND list_contains($severities, severity)
  AND ($detectors IS NULL OR list_contains($detectors, detector)) AND starts_with(id, $id)
ORDER BY list_position(['open', 'muted', 'resolved'], state), list_position($severities, severity), last_seen DESC, id
"""

HISTORY = {
    "opened_at": '(SELECT min("at") FROM findings WHERE findings.id = findings_current.id)',
    "updated_at": "updated_at",
}
"""When a finding was first and last written down: what other products ask for beside it."""

group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


class State(StrEnum):
    """Whether a finding still stands."""

    OPEN = "open"
    MUTED = "muted"
    RESOLVED = "resolved"


class FindingFormat(StrEnum):
    """What findings are printed as: each `Format`, and those that other products read."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    OCSF = "ocsf"
    ASFF = "asff"
    SARIF = "sarif"


EXCHANGED = (FindingFormat.OCSF, FindingFormat.ASFF, FindingFormat.SARIF)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", autocompletion=finding_ids, help="A finding's id, or how it begins.")
]
SeverityOption = Annotated[Severity | None, typer.Option("--severity", help="At least this bad.")]
FailOnOption = Annotated[
    Severity | None, typer.Option("--fail-on", help="Exit 1 if an open one among those listed is at least this bad.")
]
FindingFormatOption = Annotated[
    FindingFormat, typer.Option("--format", callback=fits, help="How the result is printed.")
]


@group.callback()
def findings(
    ctx: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    severity: SeverityOption = None,
    detector: DetectorOption = None,
    fail_on: FailOnOption = None,
    format: FindingFormatOption = FindingFormat.TABLE,
) -> None:
    """List findings, the open and worst first.

    `findings show ID` tells all about one, `findings mute ID` silences it for a time.
    """
    if ctx.invoked_subcommand:
        return
    app = app_of(ctx)
    ids = list(known(detector, app.catalogue.detectors)) if detector else None
    listed = format in (FindingFormat.TABLE, FindingFormat.MARKDOWN)
    table = _read(app, state=state, least=severity or Severity.LOW, detectors=ids, evidence=not listed)
    if format in EXCHANGED:
        _exchange(app, table, format)
    elif listed:
        _list(_findings(table), Format(format))
    else:
        write(table.drop_columns(list(HISTORY)), Format(format), documents=("key", "evidence"))
    conclude(line(app))
    if fail_on and _worst(table) >= fail_on.rank:
        raise typer.Exit(FOUND)


@group.command("show")
def show_one(
    ctx: typer.Context,
    id: IdArgument,
    records: Annotated[bool, typer.Option("--records", help="The flow log records behind it instead.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many records.")] = None,
    format: FindingFormatOption = FindingFormat.TABLE,
) -> None:
    """Tell all about one finding.

    What was seen, what it means and what to do.
    """
    app = app_of(ctx)
    table, found = the_one(app, id)
    if limit and not records:
        raise ConfigError("--limit is for the records: add --records")
    if records:
        if format in EXCHANGED:
            raise ConfigError(f"--format {format} is for findings: their records have the other formats")
        write_records(app, found, limit, Format(format))
    elif format in EXCHANGED:
        _exchange(app, table, format)
    elif format is FindingFormat.TABLE:
        detector = app.catalogue.detectors.get(found.detector)
        _page(found, detector.prose if detector else "")
    elif format in (FindingFormat.JSON, FindingFormat.NDJSON):
        write_one(asdict(found), Format(format))
    else:
        write(table.drop_columns(list(HISTORY)), Format(format))


def the_one(app: App, id: str) -> tuple[pa.Table, Finding]:
    """Return the one finding whose id begins like this, as a row too; raises ConfigError where none or several do."""
    table = _read(app, id=id)
    found = _findings(table)
    if len(found) != 1:
        which = f"{len(found)} begin with it: {', '.join(one.id for one in found[:10])}" if found else "there is none"
        raise ConfigError(f"{id!r} names no one finding, {which}; `flowaudit findings` lists them")
    return table, found[0]


@group.command("mute")
def mute_one(
    ctx: typer.Context,
    id: IdArgument,
    until: Annotated[str, typer.Option(metavar="TIME", help="How long or until when: 30d, 2027-01-01 or RFC 3339.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="Who answers for it, else you.")] = None,
) -> None:
    """Silence one finding for a time.

    It is still kept up, but does not count as open.
    """
    from flowaudit.findings import mute

    app, now = app_of(ctx), datetime.now(UTC)
    (_, finding), end, who = the_one(app, id), _end(until, now), _you() if owner is None else owner
    mute(app.lake, finding.id, end, who, reason, now)
    say(f"{finding.id} is muted until {plain(end)}")


@group.command("unmute")
def unmute_one(ctx: typer.Context, id: IdArgument) -> None:
    """End the mute of one finding."""
    from flowaudit.findings import unmute

    app = app_of(ctx)
    _, finding = the_one(app, id)
    unmute(app.lake, finding.id, datetime.now(UTC))
    say(f"{finding.id} is muted no longer")


def _end(text: str, now: datetime) -> datetime:
    """Return the moment that is so far from now, or that is named; raises ConfigError."""
    from flowaudit.config import parse_duration, parse_time

    return now + parse_duration(text) if text[-1:] in "smhd" and text[:1].isdigit() else parse_time(text, now)


def _you() -> str:
    """Return the name of who is logged in; raises ConfigError where nobody is."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (KeyError, OSError):
        raise ConfigError("nobody is logged in here by name: say with --owner who answers for the mute") from None


def _read(
    app: App,
    *,
    state: State | None = None,
    least: Severity = Severity.LOW,
    detectors: Sequence[str] | None = None,
    id: str = "",
    evidence: bool = True,
) -> pa.Table:
    """Return findings as they stand, with the columns of `Finding` and of `HISTORY`; `evidence` is what takes long."""
    from flowaudit import sql
    from flowaudit.findings import Finding

    severities = [str(severity) for severity in reversed(Severity) if severity.rank >= least.rank]
    params = {"state": state and str(state), "severities": severities, "detectors": detectors, "id": id}
    views = {"findings_current": app.catalogue.views["findings_current"]}
    with sql.connect(lake_of(app), tables=("findings",), views=views) as lake:
        columns = [name if evidence or name != "evidence" else f"'{{}}' AS {name}" for name in Finding.__slots__]
        columns += [f"{value} AS {name}" for name, value in HISTORY.items()]
        return lake.query(LISTED.format(columns=", ".join(columns)), params)


def _findings(table: pa.Table) -> list[Finding]:
    from flowaudit.findings import Finding

    return [Finding.of(row) for row in table.to_pylist()]


def _exchange(app: App, table: pa.Table, format: FindingFormat) -> None:
    """Print findings as other products read them: OCSF's events one a line, the others as one document."""
    from flowaudit import exchange
    from flowaudit.app import home_region
    from flowaudit.findings import Finding

    detectors, region = app.catalogue.detectors, home_region()
    cases = [
        exchange.Case(Finding.of(row), row["opened_at"], row["updated_at"], detectors.get(row["detector"]), region)
        for row in table.to_pylist()
    ]
    if format is FindingFormat.OCSF:
        write_objects(map(plain, map(exchange.ocsf.event, cases)), Format.NDJSON)
    elif format is FindingFormat.ASFF:
        write_objects(map(plain, map(exchange.asff.finding, cases)), Format.JSON)
    else:
        write_one(exchange.sarif.log(cases, detectors.values()), Format.JSON)


def _worst(table: pa.Table) -> int:
    """Return the rank of the worst open finding, -1 where there is none."""
    pairs = zip(table.column("state").to_pylist(), table.column("severity").to_pylist(), strict=True)
    return max((Severity(severity).rank for state, severity in pairs if state == State.OPEN), default=-1)


def _list(findings: Sequence[Finding], format: Format) -> None:
    if not findings:
        say("no findings")
    elif format is Format.MARKDOWN:
        show_markdown(_flat(findings))
    elif sys.stdout.isatty():
        show(_paired(findings))
    else:
        show(_flat(findings))


def _paired(findings: Sequence[Finding]) -> list[Column]:
    """Return two lines a finding: what 80 columns have room for."""
    now = datetime.now(UTC)
    return [
        Column("severity", [f"{one.severity}\n{one.id}" for one in findings]),
        Column("finding", [f"{one.detector}\n{printable(one.sentence)}" for one in findings]),
        Column("volume", [f"{volume(one.bytes)}\n{count(one.flows, 'flow')}" for one in findings], right=True),
        Column("last seen", [f"{ago(one.last_seen, now)}\n{one.state}" for one in findings], right=True),
    ]


def _flat(findings: Sequence[Finding]) -> list[Column]:
    """Return one line a finding: what other programs can cut up."""
    return [
        Column("severity", [one.severity for one in findings]),
        Column("id", [one.id for one in findings]),
        Column("state", [one.state for one in findings]),
        Column("detector", [one.detector for one in findings]),
        Column("key", [printable(_words(one.key)) for one in findings]),
        Column("last_seen", [plain(one.last_seen) for one in findings]),
        Column("flows", [str(one.flows) for one in findings], right=True),
        Column("bytes", [volume(one.bytes) for one in findings], right=True),
        Column("sentence", [printable(one.sentence) for one in findings]),
    ]


def _words(key: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in key.values())


def _page(finding: Finding, prose: str) -> None:
    """Print all about one finding."""
    lists = {name: value for name, value in finding.evidence.items() if isinstance(value, list) and value}
    tables = {name: rows for name, rows in lists.items() if all(isinstance(row, dict) for row in rows)}
    print(f"{finding.severity.upper()}: {printable(finding.title)}")
    tell(finding.sentence)
    print()
    workload = {name: value for name, value in finding.evidence.items() if name.startswith("workload")}
    mute = {"muted until": finding.until, "owner": finding.owner, "reason": finding.reason}
    facts(
        {"id": finding.id, "state": finding.state, "detector": finding.detector}
        | (mute if finding.until else {})
        | {name: value for name, value in workload.items() if name not in tables and value not in (None, [])}
        | finding.key
        | {"first seen": finding.first_seen, "last seen": finding.last_seen}
        | {"volume": f"{volume(finding.bytes)} in {count(finding.flows, 'flow')}"}
        | {name: value for name, value in finding.evidence.items() if name not in tables and value not in (None, [])}
    )
    for name, rows in tables.items():
        print(f"\n{name}")
        show(_table(rows))
    tell(prose)
    if "interface_id" in finding.key and "top_remotes" in finding.evidence:
        print(f"\nWhy it says so: flowaudit explain {finding.id}")


def _cell(name: str, value: Any) -> str:  # noqa: ANN401  JSON
    if value is None:
        return ""
    return volume(value) if name == "bytes" and isinstance(value, int) else printable(str(value))


def _table(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return a list of JSON objects as columns."""
    return [
        Column(
            name,
            [_cell(name, row.get(name)) for row in rows],
            all(isinstance(row.get(name), int) for row in rows),
        )
        for name in dict.fromkeys(name for row in rows for name in row)
    ]
