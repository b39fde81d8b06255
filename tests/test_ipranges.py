"""AWS's address ranges: what is known, and what is taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import boto3
import pytest

from flowaudit import ipranges, sql
from flowaudit.errors import IpRangesError, LakeConflict
from flowaudit.ipranges import add, holding, known, parse, shipped
from flowaudit.lake import Lake, TableFiles
from flowaudit.schema import IP_RANGES
from tests.conftest import Seaweed
from tests.mirror import ENTRIES, document, many

SHIPPED_AT = ipranges.created_at(shipped())
LATER = SHIPPED_AT + timedelta(days=30)
NOW = SHIPPED_AT + timedelta(days=90)
ENOUGH = shipped().num_rows // 2 + 1


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that is not there yet."""
    return Lake(str(tmp_path / "lake"))


def rows(lake: Lake, select: str = "SELECT count(*) AS n FROM ip_ranges") -> list[dict[str, Any]]:
    """What SQL sees."""
    with sql.connect(lake, tables=("ip_ranges",)) as connection:
        return connection.query(select).to_pylist()


# --- the shipped file


def test_the_shipped_ranges_are_whole() -> None:
    """They are a table `ip_ranges` of one date, without doubles, sorted, each a network as it is usually written."""
    table = shipped()
    assert table.schema == IP_RANGES
    assert table.num_rows > 10_000
    assert len(set(table.column("created_at").to_pylist())) == 1
    triples = list(zip(*(table.column(name).to_pylist() for name in ("prefix", "region", "service")), strict=True))
    assert triples == sorted(set(triples))
    assert all(str(ip_network(prefix)) == prefix for prefix, _, _ in triples)
    assert {"AMAZON", "EC2", "S3", "DYNAMODB"} <= {service for _, _, service in triples}


def test_the_shipped_ranges_are_described() -> None:
    """docs/operations.md tells how many ranges are shipped, and of when."""
    page = (Path(__file__).parents[1] / "docs" / "operations.md").read_text("utf-8")
    assert f"those that are shipped hold: {shipped().num_rows:,} of them, of {SHIPPED_AT:%Y-%m-%d}." in page
    assert f"{SHIPPED_AT:%H:%M:%S} UTC" in page


def test_awss_own_example_is_s3() -> None:
    """The address that the VPC User Guide's flow log example gives to S3 lies in ranges of S3."""
    found = holding(shipped(), [ip_address("52.95.128.179")])
    assert found.column("service").to_pylist() == ["S3", "AMAZON"]


def test_the_shipped_file_may_be_left_out(tmp_path: Path) -> None:
    """Without the file there are no ranges, and nothing fails."""
    assert shipped(tmp_path / "ip-ranges.parquet").equals(IP_RANGES.empty_table())


# --- which ranges hold an address


def test_the_most_specific_range_comes_first() -> None:
    """All ranges around an address are told: longer prefixes first, then services before EC2, and AMAZON last."""
    addresses = [ip_address(text) for text in ("192.0.2.200", "2001:db8:1::1", "203.0.113.1")]
    assert [tuple(row.values()) for row in holding(parse(document(LATER)), addresses).to_pylist()] == [
        ("192.0.2.200", "192.0.2.128/25", "GLOBAL", "AMAZON"),
        ("192.0.2.200", "192.0.2.0/24", "eu-west-1", "S3"),
        ("192.0.2.200", "192.0.2.0/24", "eu-west-1", "EC2"),
        ("192.0.2.200", "192.0.2.0/24", "eu-west-1", "AMAZON"),
        ("2001:db8:1::1", "2001:db8:1::/48", "eu-west-1", "S3"),
        ("2001:db8:1::1", "2001:db8::/32", "eu-west-1", "AMAZON"),
        ("203.0.113.1", None, None, None),
    ]


# --- AWS's syntax


def test_both_lists_are_read() -> None:
    """IPv4 and IPv6 ranges become rows of one date; what differs in its border group only is one row."""
    table = parse(document(LATER, [*ENTRIES, ENTRIES[0]]))
    assert table.schema == IP_RANGES
    assert set(table.column("created_at").to_pylist()) == {LATER}
    triples = [tuple(row.values())[1:] for row in table.to_pylist()]
    assert triples == sorted(ENTRIES)


