"""How SageMaker's answers are read: what lies at a path, and the VPC that it amounts to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowaudit.topology import VpcConfig

Answer = Mapping[str, Any]
"""An item of a list, or an answer of Describe…, or both in one."""
VpcConfigs = Callable[[Answer], tuple[VpcConfig, ...]]


def at(answer: Answer, path: str) -> list[Any]:
    """Return everything at a dotted path, through lists on the way: `ProductionVariants.ModelName`."""
    found: list[Any] = [answer]
    for step in path.split("."):
        found = [outer[step] for outer in found if outer.get(step) is not None]
        found = [inner for outer in found for inner in (outer if isinstance(outer, list) else [outer])]
    return found


def configs(*paths: str) -> VpcConfigs:
    """Return what reads each VpcConfig at the paths."""

    def read(answer: Answer) -> tuple[VpcConfig, ...]:
        found = [config for path in paths for config in at(answer, path)]
        return tuple(_config(at(config, "Subnets"), at(config, "SecurityGroupIds")) for config in found)

    return read


def subnets(path: str, *groups: str) -> VpcConfigs:
    """Return what reads the subnets at a path, with the security groups at the first other path that has any."""

    def read(answer: Answer) -> tuple[VpcConfig, ...]:
        found = at(answer, path)
        return (_config(found, next(filter(None, (at(answer, group) for group in groups)), [])),) if found else ()

    return read


def both(*reads: VpcConfigs) -> VpcConfigs:
    """Return what reads all that these read."""
    return lambda answer: tuple(config for read in reads for config in read(answer))


def _config(subnet_ids: list[str], groups: list[str]) -> VpcConfig:
    return VpcConfig(subnets=tuple(sorted(subnet_ids)), security_groups=tuple(sorted(groups)))
