"""What protects the pages of people: a password for each of them, and limits for what they ask the lake."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import bcrypt
import pytest

from flowaudit import sql
from flowaudit.daemon.jobs import Jobs
from flowaudit.web.pages import Pages
from flowaudit.web.threads import LIMITS, Threads
from tests.web.browser import Browser, hostile, web
from tests.web.conftest import Running

PASSWORD = "correct horse"
USERS = f"basic_auth_users:\n  ann: {bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
RIGHT = "Basic " + b64encode(f"ann:{PASSWORD}".encode()).decode()
WRONG = "Basic " + b64encode(b"ann:wrong").decode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Pages about a lake with a leak, without a password."""
    opened = hostile(tmp_path_factory.mktemp("protection"))
    yield opened
    opened.server.close()


def test_every_page_needs_the_password(browser: Browser, serve: Callable[..., Running]) -> None:
    """Where users are configured no page, static file or report is shown without the right password."""
    id, app = browser.id(), browser.app
    running = serve(USERS, web(app, Jobs(app, Event())), lake=Path(app.lake.uri))
    routes = [route.path for route in Pages(app, web(app, browser.jobs), Threads()).routes]
    names = {"id": id, "name": "style.css"}
    pages = [re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path) for path in routes]
    assert {"/", "/findings", "/reports", f"/findings/{id}", "/static/style.css"} == set(pages)
    for page in [*pages, f"/findings?detector={id}", f"/findings/{id[:3]}", "/api/v1/query", "/metrics", "/nothing"]:
        for reply in (running.get(page), running.get(page, Authorization=WRONG)):
            assert reply.status == 401, page
            assert len(reply.body) < 100
            assert id.encode() not in reply.body
        assert running.get(page, Authorization=RIGHT).status in ((404,) if page == "/nothing" else (200, 300)), page


def test_what_a_page_asks_of_records_is_limited(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query of a page over records, findings or the ledger has the limits of a page; the network is read once."""
    connect, asked = sql.connect, []

    def noted(*args: Any, **given: Any) -> sql.Connection:
        asked.append((set(given["tables"]) if "tables" in given else {"flows"}, given.get("limits")))
        return connect(*args, **given)

    monkeypatch.setattr(sql, "connect", noted)
    opened = Browser(browser.app, browser.jobs)
    for page in ("/", "/findings", f"/findings/{browser.id()}"):
        assert opened.get(page)[0] == 200
    opened.server.close()
    network = [tables for tables, limits in asked if limits != LIMITS]
    assert all(tables == {"topology", "interfaces"} for tables in network), network
    assert {"flows", "findings", "objects", "interfaces"} <= {each for tables, _ in asked for each in tables}
