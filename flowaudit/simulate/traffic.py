"""Streams to records: what every interface on the way writes down, with the truth beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.model import Window
from flowaudit.simulate.network import Interface, Kind, Network
from flowaudit.simulate.streams import NAT, TCP, Silence, Stream
from flowaudit.simulate.world import COLUMNS, REASONS, STATUSES, TRANSIT, Codes, Ints, World

INTERVAL = 60
# Flags of the initiator and of the responder over one interval: whole, begun, gone on, ended.
_FLAGS = np.array([(3, 19), (2, 18), (0, 0), (1, 1)])


def generate(network: Network, streams: Iterable[Stream | Silence], window: Window, seed: int = 0) -> pa.Table:
    """The records of `streams` within `window`, in the shape of `SIMULATED`, in no order, as AWS writes them.

    The same arguments give the same table. Each record lies in one minute counted from the window's start.
    Raises ValueError where the window is shorter than a second or a stream names an interface that is not `network`'s.
    """
    streams = tuple(streams)
    world = World(network, streams)
    # Flow logs know whole seconds: those that begin within the window.
    since, until = (ceil(time.timestamp()) for time in (window.since, window.until))
    seconds = until - since
    if seconds < 1:
        raise ValueError(f"window {window.since:%FT%TZ} to {window.until:%FT%TZ} is shorter than a second")
    legs = [_leg(0)] + [
        leg
        for number, stream in enumerate(streams)
        for leg in _legs(world, stream, _Clock(since, seconds, np.random.default_rng((seed, since, number))))
    ]
    order = np.random.default_rng((seed, since)).permutation(sum(len(leg["recorder"]) for leg in legs))
    codes = {name: np.concatenate([leg[name] for leg in legs])[order] for name in COLUMNS}
    return world.table(codes)


def sized(streams: Iterable[Stream | Silence], records: int, window: Window) -> tuple[Stream | Silence, ...]:
    """The same mixture at a rate that yields at least `records`, and hardly more, in `window`."""
    streams = tuple(streams)
    minutes = (window.until - window.since).total_seconds() / INTERVAL
    usual = sum(stream.rate * stream.rows for stream in streams) * minutes
    # Rates are rounded to whole conversations: half a one may be lost per stream.
    spare = sum(stream.rows for stream in streams)
    return tuple(replace(stream, rate=stream.rate * (records + spare) / usual) for stream in streams)


def planted(records: pa.Table) -> pa.Table:
    """What a detector should find: accepted egress of leaks by interface, label and path, with flows and bytes."""
    leak = pc.and_(pc.starts_with(records["truth_label"], "leak:"), pc.equal(records["truth_direction"], "egress"))
    keys = ["interface_id", "truth_workload", "truth_label", "truth_path"]
    totals = records.filter(pc.and_(leak, pc.equal(records["action"], "ACCEPT"))).group_by(keys)
    figures = [("bytes", "count"), ("bytes", "sum"), ("start_time", "min"), ("end_time", "max")]
    return (
        totals.aggregate(figures)
        .rename_columns(["interface_id", "workload", "label", "path", "flows", "bytes", "first_seen", "last_seen"])
        .sort_by([("label", "ascending"), ("interface_id", "ascending")])
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """A span of time, cut into minutes, and the chance that fills it."""

    since: int
    seconds: int
    random: np.random.Generator

    def count(self, rate: float) -> int:
        return round(rate * self.seconds / INTERVAL)

    def minutes(self, count: int) -> tuple[Ints, Ints]:
        """`count` minutes of the span: first and last second of each."""
        first = self.random.integers(0, -(-self.seconds // INTERVAL), count) * INTERVAL
        return self.since + first, self.since + np.minimum(first + INTERVAL, self.seconds) - 1

    def spells(self, count: int) -> tuple[Ints, Ints]:
        """`count` spells within one minute each: first and last second."""
        first, last = self.minutes(count)
        start = self.random.integers(first, last + 1)
        return start, self.random.integers(start, last + 1)


@dataclass(frozen=True, slots=True)
class _Talks:
    """Conversations of a stream, one per position: near is the source's side, far the other."""

    local: Ints
    peer: Ints
    near: Ints
    far: Ints
    outward: Codes
    """What rows of packets that leave the source have in common, wherever they are recorded."""
    homeward: Codes
    random: np.random.Generator


