"""Whom a statement is about: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root", re.ASCII)
_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+", re.ASCII)
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:.*/)?([^/]+)", re.ASCII)

TYPES = ("AWS", "Service", "Federated", "CanonicalUser")
"""Kinds of principals that a policy names."""


@dataclass(frozen=True, slots=True)
class Principals:
    """The principals that a statement names, or with `inverted` all others; `names` by their kind."""

    names: frozenset[tuple[str, str]]
    inverted: bool = False

    def include(self, principal: str) -> bool:
        """Return whether a statement is about a principal.

        An account in Principal stands for everybody in it. In NotPrincipal it stands for its root user only: the guide
        lists the account beside the one user of it who is excepted.
        """
        if self.inverted:
            return not any(_is(principal, name) for _, name in self.names)
        return any(
            _is(principal, name) or _is_in(principal, name) for kind, name in self.names if kind != "Service"
        ) or (("Service", principal) in self.names)


def _is(principal: str, name: str) -> bool:
    """Return whether a name is the principal's own, or that of the role of its session."""
    if name in ("*", principal):
        return True
    session, role = _SESSION.fullmatch(principal), _ROLE.fullmatch(name)
    return session is not None and role is not None and session.groups() == role.groups()


def _is_in(principal: str, name: str) -> bool:
    """Return whether a name is the account of the principal."""
    root = _ROOT.fullmatch(name)
    account = root[1] if root else name if _ACCOUNT.fullmatch(name) else None
    parts = principal.split(":", 5)
    return account is not None and len(parts) == 6 and parts[4] == account  # noqa: PLR2004
