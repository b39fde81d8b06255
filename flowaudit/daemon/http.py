"""A small HTTP server for a few fixed pages: GET and HEAD, a thread for each client, and time limits for slow ones."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import structlog

from flowaudit.errors import DaemonError

SECONDS = 10
"""How long a client may keep us waiting for its next byte."""

log = structlog.stdlib.get_logger("flowaudit.daemon.http")


@dataclass(frozen=True, slots=True)
class Request:
    """What a page may want to know of a request."""

    headers: Message
    query: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says; a text unless its headers say otherwise."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain; charset=utf-8"})


Page = Callable[[Request], Answer]


class Server:
    """The pages at an address, served from a thread of its own once started."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        """Take the address (port 0: any that is free); raises DaemonError where it cannot be had."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            family, _, _, _, address = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._server = _Server(family, address, pages)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
            message = f"{place} {reason}: name another address under [http] listen, or with FLOWAUDIT_HTTP__LISTEN"
            raise DaemonError(message) from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)

    @property
    def url(self) -> str:
        """The address that was taken, as a URL that ends in a slash."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more and let go of the address."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, family: int, address: tuple[object, ...], pages: Mapping[str, Page]) -> None:
        self.address_family = family
        self.pages = pages
        super().__init__(address, _Handler)  # type: ignore[arg-type]  # IPv6 has four parts

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for our name, which may take long

    def handle_error(self, *_: object) -> None:
        log.debug("client lost")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SECONDS
    server_version = "flowaudit"
    sys_version = ""

    def do_GET(self) -> None:
        self._send(self._answer())

    do_HEAD = do_GET  # noqa: N815  http.server's name

    def _refuse(self) -> None:
        allow = {"Allow": "GET, HEAD", "Content-Type": "text/plain"}
        self._send(Answer(b"only GET and HEAD\n", HTTPStatus.METHOD_NOT_ALLOWED, allow))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _answer(self) -> Answer:
        url = urlsplit(self.path)
        page = self.server.pages.get(url.path)
        if page is None:
            return Answer(b"no such page\n", HTTPStatus.NOT_FOUND)
        try:
            return page(Request(self.headers, parse_qs(url.query)))
        except Exception:
            log.exception("page failed", page=url.path)
            return Answer(b"this page failed: see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing for each request."""
