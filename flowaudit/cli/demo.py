"""What `flowaudit demo` does: the main job, on an emulated cloud with two planted leaks, checked against the truth."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flowaudit import sql
from flowaudit.app import App, client
from flowaudit.config import Config, Http
from flowaudit.daemon import Cycle, Daemon, configure
from flowaudit.errors import ConfigError, FlowauditError
from flowaudit.findings import Finding
from flowaudit.model import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.simulate.cloud import Cloud

PAST = timedelta(minutes=10)
FRESH = timedelta(seconds=30)
"""Default interval at which fresh flow logs are written."""
PORT = 9184
EVENTS = "findings.ndjson"
"""The file that the demo's sink writes."""
EXPECTED = {"leak:internet_gateway": "internet-egress-bypasses-nat", "leak:s3_via_nat": "s3-bypasses-endpoint"}
"""The detector that is to find each kind of leak."""
PATHS = (
    "SELECT path, path_evidence, count(*) AS flows, sum(bytes) AS bytes FROM flows WHERE direction = 'egress' "
    "GROUP BY ALL ORDER BY bytes DESC"
)


@dataclass(frozen=True, slots=True)
class Place:
    """What makes a leak and a finding the same."""

    detector: str
    interface: str
    path: str


Figures = tuple[int, int]
"""Flows and bytes."""


def demo(*, once: bool, listen: str | None = None, fresh: timedelta = FRESH) -> int:
    """Show the main job and return an exit code: 3 if what was found is not what was planted.

    `listen` is the address of metrics and health; without it a free port of the loopback. `fresh` is the interval at
    which flow logs with fresh traffic are written, and searched for leaks. Raises ConfigError where `listen` is no
    address, or the emulated cloud is not installed.
    """
    http = _http(listen)
    console = Console(highlight=False, soft_wrap=True)
    configure(logging.ERROR)  # what the mock lacks is no news
    with _emulated_cloud():
        folder = Path(mkdtemp(prefix="flowaudit-demo-"))
        console.print("[bold]1[/] a VPC, built in AWS's mock inside this process")
        cloud, app = _cloud(), App(_config(folder, http, fresh))
        until = datetime.now(UTC).replace(second=0, microsecond=0)
        records = cloud.traffic(Window(until - PAST, until))
        _describe(console, cloud, records, _write(cloud, records))
        daemon = Daemon(app)
        cycle = daemon.once()
        (folder / "metrics.prom").write_bytes(daemon.metrics.exposition()[1])
        planted, findings = _planted(records), _findings(app)
        found = {_place(each): (each.flows, each.bytes) for each in findings}
        _report(console, cycle)
        console.print(_table(console, cloud, planted, found), "")
        troubles = _troubles(cycle, records.num_rows, planted, found)
        for line in troubles or [_praise(records.num_rows, planted)]:
            console.print(escape(line), style="red" if troubles else "green")
        _what_next(console, app, folder, findings)
        if not once and not daemon.stop.is_set():
            _go_on(console, cloud, daemon, until, fresh)
        console.print(f"Remove it all with: [bold]rm -r {escape(str(folder))}[/]")
    return FlowauditError.exit_code if troubles else 0


# --- the cloud --------------------------------------------------------------------------------------------------------


@contextmanager
def _emulated_cloud() -> Iterator[None]:
    """Serve AWS's API on the loopback, and let this process, whatever its environment, talk to that only."""
    try:
        import numpy as np  # noqa: F401, the simulator's
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        message = (
            f"the demo needs AWS's mock, and {error.name} is not installed: install flowaudit with the extra demo, "
            "in a checkout: pip install '.[demo]'"
        )
        raise ConfigError(message) from error
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # what the mock lacks, it says in tracebacks
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": host,
        "no_proxy": host,
    }
    try:
        yield
    finally:
        server.stop()


def _cloud() -> Cloud:
    from flowaudit.simulate.cloud import build

    return build(client("ec2"), client("s3"), client("sagemaker"))


def _write(cloud: Cloud, records: pa.Table) -> list[str]:
    """Deliver the flow logs of some records and return their keys."""
    from flowaudit.simulate.cloud import BUCKET

    s3, keys = client("s3"), []
    for key, content in cloud.objects(records):
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        keys.append(key)
    return keys


def _config(folder: Path, http: Http, fresh: timedelta) -> Config:
    from flowaudit.simulate.cloud import BUCKET

    return Config.model_validate(
        {
            "lake": {"uri": str(folder / "lake")},
            "sources": [{"type": "s3", "uri": f"s3://{BUCKET}/"}],
            "schedule": {"discover": "30s", "collect": "10s", "detect": "10s", "coverage": "30s"},
            "detectors": {detector: {"every": f"{fresh.total_seconds():.0f}s"} for detector in EXPECTED.values()},
            "sinks": [{"type": "ocsf", "name": "siem", "uri": str(folder / EVENTS)}],
            "http": http.model_dump(),
        }
    )


