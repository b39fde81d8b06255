"""Calls to AWS: their order, and AWS's refusals as messages with a remedy.

Sources of the codes: "Common errors" and the errors of each operation in the API references of Amazon SNS, SQS,
EventBridge, Security Hub and S3. AWS's own words are repeated only for refused events: others may hold keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flowaudit.errors import SinkError
from flowaudit.exchange.case import clean
from flowaudit.sinks import LONGEST_PAUSE, Event, Result
from flowaudit.sinks.aws_codes import CLASSES, CODES, DENIED, ENTRY, FAILED, KMS, MALFORMED, OTHER, UNREACHABLE

MOST_WORDS = 300
"""Characters of AWS's own words that are repeated."""


class Malformed(SinkError):
    """AWS refuses a call because one of its events is malformed, without naming the event."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry of a batch call that was not taken: AWS's code and words, and whether it finds fault with the entry."""

    id: str
    code: str
    words: str
    is_senders: bool = False

    @classmethod
    def of(cls, failed: Mapping[str, Any]) -> Refusal:
        """Return an entry of `Failed`, as SNS and SQS answer."""
        return cls(failed["Id"], failed["Code"], failed.get("Message", ""), failed["SenderFault"])


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one client, for the messages: IAM has to allow `action` on `resource`."""

    sink: str
    target: str
    action: str
    resource: str
    client: Any

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn botocore's errors into a SinkError, and into Malformed where an event is at fault."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  nothing else here needs botocore
        from botocore.parsers import ResponseParserError  # noqa: PLC0415

        try:
            yield
        except ClientError as error:
            raise self._refusal(error.response) from None
        except BotoCoreError as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            raise self._error(next(CLASSES[name] for name in names if name in CLASSES), names[0]) from None
        except ResponseParserError:  # a portal's or a proxy's page
            raise self._error(UNREACHABLE, ResponseParserError.__name__) from None

    def settled(self, refusals: Iterable[Refusal], sent: int) -> Result:
        """Return the refused and the failed entries of a batch call with `sent` entries.

        Raises SinkError where all failed.
        """
        refused: dict[str, str] = {}
        failed: dict[str, SinkError] = {}
        for each in refusals:
            kind = CODES.get(each.code, MALFORMED if each.is_senders else ENTRY)
            if kind == MALFORMED:
                refused[each.id] = str(self._error(kind, each.code, each.words))
            else:
                failed[each.id] = self._error(kind, each.code, each.words)
        if failed and len(failed) == sent:
            raise next(iter(failed.values()))
        return Result(refused, {id: str(error) for id, error in failed.items()})

    def _refusal(self, response: Mapping[str, Any]) -> SinkError:
        detail, answer = response.get("Error", {}), response.get("ResponseMetadata", {})
        code, words = str(detail.get("Code", "no code")), str(detail.get("Message", ""))
        status = int(answer.get("HTTPStatusCode", 0))
        kind = CODES.get(code) or CODES.get(str(status)) or (FAILED if status >= 500 else OTHER)  # noqa: PLR2004  HTTP's
        if "kms:" in words and kind == DENIED:
            kind = KMS
        return self._error(kind, code, words, _seconds(answer.get("HTTPHeaders", {})))

    def _error(self, kind: str, code: str, words: str = "", retry_after: float | None = None) -> SinkError:
        message = kind.format(
            target=self.target,
            code=clean(code, MOST_WORDS),
            words=clean(words, MOST_WORDS) or "no reason given",
            action=self.action,
            resource=self.resource,
            host=urlsplit(self.client.meta.endpoint_url).netloc.rpartition("@")[2],
            region=self.client.meta.region_name,
        )
        error = Malformed if kind == MALFORMED else SinkError
        return error(f"sink {self.sink}: {message}", retry_after)


Send = Callable[[Sequence[Event]], Result]


def in_order(calls: Iterable[Sequence[Event]], send: Send) -> Result:
    """Send events call by call, up to the first that fails as a whole: its events and all later ones have failed.

    Where one event fails, the later ones of its finding are not sent and have failed too, if no call holds two of one
    finding. Raises SinkError where the first call fails as a whole.
    """
    refused: dict[str, str] = {}
    failed: dict[str, str] = {}
    held: dict[str, str] = {}
    remaining = list(calls)
    for number, call in enumerate(remaining):
        failed |= {event.id: held[event.case.finding.id] for event in call if event.case.finding.id in held}
        if not (events := [event for event in call if event.id not in failed]):
            continue
        try:
            result = _one_by_one(events, send)
        except SinkError as error:
            if number == 0:
                raise
            unsent = (event.id for later in remaining[number:] for event in later)
            return Result(refused, failed | dict.fromkeys(unsent, str(error)))
        refused |= result.refused
        failed |= result.failed
        held |= {event.case.finding.id: failed[event.id] for event in events if event.id in failed}
    return Result(refused, failed)


def _one_by_one(events: Sequence[Event], send: Send) -> Result:
    """Send events by one call, or by one call each where AWS finds one of them malformed."""
    try:
        return send(events)
    except Malformed as error:
        if len(events) == 1:
            return Result(refused={events[0].id: str(error)})
    return in_order(([event] for event in events), send)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long AWS asks to wait, at most an hour; None where it does not, or by a date."""
    wait = headers.get("retry-after", "")
    return min(float(wait), LONGEST_PAUSE) if wait.isascii() and wait.isdigit() else None
