"""The days that the benchmark of the model monitor looks at: made up, or a forecaster's of bars."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import ndtr

from crypto_nn.bars import Bars
from crypto_nn.bars.symbol import symbol_from
from crypto_nn.features.labels import LabelConfig, classify, compute_labels, fit_k
from crypto_nn.monitoring.error_rates import Stream
from crypto_nn.monitoring.model_monitor import Series

TRAIN_DAYS = 60
HORIZONS = (5, 15, 60)
BASELINE, LIVE, ROWS = 14, 365, 288
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Harm:
    """What goes wrong from a live day on.

    Attributes:
        accuracy: share of rows that were right and are not any more, as part of all rows.
        confidence: how much the mean confidence falls.
        latency: what latency is multiplied by.
    """

    since: int = 0
    accuracy: float = 0.0
    confidence: float = 0.0
    latency: float = 1.0


@dataclass(frozen=True, eq=False)
class Days:
    """D days of R rows at H horizons.

    Attributes:
        confidence_DRH: probability of the likeliest class.
        right_DRH: whether it came.
        wrong_loss_DRH: log-loss where it did not.
        latency_DR: milliseconds.
    """

    confidence_DRH: Values
    right_DRH: NDArray[np.bool_]
    wrong_loss_DRH: Values
    latency_DR: Values

    def take(self, days: NDArray[np.int64]) -> "Days":
        """These days, in this order."""
        return Days(*(getattr(self, name)[days] for name in self.__dataclass_fields__))

    def scores(self, harm: Harm = Harm(), seed: int = 0) -> dict[Series, Values]:
        """Each metric by the day (D,)."""
        harmed = np.arange(len(self.latency_DR)) >= BASELINE + harm.since
        right_DRH = self.right_DRH
        if harm.accuracy:
            lost = harm.accuracy / right_DRH.mean()
            kept = np.random.default_rng(seed).random(right_DRH.shape) >= lost
            right_DRH = right_DRH & (kept | ~harmed[:, None, None])
        confidence_DRH = self.confidence_DRH - harm.confidence * harmed[:, None, None]
        loss_DRH = np.where(right_DRH, -np.log(self.confidence_DRH), self.wrong_loss_DRH)
        found: dict[Series, Values] = {}
        for h, horizon in enumerate(HORIZONS):
            accuracy = right_DRH[..., h].mean(axis=1)
            confidence = confidence_DRH[..., h].mean(axis=1)
            found["log_loss", horizon] = loss_DRH[..., h].mean(axis=1)
            found["accuracy", horizon] = accuracy
            found["confidence", horizon] = confidence
            found["calibration", horizon] = confidence - accuracy
        factor = np.where(harmed, harm.latency, 1.0)
        return found | {("latency", 0): factor * np.median(self.latency_DR, axis=1)}


def made_up(stream: Stream, days: int, seed: int) -> Days:
    """Confidence, outcomes and latency that follow a stream; nothing moves."""
    rng = np.random.default_rng(seed)
    x_NC = stream(rng, days * ROWS, 2 * len(HORIZONS) + 1)
    x_NC = (x_NC - x_NC.mean(axis=0)) / x_NC.std(axis=0)
    x_DRC = x_NC.reshape(days, ROWS, -1)
    confidence = 0.35 + 0.2 * ndtr(x_DRC[..., : len(HORIZONS)])
    right = ndtr(x_DRC[..., len(HORIZONS) : -1]) < confidence
    latency = 1 + 0.1 * np.exp(0.5 * x_DRC[..., -1])
    return Days(confidence, right, -np.log((1 - confidence) / 2), latency)


def shuffled(days: Days, seed: int) -> Days:
    """Days of the same forecaster in random order."""
    order = np.random.default_rng(seed).permutation(len(days.latency_DR))
    return days.take(order[: BASELINE + LIVE])


def forecast_days(path: Path) -> Days:
    """Days after the first 60, on which a logistic regression of returns and volume was fitted.

    Every fifth minute is forecast. Bars have no latency: the median range of a minute stands in.
    """
    from sklearn.linear_model import LogisticRegression

    bars = Bars.from_arrow(pq.read_table(path), symbol_from(path.name.split("_")[0]))
    labels = compute_labels(bars, LabelConfig(), complete=True)
    x_NF = _features(bars, labels.sigma)
    day_N = bars.ts.astype("datetime64[D]")
    _, first, count = np.unique(day_N, return_index=True, return_counts=True)
    stride = 1440 // ROWS
    whole = [place for place, size in zip(first[2:], count[2:]) if size == 1440]
    rows_DR = np.array(whole)[:, None] + np.arange(0, 1440, stride)
    known = np.isfinite(x_NF[rows_DR]).all(axis=(1, 2)) & np.isfinite(
        labels.scores_NH[rows_DR]
    ).all(axis=(1, 2))
    rows_DR = rows_DR[known]
    taught = rows_DR[:TRAIN_DAYS].ravel()
    classes_NH = classify(labels.scores_NH, fit_k(labels.scores_NH[taught]))
    judged = rows_DR[TRAIN_DAYS:]
    answers = []
    for h in range(classes_NH.shape[1]):
        model = LogisticRegression(max_iter=500).fit(x_NF[taught], classes_NH[taught, h])
        answers.append(model.predict_proba(x_NF[judged.ravel()]))
    p_RHC = np.stack(answers, axis=1)
    classes_RH = classes_NH[judged.ravel()].astype(np.int64)
    return _days(p_RHC, classes_RH, np.log(bars.high / bars.low)[judged] + 1e-6)


def _days(p_RHC: Values, classes_RH: Values, latency_DR: Values) -> Days:
    shape = (*latency_DR.shape, p_RHC.shape[1])
    right_RH = p_RHC.argmax(axis=2) == classes_RH
    told_RH = np.take_along_axis(p_RHC, classes_RH[..., None], axis=2)[..., 0]
    confidence_RH = p_RHC.max(axis=2)
    wrong_RH = np.where(right_RH, (1 - confidence_RH) / 2, told_RH)
    return Days(
        confidence_RH.reshape(shape),
        right_RH.reshape(shape),
        -np.log(wrong_RH).reshape(shape),
        latency_DR,
    )


def _features(bars: Bars, sigma_N: Values) -> Values:
    """Returns over six lengths in units of volatility, their sizes, range and volume."""
    log_close = np.log(bars.close)
    columns = []
    for length in (1, 5, 15, 60, 240):
        change = np.full(len(bars), np.nan)
        change[length:] = (log_close[length:] - log_close[:-length]) / np.sqrt(length)
        columns += [np.clip(change / sigma_N, -5, 5)]
        columns += [np.abs(columns[-1])]
    volume = np.log1p(bars.volume)
    columns.append(volume - np.convolve(volume, np.ones(60) / 60)[: len(volume)])
    columns.append(np.log(bars.high / bars.low) / sigma_N)
    return np.column_stack(columns)
