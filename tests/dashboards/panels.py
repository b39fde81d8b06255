"""The dashboards as they are committed: their panels and queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

from tests.rendered import ROOT

FOLDER = ROOT / "dashboards" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)*\}")
# A range of its own, so that a rule can tell it from any that is written by hand.
RATE_INTERVAL = "7919s"
GLOBALS = {
    "__rate_interval": RATE_INTERVAL,
    "__interval": "30s",
    "__range": "86400s",
    "__range_s": "86400",
}

Dashboard = dict[str, Any]
Panel = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One PromQL query of a panel."""

    dashboard: str
    panel: int
    ref: str
    expr: str


def dashboards() -> list[Dashboard]:
    """Return every committed dashboard."""
    return [json.loads(file.read_text("utf-8")) for file in FILES]


def panels(board: Dashboard) -> Iterator[Panel]:
    """Return a dashboard's panels, those in collapsed rows too; rows themselves are none."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def queries(boards: list[Dashboard] | None = None) -> Iterator[Asked]:
    """Return every PromQL query of some dashboards, or of all committed ones, with its variables."""
    for board in boards if boards is not None else dashboards():
        for panel in panels(board):
            for target in panel.get("targets") or []:
                if "expr" in target:
                    yield Asked(board["uid"], panel["id"], target["refId"], target["expr"])


def variables(board: Dashboard) -> dict[str, str]:
    """Return the value of each variable that a dashboard opens with, as Grafana puts it into PromQL."""
    return {one["name"]: _opened(one) for one in board["templating"]["list"]}


def _opened(variable: dict[str, Any]) -> str:
    value = variable.get("current", {}).get("value", "")
    if value == ["$__all"]:
        return str(variable["allValue"])
    return "|".join(value) if isinstance(value, list) else str(value)


def filled(expr: str, values: dict[str, str], given: dict[str, str] | None = None) -> str:
    """Return an expression with its variables replaced: by `given`, a dashboard's `values`, or what Grafana sets.

    Raises KeyError for a variable that there is not.
    """
    known = GLOBALS | values | (given or {})
    return VARIABLE.sub(lambda found: known[found[1] or found[2]], expr)


def parsed(expr: str, values: dict[str, str]) -> promql.Expr:
    """Return the parsed expression; variables inside of quotes stay. Raises ValueError or KeyError."""
    parts = expr.split('"')
    parts[::2] = [filled(part, values) for part in parts[::2]]
    return promql.parse('"'.join(parts))
