"""All trainings, and two of them compared."""

from pathlib import Path
from typing import Annotated

import typer

from crypto_nn.cli.shared import console, group, lake, model_store, print_rows

commands = group("All trainings, whatever became of them.")


@commands.command("list")
def list_all(
    universe: Annotated[
        str | None, typer.Option(help="Only those of a symbol or universe.")
    ] = None,
) -> None:
    """Every training that was started, newest first."""
    from crypto_nn.inference.runs import list_runs

    rows = list_runs(lake(), universe)
    errors = [(row["run"], row["state"], row.pop("error")) for row in rows]
    print_rows(rows, title="Trainings", sparse=True)
    for run, state, error in errors:
        if error:
            console.print(f"{run} {state}: {error}", markup=False, highlight=False, soft_wrap=True)


@commands.command()
def compare(
    one: Annotated[str, typer.Argument(help="A run or version, or the beginning of it.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    plot: Annotated[
        Path | None, typer.Option(help="Where to draw both: a .svg or .png file.")
    ] = None,
) -> None:
    """How the settings and results of two trainings differ, and how they learned.

    Example: crypto-nn runs compare 3f9a1c20 77b0e1d4 --plot both.svg
    """
    from crypto_nn.errors import ConfigError
    from crypto_nn.inference.runs import compare_runs
    from crypto_nn.store.atomic import write_bytes

    if plot is not None and plot.suffix not in (".svg", ".png"):
        raise ConfigError(f"--plot {plot} ends in {plot.suffix!r}; write it as .svg or .png.")
    found = compare_runs(lake(), one, other)
    if found.warning:
        console.print(found.warning, style="yellow", markup=False)
    print_rows(found.settings, title="Settings that differ")
    print_rows(found.results, title="Results")
    if plot is not None:
        picture = found.picture()
        write_bytes(plot, picture.svg().encode() if plot.suffix == ".svg" else picture.png())
        console.print(f"Drawn to {plot}.", markup=False)


@commands.command()
def export(
    version: Annotated[
        str, typer.Argument(help="A version, its beginning, or `champion:BTC-USDT`.")
    ],
    output: Annotated[Path, typer.Option(help="A .csv or .json file, or a TensorBoard folder.")],
) -> None:
    """Write how a version learned, epoch by epoch, for other programs.

    Example: crypto-nn runs export champion:BTC-USDT --output history.csv
    """
    from crypto_nn.inference.registry import resolve
    from crypto_nn.store.atomic import write_bytes
    from crypto_nn.training.history import from_json, to_csv, to_json

    store = model_store()
    name = resolve(store, version)
    history = from_json(store.load(store.find(name), name)["history.json"])
    if output.suffix in (".csv", ".json"):
        text = to_csv(history) if output.suffix == ".csv" else to_json(history)
        write_bytes(output, text.encode())
    else:
        from crypto_nn.training.tensorboard import export_tensorboard

        export_tensorboard(history, output / name)
    console.print(f"Wrote {len(history)} epoch(s) to {output}.", markup=False)
