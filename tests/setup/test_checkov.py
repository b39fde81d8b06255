"""Checkov, a linter of infrastructure as code, has no finding in any template."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import WISHES, made

CHECKOV = shutil.which("checkov", path=f"{os.environ.get('CHECKOV_HOME', '')}/bin:{os.environ['PATH']}")
SKIPPED = {"CKV_AWS_18", "CKV_AWS_158"}
"""The checks that a template itself skips, with a reason."""

pytestmark = pytest.mark.skipif(CHECKOV is None, reason="needs Checkov: .ci/run installs it")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What Checkov says of the templates of all wishes, by result."""
    folder = tmp_path_factory.mktemp("templates")
    for name, wish in WISHES.items():
        (folder / f"{name.replace(' ', '-')}.yaml").write_text(to_yaml(made(**wish)), "utf-8")
    return checked(folder)


def checked(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the results of Checkov on a folder; it exits with 1 where a check fails."""
    command = [str(CHECKOV), "--directory", str(folder), "--framework", "cloudformation", "--output", "json"]
    offline = {**os.environ, "BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    ran = subprocess.run(
        [*command, "--skip-download"], env=offline, capture_output=True, text=True, timeout=200, check=False
    )
    assert ran.returncode in (0, 1), ran.stderr
    results: dict[str, list[dict[str, Any]]] = json.loads(ran.stdout)["results"]
    return results


def test_checkov_finds_nothing(results: dict[str, list[dict[str, Any]]]) -> None:
    """No check fails, and no template is left out because it could not be parsed."""
    assert [(each["check_id"], each["file_path"], each["resource"]) for each in results["failed_checks"]] == []
    assert results["parsing_errors"] == []


def test_skipped_checks_have_a_reason(results: dict[str, list[dict[str, Any]]]) -> None:
    """They stand in the template, for those who deploy it."""
    skipped = results["skipped_checks"]
    assert {each["check_id"] for each in skipped} == SKIPPED
    assert all(len(each["check_result"]["suppress_comment"]) > len("a word or two") for each in skipped)


def test_checkov_would_find_something(tmp_path: Path) -> None:
    """A bucket without encryption, versioning and the rest: the check itself can fail."""
    (tmp_path / "bad.yaml").write_text("Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n", "utf-8")
    assert checked(tmp_path)["failed_checks"]
