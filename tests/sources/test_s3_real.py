"""S3Source against a real S3 server that checks signatures and permissions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from flowaudit.errors import SourceError, TransientSourceError
from flowaudit.model import Window
from flowaudit.sources.s3 import S3Source
from tests.conftest import Seaweed

BUCKET = "real-flow-logs"
NOON = datetime(2024, 5, 3, 12, tzinfo=UTC)


def client(seaweed: Seaweed, access_key: str, secret_key: str) -> Any:
    """A client of the server."""
    return boto3.client(
        "s3",
        endpoint_url=seaweed.endpoint,
        region_name=seaweed.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def key_of(time: datetime) -> str:
    """A key in AWS's default layout."""
    name = f"123456789012_vpcflowlogs_us-east-1_fl-1234abcd_{time:%Y%m%dT%H%MZ}_00000000.log.gz"
    return f"vpc/AWSLogs/123456789012/vpcflowlogs/us-east-1/{time:%Y/%m/%d}/{name}"


TIMES = [NOON - n * timedelta(hours=7) for n in range(1, 12)]


@pytest.fixture(scope="module")
def owner(seaweed: Seaweed) -> Any:
    """A client that may do all, and a bucket of some objects."""
    s3 = client(seaweed, seaweed.access_key, seaweed.secret_key)
    s3.create_bucket(Bucket=BUCKET)
    for time in TIMES:
        s3.put_object(Bucket=BUCKET, Key=key_of(time), Body=key_of(time).encode())
    return s3


def test_a_real_bucket_is_listed_by_window_and_read(owner: Any) -> None:
    """Folders, start of a listing and conditions mean to the server what they mean to the source."""
    source = S3Source(f"s3://{BUCKET}", owner)
    found = list(source.objects(Window(NOON - timedelta(days=1), NOON)))
    assert [each.key for each in found] == sorted(f"s3://{BUCKET}/{key_of(time)}" for time in TIMES[:3])
    for each in found:
        with source.open(each) as stream:
            assert f"s3://{BUCKET}/{stream.read().decode()}" == each.key


def test_a_real_server_refuses_a_replaced_object(owner: Any) -> None:
    """The condition on the etag holds at the server."""
    owner.put_object(Bucket=BUCKET, Key="other/a.log", Body=b"old")
    source = S3Source(f"s3://{BUCKET}/other/", owner)
    (found,) = source.objects(None)
    owner.put_object(Bucket=BUCKET, Key="other/a.log", Body=b"new")
    with pytest.raises(TransientSourceError, match="was replaced while it was read"), source.open(found):
        pass


def test_a_wrong_secret_is_told_as_wrong_credentials(seaweed: Seaweed, owner: Any) -> None:
    """The message names the code and the remedy, and no key."""
    source = S3Source(f"s3://{BUCKET}", client(seaweed, seaweed.access_key, "wrong-secret"))
    with pytest.raises(SourceError, match=r"SignatureDoesNotMatch.*AWS_PROFILE") as caught:
        list(source.objects(None))
    assert "wrong-secret" not in str(caught.value)
    assert seaweed.access_key not in str(caught.value)


def test_an_unknown_access_key_is_told_as_wrong_credentials(seaweed: Seaweed, owner: Any) -> None:
    """As with a wrong secret."""
    source = S3Source(f"s3://{BUCKET}", client(seaweed, "nobody", "nothing"))
    with pytest.raises(SourceError, match="InvalidAccessKeyId"):
        list(source.objects(None))


def test_who_may_list_but_not_read_is_told_which_permission_is_missing(seaweed: Seaweed, owner: Any) -> None:
    """Listing goes well, opening names s3:GetObject on the object's ARN."""
    source = S3Source(f"s3://{BUCKET}", client(seaweed, seaweed.lister_access_key, seaweed.lister_secret_key))
    found = next(source.objects(None))
    with pytest.raises(SourceError, match=rf"s3:GetObject on arn:aws:s3:::{BUCKET}/vpc/"), source.open(found):
        pass
