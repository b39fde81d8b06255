"""Draws the dashboards as images; `scripts/draw-dashboards` runs it."""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from dashboards.draw.answers import Span, duration
from dashboards.draw.demo import demonstrated
from dashboards.draw.page import DrawError, page, photograph

GRAFANA = Path(__file__).parents[1] / "grafana"


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/draw-dashboards", description="Draw the dashboards as Grafana lays them out, as PNG."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as overview (default: all)")
    parser.add_argument("--prometheus", metavar="URL", default="http://127.0.0.1:9090", help="default: %(default)s")
    parser.add_argument("--daemon", metavar="URL", default="http://127.0.0.1:9184", help="default: %(default)s")
    parser.add_argument("--demo", action="store_true", help="start flowaudit demo and Prometheus, and draw those")
    parser.add_argument("--wait", type=int, metavar="SECONDS", default=300, help="how long the demo runs: %(default)s")
    parser.add_argument("--from", dest="start", type=float, metavar="UNIX", help="default: as long ago as --last")
    parser.add_argument("--to", dest="end", type=float, metavar="UNIX", help="default: now")
    parser.add_argument("--last", type=duration, metavar="RANGE", default=3600, help="such as 6h (default: 1h)")
    parser.add_argument(
        "--step", type=duration, metavar="RANGE", default=0, help="between points (default: as Grafana)"
    )
    parser.add_argument("--scrape", type=duration, metavar="RANGE", default=15, help="scrape interval (default: 15s)")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a variable's value")
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="where the images go")
    parser.add_argument("--html", action="store_true", help="keep the pages that are photographed")
    return parser.parse_args(argv)


def _draw(given: argparse.Namespace, sources: dict[str, str], span: Span) -> None:
    variables = dict(one.split("=", 1) for one in given.var)
    for file in sorted(GRAFANA.glob("*.json")):
        if given.names and file.stem not in given.names:
            continue
        html = page(json.loads(file.read_text("utf-8")), sources, variables, span)
        image = given.output / f"dashboard-{file.stem}.png"
        for trouble in photograph(html, image):
            print(f"scripts/draw-dashboards: {file.stem}: {trouble}", file=sys.stderr)
        if given.html:
            image.with_suffix(".html").write_text(html, "utf-8")
        print(image)


def _demo(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="flowaudit-draw-") as folder, ExitStack() as stack:
        begun = time.time()
        sources = stack.enter_context(demonstrated(Path(folder)))
        time.sleep(given.wait)
        # Points that Grafana would space by minutes are closer, for the demo is young.
        _draw(given, sources, Span(begun, time.time(), scrape=1, step=given.step or 5, shortest=30))


def main(argv: list[str]) -> int:
    """Draw what is asked for and return the exit code: 2 if that was not possible."""
    given = _arguments(argv)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        if given.demo:
            _demo(given)
        else:
            end = given.end or time.time()
            span = Span(given.start or end - given.last, end, given.scrape, given.step)
            _draw(given, {"prometheus": given.prometheus, "daemon": given.daemon}, span)
    except (DrawError, OSError) as error:
        print(f"scripts/draw-dashboards: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
