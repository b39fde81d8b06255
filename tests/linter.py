"""The rules of Grafana's dashboard-linter for Prometheus, each a function under the linter's name.

https://github.com/grafana/dashboard-linter/tree/main/docs describes them; a rule yields what is wrong with a dashboard.
What is a warning there is wrong here, bar gauges are held to the rules as well, and a counter is known by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import promql_parser as promql

from tests.dashboards.panels import RATE_INTERVAL, Dashboard, Panel, panels, parsed, variables
from tests.expressions import children, nodes

Rule = Callable[[Dashboard], Iterator[str]]
TYPES = {"stat", "singlestat", "graph", "table", "timeseries", "gauge", "bargauge"}
# Of Grafana's list, those that make sense for what flowaudit measures.
UNITS = {"none", "string", "short", "percent", "percentunit", "currencyUSD", "bytes", "decbytes", "Bps", "s", "ms"}
UNITS |= {"dateTimeAsIso", "dateTimeFromNow", "dtdurations", "cps", "ops", "opm", "reqps", "bool_yes_no"}
FUNCTION = re.compile(r"(label_names|label_values|metrics|query_result)\((.+)\)")
RATES = {"rate", "irate", "increase"}


def shown(board: Dashboard) -> Iterator[Panel]:
    """Return the panels of those types that the rules are about."""
    return (panel for panel in panels(board) if panel["type"] in TYPES)


def templates(board: Dashboard, kind: str) -> list[dict[str, Any]]:
    """Return a dashboard's variables of one type."""
    return [one for one in board["templating"]["list"] if one["type"] == kind]


def of_prometheus(board: Dashboard) -> bool:
    """Return whether the dashboard's first data source is Prometheus, to which some rules are restricted."""
    sources = templates(board, "datasource")
    return bool(sources) and sources[0]["query"] == "prometheus"


def expressions(board: Dashboard) -> Iterator[tuple[str, promql.Expr]]:
    """Return every valid expression with the title of its panel."""
    for panel in shown(board) if of_prometheus(board) else ():
        for target in panel.get("targets") or []:
            try:
                yield panel["title"], parsed(target.get("expr", ""), variables(board))
            except (ValueError, KeyError):
                continue  # target-promql-rule says so


def selectors(board: Dashboard) -> Iterator[tuple[str, promql.VectorSelector]]:
    """Return every selector with the title of its panel."""
    for title, expr in expressions(board):
        for node in nodes(expr):
            if isinstance(node, promql.VectorSelector):
                yield title, node


def template_datasource(board: Dashboard) -> Iterator[str]:
    """Yield data source variables that are missing or have another name than all dashboards give them."""
    sources = templates(board, "datasource")
    if not sources:
        yield "there is no variable for the data source"
    for one in sources:
        names, labels = {f"{one['query']}_datasource"}, {f"{one['query'].title()} data source"}
        if len(sources) == 1:
            names, labels = names | {"datasource"}, labels | {"Data source"}
        if one["name"] not in names:
            yield f"the data source variable is named {one['name']}"
        if one.get("label") not in labels:
            yield f"the data source variable is labelled {one.get('label')}"


def _template(board: Dashboard, name: str) -> Iterator[str]:
    if not of_prometheus(board):
        return
    (one, *_) = [*(one for one in board["templating"]["list"] if one["name"] == name), None]
    if one is None:
        yield f"there is no variable {name}"
        return
    allowed = {"$datasource", "${datasource}", "$prometheus_datasource", "${prometheus_datasource}"}
    if one.get("datasource", {}).get("uid") not in allowed:
        yield f"{name} does not use the data source variable"
    wanted = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
    yield from (f"{name}: {key} is {one.get(key)!r}" for key, value in wanted.items() if one.get(key) != value)


def template_job(board: Dashboard) -> Iterator[str]:
    """Yield what is wrong with the variable job."""
    yield from _template(board, "job")


def template_instance(board: Dashboard) -> Iterator[str]:
    """Yield what is wrong with the variable instance."""
    yield from _template(board, "instance")


def template_label_promql(board: Dashboard) -> Iterator[str]:
    """Yield query variables that are no function of Grafana's on valid PromQL."""
    for one in templates(board, "query") if of_prometheus(board) else ():
        call = FUNCTION.fullmatch(one["query"])
        if call is None:
            yield f"{one['name']}: {one['query']} is no query of labels"
            continue
        metric = call[2].rpartition(", ")[0] if call[1] == "label_values" and ", " in call[2] else call[2]
        try:
            parsed(metric, variables(board))
        except (ValueError, KeyError) as error:
            yield f"{one['name']}: {error}"


