"""The lake: whole commits, exactly once, whoever is stopped or comes second."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from flowaudit.errors import LakeConflict, LakeError
from flowaudit.lake import Batch, Lake
from flowaudit.lake import batch as batches
from flowaudit.model import LogObject, ObjectReport, Outcome, Window
from flowaudit.schema import FINDINGS, TABLES

if TYPE_CHECKING:
    from tests.conftest import Seaweed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return an empty lake in a folder whose name needs care."""
    lake = Lake(str(tmp_path / "a lake, it's 100%"))
    lake.create()
    return lake


def _object(key: str, etag: str = "e1") -> LogObject:
    return LogObject("src", key, etag, 10, NOON, day=date(2026, 1, 1), flow_log_id="fl-1")


def _rows(batch: Batch, key: str, *times: datetime) -> pa.Table:
    columns = {"start_time": list(times), "bytes": [7] * len(times), "object_key": [key] * len(times)}
    table = pa.table(columns, pa.schema([TABLES["flows"].schema.field(name) for name in columns]))
    table = table.append_column("day", pa.array([date(2026, 1, 1)] * len(times)))
    return table.append_column("batch", pa.array([batch.number] * len(times)))


def _add(lake: Lake, *keys: str, etag: str = "e1", replaced: tuple[str, ...] = (), batch: Batch | None = None) -> Batch:
    """Commit a batch of objects with two rows each."""
    batch = batch or lake.batch()
    files = batch.files()
    for key in keys:
        files.write(_rows(batch, key, NOON, NOON))
    reports = [ObjectReport(_object(key, etag), Outcome.COLLECTED, records=2, kept=2) for key in keys]
    batch.commit(files.close(), reports, (), replaced)
    return batch


def _keys(lake: Lake) -> list[str]:
    return sorted(lake.dataset("flows").to_table(["object_key"]).column(0).to_pylist())


def test_a_batch_is_in_flows_and_ledger_under_its_number(lake: Lake) -> None:
    """Two batches: their rows, their numbers, and what the ledger knows of each object."""
    _add(lake, "a", "b")
    _add(lake, "c")

    assert _keys(lake) == ["a", "a", "b", "b", "c", "c"]
    assert lake.last_batch() == 2
    assert {key: entry.etag for key, entry in lake.known().items()} == {"a": "e1", "b": "e1", "c": "e1"}


def test_rows_lie_in_the_day_of_their_time(lake: Lake) -> None:
    """Rows of two days and one without a time: three folders' worth, the last in its object's day."""
    batch = lake.batch()
    files = batch.files()
    files.write(_rows(batch, "a", NOON, datetime(2026, 1, 2, tzinfo=UTC)))
    timeless = pa.table({"object_key": ["a"], "day": [date(2025, 12, 31)], "batch": [batch.number]})
    files.write(timeless)

    written = files.close()

    assert sorted(str(file.day) for file in written) == ["2025-12-31", "2026-01-01", "2026-01-02"]


def test_a_window_prunes_files_by_their_times(lake: Lake) -> None:
    """Only files that may hold rows of the window are named; files without times always are."""
    for day in (1, 2, 3):
        batch = lake.batch()
        files = batch.files()
        files.write(_rows(batch, "a", datetime(2026, 1, day, 12, tzinfo=UTC)))
        batch.commit(files.close(), [])

    second = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))

    assert len(lake.files("flows")) == 3
    assert [Path(file).parent.name for file in lake.files("flows", second)] == ["day=2026-01-02"]
    assert lake.files("flows", Window(NOON.replace(year=2027), NOON.replace(year=2028))) == []


