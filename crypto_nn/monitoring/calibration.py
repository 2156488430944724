"""When is the largest of many distances unusual: by comparison with whole other days."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_FLOOR_SHARE = 0.02  # a column's unit is at least this share of its largest distance
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Today's distances on the scale on which 1 is the calibrated level-α quantile.

    Attributes:
        score_F: per column; above 1 exactly where `p_F` ≤ α.
        p_F: per column, adjusted for all columns: the share of days (today included) whose
            largest distance over all columns is at least this column's today.
        worst_B: the largest score of each day, today last.
        unit_F: the distance that makes a score of 1 in each column.
    """

    score_F: Float
    p_F: Float
    worst_B: Float
    unit_F: Float

    def alarm_rate(self, alpha: float) -> float:
        """How often a reference day would itself have alarmed against all the others."""
        ref = self.worst_B[:-1]
        return float(np.mean([_alarms(np.delete(ref, b), ref[b], alpha) for b in range(len(ref))]))

    def forward_rate(self, alpha: float) -> float:
        """How often a day of the later half would have alarmed against the earlier half.

        Near α where the market stood still within the reference, far above where it moved; NaN
        where half of the reference is too short for this level.
        """
        ref = self.worst_B[:-1]
        early, late = ref[: len(ref) // 2], ref[len(ref) // 2 :]
        if not attainable(len(early), alpha):
            return float("nan")
        return float(np.mean([_alarms(early, one, alpha) for one in late]))


def attainable(reference_days: int, alpha: float) -> int:
    """How many of the days, today included, may lie at or above the critical value; 0 is none.

    With B reference days the smallest possible p-value is 1/(B + 1).
    """
    return int(alpha * (reference_days + 1) + _ROUNDING)


def days_needed(alpha: float) -> int:
    """The fewest reference days with which a p-value can reach the level: 19 for 5 %."""
    return math.ceil(1 / alpha - _ROUNDING) - 1


def calibrate(distance_BF: Float, floor: float, alpha: float) -> Calibrated:
    """Rank today (the last row) among the days by the largest distance over all columns.

    Each column's distances are divided by their own 1−α quantile over all days, today included,
    so that columns with a calm and with a restless past weigh alike (`floor` is the least such
    unit; for NaN distances see `_filled`). A day's statistic is its largest quotient. The critical
    value is the k-th largest statistic of the reference days, k = ⌊α(B+1)⌋, and scores are
    statistics divided by it. If days are exchangeable, today's score exceeds 1 with a chance of at
    most α, however dependent rows and columns are; ties count against an alarm.

    Block-conformal maximum test; see Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random
    World" (2005), and Westfall and Young, "Resampling-Based Multiple Testing" (1993).
    """
    distance_BF = _filled(distance_BF)
    unit_F = np.quantile(distance_BF, 1 - alpha, axis=0)
    unit_F = np.maximum(unit_F, np.maximum(floor, _FLOOR_SHARE * distance_BF.max(axis=0)))
    unit_F = np.where(unit_F > 0, unit_F, 1.0)
    statistic_BF = distance_BF / unit_F
    worst_B = statistic_BF.max(axis=1)
    k = attainable(len(worst_B) - 1, alpha)
    assert k >= 1, "the caller asks `attainable` first"
    critical = max(float(np.sort(worst_B[:-1])[-k]), _ROUNDING)
    score_F = statistic_BF[-1] / critical
    worst_B = worst_B / critical
    above_F = (worst_B[:-1, None] >= score_F).sum(axis=0)
    return Calibrated(score_F, (1 + above_F) / len(worst_B), worst_B, unit_F * critical)


def _filled(distance_BF: Float) -> Float:
    """Days on which a column has no distance get values spread over those of its other days.

    Left at 0 they would lower the bar: with a fifth of the days unknown, level 5 % is 6 %. Which
    ranks are taken differs by column, not by day, and is the same each time.
    """
    filled_BF = distance_BF.copy()
    for j in np.flatnonzero(np.isnan(distance_BF).any(axis=0)):
        known_B = np.isfinite(distance_BF[:, j])
        known = np.sort(distance_BF[known_B, j]) if known_B.any() else np.zeros(1)
        num_missing = int((~known_B).sum())
        rng = np.random.default_rng(int(j))
        share = (rng.permutation(num_missing) + rng.random()) / num_missing
        filled_BF[~known_B, j] = known[(share * len(known)).astype(np.int64)]
    return filled_BF


def _alarms(reference: Float, one: float, alpha: float) -> bool:
    k = attainable(len(reference), alpha)
    return k >= 1 and bool(one > np.sort(reference)[-k])
