"""A whole daemon under load: how long from an object's landing in S3 to `/metrics`, and on to a webhook.

A real S3 server, a real `flowaudit run` and a receiver of its webhook, all on this machine's loopback; a fresh daemon
and lake for each rate. Other processes of the machine are in the figures: look at the load average beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.landing import Traffic, landings, leaking
from bench.store import Store, free_ports, store

DETECTOR = "internet-egress-bypasses-nat"
KEPT = "flowaudit_collect_records_kept_total"
STAGES = ("discover", "collect", "detect", "deliver", "coverage")
POLL = 0.5
"""Seconds between two looks at /metrics: what is visible is so for up to that long before it is noticed."""
PATIENCE = 180
"""Seconds that a daemon may take to be ready, and the last landing to arrive everywhere."""
TO_METRIC, TO_WEBHOOK = 30.0, 10.0
"""Seconds wanted at TARGET_RATE objects a minute: 95 of 100 landings are in the metric, and then at the webhook."""
TARGET_RATE = 10.0
SECRET = {"BENCH_WEBHOOK_SECRET": "whsec_" + b64encode(b"of no worth, this secret").decode()}
CONFIG = """
[lake]
uri = "{folder}/lake"
[[sources]]
type = "s3"
uri = "s3://{bucket}/AWSLogs/"
[http]
listen = "127.0.0.1:{port}"
[schedule]
collect = "{interval}s"
detect = "{interval}s"
[detectors.{detector}]
every = "{interval}s"
[[sinks]]
type = "webhook"
url = "http://127.0.0.1:{hook}/"
secrets = [{{ env = "BENCH_WEBHOOK_SECRET" }}]
allowed_networks = ["127.0.0.0/8"]
detectors = ["{detector}"]
events = ["opened"]
start = "beginning"
"""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each rate, and whether what is wanted was reached."""
    folder = arguments.folder.absolute() / "daemon"
    shutil.rmtree(folder, ignore_errors=True)
    with _ended_by_signals(), store(folder / "s3") as s3:
        setting = {"records": arguments.records, "minutes": arguments.minutes, "interval": arguments.interval}
        rates = {f"{rate:g}": _at(rate, arguments, folder / f"{rate:g}", s3) for rate in arguments.rates}
    shutil.rmtree(folder / "s3")
    return {"what": "daemon", "cpus": os.cpu_count(), **setting, "rates": rates, "wanted": _wanted(rates)}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that `share` of all are no greater than (nearest rank); raises ValueError without any."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return median, 95th percentile and maximum, None where there are no values."""
    if not values:
        return None
    figures = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "max": max(values)}
    return {name: round(value, 2) for name, value in figures.items()}


@dataclass(slots=True)
class Observed:
    """Times of arrival, in seconds of the monotonic clock."""

    landed: list[float] = field(default_factory=list)
    totals: list[tuple[float, float]] = field(default_factory=list)
    """When the metric was first seen at each total."""
    threads: int = 0
    """The most threads that the daemon was seen with."""
    received: dict[str, float] = field(default_factory=dict)
    """When the webhook first got each interface's finding."""

    def visible(self, records: int) -> list[float | None]:
        """Return for each object when the metric had passed its records and all those before it."""
        wanted = [(number + 1) * records for number in range(len(self.landed))]
        return [next((at for at, total in self.totals if total >= each), None) for each in wanted]

    def arrived(self) -> list[float | None]:
        """Return for each object when the webhook got its finding."""
        return [self.received.get(leaking(number)) for number in range(len(self.landed))]

    def waits(self, records: int) -> dict[str, Any]:
        """Return the spread of the waits between landing, metric and webhook, of objects that came so far."""
        visible, arrived = self.visible(records), self.arrived()
        return {
            "missing": {"metric": visible.count(None), "webhook": arrived.count(None)},
            "landing_to_metric_s": spread(_between(self.landed, visible)),
            "metric_to_webhook_s": spread(_between(visible, arrived)),
            "landing_to_webhook_s": spread(_between(self.landed, arrived)),
        }


def _between(first: Sequence[float | None], then: Sequence[float | None]) -> list[float]:
    pairs = zip(first, then, strict=True)
    return [there - here for here, there in pairs if here is not None and there is not None]


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running `flowaudit run`: its pages and its process."""

    url: str
    process: subprocess.Popen[bytes]

    def page(self, name: str) -> str:
        """Return a page's text, empty where it does not answer or not well."""
        try:
            with urllib.request.urlopen(f"{self.url}{name}", timeout=30) as answer:  # noqa: S310  our own loopback
                return str(answer.read().decode())
        except OSError:
            return ""

    def total(self) -> float:
        """Return how many records are kept so far, as `/metrics` tells."""
        return metrics(self.page(f"metrics?name[]={KEPT}")).get(KEPT, 0.0)


def metrics(page: str) -> dict[str, float]:
    """Return the samples of a metrics page by name and labels, as they stand there."""
    return {name: float(value) for name, value in re.findall(r"^([^#\s]+) (\S+)$", page, re.MULTILINE)}


