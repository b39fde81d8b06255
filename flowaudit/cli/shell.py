"""The SQL shell: history, completion, statements over several lines, Ctrl-C for the query and Ctrl-D for the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer

from flowaudit.cli.output import say
from flowaudit.errors import FlowauditError

if TYPE_CHECKING:
    import pyarrow as pa

HELP = """\
One SELECT, ended by a semicolon; it may span lines. DESCRIBE and SUMMARIZE work too.
.tables         what can be selected from
.schema NAME    columns of a table or view
.help           this text
.quit           leave, as does Ctrl-D; Ctrl-C gives up a line or a running query"""
COMMANDS = (".tables", ".schema", ".help", ".quit")
KEYWORDS = (
    "ALL AND ANY AS ASC BETWEEN BY CASE CAST COUNT DESC DESCRIBE DISTINCT ELSE END EXCLUDE EXISTS FILTER FROM FULL "
    "GROUP HAVING ILIKE IN INTERSECT INTERVAL IS JOIN LEFT LIKE LIMIT MAX MIN NOT NULL OFFSET ON OR ORDER OVER "
    "PARTITION QUALIFY RIGHT SELECT SUM SUMMARIZE THEN UNION UNNEST USING WHEN WHERE WITH"
)

TABLES = "SELECT table_name FROM information_schema.tables ORDER BY table_name"
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $name ORDER BY ordinal_position
"""
NAMES = """
SELECT column_name AS name FROM information_schema.columns UNION SELECT table_name FROM information_schema.tables
"""


def shell(ask: Callable[[str, dict[str, Any]], pa.Table], show: Callable[[pa.Table], None]) -> None:
    """Read statements until the end of input; each is answered, or tells what is wrong with it; raises LakeError."""
    names = ask(NAMES, {}).column("name").to_pylist()
    session: PromptSession[str] = PromptSession(
        "flowaudit> ",
        multiline=Condition(lambda: not finished(get_app().current_buffer.text)),
        prompt_continuation="      ...> ",
        history=_history(),
        completer=WordCompleter([*COMMANDS, *sorted(names), *KEYWORDS.split()], ignore_case=True, WORD=False),
        lexer=PygmentsLexer.from_filename("query.sql"),
    )
    say("SQL over the lake; end it with a semicolon. .help helps, .quit leaves.")
    while True:
        try:
            line = session.prompt().strip()
            if line == ".quit":
                return
            _answer(line, ask, show)
        except EOFError:
            return
        except KeyboardInterrupt:
            say("cancelled")
        except FlowauditError as error:
            say(f"error: {error}")


def finished(text: str) -> bool:
    """Tell whether Enter ends what was typed: a command, nothing, or a statement with its semicolon."""
    text = text.strip()
    return not text or text.startswith(".") or text.endswith(";")


def _answer(line: str, ask: Callable[[str, dict[str, Any]], pa.Table], show: Callable[[pa.Table], None]) -> None:
    match line.rstrip(";").split():
        case []:
            return
        case [".help"]:
            say(HELP)
        case [".tables"]:
            show(ask(TABLES, {}))
        case [".schema", name]:
            show(ask(COLUMNS, {"name": name}))
        case [word, *_] if word.startswith("."):
            say(f"error: there is no command {line}; there are {', '.join(COMMANDS)} (.schema takes a name)")
        case _:
            started = time.monotonic()
            table = ask(line, {})
            show(table)
            say(f"{table.num_rows:,} rows in {time.monotonic() - started:.2f} s")


def _history() -> History:
    """Keep what is typed in the user's state folder, or for this session only where that cannot be written."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "flowaudit"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "sql_history").touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(folder / "sql_history"))
