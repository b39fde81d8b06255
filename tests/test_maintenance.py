"""Maintenance: fewer, sorted files with the same rows, whoever writes, reads or is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowaudit import sql
from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.jobs import Jobs
from flowaudit.errors import LakeConflict
from flowaudit.lake import Batch, Lake, maintenance, vacuum
from flowaudit.lake import batch as batches
from flowaudit.maintain import maintain
from flowaudit.model import LogObject, ObjectReport, Outcome
from flowaudit.schema import TABLES

if TYPE_CHECKING:
    from tests.conftest import Seaweed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LONG_AGO = time.time() - 30 * 86_400
TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return an empty lake in a folder whose name needs care."""
    lake = Lake(str(tmp_path / "a lake, it's 100%"))
    lake.create()
    return lake


def _rows(batch: Batch, key: str, at: datetime) -> pa.Table:
    names = ("start_time", "interface_id", "bytes", "object_key", "day", "batch")
    columns = ([at, at - timedelta(minutes=1)], ["eni-2", "eni-1"], [7, 7], [key] * 2, [at.date()] * 2)
    return pa.table([*columns, [batch.number] * 2], pa.schema([TABLES["flows"].schema.field(name) for name in names]))


def _line(batch: Batch, key: str) -> pa.Table:
    return pa.table({"object_key": [key], "line": [1], "reason": ["bad"], "text": ["x"], "batch": [batch.number]})


def _add(
    lake: Lake, *keys: str, at: datetime = NOON, replaced: tuple[str, ...] = (), outcome: Outcome = Outcome.COLLECTED
) -> Batch:
    """Commit a batch of objects with two rows and one bad line each."""
    batch = lake.batch()
    files, lines = batch.files(), batch.quarantine_files()
    for key in keys:
        lines.write(_line(batch, key))
        if outcome is Outcome.COLLECTED:
            files.write(_rows(batch, key, at))
    found = [LogObject("src", key, "e1", 10, at, day=at.date(), flow_log_id="fl-1") for key in keys]
    kept = 2 if outcome is Outcome.COLLECTED else 0
    reports = [ObjectReport(each, outcome, records=kept, kept=kept) for each in found]
    batch.commit(files.close(), reports, lines.close(), replaced)
    return batch


def _contents(lake: Lake, *tables: str) -> dict[str, list[str]]:
    return {table: sorted(map(str, lake.dataset(table).to_table().to_pylist())) for table in tables or TABLES}


def _keys(lake: Lake) -> list[str]:
    return sorted(lake.dataset("flows").to_table(["object_key"]).column(0).to_pylist())


def _age(folder: Path, *, only: Callable[[Path], bool] = lambda _: True) -> None:
    """Let files look as if they were written a month ago."""
    for file in folder.rglob("*"):
        if file.is_file() and only(file):
            os.utime(file, (LONG_AGO, LONG_AGO))


