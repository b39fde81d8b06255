"""What was observed is kept once, for each account's region by itself, whoever is killed or comes second."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowaudit import sql
from flowaudit.errors import LakeConflict
from flowaudit.inventory import history
from flowaudit.lake import Lake, Log
from flowaudit.schema import TABLES
from flowaudit.topology import (
    SEEN_IN_LOGS,
    Discovery,
    Gap,
    Interface,
    Network,
    Owner,
    Route,
    RouteTable,
    Snapshot,
    Workload,
)

ACCOUNT, OTHER_ACCOUNT, REGION, OTHER_REGION = "123456789012", "210987654321", "eu-west-1", "us-east-1"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ONE, TWO, THREE, FOUR = (NOON + timedelta(hours=n) for n in range(4))
NOTHING = {"interfaces": 0, "workloads": 0, "gaps": 0, "topology": 0}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    return lake


def interface(id: str = "eni-1", **more: Any) -> Interface:
    """An interface of the tests' region."""
    return Interface(**{"interface_id": id, "account_id": ACCOUNT, "region": REGION, "vpc_id": "vpc-1", **more})


def workload(name: str = "job", kind: str = "training_job", **more: Any) -> Workload:
    """A workload of the tests' region."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"
    return Workload(**{"arn": arn, "kind": kind, "name": name, "account_id": ACCOUNT, "region": REGION, **more})


def network(target: str = "nat-1", vpc_id: str = "vpc-1", account: str = ACCOUNT, **more: Any) -> Network:
    """A VPC with one route."""
    tables = (RouteTable(route_table_id="rtb-1", routes=(Route(destination="0.0.0.0/0", target=target),)),)
    told = {"vpc_id": vpc_id, "account_id": account, "region": REGION, "owner_id": ACCOUNT, "route_tables": tables}
    return Network(**told | more)


def gap(reason: str = "denied", **more: Any) -> Gap:
    """An API that does not answer."""
    told: dict[str, Any] = {"account_id": ACCOUNT, "region": REGION, "service": "ec2", "operation": "describe_vpcs"}
    return Gap(**told | {"reason": reason, "message": "No.", "transient": False} | more)


def look(at: datetime, **found: Any) -> Discovery:
    """One look at the tests' region: what is not told is empty."""
    told = {"account_id": ACCOUNT, "region": REGION, "interfaces": (), "networks": ()}
    return Discovery(**told | {"at": at} | found)


def rows(lake: Lake, table: str) -> list[tuple[Any, ...]]:
    """Rows of a table in their order in time: when, since when, present."""
    query = f"SELECT observed_at, not_before, present FROM {table} ORDER BY observed_at, present"
    with sql.connect(lake, tables=(table,)) as engine:
        return [tuple(row.values()) for row in engine.query(query).to_pylist()]


def past(lake: Lake) -> history.Past:
    """What is known of the tests' region."""
    return history.past(lake, ACCOUNT, REGION)


def fill(lake: Lake, *interfaces: str | None, **more: Any) -> None:
    """Collect a record of each of these interfaces."""
    batch = lake.batch()
    told = {"start_time": NOON, "account_id": ACCOUNT, "batch": batch.number, "day": date(2026, 5, 4), **more}
    schema = TABLES["flows"].schema
    columns = pa.schema([schema.field(name) for name in ("interface_id", *told)])
    files = batch.files()
    files.write(pa.Table.from_pylist([told | {"interface_id": each} for each in interfaces], columns))
    batch.commit(files.close(), [])


