"""Which queries of panels tests have tried: by value, against a running daemon, and by given series."""

from __future__ import annotations

import json
from collections.abc import Iterable

import promql_parser as promql

from tests.dashboards.panels import dashboards, parsed, queries, variables
from tests.expressions import nodes

BY_VALUE, BY_SERIES = "panel queries by value", "panel queries by given series"
"""Names of the properties in which a test records the keys that it has tried."""
VALUES = {board["uid"]: variables(board) for board in dashboards()}
ASKED = {(one.dashboard, one.panel, one.ref): one.expr for one in queries()}
Key = tuple[str, int, str]


def calculates(expr: promql.Expr) -> bool:
    """Return whether an expression calculates: by an operator, with the time, or a quantile."""
    for node in nodes(expr):
        if isinstance(node, promql.BinaryExpr):
            compares = node.modifier is not None and node.modifier.return_bool
            if compares or str(node.op) in {"+", "-", "*", "/", "%", "^"}:
                return True
        if isinstance(node, promql.Call) and node.func.name in {"histogram_quantile", "time"}:
            return True
    return False


CALCULATING = sorted(key for key, expr in ASKED.items() if calculates(parsed(expr, VALUES[key[0]])))


def told_of(properties: Iterable[tuple[str, object]]) -> list[str]:
    """Return the line that says how many queries were tried, given what tests that passed have recorded."""
    tried: dict[str, set[Key]] = {BY_VALUE: set(), BY_SERIES: set()}
    for name, value in properties:
        if name in tried:
            tried[name] |= {(board, panel, ref) for board, panel, ref in json.loads(str(value))}
    if not any(tried.values()):
        return []
    values, series = tried[BY_VALUE] & ASKED.keys(), tried[BY_SERIES] & set(CALCULATING)
    shares = [
        f"{len(part) / len(whole):.0%}".replace("%", " %") for part, whole in ((values, ASKED), (series, CALCULATING))
    ]
    told = f"panel queries: {len(values)} of {len(ASKED)} by value ({shares[0]}), "
    return [f"{told}{len(series)} of the {len(CALCULATING)} that calculate by given series ({shares[1]})"]
