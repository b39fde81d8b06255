"""Every query of every panel has the value that it should, for a running `flowaudit demo` and a real Prometheus."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from dashboards.draw.answers import Span, fetched, reported
from dashboards.draw.demo import demonstrated
from dashboards.draw.page import DrawError
from tests.dashboards.panels import dashboards, filled, panels
from tests.dashboards.tried import ASKED, BY_VALUE, VALUES, Key

pytest.importorskip("moto", reason="needs the extra `demo`")

PATIENCE = 150
"""Seconds until every rate has to be there; the slowest stages run each 30 seconds."""
EMPTY = None
LEAK, OTHER = "internet-egress-bypasses-nat", "s3-bypasses-endpoint"
REPORTS = {
    (board["uid"], panel["id"]): panel
    for board in dashboards()
    for panel in panels(board)
    if panel["datasource"]["type"] != "prometheus"
}
Samples = dict[tuple[tuple[str, str], ...], float]
HEALTH, COST = "flowaudit-health", "flowaudit-cost"
ONLY_S3 = "of AWS's services only S3 is used through NAT, and its endpoint is free"
FAILURE = "nothing fails in the demo"
QUIET: dict[Key, tuple[float | None, str]] = {
    **{(HEALTH, 12, ref): (EMPTY, FAILURE) for ref in "ABCDEF"},
    **{(HEALTH, 15, ref): (EMPTY, "no start of a stage is left out") for ref in "AB"},
    (HEALTH, 4, "A"): (0, "its only sink, a file, is up"),
    (HEALTH, 5, "A"): (0, "the mock answers every AWS API"),
    (HEALTH, 6, "A"): (0, "the shipped queries have no errors"),
    (HEALTH, 101, "B"): (0, "no log object is skipped"),
    (HEALTH, 101, "C"): (0, FAILURE),
    (HEALTH, 102, "C"): (0, "the simulator writes no bad lines"),
    (HEALTH, 102, "D"): (0, "there is no Transit Gateway"),
    (HEALTH, 202, "A"): (EMPTY, "no minute is final before it is half an hour old"),
    (HEALTH, 203, "A"): (0, "the flow logs cover all interfaces"),
    (HEALTH, 204, "A"): (0, "all workloads are in the VPC"),
    (HEALTH, 303, "A"): (EMPTY, FAILURE),
    (HEALTH, 306, "A"): (EMPTY, "what is found is found before the first scrape, and stays"),
    (HEALTH, 401, "B"): (0, "the sink has taken all events"),
    (HEALTH, 401, "C"): (EMPTY, "as no event waits, none is the oldest"),
    (HEALTH, 401, "E"): (0, "a file refuses nothing"),
    (HEALTH, 403, "A"): (0, FAILURE),
    (HEALTH, 403, "B"): (0, "a file refuses nothing"),
    (HEALTH, 501, "A"): (EMPTY, "the mock answers every AWS API"),
    (HEALTH, 502, "B"): (0, "the one account answers"),
    (HEALTH, 506, "A"): (0, "no interface is deleted"),
    (HEALTH, 702, "A"): (0, "nobody but Prometheus connects"),
    **{(HEALTH, panel, "A"): (EMPTY, "a lake of minutes has nothing to maintain") for panel in (804, 805, 806, 807)},
    (COST, 3, "A"): (0, ONLY_S3),
    (COST, 4, "B"): (EMPTY, ONLY_S3),
    (COST, 12, "C"): (0, ONLY_S3),
}
"""The queries without a value other than 0: what they have, and why."""
NO_ROWS = {("flowaudit-findings", 5): "the demo is too young for a conversation of four hours, or of a GB"}


@dataclass
class World:
    """The demo, and a Prometheus that has scraped it each second since it served metrics."""

    folder: Path
    sources: Mapping[str, str]

    @cached_property
    def first(self) -> float:
        """The time of the first scrape, at which the demo has collected nothing but what it planted."""
        (series,) = self._query("flowaudit_build_info[10m]", time.time())
        return float(series["values"][0][0])

    @cached_property
    def said(self) -> str:
        """What the demo printed."""
        return (self.folder / "demo" / "log").read_text("utf-8")

    def planted(self, detector: str) -> int:
        """Return the bytes of the planted leak that a detector is to find, as the demo counted them when it wrote."""
        (found,) = re.findall(rf"{detector} +([\d,]+) +[\d,]+", self.said)
        return int(found.replace(",", ""))

    def past(self, at: float) -> int:
        """Return the seconds that rates at a time are over: all that there is, a minute at least."""
        return max(60, round(at - self.first))

    def samples(self, key: Key, at: float, **given: str) -> Samples:
        """Return what a panel's query has at a time, by labels; rates are over what there is."""
        past = f"{self.past(at)}"
        ranges = {"__rate_interval": f"{past}s", "__range": f"{past}s", "__range_s": past}
        return self.value(filled(ASKED[key], VALUES[key[0]], ranges | given), at)

    def value(self, expr: str, at: float) -> Samples:
        """Return the samples of an expression, by their labels."""
        found = self._query(expr, at)
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}

    def _query(self, expr: str, at: float) -> list[dict[str, Any]]:
        answer = fetched(self.sources["prometheus"], "/api/v1/query", {"query": expr, "time": str(at)})
        assert answer["status"] == "success"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def lives(samples: Samples) -> bool:
    """Return whether there is a value other than 0, and none that is no number."""
    return bool(samples) and all(map(math.isfinite, samples.values())) and any(samples.values())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The demo and its Prometheus; skips where there is none."""
    folder = tmp_path_factory.mktemp("values")
    try:
        with demonstrated(folder, hurried=True) as sources:
            yield World(folder, sources)
    except DrawError as error:
        if "not on PATH" in str(error):
            pytest.skip(str(error))
        raise


def when_all_live(world: World) -> float:
    """Return a time at which every rate is above 0: the fresh flow logs of the demo have arrived."""
    deadline, now = time.monotonic() + PATIENCE, time.time()
    while dead := [key for key in ASKED if key not in QUIET and not lives(world.samples(key, now))]:
        if time.monotonic() > deadline:
            pytest.fail(f"empty, zero or no number: {dead}\n{world.said[-3000:]}")
        time.sleep(1)
        now = time.time()
    return now


# --- what is so at the first scrape, and later ------------------------------------------------------------------------


def every_query_has_a_value(world: World, later: float) -> None:
    """No query is refused; each has a value other than 0, or the one that QUIET expects of it."""
    found = {key: world.samples(key, later) for key in ASKED}
    assert not [key for key, samples in found.items() if key not in QUIET and not lives(samples)]
    quiet = {key: set(found[key].values()) for key in QUIET}
    assert quiet == {key: set() if value is EMPTY else {value} for key, (value, _) in QUIET.items()}


def the_tables_of_the_api_have_rows(world: World, later: float) -> None:
    """Each table of the dashboard Findings has rows, with every column filled in some, but for those of NO_ROWS."""
    span = Span(world.first, later)
    for key, panel in REPORTS.items():
        rows = reported(world.sources["daemon"], panel, span)
        assert bool(rows) == (key not in NO_ROWS), panel["title"]
        for column in rows[0] if rows else ():
            assert any(row[column] is not None for row in rows), (panel["title"], column)


def one(samples: Samples) -> float:
    """Return the only value."""
    (value,) = samples.values()
    return value


def by(label: str, samples: Samples) -> dict[str, float]:
    """Return values by one label."""
    return {dict(labels)[label]: value for labels, value in samples.items()}


NUMBERS = {
    ("overview", 1): 1,
    ("overview", 4): 1,
    ("overview", 6): 1,
    ("workload", 1): 1,
    ("workload", 2): 2,
    ("health", 1): 1,
    ("health", 3): 1,
    ("health", 703): 1,
}


def numbers_are_as_planted(world: World, at: float) -> None:
    """One leak of two findings, all of it covered, by a daemon that is up."""
    shown = {(board, panel): one(world.samples((f"flowaudit-{board}", panel, "A"), at)) for board, panel in NUMBERS}
    assert shown == NUMBERS


def leaked_bytes_are_the_planted_bytes(world: World, at: float) -> None:
    """The overview shows the bytes of the critical leak, and those of each detector, to the byte."""
    assert one(world.samples(("flowaudit-overview", 2, "A"), at)) == world.planted(LEAK)
    rows = by("detector", world.samples(("flowaudit-overview", 13, "B"), at))
    assert rows == {LEAK: world.planted(LEAK), OTHER: world.planted(OTHER)}
    assert by("detector", world.samples(("flowaudit-overview", 13, "A"), at)) == {LEAK: 1, OTHER: 1}


def bytes_of_workloads_are_the_planted_bytes(world: World, at: float) -> None:
    """What the notebook sent over the internet gateway is the leak; the share that is not allowed follows from it."""
    rows = world.samples(("flowaudit-workload", 14, "A"), at)
    paths = {(dict(labels)["workload"], dict(labels)["path"]): value for labels, value in rows.items()}
    assert paths["research-notebook", "internet_gateway"] == world.planted(LEAK)
    share = one(world.samples(("flowaudit-workload", 3, "A"), at))
    assert share == pytest.approx(world.planted(LEAK) / sum(rows.values()))


def bytes_through_nat_are_the_planted_bytes(world: World, at: float) -> None:
    """The counter that the dashboard Cost reads began with the planted bytes to S3; no other AWS service has any."""
    counted = world.value('flowaudit_collect_nat_bytes_total{service!="none"} > 0', at)
    assert by("service", counted) == {"S3": world.planted(OTHER)}


def money_is_bytes_times_price(world: World, later: float) -> None:
    """A price by service is the bytes of the range, which are those that the finding grew by, times the price.

    All of it is saved, as a gateway endpoint carries it.
    """
    grown = 'flowaudit_collect_nat_bytes_total{service="S3"}'
    bytes_ = one(world.value(grown, later)) - one(world.value(grown, world.first + 0.5))
    shown = by("service", world.samples((COST, 12, "A"), later))
    assert shown == {"S3": pytest.approx(bytes_, rel=0.1)}  # Prometheus extrapolates to the ends of the range
    month = 30 * 86400 / world.past(later)
    priced = by("service", world.samples((COST, 12, "B"), later, nat_price="2"))
    assert priced == {"S3": pytest.approx(shown["S3"] / 1e9 * 2 * month)}
    saved = pytest.approx(shown["S3"] / 1e9 * 0.045 * month)
    assert [one(world.samples((COST, panel, "A"), later)) for panel in (1, 2, 4)] == [saved] * 3


Step = Callable[[World, float], None]
AT_FIRST: tuple[Step, ...] = (
    numbers_are_as_planted,
    leaked_bytes_are_the_planted_bytes,
    bytes_of_workloads_are_the_planted_bytes,
    bytes_through_nat_are_the_planted_bytes,
)
LATER: tuple[Step, ...] = (every_query_has_a_value, the_tables_of_the_api_have_rows, money_is_bytes_times_price)


@pytest.mark.slow
def test_the_demo_is_on_the_dashboards_as_it_is(world: World, record_property: Callable[[str, object], None]) -> None:
    """What is shown first is what was planted, to the byte; soon after every query of every panel has its value."""
    for step in AT_FIRST:
        step(world, world.first + 0.5)
    later = when_all_live(world)
    for step in LATER:
        step(world, later)
    record_property(BY_VALUE, json.dumps(list(ASKED)))


def test_each_quiet_query_is_one() -> None:
    """What is expected to be 0 or empty is a query that there is."""
    assert ASKED.keys() >= QUIET.keys()
    assert REPORTS.keys() >= NO_ROWS.keys()


@pytest.mark.parametrize(
    ("samples", "expected"),
    [({}, False), ({(): 0.0}, False), ({(): math.nan}, False), ({(): 1.0, (("a", "b"),): 0.0}, True)],
)
def test_what_has_a_value(samples: Samples, expected: bool) -> None:
    """Nothing, 0 and NaN are no value; one other than 0 among others is."""
    assert lives(samples) is expected
