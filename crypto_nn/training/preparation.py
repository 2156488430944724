"""From a panel and a fold to what a model learns from; everything is fitted on training rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.errors import TrainingError
from crypto_nn.features.labels import Classes, fit_k
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import RobustScaler, class_weights
from crypto_nn.features.splits import CALIBRATION, TRAIN, VALIDATION, Fold, rows_of
from crypto_nn.training.record import Recipe

MINUTE = np.timedelta64(60_000_000, "us")
ROLES = (TRAIN, VALIDATION, CALIBRATION)


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

    Raises:
        TrainingError: a role of the fold has no complete window with a known answer.
    """
    reach = recipe.reach
    context = (reach + max(panel.horizons)) * MINUTE
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
