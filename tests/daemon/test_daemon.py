"""The daemon goes on whatever fails, tells how it is over HTTP, and ends when it is told to."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import socket
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import bcrypt
import pytest
import structlog

from flowaudit.app import App
from flowaudit.collect import collect
from flowaudit.config import Config
from flowaudit.coverage import State
from flowaudit.daemon import Daemon, configure, run, stages
from flowaudit.daemon.jobs import Jobs
from flowaudit.daemon.runs import Run
from flowaudit.daemon.stages import Covering
from flowaudit.errors import ConfigError, Stopped
from flowaudit.inventory import history
from flowaudit.model import Visibility, Window
from flowaudit.sources.local import LocalSource
from flowaudit.topology import Discovery, FlowLog, Interface, Network, Workload
from tests import flowlogs
from tests.running import PATIENCE, Running
from tests.scenario.cloud import client, serving

LEAK = "internet-egress-bypasses-nat"


def app(tmp_path: Path, *sources: Path, **sections: Any) -> App:
    """An application over local sources, with its lake under `tmp_path`."""
    places = [{"type": "local", "uri": str(source)} for source in sources]
    return App(Config.model_validate({"lake": {"uri": str(tmp_path / "lake")}, "sources": places, **sections}))


class TestProcess:
    """The daemon as a whole."""

    def test_it_becomes_ready_and_ends_on_sigterm(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path
    ) -> None:
        """After one collect and one detect it is ready, tells what it found, and ends with 0 within ten seconds."""
        daemon = start(*configured(logs))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz") == (200, "ok\n"))
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.metric("collect_records_kept_total") == 3
        assert daemon.metric(f'findings_open{{detector="{LEAK}",severity="critical"}}') == 1
        assert daemon.metric("collect_last_success_timestamp_seconds") == pytest.approx(time.time(), abs=60)
        assert daemon.end() == 0
        assert [event["event"] for event in daemon.events()][-2:] == ["stopping", "stopped"]

    def test_it_ends_while_a_client_waits_for_a_query(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
    ) -> None:
        """With 0 and within ten seconds all the same: a client gets 503, and nothing is logged as broken."""
        (tmp_path / "mine" / "reports").mkdir(parents=True)
        slow = "SELECT sum(hash(number.range)) AS n FROM flows, range(100000000000) number"
        (tmp_path / "mine/reports/slow.sql").write_text(f'/*---\ntitle = "Slow"\n---*/\n/*\nSlow.\n*/\n{slow}\n')
        daemon = start(*configured(logs, more=f'[queries]\npaths = ["{tmp_path / "mine"}"]\n'))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz")[0] == 200)
        with ThreadPoolExecutor(3) as threads:
            asked = [threads.submit(daemon.get, "/api/v1/query/slow") for _ in range(3)]
            time.sleep(1)
            assert daemon.end() == 0
            assert [each.result()[0] for each in asked] == [503] * 3
        assert [event["event"] for event in daemon.events()][-2:] == ["stopping", "stopped"]

    def test_it_goes_on_finding(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path
    ) -> None:
        """What arrives later is collected on schedule; Ctrl-C ends it as SIGTERM does."""
        daemon = start(*configured(logs))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz")[0] == 200)
        flowlogs.write(logs / "two.log.gz", flowlogs.egress(3))
        daemon.until(lambda: daemon.metric("collect_records_kept_total") == 4)
        assert daemon.end(signal.SIGINT) == 0

    def test_a_broken_source_keeps_no_other_back(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
    ) -> None:
        """The source that fails is counted and told of at each collect; the other is collected, and it is ready."""
        daemon = start(*configured(tmp_path / "none", logs))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz")[0] == 200)
        daemon.until(lambda: daemon.metric('collect_failures_total{kind="source"}') >= 2)
        assert daemon.metric("collect_records_kept_total") == 3
        assert daemon.metric("collect_last_success_timestamp_seconds") == 0
        failed = next(event for event in daemon.events() if event["event"] == "job failed")
        assert (failed["job"], failed["source"], failed["level"]) == ("collect", str(tmp_path / "none"), "error")
        assert "check the path" in failed["error"]
        assert daemon.end() == 0

    def test_without_any_source_it_is_alive_but_not_ready(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], tmp_path: Path
    ) -> None:
        """Where nothing can be collected, readiness says what is in the way."""
        daemon = start(*configured(tmp_path / "none"))
        daemon.started()
        daemon.until(lambda: "check the path" in daemon.get("/readyz")[1])
        status, text = daemon.get("/readyz")
        assert (status, text.count("\n")) == (503, 1)
        assert text.startswith("no collect has succeeded yet: ")
        assert daemon.get("/healthz")[0] == 200

    def test_a_broken_query_of_the_users_is_left_out(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
    ) -> None:
        """It is told of with its file and line, counted, and takes no other detector along."""
        mine = tmp_path / "mine" / "detectors" / "mine.sql"
        mine.parent.mkdir(parents=True)
        mine.write_text("SELECT 1")
        daemon = start(*configured(logs, more=f'[queries]\npaths = ["{tmp_path / "mine"}"]\n'))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz")[0] == 200)
        assert daemon.metric("catalogue_errors") == 1
        assert daemon.metric(f'findings_open{{detector="{LEAK}",severity="critical"}}') == 1
        assert [
            f"{mine}:1:" in event["problem"] for event in daemon.events() if event["event"] == "query left out"
        ] == [True]

    def test_an_address_that_is_taken_is_told(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
    ) -> None:
        """It does not start, with a message that names the address and what to set, and exit code 3."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            place = f"127.0.0.1:{other.getsockname()[1]}"
            arguments = configured(logs)
            file = tmp_path / "flowaudit.toml"
            file.write_text(file.read_text().replace("127.0.0.1:0", place))
            daemon = start(*arguments)
            assert daemon.process.wait(PATIENCE) == 3
        assert f"{place} is in use: name another address under [http] listen" in daemon.log.read_text()

    @pytest.mark.parametrize("once", [[], ["--once"]], ids=["scheduled", "once"])
    def test_a_stop_in_mid_object_leaves_nothing_half(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], tmp_path: Path, once: list[str]
    ) -> None:
        """Ended while it reads a large object it is gone within ten seconds; the next collect has every record once."""
        logs = tmp_path / "logs"
        part = flowlogs.write(logs / "big.log.gz", *[flowlogs.egress(n % 60) for n in range(50_000)])
        part.write_bytes(part.read_bytes() * 12)
        arguments = configured(logs)
        daemon = start(*arguments, *once)
        daemon.until(lambda: any((tmp_path / "lake" / "flows").rglob("*.parquet")))
        assert daemon.end() == (3 if once else 0)
        lake = app(tmp_path).lake
        assert lake.dataset("flows").count_rows() == 0
        assert collect([(LocalSource(str(logs)), None)], lake).kept == lake.dataset("flows").count_rows() == 600_000

    def test_a_read_that_hangs_does_not_keep_it(self, start: Callable[..., Running], tmp_path: Path) -> None:
        """Health names the job once it has run for too long, and it ends by force once the grace is over."""
        script = tmp_path / "hang.py"
        script.write_text(textwrap.dedent(HANGING.format(lake=tmp_path / "lake")))
        daemon = start(str(script))
        daemon.started()
        daemon.until(lambda: daemon.get("/healthz")[0] == 503)
        assert daemon.get("/healthz")[1].startswith("collect: a run hangs: it began ")
        assert daemon.get("/readyz") == (503, "no collect has succeeded yet\n")
        assert daemon.end() == 3
        assert daemon.events()[-1]["event"] == "stop forced"


