"""Which workload an interface is of: what AWS says, else what fits; where several would, that is the answer.

Pure: values in, values out, in whatever order they come. An interface belongs to one workload for its life, so what was
once told of it stays unless something stronger is told: silence of an API, a second workload with the same security
groups or a rewritten description change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from flowaudit import config
from flowaudit.inventory.fitting import Fitting, resource
from flowaudit.inventory.interfaces import described
from flowaudit.topology import Attribution, Interface, Owner, Workload

SLACK = timedelta(minutes=1)
"""How far the clocks of two services may be apart."""
LINGER = timedelta(hours=8)
"""How long after a workload's end its interfaces are in use at most: a warm pool keeps its instances for six hours
(SageMaker API, `KeepAlivePeriodInSeconds`), and interfaces are taken away some time after."""

DESCRIPTIONS = (
    (
        re.compile(r"^(\[DO NOT DELETE\] )?ENI managed by SageMaker for Studio Domain ?\((?P<name>d-[a-z0-9]+)\)"),
        "domain",
    ),
    (
        re.compile(
            r"^\[Do not delete\] Network Interface created to access resources in your VPC"
            r" for SageMaker Notebook Instance (?P<name>\S+)"
        ),
        "notebook_instance",
    ),
)
"""What SageMaker itself writes into descriptions, with the kind of the workload and its name."""

_STRENGTH: dict[str, int] = {each: -rank for rank, each in enumerate(Attribution)}
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_SESSION = ":SageMaker"
"""How SageMaker calls its session of a role; what a requester's id ends in then is not documented."""
_CERTAIN, _DESCRIBED, _SAME_GROUPS, _SHARED_GROUPS, _OPERATORS_WORD, _AT_MOST = 1.0, 0.95, 0.8, 0.6, 0.7, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What interfaces are known by, beside what AWS says of workloads; the three sets are the operator's own word."""

    tag: str = config.Attribution().tag
    descriptions: tuple[tuple[re.Pattern[str], str], ...] = DESCRIPTIONS
    interfaces: frozenset[str] = frozenset()
    subnets: frozenset[str] = frozenset()
    security_groups: frozenset[str] = frozenset()

    def word(self, interface: Interface) -> str:
        """Return what of an interface the operator has named; empty: nothing."""
        named = [interface.interface_id] if interface.interface_id in self.interfaces else []
        named += [interface.subnet_id] if interface.subnet_id in self.subnets else []
        return ", ".join([*named, *sorted(self.security_groups.intersection(interface.security_groups))])


def rules(scope: config.Scope, attribution: config.Attribution) -> Rules:
    """Return the rules that the configuration makes."""
    given = tuple((re.compile(each.pattern), each.kind) for each in attribution.descriptions)
    return Rules(
        tag=attribution.tag,
        descriptions=given + DESCRIPTIONS,
        interfaces=frozenset(scope.interfaces),
        subnets=frozenset(scope.subnets),
        security_groups=frozenset(scope.security_groups),
    )


@dataclass(frozen=True, slots=True)
class Beginning:
    """When an interface came about: between `earliest` (None: nobody had looked before) and `latest`."""

    earliest: datetime | None = None
    latest: datetime | None = None


