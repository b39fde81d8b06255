"""docs/sinks.md is in step with the sinks."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from flowaudit.config.sinks import Sink, SinkSettings
from flowaudit.sinks.slack import WORDS
from flowaudit.sinks.webhook import _signature
from tests.sinks.harness_http import SECRET

PAGE = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", blocks("toml"))
def test_each_example_is_a_good_one(example: str) -> None:
    """Every example of a sink is accepted as it stands."""
    kinds: TypeAdapter[SinkSettings] = TypeAdapter(Sink)
    assert all(kinds.validate_python(told).name for told in tomllib.loads(example)["sinks"])


def test_the_shell_computes_the_signature(tmp_path: Path) -> None:
    """The documented commands print the signature that a webhook sends."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    body, known = b'{"type":"finding.opened"}\n', {"WEBHOOK_ID": "60b1c2d3e4f5-1", "WEBHOOK_TIMESTAMP": "1000000"}
    (tmp_path / "body.json").write_bytes(body)
    environ = {"PATH": "/usr/bin:/bin", "SECRET": SECRET, **known}
    told = subprocess.run(
        ["sh", "-c", blocks("sh")[1]], cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
    )
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert f"v1,{told.stdout.strip()}" == _signature(key, b"60b1c2d3e4f5-1.1000000." + body)


def test_slacks_answers_are_those_that_are_known() -> None:
    """Every answer of Slack on the page is one that the sink has words for."""
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE.split("| Slack answers |")[1].split("\n\n")[0]))
    assert named <= set(WORDS)
