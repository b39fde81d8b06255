"""Settings, links and variables of every dashboard."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.grafana.panels import SETTINGS, SOURCE, Panel, link
from dashboards.prometheus.render import runbook_url

RUNBOOKS = runbook_url(SETTINGS, "").removesuffix("/.md").replace("/blob/", "/tree/")


def framed(name: str, title: str, description: str, since: str = "now-24h") -> Dashboard:
    """Return a dashboard without panels; its uid is flowaudit-NAME."""
    board = Dashboard(f"flowaudit / {title}").uid(f"flowaudit-{name}").description(description).tags(["flowaudit"])
    board.readonly().tooltip(DashboardCursorSync.CROSSHAIR).refresh("1m").time(since, "now").timezone("browser")
    others = DashboardLink("flowaudit").type(DashboardLinkType.DASHBOARDS).tags(["flowaudit"])
    board.link(others.as_dropdown(False).keep_time(True).include_vars(True))
    board.link(link("Runbooks", RUNBOOKS))
    return board


def sources(board: Dashboard, plugin: str) -> None:
    """Add the variable that chooses the data source."""
    board.with_variable(DatasourceVariable("datasource").label("Data source").type(plugin))


def chosen(name: str, label: str, query: str, description: str) -> QueryVariable:
    """Return a variable of which several values, or all, can be chosen."""
    everything = VariableOption(text=["All"], value=["$__all"], selected=True)
    variable = QueryVariable(name).label(label).description(description).query(query).definition(query)
    variable.datasource(SOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.multi(True).include_all(True).all_value(".+").current(everything)


def daemons(board: Dashboard) -> None:
    """Add the variables that choose the daemons."""
    sources(board, "prometheus")
    board.with_variable(
        chosen("job", "Job", "label_values(flowaudit_build_info, job)", "Scrape jobs with a flowaudit daemon.")
    )
    board.with_variable(
        chosen(
            "instance",
            "Instance",
            'label_values(flowaudit_build_info{job=~"$job"}, instance)',
            "Daemons. Those that share a lake report the same findings: choose one of them.",
        )
    )


def several(
    name: str, label: str, values: Mapping[str, str], chosen: tuple[str, ...], description: str
) -> CustomVariable:
    """Return a variable of which several of some values, with the texts they are shown as, are chosen."""
    options = [VariableOption(value in chosen, text, value) for value, text in values.items()]
    current = VariableOption(text=[values[value] for value in chosen], value=list(chosen), selected=True)
    variable = CustomVariable(name).label(label).description(description)
    variable.values(", ".join(f"{text} : {value}" for value, text in values.items()))
    return variable.options(options).current(current).multi(True).include_all(False)


def typed(name: str, label: str, value: str, description: str) -> TextBoxVariable:
    """Return a variable whose value is typed."""
    variable = TextBoxVariable(name).label(label).description(description).default_value(value)
    option = VariableOption(text=value, value=value, selected=True)
    return variable.current(option).options([option])


def folded(board: Dashboard, number: int, title: str, panels: list[Panel]) -> None:
    """Add a collapsed row."""
    row = Row(title).id(number).collapsed(True)
    for panel in panels:
        row.with_panel(panel)
    board.with_row(row)
