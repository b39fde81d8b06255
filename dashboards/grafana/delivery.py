"""The rows of the dashboard Health on sinks, the HTTP server and the daemon's process."""

from dashboards.grafana.panels import Column, Face, Panel, Query, lines, number, rows, word
from dashboards.grafana.terms import PER_DAEMON

# Chosen by All, the variables match other programs' targets too.
ITSELF = "and on (job, instance) flowaudit_build_info{$selector}"


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
                5,
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


def http() -> list[Panel]:
    """Return what is asked of the HTTP server."""
    valid = (word(1, "valid", "green"), word(0, "has a mistake", "red"))
    return [
        lines(
            Face(
                701,
                "HTTP requests by status",
                "Requests a second. 401: wrong password. 429: too many. 5xx: a fault, see the daemon's log.",
                "reqps",
                8,
                bounds=(0, None),
            ),
            Query(
                "sum by (status) (rate(flowaudit_http_requests_total{$selector}[$__rate_interval])) > 0", "{{status}}"
            ),
            stacked=True,
            interval="1m",
        ),
        lines(
            Face(
                702,
                "HTTP connections dropped",
                "Closed because there were too many, or because one took too long. Steadily: find out who connects.",
                "short",
                4,
                bounds=(0, None),
            ),
            Query(
                "sum by (instance) (increase(flowaudit_http_connections_dropped_total{$selector}[$__rate_interval]))",
                "{{instance}}",
            ),
            events=True,
            interval="1m",
        ),
        number(
            Face(
                703,
                "Web configuration file",
                "A mistake in the changed file: what it said before still holds. The daemon's log names the mistake.",
                "none",
                4,
                steps=((None, "red"), (1, "green")),
                mappings=valid,
                runbook="FlowauditWebConfigInvalid",
            ),
            Query("flowaudit_web_config_last_reload_successful{$selector}", "{{instance}}"),
        ),
        number(
            Face(
                705,
                "Configuration",
                "Refused: the last reload found a mistake, or a key that needs a restart. What held before holds; "
                "the daemon's log and /status have the reason.",
                "none",
                4,
                steps=((None, "red"), (1, "green")),
                mappings=(word(1, "loaded", "green"), word(0, "refused", "red")),
                runbook="FlowauditConfigInvalid",
            ),
            Query("flowaudit_config_last_reload_successful{$selector}", "{{instance}}"),
        ),
        number(
            Face(
                704,
                "Leader",
                "One daemon leads a lake and writes to it; one that was started with --standby waits to take over.",
                "none",
                4,
                steps=((None, "blue"), (1, "green")),
                mappings=(word(1, "leads", "green"), word(0, "waits", "blue")),
            ),
            Query("flowaudit_leader{$selector}", "{{instance}}"),
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
                604, "Versions", "Version and start of each daemon. Different ones: upgrade the older.", "short", 24, 4
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
