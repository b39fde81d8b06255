"""The flow log of the VPC: active, and whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, FlowLogExpectation, Property, compared
from flowaudit.topology import FlowLog

GUIDE = "G17 Protect Endpoints by Using an Amazon Virtual Private Cloud"


def _log(expected: Expected, live: Live) -> tuple[FlowLogExpectation, FlowLog] | None:
    """Return what is expected of the flow log, and the flow log; None without one of them. Raises Unseen."""
    wanted = expected.flow_log
    log = live.flow_log(expected) if wanted else None
    return (wanted, log) if wanted and log else None


def _active(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.flow_log is None:
        return
    log = live.flow_log(expected)
    if log is None:
        yield compared(expected.vpc_id, "flow log", "ACTIVE", "absent", ok=False, why="traffic is not recorded")
        return
    yield compared(log.flow_log_id, "flow log", "ACTIVE", log.status or "?", ok=log.status == "ACTIVE")
    failed = log.delivery_status == "FAILED" or bool(log.delivery_error)
    found = f"failed: {log.delivery_error or 'no reason given'}" if failed else "not failed"
    yield compared(log.flow_log_id, "delivery", "not failed", found, ok=not failed, why="records are lost")


def _traffic(expected: Expected, live: Live) -> Iterator[Property]:
    if both := _log(expected, live):
        wanted, log = both
        why = "accepted or rejected traffic is missing"
        yield compared(
            log.flow_log_id, "traffic", "ALL", log.traffic_type or "?", ok=log.traffic_type == "ALL", why=why
        )
        if wanted.interval is not None:
            found = log.max_aggregation_interval
            name = "seconds of an aggregation interval"
            yield compared(log.flow_log_id, name, str(wanted.interval), str(found or "?"), ok=found == wanted.interval)


def _fields(expected: Expected, live: Live) -> Iterator[Property]:
    both = _log(expected, live)
    if not both or both[0].fields is None:
        return
    wanted, log = both
    there = set(re.findall(r"\$\{([^}]*)\}", log.format))
    missing = [each for each in wanted.fields or () if each not in there]
    found = f"without {' '.join(missing)}" if missing else "all of them"
    yield compared(log.flow_log_id, "fields", f"{len(wanted.fields or ())}", found, ok=not missing)


def _destination(expected: Expected, live: Live) -> Iterator[Property]:
    if both := _log(expected, live):
        wanted, log = both
        found = log.destination or "none"
        if wanted.destination_type is not None:
            kind = log.destination_type
            yield compared(
                log.flow_log_id, "destination type", wanted.destination_type, kind, ok=kind == wanted.destination_type
            )
        if wanted.destination is not None:
            ok = found.rstrip("/") == wanted.destination.rstrip("/")
            yield compared(log.flow_log_id, "destination", wanted.destination, found, ok=ok)


def _files(expected: Expected, live: Live) -> Iterator[Property]:
    both = _log(expected, live)
    if not both or both[0].file_format is None:
        return
    wanted, log = both
    files = seen(live.files).get(log.flow_log_id)
    for name, told, found in (
        ("file format", wanted.file_format or "", files.format if files else "?"),
        ("Hive-compatible partitions", "true", str(files.hive).lower() if files else "?"),
        ("partition per hour", "true", str(files.hourly).lower() if files else "?"),
    ):
        yield compared(log.flow_log_id, name, told, found, ok=told == found)


CHECKS = (
    Check("flow-log", GUIDE, "Flow log of the VPC is active and delivers", _active),
    Check("flow-log-traffic", GUIDE, "Flow log records all traffic each minute", _traffic),
    Check("flow-log-fields", GUIDE, "Flow log has every expected field", _fields),
    Check("flow-log-destination", GUIDE, "Flow log goes to its destination", _destination),
    Check("flow-log-files", GUIDE, "Flow log writes files in the expected format and partitions", _files),
)
