"""Statements of flowaudit's own: `queries/internal/NAME.sql`."""

from __future__ import annotations

from functools import cache

from flowaudit.config import shipped


@cache
def statement(name: str) -> str:
    """Return the text of a statement."""
    return (shipped("queries") / "internal" / f"{name}.sql").read_text("utf-8")
