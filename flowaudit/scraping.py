"""Fields of a report that Prometheus scrapes: declared beside the field, served by `metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

Values: TypeAlias = float | Mapping[Any, float] | Sequence[float]
"""A number; numbers by a label's value, or by the tuple of several; or observations of a histogram."""
Of: TypeAlias = Callable[[Any], Values]


def _as_it_is(value: Values) -> Values:
    return value


@dataclass(frozen=True, slots=True)
class Metric:
    """A field of a report as Prometheus scrapes it.

    `name` follows `flowaudit_`. A report adds to a counter, sets a gauge, raises a `latest` (a gauge that never goes
    back), and brings observations to a histogram. `of` turns the field's value into `Values`. A labelled value that a
    gauge once had and that is not in the newest report stands at 0; if the gauge `forgets`, it is removed.
    """

    kind: Literal["counter", "gauge", "latest", "histogram"]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    of: Of = _as_it_is
    forgets: bool = False


def counter(name: str, help: str, *labels: str, of: Of = _as_it_is, empty: type = int) -> Any:  # noqa: ANN401  a dataclass field
    """Return a report's field that is scraped as a counter; with labels it is a mapping, else `empty()` at first."""
    return scraped(Metric("counter", name, help, labels, of=of), dict if labels and empty is int else empty)


def gauge(name: str, help: str, *labels: str, of: Of = _as_it_is, empty: Callable[[], Any] = int) -> Any:  # noqa: ANN401
    """Return a report's field that is scraped as a gauge; with labels it is a mapping, else `empty()` at first."""
    return scraped(Metric("gauge", name, help, labels, of=of), dict if labels and empty is int else empty)


def ranking(name: str, help: str, *labels: str) -> Any:  # noqa: ANN401
    """Return a report's field that is scraped as a gauge whose labels come and go: of few at a time, out of many."""
    return scraped(Metric("gauge", name, help, labels, forgets=True), dict)


def scraped(metric: Metric, empty: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return a report's field that is scraped as `metric`."""
    return field(default_factory=empty, metadata={"metric": metric})


def metrics(report: object) -> Iterator[tuple[Metric, Values]]:
    """Yield the metrics of a report with what it adds to them."""
    for each in fields(report):  # type: ignore[arg-type]  # any report is a dataclass
        if (metric := each.metadata.get("metric")) is not None:
            yield metric, metric.of(getattr(report, each.name))
