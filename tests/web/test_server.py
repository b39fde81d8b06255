"""The server stays within its limits, whatever clients do, and serves nobody whom the web configuration keeps out."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import anyio
import bcrypt
import pytest
import trustme
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from flowaudit.config.web import RateLimit
from flowaudit.errors import DaemonError, LakeError
from flowaudit.web import Server, WebConfigFile, connection
from flowaudit.web.guard import REMEMBERED, Bucket, Passwords
from flowaudit.web.server import BACKLOG
from tests.web.conftest import Jobs, Running

Serve = Callable[..., Running]
BODY = b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
"""A request whose body does not follow."""
PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


def certified(authority: trustme.CA, folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate and its key, written as files of their own."""
    made = authority.issue_cert(name, "127.0.0.1")
    folder.mkdir(exist_ok=True)
    cert, key = folder / "tls.crt", folder / "tls.key"
    cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return cert, key


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def accepted(running: Running, number: int) -> None:
    """Wait until so many connections have been accepted."""
    until(lambda: len(running.server.connections) + len(running.dropped) >= number)


def exchange(port: int, *sent: bytes) -> bytes:
    """What the server says to bytes that are sent with a pause before each, until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        said = b""
        for part in sent:
            peer.settimeout(10)
            peer.sendall(part)
            peer.settimeout(0.3)
            try:
                while block := peer.recv(65536):
                    said += block
            except (TimeoutError, ConnectionResetError):
                pass
    return said


def client(authority: trustme.CA) -> ssl.SSLContext:
    """A client that trusts an authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class TestPages:
    """Fixed pages, to be read and not written to."""

    @pytest.mark.parametrize(
        ("method", "page", "status", "body"),
        [
            ("GET", "/metrics", 200, b"flowaudit_up 1\n"),
            ("HEAD", "/metrics", 200, b""),
            ("GET", "/healthz", 200, b"ok\n"),
            ("GET", "/readyz", 200, b"ok\n"),
            ("GET", "/etc/passwd", 404, b"no such page\n"),
            ("GET", "/../", 404, b"no such page\n"),
            ("GET", "//metrics", 404, b"no such page\n"),
            ("POST", "/metrics", 405, b"only GET and HEAD\n"),
            ("DELETE", "/", 405, b"only GET and HEAD\n"),
            ("OPTIONS", "/", 405, b"only GET and HEAD\n"),
        ],
    )
    def test_pages(self, serve: Serve, method: str, page: str, status: int, body: bytes) -> None:
        """What there is, and how the rest is refused."""
        reply = serve().get(page, method)
        assert (reply.status, reply.body) == (status, body)

    def test_a_page_that_fails_does_not_say_why(self, serve: Serve) -> None:
        """The log has the traceback."""

        def broken() -> bytes:
            raise ZeroDivisionError("secret")

        reply = serve(jobs=Jobs(metrics=broken)).get("/metrics")
        assert (reply.status, reply.body) == (500, b"this page failed: see the log\n")

    def test_health_and_readiness_say_why_not(self, serve: Serve) -> None:
        """On one line, with status 503."""
        jobs = Jobs(why_unhealthy="the scheduler has ended", why_unready=LakeError("no lake\nat s3://lake"))
        running = serve(jobs=jobs)
        assert (running.get("/healthz").status, running.get("/healthz").body) == (503, b"the scheduler has ended\n")
        assert (running.get("/readyz").status, running.get("/readyz").body) == (503, b"no lake at s3://lake\n")

    def test_a_lake_that_hangs_does_not_keep_metrics(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """However often readiness is asked for: it is known after a while that the lake does not answer."""
        monkeypatch.setattr("flowaudit.web.READY_SECONDS", 0.2)
        answers = threading.Event()

        class Hanging(Jobs):
            def unready(self) -> str:
                answers.wait(20)
                return ""

        running = serve(jobs=Hanging())
        with ThreadPoolExecutor(8) as threads:
            replies = list(threads.map(lambda _: running.get("/readyz"), range(8)))
        assert {(reply.status, reply.body) for reply in replies} == {(503, b"the lake does not answer\n")}
        assert running.get("/metrics").status == 200
        answers.set()
        until(lambda: running.get("/readyz").status == 200)

    def test_every_response_has_the_headers_that_keep_a_browser_safe(self, serve: Serve) -> None:
        """Errors too; no inline script or style, no framing, no sniffing; the server does not name itself."""
        running = serve()
        for page in ("/metrics", "/nope"):
            headers = running.get(page).headers
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
            assert "server" not in headers

    def test_responses_are_counted_by_status(self, serve: Serve) -> None:
        """Each once."""
        running = serve()
        for page, method in (("/metrics", "GET"), ("/nope", "GET"), ("/", "POST")):
            running.get(page, method)
        assert running.statuses == [200, 404, 405]


class TestAddress:
    """Where it listens."""

    def test_it_serves_on_ipv6(self) -> None:
        """An IPv6 address is an address."""
        try:
            server = Server("::1", 0, Jobs, WebConfigFile(""))  # type: ignore[arg-type]  # no request is made
        except DaemonError as error:
            pytest.skip(f"no IPv6 here: {error}")
        assert server.url.startswith("http://[::1]:")
        server.close()

    def test_an_address_of_another_machine_is_refused(self) -> None:
        """It is named, with the setting to change."""
        with pytest.raises(DaemonError, match=r"192\.0\.2\.1:0 cannot be listened on.*\[http\] listen"):
            Server("192.0.2.1", 0, Jobs, WebConfigFile(""))  # type: ignore[arg-type]

    def test_an_address_in_use_is_refused(self, serve: Serve) -> None:
        """Two daemons cannot have one."""
        with pytest.raises(DaemonError, match=r"is in use.*\[http\] listen"):
            Server("127.0.0.1", serve().port, Jobs, WebConfigFile(""))  # type: ignore[arg-type]


class TestSlowClients:
    """Clients that send little, or read little, keep neither descriptors nor others."""

    def test_hundreds_of_slow_clients_hold_a_few_descriptors(self, serve: Serve) -> None:
        """320 clients with half a request each: /metrics answers, at most MOST connections stay open."""
        number, running = 5 * connection.MOST, serve()
        with ExitStack() as stack:
            for begun in range(1, number + 1):
                slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
                slow.sendall(b"GET /metr")
                # A client that finds the backlog full tries again after a second: no test needs to wait for that.
                accepted(running, begun - BACKLOG + 1)
            assert running.get("/metrics").status == 200
            assert len(running.server.connections) <= connection.MOST
            assert len(running.dropped) >= number - connection.MOST
            for _ in range(5):
                assert running.get("/metrics").status == 200

    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"GET /metr",
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-A: ",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        ],
        ids=["nothing", "line", "header", "body"],
    )
    def test_a_request_has_a_time_limit_as_a_whole(
        self, sent: bytes, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A byte now and then does not prolong it."""
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.6)
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.6)
        running = serve()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as slow:
            slow.sendall(sent)
            began, ended = time.monotonic(), None
            while ended is None and time.monotonic() < began + 8:
                try:
                    slow.sendall(b"a")
                    slow.settimeout(0.1)
                    ended = time.monotonic() if self._is_closed(slow) else None
                except OSError:
                    ended = time.monotonic()
        assert ended is not None
        assert running.dropped == [None]

    @staticmethod
    def _is_closed(peer: socket.socket) -> bool:
        """Whether the other side closed, once all that it sent is read."""
        try:
            return peer.recv(65536) == b""
        except TimeoutError:
            return False

    def test_a_client_that_does_not_read_is_closed(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """A large response does not stay in memory for as long as the client likes."""
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.5)
        running = serve(jobs=Jobs(metrics=lambda: b"x" * (32 << 20)))
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as deaf:
            deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            deadline = time.monotonic() + 10
            while not running.dropped and time.monotonic() < deadline:
                time.sleep(0.05)
        assert running.dropped == [None]

    def test_an_answer_under_way_is_not_cut_off_for_a_new_connection(self, serve: Serve) -> None:
        """Not even once the server has made all of it, and the client has yet to take the rest."""
        body = b"x" * (16 << 20)
        running = serve(jobs=Jobs(metrics=lambda: body))
        with ExitStack() as stack:
            reader = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            until(lambda: bool(running.statuses))
            for number in range(2, connection.MOST + 2):
                stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
                accepted(running, number)
            taken = 0
            while block := reader.recv(1 << 20):
                taken += len(block)
        assert taken > len(body)

    def test_a_broken_body_after_the_answer_is_nobodys_failure(self, serve: Serve) -> None:
        """The connection is closed; nothing is logged, which a client could do without end."""
        running = serve()
        with capture_logs() as logs:
            head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert exchange(running.port, head, b"no size\r\n").endswith(b"flowaudit_up 1\n")
        assert logs == []
        until(lambda: len(running.server.connections) == 0)

    def test_requests_in_one_packet_are_answered_in_order(self, serve: Serve) -> None:
        """Each with its own page."""
        pages = (b"/metrics", b"/healthz", b"/nope", b"/metrics")
        said = exchange(serve().port, b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % page for page in pages))
        places = [said.find(text) for text in (b"flowaudit_up", b"\r\n\r\nok\n", b"no such page")]
        assert places == sorted(places)
        assert (min(places) > 0, said.count(b"HTTP/1.1 "), said.count(b"flowaudit_up")) == (True, 4, 2)

    def test_one_connection_serves_several_requests(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time limit is of a request, not of the connection."""
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
        running = serve()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as patient:
            for _ in range(3):
                patient.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                said = b""
                while not said.endswith(b"\r\n\r\nok\n"):
                    said += patient.recv(65536)
                assert said.startswith(b"HTTP/1.1 200")
                time.sleep(0.7)
        assert running.dropped == []

    @pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"A" * 100_000, b"\r\n\r\n\0"])
    def test_what_is_not_http_is_refused(self, garbage: bytes, serve: Serve) -> None:
        """The connection ends, and the next is served."""
        running = serve()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as odd:
            odd.sendall(garbage + b"\r\n\r\n")
            try:
                said = odd.recv(65536)
            except ConnectionResetError:
                said = b""
        assert said == b"" or b" 400 " in said.splitlines()[0]
        assert running.get("/healthz").status == 200


