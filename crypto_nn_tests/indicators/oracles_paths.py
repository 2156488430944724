"""Slow versions of the indicators whose state is a path: a stop, a trend, an adaptive weight."""

from typing import Any

import numpy as np

from crypto_nn.bars import Bars, Float
from crypto_nn_tests.indicators.slowly import true_range, wilder


def kama(bars: Bars, one: Any) -> tuple[Float, ...]:
    close, out = bars.close, np.full(len(bars), np.nan)
    for row in range(one.period, len(bars)):
        window = close[row - one.period : row + 1]
        way, path = abs(window[-1] - window[0]), float(np.abs(np.diff(window)).sum())
        # Where nothing moves the weight does not matter: the mean is already there or not.
        straight = min(way / path, 1.0) if path > 0 else 1.0
        weight = (straight * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        last = close[row - 1] if row == one.period else out[row - 1]
        out[row] = last + weight * (close[row] - last)
    return (out,)


def sar(bars: Bars, one: Any) -> tuple[Float, ...]:
    high, low, out = bars.high, bars.low, np.full(len(bars), np.nan)
    if len(bars) < 2:
        return (out,)
    fall, rise = low[0] - low[1], high[1] - high[0]
    rising = not (fall > 0 and fall > rise)
    stop, extreme = (low[0], high[1]) if rising else (high[0], low[1])
    step = one.step
    for row in range(1, len(bars)):
        last = max(row - 1, 1)  # the first bar with a stop has no earlier one to keep clear of
        lowest, highest = min(low[last], low[row]), max(high[last], high[row])
        hit = low[row] <= stop if rising else high[row] >= stop
        if hit:
            rising = not rising
            out[row] = min(extreme, lowest) if rising else max(extreme, highest)
            step, extreme = one.step, high[row] if rising else low[row]
        else:
            out[row] = stop
            further = high[row] > extreme if rising else low[row] < extreme
            if further:
                extreme = high[row] if rising else low[row]
                step = min(step + one.step, one.limit)
        stop = out[row] + step * (extreme - out[row])
        stop = min(stop, lowest) if rising else max(stop, highest)
    return (out,)


def supertrend(bars: Bars, one: Any) -> tuple[Float, ...]:
    middle, reach = (bars.high + bars.low) / 2, one.width * wilder(true_range(bars), one.period)
    line, trend = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    upper = lower = np.nan
    rising = True
    for row in range(one.period, len(bars)):
        above, below = middle[row] + reach[row], middle[row] - reach[row]
        first = row == one.period
        last = bars.close[row - 1]
        upper = above if first or above < upper or last > upper else upper
        lower = below if first or below > lower or last < lower else lower
        if rising and bars.close[row] < lower:
            rising = False
        elif not rising and bars.close[row] > upper:
            rising = True
        line[row], trend[row] = (lower, 1.0) if rising else (upper, -1.0)
    return line, trend
