"""Each sink gets every event at least once, in order, at its own pace; one that is down loses nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Stop
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from flowaudit import catalogue, deliver
from flowaudit.catalogue import Catalogue
from flowaudit.config import SinkSettings, shipped
from flowaudit.deliver import Deliverer, Log, replay, standing
from flowaudit.deliver import channel as channels
from flowaudit.errors import LakeError, SinkDisabled, SinkError
from flowaudit.lake import Lake
from flowaudit.model import DeliverReport, FindingEvent
from flowaudit.schema import FINDINGS
from flowaudit.sinks import MESSAGES, Event, Result, Sink

NOW = datetime.now(UTC)
LEAK = "internet-egress-bypasses-nat"


@pytest.fixture(scope="module")
def queries() -> Catalogue:
    """The shipped queries."""
    return catalogue.load([shipped("queries")])


@pytest.fixture
def log(tmp_path: Path, queries: Catalogue) -> Log:
    """The events of a lake that has none yet."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    return Log(lake, queries)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that failed is tried again at once."""
    monkeypatch.setattr(channels, "FIRST_PAUSE", 0.0)


@dataclass
class Box:
    """A sink that keeps what it takes in memory; `answer` may refuse, or raise."""

    name: str = "box"
    answer: Callable[[Sequence[Event]], Result] = lambda _: Result()
    taken: list[str] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    target: str = "memory"
    refresh: timedelta | None = None
    gets_muted: bool = False
    batch: ClassVar[int] = 2
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES

    def send(self, events: Sequence[Event]) -> Result:
        """Take what `answer` does not keep out."""
        self.calls.append([event.id for event in events])
        result = self.answer(events)
        self.taken += [event.id for event in events if event.id not in {**result.refused, **result.failed}]
        return result


def happen(log: Log, *events: str, at: datetime = NOW, **values: Any) -> None:
    """Write events into the log, each `FINDING-SEQ:KIND`, in one commit."""
    rows = []
    for each in events:
        id, _, kind = each.partition(":")
        finding, _, seq = id.rpartition("-")
        state = {"resolved": "resolved", "muted": "muted"}.get(kind, "open")
        row = {
            "id": finding,
            "seq": int(seq),
            "event": kind,
            "at": at,
            "detector": LEAK,
            "severity": "critical",
            "state": state,
            "key": '{"interface_id":"eni-0a11111111111111a"}',
            "title": "Leak",
            "sentence": "it leaks",
            "evidence": "{}",
            "total_flows": 1,
            "total_bytes": 2,
            "first_seen_ever": at,
            "last_seen_ever": at,
            "until": at + timedelta(days=1) if kind == "muted" else None,
        }
        rows.append(row | values)
    log.lake.log("findings").commit(pa.Table.from_pylist(rows, FINDINGS), {})


def settings(**values: Any) -> SinkSettings:
    """Settings of the sink `box`, which gets the log from its beginning."""
    return SinkSettings.model_validate({"name": "box", "start": "beginning", **values})


def deliverer(log: Log, *sinks: Sink, **values: Any) -> Deliverer:
    """A fresh process: what it does not find in the lake it does not know."""
    return Deliverer(log, [(sink, settings(**{"name": sink.name, **values})) for sink in sinks])


def run(log: Log, *sinks: Sink, **values: Any) -> DeliverReport:
    """One delivery by a fresh process."""
    return deliverer(log, *sinks, **values).run(Stop(), until_done=True)


def failing(error: Exception) -> Callable[[Sequence[Event]], Result]:
    """An answer that raises."""

    def answer(_: Sequence[Event]) -> Result:
        raise error

    return answer


def _then(_: object) -> Result:
    """Everything is accepted, after something was done."""
    return Result()


