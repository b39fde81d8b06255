"""What was observed, kept: a row is added where something differs from the newest row of the same thing, and only then.

When a region was last seen to be as a table's newest rows say is the number of an application transaction in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa

from flowaudit import sql
from flowaudit.lake import Lake
from flowaudit.schema import TABLES, row_of, value_of
from flowaudit.topology import SEEN_IN_LOGS, Discovery, Gap, Interface, Network, Snapshot, Topology, Workload

T = TypeVar("T")
Thing: TypeAlias = Interface | Workload | Network | Gap

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST = """
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY observed_at DESC) AS age FROM {table})
WHERE age = 1 AND present
"""
FIRST = """
SELECT interface_id, arg_min_null(not_before, observed_at) AS earliest, min(observed_at) AS latest
FROM interfaces GROUP BY interface_id
"""
SKETCHES = """
SELECT interface_id, account_id, region, vpc_id, subnet_id, instance_id, owner, private_addresses, ipv6_addresses
FROM (SELECT *, row_number() OVER (PARTITION BY interface_id ORDER BY observed_at DESC) AS age FROM interfaces)
WHERE age = 1
"""
SEEN = """
SELECT interface_id, coalesce(max(account_id), 'unknown') AS account_id, coalesce(max(region), '') AS region,
  max(vpc_id) AS vpc_id, max(subnet_id) AS subnet_id
FROM flows WHERE batch > $since AND interface_id IS NOT NULL GROUP BY interface_id
"""
NETWORKS = """
SELECT * FROM topology WHERE (vpc_id, account_id) IN (
  SELECT (vpc_id, first(account_id ORDER BY owner_id IS DISTINCT FROM account_id, account_id))
  FROM topology GROUP BY vpc_id
)
ORDER BY vpc_id, observed_at
"""
"""Of a VPC that several accounts see, its owner's word: the others see less of it."""
KEYS = {
    "interfaces": ("interface_id",),
    "workloads": ("arn",),
    "topology": ("account_id", "vpc_id"),
    "gaps": ("account_id", "region", "service", "operation"),
}
"""What makes two rows of a table observations of the same thing."""
KINDS: Mapping[str, Any] = {"interfaces": Interface, "workloads": Workload, "topology": Network, "gaps": Gap}
SEEN_APPLICATION = "flowaudit/discover/seen"


@dataclass(frozen=True, slots=True)
class Past:
    """What the lake knows of one account's region.

    `looked_at` is when somebody last looked at its workloads, `interfaces_at` at its interfaces; None: never.
    """

    looked_at: datetime | None
    interfaces_at: datetime | None
    interfaces: tuple[Interface, ...]
    workloads: tuple[Workload, ...]


def past(lake: Lake, account_id: str, region: str) -> Past:
    """Return what is known so far; raises LakeError."""
    here = {"account_id": account_id, "region": region}
    with sql.connect(lake, tables=tuple(KEYS)) as engine:
        interfaces = _newest(engine, "interfaces", Interface)
        workloads = _newest(engine, "workloads", Workload)
    return Past(
        looked_at(lake, account_id, region, "workloads"),
        looked_at(lake, account_id, region, "interfaces"),
        tuple(i for i in interfaces if _is_here(i, here)),
        tuple(w for w in workloads if _is_here(w, here)),
    )


def looked_at(lake: Lake, account_id: str, region: str, table: str = "topology") -> datetime | None:
    """Return when what a table tells of an account's region was last found to be so, None if never."""
    return _time(lake.log(table).watermark(_application(account_id, region)))


