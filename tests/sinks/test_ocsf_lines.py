"""OCSF lines: events that a reader of OCSF takes, in a file that is whole or in objects that are the same again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
from collections.abc import Iterator
from typing import Any

import pytest
from py_ocsf_models.events.findings.activity_id import ActivityID
from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from py_ocsf_models.events.findings.status_id import StatusID

from flowaudit.errors import SinkError
from flowaudit.model import FindingEvent
from flowaudit.sinks import Event
from flowaudit.sinks.ocsf_lines import MOST_LINE, key, lines
from tests.sinks.harness import event
from tests.sinks.harness_aws import OcsfFileHarness, OcsfS3Harness, error

EVENTS = [event(seq=seq) for seq in range(1, 4)]


@pytest.fixture
def place() -> Iterator[OcsfFileHarness]:
    """A folder."""
    with OcsfFileHarness() as harness:
        yield harness


@pytest.fixture
def bucket() -> Iterator[OcsfS3Harness]:
    """A bucket."""
    with OcsfS3Harness() as harness:
        yield harness


def one(told: Event) -> dict[str, Any]:
    """The line of one event."""
    return json.loads(lines([told]))


@pytest.mark.parametrize(
    ("kind", "activity", "status"),
    [
        ("opened", "Create", "New"),
        ("seen", "Update", "New"),
        ("reopened", "Update", "New"),
        ("resolved", "Close", "Resolved"),
        ("muted", "Update", "Suppressed"),
        ("unmuted", "Update", "New"),
    ],
)
def test_an_event_is_an_activity(kind: str, activity: str, status: str) -> None:
    """Opened creates, resolved closes, all else updates; type, time and key are the event's; a reader takes it."""
    told = event(kind, 7)
    read = DetectionFinding.model_validate(one(told))
    assert read.activity_id is ActivityID[activity]
    assert read.status_id is StatusID[status]
    assert read.type_uid == read.class_uid * 100 + ActivityID[activity].value
    assert read.metadata.uid == told.id
    assert one(told)["time"] == int(told.at.timestamp() * 1000)
    assert one(told)["activity_name"] == activity
    assert one(told)["type_name"] == f"Detection Finding: {activity}"


def test_every_kind_is_read_under_a_mute() -> None:
    """Whatever happens to a finding while it is muted, its status is Suppressed, unless it is resolved."""
    for kind in set(FindingEvent) - {FindingEvent.RESOLVED, FindingEvent.UNMUTED}:
        read = DetectionFinding.model_validate(one(event(str(kind), state="muted")))
        assert read.status_id is StatusID.Suppressed


def test_a_line_has_a_limit() -> None:
    """Evidence that does not fit is left out, and what is left can be read."""
    remotes = [{"address": f"198.51.100.{n % 256}", "port": n, "bytes": n, "flows": 1} for n in range(60_000)]
    wide = event(evidence={"top_remotes": remotes, **{f"{n}": "x" * 4000 for n in range(500)}})
    assert len(lines([wide])) < MOST_LINE
    assert len(DetectionFinding.model_validate(one(wide)).evidences or ()) == 100


def test_lines_are_appended(place: OcsfFileHarness) -> None:
    """The folder is made, the file is its owner's alone, and each delivery comes after what is there."""
    place.sink().send(EVENTS[:2])
    place.sink().send(EVENTS[2:])
    assert place.path.read_bytes() == lines(EVENTS)
    assert place.path.stat().st_mode & 0o077 == 0


def test_a_file_that_was_rotated_is_made_anew(place: OcsfFileHarness) -> None:
    """A file that was renamed is left alone, and the next delivery goes into a new one."""
    sink = place.sink()
    sink.send(EVENTS[:1])
    place.path.rename(place.path.with_suffix(".1"))
    sink.send(EVENTS[1:2])
    assert place.path.with_suffix(".1").read_bytes() == lines(EVENTS[:1])
    assert place.path.read_bytes() == lines(EVENTS[1:2])


