"""Tags of the resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared

PARTS: Mapping[str, str] = {
    "subnet": "subnets",
    "vpce": "endpoints",
    "sg": "security_groups",
    "fl": "flow_logs",
    "nat": "gateways.nat_gateway",
}
"""The part of a VPC that a resource is in, by what its id begins with."""


def _tags(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.tags:
        return
    tags, wanted = seen(live.tags), _words(expected.tags)
    for each in expected.tagged:
        there = tags.get(each, {})
        wrong = {key: there.get(key) for key, value in expected.tags.items() if there.get(key) != value}
        if there or not _is_gone(live, each):
            yield compared(each, "tags", wanted, _words(wrong) if wrong else wanted, ok=not wrong)


def _words(tags: Mapping[str, str | None]) -> str:
    return ", ".join(f"{key} absent" if value is None else f"{key}={value}" for key, value in tags.items())


def _is_gone(live: Live, resource_id: str) -> bool:
    """Return whether a resource is known not to be there, which has a check of its own."""
    if resource_id == live.network.vpc_id:
        return live.exists is False
    part = PARTS.get(resource_id.partition("-")[0])
    if part is None or part in live.unseen:
        return False
    network = live.network
    there = {
        *(each.subnet_id for each in network.subnets),
        *(each.endpoint_id for each in network.endpoints),
        *(each.group_id for each in network.security_groups),
        *(each.flow_log_id for each in network.flow_logs),
        *(each.gateway_id for each in network.gateways),
    }
    return resource_id not in there


CHECKS = (Check("tags", "G1 Configure a Model for Amazon VPC Access", "Resource has its tags", _tags),)
