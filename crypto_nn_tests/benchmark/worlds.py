"""Small markets with a known truth, folds over them, and contestants with a known skill."""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.timeframe import M1
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import TRAIN, Fold, Reach, SplitConfig, rows_of, walk_forward

START = np.datetime64("2024-01-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")
NAMES = ("signal", "noise")
SPLITS = SplitConfig(
    train_days=8, validation_days=2, calibration_days=2, test_days=12, max_folds=2, lock_box_days=0
)


@cache
def world(edge: float = 0.0, days: int = 37, symbols: int = 1, seed: int = 0) -> Panel:
    """A market whose next minutes lean by `edge` standard deviations where a feature points.

    The signal keeps its direction for about half an hour, so that all horizons feel it.
    """
    rng = np.random.default_rng(seed)
    parts = {}
    for number in range(symbols):
        rows = days * 1440
        signal = np.repeat(rng.normal(size=-(-rows // 30)), 30)[:rows]
        moves = 5e-4 * (rng.normal(size=rows) + edge * np.roll(signal, 1))
        close = 100 * np.exp(np.cumsum(moves))
        ts = START + np.arange(rows) * MINUTE
        symbol = ("BTC-USDT", "ETH-USDT")[number]
        bars = Bars(symbol, M1, ts, close, close, close, close, np.ones(rows))
        labels = compute_labels(bars, LabelConfig(), complete=True)
        x_NF = np.column_stack([signal, rng.normal(size=rows)])
        parts[symbol] = Part.from_arrays(x_NF, NAMES, labels, bars)
    return Panel.from_parts(parts)


def folds_of(panel: Panel, splits: SplitConfig = SPLITS) -> tuple[Fold, ...]:
    end = panel.ts_N.max() + MINUTE
    return walk_forward(panel.ts_N.min(), end, splits, Reach(max(panel.horizons), 16))


@dataclass(frozen=True)
class Told:
    """A contestant that learns how often each class comes, for what it looks at.

    `sees` names what it looks at: the signal, nothing (the prior), or the answers themselves.
    """

    name: str
    sees: Literal["signal", "nothing", "answers"] = "signal"
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = False
    window: int = 1
    calls: list[tuple[int, int]] = field(default_factory=list, compare=False)

    @property
    def fingerprint(self) -> str:
        return self.sees

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        self.calls.append((fold.number, seed))
        train = np.flatnonzero(rows_of(fold, TRAIN, panel.ts_N, panel.t1_NH) & panel.finite_N)
        group_N = np.zeros(len(panel), dtype=np.int64)
        if self.sees == "signal":
            group_N = np.digitize(panel.x_NF[:, 0], [-0.8, 0.0, 0.8])
        answers = np.stack(
            [
                self._shares(classes, group_N, train)[group_N[rows]]
                for classes in panel.classes_NH.T
            ],
            axis=1,
        )
        if self.sees == "answers":
            known = panel.classes_NH[rows]
            answers = np.where((known >= 0)[:, :, None], np.eye(3)[known], answers)
        if self.seeded:
            noise = np.random.default_rng(seed).normal(0, 0.05, answers.shape)
            answers = answers * np.exp(noise)
            answers /= answers.sum(axis=2, keepdims=True)
        return Forecast(answers, {"parameters": 12.0})

    def _shares(self, classes_N: np.ndarray, group_N: np.ndarray, rows: Rows) -> np.ndarray:
        flat = group_N[rows] * 3 + classes_N[rows]
        counts = np.bincount(flat[classes_N[rows] >= 0], minlength=12).reshape(4, 3) + 1.0
        return counts / counts.sum(axis=1, keepdims=True)


PRIOR = Told("prior", "nothing", "baseline")
SIGNAL = Told("signal")


def altered_after(panel: Panel, when: np.datetime64, seed: int = 9) -> Panel:
    """The same panel with other features, prices and labels from `when` on."""
    rng = np.random.default_rng(seed)
    late = panel.ts_N >= when
    x_NF, close_N = panel.x_NF.copy(), panel.close_N.copy()
    x_NF[late] = rng.normal(size=(int(late.sum()), panel.x_NF.shape[1]))
    close_N[late] *= np.exp(rng.normal(size=int(late.sum())))
    late_NH = panel.t1_NH > when
    scores_NH = np.where(late_NH, rng.normal(size=panel.scores_NH.shape), panel.scores_NH)
    classes_NH = np.where(late_NH, rng.integers(0, 3, late_NH.shape), panel.classes_NH)
    return replace(
        panel,
        x_NF=x_NF,
        close_N=close_N,
        scores_NH=scores_NH,
        classes_NH=classes_NH.astype(np.int8),
    )
