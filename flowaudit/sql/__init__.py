"""SQL over one snapshot of the lake: a DuckDB connection that sees its tables and views and nothing else.

Two walls stand around it. The engine's own: no file outside the snapshot, no network, no Python object, no setting.
And for SQL that a person typed, `ask`: one SELECT, over known names and harmless functions (see `guard`), because the
engine's wall would let a COPY overwrite the very files that may be read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from threading import Timer
from types import TracebackType
from typing import Any, NoReturn, Self

import duckdb
import pyarrow as pa

from flowaudit.errors import QueryError
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.schema import TABLES
from flowaudit.sql import attach, guard
from flowaudit.sql.stopper import QueryStopped, Stopper, current
from flowaudit.sql.views import Views, statement

__all__ = ["AD_HOC", "DEFAULT", "ENGINE", "Connection", "Limits", "QueryStopped", "Stopper", "connect"]

ENGINE = duckdb.__version__
"""The version of what runs the SQL."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use: seconds, memory (its result may take as much again), threads (0: every CPU), disk.

    Sizes are written `1GB`. What does not fit in memory goes to a folder outside the lake, up to `disk` ("": none).
    """

    seconds: float = 600.0
    memory: str = "1GB"
    threads: int = 0
    disk: str = "8GB"


DEFAULT = Limits()
AD_HOC = Limits(seconds=30.0, disk="")
"""The limits where none are given, and those of SQL that a person waits for."""


def connect(
    lake: Lake | None,
    *,
    tables: Collection[str] = tuple(TABLES),
    views: Mapping[str, str] | None = None,
    once: Collection[str] = (),
    window: Window | None = None,
    limits: Limits = Limits(),
) -> Connection:
    """Open a connection to the newest snapshot of `tables`; without a lake all of them are empty.

    `views` (name → SELECT) may use the tables and each other, and are made when a query first names them: one that is
    wrong is an error of that query. Those named in `once` are computed then and not with each query, which pays where
    many queries use a view that is small and costs a scan. With a window, files that cannot hold records of it are left
    out. Raises LakeError, and QueryError where a limit is wrong.
    """
    with ExitStack() as undo, _explained(limits):
        scratch = undo.enter_context(TemporaryDirectory(prefix="flowaudit-", ignore_cleanup_errors=True))
        engine = undo.enter_context(duckdb.connect(config=_config(limits, scratch)))
        engine.execute("SET TimeZone = 'UTC'")
        files = attach.attach(engine, lake, tables, window)
        attach.lock(engine, files)
        names = frozenset([*tables, *(views or ())])
        connection = Connection(engine, limits, names, Views(engine, views or {}, once), undo.pop_all())
    return connection  # noqa: RET504  an ExitStack might swallow, says mypy


def _config(limits: Limits, scratch: str) -> dict[str, Any]:
    return {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
        "temp_directory": scratch if limits.disk else "",
        "max_temp_directory_size": limits.disk or "0B",
        "memory_limit": limits.memory,
        "threads": limits.threads or os.cpu_count() or 1,
    }


class Connection:
    """An open connection, to be closed or used in a `with`; one thread at a time."""

    def __init__(
        self,
        engine: duckdb.DuckDBPyConnection,
        limits: Limits,
        names: frozenset[str],
        views: Views,
        belongings: ExitStack,
    ) -> None:
        self._engine, self._limits, self._names, self._belongings = engine, limits, names, belongings
        self._views = views

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run SQL that the catalogue has checked or that is our own; raises QueryError, QueryStopped among them."""
        params = params or {}
        timer = Timer(self._limits.seconds, self._engine.interrupt)
        timer.daemon = True
        timer.start()
        try:
            with current().watching(self._engine.interrupt), _explained(self._limits):
                _compare(guard.parameters(self._engine, sql), params)
                self._views.need(sql)
                return self._fetch(sql, params)
        except RuntimeError:
            # DuckDB's word for Ctrl-C; the query itself runs on until it is told.
            self._engine.interrupt()
            raise KeyboardInterrupt from None
        finally:
            timer.cancel()

    def ask(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run SQL that a person typed, if it is one harmless SELECT; raises QueryError."""
        self.check(sql)
        return self.query(sql, params)

    def check(self, sql: str) -> frozenset[str]:
        """Return the names of the parameters of one harmless SELECT; raises QueryError for anything else."""
        with _explained(self._limits):
            guard.check(self._engine, sql, self._names)
            return guard.parameters(self._engine, sql)

    def define(self, name: str, select: str) -> None:
        """Add a view of one harmless SELECT; raises QueryError."""
        if name in self._names:
            raise QueryError(f"there is a table or view {name} already: choose another name")
        self.check(select)
        with _explained(self._limits):
            self._views.need(select)
            self._engine.execute(statement(name, select))
        self._names |= {name}

    def close(self) -> None:
        """Let go of everything."""
        self._belongings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _fetch(self, sql: str, params: Mapping[str, Any]) -> pa.Table:
        """Take the result block by block: the engine's memory limit does not cover what has left it."""
        most = self._bytes(self._limits.memory)
        reader = self._engine.execute(sql, dict(params)).to_arrow_reader(1 << 16)
        blocks, size = [], 0
        for block in reader:
            blocks.append(block)
            size += block.nbytes
            if size > most:
                self._engine.interrupt()
                raise QueryError(f"the result is larger than {self._limits.memory}: aggregate, or select less")
        return pa.Table.from_batches(blocks, reader.schema)

    def _bytes(self, text: str) -> int:
        return int(self._engine.execute("SELECT parse_formatted_bytes(?)", [text]).to_arrow_table()[0][0].as_py())


def _compare(needed: Collection[str], given: Mapping[str, Any]) -> None:
    """Raise QueryError unless exactly the parameters that are needed are given."""
    for name in sorted(set(needed) - set(given)):
        raise QueryError(f"the parameter ${name} has no value: give one, as in --param {name}=…")
    for name in sorted(set(given) - set(needed)):
        raise QueryError(f"there is no parameter ${name} in the query; it has {', '.join(sorted(needed)) or 'none'}")


@contextmanager
def _explained(limits: Limits) -> Iterator[None]:
    """Turn what DuckDB says into a QueryError; while a result is fetched, Arrow says it."""
    try:
        yield
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        _explain(str(error).strip(), limits)


def _explain(message: str, limits: Limits) -> NoReturn:
    if message.startswith("INTERRUPT Error"):
        message = f"stopped after {limits.seconds:g} s, the time limit: look at less time, or fewer columns"
    elif message.startswith("Out of Memory Error"):
        message = f"stopped at {limits.memory}, the memory limit: look at less time, or group by less"
    raise QueryError(message) from None