def attribute(
    found: Collection[Interface],
    workloads: Collection[Workload],
    before: Mapping[str, Interface],
    first_seen: Mapping[str, Beginning],
    rules: Rules,
    at: datetime,
) -> tuple[Interface, ...]:
    """Return the interfaces found in the look `at` that moment, with owner and workload, sorted by id.

    `workloads` are those that are there, and those that have gone since with their `ended_at`; one that is missing
    stays a candidate where it was one. `before` are the interfaces as last told, by id; `first_seen` says of each when
    it came about.
    """
    look = _Look(Fitting(workloads), before, first_seen, rules, at)
    return tuple(look.tell(interface) for interface in sorted(found, key=lambda each: each.interface_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What one piece of evidence says: the workloads that fit it, or what it calls one that is not listed."""

    attribution: Attribution
    confidence: float
    evidence: str
    fitting: tuple[Workload, ...] = ()
    missing: tuple[str, ...] = ()
    kind: str | None = None
    name: str | None = None
    arn: str | None = None

    @property
    def strength(self) -> tuple[int, float]:
        return _STRENGTH[self.attribution], self.confidence

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(sorted({*(each.arn for each in self.fitting), *self.missing}))


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the interfaces, and all that is known in it."""

    known: Fitting
    before: Mapping[str, Interface]
    first_seen: Mapping[str, Beginning]
    rules: Rules
    at: datetime

    def tell(self, found: Interface) -> Interface:
        """Return an interface with what can be told now, or what was told before where that is as good."""
        old = self.before.get(found.interface_id)
        bare = _bare(found, old)
        claim = self._claim(bare)
        if old is None or old.attribution == Attribution.NONE or self._withdrawn(bare, old):
            return _told(bare, claim) if claim else bare
        if claim is None or not self._gives_way(old, bare, claim):
            return _kept(bare, old)
        return _told(bare, self._with_missing(claim, old))

    def _claim(self, bare: Interface) -> _Claim | None:
        """Return the strongest claim there is on an interface."""
        claim = self._exact_id(bare) or self._tag(bare)
        if not claim and bare.owner == Owner.UNKNOWN:
            claim = self._description(bare) or self._security_groups(bare)
        return claim or self._operator(bare)

    def _exact_id(self, bare: Interface) -> _Claim | None:
        if not (named := self.known.narrowest(self.known.with_interface(bare.interface_id))):
            return None
        evidence = f"AWS names {bare.interface_id} as its interface"
        return _Claim(attribution=Attribution.EXACT_ID, confidence=_CERTAIN, evidence=evidence, fitting=named)

    def _tag(self, bare: Interface) -> _Claim | None:
        if (value := dict(bare.tags).get(self.rules.tag)) is None:
            return None
        kind, *names = resource(value) or ("",)
        return _Claim(
            attribution=Attribution.TAG,
            confidence=_CERTAIN,
            evidence=f"its tag {self.rules.tag} is {value!r}",
            fitting=self.known.narrowest(self._tagged(value, names, bare)),
            kind={"node": "app"}.get(kind, kind.replace("-", "_")) or None,
            name="/".join(names) or None,
            arn=value if names else None,
        )

    def _tagged(self, value: str, names: list[str], bare: Interface) -> Iterable[Workload]:
        """Return the workload of a tag's ARN, else the apps of the Studio user in it, else the domain in it."""
        if listed := self.known.narrowest(filter(None, [self.known.listed(value)])):
            return listed
        domain, *user_and_app = names or [""]
        apps = filter(self._possible(bare), self.known.parts("domain", domain))
        users = [each for each in apps if resource(each.arn)[2:3] == tuple(user_and_app[:1])]
        called = [each for each in users if resource(each.arn)[-1] == user_and_app[-1]]
        return called or users or self.known.named("domain", domain)

    def _description(self, bare: Interface) -> _Claim | None:
        tried = ((pattern.search(bare.description), kind) for pattern, kind in self.rules.descriptions)
        match, kind = next(((match, kind) for match, kind in tried if match), (None, ""))
        if not match:
            return None
        name = match.groupdict().get("name")
        return _Claim(
            attribution=Attribution.DESCRIPTION,
            confidence=_DESCRIBED,
            evidence=f"its description is {bare.description!r}",
            fitting=self.known.narrowest(self._described(kind, name, bare)),
            kind=kind,
            name=name,
        )

    def _described(self, kind: str, name: str | None, bare: Interface) -> Iterable[Workload]:
        """Return what a description names and its parts; where it names nothing, what fits and is of the kind."""
        if name:
            return [*self.known.named(kind, name), *filter(self._possible(bare), self.known.parts(kind, name))]
        of_kind = ([each for each in level if each.kind == kind] for level in self._standing(bare)[:2])
        return next(filter(None, of_kind), ())

    def _security_groups(self, bare: Interface) -> _Claim | None:
        same, shared, _ = self._standing(bare)
        if not (fitting := self.known.narrowest(same or shared)):
            return None
        theirs = {group for each in fitting for vpc in each.vpc_configs for group in vpc.security_groups}
        common = f"{bare.subnet_id} and {', '.join(sorted(theirs.intersection(bare.security_groups)))}"
        differing = "stand in its VpcConfig too, but not all security groups are the same"
        return _Claim(
            attribution=Attribution.SECURITY_GROUPS,
            confidence=_confidence(_SAME_GROUPS if same else _SHARED_GROUPS, bare),
            evidence=f"{common} {'are those of its VpcConfig' if same else differing}",
            fitting=fitting,
        )

    def _operator(self, bare: Interface) -> _Claim | None:
        if not (word := self.rules.word(bare)):
            return None
        return _Claim(
            attribution=Attribution.OPERATOR,
            confidence=_confidence(_OPERATORS_WORD, bare),
            evidence=f"the configuration's scope names {word}",
            fitting=self.known.narrowest(next(filter(None, self._standing(bare)), ())),
        )

    def _standing(self, bare: Interface) -> tuple[list[Workload], list[Workload], list[Workload]]:
        """Return who can have made an interface in its subnet: with the same security groups, with some, with none."""
        same: list[Workload] = []
        shared: list[Workload] = []
        none: list[Workload] = []
        ours, possible = frozenset(bare.security_groups), self._possible(bare)
        for workload, vpc in self.known.in_subnet(bare.subnet_id):
            if possible(workload):
                common = ours.intersection(vpc.security_groups)
                everything = common and ours == frozenset(vpc.security_groups)
                (same if everything else shared if common else none).append(workload)
        return same, shared, none

    def _possible(self, bare: Interface) -> Callable[[Workload], bool]:
        """Return what tells whether a workload was there when an interface came about, and can still be using it."""
        began = self.first_seen.get(bare.interface_id, Beginning())
        latest = min(filter(None, (began.latest, bare.attached_at)), default=_NEVER - SLACK) + SLACK
        held = self.at - LINGER if bare.status == "in-use" else None
        earliest = max(filter(None, (began.earliest, held)), default=_EVER + SLACK) - SLACK

        def possible(workload: Workload) -> bool:
            if workload.created_at and workload.created_at > latest:
                return False
            ended = workload.ended_at or workload.modified_at
            return workload.running or (ended is not None and ended >= earliest)

        return possible

    def _withdrawn(self, bare: Interface, old: Interface) -> bool:
        """Tell whether what was told before has lost its ground.

        Either the operator says so no longer, or a mere fit turns out to be another service's: not by its description,
        as one that says so now has been written since.
        """
        if old.attribution == Attribution.OPERATOR:
            return not self.rules.word(bare)
        found_out = bare.owner not in (Owner.UNKNOWN, described(bare.description))
        return old.attribution == Attribution.SECURITY_GROUPS and found_out

    def _gives_way(self, old: Interface, bare: Interface, claim: _Claim) -> bool:
        """Tell whether a claim takes the place of what was told before: if stronger, or as strong and narrower."""
        if claim.strength != _strength(old):
            narrowed = len(claim.fitting) > 1 and old.workload_arn in claim.candidates
            return claim.strength > _strength(old) and not narrowed
        if old.workload_arn and old.workload_arn != dict(bare.tags).get(self.rules.tag):
            return len(claim.fitting) == 1 and old.workload_arn in self.known.above(claim.fitting[0])
        return bool(claim.fitting) or not (old.workload_arn or old.candidates)

    def _with_missing(self, claim: _Claim, old: Interface) -> _Claim:
        """Return a claim with those candidates that nobody has listed this time: silence clears nobody."""
        if claim.strength != _strength(old):
            return claim
        return replace(claim, missing=tuple(arn for arn in old.candidates if not self.known.listed(arn)))


def _bare(found: Interface, old: Interface | None) -> Interface:
    """Return an interface without what is told of its workload; what it positively was, it still is."""
    owner, evidence = (Owner.UNKNOWN, "") if found.owner == Owner.SAGEMAKER else (found.owner, found.evidence)
    if owner == Owner.UNKNOWN and old and old.owner != Owner.SAGEMAKER:
        owner, evidence = old.owner, old.evidence
    return replace(
        found,
        owner=owner,
        workload_kind=None,
        workload=None,
        workload_arn=None,
        attribution=Attribution.NONE,
        confidence=0.0,
        evidence=evidence,
        candidates=(),
    )


def _kept(bare: Interface, old: Interface) -> Interface:
    return replace(
        bare,
        owner=old.owner,
        workload_kind=old.workload_kind,
        workload=old.workload,
        workload_arn=old.workload_arn,
        attribution=old.attribution,
        confidence=old.confidence,
        evidence=old.evidence,
        candidates=old.candidates,
    )


def _told(bare: Interface, claim: _Claim) -> Interface:
    """Return an interface as its workload's, or, where several fit, as that of one of them."""
    told = replace(
        bare,
        owner=Owner.SAGEMAKER,
        workload_kind=claim.kind,
        attribution=claim.attribution,
        confidence=claim.confidence,
        evidence=claim.evidence,
    )
    if len(claim.candidates) > 1:
        kinds = {each.kind for each in claim.fitting}
        kind = kinds.pop() if len(kinds) == 1 else None
        evidence = f"{claim.evidence}; {_several(claim)}"
        return replace(told, workload_kind=kind, evidence=evidence, candidates=claim.candidates)
    if not claim.fitting:
        return replace(told, workload=claim.name, workload_arn=claim.arn)
    (only,) = claim.fitting
    return replace(told, workload_kind=only.kind, workload=only.name, workload_arn=only.arn)


def _several(claim: _Claim) -> str:
    """Say how many workloads fit, and what all of them are parts of."""
    parents = {each.parent for each in claim.fitting}
    parent = parents.pop() if len(parents) == 1 and not claim.missing else None
    said = f"{len(claim.candidates)} workloads fit"
    return f"{said}, all parts of {parent}" if parent else said


def _strength(told: Interface) -> tuple[int, float]:
    return _STRENGTH[told.attribution], told.confidence


def _confidence(least: float, bare: Interface) -> float:
    """Return a confidence, raised a little where the requester looks like a session of SageMaker's."""
    return min(_AT_MOST, round(least + 0.1, 2)) if (bare.requester_id or "").endswith(_SESSION) else least
