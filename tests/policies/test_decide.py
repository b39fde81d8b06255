"""What a policy decides, case by case: each is a sentence of the IAM User Guide as we read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flowaudit.policies import Decision, Policy, Request

ALLOWED, DENIED, NOT_ALLOWED = Decision.ALLOWED, Decision.DENIED, Decision.NOT_ALLOWED
OBJECT = "arn:aws:s3:::models/a/b.tar.gz"
GET = Request("s3:GetObject", OBJECT)
ROLE = "arn:aws:iam::111122223333:role/app/reader"
SESSION = "arn:aws:sts::111122223333:assumed-role/reader/i-1"
BOB = "arn:aws:iam::111122223333:user/bob"


def statement(**elements: Any) -> dict[str, Any]:
    """Return a statement that allows everything, but for the elements given; None leaves one out."""
    found = {"Effect": "Allow", "Action": "*", "Resource": "*", **elements}
    return {name: value for name, value in found.items() if value is not None}


def policy(*statements: Any, version: str = "2012-10-17") -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": version, "Statement": list(statements)}


def only(**elements: Any) -> dict[str, Any]:
    """Return a policy of one statement."""
    return policy(statement(**elements))


def deny(**elements: Any) -> dict[str, Any]:
    """Return a statement that denies everything, but for the elements given."""
    return statement(Effect="Deny", **elements)


def case(sentence: str, document: Mapping[str, Any], request: Request, decision: Decision = ALLOWED) -> Any:
    """Return a case, named by its sentence."""
    return pytest.param(document, request, decision, id=sentence)


def by(principal: str) -> Request:
    """Return a request of a principal."""
    return Request("s3:GetObject", OBJECT, principal)


EFFECTS = [
    case("a policy without statements allows nothing", policy(), GET, NOT_ALLOWED),
    case("a statement that matches allows", only(), GET),
    case("a Deny alone denies", policy(deny()), GET, DENIED),
    case("a Deny before an Allow wins", policy(deny(), statement()), GET, DENIED),
    case("a Deny after an Allow wins", policy(statement(), deny()), GET, DENIED),
    case("a Deny of something else does not matter", policy(deny(Action="s3:PutObject"), statement()), GET),
    case("Statement may be one object", {"Version": "2012-10-17", "Statement": statement()}, GET),
    case("a policy without Version is of 2008-10-17", {"Statement": statement()}, GET),
    case("Id and Sid decide nothing", {"Id": "x", **only(Sid="Read")}, GET),
]

ACTIONS = [
    case("an action is one text", only(Action="s3:GetObject"), GET),
    case("an action is one of a list", only(Action=["s3:PutObject", "s3:GetObject"]), GET),
    case("an empty list of actions matches nothing", only(Action=[]), GET, NOT_ALLOWED),
    case("actions are not case-sensitive", only(Action="S3:getOBJECT"), GET),
    case("the action of a request is not case-sensitive either", only(Action="s3:GetObject"), Request("S3:getobject")),
    case("another action is not allowed", only(Action="s3:PutObject"), GET, NOT_ALLOWED),
    case("an action of another service is not allowed", only(Action="ec2:*"), GET, NOT_ALLOWED),
    case("a star ends an action", only(Action="s3:Get*"), GET),
    case("a star begins an action", only(Action="s3:*Object"), GET),
    case("a star stands for nothing too", only(Action="s3:Get*Object"), GET),
    case("two stars surround a word", only(Action="s3:*Obj*"), GET),
    case("a question mark is one character", only(Action="s3:?etObject"), GET),
    case("a question mark is not none", only(Action="s3:GetObject?"), GET, NOT_ALLOWED),
    case("an action is matched as a whole", only(Action="s3:GetObjec"), GET, NOT_ALLOWED),
    case("brackets are no wildcard", only(Action="s3:[G]etObject"), GET, NOT_ALLOWED),
    case("NotAction matches every other action", only(Action=None, NotAction="s3:PutObject"), GET),
    case("NotAction does not match its own", only(Action=None, NotAction="s3:Get*"), GET, NOT_ALLOWED),
    case("NotAction matches none of a list", only(Action=None, NotAction=["ec2:*", "s3:*"]), GET, NOT_ALLOWED),
    case(
        "a Deny with NotAction denies the rest", policy(statement(), deny(Action=None, NotAction="ec2:*")), GET, DENIED
    ),
]

RESOURCES = [
    case("a resource is an ARN", only(Resource=OBJECT), GET),
    case("a resource is one of a list", only(Resource=["arn:aws:s3:::x", OBJECT]), GET),
    case("resources are case-sensitive", only(Resource=OBJECT.replace("models", "Models")), GET, NOT_ALLOWED),
    case("a star matches slashes", only(Resource="arn:aws:s3:::models/*"), GET),
    case("a star matches colons", only(Resource="arn:*/b.tar.gz"), GET),
    case("a star matches nothing", only(Resource=f"{OBJECT}*"), GET),
    case("a bucket is not its objects", only(Resource="arn:aws:s3:::models"), GET, NOT_ALLOWED),
    case(
        "the objects are not their bucket",
        only(Resource="arn:aws:s3:::models/*"),
        Request("s3:x", "arn:aws:s3:::models"),
        NOT_ALLOWED,
    ),
    case("a name that begins alike is another", only(Resource="arn:aws:s3:::model/*"), GET, NOT_ALLOWED),
    case("a question mark matches a slash", only(Resource="arn:aws:s3:::models?a/b.tar.gz"), GET),
    case("question marks and stars work together", only(Resource="arn:aws:s3:::m?dels/*/?.tar.*"), GET),
    case("a piece may not be used twice", only(Resource="arn:*:::models/a/b.tar.gz*.tar.gz"), GET, NOT_ALLOWED),
    case("the end is the last place that fits", only(Resource="a*.b.b"), Request("s3:x", "a.b.b.b")),
    case(
        "a dot is a dot",
        only(Resource="arn:aws:s3:::models/a/b?tar?gz"),
        Request("s3:x", "arn:aws:s3:::models/a/b\ntar.gz"),
    ),
    case(
        "brackets of a key are themselves", only(Resource="arn:aws:s3:::m/[a]*"), Request("s3:x", "arn:aws:s3:::m/[a]1")
    ),
    case("NotResource matches every other resource", only(Resource=None, NotResource="arn:aws:s3:::x/*"), GET),
    case(
        "NotResource does not match its own", only(Resource=None, NotResource="arn:aws:s3:::models/*"), GET, NOT_ALLOWED
    ),
    case(
        "a Deny with NotResource denies the rest",
        policy(statement(), deny(Resource=None, NotResource="arn:aws:s3:::outputs/*")),
        GET,
        DENIED,
    ),
]

PRINCIPALS = [
    case("a star is everybody", only(Principal="*"), by(ROLE)),
    case("a star is anybody, without credentials too", only(Principal="*"), by("*")),
    case("a star as AWS is everybody", only(Principal={"AWS": "*"}), by(ROLE)),
    case("an ARN is its principal", only(Principal={"AWS": BOB}), by(BOB)),
    case("an ARN is no other principal", only(Principal={"AWS": BOB}), by(ROLE), NOT_ALLOWED),
    case("a named principal is not anybody", only(Principal={"AWS": BOB}), by("*"), NOT_ALLOWED),
    case("an account is everybody in it", only(Principal={"AWS": "111122223333"}), by(BOB)),
    case(
        "the root of an account is everybody in it", only(Principal={"AWS": "arn:aws:iam::111122223333:root"}), by(ROLE)
    ),
    case("another account is not", only(Principal={"AWS": "444455556666"}), by(BOB), NOT_ALLOWED),
    case("one of a list is enough", only(Principal={"AWS": ["444455556666", BOB]}), by(BOB)),
    case("a role is its sessions", only(Principal={"AWS": ROLE}), by(SESSION)),
    case(
        "a role is not sessions of another",
        only(Principal={"AWS": ROLE}),
        by(SESSION.replace("reader", "writer")),
        NOT_ALLOWED,
    ),
    case(
        "a role of another account is not",
        only(Principal={"AWS": ROLE.replace("1111", "9999")}),
        by(SESSION),
        NOT_ALLOWED,
    ),
    case(
        "a service is itself",
        only(Principal={"Service": "delivery.logs.amazonaws.com"}),
        by("delivery.logs.amazonaws.com"),
    ),
    case(
        "a service is not another",
        only(Principal={"Service": "delivery.logs.amazonaws.com"}),
        by("ec2.amazonaws.com"),
        NOT_ALLOWED,
    ),
    case("NotPrincipal is everybody else", policy(statement(), deny(NotPrincipal={"AWS": BOB})), by(ROLE), DENIED),
    case("NotPrincipal is not who is named", policy(statement(), deny(NotPrincipal={"AWS": BOB})), by(BOB)),
    case(
        "NotPrincipal is not the sessions of its role",
        policy(statement(), deny(NotPrincipal={"AWS": ROLE})),
        by(SESSION),
    ),
    case(
        "an account in NotPrincipal excepts its root only",
        policy(statement(), deny(NotPrincipal={"AWS": [BOB, "arn:aws:iam::111122223333:root"]})),
        by(ROLE),
        DENIED,
    ),
]


def when(condition: Any, decision: Decision = ALLOWED, **keys: Any) -> tuple[Any, Request, Decision]:
    """Return a policy with a condition, and a request with keys: double underscores are colons."""
    context = {name.replace("__", ":").replace("_", "-"): value for name, value in keys.items()}
    return only(Condition=condition), Request("s3:GetObject", OBJECT, context=context), decision


def holds(sentence: str, condition: Any, **keys: Any) -> Any:
    """Return a case of a condition that holds."""
    return case(sentence, *when(condition, **keys))


def fails(sentence: str, condition: Any, **keys: Any) -> Any:
    """Return a case of a condition that does not hold."""
    return case(sentence, *when(condition, NOT_ALLOWED, **keys))


def on(operator: str, *values: Any, key: str = "k:k") -> Any:
    """Return a condition of one operator on one key."""
    return {operator: {key: list(values)}}


IP, ARN = "IpAddress", "arn:aws:sns:us-east-1:111122223333:topic"
STRINGS = [
    holds("StringEquals is equal", on("StringEquals", "a"), k__k="a"),
    holds("StringEquals is equal to one of several", on("StringEquals", "a", "b"), k__k="b"),
    fails("StringEquals is case-sensitive", on("StringEquals", "a"), k__k="A"),
    fails("StringEquals has no wildcards", on("StringEquals", "a*"), k__k="ab"),
    holds("StringEquals takes a star for a star", on("StringEquals", "a*"), k__k="a*"),
    fails("StringEquals is not met where the key is missing", on("StringEquals", "a")),
    fails("StringEquals of no value at all is not met", on("StringEquals"), k__k="a"),
    holds("keys are not case-sensitive", on("StringEquals", "a", key="aws:SourceVpce"), AWS__sourcevpce="a"),
    holds("StringEqualsIgnoreCase ignores case", on("StringEqualsIgnoreCase", "Ab"), k__k="aB"),
    fails("StringEqualsIgnoreCase is equal otherwise", on("StringEqualsIgnoreCase", "Ab"), k__k="ac"),
    holds("StringNotEquals is not equal", on("StringNotEquals", "a"), k__k="b"),
    fails("StringNotEquals is equal to none of several", on("StringNotEquals", "a", "b"), k__k="b"),
    holds("StringNotEquals is met where the key is missing", on("StringNotEquals", "a")),
    fails("StringNotEqualsIgnoreCase ignores case", on("StringNotEqualsIgnoreCase", "A"), k__k="a"),
    holds("StringLike has wildcards", on("StringLike", "home/*/?"), k__k="home/a/b/c"),
    fails("StringLike is case-sensitive", on("StringLike", "A*"), k__k="ab"),
    fails("StringNotLike matches none", on("StringNotLike", "x*", "a*"), k__k="ab"),
    holds("StringNotLike is met where the key is missing", on("StringNotLike", "a*")),
    fails("two keys have both to be met", {"StringEquals": {"k:k": "a", "k:m": "b"}}, k__k="a", k__m="x"),
    fails(
        "two operators have both to be met", {**on("StringEquals", "a"), **on("StringLike", "b*", key="k:m")}, k__k="a"
    ),
    holds("one of several values of the request is enough", on("StringEquals", "a"), k__k=["x", "a"]),
    fails("no value of the request may be among negated ones", on("StringNotEquals", "a"), k__k=["x", "a"]),
]
VALUES = [
    holds("NumericEquals compares numbers", on("NumericEquals", "10"), k__k="10.0"),
    holds("a number may stand without quotes", on("NumericEquals", 10), k__k="10"),
    fails("NumericEquals is not met by a word", on("NumericEquals", "10"), k__k="ten"),
    fails("NumericLessThan is less", on("NumericLessThan", "10"), k__k="10"),
    holds("NumericLessThan is no order of texts", on("NumericLessThan", "10"), k__k="9"),
    holds("NumericLessThanEquals is less or equal", on("NumericLessThanEquals", "10"), k__k="10"),
    fails("NumericGreaterThan is greater", on("NumericGreaterThan", "10"), k__k="10"),
    holds("NumericGreaterThanEquals is greater or equal", on("NumericGreaterThanEquals", "10"), k__k="10"),
    holds("NumericNotEquals is not equal", on("NumericNotEquals", "10"), k__k="11"),
    holds("DateLessThan is earlier", on("DateLessThan", "2026-01-01T00:00:00Z"), k__k="2025-12-31T23:59:59Z"),
    holds("dates have time zones", on("DateEquals", "2026-01-01T00:00:00Z"), k__k="2026-01-01T01:00:00+01:00"),
    holds("a date may be seconds since 1970", on("DateEquals", "1767225600"), k__k="2026-01-01T00:00:00Z"),
    holds("a date may be a day", on("DateGreaterThanEquals", "2026-01-01"), k__k="2026-01-01T00:00:00Z"),
    holds("a date may be a month", on("DateEquals", "2026-01"), k__k="2026-01-01T00:00:00Z"),
    fails("DateGreaterThan is later", on("DateGreaterThan", "2026-01-01"), k__k="2026-01-01T00:00:00Z"),
    holds("DateNotEquals is met where the key is missing", on("DateNotEquals", "2026-01-01")),
    holds("Bool is true", on("Bool", "true"), k__k="true"),
    holds("Bool may stand without quotes and ignores case", on("Bool", True), k__k="True"),
    fails("Bool is not met where the key is missing", on("Bool", "false")),
    holds("BinaryEquals compares bytes", on("BinaryEquals", "QmluYXJ5"), k__k="QmluYXJ5"),
    fails("BinaryEquals is not met by other bytes", on("BinaryEquals", "QmluYXJ5"), k__k="QmluYXJ6"),
    holds("IpAddress is in a network", on(IP, "203.0.113.0/24"), k__k="203.0.113.7"),
    holds("IpAddress may be one address", on(IP, "203.0.113.7"), k__k="203.0.113.7"),
    holds("IpAddress may be of IPv6", on(IP, "2001:db8::/32"), k__k="2001:DB8::1"),
    fails("an address of IPv6 is in no network of IPv4", on(IP, "0.0.0.0/0"), k__k="2001:db8::1"),
    fails("IpAddress is not met by a word", on(IP, "0.0.0.0/0"), k__k="here"),
    fails(
        "NotIpAddress is in none of the networks",
        on("NotIpAddress", "203.0.113.0/24", "198.51.100.0/24"),
        k__k="198.51.100.1",
    ),
    holds("NotIpAddress is met where the key is missing", on("NotIpAddress", "203.0.113.0/24")),
]
ARNS = [
    holds("ArnEquals is equal", on("ArnEquals", ARN), k__k=ARN),
    holds("ArnEquals has wildcards as ArnLike has", on("ArnEquals", "arn:aws:sns:*:*:t*"), k__k=ARN),
    holds("ArnLike has wildcards in each part", on("ArnLike", "arn:aws:sns:us-?ast-1:*:*"), k__k=ARN),
    holds(
        "the last part of an ARN may have colons",
        on("ArnLike", "arn:aws:logs:*:*:log-group:*"),
        k__k="arn:aws:logs:r:1:log-group:x:y",
    ),
    fails("a star of ArnLike stays in its part", on("ArnLike", "arn:aws:sns:*:topic:*"), k__k=f"{ARN}:topic:x"),
    fails("ArnLike is not met by what is no ARN", on("ArnLike", "arn:aws:sns:*:*:*"), k__k="topic"),
    fails("ArnNotLike matches none", on("ArnNotLike", "arn:aws:sns:*:*:*"), k__k=ARN),
    holds("ArnNotEquals is met where the key is missing", on("ArnNotEquals", ARN)),
]
MISSING = [
    holds("IfExists is met where the key is missing", on("StringEqualsIfExists", "a")),
    fails("IfExists has to be met where the key is there", on("StringEqualsIfExists", "a"), k__k="b"),
    holds("IfExists is for every kind", on("BoolIfExists", "true")),
    fails("IfExists is for negated operators too", on("ArnNotLikeIfExists", "arn:aws:sns:*:*:*"), k__k=ARN),
    holds("Null true is met where the key is missing", on("Null", "true")),
    fails("Null true is not met where the key is there", on("Null", "true"), k__k="a"),
    holds("Null false is met where the key is there", on("Null", "false"), k__k="a"),
    fails("Null false is not met where the key is missing", on("Null", False)),
    holds("a key without values is missing", on("Null", "true"), k__k=[]),
]
SETS = [
    holds("ForAllValues is met by all", on("ForAllValues:StringEquals", "a", "b"), k__k=["a", "b", "a"]),
    fails("ForAllValues is not met by some", on("ForAllValues:StringEquals", "a", "b"), k__k=["a", "c"]),
    holds("ForAllValues is met where the key is missing", on("ForAllValues:StringEquals", "a")),
    holds("ForAllValues is met by no values", on("ForAllValues:StringLike", "a*"), k__k=[]),
    fails(
        "ForAllValues of a negated operator is met by no value",
        on("ForAllValues:StringNotEquals", "a"),
        k__k=["a", "b"],
    ),
    holds("ForAnyValue is met by one", on("ForAnyValue:StringLike", "a*"), k__k=["x", "ab"]),
    fails("ForAnyValue is not met by none", on("ForAnyValue:StringLike", "a*"), k__k=["x", "y"]),
    fails("ForAnyValue is not met where the key is missing", on("ForAnyValue:StringEquals", "a")),
    fails(
        "ForAnyValue of a negated operator is not met where the key is missing", on("ForAnyValue:StringNotEquals", "a")
    ),
    holds(
        "ForAnyValue of a negated operator is met by one other value",
        on("ForAnyValue:StringNotEquals", "a"),
        k__k=["a", "b"],
    ),
    holds("ForAnyValue with IfExists is met where the key is missing", on("ForAnyValue:StringEqualsIfExists", "a")),
]


def home(resource: str, version: str = "2012-10-17") -> dict[str, Any]:
    """Return a policy of one resource."""
    return policy(statement(Resource=f"arn:aws:s3:::home/{resource}"), version=version)


def at(key: str, **context: Any) -> Request:
    """Return a request for a key of the bucket home."""
    return Request("s3:GetObject", f"arn:aws:s3:::home/{key}", context={f"aws:{k}": v for k, v in context.items()})


VARIABLES = [
    case("a variable is the value of its key", home("${aws:username}/*"), at("bob/x", username="bob")),
    case("a variable is no other value", home("${aws:username}/*"), at("eve/x", username="bob"), NOT_ALLOWED),
    case("keys in variables are not case-sensitive", home("${AWS:UserName}"), at("bob", username="bob")),
    case("a variable without a value matches nothing", home("${aws:username}*"), at("bob"), NOT_ALLOWED),
    case("a variable of several values matches nothing", home("${aws:tags}"), at("a", tags=["a", "b"]), NOT_ALLOWED),
    case("a default stands for a missing key", home("${aws:team, 'all'}/x"), at("all/x")),
    case(
        "a default is not used where there is a key", home("${aws:team, 'all'}/x"), at("all/x", team="a"), NOT_ALLOWED
    ),
    case("wildcards in a value are themselves", home("${aws:username}"), at("bob", username="*"), NOT_ALLOWED),
    case("${*} is a star", home("a${*}b"), at("a*b")),
    case("${*} is no wildcard", home("a${*}b"), at("axb"), NOT_ALLOWED),
    case("${?} is a question mark", home("a${?}b"), at("axb"), NOT_ALLOWED),
    case("${$} is a dollar sign", home("${$}{aws:username}"), at("${aws:username}")),
    case("a dollar sign alone is itself", home("a$b"), at("a$b")),
    case(
        "version 2008-10-17 has no variables",
        home("${aws:username}", "2008-10-17"),
        at("bob", username="bob"),
        NOT_ALLOWED,
    ),
    case("what looks like one is itself in 2008-10-17", home("${aws:username}", "2008-10-17"), at("${aws:username}")),
    holds("StringEquals has variables", on("StringEquals", "${k:m}"), k__k="a", k__m="a"),
    holds("StringLike has variables", on("StringLike", "${k:m}/*"), k__k="a/b", k__m="a"),
    fails("StringLike takes ${*} for a star", on("StringLike", "a${*}"), k__k="ab"),
    holds("StringEqualsIgnoreCase has variables", on("StringEqualsIgnoreCase", "x${k:m}"), k__k="XA", k__m="a"),
    holds("ArnLike has variables", on("ArnLike", "arn:aws:sns:*:${k:m}:*"), k__k=ARN, k__m="111122223333"),
    holds("a negated operator is met where a variable has no value", on("StringNotEquals", "${k:m}"), k__k="a"),
    holds("an ARN may be a variable as a whole", on("ArnEquals", "${k:m}"), k__k=ARN, k__m=ARN),
]
CASES = [*EFFECTS, *ACTIONS, *RESOURCES, *PRINCIPALS, *STRINGS, *VALUES, *ARNS, *MISSING, *SETS, *VARIABLES]


@pytest.mark.parametrize(("document", "request_", "decision"), CASES)
def test_a_policy_decides(document: Any, request_: Request, decision: Decision) -> None:
    """As the name of the case says."""
    assert Policy.parse(document).decide(request_).decision is decision


def test_the_verdict_names_the_statement() -> None:
    """By its Sid, else by its number; where none decides, by nothing."""
    parsed = Policy.parse(policy(statement(Action="ec2:*"), statement(), deny(Sid="NoWrites", Action="s3:Put*")))
    assert parsed.decide(GET).statement == "statement 2"
    assert parsed.decide(Request("s3:PutObject")).statement == "NoWrites"
    assert Policy.parse(policy()).decide(GET).statement == ""
