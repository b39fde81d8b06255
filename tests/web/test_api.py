"""Reports over HTTP: typed, limited, read-only."""

from __future__ import annotations

import csv
import io
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flowaudit.config import shipped
from tests.cli import auditable
from tests.web.conftest import Running

Serve = Callable[..., Running]
TALKERS = "/api/v1/query/top-talkers?since=2026-05-04&until=2026-05-05"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auditable lake."""
    return auditable.build(tmp_path_factory.mktemp("auditable"))


@pytest.fixture
def running(serve: Serve, lake: Path) -> Running:
    """A server over it."""
    return serve(lake=lake)


def test_every_report_is_listed_with_its_parameters(running: Running) -> None:
    """By name, as `flowaudit query list` has them."""
    reports = {each["name"]: each for each in json.loads(running.get("/api/v1/query").body)["reports"]}
    assert set(reports) == {file.stem for file in (shipped("queries") / "reports").glob("*.sql")}
    assert reports["top-talkers"]["params"][2] == {
        "name": "top",
        "kind": "integer",
        "default": 20,
        "help": "How many rows at most.",
    }


def test_json_has_columns_with_types_and_rows_by_name(running: Running) -> None:
    """In the words of Grafana's data frames; times are RFC 3339."""
    reply = running.get(TALKERS)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    answer = json.loads(reply.body)
    types = {column["name"]: column["type"] for column in answer["columns"]}
    assert (types["interface_id"], types["bytes"], types["first_seen"]) == ("string", "number", "time")
    assert answer["rows"][0]["bytes"] > answer["rows"][-1]["bytes"]
    assert answer["rows"][0]["first_seen"].endswith("Z")
    assert (answer["total"], answer["truncated"]) == (len(answer["rows"]), False)


def test_csv_has_the_same_values(running: Running) -> None:
    """With a header line."""
    rows = json.loads(running.get(TALKERS).body)["rows"]
    reply = running.get(TALKERS + "&format=csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [(row["interface_id"], int(row["bytes"]), row["last_seen"]) for row in read] == [
        (row["interface_id"], row["bytes"], row["last_seen"]) for row in rows
    ]


def test_rows_that_are_left_out_are_counted(running: Running) -> None:
    """In the document and in a header, for CSV has no other place."""
    total = json.loads(running.get(TALKERS).body)["total"]
    assert total > 2
    cut = running.get(TALKERS + "&limit=2")
    assert json.loads(cut.body)["truncated"] is True
    assert (len(json.loads(cut.body)["rows"]), cut.headers["x-total-rows"]) == (2, str(total))
    assert running.get(TALKERS + "&limit=2&format=csv").body.count(b"\n") == 3


@pytest.mark.parametrize(
    ("page", "status", "message"),
    [
        ("/api/v1/query/nope", 404, "there is no such report: /api/v1/query lists all"),
        ("/api/v1/query/..%2f..%2fetc%2fpasswd", 404, "no such page"),
        ("/api/v1/query/top-talkers/", 404, "no such page"),
        (TALKERS + "&tpo=3", 400, "there is no parameter 'tpo': did you mean top?"),
        (TALKERS + "&top=many", 400, "top: 'many' is no whole number"),
        (TALKERS + "&top=3&top=4", 400, "top is given twice: choose one value"),
        (TALKERS + "&format=parquet", 400, "format must be one of json, csv"),
        (TALKERS + "&limit=0", 400, "limit must be a number from 1 to 50,000"),
        (TALKERS + "&limit=50001", 400, "limit must be a number from 1 to 50,000"),
        (TALKERS + "&limit=0000000001000000", 400, "limit must be a number from 1 to 50,000"),
        (TALKERS + "&limit=" + "9" * 5000, 400, "limit must be a number from 1 to 50,000"),
        (TALKERS + "&limit=%C2%B2", 400, "limit must be a number from 1 to 50,000"),
        ("/api/v1/query/who-spoke-to", 400, "address must be given, as in address=192.0.2.1"),
        ("/api/v1/query/findings?state=opne", 400, "state: 'opne' must be one of open, muted, resolved, all"),
        ("/api/v1/query/who-spoke-to?address=192.0.2.1'%20OR%201=1", 400, "address: "),
    ],
)
def test_what_is_refused(page: str, status: int, message: str, running: Running) -> None:
    """With the reason in plain text."""
    reply = running.get(page)
    assert reply.status == status
    assert message in reply.body.decode()
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


