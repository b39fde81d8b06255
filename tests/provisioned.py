"""The demo's VPC in an emulated cloud, made as `setup apply` makes it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import boto3

from flowaudit.config import Config
from flowaudit.setup import template
from flowaudit.setup.request import request
from flowaudit.setup.stack import Stack
from flowaudit.simulate.cloud import REGION, SETUP, Cloud, populate
from flowaudit.simulate.cloudformation import Engine, serve

SETTINGS = Config.model_validate(tomllib.loads(SETUP)).setup


def provisioned(client: Callable[[str], Any]) -> Cloud:
    """Apply the template of the demo in the cloud of some clients, and put its workloads there."""
    with serve(Engine(lambda service, _: client(service))) as url:
        cloudformation = boto3.client(
            "cloudformation", REGION, endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        stack = Stack(cloudformation, SETTINGS.name)
        with stack.proposed(None, **request(SETTINGS, template(SETTINGS), client("ec2"))) as change_set:
            assert change_set is not None
            list(stack.execute(change_set))
        found = stack.find()
    assert found is not None
    return populate(client("ec2"), client("s3"), client("sagemaker"), found.outputs)
