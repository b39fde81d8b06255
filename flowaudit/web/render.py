"""Templates and static files. Whatever a template shows is text: escaped, and control characters written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from flowaudit import __version__
from flowaudit.formats import printable
from flowaudit.sentences import ago, count, volume
from flowaudit.web.labels import spoken

TYPES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
"""The static files, each with its media type."""
FOR_EVER = "public, max-age=31536000, immutable"
"""A file that is asked for with the hash of its content never changes."""
MINUTE = 60
CODE = re.compile(r"`([^`\n]+)`")
KEY = re.compile(r"((?:s3://|arn:|AWSLogs/)[^\s,;]{1,1200})")
DOCS = "https://github.com/flowaudit/flowaudit/blob/main/docs"


class Renderer:
    """The templates with what all of them show."""

    def __init__(self, grafana_url: str = "") -> None:
        """Read the static files; `grafana_url` "": no link."""
        folder = files("flowaudit.web") / "static"
        self._files = {name: (folder / name).read_bytes() for name in TYPES}
        self._hashes = {name: sha256(content).hexdigest()[:16] for name, content in self._files.items()}
        self._templates = Environment(
            loader=PackageLoader("flowaudit.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals.update(
            version=__version__,
            hashes=self._hashes,
            grafana_url=grafana_url,
            docs=DOCS,
            count=count,
        )
        self._templates.filters.update(
            ago=_ago,
            code=_code,
            number="{:,}".format,
            iso=_iso,
            parted=_parted,
            span=_span,
            spoken=spoken,
            stamp=stamp,
            volume=volume,
        )

        for name in self._templates.list_templates():  # now: an upgrade may replace them under a running daemon
            self._templates.get_template(name)

    def page(
        self,
        name: str,
        status: int = HTTPStatus.OK,
        *,
        root: str = "./",
        **values: Any,  # noqa: ANN401  a template's
    ) -> Response:
        """Return a page; `root` is the relative URL of the status page."""
        text = self._templates.get_template(name).render(root=root, now=datetime.now(UTC), **values)
        return HTMLResponse(text, status)

    async def static(self, request: Request) -> Response:
        """Return a static file; raises HTTPException."""
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such file")
        is_current = request.query_params.get("v") == self._hashes[name]
        headers: Mapping[str, str] = {"Cache-Control": FOR_EVER if is_current else "no-cache"}
        return Response(self._files[name], media_type=TYPES[name], headers=headers)


def stamp(moment: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = int((now - moment).total_seconds())
    return f"{max(seconds, 0)}s ago" if seconds < MINUTE else ago(moment, now)


def _span(length: timedelta) -> str:
    """Return an interval in its largest unit that gives a whole number."""
    seconds = int(length.total_seconds())
    units = {3600: "h", MINUTE: "min", 1: "s"}
    return next(f"{seconds // unit:,} {name}" for unit, name in units.items() if seconds % unit == 0)


def _code(text: str) -> Markup:
    """Return prose with what stands between backticks as code, the rest as `_parted` does."""
    parts = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(_shown(each)) if n % 2 else _parted(each) for n, each in enumerate(parts)
    )


def _parted(text: str) -> Markup:
    """Return text whose keys of S3 and ARNs break at their slashes and colons, and not within words."""
    parts = KEY.split(text)
    return Markup("").join(_segments(each) if n % 2 else Markup.escape(_shown(each)) for n, each in enumerate(parts))


def _segments(key: str) -> Markup:
    segments = [Markup("<span>{}</span>").format(_shown(each)) for each in re.findall(r"[^/:]*[/:]+|[^/:]+", key)]
    return Markup('<span class="key">{}</span>').format(Markup("").join(segments))


def _shown(value: Any) -> Any:  # noqa: ANN401  whatever a template names
    """Return a value as a page shows it; templates' own text and what macros return have `__html__`."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value).encode("utf-8", "backslashreplace").decode()
    return "" if value is None else value
