"""Tags of the resources."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared


def _tags(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.tags:
        return
    tags = seen(live.tags)
    for each in expected.tagged:
        there = tags.get(each, {})
        wrong = {key: there.get(key) for key, value in expected.tags.items() if there.get(key) != value}
        found = ", ".join(f"{key}={'absent' if value is None else value}" for key, value in wrong.items())
        wanted = ", ".join(f"{key}={value}" for key, value in expected.tags.items())
        yield compared(each, "tags", wanted, found or wanted, ok=not wrong)


CHECKS = (Check("tags", "G1 Configure a Model for Amazon VPC Access", "Resource has its tags", _tags),)