class TestRows:
    """When a row is written."""

    @pytest.mark.parametrize(
        ("table", "part", "before", "after"),
        [
            ("interfaces", "interfaces", interface(), interface(description="Renamed")),
            ("workloads", "workloads", workload(), workload(status="Stopping")),
            ("topology", "networks", network(), network("igw-1")),
            ("gaps", "gaps", gap(), gap("throttled")),
        ],
    )
    def test_only_what_changed_is_written(self, lake: Lake, table: str, part: str, before: Any, after: Any) -> None:
        """One row when a thing is first seen, none while it stays, one when it changes, vanishes and comes back."""
        seen = [(before,), (before,), (after,), (), (), (after,)]
        times = [NOON + timedelta(hours=n) for n in range(6)]
        written = [history.record(lake, look(at, **{part: each})) for at, each in zip(times, seen, strict=True)]
        assert written == [NOTHING | {table: n} for n in (1, 0, 1, 1, 0, 1)]
        assert rows(lake, table) == [
            (times[0], None, True),
            (times[2], times[1], True),
            (times[3], times[2], False),
            (times[5], times[4], True),
        ]

    def test_what_is_written_is_read_back_as_it_was(self, lake: Lake) -> None:
        """Nested values survive: what is read compares equal to what was observed."""
        seen = interface(private_addresses=("10.0.0.5",), tags=(("a", "b"),), attached_at=NOON, candidates=("x", "y"))
        job = workload(ended_at=NOON, uses=("a",), interface_ids=("eni-1",), instances=2, network_isolation=False)
        history.record(lake, look(ONE, interfaces=(seen,), workloads=(job,), networks=(network(),)))
        assert past(lake) == history.Past(ONE, ONE, (seen,), (job,))
        assert history.topology(lake).snapshots[0].network == network()

    def test_an_empty_region_is_known_to_be_empty(self, lake: Lake) -> None:
        """Nothing found is no row, but somebody has looked."""
        assert past(lake) == history.Past(None, None, (), ())
        assert history.record(lake, look(ONE)) == NOTHING
        assert past(lake) == history.Past(ONE, ONE, (), ())

    def test_what_could_not_be_asked_has_not_vanished(self, lake: Lake) -> None:
        """Interfaces and networks that did not answer are as they were, and so are kinds that were not listed."""
        model = workload("m", "model")
        whole = look(ONE, interfaces=(interface(),), workloads=(model, workload()), networks=(network(),))
        history.record(lake, whole)
        blind = look(TWO, interfaces=None, networks=None, unlisted_kinds=frozenset({"training_job"}))
        assert history.record(lake, blind) == NOTHING | {"workloads": 1}
        assert past(lake).interfaces == whole.interfaces
        assert past(lake).workloads == (workload(),)
        assert [each.changed_at for each in history.topology(lake).snapshots] == [None]

    def test_a_gap_that_is_no_more_is_told(self, lake: Lake) -> None:
        """An API that answers again has a row that says so."""
        history.record(lake, look(ONE, networks=None, gaps=(gap(),)))
        assert history.record(lake, look(TWO, networks=(network(),)))["gaps"] == 1
        assert [present for *_, present in rows(lake, "gaps")] == [True, False]


class TestPlaces:
    """Several accounts and regions in one lake."""

    def test_they_do_not_touch_each_other(self, lake: Lake) -> None:
        """What one account's region lacks has not vanished from another's; each has its own time of looking."""
        history.record(lake, look(ONE, interfaces=(interface(),), workloads=(workload(),), networks=(network(),)))
        for account, region in ((OTHER_ACCOUNT, REGION), (ACCOUNT, OTHER_REGION)):
            assert history.record(lake, look(TWO, account_id=account, region=region)) == NOTHING
            assert history.looked_at(lake, account, region) == TWO
        assert past(lake) == history.Past(ONE, ONE, (interface(),), (workload(),))
        assert history.past(lake, OTHER_ACCOUNT, REGION) == history.Past(TWO, TWO, (), ())
        assert history.looked_at(lake, OTHER_ACCOUNT, OTHER_REGION) is None

    def test_a_shared_vpcs_interface_is_its_own_accounts_to_tell(self, lake: Lake) -> None:
        """The VPC's owner sees it with less about it: seen first it is kept, after that it is as its account says."""
        bare = interface(account_id=OTHER_ACCOUNT)
        told = replace(bare, owner=Owner.SAGEMAKER, workload_arn="arn:aws:sagemaker:::training-job/t")
        of_owner = [look(at, interfaces=(bare,)) for at in (ONE, THREE)]
        of_participant = [look(at, account_id=OTHER_ACCOUNT, interfaces=(told,)) for at in (TWO, FOUR)]
        written = [
            history.record(lake, each)["interfaces"]
            for each in (of_owner[0], of_participant[0], of_owner[1], of_participant[1])
        ]
        assert written == [1, 1, 0, 0]
        assert history.past(lake, OTHER_ACCOUNT, REGION).interfaces == (told,)

    def test_a_shared_vpcs_network_is_its_owners_to_tell(self, lake: Lake) -> None:
        """Of a VPC that two accounts see, records are judged by what its owner sees, in its own order of time."""
        partial = network(account=OTHER_ACCOUNT, unknown=("gateways",))
        history.record(lake, look(ONE, account_id=OTHER_ACCOUNT, networks=(partial,)))
        assert [each.network for each in history.topology(lake).snapshots] == [partial]
        history.record(lake, look(TWO, networks=(network(),)))
        history.record(lake, look(THREE, account_id=OTHER_ACCOUNT, networks=(replace(partial, tenancy="dedicated"),)))
        assert history.topology(lake).snapshots == (
            Snapshot(network=network(), observed_at=TWO, until=TWO, not_before=None, changed_at=None),
        )


