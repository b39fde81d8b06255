"""One daemon leads a lake: the lease, its generation in each commit, and two real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from flowaudit.collect import collect
from flowaudit.errors import LakeError, LeaseLost, LeaseTaken
from flowaudit.lake import FolderStore, Lake, Lease
from flowaudit.lake.lease import FILE, Holder, Read, Store
from flowaudit.lake.s3_lease import S3Store
from flowaudit.schema import TABLES
from flowaudit.sources.local import LocalSource
from tests import flowlogs


@dataclass
class Clock:
    """A monotonic clock that stands still until it is told to go on."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """A place for a lease, and stores of different processes on it."""
    if request.param == "folder":
        yield lambda: _Other(tmp_path)
        return
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="lake")
        yield lambda: S3Store(client, "lake", "deep/prefix")


class _Other(FolderStore):
    """A store of a process that is alive, as far as another store in this process can see."""

    def _is_free(self) -> bool:
        return False


def held(store: Store, **more: Any) -> Lease:
    """A lease that was taken."""
    lease = Lease(store, **more)
    lease.acquire()
    return lease


def expired(store: Store) -> None:
    """Let the lease run out, by the store's clock."""
    found = store.read()
    assert found.holder
    store.write(replace(found.holder, expires_at=found.now - 1), found.version)


# --- the lease --------------------------------------------------------------------------------------------------------


def test_one_takes_it_and_the_other_is_told_who_has_it(place: Callable[[], Store]) -> None:
    """With the seconds that are left, and what to do."""
    first = held(place(), owner="one:1")
    assert (first.is_held, first.generation, first.check()) == (True, 1, 1)
    with pytest.raises(LeaseTaken, match=r"another daemon, one:1, runs on this lake .*--standby") as refused:
        Lease(place(), owner="two:2").acquire()
    assert 25 < refused.value.seconds <= 30


def test_a_lease_that_ran_out_is_taken_with_the_next_generation(place: Callable[[], Store]) -> None:
    """Whoever had it learns at its next renewal that it is lost, and holds nothing any more."""
    first = held(place(), owner="one:1")
    expired(place())
    second = held(place(), owner="two:2")
    assert second.generation == 2
    with pytest.raises(LeaseLost, match="two:2 leads now"):
        first.renew()
    assert not first.is_held
    with pytest.raises(LeaseLost):
        first.check()


def test_a_lease_that_ran_out_and_that_nobody_took_is_renewed(place: Callable[[], Store]) -> None:
    """S3 was not to be reached for an hour: the generation stays."""
    clock = Clock()
    lease = held(place(), clock=clock)
    clock.now += 3600
    assert not lease.is_held
    expired(place())
    # what `expired` wrote is still its own: the id is
    lease.renew()
    assert (lease.is_held, lease.check()) == (True, 1)


def test_a_holder_stops_before_another_may_begin() -> None:
    """By its own clock it ends five of thirty seconds early: clocks do not run alike."""
    clock = Clock()

    class Nowhere:
        def read(self) -> Any:
            return Read(None, "", 0.0)

        def write(self, holder: Holder, version: str) -> bool:
            return True

        def close(self) -> None:
            pass

    lease = held(Nowhere(), clock=clock)
    clock.now += 24.9
    assert lease.is_held
    clock.now += 0.2
    assert not lease.is_held


def test_a_slow_store_shortens_the_life() -> None:
    """The life counts from before the store was asked: an answer that took 20 seconds leaves 10."""
    clock = Clock()

    class Slow:
        def read(self) -> Any:
            clock.now += 20
            return Read(None, "", 0.0)

        def write(self, holder: Holder, version: str) -> bool:
            return True

        def close(self) -> None:
            pass

    lease = held(Slow(), clock=clock)
    clock.now += 6
    assert not lease.is_held


def test_a_released_lease_is_free_at_once(place: Callable[[], Store]) -> None:
    """Its generation goes on; a second release does nothing."""
    first = held(place())
    first.release()
    first.release()
    assert not first.is_held
    assert held(place()).generation == 2


def test_a_release_takes_nothing_from_another(place: Callable[[], Store]) -> None:
    """A holder that was late releases nothing of whoever took over."""
    first = held(place())
    expired(place())
    second = held(place())
    first.release()
    second.renew()
    assert second.is_held


def test_the_generation_is_above_all_that_was_committed(place: Callable[[], Store]) -> None:
    """Somebody removed the document, or restored an older one: tables know better."""
    lease = Lease(place())
    lease.acquire(committed=7)
    assert lease.generation == 8


