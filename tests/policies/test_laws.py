"""What holds for every policy and every request."""

from __future__ import annotations

from fnmatch import translate
from re import escape, match
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowaudit.errors import PolicyError
from flowaudit.policies import Decision, Policy, Request

ACTIONS = st.sampled_from(["s3:GetObject", "s3:Get*", "s3:?utObject", "*", "s3:ListBucket", "s3:PutObject"])
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::a/*", "arn:aws:s3:::a", "arn:aws:s3:::a/x?", "arn:aws:s3:::b/${aws:u}"])
CONDITIONS = st.sampled_from(
    [
        {},
        {"StringEquals": {"aws:u": "x"}},
        {"StringNotEquals": {"aws:u": ["x", "y"]}},
        {"Null": {"aws:u": "true"}},
        {"ForAllValues:StringLike": {"aws:u": "x*"}},
        {"ForAnyValue:StringNotLike": {"aws:u": "x*"}},
    ]
)


def statements(effects: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return statements of some effects."""
    return st.builds(
        lambda effect, action, negated, resource, other, condition: {
            "Effect": effect,
            "NotAction" if negated else "Action": action,
            "NotResource" if other else "Resource": resource,
            "Condition": condition,
        },
        st.sampled_from(effects.split()),
        ACTIONS,
        st.booleans(),
        RESOURCES,
        st.booleans(),
        CONDITIONS,
    )


ANY = st.lists(statements("Allow Deny"), max_size=5)
REQUESTS = st.builds(
    lambda action, resource, user: Request(action, resource, context={"aws:u": user} if user is not None else {}),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket"]),
    st.sampled_from(["arn:aws:s3:::a", "arn:aws:s3:::a/x1", "arn:aws:s3:::b/x", "arn:aws:s3:::c/y"]),
    st.sampled_from([None, "x", "z", ["x", "y"], []]),
)


def decide(some: list[dict[str, Any]], request: Request) -> Decision:
    """Return the decision of a policy of these statements."""
    return Policy.parse({"Version": "2012-10-17", "Statement": some}).decide(request).decision


@given(ANY, statements("Deny"), REQUESTS)
def test_another_deny_never_allows_more(some: list[dict[str, Any]], deny: dict[str, Any], request_: Request) -> None:
    """What a policy does not allow, it does not allow with one more Deny."""
    before, after = decide(some, request_), decide([*some, deny], request_)
    assert after in (before, Decision.DENIED)


@given(ANY, statements("Allow"), REQUESTS)
def test_another_allow_never_denies_more(some: list[dict[str, Any]], allow: dict[str, Any], request_: Request) -> None:
    """What a policy allows, it allows with one more Allow; what it denies stays denied."""
    before, after = decide(some, request_), decide([*some, allow], request_)
    assert after is before or (before, after) == (Decision.NOT_ALLOWED, Decision.ALLOWED)


@given(ANY, REQUESTS, st.randoms())
def test_order_does_not_matter(some: list[dict[str, Any]], request_: Request, random: Any) -> None:
    """The decision is the same in whatever order the statements stand."""
    shuffled = random.sample(some, len(some))
    assert decide(shuffled, request_) is decide(some, request_)


@given(st.text("ab*?/[", max_size=12), st.text("ab/[", max_size=12))
def test_wildcards_match_as_elsewhere(pattern: str, value: str) -> None:
    """`*` and `?` match what they match in names of files, slashes included; brackets are literal."""
    expected = match(translate(pattern.replace("[", "[[]")), value) is not None
    allowed = decide([{"Effect": "Allow", "Action": "*", "Resource": pattern}], Request("s3:x", value))
    assert (allowed is Decision.ALLOWED) == expected, escape(pattern)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Statement", "Effect", "Action", "Resource", "Condition", "Principal", "AWS", "Null"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON.filter(lambda value: not isinstance(value, str)))
def test_anything_else_is_a_policy_error(document: Any) -> None:
    """A document is a policy, or raises PolicyError: nothing else."""
    try:
        Policy.parse(document)
    except PolicyError:
        return
    assert "Statement" in document
