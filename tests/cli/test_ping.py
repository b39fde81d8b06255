"""`flowaudit ping` is the health check of a container: it says by its exit code whether the daemon answers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.web import Server, WebConfigFile, site
from tests.cli.conftest import Run
from tests.web.conftest import Jobs


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def serving(tmp_path: Path, port: int, jobs: Jobs, web_config: str = "") -> Server:
    """A server that serves."""
    file = WebConfigFile(web_config)
    app = App(Config.model_validate({"lake": {"uri": str(tmp_path / "lake")}}))
    server = Server("127.0.0.1", port, site(app, jobs, file), file)
    server.start()
    return server


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_health_and_readiness(
    listen: str, run: Run, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where it is well, 3 and the reason where not; any address is asked by that of this machine."""
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"{listen}:{port}")
    server = serving(tmp_path, port, Jobs(why_unready="no collect has succeeded yet"))
    try:
        well, ready = run("ping"), run("ping", "--ready")
    finally:
        server.close()
    assert (well.code, well.out) == (0, "ok\n")
    assert ready.code == 3
    assert "/readyz: status 503: no collect has succeeded yet" in ready.err


def test_nobody_answers(run: Run, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, with the address."""
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"127.0.0.1:{port}")
    ended = run("ping")
    assert ended.code == 3
    assert f"http://127.0.0.1:{port}/healthz: no answer: " in ended.err


def test_somebody_answers_too_late(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that takes connections and says nothing is not well."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"127.0.0.1:{silent.getsockname()[1]}")
        ended = run("ping", "--timeout", "1s")
    assert ended.code == 3
    assert "no answer in time" in ended.err


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "client certificates"])
def test_it_knows_the_web_configuration(
    mutual: bool, run: Run, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TLS it asks by TLS, with any certificate; a password is not needed."""
    authority = trustme.CA()
    made = authority.issue_cert("flowaudit.example.com")
    (tmp_path / "tls.pem").write_bytes(made.private_key_and_cert_chain_pem.bytes())
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    more = "\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem" if mutual else ""
    config = tmp_path / "web.yml"
    users = f"basic_auth_users: {{a: $2b$04${'a' * 53}}}\n"
    config.write_text(f"tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.pem{more}\n{users}")
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("FLOWAUDIT_HTTP__WEB_CONFIG", str(config))
    server = serving(tmp_path, port, Jobs(), str(config))
    try:
        well, ready = run("ping"), run("ping", "--ready")
    finally:
        server.close()
    assert well.code == 0
    assert ("ok: it asks for a client certificate" if mutual else "ok\n") in well.out
    assert ready.code == (3 if mutual else 0)


@pytest.mark.parametrize("kind", ["plain", "tls", "client certificates"])
def test_a_web_configuration_that_became_wrong_does_not_make_the_daemon_unhealthy(
    kind: str, run: Run, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon goes on with what it read before: nothing may restart it, for it would not start again."""
    authority = trustme.CA()
    (tmp_path / "tls.pem").write_bytes(authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    tls = "tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.pem\n"
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
    config = tmp_path / "web.yml"
    config.write_text({"plain": "{}", "tls": tls, "client certificates": tls + more}[kind])
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("FLOWAUDIT_HTTP__WEB_CONFIG", str(config))
    server = serving(tmp_path, port, Jobs(), str(config))
    try:
        config.write_text("nonsense: 1")
        wrong = run("ping")
        config.unlink()
        gone = run("ping")
    finally:
        server.close()
    assert (wrong.code, gone.code) == (0, 0)


def test_a_stranger_without_tls_is_not_the_daemon(
    run: Run, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 where TLS is configured and something else answers, also where a refusal is what was expected."""
    authority = trustme.CA()
    (tmp_path / "tls.pem").write_bytes(authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "web.yml").write_text(
        "tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.pem\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
    )
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("FLOWAUDIT_HTTP__WEB_CONFIG", str(tmp_path / "web.yml"))
    stranger = serving(tmp_path, port, Jobs())
    try:
        ended = run("ping")
    finally:
        stranger.close()
    assert ended.code == 3
    assert "no TLS there" in ended.err


@pytest.mark.parametrize(
    ("listen", "arguments", "message"),
    [("127.0.0.1:0", (), "[http] listen has port 0"), ("127.0.0.1:9184", ("--timeout", "0s"), "--timeout is 0")],
)
def test_what_cannot_be_asked(
    listen: str, arguments: tuple[str, ...], message: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2."""
    monkeypatch.setenv("FLOWAUDIT_HTTP__LISTEN", listen)
    ended = run("ping", *arguments)
    assert (ended.code, message in ended.err) == (2, True)


def test_check_checks_the_web_configuration(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the daemon is started with it."""
    (tmp_path / "web.yml").write_text("basic_auth_users: {a: plain}")
    monkeypatch.setenv("FLOWAUDIT_HTTP__WEB_CONFIG", str(tmp_path / "web.yml"))
    ended = run("check")
    assert ended.code == 2
    assert "basic_auth_users.a: must be a bcrypt hash" in ended.err
