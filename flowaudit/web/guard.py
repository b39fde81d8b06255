"""Checks of every request before it reaches a page: method, rate limit, basic authentication, headers."""

from __future__ import annotations

import base64
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from ipaddress import ip_address
from os import urandom

import anyio
import bcrypt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowaudit.config.web import RateLimit
from flowaudit.web.webconfig import WebConfigFile

OPEN = frozenset({"/healthz", "/readyz"})
"""Pages for probes, which have no password and must not be refused for the rate of other requests."""
AUTHENTICATED = "authenticated"
"""Key of a request's state: False where a page for probes was asked for without a password that is needed elsewhere."""
DEFAULT_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOBODY = "$2b${cost}$o/j6kRU3Vck2c4K0kzDKK.jpEw0ngHUjqF8A8gbbco92xe6cFaFUy"
"""The hash that the password of an unknown user is compared with: the time taken does not tell which users exist."""
REMEMBERED = 128
"""Right passwords, and as many wrong ones."""
MISDIRECTED = "only the loopback is listened on: name it, as localhost, or set basic_auth_users in [http] web_config"
"""Said where another name leads to the loopback: that of a web site, whose scripts would read what is served here."""


class Guard:
    """The middleware around all pages."""

    def __init__(
        self,
        site: ASGIApp,
        file: WebConfigFile,
        answered: Callable[[int], None] = lambda _: None,
        *,
        is_local: bool = False,
    ) -> None:
        """`answered` is called with the status of each response; `is_local`: only the loopback is listened on."""
        self._site, self._file, self._answered, self._is_local = site, file, answered, is_local
        self._bucket = Bucket(RateLimit())
        self._passwords = Passwords()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        config = self._file.current().config
        headers: dict[str, str] = DEFAULT_HEADERS | dict(config.http_server_config.headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in headers.items():
                    own.setdefault(name, value)
                self._answered(message["status"])
            await send(message)

        refusal = await self._refusal(scope, config.rate_limit, config.basic_auth_users)
        await (refusal or self._site)(scope, receive, guarded)

    async def _refusal(self, scope: Scope, limit: RateLimit, users: Mapping[str, str]) -> Response | None:
        if scope["method"] not in ("GET", "HEAD"):
            return _plain("only GET and HEAD\n", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        if self._is_local and not users and not _is_loopback(Headers(scope=scope).get("host", "")):
            return _plain(f"{MISDIRECTED}\n", HTTPStatus.MISDIRECTED_REQUEST, {})
        is_open = scope["path"] in OPEN
        if not is_open and not self._admits(limit):
            return _plain("too many requests\n", HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"})
        given = Headers(scope=scope).get("authorization", "")
        known = not users or (bool(given) and await self._passwords.match(given, users))
        scope.setdefault("state", {})[AUTHENTICATED] = known
        if is_open or known:
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="flowaudit", charset="UTF-8"'}
        return _plain("unauthorized\n", HTTPStatus.UNAUTHORIZED, challenge)

    def _admits(self, limit: RateLimit) -> bool:
        if self._bucket.limit != limit:
            self._bucket = Bucket(limit)
        return self._bucket.take(time.monotonic())


class Bucket:
    """A token bucket: one request each interval, and a burst at once."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._tokens, self._then = float(limit.burst), 0.0

    def take(self, now: float) -> bool:
        """Return whether one more request is within the limit at `now`, in seconds of a monotonic clock."""
        if self.limit.interval <= timedelta():
            return True
        gained = (now - self._then) / self.limit.interval.total_seconds()
        self._tokens, self._then = min(self.limit.burst, self._tokens + gained), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Passwords:
    """Passwords compared with bcrypt hashes, one at a time; results are remembered, for bcrypt is slow on purpose."""

    def __init__(self) -> None:
        # Apart: a flood of wrong passwords must not push out the right ones, which would then wait in line behind it.
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._salt = urandom(16)
        self._one = anyio.CapacityLimiter(1)

    async def match(self, authorization: str, users: Mapping[str, str]) -> bool:
        """Return whether an Authorization header has the name of a user and the password of their hash."""
        given = _credentials(authorization)
        if given is None:
            return False
        user, password = given
        expected = users.get(user) or NOBODY.format(cost=max(each[4:6] for each in users.values()))
        key = sha256(b"\0".join((self._salt, user.encode(), expected.encode(), password))).digest()
        if key in self._right or key in self._wrong:
            return key in self._right
        is_right = await anyio.to_thread.run_sync(_check, password, expected.encode(), limiter=self._one)
        known = self._right if is_right and user in users else self._wrong
        known[key] = None
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return known is self._right


def _check(password: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, expected)
    except ValueError:  # longer than the 72 bytes that bcrypt takes, or with a zero byte
        return False


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:  # neither Base64 nor UTF-8
        return None


def _is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine's loopback; HTTP/1.0 has none."""
    name = (host.rpartition(":")[0] if re.search(r":\d*$", host) else host).lower()
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _plain(text: str, status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    return PlainTextResponse(text, status, dict(headers))
