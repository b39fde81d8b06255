"""The HTTP client on real sockets: where it connects, how long it waits, what it makes of answers."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowaudit import __version__
from flowaudit.config.sinks import HttpSink
from flowaudit.errors import ConfigError, SinkDisabled, SinkError
from flowaudit.sinks.http import MOST_ANSWER, Answer, Client, origin, retry_after
from tests.sinks.harness_http import LOOPBACK, Reply, Server

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def client(*, networks: tuple[str, ...] = LOOPBACK, timeout: str = "5s", **seams: Any) -> Client:
    """A client that may connect to the loopback."""
    settings = HttpSink.model_validate({"name": "here", "allowed_networks": networks, "timeout": timeout})
    return Client("here", settings, clock=NOW.timestamp, **seams)


def resolver(*answers: str) -> Callable[[str, int], list[tuple[Any, ...]]]:
    """A resolver that gives one address at each time it is asked, the last ever after."""
    left = list(answers)

    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 0, "", (address, port))]

    return resolve


@contextmanager
def raw(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """A TCP server on the loopback that talks to one client."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                try:
                    talk(connected)
                except OSError:
                    return

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
    thread.join(5)


def test_a_post_is_as_it_was_handed_in() -> None:
    """Path, query, body and headers arrive, with a User-Agent that names flowaudit and its version."""
    with Server() as server:
        answer = client().post(f"{server.url}/a/b?c=d", b"{}", {"X-Own": "1", "Content-Type": "application/json"})
    (request,) = server.accepted
    assert answer == Answer("ok")
    assert (request.path, request.body) == ("/a/b?c=d", b"{}")
    assert request.headers["User-Agent"] == f"flowaudit/{__version__}"
    assert (request.headers["X-Own"], request.headers["Host"]) == ("1", f"127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "0", "[::1]", "[::ffff:7f00:1]"],
)
def test_the_loopback_is_refused_in_every_spelling(host: str) -> None:
    """A host that is a private address, or has one, is not connected to; the message names `allowed_networks`."""
    with Server() as server:
        with pytest.raises(SinkError, match="is not public: to allow it, add it to `allowed_networks`"):
            client(networks=()).post(f"http://{host}:{server.port}/", b"", {})
        assert server.asked == []


def test_a_name_is_resolved_once() -> None:
    """A name that has a public address at first and a private one later never leads to the private one."""
    asked: list[str] = []
    with Server() as server:

        def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
            asked.append(host)
            address = "192.0.2.1" if len(asked) > 1 else "127.0.0.1"
            return resolver(address)(host, port)

        assert client(resolve=resolve).post(f"http://rebind.example:{server.port}/", b"", {}) == Answer("ok")
        assert asked == ["rebind.example"]
        assert server.accepted[0].headers["Host"] == f"rebind.example:{server.port}"
        later = client(networks=("198.18.0.0/15",), timeout="1s", resolve=resolver("198.18.0.1", "127.0.0.1"))
        for _ in range(2):
            with pytest.raises(SinkError):
                later.post(f"http://rebind.example:{server.port}/", b"", {})
    assert len(server.asked) == 1


def test_the_first_allowed_address_that_connects_is_taken() -> None:
    """Of several addresses, those that are private are passed over, and those that do not answer too."""
    with Server() as server:

        def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
            dead = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.2", port))
            return [*resolver("10.0.0.1")(host, port), dead, *resolver("127.0.0.1")(host, port)]

        assert client(resolve=resolve).post(f"http://many.example:{server.port}/", b"", {}) == Answer("ok")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_an_ipv6_address_is_whole(scheme: str, port: int) -> None:
    """Without a port in the URL, the end of an IPv6 address is not taken for one."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        asked.append((host, port))
        return []

    with pytest.raises(SinkError):
        client(resolve=resolve).post(f"{scheme}://[2001:db8::1]/", b"", {})
    assert asked == [("2001:db8::1", port)]


def test_a_redirect_is_a_failure() -> None:
    """A redirect, to a private address or elsewhere, is not followed."""
    with Server() as inner, Server() as outer:
        outer.answer = lambda request: Reply(307, b"", {"Location": f"{inner.url}/secret"})
        with pytest.raises(SinkError, match="answered 307 Temporary Redirect") as raised:
            client().post(outer.url, b"", {})
        assert inner.asked == []
    assert "/secret" not in str(raised.value)


def test_a_proxy_of_the_environment_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is ignored: a proxy would connect to whatever it likes."""
    with Server() as server, Server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        client().post(server.url, b"", {})
        assert (len(server.accepted), proxy.asked) == (1, [])


@pytest.mark.parametrize("part", ["head", "body", "interim"])
def test_a_server_that_drips_is_left(part: str) -> None:
    """The time limit is of the whole attempt: a byte now and then does not prolong it."""
    done = Flag()
    starts = {
        "head": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"."),
        "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    }

    def drip(connected: socket.socket) -> None:
        first, more = starts[part]
        connected.recv(4096)
        connected.sendall(first)
        while not done.wait(0.05):
            connected.sendall(more)

    with raw(drip) as port:
        begun = time.monotonic()
        with pytest.raises(SinkError, match="no answer within `timeout`"):
            client(timeout="1s").post(f"http://127.0.0.1:{port}/", b"", {})
        assert 0.9 < time.monotonic() - begun < 3
        done.set()


def test_a_slow_resolver_is_left() -> None:
    """The time limit counts for the resolver too."""
    done = Flag()

    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        done.wait(10)
        return []

    begun = time.monotonic()
    with pytest.raises(SinkError, match="no answer within `timeout`"):
        client(timeout="1s", resolve=resolve).post("http://slow.example/", b"", {})
    done.set()
    assert time.monotonic() - begun < 3


