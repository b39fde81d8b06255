"""`flowaudit run` and `flowaudit demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from flowaudit.cli.coverage import conclude, line
from flowaudit.cli.options import app_of
from flowaudit.cli.output import Format, FormatOption, say, write_one

OnceOption = Annotated[bool, typer.Option("--once", help="One full cycle, then exit.")]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        envvar="FLOWAUDIT_HTTP__LISTEN",
        help="Where metrics and health are served.",
        show_default="127.0.0.1:9184, or a free port",
    ),
]


def run(
    ctx: typer.Context,
    once: OnceOption = False,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait while another daemon runs on the lake, and take over when it ends.")
    ] = False,
    format: FormatOption = Format.TABLE,
) -> None:
    """Collect and detect on schedule.

    Serves metrics and health meanwhile, until SIGTERM or Ctrl-C. One daemon at a time runs on a lake.
    """
    from flowaudit import daemon

    app = app_of(ctx)
    if (cycle := daemon.run(app, once=once, standby=standby, load=lambda: app_of(ctx))) is None:
        return
    for failure in cycle.failures:
        say(f"failed {failure}")
    summary, covered = cycle.summary(), line(app)
    write_one(summary if format is Format.TABLE else summary | {"coverage": covered}, format)
    conclude(covered)
    raise typer.Exit(cycle.exit_code)


def demo(
    once: OnceOption = False,
    destroy: Annotated[bool, typer.Option("--destroy", help="Delete the VPC at the end.")] = False,
    listen: ListenOption = None,
) -> None:
    """Show the main job on a VPC that `setup apply` makes.

    AWS's mock is the cloud, so no account is needed.
    """
    from flowaudit.cli.demo import demo as show

    raise typer.Exit(show(once=once, destroy=destroy, listen=listen))
