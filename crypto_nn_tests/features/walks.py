"""Random walks as bars, with gaps where wanted, and what tests ask of their labels."""

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.features.labels import LabelConfig, Labels, compute_labels

MINUTE = np.timedelta64(60_000_000, "us")


def walk(
    minutes: int,
    start: str = "2024-01-01",
    seed: int = 0,
    missing: NDArray[np.int64] | None = None,
    step: float = 5e-4,
) -> Bars:
    """A geometric random walk of so many minutes; `missing` are the minutes without a bar."""
    generator = np.random.default_rng(seed)
    volatility = step * np.exp(0.5 * np.sin(np.arange(minutes) / 300))
    close = 100 * np.exp(np.cumsum(generator.normal(0, volatility)))
    ts = np.datetime64(start, "us") + np.arange(minutes) * MINUTE
    volume = generator.uniform(1, 2, minutes)
    bars = Bars("BTC-USDT", M1, ts, close, close, close, close, volume)
    return bars if missing is None else bars.take(np.delete(np.arange(minutes), missing))


def with_close(bars: Bars, close: NDArray[np.float64]) -> Bars:
    """The same bars at other prices."""
    return Bars(bars.symbol, bars.timeframe, bars.ts, close, close, close, close, bars.volume)


def assert_same(one: Labels, other: Labels) -> None:
    """Both are the same to the bit."""
    for name in ("ts", "sigma", "returns_NH", "scores_NH", "t1_NH", "classes_NH"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def month_alone(bars: Bars, month: str, config: LabelConfig) -> Labels:
    """The labels of a month from no more than the bars that it needs."""
    needed = bars.between(*config.bars_needed(month))
    return compute_labels(needed, config).between(*month_bounds(month))
