"""Whether a policy document allows a request: the part of IAM's rules that our policies use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Request:
    """A request: its action, the ARN it acts on, and the condition keys that it has."""

    action: str
    resource: str = "*"
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def allows(document: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement allows the request and none denies it."""
    effects = {each["Effect"] for each in document["Statement"] if matches(each, request)}
    return effects == {"Allow"}


def denies(document: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement denies the request."""
    return any(each["Effect"] == "Deny" and matches(each, request) for each in document["Statement"])


def matches(statement: Mapping[str, Any], request: Request) -> bool:
    """Return whether a statement is about a request."""
    return (
        any(fnmatchcase(request.action.lower(), each.lower()) for each in _list(statement["Action"]))
        and any(fnmatchcase(request.resource, each) for each in _list(statement["Resource"]))
        and all(
            _holds(operator, key, _list(values), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, wanted: list[str], context: Mapping[str, Any]) -> bool:
    given = _list(context[key]) if key in context else None
    match operator:
        case "Null":
            return (given is None) == (wanted == ["true"])
        case "StringEquals" | "Bool" | "BoolIfExists":
            return given[0] in wanted if given else operator.endswith("IfExists")
        case "StringNotEquals":  # negated operators are true where the key is missing
            return given is None or given[0] not in wanted
        case "ArnLike":
            return given is not None and any(fnmatchcase(given[0], each) for each in wanted)
        case "ArnNotLike":
            return given is None or not any(fnmatchcase(given[0], each) for each in wanted)
        case "ForAnyValue:StringNotEquals":  # of no value at all nothing is true
            return any(each not in wanted for each in given or [])
    raise AssertionError(operator)


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


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
