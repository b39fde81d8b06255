"""Each way in which S3 refuses ends in one message that says what, where and what to do."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber

from flowaudit.errors import SourceError, TransientSourceError
from flowaudit.model import LogObject
from flowaudit.sources.s3 import S3Source

KEY = "AWSLogs/a b.log.gz"
OBJECT = LogObject("s3://logs", f"s3://logs/{KEY}", "0a1b", 4, datetime(2024, 5, 3, tzinfo=UTC))
KMS_MESSAGE = (
    "User: arn:aws:sts::123456789012:assumed-role/flowaudit/i is not authorized to perform: kms:Decrypt on resource: "
    "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab because no policy allows it"
)


def client(region: str = "us-east-1", **options: Any) -> Any:
    """A client with made-up keys that does not try again."""
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "not-to-be-told"}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=0.3, connect_timeout=2).merge(
        options.pop("config", Config())
    )
    return boto3.client("s3", region_name=region, config=config, **keys | options)


def read(s3: Any) -> bytes:
    """Read the object to its end."""
    with S3Source("s3://logs", s3).open(OBJECT) as stream:
        return b"".join(iter(lambda: stream.read(1 << 16), b""))


def list_(s3: Any) -> list[LogObject]:
    """List the bucket."""
    return list(S3Source("s3://logs/AWSLogs/", s3).objects(None))


def told(do: Callable[[Any], object], s3: Any) -> SourceError:
    """The error that `do` ends in."""
    with pytest.raises(SourceError) as caught:
        do(s3)
    assert "not-to-be-told" not in str(caught.value)
    assert "AKIDEXAMPLE" not in str(caught.value)
    return caught.value


OPERATIONS: dict[Callable[[Any], object], str] = {list_: "list_objects_v2", read: "get_object"}


@pytest.mark.parametrize(
    ("do", "code", "status", "message", "transient", "words"),
    [
        (list_, "AccessDenied", 403, "Access Denied", False, ["listed", "s3:ListBucket on arn:aws:s3:::logs to"]),
        (
            read,
            "AccessDenied",
            403,
            "Access Denied",
            False,
            ["s3:GetObject on arn:aws:s3:::logs/AWSLogs/a b.log.gz to"],
        ),
        (list_, "403", 403, "Forbidden", False, ["s3:ListBucket"]),
        (read, "403", 403, "Forbidden", False, ["s3:GetObject"]),
        (
            read,
            "AccessDenied",
            403,
            KMS_MESSAGE,
            False,
            ["kms:Decrypt on arn:aws:kms:us-east-1:123456789012:key/1234abcd"],
        ),
        (
            read,
            "AccessDenied",
            403,
            "The ciphertext refers to a key that you may not use",
            False,
            ["kms:Decrypt on the key"],
        ),
        (read, "KMS.DisabledException", 400, "it is disabled", False, ["KMS.DisabledException", "key is enabled"]),
        (read, "KMS.ThrottlingException", 400, "rate", True, ["fewer requests"]),
        (list_, "NoSuchBucket", 404, "", False, ["no bucket logs", "Check its name"]),
        (read, "NoSuchBucket", 404, "", False, ["no bucket logs"]),
        (read, "NoSuchKey", 404, "", False, ["deleted between listing and reading", "lifecycle"]),
        (read, "404", 404, "", False, ["deleted between listing and reading"]),
        (list_, "404", 404, "", False, ["no bucket logs"]),
        (read, "PreconditionFailed", 412, "", True, ["replaced while it was read", "read again"]),
        (read, "InvalidObjectState", 403, "", False, ["archived", "restore"]),
        (list_, "SlowDown", 503, "", True, ["fewer requests (SlowDown)", "tried again"]),
        (list_, "503", 503, "", True, ["fewer requests"]),
        (list_, "Throttling", 400, "", True, ["fewer requests"]),
        (list_, "RequestLimitExceeded", 503, "", True, ["fewer requests"]),
        (list_, "InternalError", 500, "", True, ["S3 failed on its own side"]),
        (list_, "Unheard", 599, "", True, ["S3 failed on its own side (Unheard)"]),
        (list_, "ExpiredToken", 400, "", False, ["ExpiredToken", "log in again"]),
        (list_, "InvalidAccessKeyId", 403, "", False, ["InvalidAccessKeyId", "credentials"]),
        (read, "SignatureDoesNotMatch", 403, "", False, ["SignatureDoesNotMatch", "credentials"]),
        (list_, "RequestTimeTooSkewed", 403, "", False, ["clock"]),
        (list_, "PermanentRedirect", 301, "", False, ["lies in eu-west-1", "us-east-1 was asked", "AWS_REGION"]),
        (list_, "AuthorizationHeaderMalformed", 400, "", False, ["lies in eu-west-1", "AWS_REGION"]),
        (list_, "IllegalLocationConstraintException", 400, "", False, ["lies in eu-west-1", "AWS_REGION"]),
        (list_, "301", 301, "", False, ["lies in eu-west-1", "AWS_REGION"]),
        (list_, "Unheard", 400, "of {this}", False, ["S3 refused with Unheard: of {this}"]),
    ],
)
def test_a_refusal_says_what_where_and_what_to_do(
    do: Callable[[Any], object], code: str, status: int, message: str, words: list[str], *, transient: bool
) -> None:
    """Code by code: the place, the remedy, and whether a later try may help."""
    s3 = client()
    secrets = {"AWSAccessKeyId": "AKIDEXAMPLE", "StringToSign": "not-to-be-told"}
    with Stubber(s3) as stub:
        stub.add_client_error(
            OPERATIONS[do],
            code,
            message,
            status,
            secrets,
            response_meta={"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}},
        )
        error = told(do, s3)
    assert isinstance(error, TransientSourceError) is transient
    assert f"s3://logs/{'AWSLogs/' if do is list_ else KEY}" in str(error)
    assert all(word in str(error) for word in words), str(error)


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("us-gov-west-1", "arn:aws-us-gov:s3:::logs"),
        ("cn-north-1", "arn:aws-cn:s3:::logs"),
        ("eu-west-1", "arn:aws:s3:::logs"),
    ],
)
def test_a_denial_names_the_bucket_in_its_partition(region: str, arn: str) -> None:
    """The ARN can be pasted into a policy."""
    s3 = client(region)
    with Stubber(s3) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied")
        assert f"Allow s3:ListBucket on {arn} to" in str(told(list_, s3))


def test_a_wrong_region_of_an_unnamed_bucket_is_told_as_such() -> None:
    """Where S3 does not say the region, the message does not invent one."""
    s3 = client()
    with Stubber(s3) as stub:
        stub.add_client_error("list_objects_v2", "PermanentRedirect", http_status_code=301)
        assert "lies in another region, and us-east-1 was asked" in str(told(list_, s3))


def test_missing_credentials_are_told_with_the_ways_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys anywhere: nothing is sent, and the message says how to come by them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    error = told(list_, boto3.session.Session().client("s3", region_name="us-east-1"))
    assert (
        "s3://logs/AWSLogs/ cannot be listed: no usable AWS credentials (NoCredentialsError). Set AWS_PROFILE"
        in str(error)
    )


def test_an_impossible_bucket_name_is_told() -> None:
    """The client's own refusals come through with their reason."""
    with pytest.raises(
        SourceError, match=r"^s3://not_a!bucket/ cannot be listed: ParamValidationError: .*Invalid bucket name.*$"
    ):
        list(S3Source("s3://not_a!bucket/", client()).objects(None))


