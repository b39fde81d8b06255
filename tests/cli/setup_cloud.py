"""A cloud for `flowaudit setup`: moto's server, CloudFormation's stand-in, and what the program asks of both."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from tests.cli.conftest import Ended, Run
from tests.setup.recording import action_of
from tests.simulate.cloudformation.road import REGION, Road

ACCOUNT = "123456789012"
NO_ENDPOINTS = "interface_endpoints = { monitoring = false, sagemaker_api = false, sagemaker_runtime = false, sts = false }"
LEAST = f"""[setup]
region = "{REGION}"
buckets = {{ read_only = ["amzn-example-models"] }}
{NO_ENDPOINTS}
"""
"""The profile without NAT, with one interface endpoint."""


@dataclass
class Calls:
    """What the program calls, by IAM action; each may be denied, or have something happen before it."""

    made: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)

    def heard(self, client: BaseClient, operation: str) -> None:
        """Take a call; raises ClientError where it is denied."""
        action = action_of(client.meta.service_model, operation)
        self.made.add(action)
        if action in self.before:
            self.before.pop(action)()
        if action in self.denied:
            code = "UnauthorizedOperation" if action.startswith("ec2:") else "AccessDenied"
            words = f"User: arn:aws:iam::{ACCOUNT}:user/me is not authorized to perform: {action}"
            raise ClientError({"Error": {"Code": code, "Message": words}}, operation)


@dataclass
class Cloud:
    """The account as a user has it: `flowaudit setup` in a folder with a configuration, and what is in AWS."""

    road: Road
    run: Run
    folder: Path
    calls: Calls

    def wants(self, more: str = "", *, least: str = LEAST) -> None:
        """Write the configuration."""
        (self.folder / "flowaudit.toml").write_text(f"{least}{more}\n", "utf-8")

    def setup(self, verb: str, *args: str | Path) -> Ended:
        """Run a verb of `flowaudit setup`."""
        return self.run("setup", verb, *args)

    def applied(self, more: str = "", *args: str | Path) -> Ended:
        """Apply a configuration; it has to succeed."""
        self.wants(more)
        ended = self.setup("apply", "--yes", *args)
        assert ended.code == 0, ended.err
        return ended

    def started(self, *args: str) -> subprocess.Popen[str]:
        """Start the program in a process of its own, which other processes can interrupt."""
        command = [sys.executable, "-m", "flowaudit", "setup", *args]
        return subprocess.Popen(
            command, cwd=self.folder, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def left(self) -> dict[str, list[str]]:
        """Return what is in the account, by kind."""
        groups = self.road.client("logs").describe_log_groups()["logGroups"]
        return {**self.road.left(), **({"log groups": groups} if groups else {})}

    @property
    def stacks(self) -> dict[str, str]:
        """The statuses of the stacks that are there, by name."""
        return {each.name: each.status for each in self.road.engine.stacks if not each.deleted}

    def interface(self, *, attached: bool = True, requester: str = "", **more: Any) -> str:
        """Make an interface in the first private subnet; those of services have them as their requester."""
        outputs = self.road.outputs()
        asked = {"SubnetId": outputs["PrivateSubnetIds"].split(",")[0], "Groups": [outputs["WorkloadSecurityGroupId"]]}
        made = self.road.ec2.create_network_interface(**{**asked, **more})["NetworkInterface"]["NetworkInterfaceId"]
        of_moto = ec2_backends[ACCOUNT][REGION].enis[made]
        of_moto.status = "in-use" if attached else "available"
        if requester:
            of_moto.requester_id = requester
        return str(made)


def listened(monkeypatch: Any, calls: Calls) -> None:
    """Let `calls` hear each call of the program's own clients: those of the stand-in and of tests are others."""
    real = BaseClient._make_api_call

    def call(self: BaseClient, operation: str, params: Any) -> Any:
        if self.meta.config.user_agent_extra == "flowaudit":
            calls.heard(self, operation)
        return real(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def client(service: str) -> Any:
    """Return a client with the environment's addresses."""
    return boto3.client(service, REGION)
