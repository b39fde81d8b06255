"""The checks of Cloudflare's pint that need no running Prometheus, each a function under pint's name.

https://cloudflare.github.io/pint/checks/ describes them; a check yields what is wrong with a rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import promql_parser as promql

from tests.expressions import bare, certain, children, filters, is_vector, lacking, matchers, matching, nodes, pairs
from tests.rendered import ROOT, TARGET

SCRAPE = timedelta(seconds=30)
LONGEST_INTERVAL = timedelta(minutes=5)
ARITHMETIC = {"+", "-", "*", "/", "%", "^", "atan2"}
# Functions that may read a counter, and of these the ones that need two samples.
RATES = {"rate", "irate", "increase"}
OVER_TIME = RATES | {"resets", "changes", "count_over_time", "present_over_time", "absent_over_time"}
COUNTER = re.compile(r"_(?:total|count|sum|bucket)$")


@dataclass(frozen=True)
class Rule:
    """One rule with its group, among all rules."""

    raw: dict[str, Any]
    group: dict[str, Any]
    groups: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """Return the alert's name or the record's."""
        return str(self.raw.get("alert", self.raw.get("record")))

    @property
    def alerts(self) -> bool:
        """Tell whether it is an alert rather than a recording."""
        return "alert" in self.raw

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that the rule sets."""
        return dict(self.raw.get("labels", {}))

    @property
    def annotations(self) -> dict[str, str]:
        """Return an alert's annotations."""
        return dict(self.raw.get("annotations", {}))

    @cached_property
    def expr(self) -> promql.Expr:
        """Return the parsed expression; raises ValueError."""
        return promql.parse(self.raw["expr"])

    def all(self, kind: type) -> list[Any]:
        """Return every node of a kind in the expression."""
        return [node for node in nodes(self.expr) if isinstance(node, kind)]


Check = Callable[[Rule], Iterator[str]]
CHECKS: dict[str, Check] = {}


