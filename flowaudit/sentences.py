"""One plain sentence of what happened: a template, and a row's values as people read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from string import Formatter
from typing import Any


def mistakes(template: str, columns: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a template: each name in braces must be a column, alone or as `{n:thing|things}`."""
    try:
        parts = list(_parts(template))
    except ValueError as error:
        yield f"is no template: {error}"
        return
    for name, spec, conversion in parts:
        if name not in columns:
            yield f"there is no column {name!r} in the result"
        if conversion or (spec and spec.count("|") != 1):
            yield f"{{{name}}} may only be written so, or as {{{name}:thing|things}}"


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return the sentence that a template makes of a row."""
    parts = []
    for literal, name, spec, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(_words(name, values[name], spec or ""))
    return "".join(parts)


def volume(size: float) -> str:
    """Return a number of bytes as people read it: 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:  # noqa: PLR2004  the step from unit to unit
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"


def count(number: int, noun: str) -> str:
    """Return a number of things: 1 flow, 1,234 flows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, or, after two days, its date."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes >= 2 * 24 * 60:
        return f"{moment:%Y-%m-%d}"
    return f"{minutes // 60}h ago" if minutes >= 60 else f"{max(minutes, 0)}m ago"  # noqa: PLR2004


def _parts(template: str) -> Iterator[tuple[str, str, str]]:
    for _, name, spec, conversion in Formatter().parse(template):
        if name is not None:
            yield name, spec or "", conversion or ""


def _words(name: str, value: Any, spec: str) -> str:  # noqa: ANN401  whatever SQL gives
    match value:
        case None:
            words = "unknown"
        case int() if spec:
            words = f"{value:,} {spec.split('|')[value != 1]}"
        case bool() | str():
            words = str(value)
        case int() if name.endswith("bytes"):
            words = volume(value)
        case int() if name.endswith("port"):
            words = str(value)
        case int() | float():
            words = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
        case datetime():
            words = f"{value:%Y-%m-%d %H:%M}"
        case list():
            words = ", ".join(_words("", each, "") for each in value) or "none"
        case _:
            words = str(value)
    return words
