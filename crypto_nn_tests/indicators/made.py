"""Bars made for tests: walks with every oddity that markets have, and a strategy of such."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Float

EPISODES = ("walk", "flat", "still", "jump", "one_way", "no_volume")


def walk(
    rows: int, seed: int = 0, price: float = 30_000.0, start: str = "2024-01-01T00:00"
) -> Bars:
    """A heavy-tailed walk without holes, its volume log-normal."""
    rng = np.random.default_rng(seed)
    close_N = price * np.exp(np.cumsum(4e-4 * rng.standard_t(4, rows)))
    return bars_of(close_N, rng.lognormal(0.0, 1.0, rows), rng, start)


def bars_of(
    close_N: Float, volume_N: Float, rng: np.random.Generator, start: str = "2024-01-01T00:00"
) -> Bars:
    """Bars with these closes; they open at the close before, and have wicks where they move."""
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    top_N, bottom_N = np.maximum(open_N, close_N), np.minimum(open_N, close_N)
    reach_N = top_N - bottom_N
    high_N = top_N + rng.random(len(close_N)) * reach_N
    low_N = np.maximum(bottom_N - rng.random(len(close_N)) * reach_N, bottom_N * 0.5)
    ts_N = np.datetime64(start, "us") + np.arange(len(close_N)) * M1.step
    return Bars("BTC-USDT", M1, ts_N, open_N, high_N, low_N, close_N, volume_N)


def without(bars: Bars, *holes: tuple[int, int]) -> Bars:
    """The bars less the rows in each [first, last)."""
    keep_N: NDArray[np.bool_] = np.ones(len(bars), bool)
    for first, last in holes:
        keep_N[first:last] = False
    return bars.take(keep_N)


def dead(rows: int, price: float = 30_000.0) -> Bars:
    """Nothing moves and nothing is traded."""
    return bars_of(np.full(rows, price), np.zeros(rows), np.random.default_rng(0))


@st.composite
def made_bars(draw: st.DrawFn, most_episodes: int = 5) -> Bars:
    """Up to a few hundred bars: calm, wild, constant, without volume, jumping, tiny and huge."""
    price = draw(st.sampled_from([1e-8, 1.0, 6e4, 1e8]))
    episodes = draw(st.lists(st.sampled_from(EPISODES), min_size=1, max_size=most_episodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    moves, volumes = [], []
    for episode in episodes:
        rows = draw(st.integers(1, 90))
        moves.append(_moves(episode, rows, rng))
        quiet = episode in ("still", "no_volume")
        volumes.append(np.zeros(rows) if quiet else rng.lognormal(0.0, 2.0, rows))
    close_N = price * np.exp(np.cumsum(np.concatenate(moves)))
    return bars_of(close_N, np.concatenate(volumes), rng)


def _moves(episode: str, rows: int, rng: np.random.Generator) -> Float:
    if episode in ("flat", "still"):
        return np.zeros(rows)
    if episode == "one_way":
        return np.full(rows, 1e-4)
    move_N: Float = 5e-4 * rng.standard_t(4, rows)
    if episode == "jump":
        move_N[rows // 2] = rng.choice([-2.0, 2.0])
    return move_N


def in_units(bars: Bars, price: float = 1.0, volume: float = 1.0) -> Bars:
    """The same bars in other units."""
    return replace(
        bars,
        open=bars.open * price,
        high=bars.high * price,
        low=bars.low * price,
        close=bars.close * price,
        volume=bars.volume * volume,
    )
