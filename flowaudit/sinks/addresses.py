"""Which addresses a sink may connect to: public ones, and those of networks that the configuration allows."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

PUBLIC_6 = IPv6Network("2000::/3")
"""All that is handed out of IPv6 (IANA, "IPv6 Global Unicast Address Assignments")."""
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052); a VPC's DNS64 answers with them."""
SPECIAL = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "3fff::/20"),
        ),
    )
)
"""Private, shared, loopback, link-local, multicast, documentation and reserved (IANA, "Special-Purpose Address
Registry" of IPv4 and IPv6). Instance metadata, 169.254.169.254, is among them."""


def may_connect(address: str, allowed: Sequence[Network]) -> bool:
    """Return whether an address, as a resolver gives it, is public or in an allowed network."""
    asked = ip_address(address.partition("%")[0])
    meant = _meant(asked)
    if any(one.version == network.version and one in network for one in (asked, meant) for network in allowed):
        return True
    if meant.version == PUBLIC_6.version and meant not in PUBLIC_6:
        return False
    return not any(meant.version == network.version and meant in network for network in SPECIAL)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (RFC 4291 mapped, RFC 6052 NAT64, RFC 3056 6to4)."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
