"""A user's query reads tables and computes, and can do nothing else."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.errors import QueryError
from crypto_nn.store import Lake, RawStore, attach_script, query
from crypto_nn.store.extensions import _in_wheel
from crypto_nn.store.sql import _read_only
from crypto_nn_tests.store.workers import JANUARY, PARTITION, feature_rows, some_bars

DO_MORE_THAN_READ = """
COPY features TO 'stolen.csv'
COPY (SELECT 1) TO 'stolen.csv'
COPY features FROM 'stolen.csv'
EXPORT DATABASE 'stolen'
IMPORT DATABASE 'stolen'
ATTACH 'x.db'
ATTACH 'ducklake:sqlite:{catalogue}' AS rw
ATTACH '{catalogue}' AS rw (TYPE sqlite)
ATTACH IF NOT EXISTS 'postgres:host=127.0.0.1' AS pg
DETACH lake
USE memory
CALL ducklake_expire_snapshots('lake', versions => [1])
CALL lake.snapshots()
CALL sqlite_attach('{catalogue}')
PRAGMA database_list
PRAGMA version
SET enable_external_access = true
SET GLOBAL TimeZone = 'Asia/Tokyo'
RESET TimeZone
SET VARIABLE x = 1
DELETE FROM features
TRUNCATE features
INSERT INTO features SELECT * FROM features
UPDATE features SET f0 = 0
MERGE INTO features USING features AS n ON false WHEN NOT MATCHED THEN INSERT
DROP TABLE features
ALTER TABLE features ADD COLUMN x INT
CREATE TABLE x AS SELECT 1
CREATE TEMP TABLE x AS SELECT 1
CREATE VIEW x AS SELECT 1
CREATE MACRO x() AS TABLE FROM read_csv('/etc/passwd')
CREATE FUNCTION x() AS 1
CREATE SECRET (TYPE s3)
CREATE SEQUENCE x
COMMENT ON TABLE features IS 'x'
INSTALL httpfs
LOAD sqlite_scanner
UPDATE EXTENSIONS
BEGIN
COMMIT
ROLLBACK
CHECKPOINT
VACUUM
ANALYZE
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
EXPLAIN DELETE FROM features
EXPLAIN ANALYZE DELETE FROM features
EXPLAIN ANALYZE COPY features TO 'stolen.csv'
EXPLAIN /* SELECT */ DELETE FROM features
EXPLAIN/**/ANALYZE/**/DELETE FROM features
EXPLAIN (ANALYZE) DELETE FROM features
EXPLAIN (FORMAT JSON) DELETE FROM features
EXPLAIN CREATE TABLE x AS SELECT 1
EXPLAIN ATTACH 'x.db'
EXPLAIN EXPLAIN SELECT 1
/* SELECT */ DELETE FROM features
-- SELECT
SELECT 1; SELECT 2
SELECT 1; DELETE FROM features
SELECT 1; ; DELETE FROM features;
EXPLAIN SELECT 1; DELETE FROM features
WITH gone AS (DELETE FROM features RETURNING *) SELECT * FROM gone
WITH x AS (SELECT 1) DELETE FROM features
WITH x AS (SELECT 1) INSERT INTO features SELECT * FROM x
SELECT * INTO x FROM features
PIVOT features ON symbol USING sum(f0)
FROM (PIVOT features ON symbol USING sum(f0))
;
SELEKT 1
"""
REACH_BEYOND_THE_LAKE = """
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv_auto('/etc/passwd')
SELECT * FROM READ_TEXT('/etc/passwd')
SELECT * FROM "read_text"('/etc/passwd')
SELECT * FROM main.read_text('/etc/passwd')
SELECT * FROM system.main.read_blob('/etc/passwd')
SELECT * FROM read_blob('{catalogue}')
SELECT * FROM read_parquet('{data}/main/features/*/*/*.parquet')
SELECT * FROM parquet_scan('{data}/**/*.parquet')
SELECT * FROM parquet_metadata('x.parquet')
SELECT * FROM parquet_kv_metadata('x.parquet')
SELECT * FROM read_json('/etc/passwd')
SELECT * FROM read_json_auto('/etc/passwd')
SELECT * FROM read_ndjson_objects('/etc/passwd')
SELECT * FROM read_duckdb('x.db')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM glob('/etc/*')
SELECT * FROM '/etc/passwd'
FROM '/etc/passwd.csv'
FROM 'x.parquet'
SELECT * FROM "{catalogue}"
SELECT * FROM 'https://example.com/x.csv'
SELECT * FROM 's3://bucket/x.parquet'
DESCRIBE '/etc/passwd.csv'
SUMMARIZE 'x.parquet'
EXPLAIN SELECT * FROM '/etc/passwd.csv'
EXPLAIN ANALYZE SELECT * FROM read_csv('/etc/passwd')
SELECT (SELECT content FROM read_text('/etc/passwd'))
SELECT * FROM features WHERE f0 IN (SELECT 1 FROM glob('*'))
SELECT * FROM features ORDER BY (SELECT 1 FROM glob('*'))
WITH x AS (FROM read_csv('/etc/passwd')) FROM x
WITH x AS MATERIALIZED (FROM read_csv('/etc/passwd')) SELECT 1
WITH RECURSIVE x AS (SELECT 1 UNION ALL FROM glob('*')) FROM x
WITH "x.csv" AS (SELECT 1) SELECT * FROM "x.csv"
WITH a AS (WITH hidden AS (SELECT 1) FROM hidden) SELECT * FROM main.hidden
SELECT * FROM features, LATERAL (FROM read_text('/etc/passwd'))
SELECT * FROM features JOIN read_text('/etc/passwd') ON true
SELECT * FROM features UNION ALL BY NAME FROM read_text('/etc/passwd')
SELECT 1 LIMIT (SELECT 1 FROM read_text('/etc/passwd'))
SELECT sum(f0) OVER (ORDER BY (SELECT 1 FROM glob('*'))) FROM features
SELECT f0 FROM features QUALIFY (SELECT true FROM glob('*'))
SELECT f0 FROM features GROUP BY ALL HAVING (SELECT true FROM glob('*'))
SELECT * FROM features AT (VERSION => (SELECT 1 FROM glob('*')))
SELECT list_transform([1], lambda x: (SELECT 1 FROM glob('*')))
VALUES ((SELECT 1 FROM glob('*')))
PIVOT (FROM read_csv('/etc/passwd')) ON x IN (1) USING sum(y)
UNPIVOT (FROM read_csv('/etc/passwd')) ON x
SELECT * FROM sqlite_scan('{catalogue}', 'ducklake_snapshot')
SELECT * FROM sqlite_query('{catalogue}', 'DELETE FROM ducklake_table')
SELECT * FROM sqlite_attach('{catalogue}')
SELECT * FROM postgres_query('x', 'DELETE FROM x')
SELECT * FROM postgres_scan('host=x', 'public', 'x')
SELECT * FROM postgres_attach('host=x')
SELECT * FROM postgres_execute('x', 'DELETE FROM x')
SELECT * FROM ducklake_expire_snapshots('lake', versions => [1])
SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
SELECT * FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)
SELECT * FROM ducklake_merge_adjacent_files('lake')
SELECT * FROM ducklake_add_data_files('lake', 'features', '/etc/passwd')
SELECT * FROM ducklake_set_option('lake', 'data_path', '/')
SELECT * FROM ducklake_flush_inlined_data('lake')
SELECT * FROM ducklake_list_files('lake', 'features')
SELECT * FROM lake.merge_adjacent_files()
SELECT * FROM lake.snapshots()
SELECT * FROM query('DELETE FROM features')
SELECT * FROM query_table('/etc/passwd.csv')
SELECT * FROM query_table(['features'])
SELECT * FROM json_execute_serialized_sql('x')
SELECT * FROM checkpoint()
SELECT * FROM force_checkpoint()
SELECT * FROM enable_logging(storage => 'file', storage_path => 'x')
SELECT * FROM enable_profiling()
SELECT * FROM duckdb_secrets()
SELECT * FROM which_secret('x', 's3')
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_databases()
SELECT * FROM duckdb_extensions()
SELECT * FROM duckdb_logs()
SELECT * FROM duckdb_external_file_cache()
SELECT * FROM pragma_database_size()
SELECT * FROM pragma_table_info('/etc/passwd.csv')
SELECT * FROM histogram('x.csv', y)
SELECT * FROM histogram_values('x.csv', y)
SELECT * FROM python_map_function()
SELECT * FROM pandas_scan(0)
SELECT * FROM arrow_scan(0, 0, 0)
SELECT * FROM seq_scan('features')
SELECT * FROM test_all_types()
SELECT * FROM __ducklake_metadata_lake.ducklake_snapshot
SELECT * FROM __ducklake_metadata_lake.main.ducklake_data_file
SELECT * FROM sqlite_master
SELECT * FROM duckdb_settings
SELECT * FROM pg_catalog.pg_settings
SELECT * FROM information_schema.character_sets
SELECT * FROM memory.main.features
SELECT * FROM other.features
SELECT * FROM frame
SHOW DATABASES
SHOW VARIABLES
SELECT getenv('HOME')
SELECT current_setting('temp_directory')
SELECT getvariable('x')
SELECT nextval('x')
SELECT setseed(0.5)
SELECT write_log('x')
SELECT sleep_ms(10)
SELECT pg_sleep(1)
SELECT json_serialize_plan('SELECT * FROM read_csv(''/etc/passwd'')')
SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
SELECT read_text('/etc/passwd')
SELECT sqlite_query('x', 'y')
SELECT f0.glob() FROM features
SELECT no_such_function(1)
SELECT ?
SELECT $name
SELECT * FROM features AT (VERSION => 999999)
SELECT no_such_column FROM features
"""
ONLY_READ = """
SELECT count(*) FROM features
select * from FEATURES limit 1;
FROM lake.main.features LIMIT 1
FROM main.features LIMIT 1
TABLE features
VALUES (1), (2)
SELECT * FROM features AT (VERSION => {version}) LIMIT 1
SELECT * EXCLUDE (f0), max(COLUMNS('f[12]')) OVER () FROM features LIMIT 1
SELECT month, avg(f0) AS a FROM features GROUP BY ALL HAVING a > 0 ORDER BY ALL
SELECT ts, f0 - lag(f0) OVER w AS d FROM features WINDOW w AS (ORDER BY ts) QUALIFY d IS NULL
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n
WITH a AS (FROM features), b AS (FROM a) SELECT count(*) FROM b
SELECT * FROM features AS f ASOF JOIN raw_bars AS r ON f.ts >= r.ts LIMIT 1
SELECT * FROM range(3) AS t(i), LATERAL (SELECT i + 1), unnest([1, 2])
PIVOT features ON month IN ('2024-01') USING sum(f0) GROUP BY symbol
UNPIVOT (SELECT ts, f0, f1 FROM features) ON f0, f1
SELECT date_trunc('hour', ts), ts + INTERVAL 1 DAY, epoch(ts), strftime(ts, '%Y') FROM features
SELECT list_transform([1, 2], lambda x: x + 1), {{'a': 1}}.a, [1, 2][1], 'a' LIKE '%b', 1::DOUBLE
SELECT CASE WHEN f0 BETWEEN 0 AND 1 THEN 'in' ELSE upper('out') END FROM features
SELECT quantile_cont(f0, 0.5), count(*) FILTER (f0 > 0), corr(f0, f1), arg_max(ts, f0) FROM features
SELECT count(*) FROM features TABLESAMPLE 10 ROWS
SELECT 'a;b -- c' AS text, $$DELETE$$ AS more
EXPLAIN SELECT * FROM features
explain analyze SELECT count(*) FROM features
EXPLAIN (FORMAT JSON) SELECT 1
/* note */ EXPLAIN -- note
SELECT 1
DESCRIBE features
DESCRIBE SELECT f0 FROM features
SUMMARIZE SELECT f0 FROM features
SHOW TABLES
SHOW ALL TABLES
SHOW features
FROM lake_tables
FROM lake_snapshots
FROM raw_bars
SELECT * FROM information_schema.columns
SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'features'
"""
# Statements of several lines, as one of the list above; a line is a statement otherwise.
JOINED = ("/* note */ EXPLAIN -- note\nSELECT 1", "-- SELECT\nSELECT 1; SELECT 2")


def _statements(text: str) -> list[str]:
    for joined in JOINED:
        text = text.replace(joined, joined.replace("\n", "⏎"))
    return [line.replace("⏎", "\n") for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    root = tmp_path_factory.mktemp("sql")
    made = Lake(root / "lake")
    made.replace({"features": feature_rows(20, 1.0, columns=3)}, PARTITION)
    RawStore(root / "raw").append("files", "BTC-USDT", "2024-01", some_bars(7), JANUARY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def raw(lake: Lake) -> Path:
    return lake.root.parent / "raw"


@pytest.fixture(scope="module")
def names(lake: Lake) -> dict[str, object]:
    catalogue = lake.root / "catalog.sqlite"
    return {"catalogue": catalogue, "data": lake.catalogue.data, "version": lake.snapshot()}


def test_a_query_answers_what_the_lake_holds(lake: Lake, raw: Path) -> None:
    sql = "SELECT symbol, count(*) AS n, min(ts) AS first, avg(f0) AS mean FROM features GROUP BY 1"
    assert query(lake, raw, sql).to_pylist() == [
        {"symbol": "BTC-USDT", "n": 20, "first": JANUARY.item(), "mean": 1.0}
    ]
    assert query(lake, raw, "SELECT count(*) AS n, sum(close) AS s FROM raw_bars").to_pylist() == [
        {"n": 7, "s": 700.0}
    ]


def test_all_that_only_reads_is_answered(
    lake: Lake, raw: Path, names: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _read_only(lake, raw) as connection:
        for sql in _statements(ONLY_READ):
            _answer_on(connection, monkeypatch)
            assert query(lake, raw, sql.format(**names)).num_columns > 0


def _answer_on(connection: duckdb.DuckDBPyConnection, patch: pytest.MonkeyPatch) -> None:
    """Use one locked connection for many queries: opening one takes a third of a second."""

    class Kept:
        def __enter__(self) -> duckdb.DuckDBPyConnection:
            return connection

        def __exit__(self, *_: object) -> None: ...

    patch.setattr("crypto_nn.store.sql._read_only", lambda *_: Kept())


@pytest.mark.parametrize("text", [DO_MORE_THAN_READ, REACH_BEYOND_THE_LAKE], ids=["do", "reach"])
def test_all_that_does_more_is_refused_and_leaves_no_trace(
    text: str,
    lake: Lake,
    raw: Path,
    names: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """H8, H9: each statement of the list, by itself and in disguises."""
    monkeypatch.chdir(tmp_path)
    frame = pa.table({"secret": [1]})  # DuckDB would find a local variable by its name
    before, answered = _fingerprint(lake), []
    with _read_only(lake, raw) as connection:
        _answer_on(connection, monkeypatch)
        for statement, disguise in itertools.product(
            _statements(text), ("{}", "-- SELECT 1\n /* EXPLAIN */ {} ;")
        ):
            sql = disguise.format(statement.format(**names))
            try:
                answered.append((sql, query(lake, raw, sql)))
            except QueryError:
                continue
    assert answered == []
    assert frame.num_rows == 1
    assert _fingerprint(lake) == before
    assert list(tmp_path.iterdir()) == []


def _fingerprint(lake: Lake) -> object:
    files = sorted((path, path.stat().st_size) for path in lake.catalogue.data.rglob("*"))
    return files, lake.snapshot(), lake.tables(), lake.read("features").to_pylist()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM features", "DELETE is refused: it does more than read. Allowed is exactly"),
        ("COPY features TO 'x'", "COPY is refused"),
        ("SELECT 1; SELECT 2", "Found 2 statements"),
        ("", "Found no statement"),
        ("SELECT * FROM read_csv('x')", "table function read_csv is refused"),
        ("SELECT * FROM 'x.csv'", "no table x.csv to select from; there are: bars_now, feat"),
        ("SELECT current_setting('x')", "function current_setting is refused"),
        ("PIVOT features ON symbol USING sum(f0)", "a PIVOT needs its values"),
        ("SELECT nothing FROM features", "cannot be answered: .*nothing"),
        ("SELECT 1\0", "NUL"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_allowed(
    sql: str, said: str, lake: Lake, raw: Path
) -> None:
    with pytest.raises(QueryError, match=said):
        query(lake, raw, sql)


def test_a_query_nested_without_end_is_refused(lake: Lake, raw: Path) -> None:
    for sql in ("SELECT " + "NOT " * 1000 + "true", "SELECT (" * 400 + "SELECT 1" + ")" * 400):
        with pytest.raises(QueryError):
            query(lake, raw, sql)


BEHIND_THE_GUARD = """
COPY features TO 'stolen.csv'
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM '/etc/passwd'
SELECT * FROM glob('/etc/*')
SET enable_external_access = true
SET lock_configuration = false
ATTACH 'x.db'
INSTALL httpfs
LOAD httpfs
DELETE FROM features
INSERT INTO features SELECT * FROM features
CREATE TABLE x AS SELECT 1
CALL ducklake_expire_snapshots('lake', versions => [0])
"""


def test_behind_the_guard_the_connection_is_locked_as_well(
    lake: Lake, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H9: the second wall, for what the first should ever let through."""
    monkeypatch.chdir(tmp_path)
    with _read_only(lake, raw) as connection:
        for sql in _statements(BEHIND_THE_GUARD):
            with pytest.raises(duckdb.Error):
                connection.execute(sql).fetchall()
        assert connection.execute("SELECT count(*) FROM features").fetchall() == [(20,)]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_lake_and_an_empty_raw_store_can_be_queried(tmp_path: Path) -> None:
    lake, raw = Lake(tmp_path / "lake"), tmp_path / "raw"
    assert query(lake, raw, "FROM lake_tables").num_rows == 0
    empty = query(lake, raw, "FROM raw_bars")
    RawStore(raw).append("files", "BTC-USDT", "2024-01", some_bars(2), JANUARY)
    assert query(lake, raw, "FROM raw_bars").schema == empty.schema
    with pytest.raises(QueryError, match="no table features"):
        query(lake, raw, "FROM features")
    lake.close()


