"""A bucket that only lists, from memory: for more objects than a mock of S3 would hold in time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3
from botocore.awsrequest import AWSResponse

PAGE = 1000
_AFTER = chr(0x10FFFF)


class Bucket:
    """Answers a real client's list_objects_v2 as S3 does (S3 API Reference, "ListObjectsV2"); keeps the requests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = sorted(keys)
        self.requests: list[dict[str, str]] = []
        self.client: Any = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        self.client.meta.events.register("before-call.s3.ListObjectsV2", self._answer)

    def _answer(self, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        query = params["query_string"]
        known = {"list-type", "prefix", "delimiter", "start-after", "continuation-token", "encoding-type", "max-keys"}
        assert set(query) <= known
        self.requests.append(query)
        prefix, delimiter, size = query["prefix"], query.get("delimiter"), min(int(query.get("max-keys", PAGE)), PAGE)
        after = query.get("continuation-token") or query.get("start-after", "")
        at = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after))
        contents: list[dict[str, Any]] = []
        folders: list[dict[str, str]] = []
        while at < len(self.keys) and self.keys[at].startswith(prefix) and len(contents) + len(folders) < size:
            key = after = self.keys[at]
            at += 1
            if delimiter and delimiter in key[len(prefix) :]:
                folder = prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter
                folders.append({"Prefix": quote(folder)})
                after = folder + _AFTER
                at = bisect_right(self.keys, after)
            else:
                contents.append(_entry(key))
        more = at < len(self.keys) and self.keys[at].startswith(prefix)
        answer = {"IsTruncated": more, "EncodingType": "url", "KeyCount": len(contents) + len(folders)}
        parts = {"Contents": contents, "CommonPrefixes": folders, "NextContinuationToken": after if more else None}
        return AWSResponse("", 200, {}, None), answer | {name: part for name, part in parts.items() if part}


def _entry(key: str) -> dict[str, Any]:
    return {"Key": quote(key), "ETag": '"0"', "Size": 1, "LastModified": datetime(2024, 1, 1, tzinfo=UTC)}
