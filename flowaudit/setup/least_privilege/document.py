"""What is needed → the policy of the S3 gateway endpoint, and how prefixes are merged where it would be too long."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.config import LINUX_REPOSITORIES, Setup
from flowaudit.errors import SetupError
from flowaudit.policies.arns import bucket_arn
from flowaudit.setup.least_privilege.needs import Access, Scope
from flowaudit.setup.policy_file import LONGEST
from flowaudit.setup.rendering import bare
from flowaudit.setup.s3_endpoint import READ_OBJECTS, WRITE_OBJECTS, statements

ACTIONS: Mapping[Access, tuple[str, ...]] = {
    Access.READ: READ_OBJECTS,
    Access.WRITE: ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
    Access.KEEP: WRITE_OBJECTS,
}
SIDS = {Access.READ: "ReadObjects", Access.WRITE: "WriteObjects", Access.KEEP: "KeepObjects"}
LISTED = (Access.READ, Access.KEEP)
"""Accesses that list what is there."""

Scopes = frozenset[tuple[Access, Scope]]


@dataclass(frozen=True, slots=True, order=True)
class Merge:
    """A folder or bucket that is allowed in place of several prefixes in it."""

    scope: Scope
    access: Access
    prefixes: int


@dataclass(frozen=True, slots=True)
class Document:
    """The policy as text, what of S3 it allows, and what was merged for it to fit."""

    text: str
    scopes: Scopes
    merges: tuple[Merge, ...]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the policy for an account's region; `layers` says whether images come from Amazon ECR there."""

    setup: Setup
    region: str
    account: str
    layers: bool

    def document(self, wanted: Iterable[tuple[Access, Scope]], longest: int = LONGEST) -> Document:
        """Return the narrowest policy that fits; raises SetupError where whole buckets do not fit either."""
        narrow = _without_covered(wanted)
        scopes = self._fitted(narrow, longest)
        merges = tuple(
            sorted(
                Merge(scope, access, sum(_covers(scope, one) for kind, one in narrow if kind is access))
                for access, scope in scopes - narrow
            )
        )
        text = json.dumps(self._policy(scopes), indent=2)
        return Document(text if len(text) <= longest else self._short(scopes), scopes, merges)

    def _short(self, scopes: Scopes) -> str:
        return json.dumps(self._policy(scopes), separators=(",", ":"))

    def _policy(self, scopes: Scopes) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": list(self._statements(scopes))}

    def _statements(self, scopes: Scopes) -> Iterator[Any]:
        buckets = sorted({scope.bucket for _, scope in scopes})
        for access in Access:
            arns = [self._arn(f"{scope.bucket}/{scope.pattern}") for kind, scope in sorted(scopes) if kind is access]
            if arns:
                yield self._allow(SIDS[access], ACTIONS[access], arns)
        yield from self._lists(scopes)
        if buckets:
            yield self._allow("LocateBuckets", ("s3:GetBucketLocation",), list(map(self._arn, buckets)))
        if self.layers:  # ECR signs these requests: its account is the principal
            layers = self._allow("EcrLayers", READ_OBJECTS, [self._arn(f"prod-{self.region}-starport-layer-bucket/*")])
            yield {name: value for name, value in layers.items() if name != "Condition"}
        none = self.setup.buckets.model_copy(update={"read_only": (), "read_write": (), "jumpstart": False})
        wish = self.setup.model_copy(update={"region": self.region, "buckets": none})
        repositories = {*LINUX_REPOSITORIES, "AmazonLinuxRepositories"}
        yield from (each for each in map(bare, statements(wish)) if each["Sid"] in repositories)

    def _lists(self, scopes: Scopes) -> Iterator[Any]:
        """Yield a statement for each bucket with its prefixes, and one for buckets that are listed as a whole."""
        prefixes: dict[str, set[str]] = defaultdict(set)
        for access, scope in scopes:
            if access in LISTED:
                prefixes[scope.bucket].update(scope.prefixes)
        whole = sorted(bucket for bucket, some in prefixes.items() if "*" in some)
        for number, bucket in enumerate(sorted(prefixes.keys() - set(whole)), start=1):
            limits = {"StringLike": {"s3:prefix": sorted(prefixes[bucket])}}
            yield self._allow(f"ListPrefixes{number}", ("s3:ListBucket",), [self._arn(bucket)], limits)
        if whole:
            yield self._allow("ListBuckets", ("s3:ListBucket",), list(map(self._arn, whole)))

    def _arn(self, resource: str) -> str:
        return bucket_arn(self.region, resource)

    def _allow(
        self, sid: str, actions: tuple[str, ...], arns: list[str], limits: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": "*",
            "Action": list(actions),
            "Resource": arns,
            "Condition": {"StringEquals": {"aws:PrincipalAccount": self.account}, **(limits or {})},
        }

    def _fitted(self, scopes: Scopes, longest: int) -> Scopes:
        """Return the scopes, the deepest folders merged first and no more of them than needed."""
        for depth in range(max((_depth(scope) for _, scope in scopes), default=0) - 1, -1, -1):
            if len(self._short(scopes)) <= longest:
                break
            scopes = self._partly_merged(scopes, _folders(scopes, depth), longest)
        if (size := len(self._short(scopes))) > longest:
            buckets = len({scope.bucket for _, scope in scopes})
            raise SetupError(
                f"the policy needs {size:,} characters even with {buckets} whole buckets; an endpoint policy has at "
                f"most {longest:,}: name workloads with --workload, or move data to fewer buckets"
            )
        return scopes

    def _partly_merged(self, scopes: Scopes, folders: list[tuple[Access, Scope]], longest: int) -> Scopes:
        """Return the scopes with as few of the folders merged as fit, the first ones; with all where all are needed."""
        low, high = 1, len(folders)
        best = _merged(scopes, folders)
        if len(self._short(best)) > longest:
            return best
        while low < high:
            middle = (low + high) // 2
            some = _merged(scopes, folders[:middle])
            if len(self._short(some)) <= longest:
                high, best = middle, some
            else:
                low = middle + 1
        return best


def _depth(scope: Scope) -> int:
    return scope.key.rstrip("/").count("/") + 1 if scope.key else 0


def _folders(scopes: Scopes, depth: int) -> list[tuple[Access, Scope]]:
    """Return folders at a depth that stand for several scopes, or whole buckets for any: those of most scopes first."""
    members: dict[tuple[Access, Scope], int] = defaultdict(int)
    for access, scope in scopes:
        if _depth(scope) > depth:
            key = "".join(f"{part}/" for part in scope.key.split("/")[:depth])
            members[access, Scope(scope.bucket, key, wide=True)] += 1
    some = [each for each, count in members.items() if count > 1 or depth == 0]
    return sorted(some, key=lambda each: (-members[each], each))


def _merged(scopes: Scopes, folders: Collection[tuple[Access, Scope]]) -> Scopes:
    return _without_covered([*scopes, *folders])


def _without_covered(scopes: Iterable[tuple[Access, Scope]]) -> Scopes:
    """Return the scopes without those that are in another of the same access."""
    every = frozenset(scopes)
    wide = {(access, scope.bucket, scope.key) for access, scope in every if scope.wide}
    lengths = {len(key) for _, _, key in wide}

    def is_covered(access: Access, scope: Scope) -> bool:
        longest = len(scope.key) - scope.wide
        return any((access, scope.bucket, scope.key[:end]) in wide for end in lengths if end <= longest)

    return frozenset(each for each in every if not is_covered(*each))


def _covers(scope: Scope, other: Scope) -> bool:
    return scope.bucket == other.bucket and other.key.startswith(scope.key)
