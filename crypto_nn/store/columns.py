"""Rows made to fit a table: explicit types, named columns, no silent loss."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crypto_nn.errors import LakeError
from crypto_nn.store.tables import TableSpec, duckdb_type

_WIDER: Mapping[pa.DataType, tuple[pa.DataType, ...]] = {
    pa.int8(): (pa.int16(), pa.int32(), pa.int64(), pa.float64()),
    pa.int16(): (pa.int32(), pa.int64(), pa.float64()),
    pa.int32(): (pa.int64(), pa.float64()),
    pa.float32(): (pa.float64(),),
}
_KINDS = (
    (pa.types.is_string, (pa.types.is_large_string, pa.types.is_string_view)),
    (pa.types.is_floating, (pa.types.is_floating, pa.types.is_integer)),
    (pa.types.is_integer, (pa.types.is_integer,)),
)


def fit(table: pa.Table, spec: TableSpec, partition: Mapping[str, str]) -> pa.Table:
    """The rows with the declared types and order, partition columns filled in and checked.

    Raises:
        LakeError: a column is unknown, cannot become the declared type, or lies outside the
            partition; the message names it.
    """
    columns = {**dict(zip(table.column_names, table.columns))}
    if len(columns) != table.num_columns:
        raise LakeError(f"{spec.name}: two columns have the same name: {table.column_names}.")
    for name, value in partition.items():
        _check_key(spec, name, value)
        if name not in columns:
            columns[name] = pa.chunked_array([pa.repeat(value, table.num_rows)])
        _check_inside(spec.name, name, columns[name], value)
    fields = [_declared(table, spec, name) for name in columns]
    cast = [_one_zero(_cast(columns[field.name], field, spec.name)) for field in fields]
    return _in_order(pa.table(cast, schema=pa.schema(fields)), spec)


def _check_key(spec: TableSpec, name: str, value: str) -> None:
    column = spec.by_name.get(name)
    if column is None or column.type != "VARCHAR":
        keys = ", ".join(spec.partition_by) or "none"
        raise LakeError(f"{spec.name} has no text column {name} to replace by. It has: {keys}.")
    if not value:
        raise LakeError(f"{spec.name}: the partition's {name} is empty; name the part to replace.")


def _check_inside(table: str, name: str, values: pa.ChunkedArray, due: str) -> None:
    found = [value for value in pc.unique(values).to_pylist() if value != due]
    if found:
        raise LakeError(
            f"{table}: column {name} holds {found[0]!r}, but this partition is {due!r}. "
            "Replace one partition at a time with its own rows."
        )


def _declared(table: pa.Table, spec: TableSpec, name: str) -> pa.Field:
    column = spec.by_name.get(name)
    if column is not None:
        return pa.field(name, column.arrow, metadata={"comment": column.comment})
    if not spec.open:
        raise LakeError(
            f"{spec.name} has no column {name}. It has: {', '.join(spec.by_name)}. "
            "Drop the column, or declare it in crypto_nn/store/tables.py."
        )
    field = table.schema.field(name)
    if duckdb_type(field.type) is None:
        raise LakeError(
            f"{spec.name}: column {name} is of type {field.type}, which the lake does not store. "
            "Convert it to float32, float64, an integer, text, a boolean or timestamp[us]."
        )
    return field


def _cast(values: pa.ChunkedArray, field: pa.Field, table: str) -> pa.ChunkedArray:
    found = values.type
    if found == field.type:
        return values
    if _same_kind(found, field.type):
        try:
            return values.cast(field.type)
        except pa.ArrowInvalid as error:
            raise LakeError(f"{table}: column {field.name} does not fit: {error}") from None
    raise LakeError(
        f"{table}: column {field.name} is of type {found}, but {field.type} is due. "
        "Convert it first."
    )


def _one_zero(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """-0.0 as 0.0: DuckDB's Parquet writer takes them for one value and keeps the first it sees."""
    if not pa.types.is_floating(values.type):
        return values
    return pc.add(values, pa.scalar(0.0, values.type))


def _same_kind(found: pa.DataType, due: pa.DataType) -> bool:
    if pa.types.is_null(found):
        return True
    if pa.types.is_dictionary(found):
        return _same_kind(found.value_type, due)
    if pa.types.is_timestamp(due):
        return pa.types.is_timestamp(found) and found.tz in (None, "UTC", "Etc/UTC", "+00:00")
    return any(
        is_due(due) and any(is_found(found) for is_found in taken) for is_due, taken in _KINDS
    )


def _in_order(table: pa.Table, spec: TableSpec) -> pa.Table:
    keys = [(name, "ascending", "at_end") for name in spec.order_by if name in table.column_names]
    if not keys or table.num_rows < 2:
        return table
    rows = pc.sort_indices(table, sort_keys=keys).to_numpy()
    return table if (np.diff(rows.astype(np.int64)) == 1).all() else table.take(rows)


def joined_type(stored: pa.DataType, found: pa.DataType, where: str) -> pa.DataType:
    """The type that holds both what a column of an open table has and what now comes.

    Raises:
        LakeError: neither can hold the other without loss.
    """
    if stored == found or found in _narrower(stored):
        return stored
    if stored in _narrower(found):
        return found
    raise LakeError(
        f"{where} is stored as {stored}, but the new rows have {found}. Convert the new rows, or "
        "give the column another name."
    )


def _narrower(wide: pa.DataType) -> tuple[pa.DataType, ...]:
    return tuple(narrow for narrow, wider in _WIDER.items() if wide in wider)
