"""A template → text: YAML that explains itself, or JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from flowaudit.setup.template import Intrinsic, Noted, Template, Value, document

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z/][\w./:+*-]*( [\w./:+*()-]+)*", re.ASCII)
_LONG_NAMES = {"Ref": "Ref", "Condition": "Condition"}


def to_yaml(template: Template) -> str:
    """Return a template as YAML: intrinsic functions in their short form, reasons as comments, no anchors."""
    lines = [*_comment(template.head, 0)]
    for section, value in document(template).items():
        if isinstance(value, Mapping):
            lines += ["", f"{section}:"]
            for name, member in value.items():
                lines += ["", *_entry(name, member, 1)] if section == "Resources" else _entry(name, member, 1)
        else:
            lines += _entry(section, value, 0)
    return "\n".join(lines).replace(":\n\n", ":\n") + "\n"


def to_json(template: Template) -> str:
    """Return a template as JSON, which has no comments."""
    return json.dumps(bare(document(template)), indent=2, ensure_ascii=False) + "\n"


def bare(value: Value | Any) -> Any:  # noqa: ANN401  what JSON holds
    """Return a value without comments, its intrinsic functions in their long form."""
    match value:
        case Noted():
            return bare(value.value)
        case Intrinsic():
            return {_long(value.name): _argument(value)}
        case Mapping():
            return {name: bare(member) for name, member in value.items()}
        case str():
            return value
        case Sequence():
            return [bare(member) for member in value]
        case _:
            return value


def _long(name: str) -> str:
    return _LONG_NAMES.get(name, f"Fn::{name}")


def _argument(call: Intrinsic) -> Any:  # noqa: ANN401
    if call.name == "GetAtt" and isinstance(call.argument, str):
        return call.argument.split(".", 1)
    return bare(call.argument)


def _entry(name: str, value: Value, depth: int) -> Iterator[str]:
    """Yield the lines of one member of a mapping."""
    if isinstance(value, Noted):
        yield from _comment(value.comment, depth)
        value = value.value
    yield from _under(f"{'  ' * depth}{_scalar(name)}:", value, depth + 1)


def _item(value: Value, depth: int) -> Iterator[str]:
    """Yield the lines of one item of a list: a mapping's first member stands beside the dash."""
    if isinstance(value, Noted):
        yield from _comment(value.comment, depth)
        value = value.value
    if isinstance(value, Mapping) and value:
        lines = [line for name, member in value.items() for line in _entry(name, member, depth + 1)]
        first = next(number for number, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from (line.removeprefix("  ") for line in lines[:first])
        yield f"{'  ' * depth}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]
    else:
        yield from _under(f"{'  ' * depth}-", value, depth + 1)


def _under(head: str, value: Value, depth: int) -> Iterator[str]:
    """Yield a head and, beside or below it, its value."""
    if isinstance(value, Mapping) and value:
        yield head
        for name, member in value.items():
            yield from _entry(name, member, depth)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield head
        for member in value:
            yield from _item(member, depth)
    elif isinstance(value, str) and _folds(value) and len(head) + len(value) > WIDTH:
        yield f"{head} >-"
        yield from (f"{'  ' * depth}{line}" for line in _folded(value, depth))
    else:
        yield f"{head} {_inline(value)}"


def _folds(text: str) -> bool:
    """Return whether YAML's folded style gives a text back as it is."""
    return text == " ".join(text.split(" ")) and "  " not in text and text.strip() == text and text.isprintable()


def _folded(text: str, depth: int) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2 * depth, break_long_words=False, break_on_hyphens=False)


def _inline(value: Value) -> str:
    """Return a value on one line."""
    match value:
        case Noted():
            return _inline(value.value)
        case Intrinsic():
            return f"!{value.name} {_inline(value.argument)}"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _scalar(value)
        case Mapping():
            return "{" + ", ".join(f"{_scalar(name)}: {_inline(member)}" for name, member in value.items()) + "}"
        case _:
            return "[" + ", ".join(map(_inline, value)) + "]"


def _scalar(text: str) -> str:
    """Return text plain where YAML reads it as that very text, else in quotes."""
    if _PLAIN.fullmatch(text) and not text.endswith(":") and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str, depth: int) -> Iterator[str]:
    indent = f"{'  ' * depth}# "
    for paragraph in text.split("\n"):
        for line in textwrap.wrap(paragraph, WIDTH - len(indent), break_on_hyphens=False) or [""]:
            yield f"{indent}{line}".rstrip()
