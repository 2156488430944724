"""Training time and honest skill of the small LSTM on real bars, beside every baseline.

    python benchmarks/training.py ../shared/market/history/BTCUSDT_1m_2023-01_2025-06.parquet
    python benchmarks/training.py BTC.parquet --starts 2023-09-01 2024-03-01 --days 90 --seed 1

For each start a version learns from `--days` days, is stopped on the next 7, calibrated on the 7
after those, and judged on the 14 that follow, which nothing has looked at. Skill is the share of
the log-loss of the training prior that is taken away. The interval is of the difference to the
logistic regression, from a paired bootstrap of whole days.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from crypto_nn.bars import Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features import default_feature_set
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import TEST, TRAIN, Reach, SplitConfig, rows_of, walk_forward
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.metrics.classification import class_prior, row_log_loss
from crypto_nn.metrics.significance import day_block_bootstrap
from crypto_nn.models import MODELS
from crypto_nn.models.baselines import BASELINES
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.version import train_version

MODEL = "LSTMPricePredictor"
DAY = np.timedelta64(1, "D")
HISTORY = 50 * DAY  # more than any feature remembers


def panel_of(bars: Bars, start: np.datetime64, days: int) -> Panel:
    """Features and labels of the days that one fold needs."""
    bars = bars.between(start - HISTORY, start + (days + 29) * DAY)
    features = default_feature_set()
    labels = compute_labels(bars, LabelConfig())
    part = Part.from_arrays(features.compute(bars), features.names, labels, bars)
    return Panel.from_parts({bars.symbol: part}).between(start, bars.ts[-1])


def judge(panel: Panel, days: int, train: TrainConfig) -> None:
    """Train one version and print how it and the baselines did on the test days."""
    splits = SplitConfig(train_days=days, lock_box_days=0, max_folds=1)
    reach = Reach(max(panel.horizons), train.window)
    fold = walk_forward(panel.ts_N[0], panel.ts_N[-1], splits, reach)[-1]
    recipe = Recipe(MODEL, MODELS[MODEL].presets["small"], train)
    started, spent = time.perf_counter(), time.process_time()
    trained = train_version(panel, fold, recipe)
    wall, cpu = time.perf_counter() - started, time.process_time() - spent
    print(
        f"\n{fold.start} {days} days: {trained.parameters:,} parameters, {len(trained.history)} "
        f"epochs, wall {wall:.1f} s, CPU {cpu:.1f} s with baselines and card"
    )
    inference = ModelInference(trained.files)
    assert inference.k is not None, "volatility labels have a k"
    panel = replace(panel, classes_NH=panel.classes_at(inference.k))
    ends = panel.window_ends(train.window)
    ends = ends[(panel.classes_NH[ends] >= 0).all(axis=1)]
    ends_of = {
        role: ends[rows_of(fold, role, panel.ts_N[ends], panel.t1_NH[ends])]
        for role in (TRAIN, TEST)
    }
    answers = {"model": inference.predict(panel, ends_of[TEST])}
    for name, baseline in BASELINES.items():
        answers[name] = baseline().fit(panel, ends_of[TRAIN]).predict(panel, ends_of[TEST])
    for column, horizon in enumerate(panel.horizons):
        classes_R = panel.classes_NH[ends_of[TEST], column]
        prior_C = class_prior(panel.classes_NH[ends_of[TRAIN], column])
        losses = {n: row_log_loss(p_RHC[:, column], classes_R) for n, p_RHC in answers.items()}
        due = row_log_loss(np.tile(prior_C, (len(classes_R), 1)), classes_R).mean()
        gain_R = (losses["logistic"] - losses["model"]) / due
        days_R = panel.ts_N[ends_of[TEST]].astype("datetime64[D]")
        found = day_block_bootstrap(gain_R, days_R)
        skills = "  ".join(f"{n} {1 - loss.mean() / due:+.2%}" for n, loss in losses.items())
        print(
            f"  {horizon:3d} min  {skills}  | model − logistic {found.estimate:+.2%} "
            f"[{found.low:+.2%}, {found.high:+.2%}]  rows {len(classes_R):,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", type=Path)
    parser.add_argument("--starts", nargs="+", default=["2023-09-01", "2024-02-01", "2024-10-01"])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    symbol = symbol_from(arguments.bars.name.split("_")[0])
    bars = Bars.from_arrow(pq.read_table(arguments.bars), symbol)
    train = TrainConfig(seed=arguments.seed)
    torch.set_num_threads(train.threads or torch.get_num_threads())
    for start in arguments.starts:
        judge(panel_of(bars, np.datetime64(start, "us"), arguments.days), arguments.days, train)


if __name__ == "__main__":
    main()
