"""How long one live bar takes: the full set of features beside peers, in one run.

    python benchmarks/live_features.py [BARS.parquet] [--bars 20000]

Without a file it measures on a random walk. The stream runs over the turn of a month, so that the
minutes in which two months' states are open are among those measured. Beside it stand sixteen bare
handles of `talib.stream`, the same indicators of talipp as far as it has them, and what a system
without a stream does: compute the last 1,000 bars anew. Wall time, one thread.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import talib.stream
from features import bars_of

from crypto_nn.bars import Bar, Bars
from crypto_nn.bars.calendar import TS, month_of, shift_month
from crypto_nn.features import default_feature_set

WINDOW = 1000
handles: Any = talib.stream


def microseconds(update: Callable[[Bar], object], bars: Iterable[Bar]) -> "np.ndarray":
    """What each update took."""
    clock, took = time.perf_counter_ns, []
    for bar in bars:
        start = clock()
        update(bar)
        took.append(clock() - start)
    return np.array(took) / 1e3


def bare_handles(bars: Bars) -> Callable[[Bar], object]:
    """Sixteen TA-Lib handles, opened on some history."""
    h, lo, c, v = (np.ascontiguousarray(x) for x in (bars.high, bars.low, bars.close, bars.volume))
    by_close = [
        handles.RSI(c, 14), handles.MACD(c), handles.ROC(c, 10), handles.SMA(c, 20),
        handles.EMA(c, 20), handles.DEMA(c, 20), handles.TEMA(c, 20), handles.BBANDS(c, 20),
    ]  # fmt: skip
    by_range = [
        handles.STOCH(h, lo, c, 14), handles.WILLR(h, lo, c, 14), handles.CCI(h, lo, c, 20),
        handles.ADX(h, lo, c, 14), handles.ATR(h, lo, c, 14),
    ]  # fmt: skip
    aroon, obv, mfi = handles.AROON(h, lo, 25), handles.OBV(c, v), handles.MFI(h, lo, c, v, 14)

    def update(bar: Bar) -> None:
        _, _, high, low, close, volume, *_ = bar
        for handle in by_close:
            handle.update(close)
        for handle in by_range:
            handle.update(high, low, close)
        aroon.update(high, low)
        obv.update(close, volume)
        mfi.update(high, low, close, volume)

    return update


def with_talipp(bars: Bars) -> Callable[[Bar], object]:
    """Fifteen of the same indicators in talipp (it has no MFI; its history is kept short)."""
    from talipp import indicators as pp
    from talipp.ohlcv import OHLCV

    by_close = [pp.RSI(14), pp.MACD(12, 26, 9), pp.ROC(10), pp.SMA(20), pp.EMA(20), pp.DEMA(20),
                pp.TEMA(20), pp.BB(20, 2.0)]  # fmt: skip
    by_bar = [pp.Stoch(14, 3), pp.Williams(14), pp.CCI(20), pp.ADX(14, 14), pp.ATR(14),
              pp.Aroon(25), pp.OBV()]  # fmt: skip

    def update(bar: Bar) -> None:
        for one in by_close:
            one.add(bar.close)
        candle = OHLCV(bar.open, bar.high, bar.low, bar.close, bar.volume)
        for one in by_bar:
            one.add(candle)
        for one in (*by_close, *by_bar):
            one.purge_oldest(max(len(one) - 200, 0))

    for bar in bars[-300:]:
        update(bar)
    return update


def anew(every: Bars, row: int) -> Callable[[Bar], object]:
    """The newest row by computing the last 1,000 bars again, from this row on."""
    features = default_feature_set()
    rows = iter(range(row + 1, len(every)))

    def update(_: Bar) -> object:
        now = next(rows)
        return features.compute(every[now - WINDOW : now], complete=True)[-1]

    return update


def line(words: str, took_N: "np.ndarray", ours: float | None = None) -> float:
    """Median, 99th percentile, and how many times ours."""
    p50, p99 = np.quantile(took_N, [0.5, 0.99])
    beside = "" if ours is None else f"   {p50 / ours:7.2f} of ours"
    print(f"  {words:34} {p50:9.1f} {p99:9.1f} µs{beside}")
    return float(p50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--bars", type=int, default=20_000)
    chosen = parser.parse_args()
    every = bars_of(chosen.file, 120_000)
    features = default_feature_set()
    turn = np.datetime64(shift_month(month_of(every.ts[60_000]), 1)).astype(TS)
    first = int(np.searchsorted(every.ts, turn)) - chosen.bars // 2
    before, news = every[:first], list(every[first : first + chosen.bars])
    print(f"{chosen.bars:,} bars over the turn of a month; TA-Lib {talib.__version__}")
    print(f"  {'':34} {'p50':>9} {'p99':>9}")
    full = features.stream(before, complete=True)
    ours = line(f"ours, {len(features.names)} features", microseconds(full.update, news))
    line("talib.stream, 16 bare handles", microseconds(bare_handles(before), news), ours)
    line("talipp, 15 of the same", microseconds(with_talipp(before), news[:5000]), ours)
    line(f"our {WINDOW:,} last bars anew", microseconds(anew(every, first), news[:300]), ours)


if __name__ == "__main__":
    main()
