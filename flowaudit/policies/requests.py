"""A request, the values of its condition keys, and what a policy decides about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its action, the ARN that it acts on, who makes it, and the condition keys that it has.

    The principal is an ARN, the name of a service, or "*": anybody, whom only statements for everybody are about.
    """

    action: str
    resource: str = "*"
    principal: str = "*"
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


class Decision(StrEnum):
    """Outcome of a policy: DENIED by a statement, ALLOWED by one and denied by none, or NOT_ALLOWED by any."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision, and the statement that decides: its Sid or its number; empty where none does."""

    decision: Decision
    statement: str = ""


class Context:
    """Condition keys of a request; names of keys are not case-sensitive."""

    def __init__(self, keys: Mapping[str, str | Sequence[str]]) -> None:
        self._values = {
            name.lower(): (value,) if isinstance(value, str) else tuple(value) for name, value in keys.items()
        }

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key; none where the request does not have it."""
        return self._values.get(key.lower(), ())

    def single(self, key: str) -> str | None:
        """Return the value of a key as a policy variable has it: None unless it is exactly one."""
        values = self.values(key)
        return values[0] if len(values) == 1 else None
