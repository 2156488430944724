"""`crypto-nn …`: one thin function per command. Nothing heavy is imported before it is needed."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crypto_nn.environment import YAML, catalogue, home, use_yaml, yaml_in_force, yaml_path
from crypto_nn.errors import ConfigError, CryptoNNError

if TYPE_CHECKING:
    import pyarrow as pa

    from crypto_nn.defs.graph import Graph
    from crypto_nn.store.lake import Lake
    from crypto_nn.store.models import ModelStore

# Typer passes this on to click: `--n_trials` is `--n-trials`.
_EITHER = {"token_normalize_func": lambda name: name.replace("_", "-")}
console = Console()
errors = Console(stderr=True)


def _group(about: str) -> typer.Typer:
    return typer.Typer(
        help=about, no_args_is_help=True, context_settings=_EITHER, pretty_exceptions_enable=False
    )


app = _group("Self-retraining, leak-proof ML data platform for crypto price direction.")
models = _group("Trained versions, and which one answers.")
config = _group("All settings, as one YAML file.")
symbols = _group("What the platform follows.")
app.add_typer(models, name="models")
app.add_typer(config, name="config")
app.add_typer(symbols, name="symbols")

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="A symbol such as BTC-USDT; repeatable. All.")
]
Month = Annotated[str | None, typer.Option(help="A month such as 2024-01.")]
First = Annotated[str | None, typer.Option("--from", help="First month, such as 2024-01.")]
Last = Annotated[str | None, typer.Option("--to", help="Last month.")]


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


def _lake() -> "Lake":
    from crypto_nn.store.lake import open_lake

    return open_lake(home() / "lake", catalogue())


def _graph() -> "Graph":
    from crypto_nn.definitions import defs
    from crypto_nn.defs.graph import Graph

    return Graph.here(defs())


def _models() -> "ModelStore":
    from crypto_nn.store.models import ModelStore

    return ModelStore(home() / "models")


@app.command()
def demo(
    source: Annotated[str, typer.Option(help="synthetic, or files.")] = "synthetic",
    files: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of bars, with --source files.")
    ] = None,
    months: Annotated[int, typer.Option(min=1, help="How many of the last months to predict.")] = 1,
) -> None:
    """Run the whole graph once, and show what came out.

    Example: crypto-nn demo --source files --files ~/bars
    """
    from crypto_nn.defs.demo import run_demo

    run_demo(source, files or [], months, _graph)


@app.command()
def ingest(
    symbol: Symbols = None,
    from_: First = None,
    to: Last = None,
) -> None:
    """Fetch bars from their sources and refresh bars, features and labels.

    Example: crypto-nn ingest --symbol BTC-USDT --from 2024-01
    """
    graph = _graph()
    graph.refresh(symbol, from_, to)
    _print_rows(graph.received(symbol), title="Kept")


@app.command()
def materialize(
    symbol: Symbols = None,
    from_: First = None,
    to: Last = None,
) -> None:
    """Run all boxes of the graph in order: refresh, retrain, predict, watch.

    Example: crypto-nn materialize --symbol BTC-USDT
    """
    _graph().everything(symbol, from_, to)


@app.command()
def train(
    universe: Annotated[
        str | None, typer.Option(help="A symbol or universe; all active ones if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML other than the one in force.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's name.")] = None,
    preset: Annotated[str | None, typer.Option(help="small or full.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:0 …")] = None,
) -> None:
    """Train, benchmark and, where it is better, promote a new version.

    Example: crypto-nn train --universe BTC-USDT --model LSTMPricePredictor --device cpu
    """
    if config is not None:
        use_yaml(config)
    wanted = {"model.name": model, "model.preset": preset, "training.device": device}
    from crypto_nn.benchmark.terminal import print_leaderboard, wide_console

    graph = _graph()
    for name in (universe,) if universe else graph.experiment.active_universes:
        graph.retrain(name, {key: value for key, value in wanted.items() if value})
        rows, verdict = graph.outcome(name)
        print_leaderboard(wide_console(), rows, f"Leaderboard of {name}, walk-forward test")
        console.print(verdict, markup=False)


@app.command()
def predict(symbol: Symbols = None, month: Month = None) -> None:
    """Let the champion predict a month (the last one if not given).

    Example: crypto-nn predict --symbol BTC-USDT --month 2025-06
    """
    _graph().predict(symbol, month)


@app.command()
def evaluate(
    checkpoint: Annotated[str, typer.Option(help="A version, or `champion:BTC-USDT`.")],
    test_data: Annotated[
        str, typer.Option(help="Days in the lake (2025-06-01..2025-06-30), `lock-box`, or a file.")
    ],
) -> None:
    """Score a version beside the baselines on data of your choice.

    Example: crypto-nn evaluate --checkpoint champion:BTC-USDT --test-data 2025-06-01..2025-06-30
    """
    from crypto_nn.benchmark.terminal import print_leaderboard, wide_console

    rows = _graph().evaluate(checkpoint, test_data)
    print_leaderboard(wide_console(), rows, f"{checkpoint} on {test_data}")


@app.command()
def drift(
    symbol: Symbols = None,
    day: Annotated[str | None, typer.Option(help="A day such as 2025-06-30; the last one.")] = None,
) -> None:
    """Test a day against what the champion learned from, and print the verdict.

    Example: crypto-nn drift --symbol BTC-USDT --day 2025-06-30
    """
    _print_rows(_graph().watch(symbol, day), title="Drift")


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT; - reads it from stdin.")] = None,
    attach: Annotated[
        bool, typer.Option("--attach", help="Print the lines that attach the lake in any DuckDB.")
    ] = False,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
    max_rows: Annotated[int, typer.Option(min=1, help="Rows that a table shows at most.")] = 100,
) -> None:
    """Query every table, also while runs write.

    Example: crypto-nn sql "select symbol, count(*) from features group by symbol"
    """
    from crypto_nn.store import sql as queries

    if attach:
        typer.echo(queries.attach_script(_lake()))
        return
    if query is None:
        raise ConfigError('Nothing to ask. Give a query: crypto-nn sql "select 1".')
    text = sys.stdin.read() if query == "-" else query
    _print_result(queries.query(_lake(), home() / "raw_bars", text), format, max_rows)


@models.command("list")
def list_models() -> None:
    """All trained versions, newest first, with the champions marked."""
    from crypto_nn.inference.registry import list_versions

    _print_rows(list_versions(_lake(), _models()), title="Versions")


@models.command()
def show(version: str) -> None:
    """The model card of a version (or of `champion:BTC-USDT`)."""
    from crypto_nn.inference.registry import model_card, resolve

    store = _models()
    console.print(model_card(store, resolve(store, version)), markup=False, highlight=False)


@models.command()
def promote(
    version: str,
    universe: Annotated[str, typer.Option(help="A symbol or universe it shall answer for.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "by hand",
) -> None:
    """Let a version answer for a universe from now on.

    Example: crypto-nn models promote 3f9a1c20 --universe BTC-USDT --reason "checked by hand"
    """
    from crypto_nn.inference import registry

    _experiment().members(universe)
    now = registry.promote(_lake(), _models(), universe, version, reason, _now())
    console.print(f"{now.version} answers for {universe} since {now.at}.")


@models.command()
def rollback(universe: str, reason: Annotated[str, typer.Option(help="Why.")] = "by hand") -> None:
    """Let the champion before the present one answer again.

    Example: crypto-nn models rollback BTC-USDT
    """
    from crypto_nn.inference import registry

    now = registry.rollback(_lake(), _models(), universe, reason, _now())
    console.print(f"{now.version} answers for {universe} since {now.at}.")


@config.command()
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


@config.command("show")
def show_config() -> None:
    """Print the experiment in force as YAML, defaults included, secrets masked."""
    typer.echo(_experiment().to_yaml(), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON schema of the YAML."""
    from crypto_nn.experiments import Experiment

    typer.echo(json.dumps(Experiment.model_json_schema(), indent=2))