def test_a_silent_tls_server_is_left() -> None:
    """The time limit counts for the TLS handshake too."""
    done = Flag()
    with raw(lambda connected: done.wait(10)) as port:
        begun = time.monotonic()
        with pytest.raises(SinkError, match="no answer within `timeout`"):
            client(timeout="1s").post(f"https://127.0.0.1:{port}/", b"", {})
        assert time.monotonic() - begun < 3
        done.set()


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """At most 64 KiB of an answer are read."""

    def pour(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        while True:
            connected.sendall(b"x" * 65536)

    with raw(pour) as port:
        answer = client().post(f"http://127.0.0.1:{port}/", b"", {})
    assert len(answer.text) == MOST_ANSWER


@pytest.mark.parametrize("status", [400, 413, 414, 415, 422])
def test_a_refusal_is_about_the_event(status: int) -> None:
    """These answers refuse the event for good, with the first 200 characters of the answer on one line."""
    with Server(lambda request: Reply(status, b"no\n\x1b[2Jgood" + b"!" * 1000)) as server:
        answer = client().post(server.url, b"", {})
    assert answer.refusal is not None
    assert answer.refusal.startswith(f"{status} no \ufffd[2Jgood!!!")
    assert len(answer.refusal) == len("400 ") + 200


def test_a_refusal_repeats_no_secret() -> None:
    """A receiver that repeats a URL's path, a part of it, its query or a secret is not quoted with it."""
    told = b"/T0/abcdefgh1234 abcdefgh1234 token=hidden whsec_c2VjcmV0c2VjcmV0 c2VjcmV0c2VjcmV0 fine"
    with Server(lambda request: Reply(400, told)) as server:
        url = f"{server.url}/T0/abcdefgh1234?token=hidden"
        answer = client().post(url, b"", {}, ["whsec_c2VjcmV0c2VjcmV0"])
    assert answer.refusal == "400 … … … … … fine"


def test_a_receiver_that_is_gone_disables_the_sink() -> None:
    """410 means that nothing more is wanted."""
    with Server(lambda request: Reply(410)) as server, pytest.raises(SinkDisabled, match="answered 410 Gone"):
        client().post(server.url, b"", {})


@pytest.mark.parametrize("status", [302, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599])
def test_all_else_is_sent_again(status: int) -> None:
    """Any other answer is a failure of the sink, with the pause that the receiver asks for."""
    told = f"sink here: 127.0.0.1 answered {status}"
    reply = Reply(status, b"", {"Retry-After": "12"})
    with Server(lambda request: reply) as server, pytest.raises(SinkError, match=told) as raised:
        client().post(f"{server.url}/path?token=secret", b"", {"Authorization": "hidden"})
    assert raised.value.retry_after == 12
    assert not isinstance(raised.value, SinkDisabled)
    assert not any(part in str(raised.value) for part in ("path", "token", "secret", "hidden"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("999999", 3600),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 3600),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("1e3", None),
        ("٣", None),
        ("soon", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_understood(value: str | None, seconds: float | None) -> None:
    """Seconds and HTTP dates count, up to an hour; what makes no sense is as if it were not there."""
    assert retry_after(value, NOW.timestamp()) == seconds


def test_no_connection_is_told_with_the_host_only() -> None:
    """A port that nobody listens on, and a name without address, are failures that name sink and host."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SinkError, match=r"sink here: 127\.0\.0\.1: Connection refused$"):
        client().post(f"http://127.0.0.1:{port}/secret", b"", {})

    def unknown(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(SinkError, match=r"sink here: no\.example: its name has no address: check the host"):
        client(resolve=unknown).post("http://no.example/secret", b"", {})


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "http:///x", "https://user:pw@a.example/", "http://a:99999/", "http://[::1/", "é"],
)
def test_what_is_no_url_is_a_mistake(url: str) -> None:
    """A malformed URL is a ConfigError that does not repeat it: it may be a misplaced secret."""
    with pytest.raises(ConfigError) as raised:
        client().post(url, b"", {})
    assert url not in str(raised.value)


def test_a_target_is_scheme_and_host() -> None:
    """For people, a URL ends behind its host."""
    assert origin("https://hooks.example:8443/services/T0/secret?x=y") == "https://hooks.example:8443"


@contextmanager
def tls(folder: Path, name: str) -> Iterator[tuple[int, list[str | None]]]:
    """A TLS server with a certificate of its own for a name; also the names it was asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    asked: list[str | None] = []
    context.sni_callback = lambda connected, host, _: asked.append(host)

    def talk(connected: socket.socket) -> None:
        with context.wrap_socket(connected, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with raw(talk) as port:
        yield port, asked


def test_tls_is_to_the_name_in_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is checked and connected to, while TLS is verified against the URL's host."""
    with tls(tmp_path, "hooks.example") as (port, asked):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        sent = client(resolve=resolver("127.0.0.1")).post(f"https://hooks.example:{port}/", b"", {})
    assert (sent, asked) == (Answer("ok"), ["hooks.example"])


@pytest.mark.parametrize(("name", "trusted"), [("hooks.example", False), ("other.example", True)])
def test_a_certificate_that_is_not_right_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, trusted: bool
) -> None:
    """A certificate of an unknown authority, or for another name, ends the attempt."""
    with tls(tmp_path, name) as (port, _):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem") if trusted else os.devnull)
        with pytest.raises(SinkError, match="its certificate is not trusted: "):
            client(resolve=resolver("127.0.0.1")).post(f"https://hooks.example:{port}/", b"", {})
