"""Flow logs in an S3 bucket."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, BinaryIO

from flowaudit.errors import ConfigError, SourceError
from flowaudit.model import LogObject, Window
from flowaudit.sources import keys
from flowaudit.sources.s3_failures import Request

_SEARCHED = 50
"""Folders looked into for AWSLogs at most: a bucket of anything else is not walked folder by folder."""

_BUFFER = 1 << 20


class S3Source:
    """`s3://bucket/optional/prefix/`: anything from a whole bucket down to a day's folder or one object.

    Where there is an AWSLogs folder at or below the prefix, its regions' flow logs are listed from the window's first
    day to its last: as many requests as accounts and regions, and one for each 1,000 objects of those days, however
    many older ones there are. Any other folder is listed whole, and pruned by such names as tell a time.
    A key's etag is S3's. The client is boto3's and does the retrying; it may be shared between threads.
    """

    def __init__(self, uri: str, client: Any, declared: tuple[str, ...] | None = None) -> None:  # noqa: ANN401 - untyped
        self.uri = uri
        self.declared = declared
        self._client = client
        self._bucket, _, self._prefix = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not self._bucket:
            raise ConfigError(f"{uri} is no S3 address: write s3://bucket or s3://bucket/prefix/")

    def objects(self, window: Window | None) -> Iterator[LogObject]:
        """List log objects; raises SourceError where S3 refuses or nothing of the name exists."""
        with self._request("list", self._prefix).explained():
            if alone := self._alone():
                listing = iter([alone])
            else:
                listing = (entry for entry in self._listing(window) if keys.is_log(entry["Key"]))
            for entry in listing:
                facts = keys.parse(entry["Key"])
                if facts.may_lie_in(window):
                    yield self._log_object(entry, facts)

    @contextmanager
    def open(self, log_object: LogObject) -> Iterator[BinaryIO]:
        """Open one object as it was listed; raises SourceError, TransientSourceError where replaced or broken off."""
        key = log_object.key.removeprefix(f"s3://{self._bucket}/")
        request = self._request("read", key)
        with request.explained():
            answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=log_object.etag)
        with io.BufferedReader(_Body(answer["Body"], request), _BUFFER) as stream:
            yield stream

    def _request(self, operation: str, key: str) -> Request:
        return Request(operation, self._bucket, key, self._client.meta)

    def _log_object(self, entry: dict[str, Any], facts: keys.KeyFacts) -> LogObject:
        return LogObject(
            source=self.uri,
            key=f"s3://{self._bucket}/{entry['Key']}",
            etag=entry["ETag"].strip('"'),
            size=entry["Size"],
            modified=entry["LastModified"].astimezone(UTC),
            day=facts.day,
            flow_log_id=facts.flow_log_id,
            account_id=facts.account_id,
            region=facts.region,
        )

    def _alone(self) -> dict[str, Any] | None:
        """The one object whose key is the prefix, if that is what the uri names."""
        if not self._prefix or self._prefix.endswith("/"):
            return None
        # Of all keys that start with it, the prefix itself sorts first.
        first = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1).get("Contents", [])
        if first and first[0]["Key"] == self._prefix:
            return first[0]
        if not first and self._prefix.endswith(keys.SUFFIXES):
            raise SourceError(f"there is no object {self.uri}: check the key")
        return None

    def _listing(self, window: Window | None) -> Iterator[dict[str, Any]]:
        top = self._prefix if not self._prefix or self._prefix.endswith("/") else f"{self._prefix}/"
        if keys.region_folder(top):
            yield from self._region(top, window)
        elif roots := [top] if keys.leads_to_flow_logs(top) else self._roots(top):
            for root in roots:
                for region in self._regions(root):
                    yield from self._region(region, window)
        else:
            yield from _without_tables(self._pages(top))

    def _roots(self, top: str) -> list[str]:
        """Search breadth first for AWSLogs folders; [] where there are none, or more than enough other folders."""
        found: list[str] = []
        pending = deque([top])
        for _ in range(_SEARCHED):
            if not pending:
                break
            for folder in self._folders(pending.popleft()):
                (found if keys.leads_to_flow_logs(folder) else pending).append(folder)
        if found and pending:
            raise SourceError(
                f"{self.uri} holds too many folders to look for flow logs in all of them: name the place in the "
                f"source's uri, like s3://{self._bucket}/{found[0]}"
            )
        return found

    def _regions(self, folder: str) -> Iterator[str]:
        """The region folders below AWSLogs, an account's folder or its flow logs."""
        if keys.region_folder(folder):
            yield folder
            return
        for child in self._folders(folder):
            if keys.leads_to_flow_logs(child):
                yield from self._regions(child)

    def _folders(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))

    def _region(self, prefix: str, window: Window | None) -> Iterator[dict[str, Any]]:
        """The objects at or below a region's folder on the days of the window."""
        folder = keys.region_folder(prefix)
        if folder is None or window is None:
            yield from self._pages(prefix)
            return
        for entry in self._pages(prefix, StartAfter=folder.before(window)):
            if folder.is_past(entry["Key"], window):
                return
            yield entry

    def _pages(self, prefix: str, **bounds: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **bounds):
            yield from page.get("Contents", [])


def _without_tables(entries: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Leave Delta tables out, very likely our own lake: in S3's order a table's log comes before its files."""
    table = None
    for entry in entries:
        folder, is_log, _ = entry["Key"].partition("/_delta_log/")
        if is_log:
            table = f"{folder}/"
        elif table is None or not entry["Key"].startswith(table):
            yield entry


class _Body(io.RawIOBase):
    """The body of an answer, whose reads fail as a source's reads do; a short body is noticed at its end."""

    def __init__(self, body: Any, request: Request) -> None:  # noqa: ANN401 - botocore has no types
        self._body = body
        self._request = request

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer, unnamed before Python 3.12
        try:
            return self._body.readinto(buffer)
        # Whatever the layers below raise here (botocore's, urllib3's, the socket's), it is the connection.
        except Exception as error:
            raise self._request.broken(error) from error

    def close(self) -> None:
        self._body.close()
        super().close()
