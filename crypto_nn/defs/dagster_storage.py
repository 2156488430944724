"""Where Dagster keeps runs, events, schedules and cursors: SQLite, or Postgres by one variable.

The shipped `dagster.yaml` names this class, so that the command line, the UI and the daemon agree.
Importing it loads neither drivers nor anything of the platform.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from crypto_nn.environment import dagster_home, dagster_postgres_url
from crypto_nn.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

VARIABLE = "DAGSTER_POSTGRES_URL"
FORM = f"{VARIABLE} is to be written postgresql://user:password@host:5432/database"
DRIVER = "postgresql+psycopg2"  # dagster-postgres notifies with a statement that psycopg 3 refuses
_NAME = re.compile(r"[^/@:]+")
_HOST = re.compile(r"[A-Za-z0-9._:%-]*")


class SqliteOrPostgres(DagsterStorage, ConfigurableClass):
    """Picks the storage when `dagster.yaml` is read: Postgres where its address is set."""

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Never asked for: what is picked is another class."""
        return None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the environment says which."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DagsterStorage:
        """The storage that the environment says.

        Raises:
            ConfigError: the address cannot be understood, or nobody answers there.
        """
        url = dagster_postgres_url()
        if url is None:
            return _Sqlite.from_local(str(dagster_home()), inst_data)
        return _postgres(address(url.get_secret_value()), inst_data)


class _Sqlite(DagsterSqliteStorage):
    """Files in DAGSTER_HOME; a `dagster.yaml` of another folder is refused."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = _RunsOfHome.from_local(str(Path(base_dir) / "history"))


class _RunsOfHome(SqliteRunStorage):
    """What refuses to keep the runs of one folder in another."""

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Look at whose runs these are to be.

        Raises:
            ConfigError: `dagster.yaml` was read from another folder than DAGSTER_HOME.
        """
        there = Path(instance.root_directory).resolve()
        if there != dagster_home():
            raise ConfigError(
                f"This dagster.yaml lies in {there}, but DAGSTER_HOME is {dagster_home()}. "
                f"Set DAGSTER_HOME={there}."
            )
        super().register_instance(instance)


def address(text: str) -> "URL":
    """The address as SQLAlchemy takes it, with the driver that Dagster works with.

    Raises:
        ConfigError: it is not the address of a Postgres. The message never repeats it.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(f"{FORM}; what is set cannot be read.") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigError(f"{FORM}; what is set does not begin with postgresql://.")
    if not _NAME.fullmatch(url.database or "") or not _HOST.fullmatch(url.host or ""):
        raise ConfigError(
            f"{FORM}; what is set names no database, or has a sign such as @ or / in its password: "
            "write it as %40 or %2F."
        )
    return url.set(drivername=DRIVER)


def _postgres(url: "URL", inst_data: ConfigurableClassData | None) -> DagsterStorage:
    from dagster_postgres import DagsterPostgresStorage
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return DagsterPostgresStorage(url.render_as_string(hide_password=False), True, inst_data)
    except (DagsterPostgresException, SQLAlchemyError) as error:
        raise ConfigError(
            f"Dagster's Postgres at {_place(url)} cannot be used: {_why(error, url)}. "
            f"Mend {VARIABLE}, start the server, or unset it to keep runs in SQLite files."
        ) from None


def _place(url: "URL") -> str:
    host = url.host or url.query.get("host") or "the local socket"
    return f"{host}, database {url.database}, user {url.username}"


def _why(error: BaseException, url: "URL") -> str:
    """The first line of what the driver said, without the password."""
    from crypto_nn.store.database.secrets import redacted

    cause = error.__cause__ or error
    said = str(getattr(cause, "orig", None) or cause).strip().partition("\n")[0]
    return redacted(said, [url.password] if url.password else []).rstrip(".")


def check_settings(settings: Path) -> None:
    """Refuse a `dagster.yaml` that would not look at the variable that is set.

    Raises:
        ConfigError: DAGSTER_POSTGRES_URL is set, and the file says nothing of storage.
    """
    if dagster_postgres_url() is None or not settings.exists():
        return
    told = yaml.safe_load(settings.read_text(encoding="utf-8")) or {}
    if not {"storage", "run_storage"} & set(told):
        raise ConfigError(
            f"{VARIABLE} is set, but {settings} was written before it was looked at. Add to it: "
            "storage: {custom: {module: crypto_nn.defs.dagster_storage, class: SqliteOrPostgres}}"
        )