def test_a_collector_stopped_after_the_rows_is_completed_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without a ledger entry are never read again: the next batch first writes what the ledger lacks."""
    with monkeypatch.context() as patch:
        patch.setattr(batches, "complete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _add(lake, "a")
    assert lake.known() == {}

    number = lake.batch().number

    assert number == 2
    assert _keys(lake) == ["a", "a"]
    assert lake.known()["a"].kept == 2


def test_two_collectors_with_the_same_number_one_is_refused(lake: Lake) -> None:
    """Both read the same object; the second commit is a conflict and adds nothing, not even a file."""
    first, second = lake.batch(), lake.batch()
    _add(lake, "a", batch=first)

    files = second.files()
    files.write(_rows(second, "a", NOON))
    written = files.close()
    with pytest.raises(LakeConflict, match="another collector committed batch 1"):
        second.commit(written, [])
    second.forget(written, ())

    assert _keys(lake) == ["a", "a"]
    assert len(list(Path(lake.uri).glob("flows/day=*/*.parquet"))) == 1
    assert lake.batch().number == 2


def test_a_replaced_object_leaves_no_old_rows(lake: Lake) -> None:
    """New rows come and old ones go in one commit; other objects in the same file stay."""
    _add(lake, "a", "b")
    _add(lake, "a", etag="e2", replaced=("a",))

    assert _keys(lake) == ["a", "a", "b", "b"]
    assert lake.known()["a"].etag == "e2"
    assert {1, 2} == set(lake.dataset("flows").to_table(["batch"]).column(0).to_pylist())


def test_an_empty_batch_counts(lake: Lake) -> None:
    """Objects without rows are in the ledger all the same."""
    lake.batch().commit([], [ObjectReport(_object("empty"), Outcome.COLLECTED)])

    assert lake.files("flows") == []
    assert list(lake.known()) == ["empty"]


def test_events_are_appended_by_one_writer_at_a_time(lake: Lake) -> None:
    """A writer whose snapshot is stale is refused; watermarks move with the events."""
    ours, theirs = lake.log("findings"), lake.log("findings")
    theirs.commit(FINDINGS.empty_table(), {"d": 3})

    with pytest.raises(LakeConflict, match="another process wrote findings"):
        ours.commit(FINDINGS.empty_table(), {"d": 2})

    assert lake.log("findings").watermark("d") == 3
    assert lake.log("findings").watermark("unknown") == 0


def test_a_missing_lake_is_named(tmp_path: Path) -> None:
    """Reading before anything was collected says so and what to do."""
    with pytest.raises(LakeError, match=r"there is no lake at .*nowhere yet: run `flowaudit collect`"):
        Lake(str(tmp_path / "nowhere")).log("findings")


def test_a_lake_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: one message, no traceback of somebody else's."""
    (tmp_path / "file").write_text("")

    with pytest.raises(LakeError, match="cannot be created"):
        Lake(str(tmp_path / "file")).create()


def test_a_lake_on_s3_does_the_same(seaweed: Seaweed) -> None:
    """On a real S3 server: batches, a refused second, a replaced object, pruned files."""
    import boto3  # noqa: PLC0415

    keys = {"aws_access_key_id": seaweed.access_key, "aws_secret_access_key": seaweed.secret_key}
    boto3.client("s3", endpoint_url=seaweed.endpoint, region_name=seaweed.region, **keys).create_bucket(Bucket="lake")
    options = {name.upper(): value for name, value in keys.items()}
    options |= {"AWS_ENDPOINT_URL": seaweed.endpoint, "AWS_REGION": seaweed.region, "AWS_ALLOW_HTTP": "true"}
    lake = Lake("s3://lake/some prefix", options)
    lake.create()

    stale = lake.batch()
    _add(lake, "a", "b")
    with pytest.raises(LakeConflict):
        _add(lake, "a", batch=stale)
    _add(lake, "a", etag="e2", replaced=("a",))

    assert _keys(lake) == ["a", "a", "b", "b"]
    assert {key: entry.etag for key, entry in lake.known().items()} == {"a": "e2", "b": "e1"}
    assert all(file.startswith("s3://lake/some prefix/flows/day=2026-01-01/") for file in lake.files("flows"))


def test_a_lake_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    """A table that lacks a column is named, with what to do; nothing is read of it."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    shutil.rmtree(tmp_path / "lake" / "findings")
    schema = TABLES["findings"].schema
    DeltaTable.create(str(tmp_path / "lake" / "findings"), schema.remove(schema.get_field_index("event_number")))
    with pytest.raises(LakeError, match=r"earlier version of flowaudit: its table findings has no column event_number"):
        lake.files("findings")
