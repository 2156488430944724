"""How often drift alarms ring in vain: ours beside Kolmogorov–Smirnov and Evidently's defaults.

    python benchmarks/drift.py                       # 100 windows of each series
    python benchmarks/drift.py --windows 2000 --peer-windows 400 --features \\
        --bars BTC=BTC.parquet --bars ETH=ETH.parquet

A window is the rows of one day and those of the days before it; every window is drawn anew,
reference and all. Nothing has moved in any of them, so that every alarm is a false one; a second
table moves the first column. Bars (Parquet, one row a minute) have their days shuffled, which takes
away all real drift. With --features the default features of the same bars are series too.
"""

import argparse
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.error_rates import (
    NULL_STREAMS,
    Rate,
    Window,
    compare_last,
    largest_bound,
)

Values = NDArray[np.floating]
Draw = Callable[[Sequence[int]], Values]
CONFIG = DriftConfig(power_days=0, season="all")
SHIFTS = (0.0, 0.1, 0.25, 0.5, 1.0)


def ours(x_BNF: Values) -> bool:
    """The calibrated maximum over columns, at 5 %, before the floor on effects."""
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
        Dataset.from_pandas(
            pd.DataFrame((x - mean) / np.where(sd > 0, sd, 1), columns=names), definition
        )
        for x in (x_BNF[-1], reference)
    ]
    value = Report([DriftedColumnsCount()]).run(*sets).dict()["metrics"][0]["value"]
    return float(value["share"])


def whole_days(path: Path, rows: int, features: bool) -> Values:
    """(days, rows, columns) of the days that have all their minutes and values.

    Columns: return, its size, log volume, log range; or the platform's default features.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    bars = {name: table[name].to_numpy() for name in ("ts", "high", "low", "close", "volume")}
    if features:
        from crypto_nn.bars import Bars
        from crypto_nn.bars.symbol import symbol_from
        from crypto_nn.features import default_feature_set

        x_NF = default_feature_set().compute(Bars.from_arrow(table, symbol_from("BTCUSDT")))
    else:
        change = np.diff(np.log(bars["close"]), prepend=np.nan)
        columns = [change, np.abs(change), np.log1p(bars["volume"])]
        x_NF = np.column_stack([*columns, np.log(bars["high"] / bars["low"])]).astype(np.float32)
    _, first, count = np.unique(
        bars["ts"].astype("datetime64[D]"), return_index=True, return_counts=True
    )
    stride = 1440 // rows
    days = [x_NF[start : start + 1440 : stride] for start in first[count == 1440]]
    return np.stack([day for day in days if np.isfinite(day).all()])


def shuffled(days_DNF: Values, num_days: int) -> Draw:
    """Windows of so many days and one more, drawn from all in random order."""

    def draw(seed: Sequence[int]) -> Values:
        picked = np.random.default_rng(seed).choice(len(days_DNF), num_days + 1, replace=False)
        return np.asarray(days_DNF[picked])

    return draw


def false_alarms(
    draws: Mapping[str, Draw], windows: int, peer_windows: int, num_series: int
) -> Iterator[str]:
    """One line per series: rates of false alarms, with a bound that holds for all series at once.

    The bound is exact, one-sided, at 1 − 0.05 / number of series (Bonferroni).
    """
    confidence = 1 - 0.05 / num_series

    def cell(alarms: Sequence[bool]) -> str:
        rate = Rate.of(alarms)
        return f"{100 * rate.value:.1f} % (≤ {100 * rate.upper(confidence):.1f} %)"

    peers = ("KS 5 %, any column", "Evidently, any column", "Evidently, ≥ 50 %")
    same = f"of the same {peer_windows}"
    heads = ["series", f"ours, {windows} windows", f"ours {same}", *(f"{p} {same}" for p in peers)]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for name, draw in draws.items():
        rings, shares, naive = [], [], []
        for seed in range(windows):
            x_BNF = draw((_number(name), seed))
            rings.append(ours(x_BNF))
            if seed < peer_windows:
                shares.append(evidently_share(x_BNF))
                naive.append(kolmogorov_smirnov(x_BNF))
        cells = [cell(rings), cell(rings[:peer_windows]), cell(naive)]
        cells += [cell([share > 0 for share in shares]), cell([share >= 0.5 for share in shares])]
        yield f"| {name} | " + " | ".join(cells) + " |"
    most = 100 * largest_bound(windows, num_series)
    yield (
        f"\nAn alarm of exactly 5 % keeps all {num_series} bounds on {windows} windows at or below "
        f"{most:.1f} % in 95 of 100 runs: the margin that so many windows allow is {most - 5:.1f} "
        "points."
    )


def power(draws: Mapping[str, Draw], windows: int) -> Iterator[str]:
    """One line per series: how often ours says drifted when the first column moves."""
    yield "| series | " + " | ".join(f"+{shift:g} sd" for shift in SHIFTS) + " | spread ×1.5 |"
    yield "|---" * (len(SHIFTS) + 2) + "|"
    moves = [(shift, 1.0) for shift in SHIFTS] + [(0.0, 1.5)]
    for name, draw in draws.items():
        drifted: list[list[bool]] = [[] for _ in moves]
        for seed in range(windows):
            x_BNF = draw((_number(name), seed, 1))
            for found, (shift, scale) in zip(drifted, moves):
                found.append(_drifts(x_BNF, shift, scale))
        rates = [Rate.of(found) for found in drifted]
        cells = [f"{rate.value:.2f} ({rate.low:.2f}–{rate.high:.2f})" for rate in rates]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _drifts(x_BNF: Values, shift: float, scale: float) -> bool:
    moved = x_BNF.copy()
    first = moved[..., 0]
    sd, middle = first[:-1].std(), first[-1].mean()
    first[-1] = scale * (first[-1] - middle) + middle + shift * sd
    return compare_last(moved, CONFIG).drifted


def speed() -> Iterator[str]:
    """CPU seconds for one report, ours beside Evidently's count of drifted columns."""
    for days, rows, columns in ((34, 1440, 80), (119, 1440, 80)):
        x_BNF = Window(days, rows, columns).draw(NULL_STREAMS["i.i.d. normal"], 0)
        seconds = []
        for run in (partial(compare_last, x_BNF, DriftConfig()), partial(evidently_share, x_BNF)):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        yield (
            f"{(days + 1) * rows:,} rows × {columns} columns ({days} days and one): "
            f"ours {seconds[0]:.2f} s, Evidently {seconds[1]:.2f} s, "
            f"ratio {seconds[1] / seconds[0]:.1f}"
        )


