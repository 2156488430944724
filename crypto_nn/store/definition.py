"""Tables made in the lake as they are declared, and grown as their columns grow."""

import pyarrow as pa

from crypto_nn.store.catalogue import Connection
from crypto_nn.store.columns import joined_type
from crypto_nn.store.quoting import literal, quote
from crypto_nn.store.tables import TableSpec, arrow_type, duckdb_type


def define(cursor: Connection, spec: TableSpec, schema: pa.Schema) -> None:
    """Make the stored table able to take rows of this schema: create, add columns, widen types.

    Raises:
        LakeError: a stored column cannot hold what comes; the message names it.
    """
    stored = _stored_columns(cursor, spec.name)
    if not stored:
        _create(cursor, spec)
        stored = {column.name: column.arrow for column in spec.columns}
    for declared in spec.columns:
        if declared.name not in stored:
            _add(cursor, spec.name, declared.name, declared.type, declared.comment)
        elif stored[declared.name] != declared.arrow:
            _widen(cursor, spec.name, declared.name, stored[declared.name], declared.arrow)
    for field in schema:
        if field.name in spec.by_name:
            continue
        if field.name in stored:
            _widen(cursor, spec.name, field.name, stored[field.name], field.type)
        else:
            comment = (field.metadata or {}).get(b"comment", b"").decode()
            _add(cursor, spec.name, field.name, str(duckdb_type(field.type)), comment)


def _stored_columns(cursor: Connection, name: str) -> dict[str, pa.DataType]:
    rows = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'main' AND table_name = ?"
        " ORDER BY column_index",
        [name],
    ).fetchall()
    return {column: arrow_type(type_) for column, type_ in rows}


def _create(cursor: Connection, spec: TableSpec) -> None:
    table = f"lake.main.{quote(spec.name)}"
    listed = ", ".join(f"{quote(column.name)} {column.type}" for column in spec.columns)
    cursor.execute(f"CREATE TABLE {table} ({listed})")
    if spec.partition_by:
        keys = ", ".join(map(quote, spec.partition_by))
        cursor.execute(f"ALTER TABLE {table} SET PARTITIONED BY ({keys})")
    cursor.execute(f"COMMENT ON TABLE {table} IS {literal(spec.comment)}")
    for column in spec.columns:
        _comment(cursor, spec.name, column.name, column.comment)


def _add(cursor: Connection, table: str, column: str, type_: str, comment: str) -> None:
    cursor.execute(f"ALTER TABLE lake.main.{quote(table)} ADD COLUMN {quote(column)} {type_}")
    if comment:
        _comment(cursor, table, column, comment)


def _comment(cursor: Connection, table: str, column: str, comment: str) -> None:
    target = f"lake.main.{quote(table)}.{quote(column)}"
    cursor.execute(f"COMMENT ON COLUMN {target} IS {literal(comment)}")


def _widen(
    cursor: Connection, table: str, column: str, stored: pa.DataType, due: pa.DataType
) -> None:
    joined = joined_type(stored, due, f"{table}: column {column}")
    if joined != stored:
        cursor.execute(
            f"ALTER TABLE lake.main.{quote(table)} "
            f"ALTER COLUMN {quote(column)} SET DATA TYPE {duckdb_type(joined)}"
        )