def template_on_time_change_reload(board: Dashboard) -> Iterator[str]:
    """Yield query variables that are not read again when the time range changes."""
    yield from (f"{one['name']}: not reloaded" for one in templates(board, "query") if one.get("refresh") != 2)


def panel_datasource(board: Dashboard) -> Iterator[str]:
    """Yield panels that do not use a data source variable."""
    names = [one["name"] for one in templates(board, "datasource")]
    known = {f"${name}" for name in names} | {f"${{{name}}}" for name in names}
    for panel in shown(board):
        if (panel.get("datasource") or {}).get("uid") not in known:
            yield f"{panel['title']}: another data source"


def panel_title_description(board: Dashboard) -> Iterator[str]:
    """Yield panels without a title or a description."""
    for panel in shown(board):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']}: no title or no description"


def _overrides(panel: Panel, key: str) -> list[Any]:
    found = panel.get("fieldConfig", {}).get("overrides", [])
    return [one["value"] for override in found for one in override["properties"] if one["id"] == key]


def panel_units(board: Dashboard) -> Iterator[str]:
    """Yield panels with an unknown unit, or without one where values are not mapped to words."""
    for panel in shown(board):
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        if panel["type"] == "stat" and panel.get("options", {}).get("reduceOptions", {}).get("fields"):
            continue
        given = [*_overrides(panel, "unit"), *([defaults["unit"]] if defaults.get("unit") else [])]
        mapped = defaults.get("mappings") or _overrides(panel, "mappings")
        if set(given) - UNITS or not (given or mapped):
            yield f"{panel['title']}: units {given}"


def panel_no_targets(board: Dashboard) -> Iterator[str]:
    """Yield panels without a query."""
    yield from (f"{panel['title']}: no query" for panel in shown(board) if not panel.get("targets"))


def target_promql(board: Dashboard) -> Iterator[str]:
    """Yield expressions that are empty, invalid, or use a variable that there is not."""
    for panel in shown(board) if of_prometheus(board) else ():
        for target in panel.get("targets") or []:
            try:
                parsed(target.get("expr", ""), variables(board))
            except (ValueError, KeyError) as error:
                yield f"{panel['title']}: {error}"


def target_rate_interval(board: Dashboard) -> Iterator[str]:
    """Yield rates over another range than $__rate_interval."""
    right = timedelta(seconds=int(RATE_INTERVAL.removesuffix("s")))
    for title, expr in expressions(board):
        for node in nodes(expr):
            if isinstance(node, promql.Call) and node.func.name in {"rate", "irate"}:
                (argument,) = node.args
                if isinstance(argument, promql.MatrixSelector) and argument.range != right:
                    yield f"{title}: {node.func.name} over another range"


def _required(board: Dashboard, label: str) -> Iterator[str]:
    for title, selector in selectors(board):
        found = [(one.op, one.value) for one in selector.matchers.matchers if one.name == label]
        if (promql.MatchOp.Re, f"${label}") not in found:
            yield f'{title}: {selector.name} without {label}=~"${label}"'


def target_job(board: Dashboard) -> Iterator[str]:
    """Yield selectors of no job."""
    yield from _required(board, "job")


def target_instance(board: Dashboard) -> Iterator[str]:
    """Yield selectors of no instance."""
    yield from _required(board, "instance")


def _counters(node: Any, above: tuple[Any, ...] = ()) -> Iterator[str]:
    if isinstance(node, promql.VectorSelector) and str(node.name).endswith("_total"):
        call = above[-2] if len(above) > 1 and isinstance(above[-1], promql.MatrixSelector) else None
        if not isinstance(call, promql.Call) or call.func.name not in RATES:
            yield str(node.name)
    for child in children(node):
        yield from _counters(child, (*above, node))


def target_counter_agg(board: Dashboard) -> Iterator[str]:
    """Yield counters that are not directly in rate, irate or increase."""
    for title, expr in expressions(board):
        yield from (f"{title}: {name} is no rate" for name in _counters(expr))


def uneditable_dashboard(board: Dashboard) -> Iterator[str]:
    """Yield that a dashboard can be edited."""
    if board.get("editable", True):
        yield "the dashboard can be edited"


RULES: dict[str, Rule] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template_job,
    "template-instance-rule": template_instance,
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": target_job,
    "target-instance-rule": target_instance,
    "target-counter-agg-rule": target_counter_agg,
    "uneditable-dashboard": uneditable_dashboard,
}


def problems(board: Dashboard) -> dict[str, list[str]]:
    """Return what each rule finds wrong with a dashboard."""
    found = {name: list(rule(board)) for name, rule in RULES.items()}
    return {name: wrong for name, wrong in found.items() if wrong}
