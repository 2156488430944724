"""Everything a score needs, summed by day: figures and their intervals follow from the sums."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.forecasts import NUM_CLASSES
from crypto_nn.metrics.classification import direction_hits, row_log_loss

Float = NDArray[np.float64]
BINS = 15  # as `metrics.calibration`
CELLS = NUM_CLASSES**2
ROWS, LOSS, PRIOR_LOSS, HITS, MOVED, BRIER = range(CELLS, CELLS + 6)
BIN_ROWS = slice(CELLS + 6, CELLS + 6 + BINS)
BIN_CONFIDENCE = slice(BIN_ROWS.stop, BIN_ROWS.stop + BINS)
BIN_RIGHT = slice(BIN_CONFIDENCE.stop, BIN_CONFIDENCE.stop + BINS)
WIDTH = BIN_RIGHT.stop


def day_sums(
    p_RC: Float,
    classes_R: NDArray[np.int64],
    prior_RC: Float,
    day_R: NDArray[np.int64],
    num_days: int,
) -> Float:
    """The sums of one contestant at one horizon (D, K), K as numbered above.

    Args:
        p_RC: its probabilities.
        classes_R: what came.
        prior_RC: what one would have said knowing the class shares of training alone.
        day_R: 0 … num_days - 1.
    """
    sums = np.zeros((num_days, WIDTH))
    said_R = p_RC.argmax(axis=1)
    cell_R = classes_R * NUM_CLASSES + said_R
    sums[:, :CELLS] = _by_day(day_R, num_days, cell_R, CELLS)
    hits_R, moved_R = direction_hits(p_RC, classes_R)
    truth_RC = np.eye(NUM_CLASSES)[classes_R]
    columns = {
        ROWS: np.ones(len(p_RC)),
        LOSS: row_log_loss(p_RC, classes_R),
        PRIOR_LOSS: row_log_loss(prior_RC, classes_R),
        HITS: hits_R * moved_R,
        MOVED: moved_R.astype(np.float64),
        BRIER: ((p_RC - truth_RC) ** 2).sum(axis=1),
    }
    for place, values in columns.items():
        sums[:, place] = np.bincount(day_R, weights=values, minlength=num_days)
    confidence_R = p_RC.max(axis=1)
    bin_R = np.clip(np.ceil(confidence_R * BINS).astype(np.int64) - 1, 0, BINS - 1)
    right_R = (said_R == classes_R).astype(np.float64)
    sums[:, BIN_ROWS] = _by_day(day_R, num_days, bin_R, BINS)
    sums[:, BIN_CONFIDENCE] = _by_day(day_R, num_days, bin_R, BINS, confidence_R)
    sums[:, BIN_RIGHT] = _by_day(day_R, num_days, bin_R, BINS, right_R)
    return sums


def _by_day(
    day_R: NDArray[np.int64],
    num_days: int,
    group_R: NDArray[np.int64],
    num_groups: int,
    weights_R: Float | None = None,
) -> Float:
    flat = np.bincount(day_R * num_groups + group_R, weights_R, minlength=num_days * num_groups)
    return flat.reshape(num_days, num_groups).astype(np.float64)


# Each figure below is the one of that name in `crypto_nn.metrics`, from sums (…, K) to (…).


def _ratio(top: Float, bottom: Float) -> Float:
    ratio: Float = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return ratio


def _confusion(sums: Float) -> Float:
    return sums[..., :CELLS].reshape(*sums.shape[:-1], NUM_CLASSES, NUM_CLASSES)


def _right(sums: Float) -> Float:
    return np.trace(_confusion(sums), axis1=-2, axis2=-1)  # type: ignore[no-any-return]


def _share(top: Float, bottom: Float, absent: NDArray[np.bool_]) -> Float:
    """top / bottom, 0 where bottom is 0, and the mean over classes that are not absent."""
    share = np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0)
    counted = ~absent
    return _ratio((share * counted).sum(axis=-1), counted.sum(axis=-1).astype(np.float64))


def accuracy(sums: Float) -> Float:
    return _ratio(_right(sums), sums[..., ROWS])


def majority(sums: Float) -> Float:
    return _ratio(_confusion(sums).sum(axis=-1).max(axis=-1), sums[..., ROWS])


def _parts(sums: Float) -> tuple[Float, Float, Float]:
    confusion = _confusion(sums)
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    return hit, confusion.sum(axis=-2), confusion.sum(axis=-1)


def balanced_accuracy(sums: Float) -> Float:
    hit, _, true = _parts(sums)
    return _share(hit, true, true == 0)


def precision(sums: Float) -> Float:
    hit, said, true = _parts(sums)
    return _share(hit, said, said + true == 0)


def recall(sums: Float) -> Float:
    hit, said, true = _parts(sums)
    return _share(hit, true, said + true == 0)


def f1(sums: Float) -> Float:
    hit, said, true = _parts(sums)
    return _share(2 * hit, said + true, said + true == 0)


def mcc(sums: Float) -> Float:
    hit, said, true = _parts(sums)
    total = sums[..., ROWS]
    covariance = hit.sum(axis=-1) * total - (said * true).sum(axis=-1)
    spread_said = total**2 - (said**2).sum(axis=-1)
    spread_true = total**2 - (true**2).sum(axis=-1)
    spread = np.sqrt(np.maximum(spread_said, 0)) * np.sqrt(np.maximum(spread_true, 0))
    told: Float = np.divide(covariance, spread, out=np.zeros(spread.shape), where=spread > 0)
    return told


def log_loss(sums: Float) -> Float:
    return _ratio(sums[..., LOSS], sums[..., ROWS])


def log_loss_skill(sums: Float) -> Float:
    return 1 - _ratio(sums[..., LOSS], sums[..., PRIOR_LOSS])


def brier(sums: Float) -> Float:
    return _ratio(sums[..., BRIER], sums[..., ROWS])


def direction_hit(sums: Float) -> Float:
    return _ratio(sums[..., HITS], sums[..., MOVED])


def ece(sums: Float) -> Float:
    apart = np.abs(sums[..., BIN_CONFIDENCE] - sums[..., BIN_RIGHT]).sum(axis=-1)
    return _ratio(apart, sums[..., ROWS])


FIGURES: Mapping[str, Callable[[Float], Float]] = {
    "accuracy": accuracy,
    "majority": majority,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "log_loss": log_loss,
    "log_loss_skill": log_loss_skill,
    "brier": brier,
    "ece": ece,
    "direction_hit": direction_hit,
}
