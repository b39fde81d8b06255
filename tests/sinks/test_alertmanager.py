"""Alerts pushed to Alertmanager: their times, their labels, every peer; and the real one, where it is installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowaudit.config.sinks import AlertmanagerSink
from flowaudit.errors import ConfigError, SinkError
from flowaudit.sinks import Event, Result
from flowaudit.sinks.alertmanager import Alertmanager
from tests.sinks.harness import NOW, event
from tests.sinks.harness_http import LOOPBACK, AlertmanagerHarness, Reply, Server


@pytest.fixture
def harness() -> Iterator[AlertmanagerHarness]:
    """A receiver that answers as Alertmanager does."""
    with AlertmanagerHarness() as receiver:
        yield receiver


def sink(*urls: str, at: datetime | None = None, **settings: Any) -> Alertmanager:
    """A sink that sends at a time, now if there is none."""
    told = {"type": "alertmanager", "name": "am", "urls": urls, "allowed_networks": LOOPBACK, **settings}
    return Alertmanager(AlertmanagerSink.model_validate(told), clock=at.timestamp if at else time.time)


def alerts(harness: AlertmanagerHarness) -> list[Any]:
    """The alerts of the newest request."""
    return harness.server.accepted[-1].json


@pytest.mark.parametrize("kind", ["opened", "seen", "reopened", "unmuted"])
@pytest.mark.parametrize("later", [timedelta(), timedelta(hours=5)])
def test_an_open_finding_fires_for_four_minutes(harness: AlertmanagerHarness, kind: str, later: timedelta) -> None:
    """An alert starts when the finding was first seen and ends four minutes from now, whenever its event was."""
    sink(harness.server.url, at=NOW + later).send([event(kind)])
    (alert,) = alerts(harness)
    assert alert["startsAt"] == "2026-05-04T11:00:00.000Z"
    assert datetime.fromisoformat(alert["endsAt"]) == NOW + later + timedelta(minutes=4)
    assert Alertmanager.refresh == timedelta(minutes=1)


@pytest.mark.parametrize("kind", ["resolved", "muted"])
def test_what_is_over_ended_when_it_did(harness: AlertmanagerHarness, kind: str) -> None:
    """A finding that is resolved or under a mute is sent as ended at that time, for 15 minutes and no longer."""
    over = event(kind)
    sink(harness.server.url, at=over.at + timedelta(minutes=15)).send([over])
    (alert,) = alerts(harness)
    assert datetime.fromisoformat(alert["endsAt"]) == over.at
    assert sink(harness.server.url, at=over.at + timedelta(minutes=15, seconds=1)).send([over]) == Result()
    assert len(harness.server.asked) == 1


def test_what_is_over_never_ends_in_the_future(harness: AlertmanagerHarness) -> None:
    """Where the clock of who resolved it is ahead it ends now: Alertmanager fires until an alert's end."""
    over = event("resolved")
    sink(harness.server.url, at=over.at - timedelta(hours=1)).send([over])
    (alert,) = alerts(harness)
    assert datetime.fromisoformat(alert["endsAt"]) == over.at - timedelta(hours=1)


def test_labels_are_what_an_alert_is_known_by(harness: AlertmanagerHarness) -> None:
    """Labels name finding, detector and place, and nothing that changes while it lasts; the rest are annotations."""
    sink(harness.server.url, at=NOW, labels={"team": "ml"}).send([event(severity="high")])
    (alert,) = alerts(harness)
    assert alert["labels"] == {
        "alertname": "FlowauditFinding",
        "severity": "warning",
        "detector": "internet-egress-bypasses-nat",
        "finding": "0123456789ab",
        "account": "111122223333",
        "region": "us-east-1",
        "source": "flowaudit",
        "team": "ml",
    }
    assert alert["annotations"]["workload"] == "fraud-training"
    assert alert["annotations"]["summary"] == "Traffic leaves to the internet past the NAT gateway"
    assert "generatorURL" not in alert
    assert harness.server.accepted[0].path == "/api/v2/alerts"


@pytest.mark.parametrize("name", ["alertname", "severity", "finding", "team-name", "1st", ""])
def test_a_label_that_cannot_be_is_a_mistake(name: str) -> None:
    """A label that Alertmanager does not take, or that is flowaudit's own, is a ConfigError at the start."""
    with pytest.raises(ConfigError, match="sink am: the label "):
        sink("http://127.0.0.1:1", labels={name: "x"})


def test_a_peer_that_is_down_holds_up_no_other() -> None:
    """Every peer gets the alerts; where one does not answer, the events count as failed, with its name."""
    with Server(lambda request: Reply(503)) as down, Server() as up:
        result = sink(down.url, up.url, at=NOW).send([event(), event(id="aaaaaaaaaaaa")])
        assert len(up.accepted[0].json) == 2
        assert set(result.failed) == {"0123456789ab-1", "aaaaaaaaaaaa-1"}
        assert "answered 503" in result.failed["aaaaaaaaaaaa-1"]
        with pytest.raises(SinkError, match="answered 503"):
            sink(down.url, down.url, at=NOW).send([event()])


def _command(name: str) -> str:
    if (found := shutil.which(name)) is None:
        pytest.skip(f"needs {name} (Debian: prometheus-alertmanager)")
    return found


@contextmanager
def running(folder: Path, port: int) -> Iterator[str]:
    """A real Alertmanager that keeps its data in a folder."""
    (folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    options = ["--config.file", str(folder / "am.yml"), "--storage.path", str(folder), "--cluster.listen-address="]
    command = [_command("prometheus-alertmanager"), *options, f"--web.listen-address=127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _await(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(log.read_text())


def queried(url: str) -> list[str]:
    """The findings that `amtool alert query` shows as firing."""
    query = ["alert", "query", f"--alertmanager.url={url}", "--output=json", "alertname=FlowauditFinding"]
    told = subprocess.run([_command("amtool"), *query], check=True, capture_output=True, text=True, timeout=30)
    return sorted(alert["labels"]["finding"] for alert in json.loads(told.stdout))


def now(kind: str = "opened", **changes: Any) -> Event:
    """An event of a moment ago, of a finding first seen an hour ago."""
    moment = datetime.now(UTC) - timedelta(seconds=1)
    return replace(event(kind, first_seen=moment - timedelta(hours=1), **changes), at=moment)


def test_the_real_alertmanager_shows_what_is_open(tmp_path: Path) -> None:
    """Open findings fire, whatever their words; they are there again after a restart; then they resolve."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hostile = now(id="badbadbadbad", title='"\x00\u202e{{ .Labels }}' * 99, sentence="<!channel>\n\ud800" * 9999)
    is_open = [now(), hostile, now("muted", id="cccccccccccc"), now("resolved", id="dddddddddddd")]
    with ExitStack() as first:
        url = first.enter_context(running(tmp_path, port))
        pushed = sink(url)
        assert pushed.send(is_open) == Result()
        assert queried(url) == ["0123456789ab", "badbadbadbad"]
    with pytest.raises(SinkError, match="Connection refused"):
        pushed.send(is_open)
    with running(tmp_path, port):
        assert queried(url) == []
        assert pushed.send(is_open) == Result()
        assert queried(url) == ["0123456789ab", "badbadbadbad"]
        assert pushed.send([now("resolved"), now("muted", id="badbadbadbad")]) == Result()
        assert queried(url) == []
