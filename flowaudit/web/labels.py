"""A finding as a page shows it: the workload first, labels and not the values of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowaudit.exchange import Case
from flowaudit.exchange.case import clean
from flowaudit.explain.words import PROTOCOLS
from flowaudit.findings import Finding
from flowaudit.model import Severity
from flowaudit.paths import PATHS as ALL_PATHS
from flowaudit.sentences import volume

PATHS = {
    "nat_gateway": "NAT gateway",
    "egress_only_internet_gateway": "egress-only internet gateway",
    "same_vpc": "inside the VPC",
    "vpc_peering": "VPC peering",
    "vpc_resource": "another interface of the VPC",
    "middlebox": "network appliance",
    "unknown": "not determined",
    "blackhole": "blackhole route",
    "local_zone": "Local Zone",
}
"""Paths that are not called as their column's value, without the underscores."""
EVIDENCE = {
    "next_hop": "next hop",
    "traffic_path": "traffic-path",
    "traffic_path+routes": "traffic-path and routes",
    "nat_record": "record of the NAT gateway",
    "routes_assumed": "assumed routes",
}
"""Labels of evidence that differ from the column's value; traffic-path is a field of the record."""
NAMES = {"vpc_id": "VPC", "arn": "ARN", "az_id": "AZ", "remotes": "remote addresses"}
STATES = ("open", "muted", "resolved")
SHORT = 80
"""Characters of a name in a list; a finding's own page has all of it."""
MOST_ITEMS = 20
"""Members of a list in evidence that are shown."""
VALUES = {each: PATHS.get(each, each.replace("_", " ")) for each in ALL_PATHS} | EVIDENCE
ALONE = r"(?<![\w./:`+-])({})(?![\w/`+-]|[.:]\w)"
"""Around words that are no part of a name, a key or code."""
SPOKEN = re.compile(
    ALONE.format("|".join(map(re.escape, sorted((v for v in VALUES if "_" in v), key=len, reverse=True))))
)
TIME = re.compile(ALONE.format(r"\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)Z("))


def path(value: str | None) -> str:
    """Return the label of a path, "" where there is none."""
    return PATHS.get(value or "", _words(value or ""))


def spoken(text: str) -> str:
    """Return a sentence with labels in place of the values of columns, and times without T and Z."""
    return TIME.sub(r"\1 \2", SPOKEN.sub(lambda found: VALUES[found[1]], text))


def kind(value: str) -> str:
    """Return the label of a kind of workload."""
    return _words(value)


def name(column: str) -> str:
    """Return the label of a column."""
    text = NAMES.get(column, _words(column))
    text = text.replace("workload arn", "workload ARN").removesuffix(" id") or column
    return f"{text}ess" if text.endswith(" addr") else text


def _words(value: str) -> str:
    return " ".join(value.replace("_", " ").split())


@dataclass(frozen=True, slots=True)
class Row:
    """A finding as lists show it; `workload` is its interface where the workload is not known, else its key.

    `destination` is a service, with an `address` of it, or an address; "" where the detector names none. `more` counts
    other addresses.
    """

    id: str
    severity: str
    state: str
    detector: str
    title: str
    sentence: str
    kind: str
    workload: str
    interface: str
    path: str
    destination: str
    address: str
    is_address: bool
    more: int
    finding: Finding

    @property
    def begins_with_workload(self) -> bool:
        """True if the sentence begins with the workload."""
        return self.sentence.startswith(f"{self.workload} ")


def row(finding: Finding, length: int = SHORT) -> Row:
    """Return a finding as lists show it."""
    case = Case(finding, finding.first_seen, finding.last_seen)
    workload, interface = case.told("workload"), case.told("interface_id")
    services, remotes = finding.evidence.get("services"), case.remotes
    service = next((each for each in services if isinstance(each, str)), "") if isinstance(services, list) else ""
    service = service or case.told("service")
    address = remotes[0].address if remotes else ""
    number = finding.evidence.get("remotes")
    known = number if isinstance(number, int) and not isinstance(number, bool) else len(remotes)
    return Row(
        id=finding.id,
        severity=finding.severity if finding.severity in list(Severity) else str(Severity.LOW),
        state=finding.state if finding.state in STATES else "resolved",
        detector=clean(finding.detector, length),
        title=clean(finding.title, 2 * length) or clean(finding.detector, length),
        sentence=spoken(clean(finding.sentence)),
        kind=clean(kind(case.told("workload_kind")), length) if workload else "interface" if interface else "",
        workload=clean(workload or interface or " ".join(map(str, finding.key.values())), length),
        interface=clean(interface, length),
        path=clean(path(case.path), length),
        destination=clean(service or address, length),
        address=address if service else "",
        is_address=bool(address) and not service,
        more=max(known - 1, 0) if address else 0,
        finding=finding,
    )


@dataclass(frozen=True, slots=True)
class Grid:
    """A list of objects as a table; `more` counts rows that are left out, `numeric` are the columns of numbers."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    numeric: frozenset[int]


def evidence(found: Mapping[str, Any], told: frozenset[str]) -> tuple[list[tuple[str, str]], list[Grid]]:
    """Return evidence as names with values, and as tables; what is `told` elsewhere is left out."""
    facts, grids = [], []
    for column, value in found.items():
        if column in told or value in (None, [], {}):
            continue
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            grids.append(grid(column, value))
        else:
            facts.append((clean(name(column), SHORT), _value(column, value)))
    return facts, grids


def grid(column: str, objects: Sequence[Mapping[str, Any]], names: Sequence[str] = (), most: int = MOST_ITEMS) -> Grid:
    """Return a list of objects as a table of the columns with these names, by default of the first ones that it has."""
    names = names or list(dict.fromkeys(each for item in objects for each in item))[:MOST_ITEMS]
    rows = tuple(tuple(_value(each, item.get(each)) for each in names) for item in objects[:most])
    columns = tuple(clean(name(each), SHORT) for each in names)
    numeric = frozenset(n for n, each in enumerate(names) if _is_numeric(item.get(each) for item in objects[:most]))
    return Grid(clean(name(column), SHORT), columns, rows, max(len(objects) - most, 0), numeric)


def _is_numeric(values: Iterable[Any]) -> bool:
    kinds = {type(each) for each in values if each is not None}
    return bool(kinds) and kinds <= {int, float}


def _value(column: str, value: Any) -> str:  # noqa: ANN401  JSON
    """Return a value of evidence as people read it."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int():
            text = _number(column, value)
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M:%S}"
        case list():
            more = f" and {len(value) - MOST_ITEMS:,} more" if len(value) > MOST_ITEMS else ""
            text = ", ".join(_value(column.removesuffix("s"), each) for each in value[:MOST_ITEMS]) + more
        case dict():
            text = ", ".join(f"{name(str(each))} {_value(str(each), member)}" for each, member in value.items())
        case _:
            text = _text(column, str(value))
    return clean(text)


def _text(column: str, value: str) -> str:
    if column in ("path", "ways"):
        return path(value)
    return EVIDENCE.get(value, value) if column == "path_evidence" else value


def _number(column: str, value: int) -> str:
    if column.endswith("bytes"):
        return volume(value)
    if column == "protocol":
        return PROTOCOLS.get(value, str(value))
    return str(value) if column.endswith("port") else f"{value:,}"
