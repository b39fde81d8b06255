"""The detect loop: what is new is looked at, what changed becomes one event, and looking again is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowaudit import catalogue, findings, sql
from flowaudit.catalogue import Catalogue
from flowaudit.collect import collect
from flowaudit.config import shipped
from flowaudit.detect import detect
from flowaudit.findings import Finding, identity
from flowaudit.lake import Lake, maintenance
from flowaudit.metrics import Metrics
from flowaudit.model import DetectReport, Window
from flowaudit.schema import FINDINGS
from flowaudit.sources.local import LocalSource
from tests.flowlogs import START, egress, nodata, write

LEAK = "internet-egress-bypasses-nat"
DAY = Window(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START, UTC) + timedelta(days=1))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return an empty folder for log objects."""
    return tmp_path / "logs"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return an empty lake."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    return lake


@pytest.fixture(scope="module")
def queries() -> Catalogue:
    """Return the shipped queries."""
    return catalogue.load([shipped("queries")])


def _add(logs: Path, lake: Lake, name: str, *lines: str) -> None:
    write(logs / f"{name}.log.gz", *lines)
    collect([(LocalSource(str(logs)), None)], lake)


def _findings(lake: Lake, queries: Catalogue) -> dict[str, Finding]:
    with sql.connect(lake, views=queries.views) as connection:
        rows = connection.query("SELECT * FROM findings_current").to_pylist()
    return {finding.detector: finding for finding in map(Finding.of, rows)}


def _events(lake: Lake) -> list[str]:
    table = lake.dataset("findings").to_table().sort_by([("at", "ascending"), ("window_start", "ascending")])
    return table.column("event").to_pylist()


