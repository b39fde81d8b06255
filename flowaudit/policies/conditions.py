"""Conditions of a statement: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued keys"."""

from __future__ import annotations

import operator
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from flowaudit.errors import PolicyError
from flowaudit.policies.patterns import Pattern, arn_parts
from flowaudit.policies.requests import Context

Test = Callable[[str, Context], bool]
"""Whether a value of a request is what a value of the policy asks for."""
Maker = Callable[[str, bool], Test]
"""Returns the test of a value of the policy, given whether it may have variables; raises ValueError."""

_FOR_ALL, _FOR_ANY, _IF_EXISTS = "ForAllValues:", "ForAnyValue:", "IfExists"
_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)
_EPOCH = re.compile(r"-?\d{5,}(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition key with an operator and the tests of its values."""

    key: str
    operator: str
    tests: tuple[Test, ...]
    quantifier: str = ""
    if_exists: bool = False
    negated: bool = False

    def holds(self, context: Context) -> bool:
        """Return whether a request meets the condition."""
        given = context.values(self.key)
        if self.operator == "Null":
            return any(test("false" if given else "true", context) for test in self.tests)
        if not given:
            return self.if_exists or self.quantifier == _FOR_ALL or (self.negated and self.quantifier != _FOR_ANY)
        met = (any(test(value, context) for test in self.tests) for value in given)
        if not self.quantifier:
            return any(met) != self.negated
        each = (one != self.negated for one in met)
        return all(each) if self.quantifier == _FOR_ALL else any(each)


def condition(name: str, key: str, values: list[str], *, variables: bool) -> Condition:
    """Return a condition by the name of its operator; raises PolicyError where operator or value are not IAM's."""
    quantifier = next((each for each in (_FOR_ALL, _FOR_ANY) if name.startswith(each)), "")
    bare = name.removeprefix(quantifier)
    if_exists = bare.endswith(_IF_EXISTS)
    bare = bare.removesuffix(_IF_EXISTS)
    positive = _NEGATED.get(bare, bare)
    make = _OPERATORS.get(positive)
    if make is None or (bare == "Null" and (quantifier or if_exists)):
        raise PolicyError(f"{name[:80]!r} is no condition operator of IAM")
    try:
        tests = tuple(make(value, variables) for value in values)
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise PolicyError(f"{name} of {key}: {error}") from error
    return Condition(key, bare, tests, quantifier, if_exists, positive != bare)


def _equals(value: str, variables: bool) -> Test:
    pattern = Pattern.parse(value, wildcards=False, variables=variables)
    return pattern.matches


def _equals_ignoring_case(value: str, variables: bool) -> Test:
    pattern = Pattern.parse(value, wildcards=False, variables=variables)

    def test(given: str, context: Context) -> bool:
        tokens = pattern.resolved(context)
        return tokens is not None and "".join(map(str, tokens)).casefold() == given.casefold()

    return test


def _like(value: str, variables: bool) -> Test:
    return Pattern.parse(value, variables=variables).matches


def _arn(value: str, variables: bool) -> Test:
    pattern = Pattern.parse(value, variables=variables)
    if not pattern.has_variables and len(arn_parts(pattern.resolved(Context({})) or ())) < 6:  # noqa: PLR2004
        raise ValueError(f"{value[:80]!r} is no ARN: it does not have six parts")
    return pattern.matches_arn


def _bool(value: str, _: bool) -> Test:
    if value.lower() not in ("true", "false"):
        raise ValueError(f"{value[:80]!r} is neither true nor false")
    return lambda given, _: given.lower() == value.lower()


def _binary(value: str, _: bool) -> Test:
    return _compared(operator.eq, lambda text: b64decode(text, validate=True))(value, _)


def _ip(value: str, _: bool) -> Test:
    network: IPv4Network | IPv6Network = ip_network(value, strict=False)

    def test(given: str, _: Context) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(given)
        except ValueError:
            return False
        return address in network

    return test


def _compared(compare: Callable[[Any, Any], bool], read: Callable[[str], Any]) -> Maker:
    """Return what makes tests that compare what two texts mean; a text without a meaning compares with nothing."""

    def make(value: str, _: bool) -> Test:
        wanted = read(value)

        def test(given: str, _: Context) -> bool:
            try:
                return compare(read(given), wanted)
            except (ValueError, OverflowError, ArithmeticError):
                return False

        return test

    return make


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"{text[:80]!r} is no number") from error
    if not number.is_finite():
        raise ValueError(f"{text[:80]!r} is no number")
    return number


def _date(text: str) -> datetime:
    """Return a time in one of the ISO 8601 formats, or in seconds since 1970; without a time zone it is UTC."""
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if month := _MONTH.fullmatch(text):
        return datetime(int(month[1]), int(month[2] or 1), 1, tzinfo=UTC)
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _comparisons(kind: str, read: Callable[[str], Any]) -> Mapping[str, Maker]:
    return {
        f"{kind}Equals": _compared(operator.eq, read),
        f"{kind}LessThan": _compared(operator.lt, read),
        f"{kind}LessThanEquals": _compared(operator.le, read),
        f"{kind}GreaterThan": _compared(operator.gt, read),
        f"{kind}GreaterThanEquals": _compared(operator.ge, read),
    }


_OPERATORS: Mapping[str, Maker] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": _like,
    **_comparisons("Numeric", _number),
    **_comparisons("Date", _date),
    "Bool": _bool,
    "BinaryEquals": _binary,
    "IpAddress": _ip,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Null": _bool,
}
_NEGATED: Mapping[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
"""Operators that are true where the other is not, and where the key is missing."""
