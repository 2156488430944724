"""How far each shipped column is from what unlimited history would give.

    python benchmarks/feature_history.py BARS.parquet … [--rows N] [--write]

A month's values are computed from its anchor on. For each column this prints the largest distance
of any bar's value from the one that all bars before it give, in standard deviations of the column:
rounding, where the indicator's memory says what it should. Months whose anchor lies before the
first bar are left out. The first file is the reference of the group `cross`. `--write` puts the
result beside the code, where the catalogue and the docs read it.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from crypto_nn import features as room
from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.bars.reference import with_reference
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.history_difference import LARGEST, NAME

_LONG_AGO_DAYS = 9999  # an anchor before any bar


def bars_of(file: Path, rows: int | None) -> Bars:
    """The last rows of a file of bars."""
    table = pq.read_table(file)
    return Bars.from_arrow(table.slice(len(table) - rows if rows else 0), _symbol(file))


def _symbol(file: Path) -> str:
    return symbol_from(file.name.split("_")[0])


def differences(features: FeatureSet, bars: Bars) -> dict[str, float]:
    """The largest distance of each column from unlimited history, in its standard deviations."""
    long_ago = tuple((timeframe, _LONG_AGO_DAYS) for timeframe in features.anchor_days)
    unlimited = replace(features, days=long_ago)
    away_F = np.zeros(len(features.names))
    for month, _ in month_slices(bars.ts):
        if bars.ts[0] > features.anchor(month):
            continue
        here_NF = features.compute_month(bars, month, dtype=np.float64)
        there_NF = unlimited.compute_month(bars, month, complete=True, dtype=np.float64)
        unlike_F = (np.isnan(here_NF) != np.isnan(there_NF)).any(axis=0)
        away_NF = np.abs(here_NF - there_NF)
        most_F = np.max(away_NF, axis=0, initial=0.0, where=~np.isnan(away_NF))
        away_F = np.maximum(away_F, np.where(unlike_F, np.inf, most_F))
    spread_F = np.nanstd(features.compute(bars, complete=True, dtype=np.float64), axis=0)
    share_F = np.divide(away_F, spread_F, out=np.zeros_like(away_F), where=away_F > 0)
    return dict(zip(features.names, share_F.tolist()))


def worst(features: FeatureSet, markets: Iterator[Bars]) -> dict[str, float]:
    """The largest distance of each column in any market."""
    found = dict.fromkeys(features.names, 0.0)
    for bars in markets:
        for name, away in differences(features, bars).items():
            found[name] = max(found[name], away)
    return found


def written(features: FeatureSet, found: Mapping[str, float], told: str) -> dict[str, Any]:
    """What the file beside the code holds."""
    return {
        "command": shlex.join(["python", "benchmarks/feature_history.py", *_names(sys.argv[1:])]),
        "bars": told,
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "columns": {
            one.name: {"difference": float(f"{found[one.name]:.2g}"), "recipe": one.recipe}
            for one in features.features
        },
    }


def _names(words: list[str]) -> list[str]:
    """The arguments with files by name: where they lie is of no interest."""
    return [Path(word).name if Path(word).is_file() else word for word in words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, help="only the last rows of each file")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    reference = bars_of(chosen.files[0], chosen.rows)
    features = default_feature_set(FeatureConfig(reference=reference.symbol))
    markets = (with_reference(bars_of(file, chosen.rows), reference) for file in chosen.files)
    found = worst(features, markets)
    for name, away in sorted(found.items(), key=lambda one: -one[1]):
        print(f"{name:28} {away:8.1e}{'' if away <= LARGEST else '   more than it may be'}")
    if chosen.write:
        symbols = ", ".join(_symbol(file) for file in chosen.files)
        told = f"{symbols}, {reference.ts[0]:.10} to {reference.ts[-1]:.10}"
        path = Path(room.__file__).parent / NAME
        text = json.dumps(written(features, found, told), indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        print(f"written to {path}")


if __name__ == "__main__":
    main()
