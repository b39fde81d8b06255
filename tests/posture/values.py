"""Values of a VPC with one part changed, and what checks find in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flowaudit.posture import Expected, Live, Result, Status, audit

Case = tuple[Expected, Live]


def wrong(expected: Expected, live: Live) -> list[Result]:
    """Return the properties that are not as expected."""
    return [each for each in audit(expected, live) if each.status in (Status.FAIL, Status.UNKNOWN)]


def failed(expected: Expected, live: Live) -> dict[str, str]:
    """Return what is found instead of what is expected, by check; nothing may be unknown."""
    results = wrong(expected, live)
    assert {each.status for each in results} <= {Status.FAIL}
    return {each.check: each.found for each in results}


def changed(live: Live, **parts: Any) -> Live:
    """Return the VPC with other parts of its network."""
    return replace(live, network=replace(live.network, **parts))


def endpoint_policy(live: Live, policy: object, kind: str = "Gateway") -> Live:
    """Return the VPC with another policy of its endpoints of a kind."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    every = (replace(each, policy=text) if each.type == kind else each for each in live.network.endpoints)
    return changed(live, endpoints=tuple(every))
