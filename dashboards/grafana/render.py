"""Renders the dashboards as JSON; `scripts/dashboards` runs it."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana.cost import cost
from dashboards.grafana.findings import findings
from dashboards.grafana.health import health
from dashboards.grafana.overview import overview
from dashboards.grafana.workload import workload

HERE = Path(__file__).parent
DASHBOARDS: tuple[Callable[[], Dashboard], ...] = (overview, workload, health, cost, findings)


# Written by the SDK though nobody asked: `placement` would hide links in a menu.
SUPERFLUOUS = {"placement", "auto", "auto_count", "auto_min"}


def _kept(fields: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if key not in SUPERFLUOUS}


def render() -> dict[str, str]:
    """Return each file's name and content."""
    files = {}
    for make in DASHBOARDS:
        board = json.loads(json.dumps(make().build(), cls=JSONEncoder), object_hook=_kept)
        # Grafana gives a dashboard its id; one that is given could be another's.
        text = json.dumps({"id": None} | board, indent=2, ensure_ascii=False, sort_keys=True)
        files[f"{make.__name__}.json"] = text + "\n"
    return files


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/dashboards", description="Render the dashboards of Grafana.")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=HERE, help="where the files go (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    return parser.parse_args(argv)


def _outdated(folder: Path, files: dict[str, str]) -> list[Path]:
    """Return the files that are missing, differ, or belong to a dashboard that is gone."""
    changed = {folder / name for name, text in files.items() if not _same(folder / name, text)}
    return sorted(changed | {file for file in folder.glob("*.json") if file.name not in files})


def _same(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == text


def main(argv: list[str]) -> int:
    """Write or check the files; return the exit code: 1 out of date, 2 wrong folder."""
    given = _arguments(argv)
    files = render()
    try:
        if given.check:
            outdated = _outdated(given.output, files)
            for file in outdated:
                print(f"scripts/dashboards: {file} is out of date: run scripts/dashboards", file=sys.stderr)
            return 1 if outdated else 0
        given.output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (given.output / name).write_text(text, "utf-8")
    except OSError as error:
        print(f"scripts/dashboards: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
