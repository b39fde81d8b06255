"""compose.yaml: a leak on a dashboard and in Alertmanager with one command, reachable from this machine only."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
import pytest
import yaml

from dashboards.prometheus.settings import seconds
from tests.alerts.world import ALERTMANAGER, AMTOOL, PROMETHEUS, Program, _ports

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PROVISIONING = ROOT / "dashboards" / "grafana" / "provisioning"
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
PROMISED = 120
"""Seconds within which compose.yaml promises the alert."""
START = 50
"""Seconds that the demo is given until it has made its VPC and serves the leak."""
RESEND = "--rules.alert.resend-delay"
PATIENCE = 240
"""Seconds until a test gives up; on an idle machine it waits for a small part of it."""


def mounted() -> list[tuple[str, Path, str]]:
    """Return each file or folder of the repository that a service sees: service, source, target and mode."""
    found = []
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, target, mode = mount.split(":")
            assert mode == "ro", mount
            found.append((name, ROOT / source, target))
    return found


def test_the_file_is_as_the_specification_wants_it() -> None:
    """The file fits the schema that `docker compose` itself checks."""
    jsonschema.validate(COMPOSE, SCHEMA)


@pytest.mark.parametrize("wrong", [{"servces": {}}, {"services": {"a": {"image": "a", "read_onyl": True}}}])
def test_a_mistake_would_be_noticed(wrong: dict[str, Any]) -> None:
    """A key that the specification does not know is refused."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(COMPOSE | wrong, SCHEMA)


