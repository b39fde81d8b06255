"""Detectors and reports are in SQL that DuckDB runs and that can be put faithfully into Spark's and Trino's words.

Views are the schema that a query asks, and may use all of DuckDB's SQL; what asks them may not. sqlglot translates much
wrongly without a word, so what it is known to get wrong is looked for in its tree, before the translation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ErrorLevel, OptimizeError
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from flowaudit import catalogue, sql
from flowaudit.catalogue import Query
from flowaudit.config import shipped

CATALOGUE = catalogue.load([shipped("queries")])
QUERIES: list[Query] = [*CATALOGUE.detectors.values(), *CATALOGUE.reports.values()]

REFUSED: dict[type[exp.Expression], str] = {
    exp.Qualify: "its replacement takes in ORDER BY and LIMIT, and gives other rows without an error",
    exp.Pivot: "is passed through untranslated",
    exp.DateBin: "time_bucket becomes DATE_BIN, which neither has: divide epoch() and use floor()",
    exp.PercentileCont: "is translated with its arguments in the wrong place",
    exp.PercentileDisc: "is translated with its arguments in the wrong place",
    exp.Quantile: "becomes a function that Trino has not",
    exp.Median: "becomes a function that Trino has not",
    exp.Slice: "slices of lists pass through untranslated: rank rows and filter",
    exp.Bracket: "lists begin at 0, or at 1, or have no brackets",
    exp.Comprehension: "is passed through untranslated",
    exp.Length: "len() of a list becomes LENGTH(), which is of text: use count()",
    exp.GroupConcat: "Trino's LISTAGG needs WITHIN GROUP, which DuckDB has not: use list()",
    exp.Greatest: "Trino's is null as soon as one argument is: use CASE",
    exp.Least: "Trino's is null as soon as one argument is: use CASE",
    exp.Unnest: "rows of lists are for views to make",
    exp.Explode: "rows of lists are for views to make",
    exp.AtTimeZone: "means something else for times with a zone: all times here are UTC",
    exp.Columns: "is DuckDB's own",
    exp.PositionalColumn: "is DuckDB's own",
    exp.ToMap: "maps are written differently everywhere",
    exp.Lambda: "arrows are read as JSON by some: join instead",
    exp.TableSample: "gives other rows each time",
    exp.Anonymous: "is a function that sqlglot does not know, and so leaves as it is",
    exp.AnonymousAggFunc: "is a function that sqlglot does not know, and so leaves as it is",
    exp.CombinedAggFunc: "is a function that sqlglot does not know, and so leaves as it is",
}
"""Kinds of expression that do not travel, each with the reason or the way around it."""

TYPES = frozenset({"BOOLEAN", "INT", "BIGINT", "DOUBLE", "VARCHAR", "TEXT", "DATE", "TIMESTAMPTZ"})
"""Types that all three engines have."""

Rule = tuple[str, Callable[[Any], bool]]
RULES: tuple[Rule, ...] = (
    (
        "EXCLUDE, REPLACE, RENAME: Trino has none",
        lambda e: (
            isinstance(e, exp.Star) and any(e.args.get(word) for word in ("except_", "except", "replace", "rename"))
        ),
    ),
    ("GROUP BY ALL: Trino has none", lambda e: isinstance(e, exp.Group) and bool(e.args.get("all"))),
    (
        "ORDER BY ALL: Trino has none",
        lambda e: isinstance(e, exp.Ordered) and e.this.sql().upper() == "ALL",
    ),
    ("ASOF JOIN: is passed through untranslated", lambda e: isinstance(e, exp.Join) and e.args.get("method") == "ASOF"),
    ("DISTINCT ON: is DuckDB's own", lambda e: isinstance(e, exp.Distinct) and bool(e.args.get("on"))),
    ("list(… ORDER BY …): Spark has none", lambda e: isinstance(e, exp.ArrayAgg) and e.find(exp.Order) is not None),
    (
        "EXTRACT(epoch …): Spark has none: use epoch()",
        lambda e: isinstance(e, exp.Extract) and e.name.upper() == "EPOCH",
    ),
    (
        "a member of struct_pack without a CAST: Trino wants its type",
        lambda e: (
            isinstance(e, exp.Struct)
            and not all(isinstance(member.args.get("expression"), exp.Cast) for member in e.expressions)
        ),
    ),
    (
        "a CAST to a type that not all have",
        lambda e: isinstance(e, exp.Cast) and e.to.this.name not in TYPES,
    ),
    ("HAVING with the alias of an aggregate: Trino has none", lambda e: isinstance(e, exp.Having) and _asks_alias(e)),
)
"""What does not travel although its kind of expression does."""


def _asks_alias(having: exp.Having) -> bool:
    select = having.parent_select
    aliases = {each.alias for each in select.selects if each.find(exp.AggFunc)} if select else set()
    return any(
        not column.table and column.name in aliases and not column.find_ancestor(exp.AggFunc)
        for column in having.find_all(exp.Column)
    )


def refused(text: str) -> Iterator[str]:
    """Yield what in some SQL does not travel."""
    tokens = sqlglot.tokenize(text, read="duckdb")
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type is TokenType.FROM and (before is None or before.token_type is TokenType.L_PAREN):
            yield "FROM first: its SELECT is lost"
    for node in sqlglot.parse_one(text, read="duckdb").walk():
        for kind, reason in REFUSED.items():
            if isinstance(node, kind):
                yield f"{node.sql('duckdb')}: {reason}"
        yield from (f"{node.sql('duckdb')}: {reason}" for reason, holds in RULES if holds(node))


@pytest.fixture(scope="module")
def schema() -> MappingSchema:
    """Columns of the lake's tables and views."""
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns"
    with sql.connect(None, views=CATALOGUE.views) as lake:
        rows = lake.query(query).to_pylist()
    found: dict[str, object] = {}
    for row in rows:
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]  # type: ignore[index]
    return MappingSchema(found, dialect="duckdb")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.id)