@pytest.mark.parametrize("cut", [1, 10, 500])
def test_half_a_line_is_ended(place: OcsfFileHarness, cut: int) -> None:
    """After a crash in the middle of a line that line is ended, and all that is appended can be read."""
    sink = place.sink()
    sink.send(EVENTS[:2])
    os.truncate(place.path, place.path.stat().st_size - cut)
    half = place.path.read_bytes()
    sink.send(EVENTS[1:])
    assert place.path.read_bytes() == half + b"\n" + lines(EVENTS[1:])


def test_a_disk_that_fills_up_leaves_whole_lines(place: OcsfFileHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only a part of a delivery fits, nothing of it stays, and the message says why."""
    sink = place.sink()
    sink.send(EVENTS[:1])
    write, written = os.write, list[int]()

    def full(file: int, content: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(write(file, content[:100]))
        return written[0]

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SinkError, match="No space left on device"):
            sink.send(EVENTS[1:])
    assert written == [100]
    assert place.path.read_bytes() == lines(EVENTS[:1])
    sink.send(EVENTS[1:])
    assert place.path.read_bytes() == lines(EVENTS)


def test_a_limit_of_the_system_is_such_a_disk(place: OcsfFileHarness) -> None:
    """A file that may grow no more is as it was before."""
    sink = place.sink()
    sink.send(EVENTS[:1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (place.path.stat().st_size + 100, hard))
    try:
        with pytest.raises(SinkError, match="File too large"):
            sink.send(EVENTS[1:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert place.path.read_bytes() == lines(EVENTS[:1])


def test_a_write_that_never_reaches_the_disk(place: OcsfFileHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fails at the end, the file is as it was before."""
    place.sink().send(EVENTS[:1])

    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(SinkError, match="Input/output error"):
        place.sink().send(EVENTS[1:])
    assert place.path.read_bytes() == lines(EVENTS[:1])


def test_what_is_no_file_is_refused(place: OcsfFileHarness) -> None:
    """A pipe, which nobody may read from, does not hold up the sink."""
    place.path.parent.mkdir()
    os.mkfifo(place.path)
    with pytest.raises(SinkError, match="not a regular file"):
        place.sink().send(EVENTS[:1])


def test_one_process_writes_at_a_time(place: OcsfFileHarness) -> None:
    """While another holds the file's lock nothing is written: lines never mix."""
    place.sink().send(EVENTS[:1])
    with place.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SinkError, match="cannot be written"):
            place.sink().send(EVENTS[1:])
    assert place.path.read_bytes() == lines(EVENTS[:1])


def test_a_folder_that_cannot_be_made(place: OcsfFileHarness) -> None:
    """A file in the folder's place is an error that names the path."""
    place.path.parent.write_bytes(b"")
    with pytest.raises(SinkError, match=r"findings\.ndjson cannot be written"):
        place.sink().send(EVENTS[:1])


def test_a_delivery_is_an_object(bucket: OcsfS3Harness) -> None:
    """Its key is of its events alone, so that what is sent again overwrites it."""
    sink = bucket.sink()
    sink.send(EVENTS)
    sink.send(EVENTS)
    (found,) = bucket.client.list_objects_v2(Bucket="findings")["Contents"]
    assert found["Key"] == "ocsf/2026/05/04/000000000001-000000000003.ndjson"
    answer = bucket.client.get_object(Bucket="findings", Key=found["Key"])
    assert answer["Body"].read() == lines(EVENTS)
    assert answer["ContentType"] == "application/x-ndjson"


def test_keys_sort_as_events_do() -> None:
    """Keys of one day are in the order of the events."""
    keys = [key([Event(number, 1, FindingEvent.SEEN, EVENTS[0].at, EVENTS[0].case)]) for number in (9, 10, 123_456)]
    assert keys == sorted(keys)


def test_a_bucket_that_is_denied_or_gone(bucket: OcsfS3Harness) -> None:
    """The message names the action on the prefix, or the bucket."""
    with pytest.raises(SinkError, match=r"s3://elsewhere/x/ does not exist \(NoSuchBucket\)"):
        bucket.sink(uri="s3://elsewhere/x/").send(EVENTS)
    bucket.wire.answer = lambda *_: error("AccessDenied", 403)
    with pytest.raises(SinkError, match=r"Allow s3:PutObject on arn:aws:s3:::findings/ocsf/\*"):
        bucket.sink().send(EVENTS)
