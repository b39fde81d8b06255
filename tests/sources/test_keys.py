"""What keys say: a table of real-looking ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flowaudit.model import Window
from flowaudit.sources import keys

NAME = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"
LONG = "111111111111_vpcflowlogs_us-east-2_fl-023c6afa025ee5a04_20230128T0930Z_3a9dfd9d.log.gz"
NOON = datetime(2024, 5, 3, 12, tzinfo=UTC)


def facts(day: str, flow_log: str | None, account: str, region: str, time: str | None = None) -> keys.KeyFacts:
    """What a key says, from text."""
    moment = datetime.strptime(time, "%H:%M").time() if time else None  # noqa: DTZ007 - a time of day
    whole = date.fromisoformat(day)
    return keys.KeyFacts(datetime.combine(whole, moment, UTC) if moment else None, whole, flow_log, account, region)


SPOKEN = facts("2018-06-20", "fl-1234abcd", "123456789012", "us-east-1", "16:20")
HIVE = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (NAME, SPOKEN),
        (f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/{NAME}", SPOKEN),
        (f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/16/{NAME}", SPOKEN),
        (f"{HIVE}/{NAME}", SPOKEN),
        (f"{HIVE}/hour=16/{NAME}", SPOKEN),
        (f"my/logs/AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/us-east-1/2018/06/20/{NAME}", SPOKEN),
        (f"/data/copy/{NAME.removesuffix('.log.gz')}.log.parquet", SPOKEN),
        (
            f"AWSLogs/111111111111/vpcflowlogs/us-east-2/2023/01/28/{LONG}",
            facts("2023-01-28", "fl-023c6afa025ee5a04", "111111111111", "us-east-2", "09:30"),
        ),
        (
            (
                "AWSLogs/012345678901/vpcflowlogs/us-gov-east-1/2024/12/31/"
                "012345678901_vpcflowlogs_us-gov-east-1_fl-0a0a0a0a0a0a0a0a0_20241231T2355Z_00000000.log.gz"
            ),
            facts("2024-12-31", "fl-0a0a0a0a0a0a0a0a0", "012345678901", "us-gov-east-1", "23:55"),
        ),
        (
            (
                "p/AWSLogs/123456789012/vpcflowlogs/cn-northwest-1/2024/02/29/"
                "123456789012_vpcflowlogs_cn-northwest-1_fl-1234abcd_20240229T0000Z_aaaaaaaa.log.parquet"
            ),
            facts("2024-02-29", "fl-1234abcd", "123456789012", "cn-northwest-1", "00:00"),
        ),
        (  # Transit Gateway's folders have no `aws-` before `service`
            "AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=us-east-1/year=2024/month=05/day=03/x.gz",
            facts("2024-05-03", None, "123456789012", "us-east-1"),
        ),
        (  # a custom prefix that looks like the real thing: the last one is
            (
                "AWSLogs/999999999999/vpcflowlogs/eu-west-1/2001/01/01/AWSLogs/"
                "123456789012/vpcflowlogs/us-east-1/2024/05/03/renamed.log"
            ),
            facts("2024-05-03", None, "123456789012", "us-east-1"),
        ),
        (f"myAWSLogs/AWSLogs-old/{NAME}", SPOKEN),
        (
            "AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/13/45/x.log",
            keys.KeyFacts(None, None, None, "123456789012", "us-east-1"),
        ),
        (
            NAME.replace("20180620T1620Z", "20181399T9999Z"),
            keys.KeyFacts(None, None, "fl-1234abcd", "123456789012", "us-east-1"),
        ),
        ("export/2024/05/03/000000.gz", keys.KeyFacts()),
        ("flows.log", keys.KeyFacts()),
        ("", keys.KeyFacts()),
        ("AWSLogs/123456789012/CloudTrail/us-east-1/2024/05/03/x.json.gz", keys.KeyFacts()),
        (f"{NAME}/trap.log", keys.KeyFacts()),
    ],
)
def test_a_key_tells_what_its_folders_and_its_name_say(key: str, says: keys.KeyFacts) -> None:
    """Time, day, flow log, account and region come out of all layouts; nothing is guessed from other names."""
    assert keys.parse(key) == says


@pytest.mark.parametrize(
    ("age", "lies"),
    [
        (timedelta(hours=1), False),
        (timedelta(minutes=11), False),
        (timedelta(minutes=10), True),
        (timedelta(0), True),
        (timedelta(minutes=-59), True),
        (timedelta(minutes=-60), False),
    ],
)
def test_a_named_time_prunes_with_slack_before_and_none_after(age: timedelta, *, lies: bool) -> None:
    """A file named ten minutes before the window may still hold its records; one named `until` may not."""
    window = Window(NOON, NOON + timedelta(hours=1))
    assert keys.KeyFacts(time=NOON - age, day=(NOON - age).date()).may_lie_in(window) is lies


@pytest.mark.parametrize(("day", "lies"), [("2024-05-02", False), ("2024-05-03", True), ("2024-05-04", False)])
def test_without_a_named_time_the_day_prunes(day: str, *, lies: bool) -> None:
    """A file of no telling name is in the window if its folder's day is; midnight after the window is not in it."""
    window = Window(NOON, datetime(2024, 5, 4, tzinfo=UTC))
    assert keys.KeyFacts(day=date.fromisoformat(day)).may_lie_in(window) is lies


def test_a_window_just_after_midnight_reaches_into_the_day_before() -> None:
    """The slack crosses midnight."""
    window = Window(datetime(2024, 5, 3, 0, 5, tzinfo=UTC), NOON)
    assert keys.KeyFacts(day=date(2024, 5, 2)).may_lie_in(window)


def test_a_mute_key_is_never_pruned() -> None:
    """What tells no time may hold anything."""
    assert keys.KeyFacts().may_lie_in(Window(NOON, NOON))


@pytest.mark.parametrize(
    ("folder", "leads"),
    [
        ("AWSLogs/", True),
        ("a/b/AWSLogs/", True),
        ("AWSLogs/o-exampleorgid/", True),
        ("AWSLogs/123456789012/", True),
        ("AWSLogs/o-exampleorgid/123456789012/vpcflowlogs/", True),
        ("AWSLogs/123456789012/vpcflowlogs/us-iso-east-1/", True),
        ("AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=cn-north-1/", True),
        ("AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/", True),
        ("AWSLogs/123456789012/CloudTrail/", False),
        ("AWSLogs/123456789012/elasticloadbalancing/us-east-1/", False),
        ("AWSLogs/aws-account-id=123456789012/aws-service=route53/", False),
        ("AWSLogs/Config/", False),
        ("myAWSLogs/", False),
        ("123456789012/", False),
        ("", False),
    ],
)
def test_only_flow_logs_folders_lead_to_flow_logs(folder: str, *, leads: bool) -> None:
    """A walk goes down AWSLogs, organisation, account, service and region, and into no other service's folders."""
    assert keys.leads_to_flow_logs(folder) is leads


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("x.log", True),
        ("x.log.gz", True),
        ("x.log.parquet", True),
        ("x.txt", True),
        (f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/{NAME}", True),
        (f"{HIVE}/{NAME}", True),
        ("folder.gz/", False),
        ("x.json", False),
        ("AWSLogs/123456789012/CloudTrail/us-east-1/2024/05/03/x.json.gz", False),
        ("AWSLogs/aws-account-id=123456789012/aws-service=route53/x.gz", False),
    ],
)
def test_a_listing_takes_logs_and_no_other_services_files(key: str, *, taken: bool) -> None:
    """The suffix decides, but for the folders of other AWS services."""
    assert keys.is_log(key) is taken
