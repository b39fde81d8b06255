"""A Slack incoming webhook (docs.slack.dev, "Sending messages using incoming webhooks"), in Block Kit.

Slack accepts about one message a second for each webhook, and about 13,000 characters a message. So a few events become
one message each, a second apart; many become one message with a paragraph each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from flowaudit.config.sinks import SlackSink
from flowaudit.errors import SinkDisabled, SinkError
from flowaudit.exchange.case import clean
from flowaudit.model import FindingEvent
from flowaudit.sentences import volume
from flowaudit.sinks import MESSAGES, Event, Result
from flowaudit.sinks.document import encode
from flowaudit.sinks.http import Client, Clock, origin, read_url

MOST_MESSAGES = 3
"""Events of one send that are a message each."""
APART = 1.0
"""Seconds between messages."""
MOST_HEADER, MOST_SECTION, MOST_FIELD, MOST_REMOTES = 150, 2_000, 250, 10
"""Characters, escaped, where Slack's own limits are 150, 3,000 and 2,000; and lines of remotes."""
MOST_LINE = 450
"""Characters of an event in a message about many."""
WORDS = {
    "invalid_payload": "Slack cannot read the message",
    "invalid_blocks": "Slack cannot read the message's blocks",
    "msg_blocks_too_long": "the message is too long for Slack",
    "no_text": "the message is empty to Slack",
    "action_prohibited": "an admin of the workspace forbids the message",
    "channel_is_archived": "unarchive the channel, or create a webhook for another one",
    "channel_not_found": "the channel was deleted: create a webhook for another one",
    "invalid_token": "the URL is no longer valid: create a new webhook",
    "no_active_hooks": "the webhook is disabled: enable it, or create a new one",
    "no_service": "the webhook is disabled or removed: create a new one",
    "no_service_id": "the URL is incomplete: copy it again",
    "no_team": "the workspace was deleted, or the URL is incomplete",
    "posting_to_general_channel_denied": "an admin has to let the app post to this channel",
    "team_disabled": "the workspace is disabled",
    "rollup_error": "Slack failed",
}
"""Slack's answers (docs.slack.dev, "Handling errors" of incoming webhooks)."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MENTION = re.compile(r"@(?=here|channel|everyone)", re.IGNORECASE)
_CUT = re.compile(r"&[a-z]*\Z")


class Slack:
    """Posts messages no closer than a second to each other."""

    batch: ClassVar[int] = 20
    kinds: ClassVar[frozenset[FindingEvent]] = MESSAGES
    gets_muted: ClassVar[bool] = False
    refresh: ClassVar[timedelta | None] = None

    def __init__(
        self, settings: SlackSink, clock: Clock = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = settings.name
        self._settings, self._sleep = settings, sleep
        self._client = Client(settings.name, settings, WORDS, clock)
        self._last = -APART

    @property
    def target(self) -> str:
        """Scheme and host."""
        return origin(self._settings.url)

    def send(self, events: Sequence[Event]) -> Result:
        """Post a message for each event, or one for many; raises SinkError, SinkDisabled, ConfigError."""
        if len(events) > MOST_MESSAGES and self._post(digest(events)) is None:
            return Result()
        return self._each(events)

    def _each(self, events: Sequence[Event]) -> Result:
        """Post a message for each event; where Slack stops in between, those behind are to be sent again."""
        refused: dict[str, str] = {}
        for index, event in enumerate(events):
            try:
                refusal = self._post(message(event))
            except SinkError as error:
                if index == 0 or isinstance(error, SinkDisabled):
                    raise
                return Result(refused, failed={later.id: str(error) for later in events[index:]})
            if refusal is not None:
                refused[event.id] = refusal
        return Result(refused)

    def _post(self, payload: dict[str, Any]) -> str | None:
        url = read_url(self._settings.url)
        self._pace()
        answer = self._client.post(url, encode(payload), {"Content-Type": "application/json"})
        if answer.refusal is None and answer.text.strip() != "ok":
            raise SinkError(
                f"sink {self.name}: the answer is not Slack's: `url` must be that of a Slack incoming webhook"
            )
        return answer.refusal

    def _pace(self) -> None:
        if (early := self._last + APART - time.monotonic()) > 0:
            self._sleep(early)
        self._last = time.monotonic()


def message(event: Event) -> dict[str, Any]:
    """Return the message about one event."""
    case, finding = event.case, event.case.finding
    commands = f"`flowaudit findings show {finding.id}`\n`flowaudit explain {finding.id}`"
    blocks = [
        {"type": "header", "text": _plain(_headline(event), MOST_HEADER)},
        _section(clean(finding.sentence) or case.summary),
        {"type": "section", "fields": [_plain(f"{name}: {value}", MOST_FIELD) for name, value in _facts(event)]},
        *([_section("\n".join(_remotes(event)))] if case.remotes else []),
        {"type": "section", "text": {"type": "mrkdwn", "text": commands, "verbatim": True}},
        {"type": "context", "elements": [_plain(f"{event.id} · {_time(event.at)}", MOST_FIELD)]},
    ]
    return {"text": escape(f"{_headline(event)}: {clean(finding.sentence)}", MOST_SECTION), "blocks": blocks}


def digest(events: Sequence[Event]) -> dict[str, Any]:
    """Return the message about many events, a paragraph each."""
    title = f"flowaudit: {len(events)} events of findings"
    lines = [_section(_line(event), MOST_LINE) for event in events]
    return {"text": title, "blocks": [{"type": "header", "text": _plain(title, MOST_HEADER)}, *lines]}


def escape(text: str, most: int) -> str:
    """Return text that is nothing but text to Slack, in at most so many characters."""
    lines = (clean(line) for line in text.split("\n"))
    harmless = _MENTION.sub("@\u200b", "\n".join(lines)).translate(_ESCAPES)
    return harmless if len(harmless) <= most else f"{_CUT.sub('', harmless[: most - 1])}…"


def _headline(event: Event) -> str:
    finding = event.case.finding
    return f"{finding.severity.upper()} {event.kind.value}: {event.case.title}"


def _line(event: Event) -> str:
    finding = event.case.finding
    where = f"flowaudit findings show {finding.id} ({event.id}, {finding.state})"
    return f"{clean(_headline(event), 150)}\n{where}\n{clean(finding.sentence)}"


def _facts(event: Event) -> Iterator[tuple[str, str]]:
    """Yield at most ten: Slack takes no more fields."""
    case, finding = event.case, event.case.finding
    yield "Severity", finding.severity
    yield "State", finding.state
    yield "Account", case.account or "unknown"
    yield "Region", case.region or "unknown"
    yield "Workload", case.told("workload") or "unknown"
    yield "Path", case.path or "unknown"
    yield "Flows", f"{finding.flows:,}"
    yield "Volume", volume(finding.bytes)
    yield "First seen", _time(finding.first_seen)
    yield "Last seen", _time(finding.last_seen)


def _remotes(event: Event) -> Iterator[str]:
    for remote in event.case.remotes[:MOST_REMOTES]:
        port = "" if remote.port is None else f" port {remote.port}"
        yield f"{remote.address}{port}: {volume(remote.bytes)}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _section(text: str, most: int = MOST_SECTION) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text, most)}


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": escape(text, most) or "-", "emoji": False}
