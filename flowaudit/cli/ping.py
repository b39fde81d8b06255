"""`flowaudit ping`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.options import config_of
from flowaudit.errors import ConfigError, DaemonError

if TYPE_CHECKING:
    from ssl import SSLContext

    from flowaudit.config import Http
    from flowaudit.config.web import Tls

MOST_SHOWN = 500
"""Characters of a response that are shown."""


class _NoTls(DaemonError):
    """The peer speaks no TLS."""


def ping(
    ctx: typer.Context,
    ready: Annotated[bool, typer.Option("--ready", help="Check readiness instead of health.")] = False,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait.")] = "5s",
) -> None:
    """Check that the daemon answers.

    Requests /healthz from the address under [http] listen. Exit code 0: healthy; 3: not. For health checks of
    containers.
    """
    from flowaudit.config import parse_duration

    http, seconds = config_of(ctx).http, parse_duration(timeout).total_seconds()
    if not http.port or not seconds:
        wrong = "[http] listen has port 0" if seconds else "--timeout is 0"
        raise ConfigError(f"{wrong}: name one that is not 0")
    print(_answer(http, "/readyz" if ready else "/healthz", seconds))


def _answer(http: Http, page: str, seconds: float) -> str:
    """Return what a page says; raises DaemonError unless its status is 200."""
    from pathlib import Path

    from flowaudit.config.web import Tls, parse

    if not http.web_config:
        return _asked(http, None, page, seconds)
    try:
        tls = parse(Path(http.web_config)).tls_server_config
    except ConfigError:
        # It was right when the daemon read it: what the daemon has since then is to be found out.
        required = Tls(cert="?", key="?", client_ca="?", client_auth_type="RequireAndVerifyClientCert")
        try:
            return _asked(http, required, page, seconds)
        except _NoTls:
            return _asked(http, None, page, seconds)
    return _asked(http, tls, page, seconds)


def _asked(http: Http, tls: Tls | None, page: str, seconds: float) -> str:
    import ssl
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(http.host, http.host)  # noqa: S104
    url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{http.port}{page}"
    connection = (
        HTTPSConnection(host, http.port, timeout=seconds, context=_unverified())
        if tls
        else HTTPConnection(host, http.port, timeout=seconds)
    )
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        text = answer.read(MOST_SHOWN).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            raise _NoTls(f"{url}: no TLS there: is it the daemon, with the same [http] web_config?") from None
        refused = isinstance(error, ssl.SSLError | ConnectionError) and not isinstance(error, ConnectionRefusedError)
        if refused and tls and tls.client_auth_type == "RequireAndVerifyClientCert":
            if page == "/healthz":
                return "ok: it asks for a client certificate"
            raise DaemonError(f"{url}: not known: it asks for a client certificate, which ping has not") from None
        why = "no answer in time" if isinstance(error, TimeoutError) else f"no answer: {error}"
        raise DaemonError(f"{url}: {why}; is `flowaudit run` running, with the same [http] listen?") from None
    finally:
        connection.close()
    if answer.status != 200:  # noqa: PLR2004  OK
        raise DaemonError(f"{url}: status {answer.status}: {text}")
    return text


def _unverified() -> SSLContext:
    """Return a TLS context that takes any certificate.

    The address is the daemon's own, and nothing secret is sent to it: its certificate has the name that others use.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
