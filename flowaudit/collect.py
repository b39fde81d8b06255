"""Loop 1: source → reader → scope and verdict → lake.

Objects travel in batches: a batch's objects are read by a few workers, each into files of its own that nobody sees,
and one commit makes all of them part of the lake. An object is kept whole or not at all.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import chain, islice
from threading import Event
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit import paths
from flowaudit.errors import LakeConflict, LeaseLost, ReadError, SkipObject, SourceError, Stopped, TransientSourceError
from flowaudit.lake import Batch, Known, Lake, TableFiles, Written
from flowaudit.model import CollectReport, LogObject, ObjectReport, Outcome, Window
from flowaudit.paths import Atlas, Sent
from flowaudit.readers import Block, read
from flowaudit.sources import Source

T = TypeVar("T")

ROW_GROUP = 250_000
"""Rows that a worker holds in memory, judges at once and writes as one row group."""
PORTION_BYTES, PORTION_OBJECTS = 8 << 20, 100
"""What one worker reads into one file: small objects share a file."""
BATCH_BYTES, BATCH_OBJECTS = 256 << 20, 500
"""What one commit adds: the work that a crash can cost."""
LISTED_AT_ONCE = 10_000
"""Objects held in memory while they are compared with the ledger."""
PAGES_KEPT_MS = 5_000
"""How long memory that is not in use stays with the process."""
TRIES = 3
"""How often one collect tries to read an object."""
FIRST_PAUSE = 0.2
"""Seconds before the second try; four times as long before the third."""
LONGEST_REST = timedelta(hours=6)
"""The longest that the daemon leaves a failed object alone; it starts with a minute and doubles."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How a collect goes about its work.

    `patient` leaves failed objects alone for a while instead of retrying them at once; `stop` ends it at the next
    block; `on_object` is told of each object as it is done, from the worker's thread, and `on_batch` of each batch once
    it is in the lake.
    """

    count: int = field(default_factory=lambda: max(2, min(8, os.cpu_count() or 2)))
    patient: bool = False
    stop: Event = field(default_factory=Event)
    on_object: Callable[[ObjectReport], None] = lambda _: None
    on_batch: Callable[[Sequence[ObjectReport]], None] = lambda _: None


def collect(
    sources: Iterable[tuple[Source, Window | None]],
    lake: Lake,
    workers: Workers | None = None,
    atlas: Atlas | None = None,
) -> CollectReport:
    """Bring all new objects of each source into `lake`, those of the window beside it only where there is one.

    Records are judged by what `atlas` knows of the network, and those of interfaces that it knows to be out of scope
    are counted and left out.

    Raises SourceError if a source cannot be listed and LakeError if the lake cannot be written; what earlier batches
    brought stays. Objects that cannot be read are reported, not raised.
    """
    started = time.monotonic()
    _keep_pages()
    workers, atlas = workers or Workers(), atlas or Atlas()
    report = CollectReport()
    listed = ((source, log_object) for source, window in sources for log_object in source.objects(window))
    chunks = iter(lambda: list(islice(listed, LISTED_AT_ONCE)), [])
    first = next(chunks, [])  # a source that cannot be listed leaves no empty lake behind
    lake.create()
    lake.verify()
    for chunk in chain([first], chunks):
        wanted = _wanted(chunk, lake.known(_days(chunk)), workers)
        for batch in _split(wanted, BATCH_BYTES, BATCH_OBJECTS):
            done = _collect_batch(lake, batch, workers, atlas)
            workers.on_batch(done)
            report = reduce(CollectReport.plus, done, report)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _keep_pages() -> None:
    """Let Arrow keep memory for a while after use: blocks come and go, and each fresh page has to be cleared first.

    A tenth of the whole work, measured. All of it is given back once there is nothing to do.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(PAGES_KEPT_MS)


Listed = tuple[Source, LogObject]


def _days(listed: Iterable[Listed]) -> set[date | None]:
    """Return the days that the objects' keys tell: where the ledger has them."""
    return {log_object.day for _, log_object in listed}


def _wanted(listed: Sequence[Listed], known: Mapping[str, Known], workers: Workers) -> list[Listed]:
    """Return the objects that the ledger does not know as they are now; each once."""
    once = {log_object.key: (source, log_object) for source, log_object in listed}
    return [pair for key, pair in once.items() if _is_wanted(pair, known.get(key), workers)]


def _is_wanted(listed: Listed, known: Known | None, workers: Workers) -> bool:
    source, log_object = listed
    if known is None or known.etag != log_object.etag:
        return True
    if known.outcome == Outcome.COLLECTED or (known.outcome == Outcome.SKIPPED and source.declared is None):
        return False  # what was skipped is worth another look once a format is declared
    rest = min(LONGEST_REST, timedelta(minutes=2 ** min(known.attempts - 1, 16)))
    rested = datetime.now(UTC) - known.at
    return not workers.patient or rested >= rest or rested < timedelta()  # below: the clock was set back