class TestTime:
    """When somebody looked."""

    def test_each_confirmed_look_moves_it(self, lake: Lake) -> None:
        """A look that changes nothing confirms what is known; one without networks confirms no network."""
        history.record(lake, look(ONE, networks=(network(),)))
        history.record(lake, look(TWO, networks=(network(),)))
        assert history.looked_at(lake, ACCOUNT, REGION) == TWO
        history.record(lake, look(THREE, networks=None))
        assert history.looked_at(lake, ACCOUNT, REGION) == TWO
        assert history.topology(lake).snapshots[0].until == TWO

    def test_who_could_not_look_did_not_look_in_vain(self, lake: Lake) -> None:
        """An interface seen when interfaces are first answered may be older than the look that got no answer."""
        history.record(lake, look(ONE, interfaces=None, networks=(network(),)))
        assert past(lake).interfaces_at is None
        history.record(lake, look(TWO, interfaces=(interface(),), networks=(network(),)))
        history.record(lake, look(THREE, interfaces=None, networks=(network(),)))
        history.record(lake, look(FOUR, interfaces=(interface(), interface("eni-2")), networks=(network(),)))
        assert rows(lake, "interfaces") == [(TWO, None, True), (FOUR, TWO, True)]
        assert history.first_seen(lake) == {"eni-1": (None, TWO), "eni-2": (TWO, FOUR)}

    def test_snapshots_tell_how_long_they_stood(self, lake: Lake) -> None:
        """From when it was found, since when at the earliest, until when it was seen so, and when it was other."""
        seen = ((network(),), (network(),), (network("igw-1"),), (), (network(),))
        times = [NOON + timedelta(hours=n) for n in range(5)]
        for at, networks in zip(times, seen, strict=True):
            history.record(lake, look(at, networks=networks))
        assert history.topology(lake).snapshots == (
            Snapshot(network=network(), observed_at=times[0], until=times[1], not_before=None, changed_at=times[2]),
            Snapshot(
                network=network("igw-1"), observed_at=times[2], until=times[2], not_before=times[1], changed_at=times[3]
            ),
            Snapshot(network=network(), observed_at=times[4], until=times[4], not_before=times[3], changed_at=None),
        )

    def test_snapshots_of_vpcs_do_not_mix(self, lake: Lake) -> None:
        """Each VPC changes by itself."""
        history.record(lake, look(ONE, networks=(network(), network(vpc_id="vpc-2"))))
        history.record(lake, look(TWO, networks=(network("igw-1"), network(vpc_id="vpc-2"))))
        found = [(each.network.vpc_id, each.until, each.changed_at) for each in history.topology(lake).snapshots]
        assert found == [("vpc-1", ONE, TWO), ("vpc-1", TWO, None), ("vpc-2", TWO, None)]

    def test_interfaces_are_known_for_judging_even_when_gone(self, lake: Lake) -> None:
        """Records outlive the interface that they are of: its newest observation stays known."""
        history.record(lake, look(ONE, interfaces=(interface(private_addresses=("10.0.0.5",)),)))
        history.record(lake, look(TWO))
        (sketch,) = history.topology(lake).interfaces
        assert (sketch.interface_id, sketch.private_addresses) == ("eni-1", ("10.0.0.5",))


