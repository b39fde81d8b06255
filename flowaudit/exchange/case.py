"""What every format tells of a finding: its detector's words, whose it is, where the traffic went.

A finding's evidence is whatever a detector's columns are, and its words are what strangers wrote into logs. So nothing
is taken for an account, a region or an address that does not look like one, and no control character gets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from math import isfinite
from typing import Any

from flowaudit.catalogue import Detector
from flowaudit.findings import Finding

PRODUCT = "flowaudit"
"""Name and vendor of what reports."""
EXFILTRATION = frozenset({"T1011", "T1020", "T1029", "T1030", "T1041", "T1048", "T1052", "T1537", "T1567"})
"""ATT&CK's techniques of the tactic TA0010."""
MOST = 4096
"""Characters of a text where the format itself names no limit."""
LAST_PORT = 65535

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
_INTERFACE = re.compile(r"eni-[0-9a-f]{8,32}", re.ASCII)
_HEADING = re.compile(r"^(What it means|What to do|Blind spots):", re.MULTILINE)
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a state is in each format.

    OCSF's `activity_id` and `status_id`, ASFF's `record_state`, SARIF's `kind` and whether it is `suppressed`. ASFF
    archives a muted finding to hide it: the other way, Workflow, is the customer's, and no import updates it.
    """

    activity_id: int
    status_id: int
    record_state: str
    kind: str
    suppressed: bool = False


STANDINGS = {
    "open": Standing(1, 1, "ACTIVE", "fail"),
    "resolved": Standing(3, 4, "ARCHIVED", "pass"),
    "muted": Standing(2, 3, "ARCHIVED", "fail", suppressed=True),
}
"""The one table of a finding's states."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One of the addresses that traffic went to; `port` and `protocol` (IANA's number) where they are known."""

    address: str
    version: int
    port: int | None
    protocol: int | None
    bytes: int
    flows: int


@dataclass(frozen=True, slots=True)
class Case:
    """A finding, when it was first and last written down, and its detector, if there still is one.

    `home` is the region that is meant where the evidence names none.
    """

    finding: Finding
    opened: datetime
    updated: datetime
    detector: Detector | None = None
    home: str | None = None

    @property
    def standing(self) -> Standing:
        """What its state is called."""
        return STANDINGS[self.finding.state]

    @property
    def title(self) -> str:
        """What was found, in at most 256 characters: what ASFF allows."""
        return clean(self.finding.title, 256) or clean(self.finding.detector, 256)

    @property
    def summary(self) -> str:
        """What was seen, and how much of it, in a line."""
        found, key = self.finding, " ".join(map(str, self.finding.key.values()))
        flows = f"{found.flows} flow{'' if found.flows == 1 else 's'}"
        return clean(f"{self.title}: {key}, {flows}, {found.bytes} bytes")

    @property
    def meaning(self) -> str:
        """What the detector's prose says that it means, else what was seen."""
        prose = self.detector.prose if self.detector else ""
        return section(prose, "What it means") or clean(_HEADING.split(prose)[0]) or self.summary

    @property
    def remedy(self) -> str:
        """What the detector's prose says is to be done; may be empty."""
        return section(self.detector.prose, "What to do") if self.detector else ""

    @property
    def techniques(self) -> tuple[str, ...]:
        """ATT&CK's ids of what it may be a sign of."""
        return self.detector.attack if self.detector else ()

    @property
    def type(self) -> str:
        """What kind of finding it is (Security Hub User Guide, "Types taxonomy for ASFF")."""
        if EXFILTRATION & {technique.partition(".")[0] for technique in self.techniques}:
            return "TTPs/Exfiltration"
        return "TTPs" if self.techniques else "Unusual Behaviors/Network Flow"

    def told(self, name: str) -> str:
        """Return a column of the key or of the evidence as text, empty where there is none."""
        value = self.finding.key.get(name, self.finding.evidence.get(name))
        return clean(str(value)) if isinstance(value, str | int) else ""

    @property
    def account(self) -> str | None:
        """The account of the interface."""
        return _if(_ACCOUNT, self.told("account_id"))

    @property
    def region(self) -> str | None:
        """The region of the interface."""
        return _if(_REGION, self.told("region")) or self.home

    @property
    def partition(self) -> str:
        """The partition of its region: `aws` where that is unknown."""
        found = (name for start, name in _PARTITIONS.items() if (self.region or "").startswith(start))
        return next(found, "aws")

    @property
    def interface(self) -> str | None:
        """The id of the interface."""
        return _if(_INTERFACE, self.told("interface_id"))

    @property
    def subject(self) -> str:
        """What the finding is about: the ARN of its interface, its id where that is not known, else the key's words."""
        if self.interface and self.region and self.account:
            return f"arn:{self.partition}:ec2:{self.region}:{self.account}:network-interface/{self.interface}"
        words = " ".join(f"{name}={value}" for name, value in self.finding.key.items())
        return self.interface or clean(words, 512) or self.finding.id

    @property
    def path(self) -> str | None:
        """The way that its traffic took, None where the detector does not say."""
        return self.told("path") or None

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Where most of its traffic went: what looks like an address among `top_remotes`, largest first."""
        rows = self.finding.evidence.get("top_remotes")
        return tuple(_remotes(rows)) if isinstance(rows, list) else ()


def clean(text: str, most: int = MOST) -> str:
    """Return text as one line of at most `most` characters, what no line may hold replaced."""
    line = " ".join(_UNFIT.sub("\ufffd", " ".join(text.split())).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def fit(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return evidence as every JSON reader takes it: each text clean, NaN and infinity null."""
    match value:
        case str():
            return clean(value)
        case float():
            return value if isfinite(value) else None
        case list():
            return list(map(fit, value))
        case dict():
            return {clean(str(name)): fit(member) for name, member in value.items()}
        case _:
            return value


def section(prose: str, heading: str) -> str:
    """Return what a detector's prose says under a heading, as a sentence; empty where it has none such."""
    parts = _HEADING.split(prose)
    text = clean(dict(zip(parts[1::2], parts[2::2], strict=True)).get(heading, ""))
    return f"{text[:1].upper()}{text[1:]}"


def stamp(moment: datetime) -> str:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _if(pattern: re.Pattern[str], text: str) -> str | None:
    return text if pattern.fullmatch(text) else None


def _remotes(rows: list[Any]) -> Iterator[Remote]:
    for row in rows:
        try:
            address = ip_address(row["address"])
        except (KeyError, TypeError, ValueError):
            continue
        yield Remote(
            address=address.compressed.partition("%")[0],
            version=address.version,
            port=_number(row.get("port"), LAST_PORT),
            protocol=_number(row.get("protocol"), 255),
            bytes=_number(row.get("bytes")) or 0,
            flows=_number(row.get("flows")) or 0,
        )


def _number(value: Any, most: int | None = None) -> int | None:  # noqa: ANN401  JSON
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0 and (most is None or value <= most)
    return value if fits else None
