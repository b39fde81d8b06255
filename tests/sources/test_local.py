"""What is particular to files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowaudit.errors import SourceError, TransientSourceError
from flowaudit.model import LogObject
from flowaudit.sources.local import LocalSource


def fill(folder: Path, *names: str) -> None:
    """Make files of one byte."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def listed(uri: Path | str, root: Path) -> list[str]:
    """Paths below `root`, as the source lists them."""
    return [str(Path(found.key).relative_to(root)) for found in LocalSource(str(uri)).objects(None)]


def test_hidden_files_and_delta_tables_are_left_alone(tmp_path: Path) -> None:
    """A lake in the same folder does not feed on itself, whether the folder or a glob is named."""
    fill(tmp_path, "a.log", ".b.log", ".c/d.log", "x/g.parquet")
    fill(tmp_path, "lake/flows/_delta_log/0.parquet", "lake/flows/e.parquet", "lake/flows/day=1/f.parquet")
    assert listed(tmp_path, tmp_path) == ["a.log", "x/g.parquet"]
    assert listed(tmp_path / "**/*.parquet", tmp_path) == ["x/g.parquet"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.log", ["a.log", "b.log"]),
        ("[ab].log", ["a.log", "b.log"]),
        ("?.dat", ["c.dat"]),
        ("**/*.log", ["a.log", "b.log", "x/d.log", "x/y/e.log"]),
        ("**", ["a.log", "b.log", "c.dat", "x/d.log", "x/y/e.log"]),
        ("x/**", ["x/d.log", "x/y/e.log"]),
        ("*", ["a.log", "b.log", "c.dat"]),
        ("*/.h/*.log", ["x/.h/f.log"]),
        ("*.nothing", []),
        ("nowhere/*.log", []),
    ],
)
def test_a_glob_takes_the_files_it_matches(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    """Whatever their suffix; hidden ones only where the pattern names them; folders never."""
    fill(tmp_path, "a.log", "b.log", "c.dat", ".g.log", "x/d.log", "x/y/e.log", "x/.h/f.log")
    assert listed(tmp_path / pattern, tmp_path) == expected


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    """What exists under the very name is meant."""
    fill(tmp_path, "a[1].log", "a1.log")
    assert listed(tmp_path / "a[1].log", tmp_path) == ["a[1].log"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    """Loops end, in folders and in globs; a file reached by two names is one object, under its real path."""
    fill(tmp_path, "logs/a.log", "elsewhere/b.log")
    (tmp_path / "logs/loop").symlink_to(tmp_path / "logs")
    (tmp_path / "logs/loop2").symlink_to("..")
    (tmp_path / "logs/twin.log").symlink_to("a.log")
    (tmp_path / "logs/broken.log").symlink_to("nowhere.log")
    assert listed(tmp_path / "logs", tmp_path) == ["elsewhere/b.log", "logs/a.log"]
    assert listed(tmp_path / "logs/**/*.log", tmp_path) == ["logs/a.log"]


def test_only_regular_files_are_logs(tmp_path: Path) -> None:
    """A pipe would block for ever: it is left out, even by name."""
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    assert listed(tmp_path, tmp_path) == listed(tmp_path / "pipe.log", tmp_path) == []


def test_a_relative_path_and_a_home_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are absolute, so that a ledger knows them from any folder."""
    fill(tmp_path, "logs/a.log")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        listed("logs", tmp_path) == listed("./logs/../logs", tmp_path) == listed("~/logs", tmp_path) == ["logs/a.log"]
    )


def test_the_same_size_at_another_time_is_another_etag(tmp_path: Path) -> None:
    """A file rewritten with as many bytes is noticed."""
    fill(tmp_path, "a.log")
    (before,) = LocalSource(str(tmp_path)).objects(None)
    os.utime(tmp_path / "a.log", ns=(0, 1_700_000_000_000_000_001))
    (after,) = LocalSource(str(tmp_path)).objects(None)
    assert before.etag != after.etag == "1-1700000000000000001"


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that an ordinary user can see, and that user as ourselves."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    fill(folder, "a.log", "shut/b.log")
    (folder / "a.log").chmod(0)
    (folder / "shut").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    yield folder
    if root:
        os.seteuid(0)
    (folder / "shut").chmod(0o700)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_read_says_so_when_it_is_opened(unprivileged: Path) -> None:
    """It is listed, for it is there; opening tells what to do."""
    source = LocalSource(str(unprivileged / "a.log"))
    (found,) = source.objects(None)
    with (
        pytest.raises(SourceError, match=r"a\.log cannot be read \(Permission denied\): give .* permission"),
        source.open(found),
    ):
        pass


@pytest.mark.parametrize("name", [".", "shut", "shut/b.log"])
def test_a_folder_that_may_not_be_read_is_not_passed_over(unprivileged: Path, name: str) -> None:
    """Logs behind a shut door are missing logs: the listing fails and names the door."""
    with pytest.raises(SourceError, match=r"shut\S* cannot be listed \(Permission denied\): give .* permission"):
        list(LocalSource(str(unprivileged / name)).objects(None))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose reads fail: Linux's /proc/self/mem")
@pytest.mark.parametrize("size", [10, -1])
def test_a_disk_that_fails_in_the_middle_is_worth_another_try(size: int) -> None:
    """A read that breaks off is a transient error of the source, not a bare OSError."""
    status = Path("/proc/self/mem").stat()
    source = LocalSource("/proc/self/mem")
    found = next(source.objects(None))
    assert isinstance(found, LogObject)
    assert found.size == status.st_size
    with source.open(found) as stream, pytest.raises(TransientSourceError, match=r"mem broke off .*Input/output error"):
        stream.read(size)
