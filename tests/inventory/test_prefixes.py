"""Prefix lists: which are asked, where they go, and what is said where they are not to be had."""

from collections.abc import Mapping
from typing import Any

import pytest

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.network import networks
from tests.inventory.vpcs import ACCOUNT, REGION, Answer, cloud, table, vpc

S3, CORPORATE = "pl-s3", "pl-corporate"


def _lists(*, corporate: bool = True) -> dict[str, Any]:
    lists = [
        {"PrefixListId": S3, "PrefixListName": f"com.amazonaws.{REGION}.s3", "OwnerId": "AWS"},
        {"PrefixListId": "pl-edge", "PrefixListName": "com.amazonaws.global.cloudfront", "OwnerId": "AWS"},
        {"PrefixListId": "pl-elsewhere", "PrefixListName": "com.amazonaws.us-east-1.s3", "OwnerId": "AWS"},
        {"PrefixListId": CORPORATE, "PrefixListName": "corporate", "OwnerId": ACCOUNT},
    ]
    return {"PrefixLists": lists if corporate else lists[:-1]}


ENTRIES = {S3: ("203.0.113.0/25", "192.0.2.0/24"), CORPORATE: ("10.9.0.0/16",), "pl-edge": ("198.51.100.0/24",)}
PLAIN = {
    "PrefixLists": [
        {"PrefixListId": S3, "PrefixListName": f"com.amazonaws.{REGION}.s3", "Cidrs": ["192.0.2.0/24"]},
        {"PrefixListId": "pl-edge", "PrefixListName": "com.amazonaws.global.cloudfront", "Cidrs": ["198.51.100.0/24"]},
    ]
}


def _entries(asked: Mapping[str, str]) -> Mapping[str, Any]:
    """An entry a page."""
    cidrs, at = ENTRIES[asked["PrefixListId"]], int(asked.get("NextToken", 0))
    more = {"NextToken": str(at + 1)} if at + 1 < len(cidrs) else {}
    return {"Entries": [{"Cidr": cidrs[at]}], **more}


def naming(**answers: Answer) -> Asker:
    """Ask a region with two VPCs, one of which names a prefix list in a route and one in a rule."""
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": "pl-edge"}]}
    rest: dict[str, Answer] = {
        "describe_vpcs": {"Vpcs": [vpc("vpc-1"), vpc("vpc-2")]},
        "describe_route_tables": {
            "RouteTables": [table({"DestinationPrefixListId": CORPORATE, "TransitGatewayId": "tgw-1"})]
        },
        "describe_security_groups": {
            "SecurityGroups": [{"GroupId": "sg-1", "VpcId": "vpc-1", "IpPermissionsEgress": [rule]}]
        },
        "describe_managed_prefix_lists": _lists(),
        "get_managed_prefix_list_entries": _entries,
    }
    return cloud(**rest | answers)


def listed(ask: Asker) -> list[tuple[dict[str, tuple[str, ...]], tuple[str, ...]]]:
    """Each VPC's prefix lists, and what is unknown of it."""
    return [({pl.prefix_list_id: pl.cidrs for pl in one.prefix_lists}, one.unknown) for one in networks(ask) or ()]


def test_a_prefix_list_is_in_each_vpc_that_needs_it_and_asked_once() -> None:
    """S3's in every VPC, others where a route or a rule names them, with all their entries; the rest is not asked."""
    ask = naming()
    s3 = ("192.0.2.0/24", "203.0.113.0/25")
    assert listed(ask) == [
        ({S3: s3, CORPORATE: ("10.9.0.0/16",), "pl-edge": ("198.51.100.0/24",)}, ()),
        ({S3: s3}, ()),
    ]
    assert ask.calls["ec2:GetManagedPrefixListEntries"] == 4
    assert "ec2:DescribePrefixLists" not in ask.calls


@pytest.mark.parametrize("denied", ["describe_managed_prefix_lists", "get_managed_prefix_list_entries"])
def test_awss_own_lists_are_to_be_had_another_way(denied: str) -> None:
    """Where managed lists are denied, AWS's come from DescribePrefixLists; a customer's, where named, is unknown."""
    answers: dict[str, Answer] = {denied: "UnauthorizedOperation", "describe_prefix_lists": PLAIN}
    ask = naming(**answers)
    s3 = {S3: ("192.0.2.0/24",)}
    assert listed(ask) == [({**s3, "pl-edge": ("198.51.100.0/24",)}, ("prefix_lists",)), (s3, ())]
    assert [gap.operation for gap in ask.gaps] == [denied]


@pytest.mark.parametrize("denied", ["describe_managed_prefix_lists", "get_managed_prefix_list_entries"])
def test_a_list_without_entries_is_not_an_empty_one(denied: str) -> None:
    """Where no way leads to the entries, the list is not there, and lists are unknown in every VPC."""
    nothing: dict[str, Any] = {"PrefixLists": [{**one, "Cidrs": []} for one in PLAIN["PrefixLists"]]}
    for plain in (nothing, "UnauthorizedOperation"):
        ask = naming(**{denied: "UnauthorizedOperation", "describe_prefix_lists": plain})
        assert listed(ask) == [({}, ("prefix_lists",))] * 2


def test_a_list_that_is_not_shared_is_unknown() -> None:
    """A route may name another account's list that this one may not see: nothing breaks, and it is said."""
    first, second = listed(naming(describe_managed_prefix_lists=_lists(corporate=False)))
    assert (CORPORATE in first[0], first[1], second[1]) == (False, ("prefix_lists",), ())
