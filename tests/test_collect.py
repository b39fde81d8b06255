"""The collect loop: every object once and whole, whatever befalls it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowaudit import collect as loop
from flowaudit import paths, readers, sql
from flowaudit.collect import Workers, collect
from flowaudit.errors import LakeError, ReadError, SourceError, Stopped
from flowaudit.lake import Lake
from flowaudit.model import CollectReport, ObjectReport, Outcome, Window
from flowaudit.readers import Block, Reader
from flowaudit.sources.local import LocalSource
from tests.flowlogs import START, V2, V5, egress, nodata, write

NAME = "123456789012_vpcflowlogs_us-east-1_fl-0abc1234_20260101T0000Z_{}.log.gz"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return an empty folder for log objects."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Name a lake that does not exist yet."""
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_PAUSE", 0.0)


def _collect(logs: Path, lake: Lake, declared: str | None = None, **workers: Any) -> CollectReport:
    source = LocalSource(str(logs), tuple(declared.split()) if declared else None)
    return collect([(source, None)], lake, Workers(**workers))


def _flows(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    table = lake.dataset("flows").to_table(list(columns))
    return sorted(zip(*(table.column(name).to_pylist() for name in columns), strict=True), key=str)


def _ledger(lake: Lake) -> list[dict[str, Any]]:
    return lake.dataset("objects").to_table().sort_by([("batch", "ascending"), ("object_key", "ascending")]).to_pylist()


def test_records_reach_the_lake_with_verdict_and_provenance(logs: Path, lake: Lake) -> None:
    """One object with a leak and an idle minute: two rows that know where they come from and which way they went."""
    path = write(logs / NAME.format("aa"), egress(), nodata(1))

    report = _collect(logs, lake)

    assert (report.objects, report.records, report.kept, report.quarantined) == (1, 2, 2, 0)
    row = next(r for r in lake.dataset("flows").to_table().to_pylist() if r["log_status"] == "OK")
    assert tuple(row[name] for name in ("path", "path_evidence", "remote_addr", "remote_port")) == (
        "internet_gateway",
        "traffic_path",
        "203.0.113.9",
        443,
    )
    assert (str(path.resolve()), "fl-0abc1234", 1) == tuple(row[n] for n in ("object_key", "flow_log_id", "batch"))
    assert datetime.fromtimestamp(START, UTC) == row["start_time"]


def test_collecting_twice_is_collecting_once(logs: Path, lake: Lake) -> None:
    """The second run finds nothing new and adds nothing, not even a commit."""
    write(logs / "a.log.gz", egress())
    _collect(logs, lake)
    before = sorted(Path(lake.uri).rglob("*"))

    report = _collect(logs, lake)

    assert report.objects + report.records == 0
    assert before == sorted(Path(lake.uri).rglob("*"))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 3000), max_size=6), min_size=1, max_size=6), st.integers(0, 6))
def test_the_order_of_collects_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, objects: list[list[int]], cut: int
) -> None:
    """Some objects now and the rest later are the same rows as all at once."""
    folder = tmp_path_factory.mktemp("order")
    at_once, in_two = Lake(str(folder / "a")), Lake(str(folder / "b"))
    for number, minutes in enumerate(objects):
        write(folder / "logs" / f"{number}.log.gz", *map(egress, minutes))
        if number == cut:
            _collect(folder / "logs", in_two)
    _collect(folder / "logs", in_two)
    _collect(folder / "logs", at_once)

    columns = ("object_key", "start_time", "path", "day", "bytes")
    assert _flows(at_once, *columns) == _flows(in_two, *columns)


