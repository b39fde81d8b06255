"""Flow log text to measure with: made once, from a seed, and used again as long as the parameters are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from flowaudit import topology as topology_
from flowaudit.model import Window
from flowaudit.simulate import (
    FORMATS,
    FlowLog,
    Interface,
    Kind,
    Network,
    Remotes,
    Silence,
    Stream,
    compliant,
    default_network,
    generate,
    object_key,
    sized,
    write_text,
)
from flowaudit.simulate import streams as traffic
from flowaudit.topology import PrefixList, Route, RouteTable, Snapshot, Topology

BEGIN = datetime(2025, 11, 23, tzinfo=UTC)
PUBLISHED_EVERY = timedelta(minutes=5)
BLOCK = 250_000
SUBNETS, ROUTES, PREFIXES, INTERFACES = 50, 16, 1_200, 5_000
"""Size of the inventory: 50 tables of 16 routes and two prefix lists make 2,000 routes and prefixes."""
_REVISION = 1  # raised when other bytes come out for the same parameters


@dataclass(frozen=True, slots=True)
class Shape:
    """What text is made of: how many records in how many objects, and how varied they are."""

    records: int = 4_000_000
    objects: int = 8
    fields: tuple[str, ...] = FORMATS["v5"]
    seed: int = 0
    interfaces: int = 200
    remotes: int = 20_000
    revision: int = _REVISION


def make_text(folder: Path, shape: Shape) -> list[Path]:
    """The `.log.gz` files of `shape` in `folder`, flat and under AWS's names, in the order of their times.

    Makes them, in place of any there from another shape, unless they are there already. A block bounds the memory.
    """
    marker, wanted = folder / "made.json", json.dumps(asdict(shape))
    if not marker.exists() or marker.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (marker, *folder.glob("*.log.gz")):
            stale.unlink(missing_ok=True)
        for number, records in enumerate(_shares(shape.records, shape.objects)):
            _write(folder, shape, number, records)
        marker.write_text(wanted)
    return sorted(folder.glob("*.log.gz"))


def blocks(shape: Shape, number: int, records: int) -> Iterator[pa.Table]:
    """Exactly `records` simulated records, with their truth, of the five minutes of object `number`, in blocks."""
    network = default_network(shape.seed, shape.interfaces)
    since = BEGIN + number * PUBLISHED_EVERY
    window, mixture = Window(since, since + PUBLISHED_EVERY), _mixture(network, shape)
    for block, size in enumerate(_shares(records, -(-records // BLOCK))):
        yield generate(network, sized(mixture, size, window), window, shape.seed * 1_000 + block).slice(0, size)


def topology(shape: Shape) -> Topology:
    """A large inventory around the interfaces of `shape`: 50 subnets, 2,000 routes and prefixes, 5,000 interfaces."""
    network = default_network(shape.seed, shape.interfaces)
    subnets = list(dict.fromkeys(each.subnet.id for each in network.interfaces if each.subnet))
    subnets += [f"subnet-{number:017x}" for number in range(SUBNETS - len(subnets))]
    tables = [_table(number) for number in range(SUBNETS)]
    lists = [
        PrefixList(
            prefix_list_id=f"pl-{name}",
            name=f"com.amazonaws.{network.vpc.region}.{name}",
            cidrs=tuple(f"{first}.{n // 250}.{n % 250}.0/24" for n in range(PREFIXES // 2)),
        )
        for name, first in (("s3", 52), ("dynamodb", 54))
    ]
    vpc = topology_.Network(
        vpc_id=network.vpc.id,
        account_id=network.vpc.account_id,
        region=network.vpc.region,
        cidrs=("10.0.0.0/16", "2001:db8::/56"),
        subnets=tuple(
            topology_.Subnet(subnet_id=id, route_table_id=table.route_table_id)
            for id, table in zip(subnets, tables, strict=True)
        ),
        route_tables=tuple(tables),
        prefix_lists=tuple(lists),
    )
    known = [_known(network, each) for each in network.interfaces if each.subnet]
    others = [
        topology_.Interface(
            interface_id=f"eni-{number:017x}",
            account_id=network.vpc.account_id,
            region=network.vpc.region,
            vpc_id=network.vpc.id,
            subnet_id=subnets[number % SUBNETS],
            private_addresses=(f"10.0.{number // 250}.{number % 250}",),
            owner="sagemaker",
        )
        for number in range(INTERFACES - len(known))
    ]
    snapshot = Snapshot(network=vpc, observed_at=BEGIN - timedelta(days=1), until=BEGIN + timedelta(days=2))
    return Topology(snapshots=(snapshot,), interfaces=(*known, *others))


def _table(number: int) -> RouteTable:
    """A route table with ROUTES routes: its own, a default to the NAT gateway, and many to a peer."""
    many = [Route(destination=f"172.{16 + n}.{number}.0/24", target="pcx-1") for n in range(ROUTES - 4)]
    routes = [
        Route(destination="10.0.0.0/16", target="local"),
        Route(destination="0.0.0.0/0", target="nat-1"),
        Route(destination="pl-s3", target="vpce-s3"),
        Route(destination="pl-dynamodb", target="vpce-dynamodb"),
    ]
    return RouteTable(route_table_id=f"rtb-{number}", routes=(*routes, *many))


def _known(network: Network, each: Interface) -> topology_.Interface:
    return topology_.Interface(
        interface_id=each.id,
        account_id=network.vpc.account_id,
        region=network.vpc.region,
        vpc_id=network.vpc.id,
        subnet_id=each.subnet.id if each.subnet else None,
        private_addresses=(each.address,),
        ipv6_addresses=(each.ipv6,) if each.ipv6 else (),
        owner="sagemaker" if each.kind is Kind.WORKLOAD else "unknown",
    )


def _write(folder: Path, shape: Shape, number: int, records: int) -> None:
    log = FlowLog(fields=shape.fields)
    name = PurePosixPath(object_key(log, BEGIN + number * PUBLISHED_EVERY, f"{number:08x}")).name
    with (folder / name).open("wb") as stream:
        write_text(blocks(shape, number, records), shape.fields, stream)


def _shares(total: int, parts: int) -> Sequence[int]:
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


def _mixture(network: Network, shape: Shape) -> tuple[Stream | Silence, ...]:
    """A busy day: the compliant mixture, ways to the wide internet, and some of everything that goes wrong."""
    wide = _wide(shape.remotes, shape.seed)
    few = network.workloads[:5]
    nat = network.first(Kind.NAT_GATEWAY)
    inside = network.workloads
    return (
        *compliant(network, 60),
        Stream(traffic.COMPLIANT, "nat_gateway", 1, inside, 40, wide, via=nat, ports=(443, 443, 443, 80), beyond=True),
        Stream("leak:internet_gateway", "internet_gateway", 8, few, 20, wide, ports=(443, 443, 80, 22)),
        traffic.leak_s3_by_nat(network, 3, few),
        traffic.leak_by_internet_gateway(network, 2, few, ipv6=True),
        traffic.peering(network, 4),
        traffic.refused(network, 4),
        traffic.nodata(network, 4),
    )


def _wide(count: int, seed: int) -> Remotes:
    """Made-up public addresses, in no private or reserved range."""
    random = np.random.default_rng(seed)
    first = random.choice((3, 13, 18, 34, 44, 52, 54, 104, 142, 151), count)
    rest = random.integers((64, 0, 1), (127, 256, 255), (count, 3))
    return Remotes(tuple(f"{head}.{a}.{b}.{c}" for head, (a, b, c) in zip(first, rest, strict=True)))
