"""`flowaudit lake`: what there is, its maintenance, and the export of a span of time."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flowaudit.lake import Lake
from flowaudit.schema import TABLES
from tests.cli.conftest import HEADER, Run, record

SINCE = "2026-05-04T00:00:00Z"


@pytest.fixture
def own(lake: Path, tmp_path: Path) -> Path:
    """Return a lake of the test's own."""
    return Path(shutil.copytree(lake, tmp_path / "own"))


def test_info_lists_every_table(run: Run, own: Path) -> None:
    """Rows, files, days and versions as the tables' logs have them."""
    tables = {row["table"]: row for row in run("--lake", own, "lake", "info", "--format", "json").json}
    assert list(tables) == list(TABLES)
    assert (tables["flows"]["rows"], tables["flows"]["files"], tables["flows"]["small_files"]) == (5, 1, 1)
    assert tables["flows"]["oldest"] == tables["flows"]["newest"] == "2026-05-04"
    assert tables["topology"] | {"version": 0, "oldest": None, "checkpoint": None, "bytes": 0} == tables["topology"]


def test_info_needs_no_right_to_write(run: Run, own: Path) -> None:
    """Nothing in the lake changes."""
    before = sorted((str(path), path.stat().st_mtime_ns) for path in own.rglob("*"))
    run("--lake", own, "lake", "info")
    assert sorted((str(path), path.stat().st_mtime_ns) for path in own.rglob("*")) == before


def test_maintain_acts_by_the_configured_retention(run: Run, own: Path, tmp_path: Path) -> None:
    """A dry run counts, the run removes; what nothing names goes once it is old."""
    (tmp_path / "flowaudit.toml").write_text('[lake]\nuri = "own"\nretention = { flows = "1d" }\n', "utf-8")
    stray = own / "flows" / "day=2026-05-04" / "stray.parquet"
    stray.write_bytes(b"half")
    month_ago = time.time() - 30 * 86_400
    os.utime(stray, (month_ago, month_ago))

    planned = run("lake", "maintain", "--dry-run", "--format", "json").json
    assert (planned["expired_rows"], planned["deleted_files"], stray.exists()) == (5, 1, True)
    done = run("lake", "maintain", "--format", "json").json
    assert (done["expired_rows"], done["deleted_files"], stray.exists()) == (5, 1, False)
    assert Lake(str(own)).sizes()["flows"].rows == 0


def test_verbs_name_a_lake_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """None of them makes one."""
    for words in (["info"], ["maintain"], ["export", "--since", "-1d", "out"]):
        ended = run("--lake", tmp_path / "none", "lake", *words)
        assert (ended.code, "there is no lake at" in ended.err) == (3, True)
    assert not (tmp_path / "none").exists()


def test_export_writes_the_rows_of_a_span(run: Run, own: Path, tmp_path: Path) -> None:
    """A file a table; what lies outside of the span is left out, its end included."""
    until = "2026-05-04T10:00:03Z"
    words = ("--since", SINCE, "--until", until, "--table", "flows", "--table", "quarantine")
    done = run("--lake", own, "lake", "export", *words, "out", "--format", "json").json
    assert done == {"folder": "out", "rows": {"flows": 2, "quarantine": 0}}
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["flows.parquet", "quarantine.parquet"]
    flows = pq.read_table(tmp_path / "out" / "flows.parquet")
    assert sorted(flows.column("bytes").to_pylist()) == [3_000, 12_000_000]
    assert set(flows.column_names) == set(TABLES["flows"].schema.names)


def test_export_has_every_table_by_default(run: Run, own: Path) -> None:
    """Quarantined lines are of the time of their batch."""
    rows = run("--lake", own, "lake", "export", "--since", SINCE, "out", "--format", "json").json["rows"]
    assert list(rows) == list(TABLES)
    assert (rows["flows"], rows["objects"], rows["quarantine"]) == (5, 2, 1)
    assert rows["findings"] == Lake(str(own)).sizes()["findings"].rows > 0


def test_export_overwrites_nothing(run: Run, own: Path, tmp_path: Path) -> None:
    """A folder that is there, even an empty one, stays as it is."""
    (tmp_path / "out").mkdir()
    ended = run("--lake", own, "lake", "export", "--since", SINCE, "out")
    assert ended.code == 3
    assert "out is there already and stays as it is" in ended.err
    assert list((tmp_path / "out").iterdir()) == []


def test_export_is_whole_or_not_there(run: Run, own: Path, tmp_path: Path) -> None:
    """A file of the lake that is missing ends it; neither the folder nor a part of it is left."""
    for file in (own / "findings").glob("*.parquet"):
        file.unlink()
    ended = run("--lake", own, "lake", "export", "--since", SINCE, "out")
    assert ended.code == 3
    assert "cannot be exported" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_export_names_the_tables_there_are(run: Run, own: Path) -> None:
    """A table that the lake has not is a mistake, and the nearest is named."""
    ended = run("--lake", own, "lake", "export", "--since", SINCE, "--table", "flow", "out")
    assert (ended.code, "no table 'flow': did you mean flows?" in ended.err) == (2, True)


def test_every_answer_is_the_same_after_maintenance(run: Run, tmp_path: Path) -> None:
    """A lake of several collects and detects, of objects that changed too: findings, arguments, records, sums."""
    for number in range(6):
        lines = [record(each, "203.0.113.1", 8, 1_000 * (number + each)) for each in (1, 2)]
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / "logs" / f"{number % 4}.log").write_text("\n".join([HEADER, *lines, ""]), "utf-8")
        run("--lake", "own", "collect", "logs")
        run("--lake", "own", "detect")
    (first, *_) = run("--lake", "own", "findings", "--format", "json").json
    questions = (
        ("findings", "--format", "json"),
        ("findings", "show", first["id"], "--records", "--format", "ndjson"),
        ("explain", first["id"], "--format", "json"),
        ("sql", "SELECT * FROM flows ORDER BY ALL", "--format", "csv"),
        ("sql", "SELECT * FROM findings ORDER BY event_number", "--format", "csv"),
        ("sql", "SELECT * FROM objects ORDER BY ALL", "--format", "csv"),
    )

    def answers() -> list[list[str]]:
        """Return what is printed; records of the same moment have no order."""
        return [sorted(run("--lake", "own", *words).out.splitlines()) for words in questions]

    before = answers()
    done = run("--lake", "own", "lake", "maintain", "--format", "json").json

    assert done["compacted_files"] > 10
    assert answers() == before
    assert run("--lake", "own", "collect", "logs", "--format", "json").json["objects"] == 0
    assert run("--lake", "own", "detect", "--format", "json").json["windows"] == 0
