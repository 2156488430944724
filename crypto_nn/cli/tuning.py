"""Searching for better settings."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from crypto_nn.cli.shared import console, graph, group, print_rows
from crypto_nn.environment import use_yaml

commands = group("Searching for better settings.")


class _Told(logging.Handler):
    """Prints how a search stands."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), markup=False, highlight=False)


@commands.command()
def tune(
    universe: Annotated[str, typer.Option(help="A symbol or universe.")],
    config: Annotated[Path | None, typer.Option(help="A YAML other than the one in force.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's name; the one in force.")] = None,
    n_trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of the study, all calls together.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Stop after so many minutes.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that train.")] = None,
) -> None:
    """Search for better settings of a model on validation rows; nothing is promoted.

    A search that was stopped (^C) goes on where it was when it is called again.

    Example: crypto-nn tune --universe BTC-USDT --model LSTMPricePredictor --n-trials 20 --workers 2
    """
    if config is not None:
        use_yaml(config)
    wanted = {
        "tuning.trials": n_trials,
        "tuning.timeout_minutes": timeout,
        "tuning.workers": workers,
    }
    import dagster as dg

    running = graph()
    told = logging.getLogger("crypto_nn.defs.tuning")
    told.setLevel(logging.INFO)
    told.addHandler(_Told())
    overrides = {key: value for key, value in wanted.items() if value is not None}
    try:
        found = running.tune(universe, model, overrides)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        console.print("Stopped; call again to go on.")
        raise typer.Exit(130) from None
    _print(found, universe, running.platform.reports / "tuning" / universe / found["model"])


def _print(found: dict[str, object], universe: str, folder: Path) -> None:
    """The best settings, what mattered, and where to read on."""
    console.print(
        f"{found['study']}: {found['complete']} complete, {found['pruned']} pruned, "
        f"{found['failed']} failed of {found['asked']}, {found['waiting']} queued.",
        highlight=False,
    )
    if found["best_trial"] is None:
        console.print("No trial is complete yet.")
        return
    params = json.loads(str(found["params"]))
    shares = json.loads(str(found["importance"]))
    rows = [
        {"setting": name, "best": value, "importance": shares.get(name)}
        for name, value in params.items()
    ]
    title = (
        f"Trial {found['best_trial']}, {found['best_value']:.6g}, version {found['best_version']}"
    )
    print_rows(rows, title=title)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    console.print(f"Best settings: {folder / 'best.yaml'}", soft_wrap=True)
    console.print(
        "The best of many trials is too good; nothing was promoted. Next: crypto-nn train "
        f"--universe {universe} --config {folder / 'best.yaml'}",
        soft_wrap=True,
    )
