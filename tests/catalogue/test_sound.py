"""What is known to be sound is not tried again, and what is not known is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from flowaudit import catalogue, schema, sql
from flowaudit.catalogue import Catalogue, sound
from flowaudit.config import shipped
from flowaudit.errors import CatalogueError, QueryError

REPORT = '/*---\ntitle = "T"\n---*/\n/* Prose. */\nSELECT interface_id FROM upon\n'
VIEW, BELOW = "SELECT * FROM below", "SELECT interface_id FROM flows"
OURS = shipped("queries")

Load = Callable[..., Catalogue]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own report, over a view over a view."""
    texts = {"reports/mine.sql": REPORT, "views/upon.sql": VIEW, "views/below.sql": BELOW}
    for place, text in texts.items():
        path = tmp_path / "mine" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "mine"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of flowaudit's own queries, in their place."""
    place = shutil.copytree(OURS, tmp_path / "queries")
    monkeypatch.setattr("flowaudit.catalogue.shipped", lambda _: place)
    return place


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads folders where nothing can be tried: a trial ends in QueryError."""

    def _load(*folders: Path) -> Catalogue:
        with monkeypatch.context() as patch:
            patch.setattr("flowaudit.catalogue.TRIAL", sql.Limits(memory="none at all"))
            return catalogue.load(folders)

    return _load


def kept() -> Path:
    """The file in the cache folder."""
    return Path(os.environ["XDG_CACHE_HOME"]) / "flowaudit" / sound.MEMORY


# --- what comes with flowaudit ----------------------------------------------------------------------------------------


def test_the_seal_is_that_of_the_queries() -> None:
    """Every file that comes with flowaudit is sealed as it is."""
    kinds = ("detectors", "reports", "views")
    files = sorted(path.relative_to(OURS).as_posix() for kind in kinds for path in OURS.glob(f"{kind}/*.sql"))
    sealed = sound._sealed(OURS)
    assert sorted(sealed) == files, "run scripts/queries: files were added, removed or renamed"
    changed = [place for place in files if sha256((OURS / place).read_bytes()).hexdigest() != sealed[place]]
    assert not changed, "run scripts/queries: these files have changed"


def test_sealed_queries_are_not_tried(load: Load) -> None:
    """What comes with flowaudit is there, as much as if it had been tried, and the cache folder is left alone."""
    assert load(OURS) == catalogue.load([OURS], afresh=True)
    assert not kept().parent.exists()


def test_an_edited_query_is_tried(copy: Path, load: Load) -> None:
    """A mistake in a report that came with flowaudit is found; the other queries are not tried for it."""
    report = copy / "reports" / "top-talkers.sql"
    assert load(copy).problems == ()
    report.write_text(report.read_text("utf-8").replace("FROM", "FROM nowhere,", 1), "utf-8")

    with pytest.raises(QueryError):
        load(copy)
    found = catalogue.load([copy])
    assert [problem.file for problem in found.problems] == [report]
    assert "top-talkers" not in found.reports
    assert len(found.detectors) == len(catalogue.load([OURS]).detectors)


@pytest.mark.parametrize("change", ["edited", "removed", "added"])
def test_another_view_makes_every_query_unknown(change: str, copy: Path, load: Load) -> None:
    """Queries were tried beside the views as they were sealed: with others, all are tried once, and remembered."""
    view = copy / "views" / ("more.sql" if change == "added" else "egress.sql")
    if change == "removed":
        view.unlink()
    else:
        view.write_text("SELECT 1 AS one", "utf-8")

    with pytest.raises(QueryError):
        load(copy)
    found = catalogue.load([copy])
    assert bool(found.problems) is (change != "added")
    if change == "added":
        assert load(copy) == found


@pytest.mark.parametrize("text", [None, "", "nonsense\n", "0" * 64 + "  views/egress.sql\n", b"\xff"])
def test_without_a_seal_everything_is_tried(text: str | bytes | None, copy: Path, load: Load) -> None:
    """A seal that is missing or broken seals nothing."""
    (copy / sound.SEAL).unlink()
    if text is not None:
        (copy / sound.SEAL).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(QueryError):
        load(copy)


def test_a_seal_of_somebody_elses_is_none(folder: Path, load: Load) -> None:
    """A user's folder cannot vouch for itself."""
    catalogue.seal(folder)

    with pytest.raises(QueryError):
        load(OURS, folder)


def test_only_sound_queries_are_sealed(folder: Path) -> None:
    """With a mistake in any of them there is no seal but the one before."""
    (folder / "views" / "below.sql").write_text("SELECT nonsense", "utf-8")

    with pytest.raises(CatalogueError, match="nonsense"):
        catalogue.seal(folder)
    assert not (folder / sound.SEAL).exists()


# --- what was tried before --------------------------------------------------------------------------------------------


def test_a_users_query_is_tried_once(folder: Path, load: Load) -> None:
    """The second run knows that it is sound, and has the same catalogue."""
    with pytest.raises(QueryError):
        load(OURS, folder)
    found = catalogue.load([OURS, folder])

    assert "mine" in found.reports
    assert load(OURS, folder) == found


