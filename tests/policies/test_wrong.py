"""Documents that are no policies, and those that are meant to do harm."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import pytest

from flowaudit.errors import PolicyError
from flowaudit.policies import Decision, Policy, Request

ALLOW = {"Sid": "S", "Effect": "Allow", "Action": "*", "Resource": "*"}


def one(**elements: Any) -> dict[str, Any]:
    """Return a policy of one statement; None leaves an element out."""
    made = {name: value for name, value in {**ALLOW, **elements}.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": [made]}


def when(operator: str, value: Any) -> dict[str, Any]:
    """Return a policy with a condition."""
    return one(Condition={operator: {"aws:x": value}})


WRONG = [
    ("{", "no JSON: line 1, column 2"),
    ("[]", "the policy is no object"),
    ("{}", "has no Statement"),
    ("[" * 100_000, "nested too deeply"),
    ('{"Statement": ' * 5_000, "nested too deeply|no JSON"),
    ('{"Statement": [], "Statement": []}', "'Statement' twice"),
    ('{"Statement": NaN}', "NaN is no number"),
    ('{"Statement": ' + "9" * 5_000 + "}", "no JSON"),
    (" " * 1_000_001, "1,000,001 characters"),
    ({"Version": "2012-10-18", "Statement": []}, "Version must be one of 2008-10-17, 2012-10-17"),
    ({"Version": ["2012-10-17"], "Statement": []}, "Version must be"),
    ({"Statements": []}, "'Statements' is no element of a policy"),
    ({"Statement": ["x"]}, "statement 1: is no object"),
    ({"Statement": [ALLOW, None]}, "statement 2: is no object"),
    (one(Sid=1), "statement 1: Sid is no text"),
    (one(Effect="allow"), 'S: Effect must be "Allow" or "Deny"'),
    (one(Effect=None), "Effect must be"),
    (one(Action=None), "neither Action nor NotAction"),
    (one(NotAction="s3:*"), "both Action and NotAction"),
    (one(Resource=None), "neither Resource nor NotResource"),
    (one(Action=5), "Action must be a text or a list of texts"),
    (one(Action=[["s3:*"]]), "Action must be a text"),
    (one(Action="GetObject"), "'GetObject' is no action"),
    (one(Resource={"a": "b"}), "Resource must be a text"),
    (one(Resource=True), "Resource must be a text"),
    (one(Effects="Deny"), "'Effects' is no element of a statement"),
    (one(Principal="me"), 'Principal must be "\\*" or an object'),
    (one(Principal={"Aws": "*"}), "'Aws' is no kind of principal"),
    (one(Principal={"AWS": "arn:aws:iam::111122223333:role/*"}), "wildcard in part of a principal"),
    (one(Principal="*", NotPrincipal="*"), "both Principal and NotPrincipal"),
    (one(Condition=[]), "Condition is no object"),
    (one(Condition={"StringEquals": "x"}), "is no object of condition keys"),
    (when("StringMatches", "x"), "'StringMatches' is no condition operator"),
    (when("stringequals", "x"), "is no condition operator"),
    (when("ForSomeValues:StringEquals", "x"), "is no condition operator"),
    (when("NullIfExists", "true"), "is no condition operator"),
    (when("ForAllValues:Null", "true"), "is no condition operator"),
    (when("StringEquals", {"a": 1}), "StringEquals of aws:x must be a text"),
    (when("StringEquals", None), "must be a text"),
    (when("NumericEquals", "many"), "NumericEquals of aws:x: 'many' is no number"),
    (when("NumericEquals", "NaN"), "'NaN' is no number"),
    (when("DateEquals", "tomorrow"), "DateEquals of aws:x"),
    (when("DateEquals", "99999999999999999999"), "DateEquals of aws:x"),
    (when("Bool", "yes"), "'yes' is neither true nor false"),
    (when("Null", "maybe"), "'maybe' is neither true nor false"),
    (when("BinaryEquals", "!"), "BinaryEquals of aws:x"),
    (when("IpAddress", "203.0.113.0/40"), "IpAddress of aws:x"),
    (when("ArnLike", "*"), "'\\*' is no ARN: it does not have six parts"),
    (one(Resource="${aws:username"), "no policy variable"),
    (one(Resource="${username}"), "no policy variable"),
    (one(Resource="${}"), "no policy variable"),
    (one(Resource="${aws:x, 'y}"), "no policy variable"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_what_is_wrong_is_named(document: Any, message: str) -> None:
    """A document outside IAM's grammar raises PolicyError, with what is wrong and in which statement."""
    with pytest.raises(PolicyError, match=message):
        Policy.parse(document)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("*a" * 5_000 + "b", "a" * 10_000, False),
        ("*a" * 5_000 + "*", "a" * 10_000, True),
        ("*?a" * 3_000 + "b", "a" * 10_000, False),
        ("*" * 100_000 + "b", "a" * 10_000, False),
        ("?" * 10_000, "a" * 10_000, True),
        ("*" + "a?" * 1_000 + "b", "a" * 10_000, False),
        ("(a+)+$" + "*" * 50, "(a+)+$", True),
    ],
)
def test_no_wildcards_take_long(pattern: str, value: str, matches: bool) -> None:
    """Matching takes time in proportion to what is matched, whatever the pattern."""
    parsed = Policy.parse(json.dumps(one(Resource=pattern)))
    began = perf_counter()
    decision = parsed.decide(Request("s3:GetObject", value)).decision
    assert (decision is Decision.ALLOWED) == matches
    assert perf_counter() - began < 2
