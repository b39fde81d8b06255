"""Views that are made when a statement first names them: a query pays for those it uses and no others."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import duckdb

from flowaudit.errors import QueryError
from flowaudit.sql import attach

LISTS = ("information_schema", "show")
"""Words without which no statement lists the tables there are."""
STOPPED = (duckdb.InterruptException, duckdb.OutOfMemoryException)
"""Errors that are a limit's and not the view's."""

_EVERY = "*"


class Views:
    """Views by name, each made together with those that it uses; those in `once` become tables of their rows."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, views: Mapping[str, str], once: Collection[str]) -> None:
        self._engine, self._once = engine, once
        self._waiting = {name.lower(): (name, select) for name, select in views.items()}

    def need(self, sql: str) -> None:
        """Make the views that a statement names; raises QueryError naming one that is wrong, and duckdb.Error."""
        for name in self._named(sql):
            if name in self._waiting:  # one that was made just now may have needed it
                self._make(name)

    def _make(self, key: str) -> None:
        name, select = self._waiting.pop(key)  # before those that it uses: a circle of views has an end
        try:
            self.need(select)
            self._engine.execute(statement(name, select, computed=name in self._once))
        except BaseException as error:
            self._waiting[key] = name, select
            if isinstance(error, duckdb.Error) and not isinstance(error, STOPPED):
                raise QueryError(f"the view {name} cannot be made: {str(error).strip()}") from None
            raise

    def _named(self, sql: str) -> list[str]:
        """Return the waiting views that a statement names; where DuckDB cannot parse it, those in its text."""
        text = sql.lower()
        possible = [name for name in self._waiting if name.replace('"', '""') in text]
        if not possible and not any(word in text for word in LISTS):
            return []  # most statements: parsing them takes longer than this
        serialized = self._engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).to_arrow_table()[0][0].as_py()
        tree = json.loads(serialized)
        if tree["error"]:
            return possible
        named = set(_names(tree["statements"], frozenset()))
        return list(self._waiting) if _EVERY in named else [name for name in possible if name in named]


def statement(name: str, select: str, *, computed: bool = False) -> str:
    """Return the statement that makes a view, or a table of its rows."""
    return f"CREATE {'TABLE' if computed else 'VIEW'} {attach.name(name)} AS {select}"


def _names(value: Any, own: frozenset[str]) -> Iterator[str]:  # noqa: ANN401  JSON
    """Yield the tables that a parsed query selects from, in lower case, save for its `own` CTEs."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item, own)
    elif isinstance(value, dict):
        for entry in value.get("cte_map", {}).get("map", []):
            yield from _names(entry["value"], own)  # a CTE sees those before it
            own |= {entry["key"].lower()}
        if value.get("type") == "RECURSIVE_CTE_NODE":
            own |= {value["cte_name"].lower()}
        yield from _table(value, own)
        for key, item in value.items():
            if key != "cte_map":
                yield from _names(item, own)


def _table(node: Mapping[str, Any], own: frozenset[str]) -> Iterator[str]:
    """Yield what this node itself selects from: a table, or the list of all that there are."""
    if node.get("type") == "BASE_TABLE":
        name, schema = node["table_name"].lower(), node["schema_name"].lower()
        if schema == "information_schema":
            yield _EVERY
        elif schema or name not in own:
            yield name
    elif node.get("type") == "SHOW_REF" and node["table_name"]:
        yield _EVERY
