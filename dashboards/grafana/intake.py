"""The collapsed rows of the dashboard Health, one function for each."""

from dashboards.grafana.panels import ANY_IS_BAD, ANY_IS_ODD, Column, Face, Panel, Query, lines, number, rows, word
from dashboards.grafana.terms import PER_DAEMON

STATES = {"covered": "green", "pending": "blue", "skipped": "yellow", "missing": "red", "not_monitored": "orange"}
VISIBILITY = {"full": "green", "partial": "yellow", "none": "red"}
MISSING = {"denied": "red", "unreachable": "red", "failed": "red", "throttled": "orange", "unsupported": "blue"}
# Chosen by All, the variables match other programs' targets too.
ITSELF = "and on (job, instance) flowaudit_build_info{$selector}"


def per_second(metric: str) -> str:
    """Return the expression for a counter's rate over all daemons."""
    return f"sum(rate(flowaudit_{metric}{{$selector}}[$__rate_interval]))"


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
            Query("sum by (state) (flowaudit_coverage_interface_seconds{$selector})", "{{state}}"),
            stacked=True,
            colors=STATES,
        ),
        lines(
            Face(
                202,
                "Uncovered share of final minutes",
                "What the coverage objective counts: minutes older than half an hour without proof.",
                "percentunit",
                12,
                bounds=(0, None),
                runbook="FlowauditCoverageBudgetBurn",
            ),
            Query(
                'sum(rate(flowaudit_coverage_final_seconds_total{$selector,state!="covered"}[$__rate_interval]))\n'
                "/ (sum(rate(flowaudit_coverage_final_seconds_total{$selector}[$__rate_interval])) > 0)",
                "uncovered",
            ),
            interval="10m",
        ),
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


def detectors() -> list[Panel]:
    """Return what detectors see and how long they take."""
    visible = (word(2, "full", "green"), word(1, "partial", "yellow"), word(0, "none", "red"))
    one = '(flowaudit_detector_visibility{$selector,visibility="%s"})'
    return [
        rows(
            Face(
                301,
                "Visibility by detector",
                "None: the newest flow logs lack fields that the detector needs. Create the flow log with the format "
                "that flowaudit doctor prints.",
                "short",
                12,
                10,
                runbook="FlowauditDetectorBlind",
            ),
            {
                "detector": Column("Detector"),
                "instance": Column("Daemon"),
                "Value": Column("Visibility", "short", visible),
            },
            Query(
                f"sum by (job, instance, detector) {one % 'full'} * 2\n"
                f"+ sum by (job, instance, detector) {one % 'partial'}"
            ),
            sort="Detector",
        ),
        lines(
            Face(
                302,
                "Detectors by visibility",
                "How many detectors see everything, a part, or nothing of what they look for.",
                "short",
                12,
                10,
                decimals=0,
                runbook="FlowauditDetectorBlind",
            ),
            Query("sum by (visibility) (flowaudit_detector_visibility{$selector})", "{{visibility}}"),
            stacked=True,
            colors=VISIBILITY,
        ),
        lines(
            Face(
                303,
                "Failures by detector",
                "Detection runs in which a detector failed. The daemon's log has the reason.",
                "short",
                8,
                runbook="FlowauditDetectorFailing",
            ),
            Query(
                "sum by (detector) (increase(flowaudit_detector_failures_total{$selector}[$__rate_interval])) > 0",
                "{{detector}}",
            ),
            events=True,
            interval="5m",
        ),
        lines(
            Face(
                304,
                "Time of a query, by detector",
                "Mean duration of a detector's queries, one for each window. Slow: shorten its window.",
                "s",
                8,
            ),
            Query(
                "sum by (detector) (rate(flowaudit_detector_duration_seconds_total{$selector}[$__rate_interval]))\n"
                "/ (sum by (detector) (rate(flowaudit_detector_runs_total{$selector}[$__rate_interval])) > 0)",
                "{{detector}}",
            ),
            interval="10m",
        ),
        lines(
            Face(
                305,
                "Windows and matches",
                "Windows searched, and what detectors matched in them, a second. No windows: detection does not run.",
                "cps",
                8,
                runbook="FlowauditDetectionLate",
            ),
            Query(per_second("detect_windows_total"), "windows"),
            Query(per_second("detect_matches_total"), "matches"),
            interval="5m",
        ),
    ]


