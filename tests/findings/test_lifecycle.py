"""Whatever the order in which windows are looked at, a finding ends the same, and its events make sense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowaudit import catalogue, sql
from flowaudit.config import Mute, shipped
from flowaudit.errors import ConfigError
from flowaudit.findings import Look, follow, identity, mute, unmute
from flowaudit.lake import Lake
from flowaudit.model import Severity, Sighting, Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = BEGIN + timedelta(days=3)
KEY = {"interface_id": "eni-1", "path": "internet_gateway"}
ID = identity("d", KEY)
MUTED = Mute.model_validate(
    {"detector": "d", "key": {"path": "internet_*"}, "until": "2027-01-01", "owner": "ops", "reason": "a trial"}
)
VIEW = {"findings_current": catalogue.load([shipped("queries")]).views["findings_current"]}

Content = tuple[int, int]
"""Of one window: how many flows were seen, and how many minutes after its start the last of them."""


class Log:
    """The findings of a lake of one's own."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(str(folder))
        self.lake.create()

    def look(
        self,
        content: dict[int, Content],
        *,
        now: datetime = NOW,
        resolve: timedelta | None = None,
        mutes: Sequence[Mute] = (),
        covered: bool = True,
    ) -> list[str]:
        """Look at windows, by their number, of which this is what is in them; return the events that follow."""
        windows = {n: Window(BEGIN + n * HOUR, BEGIN + (n + 1) * HOUR) for n in content}
        seen = [_sighting(windows[n], *what) for n, what in content.items() if what[0]]
        log = self.lake.log("findings")
        with sql.connect(self.lake, tables=("findings",)) as past:
            look = Look("d", list(windows.values()), seen, resolve)
            events = follow(past, [look], mutes, lambda _key, _window: covered, now)
        log.commit(events, {})
        return events.column("event").to_pylist()

    def events(self) -> list[dict[str, Any]]:
        """Return all events in their order."""
        return sorted(self.lake.dataset("findings").to_table().to_pylist(), key=lambda row: row["seq"])

    def current(self) -> dict[str, Any]:
        """Return the one finding as it stands, but for when that was noted."""
        with sql.connect(self.lake, tables=("findings",), views=VIEW) as lake:
            rows = lake.query("SELECT * EXCLUDE (updated_at) FROM findings_current").to_pylist()
        return rows[0] if rows else {}


