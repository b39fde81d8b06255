"""A CloudFormation template as values: parameters, resources, outputs, and the intrinsic functions in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Value: TypeAlias = "str | int | bool | Intrinsic | Noted | Sequence[Value] | Mapping[str, Value]"

MADE_BY_FLOWAUDIT = "Made by flowaudit setup"
"""In the description of our templates: a stack without it is somebody else's."""


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A call of an intrinsic function, by its short name: `Ref`, `GetAtt`, `Sub`, `Select`, `GetAZs`, `Join`."""

    name: str
    argument: Value


@dataclass(frozen=True, slots=True)
class Noted:
    """A value that a comment says the reason of."""

    value: Value
    comment: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the template; without a default it must be given."""

    name: str
    type: str
    description: str
    default: str = ""
    pattern: str = ""
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource; `retained` ones outlive their stack."""

    name: str
    type: str
    description: str
    properties: Mapping[str, Value]
    depends_on: tuple[str, ...] = ()
    retained: bool = False
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the stack."""

    name: str
    description: str
    value: Value


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template; `head` is the comment that it begins with."""

    description: str
    head: str
    parameters: tuple[Parameter, ...]
    resources: tuple[Resource, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Resources, parameters and outputs of one part of the network."""

    resources: tuple[Resource, ...] = ()
    outputs: tuple[Output, ...] = ()
    parameters: tuple[Parameter, ...] = ()


def ref(name: str) -> Intrinsic:
    """Return the value of a parameter, or the id of a resource."""
    return Intrinsic("Ref", name)


def attribute(name: str, of: str) -> Intrinsic:
    """Return an attribute of a resource."""
    return Intrinsic("GetAtt", f"{name}.{of}")


def sub(text: str) -> Intrinsic:
    """Return text with the values of its `${…}` in it."""
    return Intrinsic("Sub", text)


def joined(names: Iterable[str]) -> Intrinsic:
    """Return the ids of resources, separated by commas."""
    return Intrinsic("Join", [",", [ref(name) for name in names]])


ACCOUNT = ref("AWS::AccountId")


def document(template: Template) -> dict[str, Any]:
    """Return a template as its sections, still with intrinsic functions and comments in them."""
    sections: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09", "Description": template.description}
    if template.parameters:
        sections["Parameters"] = {each.name: _parameter(each) for each in template.parameters}
    sections["Resources"] = {
        each.name: Noted(_resource(each), each.description) if each.description else _resource(each)
        for each in template.resources
    }
    sections["Outputs"] = {
        each.name: {"Description": each.description, "Value": each.value} for each in template.outputs
    }
    return sections


def _parameter(parameter: Parameter) -> dict[str, Value]:
    entries = {
        "Type": parameter.type,
        "Description": parameter.description,
        "Default": parameter.default,
        "AllowedPattern": parameter.pattern,
        "ConstraintDescription": parameter.constraint,
    }
    return {name: value for name, value in entries.items() if value}


def _resource(resource: Resource) -> dict[str, Value]:
    entries: dict[str, Value] = {"Type": resource.type}
    if resource.metadata:
        entries["Metadata"] = resource.metadata
    if resource.depends_on:
        entries["DependsOn"] = list(resource.depends_on)
    if resource.retained:
        entries["DeletionPolicy"] = entries["UpdateReplacePolicy"] = "Retain"
    return {**entries, "Properties": resource.properties}
