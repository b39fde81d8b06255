"""Values of parameters: what text means for each kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.catalogue import KINDS, Param, values
from flowaudit.errors import ConfigError

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)

MEANINGS: list[tuple[str, str, Any]] = [
    ("time", "-24h", NOW - timedelta(days=1)),
    ("time", "now", NOW),
    ("time", "2026-05-04", datetime(2026, 5, 4, tzinfo=UTC)),
    ("time", "2026-05-04T12:00:00+02:00", datetime(2026, 5, 4, 10, tzinfo=UTC)),
    ("duration", "90s", 90),
    ("duration", "7d", 604_800),
    ("integer", "-3", -3),
    ("number", "1e3", 1000.0),
    ("text", "two words, and = signs", "two words, and = signs"),
    ("list", "a, b,,c", ["a", "b", "c"]),
    ("list", "", []),
    ("boolean", "false", False),
    ("address", "192.0.2.1", "192.0.2.1"),
    ("address", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("interface", "eni-0a1b2c3d4e5f60718", "eni-0a1b2c3d4e5f60718"),
    ("subnet", "subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60718"),
    ("workload", "arn:aws:sagemaker:us-east-1:1:endpoint/e", "arn:aws:sagemaker:us-east-1:1:endpoint/e"),
]  # fmt: skip
MISTAKES = [
    ("time", "noon"), ("time", "2026-13-01"), ("duration", "0m"), ("duration", "1.5h"), ("integer", "1.0"),
    ("integer", "٣"), ("integer", "9" * 30), ("number", "inf"), ("number", "1,5"), ("text", ""), ("boolean", "True"),
    ("boolean", "1"), ("address", "192.0.2.0/24"), ("address", "192.0.2.256"), ("interface", "eni-"),
    ("interface", "eni-0A'; --"), ("subnet", "eni-0a"), ("workload", ""), ("workload", "two words"),
]  # fmt: skip


def param(kind: str, **more: Any) -> Param:
    """A parameter of a kind."""
    return Param(name="p", kind=kind, help="Something.", **more)


@pytest.mark.parametrize(("kind", "text", "meaning"), MEANINGS)
def test_text_means_what_its_kind_says(kind: str, text: str, meaning: Any) -> None:
    """Each kind has its own type, and only that."""
    value = param(kind).value(text, NOW)
    assert value == meaning
    assert type(value) is type(meaning)


@pytest.mark.parametrize(("kind", "text"), MISTAKES)
def test_what_is_of_another_kind_is_refused(kind: str, text: str) -> None:
    """The message has what was given."""
    with pytest.raises(ConfigError) as raised:
        param(kind).value(text, NOW)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_of_a_kind_are_of_it(kind: str) -> None:
    """What a message tells people to write is accepted."""
    assert all(param(kind).value(example, NOW) is not None for example in KINDS[kind].examples)


@given(kind=st.sampled_from(sorted(KINDS)), text=st.text())
def test_any_text_is_a_value_or_a_mistake(kind: str, text: str) -> None:
    """Whatever is typed, it is understood or refused; nothing else happens."""
    try:
        value = param(kind).value(text, NOW)
    except ConfigError:
        return
    assert value is not None


@pytest.mark.parametrize(
    ("kind", "default", "written"),
    [
        ("list", ["a", "b"], "a,b"),
        ("boolean", False, "false"),
        ("integer", 0, "0"),
        ("number", 0.5, "0.5"),
        ("time", "-1d", "-1d"),
    ],
)
def test_a_default_is_written_as_it_would_be_typed(kind: str, default: Any, written: str) -> None:
    """And means what it would then mean; false and 0 are defaults too."""
    one = param(kind, default=default)
    assert (one.required, one.written) == (False, written)
    assert values({"p": one}, {}, NOW) == {"p": one.value(written, NOW)}


def test_an_empty_default_is_no_value_at_all() -> None:
    """NULL in SQL; given, it is a value like any other; and nothing given is nothing."""
    one = {"p": param("interface", default="")}
    assert values(one, {}, NOW) == {"p": None}
    assert values(one, {"p": ""}, NOW) == {"p": None}
    assert values(one, {"p": "eni-0a"}, NOW) == {"p": "eni-0a"}
