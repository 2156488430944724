"""Rows into and out of Postgres by psycopg: one transaction per batch, in the narrowest role."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import DatabaseError
from crypto_nn.store.database.config import DatabaseAddress
from crypto_nn.store.database.secrets import redacted
from crypto_nn.store.database.tables import BARS, TABLES
from crypto_nn.store.database.trouble import Rejected, Unreachable

WRITER, READER = "crypto_nn_writer", "crypto_nn_reader"
Connection = psycopg.Connection[tuple[Any, ...]]

_DATA = ("21", "22", "23")  # classes of SQLSTATE: cardinality, data, integrity
_PASSING = ("08", "40", "53", "55", "57")  # connection, conflict, resources, locks, shutdown
_MIGRATE = "Run `crypto-nn db migrate` with the address of an owner."


def connect(dsn: SecretStr, address: DatabaseAddress) -> Connection:
    """A connection that notices a dead peer; statements may not run for longer than asked.

    Raises:
        Unreachable: the server does not answer or does not let us in.
        DatabaseError: the address cannot be read.
    """
    given = _parts(dsn, address)
    defaults: dict[str, Any] = {
        "connect_timeout": max(2, round(address.connect_timeout_s)),
        "application_name": "crypto_nn",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": round(address.timeout_s * 1000),
    }
    with translated(dsn):
        return psycopg.connect(
            make_conninfo("", **{**defaults, **given}), autocommit=True, prepare_threshold=None
        )


def place(dsn: SecretStr, address: DatabaseAddress) -> str:
    """Host, port and database of an address, without login and password; the same error."""
    parts = _parts(dsn, address)
    return " ".join(f"{name}={parts.get(name, '')}" for name in ("host", "port", "dbname"))


def _parts(dsn: SecretStr, address: DatabaseAddress) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(dsn.get_secret_value()))
    except psycopg.ProgrammingError:  # its own text repeats the address, password and all
        raise DatabaseError(
            f"{address.dsn_variable} is not an address of a Postgres. Write it as "
            "postgresql://user:password@host:5432/database."
        ) from None


@contextmanager
def translated(dsn: SecretStr) -> Iterator[None]:
    """Errors of psycopg as ours, by what they mean, without the password."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error, dsn) from None


def told(error: psycopg.Error, dsn: SecretStr) -> str:
    """What Postgres says is wrong and what it advises, without the password and the last stop."""
    parts = (error.diag.message_primary or str(error), error.diag.message_hint)
    said = ". ".join(part.rstrip(".?! ") for part in parts if part)
    return redacted(said, [dsn, *_passwords(dsn)])


def _translate(error: psycopg.Error, dsn: SecretStr) -> DatabaseError:
    state = error.sqlstate or ""
    said = redacted(error.diag.message_primary or error, [dsn, *_passwords(dsn)]).rstrip(".?! ")
    if state[:2] in _DATA:
        detail = redacted(error.diag.message_detail or "", [dsn, *_passwords(dsn)])
        return Rejected(f"Postgres rejects the rows ({state}): {said}. {detail}".strip())
    if not state or state[:2] in _PASSING:
        return Unreachable(
            f"Postgres cannot be reached or gave up{f' ({state})' if state else ''}: {said}. "
            "Check the address and the server."
        )
    if state in ("42P01", "42703", "42704", "42P10", "3F000"):
        return DatabaseError(f"Postgres is not migrated ({state}): {said}. {_MIGRATE}")
    if state == "42501":
        return DatabaseError(
            f"Postgres refuses ({state}): {said}. Log in as a member of {WRITER} to write, of "
            f"{READER} to read."
        )
    return DatabaseError(f"Postgres refuses ({state}): {said}. Check the address and its login.")


def _passwords(dsn: SecretStr) -> list[str]:
    try:
        password = conninfo_to_dict(dsn.get_secret_value()).get("password")
    except psycopg.ProgrammingError:
        return []
    return [str(password)] if password else []


