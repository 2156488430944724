"""`crypto-nn …`: one thin function per command. Nothing heavy is imported before it is needed."""

import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from crypto_nn.cli import (
    benchmark,
    checks,
    config,
    controls,
    data,
    export,
    graph,
    models,
    monitor,
    reproduce,
    runs,
    status,
    tuning,
)
from crypto_nn.cli.shared import console, errors, group
from crypto_nn.errors import CryptoNNError

app = group("Self-retraining, leak-proof ML data platform for crypto price direction.")
for room in (graph, benchmark, controls, tuning, data, checks, reproduce, export, monitor, status):
    app.registered_commands += room.commands.registered_commands
app.add_typer(models.commands, name="models")
app.add_typer(runs.commands, name="runs")
app.add_typer(config.commands, name="config")
app.add_typer(config.symbols, name="symbols")
app.add_typer(data.database, name="db")


def main() -> None:
    """Run the command line; a mistake of the user's ends in one clear message and exit code 1."""
    try:
        app()
    except CryptoNNError as error:
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        console.print(f"crypto-nn {version_of('crypto-nn')}")
        raise typer.Exit
