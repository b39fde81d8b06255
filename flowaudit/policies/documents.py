"""A policy document: how it is read, and what it decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.errors import PolicyError
from flowaudit.policies.requests import Context, Decision, Request, Verdict
from flowaudit.policies.statements import Statement, statement

_VERSIONS = {"2008-10-17": False, "2012-10-17": True}
"""Whether a version has policy variables."""
_LONGEST = 1_000_000
"""Characters of a document that is read; the longest that AWS stores have 20,480."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements of a policy: a matching Deny decides, else a matching Allow; without either nothing is allowed."""

    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, text: str | Mapping[str, Any]) -> Policy:
        """Return the policy of a document, as JSON or parsed; raises PolicyError with what is wrong and where."""
        document = _loaded(text) if isinstance(text, str) else text
        if not isinstance(document, Mapping):
            raise PolicyError("the policy is no object")
        if unknown := [str(name) for name in document if name not in ("Version", "Id", "Statement")]:
            raise PolicyError(f"{unknown[0][:80]!r} is no element of a policy")
        version = document.get("Version", "2008-10-17")
        if not isinstance(version, str) or version not in _VERSIONS:
            raise PolicyError(f"Version must be one of {', '.join(_VERSIONS)}")
        if "Statement" not in document:
            raise PolicyError("the policy has no Statement")
        found = document["Statement"]
        elements = list(found) if isinstance(found, list | tuple) else [found]
        variables = _VERSIONS[version]
        return cls(tuple(statement(each, number, variables=variables) for number, each in enumerate(elements, 1)))

    def decide(self, request: Request) -> Verdict:
        """Return what the policy decides about a request, and by which statement: the first of those that do."""
        context = Context(request.context)
        matching = [each for each in self.statements if each.matches(request, context)]
        denying = next((each for each in matching if not each.allow), None)
        if denying is not None:
            return Verdict(Decision.DENIED, denying.label)
        return Verdict(Decision.ALLOWED, matching[0].label) if matching else Verdict(Decision.NOT_ALLOWED)

    def may_allow(self, request: Request) -> bool:
        """Return whether the policy allows a request for some values of the condition keys that it does not have."""
        context = Context(request.context)
        matching = [each.allow for each in self.statements if each.may_match(request, context)]
        return bool(matching) and all(matching)


def _loaded(text: str) -> object:
    if len(text) > _LONGEST:
        raise PolicyError(f"the policy has {len(text):,} characters: above {_LONGEST:,} it is not read")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise PolicyError(f"the policy is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise PolicyError("the policy is nested too deeply") from error
    except ValueError as error:
        raise PolicyError(f"the policy is no JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raises PolicyError where it has an element twice: readers differ in which of them counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise PolicyError(f"the policy has {twice[:80]!r} twice in one object")
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