@contextmanager
def transaction(connection: Connection, role: str, seconds: float) -> Iterator[Connection]:
    """A transaction in this role where the login may take it, else as the login itself."""
    with connection.transaction():
        kind = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
        may = connection.execute("SELECT pg_has_role(%s, %s)", (role, kind)).fetchone()
        if may and may[0]:
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        connection.execute(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        yield connection


class PostgresWriter:
    """Puts rows into Postgres: a batch is in as a whole or not at all; twice is once.

    The connection opens at the first batch. Where the login may, it steps down to the role
    `crypto_nn_writer` for each batch.
    """

    def __init__(self, dsn: SecretStr, address: DatabaseAddress | None = None) -> None:
        self._dsn, self._address = dsn, address or DatabaseAddress()
        self._connection: Connection | None = None

    def upsert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows, or make those whose key is there already equal to them.

        Raises:
            Rejected: a row breaks a rule of the table; none of the batch is in.
            Unreachable: the connection failed; the batch may be in or not. Send it again.
            DatabaseError: the login may not, or the database is not migrated.
        """
        text = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=False)
        pyarrow.csv.write_csv(rows, text, options)
        prepare, copy, insert = _statements(table)
        try:
            with (
                translated(self._dsn),
                transaction(self._open(), WRITER, self._address.timeout_s) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(prepare)
                with cursor.copy(copy) as copying:
                    copying.write(text.getbuffer())
                cursor.execute(insert)
        except DatabaseError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._dsn, self._address)
        return self._connection


def _statements(name: str) -> tuple[sql.Composed, sql.Composed, sql.Composed]:
    """Make a table for one transaction, copy into it, and merge it in the order of keys."""
    spec = TABLES[name]
    table = sql.Identifier("public", name)
    columns, key = (sql.SQL(", ").join(map(sql.Identifier, of)) for of in (spec.columns, spec.key))
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
        for column in spec.columns
        if column not in (*spec.key, "id")
    )
    prepare = sql.SQL(
        "CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
    ).format(columns, table)
    copy = sql.SQL("COPY pg_temp.incoming ({}) FROM STDIN (FORMAT csv)").format(columns)
    insert = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM pg_temp.incoming ORDER BY {key}"
        " ON CONFLICT ({key}) DO UPDATE SET {changes}"
    ).format(table=table, columns=columns, key=key, changes=changes)
    return prepare, copy, insert


class PostgresBars:
    """Reads the table `bars` of a Postgres."""

    def __init__(self, dsn: SecretStr, address: DatabaseAddress | None = None) -> None:
        self._dsn, self._address = dsn, address or DatabaseAddress()

    def next_symbol(self, after: str) -> str | None:
        """The first symbol after this one in the alphabet; None where there is none."""
        rows = self._ask(
            "SELECT symbol FROM public.bars WHERE symbol > %s ORDER BY symbol LIMIT 1", (after,)
        )
        return str(rows[0][0]) if rows else None

    def edge(self, symbol: str, last: bool) -> np.datetime64 | None:
        """The open of a symbol's first or last bar; None where there is none."""
        order = "DESC" if last else "ASC"
        query = f"SELECT ts FROM public.bars WHERE symbol = %s ORDER BY ts {order} LIMIT 1"
        rows = self._ask(query, (symbol,))
        return _times(rows)[0] if rows else None

    def page(
        self, symbol: str, start: np.datetime64, end: np.datetime64, rows: int
    ) -> dict[str, list[Any] | np.ndarray[Any, Any]]:
        """At most so many bars that open in [start, end), the earliest first, by column."""
        names = [name for name in BARS.columns if name not in ("symbol", "source")]
        found = self._ask(
            f"SELECT {', '.join(names)} FROM public.bars"
            " WHERE symbol = %s AND ts >= %s AND ts < %s ORDER BY ts LIMIT %s",
            (symbol, _aware(start), _aware(end), rows),
        )
        columns = [list(column) for column in zip(*found)] or [[] for _ in names]
        return dict(zip(names, columns)) | {"ts": _times(found)}

    def _ask(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with (
            translated(self._dsn),
            connect(self._dsn, self._address) as connection,
            transaction(connection, READER, self._address.timeout_s),
        ):
            return connection.execute(query, values).fetchall()


def _aware(at: np.datetime64) -> datetime:
    moment: Any = at.astype(TS).item()
    aware: datetime = moment.replace(tzinfo=UTC)
    return aware


def _times(rows: list[tuple[Any, ...]]) -> np.ndarray[Any, Any]:
    """The first column of rows, aware times of any zone, as naive UTC."""
    return np.array([row[0].astimezone(UTC).replace(tzinfo=None) for row in rows], dtype=TS)
