"""A long log of findings: what it costs to list them, to count the open ones, and to detect on top of it."""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowaudit import catalogue, sql
from flowaudit.cli.findings import LISTED
from flowaudit.config import shipped
from flowaudit.daemon.stages import OPEN
from flowaudit.findings import Finding, Look, follow, identity
from flowaudit.lake import Lake
from flowaudit.model import Severity, Sighting, Window
from flowaudit.schema import FINDINGS

DETECTOR, TITLE = "internet-egress-bypasses-nat", "Internet egress bypasses the NAT gateway"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOWS = 50
"""How many events, one a window, a finding has."""
REPEATED = 5
"""How often each query is run; the least time counts, for whatever else runs can only add to it."""


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds, for a log in which all findings are as new, and for one in which they end all over it."""
    events = arguments.records
    layouts = {name: _measured(_lake(arguments.folder, name, events)) for name in ("together", "scattered")}
    return {"what": "findings", "events": events, "findings": events // WINDOWS, **layouts}


def _measured(lake: Lake) -> dict[str, float]:
    view = {"findings_current": catalogue.load([shipped("queries")]).views["findings_current"]}
    severities = [str(severity) for severity in reversed(Severity)]
    everything = {"state": None, "severities": severities, "detectors": None, "id": ""}
    shown = LISTED.format(columns=", ".join(name for name in Finding.__slots__ if name != "evidence"))
    listed = LISTED.format(columns=", ".join(Finding.__slots__))
    some = {"state": "open", "severities": severities, "detectors": None, "id": "abc"}
    times = {"connect": _least(lambda: sql.connect(lake, tables=("findings",), views=view).close())}
    with sql.connect(lake, tables=("findings",), views=view) as log:
        times["findings_current"] = _least(lambda: log.query("SELECT * FROM findings_current"))
        times["listing"] = _least(lambda: log.query(listed, everything))
        times["listing_without_evidence"] = _least(lambda: log.query(shown, everything))
        times["listing_of_one"] = _least(lambda: log.query(listed, some))
        times["gauge"] = _least(lambda: log.query(OPEN))
        ids = log.query("SELECT DISTINCT key FROM findings ORDER BY key").column("key").to_pylist()
        window = Window(BEGIN + 2 * WINDOWS * HOUR, BEGIN + (2 * WINDOWS + 1) * HOUR)
        for name, count in (("detect_nothing", 0), ("detect_100", 100), ("detect_all", len(ids))):
            look = Look(DETECTOR, [window] if count else [], [_sighting(n, window) for n in range(count)], 24 * HOUR)
            times[name] = _least(lambda look=look: follow(log, [look], (), lambda _key, _window: False, window.until))  # type: ignore[misc]
    return times


def _least(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATED):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return round(min(times) * 1000, 1)


def _lake(folder: Path, layout: str, events: int) -> Lake:
    """Return a lake with so many events, one commit a window; made once."""
    place = folder / f"findings-{layout}-{events}"
    lake = Lake(str(place))
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        lake.create()
        for rows in _windows(layout, events // WINDOWS):
            lake.log("findings").commit(rows, {})
        (place / "done").touch()
    return lake


def _windows(layout: str, findings: int) -> Iterator[pa.Table]:
    """Yield the events of one window after the other."""
    rng = random.Random(1)  # noqa: S311  the same log every time
    begins = [rng.randrange(WINDOWS) if layout == "scattered" else 0 for _ in range(findings)]
    for hour in range(2 * WINDOWS):
        alive = [n for n in range(findings) if begins[n] <= hour < begins[n] + WINDOWS]
        if alive:
            yield _events(alive, [hour - begins[n] + 1 for n in alive], BEGIN + hour * HOUR, rng)


def _events(alive: list[int], seqs: list[int], start: datetime, rng: random.Random) -> pa.Table:
    fixed = {
        "detector": DETECTOR,
        "at": start + HOUR,
        "window_start": start,
        "window_end": start + HOUR,
        "first_seen": start,
        "last_seen": start + 50 * HOUR / 60,
        "flows": 3,
        "bytes": 3000,
        "state": "open",
        "severity": "critical",
        "title": TITLE,
        "first_seen_ever": BEGIN,
        "last_seen_ever": start + 50 * HOUR / 60,
        "evidence_window": start,
    }
    varied: dict[str, list[Any]] = {
        "id": [identity(DETECTOR, _key(n)) for n in alive],
        "seq": seqs,
        "event": ["seen" if seq > 1 else "opened" for seq in seqs],
        "key": ['{{"interface_id":"{interface_id}","path":"{path}"}}'.format(**_key(n)) for n in alive],
        "total_flows": [3 * seq for seq in seqs],
        "total_bytes": [3000 * seq for seq in seqs],
        "sentence": [
            f"eni-{n:017x} sent {seq} kB by internet_gateway from {start} on"
            for n, seq in zip(alive, seqs, strict=True)
        ],
        "evidence": [_evidence(rng) for _ in alive],
    }
    columns = {
        field.name: pa.array(varied[field.name], field.type)
        if field.name in varied
        else pa.repeat(pa.scalar(fixed.get(field.name), field.type), len(alive))
        for field in FINDINGS
    }
    return pa.table(columns, FINDINGS)


def _key(number: int) -> dict[str, str]:
    return {"interface_id": f"eni-{number:017x}", "path": "internet_gateway"}


def _evidence(rng: random.Random) -> str:
    """Return evidence as the shipped detectors have it: ten remotes and what else they tell."""
    remotes = ",".join(
        f'{{"address":"203.0.113.{rng.randrange(256)}","port":443,"bytes":{rng.randrange(10**6)},"flows":1}}'
        for _ in range(10)
    )
    return f'{{"account_id":"123456789012","vpc_id":"vpc-1","remotes":10,"services":[],"top_remotes":[{remotes}]}}'


def _sighting(number: int, window: Window) -> Sighting:
    return Sighting(
        detector=DETECTOR,
        severity=Severity.CRITICAL,
        title=TITLE,
        sentence="something was sent",
        key=_key(number),
        window=window,
        first_seen=window.since,
        last_seen=window.since + HOUR / 2,
        flows=3,
        bytes=3000,
        evidence={"remotes": 10},
    )