def _number(name: str) -> int:
    """A seed of its own for each series, whichever others are measured."""
    return zlib.crc32(name.encode())


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.rpartition("=")
    return name or Path(path).stem, Path(path)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--windows", type=int, default=100, help="windows of each series")
    parser.add_argument("--peer-windows", type=int, default=100, help="of these, for the peers too")
    parser.add_argument("--power-windows", type=int, default=50, help="windows of each shift")
    parser.add_argument("--days", type=int, default=59, help="reference days of a window")
    parser.add_argument("--rows", type=int, default=720, help="rows per day, a divisor of 1440")
    parser.add_argument("--bars", type=_named, action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--features", action="store_true", help="default features of the bars too")
    parser.add_argument("--no-streams", action="store_true", help="the series of bars only")
    parser.add_argument("--bonferroni", type=int, help="series that all bounds hold for together")
    asked = parser.parse_args()
    os.environ["DO_NOT_TRACK"] = "1"
    warnings.simplefilter("ignore")  # Evidently's imports warn
    window = Window(asked.days, asked.rows, 5)
    draws: dict[str, Draw] = {
        name: partial(window.draw, stream)
        for name, stream in NULL_STREAMS.items()
        if not asked.no_streams
    }
    for features in (False, True)[: 1 + asked.features]:
        for name, path in asked.bars:
            days_DNF = whole_days(path, asked.rows, features)
            what = f"{days_DNF.shape[2]} features" if features else f"{days_DNF.shape[2]} columns"
            draws[f"{name}, days shuffled, {what}"] = shuffled(days_DNF, asked.days)
    num_series = asked.bonferroni or len(draws)
    if asked.windows:
        print(f"False alarms: {asked.days} reference days and one × {asked.rows} rows\n")
        peer_windows = min(asked.peer_windows, asked.windows)
        for line in false_alarms(draws, asked.windows, peer_windows, num_series):
            print(line, flush=True)
    if asked.power_windows:
        print(f"\nPower of ours, {asked.power_windows} windows of {asked.rows} rows a day\n")
        for line in power(draws, asked.power_windows):
            print(line, flush=True)
    print("\nSpeed, CPU\n")
    for line in speed():
        print(line, flush=True)


if __name__ == "__main__":
    main()
