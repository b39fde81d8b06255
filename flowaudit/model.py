"""The values that travel between rooms: frozen, plain, and all there is to agree upon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from flowaudit.scraping import Metric, counter, gauge, ranking, scraped
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
    """The outcome of one log object and of its records: `records` is the sum of the four fields after it.

    `egress` are the bytes that workloads sent, by path and AWS service; known once the object's batch is complete.
    """

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
    egress: Mapping[tuple[str, str], int] = field(default_factory=dict)


NAT = "nat_gateway"
"""The path whose bytes are paid for by the GB."""
DELAYS = (5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Bounds, in seconds, of the histogram of how long objects take from their source to the lake."""


@dataclass(frozen=True, slots=True)
class CollectReport:
    """Results of one collection run; `bytes` as stored at the source, `problems` one line per skipped or failed object.

    `delays` are the seconds from an object's last modification at its source to its commit in the lake.
    """

    objects: int = counter("collect_objects", "Log objects collected.")
    skipped: int = counter("collect_objects_skipped", "Log objects skipped: no header, or not a flow log.")
    failed: int = counter("collect_objects_failed", "Failed attempts to read a log object; it is retried.")
    records: int = counter("collect_records", "Records in collected log objects.")
    kept: int = counter("collect_records_kept", "Records stored in the lake.")
    out_of_scope: int = counter("collect_records_out_of_scope", "Records of interfaces that are not in scope.")
    quarantined: int = counter("collect_records_quarantined", "Lines that could not be parsed.")
    diverted: int = counter("collect_records_transit_gateway", "Transit Gateway flow log records, which are left out.")
    bytes: int = counter("collect_bytes", "Size of collected log objects as stored at their source.")
    seconds: float = 0.0
    last_record: datetime | None = scraped(
        Metric(
            "latest",
            "collect_last_record_timestamp_seconds",
            "End of the newest record collected. 0: none yet.",
            of=lambda moment: moment.timestamp() if moment else 0.0,
        ),
        type(None),
    )
    problems: tuple[str, ...] = ()
    delays: tuple[float, ...] = scraped(
        Metric(
            "histogram",
            "collect_delay_seconds",
            "Time from the last modification of a log object at its source to its commit in the lake.",
            buckets=DELAYS,
        ),
        tuple,
    )
    egress_bytes: Mapping[str, int] = counter(
        "collect_egress_bytes", "Bytes in accepted egress records of workloads, by path.", "path"
    )
    nat_bytes: Mapping[str, int] = counter(
        "collect_nat_bytes", "Bytes sent over NAT gateways, by AWS service of the remote address.", "service"
    )

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
            egress_bytes=_added(self.egress_bytes, ((path, size) for (path, _), size in report.egress.items())),
            nat_bytes=_added(self.nat_bytes, ((s, size) for (p, s), size in report.egress.items() if p == NAT)),
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


def _added(sums: Mapping[str, int], more: Iterable[tuple[str, int]]) -> dict[str, int]:
    total = Counter(sums)
    for label, number in more:
        total[label] += number
    return dict(total)