def test_a_dead_holder_of_a_folder_is_known_at_once(tmp_path: Path) -> None:
    """Its process has ended, and with it its lock: nobody waits for the end of its lease."""
    program = f"""
from pathlib import Path
from flowaudit.lake import FolderStore, Lease
Lease(FolderStore(Path({str(tmp_path)!r})), owner="dead:1").acquire()
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": _root()})
    assert held(FolderStore(tmp_path)).generation == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"generation": "x", "owner": 1, "expires_at": 1, "id": ""}'])
def test_a_document_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """It is not taken for a free lease."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LakeError, match="is no lease: remove it"):
        Lease(FolderStore(tmp_path)).acquire()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """There is none."""
    with pytest.raises(LakeError, match="cannot be read or written: No such file"):
        Lease(FolderStore(tmp_path / "none")).acquire()


# --- S3's answers -----------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """A client of S3 that answers from a script; a document that is put is what is there next."""

    refusals: list[int]
    document: bytes = b""
    lands: bool = False
    puts: list[dict[str, Any]] = field(default_factory=list)

    def get_object(self, **_: Any) -> dict[str, Any]:
        """Return the document."""
        if not self.document:
            raise _error("NoSuchKey", 404)
        tag = str(hash(self.document))
        headers = {"date": "Wed, 25 Nov 2026 12:00:00 GMT"}
        body = type("Body", (), {"read": lambda _: self.document})()
        return {"Body": body, "ETag": tag, "ResponseMetadata": {"HTTPHeaders": headers}}

    def put_object(self, Body: bytes, **condition: Any) -> dict[str, Any]:  # noqa: N803  boto3's name
        """Refuse, or keep the document."""
        self.puts.append(condition)
        if self.refusals:
            if self.lands:
                self.document = Body
            raise _error("PreconditionFailed", self.refusals.pop())
        self.document = Body
        return {"ETag": str(hash(Body))}


def _error(code: str, status: int) -> ClientError:
    said = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "PutObject")


def test_a_write_under_way_that_does_not_win_costs_nothing() -> None:
    """409: who reads anew still finds its own lease, and writes again."""
    wire = Wire([])
    lease = held(S3Store(wire, "lake", ""))
    wire.refusals = [409]
    lease.renew()
    assert lease.is_held
    assert [list(each)[2] for each in wire.puts] == ["IfNoneMatch", "IfMatch", "IfMatch"]


def test_a_write_whose_answer_was_lost_counts() -> None:
    """412: the client's second try is refused for the sake of its first, which landed."""
    wire = Wire([412], lands=True)
    assert held(S3Store(wire, "lake", "")).is_held


def test_writes_under_way_that_do_not_end_are_an_error() -> None:
    """Three times 409: the lease is not lost, but not renewed either."""
    wire = Wire([])
    lease = held(S3Store(wire, "lake", ""))
    wire.refusals = [409] * 3
    with pytest.raises(LakeError, match="cannot be renewed"):
        lease.renew()


def test_time_is_that_of_s3() -> None:
    """A lease runs out by the header Date, whatever the local clock says."""
    wire = Wire([])
    store = S3Store(wire, "lake", "")
    held(store)
    found = store.read()
    assert found.holder
    assert found.holder.expires_at - found.now == pytest.approx(30, abs=time.time())  # its write had no Date yet
    assert found.now == 1795608000.0


# --- the fencing token ------------------------------------------------------------------------------------------------


def logs(folder: Path, name: str = "one") -> LocalSource:
    """A log object to collect."""
    flowlogs.write(folder / "logs" / f"{name}.log.gz", flowlogs.egress(size=len(name)))
    return LocalSource(str(folder / "logs"))


def test_a_leader_that_was_paused_writes_nothing(tmp_path: Path) -> None:
    """Its generation is older than what another one has committed: by whatever clock."""
    source = logs(tmp_path)
    old, new = Lake(str(tmp_path / "lake")), Lake(str(tmp_path / "lake"))
    old.create()
    store = _Other(tmp_path / "lake")
    old.lead(Lease(store, clock=Clock()))
    expired(store)
    new.lead(Lease(store))
    collect([(source, None)], new)
    logs(tmp_path, "two")
    versions = new.versions(*TABLES)
    with pytest.raises(LeaseLost, match="generation 2 of daemons has written"):
        collect([(source, None)], old)
    assert new.versions(*TABLES) == versions
    assert not _unnamed(new)


def test_a_leader_whose_lease_ran_out_writes_nothing(tmp_path: Path) -> None:
    """Before anybody else leads."""
    clock = Clock()
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    lake.lead(Lease(_Other(tmp_path / "lake"), clock=clock))
    clock.now += 26
    with pytest.raises(LeaseLost, match="its lease has run out"):
        collect([(logs(tmp_path), None)], lake)
    assert not _unnamed(lake)


