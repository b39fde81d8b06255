"""The flow log of the VPC: active, and whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from flowaudit.posture.asking import seen
from flowaudit.posture.checks.nat import used_gateways
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, FlowLogExpectation, Property, compared
from flowaudit.topology import FlowLog

GUIDE = "G17 Protect Endpoints by Using an Amazon Virtual Private Cloud"


def _watched(expected: Expected, live: Live) -> Iterator[tuple[str, FlowLogExpectation, FlowLog | None]]:
    """Yield what has a flow log, what is expected of it, and the flow log; raises Unseen.

    The interfaces of a regional NAT gateway are not in the VPC's subnets: it has a flow log of its own, without tags.
    """
    wanted = expected.flow_log
    if wanted is None:
        return
    yield expected.vpc_id, wanted, live.flow_log(expected)
    if expected.nat == "regional":
        untagged = tuple(each for each in wanted.fields or () if not each.removesuffix("-2").endswith("-tag"))
        of_nat = replace(wanted, fields=untagged if wanted.fields is not None else None, tag_fields=None)
        for each in used_gateways(expected, live):
            if each.availability == "regional":
                yield each.gateway_id, of_nat, live.flow_log_of(each.gateway_id)


def _logs(expected: Expected, live: Live) -> Iterator[tuple[FlowLogExpectation, FlowLog]]:
    """Yield what is expected of each flow log that is there, and the flow log; raises Unseen."""
    return ((wanted, log) for _, wanted, log in _watched(expected, live) if log)


def _active(expected: Expected, live: Live) -> Iterator[Property]:
    for of, _, log in _watched(expected, live):
        if log is None:
            yield compared(of, "flow log", "ACTIVE", "absent", ok=False, why="traffic is not recorded")
            continue
        yield compared(log.flow_log_id, "flow log", "ACTIVE", log.status or "?", ok=log.status == "ACTIVE")
        failed = log.delivery_status == "FAILED" or bool(log.delivery_error)
        found = f"failed: {log.delivery_error or 'no reason given'}" if failed else "not failed"
        yield compared(log.flow_log_id, "delivery", "not failed", found, ok=not failed, why="records are lost")


def _traffic(expected: Expected, live: Live) -> Iterator[Property]:
    for wanted, log in _logs(expected, live):
        why = "accepted or rejected traffic is missing"
        yield compared(
            log.flow_log_id, "traffic", "ALL", log.traffic_type or "?", ok=log.traffic_type == "ALL", why=why
        )
        if wanted.interval is not None:
            found = log.max_aggregation_interval
            name = "seconds of an aggregation interval"
            yield compared(log.flow_log_id, name, str(wanted.interval), str(found or "?"), ok=found == wanted.interval)


def _fields(expected: Expected, live: Live) -> Iterator[Property]:
    for wanted, log in _logs(expected, live):
        if wanted.fields is not None:
            there = set(re.findall(r"\$\{([^}]*)\}", log.format))
            missing = [each for each in wanted.fields if each not in there]
            found = f"without {' '.join(missing)}" if missing else "all of them"
            yield compared(log.flow_log_id, "fields", f"{len(wanted.fields)}", found, ok=not missing)
        if wanted.tag_fields:
            tags = seen(live.tag_fields).get(log.flow_log_id, {})
            for kind, keys in wanted.tag_fields.items():
                told, named = " ".join(keys), " ".join(tags.get(kind, ())) or "none"
                why = "the fields for tags are empty"
                yield compared(log.flow_log_id, f"tags of {kind}", told, named, ok=told == named, why=why)


def _destination(expected: Expected, live: Live) -> Iterator[Property]:
    for wanted, log in _logs(expected, live):
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
    for wanted, log in _logs(expected, live):
        if wanted.file_format is None:
            continue
        files = seen(live.files).get(log.flow_log_id)
        for name, told, found in (
            ("file format", wanted.file_format, files.format if files else "?"),
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
