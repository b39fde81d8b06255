"""The demo's cloud: AWS's mock in this process, CloudFormation's stand-in before it, and the VPC of `setup apply`."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flowaudit.app import client
from flowaudit.errors import ConfigError, SetupError

if TYPE_CHECKING:
    import pyarrow as pa

    from flowaudit.simulate.cloud import Cloud

LONGEST = 300
"""Seconds that a verb may take."""


@contextmanager
def emulated() -> Iterator[None]:
    """Serve AWS's API on the loopback, and let this process, whatever its environment, talk to that only."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # before the mock is imported: it reads the profile
    try:
        import numpy as np  # noqa: F401, the simulator's
        from moto.server import ThreadedMotoServer

        from flowaudit.simulate import cloudformation
        from flowaudit.simulate.lacking import complete_moto
    except ImportError as error:
        message = (
            f"the demo needs AWS's mock, and {error.name} is not installed: install flowaudit with the extra demo, "
            "in a checkout: pip install '.[demo]'"
        )
        raise ConfigError(message) from error
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # what the mock lacks, it says in tracebacks
    complete_moto()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": host,
        "no_proxy": host,
    }
    try:
        with cloudformation.serve(cloudformation.Engine(client)) as url:
            os.environ |= {f"AWS_ENDPOINT_URL_{name}": url for name in ("CLOUDFORMATION", "OBSERVABILITYADMIN")}
            yield
    finally:
        server.stop()


class Stage:
    """The VPC of the demo, and the folder with its configuration."""

    def __init__(self, folder: Path) -> None:
        """Write the configuration with `[setup]`."""
        from flowaudit.simulate.cloud import SETUP

        self.folder, self._config = folder, folder / "setup.toml"
        self._config.write_text(SETUP, "utf-8")

    def apply(self) -> list[str]:
        """Make the VPC as a user does, and return what is to be shown of it; raises SetupError."""
        said = self._run("apply", "--yes", "--watch-config", str(self.folder / "watch.toml"))
        config = json.loads("".join(said[said.index("{") : said.index("}") + 1]))
        added = [line for line in said if line.endswith(" to add")]
        return [*added, *(f"{name}: {', '.join(config[name])}" for name in config)]

    def verify(self) -> str:
        """Return how many properties of the VPC are as expected; raises SetupError where any is not."""
        return self._run("verify")[-1]

    def drift(self) -> list[str]:
        """Return what `setup drift` prints; raises SetupError."""
        return [line for line in self._run("drift", expected=1) if line.strip()]

    def destroy(self, cloud: Cloud) -> list[str]:
        """Delete the workloads and then the VPC, and return what is to be shown of it; raises SetupError."""
        from flowaudit.simulate.cloud import empty

        empty(client("ec2"), client("sagemaker"), cloud)
        said = self._run("destroy", "--yes")
        return [line for line in said if "_IN_PROGRESS" not in line and "DELETE_COMPLETE" not in line]

    def populate(self) -> Cloud:
        """Put workloads into the VPC, with two mistakes."""
        from flowaudit.simulate.cloud import populate

        (stack,) = client("cloudformation").describe_stacks()["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        return populate(client("ec2"), client("s3"), client("sagemaker"), outputs)

    def write(self, cloud: Cloud, records: pa.Table) -> list[str]:
        """Deliver the objects of the flow log for some records, and return their keys."""
        s3, keys = client("s3"), []
        for key, content in cloud.objects(records):
            s3.put_object(Bucket=cloud.bucket, Key=key, Body=content)
            keys.append(key)
        return keys

    def _run(self, *arguments: str, expected: int = 0) -> list[str]:
        """Return the lines of `flowaudit setup …`; raises SetupError where it ends in another exit code."""
        command = [sys.executable, "-m", "flowaudit", "--config", str(self._config), "setup", *arguments]
        ran = subprocess.run(  # noqa: S603  our own program, with our own arguments
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST, check=False
        )
        if ran.returncode != expected:
            raise SetupError(f"setup {arguments[0]} ended with {ran.returncode}:\n{ran.stdout}")
        return ran.stdout.splitlines()
