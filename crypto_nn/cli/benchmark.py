"""The benchmark: who is better than every baseline, and who is not."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_nn.cli.shared import console, graph, group
from crypto_nn.environment import use_yaml
from crypto_nn.errors import ConfigError

if TYPE_CHECKING:
    from crypto_nn.benchmark.walk_forward import Step
    from crypto_nn.defs.graph import Graph

commands = group("The benchmark.")


@commands.command()
def benchmark(
    universe: Annotated[
        str | None, typer.Option(help="A symbol or universe; the first active one if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML other than the one in force.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="NAME or NAME:PRESET; repeatable. As in the YAML.")
    ] = None,
    refit: Annotated[str | None, typer.Option(help="splits, monthly or quarterly.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First month of the test.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month of the test.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0 to N - 1.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes side by side.")] = None,
    arms: Annotated[
        bool, typer.Option("--arms", help="Put the stated learnings to the test instead.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="A folder that the report and its figures go to.")
    ] = None,
) -> None:
    """Let models and baselines learn and answer fold by fold, and print the leaderboard.

    Forecasts are kept: a run that was stopped goes on where it was when it is started again.

    Example: crypto-nn benchmark --universe BTC-USDT
    Example: crypto-nn benchmark --arms
    Example: crypto-nn benchmark --refit quarterly --from 2024-01 --to 2025-06 --workers 2
    """
    if config is not None:
        use_yaml(config)
    wanted: dict[str, Any] = {
        "benchmark.models": model,
        "benchmark.refit": refit,
        "benchmark.first_test": first,
        "benchmark.last_test": last,
        "benchmark.seeds": list(range(seeds)) if seeds else None,
        "benchmark.workers": workers,
    }
    if output is not None and output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output} is a file; name a folder.")
    running = graph()
    name = universe or running.experiment.active_universes[0]
    overrides = {key: value for key, value in wanted.items() if value}
    _listen()
    if arms:
        folder = running.learnings(name, overrides, _tell)
    else:
        console.print(f"Bars and features of {name} first, where they are missing.")
        folder = running.benchmark(name, overrides)
        _print(running, name)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            if not (output / file.name).exists() or not file.samefile(output / file.name):
                shutil.copyfile(file, output / file.name)
        folder = output
    console.print(f"The report: {folder / 'report.html'}", soft_wrap=True)


class _Lines(logging.Handler):
    """Prints what the benchmark says of its progress."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), markup=False, highlight=False)


def _listen() -> None:
    log = logging.getLogger("crypto_nn.defs.benchmark")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [_Lines()]


def _print(running: "Graph", universe: str) -> None:
    from crypto_nn.benchmark.leaderboard import leaderboard
    from crypto_nn.benchmark.terminal import print_leaderboard, wide_console

    report = running.platform.lake.read("benchmark_report", where={"universe": universe})
    rows = leaderboard(report, running.experiment.benchmark.headline_cost_bps)
    print_leaderboard(wide_console(), rows, f"Leaderboard of {universe}, walk-forward test")


def _tell(step: "Step") -> None:
    kept = ", kept from before" if step.found else ""
    line = f"{step.done} of {step.total}: {step.contestant}, fold {step.fold}{kept}"
    console.print(line, markup=False, highlight=False)
