"""The status page and the pages of findings, as a browser gets them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from flowaudit.daemon.jobs import Jobs
from flowaudit.findings import mute
from flowaudit.web.snapshot import Snapshots
from tests import flowlogs
from tests.web.browser import LEAK, Browser, Document, application, hostile, run, web


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Pages about a lake with a leak of a workload whose name is hostile; not to be written to."""
    opened = hostile(tmp_path_factory.mktemp("pages"))
    yield opened
    opened.server.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Browser]:
    """Pages before anything was done."""
    app = application(tmp_path)
    opened = Browser(app, Jobs(app, Event()))
    yield opened
    opened.server.close()


@pytest.fixture(params=["/", "/findings", "/reports", "leak", "own", "missing", "several"])
def page(request: pytest.FixtureRequest, browser: Browser) -> tuple[str, http.client.HTTPMessage]:
    """Each kind of page, with its headers."""
    places: dict[str, Callable[[], str]] = {
        "leak": lambda: f"/findings/{browser.id()}",
        "own": lambda: f"/findings/{browser.id('own')}",
        "missing": lambda: "/findings/nothing",
        "several": lambda: "/findings/" + _shared(browser.ids()),
    }
    place = places[request.param]() if request.param in places else request.param
    _, text, headers = browser.get(place)
    return text, headers


def _shared(ids: list[str]) -> str:
    """The digit that most ids begin with."""
    return max((id[0] for id in ids), key=[id[0] for id in ids].count)


class TestEveryPage:
    """Each page is safe, and can be read by everybody."""

    def test_nothing_in_it_breaks_its_policy(self, page: tuple[str, http.client.HTTPMessage]) -> None:
        """No script, no style of its own, no form, nothing from another place: what the policy allows is enough."""
        text, headers = page
        document = Document(text)
        assert not document.all("script", "style", "form", "iframe", "img", "base", "object", "input", "button")
        assert "default-src 'none'; style-src 'self'; img-src 'self'" in headers["Content-Security-Policy"]
        for tag, attributes in document.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
            assert not attributes.get("http-equiv")
        loaded = [attributes["href"] or "" for _, attributes in document.all("link")]
        assert all(re.fullmatch(r"(\./|\.\./)static/[a-z.]+\?v=[0-9a-f]{16}", each) for each in loaded), loaded

    def test_what_strangers_wrote_stays_text(self, page: tuple[str, http.client.HTTPMessage]) -> None:
        """Names, titles, keys and evidence are escaped, and no override of direction is passed on."""
        text, _ = page
        assert "<script" not in text
        assert "<b onclick" not in text
        assert "<img" not in text
        assert "<i>" not in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)

    def test_its_structure_is_sound(self, page: tuple[str, http.client.HTTPMessage]) -> None:
        """One h1, no heading level left out, landmarks, tables with captions and scopes, ids that are unique."""
        document = Document(page[0])
        levels = [int(tag[1]) for tag, _ in document.all("h1", "h2", "h3", "h4")]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        assert [len(document.all(tag)) for tag in ("header", "main", "footer", "title")] == [1, 1, 1, 1]
        assert document.all("html")[0][1]["lang"] == "en"
        assert len(document.all("caption")) == len(document.all("table"))
        assert all(attributes.get("scope") in ("col", "row") for _, attributes in document.all("th"))
        ids = [attributes["id"] for _, attributes in document.elements if attributes.get("id")]
        assert len(ids) == len(set(ids))
        named = [
            attributes["aria-labelledby"]
            for _, attributes in document.all("section")
            if "aria-labelledby" in attributes
        ]
        assert set(named) <= set(ids)
        assert document.elements[document.elements.index(("body", {})) + 1] == (
            "a",
            {"class": "skip", "href": "#content"},
        )


