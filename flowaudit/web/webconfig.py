"""The web configuration as its file is now: certificates and passwords are renewed without a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from flowaudit.config.web import Secured, files, parse, secured
from flowaudit.errors import ConfigError

log = structlog.stdlib.get_logger("flowaudit.web")


class WebConfigFile:
    """The web configuration as its file is now; without a file, none of it."""

    def __init__(self, path: str, reloaded: Callable[[bool], None] = lambda _: None) -> None:
        """Load it; raises ConfigError. `reloaded` is called after each later attempt with whether it succeeded."""
        self._path, self._reloaded = Path(path) if path else None, reloaded
        self._named: tuple[Path, ...] = ()
        self._stamp: tuple[object, ...] = ()
        self._secured = self._load(self._path) if self._path else Secured()

    def current(self) -> Secured:
        """Return the newest configuration without a mistake; one with a mistake is logged and changes nothing."""
        if self._path is None or self._look(self._path) == self._stamp:
            return self._secured
        try:
            self._secured = self._same_protocol(self._load(self._path))
        except ConfigError as error:
            log.error("web configuration not reloaded", error=str(error))  # noqa: TRY400  the message has everything
            self._reloaded(False)
        else:
            log.info("web configuration reloaded", file=str(self._path))
            self._reloaded(True)
        return self._secured

    def _same_protocol(self, new: Secured) -> Secured:
        if (new.tls is None) != (self._secured.tls is None):
            raise ConfigError(f"{self._path}: tls_server_config cannot be added or removed without a restart")
        return new

    def _load(self, path: Path) -> Secured:
        """Load it, and remember what each file was before it was read, of what is named anew and may be missing too."""
        self._stamp = self._look(path)
        own, config = _stamp(path), parse(path)
        self._named = tuple(files(path, config))
        self._stamp = (own, *map(_stamp, self._named))
        return secured(path, config)

    def _look(self, path: Path) -> tuple[object, ...]:
        """Return what changes with the file, or with one that it names."""
        return (_stamp(path), *map(_stamp, self._named))


def _stamp(file: Path) -> object:
    try:
        status = file.stat()
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino
