"""argv → one call → print → exit code. The only room that exits."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from flowaudit.cli import (
    check,
    collect,
    coverage,
    detect,
    doctor,
    explain,
    findings,
    inventory,
    ipranges,
    lake,
    ping,
    query,
    run,
    setup,
    sinks,
    sql,
)
from flowaudit.cli.options import Options
from flowaudit.cli.output import say
from flowaudit.errors import FlowauditError

INTERRUPTED, TERMINATED, BROKEN_PIPE = (128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))


class Verbs(TyperGroup):
    """The verbs; however one of them ends, it ends in one message and one exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401  whatever a verb returns
        """Run the verb that was named; raises typer.Exit."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except FlowauditError as error:
            self._fail(ctx, error, str(error), error.exit_code)
        except KeyboardInterrupt as stop:
            say(str(stop) or "stopped")
            raise typer.Exit(TERMINATED if isinstance(stop, _Terminated) else INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for Python's own last flush
            raise typer.Exit(BROKEN_PIPE) from None
        except OSError as error:
            self._fail(ctx, error, str(error), FlowauditError.exit_code)
        except Exception as error:
            if hasattr(error, "exit_code"):
                raise  # typer's own: it knows how these end
            message = (
                f"{type(error).__name__}: {error}; this is a fault of flowaudit: `flowaudit --debug …` tells where"
            )
            self._fail(ctx, error, message, FlowauditError.exit_code)
        return result

    def _fail(self, ctx: typer.Context, error: Exception, message: str, code: int) -> NoReturn:
        if ctx.params.get("debug"):
            traceback.print_exception(error)
        say(f"error: {message}")
        raise typer.Exit(code) from None


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which is to end a verb as Ctrl-C does."""


verbs = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine, 1 findings at or above --fail-on, 2 usage, config or query, 3 failed.",
)
VERBS: tuple[Callable[..., None], ...] = (
    check.check,
    inventory.discover,
    collect.collect,
    detect.detect,
    coverage.coverage,
    explain.explain,
    inventory.interfaces,
    inventory.workloads,
    doctor.doctor,
    sql.sql,
    run.run,
    ping.ping,
    run.demo,
)
for _verb in VERBS:
    verbs.command()(_verb)
verbs.add_typer(findings.group, name="findings")
verbs.add_typer(ipranges.group, name="ipranges")
verbs.add_typer(lake.group, name="lake")
verbs.add_typer(query.group, name="query")
verbs.add_typer(setup.group, name="setup")
verbs.add_typer(sinks.group, name="sinks")


def _version(asked: bool) -> None:
    if asked:
        from flowaudit import __version__

        print(f"flowaudit {__version__}")
        raise typer.Exit


@verbs.callback()
def _options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration, else $FLOWAUDIT_CONFIG or ./flowaudit.toml.")
    ] = None,
    lake: Annotated[
        str | None, typer.Option(metavar="URI", help="Folder or s3://bucket/prefix of the lake, before lake.uri.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Tell of failures with a traceback.")] = False,  # noqa: ARG001  `Verbs` looks at it
    version: Annotated[  # noqa: ARG001  its callback acts on it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Which way did every byte of your SageMaker workloads go, and was that way allowed?"""
    ctx.obj = Options(config, lake)


def main() -> None:
    """Run the program that argv asks for."""
    signal.signal(signal.SIGTERM, _terminate)
    verbs(prog_name="flowaudit")


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise _Terminated