class TestStatus:
    """The status page says how things are, and what limits that."""

    def test_a_leak_is_said_first(self, browser: Browser) -> None:
        """The state is a leak, and as the records are old and nothing is scheduled, there may be more."""
        status, text, headers = browser.get("/")
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert 'data-state="leak"' in text
        assert "1 leak and " in text
        assert "the newest record is from 2026-01-01" in text
        assert "<title>Leak · flowaudit</title>" in text

    def test_findings_name_the_workload_first(self, browser: Browser) -> None:
        """A finding is listed with its workload's kind and name, its path's label and its destination."""
        _, text, _ = browser.get("/")
        assert re.search(
            r'<a href="\./findings/[0-9a-f]+"><span class="kind">training job</span> <bdi>&lt;script', text
        )
        assert "<bdi>internet gateway</bdi>" in text
        assert '<bdi class="address">203.0.113.9</bdi>' in text

    def test_jobs_sources_detectors_and_lake(self, browser: Browser) -> None:
        """Jobs with their last runs, sources with their objects, detectors that cannot see all, the tables."""
        _, text, _ = browser.get("/")
        assert re.search(
            r'<th scope="row"[^>]*>collect</th>\s*<td[^>]*><span><span class="mark mark-good">ok</span>', text
        )
        assert re.search(
            r'<th scope="row"[^>]*>discover</th>\s*<td[^>]*><span><span class="mark mark-part">not complete yet</span>',
            text,
        )
        assert str(browser.app.config.sources[0].uri) in text
        assert "unencrypted-traffic" in text
        assert re.search(r'<th scope="row">flows</th><td class="number">3</td>', text)

    def test_a_warning_is_no_problem(self, tmp_path: Path) -> None:
        """A job whose last run ended with a warning is marked so, with its message."""
        app = application(tmp_path)
        jobs = Jobs(app, Event())
        jobs._note("discover", ended=datetime.now(UTC), error="list_workforces: no answer", is_warning=True)
        opened = Browser(app, jobs)
        _, text, _ = opened.get("/")
        opened.server.close()
        assert '<span class="mark mark-part">warning</span>' in text
        assert '<span class="mark mark-bad">problem</span>' not in text
        assert "<bdi>list_workforces: no answer</bdi>" in text

    def test_before_anything_was_collected_nothing_is_claimed(self, empty: Browser) -> None:
        """Without a lake the page is there, its state is "not known", and the sentence says why."""
        status, text, _ = empty.get("/")
        assert status == 200
        assert 'data-state="unknown"' in text
        assert "no record was collected yet" in text
        assert "The lake does not exist yet" in text
        assert not empty.app.lake.exists()

    def test_it_links_to_grafana_if_that_is_configured(self, tmp_path: Path) -> None:
        """`http.grafana_url` is a link in the navigation, and without it there is none."""
        app = application(tmp_path, http={"grafana_url": "https://grafana.example.com/?a=1&b=2"})
        opened = Browser(app, Jobs(app, Event()))
        assert 'href="https://grafana.example.com/?a=1&amp;b=2"' in opened.get("/")[1]
        opened.server.close()

    def test_a_broken_table_is_said_and_the_rest_is_shown(self, tmp_path: Path) -> None:
        """Where findings cannot be read the status is 503 and "not known", and the jobs are still there."""
        app = application(tmp_path)
        jobs = Jobs(app, Event())
        flowlogs.write(tmp_path / "logs" / "a.log.gz", flowlogs.egress())
        run(jobs, "collect", "detect")
        for file in (tmp_path / "lake" / "findings" / "_delta_log").iterdir():
            file.write_text("broken")
        opened = Browser(app, jobs)
        status, text, _ = opened.get("/")
        assert status == 503
        assert 'data-state="unknown"' in text
        assert "The findings cannot be read" in text
        assert re.search(
            r'<th scope="row"[^>]*>collect</th>\s*<td[^>]*><span><span class="mark mark-good">ok</span>', text
        )
        for place in ("/findings", "/findings/0a"):
            status, text, _ = opened.get(place)
            assert status == 503
            assert "The lake cannot be read: " in text
            assert "<h1>Not available</h1>" in text
        opened.server.close()

    def test_sinks_are_shown_as_of_the_last_delivery(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before a delivery a sink was not tried; then it is up, or down with the reason."""
        monkeypatch.delenv("NO_SUCH_URL", raising=False)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        slack = {"type": "slack", "name": "chat", "url": {"env": "NO_SUCH_URL"}, "start": "beginning"}
        lines = {"type": "ocsf", "name": "file", "uri": str(tmp_path / "events.ndjson"), "start": "beginning"}
        app = application(tmp_path, sinks=[slack, lines])
        jobs = Jobs(app, Event())
        flowlogs.write(tmp_path / "logs" / "a.log.gz", flowlogs.egress())
        run(jobs, "collect", "detect")
        opened = Browser(app, jobs)
        _, text, _ = opened.get("/")
        assert text.count('<span class="mark mark-part">not tried yet</span>') == 2
        opened.server.close()
        run(jobs, "deliver")
        opened = Browser(app, jobs)
        _, text, _ = opened.get("/")
        assert re.search(r"<bdi>file</bdi></th>\s*<td[^>]*><span><span class=\"mark mark-good\">up</span>", text)
        assert re.search(r"<bdi>chat</bdi></th>\s*<td[^>]*><span><span class=\"mark mark-bad\">down</span>", text)
        assert "NO_SUCH_URL" in text
        opened.server.close()

    def test_muted_findings_are_folded_in(self, tmp_path: Path) -> None:
        """A muted finding is not among the open ones, and its page says by whom, why, and how to end the mute."""
        app = application(tmp_path)
        jobs = Jobs(app, Event())
        flowlogs.write(tmp_path / "logs" / "a.log.gz", flowlogs.egress())
        run(jobs, "collect", "detect")
        opened = Browser(app, jobs)
        id, now = opened.id(), datetime.now(UTC)
        mute(app.lake, id, now + timedelta(days=1), "<u>ann", "known &amp; accepted", now)
        _, text, _ = opened.get("/")
        assert "<summary>Muted (1)</summary>" in text
        _, text, _ = opened.get(f"/findings/{id}")
        assert "&lt;u&gt;ann" in text
        assert "known &amp;amp; accepted" in text
        assert f"flowaudit findings unmute {id}" in text
        opened.server.close()


class TestFindings:
    """The list of findings can be narrowed down."""

    def test_by_state_and_detector(self, browser: Browser) -> None:
        """Each filter is a link, and what it leaves are the findings of that state and detector."""
        _, text, _ = browser.get("/findings")
        assert f'href="?detector={LEAK}"' in text
        assert len(browser.ids()) >= 2
        _, text, _ = browser.get(f"/findings?state=open&detector={LEAK}")
        assert len(set(re.findall(r"findings/([0-9a-f]+)", text))) == 1
        _, text, _ = browser.get("/findings?state=resolved")
        assert "No findings in state resolved." in text

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("state=gone", "state must be one of open, muted, resolved"),
            ("state=<script>", "state must be one of open, muted, resolved"),
            ("severity=high", "only state and detector can be given"),
        ],
    )
    def test_a_filter_that_does_not_exist_is_refused(self, browser: Browser, query: str, message: str) -> None:
        """An unknown state or parameter is a bad request, in plain text."""
        status, text, headers = browser.get(f"/findings?{query}")
        assert (status, text) == (400, f"{message}\n")
        assert headers["Content-Type"].startswith("text/plain")

    def test_an_unknown_detector_has_found_nothing(self, browser: Browser) -> None:
        """A detector's name is text, whatever it is."""
        status, text, _ = browser.get("/findings?detector=%3Cscript%3E")
        assert status == 200
        assert "of detector <bdi>&lt;script&gt;</bdi>" in text


class TestFinding:
    """A finding's page has all about it."""

    def test_evidence_route_remedy_records_history(self, browser: Browser) -> None:
        """What was seen, why it says so, what to do, the records, what happened to it, and how to mute it."""
        id = browser.id()
        status, text, _ = browser.get(f"/findings/{id}")
        assert status == 200
        assert "<h1><bdi>Internet egress bypasses the NAT gateway</bdi></h1>" in text
        for heading in ("What it means", "Top destinations", "Why", "Remediation", "Evidence", "Records", "History"):
            assert f">{heading}</h2>" in text
        assert "0.0.0.0/0 to igw-1" in text
        assert "3 records from first to last seen" in text
        assert re.search(r"<strong>opened</strong> <time", text)
        assert f"flowaudit findings mute {id} --until 30d" in text
        assert f'href="https://github.com/flowaudit/flowaudit/blob/main/docs/detectors.md#{LEAK}"' in text

    def test_one_without_an_interface_has_a_page(self, browser: Browser) -> None:
        """A finding whose key has no interface is shown without a route."""
        status, text, _ = browser.get(f"/findings/{browser.id('own')}")
        assert status == 200
        assert "&lt;img src=x onerror=alert(1)&gt;" in text
        assert "there is no route to explain" in text
        assert "&lt;td onclick=x&gt;" in text

    def test_what_to_do_comes_before_why(self, browser: Browser) -> None:
        """Remediation follows what it means; what decided is the first reason; nothing is said twice."""
        _, text, _ = browser.get(f"/findings/{browser.id()}")
        headings = re.findall(r"<h[23][^>]*>([^<]+)</h", text)
        first = headings.index("What it means")
        assert headings[first : first + 4] == ["What it means", "Remediation", "Why", "What decided"]
        assert headings.count("What decided") == 1
        assert "Path internet gateway, evidence traffic-path" in text
        assert "internet_gateway" not in text
        assert not re.search(r"\dT\d\d:\d\d:\d\dZ[^\"]", text)

    def test_a_route_that_is_not_known_is_not_named(self, tmp_path: Path) -> None:
        """Without an inventory the argument names no route."""
        app = application(tmp_path)
        jobs = Jobs(app, Event())
        flowlogs.write(tmp_path / "logs" / "a.log.gz", flowlogs.egress())
        run(jobs, "collect", "detect")
        opened = Browser(app, jobs)
        _, text, _ = opened.get(f"/findings/{opened.id()}")
        opened.server.close()
        assert "was never discovered" in text
        assert "The route names" not in text

    def test_the_beginning_of_an_id_is_enough(self, browser: Browser) -> None:
        """As on the command line, an id may be cut short where only one begins like that."""
        id = browser.id()
        assert browser.get(f"/findings/{id[:11]}")[0] == 200

    def test_several_that_begin_alike_are_listed(self, browser: Browser) -> None:
        """Where several ids begin like this, each is a link."""
        ids = browser.ids()
        shared = _shared(ids)
        status, text, _ = browser.get(f"/findings/{shared}")
        assert status == 300
        alike = {id for id in ids if id.startswith(shared)}
        assert len(alike) > 1
        assert set(re.findall(r'href="\.\./findings/([0-9a-f]+)"', text)) == alike

    @pytest.mark.parametrize("id", ["nothing", "%3Cscript%3E", "0" * 5000, "%00", "%25"])
    def test_one_that_does_not_exist(self, browser: Browser, id: str) -> None:
        """An id that none begins with is not found, and said as text."""
        status, text, _ = browser.get(f"/findings/{id}")
        assert status == 404
        assert "There is no finding whose id begins with" in text
        assert len(text) < 5000

    def test_a_path_below_a_finding_is_no_page(self, browser: Browser) -> None:
        """What is no page is said in plain text."""
        assert browser.get("/findings/a/b")[:2] == (404, "no such page\n")


class TestReports:
    """The list of reports."""

    def test_each_has_its_parameters_and_links_to_its_result(self, browser: Browser) -> None:
        """One that needs a parameter says which; the links of the others work."""
        status, text, _ = browser.get("/reports")
        document = Document(text)
        assert status == 200
        reports = browser.app.catalogue.reports
        assert all(f"<code>{id}</code>" in text for id in reports)
        links = {attributes["href"] or "" for _, attributes in document.all("a")}
        needed = {id for id, report in reports.items() if any(each.required for each in report.params.values())}
        assert {f"./api/v1/query/{id}?format=csv" for id in set(reports) - needed} <= links
        assert not [link for link in links for id in needed if f"/{id}?" in link]
        assert "needs <code>address</code>" in text
        for link in ("findings?format=csv", "findings"):
            assert browser.get(f"/api/v1/query/{link}")[0] == 200


class TestSnapshots:
    """The lake is read at most every so often, and by one thread at a time."""

    @pytest.fixture
    def snapshots(self, browser: Browser) -> tuple[Snapshots, list[float]]:
        """Snapshots of the lake, with a clock that the test drives."""
        clock = [1000.0]
        return Snapshots(browser.app, web(browser.app, browser.jobs), lambda: clock[0]), clock

    def test_findings_hold_for_ten_seconds_and_scans_for_sixty(self, snapshots: tuple[Snapshots, list[float]]) -> None:
        """Within ten seconds nothing is read, within sixty the findings and jobs only."""
        found, clock = snapshots
        first = found.get()
        clock[0] += 9.9
        assert found.get() is first
        clock[0] += 0.2
        second = found.get()
        assert second.at > first.at
        assert second.slow_at == first.slow_at
        assert second.coverage is first.coverage
        clock[0] += 60
        third = found.get()
        assert third.slow_at > first.slow_at
        assert third.coverage is not first.coverage

    def test_while_one_thread_reads_others_get_the_last(self, snapshots: tuple[Snapshots, list[float]]) -> None:
        """Nobody waits for a new snapshot where there is an old one."""
        found, clock = snapshots
        assert found.ready() is None
        first = found.get()
        clock[0] += 1000
        assert found.ready() is None
        with found._lock:
            assert found.ready() is first
            assert found.get() is first
