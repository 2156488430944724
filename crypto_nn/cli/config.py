"""All settings, and what the platform follows."""

import json
from pathlib import Path
from typing import Annotated

import typer

from crypto_nn.cli.shared import console, experiment, group, model_store, print_rows
from crypto_nn.environment import YAML, yaml_path
from crypto_nn.errors import ConfigError

commands = group("All settings, as one YAML file.")
symbols = group("What the platform follows.")


@commands.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write.")] = Path("crypto_nn.yaml"),
) -> None:
    """Write the full default YAML, to be edited."""
    from crypto_nn.experiments import Experiment
    from crypto_nn.store.atomic import write_bytes

    if path.exists():
        raise ConfigError(f"{path} exists already. Edit it, or choose another path.")
    write_bytes(path, Experiment().to_yaml().encode())
    console.print(
        f"Wrote {path}. It is read where it is called {YAML} and lies in the working folder; "
        "else set CRYPTO_NN_CONFIG to its path."
    )


@commands.command("show")
def show_config() -> None:
    """Print the experiment in force as YAML, defaults included, secrets masked."""
    typer.echo(experiment().to_yaml(), nl=False)


@commands.command()
def schema() -> None:
    """Print the JSON schema of the YAML."""
    from crypto_nn.experiments import Experiment

    typer.echo(json.dumps(Experiment.model_json_schema(), indent=2))


@commands.command("list")
def list_presets() -> None:
    """The models and their presets."""
    from crypto_nn.models import MODELS

    rows = [
        {"model": name, "preset": preset, "settings": str(settings)}
        for name, entry in MODELS.items()
        for preset, settings in entry.presets.items()
    ]
    print_rows(rows, title="Models and presets")


@commands.command()
def diff(version_a: str, version_b: str) -> None:
    """How the settings of two versions differ."""
    from crypto_nn.inference.registry import config_differences

    rows = config_differences(model_store(), version_a, version_b)
    print_rows(rows, title=f"{version_a} → {version_b}")


@symbols.command("list")
def list_symbols() -> None:
    """The symbols, their sources and months."""
    rows = [{"symbol": name, **item.model_dump()} for name, item in experiment().symbols.items()]
    print_rows(rows, title="Symbols")


@symbols.command()
def add(
    symbol: str,
    source: Annotated[str, typer.Option(help="A name from `sources` in the YAML.")],
    first_month: Annotated[str, typer.Option(help="The first month to keep.")],
    last_month: Annotated[str | None, typer.Option(help="The last month, if historical.")] = None,
) -> None:
    """Follow one more symbol: adds it to the YAML.

    Example: crypto-nn symbols add ETH-USDT --source files --first-month 2023-01
    """
    from crypto_nn.experiments import add_symbols

    path = yaml_path()
    months = {"first_month": first_month, "last_month": last_month}
    add_symbols(path, {symbol: {"source": source, **months}}, {})
    console.print(f"Added {symbol} to {path}. Reload the code location in the UI.")
