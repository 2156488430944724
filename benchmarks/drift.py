"""How often drift alarms ring in vain: ours beside Kolmogorov–Smirnov and Evidently's defaults.

    python benchmarks/drift.py                       # 100 windows of each stream
    python benchmarks/drift.py --windows 400 --bars BTC.parquet

Every detector sees the same windows: the rows of one day against those of the days before it.
Nothing has moved in any of them, so that every alarm is a false one; a second table moves the
first column. Bars (optional) have their days shuffled, which takes away all real drift.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.error_rates import NULL_STREAMS, Rate, Window, compare_last

Values = NDArray[np.float64]
CONFIG = DriftConfig(power_days=0, season="all")


def ours(x_BNF: Values) -> bool:
    """The calibrated maximum over columns, at 5 %."""
    return compare_last(x_BNF, CONFIG).drift_score > 1


def kolmogorov_smirnov(x_BNF: Values) -> bool:
    """Any column at 5 %, rows taken for independent."""
    from scipy.stats import ks_2samp

    reference, today = x_BNF[:-1].reshape(-1, x_BNF.shape[2]), x_BNF[-1]
    return any(ks_2samp(now, ref).pvalue <= 0.05 for now, ref in zip(today.T, reference.T))


def evidently_share(x_BNF: Values) -> float:
    """The share of columns that Evidently's defaults call drifted, columns scaled first."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount

    reference = x_BNF[:-1].reshape(-1, x_BNF.shape[2])
    mean, sd = reference.mean(axis=0), reference.std(axis=0)
    names = [f"column_{j}" for j in range(x_BNF.shape[2])]
    definition = DataDefinition(numerical_columns=names)
    sets = [
        Dataset.from_pandas(pd.DataFrame((x - mean) / sd, columns=names), definition)
        for x in (x_BNF[-1], reference)
    ]
    value = Report([DriftedColumnsCount()]).run(*sets).dict()["metrics"][0]["value"]
    return float(value["share"])


DETECTORS = ("ours", "KS 5 %, any", "Evidently, any", "Evidently, ≥ 50 %")


def verdicts(x_BNF: Values) -> tuple[bool, ...]:
    """Which of the detectors alarm on this window."""
    share = evidently_share(x_BNF)
    return ours(x_BNF), kolmogorov_smirnov(x_BNF), share > 0, share >= 0.5


def shuffled_days(path: Path, num_days: int, rows: int) -> Callable[[int], Values]:
    """Windows of whole days of bars in random order: return, its size, log volume, log range."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    bars = {name: table[name].to_numpy() for name in ("ts", "high", "low", "close", "volume")}
    change = np.diff(np.log(bars["close"]), prepend=np.nan)
    columns = [change, np.abs(change), np.log1p(bars["volume"])]
    columns.append(np.log(bars["high"] / bars["low"]))
    x_NF = np.column_stack(columns)
    day_N = bars["ts"].astype("datetime64[D]")
    days, first, count = np.unique(day_N, return_index=True, return_counts=True)
    whole = first[(count == 1440) & (days > days[0])]
    stride = 1440 // rows

    def draw(seed: int) -> Values:
        picked = np.random.default_rng(seed).choice(whole, num_days + 1, replace=False)
        return np.stack([x_NF[start : start + 1440 : stride] for start in picked])

    return draw


def rates(draws: Mapping[str, Callable[[int], Values]], windows: int) -> Iterator[str]:
    """One line per stream: each detector's rate of alarms and its exact 95 % interval."""
    yield "| stream | " + " | ".join(DETECTORS) + " |"
    yield "|---" * (len(DETECTORS) + 1) + "|"
    for name, draw in draws.items():
        alarms = [verdicts(draw(seed)) for seed in range(windows)]
        found = [Rate.of(each) for each in zip(*alarms)]
        cells = [f"{rate.value:.3f} ({rate.low:.3f}–{rate.high:.3f})" for rate in found]
        yield f"| {name} | " + " | ".join(cells) + " |"


def power(draws: Mapping[str, Callable[[int], Values]], windows: int) -> Iterator[str]:
    """One line per stream: how often ours alarms when the first column moves."""
    shifts = (0.1, 0.25, 0.5, 1.0)
    yield "| stream | " + " | ".join(f"+{shift} sd" for shift in shifts) + " | spread ×1.5 |"
    yield "|---" * (len(shifts) + 2) + "|"

    def alarms(draw: Callable[[int], Values], seed: int, shift: float, scale: float) -> bool:
        x_BNF = draw(seed).copy()
        first = x_BNF[..., 0]
        first[-1] = scale * (first[-1] - np.nanmean(first)) + np.nanmean(first)
        first[-1] += shift * np.nanstd(first[:-1])
        return compare_last(x_BNF, CONFIG).drifted

    for name, draw in draws.items():
        moves = [(shift, 1.0) for shift in shifts] + [(0.0, 1.5)]
        cells = [
            f"{Rate.of(alarms(draw, seed, *move) for seed in range(windows)).value:.2f}"
            for move in moves
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def speed() -> Iterator[str]:
    """CPU seconds for one report, ours beside Evidently's count of drifted columns."""
    for days, rows, columns in ((99, 1440, 60), (34, 1440, 80)):
        x_BNF = Window(days, rows, columns).draw(NULL_STREAMS["i.i.d. normal"], 0)
        seconds = []
        for run in (partial(compare_last, x_BNF, DriftConfig()), partial(evidently_share, x_BNF)):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        yield (
            f"{days} days × {rows} rows × {columns} columns: ours {seconds[0]:.2f} s, "
            f"Evidently {seconds[1]:.2f} s, ratio {seconds[1] / seconds[0]:.1f}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--windows", type=int, default=100, help="windows of each stream")
    parser.add_argument("--days", type=int, default=59, help="reference days of a window")
    parser.add_argument("--rows", type=int, default=720, help="rows per day")
    parser.add_argument("--bars", type=Path, help="Parquet of 1-minute bars; days are shuffled")
    asked = parser.parse_args()
    os.environ["DO_NOT_TRACK"] = "1"
    warnings.simplefilter("ignore")  # Evidently's imports warn
    window = Window(asked.days, asked.rows, 5)
    draws: dict[str, Callable[[int], Values]] = {
        name: partial(window.draw, stream) for name, stream in NULL_STREAMS.items()
    }
    if asked.bars:
        draws["bars, days shuffled"] = shuffled_days(asked.bars, asked.days, asked.rows)
    print(f"False alarms, {asked.windows} windows of {asked.days} + 1 days × {asked.rows} rows\n")
    for line in rates(draws, asked.windows):
        print(line, flush=True)
    print("\nPower of ours: the first of the columns moves\n")
    for line in power(draws, max(asked.windows // 2, 1)):
        print(line, flush=True)
    print("\nSpeed, CPU\n")
    for line in speed():
        print(line, flush=True)


if __name__ == "__main__":
    main()
