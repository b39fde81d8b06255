"""The rows of the dashboard Health on what comes in: collection, coverage, AWS APIs."""

from dashboards.grafana.labels import COVERAGE, REASONS
from dashboards.grafana.panels import ANY_IS_BAD, ANY_IS_ODD, Face, Panel, Query, lines, number
from dashboards.grafana.terms import per_second


def collection() -> list[Panel]:
    """Return objects, records and delays."""
    return [
        lines(
            Face(
                101,
                "Log objects",
                "Objects a second. Failed ones are retried; skipped ones wait until you remove the reason: "
                "flowaudit query run uncollected-objects.",
                "cps",
                8,
                bounds=(0, None),
                runbook="FlowauditLogObjectsFailing",
            ),
            Query(per_second("collect_objects_total"), "collected"),
            Query(per_second("collect_objects_skipped_total"), "skipped"),
            Query(per_second("collect_objects_failed_total"), "failed"),
            interval="5m",
        ),
        lines(
            Face(
                102,
                "Records",
                "Records a second. Out of scope: not SageMaker's interfaces. Quarantined: lines that could not be "
                "parsed, see the table quarantine.",
                "cps",
                8,
                bounds=(0, None),
                runbook="FlowauditLinesQuarantined",
            ),
            *(
                Query(per_second(f"collect_records_{name}_total"), name.replace("_", " "))
                for name in ("kept", "out_of_scope", "quarantined", "transit_gateway")
            ),
            stacked=True,
            interval="5m",
        ),
        lines(
            Face(
                103,
                "Delay from landing to lake",
                "Half, and 95 %, of log objects are searchable this long after they landed. "
                "Longer than two minutes: shorten collect in [schedule].",
                "s",
                8,
                bounds=(0, None),
                runbook="FlowauditFreshnessBudgetBurn",
            ),
            *(
                Query(
                    f"histogram_quantile({part}, sum by (le) "
                    "(rate(flowaudit_collect_delay_seconds_bucket{$selector}[$__rate_interval])))",
                    f"{part:.0%} of objects",
                )
                for part in (0.5, 0.95)
            ),
            interval="10m",
        ),
    ]


def coverage() -> list[Panel]:
    """Return what flow logs do not tell of."""
    return [
        lines(
            Face(
                201,
                "Coverage by state",
                "Lifetime of interfaces in the 24 hours before each point. Missing: flow logs do not arrive. "
                "Not monitored: turn on a flow log of all traffic.",
                "s",
                12,
                runbook="FlowauditInterfacesUncovered",
            ),
            Query("sum by (state) (flowaudit_coverage_interface_seconds{$selector}) > 0", "{{state}}"),
            stacked=True,
            labels=COVERAGE,
        ),
        lines(
            Face(
                202,
                "Uncovered share of final minutes",
                "What the coverage objective counts: minutes older than half an hour without proof.",
                "percentunit",
                12,
                bounds=(0, None),
                empty="no minute is final yet",
                runbook="FlowauditCoverageBudgetBurn",
            ),
            Query(
                'sum(rate(flowaudit_coverage_final_seconds_total{$selector,state!="covered"}[$__rate_interval]))\n'
                "/ (sum(rate(flowaudit_coverage_final_seconds_total{$selector}[$__rate_interval])) > 0)",
                "uncovered",
            ),
            interval="10m",
        ),
        *_gaps(),
    ]


def _gaps() -> list[Panel]:
    return [
        number(
            Face(
                203,
                "Interfaces with a gap",
                "Interfaces whose newest minutes are not covered: flowaudit coverage --by interface.",
                "short",
                12,
                4,
                steps=ANY_IS_BAD,
                runbook="FlowauditInterfacesUncovered",
            ),
            Query("flowaudit_coverage_gaps{$selector}", "{{instance}}"),
        ),
        number(
            Face(
                204,
                "Blind workloads",
                "Workloads with traffic that no flow log can record, as they have no interface in your VPC: "
                "give them a VpcConfig.",
                "short",
                12,
                4,
                steps=ANY_IS_ODD,
                runbook="FlowauditWorkloadsUnobservable",
            ),
            Query("flowaudit_coverage_blind_workloads{$selector}", "{{instance}}"),
        ),
    ]


def aws() -> list[Panel]:
    """Return the panels of discovery."""
    return [
        lines(
            Face(
                501,
                "APIs without an answer",
                "Denied: add the actions of README.md to the role. Throttled: raise discover in [schedule]. "
                "Unsupported: the region does not have it, nothing to do.",
                "short",
                8,
                decimals=0,
                bounds=(0, None),
                empty="all answer",
                runbook="FlowauditAwsApisFailing",
            ),
            Query("sum by (reason) (flowaudit_discover_failed_apis{$selector}) > 0", "{{reason}}"),
            stacked=True,
            labels=REASONS,
        ),
        lines(
            Face(
                502,
                "Accounts, regions and VPCs",
                "Pairs of account and region, and the VPCs in them. Unreachable: no credentials, or a role that "
                "cannot be assumed.",
                "short",
                8,
                decimals=0,
                bounds=(0, None),
                runbook="FlowauditAccountsUnreachable",
            ),
            Query("sum(flowaudit_discover_regions{$selector})", "queried"),
            Query("sum(flowaudit_discover_unreachable{$selector})", "unreachable"),
            Query("sum(flowaudit_discover_vpcs{$selector})", "VPCs"),
        ),
        lines(
            Face(
                503,
                "Requests to AWS",
                "API requests a second, one for each page. Many: raise discover in [schedule].",
                "reqps",
                8,
                bounds=(0, None),
            ),
            Query(per_second("discover_api_calls_total"), "requests"),
            interval="10m",
        ),
        *_inventory(),
    ]


def _inventory() -> list[Panel]:
    return [
        lines(
            Face(
                504,
                "Interfaces by owner",
                "Network interfaces in the inventory. Unknown: flowaudit query run unattributed-interfaces.",
                "short",
                8,
                decimals=0,
                empty="none",
            ),
            Query("sum by (owner) (flowaudit_discover_interfaces{$selector}) > 0", "{{owner}}"),
            spaced=True,
        ),
        lines(
            Face(
                505,
                "Workloads by kind",
                "SageMaker resources in the inventory. None: see APIs without an answer.",
                "short",
                8,
                decimals=0,
                empty="none",
            ),
            Query("sum by (kind) (flowaudit_discover_workloads{$selector}) > 0", "{{kind}}"),
            spaced=True,
        ),
        lines(
            Face(
                506,
                "Interfaces that AWS no longer lists",
                "Found in records, but deleted before a discovery run. Many: lower discover in [schedule].",
                "short",
                8,
                decimals=0,
                bounds=(0, None),
            ),
            Query(
                "sum(increase(flowaudit_discover_unlisted_interfaces_total{$selector}[$__rate_interval]))", "interfaces"
            ),
            events=True,
            interval="10m",
        ),
    ]
