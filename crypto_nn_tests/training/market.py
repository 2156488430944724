"""Tiny made-up markets on which training is tested."""

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import Fold, Role

START = np.datetime64("2024-03-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")
DAY = 1440 * MINUTE
LABELS = LabelConfig(horizons=(5, 15))


def random_bars(minutes: int, seed: int = 0, edge: float = 0.0, symbol: str = "SYN-USDT") -> Bars:
    """A random walk; with an edge, each return leans by that share towards a slow hidden push."""
    random = np.random.default_rng(seed)
    push = np.repeat(random.choice([-1.0, 1.0], minutes // 30 + 1), 30)[:minutes]
    returns = 5e-4 * (random.standard_normal(minutes) + edge * push)
    close = 100 * np.exp(np.cumsum(returns))
    spread = 1 + 1e-4 * random.random(minutes)
    ts = START + np.arange(minutes) * MINUTE
    low, high = close / spread, close * spread
    return Bars(symbol, M1, ts, close, high, low, close, np.ones(minutes))


def features(bars: Bars, seed: int = 0) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Last returns of two lengths, scaled, and two columns of noise; null for an hour at first."""
    random = np.random.default_rng(seed + 1)
    log_close = np.log(bars.close)
    columns = []
    for length in (1, 10):
        moves = np.full(len(bars), np.nan)
        moves[length:] = (log_close[length:] - log_close[:-length]) / np.sqrt(length) * 2e3
        columns.append(moves)
    columns += [random.standard_normal(len(bars)) for _ in range(2)]
    x_NF = np.column_stack(columns)
    x_NF[:60] = np.nan
    return x_NF, ("return_1", "return_10", "noise_a", "noise_b")


def panel(
    days: float = 5, seed: int = 0, edge: float = 0.0, symbols: tuple[str, ...] = ("SYN-USDT",)
) -> Panel:
    parts = {}
    for number, symbol in enumerate(symbols):
        bars = random_bars(int(days * 1440), seed + 10 * number, edge, symbol)
        x_NF, names = features(bars, seed)
        parts[symbol] = Part.from_arrays(x_NF, names, compute_labels(bars, LABELS, True), bars)
    return Panel.from_parts(parts)


def fold(days: tuple[float, float, float] = (3, 1, 1)) -> Fold:
    """Train, validation and calibration one after the other, with half an hour between."""
    names = ("train", "validation", "calibration")
    edges = START + (np.cumsum([0.0, *days]) * 1440).astype(np.int64) * MINUTE
    roles = tuple(
        Role(name, start, end - 30 * MINUTE) for name, start, end in zip(names, edges, edges[1:])
    )
    return Fold(0, "nightly", roles, 15, 30)
