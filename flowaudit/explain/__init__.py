"""The chain of evidence for a verdict: records, interface, route, endpoints, the rule that decided, and the remedy.

`explain` answers for a finding or for an interface and an address, from the lake alone: AWS is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from flowaudit import sql
from flowaudit.errors import ConfigError
from flowaudit.explain import network, remedy
from flowaudit.explain.records import Asked, Sighted, sighted
from flowaudit.explain.values import Decided, Destination, Explanation, Other, Records, Remedy, Routing, Whose
from flowaudit.findings import Finding
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.paths import Atlas, Facts, judge, rule

__all__ = ["Explanation", "Question", "about", "explain"]

NAT_RECORD = "A NAT gateway recorded the same conversation from its own side."
ALLOWED = ("nat_gateway",)
"""Ways to the internet that are allowed where nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be explained: traffic of one interface to some addresses, the first of them in full.

    `at` is a time that somebody asked for; `otherwise` the time that it is about where there is neither that nor a
    record. `path` and `span` limit the records to those of a finding.
    """

    interface_id: str
    remotes: tuple[str, ...]
    otherwise: datetime
    at: datetime | None = None
    path: str | None = None
    span: Window | None = None
    finding: Finding | None = None


def about(finding: Finding, at: datetime | None = None) -> Question:
    """Return the question that a finding raises; raises ConfigError where it is about no interface or no remotes."""
    interface_id, top = finding.key.get("interface_id"), finding.evidence.get("top_remotes")
    instead = "explain an address of it with --interface ENI --remote ADDRESS"
    if not isinstance(interface_id, str):
        raise ConfigError(f"finding {finding.id} has no interface_id in its key ({', '.join(finding.key)}): {instead}")
    volumes: dict[str, tuple[int, int]] = {}
    for each in top if isinstance(top, list) else ():
        if address := _written(each.get("address")):
            flows, size = volumes.get(address, (0, 0))
            volumes[address] = flows + (each.get("flows") or 0), size + (each.get("bytes") or 0)
    if not volumes:
        raise ConfigError(f"finding {finding.id} names no remotes in its evidence (top_remotes): {instead}")
    return Question(
        interface_id=interface_id,
        remotes=tuple(sorted(volumes, key=lambda a: (-volumes[a][1], -volumes[a][0], a))),
        otherwise=finding.last_seen,
        at=at,
        path=finding.key.get("path"),
        span=Window(finding.first_seen, max(finding.last_seen, finding.first_seen) + network.MOMENT),
        finding=finding,
    )


def _written(address: Any) -> str | None:  # noqa: ANN401  JSON
    """Return an address as the lake has it; None for what is none."""
    try:
        return str(ip_address(str(address)))
    except ValueError:
        return None


def explain(
    lake: Lake,
    views: Mapping[str, str],
    atlas: Atlas,
    question: Question,
    allowed: Collection[str] = ALLOWED,
    limits: sql.Limits = sql.DEFAULT,
) -> Explanation:
    """Explain; `views` are the catalogue's, `allowed` the ways to the internet. Raises LakeError, QueryError."""
    asked = Asked(question.interface_id, question.remotes, question.path, question.at, question.span)
    found = sighted(lake, views, atlas, asked, limits)
    return _Case(lake, views, atlas, question, found.get(question.remotes[0]), limits).explanation(found, allowed)


@dataclass(slots=True)
class _Case:
    """One question with the records of its first address."""

    lake: Lake
    views: Mapping[str, str]
    atlas: Atlas
    question: Question
    seen: Sighted | None
    limits: sql.Limits
    moment: datetime = field(init=False)
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        ended = (self.seen.records.end or self.seen.records.start) if self.seen else None
        self.moment = ended or self.question.at or self.question.otherwise
        bearing = self.atlas.at(self.question.interface_id, self.moment, self.question.remotes[0])
        self.facts = self.seen.facts if self.seen else Facts(direction="egress", bearing=bearing)

    def explanation(self, found: Mapping[str, Sighted], allowed: Collection[str]) -> Explanation:
        question, seen = self.question, self.seen
        remote, finding = question.remotes[0], question.finding
        subnet = seen.row["subnet_id"] if seen else None
        routing = network.routing(self.atlas, question.interface_id, subnet, self.moment, remote)
        charts = network.charts(self.atlas, routing, self.moment)
        destination = network.destination(self.facts, charts, routing.subnet_id, remote)
        whose = network.whose(self.lake, self.views, question.interface_id, self.moment, self.limits)
        verdict = self._verdict()
        return Explanation(
            interface_id=question.interface_id,
            remote=remote,
            at=self.moment,
            finding=finding.id if finding else None,
            title=finding.title if finding else None,
            records=seen.records if seen else None,
            interface=whose,
            routing=routing,
            destination=destination,
            verdict=verdict,
            remedies=self._remedies(verdict, destination, routing, whose, allowed),
            others=tuple(_other(each, found.get(each)) for each in question.remotes[1:]),
        )

    def _verdict(self) -> Decided:
        seen, now, deciding = self.seen, judge(self.facts), rule(self.facts)
        path, evidence = seen.counted if seen else (now.path, now.path_evidence)
        recorded = seen.recorded if seen else (None, None)
        return Decided(
            path=path,
            evidence=evidence,
            recorded_path=recorded[0],
            recorded_evidence=recorded[1],
            now_path=now.path,
            now_evidence=now.path_evidence,
            rule="nat_record" if evidence == "nat_record" else deciding.name,
            sentence=NAT_RECORD if evidence == "nat_record" else deciding.sentence,
            nat_record=seen.nat_record if seen else None,
        )

    def _remedies(
        self,
        verdict: Decided,
        destination: Destination,
        routing: Routing,
        whose: Whose | None,
        allowed: Collection[str],
    ) -> tuple[Remedy, ...]:
        chart, known = network.newest(self.atlas, routing), self.atlas.interface(self.question.interface_id)
        row: Mapping[str, Any] = self.seen.row if self.seen else {}
        records: Records | None = self.seen.records if self.seen else None
        situation = remedy.Situation(
            path=verdict.now_path if verdict.path in remedy.UNDECIDED else verdict.path,
            moment=self.moment,
            remote=self.question.remotes[0],
            destination=destination,
            routing=routing,
            records=records,
            interface=whose,
            interface_id=self.question.interface_id,
            chart=chart,
            allowed=allowed,
            vpc_id=routing.vpc_id or row.get("vpc_id"),
            region=chart.snapshot.network.region if chart else (known.region if known else None) or row.get("region"),
        )
        return () if records and records.vantage else remedy.remedies(situation)


def _other(remote: str, seen: Sighted | None) -> Other:
    """Tell of another address in short."""
    return Other(
        remote=remote,
        count=seen.records.count if seen else 0,
        bytes=seen.records.bytes if seen else 0,
        path=seen.counted[0] if seen else None,
        evidence=seen.counted[1] if seen else None,
        service=seen.facts.service if seen else None,
        rule=rule(seen.facts).name if seen else "no_record",
    )