def pint(name: str) -> Callable[[Check], Check]:
    """Enter a check under its name in pint."""

    def entered(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return entered


def every(groups: list[dict[str, Any]]) -> list[Rule]:
    """Return the rules of groups as they are read from rule files."""
    return [Rule(raw, group, tuple(groups)) for group in groups for raw in group["rules"]]


def problems(rule: Rule) -> set[str]:
    """Return the names of all checks that find something; without its syntax nothing else is looked at."""
    if list(syntax(rule)):
        return {"promql/syntax"}
    return {name for name, check in CHECKS.items() if list(check(rule))}


@pint("promql/syntax")
def syntax(rule: Rule) -> Iterator[str]:
    """Prometheus' grammar accepts the expression."""
    try:
        promql.parse(rule.raw["expr"])
    except ValueError as error:
        yield str(error)


@pint("alerts/absent")
def absent(rule: Rule) -> Iterator[str]:
    """An absence lasts for two scrapes, as a restart of Prometheus is not an absence."""
    if not rule.alerts or not any(call.func.name == "absent" for call in rule.all(promql.Call)):
        return
    waits = promql.parse_duration(rule.raw["for"]) if "for" in rule.raw else timedelta()
    if waits < 2 * SCRAPE:
        yield f"absent() with for: {waits}"


@pint("alerts/comparison")
def comparison(rule: Rule) -> Iterator[str]:
    """An alert compares something; else it always fires."""
    if rule.alerts and not filters(rule.expr):
        yield "it fires whatever the value is"


@pint("alerts/template")
def template(rule: Rule) -> Iterator[str]:
    """No value stands in a label; labels that words use survive; rates are humanized."""
    if any(re.search(r"\$value|\.Value", text) for text in rule.labels.values()):
        yield "a value in a label makes a new alert of every value, and `for` never ends"
    words = " ".join([*rule.annotations.values(), *rule.labels.values()])
    if gone := lacking(set(re.findall(r"\$labels\.(\w+)", words)), rule.expr):
        yield f"aggregated away: {gone}"
    if any(call.func.name in RATES | {"deriv"} for call in rule.all(promql.Call)):
        yield from (f"not humanized: {{{{{use}}}}}" for use in re.findall(r"{{([^}|]*\$value[^}|]*)}}", words))


@pint("alerts/for")
def waiting(rule: Rule) -> Iterator[str]:
    """`for` and keep_firing_for are durations, and not written where they are nothing."""
    for key in ("for", "keep_firing_for"):
        given = rule.raw.get(key)
        if given is not None and re.fullmatch(r"(?:0|(?:0+[smhdwy])+)", given):
            yield f"{key}: {given} says nothing"
        elif given is not None and not re.fullmatch(r"(?:\d+(?:ms|[smhdwy]))+", given):
            yield f"{key}: {given} is no duration"


@pint("alerts/annotation")
def annotation(rule: Rule) -> Iterator[str]:
    """An alert has a summary that is one static sentence, a description and the address of its runbook."""
    if rule.alerts:
        yield from (f"no {key}" for key in ("summary", "description", "runbook_url") if not rule.annotations.get(key))
        if not re.fullmatch(r"[A-Z][^{}]*\.", rule.annotations.get("summary", "")):
            yield "the summary is no static sentence"


@pint("group/interval")
def interval(rule: Rule) -> Iterator[str]:
    """A group is evaluated more often than series go stale."""
    if promql.parse_duration(rule.group.get("interval", "1m")) > LONGEST_INTERVAL:
        yield "series go stale between evaluations"


@pint("promql/counter")
def counter(rule: Rule) -> Iterator[str]:
    """A counter is read by its growth only: its value depends on the last restart."""
    yield from _bare_counters(rule.expr, safe=False)


def _bare_counters(node: Any, *, safe: bool) -> Iterator[str]:
    inside = safe or (isinstance(node, promql.Call) and node.func.name in OVER_TIME | {"absent", "timestamp"})
    if isinstance(node, promql.VectorSelector) and not inside and COUNTER.search(node.name or ""):
        recorded = ":" in (node.name or "")
        yield from () if recorded else (f"{node.name} without rate() or increase()",)
    for child in children(node):
        yield from _bare_counters(child, safe=inside)


@pint("promql/rate")
def rate(rule: Rule) -> Iterator[str]:
    """A range holds two scrapes at least, and no rate is of a sum, which hides restarts."""
    for call in rule.all(promql.Call):
        if call.func.name in RATES | {"deriv", "delta"}:
            (over,) = call.args
            if isinstance(over, promql.SubqueryExpr) and any(
                isinstance(node, promql.AggregateExpr) for node in nodes(over)
            ):
                yield f"{call.func.name}() of an aggregation"
            if isinstance(over, promql.MatrixSelector) and over.range < 2 * SCRAPE:
                yield f"{over.range} is less than two scrapes"


@pint("promql/fragile")
def fragile(rule: Rule) -> Iterator[str]:
    """No alert is of what happens to be on top, and no arithmetic is between two jobs, one of which may be gone."""
    if rule.alerts:
        ops = {str(node.op) for node in rule.all(promql.AggregateExpr)}
        yield from (f"{op} changes its series" for op in ops & {"topk", "bottomk", "limitk"})
    for node, op in pairs(rule.expr):
        sides = [
            {matchers(one).get("job") for one in nodes(side) if isinstance(one, promql.VectorSelector)}
            for side in (node.lhs, node.rhs)
        ]
        if op in ARITHMETIC and sides[0] != sides[1]:
            yield f"{op} between jobs {sides}"


@pint("promql/impossible")
def impossible(rule: Rule) -> Iterator[str]:
    """The two sides of an operation can have the same labels."""
    for node, op in pairs(rule.expr):
        on, ignored = matching(node)
        if on or op == "or":
            continue
        missed = lacking(certain(node.lhs) - ignored, node.rhs) | lacking(certain(node.rhs) - ignored, node.lhs)
        if missed:
            yield f"{op} never matches: only one side has {missed}"


@pint("promql/vector_matching")
def vector_matching(rule: Rule) -> Iterator[str]:
    """What an operation matches on is there on both sides, and required alike."""
    for node, op in pairs(rule.expr):
        on, ignored = matching(node)
        missed = lacking(on, node.lhs) | lacking(on, node.rhs)
        if missed:
            yield f"{op} on {missed}, which one side lacks"
        left, right = bare(node.lhs), bare(node.rhs)
        if op != "or" and isinstance(left, promql.VectorSelector) and isinstance(right, promql.VectorSelector):
            both = matchers(left).keys() & matchers(right).keys() & (on or matchers(left).keys()) - ignored
            yield from (f"{one} differs" for one in both if matchers(left)[one] != matchers(right)[one])


@pint("promql/nan")
def nan(rule: Rule) -> Iterator[str]:
    """No 0/0 spoils a sum or is recorded: a denominator is guarded, and no division stands in an aggregation."""
    for node, op in pairs(rule.expr):
        below = bare(node.rhs)
        guarded = isinstance(below, promql.BinaryExpr) and str(below.op) in {">", "!="}
        if op == "/" and not guarded:
            yield "the denominator may be 0"
    for outer in rule.all(promql.AggregateExpr):
        inner = (node for node in nodes(outer.expr) if isinstance(node, promql.BinaryExpr))
        if any(str(node.op) == "/" and is_vector(node.rhs) for node in inner):
            yield f"{outer.op} of a ratio"


@pint("promql/regexp")
def regexp(rule: Rule) -> Iterator[str]:
    """A regular expression is one, without anchors, which it has anyway."""
    for selector in rule.all(promql.VectorSelector):
        for one in selector.matchers.matchers:
            if one.op in (promql.MatchOp.Re, promql.MatchOp.NotRe):
                if not re.search(r"[.*+?|()\[\]{}\\^$]", one.value):
                    yield f"{one}: plain text"
                if re.match(r"\^", one.value) or re.search(r"(?<!\\)\$$", one.value):
                    yield f"{one}: anchored anyway"


@pint("promql/aggregate")
def aggregate(rule: Rule) -> Iterator[str]:
    """An aggregation keeps job and instance."""
    for node in rule.all(promql.AggregateExpr):
        named = set(node.modifier.labels) if node.modifier else set()
        by = node.modifier is None or node.modifier.type == promql.AggModifierType.By
        if (by and not named >= TARGET) or (not by and named & TARGET):
            yield f"{node.op} drops {TARGET - named if by else named & TARGET}"


@pint("rule/duplicate")
def duplicate(rule: Rule) -> Iterator[str]:
    """No two rules have the same name and labels: Alertmanager would take them for one."""
    known = Counter((one.name, tuple(sorted(one.labels.items()))) for one in every(list(rule.groups)))
    if known[rule.name, tuple(sorted(rule.labels.items()))] > 1:
        yield "twice"


@pint("rule/name")
def naming(rule: Rule) -> Iterator[str]:
    """Alerts are FlowauditSomething, records level:metric:operations."""
    wanted = r"Flowaudit(?:[A-Z][a-z]+)+" if rule.alerts else r"[a-z_]+:flowaudit_[a-z_]+(?<!_total):[a-z0-9_]+"
    if not re.fullmatch(wanted, rule.name):
        yield f"{rule.name} is not {wanted}"


@pint("rule/label")
def label(rule: Rule) -> Iterator[str]:
    """An alert has a severity that somebody is responsible for; only the watchdog has none."""
    allowed = {"none"} if rule.name == "FlowauditWatchdog" else {"critical", "warning", "info"}
    if rule.alerts and rule.labels.get("severity") not in allowed:
        yield f"severity {rule.labels.get('severity')}"


@pint("rule/link")
def link(rule: Rule) -> Iterator[str]:
    """The runbook's address leads to a page that is there."""
    page = rule.annotations.get("runbook_url", "").partition("/blob/main/")[2]
    if rule.alerts and not (page and (ROOT / page).is_file()):
        yield f"no page {page}"


@pint("rule/dependency")
def dependency(rule: Rule) -> Iterator[str]:
    """An alert reads no record of another group, which is an evaluation late."""
    used = {node.name for node in rule.all(promql.VectorSelector)}
    elsewhere = {
        one.name for one in every(list(rule.groups)) if not one.alerts and one.group["name"] != rule.group["name"]
    }
    if rule.alerts and used & elsewhere:
        yield f"{used & elsewhere} of another group"


@pint("labels/conflict")
def conflict(rule: Rule) -> Iterator[str]:
    """A rule's label replaces none that its series have."""
    series = {name for node in rule.all(promql.VectorSelector) for name in matchers(node)} | TARGET
    if replaced := rule.labels.keys() & series:
        yield f"{replaced} replaced"
