"""What nobody expects: faults of one event, of a sink's own code, and lakes and clocks that go back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event as Stop

import pytest

from flowaudit import catalogue
from flowaudit.config import Secret, shipped
from flowaudit.daemon import configure
from flowaudit.deliver import Log, replay
from flowaudit.deliver import channel as channels
from flowaudit.lake import Lake
from flowaudit.sinks import Event, Result
from tests.deliver.test_deliver import NOW, Box, deliverer, failing, happen, run


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """The events of a lake that has none yet."""
    return fresh(tmp_path / "lake")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that failed is tried again at once."""
    monkeypatch.setattr(channels, "FIRST_PAUSE", 0.0)


def fresh(path: Path) -> Log:
    """The events of a new lake."""
    lake = Lake(str(path))
    lake.create()
    return Log(lake, catalogue.load([shipped("queries")]))


class TestLakes:
    """A lake that changes under a process."""

    @pytest.mark.parametrize("start", ["now", "beginning"])
    def test_a_lake_made_anew_is_followed_from_its_beginning(self, log: Log, start: str) -> None:
        """A process that goes on while its lake is deleted and made anew sends all that happens in the new one."""
        happen(log, "a-1:opened", "b-1:opened", "c-1:opened", "d-1:opened")
        box = Box()
        here = deliverer(log, box, start=start)
        here.run(Stop(), until_done=True)
        box.taken.clear()
        shutil.rmtree(log.lake.uri)
        here.run(Stop())
        Lake(log.lake.uri).create()  # by another process: this one knows that there was a lake
        happen(log, "a-1:opened", at=NOW + timedelta(days=1))
        here.run(Stop(), until_done=True)
        happen(log, "b-1:opened", at=NOW + timedelta(days=1))
        here.run(Stop(), until_done=True)
        assert box.taken == ["a-1", "b-1"]
        run(log, box, start=start)
        assert box.taken == ["a-1", "b-1"]

    def test_an_older_copy_is_followed_from_where_it_was(self, log: Log, tmp_path: Path) -> None:
        """Where an older copy of the lake is put in its place a running process sends what happens from there on."""
        happen(log, "a-1:opened")
        box = Box()
        here = deliverer(log, box)
        here.run(Stop(), until_done=True)
        shutil.copytree(log.lake.uri, tmp_path / "copy")
        happen(log, "b-1:opened", "c-1:opened")
        here.run(Stop(), until_done=True)
        shutil.rmtree(log.lake.uri)
        shutil.move(tmp_path / "copy", log.lake.uri)
        here.run(Stop())
        happen(log, "d-1:opened")
        here.run(Stop(), until_done=True)
        assert box.taken == ["a-1", "b-1", "c-1", "d-1"]

    def test_progress_in_a_lake_that_is_gone_is_not_noted_in_the_next(self, log: Log) -> None:
        """A sink that was sending when the lake was made anew follows the new one from its beginning."""
        hang = threading.Event()
        happen(log, "a-1:opened", "b-1:opened")
        box = Box(answer=lambda _: Result(failed={} if hang.wait(20) else {"a-1": "late"}))
        here = deliverer(log, box)
        here.run(Stop())
        shutil.rmtree(log.lake.uri)
        Lake(log.lake.uri).create()  # by another process: this one knows that there was a lake
        happen(log, "c-1:opened")
        hang.set()
        here.run(Stop())
        here.run(Stop(), until_done=True)
        assert box.taken == ["a-1", "b-1", "c-1"]


class TestTimes:
    """Clocks that disagree."""

    def test_an_event_with_an_early_time_hides_no_other(self, log: Log) -> None:
        """What a machine wrote whose clock is behind leaves nothing out before it that happened since the start."""
        happen(log, "a-1:opened", at=NOW - timedelta(hours=2))
        happen(log, "b-1:opened", at=NOW + timedelta(hours=1))
        happen(log, "a-2:muted", at=NOW - timedelta(hours=1))
        box = Box()
        run(log, box, start="now")
        assert box.taken == ["b-1", "a-2"]


