"""Discovery as a whole, on an emulated cloud: what is asked, what is kept, and who is not reached."""

from __future__ import annotations

import logging
import shutil
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from flowaudit import sql
from flowaudit.app import App, Region
from flowaudit.collect import collect
from flowaudit.config import Config
from flowaudit.discover import discover
from flowaudit.errors import LakeConflict, Stopped
from flowaudit.inventory import history
from flowaudit.lake import Log
from flowaudit.lake.log import TRIES
from flowaudit.model import DiscoverReport
from flowaudit.simulate.cloud import ACCOUNT, REGION, Cloud
from flowaudit.sources.local import LocalSource
from flowaudit.topology import SEEN_IN_LOGS, Owner
from tests import flowlogs
from tests.provisioned import provisioned
from tests.scenario.cloud import client, serving

OTHER_ACCOUNT, OTHER_REGION = "210987654321", "eu-west-1"
ROLE, OTHER_ROLE = (f"arn:aws:iam::{account}:role/audit" for account in (ACCOUNT, OTHER_ACCOUNT))
DENIED_ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/denied"
ONE, TWO, THREE, FOUR = (datetime.now(UTC) + timedelta(minutes=30 * n) for n in range(1, 5))
"""When to look: the emulated cloud makes its jobs when their test begins, which may be a while after this."""
DENIAL = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
    "<Message>User: somebody is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"
)


@pytest.fixture(scope="module", autouse=True)
def url() -> Iterator[str]:
    """An emulated cloud, whose credentials and address are those of the environment."""
    with serving() as url, pytest.MonkeyPatch.context() as patch:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # what moto lacks is not worth a traceback each time
        for name in ("PROFILE", "DEFAULT_REGION", "SESSION_TOKEN"):
            patch.delenv(f"AWS_{name}", raising=False)
        values = {
            "ENDPOINT_URL": url,
            "REGION": REGION,
            "ACCESS_KEY_ID": "x",
            "SECRET_ACCESS_KEY": "x",
            "MAX_ATTEMPTS": "1",
            "EC2_METADATA_DISABLED": "true",
            "CONFIG_FILE": "/nowhere",
            "SHARED_CREDENTIALS_FILE": "/nowhere",
        }
        for name, value in values.items():
            patch.setenv(f"AWS_{name}", value)
        yield url


def app(folder: Path, **aws: Any) -> App:
    """An application with its lake in a folder."""
    return App(Config.model_validate({"lake": {"uri": str(folder / "lake")}, "aws": aws}))


