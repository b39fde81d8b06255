"""Asks Prometheus, and the daemon's API, what the panels of a dashboard ask."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::[\w:]+)?\}")
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
POINTS = 600
"""The most points of a line, as many as a panel of half the width has pixels."""


@dataclass(frozen=True)
class Span:
    """The time range of a dashboard, in Unix seconds, and what Prometheus and panels add to it."""

    start: float
    end: float
    scrape: float = 15
    step: float = 0
    shortest: float = 0

    def interval(self, panel: str) -> float:
        """Return the seconds between two points of a panel, which may ask for more than Grafana would take."""
        wanted = min(duration(panel), self.shortest) if self.shortest and panel else duration(panel or "0s")
        return max(self.step or (self.end - self.start) / POINTS, wanted, 1)

    def globals(self, panel: str) -> dict[str, str]:
        """Return the variables that Grafana sets by itself."""
        interval, length = self.interval(panel), self.end - self.start
        return {
            "__interval": f"{interval:.0f}s",
            "__rate_interval": f"{max(interval + self.scrape, 4 * self.scrape):.0f}s",
            "__range": f"{length:.0f}s",
            "__range_s": f"{length:.0f}",
            "__from": _iso(self.start),
            "__to": _iso(self.end),
        }


@dataclass(frozen=True)
class Series:
    """A series by its legend: its labels, and pairs of time and value."""

    name: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    ref: str = "A"

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.points[-1][1]


def duration(text: str) -> float:
    """Return the seconds of an interval such as 5m."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def opened(board: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a dashboard's variables: those given, else those that it opens with."""
    values = {}
    for variable in board["templating"]["list"]:
        current = variable.get("current", {}).get("value", "")
        everything = current == ["$__all"]
        value = variable["allValue"] if everything else "|".join(current) if isinstance(current, list) else current
        values[variable["name"]] = given.get(variable["name"], str(value))
    return values


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables replaced; raises KeyError for one that there is not."""
    return VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def fetched(base: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON of an address; raises OSError, with what the server said, where it refuses."""
    try:
        with urllib.request.urlopen(f"{base}{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            answered: dict[str, Any] = json.load(answer)
            return answered
    except urllib.error.HTTPError as error:
        raise OSError(f"{base}{path}: {error.code}: {error.read().decode(errors='replace')[:500]}") from error


def asked(base: str, panel: Mapping[str, Any], values: Mapping[str, str], span: Span) -> list[Series]:
    """Return the series of a panel's queries to Prometheus; raises OSError where one is refused."""
    values = {**values, **span.globals(panel.get("interval", ""))}
    found = [series for target in panel["targets"] for series in _series(base, panel, target, values, span)]
    return [replace(series, name=renamed(panel, series.name)) for series in found]


def renamed(panel: Mapping[str, Any], name: str) -> str:
    """Return a series' name as the panel's transformations leave it."""
    for step in panel.get("transformations", []):
        if step["id"] == "renameByRegex":
            pattern = step["options"]["regex"].removeprefix("/").removesuffix("/g")
            name = re.sub(pattern, step["options"]["renamePattern"], name)
    return name


def _series(
    base: str, panel: Mapping[str, Any], target: Mapping[str, Any], values: Mapping[str, str], span: Span
) -> list[Series]:
    expr = filled(target["expr"], values)
    if target.get("instant"):
        found = fetched(base, "/api/v1/query", {"query": expr, "time": f"{span.end}"})["data"]["result"]
    else:
        step = span.interval(panel.get("interval", ""))
        # On multiples of the step, as Grafana asks.
        asked = {"start": span.start // step * step, "end": span.end // step * step, "step": step}
        parameters = {"query": expr} | {name: str(value) for name, value in asked.items()}
        found = fetched(base, "/api/v1/query_range", parameters)["data"]["result"]
    return [_one(each, target) for each in found]


def _one(found: Mapping[str, Any], target: Mapping[str, Any]) -> Series:
    labels = found["metric"]
    name = LABEL.sub(lambda label: labels.get(label[1], ""), target.get("legendFormat", ""))
    points = tuple((float(at), float(value)) for at, value in found.get("values", [found.get("value")]))
    return Series(name, labels, points, target["refId"])


def reported(base: str, panel: Mapping[str, Any], span: Span) -> list[dict[str, Any]]:
    """Return the rows of a panel that asks the daemon's API, by the titles of its columns."""
    (target,) = panel["targets"]
    given = {one["key"]: filled(one["value"], span.globals("")) for one in target["url_options"]["params"]}
    found = fetched(base, target["url"], given)[target["root_selector"]]
    return [{column["text"]: row.get(column["selector"]) for column in target["columns"]} for row in found]
