"""Parameters of reports: which kinds there are, how a value of each is typed, and what is wrong with what was typed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from math import isfinite
from typing import Any

from flowaudit.config import parse_duration, parse_time
from flowaudit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of parameter: what it is, texts that name one, the value that text means, and TOML's type for its default.

    `parse` is given the text and what now is; it raises ValueError or ConfigError.
    """

    meaning: str
    examples: tuple[str, ...]
    parse: Callable[[str, datetime], Any]
    written: tuple[type, ...] = (str,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of a report; without a default it must be given, and the default "" stands for none at all (NULL).

    With `choices` it is one of these texts.
    """

    name: str
    kind: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is None

    @property
    def written(self) -> str:
        """The default as it would be typed; "" where there is none."""
        match self.default:
            case None:
                return ""
            case bool():
                return str(self.default).lower()
            case list():
                return ",".join(self.default)
            case _:
                return str(self.default)

    def value(self, text: str, now: datetime) -> Any:  # noqa: ANN401  of as many types as there are kinds
        """Return what text means as a value of this parameter; raises ConfigError."""
        if not text and self.default == "":
            return None
        if self.choices and text not in self.choices:
            raise ConfigError(f"{text!r} must be one of {', '.join(self.choices)}")
        kind = KINDS[self.kind]
        try:
            return kind.parse(text, now)
        except ValueError:
            raise ConfigError(f"{text!r} is no {kind.meaning}: write {' or '.join(kind.examples)}") from None

    def described(self) -> dict[str, Any]:
        """Return it as JSON has it: name, kind, default, help."""
        return {"name": self.name, "kind": self.kind, "default": self.default, "help": self.help}

    def sample(self) -> Any:  # noqa: ANN401
        """Return a value to try a query with: the default, else some other."""
        return self.value(KINDS[self.kind].examples[0] if self.required else self.written, datetime.now(UTC))


def values(params: Mapping[str, Param], given: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return each parameter's value, as given or by default; raises ConfigError naming everything that is wrong."""
    mistakes = [f"there is no parameter {name!r}{_near(name, params)}" for name in given if name not in params]
    found: dict[str, Any] = {}
    for name, param in params.items():
        if param.required and name not in given:
            mistakes.append(f"{name} must be given, as in {name}={KINDS[param.kind].examples[0]}: {param.help}")
            continue
        try:
            found[name] = param.value(given.get(name, param.written), now)
        except ConfigError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ConfigError("; ".join(mistakes))
    return found


def _near(name: str, params: Mapping[str, Param]) -> str:
    near = difflib.get_close_matches(name, params, n=1)
    return f": did you mean {near[0]}?" if near else f"; there are {', '.join(params) or 'none'}"


def _matching(pattern: str) -> Callable[[str, datetime], str]:
    def parse(text: str, _now: datetime) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return parse


def _seconds(text: str, _now: datetime) -> int:
    if not (seconds := int(parse_duration(text).total_seconds())):
        raise ValueError(text)
    return seconds


def _integer(text: str, _now: datetime) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _number(text: str, _now: datetime) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _boolean(text: str, _now: datetime) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _list(text: str, _now: datetime) -> list[str]:
    return [member.strip() for member in text.split(",") if member.strip()]


def _address(text: str, _now: datetime) -> str:
    return str(ip_address(text))


KINDS: Mapping[str, Kind] = {
    "time": Kind("time", ("-24h", "2026-05-04", "2026-05-04T12:00:00Z"), parse_time),
    "duration": Kind("duration", ("5m", "1h", "7d"), _seconds),
    "integer": Kind("whole number", ("10",), _integer, (int,)),
    "number": Kind("number", ("0.5",), _number, (int, float)),
    "text": Kind("text", ("abc",), _matching(r"(?s).+")),
    "list": Kind("list", ("nat_gateway,internet_gateway",), _list, (list,)),
    "boolean": Kind("boolean", ("true", "false"), _boolean, (bool,)),
    "address": Kind("IP address", ("192.0.2.1", "2001:db8::1"), _address),
    "interface": Kind("network interface's id", ("eni-0123456789abcdef0",), _matching(r"eni-[0-9a-z]+")),
    "subnet": Kind("subnet's id", ("subnet-0123456789abcdef0",), _matching(r"subnet-[0-9a-z]+")),
    "workload": Kind("workload's name or ARN", ("my-endpoint",), _matching(r"\S+")),
}
"""Every kind by name. What a query is given: a time; a duration's seconds; a list of text; text; or a number."""
