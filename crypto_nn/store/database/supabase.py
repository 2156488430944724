"""Rows into and out of a Supabase project by supabase-py, that is, by its PostgREST."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
from postgrest.exceptions import APIError
from pydantic import SecretStr
from supabase import Client, SupabaseException, create_client
from supabase.lib.client_options import SyncClientOptions

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import DatabaseError
from crypto_nn.store.database.config import DatabaseAddress
from crypto_nn.store.database.secrets import redacted
from crypto_nn.store.database.tables import BARS, TABLES, TIME
from crypto_nn.store.database.trouble import Rejected, Unreachable

PAGE_ROWS = 1000  # PostgREST cuts answers at its own limit without a word; Supabase's is this

_DATA = ("21", "22", "23")  # classes of SQLSTATE: cardinality, data, integrity
_PASSING = ("08", "40", "53", "55", "57")  # connection, conflict, resources, locks, shutdown
_NO_DATABASE = ("PGRST000", "PGRST001", "PGRST002", "PGRST003")
_NO_TABLE = ("42P01", "42703", "42P10", "PGRST204", "PGRST205", "PGRST200")
_NO_ENTRY = ("42501", "PGRST301", "PGRST302", "PGRST303", "401", "403")


class Project:
    """A Supabase project, opened when it is first asked."""

    def __init__(
        self,
        url: SecretStr,
        key: SecretStr,
        address: DatabaseAddress | None = None,
        token: SecretStr | None = None,
    ) -> None:
        self._url, self._key, self._token = url, key, token
        self._address = address or DatabaseAddress()
        self._client: Client | None = None
        self._http: httpx.Client | None = None

    @contextmanager
    def asked(self) -> Iterator[Client]:
        """The client; its errors come out as ours, by what they mean, without key or address."""
        try:
            yield self._open()
        except APIError as error:
            raise self._translate(error) from None
        except (httpx.HTTPError, OSError) as error:
            raise Unreachable(
                f"Supabase cannot be reached ({type(error).__name__}). Check "
                f"{self._address.url_variable} and the network."
            ) from None
        except (SupabaseException, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise DatabaseError(
                f"{self._address.url_variable} and {self._address.key_variable} do not make a "
                f"Supabase client ({type(error).__name__}). Copy both from the project's API "
                "settings; the address begins with https://."
            ) from None

    def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            self._http.close()
        self._http = self._client = None

    def _open(self) -> Client:
        if self._client is None:
            address = self._address
            timeout = httpx.Timeout(address.timeout_s, connect=address.connect_timeout_s)
            self._http = httpx.Client(timeout=timeout, follow_redirects=False)
            options = SyncClientOptions(
                httpx_client=self._http,
                postgrest_client_retry=False,  # it waits in real time; whoever asks does it better
                auto_refresh_token=False,
                persist_session=False,
            )
            token = (self._token or self._key).get_secret_value()
            options.headers["Authorization"] = f"Bearer {token}"
            url = self._url.get_secret_value().strip()
            self._client = create_client(url, self._key.get_secret_value(), options)
        return self._client

    def _translate(self, error: APIError) -> DatabaseError:
        code = str(error.code or "")
        secrets = [self._url, self._key, *([self._token] if self._token else [])]
        said = redacted(error.message or "no reason given", secrets)
        if len(code) == 5 and code[:2] in _DATA:
            detail = redacted(error.details or "", secrets)
            return Rejected(f"Supabase rejects the rows ({code}): {said}. {detail}".strip())
        if code in _NO_TABLE:
            return DatabaseError(
                f"Supabase is not migrated ({code}): {said}. Run `crypto-nn db migrate` with the "
                "address of the project's database."
            )
        if code in _NO_ENTRY:
            return DatabaseError(
                f"Supabase refuses the key ({code}): {said}. Give {self._address.key_variable} a "
                f"secret key, or {self._address.token_variable} a token of role crypto_nn_writer "
                "or crypto_nn_reader."
            )
        passing = code in _NO_DATABASE or (len(code) == 5 and code[:2] in _PASSING)
        if passing or (len(code) == 3 and (code in ("408", "425", "429") or code[0] == "5")):
            return Unreachable(f"Supabase gave up for now ({code}): {said}.")
        return DatabaseError(f"Supabase refuses ({code or 'no code'}): {said}.")


class SupabaseWriter:
    """Puts rows into a Supabase project, a page at a time; twice is once."""

    def __init__(
        self,
        url: SecretStr,
        key: SecretStr,
        address: DatabaseAddress | None = None,
        token: SecretStr | None = None,
    ) -> None:
        self._project = Project(url, key, address, token)

    def upsert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows, or make those whose key is there already equal to them.

        Raises:
            Rejected: a row breaks a rule of the table; none of its page is in.
            Unreachable: there was no answer; the pages may be in or not. Send them again.
            DatabaseError: the key may not, or the project is not migrated.
        """
        spec = TABLES[table]
        for start in range(0, rows.num_rows, PAGE_ROWS):
            page = as_json(rows.slice(start, PAGE_ROWS), spec.json)
            with self._project.asked() as client:
                client.table(table).upsert(
                    page,
                    on_conflict=",".join(spec.key),
                    returning="minimal",  # type: ignore[arg-type]
                    default_to_null=False,
                ).execute()

    def close(self) -> None:
        """Let go of the connections."""
        self._project.close()