class TestAuthentication:
    """Basic authentication by bcrypt hashes."""

    @pytest.fixture
    def running(self, serve: Serve) -> Running:
        """A server that knows one user, and is not ready."""
        return serve(f"basic_auth_users:\n  prometheus: {HASH}\n", Jobs(why_unready="no lake at s3://secret-place"))

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            (basic("prometheus", PASSWORD), 200),
            (basic("prometheus", PASSWORD).replace("Basic", "basic"), 200),
            (basic("prometheus", "wrong"), 401),
            (basic("prometheus", ""), 401),
            (basic("prometheus", PASSWORD + "\0"), 401),
            (basic("prometheus", "x" * 500), 401),
            (basic("Prometheus", PASSWORD), 401),
            (basic("nobody", "nobody's password"), 401),
            (basic("", ""), 401),
            ("Bearer " + PASSWORD, 401),
            ("Basic !!!", 401),
            ("Basic \xe9", 401),
            ("Basic " + base64.b64encode(b"\xff:x").decode(), 401),
            ("Basic", 401),
            ("", 401),
        ],
    )
    def test_a_password_is_needed(self, running: Running, authorization: str, status: int) -> None:
        """Name and password both have to be right; twice the same answer, though the first is remembered."""
        replies = [running.get("/metrics", Authorization=authorization) for _ in range(2)]
        assert [reply.status for reply in replies] == [status, status]
        if status == 401:
            assert replies[0].headers["www-authenticate"].startswith('Basic realm="flowaudit"')
            assert replies[0].body == b"unauthorized\n"

    def test_a_flood_of_wrong_passwords_does_not_make_the_right_one_wait(self) -> None:
        """What is known to be right is remembered: it need not wait for its turn to be compared with a hash."""
        users = {"prometheus": HASH}

        async def flood() -> list[float]:
            passwords, seconds = Passwords(), []
            assert await passwords.match(basic("prometheus", PASSWORD), users)
            for number in range(REMEMBERED + 1):
                assert not await passwords.match(basic("prometheus", str(number)), users)
            async with anyio.create_task_group() as tasks:
                for number in range(64):
                    tasks.start_soon(passwords.match, basic("nobody", f"other {number}"), users)
                await checkpoint()
                began = time.process_time()
                assert await passwords.match(basic("prometheus", PASSWORD), users)
                seconds.append(time.process_time() - began)
            return seconds

        assert anyio.run(flood)[0] < 0.001  # a hash takes longer

    def test_an_unknown_user_takes_as_long_as_a_known_one(self) -> None:
        """Whatever the cost of the hashes: who has a name is not told by a clock."""
        users = {"prometheus": "$2b$09$" + HASH[7:]}
        seconds: dict[str, list[float]] = {"prometheus": [], "nobody": []}
        for number in range(5):
            for user, taken in seconds.items():
                began = time.process_time()
                assert not anyio.run(Passwords().match, basic(user, str(number)), users)
                taken.append(time.process_time() - began)
        assert 0.5 < min(seconds["nobody"]) / min(seconds["prometheus"]) < 1.5

    def test_every_page_needs_it_but_those_of_probes(self, running: Running) -> None:
        """A probe has no password: it sees whether, and not why not."""
        for page in ("/", "/metrics", "/api/v1/query", "/nope"):
            assert running.get(page).status == 401
        assert (running.get("/healthz").status, running.get("/readyz").status) == (200, 503)
        assert running.get("/readyz").body == b"not ok\n"
        assert b"secret-place" in running.get("/readyz", Authorization=basic("prometheus", PASSWORD)).body

    def test_a_password_is_changed_without_a_restart(self, running: Running, tmp_path: Path) -> None:
        """The old one no longer serves, though it is remembered."""
        old, new = basic("prometheus", PASSWORD), basic("prometheus", "battery staple")
        assert running.get("/metrics", Authorization=old).status == 200
        changed = bcrypt.hashpw(b"battery staple", bcrypt.gensalt(4)).decode()
        (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  prometheus: {changed}\n")
        assert running.get("/metrics", Authorization=old).status == 401
        assert running.get("/metrics", Authorization=new).status == 200

    def test_a_file_that_turns_wrong_changes_nothing(self, running: Running, tmp_path: Path) -> None:
        """Nobody gets in who could not before, and nobody is locked out; a later right file is taken."""
        right = basic("prometheus", PASSWORD)
        for wrong in ("basic_auth_users: {prometheus: plain}", "{", "nonsense: 1", "\xff"):
            (tmp_path / "web.yml").write_bytes(wrong.encode("latin-1"))
            assert [running.get("/metrics").status, running.get("/metrics", Authorization=right).status] == [401, 200]
        (tmp_path / "web.yml").unlink()
        assert running.get("/metrics").status == 401
        (tmp_path / "web.yml").write_text("basic_auth_users: {}\n")
        assert running.get("/metrics").status == 200


class TestNames:
    """A web site whose name leads to the loopback cannot have a browser read what is served there."""

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("localhost", 200),
            ("localhost:9184", 200),
            ("LocalHost:9184", 200),
            ("127.0.0.1:9184", 200),
            ("127.0.0.2", 200),
            ("[::1]:9184", 200),
            ("prometheus.localhost", 200),
            ("attacker.example", 421),
            ("attacker.example:9184", 421),
            ("localhost.attacker.example", 421),
            ("192.0.2.1", 421),
            ("[2001:db8::1]:9184", 421),
        ],
    )
    def test_the_loopback_is_requested_by_its_own_names(self, serve: Serve, host: str, status: int) -> None:
        """Every page, those of probes too; others are refused with what to do."""
        running = serve()
        replies = [running.get(page, Host=host) for page in ("/metrics", "/healthz")]
        assert [reply.status for reply in replies] == [status, status]
        if status == 421:
            assert b"basic_auth_users" in replies[0].body

    def test_a_password_makes_any_name_do(self, serve: Serve) -> None:
        """The browser of a stranger does not have it."""
        running = serve(f"basic_auth_users: {{prometheus: {HASH}}}\n")
        right = {"Host": "flowaudit.example.com", "Authorization": basic("prometheus", PASSWORD)}
        assert running.get("/metrics", tls=None, **right).status == 200

    def test_an_address_that_others_reach_has_any_name(self, serve: Serve) -> None:
        """Only where nothing but the loopback is listened on."""
        running = serve(http={"listen": "0.0.0.0:9184"})
        assert running.get("/metrics", Host="flowaudit.example.com").status == 200


