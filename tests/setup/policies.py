"""Values of a template with its functions resolved, and what a policy in it decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowaudit.policies import Decision, Policy, Request

ACCOUNT = "123456789012"


def allows(document: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement allows the request and none denies it."""
    return Policy.parse(document).decide(request).decision is Decision.ALLOWED


def denies(document: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement denies the request."""
    return Policy.parse(document).decide(request).decision is Decision.DENIED


def resolved(value: Any, names: Mapping[str, str]) -> Any:  # noqa: PLR0911  a line for each function
    """Return a value with its functions replaced by what the names stand for."""
    match value:
        case {"Ref": str(name)}:
            return names[name]
        case {"Fn::GetAtt": [name, attribute]}:
            return names[f"{name}.{attribute}"]
        case {"Fn::Sub": str(text)}:
            for name, meaning in names.items():
                text = text.replace(f"${{{name}}}", meaning)
            assert "${" not in text, text
            return text
        case {"Fn::GetAZs": _}:
            return names["AZs"].split(",")
        case {"Fn::Select": [number, some]}:
            return resolved(some, names)[number]
        case {"Fn::Join": [separator, some]}:
            return separator.join(resolved(some, names))
        case dict():
            return {name: resolved(member, names) for name, member in value.items()}
        case list():
            return [resolved(member, names) for member in value]
    return value
