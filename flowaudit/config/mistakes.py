"""What is said about a mistake in the configuration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails

_TYPES = {
    "sources": "there are local and s3 (cloudwatch and sqs are not supported in this version)",
    "sinks": "there are webhook, slack, pagerduty, alertmanager, sns, sqs, eventbridge, security_hub and ocsf",
}

_SAYINGS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "missing": "is missing",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "path_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "string_type": "must be text in quotes",
    "too_short": "must not be empty",
    "time_delta_type": "must be a duration in quotes, as in 30s, 5m, 24h, 30d",
    "tuple_type": "must be a list in brackets",
}


def describe(detail: ErrorDetails, known: Sequence[str]) -> str:
    """The dotted place of a mistake and what is allowed there; `known` are all keys there are."""
    place = dotted(detail["loc"])
    kind = detail["type"]
    if kind.startswith("union_tag"):
        what = (
            "is missing"
            if kind == "union_tag_not_found"
            else f"is not a type of {str(detail['loc'][0]).removesuffix('s')}"
        )
        return f"{place}.type: {what}: {_TYPES[str(detail['loc'][0])]}"
    if kind == "extra_forbidden":
        return f"{place}: {_unknown(place, known)}"
    if kind == "tuple_type" and place in _TYPES:
        return f"{place}: must be a list of sections: write [[{place}]], with two brackets"
    if kind in ("enum", "literal_error"):
        return f"{place}: must be one of {detail['ctx']['expected']}"
    if kind == "value_error":
        return f"{place}: {detail['ctx']['error']}"
    return f"{place}: {_SAYINGS.get(kind, detail['msg'])}"


def dotted(loc: tuple[int | str, ...]) -> str:
    """A place as one writes it: `sources[0].uri`."""
    if loc[0] in _TYPES:
        loc = (*loc[:2], *loc[3:])  # the third is pydantic's: the type it took
    loc = tuple(part for part in loc if not str(part).startswith("function-"))  # pydantic's names of validators
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _unknown(place: str, known: Sequence[str]) -> str:
    """Return a hint for an unknown key: the nearest beside it, the same one elsewhere, or all beside it."""
    parent, name = _split(re.sub(r"^detectors\.[^.]+", "detectors.ID", re.sub(r"\[\d+\]", "[]", place)))
    sections = [key.split(".")[0].removesuffix("[]") for key in known]
    siblings = sorted({_split(key)[1] for key in [*known, *sections] if _split(key)[0] == parent})
    elsewhere = [key for key in known if _split(key)[1] == name]
    if parent and name in siblings:
        return "no such key for this type"
    close = difflib.get_close_matches(name, siblings)
    if near := (close or elsewhere) if parent else (elsewhere or close):
        return f"no such key: did you mean {near[0]}?"
    return f"no such key: there are {', '.join(siblings)}"


def _split(key: str) -> tuple[str, str]:
    parent, _, name = key.rpartition(".")
    return parent, name
