"""`python -m bench WHAT` measures and prints JSON; contenders run side by side, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import contenders, findings, maintenance

FOLDER = Path(".bench")
"""Where data is made, once, and used again."""


def main() -> None:
    """Measure what the command line asks for and print one JSON document."""
    arguments = _arguments()
    if arguments.contender:
        print(json.dumps(contenders.CONTENDERS[arguments.contender](arguments)))
        return
    if arguments.what == "findings":
        print(json.dumps(findings.measure(arguments), indent=2))
        return
    if arguments.what == "maintenance":
        print(json.dumps(maintenance.measure(arguments), indent=2))
        return
    if arguments.what == "daemon":
        from bench import daemon  # noqa: PLC0415  boto3 counts towards no contender's peak memory

        print(json.dumps(daemon.measure(arguments), indent=2))
        return
    contenders.prepare(arguments)
    rounds = [_round(arguments) for _ in range(arguments.repeat)]
    result = {name: _typical([each[name] for each in rounds]) for name in rounds[0]}
    print(json.dumps(_compared(arguments, result, rounds), indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", choices=("collect", "query", "detect", "findings", "daemon", "maintenance"))
    parser.add_argument(
        "--records",
        type=int,
        help="default: 4 M to collect, 50 M to query or detect, 1 M events, 20,000 an object for the daemon, "
        "400,000 for maintenance",
    )
    parser.add_argument("--objects", type=int, default=8, help="how many log objects they lie in")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where data is made and kept")
    parser.add_argument("--rates", type=_numbers, default="1,10,50", help="daemon: objects a minute")
    parser.add_argument("--minutes", type=float, default=4.0, help="daemon: how long objects land at each rate")
    parser.add_argument("--interval", type=_seconds, default="10s", help="daemon: how often it collects and detects")
    parser.add_argument("--files", type=int, default=20_000, help="maintenance: how many small files")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    usual = {
        "collect": 4_000_000,
        "query": 50_000_000,
        "detect": 50_000_000,
        "findings": 1_000_000,
        "daemon": 20_000,
        "maintenance": 400_000,
    }
    arguments.records = arguments.records or usual[arguments.what]
    return arguments


def _numbers(text: str) -> list[float]:
    numbers = [float(each) for each in text.split(",")]
    if min(numbers) <= 0:
        raise argparse.ArgumentTypeError("objects land at more than 0 a minute")
    return numbers


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def _round(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run every contender once, one after another."""
    return {name: _alone(name, arguments) for name in contenders.RUN[arguments.what]}


def _alone(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one contender in a process of its own, so that its peak memory is its own."""
    options = {"records": arguments.records, "objects": arguments.objects, "folder": arguments.folder}
    command = [sys.executable, "-m", "bench", arguments.what, "--contender", name]
    command += [word for key, value in options.items() for word in (f"--{key}", str(value))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _typical(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run whose time is the median of all."""
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    return {**middle, "peak_rss_mb": max(run["peak_rss_mb"] for run in runs)}


def _compared(
    arguments: argparse.Namespace, result: Mapping[str, dict[str, Any]], rounds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the figures and the ratios within each round, whose median is freer of the machine's moods."""
    first, *others = contenders.RUN[arguments.what]
    ratios = {
        f"ratio_vs_{other}": round(median(each[other]["seconds"] / each[first]["seconds"] for each in rounds), 3)
        for other in others
    }
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    setting = {"records": arguments.records, "objects": arguments.objects, "repeat": arguments.repeat}
    return {"what": arguments.what, **setting, **machine, **result, **ratios}


if __name__ == "__main__":
    main()
