"""The dashboards are up to date, ask for what there is, and have what Grafana needs."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from typer.main import get_command

from flowaudit.cli import verbs
from tests.dashboards.panels import FILES, Dashboard, Panel, dashboards, panels, parsed, queries, variables
from tests.expressions import lacking, nodes
from tests.rendered import METRICS, OF_PROMETHEUS, ROOT, TARGET

BOARDS = dashboards()
VALUES = {board["uid"]: variables(board) for board in BOARDS}
PANELS = [(board["uid"], panel) for board in BOARDS for panel in panels(board)]
ASKED = list(queries())
RUNBOOKS = ROOT / "docs" / "runbooks"
PROCESS = {
    sample.name for metric in ProcessCollector(registry=CollectorRegistry()).collect() for sample in metric.samples
}
EXPORTED: dict[str, set[str]] = METRICS | {name: set() for name in PROCESS | OF_PROMETHEUS}
LEGEND = re.compile(r"\{\{(\w+)\}\}")


def render(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run what scripts/dashboards runs."""
    command = [sys.executable, "-m", "dashboards.grafana.render", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def named(one: tuple[str, Panel]) -> str:
    """Return the name of a panel's case."""
    return f"{one[0].removeprefix('flowaudit-')}-{one[1]['id']}"


def selectors(expr: promql.Expr) -> list[promql.VectorSelector]:
    """Return the selectors of an expression."""
    return [node for node in nodes(expr) if isinstance(node, promql.VectorSelector)]


def labels_asked(expr: promql.Expr) -> dict[str, set[str]]:
    """Return each metric of an expression with the labels that its selectors match."""
    found: dict[str, set[str]] = {}
    for one in selectors(expr):
        found.setdefault(str(one.name), set()).update(matcher.name for matcher in one.matchers.matchers)
    return found


EXPRESSIONS = [(one, parsed(one.expr, VALUES[one.dashboard])) for one in ASKED]
VARIABLES = [
    parsed(one["query"].removeprefix("label_values(").rpartition(", ")[0], VALUES[board["uid"]])
    for board in BOARDS
    for one in board["templating"]["list"]
    if one["type"] == "query"
]
USED: dict[str, set[str]] = {}
for tree in [expr for _, expr in EXPRESSIONS] + VARIABLES:
    for metric, asked in labels_asked(tree).items():
        USED.setdefault(metric, set()).update(asked)


def known(expr: promql.Expr) -> set[str]:
    """Return every label that one of an expression's metrics has; what is not exported fails another test."""
    if missing := sorted({str(one.name) for one in selectors(expr)} - EXPORTED.keys()):
        pytest.skip(f"not exported: {missing}")
    return TARGET.union(*(EXPORTED[str(one.name)] for one in selectors(expr)))


@pytest.mark.parametrize("metric", sorted(USED))
def test_each_metric_is_exported_with_its_labels(metric: str) -> None:
    """A metric in an expression or a variable is one of docs/metrics.md, with the labels that are asked for."""
    assert metric in EXPORTED
    assert USED[metric] <= EXPORTED[metric] | TARGET


@pytest.mark.parametrize("metric", sorted(name for name in METRICS if not name.endswith(("_bucket", "_count", "_sum"))))
def test_each_exported_metric_is_on_a_dashboard(metric: str) -> None:
    """No metric is exported for nobody: each is on a dashboard, but for those in NOT_SHOWN."""
    assert (metric in USED) != (metric in NOT_SHOWN)


NOT_SHOWN = {
    "flowaudit_collect_bytes_total": "the size of objects says nothing about traffic",
    "flowaudit_collect_records_total": "the sum of the four that are shown",
    "flowaudit_config_last_reload_success_timestamp_seconds": "it is for looking up since when a configuration holds",
    "flowaudit_leader_generation": "it is for comparing the logs of two daemons",
}


@pytest.mark.parametrize(
    ("asked", "expr"), EXPRESSIONS, ids=[f"{a.dashboard}-{a.panel}-{a.ref}" for a, _ in EXPRESSIONS]
)
def test_what_is_aggregated_by_is_there(asked: Any, expr: promql.Expr) -> None:
    """Labels in `by` and `on` are those of a metric beneath."""
    for node in nodes(expr):
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            assert set(node.modifier.labels) <= known(node.expr)
        if isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
            assert set(node.modifier.matching.labels) <= known(node.lhs) & known(node.rhs)


def test_labels_that_are_not_there_would_be_seen() -> None:
    """The check on labels is not empty: it knows what each metric lacks."""
    expr = promql.parse("sum by (sink) (flowaudit_findings_open)")
    assert "sink" not in known(expr)
    assert labels_asked(promql.parse('up{nothing="x"}')) == {"up": {"nothing"}}


@pytest.mark.parametrize("one", PANELS, ids=named)
def test_series_have_names(one: tuple[str, Panel]) -> None:
    """Each series on a panel is named by words or by labels that it has, not by all of its labels."""
    board, panel = one
    if panel["type"] == "table":
        return
    for target in panel["targets"]:
        expr = parsed(target["expr"], VALUES[board])
        used = set(LEGEND.findall(target["legendFormat"]))
        assert target["legendFormat"]
        assert used <= known(expr)
        assert not lacking(used, expr)
    assert len({target["legendFormat"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("one", [one for one in PANELS if one[1]["type"] == "table"], ids=named)
def test_columns_of_tables_are_there(one: tuple[str, Panel]) -> None:
    """Each column of a table of metrics is a label that its series have, or the value of one of its queries."""
    board, panel = one
    if "expr" not in panel["targets"][0]:
        return
    (kept,) = (step["options"] for step in panel["transformations"] if step["id"] == "filterFieldsByName")
    refs = [target["refId"] for target in panel["targets"]]
    values = {f"Value #{ref}" for ref in refs} if len(refs) > 1 else {"Value"}
    columns = {name for name in kept["include"]["names"] if not name.startswith("Value")}
    assert set(kept["include"]["names"]) - columns <= values
    (first, *_) = (parsed(target["expr"], VALUES[board]) for target in panel["targets"])
    assert columns <= known(first)
    assert not lacking(columns, first)


def test_the_rendered_files_are_up_to_date() -> None:
    """The committed dashboards are those that scripts/dashboards renders."""
    checked = render("--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_file_that_is_out_of_date_is_named(tmp_path: Path) -> None:
    """`--check` writes nothing, names each file that differs, lacks or belongs to no dashboard, and exits with 1."""
    assert render("--output", tmp_path).returncode == 0
    (tmp_path / "cost.json").write_text("{}\n", "utf-8")
    (tmp_path / "gone.json").write_text("{}\n", "utf-8")
    (tmp_path / "health.json").unlink()
    checked = render("--output", tmp_path, "--check")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        f"scripts/dashboards: {tmp_path}/{name}.json is out of date: run scripts/dashboards"
        for name in ("cost", "gone", "health")
    ]
    assert (tmp_path / "cost.json").read_text("utf-8") == "{}\n"
    assert not (tmp_path / "health.json").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Where a file is in place of the folder, the message says so and the exit code is 2."""
    (tmp_path / "file").write_text("", "utf-8")
    checked = render("--output", tmp_path / "file")
    assert checked.returncode == 2
    assert "scripts/dashboards: " in checked.stderr
    assert "Traceback" not in checked.stderr


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_dashboard_has_what_grafana_needs(board: Dashboard) -> None:
    """It is classic JSON that is provisioned as it is: a uid of its own, no id, no inputs, and current values."""
    wanted = {"id": None, "editable": False, "refresh": "1m", "graphTooltip": 1, "tags": ["flowaudit"]}
    assert {key: board[key] for key in wanted} == wanted
    assert board["schemaVersion"] in {41, 42}
    assert "__inputs" not in board
    assert re.fullmatch(r"flowaudit-[a-z]{1,30}", board["uid"])
    assert board["title"]
    assert board["description"]
    for one in board["templating"]["list"]:
        assert one["label"]
        assert one["type"] == "datasource" or (one["description"] and one["current"]["value"])


def test_names_are_given_once() -> None:
    """No two dashboards share a uid or title, no two panels of one an id, no two queries of a panel a letter."""
    assert len({board["uid"] for board in BOARDS}) == len(BOARDS) == len(FILES)
    assert len({board["title"] for board in BOARDS}) == len(BOARDS)
    for board in BOARDS:
        ids = [panel["id"] for panel in board["panels"]]
        ids += [panel["id"] for row in board["panels"] if row["type"] == "row" for panel in row["panels"]]
        assert len(ids) == len(set(ids))
    assert len({(one.dashboard, one.panel, one.ref) for one in ASKED}) == len(ASKED)


def _overlaps(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def _groups(board: Dashboard) -> list[list[Panel]]:
    """Return the panels that are seen at once: those outside of collapsed rows, and those of each row."""
    return [board["panels"], *(row["panels"] for row in board["panels"] if row["type"] == "row")]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_panels_fill_the_grid_and_do_not_overlap(board: Dashboard) -> None:
    """Panels lie beside each other, and each line of them is 24 columns wide."""
    for group in _groups(board):
        grid = [panel["gridPos"] for panel in group]
        assert not [pair for pair in combinations(grid, 2) if _overlaps(*pair)]
        for y in {place["y"] for place in grid}:
            assert sum(place["w"] for place in grid if place["y"] == y) == 24


def test_the_first_row_answers_whether_data_leaks() -> None:
    """The overview begins with six numbers on one line, the verdict first."""
    (overview,) = (board for board in BOARDS if board["uid"] == "flowaudit-overview")
    first = [panel for panel in overview["panels"] if panel["gridPos"]["y"] == 0]
    assert [panel["title"] for panel in first] == [
        "Are we leaking?",
        "Leaked bytes",
        "Leaking since",
        "Coverage",
        "Age of newest record",
        "Open critical findings",
    ]
    assert {panel["gridPos"]["h"] for panel in first} == {4}


def test_the_overview_fits_on_one_screen() -> None:
    """Below the bars of Grafana, 100 pixels high, a screen of 1440 by 900 shows all of it: 21 lines of 38 pixels."""
    (overview,) = (board for board in BOARDS if board["uid"] == "flowaudit-overview")
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in overview["panels"]) <= 21


def test_the_rows_of_health_are_collapsed() -> None:
    """Health opens with its numbers and stages; all other panels are in collapsed rows, read when one is opened."""
    (health,) = (board for board in BOARDS if board["uid"] == "flowaudit-health")
    rows = [panel for panel in health["panels"] if panel["type"] == "row"]
    assert len(rows) == 8
    assert all(row["collapsed"] and row["panels"] for row in rows)
    assert max(panel["gridPos"]["y"] for panel in health["panels"] if panel["type"] != "row") < 30


def _links(panel: Panel) -> list[str]:
    links = [*panel.get("links", []), *panel["fieldConfig"]["defaults"].get("links", [])]
    return [one["url"] for one in links]


def test_linked_runbooks_are_there() -> None:
    """Each runbook that a panel links is a page of docs/runbooks."""
    linked = {url.rpartition("/")[2] for _, panel in PANELS for url in _links(panel) if "/runbooks/" in url}
    assert linked
    assert linked <= {file.name for file in RUNBOOKS.iterdir()}


@pytest.mark.parametrize("one", PANELS, ids=named)
def test_commands_in_descriptions_exist(one: tuple[str, Panel]) -> None:
    """A command that a description names is one of flowaudit's, and a report one of queries/reports."""
    for command in re.findall(r"flowaudit ([a-z][^.:,;]*)", one[1]["description"].replace("flowaudit's", "")):
        verb: Any = get_command(verbs)
        for word in command.split():
            if word.startswith("-"):
                assert word in {name for option in verb.params for name in option.opts}, command
                break
            if hasattr(verb, "commands"):
                assert word in verb.commands, command
                verb = verb.commands[word]
    for report in re.findall(r"flowaudit query run (\S+[a-z])", one[1]["description"]):
        assert (ROOT / "queries" / "reports" / f"{report}.sql").exists(), report
