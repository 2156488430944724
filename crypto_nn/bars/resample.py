"""Slower bars made of faster ones, as they could have been known at the time."""

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars.bars import Bars, Float, Times
from crypto_nn.bars.timeframe import Timeframe
from crypto_nn.errors import BarsError


def resample(bars: Bars, to: Timeframe, min_share: float = 0.8) -> Bars:
    """Bars of a slower timeframe, each made of the bars that lie within it.

    A slow bar is stamped with its open and starts on the UTC grid (10:00, 10:05, …). It is given
    only where it has closed, which the bars themselves tell: the last of them, or a later one,
    ends at or after the slow bar's end. It is given only where at least `min_share` of the bars
    due in it are present; a slow bar without enough of them stays missing. Volume and trades are
    sums, vwap is weighted by volume over the bars that have one, reference is that of the last bar.

    Args:
        bars: clean bars (`Bars.check_clean`).
        to: a whole multiple of the bars' own timeframe.
        min_share: the least share of present bars, in (0, 1].

    Raises:
        BarsError: the bars are not clean, or `to` or `min_share` is not as due.
    """
    if to.minutes % bars.timeframe.minutes:
        raise BarsError(
            f"{bars.timeframe} bars cannot be made into {to} bars: "
            f"{to.minutes} minutes is no multiple of {bars.timeframe.minutes}."
        )
    if not 0 < min_share <= 1:
        raise BarsError(f"min_share is {min_share}; a share above 0 and at most 1 is due.")
    return resample_clean(bars.check_clean(), to, min_share)


def resample_clean(bars: Bars, to: Timeframe, min_share: float = 0.8) -> Bars:
    """The same of bars that are known to be clean, to a timeframe that is known to fit."""
    if not len(bars):
        return Bars.empty(bars.symbol, to)
    known_until = bars.ts[-1] + bars.timeframe.step
    opens = np.arange(floor(bars.ts[:1], to)[0], known_until, to.step)
    first = np.searchsorted(bars.ts, opens)
    num_present = np.diff(first, append=len(bars))
    some = num_present > 0
    enough = num_present >= min_share * (to.minutes // bars.timeframe.minutes)
    keep = enough & (opens + to.step <= known_until)
    return _combine(bars, to, first[some]).take(keep[some])


def floor(ts: Times, to: Timeframe) -> Times:
    """The open of the bar of this timeframe in which each instant lies."""
    return ts - (ts - np.datetime64(0, "us")) % to.step


def _combine(bars: Bars, to: Timeframe, first: NDArray[np.intp]) -> Bars:
    last = np.append(first[1:], len(bars)) - 1
    return Bars(
        bars.symbol,
        to,
        floor(bars.ts[first], to),
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=np.add.reduceat(bars.volume, first),
        vwap=None if bars.vwap is None else _mean(bars.vwap, bars.volume, first),
        trades=None if bars.trades is None else _sum(bars.trades, first),
        reference=None if bars.reference is None else bars.reference[last],
    )


def _mean(values: Float, weights: Float, first: NDArray[np.intp]) -> Float:
    """The weighted mean of each group over its finite values; NaN where nothing was traded."""
    weights = np.where(np.isfinite(values), weights, 0.0)
    total: Float = np.add.reduceat(weights, first)
    moments = np.add.reduceat(np.where(weights > 0, values, 0.0) * weights, first)
    mean: Float = np.divide(moments, total, out=np.full(len(first), np.nan), where=total > 0)
    return mean


def _sum(values: Float, first: NDArray[np.intp]) -> Float:
    """The sum of each group over its finite values; NaN where it has none."""
    finite = np.isfinite(values)
    total = np.add.reduceat(np.where(finite, values, 0.0), first)
    return np.where(np.logical_or.reduceat(finite, first), total, np.nan)
