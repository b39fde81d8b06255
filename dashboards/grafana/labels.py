"""Labels of values, and the colors that say what they mean: one table for all panels.

The words are those of the status page. Red leads to the public internet without NAT, orange with it; yellow is not
determined; blue are private networks, green is what stays in the VPC or at its endpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flowaudit.inventory.workloads.kinds import KINDS as ALL_KINDS
from flowaudit.web import labels


@dataclass(frozen=True)
class Label:
    """Label and color of a value; without a `color`, that of the panel."""

    text: str
    color: str | None = None


Labels = Mapping[str, Label]

PATHS = {
    value: Label(labels.path(value), color)
    for value, color in {
        "same_vpc": "light-green",
        "interface_endpoint": "green",
        "gateway_endpoint": "semi-dark-green",
        "nat_gateway": "orange",
        "internet_gateway": "red",
        "egress_only_internet_gateway": "light-red",
        "transit_gateway": "blue",
        "virtual_private_gateway": "semi-dark-blue",
        "vpc_peering": "light-blue",
        "middlebox": "purple",
        "local_zone": "super-light-blue",
        "blackhole": "#8e8e8e",
        "vpc_resource": "dark-yellow",
        "unknown": "yellow",
    }.items()
}
"""Every path, in the order of lists."""
KINDS = {kind.kind: Label(labels.kind(kind.kind)) for kind in ALL_KINDS}
SCOPES = {
    "vpc": Label("VPC"),
    "private": Label("private"),
    "public": Label("public"),
    "link_local": Label("link-local"),
}


def colored(colors: Mapping[str, str]) -> Labels:
    """Return labels of values that are words already."""
    return {value: Label(value.replace("_", " "), color) for value, color in colors.items()}


SEVERITIES = colored({"critical": "red", "high": "orange", "medium": "yellow", "low": "blue"})
VISIBILITY = colored({"full": "green", "partial": "yellow", "none": "red"})
COVERAGE = colored(
    {"covered": "green", "pending": "blue", "skipped": "yellow", "missing": "red", "not_monitored": "orange"}
)
REASONS = colored(
    {"denied": "red", "unreachable": "red", "failed": "red", "throttled": "orange", "unsupported": "blue"}
)
EVENTS = colored({"opened": "red", "reopened": "orange", "resolved": "green", "muted": "blue", "unmuted": "yellow"})
SERVICES = {"none": Label("others than AWS", "#8e8e8e")}
