"""The dashboards pass the rules of Grafana's dashboard-linter, without exclusions, and each rule can fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboards.panels import FOLDER, Dashboard, dashboards
from tests.linter import RULES, problems

BOARDS = dashboards()
SELECTOR = 'job=~"$job",instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# All rules of version 0.2, except the two for Loki.
LINTER = {
    "panel-datasource-rule",
    "panel-no-targets-rule",
    "panel-title-description-rule",
    "panel-units-rule",
    "target-counter-agg-rule",
    "target-instance-rule",
    "target-job-rule",
    "target-promql-rule",
    "target-rate-interval-rule",
    "template-datasource-rule",
    "template-instance-rule",
    "template-job-rule",
    "template-label-promql-rule",
    "template-on-time-change-reload-rule",
    "uneditable-dashboard",
}


def variable(name: str, query: str) -> dict[str, Any]:
    """Return a variable as the rules want it."""
    common = {"name": name, "type": "query", "query": query, "label": name.title(), "datasource": SOURCE}
    return common | {"multi": True, "allValue": ".+", "refresh": 2, "current": {"value": ["$__all"]}}


def good() -> Dashboard:
    """Return the smallest dashboard that passes; its panel lies in a collapsed row."""
    panel = {
        "id": 1,
        "type": "timeseries",
        "title": "Records",
        "description": "Records a second.",
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": "cps"}, "overrides": []},
        "targets": [{"refId": "A", "expr": f"sum(rate(records_total{{{SELECTOR}}}[$__rate_interval]))"}],
    }
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    jobs = variable("job", "label_values(build_info, job)")
    daemons = variable("instance", 'label_values(build_info{job=~"$job"}, instance)')
    return {
        "uid": "one",
        "editable": False,
        "templating": {"list": [source, jobs, daemons]},
        "panels": [{"type": "row", "id": 2, "panels": [panel]}],
    }


def panel(**changes: Any) -> Callable[[Dashboard], None]:
    """Return the change of a dashboard's panel."""
    return lambda board: board["panels"][0]["panels"][0].update(changes)


def expr(text: str) -> Callable[[Dashboard], None]:
    """Return the change of a panel's expression; `$selector` is the one that the rules want."""
    return panel(targets=[{"refId": "A", "expr": text.replace("$selector", SELECTOR)}])


def template(place: int, **changes: Any) -> Callable[[Dashboard], None]:
    """Return the change of a variable: 0 data source, 1 job, 2 instance."""
    return lambda board: board["templating"]["list"][place].update(changes)


BAD: list[tuple[str, Callable[[Dashboard], None]]] = [
    ("template-datasource-rule", lambda board: board["templating"]["list"].pop(0)),
    ("template-datasource-rule", template(0, name="source")),
    ("template-datasource-rule", template(0, label="Source")),
    ("template-job-rule", lambda board: board["templating"]["list"].pop(1)),
    ("template-job-rule", template(1, datasource={"uid": "abc"})),
    ("template-job-rule", template(1, type="custom")),
    ("template-job-rule", template(1, label="Jobs")),
    ("template-job-rule", template(1, multi=False)),
    ("template-job-rule", template(1, allValue="")),
    ("template-instance-rule", lambda board: board["templating"]["list"].pop(2)),
    ("template-instance-rule", template(2, multi=False)),
    ("template-label-promql-rule", template(1, query="values(build_info, job)")),
    ("template-label-promql-rule", template(1, query="label_values(build_info{, job)")),
    ("template-on-time-change-reload-rule", template(1, refresh=1)),
    ("panel-datasource-rule", panel(datasource={"type": "prometheus", "uid": "abc"})),
    ("panel-datasource-rule", panel(datasource=None)),
    ("panel-title-description-rule", panel(description="")),
    ("panel-title-description-rule", panel(title="")),
    ("panel-units-rule", panel(fieldConfig={"defaults": {}, "overrides": []})),
    ("panel-units-rule", panel(fieldConfig={"defaults": {"unit": "megabites"}, "overrides": []})),
    (
        "panel-units-rule",
        panel(
            fieldConfig={
                "defaults": {"unit": "s"},
                "overrides": [{"matcher": {}, "properties": [{"id": "unit", "value": "megabites"}]}],
            }
        ),
    ),
    ("panel-no-targets-rule", panel(targets=None)),
    ("panel-no-targets-rule", panel(targets=[])),
    ("target-promql-rule", expr("sum(rate(records_total{$selector}[5m])")),
    ("target-promql-rule", expr("")),
    ("target-promql-rule", expr("up{$selector} * $price")),
    ("target-rate-interval-rule", expr("rate(records_total{$selector}[5m])")),
    ("target-rate-interval-rule", expr("sum(irate(records_total{$selector}[$__range])) / 2")),
    ("target-job-rule", expr('up{instance=~"$instance"}')),
    ("target-job-rule", expr('up{job="$job",instance=~"$instance"}')),
    ("target-job-rule", expr('up{$selector} / on (job) group_left () size{instance=~"$instance"}')),
    ("target-instance-rule", expr('up{job=~"$job"}')),
    ("target-counter-agg-rule", expr("sum(records_total{$selector})")),
    ("target-counter-agg-rule", expr("max_over_time(records_total{$selector}[1h])")),
    ("target-counter-agg-rule", expr("rate(sum(records_total{$selector})[1h:1m])")),
    ("uneditable-dashboard", lambda board: board.update(editable=True)),
    ("uneditable-dashboard", lambda board: board.pop("editable")),
]
FINE = [
    "increase(records_total{$selector}[$__range])",
    "max_over_time(delay{$selector}[1h])",
    'up{$selector,sink!=""} * $__range_s',
    "vector(1)",
]


def test_the_rules_are_all_there() -> None:
    """Each rule of the linter that is not for Loki is held, under its name."""
    assert set(RULES) == LINTER


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_the_committed_dashboards_pass(board: Dashboard) -> None:
    """No rule finds anything wrong with a dashboard."""
    assert problems(board) == {}


def test_no_rule_is_excluded() -> None:
    """There is no file of exclusions beside the dashboards."""
    assert not (FOLDER / ".lint").exists()


def test_a_good_dashboard_passes() -> None:
    """The dashboard that the cases below break passes every rule."""
    assert problems(good()) == {}


@pytest.mark.parametrize(("rule", "broken"), BAD, ids=[f"{name}-{place}" for place, (name, _) in enumerate(BAD)])
def test_a_rule_can_fail(rule: str, broken: Callable[[Dashboard], None]) -> None:
    """A dashboard that is broken on purpose is caught by the rule for it."""
    board = copy.deepcopy(good())
    broken(board)
    assert problems(board).get(rule)


def test_each_rule_has_a_case_that_it_catches() -> None:
    """No rule is without a broken dashboard, so that none can be empty."""
    assert {rule for rule, _ in BAD} == set(RULES)


@pytest.mark.parametrize("text", FINE)
def test_what_the_linter_allows_passes(text: str) -> None:
    """Ranges of functions that are no rate are free, and Grafana's own variables are known."""
    board = good()
    expr(text)(board)
    assert problems(board) == {}


def test_another_data_source_needs_no_jobs() -> None:
    """A dashboard of another data source than Prometheus has neither the variables nor PromQL."""
    board = good()
    board["templating"]["list"] = [
        {"name": "datasource", "type": "datasource", "query": "json", "label": "Data source"}
    ]
    panel(targets=[{"refId": "A", "url": "/api"}])(board)
    assert problems(board) == {}
