"""What moto lacks that flowaudit needs, beside CloudFormation: see `simulate.cloudformation`."""

from __future__ import annotations

import json
from collections.abc import Callable

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sagemaker.responses import SageMakerResponse

from flowaudit.inventory.workloads.kinds import KINDS


def complete_moto() -> None:
    """Let moto answer every list of SageMaker that a discovery run asks for, and admit requests to buckets.

    Lists that moto lacks are empty, as in an account without such resources. Of bucket policies moto ignores the
    conditions: it would deny everything that a policy denies without TLS, or from outside of a VPC.
    """
    for kind in KINDS:
        if not hasattr(SageMakerResponse, kind.list_operation):
            setattr(SageMakerResponse, kind.list_operation, _empty(kind.key))
    FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL  # type: ignore[method-assign]


def _empty(key: str) -> Callable[[SageMakerResponse], str]:
    return lambda _: json.dumps({key: []})
