"""SQL over the lake: what it shows, what it refuses, and where it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from flowaudit import sql
from flowaudit.errors import QueryError
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.schema import TABLES
from flowaudit.sql import Limits

if TYPE_CHECKING:
    from tests.conftest import Seaweed

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"interface_id": "eni-1", "srcaddr": "10.0.0.1", "bytes": 100, "start_time": NOON, "region": "eu-west-1"},
    {"interface_id": "eni-1", "srcaddr": "10.0.0.1", "bytes": None, "start_time": NOON + timedelta(hours=1)},
    {"interface_id": "eni-2", "srcaddr": "10.0.0.2", "bytes": 300, "start_time": NOON + timedelta(days=1)},
    {"interface_id": "eni-3", "srcaddr": None, "extra": [("novel-field", "7")]},
]
COUNT = "SELECT count(*) AS n FROM flows"


def fill(lake: Lake) -> Lake:
    """Put ROWS into the lake: three days' files, one of them of no day at all."""
    lake.create()
    batch = lake.batch()
    files = batch.files()
    columns = [f for f in TABLES["flows"].schema if f.name in {*ROWS[0], *ROWS[-1], "day"}]
    files.write(pa.Table.from_pylist([{**row, "day": None} for row in ROWS], pa.schema(columns)))
    batch.commit(files.close(), [])
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake in a folder whose name tries to be SQL and a partition at once."""
    return fill(Lake(str(tmp_path_factory.mktemp("sql") / "region=nowhere" / 'it\'s a "lake"')))


@pytest.fixture
def connection(lake: Lake) -> Iterator[sql.Connection]:
    """A connection to it with a view, tight limits, and little patience."""
    views = {"busy": "SELECT * FROM flows WHERE bytes > 200", "busiest": "SELECT max(bytes) AS bytes FROM busy"}
    with sql.connect(lake, views=views, limits=Limits(seconds=1, memory="200MB", threads=2, disk="")) as opened:
        yield opened


def test_tables_look_as_the_schema_says(connection: sql.Connection) -> None:
    """Every table has its schema's columns in their order and types, with rows or without."""
    for name, table in TABLES.items():
        result = connection.query(f"SELECT * FROM {name}")

        assert result.schema.names == table.schema.names
        assert [f.type for f in result.schema] == [f.type for f in table.schema]


def test_without_a_lake_every_table_is_empty() -> None:
    """Queries can be checked and described before there is anything to ask."""
    with sql.connect(None) as connection:
        assert connection.query("SELECT * FROM flows").schema.names == TABLES["flows"].schema.names
        assert connection.query(COUNT).to_pylist() == [{"n": 0}]


def test_a_lake_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A folder without tables gives empty tables and stays without them."""
    with sql.connect(Lake(str(tmp_path / "none"))) as connection:
        assert connection.query(COUNT).to_pylist() == [{"n": 0}]

    assert not (tmp_path / "none").exists()


def test_values_come_back_as_they_went_in(connection: sql.Connection) -> None:
    """Nulls stay nulls, times are UTC, maps are maps, and the record's region is not that of the lake's folder."""
    columns = "srcaddr, bytes, start_time, region, extra, day"
    rows = connection.query(f"SELECT {columns} FROM flows ORDER BY interface_id, bytes")

    assert rows.schema.field("start_time").type == pa.timestamp("us", "UTC")
    assert rows.column("bytes").to_pylist() == [100, None, 300, None]
    assert rows.column("start_time").to_pylist()[:1] == [NOON]
    assert rows.column("region").to_pylist() == ["eu-west-1", None, None, None]
    assert rows.column("extra").to_pylist()[-1] == [("novel-field", "7")]
    assert rows.column("day").to_pylist() == [date(2026, 5, 4), date(2026, 5, 4), date(2026, 5, 5), None]


def test_a_condition_on_the_day_opens_only_its_files(connection: sql.Connection) -> None:
    """Of three files, one is scanned for one day."""
    plan = connection._engine.execute(f"EXPLAIN ANALYZE {COUNT} WHERE day = '2026-05-05'").fetchall()[0][1]

    assert "Scanning Files: 1/3" in plan


def test_a_window_leaves_out_files_that_cannot_matter(lake: Lake) -> None:
    """The connection is given the files of the window, and those that have no times."""
    with sql.connect(lake, window=Window(NOON + timedelta(hours=20), NOON + timedelta(days=2))) as connection:
        ids = connection.query("SELECT interface_id FROM flows ORDER BY ALL").column(0).to_pylist()

    assert ids == ["eni-2", "eni-3"]


def test_only_the_tables_asked_for_are_there(lake: Lake) -> None:
    """A connection for one table has no other."""
    with sql.connect(lake, tables=["objects"]) as connection, pytest.raises(QueryError, match="flows does not exist"):
        connection.query(COUNT)


def test_views_build_upon_each_other(connection: sql.Connection) -> None:
    """A view is a table like any other, also for the views after it."""
    assert connection.ask("SELECT * FROM busiest").to_pylist() == [{"bytes": 300}]


def test_a_broken_view_is_named_by_the_query_that_needs_it(lake: Lake) -> None:
    """The message has its name and DuckDB's own word on it; queries without it go on."""
    with sql.connect(lake, views={"bad": "SELECT nonsense FROM flows"}) as connection:
        with pytest.raises(QueryError, match=r"the view bad cannot be made: .*nonsense"):
            connection.ask("SELECT * FROM bad")

        assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


