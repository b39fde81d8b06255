"""The dashboard Findings asks the daemon's API for reports and columns that there are; Grafana may reach it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from flowaudit import catalogue, sql
from flowaudit.config import shipped
from tests.dashboards.panels import FOLDER, Dashboard, Panel, dashboards, panels

PLUGIN = "yesoreyeram-infinity-datasource"
PROVISIONED = FOLDER / "provisioning"
SHIPPED = catalogue.load([shipped("queries")])
NOW = datetime(2026, 5, 5, tzinfo=UTC)
SPAN = {"${__from:date:iso}": "2026-05-04T00:00:00.000Z", "${__to:date:iso}": "2026-05-05T00:00:00.000Z"}
(BOARD,) = (board for board in dashboards() if board["uid"] == "flowaudit-findings")
TARGETS = [target for panel in panels(BOARD) for target in panel["targets"]]


def provisioned(kind: str) -> Any:
    """Return a provisioning file's content."""
    return yaml.safe_load((PROVISIONED / kind / "flowaudit.yaml").read_text("utf-8"))


def name(target: dict[str, Any]) -> str:
    """Return the report that a query asks for."""
    return str(target["url"]).rpartition("/")[2]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_a_table_asks_for_a_report_and_its_columns(target: dict[str, Any]) -> None:
    """The report, its parameters and its columns exist; times are those of the dashboard, in ISO 8601."""
    report = SHIPPED.reports[name(target)]
    given = {one["key"]: SPAN.get(one["value"], one["value"]) for one in target["url_options"]["params"]}
    assert given.pop("format") == "json"
    with sql.connect(None, views=SHIPPED.views) as lake:
        answer = lake.ask(report.sql, catalogue.values(report.params, given, NOW))
    assert {column["selector"] for column in target["columns"]} <= set(answer.column_names)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_a_table_is_read_by_the_backend(target: dict[str, Any]) -> None:
    """Each query reads the rows of the answer by Infinity's backend parser, from the data source's own address."""
    wanted = {"type": "json", "parser": "backend", "source": "url", "format": "table", "root_selector": "rows"}
    assert {key: target[key] for key in wanted} == wanted
    assert target["url"].startswith("/api/v1/query/")
    assert target["url_options"]["method"] == "GET"
    assert target["datasource"] == {"type": PLUGIN, "uid": "${datasource}"}


def _titles(panel: Panel) -> set[str]:
    return {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}


@pytest.mark.parametrize("panel", list(panels(BOARD)), ids=lambda panel: panel["title"])
def test_each_column_has_a_unit(panel: Panel) -> None:
    """A column's unit is set by the title that its query gives it, once."""
    titles = [column["text"] for target in panel["targets"] for column in target["columns"]]
    assert len(titles) == len(set(titles))
    assert _titles(panel) == set(titles)


def test_infinity_reads_from_the_daemon_only() -> None:
    """The provisioned Infinity has the daemon's address for its base, and may read from nowhere else."""
    (infinity,) = (one for one in provisioned("datasources")["datasources"] if one["type"] == PLUGIN)
    assert infinity["jsonData"]["allowedHosts"] == [infinity["url"]] == ["http://127.0.0.1:9184"]


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_each_data_source_is_provisioned(board: Dashboard) -> None:
    """Each type of data source that a dashboard selects is provisioned, with a fixed uid."""
    sources = {one["type"]: one["uid"] for one in provisioned("datasources")["datasources"]}
    for variable in board["templating"]["list"]:
        if variable["type"] == "datasource":
            assert sources[variable["query"]].startswith("flowaudit-")


def test_provisioned_dashboards_are_not_edited_in_grafana() -> None:
    """The files decide."""
    (provider,) = provisioned("dashboards")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
