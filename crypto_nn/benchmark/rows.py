"""Which rows judge, which may be learned from, and what contestants are not shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float
from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.errors import ConfigError
from crypto_nn.features.labels import DOWN, FLAT, UNKNOWN, UP, Classes, fit_k
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, TRAIN, Fold, rows_of

MINUTE = np.timedelta64(1, "m")


@dataclass(frozen=True, eq=False)
class Exam:
    """A fold with the rows on which everyone is judged, and those that came before.

    Attributes:
        fold: its roles in time.
        rows: positions of test rows in the panel, ascending.
        known: positions of the rows before the test whose labels are known when it begins.
    """

    fold: Fold
    rows: Rows
    known: Rows


def exams(panel: Panel, folds: Sequence[Fold], window: int, stride: int) -> tuple[Exam, ...]:
    """The exams of these folds; the same rows for every contestant.

    A test row ends a whole window of the longest contestant, has all its labels, and closes on a
    multiple of `stride` minutes of the clock.

    Raises:
        ConfigError: a fold has no test row or no row to learn from, or there is no fold.
    """
    if not folds:
        raise ConfigError("There is no fold to benchmark on: give at least one with a test part.")
    whole = np.zeros(len(panel), dtype=np.bool_)
    whole[panel.window_ends(window)] = True
    labelled = (panel.classes_NH != UNKNOWN).all(axis=1)
    minutes = (panel.ts_N + MINUTE).astype("datetime64[m]").astype(np.int64)
    asked = whole & labelled & (minutes % stride == 0)
    return tuple(_exam(panel, fold, asked, window) for fold in folds)


def _exam(panel: Panel, fold: Fold, asked: NDArray[np.bool_], window: int) -> Exam:
    mask = rows_of(fold, TEST, panel.ts_N, panel.t1_NH)
    known = np.zeros(len(panel), dtype=np.bool_)
    for role in fold.roles:
        if role.name != TEST:
            known |= rows_of(fold, role.name, panel.ts_N, panel.t1_NH)
    rows: Rows = np.flatnonzero(mask & asked)
    learned: Rows = np.flatnonzero(known & panel.finite_N)
    if not len(rows) or not len(learned):
        test = fold.role(TEST)
        raise ConfigError(
            f"Fold {fold.number} has {len(learned):,} rows to learn from and {len(rows):,} to be "
            f"judged on (test {test.start} to {test.end}, whole windows of {window} minutes with "
            "labels). Materialise features and labels of that time, or choose other folds."
        )
    return Exam(fold, rows, learned)


def refitted(panel: Panel, fold: Fold, window: int) -> tuple[Panel, tuple[float, ...]]:
    """The panel with the classes of this fold's k, by which a third of its training rows is flat.

    As `training.preparation` fits it: on complete windows of the training part. Classes by a
    fixed band or by cost do not follow the score, and those of a triple barrier follow a path, of
    which another width would meet another part: they have no k and stay as they are.
    """
    train = np.zeros(len(panel), dtype=np.bool_)
    train[panel.window_ends(window)] = True
    train &= np.isfinite(panel.scores_NH).any(axis=1)
    train &= rows_of(fold, TRAIN, panel.ts_N, panel.t1_NH)
    to_the_end_RH = panel.t1_NH[train] - panel.ts_N[train, None] == _longest(panel.horizons)
    if not (
        to_the_end_RH.all() and _follow_scores(panel.scores_NH[train], panel.classes_NH[train])
    ):
        return panel, ()
    k_H = fit_k(panel.scores_NH[train])
    return replace(panel, classes_NH=panel.classes_at(k_H)), tuple(k_H.tolist())


def _longest(horizons: Sequence[int]) -> NDArray[np.timedelta64]:
    """From a bar's open to the end of each horizon."""
    return (np.array(horizons) + 1) * MINUTE


def _follow_scores(scores_RH: Float, classes_RH: Classes) -> bool:
    """Whether these are volatility labels: every flat score is smaller than any other."""
    sizes_RH, flat_RH = np.abs(scores_RH), classes_RH == FLAT
    moved_RH = (classes_RH != UNKNOWN) & ~flat_RH
    largest_H = np.where(flat_RH, sizes_RH, 0.0).max(axis=0, initial=0.0)
    smallest_H = np.where(moved_RH, sizes_RH, np.inf).min(axis=0, initial=np.inf)
    return bool((largest_H <= smallest_H).all())


def blinded(panel: Panel, fold: Fold) -> Panel:
    """The panel without the answers: no label that is known only after the test has begun."""
    late_NH = panel.t1_NH > fold.role(TEST).start
    return replace(
        panel,
        returns_NH=np.where(late_NH, np.nan, panel.returns_NH),
        scores_NH=np.where(late_NH, np.nan, panel.scores_NH),
        classes_NH=np.where(late_NH, np.int8(UNKNOWN), panel.classes_NH),
    )


def permuted(panel: Panel, seed: int, flip: bool = False) -> Panel:
    """The panel with the labels of whole days dealt to other days: nothing is left to learn.

    Each row gets the labels of the same minute of another day of its symbol, none where that
    day has no such minute. What days look like inside is kept, so that a test that is fooled by
    dependence is found out.

    Args:
        flip: also change up and down over in each of the days by the toss of a coin, the same for
            all symbols. Then up and down are equally likely whatever is known of the past, even
            where the market rose.
    """
    rng = np.random.default_rng(seed)
    source = np.full(len(panel), -1, dtype=np.int64)
    for number in range(len(panel.symbols)):
        rows = np.flatnonzero(panel.symbol_N == number)
        stamps = panel.ts_N[rows]
        days, day = np.unique(stamps.astype("datetime64[D]"), return_inverse=True)
        shuffled = days[rng.permutation(len(days))]
        wanted = stamps + (shuffled[day] - days[day])
        place = np.minimum(np.searchsorted(stamps, wanted), max(len(stamps) - 1, 0))
        found = stamps[place] == wanted
        source[rows[found]] = rows[place[found]]
    none = (source < 0)[:, None]
    returns_NH = np.where(none, np.nan, panel.returns_NH[source])
    scores_NH = np.where(none, np.nan, panel.scores_NH[source])
    classes_NH = np.where(none, np.int8(UNKNOWN), panel.classes_NH[source])
    if flip:
        days, day = np.unique(panel.ts_N.astype("datetime64[D]"), return_inverse=True)
        side_N = rng.choice([-1, 1], len(days))[day]
        turned = (side_N < 0)[:, None] & (classes_NH != UNKNOWN)
        returns_NH, scores_NH = returns_NH * side_N[:, None], scores_NH * side_N[:, None]
        classes_NH = np.where(turned, np.int8(UP + DOWN) - classes_NH, classes_NH)
    return replace(panel, returns_NH=returns_NH, scores_NH=scores_NH, classes_NH=classes_NH)