def test_a_limit_that_is_none_is_refused(lake: Lake) -> None:
    """Memory is written as DuckDB understands it."""
    with pytest.raises(QueryError, match=r"(?i)memory"):
        sql.connect(lake, limits=Limits(memory="much"))


# --- what a person may ask --------------------------------------------------------------------------------------------

ALLOWED = [
    "SELECT 1; -- one statement, though a semicolon ends it",
    "FROM flows",
    "TABLE flows",
    "VALUES (1), (2)",
    "SELECT * FROM main.flows",
    "SELECT * FROM memory.main.flows",
    'SELECT * FROM "FLOWS" AS f, busy',
    "DESCRIBE flows",
    "DESCRIBE SELECT interface_id FROM flows",
    "SUMMARIZE flows",
    "SUMMARIZE SELECT * FROM busy",
    "SHOW TABLES",
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'flows'",
    "SELECT table_name FROM information_schema.tables",
    "WITH x AS (SELECT 1 AS a), y AS (SELECT * FROM x) SELECT * FROM y",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
    "WITH flows AS (SELECT 7 AS a) SELECT a FROM flows",
    "SELECT interface_id, sum(bytes) FROM flows GROUP BY ALL HAVING sum(bytes) > 1 ORDER BY ALL LIMIT 3 OFFSET 0",
    "SELECT DISTINCT ON (interface_id) * FROM flows ORDER BY start_time DESC NULLS LAST LIMIT 50%",
    "SELECT interface_id FROM flows UNION ALL BY NAME SELECT interface_id FROM flows EXCEPT SELECT 'x'",
    "SELECT rank() OVER (PARTITION BY interface_id ORDER BY bytes) FROM flows QUALIFY rank() OVER () = 1",
    "SELECT CAST(bytes AS DECIMAL(18, 3)), 'a'::ENUM('a', 'b'), {'a': 1}.a, [x * 2 for x in [1, 2]] FROM flows",
    "SELECT * FROM flows f WHERE EXISTS (SELECT 1 FROM flows g WHERE g.srcaddr = f.srcaddr)",
    "SELECT * FROM flows JOIN busy USING (interface_id) LEFT JOIN objects ON true",
    "SELECT * FROM range(3) r(i), generate_series(1, 2), unnest([1, 2])",
    "SELECT extra['novel-field'], list_transform([1], lambda x: x + 1) FROM flows",
    "SELECT * FROM json_each('[1, 2]')",
    "SELECT count(*) FILTER (WHERE bytes > 1), date_trunc('hour', start_time) FROM flows GROUP BY ROLLUP (start_time)",
    "FROM flows PIVOT (sum(bytes) FOR interface_id IN ('eni-1', 'eni-2') GROUP BY day)",
    "SELECT * FROM flows TABLESAMPLE 10%",
    "SELECT 'COPY flows TO ''x''', $$; DROP VIEW flows$$ /* ; DELETE FROM flows */",
]