class TestEvents:
    """Which events a sink gets."""

    def test_every_event_once_in_order(self, log: Log) -> None:
        """Events arrive in the order of the log, each once, also over several deliveries and processes."""
        box = Box()
        happen(log, "b-1:opened", "a-1:opened", "b-2:resolved")
        assert run(log, box).events == {"box": 3}
        happen(log, "a-2:resolved")
        run(log, box)
        run(log, box)
        assert box.taken == ["b-1", "a-1", "b-2", "a-2"]
        assert box.calls == [["b-1", "a-1"], ["b-2"], ["a-2"]]

    def test_without_a_lake_or_sinks_nothing_happens(self, tmp_path: Path, queries: Catalogue) -> None:
        """No lake is made by looking for events, and no sink means no work."""
        nowhere = Log(Lake(str(tmp_path / "none")), queries)
        assert run(nowhere, Box()).up == {"box": 1}
        assert not (tmp_path / "none").exists()
        assert Deliverer(nowhere, []).run(Stop()) == DeliverReport()

    def test_a_new_sink_gets_what_happens_from_now_on(self, log: Log) -> None:
        """With `start = "now"` older events are left out, and those after it are not, even if it was down all along."""
        happen(log, "a-1:opened", at=NOW - timedelta(hours=1))
        down = Box(answer=failing(SinkError("down")))
        run(log, down, start="now")
        happen(log, "b-1:opened", at=NOW + timedelta(hours=1))
        run(log, down, start="now")
        up = Box()
        run(log, up, start="now")  # a later process
        assert up.taken == ["b-1"]

    def test_the_configuration_chooses(self, log: Log) -> None:
        """Severity, detector and kind of event decide; what a sink does not get is passed over for good."""
        happen(log, "a-1:opened", severity="low")
        happen(log, "b-1:opened", detector="path-undecided")
        happen(log, "c-1:opened", "c-2:seen", "c-3:resolved")
        few = Box()
        run(log, few, min_severity="high", detectors=["internet-*"], events=["opened", "seen"])
        assert few.taken == ["c-1", "c-2"]
        assert run(log, few).pending == {"box": 0}
        assert few.taken == ["c-1", "c-2"]

    def test_accounts_are_chosen(self, log: Log) -> None:
        """A sink for some accounts, and one for all others, an unknown one included; what waits is counted alike."""
        for finding, account in (("a", "111122223333"), ("b", "444455556666"), ("c", None)):
            happen(log, f"{finding}-1:opened", evidence=json.dumps({"account_id": account}))
        happen(log, "d-1:opened", evidence="broken")
        some, others = Box("some", failing(SinkError("down"))), Box("others", failing(SinkError("down")))
        assert run(log, some, accounts=["111122223333"]).pending == {"some": 1}
        assert run(log, others, except_accounts=["111122223333"]).pending == {"others": 3}
        some.answer = others.answer = lambda _: Result()
        run(log, some, accounts=["111122223333"])
        run(log, others, except_accounts=["111122223333"])
        assert (some.taken, others.taken) == (["a-1"], ["b-1", "c-1", "d-1"])

    def test_the_end_of_what_was_sent_is_sent(self, log: Log) -> None:
        """A detector of lowered severity: what was reported before is reported as resolved, and nothing else is."""
        happen(log, "a-1:opened", severity="critical")
        happen(log, "a-2:resolved", "b-1:opened", "b-2:resolved", severity="low")
        box = Box(answer=failing(SinkError("down")))
        assert run(log, box, min_severity="high").pending == {"box": 2}
        box.answer = lambda _: Result()
        run(log, box, min_severity="high")
        assert box.taken == ["a-1", "a-2"]

    def test_messages_of_muted_findings_are_left_out(self, log: Log) -> None:
        """A mute is announced, and what happens under it is not; a sink that records all gets it."""
        until = NOW + timedelta(days=1)
        happen(log, "a-1:opened", "a-2:muted")
        happen(log, "a-3:reopened", "a-4:resolved", until=until)
        box, all_of_it = Box(), Box("all", gets_muted=True)
        run(log, box, all_of_it)
        assert box.taken == ["a-1", "a-2"]
        assert all_of_it.taken == ["a-1", "a-2", "a-3", "a-4"]

    def test_a_long_log_comes_in_pieces(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """More events than are read at once all arrive, in order, whether or not the sink wants most of them."""
        monkeypatch.setattr("flowaudit.deliver.events.MOST", 3)
        happen(log, *[f"{n:03}-1:opened" for n in range(10)], *[f"x-{n}:seen" for n in range(1, 8)], "z-1:opened")
        box = Box()
        run(log, box)
        assert box.taken == [*[f"{n:03}-1" for n in range(10)], "z-1"]

    def test_a_dry_run_sends_nothing(self, log: Log) -> None:
        """Events are counted as accepted and never sent, also later without dry run."""
        happen(log, "a-1:opened")
        box = Box()
        assert run(log, box, dry_run=True).events == {"box": 1}
        run(log, box)
        assert box.calls == []


class TestFailures:
    """A sink that does not take events."""

    def test_a_sink_that_is_down_loses_nothing(self, log: Log) -> None:
        """Its events wait in the log, counted as pending, and arrive in order once it is up, in a later process too."""
        happen(log, "a-1:opened", "b-1:opened", "a-2:resolved")
        report = run(log, Box(answer=failing(SinkError("no answer from example"))))
        assert (report.up, report.pending, report.failures) == ({"box": 0}, {"box": 3}, {"box": 1})
        assert report.errors == {"box": "no answer from example"}
        assert report.oldest_pending == {"box": pytest.approx(NOW.timestamp())}
        box = Box()
        report = run(log, box)
        assert (report.up, report.oldest_pending) == ({"box": 1}, {"box": 0.0})
        assert box.taken == ["a-1", "b-1", "a-2"]

    def test_a_sink_that_is_down_delays_no_other(self, log: Log) -> None:
        """One fails, one hangs: the third has everything, and the delivery ends in time."""
        hang = threading.Event()
        happen(log, "a-1:opened")
        down, stuck, fine = Box("down", failing(SinkError("x"))), Box("stuck", lambda _: Result()), Box("fine")
        stuck.answer = lambda _: _then(hang.wait(20))
        started = datetime.now(UTC)
        both = deliverer(log, stuck, down, fine)
        report = both.run(Stop())
        assert fine.taken == ["a-1"]
        assert report.events["fine"] == 1
        assert datetime.now(UTC) - started < timedelta(seconds=deliver.WAIT + 3)
        happen(log, "b-1:opened")
        both.run(Stop())
        assert fine.taken == ["a-1", "b-1"]
        hang.set()
        assert both.run(Stop(), until_done=True).events["stuck"] >= 1
        assert stuck.taken == ["a-1", "b-1"]

    def test_it_is_tried_again_after_a_pause(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """No attempt is made before the pause is over; it doubles with each failure up to five minutes, with jitter."""
        monkeypatch.setattr(channels, "FIRST_PAUSE", 5.0)
        clock = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        happen(log, "a-1:opened")
        box = Box(answer=failing(SinkError("x")))
        here = deliverer(log, box)
        pauses = []
        for _ in range(9):
            here.run(Stop())
            before = len(box.calls)
            here.run(Stop())
            assert len(box.calls) == before
            pauses.append(here._channels[0].retry_at - clock[0])
            clock[0] = here._channels[0].retry_at
        assert all(2.5 <= pause / 2**n <= 5 for n, pause in enumerate(pauses[:6]))
        assert all(150 <= pause <= 300 for pause in pauses[6:])

    def test_retry_after_is_obeyed(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sink that asks for ten minutes gets them."""
        monkeypatch.setattr(channels, "FIRST_PAUSE", 5.0)
        happen(log, "a-1:opened")
        box = Box(answer=failing(SinkError("throttled", retry_after=600)))
        here = deliverer(log, box)
        here.run(Stop())
        assert here._channels[0].retry_at - time.monotonic() == pytest.approx(600, abs=5)

    def test_a_sink_that_wants_no_more_gets_no_more(self, log: Log) -> None:
        """Until flowaudit is restarted; its events wait."""
        happen(log, "a-1:opened")
        box = Box(answer=failing(SinkDisabled("410 Gone")))
        here = deliverer(log, box)
        for _ in range(3):
            report = here.run(Stop())
        assert (len(box.calls), report.up, report.pending) == (1, {"box": 0}, {"box": 1})

    def test_what_is_refused_is_a_dead_letter_and_holds_nothing_up(self, log: Log) -> None:
        """It lies in the lake with its reason, and the events after it arrive."""
        happen(log, "a-1:opened", "b-1:opened", "c-1:opened")
        box = Box(answer=lambda events: Result(refused={e.id: "400 malformed" for e in events if e.id == "b-1"}))
        report = run(log, box)
        assert (report.events, report.dead_letters, report.up) == ({"box": 2}, {"box": 1}, {"box": 1})
        assert box.taken == ["a-1", "c-1"]
        (dead,) = log.dead_letters("box")
        assert (dead["event_id"], dead["reason"], dead["sentence"]) == ("b-1", "400 malformed", "it leaks")
        assert run(log, box).dead_letters == {"box": 0}

    def test_one_of_a_batch_is_sent_again_alone(self, log: Log) -> None:
        """What its neighbours were accepted with is not sent twice, and nothing overtakes it."""
        happen(log, "a-1:opened", "b-1:opened", "c-1:opened")
        tries: list[int] = []

        def answer(events: Sequence[Event]) -> Result:
            tries.append(1)
            return Result(failed={"a-1": "try again"}) if len(tries) == 1 else Result()

        box = Box(answer=answer)
        here = deliverer(log, box)
        here.run(Stop())
        assert box.taken == ["b-1"]
        here.run(Stop())
        assert box.calls == [["a-1", "b-1"], ["a-1", "c-1"]]

    def test_an_event_that_always_fails_is_given_up(self, log: Log) -> None:
        """After ten attempts, while others are accepted, it becomes a dead letter."""
        happen(log, "a-1:opened", "b-1:opened")

        def answer(events: Sequence[Event]) -> Result:
            return Result(failed={"a-1": "internal failure"})

        here = deliverer(log, Box(answer=answer))
        for _ in range(channels.ATTEMPTS):
            here.run(Stop())
        (dead,) = log.dead_letters(None)
        assert (dead["event_id"], dead["reason"]) == ("a-1", "failed 10 times: internal failure")

    def test_an_event_that_breaks_the_sink_does_not_block_it(self, log: Log) -> None:
        """The first event always makes the sink fail: another is sent before it, and then the first is given up."""
        happen(log, "a-1:opened", "a-2:resolved", "b-1:opened")

        def answer(events: Sequence[Event]) -> Result:
            if any(event.id == "a-1" for event in events):
                raise SinkError("500 Internal Server Error")
            return Result()

        box = Box(answer=answer)
        here = deliverer(log, box)
        for _ in range(channels.ATTEMPTS + 1):
            here.run(Stop())
        assert box.taken == ["b-1", "a-2"]
        assert [dead["event_id"] for dead in log.dead_letters("box")] == ["a-1"]

    def test_a_long_outage_gives_nothing_up(self, log: Log) -> None:
        """However often a sink that is down was tried, once it is up every event arrives, a finding's in order."""
        happen(log, "a-1:opened", "a-2:resolved", "b-1:opened")
        box = Box(answer=failing(SinkError("down")))
        here = deliverer(log, box)
        for _ in range(3 * channels.ATTEMPTS):
            here.run(Stop())
        box.answer = lambda _: Result()
        here.run(Stop())
        assert box.taken == ["b-1", "a-1", "a-2"]
        assert log.dead_letters(None) == []

    def test_a_fault_of_a_sink_is_its_own(self, log: Log) -> None:
        """What nobody foresaw is a failed attempt without its text, which may hold a secret."""
        happen(log, "a-1:opened")
        report = run(log, Box(answer=failing(ZeroDivisionError("s3cret"))), Box("fine"))
        assert report.errors == {"box": "ZeroDivisionError (a fault in flowaudit: see the log)"}
        assert report.events["fine"] == 1


class TestProgress:
    """What is written down."""

    def test_a_crash_before_the_commit_sends_again_under_the_same_key(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Sent but not noted: the next process sends it again, and the receiver can tell by the key."""
        happen(log, "a-1:opened")
        box = Box()
        here = deliverer(log, box)
        here.run(Stop())
        happen(log, "b-1:opened")

        def crash(*_: object) -> None:
            raise LakeError("disk full")

        with monkeypatch.context() as broken:
            broken.setattr(deliver, "_write", crash)
            with pytest.raises(LakeError):
                here.run(Stop())
        run(log, box)
        assert box.taken == ["a-1", "b-1", "b-1"]

    def test_dead_letters_outlast_a_lake_that_cannot_be_written(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are written with the next delivery that can."""
        happen(log, "a-1:opened")
        here = deliverer(log, Box(answer=lambda events: Result(refused={event.id: "no" for event in events})))
        here._catch_up(log.newest())
        with monkeypatch.context() as broken:
            broken.setattr(deliver, "_write", failing(LakeError("disk full")))
            with pytest.raises((LakeError, TypeError)):
                here.run(Stop())
        here.run(Stop())
        assert [dead["event_id"] for dead in log.dead_letters("box")] == ["a-1"]

    def test_two_writers_lose_nothing(self, log: Log) -> None:
        """A replay from the command line while the daemon commits: both are kept."""
        happen(log, *[f"{n}-1:opened" for n in range(20)])
        refuse = Box(answer=lambda events: Result(refused={event.id: "no" for event in events}))
        daemon = deliverer(log, refuse)
        daemon.run(Stop(), until_done=True)
        dead = log.numbered([row["event_number"] for row in log.dead_letters("box")])
        happen(log, *[f"{n}-2:resolved" for n in range(20)])
        replaying = threading.Thread(target=replay, args=(log, Box(), "box", dead))
        replaying.start()
        daemon.run(Stop(), until_done=True)
        replaying.join()
        assert {row["event_id"] for row in log.dead_letters("box")} == {f"{n}-2" for n in range(20)}

    def test_two_daemons_share_a_sink(self, log: Log) -> None:
        """What one has sent and noted the other does not send; each event arrives once, in order."""
        box = Box()
        one, other = deliverer(log, box), deliverer(log, box)
        one.run(Stop())
        other.run(Stop())
        for number in range(6):
            happen(log, f"{number}-1:opened")
            (one, other)[number % 2].run(Stop())
            (other, one)[number % 2].run(Stop())
        assert box.taken == [f"{number}-1" for number in range(6)]

    def test_progress_is_noted_while_a_sink_is_sending(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that ends in the middle of a long send repeats what came after the last note of it, no more."""
        monkeypatch.setattr(deliver, "WAIT", 0.3)
        hang = threading.Event()
        happen(log, *[f"{number}-1:opened" for number in range(6)])
        slow = Box(answer=lambda events: _then(hang.wait(20) if events[0].id == "4-1" else None))
        deliverer(log, slow).run(Stop())
        after = Box()
        run(log, after)
        hang.set()
        assert after.taken == ["4-1", "5-1"]

    def test_a_dead_letter_is_noted_with_the_progress_past_it(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """While it is not written, the watermark does not pass its event: a crash would lose it."""
        monkeypatch.setattr(deliver, "WAIT", 0.3)
        hang = threading.Event()
        happen(log, *[f"{number}-1:opened" for number in range(6)])

        def answer(events: Sequence[Event]) -> Result:
            if events[0].id == "4-1":
                hang.wait(20)
            return Result(refused={event.id: "no" for event in events if event.id == "2-1"})

        here = deliverer(log, Box(answer=answer))
        here.run(Stop())
        assert log.dead_letters("box") == []
        again = Box(answer=answer)
        hang.set()
        run(log, again)
        assert [dead["event_id"] for dead in log.dead_letters("box")] == ["2-1"]

    def test_a_stop_ends_it_between_batches(self, log: Log) -> None:
        """What was sent is noted; the rest is sent by the next process."""
        happen(log, "a-1:opened", "b-1:opened", "c-1:opened")
        stop = Stop()

        def answer(_: Sequence[Event]) -> Result:
            stop.set()
            return Result()

        box = Box(answer=answer)
        deliverer(log, box).run(stop, until_done=True)
        assert box.taken == ["a-1", "b-1"]
        after = Box()
        run(log, after)
        assert after.taken == ["c-1"]


class TestReplay:
    """Dead letters sent again."""

    def test_what_is_accepted_is_a_dead_letter_no_more(self, log: Log) -> None:
        """Under the same idempotency key; what is refused again stays one."""
        happen(log, "a-1:opened", "b-1:opened")
        run(log, Box(answer=lambda events: Result(refused={event.id: "no" for event in events})))
        dead = log.numbered([row["event_number"] for row in log.dead_letters("box")])
        box = Box(answer=lambda _: Result(refused={"b-1": "still no"}))
        assert replay(log, box, "box", dead) == (1, {"b-1": "still no"})
        assert box.taken == ["a-1"]
        assert [row["event_id"] for row in log.dead_letters("box")] == ["b-1"]

    def test_a_failure_midway_keeps_what_was_accepted(self, log: Log) -> None:
        """The message says how many were accepted, and the others are still dead letters."""
        happen(log, *[f"{n}-1:opened" for n in range(4)])
        run(log, Box(answer=lambda events: Result(refused={event.id: "no" for event in events})))
        dead = log.numbered([row["event_number"] for row in log.dead_letters("box")])

        def answer(events: Sequence[Event]) -> Result:
            if events[0].id == "2-1":
                raise SinkError("gone")
            return Result()

        with pytest.raises(SinkError, match="2 of 4 events were accepted, then: gone"):
            replay(log, Box(answer=answer), "box", dead)
        assert [row["event_id"] for row in log.dead_letters("box")] == ["2-1", "3-1"]

    def test_how_sinks_stand_is_read_from_the_lake(self, log: Log) -> None:
        """Pending events and dead letters, None for a sink that has never run."""
        happen(log, "a-1:opened", "b-1:opened")
        box, new = Box(answer=lambda _: Result(refused={"a-1": "no"})), Box("new")
        run(log, box)
        happen(log, "c-1:opened")
        found = standing(log, [(box, settings()), (new, settings(name="new"))])
        assert [(each.pending, each.dead_letters) for each in found] == [(1, 1), (None, 0)]


class TestStandingSinks:
    """Sinks that keep no history: they get how findings stand, again and again."""

    def test_open_findings_are_sent_again_and_resolved_ones_for_a_while(self, log: Log) -> None:
        """Every finding that is open, and those resolved in the last 15 minutes, as they stand."""
        happen(log, "a-1:opened", "b-1:opened", "c-1:opened", at=NOW - timedelta(hours=1))
        happen(log, "b-2:resolved", at=NOW - timedelta(minutes=20))
        happen(log, "c-2:resolved", at=NOW)
        box = Box(refresh=timedelta(seconds=0))
        here = deliverer(log, box)
        here.run(Stop())
        here.run(Stop())
        assert box.taken == ["a-1", "c-2"] * 2

    def test_a_change_is_sent_at_once(self, log: Log) -> None:
        """Between two refreshes nothing is sent unless something happened."""
        happen(log, "a-1:opened")
        box = Box(refresh=timedelta(hours=1))
        here = deliverer(log, box)
        here.run(Stop())
        here.run(Stop())
        assert box.taken == ["a-1"]
        happen(log, "a-2:resolved")
        here.run(Stop())
        assert box.taken == ["a-1", "a-2"]

    def test_a_failure_gives_nothing_up_and_is_tried_again_soon(self, log: Log) -> None:
        """What one of several peers does not take is an error of the sink and never a dead letter; no peer waits."""
        happen(log, "a-1:opened", "b-1:opened")
        box = Box(refresh=timedelta(hours=1), answer=failing(SinkError("no peer answers")))
        here = deliverer(log, box)
        for _ in range(2 * channels.ATTEMPTS):
            report = here.run(Stop())
            assert (report.up, report.errors) == ({"box": 0}, {"box": "no peer answers"})
        assert len(box.calls) == 2 * channels.ATTEMPTS
        box.answer, box.refresh = lambda events: Result(failed={e.id: "1 of 2 peers" for e in events}), timedelta(0)
        for _ in range(2 * channels.ATTEMPTS):
            assert here.run(Stop()).errors == {"box": "1 of 2 peers"}
        box.answer = lambda _: Result()
        assert here.run(Stop()).up == {"box": 1}
        assert box.taken == ["a-1", "b-1"]
        assert log.dead_letters(None) == []


def test_numbers_grow_over_commits(log: Log) -> None:
    """Each event has a number of its own, in the order of commits, also where a commit moved watermarks only."""
    happen(log, "a-1:opened", "b-1:opened")
    log.lake.log("findings").commit(pa.Table.from_pylist([], FINDINGS), {"x": 1})
    happen(log, "a-2:seen")
    numbers = [event.number for event in log.numbered(range(10))]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3
    assert log.newest() == numbers[-1]


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """No test leaves a sink's thread behind."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("sink-"):
            thread.join(5)
            assert not thread.is_alive()
