"""Values are shown as the labels of the status page, and a color means the same on every panel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.draw.answers import renamed
from dashboards.draw.colors import NAMED, hexed, mapped, of_series, titled
from dashboards.grafana import labels
from flowaudit import paths
from flowaudit.coverage import State
from flowaudit.inventory.asking import REASONS
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.model import FindingEvent, Severity, Visibility
from flowaudit.web import labels as page
from tests.dashboards.panels import Panel, dashboards, panels

PANELS = [(board["uid"], panel) for board in dashboards() for panel in panels(board)]


def of(*names: str) -> Iterator[tuple[str, Panel]]:
    """Return the panels with a series that is named by one of these labels of metrics."""
    for board, panel in PANELS:
        if any(target.get("legendFormat") in {f"{{{{{name}}}}}" for name in names} for target in panel["targets"]):
            yield board, panel


def columns(title: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the properties of each column with a title, with the panel that it is in."""
    return [
        (f"{board} {panel['id']}", {one["id"]: one["value"] for one in override["properties"]})
        for board, panel in PANELS
        if panel["type"] == "table"
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == title
    ]


def test_every_path_has_a_label_and_a_color_of_its_own() -> None:
    """The table has the paths that a verdict may name, in the words of the status page, each in another color."""
    assert labels.PATHS.keys() == set(paths.PATHS)
    assert {value: label.text for value, label in labels.PATHS.items()} == {
        value: page.path(value) for value in paths.PATHS
    }
    colors = [hexed(label.color or "text") for label in labels.PATHS.values()]
    assert len(set(colors)) == len(colors)


def rgb(path: str) -> tuple[int, int, int]:
    """Return the red, green and blue of a path's color."""
    color = hexed(labels.PATHS[path].color or "text")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def test_a_color_says_where_a_path_leads() -> None:
    """Red is the internet without NAT, orange with it, yellow not determined, blue private, green in the VPC."""
    for path in ("internet_gateway", "egress_only_internet_gateway"):
        red, green, blue = rgb(path)
        assert red > 220
        assert max(green, blue) < 140
    assert labels.PATHS["nat_gateway"].color == "orange"
    for path in ("unknown", "vpc_resource"):
        red, green, blue = rgb(path)
        assert min(red, green) > 170
        assert blue < 80
    for path in ("transit_gateway", "virtual_private_gateway", "vpc_peering", "middlebox", "local_zone"):
        assert rgb(path)[2] > max(rgb(path)[:2])
    for path in ("same_vpc", "interface_endpoint", "gateway_endpoint"):
        assert rgb(path)[1] > max(rgb(path)[0], rgb(path)[2])


@pytest.mark.parametrize("path", paths.PATHS)
def test_a_path_looks_the_same_on_every_panel(path: str) -> None:
    """Whether a series over time or a cell of a table, a path has its label and its color."""
    label = labels.PATHS[path]
    expected = (label.text, hexed(label.color or "text"))
    series = [(titled(panel, path), of_series(panel, path, set())) for _, panel in of("path")]
    cells = [mapped(path, properties["mappings"]) for _, properties in columns("Path")]
    assert (len(series), len(cells)) == (2, 5)
    assert {*series, *cells} == {expected}


def test_every_kind_is_in_words() -> None:
    """A column Kind has the label of each kind of workload, and no color, as a kind is neither good nor bad."""
    assert labels.KINDS.keys() == {kind.kind for kind in KINDS}
    found = columns("Kind")
    assert len(found) == 3
    for where, properties in found:
        for kind in KINDS:
            assert mapped(kind.kind, properties["mappings"]) == (page.kind(kind.kind), NAMED["text"]), where
        assert "custom.cellOptions" not in properties


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("fraud-training (training_job)", "fraud-training (training job)"),
        ("a_b (hyper_parameter_tuning_job)", "a_b (hyper parameter tuning job)"),
        ("x (endpoint)", "x (endpoint)"),
        ("gateway_load_balancer_endpoint", "gateway load balancer endpoint"),
        ("_)(_ (model_package)", "_)(_ (model package)"),
    ],
)
def test_a_kind_in_a_name_is_in_words(name: str, shown: str) -> None:
    """Only the kind at the end loses its underscores; the name of a workload is as AWS has it."""
    ends = re.compile(r"(^|\()\{\{(workload_kind|kind|owner)\}\}\)?$")
    found = [panel for _, panel in PANELS if any(ends.search(t.get("legendFormat", "")) for t in panel["targets"])]
    assert len(found) == 5
    for panel in found:
        assert renamed(panel, name) == shown, panel["title"]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (labels.SEVERITIES, set(Severity)),
        (labels.VISIBILITY, set(Visibility)),
        (labels.EVENTS, set(FindingEvent) - {FindingEvent.SEEN}),
        (labels.COVERAGE, {str(state) for state in State}),
        (labels.REASONS, {str(reason) for reason in REASONS}),
    ],
    ids=["severity", "visibility", "event", "state", "reason"],
)
def test_every_value_has_a_label(table: labels.Labels, values: set[str]) -> None:
    """The values that flowaudit knows are those that have a label, each in a color, without underscores."""
    assert table.keys() == {str(value) for value in values}
    assert all(label.color and "_" not in label.text for label in table.values())


def test_severities_are_colored() -> None:
    """Each column Severity shows critical red, by a cell that is colored, whether it has words or their ranks."""
    values: dict[str, str | float] = {"flowaudit-findings 1": "critical", "flowaudit-overview 13": 4}
    found = columns("Severity")
    assert len(found) == len(values)
    for where, properties in found:
        assert mapped(values[where], properties["mappings"]) == ("critical", NAMED["red"]), where
        assert properties["custom.cellOptions"] == {"type": "color-text"}, where


TABLES = {
    "path": labels.PATHS,
    "severity": labels.SEVERITIES,
    "visibility": labels.VISIBILITY,
    "state": labels.COVERAGE,
    "reason": labels.REASONS,
    "event": labels.EVENTS,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_series_by_value_has_the_color_of_its_label(name: str) -> None:
    """Where lines are named by a value, the color of none is left to chance."""
    found = list(of(name))
    assert found
    for _, panel in found:
        for value, label in TABLES[name].items():
            shown = titled(panel, value), of_series(panel, value, set())
            assert shown == (label.text, hexed(label.color or "text")), panel["title"]


def test_allowed_paths_are_chosen_by_their_labels() -> None:
    """The variable offers each path by its label, and puts its value into queries."""
    (workload,) = (board for board in dashboards() if board["uid"] == "flowaudit-workload")
    (allowed,) = (one for one in workload["templating"]["list"] if one["name"] == "allowed")
    assert {option["value"]: option["text"] for option in allowed["options"]} == {
        value: page.path(value) for value in paths.PATHS
    }
    offered = dict(one.split(" : ")[::-1] for one in allowed["query"].split(", "))
    assert offered == {value: page.path(value) for value in paths.PATHS}


def test_a_stacked_area_has_the_color_of_its_legend() -> None:
    """An area is filled so far that its color is that of the legend rather than that of the background."""
    filled = [
        panel["fieldConfig"]["defaults"]["custom"]
        for _, panel in PANELS
        if panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["custom"].get("stacking")
    ]
    assert filled
    assert all(custom["fillOpacity"] >= 60 for custom in filled)
