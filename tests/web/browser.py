"""A browser's view of the pages: a real server over a lake, and the elements of a page."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from threading import Event
from typing import Any

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.endpoints import Endpoints
from flowaudit.daemon.jobs import Jobs
from flowaudit.daemon.leading import Leader
from flowaudit.daemon.schedule import Schedule
from flowaudit.inventory import history
from flowaudit.topology import Discovery, Interface, Network, Route, RouteTable, Subnet, Workload
from flowaudit.web import Server, WebConfigFile, site
from tests import flowlogs

LEAK = "internet-egress-bypasses-nat"
HOSTILE = '<script>alert("1")</script>\u202e\u200fx\'&<b>\n' + "A" * 500
ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/evil"
OWN = """/*---
title = "<img src=x onerror=alert(1)>"
severity = "low"
attack = []
every = "1m"
window = "1h"
key = ["account_id"]
needs = []
says = "Account {account_id} has {flows:flow|flows}"
---*/
/* What it means: <i>nothing</i>. */
SELECT account_id || '-' || number AS account_id, min(start_time) AS first_seen, max(end_time) AS last_seen,
  count(*) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes, '</td><script>' AS "<td onclick=x>"
FROM flows CROSS JOIN range(17) AS numbers(number)
WHERE start_time >= $since AND start_time < $until GROUP BY account_id, number
"""
"""Finds 17 things: of as many ids, two begin with the same digit."""


class Document(HTMLParser):
    """What an HTML page consists of; fails where its elements are not closed in order."""

    VOID = ("meta", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.stack.pop() == tag

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None]]]:
        """The elements with these tags."""
        return [each for each in self.elements if each[0] in tags]


def web(app: App, jobs: Jobs) -> Endpoints:
    """Return what the pages show of a daemon that does not lead yet."""
    schedule = Schedule([], lambda _: None, lambda *_: None)
    return Endpoints(app, jobs, schedule, Leader(app.lake, app.lease(), lambda _: None))


@dataclass
class Browser:
    """A server of an application's pages, and what asks it."""

    app: App
    jobs: Jobs
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        file = WebConfigFile("")
        self.server = Server("127.0.0.1", 0, site(self.app, web(self.app, self.jobs), file), file)
        self.server.start()

    def get(self, page: str, method: str = "GET") -> tuple[int, str, http.client.HTTPMessage]:
        """Status, text and headers of a page."""
        host = self.server.url.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(method, page)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers

    def ids(self) -> list[str]:
        """The ids that the list of findings links to."""
        return list(dict.fromkeys(re.findall(r'href="\./findings/([0-9a-f]+)"', self.get("/findings")[1])))

    def id(self, detector: str = LEAK) -> str:
        """The id of the worst finding of a detector."""
        return str(re.findall(r"findings/([0-9a-f]+)", self.get(f"/findings?detector={detector}")[1])[0])


def application(folder: Path, **sections: Any) -> App:
    """An application with a source under a folder, and a detector of its own."""
    own = folder / "queries" / "detectors"
    own.mkdir(parents=True, exist_ok=True)
    (own / "own.sql").write_text(OWN, "utf-8")
    (folder / "logs").mkdir(exist_ok=True)
    given = {
        "lake": {"uri": str(folder / "lake")},
        "sources": [{"type": "local", "uri": str(folder / "logs")}],
        "queries": {"paths": [str(folder / "queries")]},
    }
    return App(Config.model_validate(given | sections))


def discovered(app: App, name: str) -> None:
    """Let the inventory know an interface of a training job, and its route to an internet gateway."""
    known: dict[str, Any] = {"account_id": "123456789012", "region": "us-east-1"}
    at = datetime(2025, 12, 31, tzinfo=UTC)
    interface = Interface(
        interface_id="eni-0a", vpc_id="vpc-1", subnet_id="subnet-1", status="in-use", private_addresses=("10.0.0.5",),
        owner="sagemaker", workload_kind="training_job", workload=name, workload_arn=ARN, attribution="tag",
        confidence=0.9, evidence="its tag", **known,
    )  # fmt: skip
    network = Network(
        vpc_id="vpc-1",
        cidrs=("10.0.0.0/16",),
        subnets=(Subnet(subnet_id="subnet-1", cidrs=("10.0.0.0/24",), route_table_id="rtb-1", explicit=True),),
        route_tables=(RouteTable(route_table_id="rtb-1", routes=(Route(destination="0.0.0.0/0", target="igw-1"),)),),
        **known,
    )
    workload = Workload(
        arn=ARN, kind="training_job", name=name, status="InProgress", running=True, created_at=at, **known
    )
    app.lake.create()
    history.record(
        app.lake, Discovery(at=at, interfaces=(interface,), workloads=(workload,), networks=(network,), **known)
    )


def hostile(folder: Path) -> Browser:
    """Return pages about a lake with a leak of a workload whose name is hostile."""
    app = application(folder)
    discovered(app, HOSTILE)
    flowlogs.write(folder / "logs" / "<b onclick=x>.log.gz", *(flowlogs.egress(minute) for minute in range(3)))
    jobs = Jobs(app, Event())
    run(jobs, "collect", "detect", "coverage")
    return Browser(app, jobs)


def run(jobs: Jobs, *stages: str) -> None:
    """Run stages as the daemon does."""
    for stage in stages:
        jobs.run(stage, once=True)
