"""A small market beside its reference, with a tiny version that has predicted both its months."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.bars.reference import with_reference
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.feature_months import keyed
from crypto_nn.defs.inference import predictions
from crypto_nn.defs.io_managers import LakeIOManager
from crypto_nn.defs.partitions import symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.skew import CHECK_SKEW, predictions_equal_recomputed
from crypto_nn.features.labels import compute_labels
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold, Role
from crypto_nn.inference import registry
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.record import Recipe
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.tasks import TINY

SYMBOL, REFERENCE = "SYN-USDT", "REF-USDT"
MONTHS = ("2024-01", "2024-02")
START, END = np.datetime64("2024-01-28", "us"), np.datetime64("2024-02-03T12:00", "us")
GAP = np.datetime64("2024-02-01T06:00", "us")  # of an hour
MINUTE = np.timedelta64(60_000_000, "us")
NOW = np.datetime64("2024-02-10", "us")
YAML = """
sources: {synthetic: {kind: synthetic, symbols: [SYN-USDT, REF-USDT]}}
symbols:
  SYN-USDT: {source: synthetic, first_month: 2024-01, last_month: 2024-02}
  REF-USDT: {source: synthetic, first_month: 2024-01, last_month: 2024-02}
features: {groups: [returns, clock], reference: REF-USDT, max_gap_minutes: 0}
training: {window: 10, max_windows: 300, max_epochs: 1, max_validation_windows: 100}
"""


@dataclass(frozen=True)
class Predicted:
    """A home with bars, features, labels, a champion and its predictions."""

    platform: Platform
    version: str

    def predict(self, months: Sequence[str] = MONTHS) -> dg.ExecuteInProcessResult:
        """Let the champion predict through the asset."""
        job = definitions(self.platform).resolve_job_def("predict")
        keys = [month_key(SYMBOL, month) for month in (months[0], months[-1])]
        cover = {"dagster/asset_partition_range_start": keys[0],
                 "dagster/asset_partition_range_end": keys[1]}  # fmt: skip
        return job.execute_in_process(
            tags=cover, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )

    def rows(self, month: str = "2024-02") -> pa.Table:
        """What is stored of a month."""
        return self.platform.lake.read("predictions", where={"symbol": SYMBOL, "month": month})

    def store(self, rows: pa.Table, month: str = "2024-02") -> None:
        """Put other rows in their place, past the asset."""
        self.platform.lake.replace({"predictions": rows}, {"symbol": SYMBOL, "month": month})

    def ledger(self) -> dict[str, dict[str, object]]:
        """The rows of the ledger, by day."""
        rows = self.platform.lake.read("skew_ledger", where={"symbol": SYMBOL}).to_pylist()
        return {row["day"]: row for row in rows}


def definitions(platform: Platform) -> dg.Definitions:
    """The asset and its check with this home, on features that lie there."""
    features = dg.AssetSpec("features", partitions_def=symbol_months).with_io_manager_key("lake")
    return dg.Definitions(
        assets=[predictions, features],
        asset_checks=[predictions_equal_recomputed],
        jobs=[
            dg.define_asset_job(
                "predict",
                dg.AssetSelection.assets(predictions)
                - dg.AssetSelection.checks(predictions_equal_recomputed),
            ),
            CHECK_SKEW,
        ],
        resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
    )


def changed(rows: pa.Table, at: int, values: Mapping[str, object]) -> pa.Table:
    """The rows with other values in one of them."""
    listed = rows.to_pylist()
    listed[at] = {**listed[at], **values}
    return pa.Table.from_pylist(listed, rows.schema)


def bars_of(symbol: str, seed: int) -> Bars:
    """A random walk with an hour missing."""
    random = np.random.default_rng(seed)
    ts = np.arange(START, END, MINUTE)
    close = 100 * np.exp(np.cumsum(5e-4 * random.standard_normal(len(ts))))
    spread = 1 + 1e-4 * random.random(len(ts))
    volume = random.uniform(1, 2, len(ts))
    bars = Bars(symbol, M1, ts, close, close * spread, close / spread, close, volume)
    return bars.take(np.flatnonzero((ts < GAP) | (ts >= GAP + 60 * MINUTE)))


def write_bars(platform: Platform, bars: Bars, month: str) -> None:
    """Store a month of bars."""
    start = np.datetime64(month, "M")
    part = bars.between(start.astype("M8[us]"), (start + 1).astype("M8[us]"))
    rows = keyed(part.to_arrow(), bars.symbol, month)
    platform.lake.replace({"bars": rows}, {"symbol": bars.symbol, "month": month})


def write_features(platform: Platform, bars: Bars) -> None:
    """Compute and store the features of every month, each from its anchor, and the labels."""
    experiment = platform.experiment()
    feature_set = platform.feature_set(experiment)
    x_NF = feature_set.compute(bars, complete=True)
    labels = compute_labels(bars, experiment.labels, True).to_arrow()
    for month, rows in month_slices(bars.ts):
        values = [pa.array(x_N, from_pandas=True) for x_N in x_NF[rows].T]
        columns = dict(zip(feature_set.names, values))
        table = keyed(pa.table({"ts": bars.ts[rows], **columns}), bars.symbol, month)
        part = labels.slice(rows.start, rows.stop - rows.start)
        platform.lake.replace(
            {"features": table, "labels": keyed(part, bars.symbol, month)},
            {"symbol": bars.symbol, "month": month},
        )


def recipe_of(platform: Platform, seed: int = 0) -> Recipe:
    """A tiny network."""
    experiment = platform.experiment()
    train = TrainConfig(
        window=10, max_windows=300, max_epochs=1, batch_size=50, max_validation_windows=100,
        learning_rate=5e-3, seed=seed,
    )  # fmt: skip
    fingerprint = platform.feature_set(experiment).fingerprint
    return Recipe("LSTMPricePredictor", TINY, train, experiment.labels, fingerprint)


def fold() -> Fold:
    """Train, validation and calibration within the first four days."""
    edges = [START + hours * 60 * MINUTE for hours in (2, 48, 72, 90)]
    names = ("train", "validation", "calibration")
    roles = tuple(Role(n, a, b - 90 * MINUTE) for n, a, b in zip(names, edges, edges[1:]))
    return Fold(0, "nightly", roles, 60, 60)


def train(platform: Platform, seed: int = 0) -> str:
    """Train and keep a version."""
    names = platform.feature_set(platform.experiment()).names
    panel: Panel = load_panel(platform.lake, [SYMBOL], names, START, END)
    trained = train_version(panel, fold(), recipe_of(platform, seed), with_card=False)
    platform.models.save(trained.model, trained.version, trained.files)
    return trained.version


def build(home: Path) -> Predicted:
    """Bars of both markets, features and labels of one, a champion, and its predictions.

    The YAML above must be in force.
    """
    platform = Platform(home=str(home))
    own, other = bars_of(SYMBOL, 1), bars_of(REFERENCE, 2)
    for bars in (own, other):
        for month in MONTHS:
            write_bars(platform, bars, month)
    write_features(platform, with_reference(own, other))
    version = train(platform)
    registry.promote(platform.lake, platform.models, SYMBOL, version, "the first", NOW)
    made = Predicted(platform, version)
    assert made.predict().success
    return made


def revised(bars: Bars, at: np.datetime64) -> Bars:
    """The bars with another close at one minute."""
    row = int(np.searchsorted(bars.ts, at))
    close = bars.close.copy()
    close[row] *= 1.001
    return replace(bars, close=close, high=np.maximum(bars.high, close))