HANGING = """
    import threading
    from flowaudit import daemon
    from flowaudit.app import App
    from flowaudit.config import Config

    class Hanging:
        uri, declared = "nowhere", None
        def objects(self, window):
            threading.Event().wait()

    class Only(App):
        def sources(self, named, span, now):
            return [(Hanging(), None)]

    daemon.GRACE = 0.5
    source = {{"type": "local", "uri": "nowhere"}}
    config = {{"lake": {{"uri": "{lake}"}}, "sources": [source], "schedule": {{"collect": "1s", "longest_run": "4s"}}}}
    daemon.run(Only(Config.model_validate(config | {{"http": {{"listen": "127.0.0.1:0"}}}})))
"""


class TestOnce:
    """One cycle."""

    def test_findings_are_no_failure(self, tmp_path: Path, logs: Path) -> None:
        """A cycle collects, then detects, and ends with 0 whatever it found."""
        cycle = run(app(tmp_path, logs), once=True)
        assert cycle is not None
        assert cycle.exit_code == 0
        assert cycle.summary()["collect"]["kept"] == 3
        assert cycle.summary()["detect"]["events"] == {"opened": 1}
        assert cycle.failures == ()

    def test_a_source_that_fails_makes_it_fail(self, tmp_path: Path, logs: Path) -> None:
        """The rest is done all the same, the figures are of all sources together, and the exit code is 3."""
        flowlogs.write(tmp_path / "more" / "two.log.gz", flowlogs.egress(3))
        cycle = run(app(tmp_path, logs, tmp_path / "none", tmp_path / "more"), once=True)
        assert cycle is not None
        assert cycle.exit_code == 3
        assert cycle.reports["collect"].kept == 4
        assert [str(tmp_path / "none") in line for line in cycle.failures] == [True]

    def test_an_object_that_cannot_be_read_makes_it_fail(self, tmp_path: Path, logs: Path) -> None:
        """A truncated object is in the figures and in the exit code."""
        (logs / "cut.log.gz").write_bytes((logs / "one.log.gz").read_bytes()[:-9])
        cycle = run(app(tmp_path, logs), once=True)
        assert cycle is not None
        assert (cycle.reports["collect"].failed, cycle.reports["collect"].kept, cycle.exit_code) == (1, 3, 3)

    def test_a_detector_that_fails_makes_it_fail(self, tmp_path: Path, logs: Path) -> None:
        """A query that breaks on real rows is named with its file; the other detectors have run."""
        file = tmp_path / "mine" / "detectors" / "mine.sql"
        file.parent.mkdir(parents=True)
        file.write_text(FRAGILE)
        daemon = Daemon(app(tmp_path, logs, queries={"paths": [tmp_path / "mine"]}))
        cycle = daemon.once()
        assert cycle.exit_code == 3
        assert [line.startswith(f"{file}: ") for line in cycle.failures] == [True]
        sample = daemon.metrics.registry.get_sample_value
        assert sample("flowaudit_detector_failures_total", {"detector": "mine"}) == 1
        assert sample("flowaudit_findings_open", {"detector": LEAK, "severity": "critical"}) == 1
        assert sample("flowaudit_detect_last_success_timestamp_seconds") == 0

    def test_without_sources_there_is_nothing_to_do(self, tmp_path: Path) -> None:
        """It says which section of the configuration is missing."""
        with pytest.raises(ConfigError, match=r"\[\[sources\]\]"):
            run(app(tmp_path), once=True)

    def test_signals_are_the_callers_again(self, tmp_path: Path, logs: Path) -> None:
        """Whoever handled SIGTERM and SIGINT before does so after."""
        before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
        run(app(tmp_path, logs), once=True)
        assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


