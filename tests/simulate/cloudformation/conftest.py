"""A cloud over HTTP: moto's server, and the stand-in for CloudFormation before it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from flowaudit.simulate.cloudformation import serve
from tests.simulate.cloudformation.road import Road


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Return the URL of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def road(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    """Return an empty cloud with the stand-in, and its clients."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    urlopen(Request(f"{moto}/moto-api/reset", method="POST"), timeout=10).close()
    road = Road(moto)
    with serve(road.engine) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", url)
        yield road
