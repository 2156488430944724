"""Tables made in the lake as they are declared, and grown as their columns grow."""

import pyarrow as pa

from crypto_nn.store.catalogue import Connection
from crypto_nn.store.columns import joined_type
from crypto_nn.store.quoting import literal, quote
from crypto_nn.store.tables import Column, TableSpec, arrow_type, duckdb_type


def define(cursor: Connection, spec: TableSpec, schema: pa.Schema) -> None:
    """Make the stored table able to take rows of this schema: create, add columns, widen types.

    Raises:
        LakeError: a stored column cannot hold what comes; the message names it.
    """
    extra = tuple(_column(field) for field in schema if field.name not in spec.by_name)
    stored = _stored_columns(cursor, spec.name)
    if not stored:
        _create(cursor, spec, extra)
        return
    for column in (*spec.columns, *extra):
        if column.name not in stored:
            _add(cursor, spec.name, column)
        else:
            _widen(cursor, spec.name, column, stored[column.name])


def _column(field: pa.Field) -> Column:
    comment = (field.metadata or {}).get(b"comment", b"").decode()
    return Column(field.name, str(duckdb_type(field.type)), comment)


def _stored_columns(cursor: Connection, name: str) -> dict[str, pa.DataType]:
    rows = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'main' AND table_name = ?"
        " ORDER BY column_index",
        [name],
    ).fetchall()
    return {column: arrow_type(type_) for column, type_ in rows}


def _create(cursor: Connection, spec: TableSpec, extra: tuple[Column, ...]) -> None:
    table = f"lake.main.{quote(spec.name)}"
    columns = (*spec.columns, *extra)
    listed = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
    cursor.execute(f"CREATE TABLE {table} ({listed})")
    if spec.partition_by:
        keys = ", ".join(map(quote, spec.partition_by))
        cursor.execute(f"ALTER TABLE {table} SET PARTITIONED BY ({keys})")
    cursor.execute(f"COMMENT ON TABLE {table} IS {literal(spec.comment)}")
    for column in columns:
        _comment(cursor, spec.name, column)


def _add(cursor: Connection, table: str, column: Column) -> None:
    name = f"lake.main.{quote(table)}"
    cursor.execute(f"ALTER TABLE {name} ADD COLUMN {quote(column.name)} {column.type}")
    _comment(cursor, table, column)


def _comment(cursor: Connection, table: str, column: Column) -> None:
    if column.comment:
        target = f"lake.main.{quote(table)}.{quote(column.name)}"
        cursor.execute(f"COMMENT ON COLUMN {target} IS {literal(column.comment)}")


def _widen(cursor: Connection, table: str, column: Column, stored: pa.DataType) -> None:
    joined = joined_type(stored, column.arrow, f"{table}: column {column.name}")
    if joined != stored:
        cursor.execute(
            f"ALTER TABLE lake.main.{quote(table)} "
            f"ALTER COLUMN {quote(column.name)} SET DATA TYPE {duckdb_type(joined)}"
        )
