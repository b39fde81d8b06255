"""The one HTTP client: a POST to an address that was checked, bounded in time and size, and what its answer means.

No redirects, no proxy, no retries: a redirect is a failure, and retries are `deliver`'s.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from flowaudit import __version__
from flowaudit.config.sinks import HttpSink, Secret
from flowaudit.errors import ConfigError, SinkDisabled, SinkError
from flowaudit.exchange.case import clean
from flowaudit.sinks import LONGEST_PAUSE
from flowaudit.sinks.connection import FAILURES, ConnectionPolicy, Resolver, connect, reason

Clock: TypeAlias = Callable[[], float]
"""Seconds since 1970."""

MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
MOST_REASON = 200
"""Characters of an answer that are passed on."""
SHORTEST_TOKEN = 8
"""Characters from which on a part of a URL may be a secret."""
REFUSED = frozenset({400, 413, 414, 415, 422})
"""Answers that are about the event, and would be the same again."""
GONE = 410
"""The receiver wants nothing more (Standard Webhooks 1.0)."""

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is about the event: `refusal` is the reason why it is not taken, None if it is."""

    text: str = ""
    refusal: str | None = None


def place(url: str | Secret) -> str:
    """Return the key, variable or file of a URL or a secret, for messages."""
    if isinstance(url, str):
        return "`url`"
    return f"the environment variable {url.env}" if url.env else f"the file {url.file}"


def read_url(url: str | Secret) -> str:
    """Return a URL, read anew if it is a secret; raises ConfigError, which does not repeat it."""
    text = url if isinstance(url, str) else url.read()
    if _split(text) is None:
        raise ConfigError(
            f"{place(url)} contains no URL: it must be http:// or https:// and a host, without a user name"
        )
    return text


def origin(url: str | Secret) -> str:
    """Return a URL's scheme and host, or where the URL stands if it cannot be read."""
    try:
        parts = urlsplit(read_url(url))
    except ConfigError:
        return f"the URL in {place(url)}"
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class Client:
    """Posts for one sink; `words` are what a receiver's known answers mean."""

    name: str
    settings: HttpSink
    words: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = time.time
    resolve: Resolver = lambda host, port: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], secrets: Sequence[str] = ()) -> Answer:
        """Send a body once; `secrets` are kept out of a refusal's text.

        Raises SinkDisabled where the receiver wants no more, SinkError on any other failure.
        """
        parts = _split(url)
        if parts is None:
            raise ConfigError(
                f"sink {self.name}: its URL is invalid: it must be http:// or https:// and a host, without a user name"
            )
        try:
            status, text, pause = self._exchange(parts, body, headers)
        except FAILURES as error:
            raise SinkError(f"sink {self.name}: {parts.hostname}: {reason(error)}") from None
        return self._outcome(f"sink {self.name}: {parts.hostname}", status, _without(text, [url, *secrets]), pause)

    def _outcome(self, where: str, status: int, text: str, pause: float | None) -> Answer:
        """Return the meaning of an answer: the one place where status codes are judged."""
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(text)
        if status in REFUSED:
            return Answer(text, f"{status} {self._known(text) or clean(text, MOST_REASON) or _phrase(status)}")
        message = f"{where} answered {status} {self._known(text) or _phrase(status)}"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            message += ": redirects are not followed; put the final URL into the configuration"
        if status == GONE:
            raise SinkDisabled(f"{message}: nothing more is sent there until flowaudit is restarted")
        raise SinkError(message, retry_after=pause)

    def _known(self, text: str) -> str:
        code = text.strip()
        return f"{code}: {self.words[code]}" if code in self.words else ""

    def _exchange(self, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, float | None]:
        deadline = time.monotonic() + self.settings.timeout.total_seconds()
        allowed = [ip_network(network) for network in self.settings.allowed_networks]
        connection = connect(parts, ConnectionPolicy(self.resolve, allowed, deadline))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        own = {"User-Agent": f"flowaudit/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
        with connection.bounded():
            connection.request("POST", path, body, {**own, **headers}, preload_content=False, decode_content=False)
            answer = connection.getresponse()
            text = answer.read(MOST_ANSWER, decode_content=False).decode("utf-8", "replace")
            return answer.status, text, retry_after(answer.headers.get("Retry-After"), self.clock())


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most an hour; None where it makes no sense (RFC 9110)."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(moment - now, 0.0), LONGEST_PAUSE)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_good = bool(parts.hostname) and "@" not in parts.netloc and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if is_good and _URL.fullmatch(url) else None


def _without(text: str, secrets: Sequence[str]) -> str:
    """Return a receiver's text without secrets, and without what in a URL may be one: path, its parts, query."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "…")
    return text


def _forms(secret: str) -> Iterator[str]:
    if not _URL.match(secret):
        yield from filter(None, (secret, secret.removeprefix("whsec_")))
        return
    parts = urlsplit(secret)
    yield secret
    yield from filter(_may_be_secret, (parts.path, parts.query, *parts.path.split("/")))


def _may_be_secret(part: str) -> bool:
    return len(part) >= SHORTEST_TOKEN


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(no known status)"
