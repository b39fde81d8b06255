"""What a lake holds is on the disk, fits together, and can be copied while it is written to."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deltalake import DeltaTable

from flowaudit.collect import collect
from flowaudit.errors import LakeError
from flowaudit.lake import Lake
from flowaudit.lake.backup import backup, restore
from flowaudit.lake.check import problems
from flowaudit.sources.local import LocalSource
from tests import flowlogs

OBJECTS = 3


def write(folder: Path, number: int) -> None:
    """Write a log object with as many records as its number."""
    flowlogs.write(folder / f"{number}.log.gz", *(flowlogs.egress(number, size=number) for _ in range(number)))


def rows(lake: Lake) -> Counter[str]:
    """The rows of each object."""
    return Counter(lake.dataset("flows").to_table(["object_key"]).column("object_key").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake of some batches, and of a line that could not be read: its table has no days."""
    made = Lake(str(tmp_path / "lake"))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "bad.log").write_text("version account-id interface-id\nno record\n")
    for number in range(1, OBJECTS + 1):
        write(tmp_path / "logs", number)
        collect([(LocalSource(str(tmp_path / "logs")), None)], made)
    return made


# --- a power cut ------------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """The machine is off."""


@dataclass
class Disk:
    """What of a folder is on the disk: contents since they were synced, names since their folder was.

    A name that is on the disk, and whose content is not, is an empty file: the worst that a file system may do. A file
    that was renamed over another is another one (`st_ino`) until its folder was synced.
    """

    root: Path
    copy: Path
    left: int
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[Path, int] = field(default_factory=dict)
    syncs: int = 0

    def fsync(self, handle: int) -> None:
        """Take a file or a folder over; off it goes once `left` syncs were made."""
        if self.syncs >= self.left:
            raise PowerCut
        self.syncs += 1
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            self._entries(path)
        else:
            file = os.fstat(handle).st_ino
            self.contents[file] = path.read_bytes()
            if self.names.get(path) == file:
                self._at(path).write_bytes(self.contents[file])

    def _entries(self, folder: Path) -> None:
        if self.root not in (folder, *folder.parents):
            return
        self._at(folder).mkdir(parents=True, exist_ok=True)
        names = {each.name for each in folder.iterdir()}
        for each in folder.iterdir():
            if each.is_dir():
                self._at(each).mkdir(exist_ok=True)
            else:
                self.names[each] = each.stat().st_ino
                self._at(each).write_bytes(self.contents.get(self.names[each], b""))
        for gone in self._at(folder).iterdir():
            if gone.name not in names and gone.is_file():
                gone.unlink()

    def _at(self, path: Path) -> Path:
        return self.copy / path.relative_to(self.root)


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Disk]:
    """Collect three objects, a batch each, and cut the power after a number of syncs."""

    def run(after: int) -> Disk:
        place = tmp_path / f"cut-{after}"
        (place / "root").mkdir(parents=True)
        found = Disk(place / "root", place / "copy", after)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", found.fsync)
            patch.setattr("flowaudit.lake.CHECKPOINT_EVERY", 2)
            try:
                for number in range(1, OBJECTS + 1):
                    write(tmp_path / f"logs-{after}", number)
                    collect([(LocalSource(str(tmp_path / f"logs-{after}")), None)], Lake(str(found.root / "lake")))
            except PowerCut:
                pass
        return found

    return run


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which file a handle is of")
def test_a_power_cut_loses_no_more_than_the_batch_under_way(cut: Callable[[int], Disk], tmp_path: Path) -> None:
    """At 50 random points: what is on the disk is whole, and the same logs collected again give each row once."""
    whole = cut(10**9)
    assert rows(Lake(str(whole.copy / "lake"))) == rows(Lake(str(whole.root / "lake")))
    wanted = {number: number for number in range(1, OBJECTS + 1)}
    seed = random.Random(7)
    for after in sorted(seed.sample(range(1, whole.syncs), min(50, whole.syncs - 1))):
        left = cut(after)
        survivor = Lake(str(left.copy / "lake"))
        if survivor.exists():
            assert not list(problems(survivor, rows=True)), after
            before = sum(rows(survivor).values())
        else:
            before = 0
        for number in range(1, OBJECTS + 1):
            write(tmp_path / f"logs-{after}", number)
        collect([(LocalSource(str(tmp_path / f"logs-{after}")), None)], survivor)
        found = rows(survivor)
        assert {int(Path(key).name.partition(".")[0]): count for key, count in found.items()} == wanted, after
        assert before <= sum(found.values())
        assert not list(problems(survivor, rows=True)), after
        shutil.rmtree(left.root.parent)


# --- check ------------------------------------------------------------------------------------------------------------


def test_a_sound_lake_has_no_problems(lake: Lake) -> None:
    """Neither at a glance nor with every row read."""
    assert list(problems(lake, rows=True)) == []


def _a_file(lake: Lake, table: str = "flows") -> Path:
    return Path(lake.files(table)[0])


WRONG: dict[str, tuple[Callable[[Lake], object], str]] = {
    "a file that is gone": (lambda lake: _a_file(lake).unlink(), "it is not there"),
    "a file that was cut": (lambda lake: os.truncate(_a_file(lake), 100), "another size than the log says"),
    "a table that is gone": (lambda lake: shutil.rmtree(Path(lake.uri, "objects")), "objects cannot be opened"),
}