def _split(listed: Iterable[Listed], most_bytes: int, most_objects: int) -> Iterator[list[Listed]]:
    """Cut a list into pieces of bounded size, at least one object each."""
    piece: list[Listed] = []
    size = 0
    for source, log_object in listed:
        if piece and (size + log_object.size > most_bytes or len(piece) >= most_objects):
            yield piece
            piece, size = [], 0
        piece.append((source, log_object))
        size += log_object.size
    if piece:
        yield piece


def _collect_batch(lake: Lake, listed: list[Listed], workers: Workers, atlas: Atlas) -> list[ObjectReport]:
    """Bring one batch into the lake; start again with what is left where another collector was faster."""
    days = _days(listed)
    while True:
        batch = lake.batch()
        known = lake.known(days)
        listed = _wanted(listed, known, workers)
        if not listed:
            return []
        try:
            return _Run(batch, known, workers, atlas).collect(listed)
        except LakeConflict:
            continue


class _Run:
    """The work on one batch."""

    def __init__(self, batch: Batch, known: Mapping[str, Known], workers: Workers, atlas: Atlas) -> None:
        self._batch, self._known, self._workers, self._atlas = batch, known, workers, atlas
        self._failed = Event()

    def collect(self, listed: list[Listed]) -> list[ObjectReport]:
        """Read the batch's objects side by side and commit them together."""
        parts = _split(listed, PORTION_BYTES, PORTION_OBJECTS)
        portions = [_Portion(self._batch, part, self._check, self._atlas) for part in parts]
        with self._batch.explained():
            try:
                reports = self._read(portions)
                self._commit(portions, reports)
            except BaseException:
                for portion in portions:
                    portion.discard()
                raise
        return reports

    def _read(self, portions: list[_Portion]) -> list[ObjectReport]:
        with ThreadPoolExecutor(self._workers.count, thread_name_prefix="collect") as pool:
            futures = [pool.submit(self._one, portion) for portion in portions]
            try:
                return [report for future in futures for report in future.result()]
            except BaseException:
                self._failed.set()  # the others stop at their next block; the pool waits for them
                raise

    def _commit(self, portions: list[_Portion], reports: list[ObjectReport]) -> None:
        collected = (report.object.key for report in reports if report.outcome is Outcome.COLLECTED)
        replaced = {key for key in collected if key in self._known and self._known[key].kept}
        files = [file for portion in portions for file in portion.written]
        lines = [file for portion in portions for file in portion.quarantined]
        for portion in portions:
            portion.written, portion.quarantined = [], []  # from here on they may be the lake's
        try:
            self._batch.commit(files, reports, lines, replaced)
        except (LakeConflict, LeaseLost):
            self._batch.forget(files, lines)
            raise

    def _one(self, portion: _Portion) -> list[ObjectReport]:
        reports = []
        for source, log_object in portion.listed:
            known = self._known.get(log_object.key)
            tried = known.attempts if known and known.etag == log_object.etag else 0
            report = replace(self._tried(portion, source, log_object), attempts=tried + 1)
            reports.append(report)
            self._workers.on_object(report)
        portion.close()
        return [replace(report, egress=portion.egress(report.object.key)) for report in reports]

    def _tried(self, portion: _Portion, source: Source, log_object: LogObject) -> ObjectReport:
        """Read one object, again if that may help; what became of it is the report, never an exception."""
        for attempt in range(1, TRIES + 1):
            try:
                return portion.add(source, log_object)
            except SkipObject as skip:
                return ObjectReport(log_object, Outcome.SKIPPED, str(skip))
            except (ReadError, SourceError) as error:
                may_help = isinstance(error, ReadError | TransientSourceError)
                if not may_help or attempt == TRIES:
                    return ObjectReport(log_object, Outcome.FAILED, str(error))
                pause = FIRST_PAUSE * 4 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311  not for secrets
                self._workers.stop.wait(pause)
                self._check()
        raise AssertionError

    def _check(self) -> None:
        if self._workers.stop.is_set() or self._failed.is_set():
            raise Stopped


class _Portion:
    """Some objects and the uncommitted files that their rows go to."""

    def __init__(self, batch: Batch, listed: list[Listed], check: Callable[[], None], atlas: Atlas) -> None:
        self.listed = listed
        self.written: list[Written] = []
        self.quarantined: list[Written] = []
        self._batch, self._check, self._atlas = batch, check, atlas
        self._files, self._lines = batch.files(), batch.quarantine_files()
        self._rows = _Rows(atlas)

    def add(self, source: Source, log_object: LogObject) -> ObjectReport:
        """Read one object: its rows are kept all together, or, if this raises, not at all."""
        tally = _Tally(log_object)
        held = _Held(log_object, self._batch, self._atlas)
        try:
            with source.open(log_object) as stream:
                for block in read(stream, source.declared):
                    self._check()
                    records = paths.in_scope(block.records, self._atlas)
                    tally.add(block, records)
                    held.add(records, block.quarantined)
        except BaseException:
            held.discard()
            raise
        self._take(held)
        return tally.report()

    def _take(self, held: _Held) -> None:
        """Accept a finished object: a large one has files of its own, small ones share some."""
        self.written += held.close()
        for line in held.lines:
            self._lines.write(line)
        self._rows.sent.merge(held.rows.sent)
        for table in held.rows.tables():
            self._rows.add(table)
        if self._rows.count >= ROW_GROUP:
            self._rows.write(self._files)

    def close(self) -> None:
        """Write what is still held in memory and finish the files."""
        self._rows.write(self._files)
        self.written += self._files.close()
        self.quarantined += self._lines.close()

    def egress(self, object_key: str) -> Mapping[tuple[str, str], int]:
        """Return the bytes sent in an object that was kept; known once this is closed."""
        return self._rows.sent.of(object_key)

    def discard(self) -> None:
        """Remove every file of this portion."""
        self._files.discard()
        self._lines.discard()
        self._batch.forget(self.written, self.quarantined)
        self.written, self.quarantined = [], []


