"""Which workloads run in a VPC, and what SageMaker's API says that they need of S3."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.workloads.answers import Answer, at
from flowaudit.inventory.workloads.kinds import KINDS, Kind
from flowaudit.setup.least_privilege.fields import FIELDS, open_ends, scopes
from flowaudit.setup.least_privilege.needs import Image, Need, image_region

PARTS = ("model", "endpoint_config")
"""Kinds that do not run by themselves."""
READ = tuple(kind for kind in KINDS if kind.kind in FIELDS)
UNREAD = tuple(
    sorted(kind.kind for kind in KINDS if kind.kind not in FIELDS and kind.kind not in ("space", "app", "workforce"))
)
"""Kinds that are not read at all."""
_GONE = ("NotFound", "not found", "Could not find")

Name = tuple[str, str]
"""Kind and name of a workload."""


@dataclass(frozen=True, slots=True)
class Found:
    """A workload as it was described; None: SageMaker did not describe it."""

    name: Name
    answer: Answer | None
    uses: tuple[Name, ...] = ()
    subnets: frozenset[str] = frozenset()


@dataclass(slots=True)
class Reading:
    """What is needed; `unknown` says of workloads what could not be known, `unused` are parts that nothing runs."""

    workloads: set[Name] = field(default_factory=set)
    needs: set[Need] = field(default_factory=set)
    images: set[Image] = field(default_factory=set)
    unknown: set[tuple[str, str, str]] = field(default_factory=set)
    unused: set[Name] = field(default_factory=set)


class Workloads:
    """Workloads of a region: listed and described once, at the first question."""

    def __init__(self, ask: Asker, since: datetime) -> None:
        """List everything that exists, and jobs that run or changed `since` then."""
        self._ask, self._since = ask, since
        self._found: dict[Name, Found] = {}
        for kind in READ:
            if ask.knows("sagemaker", kind.list_operation):
                self._list(kind)

    @property
    def names(self) -> Collection[str]:
        """Names of all that was found."""
        return sorted({name for _, name in self._found})

    def reading(self, subnets: Collection[str], named: Collection[str] = ()) -> Reading:
        """Return what the workloads need that run in these subnets, or those of these names."""
        made = Reading()
        chosen = [found for found in self._found.values() if self._is_chosen(found, frozenset(subnets), named)]
        for found in chosen:
            made.workloads.add(found.name)
            for part in self._chain(found, set()):
                self._add(made, found.name, part)
        if not named:
            used = {
                part.name
                for found in self._found.values()
                if found.name[0] not in PARTS
                for part in self._chain(found, set())
            }
            here = (found.name for found in self._found.values() if self._subnets(found) & set(subnets))
            made.unused = {name for name in here if name[0] in PARTS and name not in used}
        return made

    def _list(self, kind: Kind) -> None:
        listed: dict[str, Answer] = {}
        filters: tuple[Mapping[str, Any], ...] = ({},)
        if kind.progress:
            filters = ({kind.since: self._since}, {"StatusEquals": kind.progress})
        for each in filters:
            items = self._ask.all("sagemaker", kind.list_operation, kind.key, MaxResults=100, **each) or ()
            listed |= {kind.name(item): item for item in items}
        answers = self._ask.each(
            "sagemaker", kind.describe_operation, [kind.question(item) for item in listed.values()], gone=_GONE
        )
        for (name, item), answer in zip(listed.items(), answers, strict=True):
            full = None if answer is None else {**item, **answer}
            self._found[kind.kind, name] = Found(
                (kind.kind, name),
                full,
                tuple(_uses(kind, full or item)),
                _own_subnets(kind, self._placed(full or item)),
            )

    def _placed(self, answer: Answer) -> Answer:
        """Return an answer with the domain that it is in, if it is."""
        domain = self._found.get(("domain", str(answer.get("DomainId"))))
        return {**answer, "Domain": domain.answer} if domain and domain.answer else answer

    def _subnets(self, found: Found, depth: int = 0) -> frozenset[str]:
        """Return a workload's own subnets, else those of what it uses."""
        if found.subnets or depth > len(PARTS) + 1:
            return found.subnets
        used = (self._found[name] for name in found.uses if name in self._found)
        return frozenset(subnet for each in used for subnet in self._subnets(each, depth + 1))

    def _is_chosen(self, found: Found, subnets: frozenset[str], named: Collection[str]) -> bool:
        kind, name = found.name
        if named:
            return name in named or name.rpartition("/")[2] in named
        if kind in PARTS:
            return False
        return bool(self._subnets(found) & subnets) or (not self._subnets(found) and self._is_unclear(found))

    def _is_unclear(self, found: Found, depth: int = 0) -> bool:
        """Return whether the VPC of a workload is not known because something was not described."""
        if found.answer is None:
            return True
        used = [self._found.get(name) for name in found.uses]
        return depth <= len(PARTS) and any(each is None or self._is_unclear(each, depth + 1) for each in used)

    def _chain(self, found: Found, seen: set[Name]) -> Iterator[Found]:
        """Yield a workload and the parts that it uses."""
        if found.name not in seen:
            seen.add(found.name)
            yield found
            for name in found.uses:
                if name[0] in PARTS:
                    yield from self._chain(self._found.get(name, Found(name, None)), seen)

    @staticmethod
    def _add(made: Reading, owner: Name, part: Found) -> None:
        """Add what a workload needs by itself or by a part."""
        label = "" if part.name == owner else f"{part.name[0].replace('_', ' ')} {part.name[1]}: "
        if part.answer is None:
            made.unknown.add((*owner, f"{label}SageMaker did not describe it: it is gone, or the API was refused"))
            return
        kind = part.name[0]
        for each, scope in scopes(kind, part.answer):
            if isinstance(scope, str):
                made.unknown.add((*owner, f"{label}{each}: {scope!r} is no bucket's address in S3"))
            else:
                made.needs.add(Need(*owner, f"{label}{each}", each.access, scope))
        for path in FIELDS[kind].images:
            regions = filter(None, map(image_region, at(part.answer, path)))
            made.images |= {Image(*owner, f"{label}{path}", region) for region in regions}
        made.unknown |= {(*owner, f"{label}{why}") for why in open_ends(kind, part.answer)}


def _uses(kind: Kind, answer: Answer) -> Iterable[Name]:
    for use in kind.uses:
        if use.when is None or use.when(answer):
            for name in product(*(at(answer, path) for path in use.name)):
                yield use.kind, "/".join(name)
    if kind.kind == "inference_component":
        yield from (
            ("model", name) for path in ("Specification", "Specifications") for name in at(answer, f"{path}.ModelName")
        )


def _own_subnets(kind: Kind, answer: Answer) -> frozenset[str]:
    return frozenset(subnet for config in kind.vpc(answer) for subnet in config.subnets)