def test_a_truncated_object_is_kept_out_whole_and_retried(logs: Path, lake: Lake) -> None:
    """Half a gzip: none of its rows, the reason in the ledger; once whole it is read, its neighbours only once."""
    whole = gzip.compress("\n".join([V5, *(egress(n, remote=f"198.51.100.{n % 250}") for n in range(3000))]).encode())
    (logs / "broken.log.gz").write_bytes(whole[: len(whole) // 2])
    write(logs / "sound.log.gz", egress())

    report = _collect(logs, lake)

    assert (report.objects, report.failed, report.kept) == (1, 1, 1)
    assert "truncated" in report.problems[0]
    assert "broken.log.gz" in report.problems[0]
    (logs / "broken.log.gz").write_bytes(whole)
    assert (_collect(logs, lake).objects, len(_flows(lake, "bytes")) - 1) == (1, 3000)


def test_a_failing_object_is_tried_again_with_growing_patience(
    logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who collects again gets a new try at once; the daemon waits ever longer."""
    (logs / "broken.log.gz").write_bytes(b"\x1f\x8b\x08")

    assert [_collect(logs, lake).failed, _collect(logs, lake).failed] == [1, 1]
    assert _collect(logs, lake, patient=True).failed == 0
    assert [row["attempts"] for row in _ledger(lake)] == [1, 2]
    monkeypatch.setattr(loop, "datetime", _Later(timedelta(minutes=2)))
    assert _collect(logs, lake, patient=True).failed == 1
    monkeypatch.setattr(loop, "datetime", _Later(-timedelta(days=365)))  # the clock was set back: it waits no year
    assert _collect(logs, lake, patient=True).failed == 1


class _Later:
    """A clock that is ahead."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self, zone: Any) -> datetime:
        return datetime.now(zone) + self._by


def test_an_object_without_header_waits_for_its_format(logs: Path, lake: Lake) -> None:
    """Skipped with a message that says how to declare it; collected once that is done."""
    write(logs / "a.log.gz", egress(), header="")

    report = _collect(logs, lake)

    assert (report.objects, report.skipped, report.failed) == (0, 1, 0)
    assert "format = " in report.problems[0]
    assert _collect(logs, lake).skipped == 0
    assert ((again := _collect(logs, lake, declared=V5)).objects, again.kept) == (1, 1)


def test_bad_lines_are_quarantined_with_object_line_and_reason(logs: Path, lake: Lake) -> None:
    """Three bad lines among good ones: counted, kept for the eye, and their neighbours are in the lake."""
    no_number = egress(2).replace(" 443 ", " https ")
    path = write(logs / "a.log.gz", egress(), "5 too few", egress(1), no_number, egress(3) + " x")

    report = _collect(logs, lake)

    assert (report.records, report.kept, report.quarantined) == (5, 2, 3)
    rows = lake.dataset("quarantine").to_table().sort_by("line").to_pylist()
    assert [row["line"] for row in rows] == [3, 5, 6]
    assert {str(path.resolve())} == {row["object_key"] for row in rows}
    assert "dstport" in rows[1]["reason"]
    assert {1} == {row["batch"] for row in rows}


def test_transit_gateway_records_are_counted_and_left_out(logs: Path, lake: Lake) -> None:
    """Another kind of flow log under the same prefix is no error."""
    header = "version resource-type account-id tgw-id start end"
    write(logs / "tgw.log.gz", f"6 TransitGateway 123456789012 tgw-1 {START} {START + 9}", header=header)

    report = _collect(logs, lake)

    assert (report.objects, report.records, report.kept, report.diverted) == (1, 1, 0, 1)


@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b""), f"{V2}\n".encode(), gzip.compress(V2.encode())],
    ids=["empty", "empty gzip", "header", "header without newline"],
)
def test_objects_without_records_are_no_trouble(logs: Path, lake: Lake, content: bytes) -> None:
    """Empty, or a header and nothing else: collected, and not looked at again."""
    (logs / "a.log.gz").write_bytes(content)

    assert ((report := _collect(logs, lake)).objects, report.records, report.failed) == (1, 0, 0)
    assert _collect(logs, lake).objects == 0


def test_formats_that_share_a_file_are_judged_apart(logs: Path, lake: Lake) -> None:
    """What one format's fields prove must not be held against another's: v2 stays undecided beside v5."""
    write(logs / "v5.log.gz", egress())
    write(logs / "v2.log.gz", " ".join(egress().split()[:14]), header=V2)

    _collect(logs, lake)

    assert _flows(lake, "path", "remote_addr") == [("internet_gateway", "203.0.113.9"), ("unknown", "203.0.113.9")]


def test_a_format_that_changes_within_an_object_is_judged_apart(logs: Path, lake: Lake) -> None:
    """A concatenated object: another header in its middle, another format from there on."""
    write(logs / "a.log.gz", egress(), V2, " ".join(egress(1).split()[:14]), V5, egress(2))

    _collect(logs, lake)

    assert [path for (path,) in _flows(lake, "path")] == ["internet_gateway", "internet_gateway", "unknown"]


