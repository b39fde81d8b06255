"""docs/cli.md is in step with the program."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flowaudit.cli import verbs

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^###? (.*)$", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every verb with its full name, the program itself as "Options before the verb"."""
    yield name or "Options before the verb", command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {word}".strip())


@pytest.mark.parametrize(("name", "command"), list(commands(get_command(verbs))))
def test_every_option_is_documented(name: str, command: Any) -> None:
    """Each verb has a section that names each of its options, and no option that it does not have."""
    spellings = {spelling for param in command.params for spelling in param.opts if spelling.startswith("-")}
    told = set(
        re.findall(r"(?<![\w`]-)(?<![\w-])--[a-z-]+\b", re.sub(r"```.*?```", "", SECTIONS[name], flags=re.DOTALL))
    )
    assert {option for option in spellings if option.startswith("--")} - {"--help"} <= told
    assert told <= spellings


def test_no_verb_is_made_up() -> None:
    """Every section but those on what verbs share is a verb's."""
    assert set(SECTIONS) - {"Formats", "Times"} == {name for name, _ in commands(get_command(verbs))}


def test_the_examples_are_true(tmp_path: Path, logs: Path) -> None:
    """Run one after the other in a shell, the examples print what the document says, save for what is …."""
    shutil.copytree(logs, tmp_path / "logs")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        for command, wanted in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            ended = subprocess.run(
                ["/bin/sh", "-c", command], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
            )
            assert checker.check_output(wanted, ended.stdout, options), f"{command}\n{ended.stdout}{ended.stderr}"
