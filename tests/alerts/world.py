"""A daemon, Prometheus, Alertmanager and those who are told, each a real process or server on the loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
import standardwebhooks
import yaml

from tests import flowlogs
from tests.rendered import ROOT, RULES, parsed
from tests.sinks.harness_http import SECRET, Request, Server

PROMETHEUS, ALERTMANAGER, AMTOOL = (
    Path("/usr/bin") / name for name in ("prometheus", "prometheus-alertmanager", "amtool")
)
PATIENCE = 30
"""Seconds until a test gives up waiting for what is to happen; little of it takes half as long."""
OVERLAY = """
interval = "1s"
scrape_interval = "1s"
[alerts.FlowauditLeakFound]
keep_firing_for = "4s"
[alerts.FlowauditSinkDown]
for = "2s"
[alerts.FlowauditDown]
for = "8s" # longer than a start takes
[alerts.FlowauditAbsent]
for = "9s" # Prometheus looks for targets every five seconds, also when it starts
"""
"""What differs from the shipped parameters of the rules: how long things take."""
CONFIG = """
[lake]
uri = "{folder}/lake"
[[sources]]
type = "local"
uri = "{folder}/logs"
[http]
listen = "127.0.0.1:{daemon}"
[schedule]
collect = "1s"
detect = "1s"
deliver = "1s"
coverage = "5s"
[detectors.internet-egress-bypasses-nat]
every = "1s"
resolve = "1m"
[[sinks]]
type = "webhook"
name = "soc"
url = "http://127.0.0.1:{hook}/flowaudit"
secrets = [{{ env = "SOC_WEBHOOK_SECRET" }}]
allowed_networks = ["127.0.0.0/8"]
[[sinks]]
type = "alertmanager"
name = "pushed"
urls = ["http://127.0.0.1:{alertmanager}"]
allowed_networks = ["127.0.0.0/8"]
[[sinks]]
type = "ocsf"
name = "siem"
uri = "{folder}/findings.ndjson"
"""
SHORT = {"group_wait": "0s", "group_interval": "1s"}
T = TypeVar("T")


@dataclass
class Program:
    """A process with a log, in a folder of its own, that can be started again."""

    name: str
    command: Sequence[str | Path]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it finds no AWS."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        own = {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "SOC_WEBHOOK_SECRET": SECRET,
            "TMPDIR": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder, env=kept | own)

    @property
    def log(self) -> Path:
        """Everything it said, over all of its starts."""
        return self.folder / f"{self.name}.log"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Send a signal and return the exit code; one that does not end is killed. None: it did not run."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


@dataclass(frozen=True)
class Delivery:
    """A message of the webhook sink whose signature is right."""

    key: str
    event: str
    data: Mapping[str, Any]


@dataclass
class World:
    """All of it. `page`, `ticket` and `dead-mans-switch` are paths of the server that Alertmanager sends to."""

    folder: Path
    ports: Mapping[str, int]
    told: Server
    hook: Server | None = None
    programs: dict[str, Program] = field(default_factory=dict)
    _closed: list[Request] = field(default_factory=list)

    # --- what is done

    def __enter__(self) -> Self:
        self._configure()
        self._program("alertmanager", ALERTMANAGER, "--storage.path=data", "--cluster.listen-address=")
        # Until it has found Alertmanager, some seconds after its start, Prometheus sends into the void.
        again = "--rules.alert.resend-delay=1s"
        self._program("prometheus", PROMETHEUS, "--storage.tsdb.path=data", again)
        flowaudit = (sys.executable, "-m", "flowaudit", "--config", self.folder / "flowaudit.toml", "run")
        self.programs["flowaudit"] = Program("flowaudit", flowaudit, self.folder / "flowaudit")
        self.receive()
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs.values():
            program.end()
        self.refuse()

    def start(self) -> None:
        """Start the daemon, and those who look at it once it is ready."""
        self.programs["flowaudit"].start()
        self.until("the daemon is ready", lambda: self._get("daemon", "/readyz"))
        self.watch(self.address("daemon"))

    def watch(self, target: str) -> None:
        """Start Alertmanager, and Prometheus with a target."""
        self.scrape(target)
        self.programs["alertmanager"].start()
        self.until("Alertmanager is ready", lambda: self._get("alertmanager", "/-/ready"))
        self.programs["prometheus"].start()
        self.until("Prometheus is ready", lambda: self._get("prometheus", "/-/ready"))

    def scrape(self, *targets: str) -> None:
        """Let these be all that Prometheus scrapes."""
        file = self.folder / "targets.json"
        file.with_suffix(".new").write_text(json.dumps([{"targets": targets}]))
        file.with_suffix(".new").replace(file)

    def receive(self) -> None:
        """Open the webhook's receiver."""
        self.hook = Server(port=self.ports["hook"])
        self.hook.__enter__()

    def refuse(self) -> None:
        """Close it: connections are refused."""
        if self.hook is not None:
            self.hook.__exit__()
            self._closed += self.hook.accepted
            self.hook = None

    def land(self, name: str, *lines: str) -> None:
        """Let a log object arrive, as a whole."""
        written = flowlogs.write(self.folder / "landing" / f"{name}.log.gz", *lines)
        (self.folder / "logs").mkdir(exist_ok=True)
        written.replace(self.folder / "logs" / written.name)

    def flowaudit(self, *arguments: str) -> str:
        """Run a verb on the same configuration and return what it prints."""
        command = [sys.executable, "-m", "flowaudit", "--config", str(self.folder / "flowaudit.toml"), *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    # --- what is seen

    def until(self, what: str, look: Callable[[], T], patience: float = PATIENCE) -> T:
        """Wait until something is so, and return it."""
        deadline = time.monotonic() + patience
        while not (found := look()):
            if time.monotonic() > deadline:
                pytest.fail(f"timed out: {what}\n{self._state()}")
            time.sleep(0.1)
        return found

    def now(self) -> tuple[int, int]:
        """Return how much has been received so far, by the two receivers: what comes later is what is waited for."""
        return len(self.told.accepted), len(self._hooked())

    def notices(self, status: str, name: str, after: int = 0, path: str = "/page") -> list[dict[str, Any]]:
        """Return the alerts of a name that Alertmanager sent, `firing` or `resolved`."""
        told = [one for one in self.told.accepted[after:] if one.path == path]
        alerts = [alert for one in told for alert in one.json["alerts"]]
        return [each for each in alerts if each["status"] == status and each["labels"]["alertname"] == name]

    def names(self) -> set[str]:
        """Return the names of all alerts that Alertmanager sent."""
        return {alert["labels"]["alertname"] for one in self.told.accepted for alert in one.json["alerts"]}

    def deliveries(self, event: str = "", after: int = 0) -> list[Delivery]:
        """Return the messages of the webhook; raises WebhookVerificationError where one is not signed as it should."""
        found = []
        for request in self._hooked()[after:]:
            body = standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers))
            found.append(Delivery(request.headers["webhook-id"], body["type"], body["data"]))
        return [each for each in found if event in ("", each.event)]

    def active(self) -> dict[str, str | None]:
        """Return the names of the alerts that Alertmanager's own tool shows, each with its label `source`."""
        url = f"--alertmanager.url=http://{self.address('alertmanager')}"
        shown = subprocess.run([AMTOOL, "alert", "query", url, "-o", "json"], capture_output=True, check=True).stdout
        return {alert["labels"]["alertname"]: alert["labels"].get("source") for alert in json.loads(shown)}

    def firing(self) -> list[dict[str, Any]]:
        """Return the alerts that fire by Prometheus."""
        alerts = json.loads(self._get("prometheus", "/api/v1/alerts"))["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]

    def value(self, query: str) -> float | None:
        """Return the value of a query to Prometheus, None where there is not one."""
        answer = json.loads(self._get("prometheus", f"/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def lines(self) -> list[dict[str, Any]]:
        """Return the OCSF file's lines."""
        file = self.folder / "findings.ndjson"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def address(self, name: str) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.ports[name]}"

    # --- how

    def _hooked(self) -> list[Request]:
        return [*self._closed, *(self.hook.accepted if self.hook else ())]

    def _get(self, name: str, page: str) -> bytes:
        """Return a page, nothing where there is no good answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address(name)}{page}", timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    def _program(self, name: str, program: Path, *options: str) -> None:
        addressed = (f"--config.file={self.folder / name}.yml", f"--web.listen-address={self.address(name)}")
        self.programs[name] = Program(name, [program, *addressed, *options], self.folder / name)

    def _configure(self) -> None:
        """Write every configuration: the examples that are shipped, with these addresses and short times."""
        (self.folder / "flowaudit.toml").write_text(CONFIG.format(folder=self.folder, **self.ports))
        (self.folder / "logs").mkdir()
        overlay = self.folder / "rules.toml"
        overlay.write_text(OVERLAY)
        rules = ("--config", overlay, "--output", self.folder)
        subprocess.run([ROOT / "scripts" / "rules", *rules], check=True, capture_output=True)
        for name, config in (("alertmanager", self._alertmanager()), ("prometheus", self._prometheus())):
            (self.folder / f"{name}.yml").write_text(yaml.safe_dump(config))

    def _alertmanager(self) -> Any:
        config = parsed(ROOT / "dashboards" / "alertmanager" / "alertmanager.yml")
        config["route"] |= SHORT
        config["route"]["routes"][0] |= SHORT | {"repeat_interval": "1s"}  # the dead-man's switch
        for receiver in config["receivers"]:
            for webhook in receiver.get("webhook_configs", ()):
                webhook["url"] = f"{self.told.url}/{receiver['name']}"
        return config

    def _prometheus(self) -> Any:
        config = parsed(RULES / "prometheus.yml")
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        job = config["scrape_configs"][0]
        del job["static_configs"]
        job["file_sd_configs"] = [{"files": [str(self.folder / "targets.json")], "refresh_interval": "1s"}]
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [self.address("alertmanager")]
        return config

    def _state(self) -> str:
        """Return what there is to see, for whoever has to find out why something did not happen."""
        logs = [(each.name, each.log.read_text()[-3000:]) for each in self.programs.values() if each.log.exists()]
        told = [(one.path, one.body.decode()) for one in self.told.accepted if "switch" not in one.path][-5:]
        hooked = [("webhook", one.body.decode()) for one in self._hooked()][-5:]
        return "\n".join(f"--- {where}\n{said}" for where, said in (*logs, *told, *hooked))


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Yield the world, with nothing started but the receivers; everything is ended with it."""
    if missing := [str(program) for program in (PROMETHEUS, ALERTMANAGER, AMTOOL) if not program.exists()]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Server() as told, World(folder, _ports("daemon", "hook", "alertmanager", "prometheus"), told) as all_of_it:
        yield all_of_it


def _ports(*names: str) -> dict[str, int]:
    """Return ports that are all free now."""
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def minutes_ago(ago: timedelta) -> int:
    """Return a moment as the minutes that `flowlogs` counts in."""
    return int(datetime.now(UTC).timestamp() - ago.total_seconds() - flowlogs.START) // 60
