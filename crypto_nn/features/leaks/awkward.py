"""Bars made to be awkward: what leaks hide behind, in one stretch of sixteen days."""

from dataclasses import replace

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.reference import with_reference

_START = np.datetime64("2024-01-24T21:00", "us")
_ROWS = 16 * 1440
_BLANK_EVERY = 500
# First row and number: of holes, of minutes that stand still, and of minutes without a trade.
_HOLES = ((1_900, 90), (5_000, 1), (7_333, 6), (9_301, 2), (10_060, 61), (11_500, 300), (17_000, 3))
_STILL = ((3_000, 400), (8_200, 130), (12_345, 20))
_NO_TRADE = ((6_400, 1), (6_650, 7), (9_900, 2), (13_700, 45))
_JUMPS = ((2_500, 0.6), (8_800, 2.5), (14_000, 0.4))


def awkward_bars(seed: int = 0, symbol: str = "BTC-USDT") -> Bars:
    """A heavy-tailed walk over weekends and a month's turn, with all that goes wrong in markets.

    Holes of a minute to five hours, prices that stand still, minutes without trades, jumps, a
    `vwap` and `trades` that are missing in one row of 500, and a `reference` with holes of its own.
    """
    rng = np.random.default_rng(seed)
    other = _walk(rng, 3_000.0, "ETH-USDT")
    bars = _walk(rng, 30_000.0, symbol)
    vwap = (bars.high + bars.low + bars.close) / 3
    trades = np.round(bars.volume * 25)
    vwap[_BLANK_EVERY // 2 :: _BLANK_EVERY] = np.nan
    trades[_BLANK_EVERY // 3 :: _BLANK_EVERY] = np.nan
    there = rng.random(len(other)) > 0.002
    there[7_000:7_040] = False
    bars = with_reference(replace(bars, vwap=vwap, trades=trades), other.take(there))
    keep = np.ones(len(bars), bool)
    for first, num in _HOLES:
        keep[first : first + num] = False
    return bars.take(keep)


def _walk(rng: np.random.Generator, price: float, symbol: str) -> Bars:
    move = 4e-4 * rng.standard_t(4, _ROWS)
    volume = rng.lognormal(0.0, 1.0, _ROWS)
    for first, num in _STILL:
        move[first : first + num] = 0.0
        volume[first : first + num] = 0.0
    for first, num in _NO_TRADE:
        move[first : first + num] = 0.0
        volume[first : first + num] = 0.0
    for row, factor in _JUMPS:
        move[row] = np.log(factor)
    close = price * np.exp(np.cumsum(move))
    opening = np.concatenate([close[:1], close[:-1]])
    top, bottom = np.maximum(opening, close), np.minimum(opening, close)
    reach = top - bottom
    high = top + rng.random(_ROWS) * reach
    low = np.maximum(bottom - rng.random(_ROWS) * reach, bottom * 0.5)
    ts = _START + np.arange(_ROWS) * M1.step
    return Bars(symbol, M1, ts, opening, high, low, close, volume)
