"""The built wheel, in an environment that has never seen the checkout."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("uv"), reason="needs uv: run scripts/test"),
]


def run(*argv: str | Path, cwd: Path) -> str:
    """What a command prints; it must succeed, and knows nothing of this checkout."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("FLOWAUDIT", "PYTHON", "VIRTUAL"))
    }
    done = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel and its dependencies in it."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    run("uv", "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    run("uv", "pip", "install", "--quiet", "--python", folder / "venv" / "bin" / "python", wheel, cwd=folder)
    return folder / "venv" / "bin"


def test_the_wheel_tells_its_version(installed: Path, tmp_path: Path) -> None:
    """`flowaudit --version` runs from the wheel and says the version in pyproject.toml."""
    assert version("flowaudit") in run(installed / "flowaudit", "--version", cwd=tmp_path)


def test_the_wheel_carries_its_queries(installed: Path, tmp_path: Path) -> None:
    """The queries are found inside the environment, the very ones of the checkout."""
    found = Path(run(installed / "python", "-c", SHIPPED, "queries", cwd=tmp_path).strip())
    assert found.is_relative_to(installed.parent)
    assert sorted(contents(found).items()) == sorted(contents(ROOT / "queries").items())


def test_the_wheel_carries_no_images(installed: Path, tmp_path: Path) -> None:
    """The dashboards are in the wheel; pictures of them, and what draws those, are not."""
    found = Path(run(installed / "python", "-c", SHIPPED, "dashboards", cwd=tmp_path).strip())
    assert (found / "grafana" / "overview.json").exists()
    assert not (found / "draw").exists()
    assert not list(installed.parent.rglob("dashboard-*.png"))


def test_the_wheel_carries_the_address_ranges(installed: Path, tmp_path: Path) -> None:
    """`flowaudit ipranges show` in an empty folder knows ranges of AWS's."""
    assert "shipped with flowaudit" in run(installed / "flowaudit", "ipranges", "show", cwd=tmp_path)


def test_the_wheel_checks_its_queries(installed: Path, tmp_path: Path) -> None:
    """`flowaudit check` in an empty folder reads what the wheel brought along, and is content."""
    run(installed / "flowaudit", "check", cwd=tmp_path)


def test_the_wheel_carries_its_pages(installed: Path, tmp_path: Path) -> None:
    """The templates, the style sheet and the icon are found inside the environment."""
    assert "<h1>No such finding</h1>" in run(installed / "python", "-c", PAGE, cwd=tmp_path)


PAGE = """
from flowaudit.web.render import Renderer
print(Renderer().page("missing.html", root="../", id="0").body.decode())
"""
SHIPPED = "import sys; from flowaudit.config import shipped; print(shipped(sys.argv[1]))"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder by its relative path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