def sinks() -> list[Panel]:
    """Return whether findings are delivered."""
    waiting = "flowaudit_sink_oldest_pending_timestamp_seconds{$selector}"
    label = "sum by (job, instance, sink)"
    return [
        rows(
            Face(
                401,
                "Sinks",
                "Down: flowaudit sinks test NAME says why. Pending events are sent once the sink accepts them. "
                "Dead letters were refused: flowaudit sinks failed.",
                "short",
                24,
                6,
                empty="no sink",
                runbook="FlowauditSinkDown",
            ),
            {
                "sink": Column("Sink"),
                "instance": Column("Daemon"),
                "Value #A": Column("State", "short", (word(1, "up", "green"), word(0, "down", "red"))),
                "Value #B": Column("Pending", "short"),
                "Value #C": Column("Oldest pending", "s"),
                "Value #D": Column("Last success", "dateTimeFromNow", (word(0, "never", "orange"),)),
                "Value #E": Column("Dead letters", "short"),
            },
            Query(f"{label} (flowaudit_sink_up{{$selector}})"),
            Query(f"{label} (flowaudit_sink_pending_events{{$selector}})"),
            Query(f"time() - max by (job, instance, sink) ({waiting} > 0)"),
            Query("max by (job, instance, sink) (flowaudit_sink_last_success_timestamp_seconds{$selector}) * 1000"),
            Query(f"{label} (increase(flowaudit_sink_dead_letters_total{{$selector}}[$__range]))"),
            sort="Pending",
        ),
        lines(
            Face(402, "Events accepted", "Events a second that each sink accepted.", "cps", 12, bounds=(0, None)),
            Query("sum by (sink) (rate(flowaudit_sink_events_total{$selector}[$__rate_interval]))", "{{sink}}"),
            interval="5m",
        ),
        lines(
            Face(
                403,
                "Failed attempts and dead letters",
                "Failed attempts are repeated, dead letters are not: flowaudit sinks failed lists them.",
                "short",
                12,
                bounds=(0, None),
                runbook="FlowauditEventsUndelivered",
            ),
            Query(
                "sum by (sink) (increase(flowaudit_sink_failures_total{$selector}[$__rate_interval]))",
                "{{sink}} failed",
            ),
            Query(
                "sum by (sink) (increase(flowaudit_sink_dead_letters_total{$selector}[$__rate_interval]))",
                "{{sink}} dead letters",
            ),
            events=True,
            interval="5m",
        ),
    ]


def aws() -> list[Panel]:
    """Return what the inventory could ask AWS."""
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
                runbook="FlowauditAwsApisFailing",
            ),
            Query("sum by (reason) (flowaudit_discover_failed_apis{$selector})", "{{reason}}"),
            stacked=True,
            colors=MISSING,
        ),
        lines(
            Face(
                502,
                "Accounts and regions",
                "Pairs of account and region. Unreachable: no credentials, or a role that cannot be assumed.",
                "short",
                8,
                decimals=0,
                bounds=(0, None),
                runbook="FlowauditAccountsUnreachable",
            ),
            Query("sum(flowaudit_discover_regions{$selector})", "queried"),
            Query("sum(flowaudit_discover_unreachable{$selector})", "unreachable"),
        ),
        lines(
            Face(
                503,
                "Requests to AWS",
                "API requests a second, one for each page. Many: raise discover in [schedule].",
                "reqps",
                8,
            ),
            Query(per_second("discover_api_calls_total"), "requests"),
            interval="10m",
        ),
        lines(
            Face(
                504,
                "Interfaces by owner",
                "Network interfaces in the inventory. Unknown: flowaudit query run unattributed-interfaces.",
                "short",
                8,
                decimals=0,
            ),
            Query("sum by (owner) (flowaudit_discover_interfaces{$selector})", "{{owner}}"),
        ),
        lines(
            Face(
                505,
                "Workloads by kind",
                "SageMaker resources in the inventory. None: see APIs without an answer.",
                "short",
                8,
            ),
            Query("sum by (kind) (flowaudit_discover_workloads{$selector})", "{{kind}}"),
        ),
        lines(
            Face(
                506,
                "Interfaces that AWS no longer lists",
                "Found in records, but deleted before a discovery run. Many: lower discover in [schedule].",
                "short",
                8,
            ),
            Query(
                "sum(increase(flowaudit_discover_unlisted_interfaces_total{$selector}[$__rate_interval]))", "interfaces"
            ),
            Query("sum(flowaudit_discover_vpcs{$selector})", "VPCs"),
            interval="10m",
        ),
    ]


def process() -> list[Panel]:
    """Return what the daemon uses."""
    return [
        lines(
            Face(601, "CPU", "Cores in use. Steadily above one: raise intervals in [schedule].", "percentunit", 8),
            Query(f"rate(process_cpu_seconds_total{{$selector}}[$__rate_interval]) {ITSELF}", "{{instance}}"),
        ),
        lines(
            Face(
                602,
                "Memory",
                "Resident memory. Near the container's limit: raise it, or shorten windows of detectors.",
                "bytes",
                8,
            ),
            Query(f"process_resident_memory_bytes{{$selector}} {ITSELF}", "{{instance}}"),
        ),
        lines(
            Face(
                603,
                "Open files",
                "Open file descriptors and the most there may be. Near it: raise ulimit -n.",
                "short",
                8,
            ),
            Query(f"process_open_fds{{$selector}} {ITSELF}", "{{instance}}"),
            Query(f"process_max_fds{{$selector}} {ITSELF}", "{{instance}} limit"),
        ),
        rows(
            Face(
                604, "Versions", "Version and start of each daemon. Different ones: upgrade the older.", "short", 24, 5
            ),
            {
                "instance": Column("Daemon"),
                "version": Column("Version"),
                "Value #B": Column("Started", "dateTimeFromNow"),
            },
            Query("flowaudit_build_info{$selector}"),
            Query(f"max {PER_DAEMON} (process_start_time_seconds{{$selector}} {ITSELF}) * 1000"),
            sort="Daemon",
        ),
    ]
