"""Chooses colors as Grafana's dark theme does: by name, threshold, mapping, or the name of a series."""

import math
import re
from collections.abc import Mapping
from typing import Any

NAMED = {
    "text": "#ccccdc",
    "semi-dark-green": "#56a64b",
    "green": "#73bf69",
    "light-green": "#96d98d",
    "dark-yellow": "#e0b400",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "light-red": "#ff7383",
    "semi-dark-blue": "#3274d9",
    "blue": "#5794f2",
    "light-blue": "#8ab8ff",
    "super-light-blue": "#c0d8ff",
    "purple": "#b877d9",
}
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a",
    "#447ebc", "#c15c17", "#b7dbab", "#f4d598", "#70dbed", "#f9ba8f",
)  # fmt: skip


def hexed(name: str) -> str:
    """Return a color by its name, or as it is given; raises KeyError for a name that is not known here."""
    return name if name.startswith("#") else NAMED[name]


def _overridden(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the properties that overrides give a series of this name."""
    given: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        kind, options = override["matcher"]["id"], override["matcher"]["options"]
        if options == name if kind == "byName" else re.search(options.strip("/"), name):
            given |= {one["id"]: one["value"] for one in override["properties"]}
    return given


def titled(panel: Mapping[str, Any], name: str) -> str:
    """Return the name that a series is shown by."""
    return str(_overridden(panel, name).get("displayName", name))


def of_series(panel: Mapping[str, Any], name: str, taken: set[str]) -> str:
    """Return the color of a series: an override's, else as the panel's mode says, each once while they last.

    The mode is a fixed color, shades of one, or the palette by the name.
    """
    usual = panel["fieldConfig"]["defaults"].get("color", {})
    if color := _overridden(panel, name).get("color", usual if usual.get("mode") == "fixed" else None):
        return hexed(color["fixedColor"])
    if usual.get("mode") == "shades":
        color = shade(hexed(usual["fixedColor"]), len(taken))
        taken.add(color)
        return color
    place = sum(ord(letter) * (31**index % 997) for index, letter in enumerate(name)) % len(PALETTE)
    order = PALETTE[place:] + PALETTE[:place]
    color = next((color for color in order if color not in taken), order[0])
    taken.add(color)
    return color


def shade(color: str, place: int) -> str:
    """Return a color made darker, by its place among others: all but the first, to no less than a third."""
    part = max(1 / 3, 0.8**place)
    red, green, blue = (round(int(color[at : at + 2], 16) * part) for at in (1, 3, 5))
    return f"#{red:02x}{green:02x}{blue:02x}"


def by_threshold(value: float, defaults: Mapping[str, Any]) -> str:
    """Return the color of the highest threshold that a value reaches."""
    steps = defaults["thresholds"]["steps"]
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return hexed(reached[-1] if reached else steps[0]["color"])


def mapped(value: float | str, mappings: list[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return the word and the color that a value is shown as, None where it is shown as it is."""
    for one in mappings:
        options = one["options"]
        result = None
        if one["type"] == "value":
            key = value if isinstance(value, str) else f"{value:g}"
            result = options.get(key)
        elif one["type"] == "range" and not isinstance(value, str):
            low, high = options["from"], options["to"]
            result = options["result"] if (low is None or value >= low) and (high is None or value <= high) else None
        elif one["type"] == "special" and options["match"] == "nan" and isinstance(value, float) and math.isnan(value):
            result = options["result"]
        if result is not None:
            return str(result["text"]), hexed(result.get("color", "text"))
    return None