def entry(**changed: Any) -> bytes:
    """A file whose one IPv4 entry is not as it should be."""
    good = {"ip_prefix": "192.0.2.0/24", "region": "eu-west-1", "service": "S3"}
    return document(LATER, prefixes=[{name: v for name, v in (good | changed).items() if v is not None}])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is not JSON"),
        (b"<html><body>Sign in to the proxy</body></html>", "it is not JSON"),
        (document(LATER)[:-20], "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[" * 100_000, "recursion"),
        (b"[]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        (b'{"message": "Forbidden"}', "no text createDate"),
        (document(LATER, createDate=1), "no text createDate"),
        (document(LATER, createDate="2026-11-24T10:00:00Z"), "does not match"),
        (document(LATER, createDate="2026-13-01-00-00-00"), "does not match"),
        (document(LATER, prefixes=None), "prefixes is not a list"),
        (document(LATER, prefixes={}), "prefixes is not a list"),
        (document(LATER, prefixes=[]), "prefixes is not a list, or an empty one"),
        (document(LATER, ipv6_prefixes=[]), "ipv6_prefixes is not a list, or an empty one"),
        (document(LATER, prefixes=["192.0.2.0/24"]), 'no text ip_prefix in "192.0.2.0/24"'),
        (document(LATER, prefixes=[[]]), "no text ip_prefix in []"),
        (entry(ip_prefix=None), "no text ip_prefix"),
        (entry(region=None), "no text region"),
        (entry(service=7), "no text service"),
        (entry(service=""), "written like this"),
        (entry(region="eu\x1b[31m"), "written like this"),
        (entry(service="\ud800"), "written like this"),
        (entry(ip_prefix="192.0.2.0"), "written like this"),
        (entry(ip_prefix="192.0.2.1/24"), "host bits"),
        (entry(ip_prefix="192.0.2.0/33"), "33"),
        (entry(ip_prefix="192.0.300.0/24"), "300"),
        (entry(ip_prefix="2001:db8::/32"), "2001:db8::"),
    ],
)
def test_what_is_not_awss_file_is_refused(content: bytes, told: str) -> None:
    """Whatever is wrong, it ends in one message: which file, what is wrong, what to do."""
    with pytest.raises(IpRangesError) as failed:
        parse(content, "ranges.json")
    assert str(failed.value).startswith("ranges.json is not AWS's ip-ranges.json: ")
    assert told in str(failed.value)
    assert str(failed.value).endswith("--from names another mirror or a copy of the file")


# --- the lake's ranges


def test_without_a_lake_the_shipped_ranges_are_known(lake: Lake) -> None:
    """A lake that is not there, and one without ranges, change nothing; none is made by asking."""
    assert known(lake).equals(shipped())
    assert not lake.exists()
    lake.create()
    assert known(lake).equals(shipped())


def test_newer_ranges_in_the_lake_are_known(lake: Lake) -> None:
    """What was added last is what is known, and what SQL sees; it is one commit."""
    ranges = parse(document(LATER, many(ENOUGH)))
    assert add(lake, ranges, NOW)
    assert known(lake).sort_by("prefix").equals(ranges.sort_by("prefix"))
    assert rows(lake) == [{"n": ENOUGH + 1}]
    assert lake.open("ip_ranges").version() == 1


def test_the_newest_of_several_dates_holds(lake: Lake) -> None:
    """All dates stay in the table; the ranges of the newest are known."""
    for days in (0, 1):
        assert add(lake, parse(document(LATER + timedelta(days), many(ENOUGH + days))), NOW)
    assert known(lake).num_rows == ENOUGH + 2
    assert rows(lake) == [{"n": ENOUGH + 1 + ENOUGH + 2}]


def test_the_same_date_is_written_once(lake: Lake) -> None:
    """Ranges of a date that the lake has are not written again, forced or not."""
    ranges = parse(document(LATER, many(ENOUGH)))
    assert add(lake, ranges, NOW)
    assert not add(lake, ranges, NOW)
    assert not add(lake, ranges, NOW, force=True)
    assert lake.open("ip_ranges").version() == 1


def test_the_shipped_ranges_can_be_added(lake: Lake) -> None:
    """The ranges that are shipped can be put in the lake, for SQL to see."""
    assert add(lake, shipped(), NOW)
    assert known(lake).num_rows == shipped().num_rows == rows(lake)[0]["n"]