def _http(listen: str | None) -> Http:
    """Return the settings of the endpoints; raises ConfigError where `listen` is no address."""
    try:
        return Http(listen=listen or f"127.0.0.1:{PORT if _is_free(PORT) else 0}")
    except ValueError as error:
        raise ConfigError(f"--listen {listen}: HOST:PORT is expected, such as 0.0.0.0:{PORT}") from error


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


# --- planted and found ------------------------------------------------------------------------------------------------


def _planted(records: pa.Table) -> dict[Place, Figures]:
    from flowaudit.simulate import planted

    return {
        Place(EXPECTED[leak["label"]], leak["interface_id"], leak["path"]): (leak["flows"], leak["bytes"])
        for leak in planted(records).to_pylist()
    }


def _findings(app: App) -> list[Finding]:
    query = "SELECT * FROM findings_current WHERE state = 'open' ORDER BY detector, id"
    with sql.connect(app.lake, views=app.catalogue.views) as lake:
        return [Finding.of(row) for row in lake.query(query).to_pylist()]


def _place(finding: Finding) -> Place:
    return Place(finding.detector, str(finding.key.get("interface_id")), str(finding.key.get("path")))


def _troubles(cycle: Cycle, records: int, planted: dict[Place, Figures], found: dict[Place, Figures]) -> list[str]:
    """Return what is not as it should be, a line each."""
    troubles = list(cycle.failures)
    if (seen := cycle.reports["collect"].kept + cycle.reports["collect"].out_of_scope) != records:
        troubles.append(f"{records:,} records were written, and {seen:,} were collected")
    if planted != found:
        right = sum(found.get(place) == figures for place, figures in planted.items())
        troubles.append(f"{right} of {len(planted)} leaks were found as planted; {len(found)} findings are open")
    return troubles


def _praise(records: int, planted: dict[Place, Figures]) -> str:
    fine = records - sum(flows for flows, _ in planted.values())
    return f"Both leaks were found, to the byte. Of the other {fine:,} records none was flagged."


def _table(console: Console, cloud: Cloud, planted: dict[Place, Figures], found: dict[Place, Figures]) -> Table:
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


# --- the story --------------------------------------------------------------------------------------------------------


def _describe(console: Console, cloud: Cloud, records: pa.Table, keys: list[str]) -> None:
    network = cloud.network
    parquet = sum(key.endswith(".parquet") for key in keys)
    console.print(
        f"  {network.vpc.id}: {len(network.workloads)} SageMaker workloads in {len(cloud.flow_logs)} subnets,"
    )
    console.print("  a NAT gateway, endpoints for S3 and SageMaker, and two mistakes in its routes")
    console.print("[bold]2[/] ten minutes of its flow logs: version 11, all 54 fields, in S3 as AWS puts them there")
    console.print(
        f"  {records.num_rows:,} records; {len(keys) - parquet} objects of text, {parquet} of Parquet, such as"
    )
    for key in (keys[0], next(key for key in keys if key.endswith(".parquet"))):
        console.print(f"  [dim]{escape(key)}[/]")


def _report(console: Console, cycle: Cycle) -> None:
    discover, collect, detect = (cycle.reports[stage] for stage in ("discover", "collect", "detect"))
    console.print("[bold]3[/] one cycle of the daemon")
    interfaces, resources = sum(discover.interfaces.values()), sum(discover.workloads.values())
    console.print(
        f"  {interfaces} interfaces and {resources} SageMaker resources discovered in {discover.seconds:.1f} s"
        f" ({len(discover.gaps)} APIs that the mock lacks);"
    )
    console.print(f"  {collect.objects} objects, {collect.kept:,} records collected in {collect.seconds:.1f} s,")
    console.print(f"  {collect.out_of_scope:,} of interfaces that are somebody else's left out;")
    console.print(f"  {sum(detect.runs.values())} queries by {len(detect.runs)} detectors in {detect.seconds:.1f} s\n")


def _what_next(console: Console, app: App, folder: Path, findings: list[Finding]) -> None:
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


def _go_on(console: Console, cloud: Cloud, daemon: Daemon, since: datetime, fresh: timedelta) -> None:
    """Run the daemon, with fresh traffic, until a signal comes."""
    over = Event()

    def write() -> None:
        last = since
        while not over.wait(fresh.total_seconds()):
            now = datetime.now(UTC).replace(microsecond=0)
            _write(cloud, cloud.traffic(Window(last, now)))
            last = now

    traffic = Thread(target=write, name="traffic", daemon=True)

    def started(url: str) -> None:
        console.print(f"\n[bold]4[/] the daemon goes on, with fresh flow logs every {fresh.seconds} s, until Ctrl-C")
        console.print(f"  status page {url}   {url}metrics   {url}healthz   {url}readyz\n")
        traffic.start()

    configure(logging.INFO)
    try:
        daemon.serve(started)
    finally:
        over.set()
        if traffic.is_alive():
            traffic.join()
