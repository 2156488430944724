"""Every classification figure per horizon, gathered batch by batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float
from crypto_nn.metrics import calibration, classification
from crypto_nn.metrics.calibration import ReliabilityCurve
from crypto_nn.metrics.classification import Counts, Ints


class MetricsTracker:
    """Collects predictions and what came of them, and tells how good they were per horizon.

    Rows whose class is not known (−1) are left out, horizon by horizon.
    """

    def __init__(self, horizons: Sequence[int], prior_HC: ArrayLike | None = None) -> None:
        """`prior_HC` are the training rows' class shares, for the skill; thirds where None."""
        self.horizons = tuple(horizons)
        thirds = np.full((len(self.horizons), classification.NUM_CLASSES), 1 / 3)
        self.prior_HC: Float = thirds if prior_HC is None else np.asarray(prior_HC, np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._probabilities: list[NDArray[np.floating[Any]]] = []
        self._classes: list[Ints] = []

    def update(self, probabilities_BHC: NDArray[np.floating[Any]], classes_BH: Ints) -> None:
        """Take in a batch of rows."""
        self._probabilities.append(np.asarray(probabilities_BHC))
        self._classes.append(np.asarray(classes_BH))

    def compute(self) -> dict[int, dict[str, float]]:
        """Horizon → figure → value, over all rows so far."""
        return {horizon: self._figures(i) for i, horizon in enumerate(self.horizons)}

    def confusion(self, horizon: int) -> Counts:
        """The confusion matrix of a horizon: true classes down, predicted across (C, C)."""
        return classification.confusion_matrix(*self._known(self.horizons.index(horizon)))

    def reliability(self, horizon: int, bins: int = 15) -> ReliabilityCurve:
        """The reliability curve of a horizon."""
        return calibration.reliability_curve(*self._known(self.horizons.index(horizon)), bins)

    def _known(self, column: int) -> tuple[Float, Ints]:
        if not self._classes:
            return np.empty((0, classification.NUM_CLASSES)), np.empty(0, dtype=np.int64)
        classes_N = np.concatenate([classes[:, column] for classes in self._classes])
        probabilities = [batch[:, column] for batch in self._probabilities]
        known = classes_N >= 0
        return np.concatenate(probabilities)[known].astype(np.float64), classes_N[known]

    def _figures(self, column: int) -> dict[str, float]:
        return classification_figures(*self._known(column), self.prior_HC[column])


def classification_figures(
    probabilities_NC: Float, classes_N: Ints, prior_C: ArrayLike
) -> dict[str, float]:
    """Every figure of one horizon, by name; `prior_C` are the training rows' class shares."""
    told = classification.predicted_classes(probabilities_NC)
    return {
        "rows": float(len(classes_N)),
        "majority": classification.majority_share(classes_N),
        "accuracy": classification.accuracy(told, classes_N),
        "balanced_accuracy": classification.balanced_accuracy(told, classes_N),
        "precision": classification.precision(told, classes_N),
        "recall": classification.recall(told, classes_N),
        "f1": classification.f1(told, classes_N),
        "mcc": classification.mcc(told, classes_N),
        "direction_hit_rate": classification.direction_hit_rate(probabilities_NC, classes_N),
        "log_loss": classification.log_loss(probabilities_NC, classes_N),
        "log_loss_skill": classification.log_loss_skill(probabilities_NC, classes_N, prior_C),
        "brier": classification.brier(probabilities_NC, classes_N),
        "ece": calibration.ece(probabilities_NC, classes_N),
    }
