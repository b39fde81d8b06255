"""Draws lines, columns and dials as SVG."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from dashboards.draw.answers import Series, Span
from dashboards.draw.colors import hexed
from dashboards.draw.units import places, shown

LEFT, RIGHT, TOP, BOTTOM = 78, 10, 8, 22
ZEROS = re.compile(r"(?<=\d)\.0+(?!\d)|(?<=\.\d)0+(?!\d)|(?<=\.\d\d)0+(?!\d)")
"""Left out of the labels of an axis."""
Size = tuple[float, float]
ROW = 20
"""Pixels of a line of the legend."""
MOMENTS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True)
class Scale:
    """Positions of values and times, in pixels."""

    span: Span
    low: float
    high: float
    width: float
    height: float

    def x(self, at: float) -> float:
        """Return the distance from the left."""
        part = (at - self.span.start) / (self.span.end - self.span.start)
        return LEFT + part * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the distance from the top."""
        part = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - part * (self.height - TOP - BOTTOM)


def ticks(low: float, high: float, most: int, base: int = 10, *, whole: bool = False) -> list[float]:
    """Return round values that lie between two."""
    rough = (high - low) / most
    power = float(base) ** math.floor(math.log(rough, base))
    factors = (1, 2, 5, 10) if base == 10 else (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # noqa: PLR2004
    step = next((power * factor for factor in factors if power * factor >= rough * 0.999), power * base)
    step = max(1, step) if whole else step
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def stacked(lines: Sequence[Series]) -> list[list[tuple[float, float, float]]]:
    """Return time, lower and upper edge of each series, laid onto those before."""
    floor: dict[float, float] = {}
    laid = []
    for line in lines:
        edges = []
        for at, value in line.points:
            low = floor.get(at, 0.0)
            floor[at] = low + (0 if math.isnan(value) else value)
            edges.append((at, low, floor[at]))
        laid.append(edges)
    return laid


def _pieces(points: Sequence[tuple[float, ...]], gap: float) -> list[list[tuple[float, ...]]]:
    """Return runs of points without a gap: NaN, or a time that is missing."""
    runs: list[list[tuple[float, ...]]] = [[]]
    for point in points:
        if any(math.isnan(value) for value in point):
            runs.append([])
            continue
        if runs[-1] and point[0] - runs[-1][-1][0] > gap * 1.5:
            runs.append([])
        runs[-1].append(point)
    return [run for run in runs if run]


def chart(panel: Mapping[str, Any], lines: Sequence[Series], colors: Sequence[str], span: Span, size: Size) -> str:
    """Return the lines of a panel over time, with axes."""
    custom, defaults = panel["fieldConfig"]["defaults"]["custom"], panel["fieldConfig"]["defaults"]
    laid = custom.get("stacking", {}).get("mode") == "normal"
    edges = stacked(lines) if laid else [[(at, 0.0, value) for at, value in line.points] for line in lines]
    values = [edge for line in edges for _, *both in line for edge in (both if laid else both[1:]) if edge == edge]  # noqa: PLR0124, not NaN
    low, high = _limits(values, defaults)
    scale = Scale(span, low, high, *size)
    step = span.interval(panel.get("interval", ""))
    drawn = [
        _columns(scale, edge, color, step)
        if custom["drawStyle"] == "bars"
        else _line(scale, edge, color, step, custom.get("fillOpacity", 0) / 100)
        for edge, color in zip(edges, colors, strict=True)
    ]
    return f'<svg width="{size[0]:.0f}" height="{size[1]:.0f}">{_axes(scale, defaults)}{"".join(drawn)}</svg>'


def _limits(values: Sequence[float], defaults: Mapping[str, Any]) -> tuple[float, float]:
    low = defaults.get("min", min([*values, 0] if len(set(values)) < 2 else values, default=0))  # noqa: PLR2004
    high = defaults.get("max", max(values, default=1))
    if high <= low:
        high = low + 1
    room = (high - low) * 0.05
    return (low if low == 0 or "min" in defaults else low - room), (high if "max" in defaults else high + room)


def _line(scale: Scale, edges: Sequence[tuple[float, ...]], color: str, step: float, opacity: float) -> str:
    drawn = []
    for run in _pieces(edges, step):
        upper = [f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, _, value in run]
        if opacity:
            lower = [f"{scale.x(at):.1f},{scale.y(max(value, scale.low)):.1f}" for at, value, _ in reversed(run)]
            drawn.append(f'<polygon points="{" ".join(upper + lower)}" fill="{color}" opacity="{opacity}"/>')
        drawn.append(f'<polyline points="{" ".join(upper)}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        if len(run) == 1:
            drawn.append(f'<circle cx="{upper[0].split(",")[0]}" cy="{upper[0].split(",")[1]}" r="2" fill="{color}"/>')
    return "".join(drawn)


def _columns(scale: Scale, edges: Sequence[tuple[float, ...]], color: str, step: float) -> str:
    wide = max(1.0, (scale.x(scale.span.start + step) - LEFT) * 0.8)
    columns = [(scale.x(at), scale.y(high), scale.y(low) - scale.y(high)) for at, low, high in edges if high > low]
    return "".join(
        f'<rect x="{max(LEFT, x - wide / 2):.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{color}" '
        'fill-opacity="0.7"/>'
        for x, y, tall in columns
    )


def _axes(scale: Scale, defaults: Mapping[str, Any]) -> str:
    unit, whole = defaults["unit"], defaults.get("decimals") == 0
    by = {"bytes": 1024, "percentunit": 10}.get(unit, 10)
    marks = ticks(scale.low, scale.high, max(2, int((scale.height - TOP - BOTTOM) / 34)), by, whole=whole)
    drawn = []
    for value in marks:
        y = scale.y(value)
        text = escape(ZEROS.sub("", shown(_clean(value), unit, defaults.get("decimals"), scale.span.end)))
        drawn.append(f'<line x1="{LEFT}" x2="{scale.width - RIGHT:.0f}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(drawn) + _times(scale)


def _clean(value: float) -> float:
    return round(value, 12 - places(value) if abs(value) < 1 else 9)


def _times(scale: Scale) -> str:
    length, most = scale.span.end - scale.span.start, (scale.width - LEFT - RIGHT) / 80
    step = next((moment for moment in MOMENTS if length / moment <= most), 86400 * math.ceil(length / 86400 / most))
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%m/%d"  # noqa: PLR2004
    drawn = []
    for number in range(math.ceil(scale.span.start / step), math.floor(scale.span.end / step) + 1):
        at, x = number * step, scale.x(number * step)
        foot = scale.height - BOTTOM
        drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{foot:.1f}" class="grid"/>')
        if LEFT + 18 < x < scale.width - 30:  # a label that the edge would cut off is left out
            text = datetime.fromtimestamp(at, UTC).strftime(pattern)
            drawn.append(f'<text x="{x:.1f}" y="{scale.height - 5:.0f}" text-anchor="middle">{text}</text>')
    return "".join(drawn)


def dial(value: float, defaults: Mapping[str, Any], color: str, text: str, size: Size) -> str:
    """Return a value on an arc of 240 degrees, inside of an arc of the thresholds."""
    width, height = size
    radius = min(width / 2, height / 1.55) - 6
    x, y = width / 2, radius + 6
    low, high = defaults.get("min", 0), defaults.get("max", 100)
    part = 0 if math.isnan(value) else min(1, max(0, (value - low) / (high - low)))
    inner = [_arc(x, y, radius - 12, 0, 1, 14, "#2c3038"), _arc(x, y, radius - 12, 0, part, 14, color)]
    steps = [
        (low if step["value"] is None else step["value"], step["color"]) for step in defaults["thresholds"]["steps"]
    ]
    ends = [*(value for value, _ in steps[1:]), high]
    outer = [
        _arc(x, y, radius - 1, (start - low) / (high - low), (end - low) / (high - low), 3, hexed(name))
        for (start, name), end in zip(steps, ends, strict=True)
    ]
    middle = (
        f'<text x="{x}" y="{y + 8:.0f}" text-anchor="middle" class="dial" style="fill:{color}">{escape(text)}</text>'
    )
    return f'<svg width="{width:.0f}" height="{height:.0f}">{"".join(inner + outer)}{middle}</svg>'


def _arc(x: float, y: float, radius: float, start: float, end: float, thick: float, color: str) -> str:
    if end <= start:
        return ""
    angles = [math.radians(150 + 240 * part) for part in (start, end)]
    ((x1, y1), (x2, y2)) = ((x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles)
    large = int(240 * (end - start) > 180)  # noqa: PLR2004, degrees
    path = f"M{x1:.1f} {y1:.1f}A{radius:.1f} {radius:.1f} 0 {large} 1 {x2:.1f} {y2:.1f}"
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{thick}"/>'
