"""Fixtures of the tests of `flowaudit setup`: an account in AWS's mock, empty before each test."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from botocore.loaders import create_loader
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sagemaker.responses import SageMakerResponse
from moto.server import ThreadedMotoServer

from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.setup.stack import Patience
from flowaudit.simulate.cloudformation import serve
from tests.cli.conftest import Run
from tests.cli.setup_cloud import Calls, Cloud, listened
from tests.simulate.cloudformation.road import Road


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Serve AWS's mock and return its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(moto: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty account, and a configuration that wants a VPC in it."""
    urlopen(Request(f"{moto}/moto-api/reset", method="POST"), timeout=10).close()
    for kind in KINDS:
        if not hasattr(SageMakerResponse, kind.list_operation):
            answer = json.dumps({kind.key: []})
            monkeypatch.setattr(SageMakerResponse, kind.list_operation, lambda _, told=answer: told, raising=False)
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    loader = create_loader()  # reads the models of AWS's services once
    monkeypatch.setattr("botocore.session.create_loader", lambda _: loader)
    patience = (0.02, 0.05, 60.0, time.sleep, time.monotonic)  # the stand-in is quicker than AWS
    monkeypatch.setattr(Patience.__init__, "__defaults__", patience)
    road, calls = Road(moto), Calls()
    listened(monkeypatch, calls)
    with serve(road.engine) as url:
        for service in ("CLOUDFORMATION", "OBSERVABILITYADMIN"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        it = Cloud(road, run, tmp_path, calls)
        it.wants()
        yield it
