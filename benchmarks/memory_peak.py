"""Peak memory of training on 30 months of one symbol, stage by stage, in a fresh process.

    python benchmarks/memory_peak.py [--months 30] [--epochs 2] [--home FOLDER]

Real bars of BTC go into a lake of their own with all shipped features and the default labels, as
the platform stores them. Then a process of its own reads them as the asset `checkpoint` does
(`load_panel`), trains a version (`train_version`, model of the defaults) and reads back its
validation loss. Told is the most resident memory that each stage reached, Linux's `VmHWM`, which
is set back between stages; the issue of this number is the largest of them. `--home` keeps the
lake for the next time.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds, month_slices, shift_month
from crypto_nn.features import default_feature_set
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.splits import Reach, SplitConfig, nightly
from crypto_nn.store.lake import Lake
from crypto_nn_tests.market import BTC, MARKET

SYMBOL, LAST = "BTC-USDT", "2025-06"
LIMIT_MB = 2000
Result = TypeVar("Result")


def fill(lake: Lake, months: int) -> None:
    """Bars, features and labels of the last months, month by month as the assets store them."""
    first = month_bounds(shift_month(LAST, 1 - months))[0]
    bars = Bars.from_arrow(pq.read_table(MARKET / BTC), SYMBOL).between(
        first, month_bounds(LAST)[1]
    )
    features = default_feature_set()
    labels = compute_labels(bars, LabelConfig(), complete=True).to_arrow()
    for month, rows in month_slices(bars.ts):
        x_NF = features.compute_month(bars, month, complete=True)
        part = bars[rows.start : rows.stop]
        columns = {"ts": part.ts} | {name: x_NF[:, i] for i, name in enumerate(features.names)}
        tables = {
            "bars": part.to_arrow(),
            "labels": labels.slice(rows.start, rows.stop - rows.start),
            "features": _nullable(columns),
        }
        lake.replace(tables, {"symbol": SYMBOL, "month": month})
    lake.close()


def _nullable(columns: dict[str, np.ndarray]):  # type: ignore[no-untyped-def]
    import pyarrow as pa

    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


class Stages:
    """Says how much memory each stage took at its highest."""

    def __init__(self) -> None:
        self.highest = 0.0

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Do the work; print its peak, and what is held after it."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to what is held now
        started = time.perf_counter()
        result = work()
        peak, held = _megabytes("VmHWM"), _megabytes("VmRSS")
        self.highest = max(self.highest, peak)
        seconds = time.perf_counter() - started
        print(f"{name:28} peak {peak:6.0f} MB   held after it {held:6.0f} MB   {seconds:6.1f} s")
        return result


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1000


def train(home: Path, epochs: int) -> None:
    """What the asset does, stage by stage."""
    stages = Stages()

    def load_libraries() -> None:
        import crypto_nn.inference.predictor
        import crypto_nn.training.version  # noqa: F401

    stages.run("libraries", load_libraries)
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.models import MODELS
    from crypto_nn.training import Recipe, TrainConfig
    from crypto_nn.training.dataset import extent, load_panel
    from crypto_nn.training.identity import version_id
    from crypto_nn.training.preparation import prepare
    from crypto_nn.training.version import train_version

    lake, names = Lake(home), default_feature_set().names
    there = stages.run("extent", lambda: extent(lake, [SYMBOL], names))
    config = TrainConfig(max_epochs=epochs)
    reach = Reach(max(LabelConfig().horizons), config.window)
    days = int((there.end - there.start) / np.timedelta64(1, "D")) - 15
    fold = nightly(there.start, there.end, SplitConfig(train_days=days), reach)
    recipe = Recipe("LSTMPricePredictor", MODELS["LSTMPricePredictor"].presets["small"], config)
    panel = stages.run(
        "load_panel", lambda: load_panel(lake, [SYMBOL], names, there.start, fold.end)
    )
    print(f"  {len(panel):,} rows of {len(panel.names)} features: {panel.x_NF.nbytes / 1e6:.0f} MB")
    stages.run("prepare, version_id", lambda: version_id(prepare(panel, fold, recipe), recipe))
    trained = stages.run("train_version", lambda: train_version(panel, fold, recipe))
    stages.run(
        "validation_loss, reloaded", lambda: ModelInference(trained.files).validation_loss(panel)
    )
    print(f"  {trained.config['rows']}, version {trained.version}")
    verdict = "under" if stages.highest < LIMIT_MB else "OVER"
    print(f"highest: {stages.highest:.0f} MB, {verdict} {LIMIT_MB} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--months", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--home", type=Path, help="where the lake is kept; nowhere if not given")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train:
        train(asked.home, asked.epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder)
        if not (home / "data").exists():
            fill(Lake(home), asked.months)
        command = [sys.executable, __file__, "--train", "--home", str(home)]
        subprocess.run([*command, "--epochs", str(asked.epochs)], check=True)


if __name__ == "__main__":
    main()