def _legs(world: World, stream: Stream | Silence, clock: _Clock) -> list[Codes]:
    count = clock.count(stream.rate)
    if isinstance(stream, Silence):
        return [_silence(world, stream, clock, count)]
    talks = _talks(world, stream, clock, count)
    if stream.rejected:
        return [_attempts(world, stream, talks)]
    legs = _at_source(world, stream, talks)
    if stream.beyond and stream.peers:
        legs += _at_peer(world, stream, talks)
    if stream.beyond and stream.via and stream.via.kind in NAT:
        legs += _at_nat(world, stream.via, stream, talks)
    return legs


def _leg(count: int, *shared: Mapping[str, Ints | int], **codes: Ints | int) -> Codes:
    """One leg's rows; what is not given is null."""
    known = dict(chain.from_iterable(given.items() for given in (*shared, codes)))
    return {name: np.broadcast_to(np.asarray(known.get(name, -1), np.int64), count) for name in COLUMNS}


def _silence(world: World, silence: Silence, clock: _Clock, count: int) -> Codes:
    recorders = world.numbers(silence.interfaces)[np.arange(count) % len(silence.interfaces)]
    start, end = clock.minutes(count)
    status, label = STATUSES.index(silence.status), world.labels.index(silence.label)
    return _leg(count, recorder=recorders, start=start, end=end, status=status, label=label)


def _talks(world: World, stream: Stream, clock: _Clock, count: int) -> _Talks:
    random = clock.random
    local = world.numbers(stream.sources)[np.arange(count) % len(stream.sources)]
    peer, far = _far_side(world, stream, local, random)
    start, end = clock.spells(count)
    status, action = np.zeros(count, np.int64), np.full(count, int(stream.rejected))
    common = {"start": start, "end": end, "status": status, "action": action}
    common["protocol"] = np.full(count, stream.protocol)
    theirs, ours = random.choice(stream.ports, count), random.integers(32768, 61000, count)
    flags = _flags(stream, count, random)
    if stream.inbound:
        theirs, ours, flags = ours, theirs, flags[:, ::-1]
    out = {"srcport": ours, "dstport": theirs, "tcp_flags": flags[:, 0], **_volume(stream, stream.sent, count, random)}
    home = {"srcport": theirs, "dstport": ours, "tcp_flags": flags[:, 1]}
    home |= _volume(stream, stream.received, count, random)
    return _Talks(local, peer, world.own(local, ipv6=stream.ipv6), far, common | out, common | home, random)


