"""The two objectives, as ratios over windows and as multi-window burn rates.

The four pairs of windows are those of the SRE workbook for a budget of 30 days: a page where 2 % of it burn in an hour
or 5 % in six, a ticket where 10 % burn in a day or in three. Both windows of a pair have to burn.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A long and a short window, how many times too fast the budget burns there, and how urgent that is."""

    long: str
    short: str
    factor: float
    wait: str
    urgency: str


PAIRS = (
    Pair("1h", "5m", 14.4, "2m", "page"),
    Pair("6h", "30m", 6, "15m", "page"),
    Pair("1d", "2h", 3, "1h", "ticket"),
    Pair("3d", "6h", 1, "3h", "ticket"),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FASTEST = max(pair.factor for pair in PAIRS)

# What `> 0` guards: no traffic is no ratio, rather than 0/0.
COVERAGE_RATIO = """\
sum by (job, instance) (rate(flowaudit_coverage_final_seconds_total{$selector,state!="covered"}[$window]))
/
(sum by (job, instance) (rate(flowaudit_coverage_final_seconds_total{$selector}[$window])) > 0)"""
FRESHNESS_RATIO = """\
1 - (
  sum by (job, instance) (rate(flowaudit_collect_delay_seconds_bucket{$selector,le="$within"}[$window]))
  /
  (sum by (job, instance) (rate(flowaudit_collect_delay_seconds_count{$selector}[$window])) > 0)
)"""


@dataclass(frozen=True)
class Objective:
    """One objective: `record` begins the names of its ratios, `missed` ends the sentence "x % of …"."""

    key: str
    alert: str
    record: str
    ratio: str
    summary: str
    missed: str


OBJECTIVES = (
    Objective(
        "coverage",
        "FlowauditCoverageBudgetBurn",
        "job_instance:flowaudit_coverage_uncovered_per_final_seconds:ratio_rate",
        COVERAGE_RATIO,
        "Flow logs do not cover enough of the lifetime of workloads.",
        "interface-minutes were not covered by flow logs",
    ),
    Objective(
        "freshness",
        "FlowauditFreshnessBudgetBurn",
        "job_instance:flowaudit_collect_slow_per_objects:ratio_rate",
        FRESHNESS_RATIO,
        "Flow logs become searchable too late.",
        "log objects were not searchable within $within s of landing",
    ),
)


def burn(objective: Objective, pair: Pair, budget: float) -> str:
    """Return the expression that holds where both windows of a pair burn too fast; a budget is a share, 0.01."""
    limit = f"({pair.factor:g} * {budget:g})"
    return f"{objective.record}{pair.long} > {limit}\nand\n{objective.record}{pair.short} > {limit}"
