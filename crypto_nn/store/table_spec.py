"""What is said of a table: its columns with their meaning, its partition, its order."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

_ARROW: Mapping[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "TINYINT": pa.int8(),
    "BOOLEAN": pa.bool_(),
}
_DUCKDB = {arrow: name for name, arrow in _ARROW.items()}


@dataclass(frozen=True)
class Column:
    """One column: its name, its DuckDB type, and what it means, with its unit."""

    name: str
    type: str
    comment: str

    @property
    def arrow(self) -> pa.DataType:
        return arrow_type(self.type)


@dataclass(frozen=True)
class TableSpec:
    """What a table must be.

    Attributes:
        name: as it is queried.
        columns: those that are always there.
        partition_by: columns by which files are cut; a replace names values for some columns.
        order_by: the order of rows in files and in what `Lake.read` returns.
        comment: what one row is.
        open: further columns may be added by the data (features, horizons).
        inline_rows: for a table that is appended to row by row: so many rows at once are kept in
            the catalogue and make no file (DuckLake's data inlining), and a commit that only
            appends such rows does not count among the snapshots that upkeep keeps.
    """

    name: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    order_by: tuple[str, ...]
    comment: str
    open: bool = False
    inline_rows: int | None = None

    @property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}


def arrow_type(duckdb_type: str) -> pa.DataType:
    """The Arrow type in which a DuckDB type is read and written."""
    return _ARROW[duckdb_type]


def duckdb_type(arrow: pa.DataType) -> str | None:
    """The DuckDB type that stores an Arrow type, None where the lake has none for it."""
    return _DUCKDB.get(arrow)


def columns(text: str) -> tuple[Column, ...]:
    """Columns from lines of "name TYPE what it means"."""
    parts = (line.split(maxsplit=2) for line in text.splitlines() if line)
    return tuple(Column(name, type_, comment) for name, type_, comment in parts)


MINUTE = """
symbol VARCHAR base and quote, such as BTC-USDT
month VARCHAR month of ts, YYYY-MM
ts TIMESTAMP open of the minute bar, UTC; the bar is known only one minute later
"""
PRICES = """
open DOUBLE first price, quote currency
high DOUBLE highest price, quote currency
low DOUBLE lowest price, quote currency
close DOUBLE last price, quote currency
volume DOUBLE traded amount, base currency
vwap DOUBLE volume-weighted average price, quote currency; null where the source has none
trades DOUBLE number of trades; null where the source has none
"""
UNIVERSE = "universe VARCHAR named list of symbols that a model trains on\n"
VERSION = "model_version VARCHAR version in the model store\n"
