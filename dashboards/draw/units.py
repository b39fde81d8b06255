"""Formats values as Grafana's value formats do: three digits, the unit scaled.

The rules are those of packages/grafana-data/src/valueFormats in grafana/grafana.
"""

import math
from collections.abc import Callable

SI = ("", "k", "M", "G", "T", "P")
IEC = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
COUNT = ("", "K", "M", "B", "T")
SHORT = ("", " K", " Mil", " Bil", " Tri")
# Below so many seconds: the divisor and the name.
SPANS = ((60, 1, "s"), (3600, 60, "mins"), (86400, 3600, "hours"), (604800, 86400, "days"))
LONG = ((31536000, 604800, "weeks"), (math.inf, 31536000, "years"))
# As moment.js rounds: below so many seconds, the words and what one of them is.
AGO = (
    (45, "a few seconds", 0),
    (90, "a minute", 0),
    (2700, "{} minutes", 60),
    (5400, "an hour", 0),
    (79200, "{} hours", 3600),
    (129600, "a day", 0),
    (2246400, "{} days", 86400),
    (3888000, "a month", 0),
    (29808000, "{} months", 2629800),
    (47304000, "a year", 0),
    (math.inf, "{} years", 31557600),
)


def places(value: float) -> int:
    """Return how many decimals Grafana gives a value by itself."""
    if value == 0 or value % 1 == 0:
        return 0
    places = 1 - math.floor(math.log10(abs(value)))
    return max(0, places + (abs(value) / 10.0**-places > 2.25))  # noqa: PLR2004, Grafana's own number


def fixed(value: float, decimals: int | None) -> str:
    """Return a number with given decimals, or as many as Grafana gives it."""
    return f"{value:.{places(value) if decimals is None else decimals}f}"


def scaled(value: float, decimals: int | None, prefixes: tuple[str, ...], unit: str, base: int = 1000) -> str:
    """Return a number with the prefix that brings it below the base."""
    step = 0
    while abs(value) >= base and step < len(prefixes) - 1:
        value, step = value / base, step + 1
    return f"{fixed(value, decimals)}{prefixes[step]}{unit}"


def seconds(value: float, decimals: int | None) -> str:
    """Return a duration in its largest unit."""
    if value == 0:
        return "0 s"
    if abs(value) < 1:
        return f"{fixed(value * 1000, decimals)} ms"
    divisor, name = next((by, name) for below, by, name in SPANS + LONG if abs(value) < below)
    return f"{fixed(value / divisor, decimals)} {name}"


def since(value: float, now: float) -> str:
    """Return how long ago a time was, in milliseconds, as moment.js says it."""
    ago = now - value / 1000
    words, by = next((words, by) for below, words, by in AGO if abs(ago) < below)
    said = words.format(round(abs(ago) / by) if by else "")
    return f"{said} ago" if ago >= 0 else f"in {said}"


def _prefixed(prefixes: tuple[str, ...], unit: str, base: int = 1000) -> Callable[[float, int | None], str]:
    return lambda value, decimals: scaled(value, decimals, prefixes, unit, base)


def _spaced(unit: str, prefixes: tuple[str, ...] = SI, base: int = 1000) -> Callable[[float, int | None], str]:
    return _prefixed(tuple(f" {prefix}" for prefix in prefixes), unit, base)


FORMATS: dict[str, Callable[[float, int | None], str]] = {
    "none": fixed,
    "string": fixed,
    "short": _prefixed(SHORT, ""),
    "percentunit": lambda value, decimals: f"{fixed(value * 100, decimals)}%",
    "currencyUSD": lambda value, decimals: f"{'-' if value < 0 else ''}${scaled(abs(value), decimals, COUNT, '')}",
    "bytes": _spaced("B", IEC, 1024),
    "decbytes": _spaced("B"),
    "Bps": _spaced("B/s"),
    "s": seconds,
    "cps": _prefixed(COUNT, " c/s"),
    "opm": _prefixed(COUNT, " ops/m"),
    "reqps": _prefixed(COUNT, " req/s"),
}


def shown(value: float, unit: str, decimals: int | None, now: float) -> str:
    """Return a value in its unit; raises KeyError for one that is not known here."""
    if math.isnan(value) or math.isinf(value):
        return str(value).replace("nan", "NaN").replace("inf", "∞")
    return since(value, now) if unit == "dateTimeFromNow" else FORMATS[unit](value, decimals)
