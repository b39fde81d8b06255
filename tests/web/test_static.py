"""The style sheet and the icon of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Event

import pytest

from flowaudit.daemon.jobs import Jobs
from flowaudit.web.render import Renderer
from tests.web.browser import Browser, application


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Pages before anything was done."""
    app = application(tmp_path_factory.mktemp("static"))
    opened = Browser(app, Jobs(app, Event()))
    yield opened
    opened.server.close()


class TestStatic:
    """The style sheet is kept by browsers until it changes."""

    def test_with_its_hash_it_is_kept(self, browser: Browser) -> None:
        """As a page links to it, it may be kept for ever."""
        _, text, _ = browser.get("/")
        found = re.search(r'href="\.(/static/style\.css\?v=[0-9a-f]+)"', text)
        assert found
        status, style, headers = browser.get(found[1])
        assert status == 200
        assert headers["Content-Type"] == "text/css; charset=utf-8"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "url(" not in style
        assert "@import" not in style

    @pytest.mark.parametrize("query", ["", "?v=0000000000000000"])
    def test_without_it_is_not(self, browser: Browser, query: str) -> None:
        """Asked for without its hash, or with another, it must be asked for again."""
        assert browser.get(f"/static/style.css{query}")[2]["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize("name", ["nothing.css", "..%2fpages.py", "%2e%2e/pages.py", "../pages.py"])
    def test_nothing_else_is_served(self, browser: Browser, name: str) -> None:
        """Only the files of the table are served, whatever the path says."""
        assert browser.get(f"/static/{name}")[0] == 404

    def test_contrast_is_sufficient_in_both_schemes(self) -> None:
        """Text has a contrast of at least 4.5 to whatever it stands on (WCAG 2.2, 1.4.3)."""
        style = Renderer()._files["style.css"].decode()
        light, dark = (
            dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
            for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
        )
        pairs = [
            *((text, ground) for text in ("text", "quiet", "link") for ground in ("page", "card", "code")),
            *((text, ground) for text in ("bad", "warn", "good", "neutral") for ground in ("page", "card")),
            *((text, f"{name}-soft") for name in ("bad", "warn", "good", "neutral") for text in ("text", "link")),
            *((name, f"{name}-soft") for name in ("bad", "warn", "good", "neutral")),
            *((f"badge-{name}", f"badge-{name}-back") for name in ("critical", "high", "medium", "low")),
        ]
        for scheme in (light, dark):
            ratios = {pair: _contrast(*(scheme[name] for name in pair)) for pair in pairs}
            assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, "relative luminance")."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