@pytest.mark.parametrize("question", ALLOWED)
def test_questions_of_all_kinds_are_answered(question: str, connection: sql.Connection) -> None:
    """SELECT in all its forms, DESCRIBE, SUMMARIZE and SHOW TABLES work on tables, views and CTEs."""
    assert connection.ask(question).num_columns


def test_the_tables_shown_are_the_lakes(connection: sql.Connection) -> None:
    """SHOW TABLES names tables and views and nothing else."""
    assert set(connection.ask("SHOW TABLES").column("name").to_pylist()) == {*TABLES, "busy", "busiest"}


def test_parameters_are_bound_by_name(connection: sql.Connection) -> None:
    """A value is a value, whatever it looks like."""
    asked = connection.ask("SELECT $who AS who, count(*) AS n FROM flows WHERE interface_id = $who", {"who": "eni-1"})
    hostile = connection.ask("SELECT $who AS who", {"who": "'; DROP VIEW flows; --"})

    assert asked.to_pylist() == [{"who": "eni-1", "n": 2}]
    assert hostile.to_pylist() == [{"who": "'; DROP VIEW flows; --"}]


def test_text_compares_with_numbers(connection: sql.Connection) -> None:
    """A parameter from the command line is text, and still meets a number column."""
    assert connection.ask(f"{COUNT} WHERE bytes >= $least", {"least": "300"}).to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"the parameter \$a has no value: give one, as in --param a="),
        ({"a": 1, "b": 2}, r"there is no parameter \$b in the query; it has a"),
    ],
)
def test_missing_and_surplus_parameters_are_named(
    params: dict[str, int], message: str, connection: sql.Connection
) -> None:
    """The message names the parameter and what to do."""
    with pytest.raises(QueryError, match=message):
        connection.ask("SELECT $a", params)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("SELEC 1", r'syntax error at or near "SELEC"'),
        ("SELECT nonsense FROM flows", 'Referenced column "nonsense" not found'),
        (
            "SELECT * FROM flws",
            "there is no table 'flws' that SQL can see; there are busiest, busy, dead_letters, findings",
        ),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert string 'x' to INT32"),
        ("SELECT CASE WHEN i > 100000 THEN error('late') ELSE i END FROM range(200000) r(i)", "late"),
        ("", "this is nothing"),
        ("-- nothing", "this is nothing"),
    ],
)
def test_mistakes_are_explained_in_duckdbs_words(question: str, message: str, connection: sql.Connection) -> None:
    """What went wrong is told without a word of Python, and the connection goes on."""
    with pytest.raises(QueryError, match=message) as raised:
        connection.ask(question)

    assert "Traceback" not in str(raised.value)
    assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


# --- what nobody may ask ----------------------------------------------------------------------------------------------

secret_table = pa.table({"python": ["variable"]})

