"""Panels on how far findings can be relied on, which two dashboards have."""

from dashboards.grafana.panels import Face, Panel, Query, dial, number, undefined, words
from dashboards.grafana.terms import COVERAGE, COVERED, OLD, RECORD_AGE


def covered(id: int) -> Panel:
    """Return the panel of coverage."""
    return dial(
        Face(
            id,
            "Coverage",
            "Share of the lifetime of SageMaker's interfaces in the last 24 hours that flow logs cover. "
            "What is not covered cannot be found: flowaudit coverage --by interface.",
            "percentunit",
            4,
            4,
            steps=((None, "red"), (0.95, "orange"), (float(COVERED), "green")),
            mappings=(undefined("no interface", "orange"),),
            decimals=1,
            bounds=(0, 1),
            runbook="FlowauditCoverageBudgetBurn",
        ),
        Query(COVERAGE, "{{instance}}"),
    )


def newest(id: int) -> Panel:
    """Return the panel of the age of the newest record."""
    return number(
        Face(
            id,
            "Age of newest record",
            "Traffic since then is not searched yet. AWS delivers after 5 to 15 minutes. Older while collection "
            "succeeds: AWS delivers late, or the flow log or its workloads are gone.",
            "s",
            4,
            4,
            steps=((None, "green"), (OLD / 2, "orange"), (OLD, "red")),
            mappings=(words(1e9, "no record yet", "red"),),
            decimals=0,
            runbook="FlowauditRecordsOld",
        ),
        Query(RECORD_AGE, "{{instance}}"),
    )
