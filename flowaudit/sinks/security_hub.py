"""Security Hub CSPM: findings in ASFF, each imported by its own account (API reference, "BatchImportFindings").

Security Hub keeps one finding, not its events, and takes an update only if its `UpdatedAt` is newer. Only the finding's
own account may import it into a custom product.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from flowaudit.config.sinks import SecurityHubSink
from flowaudit.errors import SinkError
from flowaudit.exchange import asff
from flowaudit.exchange.case import PRODUCT
from flowaudit.model import FindingEvent
from flowaudit.sinks import Event, Result
from flowaudit.sinks.aws import Call, Refusal, in_order

MOST_FINDINGS = 100
"""Findings of one BatchImportFindings."""
MOST_BYTES = 240_000
"""Bytes of a finding: "240 Kb", and the smaller reading of it."""
FEWEST_FIELDS = 10
"""ProductFields that a finding over the limit keeps: its event, figures and key."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The boto3 clients by account, and which account is the credential chain's own."""

    clients: Mapping[str, Any]
    own: str


class SecurityHub:
    """Imports each event as an update of its finding, with the client of the finding's account.

    Findings without a known account go to the credential chain's own. All clients are of the same region.
    """

    batch: ClassVar[int] = MOST_FINDINGS
    kinds: ClassVar[frozenset[FindingEvent]] = frozenset(FindingEvent)
    gets_muted: ClassVar[bool] = True
    refresh: ClassVar[timedelta | None] = None

    def __init__(self, settings: SecurityHubSink, accounts: Callable[[], Accounts]) -> None:
        self.name = settings.name
        self._settings, self._ask = settings, accounts

    @property
    def target(self) -> str:
        """The region and the accounts."""
        accounts = [role.split(":")[4] for role in self._settings.roles] or ["its own account"]
        return f"Security Hub of {', '.join(accounts)} in {self._settings.region or 'its own region'}"

    @cached_property
    def _accounts(self) -> Accounts:
        return self._ask()

    def send(self, events: Sequence[Event]) -> Result:
        """Import events account by account; raises SinkError where no account takes any.

        An account that takes none at present keeps its events waiting, and not those of others.
        """
        total, errors, accounts = Result(), [], self._by_account(events)
        for account, theirs in accounts.items():
            try:
                result = self._import_all(account, theirs)
            except SinkError as error:
                errors.append(error)
                result = Result(failed={event.id: str(error) for event in theirs})
            total = Result({**total.refused, **result.refused}, {**total.failed, **result.failed})
        if errors and len(errors) == len(accounts):
            raise errors[0]
        return total

    def _by_account(self, events: Sequence[Event]) -> dict[str, list[Event]]:
        accounts: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            accounts[event.case.account or self._accounts.own].append(event)
        return accounts

    def _import_all(self, account: str, events: Sequence[Event]) -> Result:
        if account not in self._accounts.clients:
            reason = (
                f"sink {self.name}: Security Hub accepts findings of account {account} from that account only. "
                "Add a role of that account to `roles` of this sink"
            )
            return Result(refused=dict.fromkeys((event.id for event in events), reason))
        return in_order(rounds(events), lambda some: self._import(account, some))

    def _import(self, account: str, events: Sequence[Event]) -> Result:
        client = self._accounts.clients[account]
        hub = asff.Hub(account, client.meta.region_name)
        findings = {event.id: imported(event, hub) for event in events}
        ids = {finding["Id"]: id for id, finding in findings.items()}
        product = next(iter(findings.values()))["ProductArn"]
        call = Call(self.name, f"Security Hub of {account}", "securityhub:BatchImportFindings", product, client)
        with call.explained():
            answer = client.batch_import_findings(Findings=list(findings.values()))
        failures = answer.get("FailedFindings", ())
        refusals = (Refusal(ids[one["Id"]], one["ErrorCode"], one["ErrorMessage"]) for one in failures)
        return call.settled(refusals, len(events))


def imported(event: Event, hub: asff.Hub) -> dict[str, Any]:
    """Return the finding as it stands after an event, of at most `MOST_BYTES`, with the event in its ProductFields."""
    finding = asff.finding(replace(event.case, updated=updated_at(event)), hub)
    about = {"event_id": event.id, "event": str(event.kind), "state": event.case.finding.state}
    fields = {f"{PRODUCT}/{name}": text for name, text in about.items()} | finding["ProductFields"]
    for most in (asff.MOST_FIELDS, FEWEST_FIELDS):
        finding["ProductFields"] = dict(list(fields.items())[:most])
        if len(json.dumps(finding, ensure_ascii=False).encode()) <= MOST_BYTES:
            break
    return finding


def updated_at(event: Event) -> datetime:
    """Return the time of an event, later by a millisecond for each event that its finding had.

    It grows strictly from event to event: events of one detect share their time, and Security Hub silently ignores an
    update that is not newer. A finer step than a millisecond might not count: the reference names no precision.
    """
    return event.at + timedelta(milliseconds=event.seq)


def rounds(events: Sequence[Event]) -> list[list[Event]]:
    """Return events in rounds with at most one of each finding, in order: within a call there is none."""
    found: list[list[Event]] = []
    turns: dict[str, int] = defaultdict(int)
    for event in events:
        turn = turns[event.case.finding.id]
        turns[event.case.finding.id] += 1
        if turn == len(found):
            found.append([])
        found[turn].append(event)
    return found