def as_json(rows: pa.Table, json_columns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Rows as JSON takes them: plain Python, times with their zone, JSON text as what it says.

    Raises:
        Rejected: a time is before year 1 or after 9999.
    """
    columns: dict[str, list[Any]] = {}
    for name in rows.column_names:
        try:
            values = rows[name].to_pylist()
        except (OverflowError, ValueError) as error:
            raise Rejected(f"A time in column {name} cannot be sent: {error}.") from None
        if rows[name].type == TIME:
            values = [None if value is None else value.isoformat() for value in values]
        elif name in json_columns:
            values = [None if value is None else json.loads(value) for value in values]
        columns[name] = values
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


class SupabaseBars:
    """Reads the table `bars` of a Supabase project."""

    def __init__(
        self,
        url: SecretStr,
        key: SecretStr,
        address: DatabaseAddress | None = None,
        token: SecretStr | None = None,
    ) -> None:
        self._project = Project(url, key, address, token)

    def close(self) -> None:
        """Let go of the connections."""
        self._project.close()

    def next_symbol(self, after: str) -> str | None:
        """The first symbol after this one in the alphabet; None where there is none."""
        with self._project.asked() as client:
            asked = client.table("bars").select("symbol").gt("symbol", after)
            rows: Any = asked.order("symbol").limit(1).execute().data
        return str(rows[0]["symbol"]) if rows else None

    def edge(self, symbol: str, last: bool) -> np.datetime64 | None:
        """The open of a symbol's first or last bar; None where there is none."""
        with self._project.asked() as client:
            asked = client.table("bars").select("ts").eq("symbol", symbol)
            rows: Any = asked.order("ts", desc=last).limit(1).execute().data
        return _times([rows[0]["ts"]])[0] if rows else None

    def page(
        self, symbol: str, start: np.datetime64, end: np.datetime64, rows: int
    ) -> dict[str, list[Any] | np.ndarray[Any, Any]]:
        """At most so many bars that open in [start, end), the earliest first, by column."""
        names = [name for name in BARS.columns if name not in ("symbol", "source")]
        with self._project.asked() as client:
            asked = client.table("bars").select(",".join(names)).eq("symbol", symbol)
            asked = asked.gte("ts", f"{start.astype(TS)}Z").lt("ts", f"{end.astype(TS)}Z")
            found: Any = asked.order("ts").limit(min(rows, PAGE_ROWS)).execute().data
        columns = {name: [row[name] for row in found] for name in names}
        return columns | {"ts": _times(columns["ts"])}


def _times(texts: list[str]) -> np.ndarray[Any, Any]:
    """Aware ISO times of any zone as naive UTC."""
    aware = pd.to_datetime(pd.Series(texts, dtype=object), utc=True, format="ISO8601")
    return aware.dt.tz_localize(None).to_numpy().astype(TS)
