"""Which database the environment names, and the client that speaks to it."""

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pydantic import SecretStr

from crypto_nn.environment import secret
from crypto_nn.errors import DatabaseError
from crypto_nn.store.database.config import DatabaseAddress


class Writer(Protocol):
    """Puts rows into a database, so that the same rows twice are the same rows once."""

    def upsert(self, table: str, rows: pa.Table) -> None:
        """Insert or correct the rows.

        Raises:
            Rejected, Unreachable, DatabaseError: see `crypto_nn.store.database.trouble`.
        """

    def close(self) -> None:
        """Let go of connections."""


class BarTable(Protocol):
    """Reads the table `bars` of a database; the same errors."""

    def next_symbol(self, after: str) -> str | None:
        """The first symbol after this one in the alphabet; None where there is none."""

    def edge(self, symbol: str, last: bool) -> np.datetime64 | None:
        """The open of a symbol's first or last bar; None where there is none."""

    def page(
        self, symbol: str, start: np.datetime64, end: np.datetime64, rows: int
    ) -> dict[str, list[Any] | np.ndarray[Any, Any]]:
        """At most so many bars that open in [start, end), the earliest first, by column."""


def open_writer(address: DatabaseAddress) -> Writer:
    """A writer for the database that the environment names. Nothing is connected yet.

    Raises:
        DatabaseError: the environment names none.
    """
    dsn = _dsn(address)
    if dsn is not None:
        from crypto_nn.store.database.postgres import PostgresWriter

        return PostgresWriter(dsn, address)
    from crypto_nn.store.database.supabase import SupabaseWriter

    url, key = _project(address)
    return SupabaseWriter(url, key, address, secret(address.token_variable))


def open_bars(address: DatabaseAddress) -> BarTable:
    """A reader of the table `bars` of the database that the environment names; the same error."""
    dsn = _dsn(address)
    if dsn is not None:
        from crypto_nn.store.database.postgres import PostgresBars

        return PostgresBars(dsn, address)
    from crypto_nn.store.database.supabase import SupabaseBars

    url, key = _project(address)
    return SupabaseBars(url, key, address, secret(address.token_variable))


def target(address: DatabaseAddress) -> str:
    """Which database the environment names, without login and keys; the same error."""
    dsn = _dsn(address)
    if dsn is None:
        return _project(address)[0].get_secret_value()
    from crypto_nn.store.database.postgres import place

    return place(dsn, address)


def _dsn(address: DatabaseAddress) -> SecretStr | None:
    """The address of Postgres where it is to be used, else None."""
    dsn = None if address.via == "supabase" else secret(address.dsn_variable)
    if dsn is None and address.via == "postgres":
        raise DatabaseError(
            f"{address.dsn_variable} is not set. Set it to the database's address, "
            "postgresql://user:password@host:5432/database."
        )
    return dsn


def _project(address: DatabaseAddress) -> tuple[SecretStr, SecretStr]:
    url, key = secret(address.url_variable), secret(address.key_variable)
    if url is None or key is None:
        unset = address.key_variable if url else address.url_variable
        other = "" if address.via == "supabase" else f", or {address.dsn_variable} for a Postgres"
        raise DatabaseError(
            f"{unset} is not set. Set {address.url_variable} and {address.key_variable} for a "
            f"Supabase project{other}."
        )
    return url, key
