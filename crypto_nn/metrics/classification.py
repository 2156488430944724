"""How often, and how surely, the side of a move was told right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float

Ints = NDArray[np.integer[Any]]
Counts = NDArray[np.int64]
NUM_CLASSES = 3
DOWN, FLAT, UP = 0, 1, 2


def predicted_classes(predictions: NDArray[Any]) -> Ints:
    """The likeliest class of each row of probabilities (N, C); classes (N,) stay as they are."""
    return predictions.argmax(axis=1) if predictions.ndim == 2 else predictions


def confusion_matrix(
    predictions: NDArray[Any], classes_N: Ints, num_classes: int = NUM_CLASSES
) -> Counts:
    """Rows by true class (down) and predicted class (across), (C, C).

    `predictions` are probabilities (N, C) or classes (N,); true classes are 0 … C − 1.
    """
    flat_index = classes_N.astype(np.int64) * num_classes + predicted_classes(predictions)
    counts: Counts = np.bincount(flat_index, minlength=num_classes**2).astype(np.int64)
    return counts.reshape(num_classes, num_classes)


def accuracy(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Share of rows whose class was told. Means nothing without the majority's share beside it."""
    return _mean(predicted_classes(predictions) == classes_N)


def majority_share(classes_N: Ints) -> float:
    """The accuracy of always saying the commonest of these classes."""
    return float(np.bincount(classes_N).max() / len(classes_N)) if len(classes_N) else np.nan


@dataclass(frozen=True, eq=False)
class PerClass:
    """Quality of each class on its own (C,), NaN for one neither present nor predicted.

    Attributes:
        precision_C: of the rows said to be of the class, the share that are.
        recall_C: of the rows of the class, the share that was found.
        f1_C: harmonic mean of the two.
        support_C: rows of the class.
    """

    precision_C: Float
    recall_C: Float
    f1_C: Float
    support_C: Counts


def per_class(confusion_CC: Counts) -> PerClass:
    """Precision, recall and F1 of each class from a confusion matrix."""
    hit_C = np.diag(confusion_CC)
    said_C, true_C = confusion_CC.sum(axis=0), confusion_CC.sum(axis=1)
    absent_C = said_C + true_C == 0

    def share(top: Counts, bottom: Counts) -> Float:
        values = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
        values[absent_C] = np.nan
        return values

    return PerClass(
        share(hit_C, said_C), share(hit_C, true_C), share(2 * hit_C, said_C + true_C), true_C
    )


def precision(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Mean over classes (macro) of the share of calls of a class that were right."""
    return _mean_known(per_class(confusion_matrix(predictions, classes_N)).precision_C)


def recall(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Mean over classes (macro) of the share of a class that was found."""
    return _mean_known(per_class(confusion_matrix(predictions, classes_N)).recall_C)


def f1(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Mean over classes (macro) of the harmonic mean of precision and recall."""
    return _mean_known(per_class(confusion_matrix(predictions, classes_N)).f1_C)


def balanced_accuracy(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Mean recall of the classes that occur: 1/3 for any guess that does not look."""
    quality = per_class(confusion_matrix(predictions, classes_N))
    return _mean_known(np.where(quality.support_C > 0, quality.recall_C, np.nan))


def mcc(predictions: NDArray[Any], classes_N: Ints) -> float:
    """Correlation between told and true classes: 0 for any guess that does not look, 1 at best.

    Matthews' coefficient for several classes (Gorodkin 2004); 0 where either is constant.
    """
    return mcc_of(confusion_matrix(predictions, classes_N))


def mcc_of(confusion_CC: Counts) -> float:
    """Matthews' coefficient of a confusion matrix."""
    confusion = confusion_CC.astype(np.float64)
    total, right = confusion.sum(), np.trace(confusion)
    if not total:
        return np.nan
    said_C, true_C = confusion.sum(axis=0), confusion.sum(axis=1)
    covariance = right * total - said_C @ true_C
    spread = np.sqrt(total**2 - said_C @ said_C) * np.sqrt(total**2 - true_C @ true_C)
    return float(covariance / spread) if spread else 0.0


def row_log_loss(probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints) -> Float:
    """−log of the probability given to what happened, in nats, row by row (N,).

    Probabilities are kept one machine epsilon away from 0 and 1, as scikit-learn does.
    """
    epsilon = np.finfo(probabilities_NC.dtype).eps
    given_N = probabilities_NC[np.arange(len(classes_N)), classes_N]
    surprise: Float = -np.log(np.clip(given_N, epsilon, 1 - epsilon).astype(np.float64))
    return surprise


def log_loss(probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints) -> float:
    """Mean surprise in nats; ln 3 = 1.0986 for saying a third each."""
    return _mean(row_log_loss(probabilities_NC, classes_N))


def log_loss_skill(
    probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints, prior_C: ArrayLike
) -> float:
    """Share of the surprise that the prediction takes away: 1 − log loss / log loss of the prior.

    `prior_C` are the class shares of the training rows, what one would say without looking.
    Below zero the prediction is worse than that. Honest models reach some tenths of a percent.
    """
    prior_NC = np.broadcast_to(np.asarray(prior_C, dtype=np.float64), probabilities_NC.shape)
    return 1 - log_loss(probabilities_NC, classes_N) / log_loss(prior_NC, classes_N)


def class_prior(classes_N: Ints, num_classes: int = NUM_CLASSES) -> Float:
    """Share of each class among these rows (C,), leaving out unknown ones (−1)."""
    counts = np.bincount(classes_N[classes_N >= 0], minlength=num_classes)
    shares: Float = counts / max(1, counts.sum())
    return shares


def brier(probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints) -> float:
    """Mean squared distance between probabilities and what happened, 0 at best, 2 at worst."""
    truth_NC = np.eye(probabilities_NC.shape[1])[classes_N]
    return _mean(((probabilities_NC - truth_NC) ** 2).sum(axis=1))


def direction_hits(
    probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints
) -> tuple[Float, NDArray[np.bool_]]:
    """1 where the likelier side came, ½ for a tie, else 0; and which rows were not flat (N,)."""
    lean = np.sign(probabilities_NC[:, UP] - probabilities_NC[:, DOWN])
    return (1 + lean * np.sign(classes_N - FLAT)) / 2, classes_N != FLAT


def direction_hit_rate(probabilities_NC: NDArray[np.floating[Any]], classes_N: Ints) -> float:
    """Of the moves that were not flat, the share whose side was the likelier of up and down.

    ½ is chance. A tie between the sides counts half.
    """
    hits_N, moved_N = direction_hits(probabilities_NC, classes_N)
    return _mean(hits_N[moved_N])


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else np.nan


def _mean_known(values_C: Float) -> float:
    return _mean(values_C[~np.isnan(values_C)])
