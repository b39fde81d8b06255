"""The status of everything in one sentence. "No findings" is never said without how much could be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from flowaudit.coverage import STALE, Coverage, percent, share
from flowaudit.coverage import State as Minute
from flowaudit.model import Capability, Severity, Visibility
from flowaudit.sentences import ago, count
from flowaudit.states import JobStatus

FINDINGS, COVERAGE, DETECTORS, SOURCES = "findings", "coverage", "detectors", "sources"
"""Parts of the facts that may not be known."""
MOST_REASONS = 4
"""Reasons that a sentence has room for."""
LATE_RUNS, LATE = 5, timedelta(minutes=10)
"""A job is late after so many of its intervals without a success, and not before this time."""


class State(StrEnum):
    """The state: a leak, other findings, nothing although all could be seen, or not enough."""

    LEAK = "leak"
    FINDINGS = "findings"
    CLEAR = "clear"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """The state in words."""
        return {"leak": "Leak", "findings": "Findings", "clear": "Nothing found", "unknown": "Not known"}[self]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there may be more than was found: in a few words for the sentence, and in full."""

    short: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status, its sentence, and why there may be more than was found."""

    state: State
    sentence: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Coverage by flow logs: `share`, of 1, of the `judged` interface-minutes of a span of `hours`; None: of none.

    `line` is all of it in one line; `workloads` send traffic that no flow log records.
    """

    share: float | None
    judged: int
    pending: int
    hours: float
    inventoried: bool
    workloads: int
    line: str

    @classmethod
    def of(cls, found: Coverage, line: str) -> Covered:
        """Return the figures of a coverage."""
        pending = found.minutes[Minute.PENDING]
        return cls(
            share=share(found.minutes),
            judged=sum(found.minutes.values()) - pending,
            pending=pending,
            hours=(found.window.until - found.window.since) / timedelta(hours=1),
            inventoried=found.inventoried,
            workloads=len(found.blind_workloads()),
            line=line,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts that a verdict depends on; None: not known, and `unknown` has the reasons by the name of the part.

    `open` counts open findings by severity. `newest` is the time of the newest record, None where there is none.
    `problems` counts query files that are left out, `failed_objects` log objects that cannot be read.
    """

    now: datetime
    open: Mapping[str, int] | None = None
    muted: int = 0
    newest: datetime | None = None
    covered: Covered | None = None
    capabilities: Sequence[Capability] | None = None
    jobs: Sequence[JobStatus] = ()
    problems: int = 0
    failed_objects: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)


def verdict(facts: Facts) -> Verdict:
    """Return the status: green only where nothing is open and nothing limits what could be seen."""
    reasons = tuple(_reasons(facts))
    if facts.open is None:
        return Verdict(State.UNKNOWN, _sentence("The findings cannot be read", facts, reasons, "also"), reasons)
    total, leaks = sum(facts.open.values()), facts.open.get(Severity.CRITICAL, 0)
    if leaks:
        others = f" and {count(total - leaks, 'other finding')}" if total > leaks else ""
        verb = "is" if total == 1 else "are"
        told = f"{count(leaks, 'leak')}{others} {verb} open"
        return Verdict(State.LEAK, _sentence(told, facts, reasons, "there may be more"), reasons)
    if total:
        verb = "is" if total == 1 else "are"
        told = f"{count(total, 'finding')} {verb} open ({_severities(facts.open)}), no leak"
        return Verdict(State.FINDINGS, _sentence(told, facts, reasons, "there may be more"), reasons)
    muted = f" ({facts.muted:,} muted)" if facts.muted else ""
    state = State.UNKNOWN if reasons else State.CLEAR
    return Verdict(state, _sentence(f"No finding is open{muted}", facts, reasons, "not everything is known"), reasons)


def _sentence(told: str, facts: Facts, reasons: Sequence[Reason], more: str) -> str:
    """Return what was found, its coverage, and in short why there may be more."""
    covered = facts.covered
    if covered and covered.share == 1:
        told += f"; flow logs cover {_part(covered)}"
    shorts = [reason.short for reason in reasons if reason.short]
    if len(shorts) > MOST_REASONS:
        shorts = [*shorts[: MOST_REASONS - 1], f"{len(shorts) - MOST_REASONS + 1} more reasons"]
    return f"{told}; {more}: {_listed(shorts)}." if shorts else f"{told}."


def _severities(open: Mapping[str, int]) -> str:  # noqa: A002  the state's name
    return ", ".join(f"{open[each]:,} {each}" for each in reversed(Severity) if open.get(each))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _part(covered: Covered) -> str:
    hours = f"{covered.hours:.0f} h" if covered.hours >= 1 else f"{covered.hours * 60:.0f} min"
    return f"{percent(covered.share or 0.0)} of {count(covered.judged, 'interface-minute')} in {hours}"


def _reasons(facts: Facts) -> Iterator[Reason]:
    for part, why in facts.unknown.items():
        short = "" if part == FINDINGS else f"{part} not known"  # the sentence begins with findings
        yield Reason(short, f"{part.capitalize()} not known: {why}")
    if facts.newest is None and COVERAGE not in facts.unknown:
        yield Reason("no record was collected yet", "No flow log record was collected yet: nothing could be found.")
    elif facts.newest and facts.now - facts.newest > STALE:
        age = ago(facts.newest, facts.now)
        yield Reason(f"the newest record is from {age}", f"The newest record is from {age}: later traffic is unknown.")
    yield from _of_jobs(facts)
    if facts.newest is not None:
        yield from _of_coverage(facts.covered)
        yield from _of_detectors(facts.capabilities or ())
    if facts.problems:
        files = count(facts.problems, "query file")
        yield Reason(f"{files} left out", f"{files} with an error left out: `flowaudit check` names them.")
    if facts.failed_objects:
        objects = count(facts.failed_objects, "log object")
        again = "`flowaudit query run uncollected-objects` lists them."
        yield Reason(f"{objects} unread", f"{objects} could not be read, and will be tried again: {again}")


def _of_jobs(facts: Facts) -> Iterator[Reason]:
    first = [job.name for job in facts.jobs if not job.error and job.ended is None]
    if len(first) > 1:
        yield Reason(f"{len(first)} jobs have not completed a run", f"{_listed(first)}: no run is complete yet.")
    for job in facts.jobs:
        late = max(LATE_RUNS * job.every, LATE)
        if job.late:
            yield Reason(f"{job.name} is late", f"{job.name}: {job.late}.")
        elif job.is_warning:
            yield Reason(f"the last {job.name} run had a warning", f"{job.name}: {job.error}")
        elif job.error:
            yield Reason(f"the last {job.name} run has a problem", f"{job.name}: {job.error}")
        elif job.ended is None and len(first) == 1:
            yield Reason(f"no {job.name} run is complete", f"{job.name}: the first run is not complete yet.")
        elif job.ended and (job.succeeded is None or facts.now - job.succeeded > late):
            since = f"since {ago(job.succeeded, facts.now)}" if job.succeeded else "yet"
            yield Reason(f"{job.name} is late", f"{job.name}: no run has succeeded {since}.")


def _of_coverage(covered: Covered | None) -> Iterator[Reason]:
    if covered is None:  # told as a part that is not known
        return
    if not covered.judged:
        why = "too new to be judged" if covered.pending else "none of SageMaker's was seen"
        yield Reason("coverage not known", f"Coverage not known: {why} among interfaces of the last hours.")
    elif covered.share != 1:
        yield Reason(f"flow logs cover only {_part(covered)}", f"Flow logs cover only {_part(covered)}.")
    if not covered.inventoried:
        yield Reason("no inventory", "No inventory: interfaces without records are unknown. Run `flowaudit discover`.")
    if covered.workloads:
        number = count(covered.workloads, "workload")
        verb = "sends" if covered.workloads == 1 else "send"
        text = f"{number} {verb} traffic over paths that no flow log records: `flowaudit coverage` lists them."
        yield Reason(f"{number} with unrecorded paths", text)


def _of_detectors(capabilities: Sequence[Capability]) -> Iterator[Reason]:
    for visibility, word in ((Visibility.NONE, "blind"), (Visibility.PARTIAL, "partially blind")):
        names = [each.detector for each in capabilities if each.visibility is visibility]
        if names:
            number = count(len(names), "detector")
            verb = "is" if len(names) == 1 else "are"
            yield Reason(f"{number} {verb} {word}", f"{number} {verb} {word}: {', '.join(names)}.")