@config.command("list")
def list_presets() -> None:
    """The models and their presets."""
    from crypto_nn.models import MODELS

    rows = [
        {"model": name, "preset": preset, "settings": str(settings)}
        for name, entry in MODELS.items()
        for preset, settings in entry.presets.items()
    ]
    _print_rows(rows, title="Models and presets")


@config.command()
def diff(version_a: str, version_b: str) -> None:
    """How the settings of two versions differ."""
    from crypto_nn.inference.registry import config_differences

    rows = config_differences(_models(), version_a, version_b)
    _print_rows(rows, title=f"{version_a} → {version_b}")


@symbols.command("list")
def list_symbols() -> None:
    """The symbols, their sources and months."""
    rows = [{"symbol": name, **item.model_dump()} for name, item in _experiment().symbols.items()]
    _print_rows(rows, title="Symbols")


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


def _experiment() -> Any:
    from crypto_nn.experiments import Experiment

    return Experiment.load(yaml_in_force())


def _now() -> Any:
    import numpy as np

    return np.datetime64("now", "us")


def _print_rows(rows: list[dict[str, Any]], title: str) -> None:
    if not rows:
        console.print(f"{title}: nothing there yet.")
        return
    console.print(_table(list(rows[0]), [list(row.values()) for row in rows], title))


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> Table:
    """A table whose cells are shown as they are: what looks like markup is text."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(Text(name), overflow="fold", no_wrap=name in ("version", "universe"))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    return "" if value is None else str(value)


def _print_result(table: "pa.Table", format: str, max_rows: int) -> None:
    from crypto_nn.store import render

    if format == "csv":
        typer.echo(render.to_csv(table), nl=False)
    elif format == "json":
        typer.echo(render.to_json(table))
    elif format == "table":
        console.print(_table(table.column_names, render.cells(table.slice(0, max_rows))))
        if table.num_rows > max_rows:
            console.print(f"{max_rows} of {table.num_rows} rows; --max-rows shows more.")
    else:
        raise ConfigError(f"--format {format!r} is not known; there are table, csv, json.")
