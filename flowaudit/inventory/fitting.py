"""The workloads that are known, found by what interfaces tell of them: ids, names, subnets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from flowaudit.topology import VpcConfig, Workload

_SETTINGS = frozenset(
    {"model", "model_package", "endpoint_config", "inference_component", "user_profile", "space", "monitoring_schedule"}
)
"""Kinds that say how something else is to run, or that run on it, and have no interfaces of their own."""


class Fitting:
    """Workloads by what they can be found by; only those come out that can have interfaces."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_arn = {each.arn: each for each in workloads}
        self._by_interface: dict[str, list[Workload]] = defaultdict(list)
        self._by_subnet: dict[str, list[tuple[Workload, VpcConfig]]] = defaultdict(list)
        self._parts: dict[str, list[Workload]] = defaultdict(list)
        self._arns: dict[tuple[str, str], set[str]] = defaultdict(set)
        for each in self._by_arn.values():
            self._place(each)

    def _place(self, workload: Workload) -> None:
        above = self.above(workload)
        for arn in (workload.arn, *above):
            if named := resource(arn):
                self._arns[named[0].replace("-", "_"), named[-1]].add(arn)
        self._arns[workload.kind, workload.name.casefold()].add(workload.arn)
        if not _runs(workload):
            return
        for arn in above:
            self._parts[arn].append(workload)
        for interface_id in workload.interface_ids:
            self._by_interface[interface_id].append(workload)
        for vpc in workload.vpc_configs:
            for subnet_id in vpc.subnets:
                self._by_subnet[subnet_id].append((workload, vpc))

    def listed(self, arn: str) -> Workload | None:
        """Return the workload of an ARN."""
        return self._by_arn.get(arn)

    def with_interface(self, interface_id: str) -> Sequence[Workload]:
        """Return the workloads that AWS itself says have an interface."""
        return self._by_interface.get(interface_id, ())

    def in_subnet(self, subnet_id: str | None) -> Sequence[tuple[Workload, VpcConfig]]:
        """Return the workloads that make their interfaces in a subnet, each with the VpcConfig that says so."""
        return self._by_subnet.get(subnet_id or "", ())

    def named(self, kind: str, name: str) -> Iterator[Workload]:
        """Return the workloads of a kind that a name, an id or an ARN means."""
        return (self._by_arn[arn] for arn in self._meant(kind, name) if arn in self._by_arn)

    def parts(self, kind: str, name: str) -> Iterator[Workload]:
        """Return all that is a part, at any depth, of what a name means, whether that is itself listed or not."""
        return (part for arn in self._meant(kind, name) for part in self._parts.get(arn, ()))

    def _meant(self, kind: str, name: str) -> Iterable[str]:
        return self._arns.get((kind, (resource(name) or (name.casefold(),))[-1]), ())

    def above(self, workload: Workload) -> tuple[str, ...]:
        """Return the ARNs of all that a workload is a part of, the nearest first."""
        chain = [workload.arn]
        while (parent := self._parent(chain[-1])) and parent not in chain:
            chain.append(parent)
        return tuple(chain[1:])

    def _parent(self, arn: str) -> str | None:
        listed = self._by_arn.get(arn)
        return (listed.parent if listed else None) or _studio_domain(arn)

    def narrowest(self, workloads: Iterable[Workload]) -> tuple[Workload, ...]:
        """Return the workloads that can have interfaces but those that others among them are parts of, sorted."""
        fitting = {each.arn: each for each in workloads if _runs(each)}
        wholes = {arn for each in fitting.values() for arn in self.above(each)}
        return tuple(fitting[arn] for arn in sorted(fitting.keys() - wholes))


def resource(arn: str) -> tuple[str, ...]:
    """Return what stands after an ARN's account, in lower case: `app`, `d-…`, user, type, name; empty: no ARN."""
    parts = arn.split(":", 5)
    return tuple(parts[5].casefold().split("/")) if len(parts) == 6 and parts[0] == "arn" else ()  # noqa: PLR2004  an ARN has six


def _runs(workload: Workload) -> bool:
    return workload.kind not in _SETTINGS and not workload.kind.endswith("_job_definition")


def _studio_domain(arn: str) -> str | None:
    """Return the ARN of the domain that the ARN of an app, a space or a user profile has the id of."""
    kind, *names = resource(arn) or ("",)
    if kind not in ("app", "space", "user-profile") or not names:
        return None
    return f"{':'.join(arn.split(':', 5)[:5])}:domain/{names[0]}"
