"""Queries from SQL files, checked before anything runs them.

A folder of queries has `detectors/`, `views/` and `reports/`; one file is one SELECT, and the file's name is its id.
A file begins with a TOML header between `/*---` and `---*/` (views have none), then prose in one `/* … */` comment:
what it means, what to do, blind spots. Parameters are written `$name` and declared under [params]: a detector's with
their defaults, a report's each as a table of its own (`params`). A detector's `$since` and `$until`, the half-open
window in UTC, need no declaration. Nothing here parses SQL: DuckDB does, over a lake whose tables are empty, and its
line numbers are the file's because it is given the whole file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowaudit import sql
from flowaudit.catalogue.file import Detector, File, Problem, Query, Report, parameters, understand
from flowaudit.catalogue.params import KINDS, Param, values
from flowaudit.config import Detector as Override
from flowaudit.errors import CatalogueError, ConfigError, QueryError
from flowaudit.schema import FLOWS

__all__ = [
    "KINDS",
    "Catalogue",
    "Detector",
    "Override",
    "Param",
    "Problem",
    "Query",
    "Report",
    "load",
    "parameters",
    "values",
]

WINDOW_PARAMS = frozenset({"since", "until"})
HEAD: Mapping[str, Callable[[pa.DataType], bool]] = {
    "first_seen": pa.types.is_timestamp,
    "last_seen": pa.types.is_timestamp,
    "flows": pa.types.is_integer,
    "bytes": pa.types.is_integer,
}
"""The columns that every detector's result has beside its key, and what they hold."""

TRIAL = sql.Limits(seconds=10.0, disk="")
"""What a query may use while it is tried on a lake without rows."""

_LINE = re.compile(r"^LINE (\d+):.*", re.DOTALL | re.MULTILINE)
_IDS = {"detectors": r"[a-z0-9]+(-[a-z0-9]+)*", "reports": r"[a-z0-9]+(-[a-z0-9]+)*", "views": r"[a-z][a-z0-9_]*"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The queries that are sound and enabled, by id; views in an order in which they can be made."""

    detectors: Mapping[str, Detector] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def load(
    paths: Sequence[Path],
    *,
    policy: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Override] | None = None,
    strict: bool = True,
) -> Catalogue:
    """Read and check the queries in folders; `policy` fills params of the same name, `overrides` come last, by id.

    Raises ConfigError where overrides name what is not there, and CatalogueError naming every problem; if not `strict`,
    the sound queries are returned with the problems of the others.
    """
    reading = _Reading()
    for path in paths:
        reading.folder(path)
    with sql.connect(None, limits=TRIAL) as lake:
        views = reading.views(lake)
        detectors = {each.id: each for each in reading.queries(lake, "detectors") if isinstance(each, Detector)}
        reports = {each.id: each for each in reading.queries(lake, "reports") if isinstance(each, Report)}
    problems = tuple(sorted(reading.problems, key=lambda problem: (str(problem.file), problem.line)))
    if problems and strict:
        raise CatalogueError("\n".join(map(str, problems)))
    broken = {problem.file.stem for problem in problems}
    configured = _configure(detectors, policy or {}, overrides or {}, broken)
    return Catalogue(configured, views, reports, problems)


# --- reading and checking ---------------------------------------------------------------------------------------------


class _Reading:
    """The files of all folders, by kind and id, and what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._files: dict[str, dict[str, File]] = {kind: {} for kind in _IDS}

    def folder(self, path: Path) -> None:
        """Read every file of a folder of queries."""
        if not any((path / kind).is_dir() for kind in _IDS):
            self.problems.append(Problem(path, 1, f"has none of the folders {', '.join(sorted(_IDS))}"))
        for kind in _IDS:
            for file in sorted((path / kind).glob("*.sql")):
                self._read(kind, file)

    def _read(self, kind: str, path: Path) -> None:
        try:
            file = File(path, path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem(path, 1, f"cannot be read: {error}"))
            return
        known = self._files[kind].get(file.id)
        if known:
            self.problems.append(file.problem(f"{known.path} has the same name: rename one of them"))
        elif not re.fullmatch(_IDS[kind], file.id):
            self.problems.append(file.problem(f"the file's name must match {_IDS[kind]}"))
        else:
            self._files[kind][file.id] = file

    def views(self, lake: sql.Connection) -> dict[str, str]:
        """Make the views, those that others need before these; what cannot be made is a problem."""
        views: dict[str, str] = {}
        waiting = dict(self._files["views"])
        while waiting:
            failures: dict[str, QueryError] = {}
            for name, file in waiting.items():
                try:
                    lake.define(name, file.text)
                    views[name] = file.text
                except QueryError as error:
                    failures[name] = error
            if len(failures) == len(waiting):
                self.problems += [_sql_problem(waiting[name], error) for name, error in failures.items()]
                break
            waiting = {name: waiting[name] for name in failures}
        return views

    def queries(self, lake: sql.Connection, kind: str) -> Iterator[Detector | Report]:
        """Yield the sound detectors or reports."""
        for file in self._files[kind].values():
            query, problems = understand(file, kind)
            if query:
                problems = list(_check(lake, file, query))
            self.problems += problems
            if query and not problems:
                yield query


def _check(lake: sql.Connection, file: File, query: Detector | Report) -> Iterator[Problem]:
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


def _sql_problem(file: File, error: QueryError) -> Problem:
    """Put DuckDB's line number to the file's name and keep the words before it."""
    found = _LINE.search(str(error))
    message = " ".join(_LINE.sub("", str(error)).split())
    return file.problem(message, int(found[1]) if found else file.first_line)


# --- configuration ----------------------------------------------------------------------------------------------------


def _configure(
    detectors: Mapping[str, Detector],
    policy: Mapping[str, Any],
    overrides: Mapping[str, Override],
    broken: Collection[str],
) -> dict[str, Detector]:
    """Return the enabled detectors with the values that policy and overrides give them; raises ConfigError."""
    mistakes = [
        f"detectors.{id}: there is no such detector{_near(id, detectors)}"
        for id in overrides
        if id not in detectors and id not in broken
    ]
    configured = {}
    for detector in detectors.values():
        override = overrides.get(detector.id, Override())
        mistakes += _mistakes(detector, override.params)
        if override.enabled:
            configured[detector.id] = replace(
                detector,
                severity=override.severity or detector.severity,
                every=override.every or detector.every,
                params=_filled(detector.params, policy) | dict(override.params),
            )
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return configured


def _filled(params: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: policy.get(name, default) for name, default in params.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _mistakes(detector: Detector, params: Mapping[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        place = f"detectors.{detector.id}.params.{name}"
        default = detector.params.get(name)
        if name not in detector.params:
            yield f"{place}: there is no such parameter{_near(name, detector.params)}"
        elif type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
            yield f"{place}: must be of the kind of its default, {default!r}"


def _near(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f": did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(names)) or 'none'}"
