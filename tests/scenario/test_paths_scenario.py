"""The whole road over the scenario: what AWS is asked, what is collected, and each verdict held against the truth."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowaudit import sql
from flowaudit.app import App
from flowaudit.collect import Workers, collect
from flowaudit.config import Config
from flowaudit.discover import discover
from flowaudit.sources.local import LocalSource
from tests.scenario.cloud import WORKLOADS, Cloud, build, serving
from tests.scenario.flows import FORMATS, LOOKS, UNSURE, Flow, Traffic, traffic, write

_BY_ROUTES = ("routes", "routes_assumed", "unknown")
_BY_CODE = ("traffic_path", "traffic_path", "traffic_path")
_BY_HOP = ("next_hop", "next_hop", "next_hop")
_BY_ADDRESS = ("destination", "destination", "destination")
_BOTH = ("traffic_path+routes", "routes_assumed", "vpc_resource")
_EITHER = ("traffic_path traffic_path+routes", "traffic_path routes_assumed", "traffic_path")
V2 = {
    "same_vpc": _BY_ROUTES,
    "interface_endpoint": _BY_ADDRESS,
    "gateway_endpoint": _BY_ROUTES,
    "nat_gateway": _BY_ROUTES,
    "nat_gateway, regional": _BY_ROUTES,
    "internet_gateway": _BY_ROUTES,
    "internet_gateway, IPv6": _BY_ROUTES,
    "internet_gateway, code 2": _BY_ROUTES,
    "internet_gateway, code 2 to S3": _BY_ROUTES,
    "egress_only_internet_gateway": _BY_ROUTES,
    "vpc_peering": _BY_ROUTES,
    "middlebox": _BY_ROUTES,
    "blackhole": _BY_ROUTES,
}
V3 = V2 | {"nat_gateway": ("routes nat_record", "nat_record routes_assumed", "nat_record unknown")}
V5 = V2 | {
    "same_vpc": ("traffic_path+routes routes", "routes_assumed", "unknown"),
    "gateway_endpoint": _BY_CODE,
    "nat_gateway": ("traffic_path+routes nat_record", "nat_record routes_assumed", "nat_record vpc_resource"),
    "nat_gateway, regional": _BOTH,
    "internet_gateway": _BY_CODE,
    "internet_gateway, IPv6": _EITHER,
    "internet_gateway, code 2": _EITHER,
    "internet_gateway, code 2 to S3": _BOTH,
    "egress_only_internet_gateway": ("traffic_path+routes routes", "routes_assumed", "unknown"),
    "vpc_peering": _BY_CODE,
    "middlebox": _BOTH,
}
V11 = V5 | {
    "same_vpc": ("next_hop traffic_path+routes routes", "next_hop routes_assumed", "next_hop"),
    "interface_endpoint": _BY_HOP,
    "nat_gateway": _BY_HOP,
    "nat_gateway, regional": _BY_HOP,
    "middlebox": _BY_HOP,
}
DECIDABLE = {"v2": V2, "v3": V3, "v5": V5, "v11": V11}
"""What each format lets be known of each truth: the evidence (words: any of these) where the routes are known, before
anybody had looked, and where they moved unnoticed. The path is the truth; but `unknown` is a path that has no evidence,
and `vpc_resource` what code 1 says by itself."""

NAT_OR_LIKE_IT = frozenset(("nat_gateway", "middlebox", "same_vpc", "interface_endpoint"))
"""Truths of which `vpc_resource` is a part: something in the VPC received it."""
BARE = {"unknown": ("unknown", "none"), "vpc_resource": ("vpc_resource", "traffic_path")}


def expected(flow: Flow, format: str) -> set[tuple[str, str]]:
    """Return the verdicts (path, evidence) that a flow's record may come to."""
    looked, before, unsure = DECIDABLE[format][flow.case]
    words = (
        before if flow.time == "before any look" else unsure if flow.routes_moved and flow.time in UNSURE else looked
    )
    return {BARE.get(word, (flow.truth, word)) for word in words.split()}


