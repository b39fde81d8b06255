"""Where flow logs lie: each source lists log objects and opens them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from flowaudit.model import LogObject, Window
from flowaudit.sources.local import LocalSource
from flowaudit.sources.s3 import S3Source


class Source(Protocol):
    """A place where flow logs lie. Constructors do no I/O."""

    uri: str
    """The place, as the operator wrote it."""
    declared: tuple[str, ...] | None
    """The field names, in order, of objects that lack a header; None where none were declared."""

    def objects(self, window: Window | None) -> Iterator[LogObject]:
        """List the log objects whose key's time may lie in `window` (None: all); raises SourceError."""
        ...

    def open(self, log_object: LogObject) -> AbstractContextManager[BinaryIO]:
        """Open one object as listed, as a stream of its stored bytes (seekable or not).

        Raises SourceError where it cannot be had and TransientSourceError where a later try may help;
        so do the stream's reads.
        """
        ...


KINDS: dict[str, type[LocalSource | S3Source]] = {"local": LocalSource, "s3": S3Source}
"""The kinds of source by the name that `type` has in the configuration."""
