"""Bringing a Postgres or Supabase database up to the tables that are written: numbered SQL files.

Each file runs once, in one transaction, under a lock that all runners share; a ledger in the
database remembers it with its checksum. A file that was applied never changes: a change is a new
file.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from crypto_nn.errors import DatabaseError
from crypto_nn.store.database.config import DatabaseAddress

FOLDER = Path(__file__).parent / "migrations"
LEDGER = "crypto_nn_migrations"

_LOCK = 0x63727970746F  # "crypto": the advisory lock of all runners
_NAME = re.compile(r"\d{4}_[a-z_]+\.sql")
_OLDEST = 150_000
_CREATE = f"""
create table if not exists public.{LEDGER} (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One SQL file.

    Attributes:
        name: the file's name without its ending.
        sql: what it says.
        applied_at: when it ran in the database, UTC; None where it is still due.
    """

    name: str
    sql: str
    applied_at: datetime | None = None

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, whatever its line ends."""
        return hashlib.sha256("\n".join(self.sql.splitlines()).encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The files in their order."""
    paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    return tuple(Migration(path.stem, path.read_text(encoding="utf-8")) for path in paths)


def migrate(
    dsn: SecretStr | str, folder: Path = FOLDER, address: DatabaseAddress | None = None
) -> list[str]:
    """Run what is due; returns the names of what ran, so that a second run returns nothing.

    The login must be the database's owner or a superuser; on Supabase it is `postgres`.

    Raises:
        DatabaseError: the database cannot be reached or refuses, a file was changed after it ran,
            or the database has migrations that are not known here. What ran before stays.
    """
    import psycopg

    from crypto_nn.store.database.postgres import connect, told, translated

    dsn, address = _secret(dsn), address or DatabaseAddress()
    applied = []
    with translated(dsn), connect(dsn, address) as connection:
        # Whoever has waited for the lock must see what the other has done.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        _check_version(connection.info.server_version)
        for migration in migrations(folder):
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                done = _applied(connection)
                _check(migrations(folder), done)
                if migration.name in done:
                    continue
                if not done:
                    connection.execute(_CREATE)
                try:
                    connection.execute(migration.sql.encode())
                except psycopg.Error as error:
                    raise DatabaseError(
                        f"Migration {migration.name} failed: {told(error, dsn)}. Nothing of it "
                        "stays. Mend the cause, such as a table of that name which is not ours, "
                        "and migrate again."
                    ) from None
                connection.execute(
                    f"INSERT INTO public.{LEDGER} (name, checksum) VALUES (%s, %s)",
                    (migration.name, migration.checksum),
                )
            applied.append(migration.name)
    return applied


def status(
    dsn: SecretStr | str, folder: Path = FOLDER, address: DatabaseAddress | None = None
) -> tuple[Migration, ...]:
    """Every file, and when it ran in the database. Changes nothing; the same errors."""
    from crypto_nn.store.database.postgres import connect, translated

    dsn, address = _secret(dsn), address or DatabaseAddress()
    with translated(dsn), connect(dsn, address) as connection:
        done = _applied(connection)
    known = migrations(folder)
    _check(known, done)
    return tuple(
        Migration(each.name, each.sql, done.get(each.name, ("", None))[1]) for each in known
    )


def _secret(dsn: SecretStr | str) -> SecretStr:
    return dsn if isinstance(dsn, SecretStr) else SecretStr(dsn)


def _applied(connection: Any) -> dict[str, tuple[str, datetime | None]]:
    """What ran, with its checksum and time."""
    there = connection.execute("SELECT to_regclass(%s)", (f"public.{LEDGER}",)).fetchone()
    if there[0] is None:
        return {}
    found = connection.execute(f"SELECT name, checksum, applied_at FROM public.{LEDGER}")
    return {name: (checksum, at) for name, checksum, at in found.fetchall()}


def _check(known: Sequence[Migration], done: dict[str, tuple[str, datetime | None]]) -> None:
    """What ran must be the first of what is known, unchanged."""
    ran = [migration.name for migration in known if migration.name in done]
    strangers = sorted(set(done) - set(ran))
    if strangers:
        raise DatabaseError(
            f"The database has run {', '.join(strangers)}, which this version does not know. "
            "Install the version of crypto_nn that made it, or a newer one."
        )
    for migration in known:
        if migration.name in done and done[migration.name][0] != migration.checksum:
            raise DatabaseError(
                f"Migration {migration.name} was changed after it ran: its checksum is "
                f"{migration.checksum[:12]}, and {done[migration.name][0][:12]} ran. Put the file "
                "back as it was, and write the change into a new file."
            )
    due = [migration.name for migration in known]
    if ran != due[: len(ran)]:
        missing = next(name for name in due if name not in done)
        raise DatabaseError(
            f"The database has run {ran[-1]} but not {missing}, which comes before it. Restore "
            "the database, or number the file after those that ran."
        )


def _check_version(server: int) -> None:
    if server < _OLDEST:
        raise DatabaseError(
            f"The server is Postgres {server // 10_000}; 15 or newer is due. Upgrade it first."
        )
