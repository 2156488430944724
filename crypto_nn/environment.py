"""The one place where the environment is read: where things are kept, which YAML, which keys."""

import os
import socket
from pathlib import Path

from pydantic import SecretStr

YAML = "crypto_nn.yaml"


def home() -> Path:
    """Where everything is kept: CRYPTO_NN_HOME, else ./data."""
    return Path(os.environ.get("CRYPTO_NN_HOME", "data")).resolve()


def catalogue() -> str | None:
    """Where the lake's catalogue is: CRYPTO_NN_CATALOGUE (postgres:…), else a file in the lake."""
    return os.environ.get("CRYPTO_NN_CATALOGUE")


def yaml_path() -> Path:
    """Where the YAML is, or would be: CRYPTO_NN_CONFIG, else ./crypto_nn.yaml."""
    return Path(os.environ.get("CRYPTO_NN_CONFIG", YAML))


def yaml_in_force() -> Path | None:
    """The YAML to read, or None where none was named and none lies in the working folder."""
    path = yaml_path()
    return path if "CRYPTO_NN_CONFIG" in os.environ or path.exists() else None


def use_yaml(path: Path) -> None:
    """Put a YAML in force, for this process and those that it starts."""
    os.environ["CRYPTO_NN_CONFIG"] = str(path.resolve())


def dagster_home() -> Path:
    """Dagster's own memory: DAGSTER_HOME, else beside everything else."""
    return Path(os.environ.get("DAGSTER_HOME") or home() / "dagster_home").resolve()


def dagster_postgres_url() -> SecretStr | None:
    """Where Dagster's runs, events and cursors are, DAGSTER_POSTGRES_URL; None: SQLite files."""
    return secret("DAGSTER_POSTGRES_URL")


def secret(name: str) -> SecretStr | None:
    """A key or address that must never be shown, by the name of its variable; None if unset."""
    value = os.environ.get(name, "").strip()
    return SecretStr(value) if value else None


def share_metrics(folder: Path) -> None:
    """Let the workers of a server keep their metrics in a folder; before any loads the library."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.resolve())


def torchrun() -> tuple[int, int, int] | None:
    """Rank, number of processes and rank on this machine, where torchrun started this process."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(name in os.environ for name in (*names, "MASTER_ADDR", "MASTER_PORT")):
        return None
    rank, size, local = (int(os.environ[name]) for name in names)
    return rank, size, local


def talk_on_this_machine_only() -> None:
    """Let the processes of a training listen on the loopback interface, unless told otherwise."""
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