@dataclass(frozen=True, slots=True)
class DiscoverReport:
    """Results of one discovery run: interfaces by owner, resources by kind, rows by table, requests by IAM action.

    `regions` were queried, each an account and a region; `unreachable` could not be. `gaps` are the APIs that did not
    answer. `unlisted` interfaces are in records, and AWS lists them no more.
    """

    regions: tuple[tuple[str, str], ...] = gauge(
        "discover_regions", "Pairs of account and region queried.", of=len, empty=tuple
    )
    unreachable: tuple[str, ...] = gauge(
        "discover_unreachable", "Accounts and regions that cannot be queried.", of=len, empty=tuple
    )
    interfaces: Mapping[str, int] = gauge("discover_interfaces", "Network interfaces by owner.", "owner")
    workloads: Mapping[str, int] = gauge("discover_workloads", "SageMaker resources by kind.", "kind")
    networks: int = gauge("discover_vpcs", "VPCs in the inventory.")
    unlisted: int = counter("discover_unlisted_interfaces", "Interfaces in records that AWS no longer lists.")
    changes: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = counter(
        "discover_api_calls", "AWS API requests.", of=lambda calls: sum(calls.values()), empty=dict
    )
    gaps: tuple[Gap, ...] = gauge(
        "discover_failed_apis",
        "AWS APIs without an answer in the last discovery run, by reason.",
        "reason",
        of=lambda gaps: Counter(gap.reason for gap in gaps),
        empty=tuple,
    )
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` prints of it."""
        return {"regions": len(self.regions), "interfaces": sum(self.interfaces.values())}


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


class Visibility(StrEnum):
    """How much of what it looks for a detector can see."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capability:
    """How much one detector can see now, and why no more: a line for each flow log that lacks something."""

    detector: str
    visibility: Visibility
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
    """Results of one detection run: windows evaluated, events written by kind, failed detectors with their message.

    `open` and what follows it are of the open findings afterwards, by detector and severity.
    """

    windows: int = counter("detect_windows", "Windows that were due for a detector.")
    sightings: int = counter("detect_matches", "Keys that detectors matched in windows.")
    events: Mapping[str, int] = counter("findings_events", "Events of findings.", "event")
    failures: Mapping[str, str] = counter(
        "detector_failures",
        "Runs of all detectors in which this one failed.",
        "detector",
        of=lambda failures: dict.fromkeys(failures, 1),
    )
    runs: Mapping[str, int] = counter("detector_runs", "Queries of a detector, one for each window.", "detector")
    detector_seconds: Mapping[str, float] = counter(
        "detector_duration_seconds", "Time spent in the queries of a detector.", "detector"
    )
    open: Mapping[tuple[str, str], int] = gauge("findings_open", "Open findings.", "detector", "severity")
    open_bytes: Mapping[tuple[str, str], int] = gauge(
        "findings_open_bytes", "Bytes of the flows of open findings.", "detector", "severity"
    )
    open_since: Mapping[tuple[str, str], float] = gauge(
        "findings_open_since_timestamp_seconds",
        "First flow of the oldest open finding. 0: none is open.",
        "detector",
        "severity",
    )
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` prints of it."""
        return {"windows": self.windows, "events": dict(self.events), "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """How much of the lifetime of SageMaker's interfaces flow logs cover."""

    interface_seconds: Mapping[str, int] = gauge(
        "coverage_interface_seconds", "Lifetime of interfaces in the last 24 hours, by state of coverage.", "state"
    )
    final_seconds: Mapping[str, int] = counter(
        "coverage_final_seconds", "Lifetime of interfaces by state, counted once its coverage is final.", "state"
    )
    gaps: int = gauge("coverage_gaps", "Interfaces whose newest minutes are not covered.")
    visibility: Mapping[tuple[str, str], int] = gauge(
        "detector_visibility",
        "1 for how much of what it looks for a detector can see: full, partial or none.",
        "detector",
        "visibility",
    )
    blind_workloads: int = gauge("coverage_blind_workloads", "Workloads with traffic that no flow log can record.")
    workload_bytes: Mapping[tuple[str, str, str], int] = ranking(
        "traffic_workload_bytes",
        "Bytes that the workloads that sent most sent in the last hour of records, by path.",
        *("workload_kind", "workload", "path"),
    )
    workload_findings: Mapping[tuple[str, str, str], int] = ranking(
        "traffic_workload_findings",
        "Open findings of the workloads with the most severe ones.",
        *("workload_kind", "workload", "severity"),
    )

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` prints of it."""
        return {"gaps": self.gaps, "blind_workloads": self.blind_workloads}


@dataclass(frozen=True, slots=True)
class DeliverReport:
    """Results of one delivery, by sink; `errors` are the reasons of sinks that accept no events at present."""

    events: Mapping[str, int] = counter("sink_events", "Events that a sink accepted.", "sink")
    failures: Mapping[str, int] = counter("sink_failures", "Failed attempts to send to a sink.", "sink")
    dead_letters: Mapping[str, int] = counter("sink_dead_letters", "Events given up after a sink refused them.", "sink")
    pending: Mapping[str, int] = gauge("sink_pending_events", "Events that wait to be sent to a sink.", "sink")
    oldest_pending: Mapping[str, float] = gauge(
        "sink_oldest_pending_timestamp_seconds",
        "Oldest event that waits for a sink. 0: none waits.",
        "sink",
    )
    up: Mapping[str, int] = gauge("sink_up", "1: the last attempt to send succeeded, or none was made yet.", "sink")
    last_success: Mapping[str, float] = gauge(
        "sink_last_success_timestamp_seconds", "Last time that a sink accepted events. 0: none yet.", "sink"
    )
    errors: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` prints of it: events by sink."""
        names = ("events", "pending", "dead_letters")
        return {name: dict(getattr(self, name)) for name in names} | {"errors": dict(self.errors)}


@dataclass(frozen=True, slots=True)
class WebReport:
    """Results of the HTTP server since the report before."""

    requests: Mapping[str, int] = counter("http_requests", "HTTP requests by status.", "status")
    dropped: int = counter(
        "http_connections_dropped", "HTTP connections closed because there were too many, or one took too long."
    )
    is_config_current: bool = gauge(
        "web_config_last_reload_successful",
        "0: the web configuration file has a mistake, and what it said before still holds. 1: it was read.",
        empty=lambda: True,
    )


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """Whether the configuration and the queries hold that were read last, and when those that hold were read."""

    is_current: bool = gauge(
        "config_last_reload_successful",
        "0: the configuration or a query has a mistake, and what held before still holds. 1: it was read.",
        empty=lambda: True,
    )
    at: float = scraped(
        Metric("latest", "config_last_reload_success_timestamp_seconds", "When the configuration that holds was read."),
        float,
    )


@dataclass(frozen=True, slots=True)
class LeaderReport:
    """Whether this daemon leads, and its generation: that of the lease that it holds, or held last."""

    is_leader: bool = gauge("leader", "1: this daemon holds the lease of the lake and writes. 0: it waits for it.")
    generation: int = gauge("leader_generation", "Generation of the lease that this daemon held last. 0: none yet.")