def ask(app: App, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the lake."""
    with sql.connect(app.lake, views=app.catalogue.views) as lake:
        return [tuple(row.values()) for row in lake.ask(query).to_pylist()]


@dataclass(frozen=True)
class Story:
    """Four looks at one cloud: at first, unchanged, with another route, with another interface of an endpoint."""

    cloud: Cloud
    app: App
    reports: list[DiscoverReport]
    interface: str


@pytest.fixture(scope="module")
def story(url: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Build a cloud, and look."""
    ec2 = client("ec2", url)
    cloud = provisioned(lambda service: client(service, url))
    seen = app(tmp_path_factory.mktemp("story"))
    scoring, _, training, _ = cloud.network.workloads
    assert scoring.subnet
    assert training.subnet

    places, _ = seen.regions()

    def look(now: datetime) -> DiscoverReport:
        return discover(seen.lake, places, seen.rules, now=now)

    reports = [look(ONE), look(TWO)]
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [training.subnet.id]}])
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.replace_route(
        RouteTableId=tables["RouteTables"][0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
    )
    reports.append(look(THREE))
    (known,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[scoring.id])["NetworkInterfaces"]
    groups = [each["GroupId"] for each in known["Groups"]]
    made = ec2.create_network_interface(SubnetId=scoring.subnet.id, Groups=groups)["NetworkInterface"]
    reports.append(look(FOUR))
    return Story(cloud, seen, reports, made["NetworkInterfaceId"])


class TestLooks:
    """One account's region, again and again."""

    def test_the_first_look_keeps_everything(self, story: Story) -> None:
        """Interfaces by what they are, workloads, VPCs and what does not answer; each is a row."""
        first = story.reports[0]
        assert first.regions == ((ACCOUNT, REGION),)
        assert first.interfaces == {"sagemaker": 4, "nat_gateway": 1, "vpc_endpoint": 10, "efs": 1, "lambda": 1}
        assert {"endpoint": 1, "training_job": 1, "processing_job": 1, "notebook_instance": 1}.items() <= (
            first.workloads.items()
        )
        vpcs = first.networks
        assert vpcs == 2
        assert {gap.reason for gap in first.gaps} == {"failed"}
        workloads, gaps = sum(first.workloads.values()), len(first.gaps)
        assert first.changes == {"interfaces": 17, "workloads": workloads, "topology": vpcs, "gaps": gaps}

    def test_an_unchanged_look_writes_nothing(self, story: Story) -> None:
        """No row, and a number of calls that does not grow with what is there: nothing is described again."""
        second = story.reports[1]
        assert set(second.changes.values()) == {0}
        services = Counter[str]()
        for action, calls in second.calls.items():
            services[action.partition(":")[0]] += calls
        # 17 of EC2, two of each VPC and the entries of two prefix lists; 26 lists, of which four have jobs of which
        # none was ever seen: those in progress are listed by themselves.
        assert services == {"ec2": 17 + 2 * 2 + 2, "sagemaker": 26 + 4}
        assert not [action for action in second.calls if action.startswith("sagemaker:Describe")]

    def test_a_changed_route_is_a_row(self, story: Story) -> None:
        """The VPC that it is in has another row, and the routes tell what was when."""
        assert story.reports[2].changes == {"interfaces": 0, "workloads": 0, "topology": 1, "gaps": 0}
        query = """
        SELECT left(target, 4), routes.valid_to IS NULL FROM routes JOIN subnets USING (route_table_id, valid_from)
        WHERE destination = '0.0.0.0/0' AND cidrs = ['10.20.1.0/24'] ORDER BY valid_from
        """
        assert ask(story.app, query) == [("nat-", False), ("igw-", True)]

    def test_a_new_interface_is_attributed(self, story: Story) -> None:
        """One that lies in a running endpoint's subnet with its groups is the endpoint's, since the look before."""
        assert story.reports[3].changes == {"interfaces": 1, "workloads": 0, "topology": 0, "gaps": 0}
        query = "SELECT owner, workload, attribution, valid_from FROM interface_history WHERE interface_id = '{}'"
        ((owner, workload, attribution, since),) = ask(story.app, query.format(story.interface))
        assert (owner, workload, attribution) == ("sagemaker", "scoring-endpoint", "security_groups")
        assert since == THREE

    def test_what_gateways_and_endpoints_name_is_theirs(self, story: Story) -> None:
        """Their interfaces are known by that, and the evidence says so."""
        query = (
            "SELECT DISTINCT owner, evidence FROM interfaces WHERE owner IN ('nat_gateway', 'vpc_endpoint') ORDER BY 1"
        )
        assert ask(story.app, query) == [
            (owner, f"AWS names it among the interfaces of a {owner}") for owner in ("nat_gateway", "vpc_endpoint")
        ]


class TestPlaces:
    """Accounts and regions."""

    def test_without_a_word_it_is_the_chains_own(self, tmp_path: Path) -> None:
        """The region and the account of the credential chain."""
        places, failures = app(tmp_path).regions()
        assert [(each.account_id, each.region) for each in places] == [(ACCOUNT, REGION)]
        assert failures == []

    def test_every_role_in_every_region(self, tmp_path: Path) -> None:
        """Each role's account, each in each region; all go into one lake, and each has its own rows."""
        both = app(tmp_path, regions=[REGION, OTHER_REGION], assume_roles=[ROLE, OTHER_ROLE])
        places, failures = both.regions()
        expected = [(account, region) for account in (ACCOUNT, OTHER_ACCOUNT) for region in (REGION, OTHER_REGION)]
        assert [(each.account_id, each.region) for each in places] == expected
        assert failures == []
        report = discover(both.lake, (places[0], places[3]), now=ONE)
        assert report.regions == ((ACCOUNT, REGION), (OTHER_ACCOUNT, OTHER_REGION))
        found = ask(both, "SELECT DISTINCT account_id, region FROM networks ORDER BY 1")
        assert found == [(ACCOUNT, REGION), (OTHER_ACCOUNT, OTHER_REGION)]
        vpcs = "SELECT count(DISTINCT vpc_id), count(DISTINCT account_id) FROM topology WHERE present"
        assert ask(both, vpcs) == [(report.networks, 2)]

    def test_a_role_that_is_denied_keeps_no_other_back(
        self, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is told of with its name and what AWS said; the other account is asked."""
        with guarded(url) as sts:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
            places, failures = app(tmp_path, assume_roles=[DENIED_ROLE, OTHER_ROLE]).regions()
        assert [(each.account_id, each.region) for each in places] == [(OTHER_ACCOUNT, REGION)]
        (failure,) = failures
        assert failure.startswith(f"AWS cannot be asked as {DENIED_ROLE}: ")
        assert "is not authorized to perform: sts:AssumeRole" in failure

    @pytest.mark.parametrize(
        ("missing", "aws", "said"),
        [
            (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), {}, "Unable to locate credentials"),
            (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), {"assume_roles": [ROLE]}, "Unable to locate credentials"),
            (("AWS_REGION",), {}, "there is no region; set AWS_REGION or [aws] regions"),
        ],
        ids=["no credentials", "no credentials to assume a role with", "no region"],
    )
    def test_who_cannot_be_asked_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], aws: Any, said: str
    ) -> None:
        """No place, and one line that says why and what to do; the lake is made all the same, and nothing is in it."""
        for name in missing:
            monkeypatch.delenv(name)
        lost = app(tmp_path, **aws)
        places, failures = lost.regions()
        assert places == []
        (failure,) = failures
        assert said in failure
        report = discover(lost.lake, places)
        assert (report.regions, report.changes, report.unlisted) == ((), {}, 0)

    def test_an_endpoint_that_is_not_there_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody answers for STS: the line names the address."""
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
        _, (failure,) = app(tmp_path).regions()
        assert "127.0.0.1:9" in failure


class guarded:  # noqa: N801  used like a function
    """STS as the emulated cloud has it, but that it refuses one role."""

    def __init__(self, url: str) -> None:
        class Gate(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if b"denied" in body:
                    status, answer = 403, DENIAL.encode()
                else:
                    request = urllib.request.Request(url, body, dict(self.headers))
                    with urllib.request.urlopen(request, timeout=10) as response:
                        status, answer = response.status, response.read()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Gate)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def denying(place: Region, *operations: str) -> Region:
    """A place where some operations are refused."""

    def make(service: str) -> Any:
        made = place.make(service)
        made.meta.events.register_first("before-call", refuse)
        return made

    def refuse(model: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        if model.name not in operations:
            return None
        return AWSResponse("", 403, {}, None), {"Error": {"Code": "UnauthorizedOperation", "Message": "No."}}

    return Region(place.account_id, place.region, make)


class TestWrongTurnings:
    """What is not answered, and who comes in between."""

    def test_what_is_denied_leaves_verdicts_open(self, story: Story, tmp_path: Path) -> None:
        """Without route tables the way of a record is unknown rather than wrong; with them it is known."""
        endpoint = story.cloud.network.workloads[0]
        logs = tmp_path / "logs"
        line = (
            f"2 {ACCOUNT} {endpoint.id} {endpoint.address} 203.0.113.9 40000 443 6 10 900"
            f" {int(ONE.timestamp())} {int(ONE.timestamp()) + 50} ACCEPT OK"
        )
        flowlogs.write(logs / "one.log.gz", line, header=flowlogs.V2)

        def paths(app: App) -> list[tuple[Any, ...]]:
            collect([(LocalSource(str(logs)), None)], app.lake, atlas=app.atlas())
            return ask(app, "SELECT path, path_evidence FROM egress")

        shutil.copytree(story.app.lake.uri, tmp_path / "known" / "lake")
        assert paths(app(tmp_path / "known")) == [("nat_gateway", "routes")]

        blind = app(tmp_path / "blind")
        (place,), _ = blind.regions()
        report = discover(blind.lake, [denying(place, "DescribeRouteTables")], now=ONE)
        assert [(g.operation, g.reason) for g in report.gaps if g.service == "ec2"] == [
            ("describe_route_tables", "denied")
        ]
        assert ask(blind, "SELECT DISTINCT list_contains(\"unknown\", 'route_tables') FROM networks") == [(True,)]
        assert paths(blind) == [("unknown", "none")]

    def test_what_cannot_be_asked_stays_as_it_was(self, story: Story, tmp_path: Path) -> None:
        """Interfaces and VPCs denied later are neither gone nor confirmed; what records name is a stranger."""
        shutil.copytree(story.app.lake.uri, tmp_path / "lake")
        later = app(tmp_path)
        flowlogs.write(tmp_path / "one.log.gz", flowlogs.egress(interface="eni-0b"))
        collect([(LocalSource(str(tmp_path / "one.log.gz")), None)], later.lake)
        (place,), _ = later.regions()
        denied = denying(place, "DescribeNetworkInterfaces", "DescribeVpcs")
        report = discover(later.lake, [denied], now=FOUR + timedelta(hours=1))
        assert report.changes == {"interfaces": 0, "workloads": 0, "topology": 0, "gaps": 2}
        assert (report.interfaces, report.networks, report.unlisted) == ({}, 0, 1)
        assert history.looked_at(later.lake, ACCOUNT, REGION) == FOUR
        known = history.past(later.lake, ACCOUNT, REGION).interfaces
        assert len([each for each in known if each.status != SEEN_IN_LOGS]) == 18
        query = "SELECT interface_id, owner FROM interfaces WHERE status = '{}'"
        assert ask(later, query.format(SEEN_IN_LOGS)) == [("eni-0b", Owner.UNKNOWN)]

    def test_a_stop_ends_it(self, tmp_path: Path) -> None:
        """What was looked at before is kept; nothing more is asked."""
        stop = Event()
        stop.set()
        stopped = app(tmp_path)
        places, _ = stopped.regions()
        with pytest.raises(Stopped):
            discover(stopped.lake, places, stop=stop)
        assert history.looked_at(stopped.lake, ACCOUNT, REGION) is None

    @pytest.mark.parametrize("times", [1, TRIES])
    def test_another_process_may_be_faster(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        """What was found is compared anew, but not for ever."""
        left, commit = iter(range(times)), Log.commit

        def overtaken(log: Log, *args: Any) -> None:
            if next(left, None) is not None:
                raise LakeConflict("another process wrote")
            commit(log, *args)

        monkeypatch.setattr(Log, "commit", overtaken)
        hurried = app(tmp_path)
        run: Callable[[], DiscoverReport] = lambda: discover(hurried.lake, [])  # noqa: E731  one call, two endings
        if times == TRIES:
            with pytest.raises(LakeConflict):
                run()
        else:
            assert run().unlisted == 0
