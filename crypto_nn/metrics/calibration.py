"""Whether a confidence of 60 % is right 60 times in a hundred."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float
from crypto_nn.metrics.classification import Counts, Ints

COLDEST, HOTTEST = 1e-2, 1e2


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Stated confidence against what came true, in K bins of equal width over [0, 1].

    Attributes:
        confidence_K: mean probability of the predicted class, NaN in an empty bin.
        accuracy_K: share of rows told right, NaN in an empty bin.
        rows_K: rows in the bin.
    """

    confidence_K: Float
    accuracy_K: Float
    rows_K: Counts

    @property
    def ece(self) -> float:
        """Mean distance between the two, weighted by rows."""
        used = self.rows_K > 0
        if not used.any():
            return np.nan
        distance = np.abs(self.confidence_K - self.accuracy_K)[used]
        return float(distance @ self.rows_K[used] / self.rows_K.sum())


def reliability_curve(
    probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints, bins: int = 15
) -> ReliabilityCurve:
    """Confidence and accuracy of the predicted class, by bins of confidence."""
    confidence_N = probabilities_NC.max(axis=1).astype(np.float64)
    right_N = probabilities_NC.argmax(axis=1) == classes_N
    # A bin holds its upper edge, as in Guo et al. 2017.
    bin_N = np.clip(np.ceil(confidence_N * bins).astype(np.int64) - 1, 0, bins - 1)
    rows_K = np.bincount(bin_N, minlength=bins)
    sums_K = np.bincount(bin_N, weights=confidence_N, minlength=bins)
    hits_K = np.bincount(bin_N, weights=right_N, minlength=bins)
    blank = np.full(bins, np.nan)
    used = rows_K > 0
    return ReliabilityCurve(
        np.divide(sums_K, rows_K, out=blank.copy(), where=used),
        np.divide(hits_K, rows_K, out=blank.copy(), where=used),
        rows_K,
    )


def ece(probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints, bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from accuracy, 0 at best.

    Over the predicted class, in bins of equal width (Guo, Pleiss, Sun, Weinberger 2017).
    """
    return reliability_curve(probabilities_NC, classes_N, bins).ece


def soften(logits_NC: NDArray[np.floating[Any]], temperature: float) -> Float:
    """Probabilities of logits divided by a temperature: above 1 less sure, below 1 more (N, C)."""
    scaled_NC = logits_NC.astype(np.float64) / temperature
    weights_NC = np.exp(scaled_NC - scaled_NC.max(axis=1, keepdims=True))
    probabilities_NC: Float = weights_NC / weights_NC.sum(axis=1, keepdims=True)
    return probabilities_NC


def fit_temperature(logits_NC: NDArray[np.floating[Any]], classes_N: Ints) -> float:
    """The temperature that makes these rows least surprising, between 0.01 and 100.

    Log loss is convex in 1 / temperature, so the zero of its slope is found by bisection: the
    same bits on every run. Fit on calibration rows, never on those that judge (Guo et al. 2017).
    1 without rows.
    """
    if not len(classes_N):
        return 1.0
    logits = logits_NC.astype(np.float64)
    told_N = logits[np.arange(len(classes_N)), classes_N]

    def slope(temperature: float) -> float:
        expected_N = (soften(logits, temperature) * logits).sum(axis=1)
        return float((expected_N - told_N).mean())  # of the log loss along 1 / temperature

    cold, hot = np.log(COLDEST), np.log(HOTTEST)
    if slope(HOTTEST) >= 0:
        return HOTTEST
    if slope(COLDEST) <= 0:
        return COLDEST
    for _ in range(50):
        middle = (cold + hot) / 2
        if slope(float(np.exp(middle))) > 0:
            cold = middle
        else:
            hot = middle
    return float(np.exp((cold + hot) / 2))