def test_a_leak_becomes_a_finding(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """Key, volume, times, severity and the largest remotes of what went out over the internet gateway."""
    _add(logs, lake, "a", egress(size=10), egress(1, size=5, remote="198.51.100.7"), nodata(2))

    report = detect(lake, queries)

    assert report.events == {"opened": 1}
    found = _findings(lake, queries)[LEAK]
    assert found.key == {"interface_id": "eni-0a", "path": "internet_gateway"}
    assert (found.state, found.severity, found.flows, found.bytes) == ("open", "critical", 2, 15)
    assert found.first_seen == DAY.since
    assert found.evidence["top_remotes"] == [
        {"address": "203.0.113.9", "port": 443, "bytes": 10, "flows": 1},
        {"address": "198.51.100.7", "port": 443, "bytes": 5, "flows": 1},
    ]
    assert found.id == identity(LEAK, found.key)


def test_looking_again_is_silent(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """Nothing new: no window is due; told to look at the same window: no event, no commit."""
    _add(logs, lake, "a", egress())
    detect(lake, queries)
    before = sorted(Path(lake.uri).rglob("*"))

    assert detect(lake, queries).windows == 0
    assert detect(lake, queries, DAY).events == {}
    assert before == sorted(Path(lake.uri).rglob("*"))


def test_late_records_extend_the_finding(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """The same hour again with more in it: counted together, not twice; another hour adds to it."""
    _add(logs, lake, "a", egress(size=1))
    detect(lake, queries)
    _add(logs, lake, "b", egress(2, size=2))
    detect(lake, queries)
    _add(logs, lake, "c", egress(90, size=4))
    report = detect(lake, queries)

    assert report.events == {"seen": 1}
    assert _events(lake) == ["opened", "seen", "seen"]
    found = _findings(lake, queries)[LEAK]
    assert (found.flows, found.bytes) == (3, 7)
    assert found.last_seen - found.first_seen == timedelta(minutes=90, seconds=50)


def test_what_is_no_longer_there_resolves_and_comes_back(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """The object is replaced by one without the leak, and by one with it again."""
    _add(logs, lake, "a", egress())
    detect(lake, queries)
    _add(logs, lake, "a", egress(path="7"))
    assert detect(lake, queries).events == {"resolved": 1}
    assert _findings(lake, queries)[LEAK].state == "resolved"

    _add(logs, lake, "a", egress(), egress(1))
    assert detect(lake, queries).events == {"reopened": 1}
    assert _findings(lake, queries)[LEAK].flows == 2


def test_a_changed_detector_looks_at_everything_again(logs: Path, lake: Lake) -> None:
    """The internet gateway is allowed from now on: what was found over it is withdrawn."""
    _add(logs, lake, "a", egress())
    detect(lake, catalogue.load([shipped("queries")]))

    lenient = catalogue.load([shipped("queries")], policy={"internet_paths": ["internet_gateway"]})

    assert detect(lake, lenient).events == {"resolved": 1}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.integers(0, 600), min_size=1, max_size=8), cut=st.integers(0, 10))
def test_two_half_windows_are_the_whole_window(
    tmp_path_factory: pytest.TempPathFactory, queries: Catalogue, minutes: list[int], cut: int
) -> None:
    """Looking at the later half first and then at the earlier one ends where one look at all ends."""
    folder = tmp_path_factory.mktemp("halves")
    whole, halves = Lake(str(folder / "whole")), Lake(str(folder / "halves"))
    for lake in (whole, halves):
        _add(folder / "logs", lake, "a", *(egress(minute, size=minute) for minute in minutes))
    middle = DAY.since + timedelta(hours=cut)

    detect(whole, queries, DAY, only=[LEAK])
    for half in (Window(middle, DAY.until), Window(DAY.since, middle)):
        detect(halves, queries, half, only=[LEAK])

    assert _findings(whole, queries) == _findings(halves, queries)


def test_a_nat_gateway_seen_elsewhere_in_the_day_is_no_leak(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """Its own way out looks like one; a row in another object betrays what it is."""
    relayed = egress(3, interface="eni-0nat").split()
    relayed[3:5], relayed[19:21], relayed[27:29] = (
        ["10.0.0.9", "10.0.0.5"],
        ["10.0.0.9", "203.0.113.9"],
        ["ingress", "-"],
    )
    _add(logs, lake, "a", egress(interface="eni-0nat"))
    _add(logs, lake, "b", " ".join(relayed))

    assert detect(lake, queries).events == {}


def test_a_nat_gateway_that_shows_itself_later_takes_its_finding_back(
    logs: Path, lake: Lake, queries: Catalogue
) -> None:
    """An hour after its way out was taken for a leak, a row betrays what it is: the earlier hour is looked at again."""
    relayed = egress(90, interface="eni-0nat").split()
    relayed[3:5], relayed[19:21] = ["10.0.0.9", "10.0.0.5"], ["10.0.0.9", "203.0.113.9"]
    relayed[27:29] = ["ingress", "-"]
    _add(logs, lake, "a", egress(interface="eni-0nat"))
    assert detect(lake, queries).events == {"opened": 1}

    _add(logs, lake, "b", " ".join(relayed))

    assert detect(lake, queries).events == {"resolved": 1}


@pytest.mark.parametrize("after", [[egress(3000, path="7")], []], ids=["another day", "empty"])
def test_a_replaced_object_takes_its_finding_back(logs: Path, lake: Lake, queries: Catalogue, after: list[str]) -> None:
    """The new records lie elsewhere, or there are none; the hour that lost the old ones is looked at all the same."""
    _add(logs, lake, "a", egress())
    detect(lake, queries)

    _add(logs, lake, "a", *after)

    assert detect(lake, queries).events == {"resolved": 1}


def test_a_changed_view_makes_its_detectors_look_again(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """What `egress` means is part of what a detector means."""
    _add(logs, lake, "a", egress())
    detect(lake, queries)
    views = {**queries.views, "egress": f"SELECT * FROM ({queries.views['egress']}) AS sent WHERE bytes < 0"}

    assert detect(lake, replace(queries, views=views)).events == {"resolved": 1}


DETECTOR = """\
/*---
title = "t"
severity = "low"
attack = []
every = "1m"
window = "1h"
key = ["interface_id"]
needs = []
---*/
/* What it means: nothing. */
SELECT
  interface_id,
  min(start_time) AS first_seen,
  max(start_time) AS last_seen,
  count(*) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM flows
WHERE start_time >= $since AND start_time < $until
GROUP BY interface_id
"""
MANY = "(SELECT unnest(generate_series(1, 300 * bytes)) AS n FROM flows)"
FAILURES = [
    ("sum(bytes)", "max(interface_id)", "eni-0a"),
    ("min(start_time)", "CAST(NULL AS TIMESTAMPTZ)", "a row of the result has no first_seen: it must have one"),
    ("count(*)", "CAST(NULL AS BIGINT)", "a row of the result has no flows"),
    ("min(start_time)", "CAST('infinity' AS TIMESTAMPTZ)", ""),
    ("FROM flows", f"FROM flows, {MANY} AS a, {MANY} AS b", "stopped after 1 s, the time limit"),
    (
        "AS bytes\nFROM flows",
        f"AS bytes, count(DISTINCT a.n * 1000000 + b.n) AS most\nFROM flows, {MANY} AS a, {MANY} AS b",
        "stopped at 100MB, the memory limit",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    FAILURES,
    ids=["a value", "no time", "no count", "a mad time", "runs too long", "takes too much memory"],
)
def test_a_detector_that_fails_stops_no_other(
    old: str, new: str, message: str, logs: Path, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told by name and file and counted; what the others find is written; it looks again next time."""
    broken = tmp_path / "user" / "detectors" / "broken.sql"
    broken.parent.mkdir(parents=True)
    assert old in DETECTOR
    broken.write_text(DETECTOR.replace(old, new))
    _add(logs, lake, "a", egress())
    little = {"memory": "100MB", "disk": ""} if "memory" in message else {"seconds": 1.0}
    monkeypatch.setattr("flowaudit.detect.LIMITS", sql.Limits(**little))

    both = catalogue.load([shipped("queries"), tmp_path / "user"])
    report = detect(lake, both)
    metrics = Metrics("0", {"detect": DetectReport()}, {("detector",): [(id,) for id in both.detectors]})
    metrics.record(report)

    assert list(report.failures) == ["broken"]
    assert report.failures["broken"].startswith(f"{broken}: ")
    assert message in report.failures["broken"]
    assert report.events == {"opened": 1}
    assert set(_findings(lake, both)) == {LEAK}
    assert metrics.registry.get_sample_value("flowaudit_detector_failures_total", {"detector": "broken"}) == 1
    assert metrics.registry.get_sample_value("flowaudit_detector_failures_total", {"detector": LEAK}) == 0
    assert set(detect(lake, both).runs) == {"broken"}


def test_only_the_named_detectors_run(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """The others look at the same records later."""
    _add(logs, lake, "a", egress())

    assert set(detect(lake, queries, only=["path-undecided"]).runs) == {"path-undecided"}
    assert detect(lake, queries).events == {"opened": 1}


def test_two_detects_at_once_open_a_finding_once(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """Whoever comes second decides again and finds nothing to say."""
    _add(logs, lake, "a", egress())
    reports: list[DetectReport] = []
    threads = [Thread(target=lambda: reports.append(detect(Lake(lake.uri), queries))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _events(lake) == ["opened"]
    assert sorted(sum(report.events.values()) for report in reports) == [0, 0, 1]


def test_records_with_mad_times_cost_two_windows(logs: Path, lake: Lake, queries: Catalogue) -> None:
    """A record of 1970 beside one of today: the windows that hold records are looked at, not all between."""
    _add(logs, lake, "a", egress(), egress(-(START // 60)))

    report = detect(lake, queries, only=[LEAK])

    assert report.windows == 2
    assert _findings(lake, queries)[LEAK].flows == 2


def test_findings_are_told_by_detector_and_key() -> None:
    """The id depends on both, on nothing else, and not on the order of the key's columns."""
    key: Mapping[str, Any] = {"interface_id": "eni-1", "path": "x"}

    assert identity("a", key) == identity("a", dict(reversed(list(key.items()))))
    assert len({identity("a", key), identity("b", key), identity("a", {**key, "path": "y"})}) == 3


class TestBackfill:
    """Much that is new is looked at and written a day at a time."""

    @pytest.fixture
    def days(self, logs: Path, lake: Lake) -> int:
        """Put a leak into each of five days and return their number."""
        for day in range(5):
            _add(logs, lake, f"day-{day}", egress(day * 1440, size=day + 1))
        return 5

    def test_it_ends_as_five_detects_would(self, days: int, lake: Lake, queries: Catalogue) -> None:
        """One event a day of the same finding, in a commit of its own."""
        before = lake.versions("findings")[0]
        assert detect(lake, queries, only={LEAK}).events == {"opened": 1, "seen": 4}
        found = _findings(lake, queries)[LEAK]
        assert (found.flows, found.bytes) == (days, 15)
        assert lake.versions("findings")[0] - before == days
        assert detect(lake, queries, only={LEAK}).windows == 0

    def test_a_stopped_one_goes_on_where_it_was(
        self, days: int, logs: Path, lake: Lake, queries: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was written is not looked at again, but for a day that later records have touched since."""
        _stopped_after(2, lake, queries, monkeypatch)
        assert _events(lake) == ["opened", "seen"]
        _add(logs, lake, "late", egress(1, size=100))

        report = detect(lake, queries, only={LEAK})

        assert report.runs == {LEAK: days - 2 + 1}
        found = _findings(lake, queries)[LEAK]
        assert (found.flows, found.bytes) == (days + 1, 115)
        assert detect(lake, queries, only={LEAK}).windows == 0

    def test_stopped_again_and_again_it_gets_to_the_end(
        self, days: int, logs: Path, lake: Lake, queries: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each run adds a day, though new batches arrive between the runs."""
        for more in range(days):
            _stopped_after(1, lake, queries, monkeypatch)
            _add(logs, lake, f"late-{more}", egress((5 + more) * 1440, size=100))
        assert detect(lake, queries, only={LEAK}).runs == {LEAK: days}
        found = _findings(lake, queries)[LEAK]
        assert (found.flows, found.bytes) == (2 * days, 515)

    def test_a_conflict_costs_a_day(
        self, days: int, lake: Lake, queries: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where another process writes an event meanwhile, the day is looked at again, and no other."""
        calls, follow = [0], findings.follow

        def interfered(*args: Any) -> pa.Table:
            calls[0] += 1
            if calls[0] == 2:
                other = {"id": "other", "seq": 1, "detector": "x", "event": "opened", "state": "open", "at": DAY.since}
                lake.log("findings").commit(pa.Table.from_pylist([other], FINDINGS), {})
            events: pa.Table = follow(*args)
            return events

        monkeypatch.setattr(findings, "follow", interfered)
        report = detect(lake, queries, only={LEAK})
        assert report.runs == {LEAK: days + 1}
        assert report.events == {"opened": 1, "seen": 4}

    def test_findings_in_days_that_retention_removed_stay(self, days: int, lake: Lake, queries: Catalogue) -> None:
        """Nothing is found there any more because the flows are gone: no word on what was."""
        detect(lake, queries, only={LEAK})
        maintenance.drop_days(lake, "flows", DAY.until.date())
        report = detect(lake, queries, Window(DAY.since, DAY.until + timedelta(days=days)), only={LEAK})
        assert report.events == {}
        assert _findings(lake, queries)[LEAK].bytes == 15


def _stopped_after(days: int, lake: Lake, queries: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detect, and stop as SIGKILL would, once so many days are written."""
    left, follow = [days], findings.follow

    def killed(*args: Any) -> pa.Table:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        events: pa.Table = follow(*args)
        return events

    with monkeypatch.context() as patch:
        patch.setattr(findings, "follow", killed)
        with pytest.raises(KeyboardInterrupt):
            detect(lake, queries, only={LEAK})
