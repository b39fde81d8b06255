"""A connection to an address that was checked, which ends when its time is over.

The address that is checked is the one that is connected to: a name is resolved once, so its owner cannot answer with a
public address first and a private one afterwards.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from threading import Thread, Timer
from typing import Any, TypeAlias
from urllib.parse import SplitResult

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from flowaudit.sinks.addresses import Network, may_connect

Found: TypeAlias = Sequence[tuple[Any, ...]]
"""The result of `socket.getaddrinfo`."""
Resolver: TypeAlias = Callable[[str, int], Found]
"""A host and a port → its addresses."""

FAILURES = (HTTPError, HTTPException, OSError, UnicodeError, EOFError)
"""Whatever a connection may raise."""


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """How a host may be connected to: its addresses, private networks allowed, and a deadline (monotonic seconds)."""

    resolve: Resolver
    allowed: Sequence[Network]
    deadline: float

    @property
    def left(self) -> float:
        """The seconds that are left; raises TimeoutError where there are none."""
        if (left := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError
        return left

    def addresses(self, host: str, port: int) -> Found:
        """Return the addresses that may be connected to; raises OSError where there is none."""
        found = self._resolved(host, port)
        fit = [one for one in found if may_connect(str(one[4][0]), self.allowed)]
        if found and not fit:
            address = str(found[0][4][0]).partition("%")[0]
            hint = f'to allow it, add it to `allowed_networks` of this sink, as in ["{address}"]'
            raise OSError(0, f"its address {address} is not public: {hint}")
        return fit

    def _resolved(self, host: str, port: int) -> Found:
        """Return a resolver's answer, in time: resolvers have no time limit of their own."""
        found: list[Found] = []
        failed: list[Exception] = []

        def work() -> None:
            try:
                found.append(self.resolve(host, port))
            except (OSError, UnicodeError) as error:
                failed.append(error)

        thread = Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.left)
        if failed:
            raise failed[0]
        if not found:
            raise TimeoutError
        return found[0]


class Connection(HTTPConnection):
    """A connection to the first of the addresses that takes it."""

    policy: ConnectionPolicy
    _watched: socket.socket | None = None
    _timer: Timer | None = None
    _is_shut = False

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Close the connection at the end; raises TimeoutError past the deadline, whatever came before it.

        An answer that is cut off in its head or its body may seem complete.
        """
        try:
            yield
        except FAILURES:
            self._in_time()
            raise
        else:
            self._in_time()
        finally:
            self._unwatch()
            self.close()

    def _in_time(self) -> None:
        if self._is_shut or time.monotonic() >= self.policy.deadline:
            raise TimeoutError from None

    def _new_conn(self) -> socket.socket:
        failure = OSError(0, "its name has no address: check the host in the URL, and DNS")
        for family, kind, protocol, _, address in self.policy.addresses(self.host, self.port):
            connected = socket.socket(family, kind, protocol)
            try:
                connected.settimeout(self.policy.left)
                connected.connect(address)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._watch(connected)
            except OSError as error:
                connected.close()
                failure = error
            else:
                return connected
        raise failure

    def _watch(self, connected: socket.socket) -> None:
        """Shut the connection at the deadline: a socket's own time limit starts anew with each byte."""
        self._watched = connected.dup()
        self._timer = Timer(self.policy.left, self._shut, [self._watched])
        self._timer.daemon = True
        self._timer.start()

    def _shut(self, watched: socket.socket) -> None:
        self._is_shut = True
        with suppress(OSError):
            watched.shutdown(socket.SHUT_RDWR)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._watched is not None:
            self._watched.close()


class _SecureConnection(Connection, HTTPSConnection):
    """As Connection, with TLS to the name in the URL, verified."""


def connect(parts: SplitResult, policy: ConnectionPolicy) -> Connection:
    """Return a connection to a URL's host, made when the first request is."""
    host, port = parts.hostname or "", parts.port  # without a port http.client takes the end of an IPv6 address for it
    if parts.scheme == "https":
        connection: Connection = _SecureConnection(host, port or 443, ssl_context=ssl.create_default_context())
    else:
        connection = Connection(host, port or 80)
    connection.policy = policy
    return connection


def reason(error: BaseException) -> str:
    """Return why a connection failed; an exception's own words may hold what must not be repeated."""
    match error.args[0] if error.args and isinstance(error.args[0], BaseException) else error:
        case TimeoutError():
            words = "no answer within `timeout`"
        case ssl.SSLCertVerificationError() as cause:
            words = f"its certificate is not trusted: {cause.verify_message}"
        case ssl.SSLError() as cause:
            words = f"TLS failed: {cause.reason or 'the connection was closed'}. Check https:// and the port in the URL"
        case socket.gaierror():
            words = "its name has no address: check the host in the URL, and DNS"
        case OSError() as cause if cause.strerror:
            words = cause.strerror
        case UnicodeError():
            words = "it is not a valid host name: check the URL"
        case cause:
            words = f"the connection broke ({type(cause).__name__})"
    return words