def test_no_lake_is_not_an_empty_result(serve: Serve, tmp_path: Path) -> None:
    """A missing lake is an error: no rows would mean that nothing was found."""
    reply = serve(lake=tmp_path / "nowhere").get(TALKERS)
    assert reply.status == 503
    assert b"nowhere" in reply.body


def own(folder: Path, name: str, sql: str) -> None:
    """Write a report of one's own."""
    (folder / "mine" / "reports").mkdir(parents=True, exist_ok=True)
    (folder / "mine" / "reports" / f"{name}.sql").write_text(f'/*---\ntitle = "Own"\n---*/\n/*\nOwn.\n*/\n{sql}\n')


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, Any]:
    """A configuration with a report that takes minutes."""
    own(tmp_path, "slow", "SELECT sum(hash(number.range)) AS n FROM flows, range(100000000000) number")
    return {"queries": {"paths": [str(tmp_path / "mine")]}}


def test_a_query_ends_where_its_client_leaves(serve: Serve, lake: Path, slow: dict[str, Any]) -> None:
    """Dashboards leave when they are loaded again: the two queries at a time are soon those of others."""
    running = serve(lake=lake, **slow)
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as leaving:
            leaving.sendall(b"GET /api/v1/query/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.2)
    began = time.monotonic()
    assert running.get(TALKERS).status == 200
    assert time.monotonic() - began < 10


def test_a_server_that_closes_ends_its_queries(serve: Serve, lake: Path, slow: dict[str, Any]) -> None:
    """With 503, those that wait for their turn too."""
    running = serve(lake=lake, **slow)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(running.get, "/api/v1/query/slow") for _ in range(3)]
        time.sleep(1)
        began = time.monotonic()
        running.server.close()
        assert time.monotonic() - began < 5
        assert [each.result().status for each in asked] == [503] * 3


def test_rows_that_are_too_large_are_refused(serve: Serve, lake: Path, slow: dict[str, Any], tmp_path: Path) -> None:
    """A response is made in memory, which the jobs need too; fewer rows of the same report are served."""
    one = "(SELECT 1 FROM flows LIMIT 1)"
    own(tmp_path, "large", f"SELECT repeat('x', 10_000) || number.range AS text FROM {one}, range(10_000) number")
    running = serve(lake=lake, **slow)
    refused = running.get("/api/v1/query/large?limit=50000")
    assert (refused.status, b"set a lower limit" in refused.body) == (422, True)
    assert running.get("/api/v1/query/large?limit=10").headers["x-total-rows"] == "10000"


def test_values_that_json_and_csv_have_no_word_for(
    serve: Serve, lake: Path, slow: dict[str, Any], tmp_path: Path
) -> None:
    """null, text, or the reason why not; a column's name is given once."""
    values = r"'NaN'::DOUBLE AS a, '-inf'::DOUBLE AS a, (2::HUGEINT << 99) AS b, '\xff'::BLOB AS c, {x: [1]} AS d"
    own(tmp_path, "odd", f"SELECT {values} FROM flows LIMIT 1")
    own(tmp_path, "late", "SELECT TIMESTAMP '12000-01-01' AS a FROM flows LIMIT 1")
    running = serve(lake=lake, **slow)
    answer = json.loads(running.get("/api/v1/query/odd").body)
    assert answer["rows"] == [{"a": None, "a_2": None, "b": 2**100, "c": "ff", "d": {"x": [1]}}]
    assert running.get("/api/v1/query/odd?format=csv").status == 200
    for format in ("json", "csv"):
        late = running.get(f"/api/v1/query/late?format={format}")
        assert (late.status, b"cannot be printed" in late.body) == (422, True)


def test_a_query_of_ones_own_that_fails_is_named(serve: Serve, lake: Path, tmp_path: Path) -> None:
    """With status 422 and what DuckDB says; one that takes too long is ended."""
    reports = tmp_path / "mine" / "reports"
    reports.mkdir(parents=True)
    head = '/*---\ntitle = "Mine"\n---*/\n/*\nMine.\n*/\n'
    (reports / "broken.sql").write_text(head + "SELECT CAST(interface_id AS INTEGER) AS n FROM flows\n")
    running = serve(lake=lake, queries={"paths": [str(tmp_path / "mine")]})
    reply = running.get("/api/v1/query/broken")
    assert reply.status == 422
    assert b"broken: " in reply.body


def test_thousands_of_parameters_are_refused_at_once(running: Running) -> None:
    """All other pages would have to wait meanwhile."""
    page = "/api/v1/query/top-talkers?" + "&".join(f"{number:x}" for number in range(12_000))
    began = time.process_time()
    assert running.get(page).status == 400
    assert time.process_time() - began < 1
