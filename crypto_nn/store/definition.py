"""Tables made in the lake as they are declared, grown and told anew as their columns change."""

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from crypto_nn.store.catalogue import Connection
from crypto_nn.store.columns import joined_type
from crypto_nn.store.quoting import literal, quote
from crypto_nn.store.tables import Column, TableSpec, duckdb_type


def define(
    cursor: Connection,
    spec: TableSpec,
    schema: pa.Schema,
    stored: Mapping[str, Column] | None = None,
) -> None:
    """Make the stored table able to take rows of this schema: create, add columns, widen types.

    A column whose comment says something else by now is told anew.

    Args:
        stored: the columns that the table has, where the caller knows: see `stored_columns`.

    Raises:
        LakeError: a stored column cannot hold what comes; the message names it.
    """
    extra = tuple(_column(field) for field in schema if field.name not in spec.by_name)
    stored = stored_columns(cursor, [spec.name])[spec.name] if stored is None else stored
    if not stored:
        _create(cursor, spec, extra)
        return
    for column in (*spec.columns, *extra):
        if column.name not in stored:
            _add(cursor, spec.name, column)
        else:
            _widen(cursor, spec.name, column, stored[column.name])
            if column.comment != stored[column.name].comment:
                _comment(cursor, spec.name, column)


def keep_inline(cursor: Connection, spec: TableSpec) -> None:
    """Let appends of up to `spec.inline_rows` rows to a stored table lie in the catalogue.

    DuckLake refuses such a setting in the transaction that makes the table.
    """
    cursor.execute(
        f"CALL lake.set_option('data_inlining_row_limit', {spec.inline_rows},"
        f" table_name => {literal(spec.name)})"
    )


def _column(field: pa.Field) -> Column:
    comment = (field.metadata or {}).get(b"comment", b"").decode()
    return Column(field.name, str(duckdb_type(field.type)), comment)


def stored_columns(cursor: Connection, names: Sequence[str]) -> dict[str, dict[str, Column]]:
    """The columns of these tables in order; none of a table that is not there."""
    rows = cursor.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'main' AND list_contains(?, table_name)"
        " ORDER BY table_name, column_index",
        [list(names)],
    ).fetchall()
    found: dict[str, dict[str, Column]] = {name: {} for name in names}
    for table, column, type_, comment in rows:
        found[table][column] = Column(column, type_, comment or "")
    return found


def drop_columns(cursor: Connection, table: str, columns: Collection[str]) -> None:
    """Take columns out of a table with all that they hold; older snapshots keep them."""
    for column in columns:
        cursor.execute(f"ALTER TABLE lake.main.{quote(table)} DROP COLUMN {quote(column)}")


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


def _widen(cursor: Connection, table: str, column: Column, stored: Column) -> None:
    joined = joined_type(stored.arrow, column.arrow, f"{table}: column {column.name}")
    if joined != stored.arrow:
        cursor.execute(
            f"ALTER TABLE lake.main.{quote(table)} "
            f"ALTER COLUMN {quote(column.name)} SET DATA TYPE {duckdb_type(joined)}"
        )