@pytest.mark.skipif(shutil.which("compose-spec") is None, reason="needs compose-go's command, which .ci/run installs")
def test_composes_own_loader_takes_it() -> None:
    """Merges, paths and dependencies between services hold for the library that `docker compose` is made with."""
    loaded = subprocess.run(["compose-spec", "compose.yaml"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.count("127.0.0.1") >= len(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_no_more_than_it_has_to(name: str) -> None:
    """Each service has a read-only root, no capability, and no means to get one; its ports are on the loopback."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version(name: str) -> None:
    """Each image is pinned by a version; the one that is built here has a name of its own."""
    image = SERVICES[name]["image"]
    if "build" in SERVICES[name]:
        assert image == "flowaudit:demo"
        assert SERVICES[name]["build"]["target"] == "demo"
    else:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", image)


def test_services_wait_until_what_they_need_is_well() -> None:
    """Each service has a health check, and each dependency is on a healthy service."""
    for service in SERVICES.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert all(need == {"condition": "service_healthy"} for need in service.get("depends_on", {}).values())
    assert set(SERVICES["prometheus"]["depends_on"]) == {"flowaudit", "alertmanager"}
    assert set(SERVICES["grafana"]["depends_on"]) == {"prometheus"}


@pytest.mark.parametrize(("service", "source"), [(name, source) for name, source, _ in mounted()], ids=str)
def test_what_is_mounted_is_in_the_repository(service: str, source: Path) -> None:
    """No service is given a path that does not exist: Docker would make an empty folder of it."""
    assert source.exists(), f"{service} mounts {source.relative_to(ROOT)}"


def test_grafana_finds_its_dashboards_and_servers() -> None:
    """The folder that Grafana's provider names is mounted; data sources are the shipped ones at the services' names."""
    targets = {target: source for name, source, target in mounted() if name == "grafana"}
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "flowaudit.yaml").read_text())["providers"]
    assert list(targets[provider["options"]["path"]].glob("*.json"))
    shipped = yaml.safe_load((PROVISIONING / "datasources" / "flowaudit.yaml").read_text())["datasources"]
    own = yaml.safe_load((ROOT / "deploy" / "compose" / "datasources.yml").read_text())["datasources"]
    assert [(each["uid"], each["type"], each["name"]) for each in own] == [
        (each["uid"], each["type"], each["name"]) for each in shipped
    ]
    for each in own:
        service, _, port = each["url"].removeprefix("http://").partition(":")
        assert SERVICES[service]["ports"][0].endswith(f":{port}")


def test_grafana_may_run_its_plugins() -> None:
    """The folder of Grafana's plugins allows programs: Docker mounts a tmpfs noexec unless told otherwise."""
    options = {
        path: given.split(",") for path, _, given in (each.partition(":") for each in SERVICES["grafana"]["tmpfs"])
    }
    assert "exec" in options["/var/lib/grafana"]
    assert all("exec" not in given for path, given in options.items() if path != "/var/lib/grafana")


# --- what the services run, without their images ----------------------------------------------------------------------


def laid_out(service: str, folder: Path, places: Mapping[str, str]) -> Path:
    """Copy what a service mounts as it sees it, with its neighbours' addresses replaced; return its configuration."""
    for name, source, target in mounted():
        if name == service:
            text = source.read_text()
            for place, address in places.items():
                text = text.replace(place, address)
            (folder / Path(target).name).write_text(text)
    return folder / f"{service}.yml"


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """The configuration and the rules that it names are sound, each file where it names it."""
    config = laid_out("prometheus", tmp_path, {})
    checked = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "2 rule files found" in checked.stdout


def hurry(config: Path) -> None:
    """Let Prometheus scrape, and evaluate each group of alerts, each second."""
    alerts = config.with_name("alerts.yaml")
    parsed, groups = yaml.safe_load(config.read_text()), yaml.safe_load(alerts.read_text())
    parsed["global"]["scrape_interval"] = "1s"
    for group in groups["groups"]:
        group["interval"] = "1s"
    config.write_text(yaml.safe_dump(parsed))
    alerts.write_text(yaml.safe_dump(groups))


class Stack:
    """The services as programs of this machine, on free ports, with compose.yaml's commands and files.

    Only Prometheus' intervals are shorter.
    """

    def __init__(self, folder: Path) -> None:
        """Lay out the files; nothing is started."""
        self.ports = _ports("flowaudit", "prometheus", "alertmanager")
        places = {f"{name}:{SERVICES[name]['ports'][0].rpartition(':')[2]}": self.address(name) for name in self.ports}
        programs = {"prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER}
        self.programs = {}
        for name, program in programs.items():
            (folder / name).mkdir()
            given = [
                each for each in SERVICES[name]["command"] if not each.startswith(("--config", "--storage", RESEND))
            ]
            config = laid_out(name, folder / name, places)
            if name == "prometheus":
                given += ["--storage.tsdb.path=data", f"{RESEND}=1s"]
                hurry(config)
            else:
                given += ["--storage.path=data"]
            given += [f"--config.file={config}"]
            command = [program, *given, f"--web.listen-address={self.address(name)}"]
            self.programs[name] = Program(name, command, folder / name)
        demo = [
            sys.executable,
            "-m",
            "flowaudit",
            *SERVICES["flowaudit"]["command"],
            "--listen",
            self.address("flowaudit"),
        ]
        self.programs["flowaudit"] = Program("flowaudit", demo, folder / "flowaudit")

    def address(self, service: str) -> str:
        """Return the service's host:port."""
        return f"127.0.0.1:{self.ports[service]}"

    def get(self, service: str, path: str) -> Any:
        """Return what a service answers, as JSON; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address(service)}{path}", timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def is_healthy(self, service: str) -> bool:
        """Run the service's health check, at its address here."""
        own = re.compile(r"127\.0\.0\.1:\d+")
        _, *command = SERVICES[service]["healthcheck"]["test"]
        command = [own.sub(self.address(service), word) for word in command]
        here = {"amtool": [str(AMTOOL)], "flowaudit": [sys.executable, "-m", "flowaudit"]}
        command[:1] = here.get(command[0], command[:1])
        env = os.environ | {"FLOWAUDIT_HTTP__LISTEN": self.address("flowaudit")}  # as the image has it
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False).returncode == 0

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until the condition holds and return what it found; a program that ends meanwhile fails at once."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            for program in self.programs.values():
                ended = program.process is not None and program.process.poll() is not None
                assert not ended, f"{program.name} ended: {program.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, "in vain"
            time.sleep(0.2)
        return found


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The services, none of them started."""
    made = Stack(tmp_path)
    with ExitStack() as undo:
        for program in made.programs.values():
            undo.callback(program.end)
        yield made


def test_the_intervals_keep_the_promise() -> None:
    """The leak fires at the first evaluation, and is sent at the second at the latest: within two minutes."""
    assert f"within {('no', 'one', 'two')[PROMISED // 60]} minutes" in (ROOT / "compose.yaml").read_text()
    config = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text())
    (resend,) = (each.partition("=")[2] for each in SERVICES["prometheus"]["command"] if each.startswith(RESEND))
    groups = yaml.safe_load((ROOT / "dashboards" / "prometheus" / "alerts.yaml").read_text())["groups"]
    (leak,) = ((group, rule) for group in groups for rule in group["rules"] if rule["alert"] == "FlowauditLeakFound")
    evaluated = seconds(leak[0]["interval"])
    assert seconds(resend) <= evaluated
    assert "for" not in leak[1]
    assert START + seconds(config["global"]["scrape_interval"]) + 2 * evaluated <= PROMISED


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.skipif(not (PROMETHEUS.exists() and ALERTMANAGER.exists() and AMTOOL.exists()), reason="needs Prometheus")
def test_the_leak_is_in_alertmanager(stack: Stack) -> None:
    """With the files and flags of compose.yaml the demo's leak becomes an alert, and health checks work.

    Each service is started once those that it waits for are healthy.
    """
    for names in (("flowaudit", "alertmanager"), ("prometheus",)):
        assert not any(map(stack.is_healthy, names))
        for name in names:
            stack.programs[name].start()
        stack.until(lambda names=names: all(map(stack.is_healthy, names)))  # type: ignore[misc]
    leaks = "/api/v2/alerts?filter=alertname=FlowauditLeakFound"
    (alert,) = stack.until(lambda: stack.get("alertmanager", leaks))
    labels = alert["labels"]
    assert (labels["severity"], labels["detector"]) == ("critical", "internet-egress-bypasses-nat")
    assert stack.programs["flowaudit"].end() == 0
