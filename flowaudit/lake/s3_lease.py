"""The lease of a lake in S3, by conditional writes (S3 User Guide, "Conditional requests")."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from flowaudit.errors import LakeError
from flowaudit.lake.lease import FILE, Holder, Read, holder_of, parsed

GONE = ("NoSuchKey", "404")
OTHERS = (409, 412)
"""HTTP status of a write that another one precedes: 412 has been made, 409 is under way, and may fail yet."""


class S3Store:
    """The document in a bucket; S3 itself refuses a write that another one precedes."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401  a boto3 client
        self._client, self._bucket = client, bucket
        self._key = f"{prefix.strip('/')}/{FILE}".lstrip("/")

    def read(self) -> Read:
        """Return the document; raises LakeError."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if _is_gone(error):
                return Read(None, "", _date(error.response))
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        document = parsed(answer["Body"].read().decode(), f"s3://{self._bucket}/{self._key}")
        return Read(holder_of(document), answer["ETag"], _date(answer))

    def write(self, holder: Holder, version: str) -> bool:
        """Replace the version that was read; return False where another write was first; raises LakeError.

        Who reads anew knows which of the two won.
        """
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        body = json.dumps({**asdict(holder), "version": uuid4().hex}).encode()  # never twice the same ETag
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._key, Body=body, **condition)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in OTHERS or _is_gone(error):
                return False
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        return True

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

    def _failed(self, error: Exception) -> LakeError:
        reason = " ".join(str(error).split())
        return LakeError(f"the lease s3://{self._bucket}/{self._key} cannot be read or written: {reason}")


def _is_gone(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in GONE


def _date(answer: dict[str, Any]) -> float:
    """Return the time by S3's clock."""
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return (parsedate_to_datetime(header) if header else datetime.now(UTC)).timestamp()
