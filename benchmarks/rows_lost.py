"""How many rows of features each file of bars loses, and to what: holes cost rows, never values.

    python benchmarks/rows_lost.py [FILES...]

Files are read and inspected as an ingest does; without any, it reads the market folder of the
tests. The first bar of a file counts as the first ever. Rows lost are those in which any column is
null: at the start, after a gap longer than the policy allows, or where no slow bar is to be seen.
"""

import argparse
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.missing import RowsLost, rows_lost
from crypto_nn.sources import FilesConfig
from crypto_nn.sources.connector import DataPipelineConnector
from crypto_nn_tests.market import MARKET

HEADINGS = (
    "file", "bars", "holes", "missing min", "longest", "rows lost", "warm-up", "gaps", "stale",
    "put aside",
)  # fmt: skip


def clean_bars(path: Path) -> tuple[Bars, int]:
    """The accepted bars of a file of one symbol, and how many rows were put aside."""
    connector = DataPipelineConnector(FilesConfig(paths=(str(path),)))
    (symbol,) = connector.source.symbols()
    there = connector.source.available(symbol)
    found = list(connector.inspections(symbol, there.start, there.end))
    aside = sum(part.quarantined.num_rows for part in found)
    return Bars.concat([part.accepted for part in found]), aside


def row(features: FeatureSet, path: Path) -> list[str]:
    """What a file has and loses."""
    bars, aside = clean_bars(path)
    lost: RowsLost = reduce(add, rows_lost(features, bars, complete=True))
    hole_N = np.diff(bars.ts) // M1.step - 1
    numbers = (
        len(bars), int(np.count_nonzero(hole_N)), lost.missing_minutes, int(hole_N.max(initial=0)),
        lost.lost, lost.warm_up, lost.after_gap, lost.stale, aside,
    )  # fmt: skip
    share = f" ({100 * lost.lost / max(len(bars), 1):.2g} %)"
    return [path.stem, *(f"{n:,}{share if place == 4 else ''}" for place, n in enumerate(numbers))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    chosen = parser.parse_args()
    files = chosen.files or sorted(MARKET.glob("*/*.parquet"))
    assert files, f"no bars in {MARKET}; name some files"
    features = default_feature_set()
    print(f"{len(features.names)} columns, {features.gaps}\n")
    print(f"| {' | '.join(HEADINGS)} |")
    print(f"| --- |{' ---: |' * (len(HEADINGS) - 1)}")
    for path in files:
        print(f"| {' | '.join(row(features, path))} |", flush=True)


if __name__ == "__main__":
    main()
