"""A mirror of AWS's address ranges on the loopback, in every mood, and files as AWS writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Event, Thread
from typing import Any

ENTRIES = [
    ("192.0.2.0/24", "eu-west-1", "AMAZON"),
    ("192.0.2.0/24", "eu-west-1", "EC2"),
    ("192.0.2.0/24", "eu-west-1", "S3"),
    ("192.0.2.128/25", "GLOBAL", "AMAZON"),
    ("198.51.100.0/24", "us-east-1", "AMAZON"),
    ("2001:db8::/32", "eu-west-1", "AMAZON"),
    ("2001:db8:1::/48", "eu-west-1", "S3"),
]


def many(count: int) -> list[tuple[str, str, str]]:
    """That many IPv4 ranges, and one of IPv6."""
    first = int(ip_address("10.0.0.0"))
    return [(f"{ip_address(first + n)}/32", "eu-west-1", "AMAZON") for n in range(count)] + [ENTRIES[-1]]


def document(date: datetime, entries: list[tuple[str, str, str]] = ENTRIES, **replaced: Any) -> bytes:
    """A file in AWS's syntax, of this date; `replaced` stands in it instead of what would."""
    named = [
        {("ipv6_prefix" if ":" in prefix else "ip_prefix"): prefix, "region": region, "service": service}
        | {"network_border_group": region}
        for prefix, region, service in entries
    ]
    lists = {
        name: [one for one in named if key in one]
        for name, key in (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix"))
    }
    head = {"syncToken": str(int(date.timestamp())), "createDate": f"{date:%Y-%m-%d-%H-%M-%S}"}
    return json.dumps(head | lists | replaced).encode()


class Mirror:
    """What the server answers, by path: each time the next in its list, and the last for ever; and what was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: dict[str, list[Callable[[BaseHTTPRequestHandler], None]]] = {}
        self.asked: list[str] = []
        self.over = Event()

    def answer(self, path: str, *answers: Callable[[BaseHTTPRequestHandler], None]) -> str:
        """Set what a path answers and return its URL."""
        self.answers[path] = list(answers)
        return f"{self.address}{path}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(request.path)
        answers = self.answers[request.path.partition("?")[0]]
        (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    def silence(self, request: BaseHTTPRequestHandler) -> None:
        """Say nothing before the test is over."""
        self.over.wait(60)


def body(content: bytes, code: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with this body; `Content_Length` is that of the body where no other is given."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            if value:
                request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def redirect(target: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send to another address."""
    return body(b"", 302, Location=target)


@contextmanager
def running() -> Iterator[Mirror]:
    """Serve on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.handle(self)

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield mirror
        finally:
            mirror.over.set()
            server.shutdown()
