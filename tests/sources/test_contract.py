"""What every kind of source does: one suite, run for each."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flowaudit.errors import SourceError, TransientSourceError
from flowaudit.model import LogObject, Window
from flowaudit.sources import KINDS, Source
from flowaudit.sources.local import LocalSource
from flowaudit.sources.s3 import S3Source

BUCKET = "flow-logs"
HEADER = b"version account-id interface-id srcaddr dstaddr\n"


@dataclass(frozen=True)
class Place:
    """A place of one kind, to fill and to make sources of."""

    root: str
    source: Callable[..., Source]
    put: Callable[[str, bytes], Any]
    delete: Callable[[str], Any]


def local_place(folder: Path) -> Place:
    """An empty folder."""

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return Place(f"{folder}/", LocalSource, put, lambda name: (folder / name).unlink())


def s3_place() -> Place:
    """An empty bucket."""
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    return Place(
        f"s3://{BUCKET}/",
        lambda uri, declared=None: S3Source(uri, client, declared),
        lambda name, content: client.put_object(Bucket=BUCKET, Key=name, Body=content),
        lambda name: client.delete_object(Bucket=BUCKET, Key=name),
    )


@pytest.fixture(params=sorted(KINDS))
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An empty place of each kind."""
    if request.param == "local":
        yield local_place(tmp_path / "logs")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield s3_place()


def name_of(time: datetime, flow_log: str = "fl-1234abcd", end: str = "00000000.log.gz") -> str:
    """A key in AWS's default layout."""
    folder = f"AWSLogs/123456789012/vpcflowlogs/us-east-1/{time:%Y/%m/%d}"
    return f"{folder}/123456789012_vpcflowlogs_us-east-1_{flow_log}_{time:%Y%m%dT%H%MZ}_{end}"


NOON = datetime(2024, 5, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def listed(place: Place, window: Window | None = None, uri: str | None = None) -> list[str]:
    """Keys below the place, as the source lists them."""
    return [found.key.removeprefix(place.root) for found in place.source(uri or place.root).objects(window)]


def test_an_object_is_listed_with_all_that_its_key_says(place: Place) -> None:
    """Source, key, size and the key's facts are the object's; its time of modification is in UTC."""
    key = name_of(NOON)
    place.put(key, b"12345")
    (found,) = place.source(place.root, ("version",)).objects(None)
    assert found == LogObject(
        place.root,
        place.root + key,
        found.etag,
        5,
        found.modified,
        date(2024, 5, 3),
        "fl-1234abcd",
        "123456789012",
        "us-east-1",
    )
    assert found.etag
    assert found.modified.utcoffset() == timedelta(0)


def test_what_was_declared_is_kept_for_the_reader(place: Place) -> None:
    """A source carries the format of header-less objects, and its uri as written."""
    source = place.source(place.root, ("version", "srcaddr"))
    assert (source.uri, source.declared) == (place.root, ("version", "srcaddr"))


def test_a_window_prunes_by_the_time_in_the_name(place: Place) -> None:
    """Names tell a time: those of the window are listed, with ten minutes of slack before it."""
    times = [NOON + n * timedelta(minutes=30) for n in range(-3, 4)] + [NOON - timedelta(minutes=10)]
    for time in times:
        place.put(name_of(time), b"")
    expected = sorted(name_of(time) for time in times if NOON - timedelta(minutes=10) <= time < NOON + HOUR)
    assert listed(place, Window(NOON, NOON + HOUR)) == expected
    assert len(expected) == 3


def test_a_window_keeps_names_that_tell_nothing(place: Place) -> None:
    """A file of no telling name may hold any time."""
    place.put("whatever.log", HEADER)
    assert listed(place, Window(NOON, NOON + HOUR)) == ["whatever.log"]


def test_two_half_windows_list_what_the_whole_does(place: Place) -> None:
    """Nothing falls between two windows that touch."""
    for n in range(48):
        place.put(name_of(NOON + n * timedelta(minutes=55)), b"")
    halves = [Window(NOON, NOON + 12 * HOUR), Window(NOON + 12 * HOUR, NOON + 40 * HOUR)]
    both = {key for half in halves for key in listed(place, half)}
    assert both == set(listed(place, Window(NOON, NOON + 40 * HOUR)))


def test_a_listing_has_a_fixed_order(place: Place) -> None:
    """Keys come sorted, however they were put."""
    for name in ("b.log", "a/z.log", "c.log.gz", "a.log"):
        place.put(name, b"x")
    assert listed(place) == listed(place) == sorted(listed(place))


def test_only_files_that_look_like_logs_are_taken_from_a_folder(place: Place) -> None:
    """.log, .gz, .txt and .parquet count, whatever stands beside them; an empty file counts too."""
    for name in ("a.log", "b.log.gz", "c.txt", "d.log.parquet", "e.parquet", "read.me", "f.json", "noise"):
        place.put(name, b"")
    assert listed(place) == ["a.log", "b.log.gz", "c.txt", "d.log.parquet", "e.parquet"]


def test_an_object_named_by_itself_is_taken_whatever_its_suffix(place: Place) -> None:
    """The operator's word goes over the suffix; neighbours with longer names stay out."""
    for name in ("export.dat", "export.dat.log", "export.dat2"):
        place.put(name, b"x")
    assert listed(place, uri=place.root + "export.dat") == ["export.dat"]


def test_a_named_object_that_is_not_there_is_an_error(place: Place) -> None:
    """A misspelt name does not pass for an empty one."""
    place.put("there.log", b"x")
    with pytest.raises(SourceError, match=r"there is no .*/missing\.log: check the"):
        list(place.source(place.root + "missing.log").objects(None))


def test_a_folder_is_the_same_with_and_without_a_slash(place: Place) -> None:
    """`logs` and `logs/` are one folder, and `logs-old` is another."""
    place.put("logs/a.log", b"x")
    place.put("logs-old/b.log", b"x")
    assert listed(place, uri=place.root + "logs") == listed(place, uri=place.root + "logs/") == ["logs/a.log"]


def test_odd_characters_in_keys_survive(place: Place) -> None:
    """Spaces, plus signs, percent signs, brackets, braces and letters beyond ASCII come back as they are."""
    name = "übung + 100%2F [x] {y}/a #1?.log"
    place.put(name, b"odd")
    (found,) = place.source(place.root).objects(None)
    assert found.key == place.root + name
    with place.source(place.root).open(found) as stream:
        assert stream.read() == b"odd"


def test_an_opened_object_streams_its_stored_bytes(place: Place) -> None:
    """Bytes come as stored, not inflated, in pieces of the size asked for, and then end."""
    content = gzip.compress(HEADER * 100_000, mtime=0) + bytes(3_000_000)
    place.put("a.log.gz", content)
    source = place.source(place.root)
    (found,) = source.objects(None)
    with source.open(found) as stream:
        pieces = list(iter(lambda: stream.read(65_536), b""))
        assert stream.read(1) == b""
    assert stream.closed
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces[:-1]} == {65_536}


