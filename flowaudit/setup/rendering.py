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


def to_yaml(template: Template) -> str:
    """Return a template as YAML: intrinsic functions in their short form, reasons as comments, no anchors."""
    lines = [*_comment(template.head, 0)]
    for section, value in document(template).items():
        if isinstance(value, Mapping):
            lines += ["", f"{section}:"]
            for number, (name, member) in enumerate(value.items()):
                lines += [""] * bool(number and section == "Resources")
                lines += _entry(name, member, 1)
        else:
            lines += _entry(section, value, 0)
    return "\n".join(lines) + "\n"


def to_json(template: Template) -> str:
    """Return a template as JSON, which has no comments."""
    return json.dumps(bare(document(template)), indent=2, ensure_ascii=False) + "\n"


def bare(value: Value | Any) -> Any:  # noqa: ANN401  what JSON holds
    """Return a value without comments, its intrinsic functions in their long form."""
    match value:
        case Noted():
            return bare(value.value)
        case Intrinsic():
            return {"Ref" if value.name == "Ref" else f"Fn::{value.name}": _argument(value)}
        case Mapping():
            return {name: bare(member) for name, member in value.items()}
        case str():
            return value
        case Sequence():
            return [bare(member) for member in value]
        case _:
            return value


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
    if isinstance(value, Mapping) and value and not _is_short(value):
        lines = [line for name, member in value.items() for line in _entry(name, member, depth + 1)]
        first = next(number for number, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from (line.removeprefix("  ") for line in lines[:first])
        yield f"{'  ' * depth}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]
    else:
        yield from _under(f"{'  ' * depth}-", value, depth + 1)


def _under(head: str, value: Value, depth: int) -> Iterator[str]:
    """Yield a head and, beside or below it, its value."""
    if _is_short(value) and len(beside := f"{head} {_inline(value)}") <= WIDTH:
        yield beside
    elif isinstance(value, Mapping) and value:
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


def _is_short(value: Value) -> bool:
    """Return whether a value is read more easily on one line: a tag, or a list of single values."""
    if isinstance(value, Mapping):
        return set(value) == {"Key", "Value"}
    return isinstance(value, list) and all(isinstance(member, str | int | Intrinsic) for member in value)


def _folds(text: str) -> bool:
    """Return whether YAML's folded style gives a text back as it is."""
    return text == " ".join(text.split(" ")) and "  " not in text and text.strip() == text and text.isprintable()


def _folded(text: str, depth: int) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2 * depth, break_on_hyphens=False, break_long_words=False)


def _inline(value: Value) -> str:
    """Return a value on one line."""
    match value:
        case Noted():
            return _inline(value.value)
        case Intrinsic():
            return f"!{value.name} {_inline(value.argument)}"
        case int():
            return str(value).lower()
        case str():
            return _scalar(value)
        case Mapping():
            return "{ " + ", ".join(f"{_scalar(name)}: {_inline(member)}" for name, member in value.items()) + " }"
        case _:
            return "[" + ", ".join(map(_inline, value)) + "]"


def _scalar(text: str) -> str:
    """Return text plain where YAML reads it as that very text, else in quotes."""
    if _PLAIN.fullmatch(text) and not text.endswith(":") and yaml.safe_load(text) == text:
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str, depth: int) -> Iterator[str]:
    """Yield the lines of a comment; its paragraphs are wrapped, and indented lines left as they are."""
    indent = f"{'  ' * depth}# "
    for paragraph in text.split("\n"):
        wrapped = textwrap.wrap(paragraph, WIDTH - len(indent), break_on_hyphens=False, break_long_words=False)
        for line in [paragraph] if paragraph.startswith(" ") else wrapped or [""]:
            yield f"{indent}{line}".rstrip()
