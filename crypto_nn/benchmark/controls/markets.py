"""Markets whose answer is known: without an edge, with one of so many per cent, dealt anew."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from crypto_nn.benchmark.rows import MINUTE, permuted
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import Fold, Reach, SplitConfig, walk_forward
from crypto_nn.sources.synthetic import SyntheticConfig, generate

START = datetime(2024, 1, 1)
SHORT = SplitConfig(
    train_days=14, validation_days=2, calibration_days=2, test_days=24, max_folds=1,
    lock_box_days=0,
)  # fmt: skip
LONG = SplitConfig(
    train_days=24, validation_days=2, calibration_days=2, test_days=60, max_folds=1,
    lock_box_days=0,
)  # fmt: skip
REACH = Reach(60, 16)
FEW = (
    "log_return_1", "log_return_5", "log_return_15", "log_return_60", "rsi_14", "sma_distance_20",
    "log_realised_volatility_60",
)  # fmt: skip
"""The columns of cheap markets: some directions, and one that knows how wild it is."""
ENDS = LabelConfig(horizons=(5, 60))
"""Labels of cheap markets: the shortest and the longest that ship."""


@dataclass(frozen=True, eq=False)
class Market:
    """A panel and the fold in which it is learned and judged."""

    panel: Panel
    fold: Fold


def cheap_market(edge: float, seed: int) -> Market:
    """Six weeks of one synthetic symbol with few of the real features."""
    return _market(edge, seed, ("SYN-USDT",), SHORT, _few(), ENDS)


def whole_market(edge: float, seed: int) -> Market:
    """Three months of two independent symbols with every feature that ships."""
    columns = default_feature_set(FeatureConfig())
    return _market(edge, seed, ("AAA-USDT", "BBB-USDT"), LONG, columns, LabelConfig())


def zero_edge(seed: int) -> Market:
    """Where no past tells a direction: each seed is another market."""
    return cheap_market(0.5, seed)


def dealt(seed: int) -> Market:
    """A market of 55 % whose labels went to other days, each day's sign by the toss of a coin."""
    market = _with_edge()
    return Market(permuted(market.panel, seed, flip=True), market.fold)


@lru_cache(1)
def _with_edge() -> Market:
    return cheap_market(0.55, 0)


@lru_cache(1)
def _few() -> FeatureSet:
    return default_feature_set(FeatureConfig()).only(FEW)


def _market(
    edge: float,
    seed: int,
    symbols: tuple[str, ...],
    splits: SplitConfig,
    columns: FeatureSet,
    label: LabelConfig,
) -> Market:
    days = sum(days for _, days in splits.lengths) + 1  # one for the features to warm up
    config = SyntheticConfig(
        seed=seed, symbols=symbols, edge=edge, start=START, end=START + timedelta(days=days),
        correlation=0.0,
    )  # fmt: skip
    parts = {}
    for symbol in symbols:
        bars = generate(config, symbol)
        labels = compute_labels(bars, label, complete=True)
        x_NF = columns.compute(bars, complete=True)
        parts[symbol] = Part.from_arrays(x_NF, columns.names, labels, bars)
    panel = Panel.from_parts(parts)
    first, last = panel.ts_N.min(), panel.ts_N.max() + MINUTE
    return Market(panel, walk_forward(first, last, splits, REACH)[0])
