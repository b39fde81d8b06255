"""What flowaudit says of its own sight: full, degraded or blind, by what is recorded and what is known beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowaudit import catalogue
from flowaudit.collect import collect
from flowaudit.config import shipped
from flowaudit.doctor import capabilities, examine
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.model import Visibility
from flowaudit.paths import Atlas
from flowaudit.schema import FIELDS
from flowaudit.sources.local import LocalSource
from flowaudit.topology import (
    Discovery,
    Gap,
    Gateway,
    Interface,
    IpRange,
    Network,
    Owner,
    Route,
    RouteTable,
    Subnet,
    Topology,
    Workload,
)
from tests import flowlogs

QUERIES = catalogue.load([shipped("queries")])
ACCOUNT, REGION = "123456789012", "us-east-1"
START = datetime.fromtimestamp(flowlogs.START, UTC)
V11 = " ".join(field.name for field in FIELDS if field.version <= 11)
BYPASS, S3, UNDECIDED = "internet-egress-bypasses-nat", "s3-bypasses-endpoint", "path-undecided"
FULL, PARTIAL, NONE = Visibility
RANGES = (IpRange(prefix="198.51.100.0/24", region=REGION, service="S3"),)
NO_PATH = "traffic-path is not recorded, and nothing makes up for it"
NO_SERVICE = "pkt-dst-aws-service is not recorded, and nothing makes up for it"


def v2(remote: str = "203.0.113.9", interface: str = "eni-0a", minute: int = 0) -> str:
    """One version 2 record, from a workload to somewhere."""
    start = flowlogs.START + 60 * minute
    return f"2 {ACCOUNT} {interface} 10.0.0.5 {remote} 40000 443 6 10 1000 {start} {start + 50} ACCEPT OK"


def v11(remote: str = "203.0.113.9") -> str:
    """One version 11 record over a NAT gateway."""
    given = dict(zip(flowlogs.V5.split(), flowlogs.egress(remote=remote, path="1").split(), strict=True))
    given |= {"version": "11", "next-hop-interface-type": "nat_gateway", "next-hop-interface-id": "eni-0b"}
    return " ".join(given.get(name, "-") for name in V11.split())


def network(*routes: Route) -> Network:
    """A VPC with one subnet, its routes and a NAT gateway."""
    return Network(
        vpc_id="vpc-1",
        account_id=ACCOUNT,
        region=REGION,
        cidrs=("10.0.0.0/16",),
        subnets=(Subnet(subnet_id="subnet-1", cidrs=("10.0.0.0/24",), route_table_id="rtb-1"),),
        route_tables=(RouteTable(route_table_id="rtb-1", main=True, routes=routes),),
        gateways=(Gateway(kind="nat_gateway", gateway_id="nat-1", state="available"),),
    )


INTERFACE = Interface(
    interface_id="eni-0a",
    account_id=ACCOUNT,
    region=REGION,
    vpc_id="vpc-1",
    subnet_id="subnet-1",
    private_addresses=("10.0.0.5",),
    owner=Owner.SAGEMAKER,
    workload_arn="arn:aws:sagemaker:us-east-1:123456789012:training-job/a",
)
GAP = Gap(
    account_id=ACCOUNT,
    region=REGION,
    service="ec2",
    operation="describe_vpcs",
    reason="denied",
    message="No.",
    transient=False,
)
MODEL = Workload(arn="arn:aws:sagemaker:::model/m", kind="model", name="m", account_id=ACCOUNT, region=REGION)
DEFAULT = Route(destination="0.0.0.0/0", target="nat-1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    return lake


def discovered(lake: Lake, *routes: Route, **more: Any) -> None:
    """Look at a region before the records: the interface and its VPC with these routes."""
    found = {"interfaces": (INTERFACE,), "networks": (network(*routes),)} | more
    history.record(lake, Discovery(account_id=ACCOUNT, region=REGION, at=START - timedelta(minutes=5), **found))


def record(lake: Lake, folder: Path, *lines: str, header: str = flowlogs.V2, log: str = "fl-0123456789abcdef0") -> None:
    """Collect these lines as an object of a flow log, judged by what the lake knows."""
    known = history.topology(lake)
    file = folder / f"{ACCOUNT}_vpcflowlogs_{REGION}_{log}_20260101T0000Z_{len(lines):08x}.log.gz"
    flowlogs.write(file, *lines, header=header)
    atlas = Atlas(Topology(snapshots=known.snapshots, interfaces=known.interfaces, ip_ranges=RANGES), everything=True)
    report = collect([(LocalSource(str(file)), None)], lake, atlas=atlas)
    assert (report.kept, report.failed) == (len(lines), 0)


def sights(lake: Lake) -> dict[str, tuple[Visibility, tuple[str, ...]]]:
    """What the three kinds of detectors see, and why no more."""
    found = {each.detector: (each.visibility, each.reasons) for each in capabilities(lake, QUERIES)}
    assert set(found) == set(QUERIES.detectors)
    return {name: found[name] for name in (BYPASS, S3, UNDECIDED)}


def of(log: str, *reasons: str) -> tuple[str, ...]:
    """Reasons, as they are told of a flow log."""
    return tuple(f"{log}: {reason}" for reason in reasons)


LOG = "fl-0123456789abcdef0"
OTHER = "fl-0123456789abcdef1"


class TestSight:
    """How much each detector sees."""

    def test_without_records_all_are_blind(self, lake: Lake) -> None:
        """There is nothing to see."""
        assert set(sights(lake).values()) == {(NONE, ("there are no records",))}

    def test_version_2_alone_shows_no_way(self, lake: Lake, tmp_path: Path) -> None:
        """Without an inventory no detector of ways sees anything, and what is undecided is seen in full."""
        record(lake, tmp_path, v2())
        assert sights(lake) == {
            BYPASS: (NONE, of(LOG, NO_PATH)),
            S3: (NONE, of(LOG, NO_PATH, NO_SERVICE)),
            UNDECIDED: (FULL, ()),
        }

    def test_version_2_with_routes_shows_ways(self, lake: Lake, tmp_path: Path) -> None:
        """Where routes decide the way of each record the path is known; which service it is, where ranges tell."""
        discovered(lake, DEFAULT)
        record(lake, tmp_path, v2(), v2("198.51.100.9"))
        assert sights(lake) == {
            BYPASS: (FULL, ()),
            S3: (PARTIAL, of(LOG, "pkt-dst-aws-service is not recorded; the inventory makes up for 1 of 2 records")),
            UNDECIDED: (FULL, ()),
        }

    def test_routes_may_decide_some_ways_only(self, lake: Lake, tmp_path: Path) -> None:
        """Of four records that left, one is of an interface that nobody knows the routes of."""
        discovered(lake, DEFAULT)
        record(lake, tmp_path, v2(), v2(minute=1), v2(minute=2), v2(interface="eni-0z"))
        reason = "traffic-path is not recorded; the inventory makes up for 3 of 4 records"
        assert sights(lake)[BYPASS] == (PARTIAL, of(LOG, reason))

    def test_a_quiet_hour_of_version_2_proves_nothing(self, lake: Lake, tmp_path: Path) -> None:
        """Where nothing left, nobody can tell whether its way would have been known."""
        record(lake, tmp_path, v2("10.0.0.9"))
        sees, reasons = sights(lake)[BYPASS]
        assert sees is PARTIAL
        assert reasons == of(
            LOG, "traffic-path is not recorded; no record of late shows whether the inventory makes up for it"
        )

    @pytest.mark.parametrize("remote", ["203.0.113.9", "198.51.100.9", "10.0.0.9"])
    def test_version_5_shows_all(self, lake: Lake, tmp_path: Path, remote: str) -> None:
        """Also where no record of the last hour went to a service of AWS's: there was nothing to name."""
        record(lake, tmp_path, flowlogs.egress(remote=remote), header=flowlogs.V5)
        assert set(sights(lake).values()) == {(FULL, ())}

    def test_version_5_without_traffic(self, lake: Lake, tmp_path: Path) -> None:
        """An hour of silence takes no sight away, only the records: there is nothing to judge by."""
        record(lake, tmp_path, flowlogs.nodata(), header=flowlogs.V5)
        assert {sees for sees, _ in sights(lake).values()} == {NONE}

    def test_version_11_shows_all(self, lake: Lake, tmp_path: Path) -> None:
        """The next hop's interface tells the way, and traffic-path is there too."""
        record(lake, tmp_path, v11(), header=V11)
        assert set(sights(lake).values()) == {(FULL, ())}

    def test_of_two_flow_logs_one_may_lack(self, lake: Lake, tmp_path: Path) -> None:
        """A detector that one flow log blinds is degraded, and the reason names that flow log."""
        record(lake, tmp_path, flowlogs.egress(), header=flowlogs.V5)
        record(lake, tmp_path, v2(), v2(minute=1), log=OTHER)
        assert sights(lake) == {
            BYPASS: (PARTIAL, of(OTHER, NO_PATH)),
            S3: (PARTIAL, of(OTHER, NO_PATH, NO_SERVICE)),
            UNDECIDED: (FULL, ()),
        }

    def test_only_what_is_recorded_of_late_counts(self, lake: Lake, tmp_path: Path) -> None:
        """A flow log that was replaced more than an hour before the newest record is forgotten."""
        record(lake, tmp_path, v2(), log=OTHER)
        record(lake, tmp_path, flowlogs.egress(120), header=flowlogs.V5)
        assert set(sights(lake).values()) == {(FULL, ())}


