"""Addresses: what kind each is, and which of many prefixes is the longest that holds it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SCOPES = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    "link_local": ("169.254.0.0/16", "fe80::/10"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "reserved": ("0.0.0.0/8", "240.0.0.0/4", "::/128"),
}
"""Addresses that no route on the internet leads to (RFC 1918, 6598, 4193, 6890). All others are `public`."""

BITS = {4: 32, 6: 128}


class Address(NamedTuple):
    """An address as a number, with its family: 4 or 6."""

    version: int
    number: int


def parse(address: str | None) -> Address | None:
    """Return an address as a number; None for what is no address."""
    version, family = (6, socket.AF_INET6) if ":" in (address or "") else (4, socket.AF_INET)
    try:
        return Address(version, int.from_bytes(socket.inet_pton(family, address or ""), "big"))
    except (OSError, ValueError):
        return None


def parse_cidr(cidr: str) -> tuple[Address, int]:
    """Return the first address of a CIDR and its prefix length, without a length that of one address.

    Raises ValueError for what is no CIDR. Several times as fast as `ipaddress`, and there are thousands.
    """
    text, slash, digits = cidr.partition("/")
    address = parse(text)
    if address is None or (slash and not digits.isdecimal()):
        raise ValueError(f"{cidr!r} is no network")
    bits = BITS[address.version]
    length = int(digits) if slash else bits
    if length > bits:
        raise ValueError(f"{cidr!r} is no network: its prefix is too long")
    return Address(address.version, address.number >> (bits - length) << (bits - length)), length


class Prefixes(Generic[T]):
    """Prefixes with a value each, of both families; of two that are equal the first counts."""

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        """Take pairs of a CIDR and what it stands for; raises ValueError for what is no CIDR."""
        self._values: dict[tuple[int, int], dict[int, T]] = {}
        self.edges: dict[int, set[int]] = {4: set(), 6: set()}
        for cidr, value in pairs:
            (version, first), length = parse_cidr(cidr)
            size = BITS[version] - length
            self._values.setdefault((version, length), {}).setdefault(first >> size, value)
            self.edges[version].update((first, first + (1 << size)))
        lengths = sorted(self._values, reverse=True)
        self._lengths = {v: [(n, BITS[v] - n) for version, n in lengths if version == v] for v in BITS}

    def all(self, address: Address) -> Iterator[T]:
        """Yield the values of all prefixes that hold an address, the longest first."""
        for length, size in self._lengths[address.version]:
            values = self._values[address.version, length]
            if (prefix := address.number >> size) in values:
                yield values[prefix]

    def find(self, address: Address) -> T | None:
        """Return the value of the longest prefix that holds an address."""
        return next(self.all(address), None)


_SCOPES = Prefixes((cidr, name) for name, cidrs in SCOPES.items() for cidr in cidrs)
EDGES = _SCOPES.edges
"""Where the kind of an address may change, by family."""


def kind_of(address: Address) -> str:
    """Return the scope of an address, with a `6` behind it for IPv6."""
    name = _SCOPES.find(address) or "public"
    return name if address.version == 4 else name + "6"  # noqa: PLR2004  the family


@lru_cache(maxsize=1 << 17)
def kind(address: str | None) -> str | None:
    """Return the scope of an address as it is written, as `kind_of` does; None for what is no address."""
    parsed = parse(address)
    return kind_of(parsed) if parsed else None


def scope(kind: str) -> str:
    """Return `private`, `public`, `link_local`, `loopback`, `multicast`, `reserved` or `vpc`: a kind but its family."""
    return kind.removesuffix("6")
