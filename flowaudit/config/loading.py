"""Where the configuration comes from: a TOML file, variables on top of it, and the command line on top of both."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowaudit.errors import ConfigError

DEFAULT_FILE = Path("flowaudit.toml")
FILE_VARIABLE = "FLOWAUDIT_CONFIG"
PREFIX = "FLOWAUDIT_"

Tree = dict[str, Any]
Origin = Callable[[tuple[int | str, ...]], str]
"""Says which file or variable a place in the tree came from."""


def read(path: Path | None, environ: Mapping[str, str], options: Mapping[str, str]) -> tuple[Tree, Origin]:
    """What file, variables and options say, not yet checked, and who said what; raises ConfigError."""
    file = _file(path, environ)
    tree = _parse(file) if file else {}
    overrides = {_place(name): name for name in sorted(environ) if name.startswith(PREFIX) and name != FILE_VARIABLE}
    for place, name in overrides.items():
        _put(tree, place, _literal(environ[name]), name)
    for key, value in options.items():
        place = tuple(key.split("."))
        overrides[place] = "command line"
        _put(tree, place, value, "command line")

    def origin(loc: tuple[int | str, ...]) -> str:
        """The variable or option that set `loc`, or something around it, else the file."""
        for length in range(len(loc), 0, -1):
            if name := overrides.get(tuple(map(str, loc[:length]))):
                return name
        return str(file or DEFAULT_FILE)

    return tree, origin


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path:
        return path
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _parse(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file: name one with --config, or write it") from None
    except IsADirectoryError:
        raise ConfigError(f"{file}: is a folder: name a file in it") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from None


def _place(name: str) -> tuple[str, ...]:
    """Where a variable's value goes: FLOWAUDIT_LAKE__URI to lake.uri. Detectors' ids have hyphens for underscores."""
    place = name.removeprefix(PREFIX).lower().split("__")
    if place[0] == "detectors" and len(place) > 1:
        place[1] = place[1].replace("_", "-")
    return tuple(place)


def _literal(text: str) -> object:
    """`text` as the TOML value it is, else as text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _put(tree: Tree, place: tuple[str, ...], value: object, name: str) -> None:
    for depth, key in enumerate(place[:-1], start=1):
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            section = ".".join(place[:depth])
            raise ConfigError(f"{name}: {section} is no table, so no key of it can be set: set {section} as a whole")
    tree[place[-1]] = value
