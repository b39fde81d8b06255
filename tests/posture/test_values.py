"""What AWS's mock cannot be brought to: each property by a value of the VPC, and combinations of failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from flowaudit.posture import Expected, Live, Result, Status, audit, read
from flowaudit.posture.live import Files
from flowaudit.posture.model import Missing
from flowaudit.topology import Route, SecurityGroupRule
from tests.posture.clouds import ACCOUNT, REGION, Deployed, deployed

IGW = "igw-0123456789abcdef0"


@pytest.fixture(scope="module")
def isolated() -> Iterator[tuple[Expected, Live]]:
    """What is expected of an isolated VPC, and that VPC."""
    yield from _once()


@pytest.fixture(scope="module")
def nat() -> Iterator[tuple[Expected, Live]]:
    """What is expected of a VPC with a NAT gateway in each zone, and that VPC."""
    yield from _once(profile="nat", guardrail=True)


def _once(**wish: Any) -> Iterator[tuple[Expected, Live]]:
    with mock_aws():
        it = deployed(**wish)
        yield it.expected, it.live()


def wrong(expected: Expected, live: Live) -> list[Result]:
    """Return the properties that are not as expected."""
    return [each for each in audit(expected, live) if each.status in (Status.FAIL, Status.UNKNOWN)]


def failed(expected: Expected, live: Live) -> dict[str, str]:
    """Return what is found instead of what is expected, by check; nothing may be unknown."""
    results = wrong(expected, live)
    assert {each.status for each in results} <= {Status.FAIL}
    return {each.check: each.found for each in results}


def changed(live: Live, **parts: Any) -> Live:
    """Return the VPC with other parts of its network."""
    return replace(live, network=replace(live.network, **parts))


def routes(live: Live, *more: Route, without: str = "") -> Live:
    """Return the VPC with other routes in each of its private route tables."""
    private = {
        each.route_table_id for each in live.network.subnets if not each.map_public_ip_on_launch and each.explicit
    }
    tables = tuple(
        replace(each, routes=tuple(one for one in each.routes if one.destination != without) + more)
        if each.route_table_id in private and not any(one.target.startswith("igw-") for one in each.routes)
        else each
        for each in live.network.route_tables
    )
    return changed(live, route_tables=tables)


def gateways(live: Live, **other: Any) -> Live:
    """Return the VPC with other NAT gateways."""
    every = (replace(each, **other) if each.kind == "nat_gateway" else each for each in live.network.gateways)
    return changed(live, gateways=tuple(every))


def files(live: Live, wanted: Files) -> Live:
    """Return the VPC whose flow logs write files so."""
    return replace(live, files={each.flow_log_id: wanted for each in live.network.flow_logs})


Case = tuple[Expected, Live]


def test_both_are_as_expected(isolated: Case, nat: Case) -> None:
    """Without a change nothing is wrong."""
    assert failed(*isolated) == failed(*nat) == {}


@pytest.mark.parametrize(
    ("route", "checks"),
    [
        (Route(destination="0.0.0.0/0", target=IGW), {"internet-gateway-route"}),
        (Route(destination="203.0.113.0/24", target=IGW), {"internet-gateway-route"}),
        (Route(destination="::/0", target="eigw-0123456789abcdef0"), {"internet-gateway-route"}),
        (Route(destination="0.0.0.0/0", target="nat-0123456789abcdef0"), {"default-route"}),
        (Route(destination="0.0.0.0/1", target="tgw-0123456789abcdef0"), {"default-route"}),
        (Route(destination="::/0", target="eni-0123456789abcdef0"), {"default-route"}),
        (Route(destination="203.0.113.0/24", target="tgw-0123456789abcdef0"), {"default-route"}),
        (Route(destination="10.9.0.0/16", target="pcx-0123456789abcdef0"), set()),
        (Route(destination="100.64.0.0/10", target="tgw-0123456789abcdef0"), set()),
        (Route(destination="10.9.0.0/16", target="", state="blackhole"), {"blackhole-route"}),
        (Route(destination="0.0.0.0/0", target="tgw-0a", state="blackhole"), {"default-route", "blackhole-route"}),
    ],
)
def test_every_path_to_the_internet_is_seen(isolated: Case, route: Route, checks: set[str]) -> None:
    """Gateways of any kind, halves of 0.0.0.0/0, IPv6; private networks are no internet."""
    expected, live = isolated
    assert set(failed(expected, routes(live, route))) == checks


def test_nat_is_the_only_path(nat: Case) -> None:
    """No route to it is a failure of profile nat, and so is one more to something else."""
    expected, live = nat
    assert failed(expected, routes(live, without="0.0.0.0/0"))["default-route"] == "none"
    more = routes(live, Route(destination="0.0.0.0/1", target="tgw-0123456789abcdef0"))
    assert set(failed(expected, more)) == {"default-route"}


@pytest.mark.parametrize(
    ("other", "checks"),
    [
        ({"state": "failed"}, {"nat-gateway"}),
        ({"state": "pending"}, {"nat-gateway"}),
        ({"connectivity": "private"}, {"nat-gateway"}),
        ({"subnet_id": None}, {"nat-public-subnet", "nat-zones"}),
        ({"availability": "regional", "subnet_id": None}, {"nat-zones"}),
    ],
)
def test_a_nat_gateway_that_does_not_serve_fails(nat: Case, other: dict[str, Any], checks: set[str]) -> None:
    """It is available and public, in a public subnet of the zone that uses it."""
    expected, live = nat
    assert set(failed(expected, gateways(live, **other))) == checks


def test_a_nat_gateway_in_a_private_subnet_fails(nat: Case) -> None:
    """Its own subnet has to lead to the internet gateway."""
    expected, live = nat
    found = failed(expected, gateways(live, subnet_id=expected.subnets[0]))
    assert found["nat-public-subnet"].startswith("nat-")


def test_a_single_nat_gateway_is_for_all(nat: Case) -> None:
    """Two are more than the one that is expected, a regional one is not zonal."""
    expected, live = nat
    assert set(failed(replace(expected, nat="single"), live)) == {"nat-zones"}
    assert set(failed(replace(expected, nat="regional"), live)) == {"nat-zones"}
    regional = gateways(live, availability="regional", subnet_id=None)
    assert failed(replace(expected, nat="regional"), regional) == {}


CASES: list[tuple[str, Callable[[Expected, Live], tuple[Expected, Live]], dict[str, str]]] = [
    ("tenancy", lambda e, v: (e, changed(v, tenancy="dedicated")), {"tenancy": "dedicated"}),
    (
        "addresses",
        lambda e, v: (e, replace(v, free_addresses=dict.fromkeys(e.subnets, 99))),
        {"subnet-addresses": "99"},
    ),
    (
        "one zone",
        lambda e, v: (e, changed(v, subnets=tuple(replace(each, az_id="use1-az1") for each in v.network.subnets))),
        {"subnet-zones": "use1-az1 use1-az1"},
    ),
    (
        "other zones",
        lambda e, v: (replace(e, zones=("use1-az5", "use1-az6")), v),
        {"subnet-zones": "use1-az6 use1-az1"},
    ),
    (
        "text files",
        lambda e, v: (e, files(v, Files("plain-text", hive=True, hourly=True))),
        {"flow-log-files": "plain-text"},
    ),
    (
        "files of a day",
        lambda e, v: (e, files(v, Files("parquet", hive=True, hourly=False))),
        {"flow-log-files": "false"},
    ),
    (
        "delivery",
        lambda e, v: (
            e,
            changed(
                v,
                flow_logs=tuple(
                    replace(each, delivery_status="FAILED", delivery_error="Access error")
                    for each in v.network.flow_logs
                ),
            ),
        ),
        {"flow-log": "failed: Access error"},
    ),
    (
        "destination",
        lambda e, v: (
            e,
            changed(
                v, flow_logs=tuple(replace(each, destination="arn:aws:s3:::other") for each in v.network.flow_logs)
            ),
        ),
        {"flow-log-destination": "arn:aws:s3:::other"},
    ),
    (
        "bucket elsewhere",
        lambda e, v: (e, replace(v, buckets={n: replace(b, region="eu-west-1") for n, b in v.buckets.items()})),
        {"flow-log-bucket": "eu-west-1"},
    ),
    (
        "no bucket",
        lambda e, v: (e, replace(v, buckets={n: replace(b, region=None) for n, b in v.buckets.items()})),
        {"flow-log-bucket": "absent"},
    ),
    (
        "public access",
        lambda e, v: (replace(e, block_public_access="block-ingress"), replace(v, block_public_access="off")),
        {"block-public-access": "off"},
    ),
    (
        "encryption controls",
        lambda e, v: (replace(e, encryption_controls="enforce"), replace(v, encryption_controls="monitor")),
        {"encryption-controls": "monitor"},
    ),
]


@pytest.mark.parametrize(("change", "found"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_value_that_differs_is_the_one_failure(
    isolated: Case, change: Callable[[Expected, Live], Case], found: dict[str, str]
) -> None:
    """The check of the value fails, with what is found."""
    assert failed(*change(*isolated)) == found


def endpoint_policy(live: Live, policy: object, kind: str = "Gateway") -> Live:
    """Return the VPC with another policy of its endpoints of a kind."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    every = (replace(each, policy=text) if each.type == kind else each for each in live.network.endpoints)
    return changed(live, endpoints=tuple(every))


