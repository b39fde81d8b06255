"""One query file: its header, its prose, its statement, and what they say."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flowaudit.catalogue.params import KINDS, Param
from flowaudit.config.values import Interval
from flowaudit.errors import ConfigError
from flowaudit.model import Severity

_HEADER = re.compile(r"\A/\*---\r?\n(.*?)^---\*/[ \t]*\r?\n", re.DOTALL | re.MULTILINE)
_PROSE = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A named SELECT; `sql` is the whole file, comments and all."""

    id: str
    title: str
    prose: str
    sql: str
    file: Path

    @property
    def select(self) -> str:
        """The statement without header and prose."""
        return self.sql[_end_of_prose(self.sql) :].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector(Query):
    """A query whose every row is a sighting; `key` names the columns that make two sightings one finding.

    `params` are its parameters' values.
    """

    params: Mapping[str, Any]
    severity: Severity
    attack: tuple[str, ...]
    every: timedelta
    window: timedelta
    key: tuple[str, ...]
    needs: tuple[str, ...]
    resolve: timedelta
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Query):
    """A query that somebody runs by name; `params` are what may or must be given to it."""

    params: Mapping[str, Param]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, and in which line of it."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


# --- headers ----------------------------------------------------------------------------------------------------------

_Texts = Annotated[tuple[str, ...], Field(strict=False)]


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _ParamHeader(_Header):
    kind: Literal[tuple(KINDS)]  # type: ignore[valid-type]  # the kinds stand in one place
    help: Annotated[str, Field(min_length=1)]
    default: Any = None
    choices: _Texts = ()

    @model_validator(mode="after")
    def _has_a_fitting_default(self) -> Self:
        """Refuse a default that could not have been given."""
        written = KINDS[self.kind].written
        is_bool = isinstance(self.default, bool)
        if self.default is not None and (not isinstance(self.default, written) or is_bool is not (bool in written)):
            raise ValueError(f"default: {self.default!r} is no {KINDS[self.kind].meaning}")
        if isinstance(self.default, list) and not all(isinstance(member, str) for member in self.default):
            raise ValueError("default: is no list of text")
        if self.choices and (self.kind != "text" or self.default not in (None, *self.choices)):
            raise ValueError("choices: are for a text, and a default must be one of them")
        return self


class _ReportHeader(_Header):
    title: Annotated[str, Field(min_length=1)]
    params: dict[str, _ParamHeader] = {}


class _DetectorHeader(_Header):
    title: Annotated[str, Field(min_length=1)]
    params: dict[str, Any] = {}
    severity: Annotated[Severity, Field(strict=False)]
    attack: _Texts
    every: Interval
    window: Interval
    key: Annotated[_Texts, Field(min_length=1)]
    needs: _Texts
    resolve: Interval = timedelta(hours=24)
    says: str = ""


_HEADERS: Mapping[str, type[_ReportHeader | _DetectorHeader]] = {
    "detectors": _DetectorHeader,
    "reports": _ReportHeader,
}


@dataclass(frozen=True, slots=True)
class File:
    """A file, not yet understood."""

    path: Path
    text: str

    @property
    def id(self) -> str:
        """Its name."""
        return self.path.stem

    @property
    def kind(self) -> str:
        """The folder that it lies in: `detectors`, `views` or `reports`."""
        return self.path.parent.name

    @property
    def header(self) -> str | None:
        """The TOML, None where there is no header."""
        found = _HEADER.match(self.text)
        return found[1] if found else None

    @property
    def prose(self) -> str:
        """The first comment after the header."""
        header = _HEADER.match(self.text)
        found = _PROSE.match(self.text, header.end() if header else 0)
        return found[1].strip() if found else ""

    @property
    def first_line(self) -> int:
        """The first line after header and prose."""
        return self.text.count("\n", 0, _end_of_prose(self.text)) + 1

    def problem(self, message: str, line: int = 1) -> Problem:
        """Return what is wrong in a line."""
        return Problem(self.path, line, message)

    def line_of(self, key: str) -> int:
        """Return the line in which the header sets a key, or begins its table, else the first."""
        for number, line in enumerate((self.header or "").splitlines(), start=2):
            if re.match(rf"\s*\[?{re.escape(key)}\b", line):
                return number
        return self.line_of(key.partition(".")[2]) if "." in key else 1

    def line_with(self, text: str) -> int:
        """Return the first line in which some word stands."""
        found = re.search(re.escape(text) + r"\b", self.text)
        return self.text.count("\n", 0, found.start()) + 1 if found else 1


def _end_of_prose(text: str) -> int:
    """Return where the statement may begin."""
    header = _HEADER.match(text)
    start = header.end() if header else 0
    prose = _PROSE.match(text, start)
    return min(prose.end() + 1, len(text)) if prose else start


def understand(file: File) -> tuple[Detector | Report | None, list[Problem]]:
    """Return what a detector's or report's file says, if its header is sound, and what is wrong with it."""
    if file.header is None:
        return None, [file.problem("must begin with a header: TOML between a line /*--- and a line ---*/")]
    try:
        header = _HEADERS[file.kind].model_validate(tomllib.loads(file.header))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        return None, [file.problem(f"the header is not TOML: {error}", 1 + int(found[1]) if found else 1)]
    except ValidationError as error:
        return None, [_header_problem(file, detail) for detail in error.errors(include_url=False)]
    rest: dict[str, Any] = {"id": file.id, "prose": file.prose, "sql": file.text, "file": file.path}
    if isinstance(header, _ReportHeader):
        params = {name: Param(name=name, **param.model_dump()) for name, param in header.params.items()}
        problems = list(_default_problems(file, params))
        return None if problems else Report(title=header.title, params=params, **rest), problems
    return Detector(**{name: getattr(header, name) for name in _DetectorHeader.model_fields}, **rest), []


def parameters(path: Path) -> list[str]:
    """Return the names of the parameters that a file declares; raises OSError, ValueError."""
    header = File(path, path.read_text("utf-8")).header
    return list(tomllib.loads(header or "").get("params", {}))


def _default_problems(file: File, params: Mapping[str, Param]) -> Iterator[Problem]:
    """Yield a problem for each default that its kind does not know."""
    for name, param in params.items():
        try:
            param.sample()
        except ConfigError as error:
            yield file.problem(f"params.{name}.default: {error}", file.line_of(f"params.{name}"))


def _header_problem(file: File, detail: Mapping[str, Any]) -> Problem:
    key = ".".join(map(str, detail["loc"]))
    known: type[BaseModel] = _HEADERS[file.kind] if len(detail["loc"]) == 1 else _ParamHeader
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), known.model_fields, n=1)
        message = "no such key in the header" + (f": did you mean {near[0]}?" if near else "")
    elif detail["type"] == "missing":
        message = "is missing from the header"
    elif detail["type"] == "model_type":
        message = f"must be a table, [{key}], with kind and help and perhaps a default"
    else:
        message = detail["msg"]
    place = ".".join(map(str, detail["loc"][:2])) if len(detail["loc"]) > 2 else key  # noqa: PLR2004  params.name.key
    return file.problem(f"{key}: {message}", file.line_of(place))
