"""The one place where the environment is read: where things are kept, which YAML, which keys."""

import os
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


def secret(name: str) -> SecretStr | None:
    """A key or address that must never be shown, by the name of its variable; None if unset."""
    value = os.environ.get(name, "").strip()
    return SecretStr(value) if value else None
