"""The page about AWS's sinks says what the sinks do."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowaudit.config.sinks import SINK_TYPES, SinkSettings
from flowaudit.exchange import ocsf
from flowaudit.sinks import MESSAGES
from flowaudit.sinks.eventbridge import DETAIL_TYPES, EventBridge
from flowaudit.sinks.ocsf_lines import OcsfFile, OcsfS3
from flowaudit.sinks.security_hub import SecurityHub
from flowaudit.sinks.sns import MOST_SUBJECT, Sns
from flowaudit.sinks.sqs import Sqs
from tests.sinks.harness import event
from tests.sinks.test_aws_common import ACTIONS, CALLING

PAGES = [path for name in ("sinks-aws.md", "sinks.md") if (path := Path(__file__).parents[2] / "docs" / name).exists()]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
NAMES = {
    "sns": "SNS",
    "sqs": "SQS",
    "eventbridge": "EventBridge",
    "security_hub": "Security Hub",
    "ocsf": "OCSF",
}
OPERATIONS = {"PublishBatch": "sns:Publish", "SendMessageBatch": "sqs:SendMessage"}


@pytest.mark.parametrize("type", NAMES)
def test_examples_are_accepted(type: str) -> None:
    """Each section's example is configuration of its kind of sink."""
    (example,) = re.findall(r"```toml\n(.*?)```", SECTIONS[NAMES[type]], re.DOTALL)
    kinds: dict[str, Any] = {kind.model_fields["type"].annotation.__args__[0]: kind for kind in SINK_TYPES}  # type: ignore[union-attr]
    for values in tomllib.loads(example)["sinks"]:
        settings = kinds[type].model_validate(values)
        assert isinstance(settings, SinkSettings)
        assert settings.name


@pytest.mark.parametrize("type", NAMES)
def test_policies_allow_what_is_called(type: str) -> None:
    """Each section's policy allows the one action of its sink, by name."""
    (policy,) = re.findall(r"```json\n(.*?)```", SECTIONS[NAMES[type]], re.DOTALL)
    assert [statement["Action"] for statement in json.loads(policy)["Statement"]] == [ACTIONS[type]]


@pytest.mark.parametrize("harness", CALLING, ids=lambda harness: harness.kind)
def test_the_table_of_actions_is_what_is_called(harness: Any) -> None:
    """The table names each sink's call and action, and a delivery makes exactly that call."""
    rows = dict(re.findall(r"^\| `(\w+)`(?: to S3)? \| (\w+ \| `[\w:]+`) \|", TEXT, re.MULTILINE))
    with harness() as place:
        place.sink().send([event()])
        (called,) = {name for name, _ in place.wire.asked}
    assert rows[place.kind] == f"{called} | `{ACTIONS[place.kind]}`"
    assert ACTIONS[place.kind] == OPERATIONS.get(called, f"{ACTIONS[place.kind].partition(':')[0]}:{called}")


def test_what_arrives_is_as_told() -> None:
    """Which events, whether of muted findings too, detail-types, subject and OCSF version are those of the sinks."""
    assert {kind.kinds for kind in (Sns, Sqs, EventBridge)} == {MESSAGES}
    assert [kind.gets_muted for kind in (Sns, Sqs, EventBridge, SecurityHub, OcsfFile, OcsfS3)] == [False] + [True] * 5
    assert all(f"`{name}`" in SECTIONS["EventBridge"] for name in DETAIL_TYPES.values())
    assert f"{MOST_SUBJECT} ASCII" in SECTIONS["SNS"]
    assert f"OCSF {ocsf.VERSION}" in SECTIONS["OCSF"]
    assert f"{OcsfFile.batch} events a delivery" in SECTIONS["OCSF"]
