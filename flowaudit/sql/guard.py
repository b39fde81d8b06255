"""Whether SQL that a person typed is one harmless SELECT, judged by DuckDB's own parse of it.

Everything is refused but what is listed here, save for scalar functions: there are too many harmless ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import duckdb

from flowaudit.errors import QueryError

SHAPES = frozenset(
    {
        "SELECT_NODE",
        "SET_OPERATION_NODE",
        "RECURSIVE_CTE_NODE",
        "BASE_TABLE",
        "EMPTY",
        "EXPRESSION_LIST",
        "JOIN",
        "PIVOT",
        "SHOW_REF",
        "SUBQUERY",
        "TABLE_FUNCTION",
        "DISTINCT_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "ORDER_MODIFIER",
        "ASCENDING",
        "DESCENDING",
        "ORDER_DEFAULT",
    }
)
"""Kinds of query, of things to select from, and of modifiers. Expressions are not told by `type` alone."""

TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})
"""Functions that may be selected from: those that look at nothing but their arguments."""

REFUSED_FUNCTIONS = frozenset(
    {
        "current_query",
        "current_setting",
        "currval",
        "getenv",
        "getvariable",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "nextval",
        "pg_sleep",
        "query",
        "query_table",
        "setseed",
        "sleep_ms",
        "write_log",
    }
)
"""Scalar functions that read the surroundings, run text as SQL, wait or write."""

CATALOGUE_VIEWS = frozenset({("information_schema", "tables"), ("information_schema", "columns")})
"""What may be asked of information_schema; its `views` would show the lake's file names."""

SHOWN = frozenset({"", "tables", "__show_tables_expanded"})
"""What SHOW may show, and "" for DESCRIBE and SUMMARIZE of a query."""


Names = frozenset[tuple[str, str]]
"""Tables that can be seen at some place in a query, each with its schema, or "" where none need be said."""


def parameters(engine: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    """Return the names of the parameters in `sql`; raises duckdb.Error if it cannot be parsed."""
    return frozenset(name for statement in engine.extract_statements(sql) for name in statement.named_parameters)


def check(engine: duckdb.DuckDBPyConnection, sql: str, tables: frozenset[str]) -> None:
    """Raise QueryError unless `sql` is one SELECT (DESCRIBE, SUMMARIZE, SHOW TABLES) over `tables` and its own CTEs."""
    kinds = [statement.type.name for statement in engine.extract_statements(sql)]
    if kinds != ["SELECT"]:
        raise QueryError(f"exactly one SELECT can be run here; this is {', '.join(kinds) or 'nothing'}")
    serialized = engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).to_arrow_table()[0][0].as_py()
    tree = json.loads(serialized)
    if tree["error"]:
        raise QueryError(f"only SELECT can be run here: {tree['error_message']}")
    seen = ((schema, name.lower()) for schema in ("", "main") for name in tables)
    _walk(tree["statements"], CATALOGUE_VIEWS.union(seen))


def _walk(value: Any, tables: Names) -> None:  # noqa: ANN401  JSON
    if isinstance(value, list):
        for item in value:
            _walk(item, tables)
    elif isinstance(value, dict):
        _look(value, tables)
        tables = _with_own_names(value, tables)
        for key, item in value.items():
            if key != "cte_map":
                _walk(item, tables)


def _with_own_names(node: Mapping[str, Any], tables: Names) -> Names:
    """Check a query's CTEs, each of which sees those before it, and return what the query itself sees."""
    for entry in node.get("cte_map", {}).get("map", []):
        _walk(entry["value"], tables)
        tables |= {("", entry["key"].lower())}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        tables |= {("", node["cte_name"].lower())}
    return tables


def _look(node: Mapping[str, Any], tables: Names) -> None:
    """Raise QueryError if this node, whatever lies below it, is not allowed."""
    kind = node.get("type")
    if node.get("class") == "FUNCTION" and node["function_name"].lower() in REFUSED_FUNCTIONS:
        raise QueryError(f"the function {node['function_name']}() cannot be used here")
    if not isinstance(kind, str) or "class" in node or kind.endswith("_TYPE_INFO"):
        return
    if kind not in SHAPES:
        raise QueryError(f"only SELECT can be run here, not {kind.removesuffix('_QUERY_NODE').removesuffix('_NODE')}")
    if kind == "BASE_TABLE":
        _look_at_table(node, tables)
    elif kind == "TABLE_FUNCTION":
        _look_at_table_function(node["function"])
    elif kind == "SHOW_REF" and node["table_name"].strip('"') not in SHOWN:
        raise QueryError("of SHOW only SHOW TABLES can be run here")


def _look_at_table(node: Mapping[str, Any], tables: Names) -> None:
    catalogue, schema, name = (node[key].lower() for key in ("catalog_name", "schema_name", "table_name"))
    if catalogue in ("", "memory") and (schema, name) in tables:
        return
    seen = ", ".join(sorted(name for schema, name in tables if schema == ""))
    raise QueryError(f"there is no table {node['table_name']!r} that SQL can see; there are {seen}")


def _look_at_table_function(function: Mapping[str, Any]) -> None:
    name = function.get("function_name", "")
    if name.lower() not in TABLE_FUNCTIONS:
        raise QueryError(f"{name}() cannot be selected from: SQL sees the lake's tables and views and nothing else")
