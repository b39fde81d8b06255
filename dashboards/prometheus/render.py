"""Renders the rule files of Prometheus from config.toml, alerts.py and slo.py; `scripts/rules` runs it."""

import argparse
import sys
from pathlib import Path
from string import Template

import yaml

from dashboards.prometheus.alerts import GROUPS, Alert
from dashboards.prometheus.settings import HERE, ConfigMistake, Settings, load, seconds
from dashboards.prometheus.slo import OBJECTIVES, PAIRS, WINDOWS, Objective, Pair, burn

HEADER = """\
# Made by scripts/rules from config.toml, alerts.py and slo.py: change those and run it again.
# How to load this: README.md. What to do about an alert: its runbook.
"""
Rule = dict[str, str | dict[str, str]]


class Block(yaml.SafeDumper):
    """Writes lists indented, and strings of several lines as they are read."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent what belongs to a key, lists as well."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Block.add_representer(str, _text)


def runbook_url(settings: Settings, alert: str) -> str:
    """Return the address of an alert's runbook."""
    return str(settings["runbook_url"]).replace("{alert}", alert)


def within(settings: Settings) -> str:
    """Return the bucket of the freshness objective as the exporter writes it: `120.0`."""
    return str(float(settings["slo.freshness.within"]))


def _fill(text: str, values: Settings) -> str:
    """Replace what the configuration says; `$labels` and `$value` are left to Prometheus."""
    return Template(text).safe_substitute(values)


def _annotations(settings: Settings, alert: str, summary: str, description: str) -> dict[str, str]:
    return {"summary": summary, "description": description, "runbook_url": runbook_url(settings, alert)}


def alert_rule(alert: Alert, settings: Settings) -> Rule:
    """Return one row of the table of alerts as a rule."""
    of = {key: settings[f"alerts.{alert.name}.{key}"] for key in alert.settings()}
    values = {"selector": settings["selector"], **of}
    if "age" in of:
        values["age"] = seconds(str(of["age"]))
    timing: Rule = {key: str(of[key]) for key in ("for", "keep_firing_for") if key in of}
    severity = {"severity": str(of["severity"])} if "severity" in of else {}
    description = _fill(alert.description, values)
    return {
        "alert": alert.name,
        "expr": _fill(alert.expr, values) + "\n",
        **timing,
        "labels": severity | alert.labels,
        "annotations": _annotations(settings, alert.name, alert.summary, description),
    }


def burn_rule(objective: Objective, pair: Pair, settings: Settings) -> Rule:
    """Return the rule that fires where a budget burns too fast in both windows of a pair."""
    budget = round(1 - float(settings[f"slo.{objective.key}.objective"]), 9)
    missed = _fill(objective.missed, {"within": settings["slo.freshness.within"]})
    description = (
        f"{{{{ $labels.instance }}}}: {{{{ $value | humanizePercentage }}}} of {missed}, in the last {pair.long}; "
        f"{budget * 100:g}% is the budget, which burns more than {pair.factor:g} times too fast."
    )
    return {
        "alert": objective.alert,
        "expr": burn(objective, pair, budget) + "\n",
        "for": pair.wait,
        "labels": {
            "severity": str(settings[f"slo.{objective.key}.{pair.urgency}"]),
            "long": pair.long,
            "short": pair.short,
        },
        "annotations": _annotations(settings, objective.alert, objective.summary, description),
    }


def record_rule(objective: Objective, window: str, settings: Settings) -> Rule:
    """Return the rule that records an objective's share of misses over a window."""
    values = {"selector": settings["selector"], "window": window, "within": within(settings)}
    return {"record": objective.record + window, "expr": _fill(objective.ratio, values) + "\n"}


def alerts(settings: Settings) -> dict[str, list[Rule]]:
    """Return all alerts by group."""
    table = {group: [alert_rule(alert, settings) for alert in rows] for group, rows in GROUPS.items()}
    burns = [burn_rule(objective, pair, settings) for objective in OBJECTIVES for pair in PAIRS]
    return table | {"flowaudit-objectives": burns}


def records(settings: Settings) -> dict[str, list[Rule]]:
    """Return all recording rules by group."""
    return {
        f"flowaudit-{objective.key}-ratios": [record_rule(objective, window, settings) for window in WINDOWS]
        for objective in OBJECTIVES
    }


def _file(groups: dict[str, list[Rule]], interval: str) -> str:
    named = [{"name": name, "interval": interval, "rules": rules} for name, rules in groups.items()]
    return HEADER + yaml.dump({"groups": named}, Dumper=Block, sort_keys=False, width=110, allow_unicode=True)


def render(settings: Settings) -> dict[str, str]:
    """Return each file's name and content."""
    interval = str(settings["interval"])
    return {
        "alerts.yaml": _file(alerts(settings), interval),
        "recording_rules.yaml": _file(records(settings), interval),
    }


def _outdated(file: Path, text: str) -> bool:
    return not file.is_file() or file.read_text("utf-8") != text


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/rules", description="Render the rule files of Prometheus.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="parameters to put in place of config.toml's")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=HERE, help="where the files go (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Write or check the files; return the exit code: 1 out of date, 2 wrong configuration or folder."""
    given = _arguments(argv)
    try:
        files = {given.output / name: text for name, text in render(load(given.config)).items()}
        if given.check:
            return _told([file for file, text in files.items() if _outdated(file, text)])
        given.output.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            file.write_text(text, "utf-8")
    except (ConfigMistake, OSError) as error:
        print(f"scripts/rules: {error}", file=sys.stderr)
        return 2
    return 0


def _told(outdated: list[Path]) -> int:
    for file in outdated:
        print(f"scripts/rules: {file} is out of date: run scripts/rules", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