def _far_side(world: World, stream: Stream, local: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Interfaces (-1 outside the VPC) and addresses at the other end; few remotes get most of the traffic."""
    if stream.remotes is not None:
        codes = world.remotes(stream.remotes)
        busiest_first = (random.random(len(local)) ** 3 * len(codes)).astype(np.int64)
        return np.full(len(local), -1), codes[busiest_first]
    peers = world.numbers(stream.peers)
    choice = random.integers(0, len(peers), len(local))
    itself = peers[choice] == local
    peer = peers[(choice + itself) % len(peers)]
    return peer, world.own(peer, ipv6=stream.ipv6)


def _flags(stream: Stream, count: int, random: np.random.Generator) -> Ints:
    """TCP flags of the initiator and the responder, shape (count, 2)."""
    if stream.protocol != TCP:
        return np.zeros((count, 2), np.int64)
    if stream.rejected:
        return np.full((count, 2), 2)
    return _FLAGS[random.choice(len(_FLAGS), count, p=(0.6, 0.15, 0.1, 0.15))]


def _volume(stream: Stream, median: int, count: int, random: np.random.Generator) -> Codes:
    """Packets and bytes, log-normal; an attempt is a packet or a few, and one that BPA turned down has no bytes."""
    if stream.rejected:
        packets = random.integers(1, 4, count)
        return {"packets": packets, "bytes": np.full(count, -1) if stream.reject_reason == "BPA" else packets * 60}
    load = (median * random.lognormal(0, 1, count)).astype(np.int64)
    packets = 1 + load // 1_200
    return {"packets": packets, "bytes": load + 40 * packets}


def _ways(src: Ints, dst: Ints) -> Codes:
    """Addresses that are the packet's own."""
    return {"src": src, "dst": dst, "pkt_src": src, "pkt_dst": dst}


def _hop(world: World, stream: Stream, talks: _Talks) -> Ints:
    """The next hop's interface: what the flow was handed to, else the peer, else none."""
    return world.numbers([stream.via]).repeat(len(talks.local)) if stream.via else talks.peer


def _at_source(world: World, stream: Stream, talks: _Talks) -> list[Codes]:
    count, label, path = len(talks.local), _label(world, stream), world.paths.index(stream.path)
    hop = _hop(world, stream, talks)
    # Ingress from a transit gateway names no next hop (VPC User Guide, "Flow log limitations").
    back = -1 if stream.via and stream.via.kind is Kind.TRANSIT_GATEWAY else hop
    shared = {"recorder": talks.local, "label": label}
    out: dict[str, Ints | int] = {
        "egress": 1,
        "traffic_path": _code(stream.traffic_path),
        "path": path,
        "next_hop": hop,
    }
    return [
        _leg(count, talks.outward, shared, _ways(talks.near, talks.far), **out),
        _leg(count, talks.homeward, shared, _ways(talks.far, talks.near), egress=0, next_hop=back),
    ]


def _attempts(world: World, stream: Stream, talks: _Talks) -> Codes:
    """One row at the source; the reply never was."""
    reason = REASONS.index(stream.reject_reason) if stream.reject_reason else -1
    out, home = _at_source(world, stream, talks)
    leg = home if stream.inbound else out
    return leg | {"reason": np.full(len(talks.local), reason)}


def _at_peer(world: World, stream: Stream, talks: _Talks) -> list[Codes]:
    count = len(talks.local)
    transit = stream.peers[0].kind.interface_type is not None
    shared = {"recorder": talks.peer, "next_hop": talks.local, "label": _label(world, stream, transit=transit)}
    path = -1 if transit else world.paths.index("same_vpc")
    return [
        _leg(count, talks.outward, shared, _ways(talks.near, talks.far), egress=0),
        _leg(count, talks.homeward, shared, _ways(talks.far, talks.near), egress=1, traffic_path=1, path=path),
    ]


def _at_nat(world: World, via: Interface, stream: Stream, talks: _Talks) -> list[Codes]:
    """The four rows of a NAT gateway (VPC User Guide, "Flow log record examples", NAT gateway).

    Towards the internet it talks in its own name and from its own port. Towards the workload a zonal gateway puts its
    private address in place of the remote one; a regional gateway, which has none, does not.
    """
    nat, near, far = world.numbers([via]), talks.near, talks.far
    own = world.own(nat, ipv6=False)
    inner = far if via.kind is Kind.REGIONAL_NAT_GATEWAY else own
    port, count = talks.random.integers(1024, 65536, len(near)), len(near)
    shared, inward = {"recorder": nat, "label": _label(world, stream, transit=True)}, {"next_hop": talks.local}
    return [
        _leg(count, talks.outward, shared, inward, _ways(near, far), dst=inner, egress=0),
        _leg(count, talks.outward, shared, _ways(own, far), srcport=port, egress=1, traffic_path=8),
        _leg(count, talks.homeward, shared, _ways(far, own), dstport=port, egress=0),
        _leg(count, talks.homeward, shared, inward, _ways(far, near), src=inner, egress=1, traffic_path=1),
    ]


def _label(world: World, stream: Stream, *, transit: bool = False) -> Ints:
    return np.asarray(world.labels.index(TRANSIT if transit else stream.label))


def _code(value: int | None) -> int:
    return -1 if value is None else value
