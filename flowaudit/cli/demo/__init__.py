"""The main job on an emulated cloud with two planted leaks, its findings compared with them: `flowaudit demo`."""

from __future__ import annotations

import logging
import socket
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from flowaudit import sql
from flowaudit.app import App
from flowaudit.cli.demo import story
from flowaudit.cli.demo.cloud import Stage, emulated
from flowaudit.cli.demo.places import EXPECTED, Figures, Place
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


def demo(*, once: bool, destroy: bool = False, listen: str | None = None, fresh: timedelta = FRESH) -> int:
    """Show the main job and return an exit code: 3 if what was found is not what was planted.

    `destroy` deletes the VPC at the end. `listen` is the address of metrics and health; without
    it a free port of the loopback. `fresh` is the interval at which flow logs with fresh traffic are written, and
    searched for leaks. Raises ConfigError where `listen` is no address, or the emulated cloud is not installed.
    """
    http = _http(listen)
    console = Console(highlight=False, soft_wrap=True)
    configure(logging.ERROR)  # what the mock lacks is no news
    with emulated():
        stage = Stage(Path(mkdtemp(prefix="flowaudit-demo-")))
        console.print("[bold]1[/] a private VPC by [bold]flowaudit setup apply[/], in AWS's mock in this process")
        story.provisioned(console, stage.apply(), stage.verify())
        cloud = stage.populate()
        story.mistakes(console, cloud, stage.drift())
        app = App(_config(stage.folder, http, fresh))
        until = datetime.now(UTC).replace(second=0, microsecond=0)
        records = cloud.traffic(Window(until - PAST, until))
        story.flow_logs(console, records.num_rows, stage.write(cloud, records))
        daemon = Daemon(app)
        cycle = daemon.once()
        (stage.folder / "metrics.prom").write_bytes(daemon.metrics.exposition()[1])
        planted, findings = _planted(records), _findings(app)
        found = {_place(each): (each.flows, each.bytes) for each in findings}
        story.report(console, cycle)
        console.print(story.table(console, cloud, planted, found), "")
        troubles = _troubles(cycle, records.num_rows, planted, found)
        for line in troubles or [story.praise(records.num_rows, planted)]:
            console.print(escape(line), style="red" if troubles else "green")
        story.what_next(console, app, stage.folder, findings)
        if not once and not daemon.stop.is_set():
            _go_on(console, stage, cloud, daemon, until, fresh)
        if destroy:
            story.destroyed(console, stage.destroy(cloud))
        console.print(f"Remove it all with: [bold]rm -r {escape(str(stage.folder))}[/]")
    return FlowauditError.exit_code if troubles else 0


def _config(folder: Path, http: Http, fresh: timedelta) -> Config:
    """Return the configuration that `setup apply` wrote, with a lake, a sink and a quick schedule."""
    watch = tomllib.loads((folder / "watch.toml").read_text("utf-8"))
    return Config.model_validate(
        watch
        | {
            "lake": {"uri": str(folder / "lake")},
            "schedule": {"discover": "30s", "collect": "10s", "detect": "10s", "coverage": "30s"},
            "detectors": {detector: {"every": f"{fresh.total_seconds():.0f}s"} for detector in EXPECTED.values()},
            "sinks": [{"type": "ocsf", "name": "siem", "uri": str(folder / story.EVENTS)}],
            "http": http.model_dump(),
        }
    )


def _http(listen: str | None) -> Http:
    """Return the settings of the endpoints; raises ConfigError where `listen` is no address."""
    try:
        return Http(listen=listen or f"127.0.0.1:{story.PORT if _is_free(story.PORT) else 0}")
    except ValueError as error:
        raise ConfigError(f"--listen {listen}: HOST:PORT is expected, such as 0.0.0.0:{story.PORT}") from error


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


def _go_on(console: Console, stage: Stage, cloud: Cloud, daemon: Daemon, since: datetime, fresh: timedelta) -> None:
    """Run the daemon, with fresh traffic, until a signal comes."""
    over = Event()

    def write() -> None:
        last = since
        while not over.wait(fresh.total_seconds()):
            now = datetime.now(UTC).replace(microsecond=0)
            stage.write(cloud, cloud.traffic(Window(last, now)))
            last = now

    traffic = Thread(target=write, name="traffic", daemon=True)

    def started(url: str) -> None:
        console.print(f"\n[bold]5[/] the daemon goes on, with fresh flow logs every {fresh.seconds} s, until Ctrl-C")
        console.print(f"  status page {url}   {url}metrics   {url}healthz   {url}readyz\n")
        traffic.start()

    configure(logging.INFO)
    try:
        daemon.serve(started)
    finally:
        over.set()
        if traffic.is_alive():
            traffic.join()
