"""The way to the lake's catalogue: one kept connection per process, one writer at a time."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

import duckdb
from filelock import FileLock, Timeout

from crypto_nn.errors import LakeError
from crypto_nn.store.atomic import make_folder
from crypto_nn.store.extensions import DUCKLAKE, POSTGRES, SQLITE, load_extensions
from crypto_nn.store.quoting import literal

Result = TypeVar("Result")
Connection = duckdb.DuckDBPyConnection

ATTEMPTS = 5
_PASSING = ("database is locked", "database table is locked", "conflict", "could not serialize")
_FORKED: list[Connection] = []  # a parent's connections: never used or closed by the child


class Catalogue:
    """Connects to a DuckLake whose catalogue is SQLite (one machine) or Postgres (many).

    A connection is opened once per process, noticed to be a parent's after a fork, and shared by
    threads through cursors. Readers never wait for writers. Writers of one machine hold an
    exclusive lock file, since SQLite refuses concurrent ones.
    """

    def __init__(self, root: Path, catalogue: str | None, wait_seconds: float) -> None:
        self.root = root.expanduser().resolve()
        self.data = self.root / "data"
        self.uri = catalogue or f"sqlite:{self.root / 'catalog.sqlite'}"
        self.wait_seconds = wait_seconds
        if not self.uri.startswith(("sqlite:", "postgres:")):
            raise LakeError(
                f"A lake's catalogue cannot begin with {self.uri.split(':')[0]!r}. Write "
                "sqlite:/path/of/catalog.sqlite or postgres:dbname=… host=… ."
            )
        self._opening = Lock()
        self._connection: Connection | None = None
        self._owner = os.getpid()

    @property
    def extensions(self) -> tuple[str, str]:
        return (DUCKLAKE, SQLITE if self.uri.startswith("sqlite:") else POSTGRES)

    def attach_sql(self, name: str = "lake", read_only: bool = False) -> str:
        """The statement that attaches this lake under a name."""
        options = [f"DATA_PATH {literal(str(self.data))}"]
        if self.uri.startswith("sqlite:"):
            options += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 20000"]
        if read_only:
            options.append("READ_ONLY")
        return f"ATTACH {literal(f'ducklake:{self.uri}')} AS {name} ({', '.join(options)})"

    def cursor(self) -> Connection:
        """A cursor on the process's kept connection; close it after use."""
        if self._owner != os.getpid():
            self._leave_parent()
        with self._opening:
            if self._connection is None:
                self._connection = self._open()
            return self._connection.cursor()

    def close(self) -> None:
        """Let go of the kept connection; the next use opens another."""
        with self._opening:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _leave_parent(self) -> None:
        if self._connection is not None:
            _FORKED.append(self._connection)
        self._opening, self._connection, self._owner = Lock(), None, os.getpid()

    def _open(self) -> Connection:
        if self.data.is_dir():
            return self.connect()
        make_folder(self.root)
        with self.lock():  # the first one makes the catalogue's own tables, then the folder
            connection = self.connect()
            make_folder(self.data)
            return connection

    def connect(self, read_only: bool = False) -> Connection:
        """A connection of its own with the lake attached as `lake`, time zone UTC."""
        connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                "temp_directory": str(self.root / ".spill"),
            }
        )
        try:
            load_extensions(connection, *self.extensions)
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            self._attach(connection, read_only)
        except BaseException:
            connection.close()
            raise
        return connection

    def _attach(self, connection: Connection, read_only: bool) -> None:
        try:
            connection.execute(self.attach_sql(read_only=read_only))
        except duckdb.Error as error:
            raise LakeError(
                f"The lake in {self.root} cannot be opened: {self._said(error)} Check that the "
                "catalogue can be reached and belongs to this folder; if moved, move it back."
            ) from None

    def _said(self, error: duckdb.Error) -> str:
        address = self.uri.partition(":")[2]
        said = str(error).replace(address, "…")  # it may hold a password
        return re.sub(r"(password=|://[^:@/ ]*:)[^@ ]+", r"\1…", said)

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Let the process's DuckDB work in one thread meanwhile.

        For rows that one thread handles anyway this takes a third less time: DuckDB's calling
        thread does not sleep while another works, but asks it over and over whether it has done.
        Whoever queries in other threads at the same time gets the right answer, perhaps later.
        """
        cursor = self.cursor()
        try:
            cursor.execute("SET threads = 1")
            yield
        finally:
            cursor.execute("RESET threads")
            cursor.close()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to write; others wait.

        Raises:
            LakeError: another writer holds it for longer than `wait_seconds`.
        """
        path = self.root / ".write.lock"
        try:
            with FileLock(path, timeout=self.wait_seconds, poll_interval=0.01):
                yield
        except Timeout:
            raise LakeError(
                f"Another process has been writing to {self.root} for {self.wait_seconds:g} s. "
                f"Wait for it, or find it with `fuser {path}`; a dead one holds no lock."
            ) from None

    def write(self, work: Callable[[Connection], Result]) -> tuple[Result, int]:
        """Do `work` in one transaction under the lock; its result and the snapshot it made.

        A conflict over the catalogue is tried again from the start, so `work` may run twice.

        Raises:
            LakeError: the transaction failed and was rolled back: nothing has changed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            cursor = self.cursor()
            try:
                with self.lock():
                    return _transaction(cursor, work)
            except duckdb.Error as error:
                passing = any(sign in str(error).lower() for sign in _PASSING)
                if attempt == ATTEMPTS or not passing:
                    raise LakeError(
                        f"Nothing was written to the lake in {self.root}: "
                        f"{self._said(error)} "
                        "What was there before is untouched. Mend the cause and run it again."
                    ) from None
            finally:
                cursor.close()
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _transaction(cursor: Connection, work: Callable[[Connection], Result]) -> tuple[Result, int]:
    try:
        cursor.execute("BEGIN")
        result = work(cursor)
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed commit has already ended the transaction
            cursor.execute("ROLLBACK")
        raise
    return result, snapshot_of(cursor)


def snapshot_of(connection: Connection) -> int:
    """The newest snapshot of the attached lake."""
    row = connection.execute("SELECT * FROM ducklake_current_snapshot('lake')").fetchone()
    assert row is not None
    return int(row[0])
