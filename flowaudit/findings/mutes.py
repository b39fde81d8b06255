"""Mutes that somebody puts on one finding by hand: until when, who, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from flowaudit import sql
from flowaudit.errors import ConfigError
from flowaudit.findings.lifecycle import CONFIG, OPEN, RESOLVED, Row, Story
from flowaudit.findings.past import standing
from flowaudit.lake import Lake, retried
from flowaudit.schema import FINDINGS


def mute(lake: Lake, id: str, until: datetime, owner: str, reason: str, now: datetime) -> None:
    """Note that a finding, by its whole id, is muted; raises ConfigError where that makes no sense, and LakeError."""
    if until <= now:
        raise ConfigError(f"{until:%Y-%m-%d %H:%M} UTC has passed: name a moment to come, as in 30d or 2027-01-01")
    if not reason.strip():
        raise ConfigError("a mute needs a reason: say with --reason why nobody is to hear of it")
    if not owner.strip():
        raise ConfigError("a mute needs an owner: say with --owner who answers for it")

    def change(story: Story, row: Row) -> None:
        if row["state"] == RESOLVED:
            raise ConfigError(
                f"{id} is resolved, so there is nothing to mute; a mute for all that match goes into "
                "[[mutes]] of the configuration"
            )
        story.mute(until, owner.strip(), reason.strip())

    _write(lake, id, change, now)


def unmute(lake: Lake, id: str, now: datetime) -> None:
    """Note that a finding, by its whole id, is muted no longer; raises ConfigError and LakeError."""

    def change(story: Story, row: Row) -> None:
        if row["until"] is None:
            raise ConfigError(f"{id} is not muted")
        if row["muted_by"] == CONFIG:
            raise ConfigError(f"{id} is muted by [[mutes]] of the configuration: take that away, and detect")
        story.unmute(RESOLVED if row["state"] == RESOLVED else OPEN)

    _write(lake, id, change, now)


def _write(lake: Lake, id: str, change: Callable[[Story, Row], None], now: datetime) -> None:
    """Append the event that `change` makes of the finding as it stands; once more if another process came first."""

    def once() -> None:
        log = lake.log("findings")
        with sql.connect(lake, tables=("findings",)) as connection:
            row = standing(connection, id)
        if row is None:
            raise ConfigError(f"there is no finding {id!r}: `flowaudit findings` lists them")
        story = Story(id, row, (), now)
        change(story, row)
        log.commit(pa.Table.from_pylist(story.events, FINDINGS), {})

    retried(once)
