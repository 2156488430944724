"""What a model must beat before it may be believed: simple forecasts, always shown beside it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crypto_nn.errors import ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import CHUNK_ROWS, RobustScaler

Rows = NDArray[np.int64]
Probabilities_RHC = NDArray[np.float64]
# From scaled features (R, F) to probabilities (R, 3).
Learned = Callable[[NDArray[np.float64]], NDArray[np.float64]]

NUM_CLASSES = 3
DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


class Baseline(ABC):
    """A forecast that needs no network: fitted on the rows of training, asked about any rows.

    `rows` are positions in the panel; whatever a baseline looks at lies at or before them. Rows
    whose class is not known (-1) are left out of fitting, horizon by horizon.
    """

    name: ClassVar[str]

    @abstractmethod
    def fit(self, panel: Panel, rows: Rows) -> Self:
        """Learn from these rows of the panel."""

    @abstractmethod
    def predict(self, panel: Panel, rows: Rows) -> Probabilities_RHC:
        """Probabilities of down, flat and up for each row and horizon."""


class Prior(Baseline):
    """Always the same answer: how often each class came in training."""

    name = "prior"

    def fit(self, panel: Panel, rows: Rows) -> Self:
        classes_RH = panel.classes_NH[rows]
        self.answer_HC = np.stack([self.answer(class_shares(column)) for column in classes_RH.T])
        return self

    def answer(self, shares_C: NDArray[np.float64]) -> NDArray[np.float64]:
        """What it says where the classes came in these shares."""
        return shares_C

    def predict(self, panel: Panel, rows: Rows) -> Probabilities_RHC:
        return np.repeat(self.answer_HC[None], len(rows), axis=0)


class Majority(Prior):
    """Always the class that came most in training, as sure of it as it was common.

    The others share the rest evenly: it knows one number, and no hard answer is ever certain.
    """

    name = "majority"

    def answer(self, shares_C: NDArray[np.float64]) -> NDArray[np.float64]:
        most = int(shares_C.argmax())
        answer_C = np.full(NUM_CLASSES, (1 - shares_C[most]) / (NUM_CLASSES - 1))
        answer_C[most] = shares_C[most]
        return answer_C


class Persistence(Baseline):
    """What followed in training when the last move of the same length went down, or up.

    The last move of horizon h is from the close h minutes ago to the newest close. Its sign picks
    one of three rows of frequencies; where that bar is missing, the row for no move is used.
    """

    name = "persistence"

    def fit(self, panel: Panel, rows: Rows) -> Self:
        shares = []
        for column, horizon in enumerate(panel.horizons):
            sign_R = last_sign(panel, rows, horizon)
            classes_R = panel.classes_NH[rows, column]
            prior_C = class_shares(classes_R)
            shares.append([class_shares(classes_R[sign_R == s], prior_C) for s in (-1, 0, 1)])
        self.shares_HSC = np.array(shares)
        return self

    def predict(self, panel: Panel, rows: Rows) -> Probabilities_RHC:
        columns = [
            self.shares_HSC[column][last_sign(panel, rows, horizon) + 1]
            for column, horizon in enumerate(panel.horizons)
        ]
        return np.stack(columns, axis=1)


class Classifier(Baseline):
    """A classifier of the newest bar's features, fitted for each horizon on its own.

    At most `MAX_ROWS` training rows with complete features are used, evenly spaced: minute bars
    overlap so much that more of them change the fit little. Where all of them have one class, or
    none is known, it answers with the shares of training.
    """

    MAX_ROWS: ClassVar[int]

    @abstractmethod
    def learn(self, scaled_RF: NDArray[np.float64], classes_R: NDArray[np.integer[Any]]) -> Learned:
        """Learn from rows whose class is known, of two classes at least."""

    def inputs(self, panel: Panel, rows: Rows) -> NDArray[np.floating[Any]]:
        """What the classifier sees of each row (R, F), before scaling."""
        return panel.x_NF[rows]

    def scaling(self, panel: Panel, rows: Rows) -> RobustScaler:
        """Fitted on the inputs of these rows, column by column: no copy is made of all of them."""
        return RobustScaler.fit(panel.x_NF, rows)

    def finite(self, panel: Panel, rows: Rows) -> NDArray[np.bool_]:
        """Which of the rows have every input; few are looked at together, to save memory."""
        parts = [rows[lo : lo + CHUNK_ROWS] for lo in range(0, len(rows), CHUNK_ROWS)]
        found = [np.isfinite(self.inputs(panel, part)).all(axis=1) for part in parts]
        return np.concatenate([np.empty(0, dtype=np.bool_), *found])

    def fit(self, panel: Panel, rows: Rows) -> Self:
        rows = rows[self.finite(panel, rows)]
        if not len(rows):
            raise ModelError(f"Baseline {self.name!r} has no row with complete features to fit on.")
        self.scaler = self.scaling(panel, rows)
        rows = thin(rows, self.MAX_ROWS)
        scaled_RF = self.scaler.transform(self.inputs(panel, rows)).astype(np.float64)
        self.learned = [
            self._learned(scaled_RF, classes_R) for classes_R in panel.classes_NH[rows].T
        ]
        return self

    def predict(self, panel: Panel, rows: Rows) -> Probabilities_RHC:
        scaled_RF = self.scaler.transform(self.inputs(panel, rows)).astype(np.float64)
        return np.stack([learned(scaled_RF) for learned in self.learned], axis=1)

    def _learned(
        self, scaled_RF: NDArray[np.float64], classes_R: NDArray[np.integer[Any]]
    ) -> Learned:
        known = classes_R >= 0
        if len(np.unique(classes_R[known])) < 2:  # nothing to tell apart: the shares will do
            shares_C = class_shares(classes_R)
            return lambda asked_RF: np.repeat(shares_C[None], len(asked_RF), axis=0)
        return self.learn(scaled_RF[known], classes_R[known])


class Logistic(Classifier):
    """Multinomial logistic regression on the newest bar's features, one for each horizon."""

    name = "logistic"
    MAX_ROWS = 40_000
    # Inverse ridge strength: strong, since the signal is far weaker than the noise.
    STRENGTH: ClassVar[float] = 0.003

    def learn(self, scaled_RF: NDArray[np.float64], classes_R: NDArray[np.integer[Any]]) -> Learned:
        from sklearn.linear_model import LogisticRegression  # loads only where it is fitted
        from threadpoolctl import threadpool_limits

        model = LogisticRegression(C=self.STRENGTH, max_iter=1_000, tol=1e-4)
        with threadpool_limits(1):  # more threads wait for each other on a busy machine
            model.fit(scaled_RF, classes_R)

        def answer(asked_RF: NDArray[np.float64]) -> NDArray[np.float64]:
            p_RC = np.zeros((len(asked_RF), NUM_CLASSES))
            p_RC[:, model.classes_.astype(int)] = model.predict_proba(asked_RF)
            return p_RC

        return answer