FRAGILE = """/*---
title = "Breaks on rows"
severity = "low"
attack = []
every = "1m"
window = "1h"
key = ["interface_id"]
needs = []
---*/
/* Breaks. */
SELECT interface_id, min(start_time) AS first_seen, max(end_time) AS last_seen, count(*) AS flows,
       CAST(sum(CAST('x' || srcaddr AS BIGINT)) AS BIGINT) AS bytes
FROM flows WHERE start_time >= $since AND start_time < $until GROUP BY interface_id
"""


class Raising:
    """A source that cannot even be listed, for a reason nobody thought of."""

    uri = "nowhere"
    declared = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    def objects(self, _: object) -> Iterator[Any]:
        """Raise."""
        raise self._error

    def open(self, _: object) -> Any:
        """Never comes that far."""


class Only(App):
    """An application with one source, which raises."""

    error: Exception = ZeroDivisionError("division by zero")

    def sources(self, named: object, span: object, now: object) -> list[tuple[Any, Window | None]]:
        """That source."""
        return [(Raising(self.error), None)]


class Held(App):
    """An application whose sources are listed when it is told to go on."""

    @cached_property
    def begun(self) -> Event:
        """Set once a collect has begun."""
        return Event()

    @cached_property
    def go(self) -> Event:
        """To be set for it to go on."""
        return Event()

    def sources(self, named: Sequence[str], span: Window | None, now: datetime) -> list[tuple[Any, Window | None]]:
        """Its sources, after a while."""
        self.begun.set()
        self.go.wait(PATIENCE)
        return super().sources(named, span, now)