class TestRateLimit:
    """Requests within an interval and a burst."""

    def test_a_bucket_refills(self) -> None:
        """A burst at once, then one each interval."""
        bucket = Bucket(RateLimit(interval="2s", burst=3))  # type: ignore[arg-type]  # as the file has it
        assert [bucket.take(at) for at in (100, 100, 100, 100, 101, 102, 102, 104, 200, 200, 200, 200)] == [
            True, True, True, False, False, True, False, True, True, True, True, False,
        ]  # fmt: skip

    def test_no_interval_is_no_limit(self) -> None:
        """As in the exporter toolkit."""
        bucket = Bucket(RateLimit())
        assert all(bucket.take(1) for _ in range(100))

    def test_too_many_requests_are_refused(self, serve: Serve) -> None:
        """With 429; probes are not limited."""
        running = serve("rate_limit: {interval: 1h, burst: 2}\n")
        assert [running.get("/metrics").status for _ in range(4)] == [200, 200, 429, 429]
        assert [running.get("/healthz").status for _ in range(4)] == [200] * 4


class TestTls:
    """TLS as the exporter toolkit has it."""

    @pytest.fixture
    def folder(self, tmp_path: Path, authority: trustme.CA) -> Iterator[Path]:
        """A folder with certificate, key and the authority's certificate."""
        certified(authority, tmp_path)
        (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
        return tmp_path  # type: ignore[return-value]

    CONFIG = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n"
    MUTUAL = CONFIG + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"

    def test_it_serves_https_and_nothing_else(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """Names of files start at the folder of the web configuration; plain HTTP gets no answer."""
        running = serve(self.CONFIG)
        assert running.server.url.startswith("https://")
        assert running.get("/metrics", tls=client(authority)).body == b"flowaudit_up 1\n"
        with pytest.raises((OSError, Exception), match=r"."):
            running.get("/metrics")
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain:
            plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"flowaudit_up" not in self._rest(plain)

    @staticmethod
    def _rest(peer: socket.socket) -> bytes:
        try:
            return peer.recv(65536)
        except ConnectionResetError:
            return b""

    def test_a_certificate_is_renewed_without_a_restart(
        self, serve: Serve, folder: Path, authority: trustme.CA
    ) -> None:
        """The next connection has the new one; until both files fit, the old one holds."""
        running, other = serve(self.CONFIG), trustme.CA()
        made = other.issue_cert("127.0.0.1")
        (folder / "tls.crt").write_bytes(made.cert_chain_pems[0].bytes())
        assert running.get("/metrics", tls=client(authority)).status == 200  # the key is not there yet
        (folder / "tls.key").write_bytes(made.private_key_pem.bytes())
        assert running.get("/metrics", tls=client(other)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            running.get("/metrics", tls=client(authority))

    def test_a_file_that_is_named_before_it_is_there(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """It is taken once it is there, though the web configuration does not change again; each is read once."""
        running, other = serve(self.CONFIG), trustme.CA()
        with capture_logs() as logs:
            (folder / "web.yml").write_text(self.CONFIG.replace("tls.", "new."))
            for _ in range(2):
                assert running.get("/metrics", tls=client(authority)).status == 200
            made = other.issue_cert("127.0.0.1")
            (folder / "new.key").write_bytes(made.private_key_pem.bytes())
            (folder / "new.crt").write_bytes(made.cert_chain_pems[0].bytes())
            for _ in range(2):
                assert running.get("/metrics", tls=client(other)).status == 200
        words = [each["event"].removeprefix("web configuration ") for each in logs if each["log_level"] != "debug"]
        assert words == ["not reloaded", "reloaded"]

    def test_a_certificate_is_renewed_as_kubernetes_does(
        self, serve: Serve, folder: Path, authority: trustme.CA
    ) -> None:
        """By a link to another folder."""
        other = trustme.CA()
        certified(authority, folder / "v1")
        certified(other, folder / "v2")
        (folder / "data").symlink_to("v1")
        running = serve(self.CONFIG.replace("tls.", "data/tls."))
        assert running.get("/metrics", tls=client(authority)).status == 200
        (folder / "next").symlink_to("v2")
        (folder / "next").rename(folder / "data")
        assert running.get("/metrics", tls=client(other)).status == 200

    def test_tls_is_not_dropped_by_a_change_of_the_file(
        self, serve: Serve, folder: Path, authority: trustme.CA
    ) -> None:
        """That takes a restart."""
        running = serve(self.CONFIG)
        (folder / "web.yml").write_text("basic_auth_users: {}\n")
        assert running.get("/metrics", tls=client(authority)).status == 200

    def test_a_client_needs_a_certificate_where_it_is_required(
        self, serve: Serve, folder: Path, authority: trustme.CA
    ) -> None:
        """Of the authority that is named."""
        running = serve(self.MUTUAL)
        known, stranger, anonymous = (client(authority) for _ in range(3))
        authority.issue_cert("prometheus").configure_cert(known)
        trustme.CA().issue_cert("prometheus").configure_cert(stranger)
        assert running.get("/metrics", tls=known).status == 200
        for other in (stranger, anonymous):
            with pytest.raises(OSError, match=r"(?i)certificate|closed|reset|unknown ca|eof"):
                running.get("/metrics", tls=other)

    def test_only_names_that_are_allowed(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """client_allowed_sans picks among the authority's clients."""
        running = serve(self.MUTUAL + "  client_allowed_sans: [prometheus.example.com]\n")
        allowed, other = client(authority), client(authority)
        authority.issue_cert("prometheus.example.com").configure_cert(allowed)
        authority.issue_cert("grafana.example.com").configure_cert(other)
        assert running.get("/metrics", tls=allowed).status == 200
        with pytest.raises((OSError, Exception), match=r"(?i)closed|reset|eof|disconnected"):
            running.get("/metrics", tls=other)

    def test_addresses_that_are_allowed(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """IPv6 in any spelling."""
        running = serve(self.MUTUAL + "  client_allowed_sans: ['2001:db8::1', scraper@example.com]\n")
        for name in ("2001:db8::1", "scraper@example.com"):
            allowed = client(authority)
            authority.issue_cert(name).configure_cert(allowed)
            assert running.get("/metrics", tls=allowed).status == 200

    def test_clients_that_leave_during_the_handshake_are_forgotten(self, serve: Serve, folder: Path) -> None:
        """At once, and without a word: load balancers open connections just to see that they open."""
        running = serve(self.CONFIG)
        with capture_logs() as logs:
            for sent in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", running.port), timeout=10) as leaving:
                    leaving.sendall(sent)
            time.sleep(0.3)
            until(lambda: len(running.server.connections) == 0, 3)
        assert ([each for each in logs if each["log_level"] != "debug"], running.dropped) == ([], [])

    def test_old_versions_are_refused(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """min_version TLS13 leaves TLS 1.2 out."""
        running = serve(self.CONFIG + "  min_version: TLS13\n")
        old = client(authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            running.get("/metrics", tls=old)
        assert running.get("/metrics", tls=client(authority)).status == 200

    def test_a_handshake_that_never_ends_is_ended(
        self, serve: Serve, folder: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Connections count from the first byte on, not from the handshake on."""
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
        running = serve(self.CONFIG)
        with capture_logs() as logs, ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
                for _ in range(100)
            ]
            assert running.get("/metrics", tls=client(authority)).status == 200
            assert len(running.server.connections) <= connection.MOST
            assert all(self._rest(each) == b"" for each in silent)
        assert not [each for each in logs if each["log_level"] != "debug"]

    def test_many_clients_at_a_time(self, serve: Serve, folder: Path, authority: trustme.CA) -> None:
        """A request that comes with the end of the handshake is not lost."""
        running, trusting = serve(self.CONFIG), client(authority)
        with ThreadPoolExecutor(8) as threads:
            replies = list(threads.map(lambda _: running.get("/metrics", tls=trusting).status, range(64)))
        assert replies == [200] * 64


def test_the_time_limits_are_as_documented() -> None:
    """Ten seconds for a request to come in, a minute for all of it."""
    assert (connection.REQUEST_SECONDS, connection.ANSWER_SECONDS, connection.MOST) == (10, 60, 64)
    assert timedelta(seconds=connection.ANSWER_SECONDS) > timedelta(seconds=20)
