"""Every SageMaker resource that can touch a VPC: listed, described where new or changed, and whose VPC it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.workloads.answers import Answer, at
from flowaudit.inventory.workloads.kinds import KINDS, Kind
from flowaudit.topology import VpcConfig, Workload

_MARGIN = timedelta(hours=1)
"""How much further back than needed jobs are listed: clocks differ, and lists lag."""
_FIRST = timedelta(days=1)
"""How far back jobs that ended are listed at a first look."""
_GONE = ("NotFound", "not found", "Could not find")
_OVER = ("Deleted", "DELETED")
_INTERNET = {"Enabled": "direct", "Disabled": "vpc", "PublicInternetOnly": "direct", "VpcOnly": "vpc"}
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}


def workloads(
    ask: Asker, before: Collection[Workload], since: datetime | None, now: datetime
) -> tuple[tuple[Workload, ...], frozenset[str]]:
    """Return the workloads of the asker's account and region by ARN, and the kinds that could not be listed.

    `before` is what was returned last, at `since` (None: never). Kinds that cannot be listed are as they were before.
    Jobs that ended are listed back to an hour before `since` (a day, at a first look); those too old for the list stay
    as they were, and one that was running is described to learn its end. Whatever else is not listed is dropped.
    What is new or changed is described; what could not be has no `modified_at`, and is asked for again next time.

    Calls: a page for each 100 of a list, at least 36 (26 kinds, those of jobs in progress and by time), and one for
    each that is described. 1,000 models and 200 endpoints with a configuration each: 1,447 at a first look, of which
    47 pages; 47 at a later look that finds nothing changed. Domains (two calls) and clusters are described every time.
    """
    look = _Look(ask, before, since, now)
    for kind in KINDS:
        if ask.knows("sagemaker", kind.list_operation):
            look.at(kind)
    return tuple(sorted(look.found.values(), key=lambda workload: workload.arn)), frozenset(look.unlisted)


class _Look:
    """One look: what was known before it, and what it has found, kind after kind."""

    def __init__(self, ask: Asker, before: Collection[Workload], since: datetime | None, now: datetime) -> None:
        self.found: dict[str, Workload] = {}
        self.unlisted: set[str] = set()
        self._ask, self._since, self._now = ask, since, now
        self._before = {workload.arn: workload for workload in before}
        self._arns = {(workload.kind, workload.name): workload.arn for workload in before}
        self._domains: dict[str, Answer] = {}

    def at(self, kind: Kind) -> None:
        """List a kind, and describe what is new or changed of it."""
        known = {workload.name: workload for workload in self._before.values() if workload.kind == kind.kind}
        listed = self._listed(kind, known.values())
        if listed is None:
            self.unlisted.add(kind.kind)
            self._keep(known.values())
            return
        if kind.progress:
            missed = [workload for name, workload in known.items() if name not in listed]
            self._keep(workload for workload in missed if not workload.running)
            listed |= {workload.name: kind.stub(workload.name) for workload in missed if workload.running}
        news = {name: item for name, item in listed.items() if self._is_news(kind, item, known.get(name))}
        self._keep(workload for name, workload in known.items() if name in listed and name not in news)
        self._keep(self._learned(kind, news, known))

    def _keep(self, some: Iterable[Workload]) -> None:
        for workload in some:
            self.found[workload.arn] = workload
            self._arns[workload.kind, workload.name] = workload.arn

    def _listed(self, kind: Kind, known: Collection[Workload]) -> dict[str, Answer] | None:
        """Return a kind's list by name; of jobs, those in progress come first: one that ends meanwhile is in both."""
        listed: dict[str, Answer] = {}
        for filters in self._filters(kind, known):
            items = self._ask.all("sagemaker", kind.list_operation, kind.key, MaxResults=100, **filters)
            if items is None:
                return None
            listed |= {kind.name(item): self._in_domain(item) for item in items if item.get("Status") not in _OVER}
        return listed

    def _filters(self, kind: Kind, known: Collection[Workload]) -> Iterable[Mapping[str, Any]]:
        """Yield what to list a kind by, one for each list.

        A job that nobody has seen is newer than the newest of its kind that was seen, whenever that was: so jobs are
        not lost where their kind could not be listed for a while.
        """
        if not kind.progress:
            yield {}
            return
        newest = max((workload.modified_at for workload in known if workload.modified_at), default=None)
        seen = [time for time in (self._since, newest) if time]
        first = self._since not in seen or newest not in seen
        if first or any(workload.running for workload in known):
            longest = {"CreationTimeAfter": self._now - kind.longest} if kind.longest else {}
            yield {"StatusEquals": kind.progress, **longest}
        yield {kind.since: self._now - _FIRST if first else min(seen) - _MARGIN}

    def _in_domain(self, item: Answer) -> Answer:
        """Return an item with the domain that it lies in, if it does."""
        domain = item.get("DomainId")
        if domain is None or "DomainArn" in item:
            return item
        return {**item, "DomainArn": self._arn("domain", domain), "Domain": self._domains.get(domain, {})}

    def _is_news(self, kind: Kind, item: Answer, known: Workload | None) -> bool:
        """Tell whether a listed workload, or the VPC of one that it uses, is other than it was known."""
        if known is None or kind.restless or not kind.described:
            return True
        told = self._workload(kind, item)
        same = (told.created_at, told.modified_at, told.status, told.running)
        return same != (known.created_at, known.modified_at, known.status, known.running) or any(
            arn in self.found
            and (arn not in self._before or self._before[arn].vpc_configs != self.found[arn].vpc_configs)
            for arn in known.uses
        )

    def _learned(self, kind: Kind, news: Mapping[str, Answer], known: Mapping[str, Workload]) -> Iterable[Workload]:
        """Yield what has become of the news: described, or as far as the list and the look before tell."""
        for (name, item), answer in zip(news.items(), self._described(kind, news.values(), known), strict=True):
            if answer is not None:
                yield self._workload(kind, {**answer, **item}, known.get(name))
            elif self._refused(kind.describe_operation):
                told = self._workload(kind, item)
                yield self._as_listed(told, known.get(name, told))

    @staticmethod
    def _as_listed(told: Workload, known: Workload) -> Workload:
        """Return what was known, as its list tells it now, to be described next time; a job not listed is as it was."""
        if told.created_at is None:
            return known
        return replace(known, status=told.status, running=told.running, modified_at=None)

    def _described(
        self, kind: Kind, items: Collection[Answer], known: Mapping[str, Workload]
    ) -> Sequence[Answer | None]:
        if not kind.described:
            return [{} for _ in items]
        questions = [kind.question(item) for item in items]
        answers = self._ask.each("sagemaker", kind.describe_operation, questions, gone=_GONE)
        return [self._mounted(answer, known) for answer in answers] if kind.resource == "Domain" else answers

    def _mounted(self, domain: Answer | None, known: Mapping[str, Workload]) -> Answer | None:
        """Return a domain with its file system's mount targets (EFS API, DescribeMountTargets); keep it for others."""
        if domain is None:
            return None
        homes = [{"FileSystemId": home} for home in at(domain, "HomeEfsFileSystemId")]
        answers = self._ask.each("efs", "describe_mount_targets", homes, gone=_GONE)
        targets = [target for answer in answers if answer for target in at(answer, "MountTargets")]
        if self._refused("describe_mount_targets") and domain["DomainId"] in known:
            targets = [{"NetworkInterfaceId": found} for found in known[domain["DomainId"]].interface_ids]
        self._domains[domain["DomainId"]] = domain
        return {**domain, "MountTargets": targets}

    def _refused(self, operation: str) -> bool:
        return any(gap.operation == operation for gap in self._ask.gaps)

    def _workload(self, kind: Kind, item: Answer, known: Workload | None = None) -> Workload:
        """Return a workload as an item of its list, or its description too, tells."""
        name, status, created = kind.name(item), kind.told_status(item), _time(item, kind.created)
        ended = kind.ended if status not in kind.running else ""
        uses = tuple(sorted(set(self._used(kind, item))))
        return Workload(
            arn=kind.told_arn(item) or self._arn(kind.kind, name),
            kind=kind.kind,
            name=name,
            account_id=self._ask.account_id,
            region=self._ask.region,
            status=status,
            running=kind.runs(item),
            created_at=created,
            modified_at=_time(item, kind.modified) or created,
            ended_at=_time(item, ended),
            parent=next((arn for path in kind.parents for arn in at(item, path)), None),
            uses=uses,
            vpc_configs=self._vpc_configs(kind.vpc(item), uses, known),
            network_isolation=_flag(kind, item, "EnableNetworkIsolation"),
            inter_container_encryption=_flag(kind, item, "EnableInterContainerTrafficEncryption"),
            internet=next((_INTERNET.get(told) for told in at(item, kind.internet)), None),
            interface_ids=tuple(sorted(at(item, kind.interfaces))),
            instances=_sum(kind, item),
        )

    def _vpc_configs(
        self, own: Iterable[VpcConfig], uses: tuple[str, ...], known: Workload | None
    ) -> tuple[VpcConfig, ...]:
        """Return its own, else those of what it uses; as they were, where that is gone (a configuration may be)."""
        found = {config for config in own if config.subnets}
        used = [self.found.get(arn) or self._before.get(arn) for arn in uses]
        if not found and uses and not any(used):
            return known.vpc_configs if known is not None and known.uses == uses else ()
        found = found or {config for workload in used if workload for config in workload.vpc_configs}
        return tuple(sorted(found, key=lambda config: (config.subnets, config.security_groups)))

    def _used(self, kind: Kind, item: Answer) -> Iterable[str]:
        for use in kind.uses:
            if use.when is None or use.when(item):
                for name in product(*(at(item, path) for path in use.name)):
                    yield self._arn(use.kind, "/".join(name))

    def _arn(self, kind: str, name: str) -> str:
        """Return the ARN by which a workload is known, else the one that AWS makes of its name."""
        region = self._ask.region
        partition = next((found for start, found in _PARTITIONS.items() if region.startswith(start)), "aws")
        made = f"arn:{partition}:sagemaker:{region}:{self._ask.account_id}:{kind.replace('_', '-')}/{name.lower()}"
        return self._arns.get((kind, name), made)


def _time(item: Answer, field: str) -> datetime | None:
    found = item.get(field)
    return found.astimezone(UTC) if found is not None else None


def _flag(kind: Kind, item: Answer, flag: str) -> bool | None:
    """Return a flag: of several definitions, whether all have it; None where none is told."""
    told = [value for prefix in kind.network for value in at(item, prefix + flag)]
    return all(told) if told else None


def _sum(kind: Kind, item: Answer) -> int | None:
    told = [count for path in kind.instances for count in at(item, path)]
    return sum(told) if told else None
