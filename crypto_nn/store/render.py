"""The result of a query as text, whatever its types and names are."""

import csv
import io
import json
import math
from typing import Any

import duckdb
import pyarrow as pa


def cells(table: pa.Table) -> list[list[Any]]:
    """The rows, by position: numbers, truth values, text and None; all else as DuckDB writes it."""
    names = [f"c{number}" for number in range(table.num_columns)]
    plain = [_is_plain(field.type) for field in table.schema]
    columns = (name if ok else f"{name}::VARCHAR" for name, ok in zip(names, plain))
    con = duckdb.connect()
    try:
        con.execute("SET TimeZone = 'UTC'")
        con.register("result", table.rename_columns(names))
        found = con.execute(f"SELECT {', '.join(columns)} FROM result").fetchall()
    finally:
        con.close()
    return [list(row) for row in found]


def to_csv(table: pa.Table) -> str:
    """Comma-separated, with a header; nothing is written for null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(cells(table))
    return text.getvalue()


def to_json(table: pa.Table) -> str:
    """A list of objects; a name that comes again gets a number, what is not finite is null."""
    names: list[str] = []
    for name in table.column_names:
        number = names.count(name) + sum(each.startswith(f"{name}_") for each in names)
        names.append(f"{name}_{number + 1}" if name in names else name)
    rows = [dict(zip(names, (_finite(value) for value in row))) for row in cells(table)]
    return json.dumps(rows, ensure_ascii=False)


def _is_plain(kind: pa.DataType) -> bool:
    simple = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    return any(check(kind) for check in simple)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
