"""What flowaudit can and cannot see: which detectors are blind, what AWS did not answer, what is recorded twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flowaudit import sql
from flowaudit.catalogue import Catalogue, Detector
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.model import Capability, Visibility
from flowaudit.schema import FIELD_BY_NAME, FLOWS

LATELY = timedelta(hours=1)
"""How much of the newest records tells what flow logs record now."""
NEWEST = "SELECT max(last_record) AS newest FROM objects"
UNDECIDED = "('unknown', 'vpc_resource')"
RECORDED = """
SELECT
  coalesce(flow_log_id, '') AS flow_log_id,
  count(*) AS records,
  max(version) AS version,
  count(direction) AS directed,
  count(*) FILTER (WHERE remote_scope = 'public') AS outside,
  count(*) FILTER (WHERE remote_scope = 'public' AND remote_region IS NOT NULL) AS located,
  count(*) FILTER (WHERE direction = 'egress' AND vantage IS NULL AND remote_scope = 'public') AS leaving,
  count(*) FILTER (
    WHERE direction = 'egress' AND vantage IS NULL AND remote_scope = 'public' AND path NOT IN {undecided}
  ) AS decided,
  {counts}
FROM flows
WHERE coalesce(log_status, 'OK') = 'OK' AND start_time >= $since
GROUP BY coalesce(flow_log_id, '')
ORDER BY flow_log_id
"""
TWICE = """
SELECT count(*) AS records, count(DISTINCT flows.interface_id) AS interfaces
FROM flows
JOIN recorded_twice AS twice
  ON twice.interface_id = flows.interface_id AND twice.action = flows.action
  AND twice.flow_log_id = coalesce(flows.flow_log_id, '')
  AND twice.span = CAST(floor(epoch(flows.start_time) / 600) AS BIGINT)
  AND flows.start_time BETWEEN twice.first_start AND twice.last_end
WHERE flows.start_time >= $since
"""
OWNERS = """
SELECT
  owner,
  count(*) AS interfaces,
  count(*) FILTER (WHERE workload_arn IS NOT NULL) AS attributed,
  count(*) FILTER (WHERE len(candidates) > 0) AS ambiguous,
  count(*) FILTER (WHERE status = 'seen_in_logs') AS only_in_logs
FROM interface_history WHERE valid_to IS NULL GROUP BY owner ORDER BY owner
"""
GAPS = """
SELECT account_id, region, service, operation, reason, message
FROM (SELECT *, row_number() OVER (PARTITION BY account_id, region, service, operation ORDER BY observed_at DESC) AS age
      FROM gaps)
WHERE age = 1 AND present
ORDER BY account_id, region, service, operation
"""
REGIONS = """
SELECT account_id, region FROM topology
UNION SELECT account_id, region FROM workloads
UNION SELECT account_id, region FROM gaps
UNION SELECT account_id, region FROM interfaces WHERE status IS DISTINCT FROM 'seen_in_logs'
ORDER BY account_id, region
"""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What there is to know about what can be seen.

    `looked_at` is when each account's region was last discovered; `owners` counts interfaces by what they are, `gaps`
    are APIs that do not answer; `twice` counts records that a richer flow log has as well, and their interfaces.
    """

    newest_record: datetime | None = None
    capabilities: tuple[Capability, ...] = ()
    looked_at: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    owners: tuple[Mapping[str, Any], ...] = ()
    gaps: tuple[Mapping[str, Any], ...] = ()
    twice: Mapping[str, int] = field(default_factory=dict)


