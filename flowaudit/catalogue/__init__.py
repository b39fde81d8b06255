"""Queries from SQL files, none of which runs before it is known to be sound.

A folder of queries has `detectors/`, `views/` and `reports/`; one file is one SELECT, and the file's name is its id.
A file begins with a TOML header between `/*---` and `---*/` (views have none), then prose in one `/* … */` comment:
what it means, what to do, blind spots. Parameters are written `$name` and declared under [params]: a detector's with
their defaults, a report's each as a table of its own (`params`). A detector's `$since` and `$until`, the half-open
window in UTC, need no declaration. Nothing here parses SQL: DuckDB does, over a lake whose tables are empty, and its
line numbers are the file's because it is given the whole file. What was found to be sound is not tried again
(`sound`): neither what comes with flowaudit nor what an earlier run has tried.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from flowaudit import sql
from flowaudit.catalogue import checking, sound
from flowaudit.catalogue.file import Detector, File, Problem, Query, Report, parameters, understand
from flowaudit.catalogue.params import KINDS, Param, values
from flowaudit.config import Detector as Override
from flowaudit.config import shipped
from flowaudit.errors import CatalogueError, ConfigError

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
    "seal",
    "values",
]

TRIAL = sql.Limits(seconds=10.0, disk="")
"""What a query may use while it is tried on a lake without rows."""

_IDS = {"detectors": r"[a-z0-9]+(-[a-z0-9]+)*", "reports": r"[a-z0-9]+(-[a-z0-9]+)*", "views": r"[a-z][a-z0-9_]*"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The queries that are sound and enabled, by id, and what is wrong with the others."""

    detectors: Mapping[str, Detector] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def sound(self) -> Self:
        """Return the catalogue, for those who want all of it or nothing; raises CatalogueError naming every problem."""
        if self.problems:
            raise CatalogueError("\n".join(map(str, self.problems)))
        return self


def load(
    paths: Sequence[Path],
    *,
    policy: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Override] | None = None,
    afresh: bool = False,
) -> Catalogue:
    """Read the queries in folders; `policy` fills params of the same name, `overrides` come last, by id.

    Files that are not known to be sound are tried; `afresh`, all of them. Raises ConfigError where overrides name what
    is not there.
    """
    reading = _Reading(paths)
    if afresh:
        reading.check(frozenset())
    else:
        reading.remember(reading.check(reading.known()))
    problems = tuple(sorted(reading.problems, key=lambda problem: (str(problem.file), problem.line)))
    broken = {problem.file.stem for problem in problems}
    configured = _configure(reading.detectors, policy or {}, overrides or {}, broken)
    return Catalogue(configured, reading.views, reading.reports, problems)


def seal(folder: Path) -> None:
    """Try every query of a folder and write down beside them that these are sound; raises CatalogueError."""
    load([folder], afresh=True).sound()
    sound.seal(folder, _Reading([folder]).files)


# --- reading ----------------------------------------------------------------------------------------------------------


class _Reading:
    """The files of all folders, the queries that they hold, and what is wrong with them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.problems: list[Problem] = []
        self._files: dict[tuple[str, str], File] = {}
        self._queries: dict[File, Detector | Report] = {}
        self._unsound: set[File] = set()
        for path in paths:
            self._folder(path)

    @property
    def files(self) -> list[File]:
        """All files, in the order of folders and names."""
        return list(self._files.values())

    @property
    def detectors(self) -> dict[str, Detector]:
        """The sound detectors."""
        return {each.id: each for each in self._sound_queries() if isinstance(each, Detector)}

    @property
    def reports(self) -> dict[str, Report]:
        """The sound reports."""
        return {each.id: each for each in self._sound_queries() if isinstance(each, Report)}

    @property
    def views(self) -> dict[str, str]:
        """The texts of the sound views."""
        return {file.id: file.text for file in self._views() if file not in self._unsound}

    def known(self) -> frozenset[File]:
        """Return the files that are known to be sound."""
        own = sound.sealed(shipped("queries"), self.files)
        return own | sound.remembered([file for file in self.files if file not in own], self._views())

    def check(self, known: frozenset[File]) -> list[File]:
        """Understand all headers, try the SQL of files that are not known to be sound, and return those that are."""
        for file in self.files:
            if file.kind != "views":
                query, problems = understand(file)
                self.problems += problems
                if query:
                    self._queries[file] = query
        untried = [file for file in self.files if file not in known and (file.kind == "views" or file in self._queries)]
        if untried:
            self._try(untried)
        return [file for file in untried if file not in self._unsound]

    def remember(self, tried: Sequence[File]) -> None:
        """Spare the next run a trial of files that have passed it."""
        sound.remember(tried, self._views())

    def _try(self, files: Sequence[File]) -> None:
        untried = [file for file in files if file.kind == "views"]
        views = {file.id: file.text for file in self._views() if file not in untried}
        with sql.connect(None, views=views, limits=TRIAL) as lake:
            self._note(untried, checking.views(lake, untried))
            for file, query in self._queries.items():
                if file in files:
                    self._note([file], list(checking.query(lake, file, query)))

    def _note(self, files: Sequence[File], problems: Sequence[Problem]) -> None:
        wrong = {problem.file for problem in problems}
        self._unsound |= {file for file in files if file.path in wrong}
        self.problems += problems

    def _views(self) -> list[File]:
        return [file for file in self.files if file.kind == "views"]

    def _sound_queries(self) -> list[Detector | Report]:
        return [query for file, query in self._queries.items() if file not in self._unsound]

    def _folder(self, path: Path) -> None:
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
        known = self._files.get((kind, file.id))
        if known:
            self.problems.append(file.problem(f"{known.path} has the same name: rename one of them"))
        elif not re.fullmatch(_IDS[kind], file.id):
            self.problems.append(file.problem(f"the file's name must match {_IDS[kind]}"))
        else:
            self._files[kind, file.id] = file


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
                resolve=override.resolve or detector.resolve,
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
