"""Questions to the lake in SQL: read-only by construction, at any time, beside any writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from crypto_nn.errors import QueryError
from crypto_nn.store.catalogue import Connection
from crypto_nn.store.guard import INFORMATION, SafeQuery, TableName, check_query
from crypto_nn.store.lake import Lake
from crypto_nn.store.live import bars_now
from crypto_nn.store.quoting import literal, quote
from crypto_nn.store.raw import RAW_SCHEMA
from crypto_nn.store.tables import duckdb_type

VIEWS = ("bars_now", "lake_snapshots", "lake_tables", "raw_bars")


def query(lake: Lake, raw_root: Path, sql: str) -> pa.Table:
    """The answer to one SELECT, EXPLAIN, DESCRIBE, SUMMARIZE or SHOW TABLES.

    Tables are named as in the lake (`features`, or `features AT (VERSION => 7)` for an older
    snapshot). Beside them: `bars_now` (`bars` with what came in live since), `raw_bars` (every
    row that ever came in), `lake_tables` (what there is) and `lake_snapshots`. Times are UTC.

    Raises:
        QueryError: the statement does more than read, or cannot be answered; it says why.
    """
    safe = check_query(sql)
    if not lake.catalogue.data.is_dir():
        lake.snapshot()  # makes an empty lake
    with _read_only(lake, raw_root.expanduser().resolve()) as connection:
        _check_tables(safe, connection)
        try:
            return connection.execute(safe.sql).to_arrow_table()
        except (duckdb.Error, RuntimeError) as error:
            raise QueryError(f"The query cannot be answered: {error}") from None


@contextmanager
def _read_only(lake: Lake, raw_root: Path) -> Iterator[Connection]:
    connection = lake.catalogue.connect(read_only=True)
    try:
        _make_views(connection, raw_root)
        allowed = ", ".join(literal(f"{folder}/") for folder in (lake.catalogue.data, raw_root))
        for statement in (
            "USE lake",
            f"SET allowed_directories = [{allowed}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            connection.execute(statement)
        yield connection
    finally:
        connection.close()


def _make_views(connection: Connection, raw_root: Path) -> None:
    files = raw_root / "*" / "*" / "*.parquet"
    columns = ", ".join(f"{quote(field.name)}" for field in RAW_SCHEMA)
    empty = ", ".join(
        f"NULL::{duckdb_type(field.type)} AS {quote(field.name)}" for field in RAW_SCHEMA
    )
    raw = f"SELECT {empty} WHERE false"
    if next(raw_root.glob("*/*/*.parquet"), None) is not None:
        parquet = f"read_parquet({literal(str(files))}, hive_partitioning = false)"
        raw = f"SELECT {columns} FROM {parquet}"
    connection.execute(f"CREATE TEMP VIEW raw_bars AS {raw}")
    stored = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
    ).fetchall()
    connection.execute(f"CREATE TEMP VIEW bars_now AS {bars_now({row[0] for row in stored})}")
    connection.execute(
        "CREATE TEMP VIEW lake_tables AS SELECT table_name, column_count, comment"
        " FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY table_name"
    )
    connection.execute(
        "CREATE TEMP VIEW lake_snapshots AS SELECT snapshot_id, snapshot_time, changes"
        " FROM ducklake_snapshots('lake') ORDER BY snapshot_id"
    )


def _check_tables(safe: SafeQuery, connection: Connection) -> None:
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' UNION "
        "SELECT view_name FROM duckdb_views() WHERE database_name = 'lake' AND NOT internal"
    ).fetchall()
    known = sorted({row[0] for row in found} | set(VIEWS))
    for table in safe.tables:
        if not _is_known(table, known):
            raise QueryError(
                f"There is no table {table} to select from; there are: {', '.join(known)}. "
                "Files, other databases and system tables are refused."
            )


def _is_known(table: TableName, known: list[str]) -> bool:
    catalog, schema = table.catalog.lower(), table.schema.lower()
    if schema == "information_schema":
        return catalog in ("", "lake") and table.name.lower() in INFORMATION
    if catalog not in ("", "lake") or schema not in ("", "main", "lake"):
        return False
    return table.name.lower() in {name.lower() for name in known}


def attach_script(lake: Lake) -> str:
    """The lines that attach the lake, for reading only, in any DuckDB 1.5."""
    scanner = "sqlite" if lake.catalogue.uri.startswith("sqlite:") else "postgres"
    now = " ".join(bars_now(lake.tables(), "crypto_nn").split())
    return f"""\
-- Attaches the tables for reading. Works in DuckDB 1.5.x (CLI, Python, any client); other
-- versions may refuse the catalogue. INSTALL downloads the two extensions once; without a network
-- it says "Failed to download extension": install them from PyPI into Python instead
-- (pip install duckdb=={duckdb.__version__} duckdb-extension-ducklake=={duckdb.__version__} \
duckdb-extension-{scanner}-scanner=={duckdb.__version__})
-- and use `crypto-nn sql`, or copy ~/.duckdb/extensions from a machine that has them.
INSTALL ducklake;
INSTALL {scanner};
LOAD ducklake;
LOAD {scanner};
SET TimeZone = 'UTC';
{lake.catalogue.attach_sql("crypto_nn", read_only=True)};
USE crypto_nn;
CREATE TEMP VIEW bars_now AS {now};
-- SELECT * FROM features LIMIT 5;
"""
