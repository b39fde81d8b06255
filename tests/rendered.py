"""The rule files of Prometheus as they are rendered, and the metrics that they may use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus"
FILES = [RULES / "alerts.yaml", RULES / "recording_rules.yaml"]

DOCUMENTED = re.findall(
    r"^\| `(flowaudit_\w+)` \|(.*?)\|(.*?)\|$", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE
)
"""Name, labels and meaning of every metric that the daemon exports: another test holds the page to that."""


def exported() -> dict[str, set[str]]:
    """Return every series that is scraped, with its labels beside Prometheus' own `job` and `instance`."""
    series: dict[str, set[str]] = {}
    for name, labels, meaning in DOCUMENTED:
        named = set(re.findall(r"`(\w+)`", labels))
        if meaning.startswith(" histogram"):
            series |= {f"{name}_bucket": named | {"le"}, f"{name}_count": named, f"{name}_sum": named}
        else:
            series[name] = named
    return series


METRICS = exported()
OF_PROMETHEUS = {"up"}
TARGET = {"job", "instance"}


def parsed(file: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(file.read_text("utf-8"))


def rules() -> list[dict[str, Any]]:
    """Return every rendered rule."""
    return [rule for file in FILES for group in parsed(file)["groups"] for rule in group["rules"]]
