"""Lays out what is in a panel: numbers, bars, rows, lines with their legend."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from dashboards.draw.answers import Series, Span
from dashboards.draw.charts import ROW, Size, chart, dial
from dashboards.draw.colors import by_threshold, hexed, mapped, of_series, titled
from dashboards.draw.units import shown

Panel = Mapping[str, Any]
Row = dict[str, Any]
LETTER = 0.62
"""Width of a letter, as a part of its height."""


def said(value: float, defaults: Panel, now: float) -> tuple[str, str]:
    """Return the text and the color of a value."""
    word = mapped(value, defaults.get("mappings", []))
    text = shown(value, defaults["unit"], defaults.get("decimals"), now)
    return word or (text, by_threshold(value, defaults))


def nothing(panel: Panel) -> str:
    """Return what a panel without a series shows."""
    text = escape(panel["fieldConfig"]["defaults"].get("noValue", "No data"))
    return f'<div class="nothing">{text}</div>'


def numbers(panel: Panel, series: Sequence[Series], span: Span, size: Size) -> str:
    """Return values side by side, as large as there is room; with names if there are several."""
    defaults = panel["fieldConfig"]["defaults"]
    filled = panel["options"]["colorMode"] == "background"
    named = len(series) > 1 or panel["options"].get("textMode") == "value_and_name"
    wide = (size[0] - 8 * (len(series) - 1)) / len(series)
    cells = []
    for one in series:
        text, color = said(one.last, defaults, span.end)
        name = f'<div class="name">{escape(one.name)}</div>' if named else ""
        tall = min((size[1] - (18 if name else 0)) * 0.5, (wide - 20) / (max(len(text), 3) * LETTER), 56)
        style = f"background:{color};color:#fff" if filled else f"color:{color}"
        value = f'<div style="font-size:{tall:.0f}px">{escape(text)}</div>'
        cells.append(f'<div class="number" style="{style}">{name}{value}</div>')
    return f'<div class="numbers">{"".join(cells)}</div>'


def dials(panel: Panel, series: Sequence[Series], span: Span, size: Size) -> str:
    """Return gauges side by side."""
    defaults = panel["fieldConfig"]["defaults"]
    drawn = []
    for one in series:
        text, color = said(one.last, defaults, span.end)
        drawn.append(dial(one.last, defaults, color, text, (size[0] / len(series), size[1])))
    return f'<div class="numbers">{"".join(drawn)}</div>'


def bars(panel: Panel, series: Sequence[Series], span: Span, size: Size) -> str:
    """Return a bar for each series, from 0 to the largest."""
    defaults = panel["fieldConfig"]["defaults"]
    most = max((one.last for one in series), default=0) or 1
    taken: set[str] = set()
    tall = min(30, size[1] / len(series) - 6)
    rows = []
    for one in series:
        color = of_series(panel, one.name, taken)
        style = f"height:{tall:.0f}px;width:{one.last / most:.1%};background:{color}"
        bar = f'<div><div class="bar" style="{style}"></div></div>'
        value = f'<span style="color:{color}">{escape(said(one.last, defaults, span.end)[0])}</span>'
        rows.append(f'<tr><td>{escape(titled(panel, one.name))}</td><td class="track">{bar}</td><td>{value}</td></tr>')
    return f'<table class="bars">{"".join(rows)}</table>'


def lines(panel: Panel, series: Sequence[Series], span: Span, size: Size) -> str:
    """Return a chart above the table that is its legend, which takes a third of the height at most."""
    taken: set[str] = set()
    if panel["options"]["legend"].get("sortBy"):
        series = sorted(series, key=_newest, reverse=panel["options"]["legend"]["sortDesc"])
    colors = [of_series(panel, one.name, taken) for one in series]
    fit = max(1, int(size[1] * 0.38 / ROW) - 1)
    kept = len(series) if len(series) <= fit else fit - 1
    below = ROW * (1 + kept + (kept < len(series)))
    drawn = chart(panel, series, colors, span, (size[0], size[1] - below - 4))
    rows = "".join(_legend(panel, one, color, span) for one, color in list(zip(series, colors, strict=True))[:kept])
    more = f'<tr><td class="dim">+ {len(series) - kept} more</td></tr>' if kept < len(series) else ""
    head = "<tr><th>Name</th><th>Last *</th><th>Max</th></tr>"
    return f'{drawn}<table class="legend">{head}{rows}{more}</table>'


def _newest(one: Series) -> float:
    """Return the newest value that is a number."""
    return next((value for _, value in reversed(one.points) if not math.isnan(value)), -math.inf)


def _legend(panel: Panel, one: Series, color: str, span: Span) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    values = [value for _, value in one.points if not math.isnan(value)]
    last, most = (values[-1], max(values)) if values else (math.nan, math.nan)
    shown_ = [escape(said(value, defaults, span.end)[0]) for value in (last, most)]
    name = f'<i style="background:{color}"></i>{escape(titled(panel, one.name))}'
    return f"<tr><td>{name}</td><td>{shown_[0]}</td><td>{shown_[1]}</td></tr>"


def merged(panel: Panel, series: Sequence[Series]) -> list[Row]:
    """Return the rows that a table's transformations make of its series: kept fields, merged by labels, renamed."""
    steps = {step["id"]: step["options"] for step in panel["transformations"]}
    kept, named = steps["filterFieldsByName"]["include"]["names"], steps["organize"]["renameByName"]
    columns = [name for name in kept if name not in steps["organize"].get("excludeByName", {})]
    several = len(panel["targets"]) > 1
    rows: dict[tuple[tuple[str, str], ...], Row] = {}
    for one in series:
        labels = {name: value for name, value in one.labels.items() if name in kept}
        # Of rows whose common labels are equal, one has the labels that the others lack.
        key = next((key for key, row in rows.items() if labels.items() <= row.items()), tuple(sorted(labels.items())))
        row = rows.setdefault(key, dict(labels))
        value = f"Value #{one.ref}" if several else "Value"
        if value in kept:
            row[value] = one.last
    return [{named[name]: row.get(name) for name in columns} for row in rows.values()]


