"""Log objects as they land in a bucket: compliant traffic of the last minutes, and one new leak in each object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import pyarrow as pa

from flowaudit.model import Window
from flowaudit.simulate import (
    FlowLog,
    Interface,
    Kind,
    Network,
    Silence,
    Stream,
    default_network,
    encode,
    generate,
    object_key,
    sized,
    streams,
)

OLD = timedelta(minutes=2)
"""Age of an object's oldest record as it lands; the newest is a minute younger."""
MINUTE = timedelta(minutes=1)
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Traffic:
    """The objects that land: `records` in each, of so many workloads' interfaces beside the one that leaks."""

    records: int
    workloads: int = 200
    flow_log: FlowLog = FlowLog()  # noqa: RUF009  a frozen value

    @cached_property
    def network(self) -> Network:
        """The VPC that everything happens in."""
        return default_network(workloads=self.workloads)

    @cached_property
    def _compliant(self) -> tuple[Stream | Silence, ...]:
        """Ordinary traffic, but none of NAT gateways: no inventory tells what they are."""
        net = self.network
        return (
            streams.s3_by_endpoint(net, 30),
            streams.api_by_endpoint(net, 20, beyond=False),
            streams.neighbours(net, 20),
            streams.file_system(net, 10),
            streams.nodata(net, 2),
        )

    def object(self, number: int, now: datetime) -> tuple[str, bytes]:
        """Return key and content of the object `number`, whose leak is of the interface `leaking(number)`."""
        window = Window(now - OLD, now - OLD + MINUTE)
        leak = self._leak(number, window)
        rest = self.records - leak.num_rows
        usual = generate(self.network, sized(self._compliant, rest, window), window, number).slice(0, rest)
        content = encode(pa.concat_tables([usual, leak]), self.flow_log.fields)
        digest = hashlib.sha256(content).hexdigest()[:8]
        return object_key(self.flow_log, _published(now), digest), content

    def _leak(self, number: int, window: Window) -> pa.Table:
        """Return the two records of one conversation straight through the internet gateway."""
        place = self.network.workloads[0].subnet
        leaker = Interface(leaking(number), Kind.WORKLOAD, f"10.0.12.{number % 250 + 1}", place)
        network = replace(self.network, interfaces=(leaker,))
        return generate(network, [streams.leak_by_internet_gateway(network, 1)], window, number)


def leaking(number: int) -> str:
    """Return the id of the interface that leaks in the object `number`."""
    return f"eni-{number:017x}"


def landings(rate: float, minutes: float, interval: float) -> Iterator[float]:
    """Yield when objects land, in seconds from the first turn on: one in each turn of 60 / `rate` seconds.

    Within its turn, each comes at another point of the daemon's interval: else all would meet it in one phase.
    """
    turn = 60 / rate
    for number in range(max(1, round(rate * minutes))):
        yield number * turn + number * GOLDEN % 1 * min(turn, interval)


def _published(now: datetime) -> datetime:
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
