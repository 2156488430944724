"""Sets of classes that hold the right one with a stated frequency: split conformal prediction.

The promise (Vovk, Gammerman & Shafer 2005) holds where calibration rows and later rows are
exchangeable. A market's are not: the coverage that later rows had is measured beside the level.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float
from crypto_nn.errors import ModelError

Method = Literal["lac", "aps"]
Classes = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often the sets held the class, per horizon; NaN where a horizon has no known class.

    Attributes:
        level: the frequency that was stated.
        measured_H: the frequency that was found.
        mean_size_H: classes in a set, on average: 1 is sharp, 3 says nothing.
        rows_H: rows with a known class.
    """

    level: float
    measured_H: Float
    mean_size_H: Float
    rows_H: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Conformal:
    """Thresholds on how odd a class is, one per horizon.

    `lac` counts a class odd by the probability that it lacks (Sadinle, Lei & Wasserman 2019: the
    smallest sets on average); `aps` by the probability of all that is at least as likely (Romano,
    Sesia & Candès 2020, not randomised: larger sets, more even over easy and hard rows).

    Attributes:
        level: the frequency with which a set is to hold the class.
        method: as above.
        threshold_H: infinite where too few rows were known; all classes are then in each set.
    """

    level: float
    method: Method
    threshold_H: Float

    @classmethod
    def fit(
        cls, p_RHC: Float, classes_RH: Classes, level: float = 0.9, method: Method = "lac"
    ) -> "Conformal":
        """Thresholds from calibration rows, that no weight was learned from.

        Args:
            p_RHC: calibrated probabilities.
            classes_RH: 0 down, 1 flat, 2 up, −1 not known (left out).
            level: between 0 and 1.
            method: how odd a class is, as above.

        Raises:
            ModelError: level, method or shapes are not as due, or a probability is not finite.
        """
        if not 0 < level < 1:
            raise ModelError(f"A level of {level} was given; it must lie between 0 and 1.")
        if method not in ("lac", "aps"):
            raise ModelError(f"There is no conformal method {method!r}; use 'lac' or 'aps'.")
        _check(p_RHC, classes_RH)
        scores_RHC = _oddness(p_RHC, method)
        thresholds = []
        for column in range(p_RHC.shape[1]):
            known = np.flatnonzero(classes_RH[:, column] >= 0)
            scores = np.sort(scores_RHC[known, column, classes_RH[known, column]])
            rank = int(np.ceil((len(scores) + 1) * level))
            thresholds.append(scores[rank - 1] if rank <= len(scores) else np.inf)
        return cls(level, method, np.array(thresholds))

    def sets(self, p_RHC: Float) -> NDArray[np.bool_]:
        """Which classes are in each set (R, H, 3); the likeliest always is."""
        inside_RHC = _oddness(p_RHC, self.method) <= self.threshold_H[:, None]
        np.put_along_axis(inside_RHC, p_RHC.argmax(axis=-1)[..., None], True, axis=-1)
        return inside_RHC

    def coverage(self, p_RHC: Float, classes_RH: Classes) -> Coverage:
        """How often sets of other rows held the class that came.

        Raises `ModelError` as `fit` does for shapes.
        """
        _check(p_RHC, classes_RH)
        inside_RHC, known_RH = self.sets(p_RHC), classes_RH >= 0
        due_RH = np.where(known_RH, classes_RH, 0)[..., None]
        held_RH = np.take_along_axis(inside_RHC, due_RH, axis=-1)[..., 0] & known_RH
        rows_H = known_RH.sum(axis=0)
        over_H = np.where(rows_H > 0, rows_H, np.nan)
        size_RH = inside_RHC.sum(axis=-1) * known_RH
        return Coverage(self.level, held_RH.sum(0) / over_H, size_RH.sum(0) / over_H, rows_H)


def _oddness(p_RHC: Float, method: Method) -> Float:
    if method == "lac":
        odd: Float = 1.0 - p_RHC
        return odd
    at_least_RHCC = p_RHC[..., None, :] >= p_RHC[..., :, None]
    mass: Float = (p_RHC[..., None, :] * at_least_RHCC).sum(axis=-1)
    return mass


def _check(p_RHC: Float, classes_RH: Classes) -> None:
    if p_RHC.ndim != 3 or p_RHC.shape[-1] != 3 or classes_RH.shape != p_RHC.shape[:2]:
        raise ModelError(
            f"Probabilities of shape {p_RHC.shape} and classes of shape {classes_RH.shape} were "
            "given; (rows, horizons, 3) and (rows, horizons) are due."
        )
    if not np.isfinite(p_RHC).all():
        raise ModelError("A probability is no finite number. Give a model's calibrated answers.")
