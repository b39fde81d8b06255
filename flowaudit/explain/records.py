"""What the lake holds of an interface and some remote addresses: figures, and of each address one record that tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from flowaudit import sql
from flowaudit.explain.values import NatRecord, Records
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.paths import JUDGED, Atlas, Ends, Facts, cases, judge
from flowaudit.schema import FIELDS, RECORDS

BEGINNING, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
AROUND = timedelta(hours=1)
"""How far from a time that was asked for a record may have begun; also how far around detectors look."""
LONGEST = timedelta(days=1)
"""How far back from the newest record others are summed: what detectors look at together."""

ASKED = """
CASE WHEN remote_addr IS NOT NULL THEN remote_addr
  ELSE list_intersect(list_filter([pkt_dstaddr, dstaddr, pkt_srcaddr, srcaddr], lambda a: a IS NOT NULL), $remotes)[1]
END
"""
MATCHING = f"""
SELECT *, {ASKED} AS asked FROM {{source}}
WHERE interface_id = $interface_id AND start_time >= $since AND start_time < $until
  AND list_contains($remotes, {ASKED}) AND ($path IS NULL OR path = $path)
"""
NEWEST = "SELECT max(start_time) AS start, max(coalesce(end_time, start_time)) AS ended FROM ({matching})"
RANK = "CASE direction WHEN 'egress' THEN 0 WHEN 'ingress' THEN 2 ELSE 1 END"
SEEN = f"""
WITH matching AS ({{matching}}),
ranked AS (
  SELECT
    *,
    min({RANK}) OVER (PARTITION BY asked) AS best,
    {RANK} AS own_rank
  FROM matching
),
chosen AS (SELECT * EXCLUDE (best, own_rank) FROM ranked WHERE own_rank = best),
figures AS (
  SELECT
    asked,
    count(*) AS "count",
    CAST(sum(coalesce(bytes, 0)) AS BIGINT) AS all_bytes,
    min(start_time) AS first,
    max(coalesce(end_time, start_time)) AS last,
    count(*) FILTER (WHERE action = 'ACCEPT') AS accepted,
    count(*) FILTER (WHERE action = 'REJECT') AS rejected,
    coalesce(list_sort(list(DISTINCT remote_port) FILTER (WHERE remote_port IS NOT NULL)), []) AS remote_ports
  FROM chosen GROUP BY asked
),
telling AS (
  SELECT *, row_number() OVER (
    PARTITION BY asked ORDER BY abs(epoch(start_time) - $moment), end_time DESC, bytes DESC, object_key, srcport
  ) AS place
  FROM chosen
)
SELECT telling.* EXCLUDE (place), figures.* EXCLUDE (asked)
FROM telling JOIN figures ON figures.asked = telling.asked
WHERE place = 1
"""
RECORDED = """
SELECT path, path_evidence FROM flows
WHERE object_key IS NOT DISTINCT FROM $object_key AND interface_id = $interface_id AND start_time = $start_time
  AND srcaddr IS NOT DISTINCT FROM $srcaddr AND dstaddr IS NOT DISTINCT FROM $dstaddr
  AND srcport IS NOT DISTINCT FROM $srcport AND dstport IS NOT DISTINCT FROM $dstport
  AND protocol IS NOT DISTINCT FROM $protocol
LIMIT 1
"""
NAT = """
SELECT coalesce(interface_id, resource_id) AS recorder, start_time, coalesce(end_time, start_time) AS end_time,
  flow_log_id, object_key
FROM flows
WHERE vantage IN ('nat_gateway', 'regional_nat_gateway') AND srcaddr = $local_addr
  AND coalesce(pkt_dstaddr, dstaddr) = $remote_addr AND dstport = $remote_port AND protocol = $protocol
  AND start_time <= $end_time + INTERVAL 60 SECOND
  AND coalesce(end_time, start_time) >= $start_time - INTERVAL 60 SECOND
ORDER BY start_time, object_key LIMIT 1
"""
NEEDED = ("flows", "interfaces")
SHARED = ("nat_conversations", "recorded_twice", "transit_interfaces")
"""Views that `egress` rests on, and that each scan all interfaces' records of the time."""
DECISIVE = (
    "flow-direction",
    "traffic-path",
    "next-hop-interface-type",
    "next-hop-interface-id",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "pkt-dst-aws-service",
    "interface-type",
    "resource-id",
    "reject-reason",
)
"""Fields that decide a verdict, or tell what became of the traffic, in the order in which they are told."""
_COLUMN = {each.name: each.column for each in FIELDS}
_NOT_ALWAYS_COLLECTED = ("pkt_dst_aws_service", "next_hop_interface_type")
"""Columns of which it matters whether the flow log has them: in the lake, what it has not is null like the rest."""
_PLACED = (*JUDGED, "interface_id", "subnet_id", "start_time", "end_time")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which records are wanted: those near `at`, else of a finding those with its `path` in its `span`, else all.

    Of them, those of the last day are summed.
    """

    interface_id: str
    remotes: tuple[str, ...]
    path: str | None = None
    at: datetime | None = None
    span: Window | None = None

    @property
    def bounds(self) -> Window:
        """When the records may begin."""
        if self.at:
            return Window(self.at - AROUND, self.at + AROUND)
        return self.span or Window(BEGINNING, END)


@dataclass(frozen=True, slots=True)
class Sighted:
    """One remote address's records, and the telling one as a row of `flows` with what was recorded of its path."""

    records: Records
    row: Mapping[str, Any]
    recorded: tuple[str | None, str | None]
    counted: tuple[str | None, str | None]
    facts: Facts
    nat_record: NatRecord | None


