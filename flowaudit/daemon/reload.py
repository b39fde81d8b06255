"""The configuration and the queries read again: all of it holds from then on, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread

import structlog

from flowaudit.app import App
from flowaudit.config import Config
from flowaudit.daemon.jobs import work
from flowaudit.daemon.stages import Work
from flowaudit.errors import ConfigError, FlowauditError

RESTART = {
    "lake.uri": "the lease and the progress of sinks belong to one lake",
    "http.listen": "the address is taken at the start",
    "http.web_config": "the file is named at the start; what it says is read again when it changes",
}
"""The keys that hold until a restart, and why."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An application that may run: its sources, sinks, mutes and queries are sound; and the work of its stages."""

    app: App
    work: Mapping[str, Work]


class Reload:
    """Prepares an application in a thread of its own, so that a stop need not wait for it. Driven by one thread."""

    def __init__(self, load: Callable[[], App], done: Callable[[], None]) -> None:
        """Prepare nothing yet; `load` reads the configuration, `done` is called in that thread at its end."""
        self._load, self._done = load, done
        self._thread: Thread | None = None
        self._is_asked_again = False
        self._found: Prepared | str = ""

    def ask(self, running: Config) -> None:
        """Begin; where a reload is under way, begin another one after it."""
        if self._thread is not None:
            self._is_asked_again = True
            return
        self._thread = Thread(target=self._prepare, args=[running], name="reload", daemon=True)
        self._thread.start()

    def result(self) -> Prepared | str:
        """Return what was prepared, or why nothing was."""
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        return self._found

    def asked_again(self) -> bool:
        """Return whether another reload was asked for meanwhile, once."""
        asked, self._is_asked_again = self._is_asked_again, False
        return asked

    def _prepare(self, running: Config) -> None:
        try:
            self._found = prepared(self._load(), running)
        except FlowauditError as error:
            self._found = str(error)
        except Exception as error:  # whatever it is, the configuration that runs holds
            log.exception("reload broken", error=repr(error))
            self._found = f"{type(error).__name__} (a fault in flowaudit: see the log)"
        finally:
            self._done()


def prepared(app: App, running: Config) -> Prepared:
    """Return an application that may replace the one with the configuration `running`; raises ConfigError."""
    changed = [key for key in RESTART if _value(app.config, key) != _value(running, key)]
    if changed:
        raise ConfigError("\n".join(f"{key} needs a restart: {RESTART[key]}" for key in changed))
    check(app)
    if app.catalogue.problems:
        raise ConfigError("\n".join(map(str, app.catalogue.problems)))
    return Prepared(app, work(app))


def check(app: App) -> None:
    """Raise ConfigError where there is nothing to collect, or where it cannot be collected."""
    if not app.config.sources:
        raise ConfigError('there is nothing to collect: name a place under [[sources]], e.g. type = "s3", uri = "…"')
    app.sources([], None, datetime.now(UTC))


def _value(config: Config, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(config, section), name)
