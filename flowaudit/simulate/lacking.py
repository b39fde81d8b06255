"""Lists of SageMaker that moto does not have: empty ones, as in an account without such resources."""

from __future__ import annotations

import json
from collections.abc import Callable

from moto.sagemaker.responses import SageMakerResponse

from flowaudit.inventory.workloads.kinds import KINDS


def complete_moto() -> None:
    """Let moto answer every list of SageMaker that a discovery run asks for, instead of failing with a 500."""
    for kind in KINDS:
        if not hasattr(SageMakerResponse, kind.list_operation):
            setattr(SageMakerResponse, kind.list_operation, _empty(kind.key))


def _empty(key: str) -> Callable[[SageMakerResponse], str]:
    return lambda _: json.dumps({key: []})
