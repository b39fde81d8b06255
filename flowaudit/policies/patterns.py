"""Text of a policy with wildcards and policy variables, and whether it matches a value.

Wildcards are `*` (any characters, `/` and `:` too) and `?` (one character). Matching takes the first place that fits
for each piece between two `*`, so no pattern makes it go back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from flowaudit.errors import PolicyError
from flowaudit.policies.requests import Context

_VARIABLE = re.compile(r"\$\{([^{}]*)\}?")
_KEY = re.compile(r"([\w-]+:[^,'\s]+(?: [^,'\s]+)*)(?:, *'([^']*)')?")
_ARN_PARTS = 6


class Wild(Enum):
    """A wildcard."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A policy variable: its condition key, and the default that stands for it where the request has no such key."""

    key: str
    default: str | None


Resolved = tuple[str | Wild, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a policy, and what it consists of."""

    text: str
    tokens: tuple[str | Wild | Variable, ...]

    @classmethod
    def parse(cls, text: str, *, wildcards: bool = True, variables: bool = False) -> Pattern:
        """Return the pattern of a text; raises PolicyError where a variable is not one."""
        return cls(text, tuple(_tokens(text, wildcards=wildcards, variables=variables)))

    @classmethod
    def ignoring_case(cls, text: str) -> Pattern:
        """Return the pattern of a text whose values are given in lower case."""
        return cls(text, tuple(_tokens(text.lower(), wildcards=True, variables=False)))

    @property
    def has_variables(self) -> bool:
        """Whether the request decides what the text is."""
        return any(isinstance(token, Variable) for token in self.tokens)

    def resolved(self, context: Context) -> Resolved | None:
        """Return the tokens with values in place of variables; None where a variable has none: it equals nothing."""
        found: list[str | Wild] = []
        for token in self.tokens:
            if isinstance(token, Variable):
                value = context.single(token.key)
                value = token.default if value is None else value
                if value is None:
                    return None
                found.append(value)
            else:
                found.append(token)
        return tuple(found)

    def matches(self, value: str, context: Context) -> bool:
        """Return whether the whole of a value matches."""
        tokens = self.resolved(context)
        return tokens is not None and fits(tokens, value)

    def matches_arn(self, value: str, context: Context) -> bool:
        """Return whether each of the six parts of an ARN matches its part of the pattern."""
        tokens = self.resolved(context)
        wanted, given = arn_parts(tokens or ()), value.split(":", _ARN_PARTS - 1)
        return len(wanted) == len(given) == _ARN_PARTS and all(map(fits, wanted, given))


def arn_parts(tokens: Resolved) -> list[Resolved]:
    """Return the six parts of an ARN, or fewer where it is none."""
    parts: list[list[str | Wild]] = [[]]
    for token in tokens:
        if isinstance(token, Wild):
            parts[-1].append(token)
            continue
        first, *others = token.split(":", _ARN_PARTS - len(parts))
        parts[-1].append(first)
        parts += [[other] for other in others]
    return [tuple(part) for part in parts]


def fits(tokens: Resolved, value: str) -> bool:
    """Return whether a value is made of the tokens, in their order and from its start to its end."""
    first, *others = _pieces(tokens)
    if not others:
        return len(value) == _length(first) and _place(first, value, 0) == 0
    if _length(first) > len(value) or _place(first, value[: _length(first)], 0) != 0:
        return False
    start, last = _length(first), others.pop()
    for piece in others:
        found = _place(piece, value, start)
        if found < 0:
            return False
        start = found + _length(piece)
    end = len(value) - _length(last)
    return end >= start and _place(last, value, end) == end


def _pieces(tokens: Resolved) -> Iterator[Resolved]:
    """Yield what lies between wildcards for any characters, with each run of characters in one."""
    piece: list[str | Wild] = []
    for token in tokens:
        if token is Wild.ANY:
            yield _joined(piece)
            piece = []
        else:
            piece.append(token)
    yield _joined(piece)


def _joined(piece: list[str | Wild]) -> Resolved:
    joined: list[str | Wild] = []
    for token in piece:
        if isinstance(token, str) and joined and isinstance(joined[-1], str):
            joined[-1] += token
        elif token != "":
            joined.append(token)
    return tuple(joined)


def _length(piece: Resolved) -> int:
    return sum(1 if isinstance(token, Wild) else len(token) for token in piece)


def _place(piece: Resolved, value: str, start: int) -> int:
    """Return where a piece first lies in a value; -1 where it does not."""
    match piece:
        case ():
            return start
        case (str(literal),):
            return value.find(literal, start)
    found = _expression(piece).search(value, start)
    return -1 if found is None else found.start()


@lru_cache(maxsize=1000)
def _expression(piece: Resolved) -> re.Pattern[str]:
    """Return a piece as an expression without repetition: searching it takes its length times that of the value."""
    return re.compile("".join("." if isinstance(token, Wild) else re.escape(token) for token in piece), re.DOTALL)


def _tokens(text: str, *, wildcards: bool, variables: bool) -> Iterator[str | Wild | Variable]:
    position = 0
    while position < len(text):
        variable = _VARIABLE.match(text, position) if variables else None
        if variable is not None:
            yield _variable(variable)
            position = variable.end()
        elif wildcards and text[position] in "*?":
            yield Wild(text[position])
            position += 1
        else:
            end = _end_of_literal(text, position + 1, wildcards=wildcards, variables=variables)
            yield text[position:end]
            position = end


def _end_of_literal(text: str, start: int, *, wildcards: bool, variables: bool) -> int:
    special = ("*?" if wildcards else "") + ("$" if variables else "")
    return next((end for end in range(start, len(text)) if text[end] in special), len(text))


def _variable(found: re.Match[str]) -> str | Variable:
    """Return a character that is written as a variable, or a variable; raises PolicyError."""
    content = found[1].strip()
    if found[0].endswith("}") and content in ("*", "?", "$"):
        return content
    key = _KEY.fullmatch(content)
    if key is None or not found[0].endswith("}"):
        shown = found[0] if len(found[0]) <= 60 else f"{found[0][:60]}…"  # noqa: PLR2004
        raise PolicyError(
            f"{shown!r} is no policy variable: write one as in ${{aws:username}}, a dollar sign as ${{$}}"
        )
    return Variable(key[1], key[2])