def test_a_silent_endpoint_is_told_without_its_password() -> None:
    """The host is named, what stands before it is not; the network may come back, so it is transient."""
    s3 = client(endpoint_url="http://user:not-to-be-told@127.0.0.1:9")
    error = told(list_, s3)
    assert isinstance(error, TransientSourceError)
    assert "S3 at 127.0.0.1:9 does not answer (EndpointConnectionError). Check the network" in str(error)


def test_only_the_listed_version_of_an_object_is_asked_for() -> None:
    """The etag goes along as a condition."""
    s3, raw = client(), io.BytesIO(b"1234")
    with Stubber(s3) as stub:
        stub.add_response(
            "get_object", {"Body": StreamingBody(raw, 4)}, {"Bucket": "logs", "Key": KEY, "IfMatch": "0a1b"}
        )
        assert read(s3) == b"1234"
    assert raw.closed


@pytest.mark.parametrize("length", [3, 5])
def test_a_body_of_another_length_than_promised_is_noticed(length: int) -> None:
    """Fewer or more bytes than Content-Length says: the object is not taken for whole, and its body is closed."""
    s3, raw = client(), io.BytesIO(b"1234")
    with Stubber(s3) as stub:
        stub.add_response("get_object", {"Body": StreamingBody(raw, length)})
        error = told(read, s3)
    assert isinstance(error, TransientSourceError)
    assert f"the connection broke while s3://logs/{KEY} was read (IncompleteReadError)" in str(error)
    assert raw.closed


class BrokenServer(BaseHTTPRequestHandler):
    """Promises a kilobyte, sends four bytes, then does what its server's `then` says."""

    def do_GET(self) -> None:
        """Answer any request."""
        self.send_response(200)
        self.send_header("Content-Length", "1024")
        self.end_headers()
        self.wfile.write(b"1234")
        self.wfile.flush()
        if self.path.startswith("/stalls"):
            self.server.release.wait(10)  # type: ignore[attr-defined]
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def broken_endpoint() -> Iterator[str]:
    """The address of a server whose bodies break off."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BrokenServer) as server:
        server.release = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.release.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("bucket", "reason"), [("breaks", "IncompleteReadError|ResponseStreamingError"), ("stalls", "ReadTimeoutError")]
)
def test_a_connection_that_breaks_in_mid_body_is_worth_another_try(
    broken_endpoint: str, bucket: str, reason: str
) -> None:
    """A socket closed or silent too long ends in a transient error, not in half an object."""
    s3 = client(
        endpoint_url=broken_endpoint, config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    )
    found = LogObject("", f"s3://{bucket}/a.log", "0", 1024, OBJECT.modified)
    with (
        S3Source(f"s3://{bucket}", s3).open(found) as stream,
        pytest.raises(
            TransientSourceError, match=rf"connection broke while s3://{bucket}/a\.log was read \(({reason})\)"
        ),
    ):
        stream.read()
