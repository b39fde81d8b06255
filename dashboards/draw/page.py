"""Draws a dashboard as an image: a page of HTML as Grafana lays it out, photographed by Chromium."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from dashboards.draw import faces
from dashboards.draw.answers import Span, asked, filled, opened, reported
from dashboards.draw.colors import NAMED, PALETTE

WIDTH, MARGIN, GAP, CELL, HEAD = 1440, 16, 8, 30, 32
"""Pixels: of the page, around and between panels, of a line of the grid, of a panel's title."""
COLUMN = (WIDTH - 2 * MARGIN - 23 * GAP) / 24
COLORS = 256
"""So many are enough for what is drawn, and make the file a third as large."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
STYLE, SCRIPT = ((Path(__file__).parent / name).read_text("utf-8") for name in ("page.css", "page.js"))


class DrawError(Exception):
    """A dashboard cannot be drawn."""


def size(place: Mapping[str, int]) -> tuple[float, float]:
    """Return the pixels inside of a panel, below its title."""
    width = place["w"] * COLUMN + (place["w"] - 1) * GAP - 18
    return width, place["h"] * CELL + (place["h"] - 1) * GAP - HEAD - 10


def _inside(panel: Mapping[str, Any], sources: Mapping[str, str], values: Mapping[str, str], span: Span) -> str:
    room = size(panel["gridPos"])
    if panel["datasource"]["type"] != "prometheus":
        rows = reported(sources["daemon"], panel, span)
        return faces.table(panel, rows, span, room) if rows else faces.nothing(panel)
    series = asked(sources["prometheus"], panel, values, span)
    if not series:
        return faces.nothing(panel)
    if panel["type"] == "table":
        return faces.table(panel, faces.merged(panel, series), span, room)
    drawn = {"stat": faces.numbers, "gauge": faces.dials, "bargauge": faces.bars, "timeseries": faces.lines}
    return drawn[panel["type"]](panel, series, span, room)


def _panel(panel: Mapping[str, Any], top: int, inside: str) -> str:
    place = panel["gridPos"]
    style = f"grid-column:{place['x'] + 1}/span {place['w']};grid-row:{place['y'] - top + 1}/span {place['h']}"
    return f'<section style="{style}"><h2>{escape(panel["title"])}</h2><div class="in">{inside}</div></section>'


def _grid(panels: list[Mapping[str, Any]], draw: Callable[[Mapping[str, Any]], str]) -> str:
    top = min(panel["gridPos"]["y"] for panel in panels)
    return f'<div class="grid">{"".join(_panel(panel, top, draw(panel)) for panel in panels)}</div>'


def _plugin(query: str) -> str:
    return query.removeprefix("yesoreyeram-").removesuffix("-datasource").title()


def _texts(variable: Mapping[str, Any], value: str) -> str:
    """Return the texts of the values that are chosen."""
    texts = {option["value"]: option["text"] for option in variable.get("options", [])}
    return " + ".join(str(texts.get(each, each)) for each in value.split("|"))


def _bar(board: Mapping[str, Any], values: Mapping[str, str], span: Span) -> str:
    chips = []
    for one in board["templating"]["list"]:
        value = values[one["name"]]
        shown = "All" if value == one.get("allValue") else _texts(one, value) or _plugin(one["query"])
        chips.append(f"<label>{escape(one['label'])}<b>{escape(shown)}</b></label>")
    times = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (span.start, span.end)]
    title = f"<h1>{escape(board['title'])}</h1><time>{times[0]} to {times[1]} UTC</time>"
    return f'<header>{title}</header><div class="chips">{"".join(chips)}</div>'


def page(board: Mapping[str, Any], sources: Mapping[str, str], given: Mapping[str, str], span: Span) -> str:
    """Return a dashboard as a page of HTML, with its rows unfolded; raises OSError where a query is refused."""
    values = opened(board, given)

    def draw(panel: Mapping[str, Any]) -> str:
        return _inside(panel, sources, values, span)

    rows = [panel for panel in board["panels"] if panel["type"] == "row"]
    parts = [_grid([panel for panel in board["panels"] if panel["type"] != "row"], draw)]
    for row in rows:
        parts += [f"<h3>▾ {escape(filled(row['title'], values))}</h3>", _grid(row["panels"], draw)]
    return (
        f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{_bar(board, values, span)}{"".join(parts)}'
        f"<script>{SCRIPT}</script>"
    )


def _chromium(*arguments: str) -> str:
    """Run Chromium, with a profile that is thrown away, and return what it prints."""
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise DrawError(f"none of {', '.join(CHROMIUM)} is on PATH: install Chromium")
    with tempfile.TemporaryDirectory(prefix="flowaudit-draw-", ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # which does not run as root
        command = [program, *options, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode:
        raise DrawError(f"{program}: {ran.stderr.strip()[-500:]}")
    return ran.stdout


def _reduced(drawn: Image.Image) -> Image.Image:
    """Return an image in named colors and its most frequent ones; the edges of letters take the nearest."""
    counted: list[tuple[int, tuple[int, int, int]]] = drawn.getcolors(drawn.width * drawn.height)  # type: ignore[assignment]
    named = [ImageColor.getrgb(color)[:3] for color in (*NAMED.values(), *PALETTE)]
    frequent = list(dict.fromkeys([*named, *(color for _, color in sorted(counted, reverse=True))]))[:COLORS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for color in frequent for part in color])
    return drawn.quantize(palette=palette, dither=Image.Dither.NONE)


def photograph(html: str, image: Path) -> list[str]:
    """Write a page as PNG, as high as it is, and return what overlaps in it; raises DrawError without Chromium."""
    with tempfile.TemporaryDirectory(prefix="flowaudit-draw-") as folder:
        file = Path(folder, "page.html")
        file.write_text(html, "utf-8")
        dumped = _chromium("--dump-dom", f"--window-size={WIDTH},100", file.as_uri())
        height, *troubles = json.loads(unescape(dumped.partition("<title>")[2].partition("</title>")[0]))
        _chromium(f"--screenshot={image.absolute()}", f"--window-size={WIDTH},{height}", file.as_uri())
    if not image.exists():
        raise DrawError(f"{image}: Chromium wrote no image")
    with Image.open(image) as drawn:
        _reduced(drawn.convert("RGB")).save(image, optimize=True)
    return [str(trouble) for trouble in troubles]
