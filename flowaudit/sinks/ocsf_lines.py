"""OCSF events as JSON lines: at the end of a file, or as objects under an S3 prefix."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, ClassVar

from flowaudit.config.sinks import OcsfSink
from flowaudit.errors import SinkError
from flowaudit.exchange import ocsf
from flowaudit.model import FindingEvent
from flowaudit.sinks import Event, Result
from flowaudit.sinks.aws import Call, in_order

CREATE, UPDATE, CLOSE = 1, 2, 3
ACTIVITIES = {FindingEvent.OPENED: CREATE, FindingEvent.RESOLVED: CLOSE}
"""OCSF's activity of each event; every other is an update."""
MOST_LINE = 256 * 1024
"""Bytes of a line with all its evidence, a common limit of log shippers."""
MOST_EVIDENCES = 100
"""Remotes in a line that is longer."""


class OcsfFile:
    """Appends to a file, which is opened anew each time: it may be renamed by log rotation."""

    batch: ClassVar[int] = 500
    kinds: ClassVar[frozenset[FindingEvent]] = frozenset(FindingEvent)
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: OcsfSink) -> None:
        self.name = settings.name
        self._path = Path(settings.uri)

    @property
    def target(self) -> str:
        """The file."""
        return str(self._path)

    def send(self, events: Sequence[Event]) -> Result:
        """Append one line for each event, all or none; raises SinkError where the file cannot be written."""
        try:
            with _opened(self._path) as file:
                _append(file, lines(events))
        except OSError as error:
            raise SinkError(
                f"sink {self.name}: {self._path} cannot be written: {error.strerror}. Check that it is a regular "
                "file, its permissions, and free disk space"
            ) from None
        return Result()


class OcsfS3:
    """Puts an object for each delivery, by a key of its events alone: events sent again are the same object."""

    batch: ClassVar[int] = 500
    kinds: ClassVar[frozenset[FindingEvent]] = frozenset(FindingEvent)
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: OcsfSink, client: Any) -> None:  # noqa: ANN401  boto3's
        self.name = settings.name
        self._uri = settings.uri
        self._bucket, _, self._prefix = settings.uri.removeprefix("s3://").partition("/")
        self._client = client
        resource = f"arn:{client.meta.partition}:s3:::{self._bucket}/{self._prefix}*"
        self._call = Call(self.name, self.target, "s3:PutObject", resource, client)

    @property
    def target(self) -> str:
        """The bucket and the prefix."""
        return self._uri

    def send(self, events: Sequence[Event]) -> Result:
        """Put one object; raises SinkError where the bucket takes none."""
        return in_order([events], self._put)

    def _put(self, events: Sequence[Event]) -> Result:
        with self._call.explained():
            self._client.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{key(events)}",
                Body=lines(events),
                ContentType="application/x-ndjson",
            )
        return Result()


def key(events: Sequence[Event]) -> str:
    """Return the key of a delivery below its prefix: the day of its first event, the first number and the last."""
    first, last = events[0], events[-1]
    return f"{first.at.astimezone(UTC):%Y/%m/%d}/{first.number:012d}-{last.number:012d}.ndjson"


def lines(events: Sequence[Event]) -> bytes:
    """Return one line for each event."""
    return b"".join(map(_line, events))


def _line(event: Event) -> bytes:
    activity = ocsf.Activity(ACTIVITIES.get(event.kind, UPDATE), event.at, event.id)
    fields = ocsf.event(event.case, activity)
    if len(line := _json(fields)) > MOST_LINE:
        fields["evidences"] = fields["evidences"][:MOST_EVIDENCES]
        fields["unmapped"].pop("evidence")
        line = _json(fields)
    return line


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a file for appending under an exclusive lock; the file and its folder are made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "it is not a regular file")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
    finally:
        os.close(file)


def _append(file: int, content: bytes) -> None:
    """Write all of `content` to the disk, after whole lines, or leave the file as it was; raises OSError."""
    before = os.fstat(file).st_size
    if before and os.pread(file, 1, before - 1) != b"\n":
        content = b"\n" + content  # a line was left half written by a crash: it ends here
    try:
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, before)
            os.fsync(file)
        raise