def record(lake: Lake, found: Discovery) -> dict[str, int]:
    """Write what is new in a discovery, by table; raises LakeConflict where another process writes at this moment.

    Where another process has looked later, its word stays.
    """
    sets = {
        "interfaces": found.interfaces,
        "workloads": found.workloads,
        "gaps": found.gaps,
        "topology": found.networks,
    }
    application = _application(found.account_id, found.region)
    mark = int((found.at - EPOCH) / timedelta(microseconds=1))
    written = dict.fromkeys(sets, 0)
    for table, values in sets.items():
        log = lake.log(table)
        before = log.watermark(application)
        # What could not be asked is not confirmed.
        if values is None or before >= mark:
            continue
        rows = _Found(table, values, found, _time(before)).changes(lake)
        log.commit(rows, {application: mark})
        written[table] = rows.num_rows
    return written


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look found for one table."""

    table: str
    values: Collection[Thing]
    discovery: Discovery
    looked_at: datetime | None

    def changes(self, lake: Lake) -> pa.Table:
        """Return the rows that tell what differs from the lake's newest word.

        Interfaces of another account, as the owner of a shared VPC sees them, are that account's to tell.
        """
        with sql.connect(lake, tables=(self.table,)) as engine:
            known = {_key(self.table, each): each for each in _newest(engine, self.table, KINDS[self.table])}
        here = {"account_id": self.discovery.account_id, "region": self.discovery.region}
        now = {_key(self.table, each): each for each in self.values}
        changed = [
            self._row(value, present=True)
            for key, value in now.items()
            if known.get(key) != value and (_is_here(value, here) or key not in known)
        ]
        gone = [
            self._row(value, present=False)
            for key, value in known.items()
            if key not in now and _is_here(value, here) and self._was_looked_for(value)
        ]
        return pa.Table.from_pylist([*changed, *gone], TABLES[self.table].schema)

    def _was_looked_for(self, value: Thing) -> bool:
        """Tell whether a thing that was not found would have been."""
        if isinstance(value, Interface):
            return value.status != SEEN_IN_LOGS
        return not isinstance(value, Workload) or value.kind not in self.discovery.unlisted_kinds

    def _row(self, value: Thing, *, present: bool) -> dict[str, Any]:
        observed = {"observed_at": self.discovery.at, "not_before": self.looked_at, "present": present}
        return observed | row_of(value)


def unlisted(lake: Lake) -> tuple[tuple[Interface, ...], int]:
    """Return interfaces that new records name and nobody has discovered, and the batch up to which was looked."""
    newest = lake.last_batch()
    since = lake.log("interfaces").watermark(SEEN_APPLICATION)
    if newest <= since:
        return (), newest
    with sql.connect(lake, tables=("flows", "interfaces")) as engine:
        known = set(engine.query("SELECT DISTINCT interface_id FROM interfaces").column(0).to_pylist())
        rows = engine.query(SEEN, {"since": since}).to_pylist()
    return tuple(Interface(**row, status=SEEN_IN_LOGS) for row in rows if row["interface_id"] not in known), newest


def record_unlisted(lake: Lake, unlisted: Iterable[Interface], batch: int, now: datetime) -> int:
    """Keep interfaces that were only seen in records, and remember up to which batch; raises LakeConflict."""
    observed = {"observed_at": now, "not_before": None, "present": True}
    rows = pa.Table.from_pylist([observed | row_of(each) for each in unlisted], TABLES["interfaces"].schema)
    lake.log("interfaces").commit(rows, {SEEN_APPLICATION: batch})
    return int(rows.num_rows)


def first_seen(lake: Lake) -> dict[str, tuple[datetime | None, datetime]]:
    """Return, by interface, when it was not there yet (None: nobody had looked) and when it was first observed."""
    with sql.connect(lake, tables=("interfaces",)) as engine:
        rows = engine.query(FIRST).to_pylist()
    return {row["interface_id"]: (row["earliest"], row["latest"]) for row in rows}


def topology(lake: Lake) -> Topology:
    """Return what is known for judging records; of interfaces only what that takes. Raises LakeError."""
    with sql.connect(lake, tables=("topology", "interfaces")) as engine:
        rows = engine.query(NETWORKS).to_pylist()
        interfaces = engine.query(SKETCHES).to_pylist()
    return Topology(
        snapshots=tuple(_snapshots(lake, rows)),
        interfaces=tuple(_sketch(row) for row in interfaces),
    )


def _snapshots(lake: Lake, rows: list[dict[str, Any]]) -> Iterable[Snapshot]:
    """Yield the snapshots of rows in order of VPC and time."""
    confirmed: dict[tuple[str, str], datetime | None] = {}
    for row, following in zip_longest(rows, rows[1:]):
        if not row["present"]:
            continue
        place = row["account_id"], row["region"]
        if place not in confirmed:
            confirmed[place] = looked_at(lake, *place)
        later = following if following and following["vpc_id"] == row["vpc_id"] else None
        until = later["not_before"] if later else confirmed[place]
        yield Snapshot(
            network=value_of(Network, row),
            observed_at=row["observed_at"],
            until=max(until or row["observed_at"], row["observed_at"]),
            not_before=row["not_before"],
            changed_at=later["observed_at"] if later else None,
        )


def _sketch(row: dict[str, Any]) -> Interface:
    lists = {name: tuple(row[name] or ()) for name in ("private_addresses", "ipv6_addresses")}
    return Interface(**row | lists)


def _newest(engine: sql.Connection, table: str, kind: Callable[..., T]) -> list[T]:
    query = NEWEST.format(table=table, key=", ".join(KEYS[table]))
    return [value_of(kind, row) for row in engine.query(query).to_pylist()]


def _key(table: str, value: Thing) -> tuple[str, ...]:
    return tuple(getattr(value, name) for name in KEYS[table])


def _is_here(value: Thing, here: Mapping[str, str]) -> bool:
    return value.account_id == here["account_id"] and value.region == here["region"]


def _time(mark: int) -> datetime | None:
    return EPOCH + timedelta(microseconds=mark) if mark else None


def _application(account_id: str, region: str) -> str:
    return f"flowaudit/discover/{account_id}/{region}"