class VolatilityOnly(Logistic):
    """The control that sees no direction: volatility, sizes of last moves, and the time of day.

    A model that scores no better than this has learned when the market moves, not where to.
    """

    name = "volatility"

    def inputs(self, panel: Panel, rows: Rows) -> NDArray[np.floating[Any]]:
        sigma_R = np.maximum(panel.sigma_N[rows], 1e-12)
        sizes = [
            np.abs(last_move(panel, rows, horizon)) / (sigma_R * np.sqrt(horizon))
            for horizon in panel.horizons
        ]
        t_R = panel.ts_N[rows].astype("datetime64[us]").astype(np.int64)
        day = 2 * np.pi * (t_R % DAY_US) / DAY_US
        week = 2 * np.pi * (t_R % (7 * DAY_US)) / (7 * DAY_US)
        clock = [np.sin(day), np.cos(day), np.sin(2 * day), np.cos(2 * day)]
        return np.stack([np.log(sigma_R), *sizes, *clock, np.sin(week), np.cos(week)], axis=1)

    def scaling(self, panel: Panel, rows: Rows) -> RobustScaler:
        return RobustScaler.fit(self.inputs(panel, rows))


class LightGBM(Classifier):
    """Gradient-boosted trees on the newest bar's features (Ke et al. 2017).

    Few, small and slow trees, each from a third of the features, in coarse bins, with strong ridge:
    on minutes of BTC and ETH the signal is so far below the noise that the usual settings (31
    leaves, a rate of 0.1, no ridge) mostly score worse than the shares of training alone,
    while these score better. More rounds gain a little at five minutes and lose it at an hour.
    `benchmarks/boosting.py` shows both. One thread and a fixed seed: the same rows give the same
    bits.
    """

    name = "lightgbm"
    MAX_ROWS = 20_000
    ROUNDS: ClassVar[int] = 100
    SETTINGS: ClassVar[Mapping[str, Any]] = {
        "objective": "multiclass",
        "num_class": NUM_CLASSES,
        "learning_rate": 0.02,
        "num_leaves": 8,
        "min_data_in_leaf": 500,
        "lambda_l2": 100.0,
        "feature_fraction": 0.3,
        "max_bin": 31,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "seed": 0,
        "verbosity": -1,
    }

    def learn(self, scaled_RF: NDArray[np.float64], classes_R: NDArray[np.integer[Any]]) -> Learned:
        import lightgbm  # loads only where it is fitted

        settings = dict(self.SETTINGS)
        rows = lightgbm.Dataset(scaled_RF, classes_R, params=settings)
        trees = lightgbm.train(settings, rows, num_boost_round=self.ROUNDS)

        def answer(asked_RF: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(trees.predict(asked_RF, num_threads=1), dtype=np.float64)

        return answer


def class_shares(
    classes_R: NDArray[np.integer[Any]], prior_C: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """How often each class came; `prior_C` (uniform if None) counts as one observation more."""
    if prior_C is None:
        prior_C = np.full(NUM_CLASSES, 1 / NUM_CLASSES)
    counts_C = np.bincount(classes_R[classes_R >= 0], minlength=NUM_CLASSES) + prior_C
    return counts_C / counts_C.sum()


def last_move(panel: Panel, rows: Rows, minutes: int) -> NDArray[np.float64]:
    """Log-return of the last `minutes` minutes up to each row's close; 0 where a bar is missing."""
    before = np.maximum(rows - minutes, 0)
    apart = panel.ts_N[rows] - panel.ts_N[before]
    known = (apart == np.timedelta64(minutes * MINUTE_US, "us")) & (
        panel.symbol_N[rows] == panel.symbol_N[before]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        move = np.log(panel.close_N[rows] / panel.close_N[before])
    return np.where(known & np.isfinite(move), move, 0.0)


def last_sign(panel: Panel, rows: Rows, minutes: int) -> NDArray[np.int64]:
    """-1, 0 or 1: where the last `minutes` minutes went."""
    return np.sign(last_move(panel, rows, minutes)).astype(np.int64)


def thin(rows: Rows, most: int) -> Rows:
    """At most `most` of the rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


BASELINES: Mapping[str, type[Baseline]] = {
    baseline.name: baseline
    for baseline in (Majority, Prior, Persistence, VolatilityOnly, Logistic, LightGBM)
}
