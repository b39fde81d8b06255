"""Settings become sinks."""

from __future__ import annotations

from typing import Any

import pytest

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.errors import ConfigError

ROLES = [f"arn:aws:iam::{account}:role/flowaudit" for account in ("444455556666", "777788889999")]


def sinks(monkeypatch: pytest.MonkeyPatch, *configured: dict[str, Any]) -> list[Any]:
    """The sinks of a configuration, with their settings."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return App(Config.model_validate({"sinks": list(configured)})).sinks


def test_each_account_of_security_hub_is_a_sink_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each role, named after its account and for its findings only, and one for all other accounts."""
    found = sinks(monkeypatch, {"type": "security_hub", "name": "hub", "roles": ROLES, "min_severity": "high"})
    assert [sink.name for sink, _ in found] == ["hub", "hub-444455556666", "hub-777788889999"]
    takers = {
        account: [sink.name for sink, settings in found if settings.takes("any", account)]
        for account in ("111122223333", "444455556666", "777788889999", None)
    }
    assert takers == {
        "111122223333": ["hub"],
        "444455556666": ["hub-444455556666"],
        "777788889999": ["hub-777788889999"],
        None: ["hub"],
    }
    assert all(settings.min_severity == "high" for _, settings in found)
    assert [sink.target for sink, _ in found] == [
        "Security Hub of its own account in its own region",
        "Security Hub of 444455556666 in its own region",
        "Security Hub of 777788889999 in its own region",
    ]


def test_accounts_that_are_not_wanted_get_no_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role of an account that is left out makes no sink."""
    left_out = {"except_accounts": ["444455556666"]}
    found = sinks(monkeypatch, {"type": "security_hub", "name": "hub", "roles": ROLES, **left_out})
    assert [sink.name for sink, _ in found] == ["hub", "hub-777788889999"]
    assert not any(settings.takes("any", "444455556666") for _, settings in found)


def test_a_missing_region_names_the_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS's own chain has no region, the message names the sink that needs one."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    queue = "https://sqs.us-east-1.amazonaws.com/111122223333/findings"
    app = App(Config.model_validate({"sinks": [{"type": "sqs", "queue_url": queue}]}))
    with pytest.raises(ConfigError, match=r"sink sqs: .*`region` of this sink"):
        assert app.sinks