# --- the wiring ---


@dataclass(frozen=True, slots=True)
class Seen:
    """A cloud that was looked at four times, into a lake that holds no flows yet."""

    cloud: Cloud
    traffic: Traffic
    lake: Path

    def road(self, folder: Path, *flow_logs: str, halves: bool = False) -> App:
        """Collect the objects of some flow logs into a copy of the lake; `halves`: the subnet's is cut finer."""
        shutil.copytree(self.lake, folder / "lake")
        for name in flow_logs:
            flow_log = self.cloud.flow_logs[name]
            if name == "subnet":
                write(folder / "logs", self.traffic.of(self.cloud.subnets["a"], halves=halves), "v2", flow_log)
            else:
                write(folder / "logs", self.traffic, name, flow_log)
        app = _app(folder / "lake")
        report = collect([(LocalSource(str(folder / "logs")), None)], app.lake, Workers(count=2), app.atlas())
        assert (report.failed, report.skipped, report.quarantined) == (0, 0, 0), report.problems
        return app


def _app(lake: Path) -> App:
    return App(Config.model_validate({"lake": {"uri": str(lake)}}))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Look at the cloud twice, change its routes, and look twice again."""
    with serving() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in {"ENDPOINT_URL": url, "REGION": "us-east-1", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        patch.setattr(
            "flowaudit.app.aws.ASKING_ATTEMPTS", 1
        )  # moto fails at what it has not got, and trying again takes time
        cloud, lake = build(url), tmp_path_factory.mktemp("looked") / "lake"
        app = _app(lake)
        for number, moment in enumerate(LOOKS):
            if number == len(LOOKS) // 2:
                cloud.change_routes()
            discover(app.lake, app.regions()[0], app.rules, now=moment)
        yield Seen(cloud, traffic(cloud), lake)


# --- the verdicts ---

EGRESS = "SELECT interface_id, srcport, dstport, bytes, path, path_evidence, remote_scope FROM egress"


def confusion(rows: Iterable[tuple[str, str]]) -> str:
    """Render pairs of truth and path as a table of counts: a line for each truth, a column for each path."""
    counts = Counter(rows)
    truths, paths = sorted({truth for truth, _ in counts}), sorted({path for _, path in counts})
    wide = max(len(truth) for truth in ["truth", *truths])
    lines = [" ".join([f"{'truth':{wide}}", *paths])]
    for truth in truths:
        cells = (f"{counts[truth, path] or '.':>{len(path)}}" for path in paths)
        lines.append(" ".join([f"{truth:{wide}}", *cells]))
    return "\n".join(lines)


Judged = tuple[str, Seen, App]


@pytest.fixture(scope="module", params=FORMATS)
def judged(request: pytest.FixtureRequest, seen: Seen, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Return a format, what was seen, and the lake that the format's objects came to."""
    return request.param, seen, seen.road(tmp_path_factory.mktemp(request.param), request.param)


def _rows(app: App, query: str) -> list[dict[str, Any]]:
    with sql.connect(app.lake, views=app.catalogue.views) as connection:
        return connection.query(query).to_pylist()


def _matched(seen: Seen, rows: Iterable[dict[str, Any]]) -> list[tuple[Flow, dict[str, Any]]]:
    """Pair rows of `egress` with the flows that they tell of; that there are no others is a test of its own."""
    flows = {flow.key: flow for flow in seen.traffic.flows}
    keyed = (((row["interface_id"], row["srcport"], row["dstport"]), row) for row in rows)
    return [(flows[key], row) for key, row in keyed if key in flows]


def test_the_confusion_table_has_a_line_for_each_truth_and_a_column_for_each_path() -> None:
    """Counts stand below their path's name; what did not happen is a dot."""
    rows = [("same_vpc", "same_vpc"), ("nat_gateway", "unknown"), ("nat_gateway", "unknown")]
    assert confusion(rows).splitlines() == [
        "truth       same_vpc unknown",
        "nat_gateway        .       2",
        "same_vpc           1       .",
    ]


