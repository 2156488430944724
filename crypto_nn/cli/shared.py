"""What the commands share: where things are, common options, and how rows are printed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crypto_nn.environment import catalogue, home, yaml_in_force

if TYPE_CHECKING:
    from crypto_nn.defs.graph import Graph
    from crypto_nn.experiments import Experiment
    from crypto_nn.store.lake import Lake
    from crypto_nn.store.models import ModelStore

# Typer passes this on to click: `--n_trials` is `--n-trials`.
_EITHER = {"token_normalize_func": lambda name: name.replace("_", "-")}
# Columns that are never broken.
_WHOLE = ("version", "universe", "symbol", "run", "model", "state", "started", "skill %")
console = Console(width=None if sys.stdout.isatty() else 140)  # a pipe has no width of its own
errors = Console(stderr=True)

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="A symbol such as BTC-USDT; repeatable. All.")
]
Month = Annotated[str | None, typer.Option(help="A month such as 2024-01.")]
First = Annotated[str | None, typer.Option("--from", help="First month, such as 2024-01.")]
Last = Annotated[str | None, typer.Option("--to", help="Last month.")]


def group(about: str) -> typer.Typer:
    """A group of commands; without one of them its help is shown."""
    return typer.Typer(
        help=about, no_args_is_help=True, context_settings=_EITHER, pretty_exceptions_enable=False
    )


def lake() -> "Lake":
    """The lake that is there."""
    from crypto_nn.store.lake import open_lake

    return open_lake(home() / "lake", catalogue())


def graph() -> "Graph":
    """The graph of assets, ready to run in this process; Dagster loads only now."""
    from crypto_nn.definitions import defs
    from crypto_nn.defs.graph import Graph

    return Graph.here(defs())


def model_store() -> "ModelStore":
    """The trained versions."""
    from crypto_nn.store.models import ModelStore

    return ModelStore(home() / "models")


def experiment() -> "Experiment":
    """The settings in force."""
    from crypto_nn.experiments import Experiment

    return Experiment.load(yaml_in_force())


def now() -> Any:
    """The time, naive UTC."""
    import numpy as np

    return np.datetime64("now", "us")


def print_rows(rows: list[dict[str, Any]], title: str, sparse: bool = False) -> None:
    """A table of rows, or a line that there is none; `sparse` leaves out empty columns."""
    if not rows:
        console.print(f"{title}: nothing there yet.")
        return
    if sparse:
        filled = [name for name in rows[0] if any(_cell(row[name]) for row in rows)]
        rows = [{name: row[name] for name in filled} for row in rows]
    console.print(table(list(rows[0]), [list(row.values()) for row in rows], title))


def table(names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> Table:
    """A table whose cells are shown as they are: what looks like markup is text."""
    shown = Table(title=title, title_justify="left")
    for name in names:
        shown.add_column(Text(name), overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        shown.add_row(*(Text(_cell(value)) for value in row))
    return shown


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    return "" if value is None else str(value)
