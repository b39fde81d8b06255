"""Who is measured: flowaudit, DuckDB at its best setting, and bare inflation, over the same data."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench import data
from flowaudit.schema import FIELD_BY_NAME, TABLES
from flowaudit.topology import Topology

CHUNK = 1 << 20
REPEATED = 2_000_000
"""How many distinct records a lake to query is made of; the rest are the same at other times."""
CPUS = 2


def prepare(arguments: argparse.Namespace) -> None:
    """Make the data that the contenders need, unless it is there."""
    {"collect": _text, "query": _lake, "detect": _lake}[arguments.what](arguments)


def _text(arguments: argparse.Namespace) -> list[Path]:
    folder = arguments.folder / f"text-{arguments.records}-{arguments.objects}"
    return data.make_text(folder, data.Shape(arguments.records, arguments.objects))


def collect(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole of it: list, inflate, parse, judge, write Parquet, commit; nothing known of the network."""
    return _collect(arguments)


def collect_with_inventory(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same with a large inventory, and AWS's own ranges, to judge by; indexing it is part of the time."""
    from flowaudit import ipranges  # noqa: PLC0415
    from flowaudit.topology import IpRange  # noqa: PLC0415

    known = data.topology(data.Shape())
    ranges = tuple(IpRange(**row) for row in ipranges.shipped().drop_columns("created_at").to_pylist())
    return _collect(arguments, replace(known, ip_ranges=ranges))


def _collect(arguments: argparse.Namespace, known: Topology = Topology()) -> dict[str, Any]:  # noqa: B008  frozen
    from flowaudit.collect import Workers  # noqa: PLC0415  each contender pays for its own imports
    from flowaudit.collect import collect as loop  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415
    from flowaudit.paths import Atlas  # noqa: PLC0415
    from flowaudit.sources.local import LocalSource  # noqa: PLC0415

    texts = _text(arguments)
    lake = arguments.folder / "lake-collect"
    shutil.rmtree(lake, ignore_errors=True)
    with _measured() as figures:
        source, workers = LocalSource(str(texts[0].parent)), Workers(count=CPUS)
        report = loop([(source, None)], Lake(str(lake)), workers, Atlas(known))
    if report.kept != arguments.records:
        sys.exit(f"collected {report.kept} of {arguments.records} records")
    stored = sum(file.stat().st_size for file in lake.glob("flows/day=*/*"))
    return _rate(figures, arguments) | {"stored_mb": round(stored / 1e6)}


def duckdb_copy(arguments: argparse.Namespace) -> dict[str, Any]:
    """DuckDB's COPY of the same objects into one Parquet file, with declared columns and no order to keep."""
    import duckdb  # noqa: PLC0415

    texts = _text(arguments)
    names = data.Shape().fields
    columns = ", ".join(f"'{name}': '{_sql_type(name)}'" for name in names)
    target = arguments.folder / "duckdb.parquet"
    options = f"delim=' ', header=true, auto_detect=false, nullstr='-', quote='', escape='', columns={{{columns}}}"
    query = (
        f"COPY (FROM read_csv('{texts[0].parent}/*.log.gz', {options})) "
        f"TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )
    with _measured() as figures, duckdb.connect(config={"threads": CPUS, "preserve_insertion_order": False}) as engine:
        engine.execute(query)
    return _rate(figures, arguments) | {"stored_mb": round(target.stat().st_size / 1e6)}


def inflate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Nothing but inflation of the same objects."""
    from isal import igzip  # noqa: PLC0415

    def one(path: Path) -> None:
        with igzip.open(path) as stream:  # type: ignore[no-untyped-call]
            while stream.read(CHUNK):
                pass

    texts = _text(arguments)
    with _measured() as figures, ThreadPoolExecutor(CPUS) as pool:
        list(pool.map(one, texts))
    return _rate(figures, arguments)


def _sql_type(name: str) -> str:
    type_ = FIELD_BY_NAME[name].type
    return "INTEGER" if type_ == pa.int32() else "VARCHAR" if type_ == pa.string() else "BIGINT"


# --- query ------------------------------------------------------------------------------------------------------------


def _lake(arguments: argparse.Namespace) -> Path:
    """Return a lake of so many v5 records, spread over a day, with its verdicts."""
    from flowaudit import paths  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415
    from flowaudit.simulate import FORMATS  # noqa: PLC0415

    folder: Path = arguments.folder / f"lake-{arguments.records}"
    done = folder / "done"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    lake = Lake(str(folder))
    lake.create()
    columns = [FIELD_BY_NAME[name].column for name in FORMATS["v5"]]
    shape = data.Shape(REPEATED, 8)
    blocks = [b.select(columns) for n in range(8) for b in data.blocks(shape, n, REPEATED // 8)]
    rounds = -(-arguments.records // REPEATED)
    left = arguments.records
    for round_ in range(rounds):
        batch = lake.batch()
        files = batch.files()
        for block in blocks:
            rows = paths.verdict(_later(block.slice(0, left), timedelta(days=1) / rounds * round_))
            files.write(_stamped(rows, batch.number))
            left -= rows.num_rows
        batch.commit(files.close(), [])
    done.touch()
    return folder


def _later(rows: pa.Table, by: timedelta) -> pa.Table:
    import pyarrow.compute as pc  # noqa: PLC0415

    for name in ("start_time", "end_time"):
        moved = pc.add(rows.column(name), pa.scalar(by, pa.duration("us")))
        rows = rows.set_column(rows.column_names.index(name), name, moved)
    return rows


def _stamped(rows: pa.Table, batch: int) -> pa.Table:
    rows = rows.append_column("batch", pa.array([batch] * rows.num_rows, pa.int64()))
    return rows.append_column("day", pa.array([data.BEGIN.date()] * rows.num_rows, pa.date32()))


def detectors(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every detector over all of the records at once."""
    from flowaudit import catalogue, sql  # noqa: PLC0415
    from flowaudit.config import shipped  # noqa: PLC0415
    from flowaudit.detect import SHARED  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415

    found = catalogue.load([shipped("queries")])
    span = {"since": data.BEGIN, "until": data.BEGIN + timedelta(days=2)}
    limits = sql.Limits(memory="4GB", threads=CPUS)
    each: dict[str, float] = {}
    with (
        _measured() as figures,
        sql.connect(Lake(str(_lake(arguments))), views=found.views, once=SHARED, limits=limits) as lake,
    ):
        for name, detector in found.detectors.items():
            started = time.perf_counter()
            lake.query(detector.sql, {**detector.params, **span})
            each[name] = round(time.perf_counter() - started, 3)
    return _rate(figures, arguments) | {"each": each}


def newest(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole catalogue over the newest five minutes, with all that it takes to look at a day's lake."""
    return _catalogue(arguments, data.PUBLISHED_EVERY)


def day(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole catalogue over the whole day at once."""
    return _catalogue(arguments, timedelta(days=2))


def bare_newest(arguments: argparse.Namespace) -> dict[str, Any]:
    """One scan of the columns that the catalogue reads, for the newest five minutes."""
    return _bare(arguments, data.PUBLISHED_EVERY)


def bare_day(arguments: argparse.Namespace) -> dict[str, Any]:
    """One scan of the columns that the catalogue reads, for the whole day."""
    return _bare(arguments, timedelta(days=2))


def _end(arguments: argparse.Namespace) -> datetime:
    """Return when the newest record of the lake began, a moment later."""
    import duckdb  # noqa: PLC0415

    from flowaudit.lake import Lake  # noqa: PLC0415

    files = Lake(str(_lake(arguments))).files("flows")
    query = "SELECT epoch_us(max(start_time)) AS newest FROM read_parquet(?)"
    newest = duckdb.execute(query, [files]).to_arrow_table()["newest"][0].as_py()
    return datetime.fromtimestamp(newest / 1e6 + 1, UTC)


def _catalogue(arguments: argparse.Namespace, length: timedelta) -> dict[str, Any]:
    from flowaudit import catalogue, sql  # noqa: PLC0415
    from flowaudit.config import shipped  # noqa: PLC0415
    from flowaudit.detect import SHARED  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415

    found, until = catalogue.load([shipped("queries")]), _end(arguments)
    span, limits = {"since": until - length, "until": until}, sql.Limits(memory="4GB", threads=CPUS)
    each: dict[str, float] = {}
    with _measured() as figures:
        started = time.perf_counter()
        with sql.connect(Lake(str(_lake(arguments))), views=found.views, once=SHARED, limits=limits) as lake:
            shared = round(time.perf_counter() - started, 3)
            for name, detector in found.detectors.items():
                started = time.perf_counter()
                lake.query(detector.sql, {**detector.params, **span})
                each[name] = round(time.perf_counter() - started, 3)
    return _rate(figures, arguments) | {"shared_views": shared, "each": each}


def _bare(arguments: argparse.Namespace, length: timedelta) -> dict[str, Any]:
    import duckdb  # noqa: PLC0415

    from flowaudit import catalogue  # noqa: PLC0415
    from flowaudit.config import shipped  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415

    found, until = catalogue.load([shipped("queries")]), _end(arguments)
    words = "".join(detector.sql for detector in found.detectors.values()) + found.views["egress"]
    query = _aggregate(words).replace(" GROUP BY", " WHERE start_time >= ? AND start_time < ? GROUP BY")
    files = Lake(str(_lake(arguments))).files("flows")
    with _measured() as figures, duckdb.connect(config={"threads": CPUS, "memory_limit": "4GB"}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(query, [files, until - length, until]).to_arrow_table()
    return _rate(figures, arguments)


def bare_aggregate(arguments: argparse.Namespace) -> dict[str, Any]:
    """For each detector, one plain aggregate in DuckDB over the columns that the detector reads."""
    import duckdb  # noqa: PLC0415

    from flowaudit import catalogue  # noqa: PLC0415
    from flowaudit.config import shipped  # noqa: PLC0415
    from flowaudit.lake import Lake  # noqa: PLC0415

    found = catalogue.load([shipped("queries")])
    files = Lake(str(_lake(arguments))).files("flows")
    each: dict[str, float] = {}
    with _measured() as figures, duckdb.connect(config={"threads": CPUS, "memory_limit": "4GB"}) as engine:
        for name, detector in found.detectors.items():
            started = time.perf_counter()
            engine.execute(_aggregate(detector.sql + found.views["egress"]), [files]).to_arrow_table()
            each[name] = round(time.perf_counter() - started, 3)
    return _rate(figures, arguments) | {"each": each}


def _aggregate(sql: str) -> str:
    """Return one GROUP BY over the columns of `flows` that some SQL names."""
    words = set(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", sql, flags=re.DOTALL)))
    columns = [name for name in TABLES["flows"].schema.names if name in words and name not in ("interface_id", "path")]
    parts = ", ".join(f"sum({c})" if c in ("bytes", "packets") else f"max({c})" for c in columns)
    return f"SELECT interface_id, path, count(*), {parts} FROM read_parquet(?) GROUP BY interface_id, path"


# --- figures ----------------------------------------------------------------------------------------------------------


@contextmanager
def _measured() -> Iterator[dict[str, float]]:
    figures: dict[str, float] = {}
    started, before = time.perf_counter(), time.process_time()
    yield figures
    figures["seconds"] = round(time.perf_counter() - started, 3)
    figures["cpu_seconds"] = round(time.process_time() - before, 3)


def _rate(figures: dict[str, float], arguments: argparse.Namespace) -> dict[str, Any]:
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) // 1024
    rate = round(arguments.records / figures["seconds"])
    return {"records_per_second": rate, **figures, "peak_rss_mb": peak}


CONTENDERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "flowaudit": collect,
    "with_inventory": collect_with_inventory,
    "duckdb_copy": duckdb_copy,
    "inflate": inflate,
    "detectors": detectors,
    "bare_aggregate": bare_aggregate,
    "newest": newest,
    "bare_newest": bare_newest,
    "day": day,
    "bare_day": bare_day,
}
RUN = {
    "collect": ("flowaudit", "with_inventory", "duckdb_copy", "inflate"),
    "query": ("detectors", "bare_aggregate"),
    "detect": ("newest", "bare_newest", "day", "bare_day"),
}
"""Who runs in which measurement; the first is compared with the others."""
