"""Every check: a module for each area, each with its own."""

from __future__ import annotations

from flowaudit.posture.checks import (
    account,
    data_buckets,
    dns,
    flow_log_destination,
    flow_logs,
    guardrail,
    interface_endpoints,
    nat,
    network_acls,
    routes,
    s3_endpoint,
    security_groups,
    subnets,
    tags,
)
from flowaudit.posture.model import Check

_AREAS = (
    subnets,
    routes,
    nat,
    dns,
    s3_endpoint,
    interface_endpoints,
    security_groups,
    network_acls,
    flow_logs,
    flow_log_destination,
    data_buckets,
    guardrail,
    account,
    tags,
)
CHECKS: tuple[Check, ...] = tuple(check for area in _AREAS for check in area.CHECKS)
