"""Reports → Prometheus. The only room that imports prometheus_client."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder, gzip_accepted

from flowaudit.errors import FlowauditError
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.model import Capability, CollectReport, DetectReport, DiscoverReport, Severity, Sight
from flowaudit.topology import Owner

UNEXPECTED = "unexpected"
"""The kind of a failure that nobody foresaw: a fault in flowaudit, whose traceback is in the log."""
GAP_REASONS = ("denied", "throttled", "unreachable", "unsupported", "failed")
"""Why an API may not answer."""
EVENTS = ("opened", "seen", "reopened", "resolved")
JOBS = ("discover", "collect", "detect")
"""The stages that run by themselves, as jobs of the daemon."""
SECONDS = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the page, and nothing asks when a counter began


def kind(error: BaseException) -> str:
    """Return the one word of a bounded set that names what went wrong: `source`, `lake`, … or `unexpected`."""
    return _word(type(error)) if isinstance(error, FlowauditError) else UNEXPECTED


def kinds() -> tuple[str, ...]:
    """Return every word that `kind` may return, in alphabetical order."""
    return tuple(sorted({UNEXPECTED, *map(_word, _family(FlowauditError))}))


class Metrics:
    """Every number that flowaudit tells of itself, in a registry of its own."""

    def __init__(
        self, version: str, detectors: Mapping[str, Severity], registry: CollectorRegistry | None = None
    ) -> None:
        """Set up all metrics, at zero wherever the labels are known; `detectors` gives each id its severity."""
        self.registry = registry or CollectorRegistry()
        for of_the_process in (ProcessCollector, PlatformCollector, GCCollector):
            of_the_process(registry=self.registry)
        Info("flowaudit_build", "The version that runs.", registry=self.registry).info({"version": version})
        self._detectors = dict(detectors)
        self._newest = 0.0
        self._set_up_stages()
        self._set_up_discover()
        self._set_up_collect()
        self._set_up_detect()
        self._set_up_jobs()

    def discovered(self, report: DiscoverReport, unreached: int) -> None:
        """Say what a look at AWS found, and how many accounts or regions could not be asked."""
        self._regions.set(len(report.regions))
        self._unreached.set(unreached)
        for owner in Owner:
            self._interfaces.labels(owner).set(report.interfaces.get(owner, 0))
        for each in KINDS:
            self._workloads.labels(each.kind).set(report.workloads.get(each.kind, 0))
        self._networks.set(report.networks)
        self._strangers.inc(report.strangers)
        self._calls.inc(sum(report.calls.values()))
        for reason in GAP_REASONS:
            self._gaps.labels(reason).set(sum(gap.reason == reason for gap in report.gaps))

    def capabilities(self, found: Iterable[Capability]) -> None:
        """Say how much of what it looks for each detector can see."""
        for each in found:
            for sight in Sight:
                self._sees.labels(each.detector, sight).set(each.sees is sight)

    def collected(self, report: CollectReport) -> None:
        """Count what one batch brought."""
        self._objects.inc(report.objects + report.skipped + report.failed)
        self._skipped.inc(report.skipped)
        self._failed.inc(report.failed)
        for figure, counter in self._records.items():
            counter.inc(getattr(report, figure))
        self._bytes.inc(report.bytes)
        if report.last_record and (newest := report.last_record.timestamp()) > self._newest:
            self._newest = newest
            self._last_record.set(newest)

    def failed(self, stage: str, error: BaseException) -> None:
        """Count a source that could not be collected (`collect`), or a detect that was broken off (`detect`)."""
        self._failures[stage].labels(kind(error)).inc()

    def ended(self, stage: str, seconds: float, *, well: bool) -> None:
        """Count a `collect` of all sources or a `detect` of all detectors; `well` if nothing in it failed."""
        self._runs[stage].inc()
        self._durations[stage].observe(seconds)
        if well:
            self._successes[stage].set(time.time())

    def detected(self, report: DetectReport) -> None:
        """Count what a detect did and what came of it."""
        self._windows.inc(report.windows)
        self._sightings.inc(report.sightings)
        for event, number in report.events.items():
            self._events.labels(event).inc(number)
        for detector, number in report.runs.items():
            self._detector_runs.labels(detector).inc(number)
        for detector, seconds in report.detector_seconds.items():
            self._detector_seconds.labels(detector).inc(seconds)
        for detector in report.failures:
            self._detector_failures.labels(detector).inc()

    def problems(self, number: int) -> None:
        """Say how many mistakes there are in query files; a file with one is left out."""
        self._problems.set(number)

    def findings(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Say how many findings are open now, by detector and severity; what is not named is none."""
        self._known |= set(counts)
        for labels in self._known:
            self._open.labels(*labels).set(counts.get(labels, 0))

    def job_missed(self, job: str) -> None:
        """Count a start of a job that was left out."""
        self._missed.labels(job).inc()

    def job_overlapped(self, job: str) -> None:
        """Count a start of a job that was left out because the one before still ran."""
        self._overlapped.labels(job).inc()

    def exposition(
        self, accept: str = "", accept_encoding: str = "", names: Sequence[str] = ()
    ) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the metrics page: text or OpenMetrics, gzipped if wished; `names` picks some."""
        encode, content_type = choose_encoder(accept)
        body = encode(self.registry.restricted_registry(names) if names else self.registry)
        headers = {"Content-Type": content_type}
        if gzip_accepted(accept_encoding):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        return headers, body

    def _set_up_stages(self) -> None:
        """Make what every stage has."""
        self._runs = {
            "discover": self._counter("discover_runs", "Looks at AWS, also those that failed."),
            "collect": self._counter("collect_runs", "Collects of all sources, also those that failed."),
            "detect": self._counter("detect_runs", "Detects of all detectors, also those that failed."),
        }
        self._failures = {
            "discover": self._counter("discover_failures", "Looks at AWS that were broken off.", kind=kinds()),
            "collect": self._counter("collect_failures", "Sources that could not be collected.", kind=kinds()),
            "detect": self._counter("detect_failures", "Detects that were broken off.", kind=kinds()),
        }
        self._durations = {
            "discover": self._duration("discover_duration_seconds", "Time that a look at AWS took."),
            "collect": self._duration("collect_duration_seconds", "Time that a collect of all sources took."),
            "detect": self._duration("detect_duration_seconds", "Time that a detect of all detectors took."),
        }
        self._successes = {
            "discover": self._time("discover_last_success", "When the last look ended in which all of AWS answered."),
            "collect": self._time("collect_last_success", "When the last collect without failure ended."),
            "detect": self._time("detect_last_success", "When the last detect without failure ended."),
        }

    def _set_up_discover(self) -> None:
        self._regions = self._gauge("discover_regions", "Accounts' regions that were asked.")
        self._unreached = self._gauge("discover_unreached", "Accounts and regions that could not be asked at all.")
        self._networks = self._gauge("discover_networks", "VPCs that are known.")
        self._interfaces = self._gauge("discover_interfaces", "Interfaces, by what they are.", "owner")
        self._workloads = self._gauge("discover_workloads", "SageMaker resources that are known.", "kind")
        self._gaps = self._gauge("discover_gaps", "APIs that do not answer.", "reason")
        self._strangers = self._counter("discover_strangers", "Interfaces that only records tell of.")
        self._calls = self._counter("discover_calls", "Requests to AWS.")
        self._sees = self._gauge("detector_sees", "1: how much a detector can see.", "detector", "sight")
        self.discovered(DiscoverReport(), 0)
        self.capabilities(Capability(detector, Sight.BLIND) for detector in self._detectors)

    def _set_up_collect(self) -> None:
        self._objects = self._counter("collect_objects", "Log objects dealt with: collected, skipped or failed.")
        self._skipped = self._counter("collect_objects_skipped", "Log objects left alone: no header, not a flow log.")
        self._failed = self._counter("collect_objects_failed", "Tries at log objects that could not be read.")
        self._bytes = self._counter("collect_bytes", "Size of collected log objects as stored at their source.")
        self._records = {
            "records": self._counter("collect_records", "Records in collected log objects."),
            "kept": self._counter("collect_records_kept", "Records that are in the lake."),
            "out_of_scope": self._counter("collect_records_out_of_scope", "Records of interfaces not in scope."),
            "quarantined": self._counter("collect_records_quarantined", "Lines that could not be read."),
            "diverted": self._counter("collect_records_diverted", "Records of Transit Gateway flow logs."),
        }
        self._last_record = self._time("collect_last_record", "End of the newest record collected.")

    def _set_up_detect(self) -> None:
        every = tuple(self._detectors)
        self._windows = self._counter("detect_windows", "Windows that detectors had to look at.")
        self._sightings = self._counter("detect_sightings", "Keys that detectors saw in windows.")
        self._detector_runs = self._counter("detector_runs", "Queries of a detector, one a window.", detector=every)
        self._detector_failures = self._counter(
            "detector_failures", "Detects in which a detector failed.", detector=every
        )
        self._detector_seconds = self._counter(
            "detector_duration_seconds", "Time that a detector's queries took.", detector=every
        )
        self._problems = Gauge(
            "flowaudit_catalogue_problems", "Mistakes in query files, which are left out.", registry=self.registry
        )
        self._events = self._counter("findings_events", "Events of findings.", event=EVENTS)
        self._open = Gauge(
            "flowaudit_findings_open", "Findings that are open.", ("detector", "severity"), registry=self.registry
        )
        self._known = {(detector, str(severity)) for detector, severity in self._detectors.items()}
        self.findings({})

    def _set_up_jobs(self) -> None:
        self._missed = self._counter("job_missed", "Starts of a job left out, for lack of a thread.", job=JOBS)
        self._overlapped = self._counter("job_overlapped", "Starts left out as the one before still ran.", job=JOBS)

    def _counter(self, name: str, text: str, **label: Sequence[str]) -> Counter:
        """Make a counter with at most one label, at zero for each value that the label is known to take."""
        counter = Counter(f"flowaudit_{name}", text, tuple(label), registry=self.registry)
        for value in (value for values in label.values() for value in values):
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"flowaudit_{name}", text, labels, registry=self.registry)

    def _duration(self, name: str, text: str) -> Histogram:
        return Histogram(f"flowaudit_{name}", text, buckets=SECONDS, registry=self.registry)

    def _time(self, name: str, text: str) -> Gauge:
        return Gauge(f"flowaudit_{name}_timestamp_seconds", f"{text} 0: none yet.", registry=self.registry)


def _word(error: type[BaseException]) -> str:
    """`TransientSourceError` → `transient_source`."""
    name = error.__name__.removesuffix("Error") or "other"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _family(error: type[FlowauditError]) -> Iterator[type[FlowauditError]]:
    yield error
    for child in error.__subclasses__():
        yield from _family(child)