class _Rows:
    """Rows in memory, those of each format apart: one's must not be judged by what the other's fields leave out."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self.count, self.sent = 0, Sent()
        self._by_format: dict[tuple[str, ...], list[pa.Table]] = {}

    def add(self, table: pa.Table) -> None:
        self._by_format.setdefault(tuple(table.column_names), []).append(table)
        self.count += table.num_rows

    def tables(self) -> Iterator[pa.Table]:
        return chain.from_iterable(self._by_format.values())

    def write(self, files: TableFiles) -> None:
        """Judge the rows of each format together, write them as a row group, and hold them no more."""
        for tables in self._by_format.values():
            together = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
            judged = paths.verdict(together, self._atlas)
            files.write(judged)
            self.sent.add(judged)
        self._by_format, self.count = {}, 0


class _Held:
    """The rows of one object while it is being read: in memory at first, in files of its own once there are many."""

    def __init__(self, log_object: LogObject, batch: Batch, atlas: Atlas) -> None:
        self.rows = _Rows(atlas)
        self.lines: list[pa.Table] = []
        self._day = log_object.day or log_object.modified.date()
        self._files: TableFiles | None = None
        self._object, self._batch = log_object, batch

    def add(self, records: pa.Table, lines: pa.Table) -> None:
        if lines.num_rows:
            self.lines.append(_stamped(lines, {"object_key": self._object.key}, self._batch.number))
        if records.num_rows:
            provenance = {"flow_log_id": self._object.flow_log_id, "object_key": self._object.key}
            rows = _stamped(records, provenance, self._batch.number)
            day = pa.repeat(pa.scalar(self._day, pa.date32()), rows.num_rows)
            self.rows.add(rows.append_column("day", day))
        if self.rows.count >= ROW_GROUP:
            self._files = self._files or self._batch.files()
            self.rows.write(self._files)

    def close(self) -> list[Written]:
        """Finish the object's own files, if it needed any; else its rows stay in `rows`."""
        if self._files is None:
            return []
        self.rows.write(self._files)
        return self._files.close()

    def discard(self) -> None:
        if self._files is not None:
            self._files.discard()


class _Tally:
    """Counts an object's records as they pass."""

    def __init__(self, log_object: LogObject) -> None:
        self._report = ObjectReport(log_object, Outcome.COLLECTED)

    def add(self, block: Block, kept: pa.Table) -> None:
        """Count a block of which some records are kept: the others are out of scope."""
        so_far = self._report
        first, last = _span(kept)
        self._report = replace(
            so_far,
            records=so_far.records + block.records.num_rows + block.bad + block.diverted,
            kept=so_far.kept + kept.num_rows,
            out_of_scope=so_far.out_of_scope + block.records.num_rows - kept.num_rows,
            quarantined=so_far.quarantined + block.bad,
            diverted=so_far.diverted + block.diverted,
            first_record=min(filter(None, (so_far.first_record, first)), default=None),
            last_record=max(filter(None, (so_far.last_record, last)), default=None),
        )

    def report(self) -> ObjectReport:
        return self._report


def _span(records: pa.Table) -> tuple[datetime | None, datetime | None]:
    """Return the first start and the last end (else start) of some records."""
    times = [records.column(name) for name in ("start_time", "end_time") if name in records.column_names]
    if not times or not records.num_rows:
        return None, None
    return pc.min(times[0]).as_py(), pc.max(times[-1]).as_py()


def _stamped(rows: pa.Table, texts: Mapping[str, str | None], batch: int) -> pa.Table:
    """Add columns that hold one value each, and the batch's number."""
    for name, text in texts.items():
        rows = rows.append_column(name, _constant(text, rows.num_rows))
    return rows.append_column("batch", pa.repeat(pa.scalar(batch, pa.int64()), rows.num_rows))


def _constant(text: str | None, length: int) -> pa.DictionaryArray:
    """Return one text many times over."""
    code = pa.scalar(None if text is None else 0, pa.int32())
    return pa.DictionaryArray.from_arrays(
        pa.repeat(code, length), pa.array([] if text is None else [text], pa.string())
    )
