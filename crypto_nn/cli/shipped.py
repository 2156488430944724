"""The parts of the platform that `crypto-nn leaks` examines: all that could know the future."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from crypto_nn.cli.subjects import MADE, with_any_reference
from crypto_nn.errors import ConfigError, CryptoNNError

if TYPE_CHECKING:
    from crypto_nn.bars import Bars
    from crypto_nn.experiments import Experiment
    from crypto_nn.features import FeatureSet
    from crypto_nn.features.leaks import Examination
    from crypto_nn.features.splits import Splits

_REAL_SHARE, _MADE_SHARE = 0.12, 0.05  # of the seconds; boundaries may take ten times as long
_TAIL = np.timedelta64(120, "D")  # of a long history; small folds lie at its end
_SMALL = {
    "train_days": 3, "validation_days": 1, "calibration_days": 1, "test_days": 1,
    "lock_box_days": 2,
}  # fmt: skip


def shipped(
    bars: "Mapping[str, Bars]", experiment: "Experiment", seconds: float, seed: int
) -> "Iterator[tuple[str, Examination]]":
    """On each of these bars: features, labels, splits, scaler, and what training fits."""
    from crypto_nn.features import default_feature_set
    from crypto_nn.features.leaks import examine_features

    for name, some in bars.items():
        beside = experiment.features.reference or some.symbol
        config = experiment.features.model_copy(update={"reference": beside})
        features = default_feature_set(config)
        share = _MADE_SHARE if name == MADE else _REAL_SHARE / max(len(bars) - 1, 1)
        yield name, examine_features(features, with_any_reference(some), share * seconds, seed)
        for examination in _labels(some, experiment, share / 3 * seconds, seed):
            yield name, examination
        for examination in _teaching(features, some, experiment, seed):
            yield name, examination


def _labels(
    bars: "Bars", experiment: "Experiment", seconds: float, seed: int
) -> "Iterator[Examination]":
    """Every kind of label, at the configured horizons."""
    from crypto_nn.features import labels
    from crypto_nn.features.leaks import examine_labels

    kinds = get_args(labels.LabelConfig.model_fields["kind"].annotation)
    for kind in kinds:
        config = experiment.labels.model_copy(update={"kind": kind})

        def compute(some: "Bars", config: labels.LabelConfig = config) -> labels.Labels:
            return labels.compute_labels(some, config, complete=True)

        share = seconds / len(kinds)
        yield examine_labels(
            compute, bars, seed=seed, seconds=share, subject=f"labels: {kind}", far=False
        )


def _teaching(
    features: "FeatureSet", bars: "Bars", experiment: "Experiment", seed: int
) -> "Iterator[Examination]":
    """Splits as configured and small ones of each layout; the scaler; what training fits."""
    from crypto_nn.features import labels, splits
    from crypto_nn.features.leaks import examine_splits

    found = labels.compute_labels(bars, experiment.labels, complete=True)
    reach = splits.Reach(max(experiment.labels.horizons), experiment.reach)
    for layout in ("configured", "rolling", "expanding"):
        config, begin = experiment.splits, bars.ts[0]
        if layout != "configured":
            begin = max(begin, bars.ts[-1] - _TAIL)
            config = config.model_copy(update={"layout": layout, **_SMALL})
        try:
            made = splits.make_splits(begin, bars.ts[-1], config, reach)
        except ConfigError:
            continue  # too short a history for such folds
        yield examine_splits(made, bars.ts, found.t1_NH, reach, seed=seed,
                             subject=f"splits: {layout}")  # fmt: skip
        if layout == "rolling":
            yield from _fitted(features, bars, made, experiment, seed)


def _fitted(
    features: "FeatureSet", bars: "Bars", made: "Splits", experiment: "Experiment", seed: int
) -> "Iterator[Examination]":
    """The scaler on its own, and all that training and benchmark fit on a fold."""
    from crypto_nn.benchmark.rows import refitted
    from crypto_nn.features import labels, scaling, splits
    from crypto_nn.features.leaks import examine_fit, examine_scaler
    from crypto_nn.features.panel import Panel, Part
    from crypto_nn.training.preparation import prepare
    from crypto_nn.training.record import Recipe

    fold = made.folds[-1]
    since = fold.start - np.timedelta64(2, "D")
    piece = with_any_reference(bars).between(since, fold.end)
    x_NF = features.compute(piece, complete=True)
    found = labels.compute_labels(piece, experiment.labels, complete=True)
    panel = Panel.from_parts({bars.symbol: Part.from_arrays(x_NF, features.names, found, piece)})
    train = splits.rows_of(fold, splits.TRAIN, panel.ts_N, panel.t1_NH)
    done = examine_scaler(scaling.RobustScaler, x_NF[:5000], train[:5000], seed)
    columns = dict(zip(done.columns, features.names))
    yield replace(
        done,
        columns=features.names,
        leaks=tuple(replace(leak, name=columns[leak.name]) for leak in done.leaks),
    )
    model = experiment.model
    recipe = Recipe(model.name, model.config(), experiment.training, experiment.labels)

    def fit(some: Panel) -> Mapping[str, Any]:
        prepared = prepare(some, fold, recipe)
        _, k = refitted(some, fold, recipe.reach)
        return {
            "scaler": prepared.scaler.to_json(),
            "k": np.array(prepared.k or (), np.float64),
            "class weights": prepared.class_weights_HC,
            "training rows": prepared.panel.ts_N[prepared.ends[splits.TRAIN]],
            "k of the benchmark": np.array(k, np.float64),
        }

    try:
        fit(panel)
    except CryptoNNError:
        return  # no complete window on so few bars
    yield examine_fit(fit, panel, train, seed, subject="fitted in training")
