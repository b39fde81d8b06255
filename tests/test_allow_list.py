"""Which addresses are on the allow list: what the detector's SQL says is what Python's ipaddress says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowaudit import catalogue, sql
from flowaudit.collect import collect
from flowaudit.config import Policy, shipped
from flowaudit.config.values import written_out
from flowaudit.lake import Lake
from flowaudit.sources import KINDS
from tests import flowlogs

DETECTOR = catalogue.load([shipped("queries")]).detectors["internet-egress-off-allow-list"]
START = datetime.fromtimestamp(flowlogs.START, UTC)
SHAPES = (
    "2001:db8::",
    "2001:db8::1",
    "2001:db8:1::",
    "2001:db8:0:1::1",
    "2001:db8:1:2:3:4:5:6",
    "2001:db8:1:2:3:4:5::",
)
"""Addresses with `::` in every place and in none, and their neighbours at the ends of what networks hold."""
EDGES = ("192.0.2.0", "192.0.2.127", "192.0.2.128", "192.0.2.255", "198.51.100.0", "203.0.113.255")
MORE6 = ("2001:db8:0:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::", "2001:db8:7fff:ffff::", "2001:db8:ab::cd", "3fff::1")
ADDRESSES = sorted({str(ip_address(each)) for each in (*SHAPES, *MORE6, *EDGES)})


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with one flow to each address."""
    folder = tmp_path_factory.mktemp("allow")
    flowlogs.write(folder / "log.gz", *(flowlogs.egress(remote=each) for each in ADDRESSES))
    lake = Lake(str(folder / "lake"))
    collect([(KINDS["local"](str(folder / "log.gz"), None), None)], lake)
    return lake


@pytest.fixture(scope="module")
def connection(lake: Lake) -> Iterator[sql.Connection]:
    """The lake with the shipped views."""
    with sql.connect(lake, views=catalogue.load([shipped("queries")]).views) as connection:
        yield connection


def off_the_list(connection: sql.Connection, networks: list[str]) -> list[str]:
    """The addresses that the detector finds to be off a list."""
    policy = {"allowed_prefixes": list(Policy(allowed_destinations=tuple(networks)).allowed_prefixes)}
    window = {"since": START, "until": START + timedelta(hours=1), "top": len(ADDRESSES)}
    rows = connection.query(DETECTOR.sql, {**DETECTOR.params, **policy, **window}).to_pylist()
    return sorted(remote["address"] for row in rows for remote in row["top_remotes"])


near = st.sampled_from(ADDRESSES).flatmap(
    lambda text: st.integers(0, 32 if "." in text else 128).map(lambda n: str(ip_network(f"{text}/{n}", strict=False)))
)
"""Networks that begin or end near an address, so that both answers occur."""


@given(st.lists(near, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_query_agrees_with_ipaddress(connection: sql.Connection, networks: list[str]) -> None:
    """An address is off the list if, and only if, it lies in none of its networks: both families, every length."""
    held = [ip_network(each) for each in networks]
    expected = [each for each in ADDRESSES if not any(ip_address(each) in network for network in held)]
    assert off_the_list(connection, networks) == sorted(expected)


@given(near, st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)))
def test_a_network_is_what_its_addresses_begin_with(network: str, address: IPv4Address | IPv6Address) -> None:
    """Written out, an address begins with one of a network's beginnings exactly if the network holds it."""
    (whole,) = written_out(str(address))
    assert any(whole.startswith(each) for each in written_out(network)) == (address in ip_network(network))
    assert len(set(written_out(network))) == len(list(written_out(network))) <= 128


def test_by_default_every_address_is_on_the_list(connection: sql.Connection) -> None:
    """Nobody gave a list: that is another thing than one that allows nothing."""
    assert off_the_list(connection, list(Policy().allowed_destinations)) == []
    assert off_the_list(connection, []) == ADDRESSES


def test_the_detectors_own_default_is_the_policys() -> None:
    """Without a configuration the query allows what the policy allows."""
    assert json.dumps(DETECTOR.params["allowed_prefixes"]) == json.dumps(list(Policy().allowed_prefixes))
