"""Dashboards are drawn as Grafana shows them: units, mappings, tables, lines; nothing overlaps."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from dashboards.draw import faces
from dashboards.draw.answers import Series, Span, filled, opened
from dashboards.draw.charts import stacked, ticks
from dashboards.draw.colors import NAMED, by_threshold, hexed, mapped, of_series
from dashboards.draw.page import CHROMIUM, SCRIPT, page, photograph
from dashboards.draw.units import FORMATS, shown
from tests.dashboards.panels import Panel, dashboards, panels
from tests.rendered import ROOT

NOW = 1_000_000.0
SPAN = Span(NOW - 3600, NOW)
IMAGES = ROOT / "docs" / "images"

UNITS: list[tuple[float, str, int | None, str]] = [
    (0, "decbytes", None, "0 B"),
    (999, "decbytes", None, "999 B"),
    (1500, "decbytes", None, "1.50 kB"),
    (301_000_000, "decbytes", None, "301 MB"),
    (12_345_678_901, "decbytes", None, "12.3 GB"),
    (1536, "bytes", None, "1.50 KiB"),
    (2_500_000, "Bps", None, "2.50 MB/s"),
    (0.25, "s", None, "250 ms"),
    (0, "s", None, "0 s"),
    (59, "s", None, "59 s"),
    (90, "s", None, "1.50 mins"),
    (7200, "s", 0, "2 hours"),
    (172800, "s", None, "2 days"),
    (1_209_600, "s", None, "2 weeks"),
    (0.4428, "percentunit", None, "44.3%"),
    (1, "percentunit", 1, "100.0%"),
    (1944, "currencyUSD", 2, "$1.94K"),
    (-14.4, "currencyUSD", 2, "-$14.40"),
    (20_000, "short", None, "20 K"),
    (12, "opm", None, "12 ops/m"),
    (0.5, "reqps", None, "0.500 req/s"),
    (3, "none", None, "3"),
    (math.nan, "s", None, "NaN"),
    ((NOW - 10) * 1000, "dateTimeFromNow", None, "a few seconds ago"),
    ((NOW - 60) * 1000, "dateTimeFromNow", None, "a minute ago"),
    ((NOW - 840) * 1000, "dateTimeFromNow", None, "14 minutes ago"),
    ((NOW - 3600) * 1000, "dateTimeFromNow", None, "an hour ago"),
    ((NOW - 7 * 86400) * 1000, "dateTimeFromNow", None, "7 days ago"),
    ((NOW + 300) * 1000, "dateTimeFromNow", None, "in 5 minutes"),
]


@pytest.mark.parametrize(("value", "unit", "decimals", "text"), UNITS)
def test_a_value_is_in_its_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    """Three digits, the unit scaled, or as many decimals as the panel says."""
    assert shown(value, unit, decimals, NOW) == text


def _units(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("id") == "unit":
            yield node["value"]
        if isinstance(node.get("unit"), str):
            yield node["unit"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _units(child)


def test_every_unit_of_the_dashboards_is_known() -> None:
    """No panel has a unit that cannot be drawn."""
    assert set(_units(dashboards())) <= FORMATS.keys() | {"dateTimeFromNow"}


def _colors(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node[name] for name in ("color", "fixedColor") if isinstance(node.get(name), str))
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _colors(child)


def test_every_color_of_the_dashboards_is_known() -> None:
    """No panel has a color that cannot be drawn; one whose name is wrong is an error."""
    assert {hexed(name) for name in _colors(dashboards())}
    with pytest.raises(KeyError):
        hexed("redish")


def test_a_legend_has_the_label_and_its_color() -> None:
    """A series that an override names is called and colored so, in the legend and the area; others keep their names."""
    series = [Series(name, {}, ((NOW - 60, 1), (NOW, 2))) for name in ("internet_gateway", "else")]
    drawn = faces.lines(panel("overview", 10), series, SPAN, (800, 400))
    assert '<i style="background:#f2495c"></i>internet gateway' in drawn
    assert 'fill="#f2495c" opacity="0.6"' in drawn
    assert "</i>else" in drawn
    assert "internet_gateway" not in drawn


def panel(board: str, number: int) -> Panel:
    """Return a committed panel."""
    (found,) = (
        each
        for one in dashboards()
        if one["uid"] == f"flowaudit-{board}"
        for each in panels(one)
        if each["id"] == number
    )
    return found


@pytest.mark.parametrize(
    ("value", "text", "color"),
    [(-1, "not known", "#ff9830"), (0, "no leak seen", "#73bf69"), (1, "leak", "#f2495c"), (7, "leak", "#f2495c")],
)
def test_a_verdict_is_a_word_in_its_color(value: float, text: str, color: str) -> None:
    """Value mappings, single or from a value on, decide the word and the color."""
    assert faces.said(value, panel("overview", 1)["fieldConfig"]["defaults"], NOW) == (text, color)


def test_no_number_has_its_own_word() -> None:
    """NaN is shown as the special mapping says."""
    defaults = panel("overview", 4)["fieldConfig"]["defaults"]
    assert mapped(math.nan, defaults["mappings"]) == ("no interface", "#ff9830")
    assert mapped(0.5, defaults["mappings"]) is None


@pytest.mark.parametrize(("value", "color"), [(0.5, "#f2495c"), (0.95, "#ff9830"), (0.99, "#73bf69")])
def test_a_threshold_colors_from_its_value_on(value: float, color: str) -> None:
    """The highest step that a value reaches decides."""
    assert by_threshold(value, panel("overview", 4)["fieldConfig"]["defaults"]) == color


def test_a_table_merges_its_queries() -> None:
    """Rows of equal labels are one, values become columns by their titles, other labels go."""
    series = [*_found("critical", 1, 5e6, 9, 4), *_found("low", 2, 6e6, 8, 1)]
    assert faces.merged(panel("overview", 13), series) == [
        {"Severity": 4, "Detector": "d", "Daemon": "a", "Open": 1, "Bytes": 5e6, "Since": 9},
        {"Severity": 1, "Detector": "d", "Daemon": "a", "Open": 2, "Bytes": 6e6, "Since": 8},
    ]


def _found(severity: str, *values: float) -> list[Series]:
    """Return the series of a row of the table of findings, a value for each query."""
    labels = {"severity": severity, "detector": "d", "instance": "a", "job": "x"}
    return [Series("", labels, ((NOW, value),), ref) for ref, value in zip("ABCD", values, strict=True)]


def test_severities_are_sorted_by_rank_and_shown_as_words() -> None:
    """The most severe is first, and low comes after medium; the rank is a colored word on the left."""
    series = [
        one for rank, name in enumerate(("low", "medium", "high", "critical"), 1) for one in _found(name, 1, 1, 1, rank)
    ]
    drawn = faces.table(panel("overview", 13), faces.merged(panel("overview", 13), series), SPAN, (800, 400))
    words = re.findall(r'<td style="color:(#\w+)">(\w+)</td>', drawn)
    assert words == [("#f2495c", "critical"), ("#ff9830", "high"), ("#fade2a", "medium"), ("#5794f2", "low")]
    assert re.search(r"<th(?! class)[^>]*>Severity", drawn)


def test_bars_are_in_one_color() -> None:
    """Figures that are neither good nor bad are blue, and have no color of a severity."""
    for board, number in (("overview", 12), ("health", 304)):
        series = [Series(name, {}, ((NOW, 1.0),)) for name in ("one", "two", "fraud-training (training job)")]
        drawn = faces.bars(panel(board, number), series, SPAN, (800, 400))
        assert set(re.findall(r"#[0-9a-f]{6}", drawn)) == {NAMED["blue"]}


def test_services_are_in_shades_of_one_color() -> None:
    """Services are told apart by shades of blue, and what goes to others than AWS is gray."""
    taken: set[str] = set()
    colors = [of_series(panel("cost", 10), name, taken) for name in ("S3", "KINESIS", "EC2", "none")]
    assert colors == [NAMED["blue"], "#4676c2", "#385f9b", "#8e8e8e"]


@pytest.mark.parametrize(
    ("value", "name", "color"),
    [(27.84, "saved", "#73bf69"), (0, "saved", "#ccccdc"), (-14.4, "more expensive", "#ff9830")],
)
def test_what_is_more_expensive_is_said(value: float, name: str, color: str) -> None:
    """The money that endpoints save has its sign in words and in color."""
    drawn = faces.numbers(panel("cost", 4), [Series(name, {}, ((NOW, value),))], SPAN, (300, 100))
    assert f">{name}<" in drawn
    assert f"color:{color}" in drawn


def test_a_table_is_sorted_and_escaped() -> None:
    """The largest is first, as the panel says; a name cannot be markup."""
    rows = [
        {"Kind": "k", "Workload": name, "Path": "p", "Bytes": size}
        for name, size in (("small", 1), ("<b>big</b>", 2e9))
    ]
    drawn = faces.table(panel("workload", 14), rows, SPAN, (800, 400))
    assert "<b>" not in drawn
    assert drawn.index("&lt;b&gt;big") < drawn.index("small")
    assert "2 GB" in drawn


def test_lines_are_stacked_in_their_order() -> None:
    """Each series lies on those before it; one without a number adds nothing."""
    lines = [Series(name, {}, ((0, low), (60, high))) for name, low, high in (("a", 1, 2), ("b", 3, math.nan))]
    assert stacked(lines) == [[(0, 0, 1), (60, 0, 2)], [(0, 1, 4), (60, 2, 2)]]


def test_ticks_are_round() -> None:
    """An axis has round values within its limits; whole ones where the panel has no decimals."""
    assert ticks(0, 1, 4, whole=True) == [0, 1]
    assert ticks(0, 5, 5) == [0, 1, 2, 3, 4, 5]
    assert ticks(0, 2048, 4, 1024) == [0, 512, 1024, 1536, 2048]


def test_variables_are_filled() -> None:
    """Those given replace those that a dashboard opens with; one that there is not is an error."""
    (cost,) = (board for board in dashboards() if board["uid"] == "flowaudit-cost")
    values = opened(cost, {"nat_price": "1"})
    assert filled('a{job=~"$job"} * $nat_price * $endpoint_price', values) == 'a{job=~".+"} * 1 * 0.01'
    with pytest.raises(KeyError):
        filled("$nothing", values)


class Nothing(BaseHTTPRequestHandler):
    """A Prometheus, and a daemon, that know nothing; the first fails for expressions with a sum."""

    fails = False

    def do_GET(self) -> None:
        """Answer."""
        asked = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
        refused = self.fails and "sum" in asked
        body = {"error": "no sums today"} if refused else {"data": {"result": []}, "rows": []}
        self.send_response(422 if refused else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a server that knows nothing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_without_data_each_panel_says_so(board: dict[str, Any], empty: str) -> None:
    """Each panel is there by its title, with the words that it has for no data."""
    drawn = page(board, {"prometheus": empty, "daemon": empty}, {}, SPAN)
    for each in panels(board):
        assert f"<h2>{each['title']}</h2>" in drawn
        assert each["fieldConfig"]["defaults"]["noValue"] in drawn


def draw(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run what scripts/draw-dashboards runs."""
    command = [sys.executable, "-m", "dashboards.draw", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_refused_query_is_told(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of Prometheus is printed on one line, with exit code 2."""
    monkeypatch.setattr(Nothing, "fails", True)
    ran = draw("overview", "--prometheus", empty, "--output", tmp_path)
    assert ran.returncode == 2
    assert "422" in ran.stderr
    assert "no sums today" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """A Prometheus that cannot be reached is an error with exit code 2."""
    ran = draw("overview", "--prometheus", "http://127.0.0.1:9", "--output", tmp_path)
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False)
    assert "Connection refused" in ran.stderr


@pytest.mark.skipif(not any(map(shutil.which, CHROMIUM)), reason="Chromium is not installed")
def test_an_image_is_as_high_as_the_dashboard(empty: str, tmp_path: Path) -> None:
    """A dashboard becomes a PNG of 1440 pixels' width in at most 256 colors."""
    ran = draw("cost", "--prometheus", empty, "--output", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    with Image.open(tmp_path / "dashboard-cost.png") as image:
        assert (image.width, image.mode) == (1440, "P")
        assert 600 < image.height < 1400


@pytest.mark.skipif(not any(map(shutil.which, CHROMIUM)), reason="Chromium is not installed")
def test_text_that_overlaps_is_told(tmp_path: Path) -> None:
    """Texts of a panel that lie on each other, or beyond its edge, are named; those beside each other are not."""
    style = "position:relative;width:400px;height:99px"
    texts = ((10, 20, "one"), (15, 22, "two"), (200, 20, "three"), (380, 70, "four is long"))
    svg = "".join(f'<text x="{x}" y="{y}">{text}</text>' for x, y, text in texts)
    html = f'<!doctype html><section style="{style}"><svg width="600">{svg}</svg></section><script>{SCRIPT}</script>'
    assert photograph(html, tmp_path / "overlap.png") == ["one and two overlap", "four is long is cut off"]


@pytest.mark.parametrize("name", [board["uid"].removeprefix("flowaudit-") for board in dashboards()])
def test_each_dashboard_has_an_image_in_its_readme(name: str) -> None:
    """The README beside the dashboards shows each of them, by a file smaller than 200 kB."""
    image = IMAGES / f"dashboard-{name}.png"
    assert f"../../docs/images/{image.name}" in (ROOT / "dashboards" / "grafana" / "README.md").read_text("utf-8")
    assert image.stat().st_size < 200_000