ESCAPES = {
    "a text file": "SELECT * FROM read_text('/etc/passwd')",
    "a binary file": "SELECT * FROM read_blob('/etc/passwd')",
    "a CSV file": "SELECT * FROM read_csv('/etc/passwd')",
    "a CSV file, guessed": "SELECT * FROM read_csv_auto('/etc/passwd')",
    "a CSV file's dialect": "SELECT * FROM sniff_csv('/etc/passwd')",
    "a JSON file": "SELECT * FROM read_json('{lake}/flows/_delta_log/00000000000000000000.json')",
    "a JSON file's lines": "SELECT * FROM read_ndjson_objects('{lake}/flows/_delta_log/*.json')",
    "a Parquet file of the lake itself": "SELECT * FROM read_parquet('{file}')",
    "a Parquet file by another function": "SELECT * FROM parquet_scan('{file}')",
    "a Parquet file's metadata": "SELECT * FROM parquet_metadata('{file}')",
    "a Parquet file's keys": "SELECT * FROM parquet_kv_metadata('{file}')",
    "a DuckDB file": "SELECT * FROM read_duckdb('/tmp/x.duckdb')",
    "a file as a table": "SELECT * FROM '/etc/passwd'",
    "a lake's file as a table": "SELECT * FROM '{file}'",
    "a file as a quoted name": 'SELECT * FROM "/etc/passwd.csv"',
    "a file, described": "DESCRIBE '{file}'",
    "a file, summarized": "SUMMARIZE '/etc/passwd.csv'",
    "a file behind ..": "SELECT * FROM read_text('{lake}/flows/../../secret.txt')",
    "a file behind a link": "SELECT * FROM read_text('{link}')",
    "a file in a subquery": "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "a file in a condition": "SELECT 1 WHERE EXISTS (SELECT * FROM read_text('/etc/passwd'))",
    "a file in a CTE": "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
    "a file in a CTE within": "SELECT * FROM (WITH x AS (FROM read_blob('/etc/passwd')) FROM x)",
    "a file in a join": "SELECT * FROM flows JOIN read_text('/etc/passwd') ON true",
    "a file in an argument": "SELECT * FROM range((SELECT count(*) FROM read_text('/etc/passwd')))",
    "a file in a recursion": (
        "WITH RECURSIVE x AS (SELECT '' AS a UNION SELECT content FROM read_text('/etc/passwd'), x) SELECT * FROM x"
    ),
    "a file in a pivot": "FROM read_text('/etc/passwd') PIVOT (count(*) FOR filename IN ('x'))",
    "a file after a union": "SELECT 'a' UNION ALL SELECT content FROM read_text('/etc/passwd')",
    "a file in an order": "SELECT 1 ORDER BY (SELECT content FROM read_text('/etc/passwd'))",
    "a file in a limit": "SELECT 1 LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))",
    "a listing": "SELECT * FROM glob('{lake}/**')",
    "a web address": "SELECT * FROM read_csv('https://192.0.2.1/x.csv')",
    "a web address as a table": "SELECT * FROM 'https://192.0.2.1/x.parquet'",
    "a bucket": "SELECT * FROM 's3://bucket/x.parquet'",
    "SQL in text": "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "a table named in text": "SELECT * FROM query_table('{file}')",
    "SQL in JSON": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "a Python variable": "SELECT * FROM secret_table",
    "a Python object": "SELECT * FROM pandas_scan(1)",
    "a Python function": "SELECT * FROM python_map_function(1, 2)",
    "a copy": "COPY flows TO '{out}'",
    "a copy over the lake": "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "a copy into the lake": "COPY (SELECT 1) TO '{lake}/flows/new.parquet'",
    "a copy in a CTE": "WITH x AS (COPY (SELECT 1) TO '{file}') SELECT 1",
    "a copy from a file": "COPY flows FROM '/etc/passwd'",
    "an insert in a CTE": "WITH x AS (INSERT INTO flows SELECT * FROM flows RETURNING *) SELECT 1",
    "an export": "EXPORT DATABASE '{out}'",
    "an import": "IMPORT DATABASE '{out}'",
    "an attached file": "ATTACH '{out}' AS other",
    "a detached database": "DETACH memory",
    "another database": "USE temp",
    "an extension, installed": "INSTALL httpfs",
    "an extension, loaded": "LOAD httpfs",
    "a setting, set": "SET memory_limit = '100GB'",
    "the wall, let down": "SET enable_external_access = true",
    "a setting, reset": "RESET lock_configuration",
    "a setting by PRAGMA": "PRAGMA memory_limit = '100GB'",
    "what PRAGMA tells": "PRAGMA version",
    "a setting, read": "SELECT current_setting('allowed_paths')",
    "all settings": "SELECT * FROM duckdb_settings()",
    "the environment": "SELECT getenv('HOME')",
    "a variable, read": "SELECT getvariable('x')",
    "a variable, set": "SET VARIABLE x = 1",
    "the secrets": "SELECT * FROM duckdb_secrets()",
    "which secret": "SELECT * FROM which_secret('s3://bucket/x', 's3')",
    "a new secret": "CREATE SECRET (TYPE s3)",
    "the files behind the views": "SELECT sql FROM duckdb_views()",
    "the files, by its view": "SELECT * FROM duckdb_views",
    "the files, by schema": "SELECT * FROM main.duckdb_views",
    "the files, by the standard": "SELECT view_definition FROM information_schema.views",
    "the files, as in SQLite": "SELECT sql FROM sqlite_master",
    "the files, as in Postgres": "SELECT definition FROM pg_catalog.pg_views",
    "the files, under a CTE's name": "WITH a AS (FROM duckdb_views), duckdb_views AS (SELECT 1) FROM a",
    "the files, under one's own name": "WITH duckdb_views AS (FROM duckdb_views) FROM duckdb_views",
    "the files, past a CTE": "WITH duckdb_views AS (SELECT 1) FROM main.duckdb_views",
    "the files, out of a CTE's scope": "SELECT (WITH duckdb_views AS (SELECT 1) SELECT 1) FROM duckdb_views",
    "the files, by function of another catalogue": "SELECT * FROM system.main.duckdb_views()",
    "the databases": "SHOW DATABASES",
    "the log": "SELECT * FROM duckdb_logs()",
    "a written log": "SELECT write_log('x')",
    "a table": "CREATE TABLE x AS SELECT 1",
    "a temporary table": "CREATE TEMP TABLE x AS SELECT 1",
    "another view of the same name": "CREATE OR REPLACE VIEW flows AS SELECT 1",
    "a dropped view": "DROP VIEW flows",
    "a renamed view": "ALTER VIEW flows RENAME TO gone",
    "an insert": "INSERT INTO flows SELECT * FROM flows",
    "an update": "UPDATE flows SET bytes = 0",
    "a delete": "DELETE FROM flows",
    "a truncate": "TRUNCATE flows",
    "a merge": "MERGE INTO flows USING busy ON true WHEN MATCHED THEN DELETE",
    "a macro": "CREATE MACRO f(x) AS x",
    "a table macro": "CREATE MACRO f() AS TABLE SELECT * FROM read_text('/etc/passwd')",
    "a prepared statement": "PREPARE x AS SELECT 1",
    "an executed statement": "EXECUTE x",
    "a call": "CALL pragma_version()",
    "a transaction": "BEGIN TRANSACTION",
    "a checkpoint": "CHECKPOINT",
    "a vacuum": "VACUUM flows",
    "an explained copy": "EXPLAIN ANALYZE COPY flows TO '{out}'",
    "two statements": "SELECT 1; COPY flows TO '{out}'",
    "two statements and a comment": "SELECT 1 /* ; */ ; -- \n DROP VIEW flows",
    "a comment that ends early": "/* /* */ SELECT 1 */; DROP VIEW flows",
    "a pivot that makes a type": "PIVOT flows ON interface_id USING sum(bytes)",
    "a sequence": "SELECT nextval('x')",
    "storage": "SELECT * FROM pragma_storage_info('flows')",
}


