"""A template as CloudFormation reads it: YAML or JSON, its references, and the order that they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from flowaudit.simulate.cloudformation.errors import Refused, invalid

PSEUDO = ("AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix")
SECTIONS = ("AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Resources", "Outputs")
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What a change set shows for the id of a resource that is not there yet."""

_IN_TEXT = re.compile(r"\$\{(?!!)([^}]+)\}")


@dataclass(frozen=True)
class Declared:
    """A resource of a template; its properties still have functions in them."""

    name: str
    type: str
    properties: Mapping[str, Any]
    needs: frozenset[str]
    retained: bool = False
    retained_if_replaced: bool = False


@dataclass(frozen=True)
class Template:
    """A template: its text, and what it says."""

    body: str = ""
    description: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    resources: Mapping[str, Declared] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def waves(self) -> Iterator[list[Declared]]:
        """Yield resources that can be made at the same time: each after all that it needs."""
        waiting = dict(self.resources)
        while waiting:
            ready = [each for each in waiting.values() if not each.needs & set(waiting)]
            if not ready:
                raise invalid(f"Circular dependency between resources: [{', '.join(waiting)}]")
            for each in ready:
                del waiting[each.name]
            yield ready


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of functions; dates are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Return a function in its long form."""
    argument: Any
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        raise invalid(f"Template format error: !{suffix} has no mapping as its argument")
    if suffix == "GetAtt" and isinstance(argument, str):
        argument = argument.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": argument}


yaml.add_multi_constructor("!", _function, Loader=_Loader)


def parsed(body: str, types: frozenset[str]) -> Template:
    """Return a template of resources of these types; raises Refused as CloudFormation refuses a wrong one."""
    try:
        document = yaml.load(body, Loader=_Loader)  # noqa: S506  a safe loader, with CloudFormation's functions
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"Template format error: YAML not well-formed.{where}") from None
    if not isinstance(document, dict):
        raise invalid("Template format error: unsupported structure.")
    if wrong := [name for name in document if name not in SECTIONS]:
        raise invalid(f"Invalid template property or properties [{', '.join(map(str, wrong))}]")
    if not document.get("Resources"):
        raise invalid("Template format error: At least one Resources member must be defined.")
    template = Template(
        body,
        document.get("Description", ""),
        document.get("Parameters") or {},
        {name: _declared(name, each) for name, each in document["Resources"].items()},
        document.get("Outputs") or {},
    )
    _check(template, types)
    return template


def _declared(name: str, entry: Mapping[str, Any]) -> Declared:
    if not isinstance(entry, dict) or not isinstance(entry.get("Type"), str):
        raise invalid(f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member.")
    waits = entry.get("DependsOn", [])
    properties = entry.get("Properties") or {}
    needs = {each.split(".")[0] for each in references(properties)}
    return Declared(
        name,
        entry["Type"],
        properties,
        frozenset(needs | set([waits] if isinstance(waits, str) else waits)),
        retained=entry.get("DeletionPolicy") == "Retain",
        retained_if_replaced=entry.get("UpdateReplacePolicy") == "Retain",
    )


def _check(template: Template, types: frozenset[str]) -> None:
    unknown = sorted({each.type for each in template.resources.values()} - types)
    if unknown:
        raise invalid(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    known = {*template.resources, *template.parameters, *PSEUDO}
    for section, needed in (
        ("Resources", {need for each in template.resources.values() for need in each.needs}),
        ("Outputs", {each.split(".")[0] for each in references(dict(template.outputs))}),
    ):
        if missing := sorted(needed - known):
            what = f"Unresolved resource dependencies [{', '.join(missing)}] in the {section} block of the template"
            raise invalid(f"Template format error: {what}")
    list(template.waves())


def references(value: Any) -> Iterator[str]:  # noqa: ANN401  what a template holds
    """Yield what a value refers to: names, and names with an attribute."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            yield f"{name}.{attribute}"
        case {"Fn::Sub": str(text)}:
            yield from _IN_TEXT.findall(text)
        case dict():
            for member in value.values():
                yield from references(member)
        case list():
            for member in value:
                yield from references(member)


def resolved(value: Any, names: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911  a line for each function
    """Return a value with its functions replaced by what the names stand for; `Fn::GetAZs` is one of the names."""
    match value:
        case {"Ref": str(name)}:
            return _meaning(name, names)
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return _meaning(f"{name}.{attribute}", names)
        case {"Fn::Sub": str(text)}:
            text = _IN_TEXT.sub(lambda found: str(_meaning(found[1], names)), text)
            return text.replace("${!", "${")
        case {"Fn::GetAZs": _}:
            return names["Fn::GetAZs"]
        case {"Fn::Select": [number, some]}:
            return resolved(some, names)[int(number)]
        case {"Fn::Join": [str(separator), some]}:
            return separator.join(str(each) for each in resolved(some, names))
        case dict() if len(value) == 1 and next(iter(value)).startswith("Fn::"):
            raise invalid(f"Template error: the stand-in has no {next(iter(value))}")
        case dict():
            return {name: resolved(member, names) for name, member in value.items()}
        case list():
            return [resolved(member, names) for member in value]
    return value


def _meaning(name: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if name in names:
        return names[name]
    if names.get(name.split(".", 1)[0]) == UNKNOWN:
        return UNKNOWN
    raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource attribute {name}")


def parameters_of(template: Template, given: list[dict[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a template's parameters; raises Refused for one that is missing, unknown or does not fit."""
    values = {name: str(each["Default"]) for name, each in template.parameters.items() if "Default" in each}
    if unknown := [each["ParameterKey"] for each in given if each["ParameterKey"] not in template.parameters]:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for each in given:
        name = each["ParameterKey"]
        if not each.get("UsePreviousValue"):
            values[name] = each.get("ParameterValue", "")
        elif name in previous:
            values[name] = previous[name]
        else:
            raise invalid(f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true")
    if missing := [name for name in template.parameters if name not in values]:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        pattern = template.parameters[name].get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, value):
            told = template.parameters[name].get("ConstraintDescription", f"must match pattern {pattern}")
            raise invalid(f"Parameter {name} failed to satisfy constraint: {told}")
    return values


def check_capabilities(template: Template, given: list[str]) -> None:
    """Raise Refused where the template makes IAM resources and the request does not allow it."""
    iam = [each for each in template.resources.values() if each.type.startswith("AWS::IAM::")]
    named = any({"RoleName", "ManagedPolicyName"} & set(each.properties) for each in iam)
    needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
    if iam and not {needed, "CAPABILITY_NAMED_IAM"} & set(given):
        raise Refused("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