DEFAULT = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


def test_the_default_policy_is_named(isolated: Case) -> None:
    """It is said to be the default one, and fails for everything that it allows beyond."""
    expected, live = isolated
    results = wrong(expected, endpoint_policy(live, DEFAULT))
    found = {each.found for each in results if each.check == "s3-endpoint-custom-policy"}
    assert found == {"the default policy: everything is allowed"}
    properties = {each.property for each in results if each.check == "s3-endpoint-policy"}
    assert {"packages from al2023-repos-us-east-1", "buckets that are not named", "writing to amzn-example-models"} <= (
        properties
    )
    assert not {each.property for each in results} & {"reading from amzn-example-models"}


def test_a_policy_that_only_denies_allows_nothing(isolated: Case) -> None:
    """AWS's guide shows denials of the repositories alone: with these alone models read nothing."""
    expected, live = isolated
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::repo.*/*"}
    results = wrong(expected, endpoint_policy(live, {"Statement": [denial]}))
    assert {each.property for each in results} == {
        "reading from amzn-example-models",
        "reading from and writing to amzn-example-outputs",
        "listing amzn-example-models",
        "listing amzn-example-outputs",
    }


@pytest.mark.parametrize("text", ["", "{", "{'Version': '2012-10-17'}", '{"Statement": {"Effect": "Perhaps"}}'])
def test_a_policy_that_cannot_be_evaluated_is_unknown(isolated: Case, text: str) -> None:
    """What the evaluator does not understand is neither as expected nor a failure."""
    expected, live = isolated
    results = wrong(expected, endpoint_policy(live, text))
    assert {(each.check, each.status) for each in results} == {
        ("s3-endpoint-custom-policy", Status.UNKNOWN),
        ("s3-endpoint-policy", Status.UNKNOWN),
    }
    assert all(each.why for each in results)


def rules(live: Live, name: str, *, only: tuple[SecurityGroupRule, ...]) -> Live:
    """Return the VPC with other rules of the security groups with this in their name."""
    groups = (replace(each, rules=only) if name in each.name else each for each in live.network.security_groups)
    return changed(live, security_groups=tuple(groups))


def test_missing_rules_are_named(isolated: Case) -> None:
    """Workloads without outbound rules reach nothing; endpoints without the inbound one time out."""
    expected, live = isolated
    none = rules(live, "WorkloadSecurityGroup", only=())
    assert {each.property.partition(":")[0].rpartition("-")[0] for each in wrong(expected, none)} == {
        "outbound to pl",
        "outbound to sg",
    }
    closed = rules(live, "EndpointSecurityGroup", only=())
    assert set(failed(expected, closed)) == {"interface-endpoint-access", "endpoint-security-group"}


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (SecurityGroupRule(egress=False, protocol="tcp", peer="10.0.0.0/16", from_port=0, to_port=65535), True),
        (SecurityGroupRule(egress=False, protocol="-1", peer="0.0.0.0/0"), True),
        (SecurityGroupRule(egress=False, protocol="tcp", peer="10.0.0.0/24", from_port=443, to_port=443), False),
        (SecurityGroupRule(egress=False, protocol="udp", peer="10.0.0.0/16", from_port=443, to_port=443), False),
        (SecurityGroupRule(egress=False, protocol="tcp", peer="10.0.0.0/16", from_port=444, to_port=500), False),
        (SecurityGroupRule(egress=True, protocol="tcp", peer="10.0.0.0/16", from_port=443, to_port=443), False),
        (SecurityGroupRule(egress=False, protocol="-1", peer="::/0"), False),
    ],
)
def test_https_is_admitted_by_network_too(isolated: Case, rule: SecurityGroupRule, admitted: bool) -> None:
    """The network has to hold all subnets of the workloads, the rule HTTPS."""
    expected, live = isolated
    expected = replace(expected, reach=None)  # as for any VPC: no rule is one too many
    checks = set(failed(expected, rules(live, "EndpointSecurityGroup", only=(rule,))))
    assert checks == (set() if admitted else {"interface-endpoint-access"})


def test_a_weakened_guardrail_fails(nat: Case) -> None:
    """Without the two Null statements a request that names no VPC is let through."""
    expected, live = nat
    assert isinstance(live.guardrail, str)
    document = json.loads(live.guardrail)
    document["Statement"] = [each for each in document["Statement"] if "Null" not in each["Condition"]]
    results = wrong(expected, replace(live, guardrail=json.dumps(document)))
    assert [each.property for each in results] == ["requests without a VPC"]
    assert failed(expected, replace(live, guardrail="")) == {"guardrail": "absent"}


def test_a_shared_vpc_hides_its_owners_parts(isolated: Case) -> None:
    """A participant does not see the owner's gateways, endpoints and flow logs: they are unknown."""
    expected, live = isolated
    it = Missing("", "only account 111122223333, which owns the VPC, sees it")
    hidden = changed(replace(live, unseen={"endpoints": it, "flow_logs": it}), endpoints=(), flow_logs=())
    results = wrong(expected, hidden)
    assert {each.status for each in results} == {Status.UNKNOWN}
    assert {"s3-endpoint", "flow-log"} <= {each.check for each in results}


def test_nothing_expected_is_nothing_failed(isolated: Case) -> None:
    """Without expectations only what is good everywhere is compared."""
    _, live = isolated
    results = list(audit(Expected(vpc_id=live.network.vpc_id), live))
    assert {each.status for each in results} == {Status.PASS, Status.NOT_APPLICABLE}
    assert {each.check for each in results if each.status is Status.PASS} == {"vpc", "dns", "dhcp-options", "tenancy"}


CONTROLS = {"block_public_access": "block-ingress", "encryption_controls": "monitor"}


@pytest.mark.parametrize(
    ("block", "control", "found"),
    [
        ("block-ingress", [{"Mode": "monitor", "State": "available"}], set()),
        ("off", [], {("block-public-access", "off"), ("encryption-controls", "off")}),
        (
            "block-ingress",
            [{"Mode": "monitor", "State": "monitor-failed"}],
            {("encryption-controls", "monitor, monitor-failed")},
        ),
    ],
)
def test_controls_are_read_as_aws_words_them(
    block: str, control: list[dict[str, str]], found: set[tuple[str, str]]
) -> None:
    """By AWS's own shapes, as its mock has neither."""
    with Stubbed() as stub:
        stub.add_response(
            "describe_vpc_block_public_access_options",
            {"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": block}},
        )
        stub.add_response("describe_vpc_encryption_controls", {"VpcEncryptionControls": control})
        results = controls(stub)
    assert {(each.check, each.found) for each in results if each.status is Status.FAIL} == found
    assert {each.status for each in results} <= {Status.PASS, Status.FAIL}


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidAction"])
def test_controls_that_do_not_answer_are_unknown(code: str) -> None:
    """Denied, or not known to the endpoint: the permission is named all the same."""
    with Stubbed() as stub:
        for operation in ("describe_vpc_block_public_access_options", "describe_vpc_encryption_controls"):
            stub.add_client_error(operation, code)
        results = controls(stub)
    assert {each.status for each in results} == {Status.UNKNOWN}
    actions = {each.why.partition(": ")[0] for each in results}
    assert actions == {"ec2:DescribeVpcBlockPublicAccessOptions", "ec2:DescribeVpcEncryptionControls"}


class Stubbed(Stubber):  # type: ignore[misc]  # botocore has no types
    """EC2 with answers that are given in order, after a VPC that is not there."""

    def __init__(self) -> None:
        super().__init__(boto3.client("ec2", REGION))
        self.add_response("describe_vpcs", {"Vpcs": []})


def controls(stub: Stubbed) -> list[Result]:
    """Return the results of the two controls of a VPC of which nothing else is asked."""
    expected = Expected(vpc_id="vpc-0123456789abcdef0", **CONTROLS)  # type: ignore[arg-type]
    live = read(ACCOUNT, REGION, lambda _: stub.client, expected)
    return [each for each in audit(expected, live) if each.check in ("block-public-access", "encryption-controls")]


def test_several_changes_are_all_told() -> None:
    """A deleted route table association: the main route table has no route to S3 either."""
    it = deployed()
    _disassociate(it)
    found = {each.check for each in it.wrong()}
    assert found == {"route-table", "s3-endpoint-routes"}


def _disassociate(it: Deployed) -> None:
    filters = [{"Name": "association.subnet-id", "Values": [it["PrivateSubnet1"]]}]
    (table,) = it.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    (association,) = [each for each in table["Associations"] if each.get("SubnetId") == it["PrivateSubnet1"]]
    it.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