def test_a_query_keeps_to_what_travels(query: Query) -> None:
    """Nothing in it is known to be translated wrongly, or not at all."""
    assert list(refused(query.sql)) == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.id)
@pytest.mark.parametrize("engine", ["spark", "trino"])
def test_a_query_can_be_put_into_their_words(query: Query, engine: str) -> None:
    """There is a word for everything in it, and the engine's own grammar reads what comes out."""
    (text,) = sqlglot.transpile(query.sql, read="duckdb", write=engine, unsupported_level=ErrorLevel.RAISE)
    assert isinstance(sqlglot.parse_one(text, read=engine), exp.Query)
    assert "list_contains" not in text.lower()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.id)
def test_a_query_names_columns_as_the_standard_has_it(query: Query, schema: MappingSchema) -> None:
    """Every column is one of what is selected from; an alias is not used beside the expression that it names."""
    tree = sqlglot.parse_one(query.sql, read="duckdb")
    qualify(tree, schema=schema, dialect="trino", expand_alias_refs=False, quote_identifiers=False)


TRAPS = [
    ("SELECT * FROM flows QUALIFY row_number() OVER (ORDER BY bytes) = 1", "QUALIFY"),
    ("SELECT time_bucket(INTERVAL 1 HOUR, start_time) FROM flows", "DATE_BIN"),
    ("SELECT quantile_cont(bytes, 0.5) FROM flows", "wrong place"),
    ("SELECT median(bytes) FROM flows", "Trino has not"),
    ("SELECT list(bytes ORDER BY bytes) FROM flows", "ORDER BY"),
    ("SELECT list(bytes)[1:3] FROM flows", "slices"),
    ("SELECT list(bytes)[1] FROM flows", "brackets"),
    ("FROM flows SELECT bytes", "FROM first"),
    ("SELECT * FROM (FROM flows)", "FROM first"),
    ("SELECT [x + 1 for x in list(bytes)] FROM flows", "untranslated"),
    ("SELECT * FROM flows ASOF JOIN egress ON flows.start_time >= egress.start_time", "ASOF"),
    ("SELECT * FROM flows PIVOT (sum(bytes) FOR action IN ('ACCEPT', 'REJECT'))", "untranslated"),
    ("SELECT len(list(bytes)) FROM flows", "LENGTH()"),
    ("SELECT * EXCLUDE (bytes) FROM flows", "EXCLUDE"),
    ("SELECT * REPLACE (1 AS bytes) FROM flows", "REPLACE"),
    ("SELECT action, sum(bytes) FROM flows GROUP BY ALL", "GROUP BY ALL"),
    ("SELECT action FROM flows ORDER BY ALL", "ORDER BY ALL"),
    ("SELECT DISTINCT ON (action) action, bytes FROM flows", "DISTINCT ON"),
    ("SELECT string_agg(action, ',') FROM flows", "WITHIN GROUP"),
    ("SELECT greatest(bytes, packets) FROM flows", "null"),
    ("SELECT unnest(list(bytes)) FROM flows", "views"),
    ("SELECT extract(epoch FROM start_time) FROM flows", "epoch()"),
    ("SELECT list(struct_pack(a := bytes)) FROM flows", "struct_pack"),
    ("SELECT CAST(bytes AS HUGEINT) FROM flows", "type"),
    ("SELECT COLUMNS('bytes') FROM flows", "own"),
    ("SELECT start_time AT TIME ZONE 'UTC' FROM flows", "zone"),
    ("SELECT list_transform(list(bytes), lambda x: x + 1) FROM flows", "arrows"),
    ("SELECT bar(bytes, 0, 1) FROM flows", "does not know"),
    ("SELECT action, sum(bytes) AS total FROM flows GROUP BY action HAVING total > 1", "HAVING"),
]


@pytest.mark.parametrize(("text", "reason"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_what_does_not_travel_is_seen(text: str, reason: str) -> None:
    """Each trap is one that the test above would fall into."""
    assert any(reason in found for found in refused(text)), list(refused(text))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT bytes AS size, size + 1 AS more FROM flows",
        "SELECT bytes + 1 AS more FROM flows WHERE more > 1",
        "SELECT bytes + 1 AS more, count(*) AS n FROM flows GROUP BY more",
    ],
)
def test_an_alias_beside_its_expression_is_seen(text: str, schema: MappingSchema) -> None:
    """DuckDB takes it, Trino does not."""
    with pytest.raises(OptimizeError):
        qualify(sqlglot.parse_one(text, read="duckdb"), schema=schema, dialect="trino", expand_alias_refs=False)
