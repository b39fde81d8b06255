"""`flowaudit discover`, `flowaudit interfaces` and `flowaudit workloads`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowaudit.cli.options import app_of, lake_of
from flowaudit.cli.output import Column, Format, FormatOption, facts, printable, say, show, write, write_one
from flowaudit.errors import ConfigError

if TYPE_CHECKING:
    from flowaudit.model import DiscoverReport

INTERFACES = """
SELECT
  i.interface_id, i.owner, w.workload_kind, w.workload, w.attribution, w.confidence, i.subnet_id, i.vpc_id,
  array_to_string(i.private_addresses, ' ') AS addresses, i.status,
  coalesce(w.evidence, i.evidence) AS evidence, len(w.candidates) AS candidates
FROM interface_history AS i
LEFT JOIN interface_workloads AS w
  ON w.interface_id = i.interface_id AND w.valid_from <= $at AND (w.valid_to IS NULL OR w.valid_to > $at)
WHERE i.valid_from <= $at AND (i.valid_to IS NULL OR i.valid_to > $at)
  AND ($all OR i.owner IN ('sagemaker', 'unknown'))
ORDER BY i.owner = 'sagemaker' DESC, w.workload_kind, w.workload, i.interface_id
"""
WORKLOADS = """
SELECT
  w.workload_kind, w.workload, w.status, w.running, w.internet, w.network_isolation,
  list_sort(list_distinct(flatten(list_transform(w.vpc_configs, lambda c: c.subnets)))) AS subnets,
  (SELECT count(DISTINCT i.interface_id) FROM interface_workloads AS i WHERE i.workload_arn = w.arn
    AND i.valid_from <= $at AND (i.valid_to IS NULL OR i.valid_to > $at)) AS interfaces,
  w.created_at, w.ended_at, w.arn
FROM (SELECT *, kind AS workload_kind, name AS workload FROM workload_history) AS w
WHERE w.valid_from <= $at AND (w.valid_to IS NULL OR w.valid_to > $at)
  AND ($all OR w.running)
ORDER BY w.workload_kind, w.workload, w.arn
"""
NARROW = {
    "interfaces": ("interface_id", "owner", "workload_kind", "workload", "attribution", "confidence", "evidence"),
    "workloads": ("workload_kind", "workload", "status", "interfaces", "internet", "subnets"),
}
"""What a table shows; the other formats have every column."""

PAIRED = {
    "interfaces": (("interface_id", "subnet_id"), ("workload", "workload_kind"), ("attribution", "owner")),
    "workloads": (("workload", "workload_kind"), ("status", "internet"), ("subnets", "interfaces")),
}
"""What a terminal shows of each, one above the other."""

AtOption = Annotated[str | None, typer.Option("--at", metavar="TIME", help="As of then: -24h, -7d or RFC 3339.")]


def discover(ctx: typer.Context, format: FormatOption = Format.TABLE) -> None:
    """Ask AWS what exists: interfaces, workloads, routes.

    Keeps what has changed since the last look, in every account and region of the configuration.
    """
    from flowaudit.discover import discover as look
    from flowaudit.errors import FlowauditError

    app = app_of(ctx)
    places, failures = app.regions()
    for failure in failures:
        say(f"failed {failure}")
    report = look(app.lake, places, app.rules)
    for gap in report.gaps:
        say(f"no answer: {gap}")
    (facts if format is Format.TABLE else lambda summary: write_one(summary, format))(_summary(report))
    if not places or failures:
        raise typer.Exit(FlowauditError.exit_code)


def _summary(report: DiscoverReport) -> dict[str, Any]:
    return {
        "regions": [f"{account} {region}" for account, region in report.regions],
        "interfaces": dict(report.interfaces),
        "workloads": dict(report.workloads),
        "networks": report.networks,
        "only_in_logs": report.unlisted,
        "changes": dict(report.changes),
        "calls": sum(report.calls.values()),
        "gaps": len(report.gaps),
        "seconds": report.seconds,
    }


def interfaces(
    ctx: typer.Context,
    at: AtOption = None,
    all: Annotated[bool, typer.Option("--all", help="Also what is positively something else.")] = False,  # noqa: A002  the option's name
    format: FormatOption = Format.TABLE,
) -> None:
    """List network interfaces, and whose each was.

    As discovered; without --all those of SageMaker and those that may be its.
    """
    _list(ctx, INTERFACES, "interfaces", at, format, all=all)


def workloads(
    ctx: typer.Context,
    at: AtOption = None,
    all: Annotated[bool, typer.Option("--all", help="Also those that have no interfaces now.")] = False,  # noqa: A002  the option's name
    format: FormatOption = Format.TABLE,
) -> None:
    """List SageMaker workloads.

    As discovered: endpoints, jobs, notebooks, domains; without --all those that were running.
    """
    _list(ctx, WORKLOADS, "workloads", at, format, all=all)


def _list(ctx: typer.Context, query: str, what: str, at: str | None, format: Format, *, all: bool) -> None:  # noqa: A002
    from flowaudit import sql
    from flowaudit.config import parse_time

    now = datetime.now(UTC)
    moment = now if at is None else parse_time(at, now)
    if moment > now:
        raise ConfigError(f"--at {at} lies in the future: name a time that is past, as in -24h")
    app = app_of(ctx)
    with sql.connect(lake_of(app), views=app.catalogue.views) as lake:
        found = lake.query(query, {"at": moment, "all": all})
    if not found.num_rows:
        say(
            f"no {what} are known of that time; `flowaudit discover` asks AWS" + ("" if all else ", --all lists others")
        )
    if format is Format.TABLE and sys.stdout.isatty():
        show(_paired(found.to_pylist(), PAIRED[what]))
    else:
        write(found.select(list(NARROW[what])) if format in (Format.TABLE, Format.MARKDOWN) else found, format)


def _paired(rows: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]) -> list[Column]:
    """Return two lines a row: what 80 columns have room for."""
    return [
        Column(f"{above}\n{below}".replace("_", " "), [f"{_cell(row[above])}\n{_cell(row[below])}" for row in rows])
        for above, below in pairs
    ]


def _cell(value: Any) -> str:  # noqa: ANN401  as many kinds as SQL has
    words = " ".join(map(str, value)) if isinstance(value, list) else value
    return "" if words is None else printable(str(words))
