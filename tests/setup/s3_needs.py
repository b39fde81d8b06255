"""SageMaker, EC2 and S3 as `flowaudit setup policy` asks them: real clients, answers held to botocore's model."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from flowaudit.config import Setup
from flowaudit.inventory.asking import Asker
from flowaudit.policies import Decision, Policy, Request
from flowaudit.setup.least_privilege import Plan, Workloads, plan
from tests.sagemaker import ACCOUNT, NOW, OTHER_VPC, REGION, SESSION, VPC, Refusal, Wire, item, stands

SUBNETS = VPC["Subnets"]
HERE = {"aws:PrincipalAccount": ACCOUNT}
THEIRS = {"aws:PrincipalAccount": "999999999999"}
DEFAULT = json.dumps(
    {
        "Version": "2008-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
)
"""The policy of an endpoint for which nobody wrote one."""


class Cloud(Wire):
    """A wire that EC2 and S3 answer on too."""

    def __init__(self, **answers: Any) -> None:
        buckets = answers.pop("buckets", {})

        def head(asked: dict[str, Any]) -> Any:
            return buckets.get(asked["Bucket"], {"BucketRegion": REGION})

        super().__init__(**{"HeadBucket": head, **answers})
        for name in ("ec2", "s3"):
            client = self.clients[name] = SESSION.create_client(name, region_name=REGION)
            client.meta.events.register("before-parameter-build", self._remember)
            client.meta.events.register("before-call", self._answer)

    def plan(self, *named: str, vpc: str = "vpc-1", setup: Setup | None = None) -> Plan:
        """Read, and make the policy."""
        ask = Asker(ACCOUNT, REGION, self.clients.__getitem__)
        found = Workloads(ask, NOW - timedelta(days=90))
        return plan(ask, self.clients["s3"], setup or Setup(), vpc, found.reading(SUBNETS, named))


def cloud(*parts: dict[str, Any], **more: Any) -> Cloud:
    """Return a cloud that answers with these parts."""
    return Cloud(**{name: answer for part in parts for name, answer in part.items()}, **more)


def hosted(container: dict[str, Any], config: Any = None, vpc: Any = VPC) -> Cloud:
    """Return a cloud with an endpoint `one` whose model has a container."""
    model = {"PrimaryContainer": container, **({"VpcConfig": vpc} if vpc else {})}
    variants = {"ProductionVariants": [{"VariantName": "v", "ModelName": "one"}], **(config or {})}
    return cloud(
        stands("model", item("model"), describe={"ModelName": "one", **model}),
        stands("endpoint_config", item("endpoint_config"), describe={"EndpointConfigName": "one", **variants}),
        stands("endpoint", item("endpoint"), describe={"EndpointName": "one", "EndpointConfigName": "one"}),
    )


def job(kind: str, **answer: Any) -> Cloud:
    """Return a cloud with one job, in the VPC."""
    where = {"NetworkConfig": {"VpcConfig": VPC}} if kind == "processing_job" else {"VpcConfig": VPC}
    return cloud(stands(kind, item(kind), describe={**where, **answer}))


def channel(uri: str, type: str = "S3Prefix") -> dict[str, Any]:
    """Return an input channel of a training job."""
    return {"ChannelName": "c", "DataSource": {"S3DataSource": {"S3DataType": type, "S3Uri": uri}}}


def allowed(made: Plan, action: str, path: str, context: Any = HERE) -> bool:
    """Return whether the new policy allows an action on a bucket or an object."""
    request = Request(action, f"arn:aws:s3:::{path}", context=context)
    return Policy.parse(made.document.text).decide(request).decision is Decision.ALLOWED


def listed(made: Plan, bucket: str, prefix: str | None) -> bool:
    """Return whether the new policy lets a prefix of a bucket be listed."""
    return allowed(made, "s3:ListBucket", bucket, HERE if prefix is None else {**HERE, "s3:prefix": prefix})


__all__ = ["OTHER_VPC", "Refusal", "item", "stands"]
