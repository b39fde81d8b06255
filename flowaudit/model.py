"""The values that travel between rooms: frozen, plain, and all there is to agree upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from flowaudit.topology import Gap


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time, UTC: `since` is in it, `until` is not."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class LogObject:
    """One flow log object as a source lists it.

    `key` is its full address (`s3://bucket/key` or an absolute path) and, with `etag`, its identity.
    `day`, `flow_log_id`, `account_id` and `region` come from the key's own text (VPC User Guide, "Flow log files")
    and are None where the key does not say.
    """

    source: str
    key: str
    etag: str
    size: int
    modified: datetime
    day: date | None = None
    flow_log_id: str | None = None
    account_id: str | None = None
    region: str | None = None


class Outcome(StrEnum):
    """What became of a log object."""

    COLLECTED = "collected"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What became of one log object, and of each of its records: `records` is the sum of the four after it."""

    object: LogObject
    outcome: Outcome
    reason: str | None = None
    records: int = 0
    kept: int = 0
    out_of_scope: int = 0
    quarantined: int = 0
    diverted: int = 0
    first_record: datetime | None = None
    last_record: datetime | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What one collect did; `bytes` as stored at the source, `problems` one line per skipped or failed object."""

    objects: int = 0
    skipped: int = 0
    failed: int = 0
    records: int = 0
    kept: int = 0
    out_of_scope: int = 0
    quarantined: int = 0
    diverted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    last_record: datetime | None = None
    problems: tuple[str, ...] = ()

    def plus(self, report: ObjectReport) -> CollectReport:
        """This report with one more object in it."""
        collected = report.outcome is Outcome.COLLECTED
        problem = () if collected else (f"{report.outcome} {report.object.key}: {report.reason}",)
        last = max(filter(None, (self.last_record, report.last_record)), default=None)
        return replace(
            self,
            objects=self.objects + collected,
            skipped=self.skipped + (report.outcome is Outcome.SKIPPED),
            failed=self.failed + (report.outcome is Outcome.FAILED),
            records=self.records + report.records,
            kept=self.kept + report.kept,
            out_of_scope=self.out_of_scope + report.out_of_scope,
            quarantined=self.quarantined + report.quarantined,
            diverted=self.diverted + report.diverted,
            bytes=self.bytes + (report.object.size if collected else 0),
            last_record=last,
            problems=self.problems + problem,
        )

    def summary(self) -> dict[str, int | float]:
        """The ten figures that `collect --format json` prints."""
        figures = asdict(self)
        return {name: figures[name] for name in COLLECT_FIGURES}


COLLECT_FIGURES = (
    "objects",
    "skipped",
    "failed",
    "records",
    "kept",
    "out_of_scope",
    "quarantined",
    "diverted",
    "bytes",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class DiscoverReport:
    """What one look at AWS found: things by what they are, rows written by table, requests made by IAM action.

    `regions` were looked at, each an account and a region; `gaps` are the APIs that did not answer.
    """

    regions: tuple[tuple[str, str], ...] = ()
    interfaces: Mapping[str, int] = field(default_factory=dict)
    workloads: Mapping[str, int] = field(default_factory=dict)
    networks: int = 0
    strangers: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    seconds: float = 0.0


class Severity(StrEnum):
    """How bad a finding is; ordered by `rank`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low … 3 for critical."""
        return list(Severity).index(self)


class FindingEvent(StrEnum):
    """An event in the life of a finding."""

    OPENED = "opened"
    SEEN = "seen"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    MUTED = "muted"
    UNMUTED = "unmuted"


class Sight(StrEnum):
    """How much of what it looks for a detector can see."""

    FULL = "full"
    DEGRADED = "degraded"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Capability:
    """How much one detector can see now, and why no more: a line for each flow log that lacks something."""

    detector: str
    sees: Sight
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one detector saw of one key in one window: a row of its result."""

    detector: str
    severity: Severity
    title: str
    sentence: str
    key: dict[str, Any]
    window: Window
    first_seen: datetime
    last_seen: datetime
    flows: int
    bytes: int
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DetectReport:
    """What one detect did: windows looked at, events written by kind, detectors that failed with their message."""

    windows: int = 0
    sightings: int = 0
    events: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    detector_seconds: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
