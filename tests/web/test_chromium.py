"""The status page and the pages of findings in a real browser, as people and their aids use them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from tests.web.browser import HOSTILE, Browser, hostile

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
PLACES = ("/", "/findings", "leak", "own", "missing", "several")
VIEWS = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
WIDER = "document.documentElement.scrollWidth - innerWidth"
UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"
CUT = """() => [...document.querySelectorAll('main *, header *, footer *')].filter(each => {
  if (!each.innerText || each.closest('.scroll, .box, pre, .skip') || !each.checkVisibility()) return false;
  const box = each.getBoundingClientRect(), style = getComputedStyle(each);
  const clips = style.overflowX !== 'visible' && each.scrollWidth > each.clientWidth + 1;
  return box.left < -1 || box.right > innerWidth + 1 || clips;
}).map(each => each.outerHTML.slice(0, 200))"""
"""Elements outside of boxes that scroll whose text is not all to be seen."""
FOCUSED = """() => {
  const each = document.activeElement, style = getComputedStyle(each), box = each.getBoundingClientRect();
  const is_shown = box.bottom > 0 && box.top < innerHeight && box.width > 0;
  return {
    index: [...document.querySelectorAll('*')].indexOf(each), tag: each.tagName,
    is_seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && is_shown,
    html: each.outerHTML.slice(0, 120),
  };
}"""
REACHABLE = """() => [...document.querySelectorAll('*')].flatMap((each, index) =>
  each.checkVisibility() && each.matches('a, summary, pre, .scroll') ? [index] : [])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Pages about a lake with hostile names; not to be written to."""
    opened = hostile(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.server.close()


@pytest.fixture(scope="module")
def places(site: Browser) -> dict[str, str]:
    """The URL of each kind of page."""
    ids = site.ids()
    digits = [id[0] for id in ids]
    pages = {
        "leak": f"findings/{site.id()}",
        "own": f"findings/{site.id('own')}",
        "missing": "findings/nothing%3Cscript%3E",
        "several": f"findings/{max(digits, key=digits.count)}",
    }
    return {place: site.server.url + pages.get(place, place.lstrip("/")) for place in PLACES}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that is open, with what the browser reported and asked for meanwhile."""

    page: Page
    reported: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.reported.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.reported.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        is_its_status = message.location["url"] == self.page.url and "responded with a status of 404" in message.text
        if not is_its_status:  # Chromium reports the status of the page itself as an error
            self.reported.append(f"{message.type}: {message.text}")


Visitor = Callable[..., Any]


@pytest.fixture
def visit(chromium: Chromium, places: dict[str, str]) -> Visitor:
    """Open a kind of page, in a new context with these settings."""

    @contextmanager
    def opened(place: str, width: int = 1280, **settings: Any) -> Iterator[Visit]:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **settings)
        try:
            visited = Visit(context.new_page())
            visited.page.goto(places[place])
            yield visited
        finally:
            context.close()

    return opened


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_is_accessible(visit: Visitor, place: str, width: int, scheme: str) -> None:
    """Axe finds nothing against WCAG 2.2 AA or good practice, with every part unfolded, light and dark, wide and narrow."""
    with visit(place, width, color_scheme=scheme) as visited:
        visited.page.evaluate(UNFOLD)
        assert visited.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
        found = Axe().run(visited.page, options=RULES)
        assert not found.response["violations"], found.generate_report()
        assert visited.page.evaluate(WIDER) <= 0
        assert visited.page.evaluate(CUT) == []