def _sighting(window: Window, flows: int, last: int) -> Sighting:
    return Sighting(
        detector="d",
        severity=Severity.HIGH,
        title="A leak",
        sentence=f"{flows} until minute {last}",
        key=KEY,
        window=window,
        first_seen=window.since + timedelta(minutes=last // 2),
        last_seen=window.since + timedelta(minutes=last),
        flows=flows,
        bytes=10 * flows,
        evidence={"last": last},
    )


def contents(size: int) -> st.SearchStrategy[dict[int, Content]]:
    """What is in so many windows; nothing in some."""
    return st.fixed_dictionaries({n: st.tuples(st.integers(0, 2), st.integers(0, 59)) for n in range(size)})


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty log."""
    return Log(tmp_path)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=contents(4),
    then=contents(4),
    orders=st.tuples(st.permutations(range(4)), st.permutations(range(4))),
    again=st.lists(st.integers(0, 3), max_size=2),
    silence=st.integers(0, 3),
)
def test_any_order_ends_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[int, Content],
    then: dict[int, Content],
    orders: tuple[list[int], list[int]],
    again: list[int],
    silence: int,
) -> None:
    """Windows one by one, out of order, repeated, with silence judged between, end as all of them at once do.

    After that there is nothing to say, and on the way the finding was opened, resolved and reopened in turn.
    """
    whole, parts = (Log(tmp_path_factory.mktemp("log")) for _ in range(2))
    whole.look(first)
    whole.look(then, resolve=HOUR)
    for place, n in enumerate([*orders[0], *again]):
        parts.look({n: first[n]}, now=BEGIN + 5 * HOUR, resolve=HOUR if place == silence else None)
    for n in [*orders[1], *again]:
        parts.look({n: then[n]}, now=BEGIN + 6 * HOUR)
    parts.look({}, resolve=HOUR)

    assert parts.current() == whole.current()
    assert parts.look(then, resolve=HOUR) == []
    turns = [row["event"] for row in parts.events() if row["event"] != "seen"]
    assert turns == (["opened"] + ["resolved", "reopened"] * len(turns))[: len(turns)]
    assert [row["seq"] for row in parts.events()] == list(range(1, len(parts.events()) + 1))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 59)), min_size=1, max_size=6))
def test_a_mute_loses_no_sighting(tmp_path_factory: pytest.TempPathFactory, looks: list[tuple[int, int, int]]) -> None:
    """Muted or not, the same is counted and told; only the state differs, and that somebody muted it."""
    loud, quiet = (Log(tmp_path_factory.mktemp("log")) for _ in range(2))
    for n, *content in looks:
        loud.look({n: tuple(content)})  # type: ignore[dict-item]
        quiet.look({n: tuple(content)}, mutes=[MUTED])  # type: ignore[dict-item]

    told = {"state", "until", "owner", "reason"}
    heard, muted = loud.current(), quiet.current()
    assert {k: v for k, v in heard.items() if k not in told} == {k: v for k, v in muted.items() if k not in told}
    assert muted.get("state") == ("muted" if heard.get("state") == "open" else heard.get("state"))
    events = [row["event"] for row in quiet.events()]
    assert [event for event in events if event != "muted"] == [row["event"] for row in loud.events()]
    assert events.count("muted") == (1 if events else 0)


def test_without_knowledge_silence_proves_nothing(log: Log) -> None:
    """A finding that is not known to be covered stays open, however long nothing is heard of it."""
    log.look({0: (1, 5)})

    assert log.look({}, resolve=HOUR, covered=False) == []
    assert log.look({}, resolve=HOUR) == ["resolved"]
    assert log.look({}, resolve=HOUR) == []


def test_silence_changes_no_figure(log: Log) -> None:
    """The event of a silence speaks of the silent span, and the finding keeps its flows, times and evidence."""
    log.look({0: (2, 5)})
    before = log.current()
    log.look({}, resolve=HOUR)

    assert log.current() == before | {"state": "resolved"}
    event = log.events()[-1]
    assert (event["window_start"], event["window_end"]) == (NOW - 2 * HOUR, NOW - HOUR)
    assert (event["flows"], event["bytes"], event["first_seen"], event["window_evidence"]) == (None,) * 4


def test_the_newest_window_gives_the_words(log: Log) -> None:
    """Late news of an older window counts, but sentence and evidence stay the newest window's until that is gone."""
    log.look({3: (1, 30)})
    log.look({1: (2, 10)})
    assert (log.current()["sentence"], log.current()["flows"]) == ("1 until minute 30", 3)
    assert log.events()[-1]["window_sentence"] == "2 until minute 10"

    assert log.look({3: (0, 0)}) == ["seen"]
    current = log.current()
    assert (current["sentence"], current["flows"], current["evidence"]) == ("2 until minute 10", 2, '{"last":10}')
    assert current["last_seen"] == BEGIN + HOUR + timedelta(minutes=10)


def test_a_mute_of_ones_own_ends(log: Log) -> None:
    """It holds until its end, also while more is seen; then one event says that the finding is open again."""
    log.look({0: (1, 5)})
    mute(log.lake, ID, NOW + HOUR, " kim ", "moving house", NOW)
    assert (log.current()["state"], log.current()["owner"]) == ("muted", "kim")

    assert log.look({1: (1, 5)}) == ["seen"]
    assert log.current()["state"] == "muted"
    assert log.look({}, now=NOW + HOUR) == ["unmuted"]
    assert log.look({}, now=NOW + HOUR) == []
    assert (log.current()["state"], log.current()["until"]) == ("open", None)


def test_a_mute_of_ones_own_comes_before_the_configurations(log: Log) -> None:
    """When it has ended, the configuration's takes over with its own end, owner and reason."""
    log.look({0: (1, 5)})
    mute(log.lake, ID, NOW + HOUR, "kim", "moving house", NOW)

    assert log.look({}, mutes=[MUTED]) == []
    assert log.look({}, now=NOW + HOUR, mutes=[MUTED]) == ["muted"]
    assert log.current()["reason"] == "a trial"
    assert log.look({}, now=NOW + HOUR, mutes=[MUTED]) == []


def test_a_changed_mute_of_the_configuration_is_told_once(log: Log) -> None:
    """Another end, a key that does not match any longer, none at all: each is one event."""
    log.look({0: (1, 5)}, mutes=[MUTED])
    longer = MUTED.model_copy(update={"until": datetime(2028, 1, 1, tzinfo=UTC)})
    elsewhere = MUTED.model_copy(update={"key": {"path": "nat_*"}})

    assert [log.look({}, mutes=[longer]) for _ in range(2)] == [["muted"], []]
    assert [log.look({}, mutes=[elsewhere]) for _ in range(2)] == [["unmuted"], []]
    assert log.current()["state"] == "open"


def test_a_resolved_finding_is_not_told_of_by_its_mute(log: Log) -> None:
    """A mute that ends, or is made by the configuration, after the finding was resolved, is no event."""
    log.look({0: (1, 5)})
    mute(log.lake, ID, NOW + HOUR, "kim", "moving house", NOW)
    assert log.look({0: (0, 0)}) == ["resolved"]

    assert log.look({}, now=NOW + HOUR, mutes=[MUTED]) == []
    assert log.look({0: (1, 5)}, now=NOW + HOUR) == ["reopened", "unmuted"]


def test_unmute_ends_a_mute_of_ones_own(log: Log) -> None:
    """The finding is open again at once, and there is nothing left to say at its old end."""
    log.look({0: (1, 5)})
    mute(log.lake, ID, NOW + HOUR, "kim", "moving house", NOW)
    unmute(log.lake, ID, NOW)

    assert (log.current()["state"], log.current()["reason"]) == ("open", None)
    assert log.look({}, now=NOW + HOUR) == []


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"id": "0123456789ab"}, "there is no finding '0123456789ab'"),
        ({"until": NOW}, "2026-01-04 00:00 UTC has passed"),
        ({"reason": "  "}, "a mute needs a reason"),
        ({"owner": ""}, "a mute needs an owner"),
    ],
)
def test_a_mute_that_makes_no_sense(log: Log, wrong: dict[str, Any], expected: str) -> None:
    """Nothing to mute, no time left, no reason, nobody to answer for it: refused, and nothing is written."""
    log.look({0: (1, 5)})
    good: dict[str, Any] = {"id": ID, "until": NOW + HOUR, "owner": "kim", "reason": "moving house", "now": NOW}

    with pytest.raises(ConfigError, match=expected):
        mute(log.lake, **(good | wrong))
    assert len(log.events()) == 1


def test_what_cannot_be_muted_or_unmuted(log: Log) -> None:
    """A resolved finding, one that is not muted, and one that the configuration mutes."""
    log.look({0: (1, 5)})
    with pytest.raises(ConfigError, match="is not muted"):
        unmute(log.lake, ID, NOW)
    log.look({}, mutes=[MUTED])
    with pytest.raises(ConfigError, match=r"is muted by \[\[mutes\]\] of the configuration"):
        unmute(log.lake, ID, NOW)
    log.look({0: (0, 0)})
    with pytest.raises(ConfigError, match="is resolved, so there is nothing to mute"):
        mute(log.lake, ID, NOW + HOUR, "kim", "moving house", NOW)


def test_two_mutes_at_once_are_both_on_record(log: Log) -> None:
    """Whoever comes second decides again upon what the first one wrote."""
    log.look({0: (1, 5)})
    threads = [Thread(target=mute, args=(log.lake, ID, NOW + HOUR, owner, "why", NOW)) for owner in ("kim", "robin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(row["seq"], row["event"]) for row in log.events()] == [(1, "opened"), (2, "muted"), (3, "muted")]
    assert {row["owner"] for row in log.events()[1:]} == {"kim", "robin"}
