"""How large subnets are, and what is said where they do not fit."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from pydantic import ValidationError

from flowaudit.config.subnets import layout
from tests.setup.wishes import NO_ENDPOINTS, WISHES, document, of_type, setup


@pytest.mark.parametrize(
    ("instances", "endpoints", "prefix"),
    [
        (1, 0, 28),  # 4 + 5 = 9
        (2, 3, 28),  # 8 + 3 + 5 = 16, to the address
        (2, 4, 27),  # one more
        (6, 3, 27),
        (50, 5, 24),
        (61, 7, 24),  # 244 + 7 + 5 = 256
        (62, 7, 23),
        (1_000, 5, 20),
        (16_000, 5, 16),
    ],
)
def test_a_subnet_has_room_for_all_instances(instances: int, endpoints: int, prefix: int) -> None:
    """Two addresses each, twice for blue/green, one for each endpoint, and the five that AWS keeps."""
    made = layout("10.0.0.0/16", 1, 0, instances, endpoints)
    assert [block.prefixlen for block in made.private] == [prefix]
    assert made.private[0].num_addresses >= instances * 4 + endpoints + 5


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (
            {"cidr": "10.0.0.0/24"},
            "10.0.0.0/24 has 256 addresses: 2 private subnets of /24 (210 addresses each) need a /23",
        ),
        (
            {"cidr": "10.0.0.0/23", "profile": "nat"},
            (
                "10.0.0.0/23 has 512 addresses: 2 private subnets of /24 (210 addresses each) and 2 public subnets "
                "of /28 need a /22"
            ),
        ),
        (
            {"cidr": "10.0.0.0/28", "instances": 1, "interface_endpoints": NO_ENDPOINTS},
            "10.0.0.0/28 has 16 addresses: 2 private subnets of /28 (9 addresses each) need a /27",
        ),
        (
            {"instances": 10_000},
            (
                "2 private subnets of /16 (40,010 addresses each) are more than a /16, the largest VPC there is: lower "
                "instances, or zones"
            ),
        ),
    ],
)
def test_an_impossible_cidr_is_one_mistake_with_the_size_needed(wish: dict[str, Any], expected: str) -> None:
    """The message says what does not fit, and into what it would."""
    with pytest.raises(ValidationError) as refused:
        setup(**wish)
    (error,) = refused.value.errors()
    assert error["msg"] == f"Value error, cidr: {expected}"


def test_the_size_that_is_named_is_enough() -> None:
    """Whoever does as the message says has no second mistake."""
    assert setup(cidr="10.0.0.0/22", profile="nat").layout.private
    assert setup(cidr="10.0.0.0/23").layout.private


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_zones_differ(wish: dict[str, Any]) -> None:
    """No two private subnets, and no two public ones, are in the same Availability Zone."""
    subnets = of_type(document(**wish), "AWS::EC2::Subnet")
    for kind in ("Private", "Public"):
        zones = [
            str(each.get("AvailabilityZone") or each["AvailabilityZoneId"])
            for name, each in subnets.items()
            if name.startswith(kind)
        ]
        assert len(set(zones)) == len(zones)
        assert kind == "Public" or "existing_vpc" in wish or len(zones) >= 2


@pytest.mark.parametrize(("profile", "nat", "public"), [("isolated", "single", 0), ("nat", "single", 1)])
def test_only_nat_gateways_take_public_subnets(profile: str, nat: str, public: int) -> None:
    """None without NAT, a /28 for each zonal NAT gateway, after the private subnets."""
    made = setup(profile=profile, nat=nat).layout
    assert len(made.public) == public
    assert all(block > made.private[-1] and block.prefixlen == 28 for block in made.public)
    assert all(block.subnet_of(IPv4Network("10.0.0.0/16")) for block in (*made.private, *made.public))
