"""A client's connection: TLS, a time limit for each request as a whole, and a place among a fixed number of others."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from flowaudit.web.webconfig import WebConfigFile

MOST = 64
"""Connections at a time: each is a descriptor that a collector might need."""
REQUEST_SECONDS = 10.0
"""Seconds that a client has for TLS, and again for the head of a request."""
ANSWER_SECONDS = 60.0
"""Seconds from the head of a request to the last byte of its response that the client takes."""

log = structlog.stdlib.get_logger("flowaudit.web")


class Connections:
    """Connections that are open, oldest first.

    `dropped` is called for each that was closed because there were too many, or because it took too long.
    """

    def __init__(self, file: WebConfigFile, dropped: Callable[[], None] = lambda: None, most: int = MOST) -> None:
        self.file, self.dropped, self._most = file, dropped, most
        self._open: OrderedDict[Connection, None] = OrderedDict()

    def __call__(self, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401  uvicorn's
        """Return the protocol of a new connection."""
        return Connection(self, *args, **kwargs)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Take a connection in; where there are too many, the one that has been idle for longest has to go."""
        self._open[connection] = None
        if len(self._open) > self._most:
            idle = (each for each in self._open if each.is_idle)
            next(idle, connection).drop()  # where all others are being answered, the new one

    def touch(self, connection: Connection) -> None:
        """Count a connection as the newest."""
        if connection in self._open:
            self._open.move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)


class Connection(H11Protocol):
    """HTTP/1.1 over one connection, encrypted first where the web configuration has TLS."""

    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  uvicorn's
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._accepted: asyncio.Transport | None = None
        self._is_secured = False
        self._early: list[bytes] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """True if no request on it is being answered; an answer has left once its last byte has."""
        return (self._request is None or self._request.response_complete) and not self._unsent

    def drop(self) -> None:
        """Close it at once."""
        self._connections.remove(self)
        self._limit(None)
        self._connections.dropped()
        if self._accepted is not None:
            self._accepted.abort()

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin TLS, or HTTP where there is none."""
        self._accepted = transport
        self._limit(REQUEST_SECONDS)
        self._connections.add(self)
        if transport.is_closing():
            return
        secured = self._connections.file.current()
        if secured.tls is None:
            self._is_secured = True
            super().connection_made(transport)
            return
        transport.pause_reading()
        allowed = secured.config.tls_server_config.client_allowed_sans if secured.config.tls_server_config else ()
        self._handshake = self.loop.create_task(self._secure(transport, secured.tls, allowed))

    def data_received(self, data: bytes) -> None:
        """Go on with a request; what comes before its handshake was seen to end has to wait."""
        if not self._is_secured:
            self._early.append(data)
            return
        if self._deadline is None:
            self._limit(REQUEST_SECONDS)
        super().data_received(data)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._connections.remove(self)
        self._limit(None)
        if self._is_secured:
            super().connection_lost(exc)

    def handle_events(self) -> None:
        """Give a request that begins more time."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._connections.touch(self)
            self._limit(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        """End the time limit of the request."""
        super().on_response_complete()
        self._rest()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; where an answer was sent already, as to a body that is broken, just close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    # --- how

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext, allowed: Sequence[str]) -> None:
        """Shake hands, and begin HTTP with a client that is allowed to."""
        try:
            secured = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=REQUEST_SECONDS
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            log.debug("TLS failed", error=str(error))
            secured = None
        if secured is None or secured.is_closing():  # asyncio tells nobody but this task
            transport.abort()
            self.connection_lost(None)
            return
        if allowed and not _is_allowed(secured.get_extra_info("peercert"), allowed):
            log.warning("client certificate refused", reason="none of its names is in client_allowed_sans")
            transport.abort()
            return
        self._is_secured = True
        self._limit(REQUEST_SECONDS)
        super().connection_made(secured)
        for data in self._early:
            self.data_received(data)
        self._early.clear()

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The newest request, None before the first."""
        return self.cycle

    @property
    def _is_resting(self) -> bool:
        """True if it waits for its next request: the last one came in whole, and its answer has left."""
        if self._request is None or not self.is_idle or self._accepted is None:
            return False
        return self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    @property
    def _unsent(self) -> int:
        """Bytes of answers that the client has yet to take."""
        return sum(each.get_write_buffer_size() for each in (self.transport, self._accepted) if each is not None)

    def _rest(self) -> None:
        """Let a connection that waits for its next request do so; uvicorn ends it after a while."""
        if self._is_resting:
            self._limit(None)

    def _limit(self, seconds: float | None) -> None:
        """Close the connection after so many seconds, unless it is at rest then."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._is_resting:
            self._limit(None)
        else:
            self.drop()


def _is_allowed(certificate: Any, allowed: Sequence[str]) -> bool:  # noqa: ANN401  as ssl has it
    """Return whether a name of a client's certificate (DNS, IP, e-mail, URI) is among those allowed."""
    names = {_name(value) for _, value in (certificate or {}).get("subjectAltName", ())}
    return not names.isdisjoint(map(_name, allowed))


def _name(text: object) -> object:
    """Return an IP address as such: OpenSSL writes out the zeros of IPv6."""
    try:
        return ip_address(text) if isinstance(text, str) else text
    except ValueError:
        return text