class TestDiagnosis:
    """All there is to know."""

    def test_it_tells_of_inventory_gaps_and_doubles(self, lake: Lake, tmp_path: Path) -> None:
        """When each region was looked at, what interfaces are, which API did not answer, and what is recorded twice."""
        unknown = Interface(interface_id="eni-0c", account_id=ACCOUNT, region=REGION, candidates=("a", "b"))
        discovered(lake, DEFAULT, interfaces=(INTERFACE, unknown), gaps=(GAP,))
        record(lake, tmp_path, flowlogs.egress(), header=flowlogs.V5)
        record(lake, tmp_path, v2(), v2(minute=5), log=OTHER)
        found = examine(lake, QUERIES)
        assert found.newest_record == START + timedelta(minutes=5, seconds=50)
        assert found.looked_at == {(ACCOUNT, REGION): START - timedelta(minutes=5)}
        assert [tuple(row.values()) for row in found.owners] == [("sagemaker", 1, 1, 0, 0), ("unknown", 1, 0, 1, 0)]
        assert [(row["operation"], row["reason"]) for row in found.gaps] == [("describe_vpcs", "denied")]
        assert found.twice == {"records": 1, "interfaces": 1}

    def test_an_empty_lake_has_nothing_to_tell(self, lake: Lake) -> None:
        """No record, no region, no gap."""
        found = examine(lake, QUERIES)
        assert (found.newest_record, found.looked_at, found.owners, found.gaps) == (None, {}, (), ())

    @pytest.mark.parametrize(
        "found",
        [
            {"networks": None, "interfaces": None, "gaps": (GAP,)},
            {"networks": (), "interfaces": (), "workloads": (MODEL,)},
            {"networks": (), "interfaces": (INTERFACE,)},
        ],
        ids=["denied", "without a VPC", "with interfaces only"],
    )
    def test_a_region_without_networks_was_looked_at_too(self, lake: Lake, found: Any) -> None:
        """Not to find or not to be told a VPC is not the same as nobody having looked."""
        discovered(lake, **found)
        assert examine(lake, QUERIES).looked_at == {(ACCOUNT, REGION): START - timedelta(minutes=5)}
