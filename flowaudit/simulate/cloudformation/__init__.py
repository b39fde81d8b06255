"""A stand-in for AWS CloudFormation before moto, for the demo and for tests.

It takes CloudFormation's API over HTTP and makes the resource types of our template by ordinary calls of boto3. moto's
own CloudFormation drops properties, knows no drift and deletes no stack. moto has to run in this process: what it
loses of a resource is set on its own objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from werkzeug.serving import WSGIRequestHandler, make_server

from flowaudit.simulate.cloudformation.api import Api
from flowaudit.simulate.cloudformation.cloud import MakeClient
from flowaudit.simulate.cloudformation.engine import ACCOUNT, Engine

__all__ = ["ACCOUNT", "Engine", "MakeClient", "serve"]

LOOPBACK = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


@contextmanager
def serve(engine: Engine, *, port: int = 0, region: str = "us-east-1") -> Iterator[str]:
    """Yield the URL at which the engine answers: the value of AWS_ENDPOINT_URL_CLOUDFORMATION."""
    server = make_server(LOOPBACK, port, Api(engine, region), threaded=True, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        engine.join()
        server.server_close()
