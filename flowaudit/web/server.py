"""The HTTP server: an ASGI application on an address, in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from flowaudit.errors import DaemonError
from flowaudit.web.connection import Connections
from flowaudit.web.webconfig import WebConfigFile

BACKLOG = 32
"""Connections that the kernel holds until they are accepted, and that are accepted at a time."""
KEEP_ALIVE_SECONDS = 75
"""Seconds that a connection may wait for its next request: longer than Prometheus waits from scrape to scrape."""
CLOSE_SECONDS = 2
"""Seconds that requests have to end when the server closes."""

log = structlog.stdlib.get_logger("flowaudit.web")


class Server:
    """The application at an address, served once started."""

    def __init__(
        self,
        host: str,
        port: int,
        site: ASGIApp,
        file: WebConfigFile,
        dropped: Callable[[], None] = lambda: None,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the address (port 0: any that is free); raises DaemonError where it cannot be had.

        `closing` is called when it is to close, to end what requests wait for.
        """
        self._socket, self._closing = _listen(host, port), closing
        self._scheme = "http" if file.current().tls is None else "https"
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # an invalid request is the client's business
        self.connections = Connections(file, dropped)
        config = uvicorn.Config(
            site,
            http=self.connections,  # type: ignore[arg-type]  # it makes the protocol that uvicorn asks for
            ws="none",
            loop="asyncio",
            lifespan="off",
            backlog=BACKLOG,
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._serve, name="http", daemon=True)

    @property
    def url(self) -> str:
        """The address that was taken, as a URL that ends in a slash."""
        host, port = self._socket.getsockname()[:2]
        return f"{self._scheme}://[{host}]:{port}/" if ":" in host else f"{self._scheme}://{host}:{port}/"

    @property
    def is_alive(self) -> bool:
        """True while it serves."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more and let go of the address."""
        self._server.should_exit = True
        self._closing()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS + 1)
        self._socket.close()

    def _serve(self) -> None:
        async def serve() -> None:
            asyncio.get_running_loop().set_exception_handler(_log)
            await self._server.serve([self._socket])

        asyncio.run(serve())


def _log(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log on one line what the event loop could not do, such as accept a connection for want of a descriptor."""
    log.error("connection failed", problem=context["message"], error=repr(context.get("exception")))


def _listen(host: str, port: int) -> socket.socket:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
        message = f"{place} {reason}: name another address under [http] listen, or with FLOWAUDIT_HTTP__LISTEN"
        raise DaemonError(message) from error
    listener.setblocking(False)
    return listener
