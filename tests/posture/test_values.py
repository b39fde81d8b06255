"""What AWS's mock cannot be brought to: each property by a value of the VPC, and combinations of failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from flowaudit.posture import Expected, Live, Result, Status, audit, read
from flowaudit.posture.buckets import expiry
from flowaudit.posture.live import Files
from flowaudit.posture.model import Missing
from flowaudit.setup.expecting import expected as expected_of
from flowaudit.topology import AclEntry, Network, PrefixList, Route, SecurityGroupRule
from tests.posture.clouds import ACCOUNT, REGION, Deployed, deployed
from tests.posture.values import Case, changed, endpoint_policy, failed, wrong
from tests.setup.wishes import setup

IGW = "igw-0123456789abcdef0"


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
        (Route(destination="0.0.0.0/0", target="vpce-0123456789abcdef0"), {"default-route"}),
        (Route(destination="64:ff9b::/96", target="nat-0123456789abcdef0"), {"default-route"}),
        (Route(destination="10.9.0.0/16", target="vpce-0123456789abcdef0"), set()),
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


@pytest.mark.parametrize(
    ("cidrs", "target", "checks"),
    [
        (("10.9.0.0/16", "192.168.0.0/16"), "tgw-0123456789abcdef0", set()),
        (("10.9.0.0/16", "128.0.0.0/1"), "tgw-0123456789abcdef0", {"default-route"}),
        (("0.0.0.0/0",), "vpce-0123456789abcdef0", {"default-route"}),
    ],
)
def test_a_prefix_list_is_what_is_in_it(isolated: Case, cidrs: tuple[str, ...], target: str, checks: set[str]) -> None:
    """A route by prefix list leads to all of its networks."""
    expected, live = isolated
    mine = PrefixList(prefix_list_id="pl-0123456789abcdef0", name="mine", cidrs=cidrs)
    more = routes(live, Route(destination="pl-0123456789abcdef0", target=target))
    assert set(failed(expected, changed(more, prefix_lists=(*live.network.prefix_lists, mine)))) == checks


def test_a_prefix_list_that_cannot_be_read_is_unknown(isolated: Case) -> None:
    """What is in it may be the internet."""
    expected, live = isolated
    more = routes(live, Route(destination="pl-0123456789abcdef0", target="tgw-0123456789abcdef0"))
    hidden = replace(more, unseen={"prefix_lists": Missing("ec2:GetManagedPrefixListEntries", "denied")})
    unknown = {each.check for each in wrong(expected, hidden) if each.status is Status.UNKNOWN}
    assert "default-route" in unknown


def test_a_route_to_what_is_not_known_is_unknown(isolated: Case) -> None:
    """A kind of destination that EC2 adds one day may be the internet."""
    expected, live = isolated
    results = wrong(expected, routes(live, Route(destination="", target="tgw-0123456789abcdef0")))
    assert {(each.check, each.status) for each in results} == {("default-route", Status.UNKNOWN)}


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


def test_a_regional_nat_gateway_has_its_own_flow_log(nat: Case) -> None:
    """Its interfaces are in no subnet of the VPC: without a flow log of its own their traffic is not recorded."""
    expected, live = nat
    expected = replace(expected, nat="regional")
    regional = gateways(live, availability="regional", subnet_id=None)
    results = wrong(expected, regional)
    used = {each.gateway_id for each in live.network.gateways if each.kind == "nat_gateway"}
    assert {(each.check, each.subject, each.found) for each in results} == {("flow-log", one, "absent") for one in used}

    (log,) = live.network.flow_logs
    logs = (log, *(replace(log, flow_log_id=f"fl-{one}", resource_id=one) for one in used))
    written = dict.fromkeys((one.flow_log_id for one in logs), Files("parquet", hive=True, hourly=True))
    whole = replace(changed(regional, flow_logs=logs), files=written)
    assert failed(expected, whole) == {}

    rejected = (log, *(replace(one, traffic_type="REJECT") for one in logs[1:]))
    assert failed(expected, changed(whole, flow_logs=rejected)) == {"flow-log-traffic": "REJECT"}


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


def test_a_guardrail_that_nobody_made_is_absent() -> None:
    """[setup] wants it, but the stack is of before: that is a failure, not a check that does not apply."""
    wanted = expected_of(setup(guardrail=True), {"VpcId": "vpc-0123456789abcdef0"}).guardrail
    assert wanted is not None
    expected = Expected(vpc_id="vpc-0123456789abcdef0", guardrail=wanted)
    live = Live(network=Network(vpc_id=expected.vpc_id, account_id=ACCOUNT, region=REGION))
    assert failed(expected, live)["guardrail"] == "absent"


def acl(live: Live, *entries: AclEntry) -> Live:
    """Return the VPC whose network ACLs have these entries before their own."""
    every = (replace(each, entries=(*entries, *each.entries)) for each in live.network.network_acls)
    return changed(live, network_acls=tuple(every))


@pytest.mark.parametrize(
    ("egress", "low", "high"), [(False, 443, 443), (True, 1024, 65535), (True, 443, 443), (False, 1024, 1024)]
)
def test_interface_endpoints_are_reached_from_the_other_subnets(
    isolated: Case, egress: bool, low: int, high: int
) -> None:
    """The network ACL of an endpoint's subnet admits the request, that of the workload's the answer."""
    expected, live = isolated
    deny = AclEntry(
        number=1, egress=egress, action="deny", protocol="6", cidr="10.0.0.0/16", from_port=low, to_port=high
    )
    assert set(failed(expected, acl(live, deny))) == {"network-acls"}
    assert failed(expected, acl(live, replace(deny, protocol="17"))) == {}


def test_an_endpoint_that_somebody_added_is_a_path_too(isolated: Case) -> None:
    """In the same security groups, workloads reach it: its policy counts like that of the others."""
    expected, live = isolated
    logs = next(each for each in live.network.endpoints if each.service.endswith(".logs"))
    service = "com.amazonaws.us-east-1.s3"
    added = replace(logs, endpoint_id="vpce-0123456789abcdef0", service=service, policy=json.dumps(DEFAULT))
    found = failed(expected, changed(live, endpoints=(*live.network.endpoints, added)))
    assert found == {"interface-endpoint-policy": "the default policy: everything is allowed"}
    elsewhere = replace(added, security_groups=("sg-0123456789abcdef0",))
    assert failed(expected, changed(live, endpoints=(*live.network.endpoints, elsewhere))) == {}


def test_of_two_flow_logs_the_good_one_counts(isolated: Case) -> None:
    """Where none is named: one that fails, or has half of the traffic, is no reason to fail."""
    expected, live = isolated
    assert expected.flow_log is not None
    expected = replace(expected, flow_log=replace(expected.flow_log, flow_log_id=""))
    (good,) = live.network.flow_logs
    bad = replace(good, flow_log_id="fl-0", delivery_status="FAILED")
    assert failed(expected, changed(live, flow_logs=(bad, good))) == {}
    half = replace(good, flow_log_id="fl-0", traffic_type="REJECT")
    assert failed(expected, changed(live, flow_logs=(half, good))) == {}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([{"Expiration": {"Days": 1}, "Filter": {"Prefix": "AWSLogs/1234"}}], "365 days, some 1 days only"),
        ([{"Expiration": {"Days": 1}, "Prefix": "AWS"}], "1 days"),
        ([{"Expiration": {"Days": 1}, "Filter": {"ObjectSizeGreaterThan": 9}}], "365 days, some 1 days only"),
        ([{"Expiration": {"Date": "2026-12-01"}, "Filter": {}}], "until 2026-12-01"),
        ([{"Expiration": {"Days": 1}, "Filter": {"Prefix": "models/"}}], "365 days"),
        ([{"Expiration": {"Days": 1}, "Filter": {"And": {"Prefix": "AWS", "Tags": [{"Key": "k"}]}}}], "365 days"),
        ([{"Expiration": {"Days": 1}, "Filter": {}, "Status": "Disabled"}], "365 days"),
        ([{"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Filter": {}}], "365 days"),
    ],
)
def test_flow_logs_are_kept_as_long_as_the_first_rule_says(
    isolated: Case, rules: list[dict[str, Any]], found: str
) -> None:
    """Every rule that is for some flow logs counts, whatever it is narrowed by."""
    expected, live = isolated
    every = [{"Status": "Enabled", **each} for each in (*rules, {"Expiration": {"Days": 365}, "Filter": {}})]
    buckets = {name: replace(each, expires=expiry(every)) for name, each in live.buckets.items()}
    results = list(audit(expected, replace(live, buckets=buckets)))
    (kept,) = [each for each in results if each.check == "flow-log-retention"]
    assert (kept.found, kept.status is Status.PASS) == (found, found == "365 days")


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
