"""Reports → Prometheus. The only room that imports prometheus_client."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

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
from flowaudit.scraping import Metric, metrics

UNEXPECTED = "unexpected"
"""The kind of a failure that nobody foresaw: a fault in flowaudit, whose traceback is in the log."""
SECONDS = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)

Labels: TypeAlias = Mapping[tuple[str, ...], Iterable[tuple[str, ...]]]
"""The known values of labels, by the labels' names: they stand at 0 from the start."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the page, and nothing asks when a counter began


def kind(error: BaseException) -> str:
    """Return the one word of a bounded set that names what went wrong: `source`, `lake`, … or `unexpected`."""
    foreseen = (each for each in type(error).__mro__ if each.__module__ == FlowauditError.__module__)
    return next(map(_word, foreseen), UNEXPECTED)


def kinds() -> tuple[str, ...]:
    """Return every word that `kind` may return, in alphabetical order."""
    return tuple(sorted({UNEXPECTED, *map(_word, _family(FlowauditError))}))


class Metrics:
    """Every metric of the daemon, in a registry of its own.

    Each stage has runs, failures, duration and last success; its report's fields bring the rest (`scraping.Metric`).
    """

    def __init__(
        self,
        version: str,
        stages: Mapping[str, Any],
        labels: Labels | None = None,
        registry: CollectorRegistry | None = None,
        others: Iterable[Any] = (),
    ) -> None:
        """Set up all metrics, at zero wherever labels are known.

        `stages` gives each name its report before any run; `others` are reports of what is no stage.
        """
        self.registry = registry or CollectorRegistry()
        for of_the_process in (ProcessCollector, PlatformCollector, GCCollector):
            of_the_process(registry=self.registry)
        Info("flowaudit_build", "Version.", registry=self.registry).info({"version": version})
        self._runs: dict[str, Counter] = {}
        self._failures: dict[str, Counter] = {}
        self._durations: dict[str, Histogram] = {}
        self._successes: dict[str, Gauge] = {}
        for stage in stages:
            self._set_up(stage)
        self._missed = self._counter(
            "task_missed", "Starts of a stage left out while the process was paused.", task=stages
        )
        self._overlapped = self._counter(
            "task_overlapped", "Starts of a stage left out while it still ran.", task=stages
        )
        self._errors = Gauge(
            "flowaudit_catalogue_errors", "Errors in query files, which are left out.", registry=self.registry
        )
        self._reported: dict[str, _Reported] = {}
        for report in (*stages.values(), *others):
            for metric, _ in metrics(report):
                self._reported[metric.name] = _Reported(metric, (labels or {}).get(metric.labels, ()), self.registry)
            self.record(report)

    def record(self, report: Any) -> None:  # noqa: ANN401  any stage's report
        """Count what a report brings."""
        for metric, values in metrics(report):
            self._reported[metric.name].record(values)

    def failed(self, stage: str, error: BaseException) -> None:
        """Count a failure in a run of a stage: all of the run, or one part of it."""
        self._failures[stage].labels(kind(error)).inc()

    def ended(self, stage: str, seconds: float, *, well: bool) -> None:
        """Count a run of a stage; `well` if nothing in it failed."""
        self._runs[stage].inc()
        self._durations[stage].observe(seconds)
        if well:
            self._successes[stage].set(time.time())

    def catalogue_errors(self, number: int) -> None:
        """Set the number of errors in query files; a file with one is left out."""
        self._errors.set(number)

    def left_out(self, job: str, missed: int, overlapped: int) -> None:
        """Count starts of a job that were left out: because nothing ran, and because the run before still did."""
        self._missed.labels(job).inc(missed)
        self._overlapped.labels(job).inc(overlapped)

    def relabel(self, report: Any, labels: Labels) -> None:  # noqa: ANN401  any stage's report
        """Set the known values of labels of a report's metrics anew: series of other values are removed."""
        for metric, _ in metrics(report):
            if metric.labels in labels:
                self._reported[metric.name].relabel(set(labels[metric.labels]))

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

    def _set_up(self, stage: str) -> None:
        """Make the four metrics that every stage has."""
        self._runs[stage] = self._counter(f"{stage}_runs", f"Runs of the stage {stage}, including failed ones.")
        self._failures[stage] = self._counter(
            f"{stage}_failures", f"Failures in runs of the stage {stage}, by kind.", kind=kinds()
        )
        self._durations[stage] = Histogram(
            f"flowaudit_{stage}_duration_seconds",
            f"Duration of runs of the stage {stage}.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._successes[stage] = Gauge(
            f"flowaudit_{stage}_last_success_timestamp_seconds",
            f"End of the last run of the stage {stage} without a failure. 0: none yet.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, **label: Iterable[str]) -> Counter:
        """Make a counter with at most one label, at zero for each value that the label is known to take."""
        counter = Counter(f"flowaudit_{name}", text, tuple(label), registry=self.registry)
        for value in (value for values in label.values() for value in values):
            counter.labels(value)
        return counter


class _Reported:
    """One metric of a stage's report."""

    def __init__(self, metric: Metric, known: Iterable[tuple[str, ...]], registry: CollectorRegistry) -> None:
        name, self._metric, self._known = f"flowaudit_{metric.name}", metric, set(known)
        self._newest = 0.0
        self._series: Any
        match metric.kind:
            case "counter":
                self._series = Counter(name, metric.help, metric.labels, registry=registry)
            case "histogram":
                self._series = Histogram(name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
            case _:
                self._series = Gauge(name, metric.help, metric.labels, registry=registry)
        for labels in self._known:
            self._series.labels(*labels)

    def relabel(self, known: set[tuple[str, ...]]) -> None:
        """Remove the series of values that are not known any more, and begin those of new ones at 0."""
        for labels in self._known - known:
            self._series.remove(*labels)
        for labels in known - self._known:
            self._series.labels(*labels)
        self._known = known

    def record(self, values: Any) -> None:  # noqa: ANN401  `Values`, which the metric's kind tells apart
        """Add to a counter or histogram, set a gauge; its labelled values that are not there are 0, or removed."""
        match self._metric.kind:
            case "histogram":
                for value in values:
                    self._series.observe(value)
            case "latest":
                self._newest = max(self._newest, values)
                self._series.set(self._newest)
            case _ if isinstance(values, Mapping):
                self._by_label({labels if isinstance(labels, tuple) else (labels,): n for labels, n in values.items()})
            case "counter":
                self._series.inc(values)
            case _:
                self._series.set(values)

    def _by_label(self, values: Mapping[tuple[str, ...], float]) -> None:
        if self._metric.forgets:
            for labels in self._known - set(values):
                self._series.remove(*labels)
            self._known = set()
        self._known |= set(values)
        for labels in self._known if self._metric.kind == "gauge" else values:
            series = self._series.labels(*labels)
            series.set(values.get(labels, 0)) if self._metric.kind == "gauge" else series.inc(values[labels])


def _word(error: type[BaseException]) -> str:
    """`TransientSourceError` → `transient_source`."""
    name = error.__name__.removesuffix("Error") or "other"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _family(error: type[FlowauditError]) -> Iterator[type[FlowauditError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == error.__module__:  # a component's own are of the kind of their parent
            yield from _family(child)
