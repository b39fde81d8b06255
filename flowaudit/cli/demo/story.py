"""Output of the demo."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from flowaudit.app import App
    from flowaudit.cli.demo.places import Figures, Place
    from flowaudit.daemon import Cycle
    from flowaudit.findings import Finding
    from flowaudit.simulate.cloud import Cloud

PORT = 9184
EVENTS = "findings.ndjson"
"""The file that the demo's sink writes."""
PATHS = (
    "SELECT path, path_evidence, count(*) AS flows, sum(bytes) AS bytes FROM flows WHERE direction = 'egress' "
    "GROUP BY ALL ORDER BY bytes DESC"
)


def praise(records: int, planted: dict[Place, Figures]) -> str:
    """Return the sentence of a run in which all is as it should be."""
    fine = records - sum(flows for flows, _ in planted.values())
    return f"Both leaks were found, to the byte. Of the other {fine:,} records none was flagged."


def table(console: Console, cloud: Cloud, planted: dict[Place, Figures], found: dict[Place, Figures]) -> Table:
    """Return what was planted beside what was found."""
    names = {each.id: each.workload or str(each.kind) for each in cloud.network.interfaces}
    table = Table(box=box.HORIZONTALS, padding=0, show_edge=False, show_lines=True)
    for heading in ("workload\ninterface", "path\ndetector"):
        table.add_column(heading, overflow="fold")
    for heading in ("planted\nflows, bytes", "found\nflows, bytes", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for place in dict.fromkeys([*planted, *found]):
        who = f"{escape(names.get(place.interface, 'somebody'))}\n[dim]{escape(place.interface)}[/]"
        path = f"{escape(place.path)}\n[dim]{escape(place.detector)}[/]"
        was, now = planted.get(place), found.get(place)
        table.add_row(who, path, _told(was), _told(now), _mark(console, right=was == now))
    return table


def _told(figures: Figures | None) -> str:
    return "nothing" if figures is None else f"{figures[0]:,}\n{figures[1]:,}"


def _mark(console: Console, *, right: bool) -> str:
    good, bad = ("✔", "✘") if console.encoding.lower().startswith("utf") else ("ok", "NO")
    return f"[green]{good}[/]" if right else f"[red]{bad}[/]"


def provisioned(console: Console, lines: Iterable[str], verified: str) -> None:
    """Print what `setup apply` said of the stack, and `setup verify` of the VPC."""
    for line in lines:
        console.print(f"  {escape(line)}")
    console.print(f"  [bold]flowaudit setup verify[/]: {escape(verified)}")


def mistakes(console: Console, cloud: Cloud, drift: Iterable[str]) -> None:
    """Print who moves in, the two mistakes, and what `setup drift` says of the one that it can see."""
    network = cloud.network
    console.print(
        f"[bold]2[/] {len(network.workloads)} SageMaker workloads move into {network.vpc.id}, with two mistakes:"
    )
    console.print("  a notebook in the public subnet, and the S3 endpoint taken off a route table by hand, as")
    console.print("  [bold]flowaudit setup drift[/] says:")
    for line in drift:
        console.print(f"  [dim]{escape(line)}[/]")


def flow_logs(console: Console, records: int, keys: Sequence[str]) -> None:
    """Print how many records and objects the flow log has written."""
    console.print("[bold]3[/] ten minutes of its flow logs: version 11, all 54 fields, in S3 as AWS puts them there")
    console.print(f"  {records:,} records in {len(keys)} objects of Parquet, such as")
    console.print(f"  [dim]{escape(keys[0])}[/]")


def destroyed(console: Console, lines: Iterable[str]) -> None:
    """Print what `setup destroy` said."""
    console.print("[bold]flowaudit setup destroy[/], once the workloads are gone")
    for line in lines:
        console.print(f"  {escape(line)}")


def report(console: Console, cycle: Cycle) -> None:
    """Print what one cycle of the daemon did."""
    discover, collect, detect = (cycle.reports[stage] for stage in ("discover", "collect", "detect"))
    console.print("[bold]4[/] one cycle of the daemon")
    interfaces, resources = sum(discover.interfaces.values()), sum(discover.workloads.values())
    console.print(
        f"  {interfaces} interfaces and {resources} SageMaker resources discovered in {discover.seconds:.1f} s;"
    )
    console.print(f"  {collect.objects} objects, {collect.kept:,} records collected in {collect.seconds:.1f} s,")
    console.print(f"  {collect.out_of_scope:,} of interfaces out of scope left out;")
    console.print(f"  {sum(detect.runs.values())} queries by {len(detect.runs)} detectors in {detect.seconds:.1f} s\n")


def what_next(console: Console, app: App, folder: Path, findings: list[Finding]) -> None:
    """Print what can be tried with the lake."""
    flowaudit = f"{_program()} --lake {shlex.quote(app.lake.uri)}"
    shown = [f"{flowaudit} findings show {each.id}" for each in findings[:1]]
    console.print("\nThe lake stays, to look around in:")
    for command in (f"{flowaudit} findings", *shown, f'{flowaudit} sql "{PATHS}"'):
        console.print(f"  [bold]{escape(command)}[/]")
    console.print(
        f"The daemon serves metrics, by default on http://127.0.0.1:{PORT}/metrics; those of this cycle are in"
    )
    console.print(f"  {escape(str(folder / 'metrics.prom'))}")
    console.print("Findings are delivered as OCSF events to")
    console.print(f"  {escape(str(folder / EVENTS))}")


def _program() -> str:
    """Return how to call this program from the shell that it was started in."""
    activated = sys.prefix == sys.base_prefix or os.environ.get("VIRTUAL_ENV") == sys.prefix
    return "flowaudit" if activated else shlex.quote(str(Path(sys.prefix, "bin", "flowaudit")))
