"""The detectors, on real flow log text: from the text to the lake, and from the lake to what they see.

`tests/detectors/<id>/` holds cases: `fires*.log` must be seen, `quiet*.log` must not, `edge*.log` are the borderline.
Beside a log lies what is expected of it, as JSON: `sightings` (only the columns that matter), and, where they are not
the defaults, `policy`, `params` and `window`. No JSON: nothing is seen. As TOML lies what the inventory knows: see
`inventories.py`. No TOML: it knows nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowaudit import catalogue, sql
from flowaudit.collect import collect
from flowaudit.config import Policy, shipped
from flowaudit.detect import detect
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.paths import Atlas
from flowaudit.sources import KINDS
from tests.inventories import discovery, ip_ranges

CASES = Path(__file__).parent / "detectors"
LOGS = sorted(CASES.glob("*/*.log"))
DETECTORS = sorted(file.stem for file in (shipped("queries") / "detectors").glob("*.sql"))
NAME = "123456789012_vpcflowlogs_us-east-1_fl-0a1b2c3d4e5f60718_20260504T1200Z_0123abcd.log"
OTHER_HOURS = CASES / "internet-egress-bypasses-nat" / "edge-window.log"
EVER = ("2026-05-04T00:00:00+00:00", "2026-05-05T00:00:00+00:00")


def load(policy: dict[str, Any]) -> catalogue.Catalogue:
    """The shipped queries under a policy."""
    return _load(json.dumps(policy))


@cache
def _load(policy: str) -> catalogue.Catalogue:
    return catalogue.load([shipped("queries")], policy=Policy(**json.loads(policy)).model_dump())


def expectation(log: Path) -> dict[str, Any]:
    """What the file beside a log says."""
    beside = log.with_suffix(".json")
    return json.loads(beside.read_text()) if beside.exists() else {"sightings": []}


def lake_of(tmp_path: Path, log: Path) -> Lake:
    """A lake that knows the inventory beside a log, if there is one, and has collected the log.

    It is collected under the name that AWS gives a flow log's objects.
    """
    lake = Lake(str(tmp_path / "lake"))
    inventory, atlas = log.with_suffix(".toml"), Atlas()
    if inventory.exists():
        lake.create()
        history.record(lake, discovery(inventory))
        atlas = Atlas(replace(history.topology(lake), ip_ranges=ip_ranges(inventory)))
    written = tmp_path / NAME
    shutil.copy(log, written)
    report = collect([(KINDS["local"](str(written), None), None)], lake, atlas=atlas)
    assert (report.quarantined, report.skipped, report.failed) == (0, 0, 0)
    return lake


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with times as text, and lists in one order."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
    return {name: sorted(value, key=str) if isinstance(value, list) else value for name, value in plain.items()}


@pytest.mark.parametrize("log", LOGS, ids=[f"{log.parent.name}/{log.stem}" for log in LOGS])
def test_a_detector_sees_what_its_case_says(log: Path, tmp_path: Path) -> None:
    """Exactly the expected keys are seen, with their flows, bytes and evidence."""
    expected = expectation(log)
    queries = load(expected.get("policy", {}))
    detector = queries.detectors[log.parent.name]
    since, until = (datetime.fromisoformat(moment) for moment in expected.get("window", EVER))
    with sql.connect(lake_of(tmp_path, log), views=queries.views) as connection:
        params = {**detector.params, **expected.get("params", {}), "since": since, "until": until}
        rows = connection.query(detector.sql, params).to_pylist()

    seen = {tuple(row[name] for name in detector.key): comparable(row) for row in rows}
    wanted = {tuple(row[name] for name in detector.key): comparable(row) for row in expected["sightings"]}
    assert len(seen) == len(rows)
    assert {key: {name: row[name] for name in wanted.get(key, row)} for key, row in seen.items()} == wanted


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_has_cases_of_each_kind(detector: str) -> None:
    """A detector comes with at least one log each that fires, that is quiet, and on the edge."""
    kinds = {log.name.split("-")[0].removesuffix(".log") for log in (CASES / detector).glob("*.log")}

    assert kinds == {"fires", "quiet", "edge"}
    assert all(expectation(log)["sightings"] for log in (CASES / detector).glob("fires*.log"))
    assert not any(expectation(log)["sightings"] for log in (CASES / detector).glob("quiet*.log"))


def test_every_case_belongs_to_a_detector() -> None:
    """No folder of cases is left over from a detector that is gone."""
    assert sorted(folder.name for folder in CASES.iterdir()) == DETECTORS


def test_two_half_windows_are_the_whole_window(tmp_path: Path) -> None:
    """Flows and bytes of two adjoining windows add up to those of both together: nothing twice, nothing lost."""
    queries = load({})
    detector = queries.detectors["internet-egress-bypasses-nat"]
    hours = [datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in (11, 12, 14)]

    def bytes_and_flows(since: datetime, until: datetime) -> tuple[int, int]:
        rows = connection.query(detector.sql, {**detector.params, "since": since, "until": until}).to_pylist()
        return sum(row["bytes"] for row in rows), sum(row["flows"] for row in rows)

    with sql.connect(lake_of(tmp_path, CASES / detector.id / "edge-window.log"), views=queries.views) as connection:
        whole, first, second = (bytes_and_flows(*span) for span in (hours[::2], hours[:2], hours[1:]))

    assert whole == (15, 4)
    assert tuple(map(sum, zip(first, second, strict=True))) == whole


def test_what_is_seen_becomes_a_finding_that_stands(tmp_path: Path) -> None:
    """Through the loop: one finding of each key is open, its figures the sum over its windows, newest evidence."""
    queries = load({})
    lake = lake_of(tmp_path, OTHER_HOURS)
    detect(lake, queries)
    with sql.connect(lake, views=queries.views) as connection:
        found = connection.ask("SELECT * FROM findings_current").to_pylist()

    assert [(row["detector"], row["state"], row["flows"], row["bytes"]) for row in found] == [
        ("internet-egress-bypasses-nat", "open", 4, 15)
    ]
    assert json.loads(found[0]["key"]) == {"interface_id": "eni-0a11111111111111a", "path": "internet_gateway"}
    assert json.loads(found[0]["evidence"])["top_remotes"][0]["bytes"] == 8


def test_what_is_withdrawn_is_resolved(tmp_path: Path) -> None:
    """A policy that comes to allow a way takes back the findings about it; disallowed again, they are open again."""
    lake = lake_of(tmp_path, OTHER_HOURS)
    window = Window(datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 5, tzinfo=UTC))
    states = []
    for allowed in (["nat_gateway"], ["internet_gateway"], ["nat_gateway"]):
        queries = load({"internet_paths": allowed})
        detect(lake, queries, window, only={"internet-egress-bypasses-nat"})
        with sql.connect(lake, views=queries.views) as connection:
            states += connection.ask("SELECT state, flows, bytes FROM findings_current").to_pylist()

    assert [(row["state"], row["flows"], row["bytes"]) for row in states] == [
        ("open", 4, 15),
        ("resolved", 0, 0),
        ("open", 4, 15),
    ]


@pytest.mark.parametrize("detector", DETECTORS)
def test_filters_reach_the_files(detector: str, tmp_path: Path) -> None:
    """Time is pushed into the Parquet scan, so files and row groups of other times are not decoded."""
    log = min((CASES / detector).glob("fires*.log"))
    expected = expectation(log)
    queries = load(expected.get("policy", {}))
    one = queries.detectors[detector]
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    params = {**one.params, "since": noon, "until": noon + timedelta(hours=1)}
    lake = lake_of(tmp_path, log)
    collect([(KINDS["local"](str(OTHER_HOURS), None), None)], lake)
    with sql.connect(lake, views=queries.views) as connection:
        connection._views.need(one.sql)
        plan = json.loads(connection._engine.execute(f"EXPLAIN (FORMAT json) {one.sql}", params).fetchall()[0][1])

    filters = [str(scan["extra_info"].get("Filters", "")) for scan in scans(plan)]
    assert any("start_time>=" in each for each in filters)
    assert "action = " not in one.sql or any("start_time>=" in each and "action=" in each for each in filters)


def test_egress_does_not_compare_every_record_with_every_conversation(tmp_path: Path) -> None:
    """A NAT gateway's records are looked up by hash: an hour of a busy VPC would take minutes else."""
    with sql.connect(lake_of(tmp_path, OTHER_HOURS), views=load({}).views) as connection:
        connection._views.need("SELECT * FROM egress")
        plan = connection._engine.execute("EXPLAIN (FORMAT json) SELECT * FROM egress").fetchall()[0][1]

    assert "HASH_JOIN" in plan
    assert "BLOCKWISE_NL_JOIN" not in plan


def scans(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The plan's reads of Parquet files."""
    for node in nodes:
        if "PARQUET" in node["name"]:
            yield node
        yield from scans(node["children"])
