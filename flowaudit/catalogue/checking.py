"""The checks of a query, made on a lake whose tables are empty."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from flowaudit import sentences, sql
from flowaudit.catalogue.file import Detector, File, Problem, Report
from flowaudit.errors import QueryError
from flowaudit.schema import FLOWS

WINDOW_PARAMS = frozenset({"since", "until"})
HEAD: Mapping[str, Callable[[pa.DataType], bool]] = {
    "first_seen": pa.types.is_timestamp,
    "last_seen": pa.types.is_timestamp,
    "flows": pa.types.is_integer,
    "bytes": pa.types.is_integer,
}
"""The columns that every detector's result has beside its key, and what they hold."""

_LINE = re.compile(r"^LINE (\d+):.*", re.DOTALL | re.MULTILINE)


def views(lake: sql.Connection, files: Collection[File]) -> list[Problem]:
    """Make views, those that others need before these; return what is wrong with those that cannot be made."""
    waiting = list(files)
    while waiting:
        failures: list[tuple[File, QueryError]] = []
        for file in waiting:
            try:
                lake.define(file.id, file.text)
            except QueryError as error:
                failures.append((file, error))
        if len(failures) == len(waiting):
            return [_sql_problem(file, error) for file, error in failures]
        waiting = [file for file, _ in failures]
    return []


def query(lake: sql.Connection, file: File, query: Detector | Report) -> Iterator[Problem]:
    """Yield what is wrong with a query whose header is sound."""
    try:
        used = lake.check(file.text)
    except QueryError as error:
        yield _sql_problem(file, error)
        return
    yield from _check_params(file, query, used)
    if isinstance(query, Detector):
        yield from _check_header(file, query)
    trials = _values(query)
    # Binding a report is enough, and takes a third of the time that running it does.
    text = file.text if isinstance(query, Detector) else f"DESCRIBE {file.text}"
    try:
        result = lake.query(text, {name: trials.get(name) for name in used})
    except QueryError as error:
        yield _sql_problem(file, error)
        return
    if isinstance(query, Detector):
        yield from _check_result(file, query, result.schema)


def _values(query: Detector | Report) -> dict[str, Any]:
    """Return values to try a query with."""
    if isinstance(query, Report):
        return {name: param.sample() for name, param in query.params.items()}
    return {**query.params, **dict.fromkeys(WINDOW_PARAMS, datetime(2000, 1, 1, tzinfo=UTC))}


def _check_params(file: File, query: Detector | Report, used: Collection[str]) -> Iterator[Problem]:
    windowed = WINDOW_PARAMS if isinstance(query, Detector) else frozenset()
    for name in sorted(windowed & set(query.params)):
        yield file.problem(f"params.{name}: is the window's and cannot be declared", file.line_of(f"params.{name}"))
    for name in sorted(set(query.params) - set(used) - windowed):
        yield file.problem(f"params.{name}: is declared, but ${name} is not used", file.line_of(f"params.{name}"))
    for name in sorted(set(used) - set(query.params) - windowed):
        yield file.problem(f"${name} is used, but not declared under [params]", file.line_with(f"${name}"))
    for name in sorted(windowed - set(used)):
        yield file.problem(f"${name} is not used: a detector looks at one window at a time")


def _check_header(file: File, detector: Detector) -> Iterator[Problem]:
    if not detector.prose:
        yield file.problem("says nothing after its header: what it means, what to do, blind spots, in /* … */")
    for name in detector.needs:
        if name not in FLOWS.names:
            near = difflib.get_close_matches(name, FLOWS.names, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            yield file.problem(f"needs: there is no column {name!r} in flows{hint}", file.line_of("needs"))


def _check_result(file: File, detector: Detector, result: pa.Schema) -> Iterator[Problem]:
    for name in (*detector.key, *HEAD):
        if result.names.count(name) != 1:
            found = "twice" if name in result.names else "not"
            yield file.problem(f"the result has the column {name} {found}", file.first_line)
        elif name in HEAD and not HEAD[name](result.field(name).type):
            expected = HEAD[name].__name__.removeprefix("is_")
            yield file.problem(f"the result's {name} is {result.field(name).type}, no {expected}", file.first_line)
    for mistake in sentences.mistakes(detector.says, result.names):
        yield file.problem(f"says: {mistake}", file.line_of("says"))


def _sql_problem(file: File, error: QueryError) -> Problem:
    """Put DuckDB's line number to the file's name and keep the words before it."""
    found = _LINE.search(str(error))
    message = " ".join(_LINE.sub("", str(error)).split())
    return file.problem(message, int(found[1]) if found else file.first_line)
