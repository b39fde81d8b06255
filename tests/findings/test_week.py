"""A week in the life of three findings ends with exactly the events that a careful person writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flowaudit import catalogue, findings
from flowaudit.collect import collect
from flowaudit.config import Mute, shipped
from flowaudit.detect import detect
from flowaudit.findings import identity
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.sources.local import LocalSource
from tests.flowlogs import START, egress, nodata, write

LEAK = "internet-egress-bypasses-nat"
QUERIES = catalogue.load([shipped("queries")])
BEGIN = datetime.fromtimestamp(START, UTC)
NAMES = {
    identity(LEAK, {"interface_id": f"eni-0{letter}", "path": "internet_gateway"}): letter.upper() for letter in "abc"
}
IDS = {name: id for id, name in NAMES.items()}


def at(day: int, clock: str) -> datetime:
    """Return a moment of the week; its days are numbered from 1."""
    hour, minute = map(int, clock.split(":"))
    return BEGIN + timedelta(days=day - 1, hours=hour, minutes=minute)


@dataclass
class World:
    """Logs that arrive, what covers the interfaces, the configuration, and the lake."""

    folder: Path
    gap: Window | None = None
    mutes: tuple[Mute, ...] = ()
    now: datetime = BEGIN

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(str(self.folder / "lake"))

    def covered(self, key: Mapping[str, Any], window: Window) -> bool:
        """Interface B's records of the gap are missing, and nothing else is."""
        gap = self.gap if key["interface_id"] == "eni-0b" else None
        return gap is None or window.until <= gap.since or gap.until <= window.since

    def arrive(self, name: str, *lines: str) -> None:
        """An object with these records comes to light, or takes the place of one of this name."""
        write(self.folder / "logs" / f"{name}.log.gz", *lines)
        collect([(LocalSource(str(self.folder / "logs")), None)], self.lake)

    def sent(self, letter: str, moment: datetime) -> str:
        """A record of what an interface sent over the internet gateway."""
        return egress(int((moment - BEGIN).total_seconds() // 60), interface=f"eni-0{letter.lower()}")

    def detect(self, window: Window | None = None) -> list[tuple[str, str, str]]:
        """Detect, and return the events that there are of this moment: finding, event, state."""
        detect(self.lake, QUERIES, window, [LEAK], mutes=self.mutes, covered=self.covered, now=self.now)
        rows = [row for row in self.lake.dataset("findings").to_table().to_pylist() if row["at"] == self.now]
        rows.sort(key=lambda row: (NAMES[row["id"]], row["seq"]))
        return [(NAMES[row["id"]], row["event"], row["state"]) for row in rows]


Step = tuple[datetime, str, Callable[[World], object], list[tuple[str, str, str]]]


def mute(world: World) -> None:
    """Kim mutes A for two days."""
    findings.mute(world.lake, IDS["A"], world.now + timedelta(days=2), "kim", "moving house", world.now)


def configure(world: World) -> None:
    """The configuration mutes interfaces whose id begins with eni-0c."""
    values = {"detector": LEAK, "key": {"interface_id": "eni-0c*"}, "until": "2026-03-01"}
    world.mutes = (Mute.model_validate({**values, "owner": "ops", "reason": "a trial"}),)
    world.arrive("c", world.sent("C", at(5, "11:45")))


def nothing(_world: World) -> None:
    """Nothing arrives."""


WEEK: list[Step] = [
    (
        at(1, "10:15"),
        "A sends at 10:05",
        lambda w: w.arrive("a1", w.sent("A", at(1, "10:05"))),
        [("A", "opened", "open")],
    ),
    (at(1, "10:16"), "nothing new", nothing, []),
    (
        at(1, "11:20"),
        "A sends at 10:40, in an hour looked at before, and at 11:05",
        lambda w: w.arrive("a2", w.sent("A", at(1, "10:40")), w.sent("A", at(1, "11:05"))),
        [("A", "seen", "open"), ("A", "seen", "open")],
    ),
    (
        at(1, "12:00"),
        "B sends at 11:50",
        lambda w: w.arrive("b1", w.sent("B", at(1, "11:50"))),
        [("B", "opened", "open")],
    ),
    (at(2, "12:00"), "A was silent for 24 h, but the last hour may still arrive", nothing, []),
    (at(2, "12:10"), "A was silent for 24 h, an hour ago", nothing, [("A", "resolved", "resolved")]),
    (
        at(2, "13:00"),
        "B was silent as long, but its records of 02:00 to 03:00 are missing",
        lambda w: setattr(w, "gap", Window(at(2, "02:00"), at(2, "03:00"))),
        [],
    ),
    (at(3, "04:05"), "B was silent for 24 h after the gap", nothing, [("B", "resolved", "resolved")]),
    (
        at(3, "06:00"),
        "a late object: A sent yesterday at 09:00, while it was held to be silent",
        lambda w: w.arrive("a3", w.sent("A", at(2, "09:00"))),
        [("A", "reopened", "open")],
    ),
    (
        at(3, "07:00"),
        "a late object: B sent on day 1 at 09:00, which its silence since does not contradict",
        lambda w: w.arrive("b2", w.sent("B", at(1, "09:00"))),
        [("B", "seen", "resolved")],
    ),
    (at(3, "08:00"), "Kim mutes A for two days", mute, [("A", "muted", "muted")]),
    (at(3, "08:01"), "nothing new", nothing, []),
    (
        at(4, "06:00"),
        "A sends at 05:30, muted",
        lambda w: w.arrive("a4", w.sent("A", at(4, "05:30"))),
        [("A", "seen", "muted")],
    ),
    (
        at(4, "20:15"),
        "A sends at 20:00, muted",
        lambda w: w.arrive("a5", w.sent("A", at(4, "20:00"))),
        [("A", "seen", "muted")],
    ),
    (at(5, "08:00"), "the mute ends", nothing, [("A", "unmuted", "open")]),
    (at(5, "08:01"), "nothing new", nothing, []),
    (
        at(5, "12:00"),
        "C, which the configuration now mutes, sends at 11:45",
        configure,
        [("C", "opened", "muted"), ("C", "muted", "muted")],
    ),
    (at(5, "21:10"), "A was silent since day 4, 20:00", nothing, [("A", "resolved", "resolved")]),
    (
        at(6, "00:00"),
        "C's object is replaced by one without the leak",
        lambda w: w.arrive("c", nodata(9)),
        [("C", "resolved", "resolved")],
    ),
    (
        at(6, "01:00"),
        "and by one with it",
        lambda w: w.arrive("c", w.sent("C", at(5, "11:45")), nodata(9), nodata(10)),
        [("C", "reopened", "muted")],
    ),
    (
        at(6, "12:00"),
        "the mute is gone from the configuration",
        lambda w: setattr(w, "mutes", ()),
        [("C", "unmuted", "open")],
    ),
    (at(6, "12:50"), "C was silent for 24 h, an hour ago", nothing, [("C", "resolved", "resolved")]),
    (at(7, "12:00"), "nothing new", nothing, []),
]


def test_a_week(tmp_path: Path) -> None:
    """Gaps, late objects, silence, mutes and their end: every event is told once, when it happens, and no other.

    In the end all windows are looked at again, day by day and backwards, and there is nothing to say.
    """
    world = World(tmp_path)
    world.lake.create()
    lines = ["", "time         finding, event, state   why"]
    for moment, why, happens, expected in WEEK:
        world.now = moment
        happens(world)
        found = world.detect()
        for name, event, state in found or [("", "-", "")]:
            lines.append(f"day {(moment - BEGIN).days + 1} {moment:%H:%M}  {name:<2} {event:<9} {state:<9} {why}")
        assert found == expected, why
    print(*lines, sep="\n")

    world.now = at(7, "13:00")
    assert [world.detect(Window(at(day, "00:00"), at(day + 1, "00:00"))) for day in range(7, 0, -1)] == [[]] * 7
