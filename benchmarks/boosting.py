"""Why the boosted trees of the baseline `lightgbm` are so few and so shallow.

    python benchmarks/boosting.py ../shared/market/history/BTCUSDT_1m_2023-01_2025-06.parquet
    python benchmarks/boosting.py ETH.parquet --starts 2023-05-01 2024-03-01 --days 60

For each start, baselines learn from `--days` days and are judged on 14 days that follow. Log-loss
skill of the training prior, in percent, mean of all starts, for each horizon; and the CPU time of
a fit. `usual` has the settings that LightGBM comes with.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from training import panel_of

from crypto_nn.bars import Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, TRAIN, Reach, SplitConfig, rows_of, walk_forward
from crypto_nn.metrics.classification import class_prior, log_loss_skill
from crypto_nn.models.baselines import Baseline, LightGBM, Logistic

STARTS = ["2023-03-01", "2023-11-01", "2024-06-01", "2024-09-01", "2025-02-15"]
FEATURE_MEMORY = 48  # bars without a hole that a row needs, as in a window
OURS = LightGBM.SETTINGS
USUAL = {"num_leaves": 31, "min_data_in_leaf": 20, "lambda_l2": 0.0, "feature_fraction": 1.0}
USUAL |= {"max_bin": 255, "learning_rate": 0.1}
VARIANTS: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "ours": (LightGBM.ROUNDS, {}),
    "half as many rounds": (LightGBM.ROUNDS // 2, {}),
    "twice as many": (LightGBM.ROUNDS * 2, {}),
    "stumps": (LightGBM.ROUNDS, {"num_leaves": 2}),
    "4 leaves": (LightGBM.ROUNDS, {"num_leaves": 4}),
    "every feature": (LightGBM.ROUNDS, {"feature_fraction": 1.0}),
    "usual": (LightGBM.ROUNDS, USUAL),
}


def contestants() -> dict[str, Baseline]:
    found: dict[str, Baseline] = {"logistic": Logistic()}
    for name, (rounds, settings) in VARIANTS.items():
        body = {"ROUNDS": rounds, "SETTINGS": {**OURS, **settings}}
        found[name] = type("Variant", (LightGBM,), body)()
    return found


def rows_for(panel: Panel, days: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of training and, every fifth, of the test."""
    splits = SplitConfig(train_days=days, lock_box_days=0, max_folds=1)
    reach = Reach(max(panel.horizons), FEATURE_MEMORY)
    fold = walk_forward(panel.ts_N[0], panel.ts_N[-1], splits, reach)[-1]
    ends = panel.window_ends(FEATURE_MEMORY)
    ends = ends[(panel.classes_NH[ends] >= 0).all(axis=1)]
    train, test = (
        ends[rows_of(fold, role, panel.ts_N[ends], panel.t1_NH[ends])] for role in (TRAIN, TEST)
    )
    return train, test[::5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bars", type=Path)
    parser.add_argument("--starts", nargs="+", default=STARTS)
    parser.add_argument("--days", type=int, default=90)
    arguments = parser.parse_args()
    symbol = symbol_from(arguments.bars.name.split("_")[0])
    bars = Bars.from_arrow(pq.read_table(arguments.bars), symbol)
    skills, spent = defaultdict(list), defaultdict(list)
    for start in arguments.starts:
        panel = panel_of(bars, np.datetime64(start, "us"), arguments.days)
        train, test = rows_for(panel, arguments.days)
        due_RH = panel.classes_NH[test]
        for name, baseline in contestants().items():
            began = time.process_time()
            baseline.fit(panel, train)
            spent[name].append((time.process_time() - began) / len(panel.horizons))
            p_RHC = baseline.predict(panel, test)
            skills[name].append(
                [
                    log_loss_skill(
                        p_RHC[:, h], due_RH[:, h], class_prior(panel.classes_NH[train, h])
                    )
                    for h in range(len(panel.horizons))
                ]
            )
    print(f"{symbol}, {len(arguments.starts)} starts, horizons {panel.horizons}: skill in %")
    for name, found in skills.items():
        mean_H, worst_H = 100 * np.mean(found, axis=0), 100 * np.min(found, axis=0)
        print(f"{name:20s} mean {mean_H.round(2)}  worst {worst_H.round(2)}", end="")
        print(f"  {np.mean(spent[name]):.2f} s of CPU a horizon")


if __name__ == "__main__":
    main()
