"""Rows of the lake as the database takes them: its columns, ids from keys, null for NaN."""

import json
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crypto_nn.errors import DatabaseError
from crypto_nn.store.database.tables import BARS, MODEL_METRICS, PREDICTIONS, TIME, DatabaseTable

NAMESPACE = uuid5(NAMESPACE_URL, "crypto_nn")
LABELS = ("down", "flat", "up")
_PLACE = "__place__"


def prediction_rows(table: pa.Table, features: pa.Table | None = None) -> pa.Table:
    """Rows of the lake's `predictions` for the database.

    Args:
        table: as in the lake; `ts` becomes `timestamp`, the class gets its label.
        features: `ts` and the features to copy, of the same symbol; None where none are wanted.

    Raises:
        DatabaseError: a column is missing or not of the due type.
    """
    table = table.rename_columns({"ts": "timestamp"}) if "ts" in table.column_names else table
    _check_columns(PREDICTIONS, table, (*PREDICTIONS.key, "predicted_class"))
    due = PREDICTIONS.columns["predicted_class"]
    classes = _cast("predictions", "predicted_class", table["predicted_class"], due)
    labels = pa.array(LABELS).take(pc.if_else(_in_range(classes), classes, None))
    table = _with(table, "predicted_label", labels)
    if features is not None:
        table = _with(table, "features", _as_json(table["timestamp"], features))
    return fit(PREDICTIONS, table)


def metric_rows(table: pa.Table) -> pa.Table:
    """Rows of the lake's `model_metrics` for the database; the same errors."""
    return fit(MODEL_METRICS, table)


def bar_rows(table: pa.Table) -> pa.Table:
    """Rows of the lake's `bars` for the database; the same errors."""
    return fit(BARS, table)


def fit(spec: DatabaseTable, table: pa.Table) -> pa.Table:
    """The rows with the columns of the database's table, ids, and each key once: the last wins."""
    _check_columns(spec, table, spec.key)
    columns = {}
    for name, due in spec.columns.items():
        if name in table.column_names:
            columns[name] = _cast(spec.name, name, table[name], due)
        elif name != "id":
            columns[name] = pa.nulls(table.num_rows, due)
    if "id" in spec.columns:
        columns["id"] = _ids(spec, columns)
    return last_of_each(spec, pa.table({name: columns[name] for name in spec.columns}))


def last_of_each(spec: DatabaseTable, table: pa.Table) -> pa.Table:
    """Each key once, with the row that came last, in the order of those rows."""
    place = pa.array(np.arange(table.num_rows))
    keyed = _with(table.select(list(spec.key)), _PLACE, place)
    last = keyed.group_by(list(spec.key)).aggregate([(_PLACE, "max")])[f"{_PLACE}_max"]
    if len(last) == table.num_rows:
        return table
    return table.take(pa.array(np.sort(last.to_numpy())))


def _check_columns(spec: DatabaseTable, table: pa.Table, due: tuple[str, ...]) -> None:
    missing = [name for name in due if name not in table.column_names]
    if missing:
        raise DatabaseError(
            f"Rows for {spec.name} lack {', '.join(missing)}; found "
            f"{', '.join(table.column_names)}. Due: {', '.join(spec.columns)}."
        )


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The table with a column added or replaced."""
    kept = table.drop_columns([name]) if name in table.column_names else table
    return kept.append_column(name, column)


def _in_range(classes: pa.Array) -> pa.Array:
    return pc.and_(pc.greater_equal(classes, 0), pc.less(classes, len(LABELS)))


def _cast(table: str, name: str, cells: pa.ChunkedArray, due: pa.DataType) -> pa.Array:
    """The column in the due type: naive times are UTC; what JSON cannot say (NaN, ∞) is null."""
    column = cells.combine_chunks()
    try:
        if due == TIME and pa.types.is_timestamp(column.type) and column.type.tz is None:
            column = column.cast(pa.timestamp("us")).cast(pa.int64()).cast(due)
        column = column.cast(due)
    except pa.ArrowException as error:
        raise DatabaseError(
            f"Column {name} for {table} is {column.type}; {due} is due ({error})."
        ) from None
    if pa.types.is_floating(due):
        column = pc.if_else(pc.is_finite(column), column, None)
    return column


def _ids(spec: DatabaseTable, columns: dict[str, pa.Array]) -> pa.Array:
    """A UUID of each row's key: a write that is repeated blindly is the same row."""
    parts = [
        (column.cast(pa.int64()) if column.type == TIME else column).to_pylist()
        for column in (columns[name] for name in spec.key)
    ]
    names = ("|".join((spec.name, *map(str, key))) for key in zip(*parts))
    return pa.array([str(uuid5(NAMESPACE, name)) for name in names], pa.string())


def _as_json(times: pa.ChunkedArray, features: pa.Table) -> pa.Array:
    """For each time the features of that time as one JSON object; null where there are none."""
    names = [name for name in features.column_names if name != "ts"]
    values = [features[name].to_pylist() for name in names]
    objects = {
        at: json.dumps(
            {
                name: value if value is not None and np.isfinite(value) else None
                for name, value in zip(names, row)
            }
        )
        for at, row in zip(features["ts"].to_pylist(), zip(*values))
    }
    return pa.array([objects.get(at) for at in times.to_pylist()], pa.string())
