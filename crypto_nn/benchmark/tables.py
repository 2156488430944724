"""The tables of the report, horizon by horizon."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from crypto_nn.benchmark.drawings import (
    confusion_drawing,
    equity_drawing,
    reliability_drawing,
    skill_drawing,
)
from crypto_nn.benchmark.leaderboard import Standing, best, facts, fold_figures, standings
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.benchmark.words import number, percent
from crypto_nn.pictures.document import Block, Heading, Table, Words


def horizon_blocks(
    result: BenchmarkResult, everyone: Sequence[Standing], horizon: int
) -> Iterator[Block]:
    """Everyone at one horizon: predictions, paired gains, trading."""
    there = [standing for standing in everyone if standing.horizon == horizon]
    quiet = frozenset(n for n, standing in enumerate(there) if standing.is_baseline)
    yield Heading(f"{horizon} minutes ahead")
    yield skill_drawing(there, horizon)
    yield Table(
        ["", "verdict", "log-loss skill", "accuracy", "majority", "balanced", "MCC", "direction",
         "precision", "recall", "F1", "ECE"],
        [_score_row(standing) for standing in there],
        "Predictions",
        quiet,
    )  # fmt: skip
    yield from _gains_table(there)
    yield from _trading(result, there, horizon, quiet)


def _score_row(standing: Standing) -> list[str]:
    return [
        standing.model,
        standing.verdict.text,
        percent(standing["log_loss_skill"], 2, sign=True),
        percent(standing["accuracy"]),
        percent(standing["majority"].estimate),
        percent(standing["balanced_accuracy"]),
        number(standing["mcc"], 3),
        percent(standing["direction_hit"]),
        percent(standing["precision"].estimate),
        percent(standing["recall"].estimate),
        percent(standing["f1"].estimate),
        percent(standing["ece"].estimate),
    ]


def _gains_table(there: Sequence[Standing]) -> Iterator[Block]:
    models = [standing for standing in there if not standing.is_baseline]
    if models:
        names = list(models[0].verdict.gains)
        rows = [
            [m.model, *(number(m.verdict.gains[n], 5, sign=True) for n in names)] for m in models
        ]
        caption = "Paired gain over each baseline, in nats a row; above 0 the model told more"
        yield Table(["", *names], rows, caption)


def _trading(
    result: BenchmarkResult, there: Sequence[Standing], horizon: int, quiet: frozenset[int]
) -> Iterator[Block]:
    costs, headline = result.config.costs_bps, result.config.headline_cost_bps
    yield Table(
        ["", *(f"{cost:g} bp" for cost in costs), "break-even", "turnover a day"],
        [
            [
                s.model,
                *(number(s[f"sharpe_{cost:g}bp"], 1) for cost in costs),
                _bps(s["break_even_bps"].estimate),
                number(s["turnover_per_day"].estimate, 1),
            ]
            for s in there
        ],
        "Annual Sharpe ratio, net, by cost of a round trip",
        quiet,
    )
    unit = f"{headline:g}bp"
    columns = ["", "return", "Sortino", "max drawdown", "win rate", "profit factor",
               "round trips", "PSR", "deflated"]  # fmt: skip
    yield Table(
        columns,
        [
            [
                s.model,
                percent(s[f"return_{unit}"].estimate),
                number(s[f"sortino_{unit}"].estimate, 1),
                percent(s[f"max_drawdown_{unit}"].estimate),
                percent(s[f"win_rate_{unit}"].estimate),
                number(s[f"profit_factor_{unit}"].estimate, 2),
                number(s["round_trips"].estimate, 0),
                number(s["psr"].estimate, 3),
                number(s["deflated_sharpe"].estimate, 3),
            ]
            for s in there
        ],
        f"Trading at {headline:g} bp per round trip",
        quiet,
    )
    first = best(there, horizon)
    if first is not None:
        yield equity_drawing(result, first.model, horizon)


def _bps(value: float) -> str:
    text = number(value, 1)
    return text if text == "–" else f"{text} bp"


def confidence_blocks(result: BenchmarkResult, everyone: Sequence[Standing]) -> Iterator[Block]:
    """Whether models know how sure they may be."""
    models = list(dict.fromkeys(s.model for s in everyone if not s.is_baseline))
    if models:
        yield Heading("Confidence, and what came")
        yield Words("On the diagonal, a stated 40 % comes true four times in ten.")
    for model in models:
        yield reliability_drawing(result, model)
        yield confusion_drawing(result, model)


def over_time_blocks(result: BenchmarkResult, table: pa.Table) -> Iterator[Block]:
    """Whether skill held from fold to fold."""
    numbers = [fold.number for fold in result.folds]
    if len(numbers) < 2:
        return
    skills = fold_figures(table, "log_loss_skill")
    yield Heading("Fold by fold")
    for horizon in result.horizons:
        names = [name for name in result.kinds if (name, horizon) in skills]
        rows = [
            [
                name,
                *(
                    percent(skills[name, horizon].get(fold, np.nan), 2, sign=True)
                    for fold in numbers
                ),
            ]
            for name in names
        ]
        quiet = frozenset(n for n, name in enumerate(names) if result.kinds[name] == "baseline")
        columns = ["", *(f"fold {fold}" for fold in numbers)]
        yield Table(columns, rows, f"Log-loss skill, {horizon} minutes ahead", quiet)


def by_symbol_blocks(result: BenchmarkResult, table: pa.Table) -> Iterator[Block]:
    """Whether skill is there for each symbol."""
    if len(result.symbols) < 2:
        return
    yield Heading("Symbol by symbol")
    by_symbol = {symbol: standings(table, symbol) for symbol in result.symbols}
    for horizon in result.horizons:
        rows = [
            [
                name,
                *(_skill_of(by_symbol[symbol], name, horizon) for symbol in result.symbols),
            ]
            for name in result.kinds
        ]
        quiet = (n for n, kind in enumerate(result.kinds.values()) if kind == "baseline")
        caption = f"Log-loss skill, {horizon} minutes ahead"
        yield Table(["", *result.symbols], rows, caption, frozenset(quiet))


def _skill_of(everyone: Sequence[Standing], model: str, horizon: int) -> str:
    found = (s for s in everyone if (s.model, s.horizon) == (model, horizon))
    skills = [percent(s["log_loss_skill"], 2, sign=True) for s in found]
    return skills[0] if skills else "–"


def speed_blocks(result: BenchmarkResult, table: pa.Table) -> Iterator[Block]:
    """What each model weighs, and how long an answer takes."""
    known = {name: of for name, of in facts(table).items() if result.kinds[name] == "model"}
    if not known:
        return
    columns = {
        "parameters": ("parameters", 0),
        "train_seconds": ("training, s", 0),
        "latency_p50_ms_batch1": ("p50 ms, 1 window", 2),
        "latency_p99_ms_batch1": ("p99 ms, 1 window", 2),
        "latency_p50_ms_batch32": ("p50 ms, 32 windows", 2),
        "latency_p99_ms_batch32": ("p99 ms, 32 windows", 2),
        "windows_per_second_batch32": ("windows a second", 0),
    }
    yield Heading("Size and speed")
    yield Table(
        ["", *(title for title, _ in columns.values())],
        [
            [name, *(number(of.get(key, np.nan), d) for key, (_, d) in columns.items())]
            for name, of in known.items()
        ],
    )