def test_an_empty_object_opens_to_nothing(place: Place) -> None:
    """Zero bytes are no error."""
    place.put("a.log", b"")
    source = place.source(place.root)
    (found,) = source.objects(None)
    with source.open(found) as stream:
        assert stream.read() == b""


def test_a_reader_that_stops_early_closes_the_object(place: Place) -> None:
    """An exception in the reader comes through as it is, and the stream is closed behind it."""
    place.put("a.log", bytes(2_000_000))
    source = place.source(place.root)
    (found,) = source.objects(None)
    with pytest.raises(ZeroDivisionError), source.open(found) as stream:  # noqa: PT012 - the with is what is tested
        stream.read(10)
        raise ZeroDivisionError
    assert stream.closed


def test_objects_open_side_by_side(place: Place) -> None:
    """A source serves several threads at once."""
    for n in range(16):
        place.put(f"{n:02}.log", bytes([n]) * 100_000)
    source = place.source(place.root)

    def read(found: LogObject) -> bytes:
        with source.open(found) as stream:
            return stream.read()

    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(read, source.objects(None)))
    assert contents == [bytes([n]) * 100_000 for n in range(16)]


def test_an_object_deleted_after_its_listing_is_an_error_of_its_own(place: Place) -> None:
    """Trying again would not bring it back: the error is not a transient one, and says what may be deleting."""
    place.put("a.log", b"x")
    source = place.source(place.root)
    (found,) = source.objects(None)
    place.delete("a.log")
    with (
        pytest.raises(SourceError, match=r"a\.log was deleted between listing and reading") as caught,
        source.open(found),
    ):
        pass
    assert not isinstance(caught.value, TransientSourceError)


def test_an_object_replaced_after_its_listing_is_not_read_under_the_old_etag(place: Place) -> None:
    """New content never enters under the old identity; the next listing brings the new one."""
    place.put("a.log", b"old")
    source = place.source(place.root)
    (found,) = source.objects(None)
    place.put("a.log", b"newer")
    with pytest.raises(TransientSourceError, match=r"a\.log was replaced .* it will be read again"), source.open(found):
        pass
    (again,) = source.objects(None)
    assert again.etag != found.etag
    with source.open(again) as stream:
        assert stream.read() == b"newer"


def test_a_place_that_is_not_there_is_an_error_only_once_it_is_asked(place: Place) -> None:
    """Constructors do no I/O: a wrong address is told by the listing, with what to do."""
    nowhere = place.root.rstrip("/") + "-elsewhere/"
    source = place.source(nowhere)
    with pytest.raises(SourceError, match=r"no (bucket|file or folder) .*[Cc]heck"):
        list(source.objects(None))


def test_a_tree_in_awss_layout_has_no_other_services_objects(place: Place) -> None:
    """Other services' logs in the same bucket or copy of it are left alone."""
    place.put(name_of(NOON), b"x")
    place.put("AWSLogs/123456789012/CloudTrail/us-east-1/2024/05/03/x.json.gz", b"x")
    assert listed(place) == [name_of(NOON)]
