"""The status page and the pages of findings in a real browser, as people and their aids use them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

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
COLOURS = {"runOnly": ["color-contrast"]}
"""What a dark page can break that a light one does not."""
PLACES = ("/", "/findings", "/reports", "leak", "missing")
WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
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
    pages = {
        "leak": f"findings/{site.id()}",
        "missing": "findings/nothing%3Cscript%3E",
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

    def shown(self, width: int, **media: Any) -> Page:
        """Return the page in a window of this width, by default for a light screen."""
        self.page.set_viewport_size({"width": width, "height": 900})
        kept: dict[str, Any] = {"media": "screen", "color_scheme": "light", "forced_colors": "none"}
        self.page.emulate_media(**kept | media)
        return self.page


@pytest.fixture(scope="module", params=PLACES)
def visit(request: pytest.FixtureRequest, chromium: Chromium, places: dict[str, str]) -> Iterator[Visit]:
    """Each kind of page, opened once, with all that is folded unfolded."""
    visited = Visit(chromium.new_page())
    visited.page.set_default_timeout(10_000)
    visited.page.goto(places[request.param])
    visited.page.evaluate(UNFOLD)
    yield visited
    visited.page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_accessible(visit: Visit, width: int, scheme: str) -> None:
    """No rule of WCAG 2.2 AA or of good practice that axe knows is broken, wide and narrow, light and dark."""
    page = visit.shown(width, color_scheme=scheme)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    found = Axe().run(page, options=RULES if scheme == "light" else COLOURS)
    assert found.response["passes"]
    assert not found.response["violations"], found.generate_report()


def test_the_policy_allows_all_it_needs(visit: Visit, places: dict[str, str]) -> None:
    """The browser reports no error, no violation of the policy and no dialog, and asks no other host for anything."""
    assert visit.reported == []
    assert all(url.startswith(places["/"]) for url in visit.requests), visit.requests
    assert any("style.css" in url for url in visit.requests)
    assert visit.page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"


def test_the_policy_is_in_force(visit: Visit) -> None:
    """A script in the page would not run: what the tests see is what the policy leaves."""
    run = """() => {
      const made = document.createElement('script');
      made.textContent = 'document.title = "run"';
      document.body.append(made);
      made.remove();
      return document.title;
    }"""
    assert visit.page.evaluate(run).endswith("· flowaudit")
    assert any("Content Security Policy" in each for each in visit.reported), visit.reported
    visit.reported.clear()


def test_hostile_text_is_text(visit: Visit) -> None:
    """Nothing of what strangers wrote becomes an element or a title, or turns the direction."""
    made = "main :is(script, img, iframe, b, i, u, [onclick], [onerror]), title *"
    assert visit.page.locator(made).count() == 0
    assert visit.page.title().endswith("· flowaudit")
    assert "\u202e" not in visit.page.inner_text("body")


def test_headings_are_in_order(visit: Visit) -> None:
    """One h1 comes first, and no level is left out below."""
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_the_keyboard_reaches_everything(visit: Visit) -> None:
    """Tab comes to the link that skips the header first, then to every link, fold and box that scrolls, visibly."""
    for width in WIDTHS:
        page = visit.shown(width)
        page.reload()  # the focus begins at the top
        page.evaluate(UNFOLD)
        reached: list[dict[str, Any]] = []
        wanted = set(page.evaluate(REACHABLE))
        while len(reached) < len(wanted) + 50:
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUSED))
            if reached[-1]["tag"] == "BODY":
                break
        assert 'class="skip"' in reached[0]["html"]
        assert wanted <= {each["index"] for each in reached}
        assert [each["html"] for each in reached if not each["is_seen"] and each["tag"] != "BODY"] == []


def test_the_header_can_be_skipped(visit: Visit) -> None:
    """Enter on the first link puts the focus on the content, and Tab goes on from there."""
    page = visit.shown(1280)
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main, footer') !== null")


@pytest.mark.parametrize("width", [*WIDTHS, 320])
def test_nothing_is_cut_off(visit: Visit, width: int) -> None:
    """The page does not scroll sideways, down to 320 pixels (WCAG 2.2, 1.4.10), and no text is cut off."""
    page = visit.shown(width)
    assert page.evaluate(WIDER) <= 0
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_text_of_twice_the_size_fits(visit: Visit, width: int) -> None:
    """With letters of 200 % nothing is cut off and the page does not scroll sideways (WCAG 2.2, 1.4.4)."""
    page, size = visit.shown(width), "parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)"
    before = page.evaluate(size)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    after, wider, cut = page.evaluate(size), page.evaluate(WIDER), page.evaluate(CUT)
    page.evaluate("document.documentElement.style.fontSize = ''")
    assert after == 2 * before
    assert wider <= 0
    assert cut == []


def test_it_can_be_printed(visit: Visit) -> None:
    """On paper nothing is cut off at the right, and boxes that scroll show all of their content."""
    page = visit.shown(718, media="print")  # A4 at 96 dpi, without its margins
    assert page.evaluate(WIDER) <= 0
    more = "each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1"
    boxes = f"[...document.querySelectorAll('.scroll, .box, pre')].filter(each => {more}).map(each => each.outerHTML)"
    assert page.evaluate(boxes) == []
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_forced_colours_keep_what_matters(visit: Visit) -> None:
    """Where the system sets the colours, badges and the verdict keep an edge that can be seen."""
    page = visit.shown(1280, forced_colors="active")
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")
    edges = page.evaluate(
        """[...document.querySelectorAll('.badge, .verdict, .remedy, .not-known, .warning')].map(each => {
          const style = getComputedStyle(each);
          return [style.borderLeftWidth, style.borderLeftColor !== style.backgroundColor];
        })"""
    )
    assert all(float(width.removesuffix("px")) >= 1 and differs for width, differs in edges), edges


def test_names_are_shown_in_full(chromium: Chromium, places: dict[str, str]) -> None:
    """A finding's page has all of a hostile name: what turns the direction is replaced, the rest is as it was."""
    page = chromium.new_page()
    page.goto(places["leak"])
    assert HOSTILE.replace("\u202e", "\ufffd").replace("\n", " ") in page.locator("dl.facts").first.inner_text()
    page.close()


def test_it_needs_no_scripts(chromium: Chromium, places: dict[str, str]) -> None:
    """With scripts switched off folded parts unfold, and links lead to a finding, its detector, and back."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(places["/"])
    folds = page.locator("main details:not([open]) > summary")
    assert folds.count() > 0
    while folds.count():
        folds.first.click()
    page.locator(".findings a").first.click()
    assert "What it means" in page.inner_text("main")
    page.get_by_role("link", name="all of its findings").click()
    assert page.locator(".filter a[aria-current]").count() == 2
    page.get_by_role("link", name="Status").click()
    assert page.locator(".verdict").count() == 1
    context.close()