def test_a_replaced_object_takes_the_place_of_its_old_rows(logs: Path, lake: Lake) -> None:
    """A new ETag: the old rows go in the commit that brings the new ones; other objects' rows stay."""
    write(logs / "a.log.gz", egress(size=1), egress(1, size=2))
    write(logs / "b.log.gz", egress(size=3))
    _collect(logs, lake)

    write(logs / "a.log.gz", egress(size=4))
    report = _collect(logs, lake)

    assert (report.objects, report.kept) == (1, 1)
    assert _flows(lake, "bytes") == [(3,), (4,)]


def test_a_replaced_object_that_is_broken_leaves_the_old_rows(logs: Path, lake: Lake) -> None:
    """What cannot be read replaces nothing."""
    write(logs / "a.log.gz", egress(size=1))
    _collect(logs, lake)

    (logs / "a.log.gz").write_bytes(b"\x1f\x8b\x08broken")
    assert _collect(logs, lake).failed == 1
    assert _flows(lake, "bytes") == [(1,)]

    write(logs / "a.log.gz", egress(size=2))
    _collect(logs, lake)
    assert _flows(lake, "bytes") == [(2,)]


def test_a_large_object_is_kept_in_several_row_groups(logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object larger than what a worker holds: all of it is there, none of it twice."""
    monkeypatch.setattr(loop, "ROW_GROUP", 1000)
    count = 12_000
    write(logs / "a.log.gz", *(egress(n % 1440, size=n) for n in range(count)))

    report = _collect(logs, lake)

    assert count == report.kept == len(set(_flows(lake, "bytes")))


def test_two_collectors_at_once_collect_everything_once(
    logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads with lakes of their own on one source, in small batches: the rows of a single clean run."""
    monkeypatch.setattr(loop, "BATCH_OBJECTS", 4)
    for n in range(40):
        write(logs / f"{n:02}.log.gz", egress(n, size=n), egress(n, size=1000 + n))
    lake.create()
    reports: list[CollectReport] = []
    threads = [Thread(target=lambda: reports.append(_collect(logs, Lake(lake.uri)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 80 == len(_flows(lake, "bytes")) == len(set(_flows(lake, "bytes")))
    assert 40 == sum(report.objects for report in reports) == len(_ledger(lake))
    assert sum(report.egress_bytes.get("internet_gateway", 0) for report in reports) == sum(range(40)) + 40 * 1000 + 780
    files = {Path(file) for file in lake.files("flows")}
    assert files == set(Path(lake.uri).glob("flows/day=*/*.parquet"))


def test_somebody_who_stops_it_leaves_a_valid_lake(logs: Path, lake: Lake) -> None:
    """Stopped at the first object: nothing of the batch is there, no file is left over, the next run does it all."""
    for n in range(5):
        write(logs / f"{n}.log.gz", egress(n))
    stop = Event()

    with pytest.raises(Stopped):
        _collect(logs, lake, stop=stop, on_object=lambda _: stop.set(), count=1)

    assert list(Path(lake.uri).glob("flows/day=*/*.parquet")) == []
    assert _collect(logs, lake).kept == 5


def test_a_full_disk_is_one_message_and_no_half_batch(logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system refuses a write: LakeError names the lake; afterwards everything is collected."""
    write(logs / "a.log.gz", egress())
    lake.create()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
        with pytest.raises(LakeError, match="No space left on device"):
            _collect(logs, lake)

    assert _collect(logs, lake).kept == 1


def test_a_source_that_cannot_be_listed_says_so(lake: Lake, tmp_path: Path) -> None:
    """A path that is not there: the source's own message, and no empty lake for a mistyped word."""
    with pytest.raises(SourceError, match="nowhere"):
        _collect(tmp_path / "nowhere", lake)

    assert not Path(lake.uri).exists()


def test_rows_without_any_time_lie_in_their_objects_day(logs: Path, lake: Lake) -> None:
    """A format without start and end: the day is that of the key's name."""
    write(logs / NAME.format("aa"), "eni-0a ACCEPT 7", header="interface-id action bytes")

    _collect(logs, lake)

    assert [(str(day), size) for day, size in _flows(lake, "day", "bytes")] == [("2026-01-01", 7)]


def test_each_object_is_reported_as_it_is_done(logs: Path, lake: Lake) -> None:
    """Progress: one report an object, with what became of it."""
    write(logs / "a.log.gz", egress())
    write(logs / "b.log.gz", egress(), header="")
    seen: list[ObjectReport] = []

    _collect(logs, lake, on_object=seen.append)

    assert {Outcome.COLLECTED, Outcome.SKIPPED} == {report.outcome for report in seen}


def test_a_window_reaches_the_source(logs: Path, lake: Lake) -> None:
    """Objects whose names tell another time are not even opened."""
    write(logs / NAME.format("aa"), egress())
    write(logs / NAME.replace("20260101", "20250101").format("bb"), egress())
    day = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

    assert collect([(LocalSource(str(logs)), day)], lake).objects == 1
    assert _collect(logs, lake).objects == 1


def test_each_batch_is_told_once_it_is_in_the_lake(logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first of three: what is in the lake was told, no more and no less."""
    monkeypatch.setattr(loop, "BATCH_OBJECTS", 2)
    for n in range(6):
        write(logs / f"{n}.log.gz", egress(n))
    told: list[int] = []
    stop = Event()

    def on_batch(done: Sequence[ObjectReport]) -> None:
        told.append(sum(report.kept for report in done))
        stop.set()

    with pytest.raises(Stopped):
        _collect(logs, lake, on_batch=on_batch, stop=stop)

    assert told == [2]
    assert len(_flows(lake, "bytes")) == 2


def test_what_arrow_cannot_digest_fails_alone(logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that makes a reader stumble over Arrow is reported like any broken one; the others are collected."""

    def stumbling(stream: BinaryIO, declared: Sequence[str] | None) -> Iterator[Block]:
        yield Block(pa.table({"bytes": [1]}))
        raise pa.ArrowInvalid("not this one")

    kinds: dict[str, Reader] = {"gzip": readers.READERS["gzip"], "text": stumbling}
    monkeypatch.setattr(readers, "READERS", kinds)
    (logs / "plain.log").write_text("anything")
    write(logs / "a.log.gz", egress())

    report = _collect(logs, lake)

    assert (report.objects, report.failed, report.kept) == (1, 1, 1)
    assert "not this one" in report.problems[0]


# --- bytes that workloads sent ----------------------------------------------------------------------------------------

V11 = f"{V5} interface-type next-hop-interface-type"
BY_PATH = """
SELECT path, CAST(sum(bytes) AS BIGINT) AS bytes FROM flows
WHERE direction = 'egress' AND action = 'ACCEPT' AND vantage IS NULL GROUP BY path
"""
OVER_NAT = """
SELECT coalesce(remote_service, 'none') AS service, CAST(sum(bytes) AS BIGINT) AS bytes FROM flows
WHERE direction = 'egress' AND action = 'ACCEPT' AND vantage IS NULL AND path = 'nat_gateway' GROUP BY service
"""


def _sums(lake: Lake, query: str) -> dict[str, int]:
    with sql.connect(lake, tables=("flows",)) as engine:
        return dict(zip(*engine.query(query).to_pydict().values(), strict=True))


def _over_nat(size: int, service: str = "-", remote: str = "203.0.113.9") -> str:
    """Return a workload's record of bytes to a NAT gateway, under V11."""
    record = egress(size=size, remote=remote, path="1").replace("- - - - egress", f"- - - {service} egress")
    return f"{record} - nat_gateway"


def test_bytes_that_workloads_sent_are_summed_by_path(logs: Path, lake: Lake) -> None:
    """The sums are SQL's over the same lake: no rejected record, no ingress, none of a NAT gateway's own interface."""
    ingress = egress(size=32).replace(" egress 8", " ingress -")
    write(
        logs / "a.log.gz",
        f"{egress(size=1)} - -",
        f"{egress(size=2, path='7')} - -",
        _over_nat(4, "S3"),
        _over_nat(8),
        f"{egress(size=16).replace('ACCEPT', 'REJECT')} - -",
        f"{ingress} - -",
        f"{egress(size=64, interface='eni-nat')} nat_gateway -",
        f"{nodata(1)} - -",
        header=V11,
    )
    write(logs / "b.log.gz", _over_nat(128, "DYNAMODB"), _over_nat(256, "S3"), header=V11)
    write(logs / "v2.log.gz", " ".join(egress(size=512).split()[:14]), header=V2)

    report = _collect(logs, lake)

    expected = {"internet_gateway": 1, "gateway_endpoint": 2, "nat_gateway": 4 + 8 + 128 + 256, "unknown": 512}
    assert report.egress_bytes == expected == _sums(lake, BY_PATH)
    assert report.nat_bytes == {"S3": 4 + 256, "none": 8, "DYNAMODB": 128} == _sums(lake, OVER_NAT)
    assert set(report.egress_bytes) <= set(paths.PATHS)


@pytest.mark.parametrize("rows", [loop.ROW_GROUP, 3], ids=["in shared files", "in files of their own"])
def test_each_object_has_its_own_sums(logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Objects whose rows share a file are told apart; what was written in several row groups is added up."""
    monkeypatch.setattr(loop, "ROW_GROUP", rows)
    write(logs / "a.log.gz", *(egress(n, size=1) for n in range(7)), V2, " ".join(egress(size=100).split()[:14]))
    write(logs / "b.log.gz", egress(size=20))
    told: list[ObjectReport] = []

    _collect(logs, lake, on_batch=told.extend)

    assert {Path(report.object.key).name: report.egress for report in told} == {
        "a.log.gz": {("internet_gateway", "none"): 7, ("unknown", "none"): 100},
        "b.log.gz": {("internet_gateway", "none"): 20},
    }


@pytest.mark.parametrize("header", ["interface-id action", "interface-id bytes", "srcaddr dstaddr bytes"])
def test_a_format_without_bytes_or_action_adds_nothing(logs: Path, lake: Lake, header: str) -> None:
    """What was accepted, and how much it was, is not presumed."""
    values = {"interface-id": "eni-0a", "action": "ACCEPT", "bytes": "7", "srcaddr": "10.0.0.5", "dstaddr": "192.0.2.1"}
    write(logs / "a.log.gz", " ".join(values[name] for name in header.split()), header=header)

    report = _collect(logs, lake)

    assert (report.kept, report.egress_bytes, report.nat_bytes) == (1, {}, {})


class _Stumbling:
    """The reader of gzipped text, which gives up after the first block of an object, `times` times."""

    def __init__(self, times: int) -> None:
        self._left, self._read = times, readers.READERS["gzip"]

    def __call__(self, stream: BinaryIO, declared: Sequence[str] | None) -> Iterator[Block]:
        stumbles, self._left = self._left > 0, self._left - 1
        for block in self._read(stream, declared):
            yield block
            if stumbles:
                raise ReadError("cut off")


@pytest.mark.parametrize("rows", [loop.ROW_GROUP, 1], ids=["judged at the end", "judged as they come"])
def test_an_object_that_fails_half_way_adds_nothing(
    logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Its first rows were read, and with small row groups judged and written: they count when all of it is kept."""
    monkeypatch.setattr(loop, "ROW_GROUP", rows)
    write(logs / "a.log.gz", egress(size=3), egress(1, size=4))

    with monkeypatch.context() as patch:
        patch.setattr(readers, "READERS", {"gzip": _Stumbling(loop.TRIES)})
        failed = _collect(logs, lake)
    assert (failed.failed, failed.egress_bytes) == (1, {})

    assert _collect(logs, lake).egress_bytes == {"internet_gateway": 7}
    assert _collect(logs, lake).egress_bytes == {}


@pytest.mark.parametrize("rows", [loop.ROW_GROUP, 1], ids=["judged at the end", "judged as they come"])
def test_an_object_that_is_retried_counts_once(
    logs: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Two tries that end half-way and a third that does not: the sums of the lake."""
    monkeypatch.setattr(loop, "ROW_GROUP", rows)
    monkeypatch.setattr(readers, "READERS", {"gzip": _Stumbling(loop.TRIES - 1)})
    write(logs / "a.log.gz", egress(size=3), egress(1, size=4))

    report = _collect(logs, lake)

    assert report.objects == 1
    assert report.egress_bytes == {"internet_gateway": 7} == _sums(lake, BY_PATH)


def test_a_replaced_object_counts_again(logs: Path, lake: Lake) -> None:
    """A counter takes nothing back: what is collected anew is counted anew, as the records are."""
    write(logs / "a.log.gz", egress(size=1))
    _collect(logs, lake)
    write(logs / "a.log.gz", egress(size=2), egress(1, size=4))

    report = _collect(logs, lake)

    assert (report.kept, report.egress_bytes) == (2, {"internet_gateway": 6})