class TestEvents:
    """One event at which something breaks."""

    def test_an_event_at_which_a_sink_breaks_costs_only_itself(self, log: Log) -> None:
        """The rest of its batch arrives at once, those behind it after ten attempts, and it becomes a dead letter."""
        happen(log, *[f"{n}-1:opened" for n in range(4)])

        def answer(events: Sequence[Event]) -> Result:
            if any(event.id == "1-1" for event in events):
                raise KeyError("nobody foresaw this")
            return Result()

        box = Box(answer=answer)
        here = deliverer(log, box)
        here.run(Stop())
        assert box.taken == ["0-1"]
        for _ in range(channels.ATTEMPTS):
            here.run(Stop())
        assert box.taken == ["0-1", "2-1", "3-1"]
        (dead,) = log.dead_letters("box")
        assert (dead["event_id"], "KeyError" in dead["reason"]) == ("1-1", True)

    def test_a_finding_at_which_a_standing_sink_breaks_costs_only_itself(self, log: Log) -> None:
        """A sink that keeps no history gets all other findings at each refresh."""
        happen(log, *[f"{n}-1:opened" for n in range(4)])

        def answer(events: Sequence[Event]) -> Result:
            if any(event.id == "1-1" for event in events):
                raise KeyError("nobody foresaw this")
            return Result()

        box = Box(answer=answer, refresh=timedelta(seconds=0))
        here = deliverer(log, box)
        here.run(Stop())
        here.run(Stop())
        assert box.taken == ["0-1", "2-1", "3-1"] * 2

    def test_what_a_sink_breaks_at_altogether_is_kept(self, log: Log) -> None:
        """A sink that breaks at every event loses none."""
        happen(log, *[f"{n}-1:opened" for n in range(4)])
        box = Box(answer=failing(MemoryError()))
        here = deliverer(log, box)
        for _ in range(3 * channels.ATTEMPTS):
            assert here.run(Stop()).up == {"box": 0}
        box.answer = lambda _: Result()
        here.run(Stop(), until_done=True)
        assert sorted(box.taken) == [f"{n}-1" for n in range(4)]
        assert log.dead_letters(None) == []

    @pytest.mark.parametrize("broken", ["{", "[]", None, "[" * 100_000])
    def test_an_event_with_broken_json_arrives_without(self, log: Log, broken: str | None) -> None:
        """Key and evidence that are no JSON objects are empty, and keep neither their event nor another back."""
        happen(log, "a-1:opened", key=broken, evidence=broken)
        happen(log, "b-1:opened")
        box = Box()
        run(log, box)
        assert box.taken == ["a-1", "b-1"]

    def test_a_replay_goes_past_an_event_at_which_the_sink_breaks(self, log: Log) -> None:
        """It is named with the class of the fault and stays a dead letter; all others are sent."""
        happen(log, *[f"{n}-1:opened" for n in range(3)])
        run(log, Box(answer=lambda events: Result(refused={event.id: "no" for event in events})))

        def answer(events: Sequence[Event]) -> Result:
            if any(event.id == "0-1" for event in events):
                raise KeyError("s3cret")
            return Result()

        dead = log.numbered([row["event_number"] for row in log.dead_letters("box")])
        assert replay(log, Box(answer=answer), "box", dead) == (2, {"0-1": "KeyError (a fault in flowaudit)"})
        assert [row["event_id"] for row in log.dead_letters("box")] == ["0-1"]

    def test_events_behind_one_that_fails_are_not_given_up_with_it(self, log: Log) -> None:
        """Only attempts of the first event of a finding that fails count: later ones were not sent."""
        happen(log, "a-1:opened", "a-2:resolved")
        box = Box(answer=lambda events: Result(failed={e.id: "no" for e in events} if events[0].id == "a-1" else {}))
        here = deliverer(log, box)
        for _ in range(channels.ATTEMPTS + 1):
            assert box.taken == []
            here.run(Stop())
        assert box.taken == ["a-2"]
        assert [dead["event_id"] for dead in log.dead_letters("box")] == ["a-1"]


def test_the_text_of_a_fault_is_not_logged(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """The log names the fault's class and place: its text may hold a secret."""
    configure()
    happen(log, "a-1:opened")
    run(log, Box(answer=failing(ValueError("s3cret-value"))))
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert "test_deliver.py" in told
    assert "s3cret-value" not in told


def test_a_sink_that_hangs_is_down(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink whose send does not end counts as down after a minute."""
    hang = threading.Event()
    happen(log, "a-1:opened")
    here = deliverer(log, Box(answer=lambda _: Result(failed={} if hang.wait(20) else {"a-1": "late"})))
    assert here.run(Stop()).up == {"box": 1}
    monkeypatch.setattr(channels, "STUCK", 0.0)
    report = here.run(Stop())
    assert (report.up, list(report.errors)) == ({"box": 0}, ["box"])
    hang.set()
    assert here.run(Stop(), until_done=True).up == {"box": 1}


def test_a_secret_file_that_never_ends_is_read_in_part() -> None:
    """Memory is bounded whatever the file is."""
    started = time.monotonic()
    Secret.model_validate({"file": "/dev/zero"}).read()
    assert time.monotonic() - started < 1
