"""The parameters of the rules: config.toml, and what a file of the user's says instead."""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from dashboards.prometheus.alerts import GROUPS
from dashboards.prometheus.slo import FASTEST, OBJECTIVES

HERE = Path(__file__).parent
SHIPPED = HERE / "config.toml"
SEVERITIES = ("critical", "warning", "info")
# Buckets of flowaudit_collect_delay_seconds.
BUCKETS = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MATCHER = r'\w+\s*(?:=|!=|=~|!~)\s*"[^"]*"'

Value = str | int | float
Settings = Mapping[str, Value]


class ConfigMistake(Exception):
    """The configuration cannot be used; the message says where and why."""


def seconds(duration: str) -> int:
    """Return a duration such as `15m` in seconds."""
    return int(duration[:-1]) * UNITS[duration[-1]]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[1-9]\d*[smhd]", value) is not None


def _is_threshold(value: object) -> bool:
    return isinstance(value, int | float) and _number(value) and value >= 0


def _is_objective(value: object) -> bool:
    """Return whether the fastest burn of the error budget is still a share below 1."""
    return isinstance(value, float) and 0 < (1 - value) * FASTEST < 1


def _is_selector(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(rf"{MATCHER}(?:\s*,\s*{MATCHER})*", value) is not None


Kind = tuple[Callable[[object], bool], str]
DURATION: Kind = (_is_duration, 'a duration such as "15m"')
SEVERITY: Kind = (lambda value: value in SEVERITIES, "one of " + ", ".join(SEVERITIES))
KINDS: dict[str, Kind] = {
    "selector": (_is_selector, 'label matchers such as job="flowaudit"'),
    "runbook_url": (lambda value: isinstance(value, str) and "{alert}" in value, "an address with {alert} in it"),
    "interval": DURATION,
    "scrape_interval": DURATION,
    "severity": SEVERITY,
    "page": SEVERITY,
    "ticket": SEVERITY,
    "for": DURATION,
    "keep_firing_for": DURATION,
    "age": DURATION,
    "window": DURATION,
    "threshold": (_is_threshold, "a number of 0 or more"),
    "objective": (_is_objective, f"a share above {1 - 1 / FASTEST:.3f}, below which nothing could fire, and below 1"),
    "within": (
        lambda value: _number(value) and value in BUCKETS,
        "one of " + ", ".join(map(str, BUCKETS)),
    ),
}


def keys() -> set[str]:
    """Return every key there is, dotted."""
    alerts = {f"alerts.{alert.name}.{key}" for alert in chain(*GROUPS.values()) for key in alert.settings()}
    objectives = {f"slo.{objective.key}.{key}" for objective in OBJECTIVES for key in ("objective", "page", "ticket")}
    return {"selector", "runbook_url", "interval", "scrape_interval", "slo.freshness.within", *objectives, *alerts}


def _flat(table: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _read(file: Path) -> dict[str, Value]:
    """Return a file's keys, dotted, each known and of its kind; raises ConfigMistake."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigMistake(f"{file} cannot be read: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigMistake(f"{file} is no TOML: {error}") from None
    return {key: _checked(file, key, value) for key, value in _flat(table)}


def _checked(file: Path, key: str, value: object) -> Value:
    if key not in keys():
        near = difflib.get_close_matches(key, keys(), 1)
        raise ConfigMistake(f"{file}: there is no key {key}{f'; did you mean {near[0]}?' if near else ''}")
    fits, wanted = KINDS[key.rpartition(".")[2]]
    if not isinstance(value, str | int | float) or not fits(value):
        raise ConfigMistake(f"{file}: {key} is {value!r}, but has to be {wanted}")
    return value


def load(file: Path | None) -> Settings:
    """Return the shipped parameters with those of a file instead; raises ConfigMistake."""
    settings = _read(SHIPPED) | (_read(file) if file else {})
    if missing := keys() - settings.keys():
        raise ConfigMistake(f"{SHIPPED}: {min(missing)} is missing")
    shortest = 2 * seconds(str(settings["scrape_interval"]))
    for key, value in settings.items():
        if key.endswith(".window") and seconds(str(value)) < shortest:
            raise ConfigMistake(
                f"{file or SHIPPED}: {key} is {value!r}, but has to be at least two scrapes, {shortest}s"
            )
    return settings
