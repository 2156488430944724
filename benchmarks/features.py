"""How fast features are: ours beside bare TA-Lib calls and beside pandas, in one run.

    python benchmarks/features.py [BARS.parquet] [--rows 1300000]

Without a file it measures on a random walk. Ratios below 1 mean that ours is faster. Bare TA-Lib
does less: indicators only, in one go over all bars, with no transforms, months, gaps or slower
timeframes. Pandas does the same columns as ours, as one would write them in a notebook.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import talib

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features import FeatureSet, default_feature_set


def walk(rows: int) -> Bars:
    """A random walk of prices with log-normal volume."""
    rng = np.random.default_rng(0)
    close = 30_000 * np.exp(np.cumsum(4e-4 * rng.standard_normal(rows)))
    before = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(close, before) * (1 + 1e-4 * rng.random(rows))
    low = np.minimum(close, before) * (1 - 1e-4 * rng.random(rows))
    ts = np.datetime64("2023-01-01", "us") + np.arange(rows) * M1.step
    return Bars("BTC-USDT", M1, ts, before, high, low, close, rng.lognormal(0, 1, rows))


def bare_talib(bars: Bars) -> int:
    """The engine's share of the base columns; returns the number of calls."""
    h, lo, c, v = bars.high, bars.low, bars.close, bars.volume
    calls = [
        talib.RSI(c, 14), talib.STOCH(h, lo, c, 14), talib.WILLR(h, lo, c, 14),
        talib.CCI(h, lo, c, 20), talib.ROC(c, 10), talib.MACD(c), talib.AROON(h, lo, 25),
        talib.SMA(c, 20), talib.SMA(c, 60), talib.SMA(c, 240), talib.EMA(c, 20),
        talib.DEMA(c, 20), talib.TEMA(c, 20), talib.ADX(h, lo, c, 14), talib.BBANDS(c, 20),
        talib.KC(h, lo, c), talib.DONCHIAN(h, lo, 20), talib.DONCHIAN(h, lo, 60),
        talib.DONCHIAN(h, lo, 240), talib.ATR(h, lo, c, 14), talib.MFI(h, lo, c, v, 14),
        talib.OBV(c, v), talib.SUM(v, 15), talib.SUM(v, 60), talib.SUM(v, 240),
    ]  # fmt: skip
    return len(calls)


def with_pandas(bars: Bars) -> dict[str, "pd.Series[Any]"]:
    """Columns of the set that pandas can do without a Python loop over rows, by their names."""
    h, lo, c, v = (pd.Series(x) for x in (bars.high, bars.low, bars.close, bars.volume))
    step = _log(c).diff()
    before = c.shift()
    reach = h.where(h > before, before) - lo.where(lo < before, before)
    atr = reach.ewm(alpha=1 / 14).mean()
    rise = c.diff().clip(lower=0).ewm(alpha=1 / 14).mean()
    fall = (-c.diff().clip(upper=0)).ewm(alpha=1 / 14).mean()
    columns = {f"log_return_{n}": _log(c / c.shift(n)) for n in (1, 2, 5, 15, 30, 60, 240)}
    columns["rsi_14"] = (rise - fall) / (rise + fall)
    place = (c - lo.rolling(14).min()) / (h.rolling(14).max() - lo.rolling(14).min())
    columns["stoch_k_14"] = 2 * place.rolling(3).mean() - 1
    columns["willr_14"] = 2 * place - 1
    line = c.ewm(span=12).mean() - c.ewm(span=26).mean()
    columns["macd_12_26"] = line / atr
    columns["macd_histogram_12_26_9"] = (line - line.ewm(span=9).mean()) / atr
    for n in (20, 60, 240):
        columns[f"sma_distance_{n}"] = (c - c.rolling(n).mean()) / atr
        top, bottom = h.rolling(n).max(), lo.rolling(n).min()
        columns[f"donchian_place_{n}"] = 2 * (c - bottom) / (top - bottom) - 1
    columns["ema_distance_20"] = (c - c.ewm(span=20).mean()) / atr
    middle, half = c.rolling(20).mean(), 2 * c.rolling(20).std(ddof=0)
    columns["bb_place_20"] = (c - middle) / half
    columns["bb_width_20"] = _log((2 * half / middle).clip(lower=1e-6))
    columns["log_atr_14"] = _log(atr / c)
    root = {n: (step**2).rolling(n).mean() ** 0.5 for n in (15, 60, 240)}
    columns["log_realised_volatility_60"] = _log(root[60].clip(lower=1e-6))
    columns["volatility_ratio_15_60"] = _log(root[15] / root[60])
    columns["volatility_ratio_60_240"] = _log(root[60] / root[240])
    columns["volume_share_60"] = _log(1 + v / v.rolling(60).mean())
    columns["volume_trend_15_240"] = _log(v.rolling(15).mean() / v.rolling(240).mean())
    signed = v.where(c.diff() > 0, 0.0) - v.where(c.diff() < 0, 0.0)
    for n in (20, 60):
        columns[f"obv_share_{n}"] = signed.rolling(n).sum() / v.rolling(n).sum()
    typical = (h + lo + c) / 3
    vwap = (typical * v).rolling(60).sum() / v.rolling(60).sum()
    columns["vwap_distance_60"] = (c - vwap) / atr
    return columns


def _log(series: "pd.Series[Any]") -> "pd.Series[Any]":
    with np.errstate(divide="ignore"):
        return pd.Series(np.log(series.to_numpy()))


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """CPU seconds of the quickest of a few runs; both sides use one core."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def live_microseconds(features: FeatureSet, bars: Bars, updates: int = 5000) -> float:
    """The mean CPU time of one live update, one month's state open."""
    first = int(np.searchsorted(bars.ts, bars.ts[0] + np.timedelta64(33, "D")))
    live = features.stream(bars[:first], complete=True)
    news = list(bars[first : first + updates])
    start = time.process_time()
    for bar in news:
        live.update(bar)
    return (time.process_time() - start) / len(news) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=1_300_000)
    chosen = parser.parse_args()
    bars = walk(chosen.rows)
    if chosen.file:
        table = pq.read_table(chosen.file).slice(0, chosen.rows)
        bars = Bars.from_arrow(table, symbol_from(chosen.file.name.split("_")[0]))
    features = default_feature_set()
    same = with_pandas(bars[:1000])
    shared = FeatureSet(tuple(one for one in features.features if one.name in same), features.gaps)
    assert len(shared.names) == len(same)

    ours = seconds(lambda: features.compute(bars, complete=True))
    bare = seconds(lambda: bare_talib(bars))
    ours_shared = seconds(lambda: shared.compute(bars, complete=True))
    pandas = seconds(lambda: pd.DataFrame(with_pandas(bars)).to_numpy(np.float32))
    print(f"{len(bars):,} bars of {bars.symbol}, {len(features.names)} columns")
    print(f"ours, all columns          {ours:7.2f} s")
    print(
        f"bare TA-Lib, {bare_talib(bars[:500])} calls      {bare:7.2f} s   ratio {ours / bare:.2f}"
    )
    print(f"ours, {len(same)} columns           {ours_shared:7.2f} s")
    print(f"pandas, the same {len(same)}        {pandas:7.2f} s   ratio {ours_shared / pandas:.2f}")
    print(f"live                       {live_microseconds(features, bars):7.0f} µs per bar")


if __name__ == "__main__":
    main()
