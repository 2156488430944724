"""Whether a memory finds the regime: what it recalls, by volatility, against chance."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TRAIN, Fold

if TYPE_CHECKING:
    from crypto_nn.inference.predictor import ModelInference

SAME, EXPECTED = "same_regime_share", "same_regime_by_chance"
TERCILES = (1 / 3, 2 / 3)
MOST_WINDOWS, BATCH = 2_000, 256
Codes = NDArray[np.int64]


def regime_recall(
    inference: "ModelInference", panel: Panel, fold: Fold, rows: Rows
) -> tuple[float, float]:
    """The share of recalled episodes that are of the window's own regime, and that by chance.

    A regime is a third of σ's distribution over the training rows of the fold and symbol. Shares
    are weighted as the memory weighs what it recalls. By chance is the share of the window's
    regime among all episodes that the memory holds, so that a memory full of calm days gets no
    credit for recalling one on a calm day. Windows without a recalled episode are left out.

    Returns:
        Both as means over at most `MOST_WINDOWS` evenly spaced windows; NaN where nothing was
        recalled.
    """
    import torch

    asked = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_WINDOWS)).astype(np.int64)]
    regime_N = regimes(panel, fold)
    windows, ends = inference.windows(panel, asked)
    weights, at, of = [], [], []
    with torch.inference_mode(), inference.thread_limit():
        for part in torch.split(ends, BATCH):
            seen = inference.network(windows.gather(part)).inspect
            weights.append(seen["episode_weights"].double().numpy())
            at.append(seen["episode_at"].numpy())
            of.append(seen["episode_symbol"].numpy())
    store: Any = inference.network.episodes
    held = store.filled_M.numpy()
    in_memory = _codes_at(
        inference, panel, regime_N, store.t.numpy()[held], store.symbol.numpy()[held]
    )
    recalled_BK = _codes_at(inference, panel, regime_N, np.concatenate(at), np.concatenate(of))
    return shares(regime_N[asked], recalled_BK, np.concatenate(weights), in_memory)


def shares(
    own_B: Codes, recalled_BK: Codes, weights_BK: NDArray[np.float64], in_memory_M: Codes
) -> tuple[float, float]:
    """The weighted share of recalled episodes of a window's own regime, and that by chance.

    Args:
        own_B: each window's regime; −1 where not known.
        recalled_BK: regimes of what was recalled; −1 where nothing or not known.
        weights_BK: how much each counts.
        in_memory_M: regimes of all episodes that are held.
    """
    known_M = in_memory_M[in_memory_M >= 0]
    weights_BK = np.where(recalled_BK >= 0, weights_BK, 0.0)
    total_B = weights_BK.sum(axis=1)
    counted_B = (own_B >= 0) & (total_B > 0)
    if not counted_B.any() or not len(known_M):
        return float("nan"), float("nan")
    same_B = (weights_BK * (recalled_BK == own_B[:, None])).sum(axis=1)
    frequency_G = np.bincount(known_M, minlength=len(TERCILES) + 1) / len(known_M)
    same = (same_B[counted_B] / total_B[counted_B]).mean()
    return float(same), float(frequency_G[own_B[counted_B]].mean())


def regimes(panel: Panel, fold: Fold) -> Codes:
    """Calm 0, normal 1 or wild 2 for every row; −1 where σ is not known (N,)."""
    codes_N = np.full(len(panel), -1, dtype=np.int64)
    learned = fold.role(TRAIN)
    for symbol in panel.symbols:
        rows = panel.slice_of(symbol)
        ts, sigma = panel.ts_N[rows], panel.sigma_N[rows]
        known = sigma[(ts >= learned.start) & (ts < learned.end) & np.isfinite(sigma)]
        if len(known):
            found = np.searchsorted(np.quantile(known, TERCILES), sigma, side="right")
            codes_N[rows] = np.where(np.isfinite(sigma), found, -1)
    return codes_N


def _codes_at(
    inference: "ModelInference", panel: Panel, regime_N: Codes, t: Codes, symbol: Codes
) -> Codes:
    """The regimes of these bars, by time (µs since 1970) and place in the version's symbols."""
    codes = np.full(t.shape, -1, dtype=np.int64)
    for number, name in enumerate(inference.symbols):
        if name not in panel.symbols:
            continue
        rows = panel.slice_of(name)
        stamps = panel.ts_N[rows].astype(np.int64)
        place = np.minimum(np.searchsorted(stamps, t), max(len(stamps) - 1, 0))
        found = (symbol == number) & (stamps[place] == t) if len(stamps) else np.zeros_like(t, bool)
        codes[found] = regime_N[rows][place[found]]
    return codes
