"""From a panel and a fold to what a model learns from; everything is fitted on training rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.errors import TrainingError
from crypto_nn.features.labels import CLASSES, Classes, LabelConfig, fit_k
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import RobustScaler, class_weights
from crypto_nn.features.splits import CALIBRATION, TRAIN, VALIDATION, Fold, rows_of
from crypto_nn.training.record import Recipe

MINUTE = np.timedelta64(60_000_000, "us")
ROLES = (TRAIN, VALIDATION, CALIBRATION)
_DECIDES = {
    "volatility": "another labels.span",
    "fixed": "another labels.bps",
    "cost": "another labels.bps",
    "triple_barrier": "another labels.width",
}


@dataclass(frozen=True)
class Prepared:
    """The rows of a fold that a version is made from; the test part is not among them.

    Attributes:
        panel: those rows, with the context that their windows need.
        ends: newest rows of the windows of each role, positions in `panel`.
        k: what counts as flat at each horizon, fitted on training rows; None where the labels do
            not depend on it.
        classes_NH: classes at that k.
        scaler: fitted on training rows.
        class_weights_HC: weights by rarity in training rows.
    """

    panel: Panel
    ends: Mapping[str, NDArray[np.int64]]
    k: tuple[float, ...] | None
    classes_NH: Classes
    scaler: RobustScaler
    class_weights_HC: NDArray[np.float64]


def prepare(panel: Panel, fold: Fold, recipe: Recipe) -> Prepared:
    """Cut out the rows of a fold and fit on its training rows what must be fitted there.

    Of rows before the fold those stay that the window of its first row needs: how much more
    history the panel has makes no difference.

    Raises:
        TrainingError: a role of the fold has no complete window with a known answer, or its
            training rows lack a class at some horizon.
    """
    reach = recipe.reach
    context = (reach - 1) * MINUTE  # more would let rows that nobody looks at name the version
    last = max(fold.role(role).end for role in ROLES)
    panel = panel.between(fold.start - context, last)
    complete = np.zeros(len(panel), dtype=np.bool_)
    complete[panel.window_ends(reach)] = True
    complete &= np.isfinite(panel.scores_NH).any(axis=1)
    ends = {
        role: np.flatnonzero(complete & rows_of(fold, role, panel.ts_N, panel.t1_NH))
        for role in ROLES
    }
    for role, rows in ends.items():
        if not len(rows):
            raise TrainingError(_nothing_for(role, panel, fold, reach))
    train = ends[TRAIN]
    k, classes_NH = None, panel.classes_NH
    if recipe.labels.kind == "volatility":
        k = tuple(fit_k(panel.scores_NH[train]).tolist())
        classes_NH = panel.classes_at(k)
    for column, minutes in enumerate(panel.horizons):
        counts = np.bincount(classes_NH[train, column] + 1, minlength=len(CLASSES) + 1)[1:]
        if not counts.all():
            raise TrainingError(_class_missing(minutes, counts, fold, recipe.labels))
    scaler = RobustScaler.fit(panel.x_NF, train)
    return Prepared(panel, ends, k, classes_NH, scaler, class_weights(classes_NH[train]))


def _nothing_for(role: str, panel: Panel, fold: Fold, reach: int) -> str:
    part = fold.role(role)
    inside = int(((panel.ts_N >= part.start) & (panel.ts_N < part.end)).sum())
    return (
        f"Fold {fold.number} ({fold.layout}) has no unbroken stretch of {reach} minutes with a "
        f"known label for {role}, {part.start} to {part.end}; it has {inside} bars there, of which "
        f"{int(panel.finite_N.sum())} in all roles have every feature. Materialise `bars`, "
        "`features` and `labels` for those months, or shorten training.window and, where the model "
        "has them, model.settings.bars."
    )


def _class_missing(minutes: int, counts: NDArray[np.int64], fold: Fold, labels: LabelConfig) -> str:
    part = fold.role(TRAIN)
    missing = " and no ".join(name for name, count in zip(CLASSES, counts) if not count)
    there = ", ".join(f"{count:,} {name}" for name, count in zip(CLASSES, counts))
    return (
        f"Fold {fold.number} ({fold.layout}) has no {missing} at the horizon of {minutes} minutes "
        f"in training, {part.start} to {part.end}: its windows there are {there}. What is never "
        "seen cannot be learned. Train on a longer range (splits.train_days), choose "
        f"{_DECIDES[labels.kind]} or labels.kind (now {labels.kind}), or leave {minutes} out of "
        "labels.horizons."
    )