@contextmanager
def _stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop what happens inside right after the rows of a batch are committed."""
    with monkeypatch.context() as patch:
        patch.setattr(batches, "complete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            yield


class TestUnfinishedBatches:
    """A batch that was stopped between its commits is completed from the metadata of its first."""

    def test_maintenance_completes_it_before_anything_goes(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its ledger and its lines are there afterwards, though its commit and its files are a month old."""
        _add(lake, "a")
        with _stopped(monkeypatch):
            _add(lake, "b")
        assert set(lake.known()) == {"a"}
        for table in TABLES:
            lake.open(table).create_checkpoint()
        _age(Path(lake.uri))

        maintain(lake, {})
        _age(Path(lake.uri))
        maintain(lake, {})

        assert set(lake.known()) == {"a", "b"}
        assert lake.dataset("quarantine").to_table(["object_key"]).column(0).to_pylist() == ["a", "b"]
        assert _keys(lake) == ["a", "a", "b", "b"]

    def test_the_next_collector_completes_it_past_compactions(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is stopped while maintenance is under way: commits of compaction and a checkpoint follow its own."""
        _add(lake, "a")
        with _stopped(monkeypatch):
            _add(lake, "b")

        for table in TABLES:
            for step in maintenance.steps(lake.open(table), table):
                maintenance.compact(lake, table, step)
            lake.open(table).create_checkpoint()
            vacuum.vacuum(lake, table)
            vacuum.clean_log(lake, table)

        assert lake.batch().number == 3
        assert set(lake.known()) == {"a", "b"}
        assert len(lake.dataset("quarantine").to_table()) == 2


class TestCompaction:
    """Small files of a day become one, sorted; nothing else changes."""

    def test_every_row_stays_in_its_day_in_one_sorted_file(self, lake: Lake) -> None:
        """Twelve batches over two days leave a file for each day, and one of each other table that has rows."""
        for n in range(12):
            _add(lake, f"k{n:02}", at=NOON + (n % 2) * DAY - timedelta(minutes=5 * n))
        before = _contents(lake)

        report = maintain(lake, {})

        assert _contents(lake) == before
        assert {name: size.files for name, size in lake.sizes().items() if size.files} == {
            "flows": 2,
            "objects": 2,
            "quarantine": 1,
        }
        assert report.compacted["flows"] == 12
        (first,) = (file for file in lake.files("flows") if "day=2026-01-01" in file)
        times = pq.read_table(first, partitioning=None).column("start_time").to_pylist()
        assert times == sorted(times)
        assert maintain(lake, {}).compacted == {}

    def test_a_dry_run_changes_nothing(self, lake: Lake) -> None:
        """It counts what would be done; versions and files stay."""
        for n in range(3):
            _add(lake, f"k{n}")
        before = lake.versions(*TABLES), sorted(map(str, Path(lake.uri).rglob("*.*")))

        report = maintain(lake, {"flows": DAY}, dry_run=True)

        assert (report.expired["flows"], report.compacted["flows"]) == (6, 3)
        assert (lake.versions(*TABLES), sorted(map(str, Path(lake.uri).rglob("*.*")))) == before

    def test_a_step_is_bounded(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """A day with more rows than a step may hold becomes several files, none of which is compacted again."""
        monkeypatch.setattr(maintenance, "STEP_ROWS", 8)
        for n in range(10):
            _add(lake, f"k{n}")

        maintain(lake, {})
        files = lake.files("flows")

        assert len(files) == 3
        assert _keys(lake) == sorted(f"k{n}" for n in [*range(10), *range(10)])
        maintain(lake, {})
        assert len(lake.files("flows")) <= 3

    def test_commits_that_only_compact_say_so(self, lake: Lake) -> None:
        """Readers of the change feed see no change: every action of the commit has `dataChange` false."""
        _add(lake, "a")
        _add(lake, "b")
        maintain(lake, {})
        newest = max(Path(lake.uri, "flows", "_delta_log").glob("*.json")).read_text("utf-8")
        assert newest.count('"dataChange":false') == 3
        assert '"dataChange":true' not in newest

    def test_numbers_and_watermarks_survive(self, lake: Lake) -> None:
        """Application transactions are there after compaction, a checkpoint and the end of the log before it."""
        events = pa.Table.from_pylist([{"id": "f1", "seq": 1}], TABLES["findings"].schema)
        for n in range(30):
            _add(lake, f"k{n}")
            lake.log("findings").commit(events, {"flowaudit/detect/x/1": n + 1})
        maintain(lake, {})
        checkpoint, (version,) = vacuum.checkpointed(lake, "findings"), lake.versions("findings")
        assert checkpoint is not None
        _age(Path(lake.uri))

        maintain(lake, {})

        assert len(list(Path(lake.uri, "findings", "_delta_log").glob("*.json"))) == version - checkpoint + 1
        assert (lake.last_batch(), lake.batch().number) == (30, 31)
        log = lake.log("findings")
        assert (log.watermark("flowaudit/detect/x/1"), log.number) == (30, 30)
        assert lake.dataset("findings").to_table(["event_number"]).column(0).to_pylist() == list(range(1, 31))

    def test_two_that_replace_the_same_files_one_is_refused(self, lake: Lake) -> None:
        """A collector replaces an object's rows while its file is compacted: the compaction changes nothing."""
        _add(lake, "a")
        _add(lake, "b")
        (step,) = maintenance.steps(lake.open("flows"), "flows")
        read = maintenance._read
        meanwhile = ["a"]

        def slow(*args: Any) -> pa.Table:
            if meanwhile:
                _add(lake, "a", replaced=(meanwhile.pop(),))
            rows: pa.Table = read(*args)
            return rows

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(maintenance, "_read", slow)
            with pytest.raises(LakeConflict, match="replaced files of flows"):
                maintenance.compact(lake, "flows", step)

        assert _keys(lake) == ["a", "a", "b", "b"]
        files = [file.name for file in Path(lake.uri, "flows").rglob("*.parquet") if "_delta_log" not in file.parts]
        assert len(files) == 3  # the compaction's own is gone

    def test_a_collector_that_replaces_rows_notices_a_compaction(self, lake: Lake) -> None:
        """The file that held them is another now: the batch starts over, and no row is doubled."""
        _add(lake, "a")
        _add(lake, "b")
        late = lake.batch()
        files = late.files()
        files.write(_rows(late, "a", NOON))
        maintain(lake, {})

        with pytest.raises(LakeConflict, match="maintenance"):
            late.commit(files.close(), [], (), ("a",))

        assert _keys(lake) == ["a", "a", "b", "b"]

    def test_an_append_during_a_compaction_is_no_conflict(self, lake: Lake) -> None:
        """A batch that was begun before and is committed after: both are there."""
        _add(lake, "a")
        _add(lake, "b")
        late = lake.batch()
        files = late.files()
        files.write(_rows(late, "c", NOON))
        maintain(lake, {})
        late.commit(files.close(), [])
        assert _keys(lake) == ["a", "a", "b", "b", "c", "c"]


class TestReaders:
    """Readers see every row once, whatever maintenance does."""

    def test_readers_in_a_loop_lose_and_double_nothing(self, lake: Lake) -> None:
        """Arrow and DuckDB read while files are compacted, vacuumed and expired, and batches go on arriving."""
        _add(lake, "expired", at=NOON)
        for n in range(20):
            _add(lake, f"k{n:02}", at=TODAY)
        stop = Event()
        with ThreadPoolExecutor(3) as pool:
            loops = [pool.submit(_read_until, stop, lake, how) for how in (_with_arrow, _with_duckdb, _long_open)]
            for n in range(20, 60):
                _add(lake, f"k{n:02}", at=TODAY)
                if n % 4 == 0:
                    maintain(lake, {"flows": 30 * DAY})
            stop.set()
            reads = [loop.result() for loop in loops]
        assert min(reads) > 3
        assert _keys(lake) == sorted(f"k{n:02}" for n in [*range(60), *range(60)])

    def test_an_open_connection_reads_on_for_a_day(self, lake: Lake) -> None:
        """Files that compaction replaced stay: who opened the lake before has them still."""
        _add(lake, "a")
        _add(lake, "b")
        _age(Path(lake.uri))
        with sql.connect(lake, tables=("flows",)) as before:
            maintain(lake, {})
            maintain(lake, {"flows": DAY})
            assert before.query("SELECT count(*) AS n FROM flows").to_pylist() == [{"n": 4}]
        assert _keys(lake) == []


def _with_arrow(lake: Lake) -> list[str]:
    return _keys(lake)


def _with_duckdb(lake: Lake) -> list[str]:
    with sql.connect(lake, tables=("flows",)) as engine:
        return sorted(engine.query("SELECT object_key FROM flows").column(0).to_pylist())


def _long_open(lake: Lake) -> list[str]:
    with sql.connect(lake, tables=("flows",)) as engine:
        time.sleep(0.3)
        return sorted(engine.query("SELECT object_key FROM flows").column(0).to_pylist())


def _read_until(stop: Event, lake: Lake, how: Callable[[Lake], list[str]]) -> int:
    """Read again and again: each of the batches so far is there whole and once. Return how often."""
    reads = 0
    while not stop.is_set():
        keys = [key for key in how(lake) if key != "expired"]
        numbers = [int(key[1:]) for key in keys]
        assert numbers == [n for n in range(len(keys) // 2) for _ in range(2)]
        assert len(keys) >= 40
        reads += 1
    return reads


class TestVacuum:
    """Files that nothing names go, once they are a day old by the storage's own clock."""

    def test_left_over_files_go_and_young_ones_stay(self, lake: Lake) -> None:
        """Of killed collectors: data files, staged uploads and the log's temporary files."""
        _add(lake, "a")
        files = lake.new_files("flows")
        files.write(_rows(lake.batch(), "never committed", NOON))
        old, young = (Path(lake.uri, "flows", name) for name in (files.close()[0].path, "day=2026-01-01/young.parquet"))
        staged = old.with_name("part-1.parquet#1")
        temporary = Path(lake.uri, "flows", "_delta_log", "_commit_1.json.tmp")
        for file in (staged, temporary, young):
            file.write_bytes(b"half")
        _age(Path(lake.uri), only=lambda file: file in (old, staged, temporary))

        report = maintain(lake, {})

        assert report.deleted["flows"] == 3
        assert [file.exists() for file in (old, staged, temporary, young)] == [False, False, False, True]
        assert _keys(lake) == ["a", "a"]

    def test_replaced_files_go_a_day_after_they_were_replaced(self, lake: Lake) -> None:
        """However old the files are themselves: the age of the commit that replaced them counts."""
        for n in range(3):
            _add(lake, f"k{n}")
        replaced = [Path(file) for file in lake.files("flows")]
        _age(Path(lake.uri))
        maintain(lake, {})
        assert all(file.exists() for file in replaced)

        _age(Path(lake.uri))
        maintain(lake, {})

        assert not any(file.exists() for file in replaced)
        assert len(_keys(lake)) == 6

    def test_a_lake_that_was_copied_loses_nothing(self, lake: Lake) -> None:
        """All of its files are new to the storage, though its log starts in the middle."""
        for n in range(25):
            _add(lake, f"k{n}")
        _age(Path(lake.uri))
        maintain(lake, {})
        _age(Path(lake.uri))
        maintain(lake, {})
        for file in Path(lake.uri).rglob("*"):
            os.utime(file)
        before = _contents(lake)
        assert sum(maintain(lake, {}).deleted.values()) == 0
        assert _contents(lake) == before


class TestRetention:
    """What is older than its table's retention goes, but nothing that something else needs."""

    def test_flows_go_by_whole_days_and_objects_are_not_collected_again(self, lake: Lake) -> None:
        """A day is older once its last moment is; the ledger still knows the object."""
        _add(lake, "old", at=TODAY - 10 * DAY)
        _add(lake, "edge", at=TODAY - 5 * DAY)
        _add(lake, "new", at=TODAY)

        report = maintain(lake, {"flows": 5 * DAY, "objects": DAY})

        assert _keys(lake) == ["edge", "edge", "new", "new"]
        assert report.expired["flows"] == 2
        assert set(lake.known()) == {"old", "edge", "new"}
        assert maintenance.expired(lake, "flows") == (TODAY - 5 * DAY).date()

    def test_the_ledger_keeps_what_replaces_rows(self, lake: Lake) -> None:
        """Superseded attempts go; an object's newest stays, and the newest that brought rows."""
        _add(lake, "a", outcome=Outcome.FAILED)
        _add(lake, "a")
        _add(lake, "a", replaced=("a",))
        _add(lake, "a", outcome=Outcome.FAILED)
        _add(lake, "a", outcome=Outcome.FAILED)
        before = lake.known()["a"]

        maintain(lake, {"objects": timedelta()})

        assert sorted(lake.dataset("objects").to_table(["batch"]).column(0).to_pylist()) == [3, 5]
        assert (lake.known()["a"].kept, lake.known()["a"].outcome) == (before.kept, before.outcome) == (2, "failed")
        assert lake.last_batch() == 5

    def test_quarantined_lines_go_with_their_batch(self, lake: Lake) -> None:
        """Lines have no time of their own: that of the batch that brought them counts."""
        _add(lake, "a")
        _add(lake, "b")
        assert maintain(lake, {"quarantine": DAY}).expired["quarantine"] == 0
        assert maintain(lake, {"quarantine": timedelta()}).expired["quarantine"] == 2

    def test_only_resolved_findings_go_whole(self, lake: Lake) -> None:
        """An open or muted finding keeps all its events; a resolved one loses all or none."""
        old, new = NOON, datetime.now(UTC)
        events = [
            ("gone", 1, "open", old),
            ("gone", 2, "resolved", old),
            ("open", 1, "resolved", old),
            ("open", 2, "open", old),
            ("muted", 1, "muted", old),
            ("fresh", 1, "open", old),
            ("fresh", 2, "resolved", new),
        ]
        rows = [dict(zip(("id", "seq", "state", "at"), event, strict=True)) for event in events]
        lake.log("findings").commit(pa.Table.from_pylist(rows, TABLES["findings"].schema), {})

        assert maintain(lake, {"findings": 30 * DAY}).expired["findings"] == 2

        left = lake.dataset("findings").to_table(["id", "event_number"]).to_pylist()
        assert [row["id"] for row in left] == ["open", "open", "muted", "fresh", "fresh"]
        lake.log("findings").commit(pa.Table.from_pylist(rows[:1], TABLES["findings"].schema), {})
        numbers = lake.dataset("findings").to_table(["event_number"]).column(0).to_pylist()
        assert len(set(numbers)) == 6
        assert max(numbers) > 7

    def test_a_finding_that_is_opened_again_meanwhile_stays(self, lake: Lake) -> None:
        """An event that is appended while the old ones are sorted out makes the run decide anew."""
        rows = [{"id": "f", "seq": n, "state": state, "at": NOON} for n, state in enumerate(("open", "resolved"))]
        lake.log("findings").commit(pa.Table.from_pylist(rows, TABLES["findings"].schema), {})
        again = pa.Table.from_pylist([{"id": "f", "seq": 3, "state": "open", "at": NOON}], TABLES["findings"].schema)

        def judge() -> maintenance.Keep:
            lake.log("findings").commit(again, {})
            return lambda table: pa.array([False] * len(table))

        with pytest.raises(LakeConflict):
            maintenance.drop_rows(lake, "findings", judge)
        assert len(lake.dataset("findings").to_table()) == 3

    def test_observations_stay_as_long_as_flows_of_their_time(self, lake: Lake) -> None:
        """The last before the oldest flow holds at its time; those that it had replaced are gone."""
        schema = TABLES["interfaces"].schema
        times = [TODAY - n * DAY for n in (90, 60, 40, 20)]
        rows = [{"interface_id": "eni-1", "observed_at": at, "present": True} for at in times]
        lake.log("interfaces").commit(pa.Table.from_pylist(rows, schema), {})
        _add(lake, "a", at=TODAY - 30 * DAY)

        def observed() -> list[datetime]:
            maintain(lake, {"interfaces": DAY})
            return sorted(lake.dataset("interfaces").to_table(["observed_at"]).column(0).to_pylist())

        assert observed() == times[::-1][:2][::-1]
        maintain(lake, {"flows": DAY})
        assert observed() == [times[3]]

    def test_the_newest_address_ranges_stay(self, lake: Lake) -> None:
        """Older ones go; the newest hold, however old they are."""
        schema = TABLES["ip_ranges"].schema
        for at in (NOON - DAY, NOON):
            rows = [{"created_at": at, "prefix": "192.0.2.0/24"}, {"created_at": at, "prefix": "198.51.100.0/24"}]
            lake.log("ip_ranges").commit(pa.Table.from_pylist(rows, schema), {})
        assert maintain(lake, {"ip_ranges": DAY}).expired["ip_ranges"] == 2
        assert set(lake.dataset("ip_ranges").to_table(["created_at"]).column(0).to_pylist()) == {NOON}


class TestTheDaemon:
    """The stage `maintain` of the daemon, and of `run --once`."""

    def _jobs(self, lake: Lake, **settings: Any) -> Jobs:
        config = {"lake": {"uri": lake.uri, "retention": settings}, "sources": []}
        return Jobs(App(Config.model_validate(config)), Event())

    def test_it_maintains_by_the_configuration_and_counts(self, lake: Lake) -> None:
        """Files, rows and bytes by table, as metrics and in the report."""
        _add(lake, "old", at=TODAY - 10 * DAY)
        for n in range(4):
            _add(lake, f"k{n}", at=TODAY)
        jobs = self._jobs(lake, flows="5d")

        report, run = jobs.run("maintain")

        assert run.failures == []
        assert (report.expired["flows"], report.compacted["flows"], report.files["flows"]) == (2, 4, 1)
        value = jobs.metrics.registry.get_sample_value
        assert value("flowaudit_maintain_expired_rows_total", {"table": "flows"}) == 2
        assert value("flowaudit_maintain_compacted_files_total", {"table": "flows"}) == 4
        assert value("flowaudit_lake_files", {"table": "flows"}) == 1
        assert value("flowaudit_lake_rows", {"table": "flows"}) == 8
        assert value("flowaudit_maintain_expired_rows_total", {"table": "findings"}) == 0

    def test_it_runs_often_enough_by_default(self) -> None:
        """At a collect each minute, an hour's small files are a hundredth of what makes queries slow."""
        schedule = Config().schedule
        assert schedule.maintain / schedule.collect * 3 <= 200

    def test_a_lake_that_cannot_be_read_is_a_failure(self, lake: Lake) -> None:
        """The message names the lake; the daemon goes on, and so does the maintenance of other tables."""
        _add(lake, "a")
        _add(lake, "b")
        for file in Path(lake.uri, "flows").rglob("*.parquet"):
            file.write_bytes(b"not parquet")
        report, run = self._jobs(lake).run("maintain")
        (failure,) = run.failures
        assert report.compacted["objects"] == 2
        assert failure.startswith(f"the lake at {lake.uri} cannot be compacted: ")

    def test_a_stop_ends_it_after_a_step(self, lake: Lake) -> None:
        """What is done stays done, and the rest is left for the next run."""
        for day in range(3):
            _add(lake, "a", at=NOON + day * DAY)
            _add(lake, "b", at=NOON + day * DAY)

        class Once(Event):
            asked = 0

            def is_set(self) -> bool:
                self.asked += 1
                return self.asked > 4

        before = _contents(lake)
        maintain(lake, {}, stop=Once())
        assert 3 < len(lake.files("flows")) < 6
        assert _contents(lake) == before


MAINTENANCE = """
import sys
from datetime import timedelta
from flowaudit.lake import Lake, maintenance, vacuum
from flowaudit.maintain import maintain
maintenance.STEP_ROWS, vacuum.CHECKPOINT_AFTER = 16, 1
lake = Lake(sys.argv[1])
print("ready", flush=True)
maintain(lake, {"objects": timedelta()})
"""
COLLECTOR = """
import sys
from flowaudit import collect
from flowaudit.lake import Lake
from flowaudit.sources.local import LocalSource
collect.BATCH_OBJECTS, collect.PORTION_OBJECTS = 2, 1
print("ready", flush=True)
collect.collect([(LocalSource(sys.argv[1]), None)], Lake(sys.argv[2]))
"""


def _start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


class TestProcesses:
    """Maintenance beside others, and maintenance that is killed."""

    @pytest.mark.slow
    def test_killed_at_random_moments_it_leaves_the_same_rows(self, lake: Lake) -> None:
        """SIGKILL again and again: the rows are the same after each, and the last run finishes the work."""
        chance = random.Random(20260101)
        for n in range(30):
            _add(lake, f"k{n:02}", at=NOON + n % 3 * DAY)
        before = _contents(lake)
        killed = 0
        for number in range(15):
            process = _start(MAINTENANCE, lake.uri)
            time.sleep(chance.uniform(0, 0.5))  # the moment is the test
            process.send_signal(signal.SIGKILL)
            killed += process.wait() != 0
            assert _contents(lake) == before
            _add(lake, f"more{number}")
            before = _contents(lake)
        assert killed > 3
        assert _start(MAINTENANCE, lake.uri).wait(60) == 0
        assert _contents(lake) == before

    @pytest.mark.slow
    def test_collectors_and_maintenance_run_side_by_side(self, tmp_path: Path) -> None:
        """Two collectors, one of them of objects that change meanwhile, and two maintenance loops: rows are exact."""
        from tests.flowlogs import egress, write  # noqa: PLC0415

        logs, lake = tmp_path / "logs", Lake(str(tmp_path / "lake"))
        for n in range(40):
            write(logs / f"{n:02}.log.gz", *(egress(k, size=n * 100 + k) for k in range(20)))
        lake.create()
        for round_ in range(3):
            for n in range(0, 40, 4):
                write(logs / f"{n:02}.log.gz", *(egress(k, size=n * 100 + k + round_) for k in range(20)))
            others = [_start(COLLECTOR, logs, lake.uri), _start(COLLECTOR, logs, lake.uri)]
            while any(process.poll() is None for process in others):
                assert _start(MAINTENANCE, lake.uri).wait(60) == 0
            assert [process.returncode for process in others] == [0, 0]
            sizes = sorted(lake.dataset("flows").to_table(["bytes"]).column(0).to_pylist())
            assert sizes == sorted(n * 100 + k + (0 if n % 4 else round_) for n in range(40) for k in range(20))


def test_a_lake_on_s3_is_maintained(seaweed: Seaweed) -> None:
    """The same by an S3 server: compaction, checkpoints, vacuum by its clock, retention."""
    import boto3  # noqa: PLC0415

    keys = {"aws_access_key_id": seaweed.access_key, "aws_secret_access_key": seaweed.secret_key}
    boto3.client("s3", endpoint_url=seaweed.endpoint, region_name=seaweed.region, **keys).create_bucket(Bucket="kept")
    options = {name.upper(): value for name, value in keys.items()}
    options |= {"AWS_REGION": seaweed.region, "AWS_ENDPOINT_URL": seaweed.endpoint, "AWS_ALLOW_HTTP": "true"}
    lake = Lake("s3://kept/some prefix", options)
    lake.create()
    _add(lake, "old", at=TODAY - 10 * DAY)
    for n in range(25):
        _add(lake, f"k{n:02}", at=TODAY)
    before = [key for key in _keys(lake) if key != "old"]

    report = maintain(lake, {"flows": 5 * DAY})

    assert _keys(lake) == before
    assert (report.compacted["flows"], report.expired["flows"], report.files["flows"]) == (25, 2, 1)
    assert vacuum.checkpointed(lake, "flows") is not None
    assert report.deleted["flows"] == 0
    there = vacuum.stored(lake, "flows")
    assert abs(there.now - datetime.now(UTC)) < timedelta(minutes=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vacuum, "GRACE", timedelta(seconds=-60))
        assert vacuum.vacuum(lake, "flows").files == 26
    assert _keys(lake) == before
