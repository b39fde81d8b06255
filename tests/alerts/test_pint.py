"""The rules pass those checks of pint that need no running Prometheus, and each check can fail."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.pint import CHECKS, Rule, every, problems
from tests.rendered import FILES, parsed

RENDERED = every([group for file in FILES for group in parsed(file)["groups"]])
EXCLUDED: dict[tuple[str, str], str] = {
    ("FlowauditWatchdog", "alerts/comparison"): "it is there to fire always",
    ("FlowauditLeakFound", "labels/conflict"): "the alert's severity is meant to replace the finding's",
    ("FlowauditFindingHigh", "labels/conflict"): "the alert's severity is meant to replace the finding's",
    ("FlowauditFindingMedium", "labels/conflict"): "the alert's severity is meant to replace the finding's",
    ("FlowauditCoverageBudgetBurn", "rule/dependency"): "30 s late is little beside windows of 5 minutes and more",
    ("FlowauditFreshnessBudgetBurn", "rule/dependency"): "30 s late is little beside windows of 5 minutes and more",
}
OFFLINE = {
    "alerts/absent",
    "alerts/annotation",
    "alerts/comparison",
    "alerts/for",
    "alerts/template",
    "group/interval",
    "labels/conflict",
    "promql/aggregate",
    "promql/counter",
    "promql/fragile",
    "promql/impossible",
    "promql/nan",
    "promql/rate",
    "promql/regexp",
    "promql/syntax",
    "promql/vector_matching",
    "rule/dependency",
    "rule/duplicate",
    "rule/label",
    "rule/link",
    "rule/name",
}
GOOD = """
alert: FlowauditDown
expr: up{job="flowaudit"} == 0
for: 10m
labels: {severity: critical}
annotations:
  summary: The daemon does not answer.
  description: "{{ $labels.instance }} is down."
  runbook_url: https://github.com/flowaudit/flowaudit/blob/main/docs/runbooks/FlowauditDown.md
"""


def rule(changes: dict[str, Any], interval: str = "30s", *others: dict[str, Any]) -> Rule:
    """Return a good alert with some of it changed, beside other groups."""
    raw = yaml.safe_load(GOOD)
    for key, value in changes.items():
        raw[key] = raw[key] | value if isinstance(value, dict) else value
    return every([{"name": "a", "interval": interval, "rules": [raw]}, *others])[0]


def described(text: str) -> dict[str, dict[str, str]]:
    """Return the change of an alert's description."""
    return {"annotations": {"description": text}}