def test_the_attach_script_runs_in_a_plain_duckdb_and_only_reads(
    lake: Lake, tmp_path: Path
) -> None:
    connection = duckdb.connect(config={"extension_directory": str(tmp_path)})
    for name in ("ducklake", "sqlite_scanner"):  # as once installed from the network
        if (wheel := _in_wheel(name)) is None:
            pytest.skip(f"no wheel duckdb-extension-{name} for this platform")
        connection.execute(f"INSTALL '{wheel}'")
    script = attach_script(lake)
    connection.execute(script)
    assert connection.execute("SELECT count(*) FROM features").fetchall() == [(20,)]
    assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    with pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM features")
    connection.close()
    assert "1.5.x" in script
    assert "without a network" in script


def test_a_query_runs_beside_an_open_write_transaction(lake: Lake, raw: Path) -> None:
    """It neither waits for the lock nor sees what is not committed."""

    def work(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, int]]:
        cursor.execute("DELETE FROM lake.main.features")
        answer = query(lake, raw, "SELECT count(*) AS n FROM features").to_pylist()
        cursor.execute("ROLLBACK")
        cursor.execute("BEGIN")
        return answer

    assert lake.catalogue.write(work)[0] == [{"n": 20}]
    assert np.all(lake.read("features")["f0"].to_numpy() == 1.0)
