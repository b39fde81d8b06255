"""What S3 and the way to it answer when they refuse, as messages that say what to do.

Source of the codes: Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from flowaudit.errors import SourceError, TransientSourceError

_Failure = tuple[type[SourceError], str]


def _lasting(message: str) -> _Failure:
    return SourceError, message


def _passing(message: str) -> _Failure:
    return TransientSourceError, message


_CREDENTIALS = _lasting(
    "{where} cannot be {done}: {code}. The AWS credentials are incomplete, wrong or expired: log in again "
    "(aws sso login), or correct AWS_PROFILE, the keys or the role"
)
_NO_CREDENTIALS = _lasting(
    "{where} cannot be {done}: no usable AWS credentials ({code}). Set AWS_PROFILE, log in with aws sso login, "
    "or give this machine a role"
)
_SLOW = _passing("S3 asks for fewer requests ({code}): {where} is not {done} yet; it will be tried again")
_AILING = _passing("S3 failed on its own side ({code}): {where} is not {done} yet; it will be tried again")
_REGION = _lasting("{where} cannot be {done}: the bucket lies in {region}, and {asked} was asked. Set AWS_REGION to it")
_BROKEN = _passing("the connection broke while {where} was {done} ({code}); it will be tried again")
_NO_BUCKET = _lasting(
    "{where} cannot be {done}: there is no bucket {bucket}. Check its name and the account's partition"
)
_GONE = _lasting(
    "{where} was deleted between listing and reading: does a lifecycle rule of the bucket delete it too soon?"
)
_REPLACED = _passing("{where} was replaced while it was read; it will be read again")
_NO_LIST = _lasting(
    "{where} cannot be listed: access denied. Allow s3:ListBucket on {bucket_arn} to these credentials, "
    "and in the bucket's policy if it is another account's"
)
_NO_GET = _lasting(
    "{where} cannot be read: access denied. Allow s3:GetObject on {object_arn} to these credentials, "
    "and in the bucket's policy if it is another account's"
)
_KMS = _lasting(
    "{where} cannot be decrypted ({code}): allow kms:Decrypt on {kms_key} to these credentials, "
    "in the key's policy too, and see that the key is enabled"
)
_ARCHIVED = _lasting(
    "{where} is archived and cannot be read: restore it (aws s3api restore-object), or look back less far"
)
_CLOCK = _lasting("{where} cannot be {done}: this machine's clock is off by more than S3 allows. Set it (NTP)")
_NO_ENDPOINT = _passing(
    "{where} cannot be {done}: S3 at {endpoint} does not answer ({code}). Check the network, the proxy, AWS_REGION "
    "and AWS_ENDPOINT_URL; it will be tried again"
)
_CERTIFICATE = _lasting(
    "{where} cannot be {done}: the certificate of {endpoint} is not trusted. Name your own authority in AWS_CA_BUNDLE"
)
_REFUSED = _lasting("{where} cannot be {done}: S3 refused with {code}: {message}")
_OTHER = _lasting("{where} cannot be {done}: {code}: {message}")

# A code alone where an answer had no body is its HTTP status.
_CODES: dict[str, _Failure] = {
    "InvalidObjectState": _ARCHIVED,
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchKey": _GONE,
    "RequestTimeTooSkewed": _CLOCK,
    "list AccessDenied": _NO_LIST,
    "list 403": _NO_LIST,
    "list 404": _NO_BUCKET,
    "read AccessDenied": _NO_GET,
    "read 403": _NO_GET,
    "read 404": _GONE,
    **dict.fromkeys(("PreconditionFailed", "412"), _REPLACED),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
        ),
        _CREDENTIALS,
    ),
    **dict.fromkeys(
        (
            "301",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "PermanentRedirect",
            "TemporaryRedirect",
        ),
        _REGION,
    ),
    **dict.fromkeys(
        (
            "429",
            "503",
            "BandwidthLimitExceeded",
            "KMS.ThrottlingException",
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
        ),
        _SLOW,
    ),
    **dict.fromkeys(("500", "502", "504", "InternalError", "OperationAborted", "RequestTimeout"), _AILING),
}

# By the names of botocore's classes, nearest first; BotoCoreError is what they all are.
_CLASSES: dict[str, _Failure] = {
    **dict.fromkeys(
        ("NoCredentialsError", "CredentialRetrievalError", "SSOError", "TokenRetrievalError", "LoginError"),
        _NO_CREDENTIALS,
    ),
    "PartialCredentialsError": _CREDENTIALS,
    "SSLError": _CERTIFICATE,
    "ConnectionError": _NO_ENDPOINT,
    **dict.fromkeys(
        (
            "ConnectionClosedError",
            "FlexibleChecksumError",
            "IncompleteReadError",
            "ReadTimeoutError",
            "ResponseStreamingError",
        ),
        _BROKEN,
    ),
    "HTTPClientError": _NO_ENDPOINT,
    "BotoCoreError": _OTHER,
}

_DONE = {"list": "listed", "read": "read"}
_KMS_DENIED = re.compile("kms:|ciphertext")
_KEY_ARN = re.compile(r"arn:[\w-]+:kms:[\w-]*:\d*:[\w-]+/[\w-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of S3, for the messages: `list` or `read` of a key or prefix, through the client's `meta`."""

    operation: str
    bucket: str
    key: str
    meta: Any

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn botocore's errors into a SourceError, or a TransientSourceError where a later try may help."""
        try:
            yield
        except ClientError as error:
            raise self._refusal(error) from error
        except BotoCoreError as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            failure = next(_CLASSES[name] for name in names if name in _CLASSES)
            raise self._told(failure, code=names[0], message=" ".join(str(error).split())) from error

    def broken(self, error: Exception) -> SourceError:
        """What to raise where the connection failed with `error` in the middle of a body."""
        return self._told(_BROKEN, code=type(error).__name__)

    def _refusal(self, error: ClientError) -> SourceError:
        detail = error.response.get("Error", {})
        answer = error.response.get("ResponseMetadata", {})
        code, message = detail.get("Code", "no code"), detail.get("Message", "no message")
        failure = _CODES.get(code) or _CODES.get(f"{self.operation} {code}")
        if (failure is None and code.startswith("KMS.")) or (code == "AccessDenied" and _KMS_DENIED.search(message)):
            failure = _KMS
        if failure is None:
            failure = _AILING if answer.get("HTTPStatusCode", 0) >= 500 else _REFUSED  # noqa: PLR2004 - HTTP's own
        key_arn = _KEY_ARN.search(message)
        region = detail.get("Region") or answer.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        return self._told(
            failure,
            code=code,
            message=message,
            region=region or "another region",
            kms_key=key_arn[0] if key_arn else "the key that the bucket's encryption names",
        )

    def _told(self, failure: _Failure, **facts: str) -> SourceError:
        kind, message = failure
        bucket_arn = f"arn:{self.meta.partition}:s3:::{self.bucket}"
        return kind(
            message.format(
                where=f"s3://{self.bucket}/{self.key}",
                done=_DONE[self.operation],
                bucket=self.bucket,
                bucket_arn=bucket_arn,
                object_arn=f"{bucket_arn}/{self.key}",
                asked=self.meta.region_name,
                # Without what may stand before the host: a name and a password.
                endpoint=self.meta.endpoint_url.rpartition("@")[2],
                **facts,
            )
        )
