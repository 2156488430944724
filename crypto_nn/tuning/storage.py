"""Where a study is kept, and the one place at a time at which its trials are handed out."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from crypto_nn.environment import secret
from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.tuning.journal import LockedJournal

JOURNAL = "study.journal"
POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")


@dataclass(frozen=True)
class Place:
    """Where studies are kept.

    Attributes:
        kind: journal (a file in the study's folder) or postgres.
        variable: the environment variable that holds the address; the address is never written.
        heartbeat_s, grace_s: postgres: how often a trial gives a sign of life, and how long it
            may be silent.
    """

    kind: Literal["journal", "postgres"] = "journal"
    variable: str = "CRYPTO_NN_TUNING"
    heartbeat_s: int = 10
    grace_s: int = 60

    def address(self) -> str:
        """The address of the Postgres.

        Raises:
            ConfigError: the variable is not set, or holds something else; its value is not shown.
        """
        found = secret(self.variable)
        text = found.get_secret_value() if found else ""
        scheme = next((each for each in POSTGRES if text.startswith(each)), None)
        if scheme is None:
            raise ConfigError(
                f"tuning.storage is postgres, and the environment variable {self.variable} "
                f"{'holds no postgresql:// address' if text else 'is not set'}. Set it, or use "
                "tuning.storage: journal."
            )
        return f"postgresql://{text.removeprefix(scheme)}"

    def open(self, folder: Path) -> BaseStorage:
        """The storage of the study in this folder; made where it is missing."""
        quiet()
        if self.kind == "journal":
            return JournalStorage(LockedJournal(folder / JOURNAL))
        address = self.address().replace("postgresql://", "postgresql+psycopg://", 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return RDBStorage(
                address,
                engine_kwargs={"pool_pre_ping": True, "pool_size": 2},
                heartbeat_interval=self.heartbeat_s,
                grace_period=self.grace_s,
            )

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Where studies are searched: a Postgres that has gone is told of in a line.

        Raises:
            TrainingError: it cannot be reached. The error's own words, which may repeat parts of
                the address, are not shown.
        """
        if self.kind == "journal":
            yield
            return
        import psycopg
        from sqlalchemy.exc import InterfaceError, OperationalError

        lost = (psycopg.OperationalError, OperationalError, InterfaceError, StorageInternalError)
        try:
            yield
        except lost as error:
            raise TrainingError(
                f"The studies' Postgres cannot be reached ({type(error).__name__}). See that it "
                f"runs at the address in {self.variable}, then call again to go on."
            ) from None

    def claim(self, folder: Path, study: str) -> AbstractContextManager[object]:
        """The right to hand out trials: one process at a time has it, and a dead one loses it."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.kind == "journal":
            return FileLock(folder / "claim.lock")
        return _postgres_claim(self.address(), study)


@contextmanager
def _postgres_claim(address: str, study: str) -> Iterator[None]:
    """An advisory lock of Postgres: it ends with the connection, and holds on all machines."""
    import psycopg

    key = int.from_bytes(hashlib.sha256(study.encode()).digest()[:8], signed=True)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (key,))
        yield


def quiet() -> None:
    """optuna tells of problems only: what happened is in the study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