def fingerprint(folder: Path) -> dict[str, str]:
    """The content of every file below a folder."""
    return {str(p): sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("way", ESCAPES)
def test_there_is_no_way_out(way: str, connection: sql.Connection, lake: Lake, tmp_path: Path) -> None:
    """Every attempt to read, write, set or learn what is not the lake's is refused, and the lake stays as it was."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "link").symlink_to("/etc/passwd")
    places = {"lake": lake.uri, "file": lake.files("flows")[0], "out": f"{tmp_path}/out", "link": f"{tmp_path}/link"}
    attempt = ESCAPES[way]
    for name, place in places.items():
        attempt = attempt.replace(f"{{{name}}}", place.replace("'", "''"))
    before = fingerprint(Path(lake.uri))

    with pytest.raises(QueryError):
        connection.ask(attempt)

    assert fingerprint(Path(lake.uri)) == before
    assert not (tmp_path / "out").exists()
    assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


UNGUARDED = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_text('{lake}/flows/_delta_log/00000000000000000000.json')",
    "SELECT * FROM secret_table",
    "COPY flows TO '/tmp/out.parquet'",
    "ATTACH '/tmp/out.duckdb'",
    "INSTALL httpfs",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET allowed_paths = ['/etc/passwd']",
    "RESET lock_configuration",
    "CREATE PERSISTENT SECRET (TYPE s3)",
]


@pytest.mark.parametrize("statement", UNGUARDED)
def test_the_engines_own_wall_holds_without_the_guard(statement: str, connection: sql.Connection, lake: Lake) -> None:
    """What the guard might miss, DuckDB itself refuses: files, network, Python, settings."""
    with pytest.raises(QueryError):
        connection.query(statement.replace("{lake}", lake.uri.replace("'", "''")))


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "runaway",
    [
        "SELECT count(*) FROM range(100000000000)",
        "SELECT i FROM range(100000000000) r(i) WHERE i < 0",
        "SELECT max(i) FROM range(1000000) a(i), range(1000000) b(j) WHERE i <> j",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ],
)
def test_a_runaway_query_is_stopped(runaway: str, connection: sql.Connection) -> None:
    """At the time limit the query ends with a message that names the limit, and the connection goes on."""
    started = time.monotonic()
    with pytest.raises(QueryError, match="stopped after 1 s, the time limit"):
        connection.ask(runaway)

    assert time.monotonic() - started < 5
    assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


@pytest.mark.parametrize(
    "hog",
    [
        "SELECT list(i) FROM range(1000000000) r(i)",
        "SELECT string_agg(repeat('x', 1000), '') FROM range(1000000000)",
        "SELECT i, count(*) FROM range(1000000000) r(i) GROUP BY i",
    ],
)
def test_a_memory_hog_is_stopped(hog: str, lake: Lake) -> None:
    """At the memory limit the query ends, with nothing spilled to disk, and the connection goes on."""
    with sql.connect(lake, limits=Limits(seconds=60, memory="100MB", threads=2, disk="")) as connection:
        with pytest.raises(QueryError, match="stopped at 100MB, the memory limit"):
            connection.ask(hog)

        assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


def test_a_result_larger_than_memory_is_refused(lake: Lake) -> None:
    """What leaves the engine counts too."""
    with sql.connect(lake, limits=Limits(seconds=60, memory="100MB")) as connection:
        with pytest.raises(QueryError, match="the result is larger than 100MB"):
            connection.ask("SELECT i, 'some text or other' AS t FROM range(1000000000) r(i)")

        assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


def test_work_larger_than_memory_spills_outside_the_lake(lake: Lake) -> None:
    """Where disk is allowed, what does not fit goes to a folder that is gone afterwards."""
    before = fingerprint(Path(lake.uri))
    with sql.connect(lake, limits=Limits(seconds=60, memory="64MB", threads=2)) as connection:
        biggest = "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY hash(i)) AS n FROM range(5000000) r(i))"
        assert connection.query(biggest).to_pylist() == [{"n": 5000000}]
        scratch = Path(connection._engine.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])

    assert not scratch.is_relative_to(lake.uri)
    assert not scratch.exists()
    assert fingerprint(Path(lake.uri)) == before


def test_ctrl_c_ends_a_query_at_once(connection: sql.Connection) -> None:
    """The interrupt arrives as Python's own, promptly, and the connection goes on."""
    started = time.monotonic()
    signaller = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    signaller.start()
    with pytest.raises(KeyboardInterrupt):
        connection.ask("SELECT count(*) FROM range(100000000000)")
    signaller.join()

    assert time.monotonic() - started < 0.9
    assert connection.ask(COUNT).to_pylist() == [{"n": 4}]


# --- on S3 ------------------------------------------------------------------------------------------------------------


def bucket_lake(seaweed: Seaweed) -> Lake:
    """A filled lake on a real S3 server."""
    import boto3  # noqa: PLC0415  only where S3 is there

    keys = {"aws_access_key_id": seaweed.access_key, "aws_secret_access_key": seaweed.secret_key}
    client = boto3.client("s3", endpoint_url=seaweed.endpoint, region_name=seaweed.region, **keys)
    client.create_bucket(Bucket="sql-lake")
    options = {key.upper(): value for key, value in keys.items()}
    options |= {"AWS_REGION": seaweed.region, "AWS_ENDPOINT_URL": seaweed.endpoint, "AWS_ALLOW_HTTP": "true"}
    return fill(Lake("s3://sql-lake/some prefix/lake", options))


@pytest.fixture(scope="module")
def s3_lake(seaweed: Seaweed) -> Lake:
    """One lake on S3 for all of them."""
    return bucket_lake(seaweed)


EVERYTHING = "SELECT interface_id, bytes, start_time, extra, day FROM flows ORDER BY interface_id, bytes"


def test_a_lake_on_s3_is_read_by_the_engine_itself(s3_lake: Lake, lake: Lake) -> None:
    """With the extension, S3 files are as good as local ones, and still nothing else is reachable."""
    pytest.importorskip("duckdb_extension_httpfs")
    with sql.connect(s3_lake) as remote, sql.connect(lake) as local:
        assert remote.query(EVERYTHING).equals(local.query(EVERYTHING))
        assert "READ_PARQUET" in str(remote._engine.execute(f"EXPLAIN {EVERYTHING}").fetchall())
        with pytest.raises(QueryError):
            remote.query("SELECT * FROM read_text('s3://sql-lake/some prefix/lake/flows/_delta_log/*')")


def test_the_secret_of_the_bucket_is_not_told(s3_lake: Lake) -> None:
    """No question that a person may ask shows the key."""
    with sql.connect(s3_lake) as connection:
        for question in ("SELECT * FROM duckdb_secrets()", "SELECT * FROM which_secret('s3://sql-lake/x', 's3')"):
            with pytest.raises(QueryError, match="cannot be selected from"):
                connection.ask(question)


def test_without_the_extension_arrow_reads_s3(s3_lake: Lake, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lake gives the same answers without the optional package."""
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with sql.connect(s3_lake) as remote, sql.connect(lake) as local:
        assert remote.query(EVERYTHING).equals(local.query(EVERYTHING))
        assert "ARROW_SCAN" in str(remote._engine.execute(f"EXPLAIN {EVERYTHING}").fetchall())


def test_nothing_is_left_behind(lake: Lake, tmp_path: Path) -> None:
    """A process that asks leaves no file: not where it stands, not in the folder for temporary files, none at home."""
    program = (
        "import sys; from flowaudit import sql; from flowaudit.lake import Lake\n"
        "with sql.connect(Lake(sys.argv[1])) as c: print(c.ask('SELECT count(*) AS n FROM flows').to_pylist())"
    )
    environ = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environ |= {"PYTHONPATH": str(Path(sql.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, lake.uri], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[{'n': 4}]\n"
    assert list(tmp_path.rglob("*")) == []


def test_duckdb_is_of_the_supported_line() -> None:
    """Another major version has other doors: the guard is written for this one."""
    assert duckdb.__version__.startswith("1.")


# --- views on demand --------------------------------------------------------------------------------------------------

VIEWS = {
    "top": "SELECT * FROM middle",
    "middle": "SELECT interface_id, bytes FROM bottom",
    "bottom": "SELECT * FROM flows",
    "Apart": "SELECT 1 AS one",
    'odd "name': "SELECT 2 AS two",
}


def made(connection: sql.Connection) -> set[str]:
    """The views, and the tables in their place, that the engine has."""
    listed = "SELECT view_name FROM duckdb_views() WHERE NOT internal UNION SELECT table_name FROM duckdb_tables()"
    return {name for (name,) in connection._engine.execute(listed).fetchall()} & VIEWS.keys()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("SELECT 1 AS one", set()),
        ("SELECT 'top' AS top FROM flows -- middle", set()),
        ("SELECT * FROM bottom", {"bottom"}),
        ("SELECT * FROM top", {"top", "middle", "bottom"}),
        ("SELECT * FROM flows WHERE bytes = (SELECT max(bytes) FROM MIDDLE)", {"middle", "bottom"}),
        ("SELECT * FROM main.bottom", {"bottom"}),
        ('SELECT * FROM "BOTTOM" AS flows', {"bottom"}),
        ("FROM memory.main.apart", {"Apart"}),
        ('TABLE "odd ""name"', {'odd "name'}),
        ("DESCRIBE apart", {"Apart"}),
        ("SUMMARIZE SELECT * FROM apart", {"Apart"}),
        ("UNPIVOT apart ON one", {"Apart"}),
        ("SELECT * FROM flows UNION ALL BY NAME SELECT * FROM apart", {"Apart"}),
        ("WITH bottom AS (SELECT 1) SELECT * FROM bottom", set()),
        ("WITH a AS (WITH bottom AS (SELECT 1) FROM bottom), apart AS (FROM a) FROM apart", set()),
        ("WITH a AS (FROM apart), apart AS (SELECT 2) SELECT * FROM a, apart", {"Apart"}),
        ("WITH a AS (WITH apart AS (SELECT 1) FROM apart) SELECT * FROM a, apart", {"Apart"}),
        ("WITH apart AS (SELECT 1) SELECT * FROM apart, main.apart AS there", {"Apart"}),
        ("WITH RECURSIVE top AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM top WHERE n < 3) FROM top", set()),
        ("SELECT table_name FROM information_schema.tables", VIEWS.keys()),
        ("SELECT column_name FROM Information_Schema.columns", VIEWS.keys()),
        ("SHOW TABLES", VIEWS.keys()),
    ],
)
def test_a_view_is_made_when_it_is_named(question: str, expected: set[str], lake: Lake) -> None:
    """A query has the views that it names, however it writes them, with those they use, and no others."""
    with sql.connect(lake, views=VIEWS) as connection:
        assert made(connection) == set()
        connection.ask(question)

        assert made(connection) == expected


def test_every_statement_of_ours_has_its_views(lake: Lake) -> None:
    """What is no SELECT, and so cannot be looked into, has the views that its text may mean."""
    with sql.connect(lake, views=VIEWS) as connection:
        connection.query("EXPLAIN SELECT * FROM middle")

        assert made(connection) == {"middle", "bottom"}


def test_a_view_that_is_not_made_yet_is_known(lake: Lake) -> None:
    """A name that is none is told all that there are, and a new view may use one that waits, but not take its name."""
    with sql.connect(lake, views=VIEWS) as connection:
        with pytest.raises(
            QueryError, match=r"there is no table 'tpo' .* there are .*apart.* bottom, .* middle, .* top"
        ):
            connection.ask("SELECT * FROM tpo")
        with pytest.raises(QueryError, match="there is a table or view middle already"):
            connection.define("middle", "SELECT 1")
        connection.define("new", "SELECT * FROM middle")

        assert connection.ask("SELECT count(*) AS n FROM new").to_pylist() == [{"n": 4}]
        assert made(connection) == {"middle", "bottom"}


def test_views_in_a_circle_are_an_error(lake: Lake) -> None:
    """Two views that use each other end in a message with their names, as often as they are asked for."""
    with sql.connect(lake, views={"one": "SELECT * FROM two", "two": "SELECT * FROM one"}) as connection:
        for _ in range(2):
            with pytest.raises(QueryError, match=r"the view two cannot be made: .*one does not exist"):
                connection.ask("SELECT * FROM one")


def test_a_view_may_be_computed_once(lake: Lake) -> None:
    """The rows are those of the view; the files are not looked at again."""
    views = {"few": "SELECT DISTINCT interface_id FROM flows"}
    with sql.connect(lake, views=views) as lazy, sql.connect(lake, views=views, once=["few"]) as eager:
        question = "SELECT * FROM few ORDER BY interface_id"
        assert lazy.query(question).equals(eager.query(question))
        assert "READ_PARQUET" not in str(eager._engine.execute(f"EXPLAIN {question}").fetchall())


def test_a_view_that_is_computed_once_waits_until_it_is_named(lake: Lake) -> None:
    """It is computed for the first query that needs it, maybe through another view, and kept for those after it."""
    views = {"few": "SELECT DISTINCT interface_id FROM flows", "fewer": "SELECT * FROM few LIMIT 1"}
    with sql.connect(lake, views=views, once=["few"]) as connection:
        tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'few'"
        connection.query(COUNT)
        assert connection._engine.execute(tables).fetchall() == [(0,)]
        for _ in range(2):
            assert connection.query("SELECT * FROM fewer").num_rows == 1
            assert connection._engine.execute(tables).fetchall() == [(1,)]


def test_making_a_view_has_the_limits_of_its_query(lake: Lake) -> None:
    """A view that takes too long to compute is stopped with the query, and its name is no riddle afterwards."""
    views = {"endless": "SELECT count(*) AS n FROM range(100000000000)"}
    limits = Limits(seconds=0.5, memory="200MB", threads=2, disk="")
    with sql.connect(lake, views=views, once=["endless"], limits=limits) as connection:
        for _ in range(2):
            with pytest.raises(QueryError, match=r"stopped after 0\.5 s, the time limit"):
                connection.query("SELECT * FROM endless")
        assert connection.query(COUNT).to_pylist() == [{"n": 4}]
