"""One statement of a policy: what it is about, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowaudit.errors import PolicyError
from flowaudit.policies.conditions import Condition, condition
from flowaudit.policies.patterns import Pattern
from flowaudit.policies.principals import TYPES, Principals
from flowaudit.policies.requests import Context, Request

_ELEMENTS = {
    *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns, of which one has to match; with `inverted` none."""

    patterns: tuple[Pattern, ...]
    inverted: bool = False

    def includes(self, value: str, context: Context) -> bool:
        """Return whether a value is selected."""
        return any(pattern.matches(value, context) for pattern in self.patterns) != self.inverted


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement; without `principals` it is that of an identity, and about whoever has the policy."""

    label: str
    allow: bool
    actions: Selection
    resources: Selection
    principals: Principals | None = None
    conditions: tuple[Condition, ...] = ()

    def matches(self, request: Request, context: Context) -> bool:
        """Return whether the statement is about a request."""
        return (
            self.actions.includes(request.action.lower(), context)
            and self.resources.includes(request.resource, context)
            and (self.principals is None or self.principals.include(request.principal))
            and all(each.holds(context) for each in self.conditions)
        )

    def may_match(self, request: Request, context: Context) -> bool:
        """Return whether the statement is about a request: an Allow if it may be, a Deny only if it is for certain.

        It may be where a condition key that the request does not have can have a value that decides so.
        """
        known = tuple(each for each in self.conditions if context.values(each.key))
        certain = self.allow or len(known) == len(self.conditions)
        return certain and replace(self, conditions=known).matches(request, context)


def statement(element: object, number: int, *, variables: bool) -> Statement:
    """Return a statement, the `number`th of its policy; raises PolicyError."""
    where = f"statement {number}"
    if not isinstance(element, Mapping):
        raise PolicyError(f"{where}: is no object")
    sid = element.get("Sid", "")
    if not isinstance(sid, str):
        raise PolicyError(f"{where}: Sid is no text")
    label = sid or where
    try:
        return _statement(element, label, variables=variables)
    except PolicyError as error:
        raise PolicyError(f"{label}: {error}") from error


def _statement(element: Mapping[str, Any], label: str, *, variables: bool) -> Statement:
    if unknown := [str(name) for name in element if name not in _ELEMENTS]:
        raise PolicyError(f"{unknown[0][:80]!r} is no element of a statement")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError('Effect must be "Allow" or "Deny"')
    actions, inverted = _either(element, "Action")
    if wrong := [action for action in actions if action != "*" and ":" not in action]:
        raise PolicyError(f"{wrong[0][:80]!r} is no action: write its service before it, as in s3:GetObject")
    resources, other_resources = _either(element, "Resource")
    return Statement(
        label=label,
        allow=element["Effect"] == "Allow",
        actions=Selection(tuple(map(Pattern.ignoring_case, actions)), inverted),
        resources=Selection(
            tuple(Pattern.parse(resource, variables=variables) for resource in resources), other_resources
        ),
        principals=_principals(element),
        conditions=tuple(_conditions(element.get("Condition", {}), variables=variables)),
    )


def _either(element: Mapping[str, Any], name: str) -> tuple[list[str], bool]:
    """Return the values of an element or of its opposite, and whether it is the opposite."""
    found = [each for each in (name, f"Not{name}") if each in element]
    if len(found) != 1:
        raise PolicyError(f"has {'both' if found else 'neither'} {name} {'and' if found else 'nor'} Not{name}")
    return texts(element[found[0]], found[0]), found[0] != name


def _principals(element: Mapping[str, Any]) -> Principals | None:
    found = [each for each in ("Principal", "NotPrincipal") if each in element]
    if not found:
        return None
    if len(found) > 1:
        raise PolicyError("has both Principal and NotPrincipal")
    value, inverted = element[found[0]], found[0] == "NotPrincipal"
    if value == "*":
        return Principals(frozenset({("AWS", "*")}), inverted)
    if not isinstance(value, Mapping):
        raise PolicyError(f'{found[0]} must be "*" or an object, as in {{"AWS": "111122223333"}}')
    if unknown := [str(kind) for kind in value if kind not in TYPES]:
        raise PolicyError(f"{found[0]}: {unknown[0][:80]!r} is no kind of principal: those are {', '.join(TYPES)}")
    names = frozenset((kind, name) for kind, some in value.items() for name in texts(some, f"{found[0]} {kind}"))
    if wrong := sorted(name for _, name in names if name != "*" and ("*" in name or "?" in name)):
        raise PolicyError(f"{found[0]}: {wrong[0][:80]!r} has a wildcard in part of a principal, which IAM refuses")
    return Principals(names, inverted)


def _conditions(element: object, *, variables: bool) -> Iterator[Condition]:
    if not isinstance(element, Mapping):
        raise PolicyError("Condition is no object")
    for name, keys in element.items():
        if not isinstance(name, str) or not isinstance(keys, Mapping):
            raise PolicyError(f"Condition {str(name)[:80]}: is no object of condition keys")
        for key, values in keys.items():
            if not isinstance(key, str):
                raise PolicyError(f"Condition {name[:80]}: has a key that is no text")
            yield condition(name, key, texts(values, f"{name} of {key}", scalars=True), variables=variables)


def texts(value: object, what: str, *, scalars: bool = False) -> list[str]:
    """Return one text or a list of them as a list; with `scalars`, numbers and true or false are texts too."""
    some = list(value) if isinstance(value, list | tuple) else [value]
    return [_text(each, what, scalars=scalars) for each in some]


def _text(value: object, what: str, *, scalars: bool) -> str:
    if isinstance(value, str):
        return value
    if scalars and isinstance(value, bool):
        return str(value).lower()
    if scalars and isinstance(value, int | float):
        return str(value)
    raise PolicyError(f"{what[:120]} must be a text or a list of texts")
