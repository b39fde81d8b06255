"""Settings of sinks → sinks, each with the client that it sends with."""

from __future__ import annotations

from flowaudit.config import SinkSettings
from flowaudit.sinks import Sink


def sink(settings: SinkSettings) -> Sink:
    """Return the sink that settings describe; raises ConfigError where AWS's own chain is incomplete."""
    raise NotImplementedError(settings.name)
