"""Running the graph: fetch, train, predict, judge, watch."""

from pathlib import Path
from typing import Annotated

import typer

from crypto_nn.cli.shared import (
    First,
    Last,
    Month,
    Symbols,
    console,
    graph,
    group,
    model_store,
    print_rows,
)
from crypto_nn.environment import use_yaml
from crypto_nn.errors import ConfigError

commands = group("Running the graph.")


@commands.command()
def demo(
    source: Annotated[str, typer.Option(help="synthetic, files, binance, polygon.")] = "synthetic",
    files: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of bars, with --source files.")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(help="A symbol such as BTC-USDT; repeatable.")
    ] = None,
    months: Annotated[int, typer.Option(min=1, help="How many of the last months to predict.")] = 1,
) -> None:
    """Run the whole graph once, and show what came out.

    Example: crypto-nn demo --source files --files ~/bars
    """
    from crypto_nn.defs.demo import Wanted, run_demo

    run_demo(Wanted(source, files or (), symbol or (), months), graph)


@commands.command()
def ingest(
    symbol: Symbols = None,
    from_: First = None,
    to: Last = None,
    live: Annotated[
        bool, typer.Option("--live", help="Record bars as they close into live_bars, until ^C.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be fetched.")
    ] = False,
) -> None:
    """Fetch bars from their sources and refresh bars, features and labels.

    Example: crypto-nn ingest --symbol BTC-USDT --from 2024-01
    """
    if live and (from_ or to or dry_run):
        raise ConfigError("--live records what comes from now on; it takes no --from, --to or "
                          "--dry-run. History is fetched without --live.")  # fmt: skip
    if live:
        from crypto_nn.cli.live import record_live

        record_live(symbol)
        return
    if dry_run:
        from crypto_nn.cli.live import print_survey

        print_survey(symbol, from_, to)
        return
    running = graph()
    running.refresh(symbol, from_, to)
    print_rows(running.received(symbol), title="Kept")
    for name in running.symbols(symbol):
        page = running.platform.feature_page(name)
        if page.exists():
            console.print(f"A picture of each feature of {name}: {page}", soft_wrap=True)


@commands.command()
def materialize(
    symbol: Symbols = None,
    from_: First = None,
    to: Last = None,
) -> None:
    """Run all boxes of the graph in order: refresh, retrain, predict, watch.

    Example: crypto-nn materialize --symbol BTC-USDT
    """
    graph().everything(symbol, from_, to)


@commands.command()
def train(
    universe: Annotated[
        str | None, typer.Option(help="A symbol or universe; all active ones if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML other than the one in force.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's name.")] = None,
    preset: Annotated[str | None, typer.Option(help="small or full.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:0 …")] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Begin from this version, or from `champion:ETH-USDT`.")
    ] = None,
) -> None:
    """Train, benchmark and, where it is better, promote a new version.

    Example: crypto-nn train --universe BTC-USDT --model LSTMPricePredictor --device cpu
    Example: crypto-nn train --universe BTC-USDT --pretrained champion:ETH-USDT
    """
    if config is not None:
        use_yaml(config)
    wanted = {"model.name": model, "model.preset": preset, "training.device": device}
    if pretrained is not None:
        from crypto_nn.inference.registry import resolve

        wanted["training.pretrained"] = resolve(model_store(), pretrained)
    from crypto_nn.benchmark.terminal import print_leaderboard, wide_console

    running = graph()
    for name in (universe,) if universe else running.experiment.active_universes:
        running.retrain(name, {key: value for key, value in wanted.items() if value})
        rows, verdict = running.outcome(name)
        print_leaderboard(wide_console(), rows, f"Leaderboard of {name}, walk-forward test")
        console.print(verdict, markup=False)


@commands.command()
def predict(symbol: Symbols = None, month: Month = None) -> None:
    """Let the champion predict a month (the last one if not given).

    Example: crypto-nn predict --symbol BTC-USDT --month 2025-06
    """
    graph().predict(symbol, month)


@commands.command()
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

    rows = graph().evaluate(checkpoint, test_data)
    print_leaderboard(wide_console(), rows, f"{checkpoint} on {test_data}")


@commands.command()
def drift(
    symbol: Symbols = None,
    day: Annotated[str | None, typer.Option(help="A day such as 2025-06-30; the last one.")] = None,
) -> None:
    """Test a day against what the champion learned from, and print the verdict.

    Example: crypto-nn drift --symbol BTC-USDT --day 2025-06-30
    """
    print_rows(graph().watch(symbol, day), title="Drift")