def test_what_is_kept_is_private(folder: Path) -> None:
    """Folder and file are for their owner only, nothing else is left there, and nothing but digests is in it."""
    catalogue.load([folder])

    assert kept().parent.stat().st_mode & 0o777 == 0o700
    assert kept().stat().st_mode & 0o777 == 0o600
    assert list(kept().parent.iterdir()) == [kept()]
    assert len(kept().read_text("ascii").splitlines()) == 3
    assert all(sound._DIGEST.fullmatch(line) for line in kept().read_text("ascii").splitlines())


def test_a_mistake_is_never_remembered(folder: Path, load: Load) -> None:
    """A query with a mistake is tried, and told, every time; sound ones beside it only once."""
    (folder / "reports" / "bad.sql").write_text(REPORT.replace("interface_id", "nonsense"), "utf-8")
    for _ in range(2):
        found = catalogue.load([folder])
        assert [problem.file.stem for problem in found.problems] == ["bad"]
        assert list(found.reports) == ["mine"]
    (folder / "reports" / "bad.sql").unlink()

    assert load(folder).problems == ()


@pytest.mark.parametrize("place", ["reports/mine.sql", "views/below.sql"])
def test_another_text_is_tried(place: str, folder: Path, load: Load) -> None:
    """A change of a query, or of a view that it only uses through another, makes it unknown."""
    catalogue.load([folder])
    (folder / place).write_text((folder / place).read_text("utf-8").replace("interface_id", "vpc_id"), "utf-8")

    with pytest.raises(QueryError):
        load(folder)
    assert catalogue.load([folder]).problems


@pytest.mark.parametrize("other", ["flowaudit", "DuckDB", "a table"])
def test_other_surroundings_make_everything_unknown(
    other: str, folder: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, or a table that looks different, may make a sound query unsound."""
    catalogue.load([folder])
    if other == "flowaudit":
        monkeypatch.setattr("flowaudit.__version__", "0.0.7")
    elif other == "DuckDB":
        monkeypatch.setattr(sql, "ENGINE", "1.9.9")
    else:
        monkeypatch.setitem(schema.TABLES, "gaps", schema.TABLES["flows"])

    with pytest.raises(QueryError):
        load(folder)


def test_broken_lines_are_left_out(folder: Path, load: Load) -> None:
    """Of a damaged file, what is a digest counts, and the next run repairs it."""
    catalogue.load([folder])
    lines = kept().read_bytes().splitlines()
    kept().write_bytes(b"\xff\n" + lines[0] + b"\n" + lines[1][:-1] + b"\n\n" + lines[2] + b"  ")
    with pytest.raises(QueryError):
        load(folder)
    catalogue.load([folder])

    assert load(folder).problems == ()
    assert sorted(kept().read_bytes().splitlines()) == sorted(lines)


def test_only_the_newest_are_kept(folder: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file does not grow for ever."""
    monkeypatch.setattr(sound, "MOST", 4)
    for number in range(3):
        (folder / "reports" / "mine.sql").write_text(f"{REPORT}-- {number}", "utf-8")
        catalogue.load([folder])

    assert len(kept().read_text("ascii").splitlines()) == 4
    assert load(folder).problems == ()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_others_may_write_is_not_believed(what: str, folder: Path, load: Load) -> None:
    """Neither a file nor a folder that is open to a group or to everybody."""
    catalogue.load([folder])
    open_one = kept() if what == "file" else kept().parent
    open_one.chmod(0o770)

    with pytest.raises(QueryError):
        load(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_another_owns_is_not_believed(what: str, folder: Path, load: Load) -> None:
    """The superuser does not believe a user's file, and leaves a user's folder as it is."""
    catalogue.load([folder])
    given = kept() if what == "file" else kept().parent
    before = kept().read_bytes()
    os.chown(given, 12345, 12345)

    with pytest.raises(QueryError):
        load(folder)
    catalogue.load([folder])
    assert kept().read_bytes() == before
    assert kept().stat().st_uid == os.geteuid()


def test_a_link_is_not_followed(folder: Path, load: Load, tmp_path: Path) -> None:
    """A link in the file's place is not read, and the next file takes its place."""
    catalogue.load([folder])
    kept().rename(tmp_path / "elsewhere")
    kept().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QueryError):
        load(folder)
    catalogue.load([folder])

    assert not kept().is_symlink()


@pytest.mark.parametrize("obstacle", ["a file for the folder", "a folder for the file", "a pipe", "no home"])
def test_a_cache_that_cannot_be_used_is_no_failure(
    obstacle: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is tried, as if there had never been one, and nothing is said."""
    match obstacle:
        case "a file for the folder":
            kept().parent.parent.mkdir()
            kept().parent.write_text("")
        case "a folder for the file":
            (kept() / "full").mkdir(parents=True, mode=0o700)
        case "a pipe":
            kept().parent.mkdir(parents=True, mode=0o700)
            os.mkfifo(kept())
        case _:
            monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
            monkeypatch.setenv("HOME", str(tmp_path / "mine" / "reports" / "mine.sql"))
    for _ in range(2):
        assert list(catalogue.load([folder]).reports) == ["mine"]
