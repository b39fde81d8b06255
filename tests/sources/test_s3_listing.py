"""How a bucket is listed: completely, and for little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowaudit.errors import ConfigError, SourceError
from flowaudit.model import Window
from flowaudit.sources import keys
from flowaudit.sources.s3 import S3Source
from tests.sources.bucket import Bucket

NOON = datetime(2024, 5, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LOOKBACK = Window(NOON - DAY, NOON)

DEFAULT, HOURLY, HIVE, HIVE_HOURLY, TRANSIT = LAYOUTS = (
    "AWSLogs/{account}/vpcflowlogs/{region}/{time:%Y/%m/%d}/",
    "AWSLogs/{account}/vpcflowlogs/{region}/{time:%Y/%m/%d/%H}/",
    "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={time:%Y/month=%m/day=%d}/",
    (
        "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/"
        "year={time:%Y/month=%m/day=%d/hour=%H}/"
    ),
    "AWSLogs/aws-account-id={account}/service=vpcflowlogs/aws-region={region}/year={time:%Y/month=%m/day=%d}/",
)


def key_of(time: datetime, layout: str = DEFAULT, account: str = "123456789012", region: str = "us-east-1") -> str:
    """A key as AWS makes it."""
    folder = layout.format(account=account, region=region, time=time)
    return f"{folder}{account}_vpcflowlogs_{region}_fl-1234abcd_{time:%Y%m%dT%H%MZ}_00000000.log.gz"


def listed(bucket: Bucket, prefix: str = "", window: Window | None = None) -> list[str]:
    """Keys as the source lists them."""
    source = S3Source(f"s3://logs/{prefix}", bucket.client)
    return [found.key.removeprefix("s3://logs/") for found in source.objects(window)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("prefix", ["", "vpc/logs/", "AWSLogs-of-old/myAWSLogs/"])
@pytest.mark.parametrize("place", ["us-gov-east-1", "cn-northwest-1", "us-east-1"])
def test_all_layouts_are_found_below_any_prefix_in_any_region(layout: str, prefix: str, place: str) -> None:
    """The window's objects, and only they, come from every layout, prefix and partition."""
    times = [NOON + n * timedelta(hours=6) for n in range(-12, 6)]
    bucket = Bucket(prefix + key_of(time, layout, region=place) for time in times)
    expected = sorted(prefix + key_of(time, layout, region=place) for time in times if NOON - DAY <= time < NOON)
    assert listed(bucket, window=LOOKBACK) == expected
    assert len(expected) == 4


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "vpc/",
        "vpc",
        "vpc/AWSLogs/",
        "vpc/AWSLogs",
        "vpc/AWSLogs/o-exampleorgid/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1/2024/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1/2024/05/03/",
        "vpc/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1/2024/05/03",
        "vpc/" + key_of(NOON - timedelta(hours=1)).replace("AWSLogs/", "AWSLogs/o-exampleorgid/"),
    ],
)
def test_the_uri_may_point_at_any_level(prefix: str) -> None:
    """Bucket, prefix, AWSLogs, organisation, account, service, region, year, day or object: with or without slash."""
    fresh = "vpc/" + key_of(NOON - timedelta(hours=1)).replace("AWSLogs/", "AWSLogs/o-exampleorgid/")
    stale = "vpc/" + key_of(NOON - 3 * DAY).replace("AWSLogs/", "AWSLogs/o-exampleorgid/")
    bucket = Bucket([fresh, stale])
    assert listed(bucket, prefix, LOOKBACK) == [fresh]


def test_accounts_regions_and_layouts_share_a_bucket() -> None:
    """All that lies in one bucket is found, other services' logs are not even listed."""
    time = NOON - timedelta(hours=1)
    wanted = {
        f"{prefix}{key_of(time, layout, account, region)}"
        for prefix in ("", "team-a/", "team-b/deep/down/")
        for layout in LAYOUTS
        for account in ("123456789012", "012345678901")
        for region in ("us-east-1", "eu-central-1")
    }
    others = {
        "AWSLogs/123456789012/CloudTrail/us-east-1/2024/05/03/x.json.gz",
        "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/05/03/x.log.gz",
        "AWSLogs/123456789012/Config/us-east-1/2024/5/3/ConfigHistory/x.json.gz",
        "AWSLogs/CloudTrail/x.gz",
        "reports/2024/05/03.log.gz",
    }
    bucket = Bucket(wanted | others)
    assert set(listed(bucket, window=LOOKBACK)) == wanted
    assert not any("CloudTrail/" in request["prefix"] for request in bucket.requests)


