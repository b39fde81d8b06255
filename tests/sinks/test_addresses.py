"""Which addresses a sink connects to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from flowaudit.sinks.addresses import may_connect

FORBIDDEN = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.170",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "3fff::1",
    "4000::1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]
PUBLIC = [
    "1.1.1.1",
    "100.128.0.1",
    "172.32.0.1",
    "198.20.0.1",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_not_public_is_not_connected_to(address: str) -> None:
    """Private, shared, loopback, link-local, multicast and reserved addresses are refused in every disguise."""
    assert not may_connect(address, [])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_connected_to(address: str) -> None:
    """Public addresses pass, also where IPv6 stands for them."""
    assert may_connect(address, [])


@pytest.mark.parametrize(
    ("address", "network", "passes"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("::ffff:10.1.2.3", "10.1.0.0/16", True),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "10.0.0.0/8", False),
        ("127.0.0.1", "::/0", False),
    ],
)
def test_an_allowed_network_passes(address: str, network: str, *, passes: bool) -> None:
    """What lies in an allowed network is connected to, and nothing else that is private."""
    assert may_connect(address, [ip_network(network)]) is passes
