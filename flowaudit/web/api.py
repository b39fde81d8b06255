"""Reports over HTTP, for Grafana's Infinity data source and scripts: GET /api/v1/query/NAME?PARAM=VALUE."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
from io import BytesIO
from typing import Any

import pyarrow as pa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flowaudit import sql
from flowaudit.app import App
from flowaudit.catalogue import Report, values
from flowaudit.errors import ConfigError, LakeError, QueryError
from flowaudit.formats import distinct, json_text, rows, to_csv
from flowaudit.web.threads import LIMITS, Threads

ROWS, MOST_ROWS = 1_000, 50_000
"""Rows of a response by default, and at most."""
MOST_BYTES = 64 << 20
"""Bytes of those rows in memory; as text they take several times as much."""
FORMATS = ("json", "csv")
TOTAL = "X-Total-Rows"
"""Header with the number of rows of the whole result."""


class Api:
    """The reports of one application."""

    def __init__(self, app: App, threads: Threads) -> None:
        self._app, self._threads = app, threads
        self.routes = [Route("/api/v1/query", self.list), Route("/api/v1/query/{name}", self.run)]

    async def list(self, _: Request) -> Response:
        """Return the reports: name, title and parameters of each."""
        reports = sorted(self._app.catalogue.reports.items())
        return JSONResponse({"reports": [_described(name, report) for name, report in reports]})

    async def run(self, request: Request) -> Response:
        """Return the result of a report as JSON or CSV; raises HTTPException."""
        now, asked = datetime.now(UTC), _single(request)
        format, most = _format(asked.pop("format", "json")), _limit(asked.pop("limit", str(ROWS)))
        report = self._app.catalogue.reports.get(request.path_params["name"])
        if report is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such report: /api/v1/query lists all")
        try:
            given = values(report.params, asked, now)
        except ConfigError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from None
        return await self._threads.query(request, self._answer, report, given, format, most)

    def _answer(self, report: Report, given: dict[str, Any], format: str, most: int) -> Response:
        try:
            if not self._app.lake.exists():
                raise self._app.lake.missing()
            with sql.connect(self._app.lake, views=self._app.catalogue.views, limits=LIMITS) as lake:
                table = distinct(lake.ask(report.sql, given))
            shown, total = _first(table, most), table.num_rows
            if format == "csv":
                file = BytesIO()
                to_csv(shown, file)
                return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers={TOTAL: str(total)})
            columns = [{"name": field.name, "type": _type(field.type)} for field in table.schema]
            body = {"columns": columns, "rows": list(rows(shown)), "total": total, "truncated": total > most}
        except LakeError as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        except sql.QueryStopped as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        except QueryError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"{report.id}: {error}") from None
        return Response(json_text(body), media_type="application/json", headers={TOTAL: str(total)})


def _first(table: pa.Table, most: int) -> pa.Table:
    """Return the first rows of a table; raises QueryError where they are too large."""
    shown = table.slice(0, most)
    if shown.nbytes > MOST_BYTES:
        raise QueryError(f"{shown.num_rows:,} rows are larger than {MOST_BYTES >> 20} MB: set a lower limit")
    return shown


def _described(name: str, report: Report) -> dict[str, Any]:
    return {"name": name, "title": report.title, "params": [param.described() for param in report.params.values()]}


def _single(request: Request) -> dict[str, str]:
    """Return each parameter of a URL, once; raises HTTPException."""
    pairs = request.query_params.multi_items()
    twice = sorted(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    if twice:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{twice[0]} is given twice: choose one value")
    return dict(pairs)


def _format(text: str) -> str:
    if text not in FORMATS:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"format must be one of {', '.join(FORMATS)}")
    return text


def _limit(text: str) -> int:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_ROWS))
    if not (is_short and 0 < int(text) <= MOST_ROWS):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"limit must be a number from 1 to {MOST_ROWS:,}")
    return int(text)


def _type(kind: pa.DataType) -> str:
    """Return the type of a column in the words of Grafana's data frames."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    return "other" if pa.types.is_nested(kind) else "string"
