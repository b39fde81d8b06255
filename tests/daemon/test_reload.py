"""SIGHUP reads the configuration and the queries again: all of it holds from then on, or nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.reload import RESTART, prepared
from flowaudit.errors import ConfigError
from tests import flowlogs
from tests.running import Running

Start = Callable[..., Running]
Configured = Callable[..., list[str]]
LEAK = "internet-egress-bypasses-nat"
REPORT = """/*---
title = "Mine"
---*/
/*
Mine.
*/
SELECT count(*) AS flows FROM flows
"""


def hup(daemon: Running, event: str) -> dict[str, Any]:
    """Send SIGHUP, and return the line of the log that tells what became of it."""
    before = len([each for each in daemon.events() if each["event"] == event])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: len([each for each in daemon.events() if each["event"] == event]) > before)
    return [each for each in daemon.events() if each["event"] == event][-1]


def ready(daemon: Running) -> None:
    """Wait until a daemon is ready."""
    daemon.started()
    daemon.until(lambda: daemon.get("/readyz")[0] == 200)


def test_what_is_new_holds_without_a_restart(start: Start, configured: Configured, logs: Path, tmp_path: Path) -> None:
    """Sources, sinks, queries and detectors: one process, one URL, and no series of a sink that is gone."""
    sink = '[[sinks]]\ntype = "ocsf"\nname = "{name}"\nuri = "{folder}/{name}"\nstart = "beginning"\n'
    old, new = (sink.format(name=name, folder=tmp_path) for name in ("old", "new"))
    daemon = start(*configured(logs, more=old))
    ready(daemon)
    daemon.until(lambda: daemon.metric('sink_events_total{sink="old"}') == 1)
    since = daemon.metric("config_last_reload_success_timestamp_seconds")
    mine = tmp_path / "mine" / "reports" / "mine.sql"
    mine.parent.mkdir(parents=True)
    mine.write_text(REPORT)
    flowlogs.write(tmp_path / "more" / "two.log.gz", flowlogs.egress(3))
    more = f'[queries]\npaths = ["{tmp_path / "mine"}"]\n[detectors.{LEAK}]\nenabled = false\n{new}'
    configured(logs, tmp_path / "more", more=more)
    hup(daemon, "configuration reloaded")
    daemon.until(lambda: daemon.metric("collect_records_kept_total") == 4)
    daemon.until(lambda: 'sink_events_total{sink="new"} 1.0' in daemon.get("/metrics")[1])
    page = daemon.get("/metrics")[1]
    assert 'sink="old"' not in page
    assert f'detector_runs_total{{detector="{LEAK}"}}' not in page
    assert daemon.metric("config_last_reload_successful") == 1
    assert daemon.metric("config_last_reload_success_timestamp_seconds") > since
    assert json.loads(daemon.get("/api/v1/query/mine")[1])["rows"] == [{"flows": 4}]
    assert daemon.metric("leader_generation") == 1
    assert daemon.end() == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("nonsense", "is not TOML"),
        ('[aws]\nregion = "x"\n', "aws.region: no such key"),
        ('[queries]\npaths = ["{folder}/mine"]\n', "mine.sql:1:"),
        (
            '[[mutes]]\ndetector = "none"\nuntil = 2030-01-01\nowner = "x"\nreason = "x"\n',
            "there is no detector 'none'",
        ),
    ],
    ids=["no TOML", "an unknown key", "a broken query", "a mute of nothing"],
)
def test_a_mistake_changes_nothing(
    start: Start, configured: Configured, logs: Path, tmp_path: Path, more: str, said: str
) -> None:
    """The old configuration holds, with a metric and a line that says where the mistake is; corrected, the new does."""
    mine = tmp_path / "mine" / "detectors" / "mine.sql"
    mine.parent.mkdir(parents=True)
    mine.write_text("SELECT 1")
    daemon = start(*configured(logs))
    ready(daemon)
    flowlogs.write(tmp_path / "more" / "two.log.gz", flowlogs.egress(3))
    configured(logs, tmp_path / "more", more=more.format(folder=tmp_path))
    assert said in hup(daemon, "configuration not reloaded")["error"]
    daemon.until(lambda: daemon.metric("config_last_reload_successful") == 0)
    assert daemon.metric("catalogue_errors") == 0
    flowlogs.write(logs / "three.log.gz", flowlogs.egress(4))
    daemon.until(lambda: daemon.metric("collect_records_kept_total") == 4)  # of the old source only
    assert daemon.get("/healthz")[0] == 200
    configured(logs, tmp_path / "more")
    hup(daemon, "configuration reloaded")
    daemon.until(lambda: daemon.metric("collect_records_kept_total") == 5)
    assert daemon.metric("config_last_reload_successful") == 1
    assert daemon.end() == 0


def test_a_standby_reloads_too(start: Start, configured: Configured, logs: Path, tmp_path: Path) -> None:
    """It leads by the new configuration when its turn comes, and its commits carry the lease."""
    first = start(*configured(logs))
    ready(first)
    log = first.log.rename(tmp_path / "first")
    first = Running(first.process, log)
    second = start(*configured(logs), "--standby")
    second.started()
    second.until(lambda: second.get("/readyz")[0] == 503)
    flowlogs.write(tmp_path / "more" / "two.log.gz", flowlogs.egress(3))
    configured(logs, tmp_path / "more")
    hup(second, "configuration reloaded")
    assert first.end() == 0
    second.until(lambda: second.metric("leader") == 1)
    second.until(lambda: second.metric("collect_records_kept_total") == 1)
    assert second.end() == 0
    lake = App(Config.model_validate({"lake": {"uri": str(tmp_path / "lake")}})).lake
    assert lake.open("flows").transaction_version("flowaudit/leader") == second_generation(second)


def second_generation(daemon: Running) -> int:
    """Return the generation that a daemon has led by."""
    (leads,) = [each for each in daemon.events() if each["event"] == "leads"]
    return int(leads["generation"])


@pytest.mark.parametrize("key", RESTART)
def test_a_key_that_needs_a_restart_is_named(tmp_path: Path, key: str) -> None:
    """And the whole reload is refused: half a configuration would hold."""
    sources = [{"type": "local", "uri": str(tmp_path)}]
    running = Config.model_validate({"sources": sources})
    section, name = key.split(".")
    value = "127.0.0.1:1" if name == "listen" else str(tmp_path / "other")
    changed = Config.model_validate({"sources": sources, section: {name: value}})
    with pytest.raises(ConfigError, match=f"{key} needs a restart: "):
        prepared(App(changed), running)
    assert prepared(App(running), running).app.config == running


def test_a_configuration_without_sources_is_refused(tmp_path: Path) -> None:
    """A daemon with nothing to collect would be silent for ever."""
    running = Config.model_validate({"sources": [{"type": "local", "uri": str(tmp_path)}]})
    with pytest.raises(ConfigError, match=r"\[\[sources\]\]"):
        prepared(replace(App(running), config=Config()), running)
