"""How fast features are computed over history: ours beside peers, in one run, as ratios.

    python benchmarks/features.py [BARS.parquet] [--rows 1300000] [--turns 5] [--symbols 100]

Without a file it measures on a random walk. Times are CPU seconds of one core, the median of
several turns in which the sides take turns. "Ours" is everything that a table needs: months from
their anchors, gap policy, transforms, float32; the peers compute bare indicators over all bars
in one go. It prints

- the columns that stand on TA-Lib alone, beside the bare calls of the same TA-Lib functions;
- the other columns of the base timeframe, and those of slower ones, with their own figures;
- sixteen classic indicators beside bare TA-Lib, vectorised pandas and the `ta` package;
- the peak of memory beside the size of the result;
- many symbols in parallel: how the work scales with cores.
"""

import argparse
import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from peers import classics

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.columns import Column
from crypto_nn.features.feature import Feature
from crypto_nn.indicators import Indicator
from crypto_nn.indicators.talib_indicator import TALibIndicator


def walk(rows: int, seed: int = 0) -> Bars:
    """A random walk of prices with log-normal volume."""
    rng = np.random.default_rng(seed)
    close = 30_000 * np.exp(np.cumsum(4e-4 * rng.standard_normal(rows)))
    before = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(close, before) * (1 + 1e-4 * rng.random(rows))
    low = np.minimum(close, before) * (1 - 1e-4 * rng.random(rows))
    ts = np.datetime64("2023-01-01", "us") + np.arange(rows) * M1.step
    return Bars("BTC-USDT", M1, ts, before, high, low, close, rng.lognormal(0, 1, rows))


def bars_of(file: Path | None, rows: int) -> Bars:
    """The first rows of a file of bars, or of a walk."""
    if file is None:
        return walk(rows)
    table = pq.read_table(file).slice(0, rows)
    return Bars.from_arrow(table, symbol_from(file.name.split("_")[0]))


def medians(sides: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """CPU seconds of each side, the median of turns that they take in rotation."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, work in sides.items():
            gc.collect()
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    return {name: float(np.median(found)) for name, found in times.items()}


@dataclass(frozen=True)
class Kinds:
    """The columns of a set by what they stand on."""

    talib: FeatureSet
    composed: FeatureSet
    slow: FeatureSet

    @classmethod
    def of(cls, features: FeatureSet) -> "Kinds":
        base = [one for one in features.features if one.timeframe == M1]
        bare = [one.name for one in base if stands_on_talib(one)]
        rest = [one.name for one in base if one.name not in bare]
        slow = [one.name for one in features.features if one.timeframe != M1]
        return cls(*(features.only(names) for names in (bare, rest, slow)))


def stands_on_talib(feature: Feature) -> bool:
    """Whether TA-Lib's functions and the bars' own columns are all that a feature needs."""
    engines = [one for one in feature.indicators if not isinstance(one, Column)]
    return bool(engines) and all(isinstance(one, TALibIndicator) for one in engines)


def engines_of(features: FeatureSet) -> list[Indicator]:
    """The distinct TA-Lib calls that a set needs."""
    every = (one for feature in features.features for one in feature.indicators)
    return [one for one in dict.fromkeys(every) if isinstance(one, TALibIndicator)]


def print_batch(bars: Bars, features: FeatureSet, turns: int) -> None:
    """Ours beside the bare calls of the same TA-Lib functions."""
    kinds = Kinds.of(features)
    engines = engines_of(kinds.talib)
    took = medians(
        {
            "bare": lambda: [one.compute(bars) for one in engines],
            "talib": lambda: kinds.talib.compute(bars, complete=True),
            "composed": lambda: kinds.composed.compute(bars, complete=True),
            "slow": lambda: kinds.slow.compute(bars, complete=True),
            "all": lambda: features.compute(bars, complete=True),
        },
        turns,
    )
    print(f"\n{len(bars):,} bars of {bars.symbol}, {len(features.names)} columns; CPU seconds")
    line("bare TA-Lib", f"{len(engines)} calls", took["bare"])
    for kind, words in (
        ("talib", "on TA-Lib alone"),
        ("composed", "composed, 1 minute"),
        ("slow", "slower timeframes"),
    ):
        columns = len(getattr(kinds, kind).names)
        line(words, f"{columns} columns", took[kind], took[kind] / took["bare"])
    line("the whole set", f"{len(features.names)} columns", took["all"], took["all"] / took["bare"])


def print_classics(bars: Bars, turns: int, ta_rows: int) -> None:
    """The sixteen beside three peers; `ta` loops over rows in Python, so it gets fewer of them."""
    columns = classics.columns_of(bars)
    took = medians(
        {
            "bare": lambda: classics.bare_talib(bars),
            "ours": lambda: classics.ours(bars),
            "pandas": lambda: [one(columns) for one in classics.PANDAS.values()],
        },
        turns,
    )
    print(f"\n16 classic indicators over {len(bars):,} bars; CPU seconds")
    line("bare TA-Lib", "", took["bare"])
    line("ours", "", took["ours"], took["ours"] / took["bare"])
    line("vectorised pandas", "", took["pandas"], took["pandas"] / took["ours"], "of ours")
    few = bars[:ta_rows]
    theirs, some = classics.with_ta(), classics.columns_of(few)
    ours = [one for one in classics.OURS if type(one).__name__ in theirs]
    took = medians(
        {
            "ours": lambda: [one.compute(few) for one in ours],
            "ta": lambda: [one(some) for one in theirs.values()],
        },
        turns,
    )
    print(f"{len(theirs)} of them over {len(few):,} bars")
    line("ours", "", took["ours"])
    line("package ta", "", took["ta"], took["ta"] / took["ours"], "of ours")


def print_memory(bars: Bars, features: FeatureSet) -> None:
    """What was allocated at the worst moment, the result included."""
    tracemalloc.start()
    made = features.compute(bars, complete=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\nmemory: {made.nbytes / 1e6:.0f} MB of features, at most {peak / 1e6:.0f} MB at once, "
          f"{peak / made.nbytes:.2f} of the result")  # fmt: skip


def _one_symbol(seed: int) -> float:
    return float(np.nansum(default_feature_set().compute(walk(45_000, seed), complete=True)[-1]))


def print_parallel(symbols: int) -> None:
    """A month of each of many symbols, in one process and in one per core."""
    cores = len(os.sched_getaffinity(0))
    took = {}
    for workers in sorted({1, cores}):
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_one_symbol, range(workers)))  # imports are done
            start = time.perf_counter()
            list(pool.map(_one_symbol, range(symbols)))
            took[workers] = time.perf_counter() - start
    print(f"\n{symbols} symbols, 45,000 bars each; seconds of wall time")
    for workers, seconds in took.items():
        line(f"{workers} processes", "", seconds, took[1] / seconds, "as fast as one")


def line(words: str, size: str, seconds: float, ratio: float | None = None, of: str = "") -> None:
    """One line of a table."""
    beside = "" if ratio is None else f"   {ratio:6.2f} {of or 'of bare TA-Lib'}"
    print(f"  {words:20} {size:12} {seconds:8.3f} s{beside}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=1_300_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--ta-rows", type=int, default=100_000)
    parser.add_argument("--symbols", type=int, default=100)
    chosen = parser.parse_args()
    bars, features = bars_of(chosen.file, chosen.rows), default_feature_set()
    print_batch(bars, features, chosen.turns)
    print_classics(bars, chosen.turns, chosen.ta_rows)
    print_memory(bars, features)
    print_parallel(chosen.symbols)


if __name__ == "__main__":
    main()
