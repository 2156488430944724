"""The demo: the whole graph once, on generated bars or on one's own files."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from crypto_nn.bars.calendar import month_of, shift_month
from crypto_nn.benchmark.terminal import print_leaderboard, wide_console
from crypto_nn.environment import use_yaml, yaml_path
from crypto_nn.errors import ConfigError
from crypto_nn.experiments import Experiment, add_symbols
from crypto_nn.sources import SourceConfig, open_source

if TYPE_CHECKING:
    from crypto_nn.defs.graph import Graph

console = wide_console()
KINDS = ("synthetic", "files", "binance", "polygon")
NETWORK = {"binance": "BTC-USDT", "polygon": "BTC-USD"}
WORKERS = 2  # of the benchmark, where there are as many cores
HISTORY_MONTHS = 6  # of a live symbol: 118 whole days are due, and five months can be a day short


@dataclass(frozen=True)
class Wanted:
    """What the demo shall show: a kind of source, and its files or symbols."""

    source: str
    files: Sequence[Path] = ()
    symbols: Sequence[str] = ()
    predict_months: int = 1

    def config(self) -> SourceConfig:
        """The source that this describes.

        Raises:
            ConfigError: the kind is not known, or files are missing or not wanted.
        """
        if self.source not in KINDS:
            raise ConfigError(f"--source {self.source!r} is not known; there are {list(KINDS)}.")
        if (self.source == "files") != bool(self.files):
            raise ConfigError("--files and --source files go together: name both, or neither.")
        settings: dict[str, Any] = {"kind": self.source}
        if self.source == "files":
            settings["paths"] = [str(file.resolve()) for file in self.files]
        elif self.source in NETWORK:
            settings["symbols"] = list(self.symbols) or [NETWORK[self.source]]
        adapter: TypeAdapter[SourceConfig] = TypeAdapter(SourceConfig)
        return adapter.validate_python(settings)


def run_demo(wanted: Wanted, load_graph: Callable[[], "Graph"]) -> None:
    """Write the YAML, run every box of the graph, and print what came out on one screen."""
    started = time.monotonic()
    path = yaml_path()
    symbols = _write_yaml(path, wanted)
    predict_months = wanted.predict_months
    use_yaml(path)
    graph = load_graph()  # partitions are made of the YAML that was just written
    universes = dict.fromkeys(graph.experiment.universe_of(name) for name in symbols)
    for symbol in symbols:
        months = graph.months(symbol)
        with _told(f"{symbol}: raw_bars → bars → features, labels ({months[0]} … {months[-1]})"):
            graph.refresh([symbol])
        for kept in graph.received([symbol]):
            console.print(
                f"  {kept['bars']:,} bars, {kept['quarantined']:,} quarantined "
                f"({kept['reasons'] or 'none'}), {kept['gaps']} gaps, "
                f"{kept['missing minutes']:,} minutes missing"
            )
    for universe in universes:
        with _told(f"{universe}: splits → checkpoint → benchmark_report → champion"):
            graph.retrain(universe, quick())
    for symbol in symbols:
        with _told(f"{symbol}: predictions of the last {predict_months} month(s), drift_report"):
            for month in graph.months(symbol)[-predict_months:]:
                graph.predict([symbol], month)
            drift = graph.watch([symbol])
        _print_drift(drift)
    for universe in universes:
        _print_leaderboard(graph, universe)
    _print_tables(graph, time.monotonic() - started)


def quick() -> dict[str, Any]:
    """What the demo's own run does otherwise than the YAML says: everybody competes all the same.

    Folds are forecast side by side, the baseline DLinear learns for three epochs, and nobody's
    latency is measured: `crypto-nn benchmark` does all that.
    """
    return {
        "benchmark.workers": min(WORKERS, os.cpu_count() or 1),
        "benchmark.baseline_epochs": 3,
        "benchmark.speed": "none",
    }


def _write_yaml(path: Path, asked: Wanted) -> list[str]:
    config = asked.config()
    opened = open_source(config)
    name = _source_name(path, asked.source, config)
    wanted: dict[str, dict[str, Any]] = {}
    for symbol in asked.symbols or opened.symbols():
        there = opened.available(symbol)
        last, first = month_of(there.end - 1), month_of(there.start)
        if there.live:  # goes on by itself; the demo begins with the last months alone
            first, last = max(first, shift_month(last, 1 - HISTORY_MONTHS)), ""
        wanted[symbol] = {"source": name, "first_month": first, "last_month": last or None}
    given = config.model_dump(mode="json", exclude_defaults=True) | {"kind": config.kind}
    experiment: Experiment = add_symbols(path, wanted, {name: given})
    console.print(
        f"[bold]crypto_nn demo[/]: {', '.join(wanted)} from {asked.source}; settings in {path}"
    )
    return [symbol for symbol in experiment.symbols if symbol in wanted]


def _source_name(path: Path, kind: str, config: SourceConfig) -> str:
    """The name of this very source in the YAML, or one that is free: none is ever replaced."""
    known = Experiment.load(path).sources if path.exists() else {}
    for number in count(1):
        name = kind if number == 1 else f"{kind}_{number}"
        if name not in known or known[name] == config:
            return name
    raise AssertionError("numbers do not end")


class _told:
    """Says what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.started = time.monotonic()
        self.status = console.status(self.what)
        self.status.start()

    def __exit__(self, *failure: object) -> None:
        self.status.stop()
        mark = "[green]✓[/]" if failure[0] is None else "[red]✗[/]"
        console.print(f"{mark} {self.what}  [dim]{time.monotonic() - self.started:.1f} s[/]")


def _print_drift(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        verdict = "[bold red]drift[/]" if row["drifted"] else "[green]no drift[/]"
        console.print(
            f"  {row['symbol']} on {row['day']}: {verdict}, score {row['drift_score']:.2f} "
            f"(threshold {row['threshold']:.2f}), p = {row['p_value']:.3f}, "
            f"furthest moved: {row['worst_feature'] or 'none'}"
        )
        if row["drifted"]:
            console.print(
                "  [dim]At this level one calm day in twenty alarms too. In the UI the sensor "
                "`retrain_on_drift` will start one retraining.[/]"
            )
        if not row["reference_days"]:
            console.print(f"  [yellow]no verdict[/]: {row['reason']}")


def _print_leaderboard(graph: "Graph", universe: str) -> None:
    rows, verdict = graph.outcome(universe)
    print_leaderboard(console, rows, f"Leaderboard of {universe}, walk-forward test")
    console.print(f"  {verdict}", markup=False)


def _print_tables(graph: "Graph", seconds: float) -> None:
    lake = graph.platform.lake
    counts = ", ".join(f"{name} {lake.count(name):,}" for name in lake.tables())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"Tables: {counts}")
    console.print(
        f"Kept in {graph.platform.home}. Wall time {seconds:.0f} s, peak memory of this process "
        f"{peak:.2f} GiB."
    )
    console.print('Query:  .venv/bin/crypto-nn sql "select * from bars order by ts desc limit 5"')
    console.print("Look:   make ui, then http://127.0.0.1:3000")
