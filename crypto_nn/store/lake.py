"""The lake: every table that can be queried, with transactions, snapshots and time travel."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from crypto_nn.errors import LakeError
from crypto_nn.store.atomic import sync_since
from crypto_nn.store.catalogue import Catalogue, Connection, snapshot_of
from crypto_nn.store.columns import fit
from crypto_nn.store.definition import define, drop_columns, keep_inline, stored_columns
from crypto_nn.store.quoting import quote
from crypto_nn.store.replacement import OnePart, Part, RowIds, Step, steps_of
from crypto_nn.store.tables import TABLES, Column, TableSpec
from crypto_nn.store.upkeep import Upkeep, forget_live, keep_up

_ROW_GROUP = 122_880  # what DuckDB gives to one thread

Where = Mapping[str, str | int | Sequence[str] | Sequence[int]]


class Lake:
    """Tables of Parquet files under one catalogue (DuckLake).

    A write is one transaction over all its tables: after a crash at any moment the old rows or
    the new ones are there, never a mixture. Readers see one snapshot and never wait. Times are
    UTC without a zone, as TIMESTAMP. Numbers come back bit for bit, but for -0.0, which is 0.0.

    Args:
        root: folder of the catalogue, the data files and the write lock; on a local disk.
        catalogue: "sqlite:<file>" or "postgres:<connection string>"; a file in `root` by default.
        tables: the tables that may be written, by name.
        wait_seconds: how long a writer waits for another before it gives up.
    """

    def __init__(
        self,
        root: Path,
        catalogue: str | None = None,
        tables: Mapping[str, TableSpec] = TABLES,
        wait_seconds: float = 600.0,
    ) -> None:
        self.catalogue = Catalogue(Path(root), catalogue, wait_seconds)
        self.specs = tables
        self._inlined: set[str] = set()
        self._filled: set[str] = set()

    @property
    def root(self) -> Path:
        return self.catalogue.root

    def __repr__(self) -> str:
        return f"Lake({str(self.root)!r})"  # the catalogue's address may hold a password

    def replace(
        self,
        tables: Mapping[str, pa.Table],
        partition: Mapping[str, str],
        remove: Mapping[str, RowIds] = MappingProxyType({}),
        own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> int:
        """Make these the rows of a partition, in all tables at once.

        In each table the rows that equal `partition` in all its columns are deleted and the new
        ones inserted, by column name, sorted by the table's order. No rows delete the partition;
        no partition columns (`{}`) replace the whole table. Tables and columns that are new are
        created; columns that the new rows lack become null.

        Args:
            tables: rows by table name; a partition column that is missing is filled in.
            partition: such as {"symbol": "BTC-USDT", "month": "2024-01"}.
            remove: rows of other tables whose place these take, by table and `rowid`, such as
                live rows that now lie in the partition. Those that are gone already do not matter.
            own: the partition of single tables, where it is another than `partition`.

        Returns:
            The snapshot that holds the new rows.

        Raises:
            LakeError: a table or column is not as declared, or the write failed; nothing changed.
        """
        return self.replace_all([OnePart(partition, tables, own, remove)])

    def replace_all(self, parts: Sequence[Part]) -> int:
        """`replace` for several partitions, in one transaction: all of them or none.

        Each transaction takes some 40 ms beside what its rows take.
        """
        fitted = [
            (name, fit(rows, self._spec(name), partition), partition)
            for part in parts
            for name, rows in part.tables.items()
            for partition in [part.own.get(name, part.partition)]
        ]
        steps = steps_of(fitted)

        def work(cursor: Connection) -> None:
            stored = stored_columns(cursor, list({step.name for step in steps}))
            for step in steps:  # of a name's second step the columns may be others
                self._take_place(cursor, step, stored.pop(step.name, None))
            for part in parts:
                for name, rowids in part.remove.items():
                    _delete_rows(cursor, self._spec(name).name, rowids)

        small = all(sum(rows.num_rows for rows in step.rows) <= _ROW_GROUP for step in steps)
        with self.catalogue.one_thread() if small else nullcontext():
            return self.catalogue.write(work)[1]

    def _take_place(
        self, cursor: Connection, step: Step, stored: Mapping[str, Column] | None
    ) -> None:
        define(cursor, self._spec(step.name), step.rows[0].schema, stored)
        if self._rows_ever(cursor, step.name):  # a table without rows takes 50 ms to look into
            _delete(cursor, step.name, step.where)
        self._insert(cursor, step.name, pa.concat_tables(step.rows))

    def append(self, name: str, table: pa.Table) -> int:
        """Add rows to a table, by column name; returns the snapshot. Errors as in `replace`.

        A table that is appended to row by row (`TableSpec.inline_rows`) takes few rows into the
        catalogue itself, without a file; they are as safe there, and read in the same way.
        """
        spec = self._spec(name)
        rows = fit(table, spec, {})
        if spec.inline_rows and name not in self._inlined:
            self._keep_inline(spec)

        def work(cursor: Connection) -> None:
            if spec.open or name not in self._inlined:
                define(cursor, spec, rows.schema)
            self._insert(cursor, name, rows)

        return self.catalogue.write(work)[1]

    def rewrite(
        self,
        name: str,
        where: Where,
        change: Callable[[pa.Table], pa.Table],
        drop: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> int:
        """Replace rows by what becomes of them; nobody writes between reading and writing them.

        Args:
            name: the table.
            where: columns that must equal a value, or be one of several.
            change: from the rows as they are to the rows that take their place.
            drop: columns to take out in the same transaction, by table; older snapshots keep them.

        Returns:
            The snapshot that holds the new rows. Errors as in `replace`.
        """
        spec = self._spec(name)
        conditions, values = _conditions(where)

        def work(cursor: Connection) -> None:
            for table, columns in drop.items():
                drop_columns(cursor, self._spec(table).name, columns)
            rows = cursor.execute(
                f"SELECT * FROM lake.main.{quote(name)} WHERE {' AND '.join(conditions) or 'true'}",
                values,
            ).to_arrow_table()
            _delete(cursor, name, where)
            self._insert(cursor, name, fit(change(rows), spec, {}))

        return self.catalogue.write(work)[1]

    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        start: np.datetime64 | None = None,
        end: np.datetime64 | None = None,
        snapshot: int | None = None,
    ) -> pa.Table:
        """Rows of a table in its declared order.

        Args:
            name: the table.
            columns: which ones, in this order; all by default.
            where: columns that must equal a value, or be one of several.
            start, end: bounds on `ts`, end exclusive.
            snapshot: rows as they were then; the newest by default.

        Raises:
            LakeError: table, column or snapshot is not there.
        """
        spec = self._spec(name)
        conditions, values = _conditions(where or {})
        for bound, sign in ((start, ">="), (end, "<")):
            if bound is not None:
                conditions.append(f"ts {sign} ?")
                values.append(bound.astype("datetime64[us]").item())
        if snapshot is None and self._ask_rows_ever(name) == 0:
            conditions.insert(0, "false")  # so that it is not looked into
        selected = "*" if columns is None else ", ".join(map(quote, columns)) or "NULL"
        order = ", ".join(f"{quote(column)} NULLS LAST" for column in spec.order_by)
        return self._query(
            name,
            f"SELECT {selected} FROM lake.main.{quote(name)}{_at(snapshot)}"
            f" WHERE {' AND '.join(conditions) or 'true'} ORDER BY {order}",
            values,
        )

    def count(self, name: str, where: Where | None = None, snapshot: int | None = None) -> int:
        """How many rows there are; arguments and errors as in `read`."""
        conditions, values = _conditions(where or {})
        if snapshot is None and self._ask_rows_ever(name) == 0:
            return 0
        counted = self._query(
            name,
            f"SELECT count(*) AS rows FROM lake.main.{quote(self._spec(name).name)}{_at(snapshot)}"
            f" WHERE {' AND '.join(conditions) or 'true'}",
            values,
        )
        return int(counted["rows"][0].as_py())

    def count_infinite(self, name: str, columns: Sequence[str], where: Where) -> tuple[int, int]:
        """How many rows there are, and how many infinite values in these columns of them."""
        conditions, values = _conditions(where)
        infinite = " + ".join(f"count_if(isinf({quote(column)}))" for column in columns)
        counted = self._query(
            name,
            f"SELECT count(*) AS rows, coalesce({infinite}, 0) AS infinite"
            f" FROM lake.main.{quote(self._spec(name).name)}"
            f" WHERE {' AND '.join(conditions) or 'true'}",
            values,
        ).to_pylist()[0]
        return int(counted["rows"]), int(counted["infinite"])

    def partitions(self, name: str, columns: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
        """Every combination of values of these columns that has rows, in order."""
        listed = ", ".join(map(quote, columns))
        found = self._query(
            name,
            f"SELECT DISTINCT {listed} FROM lake.main.{quote(self._spec(name).name)} ORDER BY ALL",
            [],
        )
        return tuple(tuple(row[column] for column in columns) for row in found.to_pylist())

    def has(self, name: str) -> bool:
        """Whether the table has ever been written."""
        cursor = self.catalogue.cursor()
        try:
            cursor.execute(f"SELECT 1 FROM lake.main.{quote(name)} LIMIT 0")
        except duckdb.CatalogException:
            return False
        finally:
            cursor.close()
        return True

    def has_rows(self, name: str) -> bool:
        """Whether there ever was a row in the table; far quicker than to ask it for one."""
        return self._ask_rows_ever(name) > 0

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns that a table has now, in order; none where it was never written."""
        cursor = self.catalogue.cursor()
        try:
            return tuple(stored_columns(cursor, [name])[name])
        finally:
            cursor.close()

    def tables(self) -> tuple[str, ...]:
        """The tables that have been written, by name."""
        cursor = self.catalogue.cursor()
        try:
            found = cursor.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY 1"
            ).fetchall()
        finally:
            cursor.close()
        return tuple(row[0] for row in found)

    def snapshot(self) -> int:
        """The newest snapshot: pass it to `read` to see the lake as it is now, later."""
        cursor = self.catalogue.cursor()
        try:
            return snapshot_of(cursor)
        finally:
            cursor.close()

    def maintain(
        self,
        pinned: Collection[int] = (),
        keep: int = 20,
        grace: timedelta = timedelta(hours=1),
    ) -> Upkeep:
        """Merge small files, forget old snapshots, remove files that nothing needs.

        A snapshot that only appended live rows does not count among the newest ones, and stays
        for half a day. Rows that lie in the catalogue itself, and that no snapshot can read, are
        removed from it.

        Args:
            pinned: snapshots that must stay readable, such as those of kept checkpoints.
            keep: how many of the newest snapshots stay readable too.
            grace: files dropped or written within this time stay, for running readers, and so
                does what is up to a day older; 0 removes all at once, when nobody else reads.
        """
        return keep_up(self.catalogue, frozenset(pinned), keep, grace, self._streamed)

    def forget_live(self, pinned: Collection[int] = ()) -> tuple[int, int]:
        """The part of `maintain` that live rows need every hour, in a fraction of a second.

        Returns:
            How many snapshots were expired that only appended live rows, and how many removed
            rows were reclaimed from the catalogue.
        """
        return forget_live(self.catalogue, frozenset(pinned), self._streamed)

    @property
    def _streamed(self) -> tuple[str, ...]:
        return tuple(name for name, spec in self.specs.items() if spec.inline_rows)

    def close(self) -> None:
        """Let go of this process's connection; the next call opens another."""
        self.catalogue.close()

    def _ask_rows_ever(self, name: str) -> int:
        cursor = self.catalogue.cursor()
        try:
            return self._rows_ever(cursor, self._spec(name).name)
        finally:
            cursor.close()

    def _rows_ever(self, cursor: Connection, name: str) -> int:
        """How many rows were ever written to a table: 1 where there were some; -1: not there."""
        if name not in self._filled:
            found = cursor.execute(_ROWS_EVER, [name]).fetchone()
            if found is None or not found[0]:
                return -1 if found is None else 0
            self._filled.add(name)
        return 1

    def _spec(self, name: str) -> TableSpec:
        if name not in self.specs:
            raise LakeError(f"The lake knows no table {name!r}. It has: {', '.join(self.specs)}.")
        return self.specs[name]

    def _keep_inline(self, spec: TableSpec) -> None:
        schema = pa.schema([(column.name, column.arrow) for column in spec.columns])
        self.catalogue.write(lambda cursor: define(cursor, spec, schema))
        self.catalogue.write(lambda cursor: keep_inline(cursor, spec))
        self._inlined.add(spec.name)

    def _insert(self, cursor: Connection, name: str, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        began = time.time()
        cursor.register("incoming_rows", rows)
        try:
            cursor.execute(f"INSERT INTO lake.main.{quote(name)} BY NAME FROM incoming_rows")
        finally:
            cursor.unregister("incoming_rows")
        # DuckDB leaves data files to the operating system, but the catalogue will point at them.
        sync_since(self.catalogue.data / "main" / name, began)

    def _query(self, name: str, sql: str, values: list[Any]) -> pa.Table:
        cursor = self.catalogue.cursor()
        try:
            return cursor.execute(sql, values).to_arrow_table()
        except duckdb.CatalogException as error:
            raise LakeError(
                f"The lake in {self.root} has no rows of {name} yet. Materialise the asset that "
                f"makes {name} first. ({error})"
            ) from None
        except duckdb.Error as error:
            raise LakeError(
                f"{name} cannot be read from the lake in {self.root}: {error}"
            ) from None
        finally:
            cursor.close()


# DuckLake has no statistics of a table without rows, and looks for them at every filter: 50 ms.
_ROWS_EVER = """
SELECT coalesce(kept.record_count, 0) FROM __ducklake_metadata_lake.ducklake_table AS made
LEFT JOIN __ducklake_metadata_lake.ducklake_table_stats AS kept USING (table_id)
WHERE made.table_name = ? AND made.end_snapshot IS NULL
"""


def _at(snapshot: int | None) -> str:
    return "" if snapshot is None else f" AT (VERSION => {int(snapshot)})"


def _conditions(where: Where) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for column, due in where.items():
        listed = [due] if isinstance(due, str | int) else list(due)
        marks = ", ".join("?" * len(listed))
        conditions.append(f"{quote(column)} IN ({marks})" if listed else "false")
        values.extend(listed)
    return conditions, values


def _delete(cursor: Connection, table: str, partition: Where) -> None:
    conditions, values = _conditions(partition)
    cursor.execute(
        f"DELETE FROM lake.main.{quote(table)} WHERE {' AND '.join(conditions) or 'true'}", values
    )


def _delete_rows(cursor: Connection, table: str, rowids: RowIds) -> None:
    if not len(rowids):
        return
    cursor.register("outgoing_rows", pa.table({"rowid": pa.array(rowids, pa.int64())}))
    try:
        cursor.execute(
            f"DELETE FROM lake.main.{quote(table)} WHERE rowid IN (SELECT rowid FROM outgoing_rows)"
        )
    finally:
        cursor.unregister("outgoing_rows")


def open_lake(root: Path, catalogue: str | None = None) -> Lake:
    """The lake that is there, for those who only read; none is made.

    Raises:
        LakeError: there is no lake in this folder.
    """
    if catalogue is None and not (root / "catalog.sqlite").exists():
        raise LakeError(
            f"There is no lake in {root}. Start in the project's folder, or set CRYPTO_NN_HOME to "
            "where `crypto-nn demo` or `crypto-nn ingest` has kept things."
        )
    return Lake(root, catalogue)
