"""`flowaudit setup plan | apply | status | verify | drift | destroy`, as a user types them, in an emulated account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sagemaker.responses import SageMakerResponse
from moto.server import ThreadedMotoServer

from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.simulate.cloudformation import serve
from tests.cli.conftest import Run
from tests.cli.setup_cloud import Calls, Cloud, listened
from tests.simulate.cloudformation.road import Road

NAT = 'profile = "nat"\nnat = "single"'


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
    road, calls = Road(moto), Calls()
    listened(monkeypatch, calls)
    with serve(road.engine) as url:
        for service in ("CLOUDFORMATION", "OBSERVABILITYADMIN"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        it = Cloud(road, run, tmp_path, calls)
        it.wants()
        yield it


# --- the road ---------------------------------------------------------------------------------------------------------


def test_a_plan_changes_nothing(cloud: Cloud) -> None:
    """Each resource of the template is to be added; neither a stack nor a resource is left."""
    before = cloud.left()
    ended = cloud.setup("plan")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "stack sagemaker in us-east-1, new:"
    assert lines[-1] == f"{len(lines) - 2} to add"
    assert {line.split()[1] for line in lines[1:-1]} == {"add"}
    assert (cloud.stacks, cloud.left()) == ({}, before)


def test_the_road(cloud: Cloud) -> None:
    """Apply makes the VPC, a second one changes nothing, it is as expected, nothing drifted, and destroy ends it."""
    before = cloud.left()
    ended = cloud.applied("", "--watch-config", "watch.toml")
    assert set(ended.json) == {"SecurityGroupIds", "Subnets"}
    print(ended.err, file=open("/tmp/road.txt","a"))
    ids, events, file = cloud.road.ids(), cloud.road.events(), (cloud.folder / "watch.toml").stat()

    again = cloud.applied("", "--watch-config", "watch.toml")
    assert again.stdout == ended.stdout
    print(again.err, file=open("/tmp/road.txt","a"))
    assert (cloud.road.ids(), cloud.road.events()) == (ids, events)
    after = (cloud.folder / "watch.toml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (file.st_ino, file.st_mtime_ns)

    for verb in ("verify", "drift", "status", "plan"):
        ended = cloud.setup(verb)
        assert ended.code == 0, ended
        print(ended.out, ended.err, file=open("/tmp/road.txt","a"))

    ended = cloud.setup("destroy", "--yes")
    assert ended.code == 0, ended.err
    print(ended, file=open("/tmp/road.txt","a"))
    assert cloud.left() == before | {"buckets": [ids["FlowLogBucket"]]}
    ended = cloud.setup("destroy", "--yes")
    print(ended, file=open("/tmp/road.txt","a"))
    print(sorted(cloud.calls.made), file=open("/tmp/road.txt","a"))
    assert 0