def sighted(
    lake: Lake, views: Mapping[str, str], atlas: Atlas, asked: Asked, limits: sql.Limits = sql.DEFAULT
) -> dict[str, Sighted]:
    """Return what is on record by remote address; raises LakeError, QueryError."""
    bounds = asked.bounds
    params: dict[str, Any] = {"interface_id": asked.interface_id, "remotes": list(asked.remotes), "path": None}
    params |= {"since": bounds.since, "until": bounds.until}
    with sql.connect(lake, tables=("flows",), window=bounds, limits=limits) as engine:
        newest = engine.query(NEWEST.format(matching=MATCHING.format(source="flows")), params).to_pylist()[0]
    if newest["start"] is None:
        return {}
    params["since"] = max(bounds.since, newest["start"] - LONGEST)
    window = Window(params["since"] - AROUND, max(newest["start"], newest["ended"]) + AROUND)
    needed = {name: views[name] for name in (*SHARED, "egress")}
    moment = {"moment": (asked.at or END).timestamp()}
    with sql.connect(lake, tables=NEEDED, views=needed, once=SHARED, window=window, limits=limits) as engine:
        plain, egress = (_seen(engine, source, params | moment) for source in ("flows", "egress"))
        ways = _seen(engine, "egress", params | moment | {"path": asked.path}) if asked.path else egress
        return {
            remote: _sighted(engine, atlas, row, [each[remote]["count"] for each in (plain, egress) if remote in each])
            for remote, row in (plain | egress | ways).items()
        }


def _seen(engine: sql.Connection, source: str, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    rows = engine.query(SEEN.format(matching=MATCHING.format(source=source)), params).to_pylist()
    return {row["asked"]: row for row in rows}


def _sighted(engine: sql.Connection, atlas: Atlas, row: Mapping[str, Any], counts: Sequence[int]) -> Sighted:
    """Return one address's records; `counts` are those of all flow logs and, if any is egress, each byte once."""
    counted = row["path"], row["path_evidence"]
    recorded, nat = counted, None
    if row["path_evidence"] == "nat_record":
        found = engine.query(RECORDED, _only(row, RECORDED)).to_pylist()[0]
        recorded = found["path"], found["path_evidence"]
        nat = _nat_record(engine, row)
    ends, facts = _case(row, atlas, recorded)
    records = _records(row, ends, elsewhere=counts[0] - counts[-1], other_ways=counts[-1] - row["count"])
    return Sighted(records, row, recorded, counted, facts, nat)


def _nat_record(engine: sql.Connection, row: Mapping[str, Any]) -> NatRecord | None:
    ended = {"end_time": row["end_time"] or row["start_time"]}
    found = engine.query(NAT, _only(dict(row) | ended, NAT)).to_pylist()
    return next(
        (
            NatRecord(
                recorder=each["recorder"],
                start=each["start_time"],
                end=each["end_time"],
                flow_log_id=each["flow_log_id"],
                object_key=each["object_key"],
            )
            for each in found
        ),
        None,
    )


def _only(row: Mapping[str, Any], query: str) -> dict[str, Any]:
    """Return the values that a query has parameters for."""
    return {name: value for name, value in row.items() if f"${name} " in f"{query} ".replace("\n", " ")}


def _case(row: Mapping[str, Any], atlas: Atlas, recorded: tuple[str | None, str | None]) -> tuple[Ends, Facts]:
    """Return what decides a record, with what is known now.

    Whether its flow log has a field that is null here is not in the lake: what gives the recorded verdict holds.
    """
    whole = pa.Table.from_pylist([dict(row)], pa.schema([RECORDS.field(name) for name in _PLACED]))
    absent = [name for name in _NOT_ALWAYS_COLLECTED if row[name] is None]
    readings = [cases(table, atlas)[0] for table in (whole, whole.drop_columns(absent))]
    return next((each for each in readings if _decision(each[1]) == recorded), readings[-1])


def _decision(facts: Facts) -> tuple[str | None, str | None]:
    verdict = judge(facts)
    return verdict.path, verdict.path_evidence


def _records(row: Mapping[str, Any], ends: Ends, *, elsewhere: int, other_ways: int) -> Records:
    direction, direction_by = ends.told
    return Records(
        bytes=row["all_bytes"],
        elsewhere=elsewhere,
        other_ways=other_ways,
        remote_ports=tuple(row["remote_ports"]),
        start=row["start_time"],
        end=row["end_time"],
        direction=direction,
        direction_by=direction_by,
        fields={name: row[_COLUMN[name]] for name in DECISIVE if row[_COLUMN[name]] is not None},
        **{name: row[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE: Sequence[str] = (
    "count",
    "first",
    "last",
    "accepted",
    "rejected",
    "srcaddr",
    "srcport",
    "dstaddr",
    "dstport",
    "protocol",
    "vantage",
    "flow_log_id",
    "object_key",
)