def test_a_cycle_costs_the_windows_objects_and_not_the_buckets() -> None:
    """100,000 old objects over 100 days change nothing: five requests walk there, one page per 1,000 new objects."""
    old = [
        key_of(NOON - 2 * DAY - n * DAY - minute * timedelta(minutes=1)) for n in range(100) for minute in range(1000)
    ]
    new = [key_of(NOON - n * timedelta(minutes=5)) for n in range(1, 289)]
    bucket, small = Bucket([*old, *new]), Bucket(new)
    assert len(bucket.keys) > 100_000
    assert listed(bucket, window=LOOKBACK) == listed(small, window=LOOKBACK) == sorted(new)
    assert (len(bucket.requests), len(small.requests)) == (5, 5)


def test_pages_follow_each_other() -> None:
    """More than 1,000 objects a day need more pages, and all come."""
    keys_ = [key_of(NOON - timedelta(hours=1)).replace("0000.log", f"{n:04}.log") for n in range(2_500)]
    bucket = Bucket([*keys_, key_of(NOON - 30 * DAY)])
    assert listed(bucket, window=LOOKBACK) == sorted(keys_)
    assert len(bucket.requests) == 4 + 3


def test_a_folder_without_awss_layout_is_listed_whole() -> None:
    """Names that tell a time prune, all others come; markers of folders and other files do not."""
    fresh, stale = (key_of(time).rpartition("/")[2] for time in (NOON - timedelta(hours=1), NOON - 3 * DAY))
    bucket = Bucket(["e/", f"e/{fresh}", f"e/{stale}", "e/x/2024/05/03/a.log", "e/b.parquet", "e/readme.md", "f/c.log"])
    assert listed(bucket, "e/", LOOKBACK) == [f"e/{fresh}", "e/b.parquet", "e/x/2024/05/03/a.log"]


def test_a_great_many_folders_are_not_walked_one_by_one() -> None:
    """Where AWSLogs is not among the first folders looked into, a listing of all is cheaper and as complete."""
    bucket = Bucket(f"e/{n:04}/a.log" for n in range(3_000))
    assert len(listed(bucket, "e/", LOOKBACK)) == 3_000
    assert len(bucket.requests) < 60


def test_flow_logs_among_a_great_many_folders_must_be_named() -> None:
    """Neither listing everything nor overlooking something is fair: the operator is told what to write."""
    bucket = Bucket([key_of(NOON), *(f"data/{n:04}/a.log" for n in range(3_000))])
    with pytest.raises(SourceError, match=r"too many folders .* like s3://logs/AWSLogs/$"):
        listed(bucket, "", LOOKBACK)


def test_an_empty_prefix_of_the_bucket_has_no_objects() -> None:
    """Before its first delivery a flow log has no folder: that is no error."""
    assert listed(Bucket([]), "vpc/", LOOKBACK) == listed(Bucket([]), "vpc", LOOKBACK) == []


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix", "bucket/prefix", "https://bucket.s3.amazonaws.com/"])
def test_an_address_that_is_not_s3s_is_refused(uri: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(ConfigError, match="write s3://bucket"):
        S3Source(uri, None)


HOURS = st.integers(-24 * 40, 24 * 40).map(lambda hours: NOON + timedelta(hours=hours))
KEYS = st.builds(
    lambda prefix, *parts: prefix + key_of(*parts),
    st.sampled_from(["", "a/", "a/b/"]),
    HOURS,
    st.sampled_from(LAYOUTS),
    st.sampled_from(["012345678901", "123456789012"]),
    st.sampled_from(["us-east-1", "us-gov-west-1"]),
)


@settings(max_examples=30, deadline=None)
@given(st.sets(KEYS, max_size=30), HOURS, st.integers(0, 24 * 60))
def test_a_listing_by_window_is_the_whole_listing_pruned(found: set[str], since: datetime, hours: int) -> None:
    """What is saved in requests is never an object of the window."""
    window = Window(since, since + timedelta(hours=hours))
    assert set(listed(Bucket(found))) == found
    assert set(listed(Bucket(found), window=window)) == {key for key in found if keys.parse(key).may_lie_in(window)}


def test_delta_tables_beside_loose_logs_are_left_alone() -> None:
    """A lake in the same bucket does not feed on itself; what comes before and after it is listed."""
    table = "lake/flows/"
    log = [f"{table}_delta_log/00000000000000000000.json", f"{table}_delta_log/00000000000000000010.checkpoint.parquet"]
    bucket = Bucket(["a.log.gz", *log, f"{table}day=2026-01-01/part-0.zstd.parquet", "lake/flows.log.gz", "z.log.gz"])
    assert listed(bucket) == ["a.log.gz", "lake/flows.log.gz", "z.log.gz"]