def test_each_flow_is_decided_as_far_as_its_format_allows(judged: Judged) -> None:
    """Path and evidence are those of `DECIDABLE`, record by record."""
    format, seen, app = judged
    pairs = _matched(seen, _rows(app, EGRESS))
    print(f"\n{format}\n{confusion((flow.case, row['path']) for flow, row in pairs)}")
    others = Counter(
        (flow.case, flow.time, row["path"], row["path_evidence"])
        for flow, row in pairs
        if (row["path"], row["path_evidence"]) not in expected(flow, format)
    )
    assert not others


def test_no_decided_path_is_wrong(judged: Judged) -> None:
    """A path is the truth, or less than the truth; whatever is claimed has evidence, most of all a NAT gateway."""
    _, seen, app = judged
    for flow, row in _matched(seen, _rows(app, EGRESS)):
        less = row["path"] == "unknown" or (row["path"] == "vpc_resource" and flow.truth in NAT_OR_LIKE_IT)
        assert less or row["path"] == flow.truth, (flow, row)
        assert (row["path_evidence"] == "none") == (row["path"] == "unknown"), (flow, row)


def test_egress_is_what_workloads_sent_and_nothing_else(judged: Judged) -> None:
    """What NAT gateways, the appliance and the endpoint recorded of the same bytes is not in it; each flow is, once."""
    _, seen, app = judged
    rows = _rows(app, EGRESS)
    names = {interface.id: name for name, interface in seen.cloud.interfaces.items()}
    assert {names.get(row["interface_id"], "no interface") for row in rows} == WORKLOADS.keys()
    sent = Counter((row["interface_id"], row["srcport"], row["dstport"], row["bytes"]) for row in rows)
    assert sent == Counter((*flow.key, flow.bytes) for flow in seen.traffic.flows)


def test_every_record_of_a_workload_is_in_flows_with_its_direction(judged: Judged) -> None:
    """Also where the format has no word for it: then its own addresses tell, and answers have no path."""
    _, seen, app = judged
    own = {seen.cloud.interfaces[name].id for name in WORKLOADS}
    written = Counter(
        (record["interface-id"], int(record["srcport"]), int(record["dstport"]), record["flow-direction"])
        for records in seen.traffic.records.values()
        for record in records
        if record["interface-id"] in own
    )
    rows = _rows(app, "SELECT interface_id, srcport, dstport, direction, path FROM flows")
    kept = [row for row in rows if row["interface_id"] in own]
    assert Counter((row["interface_id"], row["srcport"], row["dstport"], row["direction"]) for row in kept) == written
    assert {row["path"] for row in kept if row["direction"] == "ingress"} == {None}


def test_the_vpcs_own_addresses_are_known_as_such(judged: Judged) -> None:
    """Those of its second range and its public-looking IPv6 ones are `vpc`; a peer's and the internet's are not."""
    _, seen, app = judged
    for flow, row in _matched(seen, _rows(app, EGRESS)):
        inside = flow.truth in ("same_vpc", "interface_endpoint")
        assert (row["remote_scope"] == "vpc") == inside, (flow, row)


@pytest.mark.parametrize("halves", [False, True], ids=["same intervals", "shorter intervals"])
def test_two_flow_logs_of_one_interface_count_its_bytes_once(halves: bool, seen: Seen, tmp_path: Path) -> None:
    """Subnet a is recorded for the VPC in v5 and by itself in v2: `egress` has each of its bytes as often as once."""
    app = seen.road(tmp_path, "v5", "subnet", halves=halves)
    pairs = _matched(seen, _rows(app, EGRESS))
    sent: Counter[Flow] = Counter()
    for flow, row in pairs:
        sent[flow] += row["bytes"]
        assert (row["path"], row["path_evidence"]) in expected(flow, "v5") | expected(flow, "v2"), (flow, row)
    assert {flow: (sent[flow], flow.bytes) for flow in seen.traffic.flows if sent[flow] != flow.bytes} == {}
