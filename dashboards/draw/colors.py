"""Chooses colors as Grafana's dark theme does: by name, threshold, mapping, or the name of a series."""

import math
import re
from collections.abc import Mapping
from typing import Any

NAMED = {
    "text": "#ccccdc",
    "green": "#73bf69",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
}
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a",
    "#447ebc", "#c15c17", "#b7dbab", "#f4d598", "#70dbed", "#f9ba8f",
)  # fmt: skip


def hexed(name: str) -> str:
    """Return a color by its name, or as it is given."""
    return NAMED.get(name, name)


def of_series(panel: Mapping[str, Any], name: str, taken: set[str]) -> str:
    """Return the color of a series: an override's, else one of the palette by the name, each once while it lasts."""
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] == "byRegexp" and re.search(matcher["options"].strip("/"), name):
            for one in override["properties"]:
                if one["id"] == "color":
                    return hexed(one["value"]["fixedColor"])
    place = sum(ord(letter) * (31**index % 997) for index, letter in enumerate(name)) % len(PALETTE)
    order = PALETTE[place:] + PALETTE[:place]
    color = next((color for color in order if color not in taken), order[0])
    taken.add(color)
    return color


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
            return str(result["text"]), hexed(result["color"])
    return None
