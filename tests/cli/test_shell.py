"""The SQL shell, driven by keys."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from flowaudit.app import App
from flowaudit.cli.shell import finished, shell
from flowaudit.cli.sql import Ask, asker
from flowaudit.config import Config, LakeSettings
from flowaudit.sql import AD_HOC

CTRL_C, CTRL_D = "\x03", "\x04"

Typed = Callable[..., list[list[dict[str, Any]]]]


@pytest.fixture
def ask(lake: Path) -> Ask:
    """Answers queries from the lake."""
    return asker(App(Config(lake=LakeSettings(uri=str(lake)))), AD_HOC)


@pytest.fixture
def typed(ask: Ask) -> Iterator[Typed]:
    """Types keys into a shell and returns the tables that it showed."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):

        def typed(text: str, answer: Ask = ask) -> list[list[dict[str, Any]]]:
            shown: list[pa.Table] = []
            keys.send_text(text)
            shell(answer, shown.append)
            return [table.to_pylist() for table in shown]

        yield typed


def test_statements_end_with_a_semicolon(typed: Typed) -> None:
    """A statement may span lines; Enter ends it after a semicolon only; Ctrl-D leaves."""
    assert typed(f"SELECT count(*) AS n\nFROM flows;\nSELECT 2 AS n;\n{CTRL_D}") == [[{"n": 5}], [{"n": 2}]]


@pytest.mark.parametrize(
    ("text", "ends"),
    [("", True), (".tables", True), ("SELECT 1", False), ("SELECT 1;  ", True), ("SELECT 1;\n-- more", False)],
)
def test_when_enter_ends(text: str, ends: bool) -> None:
    """Commands, empty lines and statements with their semicolon are finished."""
    assert finished(text) is ends


def test_commands(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """.tables and .schema show what there is, .help helps, .quit leaves, others are told of."""
    tables, schema = typed(".help\n.tables\n.schema objects\n.nonsense\n.quit\n")
    assert {"flows", "findings_current", "egress"} <= {row["table_name"] for row in tables}
    assert schema[0] == {"column_name": "source", "data_type": "VARCHAR"}
    err = capsys.readouterr().err
    assert "Ctrl-C gives up" in err
    assert "error: there is no command .nonsense" in err


def test_mistakes_do_not_end_it(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """A query that is refused is told of, and the next one is answered."""
    assert typed(f"DROP TABLE flows;\nSELECT 1 AS n;\n{CTRL_D}") == [[{"n": 1}]]
    assert "error: exactly one SELECT" in capsys.readouterr().err


def test_ctrl_c_gives_up_the_line(typed: Typed) -> None:
    """What was typed is forgotten, and the next statement starts anew."""
    assert typed(f"SELECT nonsense{CTRL_C}SELECT 1 AS n;\n{CTRL_D}") == [[{"n": 1}]]


def test_ctrl_c_stops_a_query(typed: Typed, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """A running query is given up, not the shell."""

    def interrupted(query: str, params: dict[str, Any]) -> pa.Table:
        if "range" in query:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return ask(query, params)

    endless = "SELECT count(*) FROM range(1000000000000) AS r(i) WHERE i % 7 = 3;"
    assert typed(f"{endless}\nSELECT 1 AS n;\n{CTRL_D}", interrupted) == [[{"n": 1}]]
    assert "cancelled" in capsys.readouterr().err


def test_history_is_kept(typed: Typed, tmp_path: Path) -> None:
    """What was typed is in the user's state folder, for their eyes only."""
    typed(f"SELECT 42 AS n;\n{CTRL_D}")
    history = tmp_path / "state" / "flowaudit" / "sql_history"
    assert "+SELECT 42 AS n;" in history.read_text("utf-8")
    assert history.stat().st_mode & 0o077 == 0


def test_history_that_cannot_be_kept(typed: Typed, tmp_path: Path) -> None:
    """Where the state folder cannot be made, the shell works without history."""
    (tmp_path / "state").write_text("", "utf-8")
    assert typed(f"SELECT 1 AS n;\n{CTRL_D}") == [[{"n": 1}]]
