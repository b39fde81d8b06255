"""A cloud for `flowaudit setup`: moto's server, CloudFormation's stand-in, and what the program asks of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from flowaudit.setup.permissions import CALLS
from tests.cli.conftest import Ended, Run
from tests.setup.recording import action_of
from tests.simulate.cloudformation.road import REGION, Road

ACCOUNT = "123456789012"
OFF = ", ".join(f"{name} = false" for name in ("monitoring", "sagemaker_api", "sagemaker_runtime", "sts"))
LEAST = f"""[setup]
region = "{REGION}"
buckets = {{ read_only = ["amzn-example-models"] }}
interface_endpoints = {{ {OFF} }}
"""
"""The profile without NAT, with one interface endpoint."""


class Terminal(StringIO):
    """A terminal on which something is typed."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@dataclass
class Calls:
    """What a run of the program calls, by IAM action; a call may be denied, or have something happen before it."""

    made: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def hear(self, client: BaseClient, operation: str) -> None:
        """Take a call; raises ClientError where it is denied."""
        action = action_of(client.meta.service_model, operation)
        self.made.add(action)
        if happens := self.before.pop(action, None):
            happens()
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
    made: dict[str, set[str]] = field(default_factory=dict)
    """The calls of all runs so far, by verb."""

    def wants(self, more: str = "", *, least: str = LEAST) -> None:
        """Write the configuration."""
        (self.folder / "flowaudit.toml").write_text(f"{least}{more}\n", "utf-8")

    def setup(self, verb: str, *args: str | Path) -> Ended:
        """Run a verb of `flowaudit setup`; it may not call what its permissions do not have."""
        self.calls.made = set()
        ended = self.run("setup", verb, *args)
        self.made.setdefault(verb, set()).update(self.calls.made)
        assert self.calls.made <= CALLS.get(verb, frozenset())
        return ended

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
        """The statuses of the stacks that are there, by name, at rest."""
        self.road.engine.join()
        return self._stacks

    @property
    def _stacks(self) -> dict[str, str]:
        return {each.name: each.status for each in self.road.engine.stacks if not each.deleted}

    def until(self, status: str) -> dict[str, str]:
        """Return the statuses of the stacks once one of them is this."""
        limit = time.monotonic() + 60
        while status not in self._stacks.values():
            assert time.monotonic() < limit, self._stacks
            time.sleep(0.02)
        return self._stacks

    def endpoint(self, name: str) -> None:
        """Make an endpoint of SageMaker with a model in the VPC."""
        sagemaker, outputs = self.road.client("sagemaker"), self.road.outputs()
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/x",
            PrimaryContainer={"Image": "registry.example.com/x", "ModelDataUrl": f"s3://amzn-example-models/{name}"},
            VpcConfig=json.loads(outputs["VpcConfig"]),
        )
        variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def interface(self, *, attached: bool = True) -> str:
        """Make an interface of the workloads' security group in the first private subnet."""
        outputs = self.road.outputs()
        asked = {"SubnetId": outputs["PrivateSubnetIds"].split(",")[0], "Groups": [outputs["WorkloadSecurityGroupId"]]}
        made = self.road.ec2.create_network_interface(**asked)["NetworkInterface"]["NetworkInterfaceId"]
        ec2_backends[ACCOUNT][REGION].enis[made].status = "in-use" if attached else "available"
        return str(made)


def listened(monkeypatch: Any, calls: Calls) -> None:
    """Let `calls` hear each call of the program's own clients: those of the stand-in and of tests are others."""
    real = BaseClient._make_api_call

    def call(self: BaseClient, operation: str, params: Any) -> Any:
        if self.meta.config.user_agent_extra == "flowaudit":
            calls.hear(self, operation)
        return real(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