def examine(lake: Lake, catalogue: Catalogue) -> Diagnosis:
    """Look at the newest hour of records and at the inventory; asks nothing of AWS. Raises LakeError, QueryError."""
    newest, rows = _recorded(lake, catalogue, sql.DEFAULT)
    views = catalogue.views
    with sql.connect(lake, views=views) as engine:
        since = {"since": (newest or history.EPOCH) - LATELY}
        twice = engine.query(TWICE, since).to_pylist()[0]
        owners = engine.query(OWNERS).to_pylist()
        gaps = engine.query(GAPS).to_pylist()
        regions = [(row["account_id"], row["region"]) for row in engine.query(REGIONS).to_pylist()]
    looked = {place: at for place in regions if (at := history.looked_at(lake, *place, "workloads"))}
    return Diagnosis(
        newest,
        tuple(_capability(d, rows) for d in catalogue.detectors.values()),
        looked,
        tuple(owners),
        tuple(gaps),
        twice,
    )


def capabilities(lake: Lake, catalogue: Catalogue, limits: sql.Limits = sql.DEFAULT) -> tuple[Capability, ...]:
    """Return how much each detector can see, by the newest hour of records; raises LakeError, QueryError."""
    _, rows = _recorded(lake, catalogue, limits)
    return tuple(_capability(detector, rows) for detector in catalogue.detectors.values())


def _recorded(lake: Lake, catalogue: Catalogue, limits: sql.Limits) -> tuple[datetime | None, list[dict[str, Any]]]:
    """Return the time of the newest record, and what each flow log recorded in the hour before."""
    needed = {name for detector in catalogue.detectors.values() for name in detector.needs}
    counts = ",\n  ".join(f'count("{name}") AS "n_{name}"' for name in FLOWS.names if name in needed) or "0 AS nothing"
    with sql.connect(lake, tables=("objects",), limits=limits) as ledger:
        newest: datetime | None = ledger.query(NEWEST).column(0)[0].as_py()
    if newest is None:
        return None, []
    since = newest - LATELY
    with sql.connect(lake, tables=("flows",), limits=limits) as flows:
        query = RECORDED.format(undecided=UNDECIDED, counts=counts)
        return newest, flows.query(query, {"since": since}).to_pylist()


def _capability(detector: Detector, rows: Iterable[Mapping[str, Any]]) -> Capability:
    """Judge one detector by all flow logs: full or blind where it is so with each, else degraded."""
    found = [(row["flow_log_id"] or "records of no flow log", _lacks(detector, row)) for row in rows]
    if not found:
        return Capability(detector.id, Visibility.NONE, ("there are no records",))
    reasons = tuple(f"{name}: {why}" for name, lacks in found for why, _ in lacks)
    if not reasons:
        return Capability(detector.id, Visibility.FULL)
    blind = all(any(is_blind for _, is_blind in lacks) for _, lacks in found)
    return Capability(detector.id, Visibility.NONE if blind else Visibility.PARTIAL, reasons)


def _lacks(detector: Detector, row: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return what one flow log lacks of what a detector needs: why, and whether that makes the detector blind to it."""
    missing = [name for name in detector.needs if not row[f"n_{name}"]]
    return [lack for name in missing if (lack := _without(name, row))]


def _without(column: str, row: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Say what it means that no record has a column, None where nothing is lost by it.

    `has` of so many records (`of`) are known all the same: by routes, own addresses, AWS's address ranges.
    """
    name = column.replace("_", "-")
    # AWS's version field tells the newest of a format's fields: of an older format nothing else is to be expected.
    is_new_enough = FIELD_BY_NAME[name].version <= (row["version"] or 0) if name in FIELD_BY_NAME else False
    has, of = {
        "traffic_path": (row["decided"], row["leaving"]),
        "flow_direction": (row["directed"], row["records"]),
        "pkt_dst_aws_service": (row["located"], row["located"] if is_new_enough else row["outside"]),
    }.get(column, (0, 1))
    if has == of > 0 or (is_new_enough and not of):
        return None
    if not of:
        return f"{name} is not recorded; no record of late shows whether the inventory makes up for it", False
    if not has:
        return f"{name} is not recorded, and nothing makes up for it", True
    return f"{name} is not recorded; the inventory makes up for {has:,} of {of:,} records", False