class TestStrangers:
    """Interfaces that only records tell of."""

    def test_they_are_kept_once(self, lake: Lake) -> None:
        """What no inventory lists is found in new records, and not again in later ones."""
        history.record(lake, look(ONE, interfaces=(interface(),)))
        fill(lake, "eni-1", "eni-2", None, region=REGION, vpc_id="vpc-1", subnet_id="subnet-1")
        found, batch = history.unlisted(lake)
        assert found == (interface("eni-2", subnet_id="subnet-1", status=SEEN_IN_LOGS),)
        assert history.record_unlisted(lake, found, batch, ONE) == 1
        fill(lake, "eni-2")
        found, batch = history.unlisted(lake)
        assert (found, batch) == ((), 2)
        assert history.record_unlisted(lake, found, batch, TWO) == 0
        assert history.unlisted(lake) == ((), 2)

    def test_records_may_tell_little(self, lake: Lake) -> None:
        """A format without region and VPC leaves them unknown."""
        fill(lake, "eni-2")
        found, _ = history.unlisted(lake)
        assert found == (Interface(interface_id="eni-2", account_id=ACCOUNT, region="", status=SEEN_IN_LOGS),)

    def test_they_do_not_vanish_and_may_be_listed_later(self, lake: Lake) -> None:
        """That an inventory does not list them is no news; once it does they have the history of any other."""
        fill(lake, "eni-2", region=REGION)
        found, batch = history.unlisted(lake)
        history.record_unlisted(lake, found, batch, ONE)
        assert history.record(lake, look(TWO))["interfaces"] == 0
        assert history.record(lake, look(THREE, interfaces=(interface("eni-2"),)))["interfaces"] == 1
        assert history.record(lake, look(FOUR))["interfaces"] == 1
        assert rows(lake, "interfaces") == [(ONE, None, True), (THREE, TWO, True), (FOUR, THREE, False)]


class TestOthers:
    """Other processes, and ends that come too soon."""

    def test_two_at_the_same_moment(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who comes second is refused, leaves no file behind, compares anew, and finds nothing to write."""
        first = iter([look(ONE, interfaces=(interface(),))])
        changes = history._Found.changes

        def overtaken(found: Any, lake: Lake) -> pa.Table:
            prepared = changes(found, lake)
            for other in first:
                history.record(lake, other)
            return prepared

        monkeypatch.setattr(history._Found, "changes", overtaken)
        mine = look(TWO, interfaces=(interface(),))
        with pytest.raises(LakeConflict, match="another process wrote interfaces"):
            history.record(lake, mine)
        assert history.record(lake, mine) == NOTHING
        assert rows(lake, "interfaces") == [(ONE, None, True)]
        assert len(list(Path(lake.uri, "interfaces").rglob("*.parquet"))) == 1

    def test_a_later_look_stays(self, lake: Lake) -> None:
        """Who looked earlier and writes later changes nothing of what is known since."""
        history.record(lake, look(TWO, interfaces=(interface(),), networks=(network(),), gaps=(gap(),)))
        late = look(ONE, interfaces=(interface("eni-0"),), networks=(network("igw-1"),), workloads=(workload(),))
        assert history.record(lake, late) == NOTHING
        assert past(lake) == history.Past(TWO, TWO, (interface(),), ())

    def test_killed_between_two_tables(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next look completes what is missing, and writes nothing twice."""
        whole = {"interfaces": (interface(),), "workloads": (workload(),), "networks": (network(),), "gaps": (gap(),)}
        commits, commit = iter(range(10)), Log.commit

        def killed(self: Log, *args: Any) -> None:
            if next(commits) == 2:
                raise KeyboardInterrupt
            commit(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(Log, "commit", killed)
            with pytest.raises(KeyboardInterrupt):
                history.record(lake, look(ONE, **whole))
        assert history.looked_at(lake, ACCOUNT, REGION) is None
        assert history.record(lake, look(TWO, **whole)) == NOTHING | {"gaps": 1, "topology": 1}
        assert history.looked_at(lake, ACCOUNT, REGION) == TWO