RECORD = {"record": "job_instance:flowaudit_x:rate5m", "expr": "vector(1)"}
BAD = [
    ("alerts/absent", rule({"expr": 'absent(up{job="x"})', "for": "30s"} | described("It is gone."))),
    ("alerts/comparison", rule({"expr": "up"})),
    ("alerts/comparison", rule({"expr": "up == bool 0"})),
    ("alerts/comparison", rule({"expr": "up == 0 or up"})),
    ("alerts/template", rule({"labels": {"level": "{{ $value }}"}})),
    ("alerts/template", rule({"expr": "sum by (job, instance) (up) == 0"} | described("{{ $labels.sink }} is down."))),
    ("alerts/template", rule({"expr": "rate(a_total[5m]) > 0"} | described("{{ $value }} a second."))),
    ("alerts/for", rule({"for": "0m"})),
    ("alerts/for", rule({"keep_firing_for": "a while"})),
    ("alerts/annotation", rule({"annotations": {"runbook_url": ""}})),
    ("alerts/annotation", rule({"annotations": {"summary": "{{ $labels.instance }} is down."}})),
    ("alerts/annotation", rule({"annotations": {"summary": "the daemon is down"}})),
    ("group/interval", rule({}, "6m")),
    ("promql/counter", rule({"expr": "a_total > 5"})),
    ("promql/counter", rule({"expr": "sum by (job, instance) (a_bucket) > 5"})),
    ("promql/rate", rule({"expr": "rate(a_total[30s]) > 0"} | described("Bad."))),
    ("promql/rate", rule({"expr": "rate(sum by (job, instance) (a)[5m:1m]) > 0"} | described("Bad."))),
    ("promql/fragile", rule({"expr": "topk by (job, instance) (3, a) > 0"})),
    ("promql/fragile", rule({"expr": 'a{job="x"} / (a{job="y"} > 0) > 1'})),
    ("promql/impossible", rule({"expr": 'up{job="x"} unless sum(up)'})),
    ("promql/impossible", rule({"expr": 'sum without (job) (up) and up{job="x"}'})),
    ("promql/vector_matching", rule({"expr": "up unless on (sink) sum by (job, instance) (up)"})),
    ("promql/vector_matching", rule({"expr": 'up{sink="a"} unless up{sink="b"}'})),
    ("promql/nan", rule({"expr": "a / b > 0.5"})),
    ("promql/nan", rule({"expr": "sum by (job, instance) (a / (b > 0)) > 0.5"})),
    ("promql/regexp", rule({"expr": 'up{job=~"flowaudit"} == 0'})),
    ("promql/regexp", rule({"expr": 'up{job=~"^flow.*$"} == 0'})),
    ("promql/aggregate", rule({"expr": "sum(up) == 0"})),
    ("promql/aggregate", rule({"expr": "sum without (instance) (up) == 0"} | described("Down."))),
    ("promql/syntax", rule({"expr": "rate(a_total[5m] > 0"})),
    ("rule/duplicate", rule({}, "30s", {"name": "b", "rules": [yaml.safe_load(GOOD)]})),
    ("rule/name", rule({"alert": "Flowaudit_down"})),
    ("rule/name", rule({"alert": "DaemonDown"})),
    ("rule/name", every([{"name": "a", "rules": [{"record": "flowaudit_x", "expr": "vector(1)"}]}])[0]),
    ("rule/label", rule({"labels": {"severity": "page"}})),
    ("rule/label", rule({"labels": {"severity": "none"}})),
    ("rule/link", rule({"annotations": {"runbook_url": "https://example.com/blob/main/docs/runbooks/Nothing.md"}})),
    ("rule/dependency", rule({"expr": f"{RECORD['record']} > 0"}, "30s", {"name": "b", "rules": [RECORD]})),
    ("labels/conflict", rule({"expr": 'up{sink="x"} == 0', "labels": {"sink": "y"}})),
]
FINE = [
    "up == 0",
    'absent(up{job="flowaudit"})',
    "increase(a_total[5m]) + increase(b_total[5m]) > 3",
    "time() - a_timestamp_seconds > 900",
    "sum by (job, instance) (rate(a_total[5m])) / (sum by (job, instance) (rate(b_total[5m])) > 0) > 0.1",
    'up{job=~"a|b"} == 0',
    "a > 0 and on (job, instance) b > 0",
    "a - 1 > 0 unless b > 0",
]


def test_the_offline_checks_are_all_there() -> None:
    """Each check of pint that works on files alone has its function, and a bad rule that it refuses."""
    assert CHECKS.keys() == OFFLINE
    assert {name for name, _ in BAD} == OFFLINE


@pytest.mark.parametrize(("check", "bad"), BAD, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BAD)])
def test_a_check_can_fail(check: str, bad: Rule) -> None:
    """Each check refuses a rule that breaks it."""
    assert check in problems(bad)


@pytest.mark.parametrize("expr", FINE)
def test_a_good_rule_passes(expr: str) -> None:
    """No check refuses a rule that is as it should be."""
    assert problems(rule({"expr": expr} | described("It is so."))) == set()


@pytest.mark.parametrize("one", RENDERED, ids=lambda one: f"{one.name}-{'-'.join(one.labels.values())}")
def test_the_rendered_rules_pass(one: Rule) -> None:
    """Each rendered rule passes each check, but for exclusions that have a reason and are needed."""
    assert problems(one) == {check for name, check in EXCLUDED if name == one.name}
