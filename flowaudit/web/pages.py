"""Pages for people: status, findings, one finding, reports. Rendered here, without scripts; nothing on them writes."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowaudit.app import App
from flowaudit.errors import FlowauditError
from flowaudit.model import Visibility
from flowaudit.web.details import MOST_RECORDS, details
from flowaudit.web.labels import STATES
from flowaudit.web.listing import Findings
from flowaudit.web.render import Renderer
from flowaudit.web.snapshot import Jobs, Snapshot, Snapshots
from flowaudit.web.threads import Threads

MOST = 500
"""Rows of the list of findings."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ID = 64
"""Characters of a finding's id that are looked for."""


class Pages:
    """The pages of one application."""

    def __init__(self, app: App, daemon: Jobs, threads: Threads) -> None:
        self._app, self._threads = app, threads
        self._renderer = Renderer(app.config.http.grafana_url)
        self._snapshots = Snapshots(app, daemon)
        self._findings = Findings(app)
        self.routes = [
            Route("/", self.status),
            Route("/findings", self.list),
            Route("/findings/{id}", self.finding),
            Route("/reports", self.reports),
            Route("/static/{name}", self._renderer.static),
        ]

    async def status(self, _: Request) -> Response:
        """Return the status page; 503 where the findings cannot be read."""
        ready = self._snapshots.ready()  # no thread is taken for what is known
        if ready:
            return await self._threads.quick(self._status, ready)
        return await self._threads.slow(lambda: self._status(self._snapshots.get()))

    def _status(self, snapshot: Snapshot) -> Response:
        status = HTTPStatus.OK if snapshot.findings.is_known else HTTPStatus.SERVICE_UNAVAILABLE
        seen = snapshot.capabilities.value or ()
        return self._renderer.page(
            "status.html",
            status,
            snapshot=snapshot,
            lake=self._app.lake.uri,
            limited=[each for each in seen if each.visibility is not Visibility.FULL],
            full=[each for each in seen if each.visibility is Visibility.FULL],
        )

    async def list(self, request: Request) -> Response:
        """Return the list of findings, of a state or of a detector if the URL names one; raises HTTPException."""
        asked = dict(request.query_params)
        state, detector = asked.pop("state", ""), asked.pop("detector", "")
        if asked:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "only state and detector can be given")
        if state and state not in STATES:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"state must be one of {', '.join(STATES)}")
        return await self._threads.slow(self._list, state, detector)

    def _list(self, state: str, detector: str) -> Response:
        try:
            listing = self._findings.listing([state] if state else STATES, EPOCH, MOST, detector or None)
        except FlowauditError as error:
            return self._unavailable(error)
        return self._renderer.page("findings.html", listing=listing, state=state, detector=detector, states=STATES)

    async def finding(self, request: Request) -> Response:
        """Return the page of a finding, 404 where there is none; several that begin like this are listed."""
        return await self._threads.slow(self._finding, request.path_params["id"])

    def _finding(self, id: str) -> Response:
        try:
            found = self._findings.beginning(id) if len(id) <= MOST_ID else []
        except FlowauditError as error:
            return self._unavailable(error, "../")
        if not found:
            return self._renderer.page("missing.html", HTTPStatus.NOT_FOUND, root="../", id=id[:MOST_ID])
        if len(found) > 1:
            return self._renderer.page("several.html", HTTPStatus.MULTIPLE_CHOICES, root="../", id=id, rows=found)
        shown = details(self._app, self._findings, found[0])
        return self._renderer.page("finding.html", root="../", details=shown, row=shown.row, most_records=MOST_RECORDS)

    async def reports(self, _: Request) -> Response:
        """Return the list of reports, each with its parameters and links to its result."""
        reports = [report for _, report in sorted(self._app.catalogue.reports.items())]
        return self._renderer.page("reports.html", reports=reports)

    def _unavailable(self, error: FlowauditError, root: str = "./") -> Response:
        reason = " ".join(str(error).split())
        return self._renderer.page("unavailable.html", HTTPStatus.SERVICE_UNAVAILABLE, root=root, reason=reason)