def test_older_ranges_are_refused(lake: Lake) -> None:
    """Ranges older than the known are refused; by force they are on record, and the newest hold."""
    older = parse(document(SHIPPED_AT - timedelta(1), many(ENOUGH)))
    with pytest.raises(IpRangesError, match="known: nothing is written; --force writes them for the record"):
        add(lake, older, NOW)
    assert not lake.exists()
    assert add(lake, older, NOW, force=True)
    assert known(lake).equals(shipped())
    assert rows(lake) == [{"n": ENOUGH + 1}]


def test_far_fewer_ranges_are_refused(lake: Lake) -> None:
    """Ranges less than half as many as the known are refused unless it is by force; half of them are taken."""
    few = parse(document(LATER, many(ENOUGH - 3)))
    with pytest.raises(IpRangesError, match=r"less than half of the .* --force writes them all the same"):
        add(lake, few, NOW)
    assert add(lake, few, NOW, force=True)
    assert known(lake).num_rows == ENOUGH - 2


def test_ranges_of_the_future_are_refused(lake: Lake) -> None:
    """A date that no later file could get past is refused, by force too; a clock may be a little off."""
    ranges = parse(document(LATER, many(ENOUGH)))
    with pytest.raises(IpRangesError, match="in the future"):
        add(lake, ranges, LATER - timedelta(days=2), force=True)
    assert add(lake, ranges, LATER - timedelta(hours=1))


def test_a_lake_from_before_the_table_gets_it(lake: Lake) -> None:
    """A lake in which the table is missing has no ranges, and gets them."""
    lake.create()
    (Path(lake.uri) / "ip_ranges" / "_delta_log" / f"{0:020}.json").unlink()
    assert known(lake).equals(shipped())
    assert add(lake, parse(document(LATER, many(ENOUGH))), NOW)
    assert rows(lake) == [{"n": ENOUGH + 1}]


def test_a_lake_on_s3(seaweed: Seaweed) -> None:
    """Ranges are added to a lake in a bucket, once, and known from it."""
    keys = {"AWS_ACCESS_KEY_ID": seaweed.access_key, "AWS_SECRET_ACCESS_KEY": seaweed.secret_key}
    place = {"AWS_REGION": seaweed.region, "AWS_ENDPOINT_URL": seaweed.endpoint, "AWS_ALLOW_HTTP": "true"}
    client = boto3.client(
        "s3",
        endpoint_url=seaweed.endpoint,
        region_name=seaweed.region,
        **{name.lower(): value for name, value in keys.items()},
    )
    client.create_bucket(Bucket="ranges")
    lake = Lake("s3://ranges/lake", keys | place)
    assert known(lake).equals(shipped())
    ranges = parse(document(LATER, many(ENOUGH)))
    assert [add(lake, ranges, NOW), add(lake, ranges, NOW)] == [True, False]
    assert known(lake).num_rows == ranges.num_rows


class Overtaken(Lake):
    """A lake to which another process adds the same ranges just before we do."""

    def new_files(self, table: str) -> TableFiles:
        """Let the other go first."""
        Lake(self.uri).log(table).commit(parse(document(LATER)), {})
        return super().new_files(table)


def test_two_updates_at_the_same_moment(lake: Lake) -> None:
    """Of two processes that add at the same moment one is told so, and nothing of it is left."""
    lake.create()
    with pytest.raises(LakeConflict, match="another process wrote ip_ranges"):
        add(Overtaken(lake.uri), parse(document(LATER, many(ENOUGH))), NOW)
    assert rows(lake) == [{"n": len(ENTRIES)}]
    assert len(list((Path(lake.uri) / "ip_ranges").glob("*.parquet"))) == 1


def test_the_document_of_these_tests_is_awss_syntax() -> None:
    """The files in these tests have the names that AWS's have."""
    content = json.loads(document(datetime(2026, 5, 4, tzinfo=UTC)))
    assert list(content) == ["syncToken", "createDate", "prefixes", "ipv6_prefixes"]
    assert content["createDate"] == "2026-05-04-00-00-00"
    assert list(content["prefixes"][0]) == ["ip_prefix", "region", "service", "network_border_group"]
