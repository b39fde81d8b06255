"""What can be told of a PromQL expression from its text: its parts, its labels, whether it filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser as promql

COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
SETS = {"and", "or", "unless"}
# Aggregations that keep series as they are.
PICKS = {"topk", "bottomk"}


def children(node: Any) -> list[Any]:
    """Return the expressions that an expression is made of."""
    if isinstance(node, promql.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql.Call):
        return list(node.args)
    if isinstance(node, promql.MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, promql.AggregateExpr | promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        return [node.expr]
    return []


def nodes(node: Any) -> Iterator[Any]:
    """Return an expression and all that it is made of."""
    yield node
    for child in children(node):
        yield from nodes(child)


def bare(node: Any) -> Any:
    """Return an expression without parentheses around it."""
    return bare(node.expr) if isinstance(node, promql.ParenExpr) else node


def is_vector(node: Any) -> bool:
    """Tell whether an expression has series rather than one number."""
    node = bare(node)
    if isinstance(node, promql.NumberLiteral | promql.StringLiteral):
        return False
    if isinstance(node, promql.Call):
        return node.func.name not in {"time", "scalar", "pi"}
    return not isinstance(node, promql.BinaryExpr) or is_vector(node.lhs) or is_vector(node.rhs)


def pairs(expr: Any) -> Iterator[tuple[Any, str]]:
    """Return the operations between two vectors, with their operator."""
    for node in nodes(expr):
        if isinstance(node, promql.BinaryExpr) and is_vector(node.lhs) and is_vector(node.rhs):
            yield node, str(node.op)


def matchers(node: Any) -> dict[str, str]:
    """Return the labels that a selector requires to be something, with what."""
    return {one.name: one.value for one in node.matchers.matchers if one.op == promql.MatchOp.Equal and one.value}


def certain(node: Any) -> set[str]:
    """Return labels that every series of an expression has."""
    node = bare(node)
    if isinstance(node, promql.VectorSelector):
        return set(matchers(node))
    if isinstance(node, promql.AggregateExpr):
        inner = certain(node.expr)
        if node.modifier is None:
            return set()
        by = node.modifier.type == promql.AggModifierType.By
        return inner & set(node.modifier.labels) if by else inner - set(node.modifier.labels)
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "or":
        return certain(node.lhs) & certain(node.rhs)
    vectors = [child for child in children(node) if is_vector(child)]
    return certain(vectors[0]) if vectors else set()


def lacking(wanted: set[str], node: Any) -> set[str]:
    """Return which of some labels the series of an expression cannot have."""
    node = bare(node)
    if isinstance(node, promql.AggregateExpr) and str(node.op) in PICKS:
        return lacking(wanted, node.expr)
    if isinstance(node, promql.AggregateExpr):
        named = set(node.modifier.labels) if node.modifier else set()
        by = node.modifier is None or node.modifier.type == promql.AggModifierType.By
        gone = wanted - named if by else wanted & named
        return gone | lacking(wanted - gone, node.expr)
    if isinstance(node, promql.Call) and node.func.name == "vector":
        return wanted
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "or":
        return lacking(wanted, node.lhs) & lacking(wanted, node.rhs)
    vectors = [child for child in children(node) if is_vector(child)]
    return lacking(wanted, vectors[0]) if vectors else set()


def matching(node: Any) -> tuple[set[str], set[str]]:
    """Return the labels that an operation matches on, and those that it ignores."""
    given = node.modifier.matching if node.modifier else None
    if given is None:
        return set(), set()
    named = set(given.labels)
    return (named, set()) if given.type == promql.LabelModifierType.Include else (set(), named)


def filters(node: Any) -> bool:
    """Tell whether an expression can have no result although its series are there."""
    node = bare(node)
    if isinstance(node, promql.BinaryExpr):
        op = str(node.op)
        compares = op in COMPARISONS and not (node.modifier and node.modifier.return_bool)
        if op == "or":
            return filters(node.lhs) and filters(node.rhs)
        return compares or op in SETS or filters(node.lhs) or filters(node.rhs)
    if isinstance(node, promql.Call) and node.func.name.startswith("absent"):
        return True
    return any(filters(child) for child in children(node))