@pytest.mark.parametrize("place", PLACES)
class TestPage:
    """Each kind of page."""

    def test_the_policy_allows_all_it_needs(self, visit: Visitor, places: dict[str, str], place: str) -> None:
        """The browser reports no error and no violation of the policy, and asks no other host for anything."""
        with visit(place) as visited:
            visited.page.evaluate(UNFOLD)
            visited.page.wait_for_load_state("networkidle")
            assert visited.reported == []
            assert all(url.startswith(places["/"]) for url in visited.requests), visited.requests
            assert any("style.css" in url for url in visited.requests)
            assert visited.page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"

    def test_hostile_text_is_text(self, visit: Visitor, place: str) -> None:
        """Nothing of what strangers wrote becomes an element or a title, opens a dialog or turns the direction."""
        with visit(place) as visited:
            made = "main :is(script, img, iframe, b, i, u, [onclick], [onerror]), title *"
            assert visited.page.locator(made).count() == 0
            assert visited.page.title().endswith("· flowaudit")
            assert visited.reported == []
            assert "\u202e" not in visited.page.inner_text("body")

    def test_headings_are_in_order(self, visit: Visitor, place: str) -> None:
        """One h1 comes first, and no level is left out below."""
        with visit(place) as visited:
            levels = visited.page.evaluate(
                "[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])"
            )
            assert levels.count(1) == 1
            assert levels[0] == 1
            assert all(after <= before + 1 for before, after in pairwise(levels)), levels

    @pytest.mark.parametrize("width", [1280, 390])
    def test_the_keyboard_reaches_everything(self, visit: Visitor, place: str, width: int) -> None:
        """Tab comes to the link that skips the header first, then to every link, fold and box that scrolls, visibly."""
        with visit(place, width) as visited:
            wanted = set(visited.page.evaluate(REACHABLE))
            reached = []
            for _ in range(len(wanted) + 50):
                visited.page.keyboard.press("Tab")
                reached.append(visited.page.evaluate(FOCUSED))
                if reached[-1]["tag"] == "BODY":
                    break
            assert 'class="skip"' in reached[0]["html"]
            assert wanted <= {each["index"] for each in reached}
            assert [each["html"] for each in reached if not each["is_seen"] and each["tag"] != "BODY"] == []

    def test_the_header_can_be_skipped(self, visit: Visitor, place: str) -> None:
        """Tab and Enter put the focus on the content."""
        with visit(place) as visited:
            visited.page.keyboard.press("Tab")
            visited.page.keyboard.press("Enter")
            assert visited.page.evaluate("document.activeElement.id") == "content"
            visited.page.keyboard.press("Tab")
            assert visited.page.evaluate("document.activeElement.closest('main, footer') !== null")

    @pytest.mark.parametrize("width", [1280, 390])
    def test_text_of_twice_the_size_fits(self, visit: Visitor, place: str, width: int) -> None:
        """With letters of 200 % nothing is cut off and the page does not scroll sideways (WCAG 2.2, 1.4.4)."""
        with visit(place, width) as visited:
            size = "parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)"
            before = visited.page.evaluate(size)
            visited.page.evaluate("document.documentElement.style.fontSize = '200%'")
            visited.page.evaluate(UNFOLD)
            assert visited.page.evaluate(size) == 2 * before
            assert visited.page.evaluate(WIDER) <= 0
            assert visited.page.evaluate(CUT) == []

    def test_320_pixels_are_enough(self, visit: Visitor, place: str) -> None:
        """At 400 % of 1280 pixels the page does not scroll sideways (WCAG 2.2, 1.4.10)."""
        with visit(place, 320) as visited:
            visited.page.evaluate(UNFOLD)
            assert visited.page.evaluate(WIDER) <= 0
            assert visited.page.evaluate(CUT) == []

    def test_it_can_be_printed(self, visit: Visitor, place: str, tmp_path: Path) -> None:
        """On paper nothing is cut off at the right, boxes that scroll included, and folded parts are there."""
        with visit(place, 718) as visited:  # A4 at 96 dpi, without its margins
            visited.page.emulate_media(media="print", color_scheme="light")
            assert visited.page.evaluate(WIDER) <= 0
            boxes = "[...document.querySelectorAll('.scroll, .box, pre')].filter(each => each.checkVisibility())"
            assert visited.page.evaluate(f"{boxes}.filter(each => each.scrollWidth > each.clientWidth + 1).length") == 0
            assert (
                visited.page.evaluate(f"{boxes}.filter(each => each.scrollHeight > each.clientHeight + 1).length") == 0
            )
            assert visited.page.pdf(format="A4").startswith(b"%PDF-")

    def test_forced_colours_keep_what_matters(self, visit: Visitor, place: str) -> None:
        """Where the system sets the colours, badges and the verdict keep an edge that can be seen."""
        with visit(place, forced_colors="active") as visited:
            edges = visited.page.evaluate(
                """[...document.querySelectorAll('.badge, .verdict, .remedy, .not-known, .warning')].map(each => {
                  const style = getComputedStyle(each);
                  return [style.borderLeftWidth, style.borderLeftColor !== style.backgroundColor];
                })"""
            )
            assert visited.page.evaluate("matchMedia('(forced-colors: active)').matches")
            assert all(float(width.removesuffix("px")) >= 1 and differs for width, differs in edges), edges


def test_names_are_shown_in_full(visit: Visitor) -> None:
    """A finding's page has all of a hostile name, as it is but for what cannot be printed."""
    with visit("leak", 390) as visited:
        shown = visited.page.locator("dl.facts").first.inner_text()
        name = HOSTILE.replace("\u202e", "\\u202e").replace("\u200f", "\\u200f").replace("\n", "\\n")
        assert name in shown


@pytest.mark.parametrize("place", PLACES)
def test_it_needs_no_scripts(visit: Visitor, place: str) -> None:
    """With scripts switched off a page has the same text, and its parts unfold."""
    with visit(place) as visited:
        text = visited.page.inner_text("main h1")
        assert visited.page.locator("script").count() == 0
    with visit(place, java_script_enabled=False) as visited:
        assert visited.page.inner_text("main h1") == text
        for fold in visited.page.locator("main details:not([open])").all():
            fold.locator("summary").click()
        assert visited.page.locator("main details:not([open])").count() == 0


def test_links_lead_where_they_say(visit: Visitor) -> None:
    """From the status to a finding, to all findings of its detector, and back to the status."""
    with visit("/") as visited:
        visited.page.locator(".findings a").first.click()
        assert "What it means" in visited.page.inner_text("main")
        visited.page.get_by_role("link", name="all of its findings").click()
        assert visited.page.locator(".filter a[aria-current]").count() == 2
        visited.page.get_by_role("link", name="Status").click()
        assert visited.page.locator(".verdict").count() == 1
        assert visited.reported == []
