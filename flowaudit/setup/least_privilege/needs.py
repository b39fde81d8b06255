"""What workloads need of S3: which keys of which bucket, what they do with them, and which field says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_NO_BUCKETS = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap")
"""Ends of names that stand where a bucket's does: aliases of access points, directory buckets, table buckets. Policies
name their ARNs, which the alias does not have, or another endpoint serves them (Amazon S3 User Guide, "Naming rules").
"""
_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:dualstack\.)?(?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?", re.ASCII)
_ECR = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)(?:\.cn)?/.+", re.ASCII
)
_SPECIAL = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})


class Access(StrEnum):
    """What a workload does with objects."""

    READ = "read"
    WRITE = "write"
    KEEP = "read, write, delete"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One object, or with `wide` every object whose key begins so."""

    bucket: str
    key: str
    wide: bool

    def __str__(self) -> str:
        """Return it as an S3 URI, with a star where it is wide."""
        return f"s3://{self.bucket}/{self.key}{'*' if self.wide else ''}"

    @property
    def pattern(self) -> str:
        """The keys as policies write them."""
        return escaped(self.key) + ("*" if self.wide else "")

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What `s3:prefix` may be: that of a folder with its slash and without."""
        folder = (escaped(self.key.rstrip("/")),) if self.wide and self.key.endswith("/") else ()
        return (*folder, self.pattern)


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Objects that a workload needs, and the field of SageMaker's API that names them."""

    kind: str
    workload: str
    field: str
    access: Access
    scope: Scope


@dataclass(frozen=True, slots=True, order=True)
class Image:
    """An image of Amazon ECR that a workload needs, and the region that its layers are in."""

    kind: str
    workload: str
    field: str
    region: str


def escaped(key: str) -> str:
    """Return a key with what a policy would take for a wildcard or a variable written as itself."""
    return key.translate(_SPECIAL)


def address(uri: str) -> tuple[str, str] | None:
    """Return bucket and key of `s3://…` or of an `https://` address of S3; None where it is no bucket's."""
    scheme, _, rest = uri.partition("://")
    if scheme == "s3":
        bucket, _, key = rest.partition("/")
    elif scheme == "https":
        parts = urlsplit(uri)
        host = _HOST.fullmatch(parts.netloc)
        if host is None:
            return None
        path = unquote(parts.path.removeprefix("/"))
        bucket, _, key = (host["bucket"], "", path) if host["bucket"] else path.partition("/")
    else:
        return None
    return (bucket, key) if _BUCKET.fullmatch(bucket) and not bucket.endswith(_NO_BUCKETS) else None


def folder(bucket: str, key: str) -> Scope:
    """Return all that lies under a key."""
    return Scope(bucket, f"{key}/" if key and not key.endswith("/") else key, wide=True)


def image_region(image: str) -> str | None:
    """Return the region of an image of Amazon ECR; None where it is of another registry."""
    found = _ECR.fullmatch(image)
    return found["region"] if found else None
