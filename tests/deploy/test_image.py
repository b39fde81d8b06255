"""The images, built and run: `scripts/image-check` builds them and calls these."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.images import Container

IMAGES = Path(os.environ.get("FLOWAUDIT_IMAGES", "/nonexistent"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not IMAGES.is_dir(), reason="scripts/image-check builds the images and runs these"),
]
TOOLS = "pip pip3 uv uvx gcc cc make git curl wget"
CONFIG = """
[aws]
regions = ["eu-central-1"]
[[sources]]
type = "local"
uri = "/tmp/logs"
"""


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is mounted at /var/lib/flowaudit, owned by the image's user."""
    folder = tmp_path_factory.mktemp("volume")
    os.chown(folder, 65532, 65532)
    (folder / "flowaudit.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def daemon(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The default image with its own command, `flowaudit run`."""
    container = Container(IMAGES, "flowaudit", volume, log=tmp_path_factory.mktemp("log") / "daemon")
    yield container
    container.kill()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Container]:
    """The image `demo` with its own command, and an empty volume."""
    (tmp_path / "volume").mkdir()
    os.chown(tmp_path / "volume", 65532, 65532)
    container = Container(IMAGES, "demo", tmp_path / "volume", log=tmp_path / "log")
    yield container
    container.kill()


def test_the_daemon_serves_metrics_on_a_read_only_root(daemon: Container) -> None:
    """`flowaudit run` collects as the user 65532, and its metrics say so."""
    page = daemon.until("/metrics", "flowaudit_collect_runs_total 1")
    assert "flowaudit_detect_runs_total" in page
    assert daemon.run("id", "-u").stdout.strip() == "65532"
    assert "Read-only file system" not in daemon.log.read_text()


def test_the_health_check_of_the_image_succeeds(daemon: Container) -> None:
    """HEALTHCHECK's command, run in the container, exits with 0."""
    daemon.until("/healthz", "ok")
    kind, *command = daemon.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    checked = daemon.run(*command)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_only_two_folders_can_be_written(daemon: Container) -> None:
    """A file can be made in /tmp and in /var/lib/flowaudit, and in no other folder."""
    look = "find / -xdev -type d -writable 2>/dev/null; find /tmp /var/lib/flowaudit -maxdepth 0 -writable"
    assert set(daemon.run("sh", "-c", look).stdout.split()) == {"/tmp", "/var/lib/flowaudit"}


def test_no_tool_is_left_in_the_image(daemon: Container) -> None:
    """No installer, no compiler, no downloader, and no sources are in the image."""
    assert daemon.run("sh", "-c", f"command -v {TOOLS}; ls -d /src /usr/local/lib/python3*/ensurepip").stdout == ""
    imported = daemon.run("python", "-c", "import pip")
    assert "No module named 'pip'" in imported.stderr
    where = daemon.run("python", "-c", "import flowaudit; print(flowaudit.__file__)").stdout
    assert where.startswith("/opt/flowaudit/lib/python3")


def test_python_has_nothing_to_compile(daemon: Container) -> None:
    """Each module of the package lies there compiled, as nothing can be written beside it."""
    program = (
        "import importlib.util as u, pathlib, flowaudit;"
        "files = [*pathlib.Path(flowaudit.__file__).parent.rglob('*.py')];"
        "print(len(files), [f for f in map(str, files) if not pathlib.Path(u.cache_from_source(f)).exists()])"
    )
    count, _, missing = daemon.run("python", "-c", program).stdout.strip().partition(" ")
    assert int(count) > 50
    assert missing == "[]"


def test_the_daemon_starts_no_process(daemon: Container) -> None:
    """PID 1 has nothing to reap: it is the only process."""
    daemon.until("/metrics", "flowaudit_detect_runs_total 1")
    listed = daemon.run("sh", "-c", "cat /proc/1/task/*/children").stdout
    assert listed.strip() == ""


def test_sigterm_ends_pid_1_within_ten_seconds(daemon: Container, volume: Path) -> None:
    """The stop signal ends the daemon with 0, well before an engine would kill it; the lake is in the volume."""
    daemon.until("/metrics", "flowaudit_collect_runs_total 1")
    code, seconds = daemon.stop()
    assert code == 0, daemon.log.read_text()
    assert seconds < 10
    assert {each.name for each in volume.iterdir()} == {"flowaudit.toml", "lake"}


def test_the_demo_shows_its_leak_without_a_network(demo: Container, tmp_path: Path) -> None:
    """The image `demo` serves the open leak as a metric, and writes nothing into the volume."""
    page = demo.until("/metrics", 'flowaudit_findings_open{detector="internet-egress-bypasses-nat"')
    assert 'flowaudit_findings_open{detector="internet-egress-bypasses-nat",severity="critical"} 1.0' in page
    code, seconds = demo.stop()
    assert code == 0, demo.log.read_text()
    assert seconds < 10
    assert list((tmp_path / "volume").iterdir()) == []
