"""Whether to believe a version: its answers beside what came, chance, and a baseline."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crypto_nn.metrics.calibration import reliability_curve
from crypto_nn.metrics.classification import NUM_CLASSES
from crypto_nn.server.page_state import Bin, Score, Verdict

NUM_BINS = 10
LEAST_APART = 30  # outcomes that do not overlap, below which no verdict is given


def scores(rows: Sequence[dict[str, Any]], version: str) -> tuple[Score, ...]:
    """How a version did, by horizon, on the answers whose outcome is known.

    Args:
        rows: of `page_queries.Questions.answers`; those of other versions, those that the version
            learned from, and those without an outcome do not count.
        version: whose answers are scored.
    """
    known = [
        row
        for row in rows
        if row["model_version"] == version and not row["in_sample"] and row["outcome"] is not None
    ]
    horizons = sorted({row["horizon"] for row in known})
    return tuple(
        _score([row for row in known if row["horizon"] == horizon], horizon, version)
        for horizon in horizons
    )


def _score(rows: Sequence[dict[str, Any]], horizon: int, version: str) -> Score:
    p_NC = np.array([[row["p_down"], row["p_flat"], row["p_up"]] for row in rows])
    classes_N = np.array([row["outcome"] for row in rows], dtype=np.int64)
    commonest = np.bincount(classes_N, minlength=NUM_CLASSES).argmax()
    hits_N = p_NC.argmax(axis=1) == classes_N
    baseline_N = classes_N == commonest
    ahead_N = hits_N.astype(np.float64) - baseline_N
    curve = reliability_curve(p_NC, classes_N, NUM_BINS)
    margin = _margin(ahead_N, horizon)
    return Score(
        horizon=horizon,
        model_version=version,
        rows=len(rows),
        accuracy=float(hits_N.mean()),
        majority=float(baseline_N.mean()),
        chance=1 / NUM_CLASSES,
        margin=margin,
        verdict=_verdict(float(ahead_N.mean()), margin),
        ece=curve.ece,
        reliability=tuple(
            Bin(confidence=float(stated), accuracy=float(came), rows=int(num))
            for stated, came, num in zip(curve.confidence_K, curve.accuracy_K, curve.rows_K)
            if num
        ),
    )


def _margin(ahead_N: np.ndarray[Any, np.dtype[np.float64]], horizon: int) -> float | None:
    """Two standard errors of the mean; outcomes of neighbouring minutes are largely the same."""
    apart = len(ahead_N) / horizon
    return None if apart < LEAST_APART else float(2 * ahead_N.std() / np.sqrt(apart))


def _verdict(ahead: float, margin: float | None) -> Verdict:
    if margin is None:
        return "too few"
    if ahead > margin:
        return "better"
    return "worse" if ahead < -margin else "no better"