@pytest.mark.parametrize(("harm", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_named(lake: Lake, harm: Callable[[Lake], object], words: str) -> None:
    """With the table, and what to do."""
    harm(lake)
    (line,) = problems(lake)
    assert words in line
    assert "flowaudit lake restore" in line


def test_a_file_whose_content_is_broken_is_found_by_reading(lake: Lake) -> None:
    """It is as large as the log says."""
    file = _a_file(lake)
    size = file.stat().st_size
    content = bytearray(file.read_bytes())
    content[4 : size // 2] = bytes(size // 2 - 4)
    file.write_bytes(content)
    assert list(problems(lake)) == []
    assert any("cannot be read" in line for line in problems(lake, rows=True))


def test_tables_of_different_times_are_named_and_not_worked_on(lake: Lake, tmp_path: Path) -> None:
    """A copy that was taken while a batch landed: the ledger has a batch that flows lacks."""
    flows = Path(lake.uri, "flows")
    shutil.copytree(flows, tmp_path / "before")
    write(tmp_path / "logs", OBJECTS + 1)
    source = LocalSource(str(tmp_path / "logs"))
    collect([(source, None)], lake)
    shutil.rmtree(flows)
    (tmp_path / "before").rename(flows)
    assert all("has batch 4, and flows only batch 3" in line for line in problems(lake))
    with pytest.raises(LakeError, match="is not whole: table quarantine has batch 4"):
        collect([(source, None)], lake)


@pytest.mark.parametrize("at", ["objects", "quarantine", "flows"])
def test_a_batch_that_lands_meanwhile_is_no_problem(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Another collector commits just before a table is opened: the ledger is not ahead for that."""
    opened, landed = Lake.open, list[str]()

    def slow(self: Lake, table: str) -> DeltaTable:
        if self is lake and table == at and not landed:
            landed.append(table)
            write(tmp_path / "logs", OBJECTS + 1)
            collect([(LocalSource(str(tmp_path / "logs")), None)], Lake(lake.uri))
        return opened(self, table)

    monkeypatch.setattr(Lake, "open", slow)
    lake.verify()
    assert landed == [at]
    landed.clear()
    assert list(problems(lake)) == []
    assert landed == [at]


def test_a_lake_that_vanishes_is_an_error(lake: Lake, tmp_path: Path) -> None:
    """Its disk is no longer mounted: no new lake is made in its place by whoever has seen it."""
    Path(lake.uri).rename(tmp_path / "elsewhere")
    with pytest.raises(LakeError, match="is gone: is its disk mounted"):
        collect([(LocalSource(str(tmp_path / "logs")), None)], lake)
    assert not Path(lake.uri).exists()
    (tmp_path / "elsewhere").rename(lake.uri)
    assert collect([(LocalSource(str(tmp_path / "logs")), None)], lake).objects == 0


# --- backup and restore -----------------------------------------------------------------------------------------------


def test_a_backup_restored_is_the_same_lake(lake: Lake, tmp_path: Path) -> None:
    """Row by row; and collecting goes on from there."""
    backup(lake, tmp_path / "backup")
    again = Lake(str(tmp_path / "again"))
    restore(again, tmp_path / "backup")
    assert rows(again) == rows(lake)
    assert again.sizes() == lake.sizes()
    assert again.sizes()["quarantine"].rows
    assert again.last_batch() == lake.last_batch()
    write(tmp_path / "logs", OBJECTS + 1)
    assert collect([(LocalSource(str(tmp_path / "logs")), None)], again).objects == 1


def test_nothing_is_written_over(lake: Lake, tmp_path: Path) -> None:
    """Neither a folder by a backup, nor a lake by a restore."""
    backup(lake, tmp_path / "backup")
    with pytest.raises(LakeError, match="exists: name a new folder"):
        backup(lake, tmp_path / "backup")
    with pytest.raises(LakeError, match="there is a lake at"):
        restore(lake, tmp_path / "backup")


def test_a_backup_that_fails_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    """The lake lacks a file that its log names: there is no backup of it."""
    _a_file(lake).unlink()
    with pytest.raises(LakeError):
        backup(lake, tmp_path / "backup")
    assert {each.name for each in tmp_path.iterdir()} == {"lake", "logs"}


def test_a_backup_that_is_not_whole_is_not_restored(lake: Lake, tmp_path: Path) -> None:
    """Nothing is made of it."""
    backup(lake, tmp_path / "backup")
    _a_file(Lake(str(tmp_path / "backup"))).unlink()
    with pytest.raises(LakeError, match="is no whole backup: table flows"):
        restore(Lake(str(tmp_path / "again")), tmp_path / "backup")
    assert not (tmp_path / "again").exists()


@pytest.fixture
def writer(lake: Lake, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """A collector that goes on writing; returns how many objects it has collected."""
    over, done = threading.Event(), [OBJECTS]

    def go_on() -> None:
        while not over.is_set():
            write(tmp_path / "logs", done[0] % 7 + 1 if done[0] < 7 else 1)
            flowlogs.write(tmp_path / "logs" / f"more-{done[0]}.log.gz", flowlogs.egress(1, size=done[0]))
            collect([(LocalSource(str(tmp_path / "logs")), None)], Lake(lake.uri))
            done[0] += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    yield lambda: done[0]
    over.set()
    thread.join()


def test_each_backup_of_a_live_lake_is_whole(lake: Lake, writer: Callable[[], int], tmp_path: Path) -> None:
    """Twenty, while batches land: each is restored, and its rows are those that its ledger counts."""
    seen = []
    for number in range(20):
        backup(lake, tmp_path / f"backup-{number}")
        again = Lake(str(tmp_path / f"again-{number}"))
        restore(again, tmp_path / f"backup-{number}")
        again.batch()  # completes a batch whose ledger the copy lacks
        assert list(problems(again, rows=True)) == []
        seen.append(again.last_batch())
    assert seen == sorted(seen)
    assert seen[-1] > seen[0], "nothing was written meanwhile"
    assert writer() > OBJECTS
