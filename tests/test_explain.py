"""An explanation follows the evidence, from the record to what would put it right."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from flowaudit.cli.output import plain
from flowaudit.errors import ConfigError
from flowaudit.explain import Explanation, about, words
from flowaudit.explain.network import _match
from flowaudit.explain.remedy import RECOMMENDED, _destination, command
from flowaudit.findings import Finding
from flowaudit.model import Window
from flowaudit.paths import RULES, Chart
from flowaudit.topology import Endpoint, Network, Owner, Route, Snapshot
from tests.explained import (
    ADDRESS,
    ADDRESS_6,
    FULL_LOG,
    GATEWAY,
    JOB,
    NAT,
    NOON,
    POOR_LOG,
    S3_ADDRESS,
    S3_ELSEWHERE,
    S3_UNLISTED,
    TABLE,
    VPC,
    Scene,
    interface,
    network,
    record,
    to,
)
from tests.flowlogs import V2

EC2 = botocore.session.get_session().get_service_model("ec2")
EVERY_COMMAND = ("region", "query", "output")
TO_S3 = to("vpce-0s3", "pl-0s3")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return an empty scene."""
    return Scene(tmp_path)


def commands(answer: Explanation) -> list[str]:
    """Return all commands of an explanation, each of which the AWS CLI would take."""
    found = [each for remedy in answer.remedies for each in remedy.commands]
    for each in found:
        if each != "flowaudit discover":
            check(each)
    return found


def check(line: str) -> None:
    """Assert that a command is an operation of EC2 with options of it, the required ones among them."""
    words = shlex.split(line)
    assert words[:2] == ["aws", "ec2"]
    operations = {xform_name(name, "-"): name for name in EC2.operation_names}
    shape = EC2.operation_model(operations[words[2]]).input_shape
    options = {word.removeprefix("--") for word in words[3:] if word.startswith("--")}
    assert options - set(EVERY_COMMAND) <= {xform_name(name, "-") for name in shape.members}
    assert {xform_name(name, "-") for name in shape.required_members} <= options
    for word in words:
        if word.startswith("$("):
            check(word.removeprefix("$(").removesuffix(")"))


# --- one case for each path -------------------------------------------------------------------------------------------

