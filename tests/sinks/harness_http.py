"""Receivers on the loopback for the sinks that speak HTTP, and a server that answers as it is told."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, Self

import standardwebhooks

from flowaudit.config.sinks import AlertmanagerSink, PagerDutySink, SlackSink, WebhookSink
from flowaudit.sinks import Sink
from flowaudit.sinks.alertmanager import Alertmanager
from flowaudit.sinks.pagerduty import PagerDuty
from flowaudit.sinks.slack import Slack
from flowaudit.sinks.webhook import Webhook
from tests.sinks.harness import NOW, Failure, Received

LOOPBACK = ("127.0.0.0/8",)
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
KEY = re.compile(r"\b[0-9a-f]{12}-\d+\b")


@dataclass(frozen=True)
class Request:
    """A POST as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)


class Server:
    """An HTTP server on the loopback that keeps what it accepted; `answer` decides each request."""

    def __init__(self, answer: Callable[[Request], Reply] = lambda request: Reply(), port: int = 0) -> None:
        self.answer = answer
        self.accepted: list[Request] = []
        self.asked: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path, dict(self.headers.items()), body)
                reply = outer.answer(request)
                outer.asked.append(request)
                if reply.status // 100 == 2:
                    outer.accepted.append(request)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class HttpHarness:
    """What the receivers of all four have in common."""

    kind: str
    can: frozenset[Failure] = frozenset({"down", "throttled", "denied", "refusing", "none"})
    taken: ClassVar[Reply] = Reply()
    refusal: ClassVar[bytes] = b"malformed"
    rotates: ClassVar[bool] = True
    """Whether there is a secret, which lies in the file `secret`."""

    def __init__(self) -> None:
        self.server = Server(self._answer)
        self._how: Failure = "none"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.secret = Path(self._folder.name) / "secret"
        self.secret.write_text(self.first_secret())
        self.server.__enter__()
        return self

    def __exit__(self, *stop: object) -> None:
        self.server.__exit__(*stop)
        self._folder.cleanup()

    def first_secret(self) -> str:
        """The secret that lies in the file when the receiver starts."""
        return ""

    def second_secret(self) -> str:
        """The secret that takes its place."""
        return self.first_secret()[:-3] + "9Y="

    def used(self, secret: str) -> bool:
        """Whether the newest request was made with a secret."""
        return secret in self.server.accepted[-1].body.decode()

    def without_secret(self, variable: str) -> Sink:
        """A sink whose secret is in an environment variable."""
        raise NotImplementedError

    def sink(self, **settings: Any) -> Sink:
        """A sink that sends to the receiver."""
        raise NotImplementedError

    def received(self) -> Sequence[Received]:
        """Everything that the receiver has accepted so far, in order."""
        return [one for request in self.server.accepted for one in self._read(request)]

    def fail(self, how: Failure) -> None:
        """Make what is sent from now on fail; `refusing` is about the finding bad000000000 only."""
        self._how = how

    def _answer(self, request: Request) -> Reply:
        match self._how:
            case "down":
                return Reply(503, b"back soon", {"Retry-After": "7"})
            case "throttled":
                return Reply(429, b"slow down", {"Retry-After": "30"})
            case "denied":
                return Reply(403, b"forbidden")
            case "refusing" if b"bad000000000" in request.body:
                return Reply(400, self.refusal + b" " + self.secret.read_bytes())
        return self.taken

    def _read(self, request: Request) -> list[Received]:
        text = request.body.decode()
        return [Received(key, text) for key in dict.fromkeys(KEY.findall(text))]

    def _settings(self, **settings: Any) -> dict[str, Any]:
        return {"name": "here", "type": self.kind, "allowed_networks": LOOPBACK, "timeout": "5s", **settings}


class WebhookHarness(HttpHarness):
    """A receiver of Standard Webhooks."""

    kind = "webhook"

    def first_secret(self) -> str:
        """A signing secret."""
        return SECRET

    def sink(self, **settings: Any) -> Sink:
        """A webhook that sends to the receiver."""
        given = {"url": f"{self.server.url}/hook-path", "secrets": [{"file": str(self.secret)}], **settings}
        return Webhook(WebhookSink.model_validate(self._settings(**given)))

    def used(self, secret: str) -> bool:
        """Whether the newest request is signed with a secret."""
        request = self.server.accepted[-1]
        try:
            standardwebhooks.Webhook(secret).verify(request.body, dict(request.headers))
        except standardwebhooks.WebhookVerificationError:
            return False
        return True

    def without_secret(self, variable: str) -> Sink:
        """A webhook whose secret is in an environment variable."""
        return self.sink(secrets=[{"env": variable}])

    def _read(self, request: Request) -> list[Received]:
        return [Received(request.headers["webhook-id"], request.body.decode())]


class SlackHarness(HttpHarness):
    """A receiver that answers as Slack does."""

    kind = "slack"
    refusal = b"invalid_payload"

    def first_secret(self) -> str:
        """The URL of an incoming webhook."""
        return f"{self.server.url}/services/T0/B0/slackToken1234"

    def sink(self, **settings: Any) -> Sink:
        """A Slack sink that does not wait between messages."""
        given = {"url": {"file": str(self.secret)}, **settings}
        return Slack(SlackSink.model_validate(self._settings(**given)), sleep=lambda seconds: None)

    def used(self, secret: str) -> bool:
        """Whether the newest request was to a URL."""
        return f"{self.server.url}{self.server.accepted[-1].path}" == secret

    def without_secret(self, variable: str) -> Sink:
        """A Slack sink whose URL is in an environment variable."""
        return self.sink(url={"env": variable})


class PagerDutyHarness(HttpHarness):
    """A receiver that answers as PagerDuty's Events API does."""

    kind = "pagerduty"
    taken = Reply(202, b'{"status":"success","message":"Event processed"}')
    refusal = b'{"status":"invalid event","message":"Event object is invalid"}'

    def first_secret(self) -> str:
        """A routing key."""
        return "r0utingkeyr0utingkeyr0utingkey12"

    def sink(self, **settings: Any) -> Sink:
        """A PagerDuty sink that sends to the receiver."""
        given = {"url": f"{self.server.url}/v2/enqueue", "routing_key": {"file": str(self.secret)}, **settings}
        return PagerDuty(PagerDutySink.model_validate(self._settings(**given)))

    def without_secret(self, variable: str) -> Sink:
        """A PagerDuty sink whose routing key is in an environment variable."""
        return self.sink(routing_key={"env": variable})

    def _read(self, request: Request) -> list[Received]:
        return [Received(request.json["payload"]["custom_details"]["event_id"], request.body.decode())]


class AlertmanagerHarness(HttpHarness):
    """A receiver that answers as Alertmanager does; there are no secrets."""

    kind = "alertmanager"
    rotates = False

    def sink(self, **settings: Any) -> Sink:
        """An Alertmanager sink that sends to the receiver, at the time of the events."""
        given = {"urls": [self.server.url], **settings}
        return Alertmanager(AlertmanagerSink.model_validate(self._settings(**given)), clock=NOW.timestamp)

    def _read(self, request: Request) -> list[Received]:
        return [
            Received(alert["annotations"]["event"], json.dumps(alert, ensure_ascii=False)) for alert in request.json
        ]
