"""Differences between the properties that a resource has and those that it is to have, as change sets show them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MISSING: Any = object()


@dataclass(frozen=True)
class Difference:
    """One value: where it is (`/Properties/A/0/B`), and what it is before and after; None: not there."""

    path: str
    before: str | None
    after: str | None

    @property
    def name(self) -> str:
        """Return the name of the property that it is in."""
        return self.path.split("/")[2]

    @property
    def type(self) -> str:
        """Return what happens to the value: Add, Remove, Modify."""
        if self.before is None:
            return "Add"
        return "Remove" if self.after is None else "Modify"


def canonical(value: Any) -> Any:  # noqa: ANN401  what a template holds
    """Return a value in the form in which equal ones compare as equal: the order of lists, 60 or "60", do not count."""
    match value:
        case Mapping():
            return {name: canonical(member) for name, member in sorted(value.items())}
        case list() | tuple():
            return sorted((canonical(member) for member in value), key=lambda each: json.dumps(each, sort_keys=True))
        case bool():
            return str(value).lower()
        case str():
            return value
    return str(value)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Return whether two values are equal to CloudFormation."""
    return bool(canonical(one) == canonical(other))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the values that differ between two sets of properties."""
    return list(_within("/Properties", before, after))


def _within(path: str, before: Any, after: Any) -> Iterator[Difference]:  # noqa: ANN401
    if before is not _MISSING and after is not _MISSING and same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**after, **before}:
            yield from _within(f"{path}/{name}", before.get(name, _MISSING), after.get(name, _MISSING))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(path, before, after)
    else:
        yield Difference(path, _text(before), _text(after))


def _of_lists(path: str, before: list[Any], after: list[Any]) -> Iterator[Difference]:
    """Yield the differences of members that only one list has; in pairs if there are as many on either side."""
    others = [canonical(each) for each in after]
    gone = []
    for number, each in enumerate(before):
        if canonical(each) in others:
            others.remove(canonical(each))
        else:
            gone.append((number, each))
    new = [(number, each) for number, each in enumerate(after) if canonical(each) in others]
    if len(gone) == len(new):
        for (_, old), (number, each) in zip(gone, new, strict=True):
            yield from _within(f"{path}/{number}", old, each)
    else:
        yield from (Difference(f"{path}/{number}", _text(each), None) for number, each in gone)
        yield from (Difference(f"{path}/{number}", None, _text(each)) for number, each in new)


def at(properties: Mapping[str, Any], path: str) -> str | None:
    """Return the value at a path, None if there is none."""
    value: Any = properties
    for step in path.split("/")[2:]:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return _text(value)


def _text(value: Any) -> str | None:  # noqa: ANN401
    if value is _MISSING:
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value)
