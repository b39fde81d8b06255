"""The lake → a smaller one with the same answers: retention, compaction, checkpoints, vacuum, table by table.

Readers and collectors go on meanwhile. What another process changed at the same moment is left for the next run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit import sql
from flowaudit.errors import FlowauditError, LakeConflict
from flowaudit.inventory.history import KEYS
from flowaudit.lake import Lake, maintenance, retried, vacuum
from flowaudit.lake.maintenance import Keep, Rewritten
from flowaudit.schema import TABLES
from flowaudit.scraping import counter, gauge

DAY = timedelta(days=1)
RESOLVED = """
SELECT id FROM findings GROUP BY id HAVING arg_max(state, seq) = 'resolved' AND max("at") < $before
"""
SUPERSEDED = """
WITH needed AS (
  SELECT object_key, max(batch) AS newest, max(batch) FILTER (outcome = 'collected') AS collected
  FROM objects GROUP BY object_key
)
SELECT object_key, batch FROM objects JOIN needed USING (object_key)
WHERE collected_at < $before AND batch <> newest AND batch IS DISTINCT FROM collected
"""
"""Attempts that the ledger does not need: neither an object's newest, nor the newest that brought rows."""
FIRST_BATCH = "SELECT min(batch) AS batch FROM objects WHERE collected_at >= $before"
OUTDATED = """
SELECT {key}, observed_at FROM (
  SELECT {key}, observed_at, lead(observed_at) OVER (PARTITION BY {key} ORDER BY observed_at) AS next FROM {table}
)
WHERE next <= $before
"""
"""Observations that a later one had replaced by then: what was so at that time stays."""
NEWEST_RANGES = "SELECT max(created_at) AS at FROM ip_ranges"


@dataclass(frozen=True, slots=True)
class MaintainReport:
    """Results of one maintenance run, by table, and a line each for what was not done.

    `conflicts` are left for the next run; `failures` need somebody to look.
    """

    expired: Mapping[str, int] = counter("maintain_expired_rows", "Rows removed by lake.retention.", "table")
    compacted: Mapping[str, int] = counter("maintain_compacted_files", "Small files merged into others.", "table")
    deleted: Mapping[str, int] = counter(
        "maintain_deleted_files", "Files deleted that no snapshot names, and old log files.", "table"
    )
    deleted_bytes: Mapping[str, int] = counter("maintain_deleted_bytes", "Size of the deleted files.", "table")
    files: Mapping[str, int] = gauge("lake_files", "Files of a table after the last maintenance run.", "table")
    bytes: Mapping[str, int] = gauge("lake_bytes", "Size of a table after the last maintenance run.", "table")
    rows: Mapping[str, int] = gauge("lake_rows", "Rows of a table after the last maintenance run.", "table")
    conflicts: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def did_something(self) -> bool:
        """Whether anything in the lake is not as it was."""
        return any(sum(each.values()) for each in (self.expired, self.compacted, self.deleted))

    def summary(self) -> dict[str, Any]:
        """Return what `run --once --format json` and `lake maintain` print of it."""
        return {
            "expired_rows": sum(self.expired.values()),
            "compacted_files": sum(self.compacted.values()),
            "deleted_files": sum(self.deleted.values()),
            "deleted_bytes": sum(self.deleted_bytes.values()),
            "files": sum(self.files.values()),
            "bytes": sum(self.bytes.values()),
            "conflicts": len(self.conflicts),
            "failures": len(self.failures),
            "seconds": self.seconds,
        }


def maintain(
    lake: Lake, retention: Mapping[str, timedelta], *, stop: Event | None = None, dry_run: bool = False
) -> MaintainReport:
    """Expire rows, compact, write checkpoints and delete what nothing names, in every table.

    What fails in one table is reported and stops no other. With `dry_run` nothing is changed and the report is what
    would be done first. `stop` ends it after a step. Raises LakeError where the lake cannot be read at all.
    """
    started = time.monotonic()
    if not dry_run:
        lake.create()
        lake.settle()  # what follows may delete the only word of an unfinished batch
    run = _Run(lake, retention, stop or Event(), dry_run)
    for name in TABLES:
        run.table(name)
    return run.report(round(time.monotonic() - started, 3))


