"""What makes a year fit into an hour and changes nothing that is kept or decided.

The soak kills processes and never the kernel, so that nothing has to reach the disk itself. What
Dagster and DuckDB load anew at each tick is loaded once.
"""

import importlib
import importlib.util
import os
import pkgutil
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from alembic.script import ScriptDirectory
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from sqlalchemy import event
from sqlalchemy.engine import Engine

import crypto_nn
from crypto_nn.defs.feature_columns import FeatureColumns
from crypto_nn.defs.resources import Platform
from crypto_nn.environment import catalogue
from crypto_nn.experiments import Experiment
from crypto_nn.pictures import embed
from crypto_nn.store.extensions import DUCKLAKE, SQLITE, load_extensions
from crypto_nn.store.lake import Lake


def hasten() -> None:
    """For the stage, before it forks anything."""
    _import_everything()
    _one_revision_map()
    _no_sync()
    _light_connections()
    _one_lake()
    _one_experiment()
    _no_pictures()
    FeatureColumns(Platform().feature_set(Platform().experiment()))  # hashes the code, once
    connection = duckdb.connect()  # its libraries stay loaded, and its threads end with it
    load_extensions(connection, DUCKLAKE, SQLITE)
    connection.close()


_BESIDE = (
    "aiosmtpd.controller", "apprise", "fsspec", "lightgbm", "matplotlib.figure", "psycopg",
    "pyarrow.dataset", "scipy.stats", "sklearn.linear_model", "sympy", "torch", "torch._dynamo",
    "upath", "dagster._core.execution.plan.active", "dagster._core.executor.in_process",
    "dagster._core.instance.factory", "dagster._core.storage.noop_compute_log_manager",
    "dagster._core.storage.root", "dagster._core.utility_ops",
    "dagster._core.workspace.autodiscovery", "dagster._utils.test",
)  # fmt: skip


def _import_everything() -> None:
    """What a run imports when it needs it, each run has from the beginning."""
    for module in pkgutil.walk_packages(crypto_nn.__path__, "crypto_nn."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _BESIDE:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)


def _one_revision_map() -> None:
    """Dagster reads a hundred migration scripts whenever it opens a storage; now once."""
    load = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def from_config(config: Any) -> ScriptDirectory:
        location = config.get_main_option("script_location")
        if location not in known:
            known[location] = load(config)
        return known[location]

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    from_config(config).as_revision_number("head")


def _no_sync() -> None:
    """What the kernel has outlives every process that is killed."""

    def lazy(connection: Any, record: object) -> None:
        if type(connection).__module__.startswith("sqlite3"):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", lazy)
    os.fsync = _nothing


def _nothing(fd: object) -> None:
    """Not even a system call."""


def _light_connections() -> None:
    """DuckDB checks the signatures of its extensions at each connection, which takes 0.3 s; now
    once. It works in one thread, as everything here does.
    """
    connect: Any = duckdb.connect

    def light(*arguments: Any, config: Any = None, **named: Any) -> Any:
        settings = {**(config or {}), "allow_unsigned_extensions": True, "threads": 1}
        return connect(*arguments, config=settings, **named)

    duckdb.connect = light


def _one_experiment() -> None:
    """The YAML, which nobody changes here, is read once and not at every question."""
    Experiment.load = cache(Experiment.load)  # type: ignore[method-assign]


def _no_pictures() -> None:
    """Pictures on the pages of the UI are not drawn: they are a third of a refresh."""
    embed.data_uri = lambda picture: "data:,"


def _one_lake() -> None:
    """A process keeps one way to the lake, where each tick of the daemon would open another.

    Upkeep removes dropped files at once: DuckLake stamps them with the real time, in which the
    whole soak lasts an hour.
    """

    @cache
    def lake(home: str, process: int) -> Lake:
        return Lake(Path(home) / "lake", catalogue())

    Platform.lake = property(lambda self: lake(self.home, os.getpid()))  # type: ignore[assignment]
    maintain = Lake.maintain

    def at_once(self: Lake, *arguments: Any, **named: Any) -> Any:
        return maintain(self, *arguments, **{**named, "grace": timedelta(0)})

    Lake.maintain = at_once  # type: ignore[method-assign]
