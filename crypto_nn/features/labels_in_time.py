"""Whether labels are known exactly when they say: at t1, and not a bar earlier."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.features.labels import MINUTE, UNKNOWN, Labels


def untimely(
    compute: Callable[[Bars], Labels], bars: Bars, cut: np.datetime64, labels: Labels | None = None
) -> NDArray[np.bool_]:
    """Which labels break their word at an instant, N bars by H horizons; all of them are tested.

    Labels are made once more from the bars that have closed by `cut`. Those with t1 ≤ `cut` must
    come out the same to the bit; of all others nothing may be known yet.

    Args:
        compute: from bars to labels.
        bars: history beyond `cut`.
        cut: an instant, at which the world ends.
        labels: what `compute` makes of all bars, where that is there already.
    """
    whole = compute(bars) if labels is None else labels
    seen = bars.take(bars.ts + MINUTE <= cut)
    known, then = whole.take(slice(0, len(seen))), compute(seen)
    changed_N = _differ(known.ts, then.ts) | _differ(known.sigma, then.sigma)
    changed_NH = np.zeros(then.classes_NH.shape, dtype=np.bool_) | changed_N[:, None]
    for name in ("returns_NH", "scores_NH", "t1_NH", "classes_NH"):
        changed_NH |= _differ(getattr(known, name), getattr(then, name))
    told_NH = (then.classes_NH != UNKNOWN) | ~np.isnan(then.returns_NH)
    wrong_NH = np.zeros(whole.classes_NH.shape, dtype=np.bool_)
    wrong_NH[: len(seen)] = np.where(known.t1_NH <= cut, changed_NH, told_NH)
    return wrong_NH


def _differ(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where two arrays differ; NaN is NaN, and NaT is NaT."""
    differ: NDArray[np.bool_] = (one != other) & ~((one != one) & (other != other))
    return differ
