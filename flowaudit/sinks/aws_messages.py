"""Shared by SNS, SQS and EventBridge: documents and batches within their limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flowaudit.exchange.case import clean
from flowaudit.sinks import Event
from flowaudit.sinks.document import document

MOST_ENTRIES = 10
"""Entries of one PublishBatch, SendMessageBatch or PutEvents."""
MOST_BYTES = 256 * 1024
"""Bytes of a message, and of all messages of a call: SNS's default, and the older limit of SQS and EventBridge."""
ROOM = 8 * 1024
"""Bytes kept free for attributes, subject and resources, which count towards the limits."""
KEPT = ("id", "event", "seq", "detector", "severity", "state")
"""Members of a finding that every document keeps."""

_UNFIT = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""Lone surrogates, and characters that SQS refuses (Amazon SQS API Reference, "SendMessageBatch")."""


def body(event: Event) -> str:
    """Return an event's document as JSON that fits into one message."""
    return fitted(document(event), MOST_BYTES - ROOM)


def fitted(content: dict[str, Any], most: int) -> str:
    """Return a document as JSON of at most `most` bytes.

    If it is larger, the finding's largest members are left out, and listed in its `left_out`.
    """
    if size(text := _json(content)) <= most:
        return text
    finding = dict(content["finding"])
    largest = sorted(set(finding) - set(KEPT), key=lambda name: size(_json(finding[name])))
    while size(text) > most and largest:
        del finding[largest[-1]]
        finding["left_out"] = sorted((*finding.get("left_out", ()), clean(largest.pop(), 64)))
        text = _json({**content, "finding": finding})
    return text


def size(text: str) -> int:
    """Return the bytes of a text as AWS counts them: in UTF-8."""
    return len(text.encode("utf-8", "replace"))


def attributes(event: Event) -> dict[str, dict[str, str]]:
    """Return the message attributes of SNS and SQS, for filters of subscriptions; no value is empty."""
    found = event.case.finding
    values = {"severity": found.severity, "detector": found.detector, "event": str(event.kind)}
    texts = {name: _UNFIT.sub("\ufffd", clean(value, 256)) or "unknown" for name, value in values.items()}
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}


def order(event: Event) -> dict[str, str]:
    """Return the FIFO parameters: messages of one finding in order, each event once in five minutes."""
    return {"MessageGroupId": event.case.finding.id, "MessageDeduplicationId": event.id}


def batches(events: Sequence[Event], weigh: Callable[[Event], int]) -> Iterator[list[Event]]:
    """Cut events, in order, into batches for one call each: ten entries, 256 KiB as `weigh` counts them.

    No batch has two events of one finding: of a call the later may be taken and the earlier not.
    """
    batch: list[Event] = []
    findings: set[str] = set()
    weight = 0
    for event in events:
        more = weigh(event)
        is_full = len(batch) == MOST_ENTRIES or weight + more > MOST_BYTES
        if batch and (is_full or event.case.finding.id in findings):
            yield batch
            batch, findings, weight = [], set(), 0
        batch.append(event)
        findings.add(event.case.finding.id)
        weight += more
    if batch:
        yield batch


def _json(value: Any) -> str:  # noqa: ANN401  JSON
    return _UNFIT.sub("\ufffd", json.dumps(value, ensure_ascii=False, separators=(",", ":")))