class TestJobs:
    """Single runs of the stages."""

    def test_checkpoints_bound_what_a_collect_reads_of_the_log(self, tmp_path: Path) -> None:
        """Every 20 commits, by the collect itself: else threads and memory grow with each collect of a long life."""
        logs = tmp_path / "logs"
        jobs = Jobs(app(tmp_path, logs), Event())
        for number in range(21):
            flowlogs.write(logs / f"{number}.log.gz", flowlogs.egress(number))
            assert jobs.run("collect")[1].failures == []
        for table in ("flows", "objects"):
            log = tmp_path / "lake" / table / "_delta_log"
            newest = max(int(file.stem) for file in log.glob("*.json"))
            checkpointed = max(int(file.name.partition(".")[0]) for file in log.glob("*.checkpoint.parquet"))
            assert newest - checkpointed < 20 <= newest

    def test_a_fault_of_our_own_ends_nothing(self, tmp_path: Path, capfd: Any) -> None:
        """What nobody foresaw is counted as unexpected and logged in one line, with its traceback."""
        configure()
        jobs = Jobs(Only(app(tmp_path, tmp_path).config), Event())
        _, run = jobs.run("collect")
        assert run.failures == ["ZeroDivisionError: division by zero (a fault in flowaudit: see the log)"]
        assert jobs.metrics.registry.get_sample_value("flowaudit_collect_failures_total", {"kind": "unexpected"}) == 1
        assert jobs.metrics.registry.get_sample_value("flowaudit_collect_runs_total") == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert json.loads(line)["event"] == "job failed"
        assert "ZeroDivisionError" in json.loads(line)["exception"]

    def test_a_stop_is_no_failure_and_no_success(self, tmp_path: Path) -> None:
        """A collect that was stopped counts as a run, but neither as failed nor as a success; nothing is ready."""
        only = Only(app(tmp_path, tmp_path).config)
        object.__setattr__(only, "error", Stopped())
        stop = Event()
        stop.set()
        jobs = Jobs(only, stop)
        assert jobs.run("collect")[1].failures == []
        assert jobs.metrics.registry.get_sample_value("flowaudit_collect_last_success_timestamp_seconds") == 0
        assert jobs.unready() == "stopping"

    def test_a_silent_interface_is_a_gap(self, tmp_path: Path) -> None:
        """The stage `coverage` counts the last 24 hours by state, gaps, and workloads that no flow log records."""
        tracked, now = app(tmp_path), datetime.now(UTC)
        tracked.lake.create()
        here: dict[str, Any] = {"account_id": "123456789012", "region": "us-east-1"}
        attached = now - timedelta(hours=2)
        interface = Interface(
            **here, interface_id="eni-0a", vpc_id="vpc-1", status="in-use", owner="sagemaker", attached_at=attached
        )
        log = FlowLog(flow_log_id="fl-1a", resource_id="vpc-1", traffic_type="ALL", max_aggregation_interval=60)
        job = Workload(**here, arn="arn:x", kind="training_job", name="x", running=True, created_at=attached)
        network = Network(**here, vpc_id="vpc-1", flow_logs=(log,))
        found = Discovery(**here, at=attached, interfaces=(interface,), workloads=(job,), networks=(network,))
        history.record(tracked.lake, found)
        jobs = Jobs(tracked, Event())
        assert jobs.run("coverage")[1].failures == []
        told = jobs.metrics.registry.get_sample_value
        missing = told("flowaudit_coverage_interface_seconds", {"state": "missing"})
        assert missing is not None
        assert 100 <= missing / 60 <= 105  # of 120 minutes, 16 may still come
        assert told("flowaudit_coverage_gaps") == 1
        assert told("flowaudit_coverage_blind_workloads") == 1
        assert told("flowaudit_coverage_final_seconds_total", {"state": "missing"}) == 300  # of the interval before

    def test_what_a_workload_sent_is_on_the_page(self, tmp_path: Path) -> None:
        """Collect counts bytes by path and service; the stage `coverage` names the workload, and what is open of it."""
        logs = tmp_path / "logs"
        here: dict[str, Any] = {"account_id": "123456789012", "region": "us-east-1"}
        tracked = app(tmp_path, logs)
        tracked.lake.create()
        interface = Interface(
            **here,
            interface_id="eni-0a",
            owner="sagemaker",
            workload_kind="endpoint",
            workload="fraud",
            workload_arn="arn:x",
        )
        at = datetime.fromtimestamp(flowlogs.START, UTC)
        history.record(tracked.lake, Discovery(**here, at=at, interfaces=(interface,), workloads=(), networks=()))
        flowlogs.write(logs / "a.log.gz", flowlogs.egress(size=7))
        jobs = Jobs(tracked, Event())
        assert [jobs.run(stage)[1].failures for stage in ("collect", "collect", "detect", "coverage")] == [[]] * 4
        told, whose = jobs.metrics.registry.get_sample_value, {"workload_kind": "endpoint", "workload": "fraud"}
        assert told("flowaudit_collect_egress_bytes_total", {"path": "internet_gateway"}) == 7
        assert told("flowaudit_traffic_workload_bytes", whose | {"path": "internet_gateway"}) == 7
        assert told("flowaudit_traffic_workload_findings", whose | {"severity": "critical"}) == 1

    @pytest.mark.parametrize(("view", "left"), [("workload_egress", "findings"), ("findings_current", "bytes")])
    def test_workloads_that_cannot_be_ranked_do_not_end_coverage(
        self, tmp_path: Path, logs: Path, capfd: Any, view: str, left: str
    ) -> None:
        """One query that fails is counted and leaves its own series out; coverage and the other ranking are there."""
        configure()
        broken = app(tmp_path, logs)
        jobs = Jobs(broken, Event())
        jobs.run("collect")
        jobs.run("detect")
        jobs.run("coverage")
        assert set(self._ranked(jobs)) == {"bytes", "findings"}
        views = {**broken.catalogue.views, view: "SELECT nonsense"}
        object.__setattr__(broken, "catalogue", replace(broken.catalogue, views=views))
        report, run = jobs.run("coverage")
        assert [view in line for line in run.failures] == [True]
        assert self._ranked(jobs) == [left]
        assert set(report.interface_seconds) == set(State)  # of a run, not of before
        told = jobs.metrics.registry.get_sample_value
        assert told("flowaudit_coverage_failures_total", {"kind": "query"}) == 1

    @staticmethod
    def _ranked(jobs: Jobs) -> list[str]:
        """Return the rankings that have series."""
        page = jobs.metrics.exposition()[1].decode()
        return [name for name in ("bytes", "findings") if f"\nflowaudit_traffic_workload_{name}{{" in page]

    def test_a_minute_is_counted_once_its_coverage_is_final(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each run counts the minutes that became 30 minutes old since the last; none is counted twice."""
        stage, now = Covering(app(tmp_path)), datetime.now(UTC).replace(second=10, microsecond=0)
        windows: list[Window] = []

        def found(_lake: object, _views: object, window: Window, _now: object) -> Any:
            windows.append(window)
            return SimpleNamespace(minutes={State.COVERED: 3}, silent=lambda: 0, blind_workloads=lambda: ())

        monkeypatch.setattr(stages, "coverage", found)
        for minutes in (0, 0, 2, 60 * 48, -(60 * 24 * 365), 5 - 60 * 24 * 365):
            monkeypatch.setattr(
                stages, "datetime", SimpleNamespace(now=lambda _, m=minutes: now + timedelta(minutes=m))
            )
            stage(Run("coverage", Jobs(app(tmp_path), Event()).metrics, Event()))
        final = [window for window in windows if window.until.second == 0]
        age = now.replace(second=0) - stages.FINAL
        assert final == [
            Window(age - timedelta(minutes=5), age),
            Window(age, age + timedelta(minutes=2)),
            Window(age + timedelta(minutes=60 * 48) - timedelta(days=1), age + timedelta(minutes=60 * 48)),
            Window(age - timedelta(days=365), age - timedelta(days=365) + timedelta(minutes=5)),  # the clock set back
        ]

    def test_coverage_that_cannot_be_measured_is_its_own_failure(self, tmp_path: Path, capfd: Any) -> None:
        """A view that breaks it fails the stage `coverage`, and the detect goes well."""
        broken = app(tmp_path)
        views = {**broken.catalogue.views, "coverage_spans": "SELECT nonsense"}
        object.__setattr__(broken, "catalogue", replace(broken.catalogue, views=views, detectors={}))
        configure()
        jobs = Jobs(broken, Event())
        assert jobs.run("detect")[1].failures == []
        assert len(jobs.run("coverage")[1].failures) == 1
        assert jobs.metrics.registry.get_sample_value("flowaudit_coverage_failures_total", {"kind": "query"}) == 1

    def test_a_lake_out_of_reach_is_told(self, tmp_path: Path, logs: Path) -> None:
        """Where a file is in the lake's place, both stages fail as `lake`, and readiness says so."""
        (tmp_path / "lake").write_text("no folder")
        jobs = Jobs(app(tmp_path, logs), Event())
        collected, detected = jobs.run("collect")[1], jobs.run("detect")[1]
        assert all(str(tmp_path / "lake") in line for line in (*collected.failures, *detected.failures))
        for stage in ("collect", "detect"):
            assert jobs.metrics.registry.get_sample_value(f"flowaudit_{stage}_failures_total", {"kind": "lake"}) == 1
        assert "no collect has succeeded yet: the lake at" in str(jobs.unready())

    def test_a_detector_waits_for_its_turn(self, tmp_path: Path, logs: Path) -> None:
        """`every` is each detector's own: new records are looked at when it is due, and then all of them."""
        jobs = Jobs(app(tmp_path, logs, detectors={LEAK: {"every": "1h"}}), Event())
        jobs.run("collect")
        assert LEAK in jobs.run("detect")[0].runs
        flowlogs.write(logs / "two.log.gz", flowlogs.egress(61))
        jobs.run("collect")
        assert LEAK not in jobs.run("detect")[0].runs

    def test_open_findings_are_known_from_the_start(self, tmp_path: Path, logs: Path, capfd: Any) -> None:
        """After a restart the metrics have the lake's open findings before any run; else its alerts would resolve."""
        first = Jobs(app(tmp_path, logs), Event())
        first.run("collect")
        first.run("detect")
        sample = Jobs(app(tmp_path, logs), Event()).metrics.registry.get_sample_value
        labels = {"detector": LEAK, "severity": "critical"}
        assert sample("flowaudit_findings_open", labels) == 1
        assert (sample("flowaudit_findings_open_bytes", labels) or 0) > 0
        assert (sample("flowaudit_findings_open_since_timestamp_seconds", labels) or 0) > 0
        configure()
        (tmp_path / "lake" / "findings" / "_delta_log" / "00000000000000000000.json").write_text("broken")
        assert (
            Jobs(app(tmp_path, logs), Event()).metrics.registry.get_sample_value("flowaudit_findings_open", labels) == 0
        )
        assert "open findings not known" in capfd.readouterr().err

    def test_a_detect_looks_at_what_a_running_collect_brings(self, tmp_path: Path, logs: Path) -> None:
        """A detect that falls due during a collect starts when that one has ended, not an interval later."""
        held = Held(app(tmp_path, logs).config)
        jobs = Jobs(held, Event())
        with ThreadPoolExecutor(2) as threads:
            collected = threads.submit(jobs.run, "collect")
            held.begun.wait(PATIENCE)
            detected = threads.submit(jobs.run, "detect")
            assert wait([detected], 0.3).not_done
            held.go.set()
            assert detected.result(PATIENCE)[0].events["opened"] >= 1
            assert collected.result(PATIENCE)[0].kept == 3

    def test_a_collect_that_takes_long_is_not_waited_for(self, tmp_path: Path, logs: Path) -> None:
        """During a long collect, as of a backlog, detects go on half an interval late."""
        held = Held(app(tmp_path, logs, schedule={"detect": "1s"}).config)
        jobs = Jobs(held, Event())
        with ThreadPoolExecutor(2) as threads:
            collected = threads.submit(jobs.run, "collect")
            held.begun.wait(PATIENCE)
            assert threads.submit(jobs.run, "detect").result(PATIENCE)[1].failures == []
            assert not collected.done()
            held.go.set()

    def test_a_run_that_failed_is_made_up_for(self, tmp_path: Path, logs: Path) -> None:
        """Detectors that were not asked because the lake was out of reach are due again at once."""
        jobs = Jobs(app(tmp_path, logs, detectors={LEAK: {"every": "1h"}}), Event())
        (tmp_path / "lake").write_text("no folder")
        assert jobs.run("detect")[1].failures
        (tmp_path / "lake").unlink()
        jobs.run("collect")
        assert LEAK in jobs.run("detect")[0].runs


class TestDiscovery:
    """AWS asked by the daemon."""

    @pytest.fixture
    def nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No credentials anywhere."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        none = str(tmp_path / "none")
        values = {"EC2_METADATA_DISABLED": "true", "CONFIG_FILE": none, "SHARED_CREDENTIALS_FILE": none}
        for name, value in {**values, "REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)

    def test_without_credentials_a_cycle_is_whole(self, tmp_path: Path, logs: Path, nobody: None) -> None:
        """That nobody can be asked is a warning, no failure: what is recorded is collected and judged all the same."""
        cycle = run(app(tmp_path, logs), once=True)
        assert cycle is not None
        assert (cycle.exit_code, cycle.failures, cycle.reports["collect"].kept) == (0, (), 3)
        (warning,) = cycle.warnings
        assert "Unable to locate credentials" in warning
        summary = cycle.summary()
        assert summary["discover"] == {"regions": 0, "interfaces": 0}
        assert summary["warnings"] == [warning]

    def test_it_is_told_once(self, tmp_path: Path, logs: Path, nobody: None, capfd: Any) -> None:
        """For as long as it stays so it is logged once; each look counts, and none is a success."""
        configure()
        jobs = Jobs(app(tmp_path, logs), Event())
        for _ in range(3):
            _, run = jobs.run("discover")
            assert (len(run.warnings), run.failures) == (1, [])
        (line,) = capfd.readouterr().err.splitlines()
        assert (json.loads(line)["event"], json.loads(line)["level"]) == ("no answer from AWS", "warning")
        sample = jobs.metrics.registry.get_sample_value
        assert sample("flowaudit_discover_runs_total") == 3
        assert sample("flowaudit_discover_unreachable") == 1
        assert sample("flowaudit_discover_regions") == 0
        assert sample("flowaudit_discover_last_success_timestamp_seconds") == 0
        assert sample("flowaudit_discover_failures_total", {"kind": "lake"}) == 0

    def test_what_it_found_is_counted(
        self, tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, nobody: None
    ) -> None:
        """Regions, VPCs, interfaces, what did not answer and why, calls; and how much each detector can see then."""
        with serving() as url:
            for name, value in {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
                monkeypatch.setenv(f"AWS_{name}", value)
            monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
            ec2 = client("ec2", url)
            subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
            ec2.create_network_interface(SubnetId=subnet)
            jobs = Jobs(app(tmp_path, logs), Event())
            jobs.run("collect")
            report, run = jobs.run("discover")
        jobs.run("coverage")
        assert run.failures == []
        assert len(run.warnings) == len(report.gaps) > 0
        sample = jobs.metrics.registry.get_sample_value
        found = {name: sample(f"flowaudit_discover_{name}") for name in ("regions", "unreachable", "vpcs")}
        assert found == {"regions": 1, "unreachable": 0, "vpcs": 1}
        assert sample("flowaudit_discover_interfaces", {"owner": "unknown"}) == 1
        assert sample("flowaudit_discover_interfaces", {"owner": "sagemaker"}) == 0
        assert sample("flowaudit_discover_failed_apis", {"reason": "failed"}) == len(report.gaps)
        assert sample("flowaudit_discover_failed_apis", {"reason": "denied"}) == 0
        assert sample("flowaudit_discover_unlisted_interfaces_total") == 1
        assert sample("flowaudit_discover_api_calls_total") == sum(report.calls.values())
        visible = {
            each: sample("flowaudit_detector_visibility", {"detector": LEAK, "visibility": each}) for each in Visibility
        }
        assert visible == {"full": 1, "partial": 0, "none": 0}

    def test_before_anything_is_known_no_detector_sees_anything(self, tmp_path: Path) -> None:
        """The metric is there from the start, and presumes nothing."""
        jobs = Jobs(app(tmp_path), Event())
        sample = jobs.metrics.registry.get_sample_value
        visible = {
            each: sample("flowaudit_detector_visibility", {"detector": LEAK, "visibility": each}) for each in Visibility
        }
        assert visible == {"full": 0, "partial": 0, "none": 1}

    def test_a_lake_out_of_reach_is_a_failure(self, tmp_path: Path, logs: Path, nobody: None) -> None:
        """That is ours: it is counted as `lake` and told; what detectors see is as it was."""
        (tmp_path / "lake").write_text("no folder")
        jobs = Jobs(app(tmp_path, logs), Event())
        _, run = jobs.run("discover")
        assert run.warnings == []
        assert [str(tmp_path / "lake") in line for line in run.failures] == [True]
        sample = jobs.metrics.registry.get_sample_value
        assert sample("flowaudit_discover_failures_total", {"kind": "lake"}) == 1
        assert sample("flowaudit_detector_visibility", {"detector": LEAK, "visibility": "none"}) == 1


class TestWeb:
    """The HTTP endpoints of a daemon."""

    def test_they_serve_what_the_jobs_did(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path
    ) -> None:
        """Metrics in the form that is asked for, with the requests themselves counted; the state of every page."""
        daemon = start(*configured(logs))
        daemon.started()
        daemon.until(lambda: daemon.get("/readyz")[0] == 200)
        status, body = daemon.get("/metrics?name[]=flowaudit_detect_windows_total")
        assert (status, body.count("\n")) == (200, 3)
        assert daemon.get("/nope") == (404, "no such page\n")
        assert daemon.metric('http_requests_total{status="404"}') == 1
        assert daemon.metric("http_connections_dropped_total") == 0
        assert daemon.metric("web_config_last_reload_successful") == 1
        assert json.loads(daemon.get("/api/v1/query/findings")[1])["total"] == 1
        assert daemon.end() == 0

    def test_slow_clients_take_no_descriptor_from_the_jobs(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path
    ) -> None:
        """1,100 clients send a byte now and then to a daemon that may have 256 files open: it goes on collecting."""
        limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
        run_module = "sys.argv = sys.argv[:1] + sys.argv[3:]; runpy.run_module('flowaudit', run_name='__main__')"
        daemon = start("-c", limited + run_module, *configured(logs))
        daemon.started()
        port, hard = daemon._port(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        with ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(1_100)]
            for number in (2, 3):
                for client in slow:
                    with suppress(OSError):
                        client.send(b"G")
                flowlogs.write(logs / f"{number}.log.gz", flowlogs.egress(2 * number))
                daemon.until(partial(self._has_collected, daemon, number))
            assert daemon.metric("http_connections_dropped_total") > 1_000
            assert daemon.metric("process_open_fds", prefix="") < 200
        failed = re.findall(r"^flowaudit_\w+_failures_total\{.*\} [^0].*$", daemon.get("/metrics")[1], re.MULTILINE)
        assert failed == []
        assert not [event for event in daemon.events() if event["event"] == "connection failed"]
        assert daemon.end() == 0

    @staticmethod
    def _has_collected(daemon: Running, objects: int) -> bool:
        return daemon.metric("collect_objects_total") == objects

    def test_the_web_configuration_is_used_and_read_again(
        self, start: Callable[..., Running], configured: Callable[..., list[str]], logs: Path, tmp_path: Path
    ) -> None:
        """A password is needed from the start; a mistake in the file is a metric and a line of the log."""
        file, hashed = tmp_path / "web.yml", bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
        file.write_text(f"basic_auth_users: {{auditor: {hashed}}}")
        arguments = configured(logs)
        config = tmp_path / "flowaudit.toml"
        config.write_text(config.read_text().replace("[http]\n", f'[http]\nweb_config = "{file}"\n'))
        daemon = start(*arguments)
        daemon.started()
        assert daemon.get("/metrics")[0] == 401
        assert daemon.get("/metrics", auth="auditor:secret")[0] == 200
        file.write_text("basic_auth_users: 1")
        status, text = daemon.get("/metrics", auth="auditor:secret")
        assert (status, "flowaudit_web_config_last_reload_successful 0.0" in text) == (200, True)
        assert [event["error"] for event in daemon.events() if event["event"] == "web configuration not reloaded"]
        file.write_text("basic_auth_users: {}")
        assert daemon.metric("web_config_last_reload_successful") == 1
        assert daemon.end() == 0

    @pytest.mark.parametrize("once", [[], ["--once"]], ids=["scheduled", "once"])
    def test_a_wrong_web_configuration_is_an_error_at_start(
        self,
        start: Callable[..., Running],
        configured: Callable[..., list[str]],
        logs: Path,
        tmp_path: Path,
        once: list[str],
    ) -> None:
        """With exit code 2, before anything is collected or served."""
        arguments = configured(logs)
        config = tmp_path / "flowaudit.toml"
        config.write_text(config.read_text().replace("[http]\n", '[http]\nweb_config = "nowhere.yml"\n'))
        daemon = start(*arguments, *once)
        assert daemon.process.wait(PATIENCE) == 2
        assert "nowhere.yml: there is no such file" in daemon.log.read_text()
        assert not (tmp_path / "lake").exists()

    def test_the_jobs_have_a_state(self, tmp_path: Path, logs: Path) -> None:
        """What ran, when, for how long, and what failed last."""
        jobs = Jobs(app(tmp_path, logs), Event())
        assert [each.name for each in jobs.status()] == [stage.name for stage in stages.STAGES]
        assert all(each.started is None and not each.is_running for each in jobs.status())
        jobs.cycle()
        by_name = {each.name: each for each in jobs.status()}
        assert "AWS cannot be asked" in by_name["discover"].error
        assert by_name["discover"].succeeded is None
        collected = by_name["collect"]
        assert (collected.error, collected.summary["objects"], collected.is_running) == ("", 1, False)
        assert collected.started <= collected.ended == collected.succeeded  # type: ignore[operator]


class Terminal(io.StringIO):
    """What looks like a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["json", "terminal"])
def test_no_log_shows_the_values_of_variables(stream: io.StringIO) -> None:
    """A traceback names lines of code, never what they held: that may be a secret."""
    configure(stream=stream)
    secret = str(10**9)  # not in the source, which a traceback does show
    try:
        assert int(secret[:0])
    except ValueError:
        structlog.stdlib.get_logger("flowaudit.test").exception("it failed")
    finally:
        configure()
    assert "it failed" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert secret not in stream.getvalue()


def test_services_that_records_make_up_are_one_label() -> None:
    """A record can name any service: the metric's labels stay those that are known, and the bytes are all there."""
    sizes = {"S3": 5, "MADE_UP": 7, "MADE_UP_2": 1, "none": 2}
    assert stages._by_known(sizes, stages._services()) == {"S3": 5, stages.OTHER: 8, "none": 2}