def test_each_commit_of_a_leader_carries_its_generation(tmp_path: Path) -> None:
    """Also a second one of the same table; a process without a lease carries none, and is not refused."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    lake.lead(Lease(_Other(tmp_path / "lake")))
    for name in ("one", "two"):
        collect([(logs(tmp_path, name), None)], lake)
    for table in ("flows", "objects"):
        assert lake.open(table).transaction_version("flowaudit/leader") == 1
    by_hand = Lake(str(tmp_path / "lake"))
    assert collect([(logs(tmp_path, "three"), None)], by_hand).objects == 1


def _unnamed(lake: Lake) -> list[Path]:
    """Files of flows that no commit names."""
    named = set(lake.files("flows"))
    return [each for each in Path(lake.uri, "flows").rglob("*.parquet") if str(each) not in named]


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """A daemon in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def has(self, event: str) -> bool:
        """Tell whether it has logged an event."""
        return any(each["event"] == event for each in self.events())

    def get(self, page: str) -> tuple[int, str]:
        """Status and text of a page."""
        (url,) = [each["url"] for each in self.events() if each["event"] == "started"]
        try:
            with urllib.request.urlopen(url + page, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, sample: str) -> float:
        """The value of a sample of /metrics."""
        (value,) = re.findall(rf"^flowaudit_{re.escape(sample)} (\S+)$", self.get("metrics")[1], re.MULTILINE)
        return float(value)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start daemons on one lake; they end with the test."""
    running: list[Running] = []
    config = tmp_path / "flowaudit.toml"
    config.write_text(
        f'[lake]\nuri = "{tmp_path / "lake"}"\n[[sources]]\ntype = "local"\nuri = "{tmp_path / "logs"}"\n'
        '[http]\nlisten = "127.0.0.1:0"\n[schedule]\ncollect = "1s"\ndetect = "1s"\n'
    )

    def started(*arguments: str) -> Running:
        log = tmp_path / f"log-{len(running)}"
        quick = "from flowaudit.lake import lease; lease.LIFE = 6.0; from flowaudit.cli import main; main()"
        command = [sys.executable, "-c", quick, "--config", str(config), "run", *arguments]
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=stderr, env=os.environ | {"PYTHONPATH": _root()}
            )
        running.append(Running(process, log))
        return running[-1]

    logs(tmp_path)
    yield started
    for each in running:
        each.process.send_signal(signal.SIGCONT)
        each.process.kill()
        each.process.wait()


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)


def _root() -> str:
    return str(Path(__file__).parents[1])


def test_a_second_daemon_refuses_to_start(start: Callable[..., Running]) -> None:
    """Once it sees that the first one is alive: with 3, and a message that says what to do."""
    first = start()
    until(lambda: first.has("leads"))
    second = start()
    assert second.process.wait(60) == 3
    assert "stop it, or start this one with --standby" in second.log.read_text()
    assert first.process.poll() is None


def test_standby_takes_over_from_one_that_ends_and_from_one_that_is_killed(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """It answers meanwhile: healthy, not ready, no leader; then it collects what comes."""
    first = start()
    until(lambda: first.has("leads") and first.get("readyz")[0] == 200)
    assert (first.metric("leader"), first.metric("leader_generation")) == (1, 1)
    second = start("--standby")
    until(lambda: second.has("waits for the lease of another daemon"))
    assert second.get("healthz")[0] == 200
    assert second.get("readyz")[0] == 503
    assert "leads" in second.get("readyz")[1]
    assert second.metric("leader") == 0
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(15) == 0
    until(lambda: second.has("leads"), 20)
    third = start("--standby")
    until(lambda: third.has("started"))
    second.process.kill()
    until(lambda: third.has("leads"), 60)
    logs(tmp_path, "later")
    until(lambda: third.metric("collect_records_kept_total") == 1)


def test_a_leader_that_was_stopped_for_a_while_ends(start: Callable[..., Running], tmp_path: Path) -> None:
    """SIGSTOP, another takes over, SIGCONT: it writes nothing, and ends with 3; each record and event is there once."""
    first = start()
    until(lambda: first.has("leads") and first.get("readyz")[0] == 200)
    second = start("--standby")
    until(lambda: second.has("started"))
    first.process.send_signal(signal.SIGSTOP)
    logs(tmp_path, "while-stopped")
    until(lambda: second.has("leads"), 60)
    until(lambda: second.metric("collect_records_kept_total") == 1)
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(60) == 3
    assert "leads now" in first.log.read_text()
    logs(tmp_path, "afterwards")
    until(lambda: second.metric("collect_records_kept_total") == 2)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(15) == 0
    lake = Lake(str(tmp_path / "lake"))
    assert lake.dataset("flows").count_rows() == 3
    events = lake.dataset("findings").to_table(["id", "event", "event_number"]).to_pylist()
    numbers = [each["event_number"] for each in events]
    assert sorted(numbers) == sorted(set(numbers))
    opened = [each["id"] for each in events if each["event"] == "opened"]
    assert len(opened) == len(set(opened)) > 0
