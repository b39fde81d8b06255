"""The lake's tables as views of an engine, and the wall around them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.schema import TABLES

EXTENSION = "duckdb_extension_httpfs"
"""The package that brings the reader for `s3://`; installed with `flowaudit[s3]`."""


def attach(
    engine: duckdb.DuckDBPyConnection, lake: Lake | None, tables: Collection[str], window: Window | None
) -> list[str]:
    """Make a view of each table over its newest snapshot; return the files that the engine itself must read."""
    direct = lake is not None and (lake.is_local or _reads_s3(engine, lake))
    read: list[str] = []
    for table in tables:
        files = lake.files(table, window) if lake else []
        if lake is None or not files:
            # A table of the engine's own: joins may push a Bloom filter into a scan, and Arrow's cannot take one.
            engine.register("empty", TABLES[table].schema.empty_table())
            engine.execute(f"CREATE TABLE {name(table)} AS SELECT * FROM empty")
            engine.unregister("empty")
        elif direct:
            engine.execute(_over_files(table, files))
            read += files
        else:
            engine.register(table, lake.dataset(table, window))
    return read


def lock(engine: duckdb.DuckDBPyConnection, files: Collection[str]) -> None:
    """Shut out everything but `files`, for good. The order matters to DuckDB."""
    engine.execute(f"SET allowed_paths = {_list(files)}")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")


def name(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def _over_files(table: str, files: Collection[str]) -> str:
    """Return the statement that makes the view.

    The day is read from the file's own folder. DuckDB's hive_partitioning would also take every other `key=value`
    folder on the way there for a column, and a lake below `region=eu/` would tell that region of every record.
    """
    day = "TRY_CAST(regexp_extract(filename, '.*/day=([^/]*)/', 1) AS DATE) AS day"
    partitioned = "day" in TABLES[table].partition_by
    columns = [day if column == "day" and partitioned else name(column) for column in TABLES[table].schema.names]
    options = f"filename = {str(partitioned).lower()}, hive_partitioning = false, union_by_name = false"
    return f"CREATE VIEW {name(table)} AS SELECT {', '.join(columns)} FROM read_parquet({_list(files)}, {options})"


def _reads_s3(engine: duckdb.DuckDBPyConnection, lake: Lake) -> bool:
    """Teach the engine to read the lake's bucket; False where the extension or a key is missing, or does not work."""
    options = {key.upper(): value for key, value in lake.storage_options.items()}
    if "AWS_ACCESS_KEY_ID" not in options:
        return False
    try:
        package = Path(str(import_module(EXTENSION).__file__)).parent
        extension = package / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
        engine.execute(f"LOAD {_text(str(extension))}")
        engine.execute(f"CREATE SECRET lake (TYPE s3, SCOPE {_text(lake.uri)}{_secret(options)})")
        if files := lake.files("flows"):
            engine.execute(f"SELECT 1 FROM read_parquet({_text(files[0])}) LIMIT 0")
    except (ImportError, duckdb.Error):
        return False
    return True


def _secret(options: Mapping[str, str]) -> str:
    """Return the options of a secret, each with a comma before it, from object_store's."""
    names = {
        "AWS_ACCESS_KEY_ID": "KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "AWS_SESSION_TOKEN": "SESSION_TOKEN",
        "AWS_REGION": "REGION",
    }
    secret = {name: options[key] for key, name in names.items() if options.get(key)}
    if url := options.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(url)
        secret |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path", "USE_SSL": str(parts.scheme == "https").lower()}
    return "".join(f", {name} {_text(value)}" for name, value in secret.items())


def _list(values: Collection[str]) -> str:
    return f"[{', '.join(map(_text, values))}]" if values else "[]::VARCHAR[]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