def _at(rate: float, arguments: argparse.Namespace, folder: Path, s3: Store) -> dict[str, Any]:
    """Let objects land at so many a minute on a fresh daemon, and return the figures."""
    folder.mkdir()
    bucket, observed, load = f"rate-{folder.name.replace('.', '-')}", Observed(), os.getloadavg()
    s3.client().create_bucket(Bucket=bucket)
    with ExitStack() as stack:
        hook = stack.enter_context(_receiver(observed.received))
        interval = arguments.interval
        place = {"folder": folder, "bucket": bucket, "hook": hook, "interval": interval, "detector": DETECTOR}
        daemon = stack.enter_context(_daemon(folder, place, s3.environment))
        stack.enter_context(_watched(daemon, observed))
        processes = {"daemon": daemon.process.pid, "s3": s3.pid, "bench": os.getpid()}
        started, before = time.monotonic(), {name: cpu_seconds(pid) for name, pid in processes.items()}
        _land(s3, bucket, Traffic(arguments.records), list(landings(rate, arguments.minutes, interval)), observed)
        _settle(daemon, observed, arguments.records)
        seconds = time.monotonic() - started
        spent = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
        told, memory = metrics(daemon.page("metrics")), peak_rss_mb(daemon.process.pid)
    records = len(observed.landed) * arguments.records
    return {
        "objects": len(observed.landed),
        **observed.waits(arguments.records),
        "seconds": round(seconds, 1),
        "records_per_s": round(records / seconds),
        "records_per_cpu_s": round(records / spent["daemon"]) if spent["daemon"] else None,
        "cpu_s": {name: round(each, 1) for name, each in spent.items()},
        "peak_rss_mb": memory,
        "peak_threads": observed.threads,
        "files": sum(1 for _ in (folder / "lake" / "flows").rglob("*.parquet")),
        "told": _told(told),
        "load_average": {"before": load, "after": os.getloadavg()},
    }


def _told(samples: Mapping[str, float]) -> dict[str, Any]:
    """Return what the daemon says of itself: its own delays, each stage's runs, and starts left out."""
    stages = {
        stage: {
            **histogram(samples, f"flowaudit_{stage}_duration_seconds"),
            "overlapped": int(samples.get(f'flowaudit_task_overlapped_total{{task="{stage}"}}', 0)),
        }
        for stage in STAGES
    }
    return {"collect_delay_s": histogram(samples, "flowaudit_collect_delay_seconds"), "stages": stages}


def histogram(samples: Mapping[str, float], name: str) -> dict[str, Any]:
    """Return number and mean of a histogram's values, and how many are at most each bound that tells them apart."""
    buckets = [(key.split('"')[1], int(n)) for key, n in samples.items() if key.startswith(f"{name}_bucket{{")]
    before = [0, *(number for _, number in buckets)]
    at_most = {bound: number for (bound, number), least in zip(buckets, before, strict=False) if number > least}
    count = int(samples.get(f"{name}_count", 0))
    return {"number": count, "mean": round(samples[f"{name}_sum"] / count, 2) if count else None, "at_most": at_most}


def _wanted(rates: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | str:
    """Return whether the waits at TARGET_RATE are as short as wanted."""
    found = rates.get(f"{TARGET_RATE:g}")
    if found is None:
        return f"not measured: {TARGET_RATE:g} a minute is not among --rates"
    limits = {"landing_to_metric_s": TO_METRIC, "metric_to_webhook_s": TO_WEBHOOK}
    is_whole = not any(found["missing"].values())
    return {
        name: {"p95_at_most": most, "reached": is_whole and bool(found[name]) and found[name]["p95"] <= most}
        for name, most in limits.items()
    }


def _land(s3: Store, bucket: str, traffic: Traffic, times: Sequence[float], observed: Observed) -> None:
    """Put the objects at their times, each made just before; note when each put is answered."""
    client, begin = s3.client(), time.monotonic()
    for number, at in enumerate(times):
        key, content = traffic.object(number, datetime.now(UTC))
        time.sleep(max(0.0, begin + at - time.monotonic()))
        client.put_object(Bucket=bucket, Key=key, Body=content)
        observed.landed.append(time.monotonic())


def _settle(daemon: Daemon, observed: Observed, records: int) -> None:
    """Wait until everything has arrived, or too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and daemon.process.poll() is None:
        if None not in observed.visible(records) and None not in observed.arrived():
            return
        time.sleep(POLL)


@contextmanager
def _daemon(folder: Path, place: Mapping[str, object], environment: Mapping[str, str]) -> Iterator[Daemon]:
    """Run a daemon, ready; raises RuntimeError where it does not get there. Its log stays in `folder`."""
    (port,) = free_ports(1)
    (folder / "flowaudit.toml").write_text(CONFIG.format(port=port, **place))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLOWAUDIT_"))}
    command = [sys.executable, "-m", "flowaudit", "--config", str(folder / "flowaudit.toml"), "run"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env={**own, **environment, **SECRET})
    try:
        daemon = Daemon(f"http://127.0.0.1:{port}/", process)
        _await(daemon, folder / "log")
        yield daemon
    finally:
        _end(process)


def _await(daemon: Daemon, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not daemon.page("readyz"):
        if daemon.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the daemon is not ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _watched(daemon: Daemon, observed: Observed) -> Iterator[None]:
    """Look at the metric meanwhile, and note each new total."""
    stop = Event()

    def watch() -> None:
        while not stop.wait(POLL):
            total = daemon.total()
            observed.threads = max(observed.threads, threads(daemon.process.pid))
            totals = observed.totals
            if total > (totals[-1][1] if totals else 0):
                totals.append((time.monotonic(), total))

    thread = Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _receiver(received: dict[str, float]) -> Iterator[int]:
    """Take webhooks meanwhile at the port returned, and note when each interface's first finding came."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            now = time.monotonic()
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.setdefault(event["data"]["key"]["interface_id"], now)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing for each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.1,), name="webhook", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does, so that no process stays behind."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process has computed so far: `/proc/PID/stat`, utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> int:
    """Return the threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def peak_rss_mb(pid: int) -> int:
    """Return the most memory that a process has had: `/proc/PID/status`, VmHWM."""
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return round(int(kilobytes) / 1024)