@dataclass(slots=True)
class _Run:
    """One run over the tables, and what it did so far."""

    lake: Lake
    retention: Mapping[str, timedelta]
    stop: Event
    dry_run: bool
    expired: Counter[str] = field(default_factory=Counter)
    compacted: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    deleted_bytes: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def table(self, name: str) -> None:
        """Do all that there is to do on one table, each part whatever became of the one before."""
        for part in (self._expire, self._compact, self._clean):
            if self.stop.is_set():
                return
            try:
                part(name)
            except LakeConflict as conflict:
                self.conflicts.append(str(conflict))
            except FlowauditError as error:
                self.failures.append(str(error))

    def _expire(self, name: str) -> None:
        if name in self.retention:
            now = vacuum.stored(self.lake, name).now
            expire = _Expiry(self.lake, name, now - self.retention[name], self.dry_run)
            self.expired[name] += retried(expire).rows

    def _compact(self, name: str) -> None:
        for step in maintenance.steps(self.lake.open(name), name):
            if self.stop.is_set():
                return
            self.compacted[name] += len(step) if self.dry_run else self._step(name, step).files

    def _step(self, name: str, step: Sequence[maintenance.File]) -> Rewritten:
        return retried(lambda: maintenance.compact(self.lake, name, step))

    def _clean(self, name: str) -> None:
        if not self.dry_run:
            vacuum.checkpoint(self.lake, name)
        for clean in (vacuum.vacuum, vacuum.clean_log):
            done = clean(self.lake, name, dry_run=self.dry_run)
            self.deleted[name] += done.files
            self.deleted_bytes[name] += done.bytes

    def report(self, seconds: float) -> MaintainReport:
        """Return what was done, and the size of each table now."""
        sizes = self.lake.sizes()
        return MaintainReport(
            expired=dict(self.expired),
            compacted=dict(self.compacted),
            deleted=dict(self.deleted),
            deleted_bytes=dict(self.deleted_bytes),
            files={name: size.files for name, size in sizes.items()},
            bytes={name: size.bytes for name, size in sizes.items()},
            rows={name: size.rows for name, size in sizes.items()},
            conflicts=tuple(self.conflicts),
            failures=tuple(self.failures),
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class _Expiry:
    """Removes the rows of one table that are older than `before`, as far as nothing needs them."""

    lake: Lake
    name: str
    before: datetime
    dry_run: bool

    def __call__(self) -> Rewritten:
        """Remove them; raises LakeConflict."""
        if self.name == "flows":
            return maintenance.drop_days(self.lake, self.name, self.before.date(), dry_run=self.dry_run)
        return maintenance.drop_rows(self.lake, self.name, self._judge, dry_run=self.dry_run)

    def _judge(self) -> Keep | None:
        judges: dict[str, Callable[[], Keep | None]] = {
            "objects": self._superseded,
            "quarantine": self._old_batches,
            "findings": self._resolved,
            "dead_letters": lambda: _from("at", self.before),
            "ip_ranges": self._ranges,
        }
        return judges.get(self.name, self._outdated)()

    def _superseded(self) -> Keep | None:
        return _but(self._query(SUPERSEDED, "objects"))

    def _old_batches(self) -> Keep:
        """Lines have no time: their batch has."""
        (row,) = self._query(FIRST_BATCH, "objects").to_pylist()
        return _from("batch", self.lake.last_batch() + 1 if row["batch"] is None else row["batch"])

    def _resolved(self) -> Keep | None:
        return _but(self._query(RESOLVED, "findings"))

    def _ranges(self) -> Keep:
        (row,) = self._query(NEWEST_RANGES, "ip_ranges", {}).to_pylist()
        return _from("created_at", min(self.before, row["at"] or self.before))

    def _outdated(self) -> Keep | None:
        """Observations are kept for as long as there are flows of their time."""
        first = maintenance.span(self.lake, "flows")[0]
        before = min(self.before, _midnight(first) - DAY) if first else self.before
        query = OUTDATED.format(table=self.name, key=", ".join(KEYS[self.name]))
        return _but(self._query(query, self.name, {"before": before}))

    def _query(self, query: str, table: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        with sql.connect(self.lake, tables=(table,)) as engine:
            return engine.query(query, {"before": self.before} if params is None else params)


def _from(column: str, least: Any) -> Keep:  # noqa: ANN401  a value of that column
    """Keep rows from a value on, and those that have none."""
    return lambda rows: pc.fill_null(pc.greater_equal(rows.column(column), least), True)


def _but(gone: pa.Table) -> Keep | None:
    """Keep all rows but those whose values are in a table with some of the columns; None: it is empty."""
    if not gone.num_rows:
        return None
    names = gone.column_names
    values = set(zip(*(gone.column(name).to_pylist() for name in names), strict=True))

    def keep(rows: pa.Table) -> pa.Array:
        found = zip(*(rows.column(name).to_pylist() for name in names), strict=True)
        return pa.array([each not in values for each in found], pa.bool_())

    return keep


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