def table(panel: Panel, rows: Sequence[Row], span: Span, size: Size) -> str:
    """Return a table, sorted as the panel is, as many rows as there is room for."""
    for by in reversed(panel["options"].get("sortBy", [])):
        filled = [row for row in rows if row[by["displayName"]] is not None]
        empty = [row for row in rows if row[by["displayName"]] is None]
        rows = sorted(filled, key=lambda row: row[by["displayName"]], reverse=by["desc"]) + empty
    titles = list(rows[0])
    numeric = {title for title in titles if any(isinstance(row[title], int | float) for row in rows)}
    numeric -= {title for title in titles if _override(panel, title).get("custom.align") == "left"}
    head = "".join(f"<th{_right(title, numeric)}{_width(panel, title)}>{escape(title)}</th>" for title in titles)
    fit = int(size[1] / 30) - 1
    body = "".join(
        f"<tr>{''.join(_cell(panel, title, row[title], span, numeric) for title in titles)}</tr>" for row in rows[:fit]
    )
    return f'<table class="rows"><tr>{head}</tr>{body}</table>'


def _override(panel: Panel, title: str) -> dict[str, Any]:
    """Return what a column has that the others have not."""
    found = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == title]
    return {one["id"]: one["value"] for override in found for one in override["properties"]}


def _width(panel: Panel, title: str) -> str:
    width = _override(panel, title).get("custom.width")
    return f' style="width:{width}px"' if width else ""


def _right(title: str, numeric: set[str]) -> str:
    return ' class="right"' if title in numeric else ""


def _cell(panel: Panel, title: str, value: float | str | None, span: Span, numeric: set[str]) -> str:
    own = _override(panel, title)
    cell = own.get("custom.cellOptions", {})
    if value is None:
        return "<td></td>"
    text, color = _written(value, panel["fieldConfig"]["defaults"] | own, span.end)
    style = f' style="color:{color}"' if cell.get("type") == "color-text" and color else ""
    kind = ' class="wraps"' if cell.get("wrapText") else _right(title, numeric)
    return f"<td{kind}{style}>{escape(text)}</td>"


def _written(value: float | str, defaults: Panel, now: float) -> tuple[str, str]:
    """Return a cell's text and color."""
    if isinstance(value, str) and defaults["unit"] == "dateTimeFromNow":
        return shown(datetime.fromisoformat(value).timestamp() * 1000, "dateTimeFromNow", None, now), ""
    if isinstance(value, str) or defaults["unit"] == "string":
        return mapped(str(value), defaults.get("mappings", [])) or (str(value), hexed("text"))
    return said(float(value), defaults, now)
