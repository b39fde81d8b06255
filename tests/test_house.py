"""The house is as its plan says: layers, sizes, and documents that are in step with the code."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowaudit.config import INTERNET_PATHS, LAKE_TABLES, NO_EFFECT_YET, Config, keys, load
from flowaudit.schema import TABLES

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "flowaudit").rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE = 60, 400


def ours() -> Iterator[Path]:
    """Every file that belongs to the project, as git sees it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    files = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return (file for file in files if file.is_file())


def test_a_room_imports_only_from_below() -> None:
    """The layers, and the rooms that alone may know a library, hold."""
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_files_and_functions_stay_short(module: Path) -> None:
    """No file is longer than what one reads at a sitting, no function longer than a screen."""
    text = module.read_text("utf-8")
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    assert len(text.splitlines()) <= LONGEST_FILE


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="which files are the project's is known to git")
def test_no_file_tells_of_somebodys_machine() -> None:
    """No home folder, no private package registry and no real access key is written down anywhere."""
    personal = re.compile(rb"/(?:home|root|Users|work)/[\w.-]+/|AKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}")
    found = {
        (str(file.relative_to(ROOT)), match.group().decode())
        for file in ours()
        for match in personal.finditer(file.read_bytes())
    }
    assert found == set()


def test_the_lock_names_public_addresses_only() -> None:
    """uv.lock works for anybody: packages come from PyPI under its own name."""
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text("utf-8")))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_the_lock_is_of_this_version() -> None:
    """The project's version in uv.lock is the one in pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    assert [package["version"] for package in locked if package["name"] == "flowaudit"] == [version]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_dependency_has_its_reason() -> None:
    """CONTRIBUTING.md says of each dependency why it is there, and of no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    groups = [project["project"]["dependencies"], *extras, *project["dependency-groups"].values()]
    wanted = {re.split(r"[\[<>=]", line)[0] for group in groups for line in group}
    told = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(wanted)


CONFIG_DOC = (ROOT / "docs" / "config.md").read_text("utf-8")
CONFIG_ROWS = dict(re.findall(r"^\| `([a-zID0-9_.\[\]]+)` \| (.*?) \|", CONFIG_DOC, re.MULTILINE))


def test_every_config_key_is_documented() -> None:
    """docs/config.md has a row for each key there is, and for no other."""
    assert sorted(CONFIG_ROWS) == sorted(keys(Config))


def test_the_documented_defaults_are_the_defaults() -> None:
    """What the table calls the default changes nothing when it is written out."""
    rows = [
        f"{key} = {cell.strip('` ')}"
        for key, cell in CONFIG_ROWS.items()
        if "[]." not in key and not key.startswith("detectors.")
    ]
    assert Config.model_validate(tomllib.loads("\n".join(rows))) == Config()


def test_keys_without_effect_are_marked() -> None:
    """Exactly the keys that nothing acts on yet carry the mark that says so."""
    assert set(re.findall(r"^\| `([a-z_.]+)` .* ¹ \|$", CONFIG_DOC, re.MULTILINE)) == NO_EFFECT_YET
    assert all(f"`{name}`" in CONFIG_DOC for name in (*INTERNET_PATHS, *LAKE_TABLES))
    assert tuple(TABLES) == LAKE_TABLES


def test_the_documented_file_is_a_good_one(tmp_path: Path) -> None:
    """The example in docs/config.md is accepted as it stands."""
    (example,) = re.findall(r"^```toml\n(.*?)^```", CONFIG_DOC, re.MULTILINE | re.DOTALL)
    (tmp_path / "flowaudit.toml").write_text(example, "utf-8")
    assert len(load(tmp_path / "flowaudit.toml", {}).sources) == 2
