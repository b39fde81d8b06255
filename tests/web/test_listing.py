"""Findings are listed worst first, at most so many, whatever their evidence is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from flowaudit.app import App
from flowaudit.daemon.jobs import Jobs
from flowaudit.schema import FINDINGS
from flowaudit.web import snapshot
from flowaudit.web.labels import STATES
from flowaudit.web.listing import Findings
from tests.web.browser import Browser, Document, application

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
SURROGATE = '{"workload": "\\ud800", "workload_kind": "endpoint", "path": "internet_gateway"}'
EVIDENCE = {
    "no JSON": "{",
    "no object": "[1]",
    "texts where lists are expected": '{"top_remotes": "x", "services": "y", "remotes": "z"}',
    "lists of the wrong things": '{"top_remotes": [1, null], "services": [1, {}], "remotes": [], "paths": [null]}',
    "addresses that are none": '{"top_remotes": [{"address": "<b>"}, {"address": 7}, {"port": 443}]}',
    "objects as values": '{"workload": {"a": ["b"]}, "workload_kind": 5, "path": false, "list": [{"a": {"b": []}}]}',
    "half a character": SURROGATE,
    "numbers that are none": '{"bytes": NaN, "ports": [1e400, true], "remotes": true}',
    "one very long text": json.dumps({"workload": "w" * 100_000, "note": "n" * 100_000}),
    "very many members": json.dumps({"list": [{f"c{n}": n for n in range(300)}] * 300, "numbers": list(range(3000))}),
}


def happened(app: App, *ids: str, at: datetime = NOW, state: str = "open", **values: Any) -> None:
    """Write an event of each finding, which thereby stands as it says."""
    log = app.lake.log("findings")
    common = {
        "seq": 1, "detector": "own", "event": {"open": "opened"}.get(state, state), "at": at, "state": state,
        "key": '{"interface_id": "eni-0a", "path": "internet_gateway"}', "severity": "high", "title": "A title",
        "first_seen_ever": at, "last_seen_ever": at, "total_flows": 1, "total_bytes": 1, "sentence": "A sentence",
        "evidence": "{}",
    }  # fmt: skip
    rows = [common | {"id": id, "event_number": log.number + n} | values for n, id in enumerate(ids, 1)]
    log.commit(pa.Table.from_pylist(rows, FINDINGS), {})


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An application with an empty lake."""
    made = application(tmp_path)
    made.lake.create()
    return made


@pytest.fixture
def browser(app: App) -> Iterator[Browser]:
    """Its pages."""
    opened = Browser(app, Jobs(app, Event()))
    yield opened
    opened.server.close()


def test_worst_first_and_at_most_so_many(app: App) -> None:
    """By severity, then the newest; the others are counted."""
    happened(app, "a1", "a2", "a3", severity="low")
    happened(app, "b1", severity="critical", at=NOW - DAY)
    happened(app, "b2", severity="critical")
    listing = Findings(app).listing(STATES, NOW, 3)
    assert [row.id for row in listing.states["open"].rows] == ["b2", "b1", "a1"]
    assert (listing.states["open"].total, listing.states["open"].more) == (5, 2)
    assert listing.open() == {"critical": 2, "low": 3}


def test_only_recently_resolved_ones_are_listed(app: App) -> None:
    """Those resolved before the time are left out, and not counted as left out."""
    happened(app, "a1", state="resolved", at=NOW - 8 * DAY)
    happened(app, "a2", state="resolved", at=NOW - 6 * DAY)
    resolved = Findings(app).listing(STATES, NOW - 7 * DAY, 100).states["resolved"]
    assert ([row.id for row in resolved.rows], resolved.more) == (["a2"], 0)


def test_a_page_says_how_many_more_there_are(app: App, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the status page links to the list of all."""
    monkeypatch.setattr(snapshot, "MOST", 2)
    happened(app, "a1", "a2", "a3")
    happened(app, "b1", state="resolved")
    text = browser.get("/")[1]
    assert '1 more: <a href="./findings?state=open">all 3 open findings</a>' in text
    assert text.count('class="main-cell"') == 3
    assert "<summary>Resolved in the last 7 days (1)</summary>" in text
    assert 'data-state="findings"' in text


def test_an_id_that_others_begin_with_is_its_own(app: App) -> None:
    """The whole id of a finding names that one, even where it is the beginning of another's."""
    happened(app, "ab", "abc")
    findings = Findings(app)
    assert [row.id for row in findings.beginning("ab")] == ["ab"]
    assert [row.id for row in findings.beginning("a")] == ["ab", "abc"]
    assert findings.beginning("%") == []


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_evidence_of_any_kind_has_a_page(app: App, browser: Browser, evidence: str) -> None:
    """What a detector's columns hold never fails a page, and is cut where it is long."""
    happened(app, "abcdef", evidence=evidence)
    for place in ("/", "/findings", "/findings/abcdef"):
        status, text, _ = browser.get(place)
        assert status == 200, place
        assert "<b>" not in text
        assert len(text) < 100_000
        Document(text)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"evidence": '{"workload": "w", "workload_kind": "training_job"}'}, ("training job", "w", "internet gateway")),
        ({}, ("interface", "eni-0a", "internet gateway")),
        ({"key": '{"account_id": "123456789012"}'}, ("", "123456789012", "")),
        ({"key": '{"path": "same_vpc"}'}, ("", "same_vpc", "inside the VPC")),
        ({"key": '{"interface_id": "eni-0a", "path": "unknown"}'}, ("interface", "eni-0a", "not determined")),
    ],
)
def test_whose_and_which_path(app: App, values: dict[str, Any], shown: tuple[str, str, str]) -> None:
    """The workload with its kind, else the interface, else the key; the path by its label."""
    happened(app, "a1", **values)
    (row,) = Findings(app).listing(["open"], NOW, 1).states["open"].rows
    assert (row.kind, row.workload, row.path) == shown


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        ({"top_remotes": [{"address": "203.0.113.9"}], "remotes": 5}, ("203.0.113.9", "", 4)),
        ({"top_remotes": [{"address": "203.0.113.9"}], "services": ["S3"], "remotes": 1}, ("S3", "203.0.113.9", 0)),
        ({"top_remotes": [{"address": "203.0.113.9"}, {"address": "2001:db8::1"}]}, ("203.0.113.9", "", 1)),
        ({"remotes": 5}, ("", "", 0)),
    ],
)
def test_where_to(app: App, evidence: dict[str, Any], shown: tuple[str, str, int]) -> None:
    """The service with an address, else the address with most bytes; others are counted."""
    happened(app, "a1", evidence=json.dumps(evidence))
    (row,) = Findings(app).listing(["open"], NOW, 1).states["open"].rows
    assert (row.destination, row.address, row.more) == shown
