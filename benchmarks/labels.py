"""Class shares, lost labels and speed of every kind of label.

    python benchmarks/labels.py                                  # on a made walk
    python benchmarks/labels.py BTCUSDT_1m.parquet OUTAGE.parquet --picture shares.png

For each file and kind: the share of down, flat and up at each horizon, the lowest and highest share
of flat in any month, and how many labels are not known though their horizon has passed. Then the k
and the width at which a third of all labels would be flat, and how long the triple barrier takes
beside the loop of López de Prado (2018, snippet 3.2) in pandas, with the same classes.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from crypto_nn import pictures
from crypto_nn.bars import M1, Bars, Float
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features.labels import (
    MINUTE,
    UNKNOWN,
    LabelConfig,
    Labels,
    class_balance,
    compute_labels,
    fit_k,
)

KINDS = {
    "volatility": LabelConfig(),
    "fixed": LabelConfig(kind="fixed"),
    "cost": LabelConfig(kind="cost"),
    "triple barrier": LabelConfig(kind="triple_barrier"),
    "by range": LabelConfig(kind="triple_barrier", touch="range"),
}
PEER_ROWS = 3000


def read(file: Path) -> Bars:
    """The bars of a file that are clean, under the symbol that its name begins with."""
    bars = Bars.from_arrow(pq.read_table(file), symbol_from(file.name.split("_")[0]))
    return bars.check_clean()


def made(rows: int = 1_300_000) -> Bars:
    """A walk with heavy tails, volatility in clusters, and wicks."""
    rng = np.random.default_rng(0)
    spread = 4e-4 * np.exp(0.5 * np.sin(np.arange(rows) / 300))
    close = 3e4 * np.exp(np.cumsum(spread * rng.standard_t(4, rows) / 2**0.5))
    opens = np.append(close[:1], close[:-1])
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    wicks = np.exp(np.abs(rng.normal(0, spread / 2, (2, rows))))
    ts = np.datetime64("2023-01-01", "us") + np.arange(rows) * MINUTE
    return Bars("BTC-USDT", M1, ts, opens, high * wicks[0], low / wicks[1], close, np.ones(rows))


def shares(labels: Labels) -> Float:
    """Down, flat and up of the known labels of each horizon (H, 3)."""
    each = [np.bincount(c[c != UNKNOWN], minlength=3) for c in labels.classes_NH.T]
    return np.array([counts / max(counts.sum(), 1) for counts in each])


def lost(bars: Bars, labels: Labels) -> Float:
    """The share of labels not known although sigma is and their horizon has passed (H,)."""
    ends_NH = bars.ts[:, None] + np.array(labels.horizons) * MINUTE
    due_NH = (ends_NH <= bars.ts[-1]) & ~np.isnan(labels.sigma)[:, None]
    gone_NH = due_NH & (labels.classes_NH == UNKNOWN)
    return gone_NH.sum(axis=0) / np.maximum(due_NH.sum(axis=0), 1)


def tell(bars: Bars) -> dict[str, list[float]]:
    """Print a line per kind and horizon; the shares by their names."""
    print(f"\n{bars.symbol}, {len(bars):,} bars, {bars.ts[0]} to {bars.ts[-1]}")
    print(f"{'kind':<15} {'h':>4}  {'down':>6} {'flat':>6} {'up':>6}   flat by month   not known")
    drawn = {}
    for name, config in KINDS.items():
        labels = compute_labels(bars, config, complete=True)
        months = class_balance(labels).to_pandas()
        for h, share, gone in zip(config.horizons, shares(labels), lost(bars, labels)):
            flat = months[(months.horizon == h) & (months.rows >= 1440)].flat
            print(
                f"{name:<15} {h:>3}m  " + " ".join(f"{100 * s:5.1f}%" for s in share)
                + f"   {100 * flat.min():5.1f} to {100 * flat.max():4.1f}%  {100 * gone:8.3f}%"
            )  # fmt: skip
            drawn[f"{name} {h}m"] = share.tolist()
    return drawn


def thirds(bars: Bars) -> None:
    """Print at which k and at which width a third is flat, by horizon."""
    labels = compute_labels(bars, KINDS["volatility"], complete=True)
    print("\na third is flat at")
    print("  k     ", " ".join(f"{h}m {k:.3f}" for h, k in zip(labels.horizons, _k(labels))))
    for name in ("triple barrier", "by range"):
        found = (f"{h}m {_width(bars, KINDS[name], h):.3f}" for h in labels.horizons)
        print(f"  width {' '.join(found)} ({KINDS[name].touch})")


def _k(labels: Labels) -> list[float]:
    return [float(k) for k in fit_k(labels.scores_NH)]


def _width(bars: Bars, config: LabelConfig, horizon: int) -> float:
    """By halving: the wider the barriers, the more stays between them."""
    low, high = 0.05, 5.0
    for _ in range(12):
        width = (low + high) / 2
        settings = {"width": width, "horizons": (horizon,)}
        flat = shares(compute_labels(bars, config.model_copy(update=settings), True))[0, 1]
        low, high = (width, high) if flat < 1 / 3 else (low, width)
    return (low + high) / 2


def by_loop(bars: Bars, half_width_N: Float, horizon: int, rows: range) -> list[int]:
    """The book's loop: a slice of closes per event, and the first that is beyond a barrier."""
    close = pd.Series(bars.close, index=pd.DatetimeIndex(bars.ts))
    classes = []
    for row in rows:
        path = np.log(close.iloc[row + 1 : row + 1 + horizon] / close.iloc[row])
        up = path[path > half_width_N[row]].index.min()
        down = path[path < -half_width_N[row]].index.min()
        if pd.isna(up) and pd.isna(down):
            classes.append(1)
        else:
            classes.append(2 if pd.isna(down) or up < down else 0)
    return classes


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def race(bars: Bars) -> None:
    """Print what the triple barrier takes beside the loop, on rows that both have."""
    config = KINDS["triple barrier"]
    compute_labels(bars, config, complete=True)
    ours, labels = timed(lambda: compute_labels(bars, config, complete=True))
    whole = np.flatnonzero((labels.classes_NH != UNKNOWN).all(axis=1))
    rows = range(int(whole[0]), int(whole[0]) + PEER_ROWS)
    theirs = 0.0
    for column, h in enumerate(config.horizons):
        half_N = config.width * labels.sigma * np.sqrt(h)
        seconds, classes = timed(lambda h=h, w=half_N: by_loop(bars, w, h, rows))
        theirs += seconds
        assert classes == labels.classes_NH[rows, column].tolist(), "the same classes are due"
    per_row, per_row_peer = ours / len(bars), theirs / len(rows)
    print(
        f"\ntriple barrier, {len(config.horizons)} horizons: {ours:.2f} s for {len(bars):,} bars, "
        f"{per_row_peer / per_row:,.0f} times the loop's speed ({PEER_ROWS:,} bars, same classes)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="bars, SYMBOL_….parquet")
    parser.add_argument("--picture", type=Path, help="draw the shares of the first file there")
    args = parser.parse_args()
    markets: Iterator[Bars] = map(read, args.files) if args.files else iter([made()])
    for number, bars in enumerate(markets):
        drawn = tell(bars)
        if number == 0:
            thirds(bars)
            race(bars)
            if args.picture:
                picture = pictures.class_balance(drawn, title=f"Labels of {bars.symbol}")
                args.picture.write_bytes(picture.png())


if __name__ == "__main__":
    main()