DEFAULT_6 = "::/0"
REPLACE = (
    f"aws ec2 replace-route --route-table-id {TABLE} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id nat-0a "
    "--region us-east-1"
)
CREATE = (
    f"aws ec2 create-vpc-endpoint --vpc-id {VPC} --service-name com.amazonaws.us-east-1.s3 --vpc-endpoint-type Gateway "
    f"--route-table-ids {TABLE} --region us-east-1"
)
CASES: dict[str, tuple[Network, dict[str, Any], tuple[str, str, str], list[str]]] = {
    "internet gateway, with a NAT gateway to go to": (
        network(to("igw-0a"), gateways=(NAT,)),
        {"traffic_path": 8},
        ("internet_gateway", "traffic_path", "traffic_path"),
        [REPLACE],
    ),
    "internet gateway, without": (
        network(to("igw-0a"), gateways=(replace(NAT, connectivity="private"),)),
        {"traffic_path": 8},
        ("internet_gateway", "traffic_path", "traffic_path"),
        [f"aws ec2 delete-route --route-table-id {TABLE} --destination-cidr-block 0.0.0.0/0 --region us-east-1"],
    ),
    "internet gateway, by code 2 and the route": (
        network(to("igw-0a")),
        {"traffic_path": 2, "pkt_dst_aws_service": "AMAZON"},
        ("internet_gateway", "traffic_path+routes", "gateway_or_endpoint"),
        [f"aws ec2 delete-route --route-table-id {TABLE} --destination-cidr-block 0.0.0.0/0 --region us-east-1"],
    ),
    "internet gateway, by code 2 and the service": (
        network(to("tgw-0a")),
        {"traffic_path": 2, "pkt_dst_aws_service": "EC2"},
        ("internet_gateway", "traffic_path", "service"),
        ["flowaudit discover"],
    ),
    "egress-only internet gateway": (
        network(to("eigw-0a", DEFAULT_6)),
        {"traffic_path": 8, "srcaddr": "2001:db8::5", "dstaddr": ADDRESS_6},
        ("egress_only_internet_gateway", "traffic_path+routes", "egress_only_route"),
        [f"aws ec2 delete-route --route-table-id {TABLE} --destination-ipv6-cidr-block ::/0 --region us-east-1"],
    ),
    "internet gateway, IPv6": (
        network(to("igw-0a", DEFAULT_6), gateways=(NAT,)),
        {"traffic_path": 8, "srcaddr": "2001:db8::5", "dstaddr": ADDRESS_6},
        ("internet_gateway", "traffic_path", "traffic_path"),
        [f"aws ec2 delete-route --route-table-id {TABLE} --destination-ipv6-cidr-block ::/0 --region us-east-1"],
    ),
    "S3 over the NAT gateway beside an endpoint": (
        network(to("nat-0a"), endpoints=(GATEWAY,), gateways=(NAT,)),
        {"dstaddr": S3_ADDRESS, "traffic_path": 1, "next_hop_interface_type": "nat_gateway"},
        ("nat_gateway", "next_hop", "next_hop_type"),
        [f"aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-0s3 --add-route-table-ids {TABLE} --region us-east-1"],
    ),
    "S3 over the NAT gateway without an endpoint": (
        network(to("nat-0a"), gateways=(NAT,)),
        {"dstaddr": S3_ADDRESS, "traffic_path": 1},
        ("nat_gateway", "traffic_path+routes", "within_vpc"),
        [CREATE],
    ),
    "S3 over the gateway endpoint": (
        network(to("nat-0a"), TO_S3, endpoints=(replace(GATEWAY, route_table_ids=(TABLE,)),)),
        {"dstaddr": S3_ADDRESS, "traffic_path": 7},
        ("gateway_endpoint", "traffic_path", "traffic_path"),
        [],
    ),
    "interface endpoint": (
        network(
            endpoints=(Endpoint(endpoint_id="vpce-0i", type="Interface", service="api", addresses=("10.0.0.77",)),)
        ),
        {"dstaddr": "10.0.0.77"},
        ("interface_endpoint", "destination", "endpoint_address"),
        [],
    ),
    "NAT gateway, by the routes": (network(to("nat-0a")), {}, ("nat_gateway", "routes", "routes"), []),
    "same VPC": (network(), {"dstaddr": "10.0.0.88"}, ("same_vpc", "routes", "routes"), []),
    "appliance": (
        network(to("eni-0fw")),
        {"traffic_path": 1},
        ("middlebox", "traffic_path+routes", "within_vpc"),
        [f"aws ec2 describe-route-tables --route-table-ids {TABLE} --region us-east-1"],
    ),
    "peering": (
        network(to("pcx-0a", "203.0.0.0/8"), to("nat-0a")),
        {"traffic_path": 4},
        ("vpc_peering", "traffic_path", "traffic_path"),
        [f"aws ec2 describe-route-tables --route-table-ids {TABLE} --region us-east-1"],
    ),
    "transit gateway": (
        network(to("tgw-0a")),
        {"next_hop_interface_type": "transit_gateway"},
        ("transit_gateway", "next_hop", "next_hop_type"),
        [f"aws ec2 describe-route-tables --route-table-ids {TABLE} --region us-east-1"],
    ),
    "a dead route": (
        network(to("nat-0x", state="blackhole"), to("igw-0a", "203.0.0.0/8", state="blackhole")),
        {},
        ("blackhole", "routes", "routes"),
        [f"aws ec2 delete-route --route-table-id {TABLE} --destination-cidr-block 203.0.0.0/8 --region us-east-1"],
    ),
    "no route": (network(), {}, ("blackhole", "routes", "routes"), []),
    "some interface": (
        network(to("pcx-0a"), flow_logs=(FULL_LOG,)),
        {"traffic_path": 1},
        ("vpc_resource", "traffic_path", "some_interface"),
        [],
    ),
    "the VPN's gateway": (
        network(to("vgw-0a", origin="EnableVgwRoutePropagation")),
        {"traffic_path": 3},
        ("virtual_private_gateway", "traffic_path", "traffic_path"),
        [f"aws ec2 describe-route-tables --route-table-ids {TABLE} --region us-east-1"],
    ),
    "a Local Zone": (
        network(to("cagw-0a")),
        {"traffic_path": 6},
        ("local_zone", "traffic_path", "traffic_path"),
        [f"aws ec2 describe-route-tables --route-table-ids {TABLE} --region us-east-1"],
    ),
    "a next hop that is no managed one": (
        network(to("pcx-0a")),
        {"traffic_path": 1, "next_hop_interface_id": "eni-0x"},
        ("middlebox", "next_hop", "next_hop"),
        ["flowaudit discover"],
    ),
    "a Gateway Load Balancer's endpoint": (
        network(to("pcx-0a"), flow_logs=(FULL_LOG,)),
        {"traffic_path": 1, "next_hop_interface_id": "eni-0x", "next_hop_interface_type": "vpc_endpoint"},
        ("middlebox", "next_hop", "next_hop_type"),
        ["flowaudit discover"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_way_is_explained(name: str, scene: Scene) -> None:
    """Each way has its evidence, the rule that decided it, and the command that would close it, if it is amiss."""
    known, fields, expected, wanted = CASES[name]
    scene.look(known)
    scene.collect(record(**fields))
    answer = scene.explain(fields.get("dstaddr", ADDRESS))
    verdict = answer.verdict

    assert (verdict.path, verdict.evidence, verdict.rule) == expected
    assert not verdict.differs
    assert commands(answer) == wanted
    assert set(plain(asdict(answer))) == SHAPE
    assert json.loads(json.dumps(plain(asdict(answer)))) == plain(asdict(answer))


SHAPE = {
    "interface_id", "remote", "at", "finding", "title", "records", "interface", "routing", "destination", "verdict",
    "remedies", "others",
}  # fmt: skip


def test_every_rule_has_a_name_of_its_own() -> None:
    """An explanation can say which rule decided."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.sentence.endswith(".") for rule in RULES)


# --- what was recorded ------------------------------------------------------------------------------------------------


def test_records_are_summed_and_the_newest_tells(scene: Scene) -> None:
    """Count, bytes, time, actions and ports are of all records, fields and provenance of the newest."""
    scene.look(network(to("igw-0a")))
    scene.collect(
        record(traffic_path=8, dstport=80),
        record(3, traffic_path=8, action="REJECT", bytes=40),
        record(9, dstaddr="192.0.2.1"),
    )
    records = scene.explain().records
    assert records is not None
    assert (records.count, records.bytes, records.accepted, records.rejected) == (2, 1040, 1, 1)
    assert (records.first, records.last) == (NOON, NOON + timedelta(minutes=3, seconds=50))
    assert records.remote_ports == (80, 443)
    assert (records.flow_log_id, records.start) == ("fl-0a", NOON + timedelta(minutes=3))
    assert records.fields["traffic-path"] == 8
    assert (records.direction, records.direction_by) == ("egress", "flow_direction")


@pytest.mark.parametrize(
    ("fields", "direction", "by"),
    [
        ({}, "egress", "own_address"),
        ({"interface_id": "eni-0b"}, "egress", "scopes"),
        ({"interface_id": "eni-0b", "srcaddr": "192.0.2.1"}, None, "nothing"),
        ({"srcaddr": ADDRESS, "dstaddr": "10.0.0.5"}, "ingress", "own_address"),
    ],
)
def test_what_tells_the_direction_is_told(fields: dict[str, Any], direction: str | None, by: str, scene: Scene) -> None:
    """Without flow-direction the addresses tell, or nothing does; ingress has no path, the undirected no remedy."""
    scene.look(network(to("igw-0a")))
    scene.collect(record(header=V2, **fields), header=V2)
    answer = scene.explain(interface_id=fields.get("interface_id", "eni-0a"))
    assert answer.records is not None
    assert (answer.records.direction, answer.records.direction_by) == (direction, by)
    assert (direction == "ingress") == (answer.verdict.path is None)


def test_overlapping_flow_logs_count_once(scene: Scene) -> None:
    """Two flow logs of the same traffic: the richer one counts and tells, the other is told of."""
    scene.look(network(to("igw-0a")))
    scene.collect(record(traffic_path=8), record(1, traffic_path=8))
    scene.collect(record(header=V2), header=V2, flow_log="fl-0z")
    records = scene.explain().records
    assert records is not None
    assert (records.count, records.bytes, records.elsewhere, records.flow_log_id) == (2, 2000, 1, "fl-0a")


def test_a_day_is_summed(scene: Scene) -> None:
    """Of a conversation that has gone on for longer, the day up to its newest record counts."""
    scene.look(network(to("igw-0a")))
    scene.collect(*(record(hour * 60, traffic_path=8) for hour in (0, 20, 40)))
    records = scene.explain().records
    assert records is not None
    assert (records.count, records.first) == (2, NOON + timedelta(hours=20))


def test_a_time_chooses_the_record(scene: Scene) -> None:
    """The record nearest to the time tells; beyond an hour from all there is none, only what the network would do."""
    scene.look(network(to("igw-0a")))
    scene.collect(record(traffic_path=8), record(40, traffic_path=7))
    paths = [scene.explain(at=NOON + timedelta(minutes=minute)).verdict.path for minute in (1, 35, 300)]
    assert paths == ["internet_gateway", "gateway_endpoint", "internet_gateway"]
    assert scene.explain(at=NOON + timedelta(minutes=300)).records is None


def test_a_nat_gateways_own_record_proves(scene: Scene) -> None:
    """What the workload's record leaves open, the NAT gateway's record of the same conversation decides."""
    scene.collect(record(header=V2), header=V2)
    passed: dict[str, Any] = {"interface_id": "eni-0n", "interface_type": "nat_gateway", "dstaddr": "10.0.1.9"}
    scene.collect(record(**passed | {"pkt_dstaddr": ADDRESS, "flow_direction": "ingress"}), flow_log="fl-0d")
    verdict = scene.explain().verdict
    assert (verdict.path, verdict.evidence, verdict.rule) == ("nat_gateway", "nat_record", "nat_record")
    assert (verdict.recorded_path, verdict.now_path) == ("unknown", "unknown")
    assert verdict.nat_record is not None
    assert (verdict.nat_record.recorder, verdict.nat_record.flow_log_id) == ("eni-0n", "fl-0d")


def test_records_of_what_passes_traffic_on_have_no_remedy(scene: Scene) -> None:
    """A NAT gateway's way out is no workload's leak."""
    scene.look(network(to("igw-0a")), interface(owner=Owner.NAT_GATEWAY), interface("eni-0b"))
    scene.collect(record(traffic_path=8, interface_type="nat_gateway"))
    answer = scene.explain()
    assert answer.records is not None
    assert (answer.records.vantage, answer.remedies) == ("nat_gateway", ())


# --- whose, and which route -------------------------------------------------------------------------------------------


def test_the_workload_is_named_with_its_evidence(scene: Scene) -> None:
    """The interface's owner and workload, how they are known, and how surely."""
    scene.look(network(to("nat-0a")))
    whose = scene.explain().interface
    assert whose is not None
    assert (whose.owner, whose.workload_kind, whose.workload_arn) == ("sagemaker", "training_job", JOB)
    assert (whose.attribution, whose.confidence) == ("security_groups", 0.8)
    assert (whose.is_of_then, whose.is_past) == (True, False)


def test_a_description_that_is_the_evidence_is_told_once(scene: Scene) -> None:
    """Words that `owner` rests on need not be said again."""
    scene.look(network(to("nat-0a")), interface(description="ENI of notebook", evidence="it says 'ENI of notebook'"))
    told_of = [sentence for _, sentences in words.sections(scene.explain()) for sentence in sentences]
    assert [each for each in told_of if "ENI of notebook" in each] == ["Owner sagemaker: it says 'ENI of notebook'."]


def test_where_several_workloads_fit_all_are_named(scene: Scene) -> None:
    """An ambiguous interface has candidates and no workload."""
    none: dict[str, Any] = {
        "workload": None,
        "workload_arn": None,
        "workload_kind": None,
        "attribution": "none",
        "confidence": 0.0,
    }
    scene.look(network(to("nat-0a")), interface(**none, candidates=(JOB, f"{JOB}-2")))
    whose = scene.explain().interface
    assert whose is not None
    assert (whose.workload, whose.candidates) == (None, (JOB, f"{JOB}-2"))


def test_an_interface_that_is_gone_has_no_public_address_to_take(scene: Scene) -> None:
    """What has been deleted since needs no disassociation."""
    scene.look(network(to("igw-0a")), interface(public_addresses=("192.0.2.4",)))
    scene.collect(record(traffic_path=8))
    scene.look(network(to("igw-0a")), interface("eni-0c"), minute=30)
    answer = scene.explain()
    assert answer.interface is not None
    assert answer.interface.is_past
    assert [command.split()[2] for command in commands(answer)] == ["delete-route"]


def test_a_public_address_is_to_be_taken_away(scene: Scene) -> None:
    """The Elastic IP's association is looked up by the command itself."""
    scene.look(network(to("igw-0a")), interface(public_addresses=("192.0.2.4",)))
    scene.collect(record(traffic_path=8))
    assert commands(scene.explain())[0] == (
        'aws ec2 disassociate-address --association-id "$(aws ec2 describe-addresses --public-ips 192.0.2.4 --region '
        "us-east-1 --query 'Addresses[0].AssociationId' --output text)\" --region us-east-1"
    )


def test_the_runner_up_is_told(scene: Scene) -> None:
    """The matching route comes first, then those for the address that are less specific."""
    scene.look(network(to("nat-0a"), TO_S3, to("pcx-0a", "198.51.0.0/16"), main=True))
    (look,) = scene.explain(S3_ADDRESS).routing.looks
    assert (look.route_table_id, look.explicit) == (TABLE, False)
    assert [(each.destination, each.name, each.prefix, each.way) for each in look.routes] == [
        ("pl-0s3", "com.amazonaws.us-east-1.s3", "198.51.100.0/24", "gateway_endpoint"),
        ("198.51.0.0/16", None, "198.51.0.0/16", "vpc_peering"),
        ("0.0.0.0/0", None, "0.0.0.0/0", "nat_gateway"),
    ]


@pytest.mark.parametrize(
    ("minute", "standing", "path", "looks"),
    [
        (-300, "assumed", "nat_gateway", 1),
        (0, "observed", "nat_gateway", 1),
        (5, "between", "unknown", 2),
        (20, "observed", "internet_gateway", 1),
        (300, "assumed", "internet_gateway", 1),
    ],
)
def test_the_routes_are_those_of_then(minute: int, standing: str, path: str, looks: int, scene: Scene) -> None:
    """Before the first look and long after the last one they are assumed; between two that differ nothing is known."""
    scene.look(network(to("nat-0a")))
    scene.look(network(to("igw-0a")), minute=10)
    answer = scene.explain(at=NOON + timedelta(minutes=minute, seconds=1 if minute == 0 else 0) - timedelta(seconds=1))
    assert (answer.routing.standing, answer.verdict.path, len(answer.routing.looks)) == (standing, path, looks)
    assert answer.routing.agree == (path != "unknown")


def test_two_looks_may_agree(scene: Scene) -> None:
    """Where something else changed between two looks, the way is known all the same."""
    scene.look(network(to("nat-0a")))
    scene.look(network(to("nat-0a"), dns_support=True), minute=10)
    answer = scene.explain(at=NOON + timedelta(minutes=5))
    assert (answer.routing.standing, answer.routing.agree, answer.verdict.path) == ("between", True, "nat_gateway")


def test_what_was_never_discovered_is_to_be_discovered(scene: Scene) -> None:
    """Without an inventory nothing is made up: the remedy is to look, and to record more in the VPC that is named."""
    scene.collect(record())
    answer = scene.explain()
    assert (answer.interface, answer.routing.standing, answer.verdict.path) == (None, "never_discovered", "unknown")
    assert answer.destination.prefix_lists is None
    first, second = commands(answer)
    assert (first, second.split()[2]) == ("flowaudit discover", "create-flow-logs")
    assert f"--resource-ids {VPC} " in second


def test_routes_that_could_not_be_asked_are_not_known(scene: Scene) -> None:
    """A gap in the inventory is told of, and no route is invented."""
    scene.look(network(route_tables=(), unknown=("route_tables",)))
    (look,) = scene.explain().routing.looks
    assert (look.is_known, look.way, look.routes) == (False, None, ())


def test_a_prefix_list_without_entries_blurs(scene: Scene) -> None:
    """A route for a prefix list whose entries are not known may be the one: no way is named."""
    scene.look(network(to("igw-0a"), to("tgw-0a", "pl-0x")))
    answer = scene.explain()
    assert (answer.routing.looks[0].is_blurred, answer.verdict.path) == (True, "unknown")


def test_what_is_learned_later_is_told_beside_what_was_recorded(scene: Scene) -> None:
    """The recorded verdict stands; what would be said now, and by which rule, stands beside it."""
    scene.collect(record(header=V2), header=V2)
    scene.look(network(to("igw-0a")), minute=2)
    verdict = scene.explain().verdict
    assert (verdict.path, verdict.recorded_path, verdict.recorded_evidence) == ("unknown", "unknown", "none")
    assert (verdict.now_path, verdict.now_evidence, verdict.rule) == ("internet_gateway", "routes_assumed", "routes")
    assert verdict.differs


# --- which service, which endpoint ------------------------------------------------------------------------------------


def test_endpoint_and_prefix_list_are_considered(scene: Scene) -> None:
    """Which list has the address, which endpoint the VPC has, and whether the subnet's table leads to it."""
    scene.look(network(to("nat-0a"), endpoints=(GATEWAY,)))
    destination = scene.explain(S3_ADDRESS).destination
    assert (destination.service, destination.service_by, destination.region) == ("S3", "prefix_list", "us-east-1")
    assert [each.prefix_list_id for each in destination.prefix_lists or ()] == ["pl-0s3"]
    (endpoint,) = destination.gateway_endpoints or ()
    assert (endpoint.endpoint_id, endpoint.associated) == ("vpce-0s3", False)


def test_another_regions_s3_has_no_endpoint_here(scene: Scene) -> None:
    """A gateway endpoint serves its own region only: no command is offered that would not help."""
    scene.look(network(to("nat-0a"), endpoints=(GATEWAY,)))
    scene.collect(record(dstaddr=S3_ELSEWHERE, traffic_path=1, next_hop_interface_type="nat_gateway"))
    answer = scene.explain(S3_ELSEWHERE)
    assert (answer.destination.region, answer.destination.service_by) == ("eu-west-1", "ranges")
    assert commands(answer) == []
    assert "serves its own region only (us-east-1)" in answer.remedies[0].what


def test_an_address_that_the_list_lacks_is_not_the_routes_fault(scene: Scene) -> None:
    """Where the table leads to the endpoint already, another association would change nothing."""
    scene.look(network(to("nat-0a"), TO_S3, endpoints=(replace(GATEWAY, route_table_ids=(TABLE,)),)))
    answer = scene.explain(S3_UNLISTED)
    assert (answer.verdict.path, commands(answer)) == ("nat_gateway", [])
    assert f"whose prefix list does not have {S3_UNLISTED}" in answer.remedies[0].what


def test_what_was_put_right_since_needs_no_remedy(scene: Scene) -> None:
    """A verdict is about then, a remedy about now."""
    scene.look(network(to("nat-0a"), endpoints=(GATEWAY,)))
    scene.collect(record(dstaddr=S3_ADDRESS, traffic_path=1))
    mended = network(to("nat-0a"), TO_S3, endpoints=(replace(GATEWAY, route_table_ids=(TABLE,)),))
    scene.look(mended, minute=60)
    answer = scene.explain(S3_ADDRESS)
    assert (answer.verdict.path, commands(answer)) == ("nat_gateway", [])
    assert answer.remedies[0].what.endswith("leads to vpce-0s3 (gateway_endpoint): nothing is left to do for S3.")


# --- what to do -------------------------------------------------------------------------------------------------------


def test_a_new_route_to_an_endpoint_comes_with_its_warning(scene: Scene) -> None:
    """Open connections are dropped, and other subnets of the table are reached too."""
    base = network(to("nat-0a"), endpoints=(GATEWAY,))
    shared = replace(base, subnets=(*base.subnets, replace(base.subnets[0], subnet_id="subnet-0c")))
    scene.look(shared)
    scene.collect(record(dstaddr=S3_ADDRESS, traffic_path=1))
    dropped, others = scene.explain(S3_ADDRESS).remedies[0].warnings
    assert "Open connections to S3" in dropped
    assert others == f"{TABLE} is also the route table of subnet-0c."


def test_a_nat_gateways_own_route_is_left_alone(scene: Scene) -> None:
    """Where the workload shares the NAT gateway's subnet, replacing the route would cut off everybody."""
    scene.look(network(to("igw-0a"), gateways=(replace(NAT, subnet_id="subnet-0a"),)))
    scene.collect(record(traffic_path=8))
    answer = scene.explain()
    assert [command.split()[2] for command in commands(answer)] == ["describe-route-tables"]
    assert "Move the workload to a private subnet" in answer.remedies[0].what


def test_a_dead_routes_successor_is_told(scene: Scene) -> None:
    """Who deletes a dead route should know where the traffic goes then."""
    scene.look(network(to("igw-0a"), to("pcx-0a", "203.0.0.0/8", state="blackhole")))
    scene.collect(record())
    (remedy,) = scene.explain().remedies
    assert remedy.warnings == ("Once it is deleted, this traffic goes to igw-0a, by the route for 0.0.0.0/0.",)


@pytest.mark.parametrize(
    ("logs", "bucket"), [((), "arn:aws:s3:::BUCKET/PREFIX/"), ((POOR_LOG,), "arn:aws:s3:::flow-logs/all/")]
)
def test_an_undecided_way_asks_for_a_better_flow_log(logs: tuple[Any, ...], bucket: str, scene: Scene) -> None:
    """The command is ready: for this VPC, with the recommended format, to where its flow logs go already."""
    scene.look(network(to("vpce-0x"), flow_logs=logs))
    scene.collect(record(traffic_path=2, pkt_dst_aws_service="AMAZON"))
    answer = scene.explain()
    (command,) = [each for each in commands(answer) if "create-flow-logs" in each]
    words = shlex.split(command)
    assert words[words.index("--log-destination") + 1] == bucket
    assert words[words.index("--log-format") + 1] == RECOMMENDED


def test_a_flow_log_that_records_it_all_is_not_asked_for_again(scene: Scene) -> None:
    """Where a flow log has the fields already, its newer records will tell; the next hop is to be looked at."""
    scene.look(network(to("pcx-0a"), flow_logs=(POOR_LOG, FULL_LOG)))
    scene.collect(record(traffic_path=1, dstaddr="10.9.9.9", next_hop_interface_id="eni-0x"))
    answer = scene.explain("10.9.9.9")
    assert commands(answer) == ["aws ec2 describe-network-interfaces --network-interface-ids eni-0x --region us-east-1"]
    assert answer.remedies[-1].what.startswith("Flow log fl-0b records what decides")


def test_the_recommended_format_is_the_readmes() -> None:
    """README.md tells the same format."""
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    assert re.findall(r"--log-format '([^']*)'", readme) == [RECOMMENDED]


def test_a_policy_may_allow_the_way(scene: Scene) -> None:
    """What [policy] internet_paths allows has no remedy; what it does not allow has one, a NAT gateway too."""
    scene.look(network(to("nat-0a")))
    assert scene.explain().remedies == ()
    (remedy,) = scene.explain(allowed=()).remedies
    assert remedy.what.startswith("Review the route for 0.0.0.0/0 to nat-0a")


def test_words_from_elsewhere_are_quoted() -> None:
    """An id that is none cannot become a command of its own."""
    assert command("aws", "rtb-1; rm -rf /", ("echo", "$(id)")) == "aws 'rtb-1; rm -rf /' \"$(echo '$(id)')\""


# --- findings ---------------------------------------------------------------------------------------------------------

FINDING = Finding(
    id="0123456789ab",
    detector="internet-egress-bypasses-nat",
    severity="critical",
    state="open",
    key={"interface_id": "eni-0a", "path": "internet_gateway"},
    first_seen=NOON,
    last_seen=NOON + timedelta(minutes=5),
    flows=3,
    bytes=3000,
    evidence={
        "top_remotes": [
            {"address": "192.0.2.1", "port": 443, "bytes": 700, "flows": 1},
            {"address": ADDRESS, "port": 443, "bytes": 600, "flows": 1},
            {"address": ADDRESS, "port": 80, "bytes": 500, "flows": 1},
            {"address": None, "port": None, "bytes": 1, "flows": 1},
        ]
    },
    title="Internet egress bypasses the NAT gateway",
    sentence="",
    until=None,
    owner=None,
    reason=None,
)


def test_a_finding_asks_about_its_largest_remote() -> None:
    """Ports of one address are taken together; the span and the path are the finding's."""
    question = about(FINDING)
    assert question.remotes == (ADDRESS, "192.0.2.1")
    assert (question.interface_id, question.path) == ("eni-0a", "internet_gateway")
    assert question.span == Window(NOON, NOON + timedelta(minutes=5, microseconds=1))


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (
            replace(FINDING, key={"flow_log_id": "fl-0a"}),
            r"no interface_id in its key \(flow_log_id\): explain an address",
        ),
        (replace(FINDING, evidence={}), r"names no remotes in its evidence \(top_remotes\)"),
        (replace(FINDING, evidence={"top_remotes": [{"address": "none"}]}), "names no remotes"),
    ],
)
def test_not_every_finding_can_be_explained(finding: Finding, words: str) -> None:
    """One that is about no interface, or about no addresses, says how to ask instead."""
    with pytest.raises(ConfigError, match=words):
        about(finding)


def test_a_findings_records_are_those_of_its_path(scene: Scene) -> None:
    """Records that took another way are counted apart, and other remotes get a line each."""
    scene.look(network(to("igw-0a")))
    scene.collect(
        record(traffic_path=8),
        record(1, traffic_path=7),
        record(2, dstaddr="192.0.2.1", traffic_path=8),
    )
    answer = scene.explain(finding=FINDING, path="internet_gateway", span=Window(NOON, NOON + timedelta(minutes=5)))
    assert answer.records is not None
    assert (answer.records.count, answer.records.other_ways, answer.verdict.path) == (1, 1, "internet_gateway")
    assert (answer.finding, answer.title) == (FINDING.id, FINDING.title)
    both = scene.explain(ADDRESS, "192.0.2.1", "192.0.2.2")
    assert [(each.remote, each.count, each.path, each.rule) for each in both.others] == [
        ("192.0.2.1", 1, "internet_gateway", "traffic_path"),
        ("192.0.2.2", 0, None, "no_record"),
    ]


def test_a_route_for_everything_is_told_of_its_own_kind() -> None:
    """A prefix list, an IPv6 and an IPv4 destination have an option each."""
    chart = Chart(Snapshot(network=network(), observed_at=NOON, until=NOON))
    options = [
        _destination(_match(chart, Route(destination=each, target="igw-0a"), address))[0]
        for each, address in (("pl-0s3", S3_ADDRESS), ("::/0", ADDRESS_6), ("0.0.0.0/0", ADDRESS))
    ]
    assert options == ["--destination-prefix-list-id", "--destination-ipv6-cidr-block", "--destination-cidr-block"]
