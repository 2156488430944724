"""Regimes of volatility: whether skill is there when markets sleep, and when they are wild."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.scores import REGIMES, Answers
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TRAIN, Fold

UNKNOWN = len(REGIMES)
Codes = NDArray[np.int64]


def regimes_of(panel: Panel, folds: Sequence[Fold], answers: Answers) -> Codes:
    """The regime of each test row, a place in `REGIMES`; `UNKNOWN` where σ is not known (R,).

    The bounds are the terciles of σ, the volatility that a row's labels are measured in, over
    the training rows of the fold and of the same symbol: what "wild" means was known before the
    test, and a whole quarter may be calm.
    """
    sigma_R = panel.sigma_N[answers.rows]
    symbol_R = panel.symbol_N[answers.rows]
    regime_R = np.full(len(answers.rows), UNKNOWN, dtype=np.int64)
    for fold in folds:
        of_fold_R = answers.fold_R == fold.number
        if not of_fold_R.any():
            continue
        learned = fold.role(TRAIN)
        for number, symbol in enumerate(panel.symbols):
            rows = panel.slice_of(symbol)
            ts, sigma = panel.ts_N[rows], panel.sigma_N[rows]
            known = sigma[(ts >= learned.start) & (ts < learned.end) & np.isfinite(sigma)]
            here_R = of_fold_R & (symbol_R == number) & np.isfinite(sigma_R)
            if len(known) and here_R.any():
                bounds = np.quantile(known, [1 / 3, 2 / 3])
                regime_R[here_R] = np.searchsorted(bounds, sigma_R[here_R], side="right")
    return regime_R
